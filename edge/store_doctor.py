"""What a store is good for, judged from what its probes saw: rows for a person, a profile for the code. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from edge.store_probes import DirectorySeen, Held, Seen
from liuhen.registry import CheckOutcome, RetentionMode

WELL, WARNING, BLOCKING, NOT_FITTED = (
    CheckOutcome.WELL,
    CheckOutcome.WARNING,
    CheckOutcome.BLOCKING,
    CheckOutcome.NOT_FITTED,
)
MOST_SKEW_SECONDS = 60.0


class Item(enum.Enum):
    """What is looked at: its words."""

    TLS = "传输加密", "TLS"
    CLOCK = "时钟", "clock"
    READ_BACK = "按版本读回", "read back by version"
    DIGEST = "拒收损坏内容", "refuses damaged bytes"
    DEFAULT_RETENTION = "默认保存期限", "default retention"
    DELETION = "锁定期内不能删除", "no deletion while locked"
    SHORTENING = "期限不能缩短", "no shorter retention"
    WEAKENING = "锁定方式不能降级", "no weaker lock"
    VERSIONING = "版本管理不能关闭", "versions cannot be switched off"
    OVERWRITE = "重复写入不损旧版本", "a new version leaves the old"
    MARKER = "删除标记不损版本", "a delete marker leaves the version"
    CONDITIONAL = "条件写入", "conditional put"
    CHECKSUM = "校验头", "checksum header"
    CHOSEN_DATE = "随写入指定期限", "date sent with a put"
    PAST_DATE = "拒绝过去的期限", "refuses a date in the past"
    FAR_CLOCK = "拒绝时钟偏差过大的请求", "refuses a clock far off"
    NO_CLOBBER = "同名不覆盖", "a name is not written over"
    WORM = "防删改（WORM）", "WORM"

    def __init__(self, words_zh: str, words_en: str) -> None:
        self.words_zh = words_zh
        self.words_en = words_en


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One item as it was found. `seen` are words of both languages, the fix is empty where nothing is to be done."""

    item: Item
    outcome: CheckOutcome
    seen: str
    fix_zh: str = ""
    fix_en: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the code may rely on at this store, as of this day."""

    url: str
    examined_at: datetime
    worm: bool
    lock_enforced: bool
    versions: bool
    conditional_put: bool
    checksum_header: bool
    explicit_retention: bool
    default_mode: RetentionMode
    default_seconds: int | None
    delete_marker: bool
    server_key: bytes | None


def judge(seen: Seen) -> tuple[Row, ...]:
    """Every row of a store with locks, the promises first."""
    return (
        _promise(Item.READ_BACK, seen.has_versions and seen.reads_back, "请为桶开启版本管理", "switch versions on"),
        _digest(seen),
        _default_retention(seen),
        _lock(Item.DELETION, seen.deletion),
        _lock(Item.SHORTENING, seen.shortening),
        _lock(Item.WEAKENING, seen.weakening),
        _lock(Item.VERSIONING, seen.versioning),
        _promise(Item.OVERWRITE, seen.overwritten_is_intact, "此存储不可用", "do not use this store"),
        _marker(seen),
        _tls(seen),
        _clock(seen.skew_seconds),
        _extra(Item.CONDITIONAL, holds=_is_conditional(seen)),
        _extra(Item.CHECKSUM, holds=seen.refuses_wrong_checksum),
        _extra(Item.CHOSEN_DATE, holds=seen.keeps_chosen_date),
        _extra(Item.PAST_DATE, holds=seen.refuses_past_date),
        _extra(Item.FAR_CLOCK, holds=seen.refuses_far_clock),
    )


def judge_directory(seen: DirectorySeen) -> tuple[Row, ...]:
    """Every row of a directory."""
    other_disk = ("请改用其他文件系统", "use another file system")
    return (
        _promise(Item.READ_BACK, seen.reads_back, *other_disk),
        _promise(Item.NO_CLOBBER, seen.refuses_other_bytes, *other_disk),
        _clock(seen.skew_seconds),
        Row(
            item=Item.WORM,
            outcome=WARNING,
            seen="非 WORM not WORM",
            fix_zh="目录本身不能防止删改；规定的保存场所应为带锁定的对象存储",
            fix_en="a directory prevents no change; the designated store should be one with locks",
        ),
    )


def is_fit(rows: Iterable[Row]) -> bool:
    """Whether every promise was shown."""
    return all(row.outcome is not BLOCKING for row in rows)


def profile_of(seen: Seen, url: str, at: datetime) -> Profile:
    """The profile of a store with locks."""
    locks = (seen.deletion, seen.shortening, seen.weakening, seen.versioning)
    return Profile(
        url=url,
        examined_at=at,
        worm=True,
        lock_enforced=all(lock is Held.YES for lock in locks) and seen.default.mode is RetentionMode.COMPLIANCE,
        versions=seen.has_versions,
        conditional_put=_is_conditional(seen),
        checksum_header=seen.refuses_wrong_checksum,
        explicit_retention=seen.keeps_chosen_date,
        default_mode=seen.default.mode,
        default_seconds=seen.default_seconds,
        delete_marker=seen.marker_is_listed,
        server_key=seen.server_key,
    )


def profile_of_directory(url: str, at: datetime) -> Profile:
    """The profile of a directory: nothing to rely on but the bytes."""
    return Profile(
        url=url,
        examined_at=at,
        worm=False,
        lock_enforced=False,
        versions=False,
        conditional_put=False,
        checksum_header=False,
        explicit_retention=False,
        default_mode=RetentionMode.NONE,
        default_seconds=None,
        delete_marker=False,
        server_key=None,
    )


def as_plain(profile: Profile, rows: Iterable[Row]) -> dict[str, Any]:
    """All of it as JSON's values."""
    plain = asdict(profile) | {
        "examined_at": profile.examined_at.astimezone(UTC).isoformat(),
        "default_mode": profile.default_mode.name.lower(),
        "server_key": None if profile.server_key is None else profile.server_key.hex(),
    }
    listed = [
        {
            "item": row.item.name.lower(),
            "outcome": row.outcome.name.lower(),
            "seen": row.seen,
            "fix_zh": row.fix_zh,
            "fix_en": row.fix_en,
        }
        for row in rows
    ]
    return {"profile": plain, "rows": listed}


def _is_conditional(seen: Seen) -> bool:
    return seen.refuses_second_put and seen.race_winners == 1


def _promise(item: Item, holds: bool, fix_zh: str, fix_en: str) -> Row:
    if holds:
        return Row(item=item, outcome=WELL, seen="成立 holds")
    return Row(item=item, outcome=BLOCKING, seen="不成立 does not hold", fix_zh=fix_zh, fix_en=fix_en)


def _lock(item: Item, held: Held) -> Row:
    match held:
        case Held.YES:
            return Row(
                item=item, outcome=WELL, seen="已拒绝，且此账户本有权限 refused, to an account that otherwise may"
            )
        case Held.NO:
            return Row(
                item=item,
                outcome=BLOCKING,
                seen="锁定未被执行 the lock is not enforced",
                fix_zh="此存储接受锁定却不执行，不得用作规定的保存场所",
                fix_en="this store accepts locks without enforcing them; it cannot be the designated store",
            )
        case Held.UNSHOWN:
            return Row(
                item=item,
                outcome=BLOCKING,
                seen="未证实：此账户本无权限 not shown: this account may not do it to anything",
                fix_zh="请用桶所有者的账户再做一次自检",
                fix_en="examine once more with the account of the bucket's owner",
            )


def _marker(seen: Seen) -> Row:
    if seen.marked_is_intact and not seen.marker_is_listed:
        return Row(item=Item.MARKER, outcome=NOT_FITTED, seen="未出现删除标记 no marker appeared")
    return _promise(Item.MARKER, seen.marked_is_intact, "此存储不可用", "do not use this store")


def _digest(seen: Seen) -> Row:
    found = {"Content-MD5": seen.refuses_wrong_md5, "SHA-256": seen.refuses_wrong_payload}
    refused = [name for name, holds in found.items() if holds]
    if len(refused) == len(found):
        return Row(item=Item.DIGEST, outcome=WELL, seen=" + ".join(refused))
    return Row(
        item=Item.DIGEST,
        outcome=WARNING if refused else BLOCKING,
        seen=f"仅 only {' '.join(refused)}" if refused else "都不核对 checks neither",
        fix_zh="此存储不核对收到的内容；只有读回才能发现损坏",
        fix_en="this store does not check what it gets; only reading back finds damage",
    )


def _default_retention(seen: Seen) -> Row:
    mode, seconds = seen.default.mode, seen.default_seconds
    words = "无 none" if seconds is None else f"{mode.name} {seconds / 86_400:.1f} 天 days"
    match mode:
        case RetentionMode.COMPLIANCE | RetentionMode.BUCKET:
            return Row(item=Item.DEFAULT_RETENTION, outcome=WELL, seen=words)
        case RetentionMode.GOVERNANCE | RetentionMode.NONE:
            return Row(
                item=Item.DEFAULT_RETENTION,
                outcome=BLOCKING,
                seen=words,
                fix_zh="请为桶设置 COMPLIANCE 方式的默认保存期限，不少于规定年限",
                fix_en="give the bucket a default retention of mode COMPLIANCE, at least the term of the law",
            )


def _tls(seen: Seen) -> Row:
    if seen.server_key is not None:
        return Row(item=Item.TLS, outcome=WELL, seen=f"SPKI {seen.server_key.hex()[:16]}…")
    fix = ("未加密，仅限本机试用", "not encrypted: for trials on this machine alone")
    return Row(item=Item.TLS, outcome=WARNING, seen="无 none", fix_zh=fix[0], fix_en=fix[1])


def _clock(skew_seconds: float) -> Row:
    words = f"{skew_seconds:+.1f} s"
    if abs(skew_seconds) <= MOST_SKEW_SECONDS:
        return Row(item=Item.CLOCK, outcome=WELL, seen=words)
    fix = ("请核对两边的时钟", "check both clocks")
    return Row(item=Item.CLOCK, outcome=WARNING, seen=words, fix_zh=fix[0], fix_en=fix[1])


def _extra(item: Item, *, holds: bool) -> Row:
    """Something that is used where it is there and that nothing rests on."""
    if holds:
        return Row(item=item, outcome=WELL, seen="支持 honoured")
    return Row(item=item, outcome=NOT_FITTED, seen="不支持，不依赖 not honoured, and not relied on")
