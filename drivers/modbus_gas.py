"""A gas detector on RS-485 that speaks Modbus RTU, through pymodbus on pyserial.

Owns the serial port. One thread calls; a call ends within its limit, being one question without retries: what is late
is told, and the judgement decides how long silence may last. One answer must be one frame of exactly the expected
length from the expected unit: pymodbus hunts for a sound frame inside noise, which is right for a bus and wrong for a
permit.
"""

from __future__ import annotations

import logging
import termios

from pymodbus.client import ModbusSerialClient
from pymodbus.pdu import ModbusPDU

from drivers.sensor_faults import Device, sensor_fault, silent
from edge.ports import FaultKind, HardwareFault
from edge.sensors.devices import RegisterSample
from edge.sensors.settings import Gas

ANSWER_SECONDS = 0.3
LIBRARY_LOG = "pymodbus.logging"
FUNCTIONS = {"holding": 3, "input": 4}
FRAME_OVERHEAD_BYTES = 5
"""Unit, function, byte count, and two bytes of checksum."""


class ModbusGas:
    """Implements `edge.sensors.devices.GasDevice`."""

    def __init__(self, settings: Gas) -> None:
        self._settings = settings
        self._first = min(settings.status_register, settings.value_register)
        self._count = abs(settings.status_register - settings.value_register) + 1
        self._client: ModbusSerialClient | None = None
        self._heard = b""
        # Its own words go to a log nobody reads, several lines for each silence; the fault says it once.
        logging.getLogger(LIBRARY_LOG).disabled = True

    def read(self) -> RegisterSample:
        """Read status and value in one answer. Raises HardwareFault: FORMAT where something came that is not sound."""
        self._heard = b""
        try:
            answer = self._asked()
        except Exception as failure:
            raise self._unanswered(failure) from failure
        return self._sample(answer)

    def close(self) -> None:
        """Let go of the port; it is opened anew at the next call."""
        client, self._client = self._client, None
        if client is not None:
            try:
                client.close()  # type: ignore[no-untyped-call]
            except (OSError, termios.error):
                return  # the device is gone, and so is the port

    def _asked(self) -> ModbusPDU:
        client = self._opened()
        read = client.read_input_registers if self._settings.registers == "input" else client.read_holding_registers
        return read(self._first, count=self._count, device_id=self._settings.unit)

    def _opened(self) -> ModbusSerialClient:
        if self._client is None:
            settings = self._settings
            self._client = ModbusSerialClient(
                str(settings.device),
                baudrate=settings.baud,
                parity=settings.parity,
                timeout=ANSWER_SECONDS,
                retries=0,
                trace_packet=self._traced,
            )
        return self._client

    def _traced(self, sending: bool, packet: bytes) -> bytes:
        if not sending:
            self._heard = packet
        return packet

    def _unanswered(self, failure: Exception) -> HardwareFault:
        heard = self._heard
        self.close()
        if heard:
            return sensor_fault(Device.GAS, f"{len(heard)} bytes, no answer: {heard[:16].hex()}", FaultKind.FORMAT)
        return silent(Device.GAS, failure, self._settings.device)

    def _sample(self, answer: ModbusPDU) -> RegisterSample:
        if answer.isError():
            raise sensor_fault(Device.GAS, f"exception {answer.exception_code} of the detector", FaultKind.OTHER)
        # The library takes any function's answer for this question's (function 23 looks the same but for its number).
        head = bytes((self._settings.unit, FUNCTIONS[self._settings.registers], 2 * self._count))
        whole = len(self._heard) == FRAME_OVERHEAD_BYTES + 2 * self._count and self._heard.startswith(head)
        if not whole or len(answer.registers) != self._count:
            raise sensor_fault(Device.GAS, f"not one answer: {self._heard[:16].hex()}", FaultKind.FORMAT)
        return RegisterSample(
            status=answer.registers[self._settings.status_register - self._first],
            value=answer.registers[self._settings.value_register - self._first],
        )
