"""What the offload process tells, as entries: receipts of what the journal states, trouble with the store, its silence.

CONTROL only. A receipt is written for content that the journal or a durable boundary states and for no other; whether
a store is the designated one is decided here, by the configuration and by the disk it lies on. The answer names the
entry, so that the sender knows what is journaled.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge import durable, store_examined
from edge.books import Books
from edge.designation import WORDS_EN, WORDS_ZH
from edge.desk_deadlines import DeadlineClerk
from edge.desk_space import SpaceClerk
from edge.desk_witness import WitnessClerk
from edge.holdings import Holdings, LedgerFault
from edge.messages import OffloadTold
from edge.offload.words import Answer, ObjectRow, OffloadAlive, ReceiptsTold, StoreTold, WitnessTold, telling_of
from edge.precheck import Shelf
from edge.requests import Answer as RequestAnswer
from edge.requests import BadRequest, Request, Role
from edge.room import Room
from edge.settings_store import Access
from edge.store_examined import Standing, Standings
from liuhen.kinds import Check, Commitments, Order, Receipt
from liuhen.registry import EVENTS, CheckCode, CheckItem, EventCode, ObjectKind, OrderCode, RecordLabel, RetentionMode
from liuhen.store_names import StoreUrl, parse_store_url, store_hash

NS_PER_MS = 1_000_000
SILENT_NS = 10 * 10**9
"""The offload process tells every two seconds; five times nothing is silence."""
FIRST_WORD_NS = 60 * 10**9
"""So long it may take to start before it counts as silent."""
EVENTS_A_MINUTE = 30
MINUTE_NS = 60 * 10**9
VERB_BASE = 1000
"""A telling stands in REFUSED_REQUEST as its number above this."""

STANDING_WARNINGS = {Standing.UNFIT: "STORE_UNFIT", Standing.UNEXAMINED: "STORE_UNEXAMINED"}
UNWELL = (
    EventCode.STORE_UNREACHABLE,
    EventCode.STORE_REFUSES,
    EventCode.STORE_UNTRUSTED,
    EventCode.STORE_FULL,
    EventCode.STORE_CLOCK_OFF,
)
"""What a store that is reached again is over with; what it holds wrongly stays a warning until somebody has looked."""


@dataclass(slots=True, kw_only=True)
class _Heard:
    """What was told of one store. `alive`: what the offload process said last of its queue."""

    alive: OffloadAlive | None = None
    trouble: EventCode | None = None


class StoreClerk:
    """See the module."""

    def __init__(self, room: Room) -> None:
        """Nothing was told yet."""
        self._room = room
        self._began_ns = room.now_ns
        self._heard_ns: int | None = None
        self._lost = False
        self._told_ns: deque[int] = deque(maxlen=EVENTS_A_MINUTE)
        self._named: set[bytes] = set()
        self._heard = {one.url: _Heard() for one in room.tools.config.store.every}
        self.books: Books | None = None
        self.deadlines: DeadlineClerk | None = None
        if room.tools.config.store.every:
            self.books = Books(room.tools.spool, room.tools.journal, room.tools.clock.boottime_ns)
            self.deadlines = DeadlineClerk(room, self.books)
        self._witness = WitnessClerk(room, self.books)
        self._space = SpaceClerk(room)
        self._standings = Standings()
        if self.books is not None:
            self._weigh()
            self._warn_of_own()

    def close(self) -> None:
        """Let go of the ledger."""
        if self.books is not None:
            self.books.close()

    def handle(self, told: OffloadTold) -> None:
        """One telling, answered at once. Raises StorageFault."""
        if told.role is not Role.OFFLOAD:
            self._refused(told)
            told.answer(Answer(ok=False, why="此用户不是入库进程 / this user is not the offload process"))
            return
        self._hear()
        match told.words:
            case OffloadAlive() as alive:
                told.answer(self._alive(alive))
            case StoreTold() as said:
                told.answer(self._event(said))
            case ReceiptsTold() as said:
                told.answer(self._receipts(told, said))
            case WitnessTold(statement=statement):
                told.answer(self._witness.told(statement))

    def turn(self) -> None:
        """Keep the books up, and notice silence. Raises StorageFault."""
        if self.books is None or self.deadlines is None:
            return
        self.books.turn()
        self.deadlines.turn()
        self._witness.turn()
        self._space.turn()
        since_ns = self._heard_ns if self._heard_ns is not None else self._began_ns
        limit_ns = SILENT_NS if self._heard_ns is not None else FIRST_WORD_NS
        if self._lost or self._room.now_ns - since_ns < limit_ns:
            return
        self._lost = self.deadlines.silent = True
        self._warn(EventCode.OFFLOAD_LOST, ((self._room.now_ns - since_ns) // NS_PER_MS,))

    def _hear(self) -> None:
        now_ns = self._room.now_ns
        if self._lost:
            since_ns = self._heard_ns if self._heard_ns is not None else self._began_ns
            self._room.event(EventCode.OFFLOAD_BACK, ((now_ns - since_ns) // NS_PER_MS,))
            self._room.warnings.pop(EventCode.OFFLOAD_LOST.name, None)
        self._heard_ns, self._lost = now_ns, False
        if self.deadlines is not None:
            self.deadlines.silent = False

    def _alive(self, alive: OffloadAlive) -> Answer:
        heard = self._heard.get(alive.store)
        if heard is None:
            return _NOT_OURS
        heard.alive = alive
        self._inform()
        return Answer(ok=True)

    def _inform(self) -> None:
        """Deadlines are judged by the store that meets them: the first that is designated."""
        if self.deadlines is None:
            return
        stores = self._room.tools.config.store.every
        leading = self._heard[next((one.url for one in stores if self._room.designates(one)), stores[0].url)]
        self.deadlines.alive, self.deadlines.trouble = leading.alive, leading.trouble

    def _refused(self, told: OffloadTold) -> None:
        self._room.event(EventCode.REFUSED_REQUEST, (VERB_BASE + telling_of(told.words), told.role))

    def _warn(self, code: EventCode, measured: tuple[int, ...], store: str = "") -> int:
        """An event of the first store, or of offload; of the second it says so and names it in a record."""
        second = store != "" and store == self._room.tools.config.store.second.url
        records = (self._room.keep(RecordLabel.STORE, store),) if second else ()
        seq = self._room.event(code, measured, records=records)
        zh, en = (f"{EVENTS[code].words_zh}（第二存储库）", f"{EVENTS[code].words_en} (second store)")
        words_zh, words_en = (zh, en) if second else (EVENTS[code].words_zh, EVENTS[code].words_en)
        self._room.warnings[_warning(code, second=second)] = words_zh
        self._room.tools.say(words_zh, words_en)
        return seq

    # -- events of the store ------------------------------------------------------------------------------------------

    def _event(self, said: StoreTold) -> Answer:
        heard, now_ns = self._heard.get(said.store), self._room.now_ns
        if heard is None:
            return _NOT_OURS
        if len(self._told_ns) == EVENTS_A_MINUTE and now_ns - self._told_ns[0] < MINUTE_NS:
            return Answer(ok=False, why="事件过多，请稍后再报 / too many events; tell it later")
        self._told_ns.append(now_ns)
        heard.trouble = None if said.code is EventCode.STORE_BACK else said.code
        self._inform()
        if said.code is not EventCode.STORE_BACK:
            return Answer(ok=True, seq=self._warn(said.code, said.measured, said.store))
        second = said.store == self._room.tools.config.store.second.url
        for code in UNWELL:
            self._room.warnings.pop(_warning(code, second=second), None)
        records = (self._room.keep(RecordLabel.STORE, said.store),) if second else ()
        return Answer(ok=True, seq=self._room.event(said.code, said.measured, records=records))

    # -- what lets media go -------------------------------------------------------------------------------------------

    def order_reclaim(self, request: Request) -> RequestAnswer:
        """An operator stands for the witness, and for nothing else: an entry, with who and why. Raises StorageFault."""
        session = bytes.fromhex(request.session) if request.session else None
        if session is not None and not self._has_session(session):
            return RequestAnswer(
                ok=False,
                words_zh="台账中没有此场次；若场次确实存在，请稍后再试",
                words_en="the books know no such session; if there is one, try again in a while",
            )
        records = (
            self._room.keep(RecordLabel.PERSONS, request.actor),
            self._room.keep(RecordLabel.REASON, request.text),
        )
        body = Order(code=OrderCode.RECLAIM_UNWITNESSED, session=session, records=records)
        ordered = self._room.tools.journal.append(body, session_id=None)
        self._space.look_soon()
        return RequestAnswer(
            ok=True,
            words_zh=f"命令已记入日志第 {ordered.seq} 条；空间不足时腾出已入库且条件齐备的内容",
            words_en=f"the order is entry {ordered.seq}; when space runs low, what is stored and may go will go",
        )

    def settle_witness(self, request: Request) -> RequestAnswer:
        """It was found out why a witness saw another history; media may go again. Raises StorageFault."""
        answer = self._witness.settle(request)
        self._space.look_soon()
        return answer

    def examined(self, content: bytes | None) -> RequestAnswer:
        """The doctor's result for the configured store: signed as a check, kept, and followed. Raises StorageFault."""
        tools = self._room.tools
        try:
            found = store_examined.parse(content or b"")
        except BadRequest as bad:
            return RequestAnswer(ok=False, words_zh=bad.words_zh, words_en=bad.words_en)
        if tools.config.store.at(found.url) is None:
            return RequestAnswer(
                ok=False, words_zh="这不是本机配置的存储库", words_en="this is not the store that is configured here"
            )
        record = self._room.keep(RecordLabel.STORE, content or b"")
        body = Check(code=CheckCode.STORE, rows=((int(CheckItem.STORE), int(found.outcome), 0),), records=(record,))
        seq = tools.journal.append(body, session_id=None).seq
        path = tools.spool.root / store_examined.FILE
        kept = store_examined.kept_with(tools.spool.root, content or b"")
        tools.spool.write(durable.Replace(path=path, content=kept))
        self._weigh()
        self._space.look_soon()
        return RequestAnswer(ok=True, words_zh=f"已记入日志第 {seq} 条", words_en=f"journaled as entry {seq}")

    def _weigh(self) -> None:
        """What the doctor found of each store: receipts of one that is not fit let nothing go and meet no deadline."""
        tools = self._room.tools
        self._standings = store_examined.standings(tools.spool.root)
        if self.deadlines is not None:
            self.deadlines.standings = self._standings
        for second, access in ((False, tools.config.store), (True, tools.config.store.second)):
            found = Standing.FIT if access.place is None else self._standings.at(access.place)
            for standing, name in STANDING_WARNINGS.items():
                key = f"{name}_2" if second else name
                self._room.warnings.pop(key, None)
                # Only of a store that is to count it matters that nobody has examined it.
                if standing is found and (found is Standing.UNFIT or access.designated):
                    self._room.warnings[key] = f"{'第二' if second else ''}存储库{found.words_zh}"

    def _warn_of_own(self) -> None:
        """A store that is this recorder itself is said to be none, once a run and as long as it is configured."""
        store = self._room.tools.config.store
        for second, access in ((False, store), (True, store.second)):
            if access.designated and not self._room.designates(access):
                self._room.warnings["STORE_IS_OWN_2" if second else "STORE_IS_OWN"] = f"{access.url} {WORDS_ZH}"
                self._room.tools.say(f"{access.url} {WORDS_ZH}", f"{access.url} {WORDS_EN}")

    def _has_session(self, session: bytes) -> bool:
        if self.books is None:
            return False
        self.books.turn()
        try:
            return self.books.ledger is not None and self.books.ledger.session(session) is not None
        except LedgerFault:
            return False

    # -- receipts -----------------------------------------------------------------------------------------------------

    def _receipts(self, told: OffloadTold, said: ReceiptsTold) -> Answer:
        if self.books is None:
            return Answer(ok=False, why="本机未配置存储库 / no store is configured here")
        self.books.turn()
        ledger = self.books.ledger
        if ledger is None:
            return Answer(ok=False, why=f"台账尚未跟上，请稍后再报 / the books are behind: {self.books.trouble}")
        place = parse_store_url(said.store)
        if place.scheme == "file" and said.mode is not RetentionMode.NONE:
            self._refused(told)
            return Answer(ok=False, why="目录存储没有锁定 / a folder locks nothing")
        try:
            return self._journaled(told, self._as_believed(said), ledger, place)
        except LedgerFault as fault:
            return Answer(ok=False, why=f"台账无法读取 / the books cannot be read: {fault}")

    def _as_believed(self, said: ReceiptsTold) -> ReceiptsTold:
        """A store that accepts locks without enforcing them locks nothing, whatever it says."""
        unfit = self._standings.at(parse_store_url(said.store)) is Standing.UNFIT
        return replace(said, mode=RetentionMode.NONE) if unfit else said

    def _journaled(self, told: OffloadTold, said: ReceiptsTold, ledger: Holdings, place: StoreUrl) -> Answer:
        """The receipt of what is known and new. Raises StorageFault, LedgerFault."""
        store, designated = store_hash(place), self._designated(place)
        known = [row for row in said.rows if _is_stated(ledger, row)]
        unknown = tuple(row[1] for row in said.rows if row not in known)
        if unknown:
            self._refused(told)
        told_before = [_told_before(ledger, row, said, designated=designated) for row in known]
        fresh = tuple(row for row, seq in zip(known, told_before, strict=True) if seq is None)
        if not fresh:
            return Answer(
                ok=True, seq=max((seq for seq in told_before if seq is not None), default=None), unknown=unknown
            )
        body = Receipt(
            store=store,
            designated=int(designated),
            mode=said.mode,
            server_key=said.server_key,
            objects=fresh,
            records=self._name_of(place, store, designated=designated),
        )
        return Answer(ok=True, seq=self._room.tools.journal.append(body, session_id=None).seq, unknown=unknown)

    def _name_of(self, place: StoreUrl, store: bytes, *, designated: bool) -> Commitments:
        """Which store this is and who designated it, as a record; once in a run. Raises StorageFault."""
        if store in self._named:
            return ()
        access = self._room.tools.config.store.at(place)
        by = access.designated_by if access is not None and designated else ""
        named = self._room.keep(RecordLabel.STORE, f"{place.text}\n{by}".strip())
        self._named.add(store)
        return (named,)

    def _designated(self, place: StoreUrl) -> bool:
        """One that is configured so, and lies neither on a disk of this recorder nor on its machine."""
        tools = self._room.tools
        access = tools.config.store.at(place)
        if access is None or not self._room.designates(access):
            return False
        own = [tools.spool.root, tools.config.spool.directory, tools.config.spool.mirror]
        return place.scheme != "file" or not lies_on(Path(place.place), [path for path in own if path is not None])

    @property
    def shelf(self) -> Shelf:
        """How the stores stand together, for a check of the device."""
        if self.books is None or self.deadlines is None:
            return Shelf.NOT_FITTED
        late = any(row["missed"] for row in self.deadlines.facts())
        return Shelf.gravest(*(self._shelf_of(one, late=late) for one in self._room.tools.config.store.every))

    def _shelf_of(self, access: Access, *, late: bool) -> Shelf:
        standing = Standing.FIT if access.place is None else self._standings.at(access.place)
        alive = self._heard[access.url].alive
        now_ms = self._room.tools.clock.read().utc_ms
        return Shelf.of(
            unfit=standing is Standing.UNFIT,
            examined=standing is Standing.FIT,
            due=access.place is not None and self._standings.is_due(access.place, now_ms),
            silent=self._lost or alive is None,
            unreachable=alive is not None and bool(alive.unreachable),
            late=late,
        )

    @property
    def waiting_objects(self) -> int:
        """How much waits to be sent, as the offload process said last."""
        return sum(heard.alive.waiting_objects for heard in self._heard.values() if heard.alive is not None)

    def facts(self) -> dict[str, Any]:
        """For `status`."""
        if self.books is None or self.deadlines is None:
            return {"offload": None, "deadlines": []}
        stores = [self._store_facts(access) for access in self._room.tools.config.store.every]
        heard = "lost" if self._lost else "heard" if self._heard_ns is not None else "not heard"
        return {
            "offload": {"process": heard, "books": self.books.trouble, "queue": stores[0]["queue"], "stores": stores},
            "deadlines": self.deadlines.facts(),
            "shelf": self.shelf.name.lower(),
        }

    def _store_facts(self, access: Access) -> dict[str, Any]:
        standing = Standing.FIT if access.place is None else self._standings.at(access.place)
        alive = self._heard[access.url].alive
        queue = None
        if alive is not None:
            queue = {
                "waiting_objects": alive.waiting_objects,
                "waiting_bytes": alive.waiting_bytes,
                "oldest_seconds": alive.oldest_seconds,
                "bytes_per_second": alive.bytes_per_second,
                "unreachable": alive.unreachable,
            }
        standing_name = standing.name.lower()
        designated = self._room.designates(access)
        return {"url": access.url, "designated": designated, "standing": standing_name, "queue": queue}


_NOT_OURS = Answer(ok=False, why="不是本机配置的存储库 / not a store that is configured here")


def _warning(code: EventCode, *, second: bool) -> str:
    """The name of a warning: each store has its own."""
    return f"{code.name}_2" if second else code.name


def lies_on(folder: Path, disks: list[Path]) -> bool:
    """Whether a folder is on the same device as one of these; one that cannot be asked counts as if it were."""
    try:
        device = folder.stat().st_dev
        return any(device == disk.stat().st_dev for disk in disks)
    except OSError:
        return True


def _is_stated(ledger: Holdings, row: ObjectRow) -> bool:
    """Whether the journal states this content, and the bytes that were read back can be its."""
    what, content, digest = row[0], row[1], row[2]
    whole = what == ObjectKind.RECORD or digest == content
    return whole and ledger.knows(what, content)


def _told_before(ledger: Holdings, row: ObjectRow, said: ReceiptsTold, *, designated: bool) -> int | None:
    """The receipt that says the same already: a sender that lost its answer tells it once more."""
    what, content, digest, _, version, until_ms, _ = row
    store = store_hash(parse_store_url(said.store))
    for receipt in ledger.receipts_of(what, content):
        same = (receipt.store, receipt.version, receipt.hash) == (store, version, digest)
        if (
            same
            and receipt.mode == said.mode
            and receipt.designated == designated
            and receipt.retained_until_ms == until_ms
        ):
            return receipt.seq
    return None
