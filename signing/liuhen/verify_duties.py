"""What is owed and whether it was given; refused starts, checks and maintenance (FORMAT.md 5.7; step J25).

Owns one small summary per duty and per refused start, and of gaps, refusals and ends of sessions the number. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from liuhen.entry import Entry
from liuhen.findings import Code, Findings, Place
from liuhen.kinds import Check, Commitments, Duty, Event, Gap, Maintenance, Refusal, Session, SessionEnd
from liuhen.registry import DESTRUCTION_REFUSALS, CheckCode, DutyAct, DutyCode, EventCode
from liuhen.verify_codes import known

MOST_UPKEEP = 400
"""Daily checks and maintenance told: of a year and more the newest; all are counted."""


@dataclass(slots=True, kw_only=True)
class DutySummary:
    """One duty; times are the device's claim of UTC. `about` is the kind of the entry that made it due."""

    entry: int
    code: int
    about: str
    about_entry: int
    session: bytes | None
    opened_utc_ms: int
    records: Commitments
    discharged_by: int | None = None
    discharged_utc_ms: int | None = None
    given: Commitments = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalSummary:
    """A start that was refused."""

    entry: int
    code: int
    utc_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepSummary:
    """A check with its rows, or (without rows) maintenance."""

    entry: int
    kind: str
    code: int
    utc_ms: int
    rows: tuple[tuple[int, int, int], ...]
    records: Commitments


@dataclass(slots=True, kw_only=True)
class Upkeep:
    """Checks and maintenance of the device, the newest in their order."""

    told: list[UpkeepSummary] = field(default_factory=list)
    not_told: int = 0
    before_recording: UpkeepSummary | None = None
    """The newest check before a recording that no session has used yet."""

    def accept(self, entry: Entry, body: Check | Maintenance) -> UpkeepSummary:
        """One believed entry in its place."""
        summary = UpkeepSummary(
            entry=entry.common.seq,
            kind=body.KIND,
            code=body.code,
            utc_ms=entry.common.clock[0],
            rows=body.rows if isinstance(body, Check) else (),
            records=body.records,
        )
        if isinstance(body, Check) and body.code == CheckCode.BEFORE_RECORDING:
            self.before_recording = summary
            return summary
        self.told.append(summary)
        if len(self.told) > MOST_UPKEEP:
            del self.told[0]
            self.not_told += 1
        return summary


class Duties:
    """Takes believed entries in order. `wanted` says which sessions are asked for."""

    def __init__(self, findings: Findings, wanted: Callable[[bytes], bool]) -> None:
        self._findings = findings
        self._wanted = wanted
        self._due: dict[int, tuple[str, bytes | None]] = {}
        self.all: dict[int, DutySummary] = {}
        self.refusals: list[RefusalSummary] = []
        self.upkeep = Upkeep()
        self.checks: dict[bytes, UpkeepSummary] = {}
        """Of each session the newest check before it recorded, if there was one."""
        self._doubted = False

    def doubt(self) -> None:
        """Entries are missing: what names one of them cannot be judged."""
        self._doubted = True
        self.upkeep.before_recording = None

    def accept(self, entry: Entry) -> None:
        """One believed entry in its place."""
        body, session = entry.body, entry.common.session_id
        match body:
            case Gap() | SessionEnd():
                self._due[entry.common.seq] = (body.KIND, session)
            case Event(code=EventCode.SCHEDULED_NOT_RECORDED):
                self._due[entry.common.seq] = (body.KIND, session)
            case Refusal():
                self._refusal(entry, body)
            case Session():
                self._use_check(session)
            case Duty():
                self._duty(entry, body)
            case Check() | Maintenance():
                self.upkeep.accept(entry, body)
                if body.KIND == Check.KIND:
                    self._use_check(session)
            case _:
                pass

    def _use_check(self, session: bytes | None) -> None:
        """A check belongs to the session it stands in, or to the one that begins after it."""
        check = self.upkeep.before_recording
        if session is not None and check is not None:
            self.checks[session], self.upkeep.before_recording = check, None

    def _refusal(self, entry: Entry, body: Refusal) -> None:
        if body.code in DESTRUCTION_REFUSALS:
            return
        self._due[entry.common.seq] = (body.KIND, entry.common.session_id)
        self.refusals.append(RefusalSummary(entry=entry.common.seq, code=body.code, utc_ms=entry.common.clock[0]))

    def _duty(self, entry: Entry, body: Duty) -> None:
        if not known(DutyCode, body.code) or not known(DutyAct, body.act):
            return
        if body.act == DutyAct.OPENED:
            self._opened(entry, body)
        else:
            self._discharged(entry, body)

    def _opened(self, entry: Entry, body: Duty) -> None:
        due = self._due.get(body.refers_to)
        if due is None and not self._doubted:
            self._wrong(
                entry, "it names no gap, no refused start, no end of a session and no hearing that was not recorded"
            )
        about, session = due or ("", entry.common.session_id)
        self.all[entry.common.seq] = DutySummary(
            entry=entry.common.seq,
            code=body.code,
            about=about,
            about_entry=body.refers_to,
            session=session,
            opened_utc_ms=entry.common.clock[0],
            records=body.records,
        )

    def _discharged(self, entry: Entry, body: Duty) -> None:
        duty = self.all.get(body.refers_to)
        if duty is None or duty.code != body.code or duty.discharged_by is not None:
            if duty is not None or not self._doubted:
                self._wrong(entry, "it discharges no duty that is open")
            return
        if body.code == DutyCode.WRITTEN_STATEMENT and not body.records:
            self._wrong(entry, "no record holds the written statement")
            return
        duty.discharged_by, duty.discharged_utc_ms = entry.common.seq, entry.common.clock[0]
        duty.given = body.records

    def _wrong(self, entry: Entry, words: str) -> None:
        session = entry.common.session_id
        if session is None or self._wanted(session):
            self._findings.add(Code.DUTY_ORDER, Place(entry=entry.common.seq, session=session), en=words)

    def asked_for(self) -> list[DutySummary]:
        """The duties of the sessions that are asked for, and those of none."""
        return [duty for duty in self.all.values() if duty.session is None or self._wanted(duty.session)]

    def conclude(self) -> None:
        """Nothing follows: what is owed is told in every report until it is given."""
        for duty in self.asked_for():
            if duty.discharged_by is None:
                code = DutyCode(duty.code)
                place = Place(entry=duty.entry, session=duty.session)
                self._findings.add(Code.DUTY_OPEN, place, zh=code.words_zh, en=code.words_en)
