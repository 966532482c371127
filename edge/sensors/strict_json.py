"""One JSON object in one packet, read strictly: no unknown key, no missing one, no second of a name, no odd number.

Pure. Whatever is wrong leaves as `BadPacket`; the text is for a log and never repeats the packet's own words.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import NoReturn, TypeVar

LONGEST_PACKET_BYTES = 4096
Word = TypeVar("Word", bound=StrEnum)


class BadPacket(Exception):
    """The packet is not what both sides agreed on; says which rule it breaks."""


def read_object(packet: bytes) -> dict[str, object]:
    """The object of a packet; raises BadPacket."""
    if len(packet) > LONGEST_PACKET_BYTES:
        raise BadPacket(f"longer than {LONGEST_PACKET_BYTES} bytes")
    try:
        found = json.loads(
            packet.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_refuse_constant,
            parse_float=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        raise BadPacket("not JSON") from error
    if not isinstance(found, dict):
        raise BadPacket("not an object")
    return found


def exactly(fields: Mapping[str, object], names: Collection[str]) -> None:
    """Refuse another set of keys."""
    if set(fields) != set(names):
        raise BadPacket("not the keys that were agreed on")


def whole(fields: Mapping[str, object], name: str, low: int, high: int) -> int:
    """An integer in range."""
    value = fields[name]
    if type(value) is not int or not low <= value <= high:
        raise BadPacket(f"{name} is no integer from {low} to {high}")
    return value


def whole_or_none(fields: Mapping[str, object], name: str, low: int, high: int) -> int | None:
    """An integer in range, or null."""
    return None if fields[name] is None else whole(fields, name, low, high)


def flag(fields: Mapping[str, object], name: str) -> bool:
    """True or false."""
    value = fields[name]
    if type(value) is not bool:
        raise BadPacket(f"{name} is neither true nor false")
    return value


def word(fields: Mapping[str, object], name: str, kind: type[Word]) -> Word:
    """A word of a closed list."""
    value = fields[name]
    if not isinstance(value, str) or value not in kind.__members__.values():
        raise BadPacket(f"{name} is no word that was agreed on")
    return kind(value)


def inner(fields: Mapping[str, object], name: str) -> Mapping[str, object] | None:
    """An object, or null."""
    value = fields[name]
    if value is not None and not isinstance(value, dict):
        raise BadPacket(f"{name} is no object")
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadPacket("a key stands twice")
    return found


def _refuse_constant(_text: str) -> NoReturn:
    raise BadPacket("a number that is no integer")
