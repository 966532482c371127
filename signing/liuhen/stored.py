"""Which receipts a log has, and whether the local copy of content may go for them (FORMAT.md 5.8): a pure fold.

Owns one packed row per receipt and per order. The device asks it before it reclaims anything, and the verifier asks it
again of every `reclaimed` entry: what the chain forbade excuses nothing. It decides and says nothing else.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from liuhen.entry import Entry
from liuhen.keeping import Content, Keeping, Kept
from liuhen.kinds import Order, Receipt, Reclaimed
from liuhen.registry import BINDING_MODES, ContentKind, OrderCode, RetentionMode

STORES_FOR_GOOD = 2
"""What is to be kept for good needs this many stores (长期保存)."""
_DIGEST_BYTES = 32
_UNTIL_BYTES = 9
_ROW_BYTES = 1 + _DIGEST_BYTES + _UNTIL_BYTES

Seen = tuple[int, bytes, int, bytes]


class Bar(enum.Enum):
    """Why the local copy of content must stay, in the words of both languages."""

    KEY_SUCCESSION = (
        "自行声明的应急密钥不能使内容被清理",
        "the log was handed over by an emergency key that named itself",
    )
    SESSION_OPEN = ("场次尚未结束", "the session has not ended")
    HELD = ("内容已保全", "a hold is on it")
    TERM_UNSET = ("未设保存期限", "no term of keeping is set")
    UNWITNESSED = ("没有见证，也没有现场命令", "neither a witness nor an order stands behind it")
    NO_RECEIPT = ("所列回执未提及该内容", "none of the receipts names it")
    NOT_DESIGNATED = ("回执不来自指定存储", "no receipt is of the designated store")
    NOT_WORM = ("存储不锁定内容", "the store does not lock what it holds")
    LIFTABLE = ("存储的锁可由有权限的帐户解除", "an account with the right to do so lifts the store's lock")
    RETENTION_SHORT = ("存储的保存期短于规定期限", "the store keeps it for less than its term")
    ONE_STORE = ("长期保存须有两处存储的回执", "what is kept for good needs receipts of two stores")
    SAME_SERVER = (
        "长期保存的两处存储由同一服务器密钥应答，只算一处",
        "the two stores answer with one and the same server's key, and count as one",
    )

    @property
    def words_zh(self) -> str:
        """What a reader is told."""
        return self.value[0]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return self.value[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """What a reclaim rests on: the session it is about, the entry's own clock, receipts, and a witness or an order."""

    session: bytes | None
    utc_ms: int
    receipts: Sequence[int]
    witness: Seen | None
    order: int | None


@dataclass(frozen=True, slots=True)
class _Receipt:
    """A receipt in few bytes: a log has one row of these for everything it ever stored."""

    store: bytes
    designated: bool
    mode: int
    server_key: bytes | None
    rows: bytes


class Stored:
    """Takes believed entries in order, each after `keeping` has taken it: terms, holds and owners are asked there."""

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping
        self._receipts: dict[int, _Receipt] = {}
        self._orders: dict[int, Order] = {}
        self._seen: set[Seen] = set()

    def accept(self, entry: Entry) -> str | None:
        """One entry in its place; what is wrong with it where it names entries that are not there or do not fit."""
        if entry.common.seen is not None:
            self._seen.add(entry.common.seen)
        match entry.body:
            case Receipt() as body:
                self._receipts[entry.common.seq] = _Receipt(
                    store=body.store,
                    designated=bool(body.designated),
                    mode=body.mode,
                    server_key=body.server_key,
                    rows=b"".join(_pack(row[0], row[1], row[5]) for row in body.objects),
                )
            case Order() as body:
                self._orders[entry.common.seq] = body
            case Reclaimed() as body:
                return self._wrong(body)
            case _:
                pass
        return None

    def reasons(self, entry: Entry, body: Reclaimed) -> Reasons:
        """What a `reclaimed` entry rests on."""
        return Reasons(
            session=entry.common.session_id,
            utc_ms=entry.common.clock[0],
            receipts=body.receipts,
            witness=body.witness,
            order=body.order,
        )

    def store_of(self, receipt: int) -> bytes | None:
        """The store that a receipt speaks of; None where that entry is none."""
        found = self._receipts.get(receipt)
        return None if found is None else found.store

    def has_seen(self, seen: Seen) -> bool:
        """Whether an entry so far bears this cosigned checkpoint: its signer had verified it."""
        return seen in self._seen

    def forbids(self, contents: Sequence[Content], reasons: Reasons) -> dict[Content, Bar]:
        """What must stay, and why; what is not in it may go."""
        named = self._named(set(contents), reasons.receipts)
        barred: dict[Content, Bar] = {}
        for content in contents:
            bar = self._general(reasons) or self._bar(content, named.get(content, []), reasons)
            if bar is not None:
                barred[content] = bar
        return barred

    def _wrong(self, body: Reclaimed) -> str | None:
        if list(body.receipts) != sorted(set(body.receipts)):
            return "its receipts do not ascend"
        missing = next((seq for seq in body.receipts if seq not in self._receipts), None)
        if missing is not None:
            return f"entry {missing} is no receipt before it"
        if body.order is not None and body.order not in self._orders:
            return f"entry {body.order} is no order before it"
        return None

    def _general(self, reasons: Reasons) -> Bar | None:
        """What has nothing to do with the single piece of content."""
        if self._keeping.usurped:  # anybody can append an emergency key of his own, and receipts under it
            return Bar.KEY_SUCCESSION
        order = None if reasons.order is None else self._orders.get(reasons.order)
        ordered = (
            order is not None
            and order.code == OrderCode.RECLAIM_UNWITNESSED
            and order.session in (None, reasons.session)
        )
        witnessed = reasons.witness is not None and reasons.witness in self._seen
        return None if ordered or witnessed else Bar.UNWITNESSED

    def _bar(self, content: Content, receipts: list[tuple[_Receipt, int | None]], reasons: Reasons) -> Bar | None:
        kept = [self._keeping.sessions.get(owner, Kept()) for owner in self._owners(content, reasons.session) if owner]
        for_good = not kept or any(row.permanent for row in kept)
        if any(not row.ended for row in kept):
            return Bar.SESSION_OPEN
        if any(self._keeping.holds_on(owner) for owner in self._owners(content, reasons.session) if owner):
            return Bar.HELD
        if not for_good and any(row.until_ms is None for row in kept):
            return Bar.TERM_UNSET
        term_ms = max((row.until_ms for row in kept if row.until_ms is not None), default=None)
        return _judged(receipts, term_ms, reasons.utc_ms if for_good else None)

    def _owners(self, content: Content, session: bytes | None) -> set[bytes | None]:
        if content[0] == ContentKind.RECORD:
            return self._keeping.owners.get(content[1], {None})
        return {session}

    def _named(self, wanted: set[Content], receipts: Sequence[int]) -> dict[Content, list[tuple[_Receipt, int | None]]]:
        """Of each wanted content the receipts that name it, each with the retention it reports."""
        found: dict[Content, list[tuple[_Receipt, int | None]]] = {}
        for receipt in (self._receipts[seq] for seq in receipts if seq in self._receipts):
            for what, digest, until_ms in _unpack(receipt.rows):
                if (what, digest) in wanted:
                    found.setdefault((what, digest), []).append((receipt, until_ms))
        return found


def _judged(receipts: list[tuple[_Receipt, int | None]], term_ms: int | None, good_ms: int | None) -> Bar | None:
    """Whether these receipts suffice. `good_ms`: it is to be kept for good, and this is the entry's clock."""
    if not receipts:
        return Bar.NO_RECEIPT
    designated = [(receipt, until_ms) for receipt, until_ms in receipts if receipt.designated]
    if not designated:
        return Bar.NOT_DESIGNATED
    locking = [(receipt, until_ms) for receipt, until_ms in designated if receipt.mode in BINDING_MODES]
    if not locking:
        liftable = any(receipt.mode == RetentionMode.GOVERNANCE for receipt, _ in designated)
        return Bar.LIFTABLE if liftable else Bar.NOT_WORM
    long_enough = [
        receipt
        for receipt, until_ms in locking
        if until_ms is not None and (term_ms is None or until_ms >= term_ms) and (good_ms is None or until_ms > good_ms)
    ]
    if not long_enough:
        return Bar.RETENTION_SHORT
    return None if good_ms is None else _in_one_place(long_enough)


def _in_one_place(receipts: list[_Receipt]) -> Bar | None:
    """Why these receipts are not of two stores: one name, or names of one server; None where they are."""
    if len({receipt.store for receipt in receipts}) < STORES_FOR_GOOD:
        return Bar.ONE_STORE
    # Two names of one host, or two buckets of one gateway, are lost together. Without TLS nothing is known of that.
    keys = {receipt.server_key for receipt in receipts}
    return Bar.SAME_SERVER if len(keys) == 1 and None not in keys else None


def _pack(what: int, digest: bytes, until_ms: int | None) -> bytes:
    """One object; a retention that the store did not report is one byte 0 in front, code above 255 is nobody's."""
    until = (
        b"\0" * _UNTIL_BYTES if until_ms is None else b"\1" + until_ms.to_bytes(_UNTIL_BYTES - 1, "big", signed=True)
    )
    return bytes([min(what, 255)]) + digest + until


def _unpack(rows: bytes) -> Iterator[tuple[int, bytes, int | None]]:
    for at in range(0, len(rows), _ROW_BYTES):
        digest, until = rows[at + 1 : at + 1 + _DIGEST_BYTES], rows[at + 1 + _DIGEST_BYTES : at + _ROW_BYTES]
        yield rows[at], digest, int.from_bytes(until[1:], "big", signed=True) if until[0] else None
