"""How far the cases of sessions have come, as a person says; the archiving terms that run from it, each said once.

CONTROL only; looks every few seconds. What was said stands in the journal, so that a restart says nothing twice. Where
the configuration counts the term of keeping from the archiving, it is set when a person says that this was done.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

from edge.archiving import DAY_MS, EPOCH, STAGE_OF, Told, archive_term, day_number, judge
from edge.books import Books
from edge.deadlines import IsWorkingDay, Rule
from edge.holdings import CaseRow, Holdings, LedgerFault, SessionRow
from edge.profiles.terms import rule_of
from edge.requests import Answer, Request
from edge.room import Room
from edge.settings_store import BASES
from edge.working_days import is_working_day
from liuhen.kinds import Case, Retention
from liuhen.registry import EVENTS, CaseStage, EventCode, RecordLabel, RetentionBasis

LOOK_EVERY_NS = 5 * 10**9
WATCHED_LIMIT = 64
TOLD_A_LOOK = 8
MINUTE_MS = 60_000
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
STAGES = {
    "enforcement-ended": CaseStage.ENFORCEMENT_ENDED,
    "execution-ended": CaseStage.EXECUTION_ENDED,
    "archived": CaseStage.ARCHIVED,
}
BEHIND = Answer(
    ok=False, words_zh="本机账目尚在整理，请稍后再试", words_en="the device's books are behind; try again in a moment"
)

NO_TERM = Answer(
    ok=False,
    words_zh="本辖区规则没有归档期限，保存期限也不从归档起算，无需登记",
    words_en="these rules know no archiving term, and no term of keeping counts from it: there is nothing to write",
)


def _no(words_zh: str, words_en: str) -> Answer:
    return Answer(ok=False, words_zh=words_zh, words_en=words_en)


class ArchiveClerk:
    """See the module. `books` are kept up by somebody else, or by this clerk where nobody does."""

    def __init__(self, room: Room, books: Books | None, working: IsWorkingDay = is_working_day) -> None:
        """Nothing was looked at yet."""
        self._room = room
        self._working = working
        config = room.tools.config
        archive = config.rules.archive
        self._stage = STAGE_OF.get(archive.limit.trigger) if archive is not None else None
        self._rule: Rule | None = None
        if archive is not None and self._stage is not None:
            self._rule = rule_of(archive.limit, config.device.utc_offset_minutes, config.deadline.levels)
        self._own = books is None and (self._rule is not None or config.retention.counts_from == "archive")
        if self._own:
            books = Books(room.tools.spool, room.tools.journal, room.tools.clock.boottime_ns)
        self._books = books
        """None where nothing is stored elsewhere and no rule knows a term: then nobody needs them."""
        self._special = archive is not None and archive.special_law_first
        self._due_ns = 0
        self._shown: list[dict[str, Any]] = []

    def close(self) -> None:
        """Let go of the ledger, where it is this clerk's."""
        if self._own and self._books is not None:
            self._books.close()

    # -- asked --------------------------------------------------------------------------------------------------------

    def carry_out(self, request: Request) -> Answer:
        """Write how far a case has come. Raises StorageFault."""
        if self._books is None:
            return NO_TERM
        ledger = self._books.ledger
        if ledger is None:
            return BEHIND
        session = ledger.session(bytes.fromhex(request.session)) if request.session else None
        if session is None or session.ended_ms is None:
            return _no("没有这个已结束的场次", "there is no such session that has ended")
        day, due = _day(request.day), _day(request.due) if request.due else None
        stage = STAGES.get(request.stage)
        refused = self._refuses(stage, day, due, request)
        if refused is not None or stage is None or day is None:
            return refused or _no("阶段或日期不可用", "this stage or day cannot be used")
        body = Case(
            stage=stage,
            session=session.id,
            day=day_number(day),
            due=day_number(due) if due is not None else None,
            records=self._named(request),
        )
        seq = self._room.tools.journal.append(body, session_id=None).seq
        if stage is CaseStage.ARCHIVED:
            self._keep_from(session.id, session.until_ms, day)
        self._due_ns = 0
        zh, en = self._doubt(day, session)
        return Answer(
            ok=True,
            words_zh=f"已记入：{stage.words_zh} {day.isoformat()}（日志条目 {seq}）{zh}",
            words_en=f"written: {stage.words_en} on {day.isoformat()} (entry {seq}){en}",
        )

    def _doubt(self, day: date, session: SessionRow) -> tuple[str, str]:
        """A day before the session is taken, because the device's clock may be what is wrong, and it is told."""
        held = self._day_of(session.began_ms)
        if day >= held:
            return "", ""
        return (
            f"；注意：早于本场次录制之日 {held.isoformat()}，请核对，写错了就再记一次，以后一次为准",
            f"; note: the session was recorded later, on {held.isoformat()}: look again; what is said last counts",
        )

    def _refuses(self, stage: CaseStage | None, day: date | None, due: date | None, request: Request) -> Answer | None:
        """The first rule that what was said breaks."""
        own_law = due is None or (self._special and stage is self._stage)
        rules = (
            (stage is None, "阶段须为执法结束、执行终结或已归档", f"a stage is one of {', '.join(STAGES)}"),
            (
                day is None or (bool(request.due) and due is None),
                "日期须写作 YYYY-MM-DD",
                "a day is written YYYY-MM-DD",
            ),
            (
                day is not None and day > self._today(),
                "日期在今天之后：请在到期后再记",
                "the day is later than today: say it when it has come",
            ),
            (
                not own_law,
                "本辖区规则没有“特殊规定从其规定”，或此阶段不起算归档期限",
                "these rules let no special law go first, or the archiving term does not run from this stage",
            ),
            (
                due is not None and not request.text,
                "请写明特殊规定的法律条款",
                "name the special law and its article",
            ),
            (
                due is not None and day is not None and due < day,
                "归档末日早于起算日",
                "the last day is before the first",
            ),
        )
        return next((_no(words_zh, words_en) for broken, words_zh, words_en in rules if broken), None)

    def _named(self, request: Request) -> tuple[tuple[int, bytes], ...]:
        named = [self._room.keep(RecordLabel.PERSONS, request.actor)]
        if request.text:
            named.append(self._room.keep(RecordLabel.GROUND if request.due else RecordLabel.REASON, request.text))
        return tuple(named)

    def _keep_from(self, session: bytes, until_ms: int | None, day: date) -> None:
        """The term of keeping begins with the archiving (Jiaozuo Art. 14: as long as the case file)."""
        settings = self._room.tools.config.retention
        basis = BASES[settings.basis]
        if settings.counts_from != "archive" or (settings.floor_days == 0 and basis is not RetentionBasis.LONG_TERM):
            return
        ends_ms: int | None = None
        if basis is not RetentionBasis.LONG_TERM:
            ends_ms = (day_number(day) + 1 + settings.floor_days) * DAY_MS - self._offset_ms
            if until_ms is not None and until_ms >= ends_ms:
                return
        body = Retention(session=session, until_ms=ends_ms, basis=basis, records=())
        self._room.tools.journal.append(body, session_id=None)

    # -- time ---------------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Look, if it is time. Raises StorageFault."""
        if self._books is None:
            return
        if self._own:
            self._books.turn()
        now_ns, ledger = self._room.now_ns, self._books.ledger
        if self._rule is None or self._stage is None or ledger is None or now_ns < self._due_ns:
            return
        self._due_ns = now_ns + LOOK_EVERY_NS
        try:
            self._watch(ledger, self._rule, self._stage)
        except LedgerFault:
            self._shown = []  # the books say why they are behind, and are looked at again

    def facts(self) -> dict[str, Any]:
        """For `status`: cases whose archiving is still to come, those that are late first."""
        return {"archiving": self._shown} if self._shown else {}

    def _watch(self, ledger: Holdings, rule: Rule, stage: CaseStage) -> None:
        said, shown = 0, []
        for row in ledger.cases_to_archive(int(stage), WATCHED_LIMIT):
            term = archive_term(rule, row.day, row.due, self._working)
            told = _told(ledger, row)
            what = judge(rule, term, self._now(), row.archived_day, told) if said < TOLD_A_LOOK else ()
            for code, measured in what:
                self._say(code, measured, row)
            said += len(what)
            if row.archived_day is None:
                missed = told.missed or any(code is EventCode.ARCHIVE_MISSED for code, _ in what)
                shown.append({"session": row.ordinal, "due_ms": term.due_ms, "missed": missed})
        self._shown = sorted(shown, key=lambda one: (not one["missed"], one["due_ms"]))
        if not any(one["missed"] for one in shown):
            self._room.warnings.pop(EventCode.ARCHIVE_MISSED.name, None)
        if not shown:
            self._room.warnings.pop(EventCode.ARCHIVE_NEAR.name, None)

    def _say(self, code: EventCode, measured: tuple[int, ...], row: CaseRow) -> None:
        self._room.event(code, measured, refers_to=row.seq)
        words_zh = f"{EVENTS[code].words_zh}（第 {row.ordinal} 场次）"
        if code is not EventCode.ARCHIVE_MET and row.archived_day is None:
            self._room.warnings[code.name] = words_zh
        self._room.tools.say(words_zh, f"{EVENTS[code].words_en} (session {row.ordinal})")

    def _now(self) -> tuple[int, int]:
        reading = self._room.tools.clock.read()
        return reading.utc_ms, reading.error_ms

    @property
    def _offset_ms(self) -> int:
        return self._room.tools.config.device.utc_offset_minutes * MINUTE_MS

    def _today(self) -> date:
        utc_ms, error_ms = self._now()
        return self._day_of(utc_ms + error_ms)

    def _day_of(self, utc_ms: int) -> date:
        return datetime.fromtimestamp((utc_ms + self._offset_ms) / 1000, tz=UTC).date()


def _told(ledger: Holdings, row: CaseRow) -> Told:
    rows = ledger.told_about(row.seq)
    codes = {code for code, _ in rows}
    return Told(
        level=max((measured for code, measured in rows if code == EventCode.ARCHIVE_NEAR), default=0),
        missed=EventCode.ARCHIVE_MISSED in codes,
        met=EventCode.ARCHIVE_MET in codes,
    )


def _day(text: str) -> date | None:
    """A day of the calendar, or None."""
    if DAY.fullmatch(text) is None:  # fromisoformat also reads weeks
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day > EPOCH else None
