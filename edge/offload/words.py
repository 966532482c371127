"""What the offload process tells the recorder, and its answer: bounded packets, written and read by the same code.

Pure; both sides use it. A packet is one map in the format's own deterministic CBOR (`liuhen.cbor`): key 0 is the
version, key 1 the telling, the rest are its fields in order. Whatever is wrong with one leaves as `BadPacket`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge.sensors.strict_json import BadPacket
from liuhen import cbor
from liuhen.cbor import Value
from liuhen.errors import FormatError
from liuhen.kinds import Receipt, columns
from liuhen.registry import EVENTS, EventCode, ObjectKind, RetentionMode
from liuhen.shapes import BIT, CODE, HASH, MEASURED, UINT, Integer, Nullable, Octets, Rows, Shape, Text
from liuhen.store_names import URL_LIMIT, parse_store_url

VERSION = 2
PACKET_LIMIT_BYTES = 60 * 1024
ROWS_LIMIT = 128
"""As many objects as one `receipt` entry holds."""
STATEMENT_LIMIT_BYTES = 40 * 1024
"""More than a statement about 1024 media has."""
LONGEST_WHY_BYTES = 200
TELL_EVERY_SECONDS = 2
"""How often `OffloadAlive` comes; the recorder takes five times nothing for silence."""

ObjectRow = tuple[int, bytes, bytes, int, str, int | None, int]
"""What, content, hash, size, version, retained_until_ms, store_utc_ms: a row of `liuhen.kinds.Receipt.objects`."""

TOLD_EVENTS = frozenset(
    {
        EventCode.STORE_UNREACHABLE,
        EventCode.STORE_BACK,
        EventCode.STORE_REFUSES,
        EventCode.STORE_UNTRUSTED,
        EventCode.STORE_FULL,
        EventCode.STORE_CLOCK_OFF,
        EventCode.STORE_RETENTION_SHORT,
        EventCode.STORE_DIFFERS,
        EventCode.LOCAL_DIFFERS,
    }
)
"""What the offload process may say as an event; the recorder itself says whatever concerns a deadline."""


class Telling(enum.IntEnum):
    """Which words a packet holds; 1000 more stands as the verb in REFUSED_REQUEST events."""

    RECEIPTS = 1
    STORE = 2
    ALIVE = 3
    WITNESS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptsTold:
    """These objects were read back whole from this store; `rows` exactly as a `receipt` entry holds them.

    `mode` is how the store keeps all of them; `server_key` SHA-256 of its SubjectPublicKeyInfo, None without TLS.
    """

    store: str
    mode: RetentionMode
    server_key: bytes | None
    rows: tuple[ObjectRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTold:
    """Something happened between device and this store; `measured` as `liuhen.registry.EVENTS` names it."""

    store: str
    code: EventCode
    measured: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OffloadAlive:
    """How much waits for this store and how fast it goes.

    `oldest_seconds` is the age of what has waited longest, None for nothing.

    `bytes_per_second` is what was measured while something was being sent, 0 where nothing was yet; `unreachable` is 0
    while the store answers, else the `EventCode` that says why nothing goes.
    """

    store: str
    waiting_objects: int
    waiting_bytes: int
    oldest_seconds: int | None
    bytes_per_second: int
    unreachable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessTold:
    """A witness's statement as it was found in the store; whether it is believed is for the recorder to say."""

    statement: bytes


Words = ReceiptsTold | StoreTold | OffloadAlive | WitnessTold


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The recorder's answer.

    Of a witness's statement: `ok` where it is believed and remembered, or told as an event (`seq`); its own SHA-256 in
    `unknown` where it cannot be taken now and is to be told again.
    Of receipts: `seq` is the entry they are durable in, None where none of them was new to the journal and known to it;
    `unknown` are the contents that the journal does not state, which are in no receipt. Of an event: its entry.
    `why` says in one line what was wrong where not `ok`, and is empty otherwise.
    """

    ok: bool
    seq: int | None = None
    unknown: tuple[bytes, ...] = ()
    why: str = ""


_MAJOR_MAP = 5
_MODE = Integer(high=max(RetentionMode), name="mode")
_ROWS: Shape = next(shape for _, name, shape in columns(Receipt) if name == "objects")
_SHAPES: dict[Telling, tuple[Shape, ...]] = {
    Telling.RECEIPTS: (Text(URL_LIMIT), _MODE, Nullable(HASH), _ROWS),
    Telling.STORE: (Text(URL_LIMIT), CODE, MEASURED),
    Telling.ALIVE: (Text(URL_LIMIT), UINT, UINT, Nullable(UINT), UINT, CODE),
    Telling.WITNESS: (Octets(limit=STATEMENT_LIMIT_BYTES),),
}
_ANSWER: tuple[Shape, ...] = (BIT, Nullable(UINT), Rows(HASH, limit=ROWS_LIMIT), Text(LONGEST_WHY_BYTES))


def telling_of(words: Words) -> Telling:
    """Which words these are."""
    match words:
        case ReceiptsTold():
            return Telling.RECEIPTS
        case StoreTold():
            return Telling.STORE
        case OffloadAlive():
            return Telling.ALIVE
        case WitnessTold():
            return Telling.WITNESS


def packet_of(words: Words) -> bytes:
    """The bytes to send. Raises BadPacket for words that the recorder would refuse."""
    match words:
        case ReceiptsTold():
            fields: tuple[Value, ...] = (words.store, int(words.mode), words.server_key, words.rows)
        case StoreTold():
            fields = (words.store, int(words.code), words.measured)
        case WitnessTold():
            fields = (words.statement,)
        case OffloadAlive():
            fields = (
                words.store,
                words.waiting_objects,
                words.waiting_bytes,
                words.oldest_seconds,
                words.bytes_per_second,
                words.unreachable,
            )
    said: dict[int, Value] = {0: VERSION, 1: int(telling_of(words))}
    try:
        packet = cbor.encode(said | dict(enumerate(fields, start=2)))
    except FormatError as error:
        raise BadPacket(str(error)) from error
    if parse(packet) != words:
        raise BadPacket("these words do not survive their own packet")
    return packet


def is_told(packet: bytes) -> bool:
    """Whether a packet of the control socket is meant to be the offload process's: a map, as no JSON begins."""
    return bool(packet) and packet[0] >> 5 == _MAJOR_MAP


def parse(packet: bytes) -> Words:
    """The words in a whole packet. Raises BadPacket."""
    said = _map(packet)
    number = said.get(1)
    if said.get(0) != VERSION or not isinstance(number, int) or number not in set(Telling):
        raise BadPacket("another version or telling")
    telling = Telling(number)
    fields = _fields(said, _SHAPES[telling], start=2)
    return _READ[telling](*fields)


def _check_url(store: str) -> None:
    try:
        spelled = parse_store_url(store).text
    except FormatError as error:
        raise BadPacket(str(error)) from error
    if spelled != store:
        raise BadPacket("the store's URL is not in its one spelling")


def _receipts(store: str, mode: int, server_key: bytes | None, rows: tuple[ObjectRow, ...]) -> ReceiptsTold:
    _check_url(store)
    if not rows:
        raise BadPacket("no object")
    if any(row[0] not in set(ObjectKind) for row in rows):
        raise BadPacket("an object of no known kind")
    if len({(row[0], row[1], row[4]) for row in rows}) != len(rows):
        raise BadPacket("the same version of an object twice")
    return ReceiptsTold(store=store, mode=RetentionMode(mode), server_key=server_key, rows=rows)


def _store(store: str, code: int, measured: tuple[int, ...]) -> StoreTold:
    _check_url(store)
    if code not in TOLD_EVENTS:
        raise BadPacket("an event that is not for the offload process to tell")
    if len(measured) != len(EVENTS[EventCode(code)].measured):
        raise BadPacket("measured is not what this event measures")
    return StoreTold(store=store, code=EventCode(code), measured=measured)


def _alive(
    store: str,
    waiting_objects: int,
    waiting_bytes: int,
    oldest_seconds: int | None,
    bytes_per_second: int,
    unreachable: int,
) -> OffloadAlive:
    _check_url(store)
    if unreachable and unreachable not in TOLD_EVENTS:
        raise BadPacket("unreachable is no event of a store")
    if (waiting_objects == 0) != (oldest_seconds is None):
        raise BadPacket("what waits and how long contradict each other")
    return OffloadAlive(
        store=store,
        waiting_objects=waiting_objects,
        waiting_bytes=waiting_bytes,
        oldest_seconds=oldest_seconds,
        bytes_per_second=bytes_per_second,
        unreachable=unreachable,
    )


def _witness(statement: bytes) -> WitnessTold:
    return WitnessTold(statement=statement)


_READ: dict[Telling, Callable[..., Words]] = {
    Telling.RECEIPTS: _receipts,
    Telling.STORE: _store,
    Telling.ALIVE: _alive,
    Telling.WITNESS: _witness,
}


def answer_packet(said: Answer) -> bytes:
    """The bytes of an answer; `why` is shortened to its limit."""
    why = said.why.encode(errors="replace")[:LONGEST_WHY_BYTES].decode(errors="ignore")
    return cbor.encode({0: VERSION, 1: int(said.ok), 2: said.seq, 3: said.unknown, 4: why})


def parse_answer(packet: bytes) -> Answer:
    """Read an answer. Raises BadPacket, also where it is the refusal of another protocol (a stranger's, a crowd's)."""
    said = _map(packet)
    if said.get(0) != VERSION:
        raise BadPacket("another version")
    ok, seq, unknown, why = _fields(said, _ANSWER, start=1)
    return Answer(ok=ok == 1, seq=seq, unknown=unknown, why=why)


def _map(packet: bytes) -> dict[int, Value]:
    if len(packet) > PACKET_LIMIT_BYTES:
        raise BadPacket(f"longer than {PACKET_LIMIT_BYTES} bytes")
    try:
        return cbor.decode_map(packet, where="packet")
    except FormatError as error:
        raise BadPacket("not a map of the agreed CBOR") from error


def _fields(said: dict[int, Value], shapes: tuple[Shape, ...], *, start: int) -> tuple[Any, ...]:
    """The values behind the keys from `start` on: exactly these, each of its shape."""
    if said.keys() != set(range(start + len(shapes))):
        raise BadPacket("a key is missing or unknown")
    values = tuple(said[number] for number in range(start, start + len(shapes)))
    try:
        for number, (value, shape) in enumerate(zip(values, shapes, strict=True), start=start):
            shape.check(value, f"key {number}")
    except FormatError as error:
        raise BadPacket(str(error)) from error
    return values
