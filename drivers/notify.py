"""What systemd is told of this process, by its notification protocol (sd_notify(3)), on a plain datagram socket.

Owns one socket from construction to `close`. CONTROL calls; nothing waits and nothing is raised: a supervisor that is
gone or does not read must not hold a recording up. Without NOTIFY_SOCKET every call does nothing. Touches no disk.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import MutableMapping

SOCKET_VARIABLE = "NOTIFY_SOCKET"
LIMIT_VARIABLE = "WATCHDOG_USEC"
PROCESS_VARIABLE = "WATCHDOG_PID"
LONGEST_STATUS_CHARACTERS = 120


class Notifier:
    """Speaks to the supervisor at `address`, a path or an abstract name (@...); None is no supervisor.

    Implements `edge.watchdog.Supervisor`.
    """

    def __init__(self, address: str | None, watchdog_usec: int | None = None) -> None:
        """Keep the address; `watchdog_usec` is how long the supervisor waits for the next `alive` (None: for ever)."""
        self.watchdog_usec = watchdog_usec
        self._address = _packed(address)
        self._socket: socket.socket | None = None
        if self._address is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str], process_id: int) -> Notifier:
        """Take the variables out of the environment, so that no child speaks in this process's name.

        A limit meant for another process (WATCHDOG_PID, sd_watchdog_enabled(3)) is not this one's.
        """
        address = environment.pop(SOCKET_VARIABLE, None)
        limit = environment.pop(LIMIT_VARIABLE, "")
        meant_for = environment.pop(PROCESS_VARIABLE, str(process_id))
        ours = meant_for == str(process_id) and limit.isascii() and limit.isdecimal()
        return cls(address, int(limit) if ours and int(limit) > 0 else None)

    def ready(self, status: str) -> None:
        """The start is over."""
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def alive(self) -> None:
        """Feed the watchdog. Whoever calls has seen progress that is on disk."""
        self._send("WATCHDOG=1")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={_line(status)}")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is not None and self._address is not None:
            with contextlib.suppress(OSError):  # nobody reads: the watchdog then ends this process, as it should
                self._socket.sendto(message.encode(), self._address)


def _packed(address: str | None) -> str | None:
    """The address for `sendto`: a path, or @ for the zero byte of an abstract name; others are not known."""
    if not address or address[0] not in "/@":
        return None
    return "\0" + address[1:] if address[0] == "@" else address


def _line(text: str) -> str:
    """One line: a line break would begin another assignment."""
    return "".join(character if character.isprintable() else " " for character in text)[:LONGEST_STATUS_CHARACTERS]
