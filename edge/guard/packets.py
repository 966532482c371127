"""Pure: the packets of the guard's socket, read strictly: one JSON object, the named keys and no others.

Owns nothing. A packet that is not exactly one of these is a `BadPacket`, and whoever sent it is hung up on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from edge.guard.core import Said
from edge.guard.lamp import Wish
from edge.guard.words import PAIRS, Lamp, Reason

T = TypeVar("T")
VERSION = 1
LONGEST_PACKET_BYTES = 4096
LARGEST = 2**63 - 1


class BadPacket(Exception):
    """The other end sent something this protocol does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GasRole:
    """The first packet of a gas detector's process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseGiven:
    """A gas detector's word: whether it permits, when it said so, and why not."""

    permit: bool
    boottime_ns: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidPacket:
    """The guard's word with its number and the CLOCK_BOOTTIME in ns at which it was true."""

    said: Said
    number: int
    boottime_ns: int


def said_packet(said: Said, number: int, boottime_ns: int) -> bytes:
    """Guard to recorder."""
    nc, no = said.pair.value
    return _encoded(
        {
            "v": VERSION,
            "n": number,
            "boottime_ns": boottime_ns,
            "permit": said.permit,
            "latched": said.latched,
            "reason": said.reason.value,
            "loops": [nc, no],
            "healthy": said.healthy,
            "lamp": said.lamp.value,
            "since_ns": said.since_ns,
        }
    )


def read_said(packet: bytes) -> SaidPacket:
    """Read what the guard says. Raises BadPacket."""
    names = ("v", "n", "boottime_ns", "permit", "latched", "reason", "loops", "healthy", "lamp", "since_ns")
    found = _object(packet, names)
    loops = found["loops"]
    if not isinstance(loops, list) or [type(one) for one in loops] != [bool, bool]:
        raise BadPacket("loops")
    said = Said(
        permit=_flag(found, "permit"),
        latched=_flag(found, "latched"),
        reason=_word(found, "reason", Reason),
        pair=PAIRS[(loops[0], loops[1])],
        healthy=_flag(found, "healthy"),
        lamp=_word(found, "lamp", Lamp),
        since_ns=_count(found, "since_ns"),
    )
    return SaidPacket(said=said, number=_count(found, "n"), boottime_ns=_count(found, "boottime_ns"))


def wish_packet(wish: Wish, number: int) -> bytes:
    """Recorder to guard."""
    return _encoded(
        {
            "v": VERSION,
            "n": number,
            "lamp": wish.lamp.value,
            "session": wish.session,
            "durable": wish.durable,
            "buzzer": wish.buzzer,
        }
    )


def read_wish(packet: bytes) -> Wish:
    """Read what the recorder wishes. Raises BadPacket."""
    found = _object(packet, ("v", "n", "lamp", "session", "durable", "buzzer"))
    _count(found, "n")
    return Wish(
        lamp=_word(found, "lamp", Lamp),
        session=_flag(found, "session"),
        durable=_count(found, "durable"),
        buzzer=_flag(found, "buzzer"),
    )


def gas_role_packet() -> bytes:
    """The first packet of a gas detector's process."""
    return _encoded({"v": VERSION, "role": "gas"})


def lease_packet(lease: LeaseGiven, number: int) -> bytes:
    """Gas detector's process to guard."""
    return _encoded(
        {
            "v": VERSION,
            "n": number,
            "permit": lease.permit,
            "boottime_ns": lease.boottime_ns,
            "reason": lease.reason,
        }
    )


def read_first(packet: bytes) -> GasRole | Wish:
    """Read a connection's first packet, which says what it is. Raises BadPacket."""
    if "role" not in _parsed(packet):
        return read_wish(packet)
    if _object(packet, ("v", "role"))["role"] != "gas":
        raise BadPacket("role")
    return GasRole()


def read_lease(packet: bytes) -> LeaseGiven:
    """Read a gas detector's word. Raises BadPacket."""
    found = _object(packet, ("v", "n", "permit", "boottime_ns", "reason"))
    _count(found, "n")
    reason = found["reason"]
    if not isinstance(reason, str) or not reason.isprintable():
        raise BadPacket("reason")
    return LeaseGiven(permit=_flag(found, "permit"), boottime_ns=_count(found, "boottime_ns"), reason=reason)


def _encoded(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _parsed(packet: bytes) -> dict[str, Any]:
    if len(packet) > LONGEST_PACKET_BYTES:
        raise BadPacket("too long")
    try:
        found = json.loads(packet, object_pairs_hook=_without_twins, parse_constant=_refuse, parse_float=_refuse)
    except (ValueError, RecursionError) as fault:
        raise BadPacket("not JSON") from fault
    if not isinstance(found, dict):
        raise BadPacket("not an object")
    return found


def _object(packet: bytes, names: tuple[str, ...]) -> dict[str, Any]:
    found = _parsed(packet)
    if found.keys() != set(names):
        raise BadPacket("other keys")
    if type(found["v"]) is not int or found["v"] != VERSION:
        raise BadPacket("another version")
    return found


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadPacket("a key twice")
    return found


def _refuse(text: str) -> None:
    raise BadPacket(f"no such number here: {text[:20]}")


def _flag(found: dict[str, Any], name: str) -> bool:
    value = found[name]
    if type(value) is not bool:
        raise BadPacket(name)
    return value


def _count(found: dict[str, Any], name: str) -> int:
    value = found[name]
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise BadPacket(name)
    return value


def _word(found: dict[str, Any], name: str, kind: Callable[[str], T]) -> T:
    value = found[name]
    if not isinstance(value, str):
        raise BadPacket(name)
    try:
        return kind(value)
    except ValueError as fault:
        raise BadPacket(name) from fault
