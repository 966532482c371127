"""The visits of an always-on room's day, and how far cases have come (FORMAT.md 5.10, 5.11; J29).

Owns one `Day` for each session of mode 1 that has visits; of any other nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable

from liuhen.entry import Entry
from liuhen.findings import Code, Findings, Place
from liuhen.kinds import Case, Session, SessionEnd, Visit
from liuhen.visits import Day, VisitTold


class VisitsCheck:
    """Takes believed entries in order."""

    def __init__(self, findings: Findings, wanted: Callable[[bytes], bool]) -> None:
        self._findings = findings
        self._wanted = wanted
        self.days: dict[bytes, Day] = {}
        self._open: Day | None = None
        self._sessions: set[bytes] = set()
        self._whole = True

    def doubt(self) -> None:
        """Entries are missing: what the open day, or the session of a case, did not say is not held against it."""
        self._whole = False

    def accept(self, entry: Entry) -> None:
        """One believed entry in its place."""
        session = entry.common.session_id
        if isinstance(entry.body, Case):
            self._case(entry, entry.body)
        if session is None:
            return
        if isinstance(entry.body, Session):
            self.conclude()
            self._open = Day(id=session)
            self._sessions.add(session)
        day = self._open
        if day is None or day.id != session:
            if isinstance(entry.body, Visit) and self._whole:
                self._wrong(session, entry.common.seq, "a visit in no open session")
            return
        day.accept(entry)
        if isinstance(entry.body, Visit):
            self.days.setdefault(session, day)
        if isinstance(entry.body, SessionEnd):
            self.conclude()

    def conclude(self) -> None:
        """The day is over, or the journal is: what was wrong in it, and who was never told."""
        day, self._open = self._open, None
        if day is None or day.id is None or not self._wanted(day.id):
            return
        for seq, words in day.wrong if self._whole else ():
            self._wrong(day.id, seq, words)
        for visit in day.visits:
            if visit.told_ms is None and self._whole:
                self._not_told(day.id, visit)

    def _not_told(self, session: bytes, visit: VisitTold) -> None:
        place = Place(session=session, entry=visit.entry)
        self._findings.add(Code.VISIT_NOT_TOLD, place, zh=visit.number, en=visit.number)

    def _case(self, entry: Entry, body: Case) -> None:
        if not self._whole:
            return
        if entry.common.session_id is not None or body.session not in self._sessions:
            self._wrong(body.session, entry.common.seq, "a case of a session that this journal does not have")
        elif body.due is not None and body.due < body.day:
            self._wrong(body.session, entry.common.seq, "a case whose last day is before its first")

    def _wrong(self, session: bytes, seq: int, words: str) -> None:
        if self._wanted(session):
            self._findings.add(Code.VISIT_ORDER, Place(session=session, entry=seq), en=words)
