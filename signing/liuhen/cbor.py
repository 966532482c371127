"""Deterministic CBOR (RFC 8949, 4.2.1) with map keys 0..23: one byte string for one value (FORMAT.md 2).

`decode` re-encodes what it read and compares, so every other encoding of the same value is refused.
"""

from __future__ import annotations

from typing import TypeAlias

import cbor2

from liuhen.errors import FormatError

Value: TypeAlias = "int | bytes | str | tuple[Value, ...] | dict[int, Value] | None"

NESTING_LIMIT = 4
INTEGER_LIMIT = 1 << 64
LAST_KEY = 23
_MAJOR_BYTES, _MAJOR_TEXT, _MAJOR_TAG = 2, 3, 6


def encode(value: Value) -> bytes:
    """Encode a value of the profile; raises FormatError for anything outside it."""
    _check(value, NESTING_LIMIT, "value")
    try:
        return cbor2.dumps(value, canonical=True)
    except UnicodeEncodeError as error:
        raise FormatError("value", "text that UTF-8 cannot encode") from error


def decode(encoded: bytes, *, where: str) -> Value:
    """Decode exactly one item; arrays come back as tuples. Raises FormatError unless it is the one valid encoding."""
    _refuse_tags(encoded, where)
    try:
        loaded = cbor2.loads(encoded, allow_indefinite=False, allow_duplicate_keys=False, max_depth=NESTING_LIMIT + 1)
    except (cbor2.CBORError, ValueError, OverflowError, RecursionError, TypeError) as error:
        raise FormatError(where, f"not CBOR of this profile ({type(error).__name__})") from error
    value = _check(loaded, NESTING_LIMIT, where)
    if cbor2.dumps(value, canonical=True) != encoded:
        raise FormatError(where, "not the deterministic encoding")
    return value


def decode_map(encoded: bytes, *, where: str) -> dict[int, Value]:
    """Decode exactly one map of the profile."""
    value = decode(encoded, where=where)
    if not isinstance(value, dict):
        raise FormatError(where, "not a map")
    return value


def _refuse_tags(encoded: bytes, where: str) -> None:
    """Let no tag reach the decoder: shared references (tags 28, 29) turn 2 kB into millions of items."""
    position, end = 0, len(encoded)
    while position < end:
        step = _STEPS[encoded[position]]
        if step == _TAG:
            raise FormatError(where, "tags are outside the profile")
        if step < 0:
            head_end = position + 1 - step
            position = head_end + int.from_bytes(encoded[position + 1 : head_end], "big")
        else:
            position += step


def _step(initial: int) -> int:
    """How far one initial byte and what belongs to it reach; minus the width of a length that must be read first."""
    major, count = initial >> 5, initial & 31
    width = {24: 1, 25: 2, 26: 4, 27: 8}.get(count, 0)
    if major == _MAJOR_TAG:
        return _TAG
    if major in (_MAJOR_BYTES, _MAJOR_TEXT):
        return -width if width else 1 + count
    return 1 + width


_TAG = 0
_STEPS = tuple(_step(initial) for initial in range(256))


def _check(value: object, depth: int, where: str) -> Value:
    """Return the value with arrays as tuples, or say what is outside the profile."""
    if type(value) is bytes or (type(value) is int and 0 <= value < INTEGER_LIMIT):
        return value  # nearly all values of a segment statement
    match value:
        case bool() | float():
            raise FormatError(where, "booleans and floats are outside the profile")
        case int():
            if not -INTEGER_LIMIT <= value < INTEGER_LIMIT:
                raise FormatError(where, "integer of more than 64 bits")
            return int(value)
        case bytes() | str() | None:
            return value
        case list() | tuple():
            _descend(depth, where)
            return tuple(_check(item, depth - 1, where) for item in value)
        case dict():
            _descend(depth, where)
            return {_key(key, where): _check(item, depth - 1, where) for key, item in value.items()}
        case _:
            raise FormatError(where, f"type {type(value).__name__} is outside the profile")


def _descend(depth: int, where: str) -> None:
    if depth == 0:
        raise FormatError(where, f"nested deeper than {NESTING_LIMIT}")


def _key(key: object, where: str) -> int:
    if type(key) is not int or not 0 <= key <= LAST_KEY:
        raise FormatError(where, f"map key {key!r} is not an integer 0..{LAST_KEY}")
    return key
