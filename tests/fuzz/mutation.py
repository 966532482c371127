"""Inputs that are nearly right: bytes of a corpus changed at random, and values of the CBOR profile changed inside.

Pure: everything follows from the random source. Random bytes alone never get past a length; these keep most of what
makes an input valid, so that what is wrong is met deep inside.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import cbor2

from liuhen.cbor import Value

MOST_BYTES = 200_000
MOST_STEPS = 6
BOUNDARIES = (0, 1, 23, 24, 127, 128, 255, 256, 65_535, 65_536, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
HEADS = bytes(major << 5 | count for major in range(8) for count in (0, 1, 2, 23, 24, 25, 26, 27, 28, 31))
TOKENS = (
    b"\xd2\x84\x58",
    b"\xd8\x1c",
    b"\xd8\x1d\x00",
    b"\xf9\x7e\x00",
    b"\xbf\xff",
    b"\x9f\xff",
    b"uuid",
    b"mdat",
    b"\xff\xff\xff\xff",
    b"\xed\xa0\x80",
    b"[[",
    b'"""',
    b"\n[spool]\n",
    b"= 99999999999999999999999\n",
    b"1979-05-27T07:32:00Z",
)

ByteStep = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def mutated(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """One of the corpus after some small steps."""
    content = bytearray(rng.choice(corpus))
    for _ in range(rng.randint(1, MOST_STEPS)):
        rng.choice(_STEPS)(rng, content, corpus)
    return bytes(content[:MOST_BYTES])


def _span(rng: random.Random, content: bytearray) -> tuple[int, int]:
    start = rng.randint(0, len(content))
    return start, min(len(content), start + rng.randint(0, 2 ** rng.randint(0, 12)))


def _flip(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    if content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _set(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    if content:
        content[rng.randrange(len(content))] = rng.choice([rng.randrange(256), rng.choice(HEADS)])


def _remove(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    start, end = _span(rng, content)
    del content[start:end]


def _double(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    start, end = _span(rng, content)
    content[start:start] = content[start:end] * rng.choice([1, 1, 2, 50])
    del content[MOST_BYTES:]


def _insert(rng: random.Random, content: bytearray, corpus: Sequence[bytes]) -> None:
    at = rng.randint(0, len(content))
    content[at:at] = rng.choice([rng.choice(TOKENS), rng.randbytes(rng.randint(1, 9)), bytes(rng.randint(1, 40))])


def _splice(rng: random.Random, content: bytearray, corpus: Sequence[bytes]) -> None:
    donor = bytearray(rng.choice(corpus))
    (start, end), (first, last) = _span(rng, content), _span(rng, donor)
    content[start:end] = donor[first:last]
    del content[MOST_BYTES:]


def _number(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    """A length or count becomes another one, of the same width."""
    width = rng.choice([1, 2, 4, 8])
    if len(content) >= width:
        at = rng.randrange(len(content) - width + 1)
        before = int.from_bytes(content[at : at + width], "big")
        number = rng.choice([rng.choice(BOUNDARIES), before + rng.choice([-1, 1, 8, -8])])
        content[at : at + width] = (number % 256**width).to_bytes(width, "big")


def _nest(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    at = rng.randint(0, len(content))
    content[at:at] = rng.choice([b"\x81", b"\xa1\x00", b"\xc1", b"\xd8\x1c", b"[", b"{a="]) * 2 ** rng.randint(0, 12)


def _cut(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    del content[rng.randint(0, len(content)) :]


_STEPS: tuple[ByteStep, ...] = (
    _flip,
    _flip,
    _set,
    _set,
    _remove,
    _double,
    _insert,
    _splice,
    _number,
    _number,
    _nest,
    _cut,
)


# --- values ----------------------------------------------------------------------------------------------------------


def mutated_value(rng: random.Random, value: Value) -> Value:
    """The value with one thing inside it changed; it may leave the profile, or the shape that was asked for."""
    match value:
        case tuple() if value and rng.random() < 0.8:
            at = rng.randrange(len(value))
            return (
                _of_row(rng, value, at)
                if rng.random() < 0.3
                else (
                    *value[:at],
                    mutated_value(rng, value[at]),
                    *value[at + 1 :],
                )
            )
        case dict() if value and rng.random() < 0.9:
            key = rng.choice(list(value))
            if rng.random() < 0.15:
                return _of_map(rng, value, key)
            return {**value, key: mutated_value(rng, value[key])}
        case _:
            return _replaced(rng, value)


def encoded(value: Value) -> bytes:
    """In the deterministic encoding, also where the value is outside the profile."""
    return cbor2.dumps(value, canonical=True)


def _of_row(rng: random.Random, value: tuple[Value, ...], at: int) -> Value:
    one = value[at : at + 1]
    return rng.choice([value[:at] + value[at + 1 :], (*value, *one), value + one * 200, ()])


def _of_map(rng: random.Random, value: dict[int, Value], key: int) -> Value:
    rest = {k: v for k, v in value.items() if k != key}
    return rng.choice([rest, {**rest, rng.randint(0, 24): value[key]}, {**value, rng.randint(0, 23): value[key]}])


def _replaced(rng: random.Random, value: Value) -> Value:
    other: Value
    match value:
        case int():
            other = rng.choice([value + 1, value - 1, -value - 1, rng.choice(BOUNDARIES), rng.getrandbits(63)])
            other = max(-(2**64), min(other, 2**64 - 1))
        case bytes():
            other = rng.choice([value[:-1], value + b"\0", rng.randbytes(len(value)), bytes(len(value)), value * 3])
        case str():
            other = rng.choice([value + "\x1b[2J", "\u202e" + value, value * 20, "", "证据" * 100])
        case _:
            empty: list[Value] = [0, b"", "", ()]
            other = rng.choice(empty)
    others: list[Value] = [other, other, other, None, 0, bytes(32), ((),), {0: 0}]
    return rng.choice(others)
