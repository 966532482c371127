"""The Megatec Q1 protocol as bytes: what is asked, what an answer may be, and the shutdown orders. Pure.

Source: the protocol sheet "UPS communication protocol, Megatec" as its users describe it. Answers are fixed in width
and end with a carriage return; a field the unit does not measure is dashes. A unit that does not know a command sends
it back. Whatever deviates by one byte is `Garbled` and never becomes a reading.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

STATUS = b"Q1\r"
RATING = b"F\r"
IDENTITY = b"I\r"
CANCEL = b"C\r"
LONGEST_ANSWER_BYTES = 64

_STATUS = re.compile(
    rb"\((\d{3}\.\d) (\d{3}\.\d) (\d{3}\.\d) (\d{3}) (\d\d\.\d|--\.-) (\d\d\.\d|\d\.\d\d) (\d\d\.\d|--\.-) ([01]{8})\r"
)
_RATING = re.compile(rb"#(\d{3}\.\d) (\d{3}) (\d{2}\.\d{2}|\d{3}\.\d) (\d\d\.\d)\r")
_IDENTITY = re.compile(rb"#([ -~]{15}) ([ -~]{10}) ([ -~]{10}) ?\r")

MOST_VOLTS_DECI = 4_500
MOST_LOAD_PERCENT = 200
LEAST_HERTZ_DECI, MOST_HERTZ_DECI = 400, 700
CELL_VOLTS_CENTI = (100, 300)
"""What one lead-acid cell can show; a unit that tells volts per cell writes them as D.DD."""
BLOCK_EMPTY_DECI, BLOCK_FULL_DECI, BLOCK_DECI = 104, 130, 120
"""Empty and full of a 12 V lead-acid block under load, in tenths of a volt."""
CELLS_IN_BLOCK = 6


class Garbled(Exception):
    """The bytes are not that answer; says which rule they break."""


class StatusBit(enum.IntFlag):
    """The eight bits of a status answer, as they stand from left to right."""

    UTILITY_FAIL = 1 << 7
    BATTERY_LOW = 1 << 6
    BYPASS_OR_BOOST = 1 << 5
    UPS_FAILED = 1 << 4
    STANDBY_TYPE = 1 << 3
    TEST_RUNNING = 1 << 2
    SHUTDOWN_ACTIVE = 1 << 1
    BEEPER_ON = 1 << 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One status answer. Voltages in tenths of a volt; `battery_centivolts` is per cell where `per_cell`."""

    input_decivolts: int
    fault_decivolts: int
    output_decivolts: int
    load_percent: int
    decihertz: int | None
    battery_centivolts: int
    per_cell: bool
    deci_celsius: int | None
    bits: StatusBit


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What the unit is made for; `battery_centivolts` is the whole battery's nominal voltage."""

    decivolts: int
    amperes: int
    battery_centivolts: int
    decihertz: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Maker, model and version as the unit tells them, without their padding."""

    maker: str
    model: str
    version: str


def parse_status(answer: bytes) -> Status:
    """Read the answer to Q1; raises Garbled."""
    match = _STATUS.fullmatch(answer)
    if match is None:
        raise Garbled("no status answer")
    volts_in, volts_fault, volts_out, load, hertz, battery, celsius, bits = match.groups()
    status = Status(
        input_decivolts=_digits(volts_in),
        fault_decivolts=_digits(volts_fault),
        output_decivolts=_digits(volts_out),
        load_percent=int(load),
        decihertz=_measured(hertz),
        battery_centivolts=_digits(battery) * (1 if battery[1:2] == b"." else 10),
        per_cell=battery[1:2] == b".",
        deci_celsius=_measured(celsius),
        bits=StatusBit(int(bits, 2)),
    )
    _plausible(status)
    return status


def parse_rating(answer: bytes) -> Rating:
    """Read the answer to F; raises Garbled."""
    match = _RATING.fullmatch(answer)
    if match is None:
        raise Garbled("no rating answer")
    volts, amperes, battery, hertz = match.groups()
    rating = Rating(
        decivolts=_digits(volts),
        amperes=int(amperes),
        battery_centivolts=_digits(battery) * (1 if battery[2:3] == b"." else 10),
        decihertz=_digits(hertz),
    )
    if not rating.battery_centivolts or not LEAST_HERTZ_DECI <= rating.decihertz <= MOST_HERTZ_DECI:
        raise Garbled("a rating no unit has")
    return rating


def parse_identity(answer: bytes) -> Identity:
    """Read the answer to I; raises Garbled."""
    match = _IDENTITY.fullmatch(answer)
    if match is None:
        raise Garbled("no identity answer")
    maker, model, version = (part.decode("ascii").strip() for part in match.groups())
    return Identity(maker=maker, model=model, version=version)


def charge_percent(status: Status, rating: Rating | None) -> int | None:
    """The charge as far as a voltage tells it; None where the nominal voltage is not known. Rounded down."""
    if status.per_cell:
        block_centivolts = status.battery_centivolts * CELLS_IN_BLOCK
    elif rating is not None:
        block_centivolts = status.battery_centivolts * BLOCK_DECI * 10 // rating.battery_centivolts
    else:
        return None
    empty, full = BLOCK_EMPTY_DECI * 10, BLOCK_FULL_DECI * 10
    return max(0, min(100, (block_centivolts - empty) * 100 // (full - empty)))


def cut_and_return_command(delay_seconds: int, return_minutes: int) -> bytes:
    """`S<n>R<m>`: cut after n minutes, be off at least m minutes and return with mains.

    n is .2 to .9 (tenths of a minute) or 01 to 10, rounded up so that the machine has the time it asked for. Raises
    ValueError beyond what the protocol can say.
    """
    if not 0 < delay_seconds <= 600 or not 1 <= return_minutes <= 9999:  # noqa: PLR2004 - the protocol's own limits
        raise ValueError("not a delay or return this protocol can say")
    tenths = max(2, -(-delay_seconds // 6))
    delay = b".%d" % tenths if tenths < 10 else b"%02d" % -(-delay_seconds // 60)  # noqa: PLR2004 - a whole minute
    return b"S%sR%04d\r" % (delay, return_minutes)


def _plausible(status: Status) -> None:
    """Ranges a real unit keeps; a frame shifted by noise does not."""
    volts = (status.input_decivolts, status.fault_decivolts, status.output_decivolts)
    low, high = CELL_VOLTS_CENTI
    sound = (
        max(volts) <= MOST_VOLTS_DECI
        and status.load_percent <= MOST_LOAD_PERCENT
        and (status.decihertz in {None, 0} or LEAST_HERTZ_DECI <= (status.decihertz or 0) <= MOST_HERTZ_DECI)
        and (not status.per_cell or low <= status.battery_centivolts <= high)
    )
    if not sound:
        raise Garbled("a value outside what a unit can measure")


def _digits(text: bytes) -> int:
    return int(text.replace(b".", b""))


def _measured(text: bytes) -> int | None:
    return None if text == b"--.-" else _digits(text)
