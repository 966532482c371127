"""The visits of an always-on room: begun and ended by their queue numbers, each told of the recording; the day's turn.

CONTROL only. A visit that nobody ended is ended by the next one, and says so. The day's session is begun by the device
itself (`due`) and ends where the next day begins, when nobody is being served; what a person has stopped stays stopped
until the next day or a person's start.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from edge.journal import JournalError, entry_at
from edge.journal_state import OpenSession, OpenVisit
from edge.requests import Answer, Request, Verb
from edge.room import Room
from edge.session.effects import Announcement, Refusing
from edge.session.signals import StopAsked
from edge.session.state import Session
from liuhen.kinds import Visit
from liuhen.registry import EVENTS, EventCode, RecordLabel, VisitAct, VisitEnd, VisitSort
from liuhen.visits import DUTY_STREAM

NS_PER_SECOND = 10**9
MINUTE_MS = 60_000
DAY_MINUTES = 1440
LONGEST_WAIT_MINUTES = 120
"""A visit that goes on so long after the next day began does not keep the day open any more: it ends with it."""

NOT_ALWAYS_ON = Answer(
    ok=False,
    words_zh="本机未设为值守（session.always_on），没有办事号码；请用 liuhen ctl start 开始场次",
    words_en="this room is not always on (session.always_on); begin a session with liuhen ctl start",
)
NOBODY = Answer(ok=False, words_zh="现在没有正在办事的号码", words_en="nobody is being served now")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """What an end repeats of its beginning."""

    seq: int
    number: str
    sort: int


class VisitClerk:
    """See the module."""

    def __init__(self, room: Room) -> None:
        """Nothing is written."""
        self._room = room
        self._named: _Named | None = None
        self._day: int | None = None
        """The day of the newest session of this run."""
        self.due = room.tools.config.session.always_on
        """Whether the room is to be recorded now and no session of the day is open."""

    # -- asked --------------------------------------------------------------------------------------------------------

    def carry_out(self, request: Request) -> Answer | tuple[Refusing, ...]:
        """Begin or end a visit. Raises StorageFault."""
        session = self._session()
        if self._room.session_id is None or session is None:
            return (Refusing.NO_SESSION,)
        if session.mode != DUTY_STREAM:
            return NOT_ALWAYS_ON
        if request.verb is Verb.VISIT_BEGIN:
            return self._begin(request, session.visit)
        if session.visit is None:
            return NOBODY
        ended = self._end(session.visit, self._room.now_ns, VisitEnd.PERSON, request)
        return Answer(ok=True, words_zh=f"{ended.number} 号结束", words_en=f"{ended.number} has ended")

    def _begin(self, request: Request, before: OpenVisit | None) -> Answer:
        now_ns = self._room.now_ns
        if before is not None and self._name_of(before).number == request.number:
            return Answer(
                ok=True, words_zh=f"{request.number} 号正在办理", words_en=f"{request.number} is being served already"
            )
        closed = self._end(before, now_ns, VisitEnd.NEXT_VISIT) if before is not None else None
        sort = VisitSort.INTERVIEW if request.interview else VisitSort.VISIT
        seq = self._write(request.number, sort, now_ns, request=request)
        self._named = _Named(seq=seq, number=request.number, sort=sort)
        self._room.tools.announce(Announcement.NOTICE)
        after_zh = f"；{closed.number} 号未结束，已自动结束" if closed is not None else ""
        after_en = f"; {closed.number} had not been ended and was ended by it" if closed is not None else ""
        return Answer(
            ok=True,
            words_zh=f"{request.number} 号开始（{sort.words_zh}）{after_zh}",
            words_en=f"{request.number} has begun ({sort.words_en}){after_en}",
        )

    def _end(self, visit: OpenVisit, at_ns: int, cause: VisitEnd, request: Request | None = None) -> _Named:
        """Who was not told of the recording before leaving never was."""
        if not visit.settled:
            self._not_told(visit)
        named = self._name_of(visit)
        self._write(named.number, named.sort, at_ns, ends=(visit.seq, cause), request=request)
        self._room.warnings.pop(EventCode.VISIT_NOTICE_MISSING.name, None)
        return named

    def _write(
        self,
        number: str,
        sort: int,
        at_ns: int,
        *,
        ends: tuple[int, VisitEnd] | None = None,
        request: Request | None = None,
    ) -> int:
        moment = self._room.moment()
        records = []
        if request is not None and request.text:
            records.append(self._room.keep(RecordLabel.OTHER, request.text))
        if request is not None and request.actor:
            records.append(self._room.keep(RecordLabel.PERSONS, request.actor))
        return self._room.append(
            Visit(
                act=VisitAct.BEGUN if ends is None else VisitAct.ENDED,
                sort=sort,
                number=number,
                at=(self._room.tools.clock.boot_id, at_ns),
                frame_index=moment.frame_index,
                sample_index=moment.sample_index,
                began=None if ends is None else ends[0],
                cause=VisitEnd.NOT_ENDED if ends is None else ends[1],
                records=tuple(records),
            )
        )

    def _name_of(self, visit: OpenVisit) -> _Named:
        """Number and sort of the visit; after a restart its entry says them."""
        if self._named is not None and self._named.seq == visit.seq:
            return self._named
        body = None
        with contextlib.suppress(JournalError):  # it stands in the chain, and cannot be read now
            found = entry_at(self._room.tools.spool.journal_directory, visit.seq)
            body = found.body if found is not None else None
        number, sort = (body.number, body.sort) if isinstance(body, Visit) else ("-", int(VisitSort.VISIT))
        self._named = _Named(seq=visit.seq, number=number, sort=sort)
        return self._named

    # -- time ---------------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Whoever was not told in time; and the next day. Raises StorageFault."""
        session = self._session()
        if session is not None and session.visit is not None and self._room.session_id is not None:
            visit = session.visit
            if not visit.settled and self._waited_ns(visit) >= self._limit_ns:
                self._not_told(visit)
        self._turn_the_day(session)

    @property
    def _limit_ns(self) -> int:
        return self._room.tools.config.session.visit_notice_seconds * NS_PER_SECOND

    def _waited_ns(self, visit: OpenVisit) -> int:
        """How long the visitor has been there; of another boot nobody knows, and that is long enough."""
        if visit.at[0] != self._room.tools.clock.boot_id:
            return self._limit_ns
        return self._room.now_ns - visit.at[1]

    def _not_told(self, visit: OpenVisit) -> None:
        code = EventCode.VISIT_NOTICE_MISSING
        self._room.event(code, (self._waited_ns(visit) // NS_PER_SECOND,), refers_to=visit.seq)
        self._room.warnings[code.name] = EVENTS[code].words_zh
        self._room.tools.say(EVENTS[code].words_zh, EVENTS[code].words_en)

    def _turn_the_day(self, session: OpenSession | None) -> None:
        if not self._room.tools.config.session.always_on:
            return
        now_ms = self._room.tools.clock.read().utc_ms
        today = self._day_of(now_ms)
        if session is None:
            self.due = self.due or (self._day is not None and today > self._day)
            return
        if self._room.state.session is not Session.OPEN or self._room.session_id is None:
            return
        self._day, self.due = self._day_of(session.began[0]), False
        if today <= self._day:
            return
        if session.visit is None or self._day_of(now_ms - LONGEST_WAIT_MINUTES * MINUTE_MS) > self._day:
            self._room.signal(StopAsked(at_ns=self._room.now_ns, confirmed=True, reasoned=True))

    def _day_of(self, utc_ms: int) -> int:
        """Which day of the room a moment belongs to, counted from 1970; a day begins when the configuration says."""
        config = self._room.tools.config
        minutes = utc_ms // MINUTE_MS + config.device.utc_offset_minutes - config.session.day_begins_minutes
        return minutes // DAY_MINUTES

    def _session(self) -> OpenSession | None:
        return self._room.tools.journal.state.session

    def facts(self) -> dict[str, Any]:
        """For `status`."""
        session = self._session()
        if session is None or session.mode != DUTY_STREAM:
            return {}
        return {"visit": self._name_of(session.visit).number if session.visit is not None else None}
