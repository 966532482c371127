"""What is said of deadlines on the way to the store, as entries once each, and the term that every session gets.

CONTROL only; looks every few seconds, at the oldest sessions first. What was said already stands in the journal, so a
restart says nothing twice. A deadline that was missed stays in the status until the session is stored after all, and in
the journal for good.
"""

from __future__ import annotations

from typing import Any

from edge.books import Books
from edge.deadlines import IsWorkingDay, Progress, Rule, Say, Term, Told, judge, missed_cause, term_of
from edge.holdings import Holdings, LedgerFault, SessionRow
from edge.offload.words import OffloadAlive
from edge.room import Room
from edge.settings_store import BASES
from edge.store_examined import Standing, Standings
from edge.working_days import is_working_day
from liuhen.kinds import Retention
from liuhen.registry import EVENTS, EventCode, MissedCause, RetentionBasis

LOOK_EVERY_NS = 5 * 10**9
WATCHED_LIMIT = 64
TOLD_A_LOOK = 8
COUNTED_A_LOOK = 4
DAY_MS = 86_400_000


class DeadlineClerk:
    """See the module."""

    def __init__(self, room: Room, books: Books, working: IsWorkingDay = is_working_day) -> None:
        """Nothing was looked at yet."""
        config = room.tools.config
        self._room = room
        self._books = books
        self._working = working
        self._rule = Rule.of(config.deadline_in_force, config.device.utc_offset_minutes)
        self._due_ns = 0
        self._shown: list[dict[str, Any]] = []
        self._years: set[int] = set()
        self._left: dict[int, tuple[bool, int]] = {}
        self._at = 0
        self.alive: OffloadAlive | None = None
        self.silent = False
        """Whether the offload process is not heard."""
        self.trouble: EventCode | None = None
        """What stands between the device and its store."""
        self.standings = Standings()
        """What each store counts for."""

    def turn(self) -> None:
        """Look, if it is time. Raises StorageFault."""
        now_ns = self._room.now_ns
        ledger = self._books.ledger
        if now_ns < self._due_ns or ledger is None:
            return
        self._due_ns = now_ns + LOOK_EVERY_NS
        try:
            self._set_terms(ledger)
            if self._rule is not None:
                self._watch(ledger, self._rule)
        except LedgerFault:
            self._shown = []  # the books say why they are behind, and are looked at again

    def facts(self) -> list[dict[str, Any]]:
        """For `status`: sessions that are not stored yet, those that missed their deadline first."""
        return self._shown

    # -- terms --------------------------------------------------------------------------------------------------------

    def _set_terms(self, ledger: Holdings) -> None:
        """A session that has ended gets the floor of its term; whatever is ordered later only makes it longer."""
        settings = self._room.tools.config.retention
        basis = BASES[settings.basis]
        if settings.counts_from == "archive" or (settings.floor_days == 0 and basis is not RetentionBasis.LONG_TERM):
            return
        for session in ledger.without_term(TOLD_A_LOOK):
            until_ms = None
            if basis is not RetentionBasis.LONG_TERM:
                until_ms = (session.ended_ms or 0) + session.error_ms + settings.floor_days * DAY_MS
            body = Retention(session=session.id, until_ms=until_ms, basis=basis, records=())
            self._room.tools.journal.append(body, session_id=None)

    # -- deadlines ----------------------------------------------------------------------------------------------------

    def _watch(self, ledger: Holdings, rule: Rule) -> None:
        late, coming = (
            [
                *ledger.unmet_visits(missed=missed, limit=WATCHED_LIMIT),
                *ledger.unmet(missed=missed, limit=WATCHED_LIMIT),
            ]
            for missed in (True, False)
        )
        self._count(ledger, [*late, *coming])
        said, shown = 0, []
        for session in (*late, *coming):
            trigger_ms = self._trigger_ms(session)
            if trigger_ms is None:
                continue
            term = term_of(rule, trigger_ms, session.error_ms, self._working)
            progress, told = self._progress(session), _told(ledger, session)
            shown.append(self._shown_row(session, term, progress, told))
            if said < TOLD_A_LOOK and self._knows_why:
                said += self._tell(ledger, session, term, judge(rule, term, self._now(), progress, told))
        self._shown = shown
        self._ease()

    def _count(self, ledger: Holdings, sessions: list[SessionRow]) -> None:
        """Count anew what is left of a few sessions, in turn, and of those never counted: CONTROL has other work."""
        known = {session.first_seq for session in sessions}
        self._left = {seq: left for seq, left in self._left.items() if seq in known}
        never = [session for session in sessions if session.first_seq not in self._left]
        start = self._at % max(1, len(sessions))
        turn = [*sessions[start:], *sessions[:start]][:COUNTED_A_LOOK]
        self._at += COUNTED_A_LOOK
        for session in (*never, *turn):
            self._left[session.first_seq] = ledger.left_of(session, self.standings.fit)

    @property
    def _knows_why(self) -> bool:
        """After a start nothing is said before the offload process has spoken, or is known to be silent."""
        return self.alive is not None or self.silent

    def _tell(self, ledger: Holdings, session: SessionRow, term: Term, what: tuple[Say, ...]) -> int:
        """What is new about one session; how much that was."""
        unknown = set(term.unknown_years) - ledger.years_without_calendar() - self._years
        for year in sorted(unknown):
            self._years.add(year)
            self._say(EventCode.DEADLINE_NO_CALENDAR, (year,), session)
        for code, measured in what:
            self._say(code, measured, session)
        return len(what)

    def _ease(self) -> None:
        """Warnings that no session gives a reason for any more."""
        if not any(row["missed"] for row in self._shown):
            self._room.warnings.pop(EventCode.DEADLINE_MISSED.name, None)
        if not self._shown:
            for code in (EventCode.DEADLINE_NEAR, EventCode.DEADLINE_FORECAST):
                self._room.warnings.pop(code.name, None)

    def _now(self) -> tuple[int, int]:
        reading = self._room.tools.clock.read()
        return reading.utc_ms, reading.error_ms

    def _trigger_ms(self, session: SessionRow) -> int | None:
        """The end; of a session that is open and is not recorded its last sealed media. None while it is recorded."""
        if session.ended_ms is not None:
            return session.ended_ms
        return None if self._room.session_id == session.id else session.media_end_ms

    def _progress(self, session: SessionRow) -> Progress:
        stored, left_bytes = self._left[session.first_seq]
        alive = self.alive
        return Progress(
            stored=stored,
            bytes_left=left_bytes,
            backlog_bytes=alive.waiting_bytes if alive is not None else 0,
            bytes_per_second=alive.bytes_per_second if alive is not None else 0,
            cause=self._cause(),
        )

    def _cause(self) -> MissedCause:
        alive = self.alive
        trouble = self.trouble
        if alive is not None and alive.unreachable:
            trouble = EventCode(alive.unreachable)
        return missed_cause(
            designated=self._has_designated,
            silent=self.silent,
            trouble=trouble,
            sending=alive is not None and alive.bytes_per_second > 0,
        )

    @property
    def _has_designated(self) -> bool:
        """Whether there is a designated store that counts."""
        stores = self._room.tools.config.store.every
        places = [one.place for one in stores if self._room.designates(one)]
        return any(place is not None and self.standings.at(place) is Standing.FIT for place in places)

    def _say(self, code: EventCode, measured: tuple[int, ...], session: SessionRow) -> None:
        self._room.event(code, measured, refers_to=session.first_seq)
        if code is EventCode.DEADLINE_MET:
            return
        visit_zh, visit_en = ("", "") if session.visit is None else (f" {session.visit} 号", f", visit {session.visit}")
        self._room.warnings[code.name] = f"{EVENTS[code].words_zh}（第 {session.ordinal} 场次{visit_zh}）"
        self._room.tools.say(
            f"{EVENTS[code].words_zh}（第 {session.ordinal} 场次{visit_zh}）",
            f"{EVENTS[code].words_en} (session {session.ordinal}{visit_en})",
        )

    def _shown_row(self, session: SessionRow, term: Term, progress: Progress, told: Told) -> dict[str, Any]:
        now_ms, error_ms = self._now()
        return {
            "session": session.ordinal,
            **({} if session.visit is None else {"visit": session.visit}),
            "due_ms": term.due_ms,
            "percent_used": min(999, term.percent_used(now_ms + error_ms)),
            "bytes_left": progress.bytes_left,
            "missed": told.missed or now_ms + error_ms >= term.due_ms,
        }


def _told(ledger: Holdings, session: SessionRow) -> Told:
    rows = ledger.told_about(session.first_seq)
    codes = {code for code, _ in rows}
    return Told(
        level=max((measured for code, measured in rows if code == EventCode.DEADLINE_NEAR), default=0),
        forecast=EventCode.DEADLINE_FORECAST in codes,
        missed=EventCode.DEADLINE_MISSED in codes,
        met=EventCode.DEADLINE_MET in codes,
    )
