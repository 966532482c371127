"""What a session follows and is about, as people tell it: header, steps, arrivals, notice, plate, papers, holds.

CONTROL only. Names and texts go into detached records, the entries hold their commitments (FORMAT.md 5.9). What the
open session has told so far is the verifier's own fold over its entries (`liuhen.proceedings`); after a power cut it is
read back from the journal once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from edge import header as headers
from edge.header import SessionHeader
from edge.journal import JournalError, entries_of, file_numbers, file_path
from edge.ports import Stream
from edge.profiles.schema import Procedure as ProcedureName
from edge.profiles.schema import Profile, Template
from edge.record_text import record_text
from edge.requests import Answer, BadRequest, MarkKind, Request
from edge.room import REFUSING_WORDS, Room
from edge.session.effects import Refusing
from edge.session.state import Mode
from liuhen.entry import Entry
from liuhen.hashing import sha256
from liuhen.kinds import (
    Amend,
    Commitments,
    Head,
    Header,
    Hold,
    Instant,
    LateMark,
    Plate,
    Procedure,
    Retention,
    Session,
)
from liuhen.proceedings import Told
from liuhen.registry import HoldAct, MarkCode, RecordLabel

NS_PER_MS = 1_000_000
TITLE_LIMIT_BYTES = 400
ENTRIES_LIMIT = 10_000
"""So many entries are read back at most, about a day of recording: CONTROL has a recording to look after."""
EVERYBODY = "在场全体人员"

_CODES = {
    MarkKind.STEP: MarkCode.STEP,
    MarkKind.POINT: MarkCode.KEY_MOMENT,
    MarkKind.ARRIVAL: MarkCode.PARTY_ARRIVED,
    MarkKind.NOTICE: MarkCode.NOTICE_GIVEN,
    MarkKind.RECESS: MarkCode.RECESS,
    MarkKind.RESUMED: MarkCode.SITTING_RESUMED,
    MarkKind.PLACE: MarkCode.PLACE_SPOKEN,
}
_NUMBERED = frozenset({MarkKind.STEP, MarkKind.POINT})
_NAMING = frozenset({MarkKind.ARRIVAL, MarkKind.NOTICE})
"""The text of these says who."""


class HearingClerk:
    """See the module."""

    def __init__(self, room: Room) -> None:
        """No session is known yet; one that an earlier run left open is read when somebody asks of it."""
        self._room = room
        self._told: Told | None = None
        room.tools.journal.on_entry = self._heard
        room.asks_reason = lambda: bool(self.left_open())

    @property
    def _profile(self) -> Profile:
        return self._room.tools.config.rules

    # -- what was told so far -----------------------------------------------------------------------------------------

    def _heard(self, entry: Entry) -> None:
        if isinstance(entry.body, Session):
            self._told = Told()
        told, session = self._told, entry.common.session_id
        if told is not None and session is not None and (isinstance(entry.body, Session) or session == told.id):
            told.accept(entry)

    def told(self) -> Told:
        """What the open session has told; empty where none is open."""
        session = self._room.session_id
        if session is None:
            return Told()
        if self._told is None or self._told.id != session:
            self._told = self._read_back(session)
        return self._told

    def _read_back(self, session: bytes) -> Told:
        """Once for a session that an earlier run left open; what cannot be read is as if it had not been told."""
        told = Told(id=session)
        for entry in reversed([*self._newest_first(session)]):
            told.accept(entry)
        return told

    def _newest_first(self, session: bytes) -> Iterator[Entry]:
        """The entries that name a session, down to its first, or as far back as is read at all."""
        for entry in islice(self._backwards(), ENTRIES_LIMIT):
            if entry.common.session_id == session:
                yield entry
                if isinstance(entry.body, Session):
                    return

    def _backwards(self) -> Iterator[Entry]:
        directory = self._room.tools.spool.journal_directory
        try:
            for number in reversed(file_numbers(directory)):
                yield from reversed([*entries_of(file_path(directory, number))])
        except JournalError:
            return

    def left_open(self) -> tuple[str, ...]:
        """Titles of the steps that are left, where a stop before them has to be explained."""
        told = self.told()
        if told.procedure is None:
            return ()
        template = self._template(told.procedure)
        if template is not None and not template.ask_reason_before:
            return ()
        return tuple(step.title for step in told.open_steps())

    def _template(self, body: Procedure) -> Template | None:
        name = next((name for name, code in headers.CODE_OF.items() if code == body.code), None)
        return self._profile.template(name) if name is not None else None

    def facts(self) -> dict[str, object]:
        """For `status`: which procedure, which steps are done, what is left."""
        told = self.told()
        if told.procedure is None:
            return {"procedure": None}
        return {
            "procedure": int(told.procedure.code),
            "profile": told.procedure.profile[0],
            "steps": [[step.number, step.title, bool(step.marks)] for step in told.steps()],
            "left_open": list(self.left_open()),
        }

    # -- header and procedure -----------------------------------------------------------------------------------------

    def examined(
        self, content: bytes | None, *, incomplete: bool, before: SessionHeader | None = None
    ) -> SessionHeader | Answer:
        """The header that came with a request, or why it cannot be taken after what was there `before`: one line."""
        try:
            header = headers.parse(content or b"")
        except BadRequest as bad:
            return Answer(ok=False, words_zh=bad.words_zh, words_en=bad.words_en)
        whole = header if before is None else headers.merged(before, header)
        refused = headers.refusal(whole, self._profile)
        if refused is None and not incomplete:
            refused = _left_blank(headers.blanks(header, self._profile))
        return header if refused is None else Answer(ok=False, words_zh=refused[0], words_en=refused[1])

    def begin(self, header: SessionHeader) -> Answer:
        """The session is open: what it follows, then what it is about. Raises StorageFault."""
        if header.procedure is not None:
            self._follow(header.procedure)
        self._head(header)
        return self._answer("已开始录制", "the session is open")

    def _answer(self, words_zh: str, words_en: str) -> Answer:
        """Done, and what of the header is still to be filled in."""
        left = headers.blanks(self._filled(), self._profile)
        if not left:
            return Answer(ok=True, words_zh=f"{words_zh}，首部完整", words_en=f"{words_en}, its header is complete")
        return Answer(
            ok=True,
            words_zh=f"{words_zh}；待补：{'；'.join(zh for zh, _ in left)}",
            words_en=f"{words_en}; still to fill in: {'; '.join(en for _, en in left)}",
        )

    def _filled(self) -> SessionHeader:
        """What all headers of the open session say together, as their records hold it."""
        told, root = self.told(), self._room.tools.spool.root
        texts = {
            label: text for label, named in told.fields().items() if (text := record_text(root, named)) is not None
        }
        code = told.procedure.code if told.procedure is not None else None
        procedure = next((name for name, one in headers.CODE_OF.items() if one == code), None)
        return headers.of_texts(texts, procedure, told.matter)

    def amend(self, content: bytes | None) -> Answer:
        """A later header adds and amends; nothing that was said is replaced. Raises StorageFault."""
        if self._room.session_id is None:
            return _refused(Refusing.NO_SESSION)
        header = self.examined(content, incomplete=True, before=self._filled())
        if isinstance(header, Answer):
            return header
        if header == SessionHeader():
            return Answer(ok=False, words_zh="首部没有填写任何一项", words_en="the header fills nothing in")
        told = self.told()
        if header.procedure is not None and told.of(MarkCode.STEP):
            return Answer(
                ok=False,
                words_zh="已有环节标记，不能再更改程序",
                words_en="a step is marked already; the procedure cannot be changed any more",
            )
        if header.procedure is not None:
            self._follow(header.procedure)
        seq = self._head(header)
        return self._answer(f"首部已记入日志第 {seq} 条", f"the header is entry {seq}")

    def _follow(self, name: ProcedureName) -> None:
        profile, template = self._profile, self._profile.template(name)
        steps = () if template is None else tuple((_cut(step.title), int(step.required)) for step in template.steps)
        notice, place = profile.notice, profile.place
        self._room.append(
            Procedure(
                profile=(profile.name, profile.digest),
                code=headers.CODE_OF[name],
                steps=steps,
                points=tuple(_cut(one.text) for one in profile.key_moments),
                notice_ms=notice.within_seconds * 1000 if notice is not None else None,
                plate=int(place is not None and place.plate_required),
            )
        )

    def _head(self, header: SessionHeader) -> int:
        records = tuple(self._room.keep(label, text) for label, text in headers.contents(header))
        before = self.told().headers
        return self._room.append(
            Header(
                amends=before[-1].entry if before else None,
                matter=header.matter or None,
                secrecy=header.secrecy,
                ex_status=header.ex_status,
                records=records,
            )
        )

    # -- marks --------------------------------------------------------------------------------------------------------

    def mark(self, request: Request) -> Answer | tuple[Refusing, ...]:
        """A mark of this moment, or of an earlier one that says so. Raises StorageFault."""
        if self._room.session_id is None:
            return (Refusing.NO_SESSION,)
        if request.kind is MarkKind.PLATE:
            return self._plate(request)
        unfit = self._unfit(request)
        if unfit is not None:
            return unfit
        meant = self._moment(request) if request.is_late else None
        if request.is_late and meant is None:
            return Answer(
                ok=False,
                words_zh="补标的时刻应在本场次开始之后、现在之前",
                words_en="the moment of a late mark lies after the session's begin and before now",
            )
        code, records = _CODES.get(request.kind, MarkCode.KEY_MOMENT), self._records(request)
        if meant is None:
            seq = self._room.mark(
                code, self._room.now_ns, step_number=request.step, refers_to=request.gap, records=records
            )
            return Answer(ok=True, words_zh=f"已标记（第 {seq} 条）", words_en=f"marked (entry {seq})")
        late = LateMark(code=code, meant=meant, refers_to=request.gap, step=request.step, records=records)
        seq = self._room.append(late)
        return Answer(
            ok=True,
            words_zh=f"已补标（第 {seq} 条），所指时刻与写入时刻都已记下",
            words_en=f"marked afterwards (entry {seq}); the moment meant and the moment written are both kept",
        )

    def _unfit(self, request: Request) -> Answer | None:
        """What the procedure has no such step or point for, or the session no such entry."""
        body = self.told().procedure
        steps, points = (0, 0) if body is None else (len(body.steps), len(body.points))
        if request.kind is MarkKind.STEP and not 0 < (request.step or 0) <= steps:
            return _no_such_step(request.step, steps)
        if request.kind is MarkKind.POINT and request.step is not None and not 0 < request.step <= points:
            return Answer(
                ok=False,
                words_zh=f"辖区规则的重点清单有 {points} 项，没有这一项",
                words_en=f"the list of points in the profile has {points}, not this one",
            )
        if request.step is not None and request.kind not in _NUMBERED:
            return Answer(
                ok=False,
                words_zh="只有环节（step）和重点（point）有序号；关于某一条请用 --of",
                words_en="only a step and a point have a number; to name an entry use --of",
            )
        if not request.is_late and request.kind in (MarkKind.RECESS, MarkKind.RESUMED):
            return self._unfit_recess(request.kind)
        if request.gap is not None and not self._knows(request.gap):
            return Answer(
                ok=False,
                words_zh=f"本场次没有第 {request.gap} 条标记",
                words_en=f"no mark of this session is entry {request.gap}",
            )
        return None

    def _unfit_recess(self, kind: MarkKind) -> Answer | None:
        """A recess within a recess, or the end of none; what was forgotten is marked late."""
        recesses = self.told().recesses()
        in_recess = bool(recesses) and recesses[-1][1] is None
        if in_recess == (kind is MarkKind.RESUMED):
            return None
        if in_recess:
            return Answer(ok=False, words_zh="已在休会中；复会请标记 resumed", words_en="it is in recess already")
        return Answer(
            ok=False,
            words_zh="现在不在休会中；漏标的休会请先补标（recess --ago 秒）",
            words_en="there is no recess to end; one that was forgotten is marked late first (recess --ago SECONDS)",
        )

    def _knows(self, seq: int) -> bool:
        return any(mark.entry == seq for mark in self.told().marks)

    def _moment(self, request: Request) -> Instant | None:
        """The boot and BOOTTIME that is meant, by what both clocks said in each boot; None outside the session."""
        told, clock = self.told(), self._room.tools.clock.read()
        at_ms = request.at_ms if request.at_ms is not None else clock.utc_ms - (request.ago_ms or 0)
        open_session = self._room.tools.journal.state.session
        if told.opened_utc_ms is None or open_session is None or not told.opened_utc_ms <= at_ms <= clock.utc_ms:
            return None
        here = (clock.utc_ms, clock.boottime_ns, self._room.tools.clock.boot_id)
        before = [(utc_ms, ns, boot) for utc_ms, ns, boot, _, _ in reversed(open_session.readings) if boot != here[2]]
        for utc_ms, boottime_ns, boot in (here, *before):  # the newest boot that was running by then
            meant_ns = boottime_ns - (utc_ms - at_ms) * NS_PER_MS
            if meant_ns >= 0:
                begun_ns = told.opened[1] if told.opened is not None and told.opened[0] == boot else 0
                return (boot, meant_ns) if meant_ns >= begun_ns else None
        return None

    def _records(self, request: Request) -> Commitments:
        """Who came, who was told; else what the mark is about. Who marked is a record of its own."""
        named = []
        text = request.text
        if request.kind is MarkKind.NOTICE and not text and request.gap is None:
            text = EVERYBODY
        if text:
            label = RecordLabel.PARTIES if request.kind in _NAMING else RecordLabel.OTHER
            named.append(self._room.keep(label, text))
        if request.actor:
            named.append(self._room.keep(RecordLabel.PERSONS, request.actor))
        return tuple(named)

    def _plate(self, request: Request) -> Answer | tuple[Refusing, ...]:
        """A person says that what is in the picture now shows the sign; the frame is named, nothing is inserted."""
        state, sealed = self._room.state, self._room.moment().sealed
        seen = state.mode in (Mode.RECORDING, Mode.ONE_STREAM) and Stream.PICTURE not in state.absent
        if request.is_late:
            return Answer(
                ok=False,
                words_zh="场所标志只能在入画时标记，不能补标；事后只可补标口述场所（place）",
                words_en="the sign is marked while it is in view, never afterwards; only naming the place aloud can be",
            )
        if not seen or sealed is None:
            return Answer(
                ok=False,
                words_zh="现在没有已封签的画面；请在录制中让场所标志入画后再标记，或口述场所后标记 place",
                words_en="no sealed picture is there now; mark it while the sign is in view, or name the place aloud",
            )
        body = Plate(
            segment=sealed.segment,
            fragment=sealed.fragment,
            frame_index=sealed.frame_index,
            seal_hash=sealed.seal_hash,
            records=self._records(request),
        )
        seq = self._room.append(body)
        where = f"{sealed.segment:06d}.mp4"
        return Answer(
            ok=True,
            words_zh=f"场所标志：{where} 第 {sealed.frame_index} 帧（第 {seq} 条）",
            words_en=f"the sign of the place: frame {sealed.frame_index} in {where} (entry {seq})",
        )

    # -- papers, holds, long-term keeping -----------------------------------------------------------------------------

    def attach(self, request: Request, attachment: bytes | None) -> Answer:
        """A paper by its number, perhaps with a copy, to a session or to one of its marks. Raises StorageFault."""
        session = bytes.fromhex(request.session) if request.session else self._room.session_id
        if session is None:
            return _refused(Refusing.NO_SESSION)
        found = self._named(session, request.gap)
        if found is None:
            return _TOO_OLD
        refers_to, _ = found
        records = [self._room.keep(RecordLabel.PAPER, request.text)]
        if attachment:
            records.append(self._room.keep(RecordLabel.ATTACHMENT, attachment))
        if request.actor:
            records.append(self._room.keep(RecordLabel.PERSONS, request.actor))
        body = Amend(
            refers_to=refers_to[0],
            refers_to_hash=refers_to[1],
            length_ns=None,
            cause=None,
            records=tuple(records),
        )
        seq = self._room.tools.journal.append(body, session_id=session).seq
        return Answer(ok=True, words_zh=f"已随附（第 {seq} 条）", words_en=f"attached (entry {seq})")

    def hold(self, request: Request) -> Answer:
        """Nothing of the session may go: a hold, or with a trigger for good (Jiaozuo Art. 17). Raises StorageFault."""
        session = bytes.fromhex(request.session)
        found = self._named(session, None)
        if found is None:
            return _TOO_OLD
        _, permanent = found
        if request.trigger is not None and permanent:
            return Answer(
                ok=False, words_zh="此场次已标为长期保存", words_en="this session is marked to be kept for good already"
            )
        named = (
            self._room.keep(RecordLabel.PERSONS, request.actor),
            self._room.keep(RecordLabel.REASON, request.text),
        )
        if request.trigger is None:
            body: Hold | Retention = Hold(act=HoldAct.PLACED, session=session, placed=None, records=named)
            words = ("已设置保全", "held")
        else:
            body = Retention(session=session, until_ms=None, basis=request.trigger, records=named)
            words = (f"已标为长期保存：{request.trigger.words_zh}", f"to be kept for good: {request.trigger.words_en}")
        seq = self._room.tools.journal.append(body, session_id=None).seq
        return Answer(ok=True, words_zh=f"{words[0]}（第 {seq} 条）", words_en=f"{words[1]} (entry {seq})")

    def _named(self, session: bytes, mark: int | None) -> tuple[Head, bool] | None:
        """An entry of the session by number and hash (its first, or this one), and whether it is kept for good.

        None where it is not among the newest entries: then it takes a command between sessions.
        """
        wanted: Head | None = None
        permanent = False
        for count, entry in enumerate(self._backwards()):
            if count >= ENTRIES_LIMIT:
                return None
            body = entry.body
            permanent |= isinstance(body, Retention) and body.session == session and body.until_ms is None
            if entry.common.session_id != session:
                continue
            if mark is not None and entry.common.seq == mark:
                wanted = (mark, sha256(entry.envelope.encoded))
            if isinstance(body, Session):
                if mark is None:
                    wanted = (entry.common.seq, sha256(entry.envelope.encoded))
                return (wanted, permanent) if wanted is not None else None
        return None


_TOO_OLD = Answer(
    ok=False,
    words_zh="最近的日志中没有此场次（或此条目）；更早的场次请在停机后用 liuhen retention 或 liuhen records 办理",
    words_en="the newest entries hold no such session or entry; for an older one stop the service and use "
    "liuhen retention or liuhen records",
)


def _refused(why: Refusing) -> Answer:
    words_zh, words_en = REFUSING_WORDS[why]
    return Answer(ok=False, words_zh=words_zh, words_en=words_en)


def _left_blank(lines: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """All that is missing at once, and the way round where it is not known yet; None where nothing is."""
    if not lines:
        return None
    zh, en = "；".join(zh for zh, _ in lines), "; ".join(en for _, en in lines)
    return f"{zh}；暂不知道的可先以 --incomplete 开始，以后再补", f"{en}; begin with --incomplete and fill it in later"


def _cut(text: str) -> str:
    """A title within what an entry holds, never half a character."""
    return text.encode()[:TITLE_LIMIT_BYTES].decode(errors="ignore")


def _no_such_step(number: int | None, steps: int) -> Answer:
    """Why no step can be marked, and what the clerk does instead."""
    if steps == 0:
        return Answer(
            ok=False,
            words_zh="本场次还没有选定程序，没有这一个环节；请先用 liuhen session header --procedure 选定程序",
            words_en="this session follows no procedure yet and has no such step; "
            "choose one with liuhen session header --procedure",
        )
    if number is None:
        return Answer(
            ok=False,
            words_zh=f"请写明环节序号（1 到 {steps}），如 liuhen session mark step 1；各环节见 liuhen session show",
            words_en=f"say which step (1 to {steps}), as in liuhen session mark step 1; see liuhen session show",
        )
    return Answer(
        ok=False,
        words_zh=f"本场次的程序有 {steps} 个环节，没有这一个；见 liuhen session show",
        words_en=f"the procedure of this session has {steps} steps, not this one; see liuhen session show",
    )
