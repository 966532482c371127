"""A UPS behind a NUT server (`upsd`), over its network protocol (RFC 9271).

Owns one TCP connection, made anew after any trouble; one thread calls. Every wait has a limit, a whole call too: a
server that drips bytes is given up. The password comes from a file that only its owner may read. Stale data, a driver
that is not connected and a lost server are silence, and silence on battery is a low battery.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from drivers.nut_protocol import (
    LONGEST_LINE_BYTES,
    MOST_VARIABLES,
    Denied,
    Garbled,
    parse_variable,
    quoted,
    sample_of,
    text_of,
)
from drivers.sensor_faults import Device, sensor_fault, silent
from edge.ports import FaultKind, HardwareFault
from edge.sensors.devices import UpsSample
from edge.sensors.settings import Ups
from liuhen.errors import KeyFileError
from liuhen.keys import read_private_file

CONNECT_SECONDS = 1.0
CALL_SECONDS = 3.0
ORDER_SECONDS = 10.0
TRACK_PAUSE_SECONDS = 0.2
LONGEST_CREDENTIALS_BYTES = 512
SILENCES = frozenset({"DATA-STALE", "DRIVER-NOT-CONNECTED", "UNKNOWN-UPS"})
Result = TypeVar("Result")


class NutUps:
    """Implements `edge.sensors.devices.UpsDevice`."""

    def __init__(self, settings: Ups, pause: Callable[[float], None] = time.sleep) -> None:
        """`pause` waits between two questions what became of an order."""
        self._settings = settings
        self._pause = pause
        self._connection: socket.socket | None = None
        self._buffer = b""
        self._deadline = 0.0

    def read(self) -> UpsSample:
        """Ask for all variables once. Raises HardwareFault."""
        return self._within(CALL_SECONDS, lambda: sample_of(self._variables()))

    def cut_and_return(self) -> None:
        """Tell the other machines of this UPS (FSD), then order it to cut and return, and see that its driver did.

        A server that does not let this account say FSD is no hindrance: the order is what counts. Raises HardwareFault.
        """
        self._within(ORDER_SECONDS, self._cut)

    def cancel_cut(self) -> None:
        """Take the order back. Raises HardwareFault."""
        self._within(ORDER_SECONDS, lambda: self._command("shutdown.stop"))

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection, self._buffer = self._connection, None, b""
        if connection is not None:
            connection.close()

    def _within(self, limit_seconds: float, work: Callable[[], Result]) -> Result:
        """Do `work` over a connection, whole within the limit; what goes wrong closes the connection."""
        self._deadline = time.monotonic() + limit_seconds
        try:
            self._connect()
            return work()
        except Denied as denied:
            # The server is there and has no word of the UPS, or refuses. Asked anew this client logs in again: a server
            # that was restarted has forgotten its clients.
            self.close()
            raise self._denied(denied) from denied
        except Garbled as error:
            self.close()
            raise sensor_fault(Device.UPS, str(error), FaultKind.FORMAT) from error
        except (OSError, ValueError) as failure:
            self.close()
            raise silent(Device.UPS, failure, self._where()) from failure
        except HardwareFault:
            self.close()
            raise

    def _denied(self, denied: Denied) -> HardwareFault:
        word = str(denied)
        if word in SILENCES:
            return silent(Device.UPS, word, self._where())
        return sensor_fault(Device.UPS, f"{self._where()}: {word}", FaultKind.OTHER)

    def _where(self) -> str:
        return f"{self._settings.nut_name}@{self._settings.nut_host}:{self._settings.nut_port}"

    def _connect(self) -> None:
        if self._connection is not None:
            return
        address = (self._settings.nut_host, self._settings.nut_port)
        self._connection = socket.create_connection(address, CONNECT_SECONDS)
        self._buffer = b""
        if self._settings.nut_credentials is not None:
            user, password = read_credentials(self._settings.nut_credentials)
            self._expect(f"USERNAME {quoted(user)}")
            self._expect(f"PASSWORD {quoted(password)}")
            # Counted by the server: a primary that shuts down waits until this client has gone.
            self._expect(f"LOGIN {self._settings.nut_name}")

    def _cut(self) -> None:
        name = self._settings.nut_name
        for line in (f"PRIMARY {name}", f"FSD {name}"):
            try:
                self._expect(line)
            except Denied:
                break  # an account without this right, or a server before 2.8 that calls it MASTER
        self._command("shutdown.return")

    def _command(self, command: str) -> None:
        """Have the driver carry out a command; with tracking the server tells what became of it."""
        try:
            self._expect("SET TRACKING ON")
        except Denied:
            self._expect(f"INSTCMD {self._settings.nut_name} {command}")  # before 2.8: passed on is all that is known
            return
        answer = self._ask(f"INSTCMD {self._settings.nut_name} {command}")
        if not answer.startswith("OK TRACKING "):
            raise Garbled("an order was answered by something else")
        number = answer.removeprefix("OK TRACKING ")
        while (became := self._ask(f"GET TRACKING {number}")) == "PENDING":
            self._pause(TRACK_PAUSE_SECONDS)
        if became != "SUCCESS":
            raise sensor_fault(Device.UPS, f"{command}: {became[:60]}", FaultKind.OTHER)

    def _variables(self) -> dict[str, str]:
        name = self._settings.nut_name
        if self._ask(f"LIST VAR {name}") != f"BEGIN LIST VAR {name}":
            raise Garbled("no list of variables")
        found: dict[str, str] = {}
        for _ in range(MOST_VARIABLES):
            text = text_of(self._line())
            if text == f"END LIST VAR {name}":
                return found
            variable, value = parse_variable(text, name)
            found[variable] = value
        raise Garbled(f"more than {MOST_VARIABLES} variables")

    def _expect(self, question: str) -> None:
        answer = self._ask(question)
        if answer != "OK" and not answer.startswith("OK "):
            raise Garbled("not OK")

    def _ask(self, question: str) -> str:
        self._limit()
        self._opened().sendall(question.encode("ascii") + b"\n")
        return text_of(self._line())

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > LONGEST_LINE_BYTES:
                raise Garbled("a line without an end")
            self._limit()
            more = self._opened().recv(LONGEST_LINE_BYTES)
            if not more:
                raise ConnectionResetError("the server ended the connection")
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line + b"\n"

    def _limit(self) -> None:
        """Give the next wait what is left of the call's time."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        self._opened().settimeout(left)

    def _opened(self) -> socket.socket:
        if self._connection is None:
            raise ConnectionResetError("not connected")
        return self._connection


def read_credentials(path: Path) -> tuple[str, str]:
    """User name and password, one line each, from a file only its owner may read. Raises HardwareFault."""
    try:
        lines = read_private_file(path)[:LONGEST_CREDENTIALS_BYTES].decode("ascii").splitlines()
    except KeyFileError as failure:
        raise sensor_fault(Device.UPS, f"{path}: others may read it, or no file", FaultKind.OTHER) from failure
    except (OSError, ValueError) as failure:
        raise sensor_fault(Device.UPS, f"{path}: {type(failure).__name__}", FaultKind.OTHER) from failure
    if len(lines) != 2 or not all(lines):  # noqa: PLR2004 - name and password
        raise sensor_fault(Device.UPS, f"{path}: needs two lines, name and password", FaultKind.OTHER)
    return lines[0], lines[1]
