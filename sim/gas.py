"""A simulated gas detector: a Modbus RTU responder, and the value file of a 4-20 mA loop.

`GasModel` is the unit with its two registers; it owns nothing, one thread at a time. The frames are made here and not
by the library the driver uses, so that the two can disagree.
"""

from __future__ import annotations

import enum
from pathlib import Path

FAULT, ALARM_1, ALARM_2, WARM_UP = 1, 2, 4, 8
READ_HOLDING, READ_INPUT = 3, 4
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS = 1, 2
REQUEST_BYTES = 8
STATUS_REGISTER, VALUE_REGISTER, REGISTERS = 0, 1, 2
MOST_RECEIVED_BYTES = 512


class Manner(enum.Enum):
    """How the unit answers."""

    SOUND = 0
    SILENT = 1
    GARBLED = 2
    """Noise in place of an answer."""
    BAD_CHECKSUM = 3
    """An answer whose checksum does not fit."""
    OTHER_UNIT = 4
    """An answer in the name of another unit."""
    NOISY = 5
    """A sound answer with a byte of noise before it."""
    REFUSING = 6
    """An exception answer."""


def checksum(frame: bytes) -> bytes:
    """CRC-16 of Modbus over serial line 1.02, 6.2.2: polynomial A001 reflected, from FFFF, low byte first."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


class GasModel:
    """The detector. `level` is the value register in counts (%LEL with the default scale)."""

    def __init__(self, unit: int = 1) -> None:
        self.manner = Manner.SOUND
        self.level = 0
        self.status = 0
        self.asked = 0
        self._unit = unit
        self._received = b""

    def receive(self, received: bytes) -> bytes:
        """Answer the request that is complete now; everything else on the line is for somebody else."""
        self._received = (self._received + received)[-MOST_RECEIVED_BYTES:]
        if len(self._received) < REQUEST_BYTES:
            return b""
        request, self._received = self._received[-REQUEST_BYTES:], b""
        if checksum(request[:-2]) != request[-2:] or request[0] != self._unit:
            return b""
        self.asked += 1
        return self._in_its_manner(self._answer(request))

    def _answer(self, request: bytes) -> bytes:
        function = request[1]
        first, count = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
        if function not in {READ_HOLDING, READ_INPUT}:
            return self._refusal(function, ILLEGAL_FUNCTION)
        if not 1 <= count <= REGISTERS or first + count > REGISTERS:
            return self._refusal(function, ILLEGAL_ADDRESS)
        values = [self.status, self.level][first : first + count]
        body = b"".join(value.to_bytes(2, "big") for value in values)
        return bytes((self._unit, function, len(body))) + body

    def _refusal(self, function: int, code: int) -> bytes:
        return bytes((self._unit, function | 0x80, code))

    def _in_its_manner(self, frame: bytes) -> bytes:
        sound = frame + checksum(frame)
        other = bytes((self._unit + 1,)) + frame[1:]
        refusal = self._refusal(frame[1], ILLEGAL_FUNCTION)
        return {
            Manner.SOUND: sound,
            Manner.SILENT: b"",
            Manner.GARBLED: bytes(byte ^ 0x5A for byte in sound),
            Manner.BAD_CHECKSUM: frame + bytes((sound[-2] ^ 1, sound[-1])),
            Manner.OTHER_UNIT: other + checksum(other),
            Manner.NOISY: b"\x00" + sound,
            Manner.REFUSING: refusal + checksum(refusal),
        }[self.manner]


class LoopFile:
    """The kernel's file of the loop's converter: one count is 10 microampere, as with 1 mV over 100 ohm."""

    def __init__(self, path: Path, micro_ampere: int = 4_000) -> None:
        self._path = path
        self.set(micro_ampere)

    def set(self, micro_ampere: int) -> None:
        """Show this current."""
        show(self._path, str(micro_ampere // 10))


def show(path: Path, text: str) -> None:
    """Give a file one line at once, as the kernel's are: no reader sees half of it."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text + "\n", encoding="ascii")
    fresh.replace(path)
