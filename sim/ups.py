"""A simulated UPS that speaks Megatec Q1: battery, mains, output, and the timers of shutdown and return.

`UpsModel` is the unit itself, moved by times it is given: the same one stands behind a pty in real time and in tests
that move the clock. It owns nothing; one thread at a time.
"""

from __future__ import annotations

import enum
import re

NS_PER_SECOND = 1_000_000_000
FULL_PPM = 1_000_000
LOW_PERCENT = 20
NOMINAL_CENTIVOLTS = 2_400
EMPTY_DECI, FULL_DECI = 208, 260
"""Empty and full of two 12 V blocks under load, in tenths of a volt."""
LEAST_OFF_SECONDS = 10
_CUT = re.compile(rb"S(\.\d|\d\d)R(\d{4})")
IDENTITY = b"#%-15s %-10s %-10s\r" % (b"Liuhen", b"SIM-1000", b"V1.0")


class Manner(enum.Enum):
    """How the unit answers."""

    SOUND = 0
    SILENT = 1
    GARBLED = 2
    """One byte of each answer is another one."""
    FOREIGN = 3
    """It answers like a device of another kind."""
    ECHO = 4
    """It knows nothing and sends everything back."""


class UpsModel:
    """The unit. Times are CLOCK_BOOTTIME in ns and never fall."""

    def __init__(self, *, at_ns: int, battery_seconds: int = 600, recharge_seconds: int = 3600) -> None:
        """`battery_seconds` a full battery carries the load, `recharge_seconds` an empty one takes to fill."""
        self.manner = Manner.SOUND
        self.obeys = True
        """False: orders to cut are taken in silence and forgotten."""
        self.mains = True
        self.output = True
        self.asked = 0
        self._battery_seconds = battery_seconds
        self._recharge_seconds = recharge_seconds
        self._charge_ppm = FULL_PPM
        self._at_ns = at_ns
        self._cut_ns: int | None = None
        self._return_seconds = LEAST_OFF_SECONDS
        self._back_ns: int | None = None
        self._received = b""

    @property
    def charge_percent(self) -> int:
        """What is left in the battery."""
        return self._charge_ppm * 100 // FULL_PPM

    @charge_percent.setter
    def charge_percent(self, percent: int) -> None:
        self._charge_ppm = percent * FULL_PPM // 100

    @property
    def shutdown_active(self) -> bool:
        """Whether an order to cut is running."""
        return self._cut_ns is not None

    def advance(self, at_ns: int) -> None:
        """Let the time pass."""
        passed_ns, self._at_ns = at_ns - self._at_ns, at_ns
        if self.mains:
            self._charge_ppm += passed_ns * FULL_PPM // (self._recharge_seconds * NS_PER_SECOND)
        elif self.output:
            self._charge_ppm -= passed_ns * FULL_PPM // (self._battery_seconds * NS_PER_SECOND)
        self._charge_ppm = max(0, min(self._charge_ppm, FULL_PPM))
        self._switch(at_ns)

    def receive(self, received: bytes, at_ns: int) -> bytes:
        """Answer the commands in what was received; a rest without its end waits for more."""
        self.advance(at_ns)
        *commands, self._received = (self._received + received)[-4096:].split(b"\r")
        return b"".join(self._answer(command) for command in commands)

    def _switch(self, at_ns: int) -> None:
        if self._cut_ns is not None and (at_ns >= self._cut_ns or (not self.mains and not self._charge_ppm)):
            self.output, self._cut_ns = False, None
            self._back_ns = at_ns + self._return_seconds * NS_PER_SECOND
        if not self.mains and not self._charge_ppm and self.output:
            self.output, self._back_ns = False, at_ns + LEAST_OFF_SECONDS * NS_PER_SECOND
        if not self.output and self.mains and self._back_ns is not None and at_ns >= self._back_ns:
            self.output, self._back_ns = True, None

    def _answer(self, command: bytes) -> bytes:
        self.asked += 1
        match self.manner:
            case Manner.SILENT:
                return b""
            case Manner.FOREIGN:
                return b"+GNS 31.2304 121.4737\r"
            case Manner.ECHO:
                return command + b"\r"
            case Manner.SOUND:
                return self._sound(command)
            case Manner.GARBLED:
                sound = self._sound(command)
                return sound[:7] + b"\x9f" + sound[8:] if sound else sound

    def _sound(self, command: bytes) -> bytes:
        match command:
            case b"Q1":
                return self._status()
            case b"F":
                return b"#220.0 004 %02d.%02d 50.0\r" % divmod(NOMINAL_CENTIVOLTS, 100)
            case b"I":
                return IDENTITY
            case b"C":
                self._cut_ns = None
                if not self.output and self.mains:
                    self.output = True
                return b""
            case _:
                return self._cut(command)

    def _cut(self, command: bytes) -> bytes:
        order = _CUT.fullmatch(command)
        if order is None:
            return command + b"\r"
        delay, back = order.groups()
        seconds = int(delay[1:]) * 6 if delay.startswith(b".") else int(delay) * 60
        if self.obeys:
            self._cut_ns = self._at_ns + seconds * NS_PER_SECOND
            self._return_seconds = max(LEAST_OFF_SECONDS, int(back) * 60)
        return b""

    def _status(self) -> bytes:
        volts = 2200 if self.mains else 0
        battery = EMPTY_DECI + (FULL_DECI - EMPTY_DECI) * self._charge_ppm // FULL_PPM
        bits = (
            (not self.mains),
            (self.charge_percent <= LOW_PERCENT),
            False,
            False,
            True,
            False,
            self.shutdown_active,
            False,
        )
        fields = (
            _tenths(volts),
            _tenths(0 if self.mains else 1870),
            _tenths(2200 if self.output else 0),
            b"%03d" % 14,
            b"%04.1f" % (50.0 if self.mains else 49.9),
            b"%02d.%d" % divmod(battery, 10),
            b"25.0",
            bytes(ord("1") if bit else ord("0") for bit in bits),
        )
        return b"(" + b" ".join(fields) + b"\r"


def _tenths(deci: int) -> bytes:
    return b"%03d.%d" % divmod(deci, 10)
