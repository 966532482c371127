"""What the sensors process asks of its devices, as Protocols and the frozen values they return.

Owns nothing. Drivers implement these Protocols; each is called from one thread of its own, may block there, and lets
nothing out but `HardwareFault` (of kind FORMAT where an answer came and was not sound).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class UpsSample:
    """One sound answer of the UPS. None is "not told"; `forced_shutdown` is a NUT server's FSD."""

    on_battery: bool
    battery_low: bool
    forced_shutdown: bool = False
    shutdown_active: bool = False
    charge_percent: int | None = None
    runtime_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterSample:
    """A gas detector's status and value registers as they were read, in one answer with a sound checksum."""

    status: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentSample:
    """The current of a 4-20 mA loop."""

    micro_ampere: int


GasSample = RegisterSample | CurrentSample


class Throttled(enum.IntFlag):
    """The firmware's bits: 0 to 3 now, 16 to 19 since boot (Raspberry Pi documentation, `vcgencmd get_throttled`)."""

    UNDER_VOLTAGE = 1 << 0
    FREQUENCY_CAPPED = 1 << 1
    THROTTLED = 1 << 2
    SOFT_TEMPERATURE_LIMIT = 1 << 3
    UNDER_VOLTAGE_SINCE_BOOT = 1 << 16
    FREQUENCY_CAPPED_SINCE_BOOT = 1 << 17
    THROTTLED_SINCE_BOOT = 1 << 18
    SOFT_TEMPERATURE_LIMIT_SINCE_BOOT = 1 << 19


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSample:
    """What the board told; None where it has no such sensor or did not answer."""

    milli_celsius: int | None
    under_voltage: bool | None
    throttled: Throttled | None


class UpsDevice(Protocol):
    """An uninterruptible power supply."""

    def read(self) -> UpsSample:
        """Ask once, connecting first where needed."""

    def cut_and_return(self) -> None:
        """Order the output cut after the configured delay and on again once mains is there; returns when confirmed."""

    def cancel_cut(self) -> None:
        """Take that order back; returns when it was passed on."""

    def close(self) -> None:
        """Let go of the device; raises nothing."""


class GasDevice(Protocol):
    """A gas detector."""

    def read(self) -> GasSample:
        """Ask once."""

    def close(self) -> None:
        """Let go of the device; raises nothing."""


class BoardDevice(Protocol):
    """The board's own sensors."""

    def read(self) -> BoardSample:
        """Read all of them once; one that is missing is None and no fault."""


class Machine(Protocol):
    """The computer's own switch. Called from the sensors' loop; returns at once."""

    def power_off(self) -> None:
        """Begin an orderly shutdown of a machine whose UPS is about to cut; one that is still fed afterwards reboots.

        Raises HardwareFault where it cannot even begin.
        """

    def reboot(self) -> None:
        """Begin an orderly reboot. Raises HardwareFault where it cannot even begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """What a composition root hands to the sensors process; a device that is not configured is None."""

    ups: UpsDevice | None
    gas: GasDevice | None
    board: BoardDevice | None
    machine: Machine
