"""Promises a session entry makes about heartbeats and checkpoints (FORMAT.md 5.3; step J12). Pure, O(1) state."""

from __future__ import annotations

from liuhen.entry import Entry
from liuhen.findings import Code, Findings, Place
from liuhen.kinds import Checkpoint, Heartbeat, Instant, Session, SessionEnd, Stop
from liuhen.verify_journal import NS_PER_MS

PROMISE_FACTOR = 2


class Promises:
    """Step J12: heartbeats and checkpoints come when they were promised; twice the time is allowed."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._promise: tuple[int, int, int, int] | None = None
        self._run: int | None = None
        self._beat: Instant | None = None
        self._checkpoint: Instant | None = None
        self._owed_by: str | None = None

    def forget(self) -> None:
        """After a break nobody knows when the last one was."""
        self._beat = self._checkpoint = self._owed_by = None

    def accept(self, entry: Entry) -> None:
        """One believed entry in its place."""
        now: Instant = (entry.common.clock[2], entry.common.clock[1])
        if entry.common.run != self._run:
            self._run, self._beat, self._checkpoint = entry.common.run, now, now
            self._owed_by = "run"
        match entry.body:
            case Session(promise=promise):
                self._pay(entry, owed_by="session-end")
                self._promise, self._beat, self._checkpoint = promise, now, now
            case Heartbeat():
                self._check_beat(entry, now)
                self._beat = now
            case Checkpoint():
                self._check_interval(entry, now)
                self._checkpoint, self._owed_by = now, None
            case SessionEnd():
                self._check_beat(entry, now)
                self._promise, self._owed_by = None, "session-end"
            case Stop():
                self._pay(entry, owed_by=self._owed_by)
            case _:
                pass

    def _pay(self, entry: Entry, *, owed_by: str | None) -> None:
        if self._owed_by is not None and self._owed_by == owed_by:
            place = Place(entry=entry.common.seq, session=entry.common.session_id)
            self._findings.add(Code.CHECKPOINT_OVERDUE, place, en=f"{owed_by} … {entry.kind}")

    def _check_beat(self, entry: Entry, now: Instant) -> None:
        silent_ms = _passed_ms(self._beat, now)
        if self._promise is not None and silent_ms > PROMISE_FACTOR * self._promise[2]:
            place = Place(entry=entry.common.seq, session=entry.common.session_id)
            self._findings.add(Code.SILENCE, place, en=silent_ms)

    def _check_interval(self, entry: Entry, now: Instant) -> None:
        passed_ms = _passed_ms(self._checkpoint, now)
        if self._promise is not None and passed_ms > PROMISE_FACTOR * self._promise[3]:
            place = Place(entry=entry.common.seq, session=entry.common.session_id)
            self._findings.add(Code.CHECKPOINT_OVERDUE, place, en=f"{passed_ms} ms")


def _passed_ms(since: Instant | None, now: Instant) -> int:
    if since is None or since[0] != now[0]:
        return 0
    return (now[1] - since[1]) // NS_PER_MS
