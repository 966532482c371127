"""One unix socket to another process of this recorder, which may be absent, slow or stopped. Never blocks.

Owns one connection and makes it anew when it is lost, at most twice a second. One thread calls.
"""

from __future__ import annotations

import socket
from pathlib import Path

from edge.sensors.strict_json import LONGEST_PACKET_BYTES

AGAIN_NS = 500_000_000


class Link:
    """A SEQPACKET client; `hello` is the first packet of each connection."""

    def __init__(self, path: Path, hello: bytes | None = None) -> None:
        self._path = path
        self._hello = hello
        self._socket: socket.socket | None = None
        self._tried_ns: int | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._socket is not None

    def connect(self, at_ns: int) -> bool:
        """Try to connect where there is no connection; True where there is one now."""
        if self._socket is not None:
            return True
        if self._tried_ns is not None and at_ns - self._tried_ns < AGAIN_NS:
            return False
        self._tried_ns = at_ns
        made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            made.setblocking(False)
            made.connect(str(self._path))
            if self._hello is not None:
                made.send(self._hello)
        except OSError:  # absent, full or refusing: the other side will be asked again
            made.close()
            return False
        self._socket = made
        return True

    def send(self, packet: bytes) -> bool:
        """Send one packet, or say that it was not sent: a peer that takes nothing gets no queue."""
        if self._socket is None:
            return False
        try:
            self._socket.send(packet)
        except BlockingIOError:
            return False
        except OSError:
            self.close()
            return False
        return True

    def receive(self) -> bytes | None:
        """One packet that has come, or None; an ended connection is let go."""
        if self._socket is None:
            return None
        try:
            packet = self._socket.recv(LONGEST_PACKET_BYTES + 1)
        except BlockingIOError:
            return None
        except OSError:
            packet = b""
        if not packet:
            self.close()
            return None
        return packet

    def close(self) -> None:
        """Let go of the connection; may be called again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
