"""Whether a store keeps what it holds for as long as was promised: read back of each object, held against two words.

Step B5. What its last receipt says is the device's claim of what the store said; the term of its session is the
chain's. Both are asked of the store that is read, and of no other. Pure: what the store said was read before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from liuhen.findings import Code, Findings
from liuhen.keeping import Kept as Keeping
from liuhen.report_words import iso
from liuhen.store_names import NAME_BYTES
from liuhen.store_reader import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What the journal says: by the beginning of a content until when this store keeps it, and the terms of sessions.

    Terms bind a store that is the designated one. `now_ms`: what is to be kept for good must be kept now.
    """

    until_ms: Mapping[bytes, int]
    designated: bool
    sessions: Mapping[bytes, Keeping]
    now_ms: int


def check_kept(findings: Findings, kept: Mapping[bytes, Kept], promises: Promises) -> None:
    """One finding for each promise that is not kept, with how many objects, and one of them."""
    untold = sum(not said.told for said in kept.values())
    if untold:
        zh, en = f"{untold} 个对象", f"{untold} objects"
        findings.add(Code.STORE_RETENTION_UNTOLD, zh=zh, en=en)
    rows = [row for key, said in kept.items() if said.told for row in _short(key, said, promises)]
    for word_zh, word_en in (("回执", "its receipt"), ("保存期限", "its term")):
        mine = [row for row in rows if row[0] == word_en]
        if mine:
            _, content, said, wanted = min(mine, key=lambda row: (row[2] or 0, row[1]))
            has = "-" if said is None else iso(said)
            findings.add(
                Code.STORE_RETENTION_SHORT,
                zh=f"{len(mine)} 个对象短于{word_zh}，例如 {content.hex()}… 保存至 {has}，{word_zh}为 {iso(wanted)}",
                en=f"{len(mine)} objects against {word_en}, such as {content.hex()}…: until {has}, not {iso(wanted)}",
            )


def _short(key: bytes, said: Kept, promises: Promises) -> Iterator[tuple[str, bytes, int | None, int]]:
    """Which word, what, until when it is kept, and until when it should be."""
    content, session = key[-NAME_BYTES:], key[:-NAME_BYTES]
    until_ms = said.until_ms or 0
    receipted = promises.until_ms.get(content)
    if receipted is not None and until_ms < receipted:
        yield "its receipt", content, said.until_ms, receipted
    term = promises.sessions.get(session) if promises.designated else None
    if term is None:
        return
    wanted = max(term.until_ms or 0, promises.now_ms if term.permanent else 0)
    if until_ms < wanted:
        yield "its term", content, said.until_ms, wanted
