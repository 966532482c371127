"""What the report says of stores: what receipts name, how long it is said to be kept (FORMAT.md 5.8). Pure."""

from __future__ import annotations

from collections.abc import Iterable

from liuhen.registry import RetentionMode
from liuhen.report_words import Words, iso
from liuhen.store_statements import WitnessClaim
from liuhen.verify_store import StoreSummary

_STORE_DIGITS = 16
_MODE_WORDS = {
    RetentionMode.NONE: ("不锁定（非 WORM）", "not locked (not WORM)"),
    RetentionMode.GOVERNANCE: ("治理锁定（有权限者可解除）", "governance lock (can be lifted)"),
    RetentionMode.COMPLIANCE: ("合规锁定", "compliance lock"),
    RetentionMode.BUCKET: ("存储桶锁定", "bucket lock"),
}


def store_lines(stores: Iterable[StoreSummary], words: Words) -> list[str]:
    """The stores that receipts name, one line each; nothing where there is none."""
    lines = [_line(store, words) for store in stores]
    if not lines:
        return []
    title = words.say("入库情况（依设备的回执，系其自称）：", "In stores (by the device's receipts, its own claim):")
    return [title, *lines, ""]


def witness_lines(claims: Iterable[WitnessClaim], words: Words) -> list[str]:
    """How far pinned witnesses have seen this very journal: a second pair of eyes than the device's own."""
    lines = []
    for claim in claims:
        kid, time = claim.kid.hex()[:_STORE_DIGITS], words.time(claim.utc_ms)
        lines.append(
            words.say(
                f"      见证 {kid} 于 {time} 见证至第 {claim.size - 1} 号条目，并核对 {claim.media} 个媒体文件",
                f"     witness {kid} saw it up to entry {claim.size - 1} at {time}, and re-hashed {claim.media} media",
            )
        )
    return lines or [words.say("      没有所给见证的有效见证", "     no statement of a pinned witness covers it")]


def witness_json(claim: WitnessClaim) -> dict[str, object]:
    """One witness of the report."""
    return {
        "witness": claim.kid.hex(),
        "up_to_entry": claim.size - 1,
        "time": iso(claim.utc_ms),
        "media": claim.media,
    }


def _line(store: StoreSummary, words: Words) -> str:
    digits = store.store.hex()[:_STORE_DIGITS]
    name = words.say(f"  存储 {digits}", f"  store {digits}")
    name += words.say("（指定存储）", " (designated)") if store.designated else ""
    held = words.say(
        f"：已回读 {len(store.segments)} 段、{len(store.records)} 份附录",
        f": {len(store.segments)} segments and {len(store.records)} records read back",
    )
    modes = [words.say(*_mode_words(mode)) for mode in sorted(store.modes)]
    last = words.say(f"；最近回执为第 {store.last_entry} 号条目", f"; last receipt: entry {store.last_entry}")
    if store.last_store_utc_ms is not None:
        last += words.say(
            f"，存储时钟 {words.time(store.last_store_utc_ms)}", f", {words.time(store.last_store_utc_ms)} by its clock"
        )
    return name + held + words.say("；", "; ") + words.say("、", ", ").join(modes) + _until(store, words) + last


def _until(store: StoreSummary, words: Words) -> str:
    if store.until_ms is None:
        return words.say("，未报告保存期", ", no retention reported")
    part = words.say("，部分未报告保存期", ", for some of it no retention is reported") if store.unlimited else ""
    at = words.time(store.until_ms)
    return words.say(f"，最早保存至 {at}", f", kept until {at} at the earliest") + part


def _mode_words(mode: int) -> tuple[str, str]:
    known = [words for code, words in _MODE_WORDS.items() if code == mode]
    return known[0] if known else (f"方式 {mode}", f"mode {mode}")


def store_json(store: StoreSummary) -> dict[str, object]:
    """One store of the report."""
    return {
        "store": store.store.hex(),
        "designated": store.designated,
        "modes": sorted(store.modes),
        "segments": len(store.segments),
        "records": len(store.records),
        "retained_until": iso(store.until_ms),
        "retention_unreported": store.unlimited,
        "last_receipt": store.last_entry,
        "last_store_time": iso(store.last_store_utc_ms),
    }
