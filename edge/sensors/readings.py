"""The readings the sensors tell the recorder, and its answer: the exact keys, written and read by the same code.

Pure; both sides use it. Request: `{"v":1,"verb":"reading","power":{...},"board":{...},"gas":{...}}`, null for what is
not attached or has not spoken yet. Answer: `{"v":1,"ok":true,"power_off_when_sealed":false}`, or `{"v":1,"ok":false,
"why":"..."}`. A malformed packet is a `BadPacket`.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from edge.sensors.strict_json import BadPacket, exactly, flag, inner, read_object, whole, whole_or_none, word

VERSION = 1
VERB = "reading"
LONGEST_MINUTES = 100_000
COLDEST_MILLI_CELSIUS, HOTTEST_MILLI_CELSIUS = -100_000, 200_000
MOST_MILLI_PERCENT_LEL = 10_000_000
MOST_MICRO_AMPERE = 1_000_000
MOST_BITS = (1 << 32) - 1
LONGEST_WHY = 200


class PowerState(enum.StrEnum):
    """What feeds the recorder. Silence on battery counts as a low battery: see `is_low`."""

    MAINS = "MAINS"
    ON_BATTERY = "ON_BATTERY"
    LOW = "LOW"
    SILENT = "SILENT"
    SILENT_ON_BATTERY = "SILENT_ON_BATTERY"

    @property
    def is_low(self) -> bool:
        """Whether the recorder must close and sign now (some units drop their line when they go to battery)."""
        return self in {PowerState.LOW, PowerState.SILENT_ON_BATTERY}


class GasState(enum.StrEnum):
    """Whether the detector's word is a permit."""

    CLEAR = "CLEAR"
    TRIPPED = "TRIPPED"


class GasReason(enum.StrEnum):
    """Why there is no permit. While the hold time runs the last reason stays."""

    NONE = "NONE"
    ALARM1 = "ALARM1"
    STALE = "STALE"
    GARBLED = "GARBLED"
    WARM_UP = "WARM_UP"
    CURRENT_LOW = "CURRENT_LOW"
    CURRENT_HIGH = "CURRENT_HIGH"
    FAULT = "FAULT"

    @property
    def is_alarm(self) -> bool:
        """Gas, and not a detector that cannot be believed."""
        return self is GasReason.ALARM1


class BoardBits(enum.IntFlag):
    """The board's findings. Bits 0 to 3 are judged with hysteresis; 16 to 19 were set before this service started.

    The numbers of 0 to 3 and 16 to 19 are the firmware's.
    """

    UNDER_VOLTAGE = 1 << 0
    FREQUENCY_CAPPED = 1 << 1
    THROTTLED = 1 << 2
    SOFT_TEMPERATURE_LIMIT = 1 << 3
    HOT = 1 << 8
    UNDER_VOLTAGE_BEFORE = 1 << 16
    FREQUENCY_CAPPED_BEFORE = 1 << 17
    THROTTLED_BEFORE = 1 << 18
    SOFT_TEMPERATURE_LIMIT_BEFORE = 1 << 19
    VOLTAGE_UNKNOWN = 1 << 24
    TEMPERATURE_UNKNOWN = 1 << 25
    THROTTLING_UNKNOWN = 1 << 26

    @property
    def is_thermal(self) -> bool:
        """Too hot, or slowed down because of heat."""
        return bool(self & (BoardBits.HOT | BoardBits.THROTTLED | BoardBits.SOFT_TEMPERATURE_LIMIT))


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerReading:
    """Minutes and charge are None where the UPS does not tell them."""

    state: PowerState
    minutes_left: int | None
    charge_percent: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardReading:
    """Temperature in thousandths of a degree; `bits` as in `BoardBits`."""

    milli_celsius: int | None
    bits: BoardBits


@dataclass(frozen=True, slots=True, kw_only=True)
class GasReading:
    """`milli_percent_lel` is None for whatever is no measurement: a fault is never "0 %LEL"."""

    state: GasState
    reason: GasReason
    milli_percent_lel: int | None
    micro_ampere: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """All that is attached and has spoken."""

    power: PowerReading | None
    board: BoardReading | None
    gas: GasReading | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The recorder's answer. `power_off_when_sealed`: it has closed and signed everything and asks to be switched off.

    `why` is empty where `ok`.
    """

    ok: bool
    power_off_when_sealed: bool
    why: str = ""


def request(readings: Readings) -> bytes:
    """The packet of a reading."""
    return _packed({"v": VERSION, "verb": VERB, **asdict(readings)})


def parse_request(packet: bytes) -> Readings:
    """Read a whole packet; raises BadPacket."""
    return from_fields(read_object(packet))


def from_fields(fields: Mapping[str, object]) -> Readings:
    """Read the object of a request whose verb was found to be `reading`; raises BadPacket."""
    exactly(fields, ("v", "verb", "power", "board", "gas"))
    _version(fields)
    if fields["verb"] != VERB:
        raise BadPacket("another verb")
    power, board, gas = inner(fields, "power"), inner(fields, "board"), inner(fields, "gas")
    return Readings(
        power=None if power is None else _power(power),
        board=None if board is None else _board(board),
        gas=None if gas is None else _gas(gas),
    )


def answer(said: Answer) -> bytes:
    """The packet of an answer."""
    if not said.ok:
        return _packed({"v": VERSION, "ok": False, "why": said.why[:LONGEST_WHY]})
    return _packed({"v": VERSION, "ok": True, "power_off_when_sealed": said.power_off_when_sealed})


def parse_answer(packet: bytes) -> Answer:
    """Read an answer; raises BadPacket."""
    fields = read_object(packet)
    if fields.get("ok") is False:
        exactly(fields, ("v", "ok", "why"))
        _version(fields)
        why = fields["why"]
        if not isinstance(why, str) or len(why) > LONGEST_WHY:
            raise BadPacket("why is no short text")
        return Answer(ok=False, power_off_when_sealed=False, why=why)
    exactly(fields, ("v", "ok", "power_off_when_sealed"))
    _version(fields)
    return Answer(ok=flag(fields, "ok"), power_off_when_sealed=flag(fields, "power_off_when_sealed"))


def _packed(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode()


def _version(fields: Mapping[str, object]) -> None:
    whole(fields, "v", VERSION, VERSION)


def _power(fields: Mapping[str, object]) -> PowerReading:
    exactly(fields, ("state", "minutes_left", "charge_percent"))
    return PowerReading(
        state=word(fields, "state", PowerState),
        minutes_left=whole_or_none(fields, "minutes_left", 0, LONGEST_MINUTES),
        charge_percent=whole_or_none(fields, "charge_percent", 0, 100),
    )


def _board(fields: Mapping[str, object]) -> BoardReading:
    exactly(fields, ("milli_celsius", "bits"))
    bits = whole(fields, "bits", 0, MOST_BITS)
    if bits & ~_known_bits():
        raise BadPacket("bits has a bit that means nothing")
    return BoardReading(
        milli_celsius=whole_or_none(fields, "milli_celsius", COLDEST_MILLI_CELSIUS, HOTTEST_MILLI_CELSIUS),
        bits=BoardBits(bits),
    )


def _gas(fields: Mapping[str, object]) -> GasReading:
    exactly(fields, ("state", "reason", "milli_percent_lel", "micro_ampere"))
    found = GasReading(
        state=word(fields, "state", GasState),
        reason=word(fields, "reason", GasReason),
        milli_percent_lel=whole_or_none(fields, "milli_percent_lel", 0, MOST_MILLI_PERCENT_LEL),
        micro_ampere=whole_or_none(fields, "micro_ampere", -MOST_MICRO_AMPERE, MOST_MICRO_AMPERE),
    )
    if (found.state is GasState.CLEAR) != (found.reason is GasReason.NONE):
        raise BadPacket("state and reason contradict each other")
    return found


def _known_bits() -> int:
    known = 0
    for bit in BoardBits:
        known |= int(bit)  # of flags alone, ~ would give no bit that has no name
    return known
