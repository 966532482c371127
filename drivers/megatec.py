"""A UPS on a serial line that speaks Megatec Q1, through pyserial.

Owns the serial port. One thread calls (the UPS's own); each call ends within a few seconds, because every read and
write of the port has a limit. Whatever pyserial or the kernel raises leaves as HardwareFault, and the port is opened
anew at the next call.
"""

from __future__ import annotations

import termios
import time
from collections.abc import Callable
from pathlib import Path

import serial

from drivers import megatec_protocol as megatec
from drivers.megatec_protocol import Garbled, Rating, Status, StatusBit
from drivers.sensor_faults import Device, sensor_fault, silent
from edge.ports import FaultKind, HardwareFault
from edge.sensors.devices import UpsSample
from edge.sensors.settings import Ups

BAUD = 2400
ANSWER_SECONDS = 1.0
ECHO_SECONDS = 0.5
CONFIRM_SECONDS = 5.0
CONFIRM_PAUSE_SECONDS = 0.2


class MegatecUps:
    """Implements `edge.sensors.devices.UpsDevice`."""

    def __init__(self, settings: Ups, pause: Callable[[float], None] = time.sleep) -> None:
        """`pause` waits between two looks whether an order was taken."""
        self._settings = settings
        self._pause = pause
        self._port: serial.Serial | None = None
        self._rating: Rating | None = None

    def read(self) -> UpsSample:
        """Ask Q1 once. Raises HardwareFault."""
        status = self._status()
        return UpsSample(
            on_battery=bool(status.bits & StatusBit.UTILITY_FAIL),
            # A failed unit feeds nothing but what is left; where it says so on battery, nothing may be left.
            battery_low=bool(status.bits & (StatusBit.BATTERY_LOW | StatusBit.UPS_FAILED)),
            shutdown_active=bool(status.bits & StatusBit.SHUTDOWN_ACTIVE),
            charge_percent=megatec.charge_percent(status, self._rating),
        )

    def cut_and_return(self) -> None:
        """Order it, and return once the unit itself shows that its shutdown is active. Raises HardwareFault."""
        settings = self._settings
        command = megatec.cut_and_return_command(settings.cut_delay_seconds, settings.return_minutes)
        self._order(command)
        deadline = time.monotonic() + CONFIRM_SECONDS
        while not self._status().bits & StatusBit.SHUTDOWN_ACTIVE:
            if time.monotonic() >= deadline:
                raise sensor_fault(
                    Device.UPS, f"{command!r}: no shutdown active within {CONFIRM_SECONDS:g} s", FaultKind.OTHER
                )
            self._pause(CONFIRM_PAUSE_SECONDS)

    def cancel_cut(self) -> None:
        """Take the order back. Raises HardwareFault."""
        self._order(megatec.CANCEL)

    def close(self) -> None:
        """Let go of the port; it is opened anew at the next call."""
        port, self._port, self._rating = self._port, None, None
        if port is not None:
            try:
                port.close()
            except (OSError, termios.error):
                return  # the device is gone, and so is the port

    def _status(self) -> Status:
        answer = self._asked(megatec.STATUS)
        try:
            return megatec.parse_status(answer)
        except Garbled as error:
            raise sensor_fault(Device.UPS, f"{error}: {answer!r}", FaultKind.FORMAT) from error

    def _order(self, command: bytes) -> None:
        """Units take an order in silence or say ACK; one that does not know it sends it back."""
        answer = self._exchange(command, ECHO_SECONDS)
        if answer not in {b"", b"ACK\r", b"(ACK\r"}:
            raise sensor_fault(Device.UPS, f"{command!r} was answered {answer!r}", FaultKind.OTHER)

    def _asked(self, question: bytes) -> bytes:
        answer = self._exchange(question, ANSWER_SECONDS)
        if not answer:
            raise silent(Device.UPS, f"no answer within {ANSWER_SECONDS:g} s", self._settings.device)
        return answer

    def _exchange(self, question: bytes, limit_seconds: float) -> bytes:
        """Write, then read up to a carriage return or the limit; what lay in the buffer before is no answer."""
        try:
            port = self._opened()
            port.timeout = limit_seconds
            port.reset_input_buffer()
            port.write(question)
            return bytes(port.read_until(b"\r", megatec.LONGEST_ANSWER_BYTES))
        except HardwareFault:
            raise
        except (OSError, ValueError, termios.error) as failure:  # SerialException is an OSError
            self.close()
            raise silent(Device.UPS, failure, self._settings.device) from failure

    def _opened(self) -> serial.Serial:
        if self._port is None:
            self._port = open_serial(self._settings.device, BAUD)
            self._rating = self._told_rating(self._port)
        return self._port

    def _told_rating(self, port: serial.Serial) -> Rating | None:
        """The nominal voltage, asked once; a unit that does not tell it gives no charge."""
        port.timeout = ANSWER_SECONDS
        port.reset_input_buffer()
        port.write(megatec.RATING)
        try:
            return megatec.parse_rating(bytes(port.read_until(b"\r", megatec.LONGEST_ANSWER_BYTES)))
        except Garbled:
            return None


def open_serial(device: Path, baud: int) -> serial.Serial:
    """Open a port for this process alone, 8N1, with a limit on every read and write. Raises OSError, termios.error."""
    return serial.Serial(
        port=str(device), baudrate=baud, timeout=ANSWER_SECONDS, write_timeout=ANSWER_SECONDS, exclusive=True
    )
