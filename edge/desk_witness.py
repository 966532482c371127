"""What a witness says reaches the chain: checked by pinned keys, kept, then borne by the next entry; or it is an alarm.

CONTROL only. The offload process only carries the bytes and is believed in nothing: key, log and root are asked here.
One statement at a time is borne, in the order of size, so that each stands in an entry before media go for it.
"""

from __future__ import annotations

from edge import durable, witnessing
from edge.books import Books
from edge.durable import StorageFault
from edge.holdings import LedgerFault
from edge.offload.words import Answer
from edge.requests import Answer as RequestAnswer
from edge.requests import Request
from edge.room import Room
from liuhen.errors import FormatError
from liuhen.hashing import sha256
from liuhen.kinds import Order, Witness
from liuhen.registry import EVENTS, EventCode, OrderCode, RecordLabel
from liuhen.store_statements import verify_witness


class WitnessClerk:
    """See the module."""

    def __init__(self, room: Room, books: Books | None) -> None:
        """What was remembered is looked at in the first turn in which the books are up."""
        self._room = room
        self._books = books
        self._recalled = False
        self._set_at: int | None = None
        """How many entries there were when the newest statement was taken: one more bears it."""

    def turn(self) -> None:
        """Once in a run: go on from the newest that was remembered. Raises StorageFault."""
        if self._recalled or self._books is None or self._books.ledger is None:
            return
        self._recalled = True
        root = self._room.tools.spool.root
        try:
            if self._is_contradicted():
                self._warn()
            newest = witnessing.names(root)[-1:]
            encoded = [witnessing.read(root / witnessing.FOLDER / name) for name in newest]
        except (OSError, StorageFault) as error:  # what is local state only costs no recording: the store has it still
            self._room.tools.say(f"见证记录无法读取：{error}", f"what witnesses said cannot be read: {error}")
            return
        if encoded and self._room.tools.journal.seen is None:
            self._judged(encoded[0], known=True)

    def told(self, encoded: bytes) -> Answer:
        """A statement out of the store. Raises StorageFault."""
        if self._books is not None:
            self._books.turn()
        if not self._recalled:
            return _later(encoded)
        return self._judged(encoded, known=False)

    def _judged(self, encoded: bytes, *, known: bool) -> Answer:
        tools = self._room.tools
        ledger = None if self._books is None else self._books.ledger
        if ledger is None:
            return _later(encoded)
        try:
            statement = verify_witness(
                encoded, tools.config.store.witnesses, log_id=tools.spool.identity.log_id, where="witness"
            )
            root = ledger.checkpoint_root(statement.size)
        except FormatError as error:
            return Answer(ok=False, why=f"见证陈述不可信 / a witness statement is not believed: {error}")
        except LedgerFault:
            return _later(encoded)
        if statement.size > tools.journal.size or root not in (None, statement.root):
            return self._differs(statement, encoded)
        if root is None:
            return Answer(ok=False, why="见证的条数没有对应的检查点 / no checkpoint has the size that was cosigned")
        return self._take(statement, encoded, known=known)

    def _take(self, statement: Witness, encoded: bytes, *, known: bool) -> Answer:
        tools, name = self._room.tools, witnessing.name_of(statement, encoded)
        if not known and durable.exists(tools.spool.root / witnessing.FOLDER / name):
            return Answer(ok=True)
        before = tools.journal.seen
        if before is not None and statement.size < before[0]:
            return Answer(ok=False, why="已有更新的见证 / an entry has seen a newer one already")
        if self._set_at == tools.journal.size:
            return _later(encoded)
        if not known:
            try:
                witnessing.keep(tools.spool, name, encoded)
            except StorageFault as fault:  # nothing rests on it yet, and it can be told again
                tools.say(f"见证记录无法写入：{fault}", f"what a witness said cannot be kept: {fault}")
                return _later(encoded)
        tools.journal.seen = witnessing.seen_of(statement, encoded)
        self._set_at = tools.journal.size
        return Answer(ok=True)

    def _differs(self, statement: Witness, encoded: bytes) -> Answer:
        """Another history than ours: kept as evidence, told once, and nothing is reclaimed until a person found out."""
        spool = self._room.tools.spool
        known = witnessing.is_settled(spool.root, witnessing.name_of(statement, encoded))
        if known or self._is_contradicted():
            return Answer(ok=True)
        code = EventCode.WITNESS_DIFFERS
        spool.write(durable.Replace(path=spool.root / witnessing.CONTRADICTION_FILE, content=encoded))
        seq = self._room.event(code, (statement.size,))
        self._warn()
        self._room.tools.say(EVENTS[code].words_zh, EVENTS[code].words_en)
        return Answer(ok=True, seq=seq)

    def _is_contradicted(self) -> bool:
        """By the file, and by the journal where the file is gone: only an order ends it."""
        if witnessing.is_contradicted(self._room.tools.spool.root):
            return True
        ledger = None if self._books is None else self._books.ledger
        try:
            return ledger is not None and ledger.is_contradicted()
        except LedgerFault:
            return False

    def settle(self, request: Request) -> RequestAnswer:
        """An operator has found out why a witness saw another history: an entry, with who and why. Raises StorageFault.

        The statement is put aside and kept. The order comes first: cut off behind it, the file is removed by the next.
        """
        if self._books is not None:
            self._books.turn()
        if not self._is_contradicted():
            return RequestAnswer(
                ok=False, words_zh="没有与本机日志不符的见证", words_en="no witness contradicts this journal"
            )
        room = self._room
        records = (room.keep(RecordLabel.PERSONS, request.actor), room.keep(RecordLabel.REASON, request.text))
        body = Order(code=OrderCode.WITNESS_SETTLED, session=None, records=records)
        ordered = room.tools.journal.append(body, session_id=None)
        witnessing.settle(room.tools.spool)
        room.warnings.pop(EventCode.WITNESS_DIFFERS.name, None)
        return RequestAnswer(
            ok=True,
            words_zh=f"已记入日志第 {ordered.seq} 条；见证陈述另存备查，条件齐备的内容可再腾出空间",
            words_en=f"the order is entry {ordered.seq}; the statement is kept aside, and what may go may go again",
        )

    def _warn(self) -> None:
        code = EventCode.WITNESS_DIFFERS
        self._room.warnings[code.name] = EVENTS[code].words_zh


def _later(encoded: bytes) -> Answer:
    return Answer(ok=True, unknown=(sha256(encoded),))
