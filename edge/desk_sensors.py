"""What the sensors tell, as signals and entries: power on battery, power low, heat, voltage, gas.

CONTROL only. A low battery ends capture in order and keeps the session open, so that it goes on when power is back; the
answer to the sensors says when everything is sealed and the power may go.
"""

from __future__ import annotations

from typing import Any

from edge.messages import SensorsTold
from edge.ports import HardwareFault
from edge.room import Room
from edge.sensors.readings import (
    Answer,
    BoardBits,
    BoardReading,
    GasReading,
    GasState,
    PowerReading,
    PowerState,
    Readings,
)
from edge.session.signals import Halted, HaltEnded
from edge.session.state import Halt
from liuhen.registry import EVENTS, EventCode

NS_PER_MS = 1_000_000
SILENT_NS = 6 * 10**9
"""The sensors tell every two seconds; three times nothing is silence."""


class SensorsClerk:
    """See the module."""

    def __init__(self, room: Room) -> None:
        """Nothing was told yet."""
        self._room = room
        self._power: PowerReading | None = None
        self._board: BoardReading | None = None
        self._gas: GasReading | None = None
        self._heard_ns: int | None = None
        self._lost = False

    def handle(self, told: SensorsTold) -> None:
        """One reading; answered at once. Raises StorageFault."""
        self._hear()
        readings: Readings = told.readings
        if readings.power is not None and readings.power != self._power:
            self._power_changed(self._power, readings.power)
            self._power = readings.power
        if readings.board is not None:
            self._board_changed(self._board, readings.board)
            self._board = readings.board
        if readings.gas is not None:
            self._gas_changed(self._gas, readings.gas)
            self._gas = readings.gas
        told.answer(Answer(ok=True, power_off_when_sealed=self._room.power_off_ordered))

    def turn(self) -> None:
        """Notice their silence. Raises StorageFault."""
        if self._heard_ns is None or self._lost or self._room.now_ns - self._heard_ns < SILENT_NS:
            return
        self._lost = True
        self._warn(EventCode.SENSORS_LOST, ((self._room.now_ns - self._heard_ns) // NS_PER_MS,))
        if self._power is not None and self._power.state is PowerState.ON_BATTERY:
            self._low(self._power)  # nobody tells any more how long the battery lasts

    def _hear(self) -> None:
        now_ns = self._room.now_ns
        if self._lost and self._heard_ns is not None:
            self._room.event(EventCode.SENSORS_BACK, ((now_ns - self._heard_ns) // NS_PER_MS,))
            self._room.warnings.pop(EventCode.SENSORS_LOST.name, None)
        self._heard_ns, self._lost = now_ns, False

    # -- for a check of the device ------------------------------------------------------------------------------------

    @property
    def lost(self) -> bool:
        """Whether they were heard in this run, and are no longer."""
        return self._lost

    @property
    def power(self) -> PowerReading | None:
        """The last word on power; None where there was none, or nobody tells any more."""
        return None if self._lost else self._power

    @property
    def milli_celsius(self) -> int | None:
        """The last temperature in thousandths of a degree; None as with power."""
        return self._board.milli_celsius if self._board is not None and not self._lost else None

    # -- power --------------------------------------------------------------------------------------------------------

    def _power_changed(self, before: PowerReading | None, now: PowerReading) -> None:
        was = before.state if before is not None else PowerState.MAINS
        if now.state is was:
            return
        match now.state:
            case PowerState.MAINS:
                self._mains_back(was, now)
            case PowerState.ON_BATTERY:
                self._warn(EventCode.ON_BATTERY, (now.minutes_left or 0,))
            case PowerState.SILENT:
                self._warn(EventCode.UPS_SILENT, (0,))
            case PowerState.SILENT_ON_BATTERY:
                self._warn(EventCode.UPS_SILENT, (1,))
                self._low(now)
            case PowerState.LOW:
                self._low(now)

    def _mains_back(self, was: PowerState, now: PowerReading) -> None:
        if was in (PowerState.SILENT, PowerState.SILENT_ON_BATTERY):
            self._room.event(EventCode.UPS_BACK)
        if was is not PowerState.SILENT:
            self._room.event(EventCode.MAINS_BACK, (now.charge_percent or 0,))
        for code in (EventCode.ON_BATTERY, EventCode.UPS_SILENT, EventCode.BATTERY_LOW):
            self._room.warnings.pop(code.name, None)
        self._room.power_off_ordered = False
        self._room.signal(HaltEnded(at_ns=self._room.now_ns, halt=Halt.POWER))

    def _low(self, power: PowerReading) -> None:
        code = EventCode.BATTERY_LOW
        self._room.warnings[code.name] = EVENTS[code].words_zh
        told = ((code, (power.charge_percent or 0, power.minutes_left or 0)),)
        self._room.signal(Halted(at_ns=self._room.now_ns, halt=Halt.POWER), told=told)

    # -- board and gas ------------------------------------------------------------------------------------------------

    def _board_changed(self, before: BoardReading | None, now: BoardReading) -> None:
        bits, was = now.bits, before.bits if before is not None else BoardBits(0)
        low, was_low = bool(bits & BoardBits.UNDER_VOLTAGE), bool(was & BoardBits.UNDER_VOLTAGE)
        if low != was_low:
            self._begin_or_end(low, EventCode.UNDERVOLTAGE, EventCode.UNDERVOLTAGE_ENDED, (int(bits),))
        if bits.is_thermal != was.is_thermal:
            measured = (now.milli_celsius or 0, int(bits)) if bits.is_thermal else (now.milli_celsius or 0,)
            self._begin_or_end(bits.is_thermal, EventCode.THERMAL, EventCode.THERMAL_ENDED, measured)
        if before is None or bits.is_thermal != was.is_thermal:  # the camera may be eased since an earlier run
            self._ease(bits.is_thermal)
        if before is None and bits & BoardBits.UNDER_VOLTAGE_BEFORE and not low:
            self._room.event(EventCode.UNDERVOLTAGE, (int(bits),))  # before this service began: told, not warned of

    def _ease(self, hot: bool) -> None:
        """Less to encode and to write while it is too hot; not a frame less."""
        try:
            self._room.tools.ease_picture(hot)
        except HardwareFault as fault:
            self._room.tools.say(
                f"画面码率没有改动（{fault.what}）；录制照常", f"the bitrate stays ({fault.what}); recording goes on"
            )

    def _gas_changed(self, before: GasReading | None, now: GasReading) -> None:
        was = (before.state, before.reason) if before is not None else (GasState.CLEAR, None)
        if (now.state, now.reason) == was or (before is None and now.state is GasState.CLEAR):
            return
        if now.state is GasState.CLEAR:
            self._room.event(EventCode.GAS_CLEAR)
        elif now.reason.is_alarm:
            self._room.event(EventCode.GAS_ALARM, (now.milli_percent_lel or 0,))
        else:
            reason = list(type(now.reason)).index(now.reason)
            self._room.event(EventCode.GAS_FAULT, (reason, now.micro_ampere or now.milli_percent_lel or 0))

    def _begin_or_end(self, began: bool, code: EventCode, ended: EventCode, measured: tuple[int, ...]) -> None:
        if began:
            self._warn(code, measured)
        else:
            self._room.event(ended, measured)
            self._room.warnings.pop(code.name, None)

    def _warn(self, code: EventCode, measured: tuple[int, ...]) -> None:
        self._room.event(code, measured)
        self._room.warnings[code.name] = EVENTS[code].words_zh
        self._room.tools.say(EVENTS[code].words_zh, EVENTS[code].words_en)

    def facts(self) -> dict[str, Any]:
        """For `status`."""
        power, board, gas = self._power, self._board, self._gas
        return {
            "ups": self._room.tools.config.ups.kind != "none",
            "power": {"state": power.state, "minutes_left": power.minutes_left} if power is not None else None,
            "milli_celsius": board.milli_celsius if board is not None else None,
            "gas": {"state": gas.state, "reason": gas.reason} if gas is not None else None,
            "sensors": "lost" if self._lost else "heard" if self._heard_ns is not None else "not heard",
        }
