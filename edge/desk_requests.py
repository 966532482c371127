"""What is asked over the control socket: rights first, then the wish, then one answer; every refusal is an event.

CONTROL only. Names, grounds and texts go into detached records, never into the chain. `start` is answered when the
session is open or its checks have refused it; whoever waits for an answer has a limit of his own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge.config import Config
from edge.desk_archive import ArchiveClerk
from edge.desk_duties import DutyClerk
from edge.desk_hearing import HearingClerk
from edge.desk_panel import PanelClerk
from edge.desk_schedule import ScheduleClerk
from edge.desk_starts import StartClerk
from edge.desk_store import StoreClerk
from edge.desk_visits import VisitClerk
from edge.header import SessionHeader
from edge.journal import JournalError, entries_of, file_numbers, file_path
from edge.messages import Asked
from edge.record_text import record_text
from edge.requests import Answer, BadRequest, MarkKind, Request, Role, Verb, may
from edge.room import REFUSING_WORDS, Room
from edge.session.effects import Refusing
from edge.session.signals import ApprovalGiven, StopAsked, WithholdingEnded
from edge.session.state import Inhibition as Forbidding
from edge.session.state import Session
from liuhen.entry import Entry
from liuhen.kinds import Amend, Commitments, EntryBody, Gap, Inhibition, Maintenance
from liuhen.registry import EventCode, GapCause, MaintenanceCode, MarkCode, RecordLabel

OF_OTHER_CLERKS = frozenset(
    {
        *(Verb.ORDER_RECLAIM, Verb.SETTLE_WITNESS, Verb.STORE_CHECK, Verb.VISIT_BEGIN, Verb.VISIT_END),
        *(Verb.HEADER, Verb.ATTACH, Verb.HOLD, Verb.CASE, Verb.SCHEDULE),
    }
)
VERB_NUMBERS = {verb: number for number, verb in enumerate(Verb)}
MACHINES_OWN = frozenset({GapCause.INTERLOCK, GapCause.WITHHELD})
"""Causes that follow from an inhibition (FORMAT.md 5.7.2): where nothing forbade recording, nobody can say so later."""
DONE = Answer(ok=True, words_zh="已办理", words_en="done")
_ALREADY = Answer(
    ok=False,
    words_zh="场次已在进行；补充首部请用 liuhen session header",
    words_en="a session is open already; to add to its header use liuhen session header",
)
NOT_ALLOWED = Answer(ok=False, words_zh="您无权提出此请求", words_en="you have no right to ask this")


class RequestClerk:
    """See the module."""

    def __init__(
        self,
        room: Room,
        panel: PanelClerk,
        store: StoreClerk,
        others: tuple[StartClerk, VisitClerk, ArchiveClerk, ScheduleClerk],
        facts: Callable[[], dict[str, Any]],
    ) -> None:
        """`facts` is what `status` answers."""
        self._room = room
        self._starts, self._visits, self._archive, self._schedule = others
        self.hearing = HearingClerk(room)
        self._store = store
        self._panel = panel
        self._facts = facts
        self._duties = DutyClerk(room)
        self._starting: Callable[[Answer], None] | None = None
        self._header: SessionHeader | None = None
        """What came with the start that is under way."""

    def handle(self, asked: Asked) -> None:
        """One request. Raises StorageFault."""
        request = asked.request
        if not may(asked.role, request):
            self._refused(request, asked.role)
            asked.answer(NOT_ALLOWED)
            return
        if request.verb is Verb.STATUS:
            asked.answer(Answer(ok=True, facts=self._facts() | self.hearing.facts()))
            return
        if request.verb in (Verb.START, Verb.NEW_SESSION):
            self._start(asked)
            return
        try:
            refused = self._carry_out(request, asked.attachment)
        except BadRequest as bad:
            refused = Answer(ok=False, words_zh=bad.words_zh, words_en=bad.words_en)
        if isinstance(refused, Answer):
            if not refused.ok:
                self._refused(request, asked.role)
            asked.answer(refused)
        elif refused:
            self._refused(request, asked.role)
            words_zh, words_en = REFUSING_WORDS[refused[0]]
            asked.answer(Answer(ok=False, words_zh=words_zh, words_en=words_en))
        else:
            asked.answer(DONE)

    def started(self, answer: Answer) -> None:
        """A start that was asked for has come to its end: the session is open, or was refused."""
        if self._starting is not None:
            starting, self._starting = self._starting, None
            header, self._header = self._header, None
            starting(self.hearing.begin(header) if answer.ok and header is not None else answer)

    def _refused(self, request: Request, role: Role) -> None:
        self._room.event(EventCode.REFUSED_REQUEST, (VERB_NUMBERS[request.verb], role))

    def _start(self, asked: Asked) -> None:
        already = self._room.state.session is Session.OPEN
        header: SessionHeader | None = None
        if asked.request.verb is Verb.NEW_SESSION:
            examined = (
                _ALREADY if already else self.hearing.examined(asked.attachment, incomplete=asked.request.confirmed)
            )
            if isinstance(examined, Answer):
                self._refused(asked.request, asked.role)
                asked.answer(examined)
                return
            header = examined
        refused = self._starts.ask(self._room.now_ns)
        if refused:
            self._refused(asked.request, asked.role)
            words_zh, words_en = REFUSING_WORDS[refused[0]]
            asked.answer(Answer(ok=False, words_zh=words_zh, words_en=words_en))
        elif already:
            asked.answer(Answer(ok=True, words_zh="场次已在进行", words_en="a session is open already"))
        else:
            self._starting, self._header = asked.answer, header

    def _carry_out(self, request: Request, attachment: bytes | None) -> Answer | tuple[Refusing, ...]:
        match request.verb:
            case Verb.STOP:
                return self._stop(request)
            case Verb.MARK | Verb.CONSENT:
                return self._mark(request)
            case Verb.EXPLAIN:
                return self._explain(request)
            case Verb.WITHHOLD | Verb.APPROVE | Verb.RESUME:
                return self._withholding(request)
            case _ if request.verb in OF_OTHER_CLERKS:
                return self._of_clerks(request, attachment)
            case _:
                return self._owed(request, attachment)

    def _owed(self, request: Request, attachment: bytes | None) -> Answer | tuple[Refusing, ...]:
        match request.verb:
            case Verb.CANNOT_RESUME:
                return self._duties.cannot_resume(request)
            case Verb.STATEMENT:
                return self._duties.statement(request, attachment)
            case _:
                named = self._named(request, RecordLabel.OTHER)
                self._room.append(Maintenance(code=MaintenanceCode.OTHER, records=named))
                return ()

    def _of_clerks(self, request: Request, attachment: bytes | None) -> Answer | tuple[Refusing, ...]:
        """What belongs to the case, to a visit or to the store."""
        match request.verb:
            case Verb.VISIT_BEGIN | Verb.VISIT_END | Verb.CASE | Verb.SCHEDULE:
                return self._of_days(request, attachment)
            case Verb.ORDER_RECLAIM | Verb.SETTLE_WITNESS | Verb.STORE_CHECK:
                return self._of_store(request, attachment)
            case Verb.HEADER:
                return self.hearing.amend(attachment)
            case Verb.ATTACH:
                return self.hearing.attach(request, attachment)
            case _:
                return self.hearing.hold(request)

    def _of_days(self, request: Request, attachment: bytes | None) -> Answer | tuple[Refusing, ...]:
        """What a day consists of, what was to come in it, and what followed."""
        if request.verb is Verb.CASE:
            return self._archive.carry_out(request)
        if request.verb is Verb.SCHEDULE:
            return self._schedule.set(attachment)
        return self._visits.carry_out(request)

    def _of_store(self, request: Request, attachment: bytes | None) -> Answer:
        """What lets media go, and what was found of a store."""
        if request.verb is Verb.ORDER_RECLAIM:
            return self._store.order_reclaim(request)
        if request.verb is Verb.SETTLE_WITNESS:
            return self._store.settle_witness(request)
        return self._store.examined(attachment)

    def _stop(self, request: Request) -> Answer | tuple[Refusing, ...]:
        left = self.hearing.left_open()
        if left and request.confirmed and not request.text:
            titles = "；".join(left)  # a title has 、 of its own
            zh, en = REFUSING_WORDS[Refusing.REASON_WANTED]
            return Answer(
                ok=False,
                words_zh=f"{zh}（在终端上填写，或在 --from 的文件中写 text=原因）：{titles}",
                words_en=f"{en} (typed when asked, or as text=why in the file of --from): {titles}",
            )
        if request.confirmed:
            self._panel.end_talk(self._room.now_ns)  # what was said up to here explains; silence explains nothing
        if (request.text or request.actor) and self._room.session_id is not None and request.confirmed:
            named = self._named(request, RecordLabel.REASON)
            self._room.mark(MarkCode.ENDED_EARLY if left else MarkCode.OTHER, self._room.now_ns, records=named)
        asked = StopAsked(
            at_ns=self._room.now_ns,
            confirmed=request.confirmed,
            reasoned=bool(request.text),
            steps_open=bool(left),
        )
        return self._room.signal(asked)

    def _mark(self, request: Request) -> Answer | tuple[Refusing, ...]:
        if request.verb is Verb.MARK and (request.kind is not MarkKind.PLAIN or request.is_late):
            return self.hearing.mark(request)
        if self._room.session_id is None:
            return (Refusing.NO_SESSION,)
        code = MarkCode.KEY_MOMENT
        if request.verb is Verb.CONSENT:
            code = MarkCode.CONSENT
        elif request.step is not None:
            code = MarkCode.STEP
        named = self._named(request, RecordLabel.OTHER)
        self._room.mark(code, self._room.now_ns, step_number=request.step, records=named)
        return ()

    # -- explanations -------------------------------------------------------------------------------------------------

    def _explain(self, request: Request) -> Answer | tuple[Refusing, ...]:
        """The first call begins the spoken explanation, the next one ends it; a cause amends the gap's own."""
        if request.cause is not None:
            answer = self._amend(request)
            if answer is not None:
                return answer
            if not request.confirmed:
                return DONE
        if self._panel.talking:
            refused = self._panel.end_talk(self._room.now_ns)
            return refused if refused or not request.text else _SPOKEN_ALONE
        deaf = self._panel.deaf()
        if deaf:
            return deaf  # before anything is kept: a record that no entry names stays for good
        self._panel.begin_talk(self._room.now_ns, self._named(request, RecordLabel.EXPLANATION))
        return Answer(
            ok=True,
            words_zh="请对着麦克风说明中止原因；说完后再执行一次本命令",
            words_en="say aloud why it was interrupted; then give this command once more",
        )

    def _amend(self, request: Request) -> Answer | None:
        """A person knows the cause better than the machine did: the entry stays, the amend says it."""
        if request.cause in MACHINES_OWN:
            return _not_a_persons(request.cause)
        if request.cause is not None and request.cause not in self._room.tools.config.interruption_causes:
            return _not_in_the_rules(request.cause, self._room.tools.config)
        number = request.gap if request.gap is not None else self._room.newest_gap
        gap = self._entry(number, Gap) if number is not None else None
        if gap is None:
            return _no_gap(number)
        body = Amend(
            refers_to=gap.common.seq,
            refers_to_hash=gap.hash,
            length_ns=None,
            cause=request.cause,
            records=self._named(request, RecordLabel.EXPLANATION),
        )
        # It belongs to the session whose gap it is about, which may have ended (FORMAT.md 5.3, `amend`).
        self._room.tools.journal.append(body, session_id=gap.common.session_id)
        return None

    def _entry(self, seq: int, kind: type[EntryBody]) -> Entry | None:
        """The entry with this number if it is of this kind, from the newest journal file back."""
        directory = self._room.tools.spool.journal_directory
        try:
            for number in reversed(file_numbers(directory)):
                for entry in entries_of(file_path(directory, number)):
                    if entry.common.seq == seq:
                        return entry if isinstance(entry.body, kind) else None
                    if entry.common.seq > seq:
                        break
        except JournalError:
            return None
        return None

    # -- 不得记录 -----------------------------------------------------------------------------------------------------

    def _withholding(self, request: Request) -> Answer | tuple[Refusing, ...]:
        match request.verb:
            case Verb.WITHHOLD:
                if self._room.session_id is None:
                    return (Refusing.NO_SESSION,)
                if self._room.withheld:
                    return _NOT_AGAIN if request.text else ()
                return self._room.withhold(self._named(request, RecordLabel.REASON))
            case Verb.APPROVE:
                return self._approve(request)
            case _:
                ended = WithholdingEnded(at_ns=self._room.now_ns)
                if Forbidding.WITHHELD not in self._room.state.inhibitions:
                    return self._room.signal(ended)  # refused: a record that no entry names stays for good
                return self._room.signal(ended, self._named(request, RecordLabel.REASON))

    def _approve(self, request: Request) -> Answer | tuple[Refusing, ...]:
        settings = self._room.tools.config.session
        allowed = not settings.approvers or request.actor in settings.approvers
        another = allowed and request.actor != self._asked_by()
        config = self._room.tools.config
        cited = bool(request.citation) or not config.must_cite(request.ground)
        grounded = request.ground in config.withhold_grounds and cited
        if self._room.state.to_approve and another and not grounded:
            return _not_a_ground(config)
        given = ApprovalGiven(at_ns=self._room.now_ns, another=another, grounded=grounded)
        if not (self._room.state.to_approve and another and grounded):
            return self._room.signal(given)
        ground = f"{request.ground}\n{request.citation}".strip()
        named = (
            self._room.keep(RecordLabel.GROUND, ground),
            self._room.keep(RecordLabel.APPROVAL, request.actor),
        )
        return self._room.signal(given, named)

    def _asked_by(self) -> str | None:
        """Who asked for the withholding that waits for approval: named in a record of its entry."""
        state = self._room.tools.journal.state
        if not state.unapproved:
            return None
        found = self._entry(state.unapproved[-1], Inhibition)
        return self._person(found.body.records) if found is not None and isinstance(found.body, Inhibition) else None

    def _person(self, named: Commitments) -> str | None:
        for label, commitment in named:
            if label != RecordLabel.PERSONS:
                continue
            return record_text(self._room.tools.spool.root, commitment)
        return None

    def _named(self, request: Request, label: RecordLabel) -> Commitments:
        """Text and actor of a request as records."""
        return self._room.said(label, request.text, request.actor)


_SPOKEN_ALONE = Answer(
    ok=True,
    words_zh="语音说明已记下；这次写的文字没有记入，文字请在开始说明时写",
    words_en="the spoken explanation is marked; what was written this time was not taken: "
    "write it when the explanation begins",
)
_NOT_AGAIN = Answer(
    ok=False,
    words_zh="已在“不得记录”状态，这次写的理由没有记入；要补充理由，请在 liuhen ctl resume 恢复录制时写明",
    words_en="recording is withheld already and this reason was not written down; "
    "give it with liuhen ctl resume, when recording goes on",
)


def _not_a_ground(config: Config) -> Answer:
    """Which grounds there are, because nobody knows their wording by heart."""
    cited = [f"{one}（须写明 citation）" if config.must_cite(one) else one for one in config.withhold_grounds]
    english = [f"{one} (with a citation)" if config.must_cite(one) else one for one in config.withhold_grounds]
    zh, en = REFUSING_WORDS[Refusing.NO_GROUND]
    return Answer(
        ok=False, words_zh=f"{zh}。事由（ground）：{'；'.join(cited)}", words_en=f"{en}. Grounds: {'; '.join(english)}"
    )


def _not_a_persons(cause: GapCause) -> Answer:
    return Answer(
        ok=False,
        words_zh=f"“{cause.words_zh}”只由设备按当时是否禁止录制认定，不能由人事后更正；"
        "要停止录制请用 liuhen ctl withhold，再由另一人批准",
        words_en=f"“{cause.words_en}” is a cause the device alone states, by what forbade recording then, and nobody "
        "amends it in; to stop recording use liuhen ctl withhold, and have it approved by a second person",
    )


def _not_in_the_rules(cause: GapCause, config: Config) -> Answer:
    known = config.interruption_causes
    return Answer(
        ok=False,
        words_zh=f"《{config.rules.title}》没有“{cause.words_zh}”这一中止原因；可选："
        f"{'、'.join(one.words_zh for one in known)}",
        words_en=f"“{cause.words_en}” is no cause under the rules in force; there are: "
        f"{', '.join(one.words_en for one in known)}",
    )


def _no_gap(number: int | None) -> Answer:
    if number is None:
        return Answer(
            ok=False,
            words_zh="本次运行没有中止；要更正以前的，请用 --gap 写明条目号",
            words_en="there is no interruption in this run; for an earlier one give its entry with --gap",
        )
    return Answer(
        ok=False,
        words_zh=f"日志第 {number} 条不是中止，没有更正任何内容；条目号见 liuhen ctl status 或 liuhen-verify 的报告",
        words_en=f"journal entry {number} is no interruption, nothing was amended; liuhen ctl status and the report of "
        "liuhen-verify give its number",
    )
