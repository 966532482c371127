"""Giving back space by itself when it runs low: what may go goes, oldest first; where nothing may, somebody is told.

CONTROL only, a little in each turn: the journal is folded in pieces, and one file goes at a time, after its entry.
Recording comes first: nothing here ends or refuses a session, and what must stay stays however full the disk is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from edge import durable, store_examined, witnessing
from edge.durable import StorageFault
from edge.journal import JournalError, clock_row
from edge.journal_follow import JournalFollower
from edge.reclaim import Backing, Believed, Part, Plan, ReclaimBooks, plan
from edge.reclaiming import reclaim
from edge.room import Room
from edge.store_examined import Standing
from liuhen.keeping import SYNCHRONISED
from liuhen.registry import EVENTS, EventCode
from liuhen.stored import Reasons

LOOK_EVERY_NS = 60 * 10**9
MARGIN = 1.25
"""A planned session and a quarter more must fit, as before a session begins."""
ENOUGH = 1.1
"""Once it is low, so much more than that is given back."""
SECONDS_AN_HOUR = 3600
STATEMENTS_A_TURN = 8


class SpaceClerk:
    """See the module."""

    def __init__(self, room: Room) -> None:
        """Nothing was looked at yet."""
        self._room = room
        self._due_ns = 0
        self._books: ReclaimBooks | None = None
        self._follower: JournalFollower | None = None
        self._parts: deque[Part] | None = None
        self._statements: Iterator[Believed | None] | None = None
        self._believed: list[Believed] = []

    def look_soon(self) -> None:
        """Something was said that may let more go: look again in the next turn, with all that was said."""
        self._rest()
        self._due_ns = 0

    def turn(self) -> None:
        """One small step. Raises StorageFault where the journal cannot be written."""
        if self._books is None:
            self._look()
            return
        try:
            if not self._folded(self._books):
                return
        except JournalError:
            self._rest()
            return
        self._step(self._books)

    @property
    def _needed_bytes(self) -> float:
        config = self._room.tools.config
        hours = max(config.spool.minimum_free_hours, config.session.planned_hours * MARGIN)
        return hours * SECONDS_AN_HOUR * config.media_bytes_per_second()

    def _look(self) -> None:
        """Whether space is low, now and then."""
        now_ns = self._room.now_ns
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + LOOK_EVERY_NS
        try:
            free_bytes = self._room.tools.spool.free_bytes()
        except StorageFault:
            return  # whoever writes to it will tell
        if free_bytes >= self._needed_bytes:
            self._room.warnings.pop(EventCode.STORAGE_NO_RECLAIM.name, None)
            return
        self._books = ReclaimBooks()
        self._follower = JournalFollower(lambda: self._room.tools.spool.root)

    def _folded(self, books: ReclaimBooks) -> bool:
        """Fold the next piece of the journal; whether that was the last. Raises JournalError."""
        head = self._room.tools.journal.head
        if self._follower is None or head is None:
            return False
        for placed in self._follower.read(head[0]):
            books.accept(placed.entry)
        return self._follower.mark.seq > head[0]

    def _step(self, books: ReclaimBooks) -> None:
        if self._parts is None:
            try:
                heard = self._heard(books)
            except StorageFault:  # a folder of local state; without it nothing goes by a witness's word
                heard, self._believed = True, []
            if not heard:
                return
            planned = self._plan(books)
            self._parts = deque(one for part in planned.parts for one in _singly(books, part))
            if not self._parts:
                self._nothing_may_go()
                return
            self._room.warnings.pop(EventCode.STORAGE_NO_RECLAIM.name, None)
        if not self._parts or self._room.tools.spool.free_bytes() >= self._needed_bytes * ENOUGH:
            self._rest()
            return
        self._give_back(books, self._parts.popleft())

    def _heard(self, books: ReclaimBooks) -> bool:
        """Check a few more of the statements that witnesses left; whether those were all. Raises StorageFault."""
        tools = self._room.tools
        if self._statements is None:
            self._statements = witnessing.believed(
                tools.spool.root, tools.config.store.witnesses, log_id=tools.spool.identity.log_id, books=books
            )
        with durable.reading(tools.spool.root / witnessing.FOLDER):
            looked_at = list(islice(self._statements, STATEMENTS_A_TURN))
        self._believed += [one for one in looked_at if one is not None]
        return len(looked_at) < STATEMENTS_A_TURN

    def _give_back(self, books: ReclaimBooks, part: Part) -> None:
        """One file, asked once more by the clock and the entries of now: what forbids it may have come meanwhile."""
        tools, clock = self._room.tools, clock_row(self._room.tools.clock)
        reasons = Reasons(
            session=part.session, utc_ms=clock[0], receipts=part.receipts, witness=part.witness, order=part.order
        )
        backing = self._backing()
        stores = {books.stored.store_of(seq) or b"" for seq in part.receipts}
        barred = backing.bar is not None or not all(backing.standings.of(one) is Standing.FIT for one in stores)
        if clock[3] == SYNCHRONISED and not barred and not books.stored.forbids(part.contents, reasons):
            now = Plan(parts=(replace(part, clock=clock),), kept={})
            reclaim(tools.spool, tools.journal, books, now)

    def _plan(self, books: ReclaimBooks) -> Plan:
        """What may go now, of the oldest sessions first."""
        tools, kept = self._room.tools, books.ledger.keeping.sessions
        oldest = sorted(books.ledger.sessions, key=lambda session: kept[session].ordinal or 0)
        return plan(
            books,
            tuple(oldest),
            clock=clock_row(tools.clock),
            minimum_hold_days=tools.config.store.minimum_hold_days,
            backing=self._backing(),
        )

    def _backing(self) -> Backing:
        tools = self._room.tools
        root = tools.spool.root
        try:
            contradicted = witnessing.is_contradicted(root)
        except StorageFault:
            contradicted = True  # the disk does not say: nothing goes by a witness's word
        return Backing(
            witnesses=tuple(self._believed),
            contradicted=contradicted,
            standings=store_examined.standings(root),
        )

    def _nothing_may_go(self) -> None:
        """Told once, until there is space again."""
        code = EventCode.STORAGE_NO_RECLAIM
        if code.name not in self._room.warnings:
            rate = max(1, self._room.tools.config.media_bytes_per_second())
            self._room.event(code, (self._room.tools.spool.free_bytes() // rate // 60,))
            self._room.warnings[code.name] = EVENTS[code].words_zh
            self._room.tools.say(EVENTS[code].words_zh, EVENTS[code].words_en)
        self._rest()

    def _rest(self) -> None:
        """Forget what was folded: a log's contents are many, and are needed only now and then."""
        self._books = self._follower = self._parts = self._statements = None
        self._believed = []
        self._due_ns = self._room.now_ns + LOOK_EVERY_NS


def _singly(books: ReclaimBooks, part: Part) -> Iterator[Part]:
    """One entry for each file, with its own receipts: none is named long before it goes."""
    for content in part.contents:
        named = set(books.naming[content])
        yield replace(part, contents=(content,), receipts=tuple(seq for seq in part.receipts if seq in named))
