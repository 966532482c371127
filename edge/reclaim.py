"""Which local copies may go because a store holds them: the device's rule over FORMAT.md 5.8, and what it may name.

Pure: folds entries and decides; opens no file, reads no clock. What the chain demands is asked of the verifier's own
fold (`liuhen.stored`), so that what the device lets go is what a stranger finds founded later. On top of it the device
asks for a whole journal, a clock that is proven, a minimum time on the spot, and of a witness that it is pinned, speaks
of these very entries and has itself read back what is to go. Media alone are reclaimed: records are small, and needed.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from edge.retention import Ledger
from edge.store_examined import Standing, Standings
from liuhen.entry import Entry
from liuhen.errors import FormatError
from liuhen.keeping import SYNCHRONISED, Content
from liuhen.kinds import Checkpoint, Clock, Event, Order, Receipt, Reclaimed, SessionEnd
from liuhen.registry import ContentKind, EventCode, OrderCode
from liuhen.store_statements import parse_witness, verify_witness
from liuhen.stored import Bar, Reasons, Seen, Stored

DAY_MS = 86_400_000
CONTENTS_LIMIT = 512
RECEIPTS_LIMIT = 64
CHECKPOINTS_KEPT = 1024
MEDIA = (ContentKind.SEGMENT, ContentKind.QUARANTINED)


class Local(enum.Enum):
    """Why the device itself keeps what the chain would let go."""

    JOURNAL_INCOMPLETE = ("日志有缺失，可能漏看保全", "entries are missing: one might have been a hold")
    CLOCK_UNPROVEN = (
        "本机时间未经同步，不能证明已满最短留存",
        "the clock is not synchronised: it proves no time passed",
    )
    TOO_YOUNG = ("未满本机最短留存天数", "it has not been on the spot for its minimum days")
    STORE_UNFIT = ("存储库未通过自检，其回执不作数", "the store failed its doctor: its receipts count for nothing")
    STORE_UNEXAMINED = (
        "存储库未经自检登记，不计为指定存储库",
        "no doctor has examined the store: it counts as no designated one",
    )
    CONTRADICTED = ("见证方所见的历史与本机日志不符，请先查明", "a witness saw another history; find out why first")
    NOT_WITNESSED = ("见证方没有回读该内容", "the witness has not read this back itself")

    @property
    def words_zh(self) -> str:
        """What an operator is told."""
        return self.value[0]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return self.value[1]


Why = Bar | Local
LACKING = (Bar.NO_RECEIPT, Bar.ONE_STORE)
"""What a receipt that counts would have mended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """A witness statement that was checked here: what entries may say they have seen, and which media it read back."""

    seen: Seen
    media: frozenset[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """What stands behind a reclaim besides receipts: witness statements that were checked, or an order; or nothing.

    `contradicted`: a pinned witness has seen another history than this journal, and nothing goes. `standings`: what
    each store counts for; a receipt of one that is not fit counts for nothing.
    """

    witnesses: tuple[Believed, ...] = ()
    order: int | None = None
    contradicted: bool = False
    standings: Standings = field(default_factory=Standings)

    @property
    def bar(self) -> Local | None:
        """What keeps everything here."""
        return Local.CONTRADICTED if self.contradicted else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One `reclaimed` entry: contents of one session, the receipts it names, and what it rests on."""

    session: bytes
    contents: tuple[Content, ...]
    receipts: tuple[int, ...]
    witness: Seen | None
    order: int | None
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What may go now, entry by entry, and what must stay and why."""

    parts: tuple[Part, ...]
    kept: Mapping[Content, Why]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Founded:
    """A `reclaimed` entry of which something was founded when it was written."""

    session: bytes
    reasons: Reasons


@dataclass(slots=True)
class ReclaimBooks:
    """Takes every entry of the journal in order."""

    ledger: Ledger = field(default_factory=Ledger)
    reclaimed: dict[Content, _Founded] = field(default_factory=dict)
    """What went for founded entries, and for what."""
    orders: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Orders that stand for a witness: their number, and the session they are for (None: any)."""
    ended: dict[bytes, Clock] = field(default_factory=dict)
    naming: dict[Content, list[int]] = field(default_factory=dict)
    """Of each content the receipts that name it."""
    contradicted: bool = False
    """A witness has seen another history, and no order since says that it was found out why."""
    roots: dict[int, bytes] = field(default_factory=dict)
    """Size to root of the newest checkpoints."""
    stored: Stored = field(init=False)

    def __post_init__(self) -> None:
        """The chain's own rule asks the same keeping."""
        self.stored = Stored(self.ledger.keeping)

    def accept(self, entry: Entry) -> None:
        """One entry, whose signature the start has checked."""
        seq, session = entry.common.seq, entry.common.session_id
        self.ledger.accept(entry)
        self.stored.accept(entry)
        match entry.body:
            case SessionEnd() if session is not None:
                self.ended[session] = entry.common.clock
            case Receipt(objects=rows):
                for what, content, *_ in rows:
                    self.naming.setdefault((what, content), []).append(seq)
            case Order() | Event():
                self._said(entry)
            case Checkpoint(size=size, root=root):
                self.roots[size] = root
                if len(self.roots) > CHECKPOINTS_KEPT:
                    del self.roots[next(iter(self.roots))]
            case Reclaimed() as body if session is not None:
                self._went(entry, body, session)
            case _:
                pass

    def _said(self, entry: Entry) -> None:
        """Orders, and a witness that saw another history, until an order says that it was found out why."""
        match entry.body:
            case Order(code=OrderCode.RECLAIM_UNWITNESSED, session=of):
                self.orders.append((entry.common.seq, of))
            case Event(code=EventCode.WITNESS_DIFFERS):
                self.contradicted = True
            case Order(code=OrderCode.WITNESS_SETTLED):
                self.contradicted = False
            case _:
                pass

    def _went(self, entry: Entry, body: Reclaimed, session: bytes) -> None:
        reasons = self.stored.reasons(entry, body)
        barred = self.stored.forbids(body.contents, reasons)
        founded = _Founded(session=session, reasons=reasons)
        self.reclaimed |= {content: founded for content in body.contents if content not in barred}

    def media_of(self, session: bytes) -> tuple[Content, ...]:
        """The media of a session that neither an order nor a reclaim has let go."""
        contents = self.ledger.contents_of(session)
        return tuple(one for one in contents if one[0] in MEDIA and one not in self.reclaimed)

    def still_to_go(self) -> dict[Content, bytes]:
        """What went for a founded entry, and whose session: a start removes it unless a hold came since."""
        by_entry: dict[int, tuple[_Founded, list[Content]]] = {}
        for content, founded in self.reclaimed.items():
            by_entry.setdefault(id(founded), (founded, []))[1].append(content)
        going: dict[Content, bytes] = {}
        for founded, contents in by_entry.values():
            barred = self.stored.forbids(contents, founded.reasons)
            going |= {content: founded.session for content in contents if content not in barred}
        return going

    def receipts_for(self, content: Content, standings: Standings) -> list[int]:
        """The newest receipts that name it, of stores that count."""
        named = self.naming.get(content, ())
        return [seq for seq in named if self._standing(seq, standings) is Standing.FIT][-RECEIPTS_LIMIT:]

    def discounted(self, content: Content, standings: Standings) -> Local | None:
        """Why receipts that name it count for nothing, where there are such."""
        found = {self._standing(seq, standings) for seq in self.naming.get(content, ())}
        if Standing.UNFIT in found:
            return Local.STORE_UNFIT
        return Local.STORE_UNEXAMINED if Standing.UNEXAMINED in found else None

    def _standing(self, receipt: int, standings: Standings) -> Standing:
        return standings.of(self.stored.store_of(receipt) or b"")

    def order_for(self, session: bytes) -> int | None:
        """The newest order that is for this session, or for any."""
        return next((seq for seq, of in reversed(self.orders) if of in (None, session)), None)


def checked_witness(
    encoded: bytes, pinned: Mapping[bytes, bytes], *, log_id: bytes, roots: Mapping[int, bytes]
) -> Believed:
    """A witness statement as far as it may be believed: a pinned key, this log, and the root of these entries.

    Raises FormatError, also for a checkpoint that this journal does not have: another history was cosigned.
    """
    where = "witness statement"
    statement = verify_witness(encoded, pinned, log_id=log_id, where=where)
    if roots.get(statement.size) != statement.root:
        raise FormatError(where, "its root is not that of a checkpoint of this journal")
    envelope, _ = parse_witness(encoded, where=where)
    return Believed(
        seen=(statement.size, statement.root, statement.utc_ms, envelope.kid), media=frozenset(statement.media)
    )


def plan(
    books: ReclaimBooks, sessions: tuple[bytes, ...], *, clock: Clock, minimum_hold_days: int, backing: Backing
) -> Plan:
    """What of these sessions may go now. `backing.order` overrides no receipt, no retention and no hold."""
    parts: list[Part] = []
    kept: dict[Content, Why] = {}
    for session in sessions:
        contents = books.media_of(session)
        why = backing.bar or _local(books, session, clock, minimum_hold_days)
        if why is not None:
            kept |= dict.fromkeys(contents, why)
            continue
        order = backing.order if backing.order is not None else books.order_for(session)
        for rows in _batches(books, contents, backing.standings):
            made, stays = _part(books, session, rows, clock, replace(backing, order=order))
            parts += made
            kept |= stays
    return Plan(parts=tuple(parts), kept=kept)


def _local(books: ReclaimBooks, session: bytes, clock: Clock, minimum_hold_days: int) -> Local | Bar | None:
    """What has nothing to do with the single piece of content."""
    if not books.ledger.whole:
        return Local.JOURNAL_INCOMPLETE
    if books.contradicted:
        return Local.CONTRADICTED
    ended = books.ended.get(session)
    if ended is None:
        return Bar.SESSION_OPEN
    utc_ms, _, _, sync, error_ms = clock
    if sync != SYNCHRONISED:
        return Local.CLOCK_UNPROVEN
    # The latest moment it can have ended, against the earliest that it can be now.
    if utc_ms - error_ms < ended[0] + ended[4] + minimum_hold_days * DAY_MS:
        return Local.TOO_YOUNG
    return None


def _batches(books: ReclaimBooks, contents: tuple[Content, ...], standings: Standings) -> Iterator[tuple[Content, ...]]:
    """Contents in order, as many as one entry holds together with the receipts that name them."""
    rows: list[Content] = []
    receipts: set[int] = set()
    for content in contents:
        named = set(books.receipts_for(content, standings))
        more = receipts | named
        if rows and (len(rows) == CONTENTS_LIMIT or len(more) > RECEIPTS_LIMIT):
            yield tuple(rows)
            rows, more = [], named
        rows.append(content)
        receipts = more
    if rows:
        yield tuple(rows)


def _part(
    books: ReclaimBooks, session: bytes, rows: tuple[Content, ...], clock: Clock, backing: Backing
) -> tuple[list[Part], dict[Content, Why]]:
    """The entries for these contents: what a witness read back by its word, the rest by an order if there is one."""
    parts: list[Part] = []
    kept: dict[Content, Why] = {}
    left = rows
    for believed in backing.witnesses:
        read_back = tuple(content for content in left if content[1] in believed.media)
        by_word = replace(backing, order=None)
        made, barred = _founded(books, session, read_back, clock, by_word, witness=believed.seen)
        parts += made
        kept |= barred
        left = tuple(content for content in left if content[1] not in believed.media)
    if backing.order is not None or not backing.witnesses:
        made, barred = _founded(books, session, left, clock, backing)
        return [*parts, *made], {**kept, **barred}
    return parts, kept | dict.fromkeys(left, Local.NOT_WITNESSED)


def _founded(
    books: ReclaimBooks,
    session: bytes,
    rows: tuple[Content, ...],
    clock: Clock,
    backing: Backing,
    *,
    witness: Seen | None = None,
) -> tuple[list[Part], Mapping[Content, Why]]:
    naming = {content: books.receipts_for(content, backing.standings) for content in rows}
    receipts = tuple(sorted({seq for named in naming.values() for seq in named})[-RECEIPTS_LIMIT:])
    order = backing.order
    reasons = Reasons(session=session, utc_ms=clock[0], receipts=receipts, witness=witness, order=order)
    barred: dict[Content, Why] = {}
    for content, bar in books.stored.forbids(rows, reasons).items():
        lacking = books.discounted(content, backing.standings) if bar in LACKING else None
        barred[content] = lacking or bar
    going = tuple(content for content in rows if content not in barred)
    if not going:
        return [], barred
    used = tuple(seq for seq in receipts if any(seq in naming[content] for content in going))
    made = Part(session=session, contents=going, receipts=used, witness=witness, order=order, clock=clock)
    return [made], barred
