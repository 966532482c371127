"""What the chain says of keeping content, and whether a destruction was allowed (FORMAT.md 5.6; step J21).

Owns what founded `destroyed` entries name, for steps S1 and J18: only that excuses an absence. Pure: reads no file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from liuhen.entry import Entry
from liuhen.findings import Code, Findings, Place
from liuhen.keeping import SYNCHRONISED, Content, Keeping
from liuhen.kinds import Clock, Destroyed, Hold, Retention
from liuhen.registry import ContentKind, RefusalCode

NAME_DIGITS = 16
"""A record is named to a reader by the first digits of its commitment."""


class KeepingCheck:
    """Takes believed entries in order. `wanted` says which sessions are asked for, `now_ms` is the verifier's clock."""

    def __init__(self, findings: Findings, wanted: Callable[[bytes], bool], now_ms: int) -> None:
        self._findings = findings
        self._wanted = wanted
        self._now_ms = now_ms
        self.keeping = Keeping()
        """Terms, holds and owners so far; step J26 asks it too."""
        self.segments: dict[bytes, set[bytes]] = {}
        """Of each session the file hashes of segments that were destroyed as the chain allows."""
        self.records: dict[bytes, int] = {}
        """Of each record destroyed as the chain allows: the seq of the entry that says so."""

    def accept(self, entry: Entry) -> None:
        """One believed entry in its place."""
        wrong = self.keeping.accept(entry)
        session = _session_of(entry)
        if session is not None and not self._wanted(session):
            return
        place = Place(entry=entry.common.seq, session=session)
        if wrong is not None:
            self._findings.add(Code.RETENTION_ORDER, place, en=wrong)
        if isinstance(entry.body, Destroyed):
            self._destroyed(entry.body, entry.common.clock, place)

    def _destroyed(self, body: Destroyed, clock: Clock, place: Place) -> None:
        founded: Counter[int] = Counter()
        unfounded: Counter[tuple[RefusalCode, bool]] = Counter()
        for content in body.contents:
            wrong = self._unfounded(content, place.session, clock)
            if wrong is not None:
                unfounded[wrong] += 1
                continue
            founded[content[0]] += 1
            self._excuse(content, place)
        for (code, by_own_clock), count in unfounded.items():
            whose_zh, whose_en = ("", "") if by_own_clock else ("（按校验者的时钟）", " by the verifier's own clock")
            self._findings.add(
                Code.DESTRUCTION_UNFOUNDED,
                place,
                zh=f"{code.words_zh}{whose_zh}，涉及 {count} 项内容",
                en=f"{code.words_en}{whose_en} ({count} pieces of content)",
            )
        if founded:
            self._tell(body, founded, place)

    def _unfounded(self, content: Content, session: bytes | None, clock: Clock) -> tuple[RefusalCode, bool] | None:
        """What forbade it, and whether already by the device's own word; a device's clock can run ahead of time."""
        code = self.keeping.forbids(content, session, clock)
        if code is not None:
            return code, True
        by_ours = (min(clock[0], self._now_ms), 0, bytes(16), SYNCHRONISED, 0)
        code = self.keeping.forbids(content, session, by_ours)
        return None if code is None else (code, False)

    def _excuse(self, content: Content, place: Place) -> None:
        what, digest = content
        if what == ContentKind.RECORD:
            self.records.setdefault(digest, place.entry or 0)
        elif what == ContentKind.SEGMENT and place.session is not None:
            self.segments.setdefault(place.session, set()).add(digest)

    def _tell(self, body: Destroyed, founded: Counter[int], place: Place) -> None:
        segments, records = founded[ContentKind.SEGMENT], founded[ContentKind.RECORD]
        rest = sum(founded.values()) - segments - records
        orders = [commitment.hex()[:NAME_DIGITS] for _, commitment in body.records]
        zh = f"{segments} 段、{records} 份附录、{rest} 处隔离内容；依据附录 {'、'.join(orders) or '未附'}"
        en = f"{segments} segments, {records} records, {rest} pieces in quarantine; "
        en += f"by the order in record {', '.join(orders)}" if orders else "no order is attached"
        self._findings.add(Code.DESTROYED, place, zh=zh, en=en)


def _session_of(entry: Entry) -> bytes | None:
    """The session an entry is about; those of keeping name it themselves, for they come when it has ended."""
    return entry.body.session if isinstance(entry.body, Retention | Hold) else entry.common.session_id
