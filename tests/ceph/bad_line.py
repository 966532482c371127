"""A line to the store that goes wrong at a chosen byte: a TCP proxy on loopback, below TLS, with one mode at a time."""

from __future__ import annotations

import contextlib
import enum
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK_BYTES = 16384
RECEIVE_BYTES = 65536
TURN_SECONDS = 0.1


class Mode(enum.Enum):
    """What happens to a connection."""

    PASS = enum.auto()
    CUT_REQUEST = enum.auto()
    """Closed when so many bytes have gone to the server."""
    SWALLOW_ANSWER = enum.auto()
    """After so many bytes to the server its answers are thrown away; closed when it has answered."""
    CUT_ANSWER = enum.auto()
    """Closed when so many bytes have come from the server."""
    HOLD_ANSWER = enum.auto()
    """After so many bytes to the server nothing comes back any more, and nothing is closed."""


class BadLine:
    """Listens on `port`; every connection goes to the store's port. Change `mode` and `limit_bytes` between calls.

    `harmed` is set when the first connection has suffered the mode it ran under.
    """

    def __init__(self, store_port: int) -> None:
        self.mode = Mode.PASS
        self.limit_bytes = 0
        self.harmed = threading.Event()
        self._store_port = store_port
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        # Else the kernel takes up to 32 MiB that the line has not carried, and a sender has sent what never went on.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self._listener.settimeout(TURN_SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, name="bad line")]
        self._threads[0].start()

    def close(self) -> None:
        """End every connection and wait for the threads."""
        self._closing.set()
        for thread in list(self._threads):
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._carry, args=(near,), name="bad line's connection")
            self._threads.append(thread)
            thread.start()

    def _carry(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            near.setblocking(True)
            with socket.create_connection(("127.0.0.1", self._store_port), timeout=5) as far:
                counted = {near: 0, far: 0}
                while not self._closing.is_set() and self._turn(near, far, counted):
                    pass

    def _turn(self, near: socket.socket, far: socket.socket, counted: dict[socket.socket, int]) -> bool:
        ready, _, _ = select.select([near, far], [], [], TURN_SECONDS)
        for source in ready:
            chunk = source.recv(CHUNK_BYTES)
            if not chunk:
                return False
            counted[source] += len(chunk)
            if self._harms(source is near, counted[near], counted[far]):
                self.harmed.set()
                if self.mode is Mode.HOLD_ANSWER:
                    continue
                return False
            (far if source is near else near).sendall(chunk)
        return True

    def _harms(self, from_near: bool, near_bytes: int, far_bytes: int) -> bool:
        """Whether the chunk that just came is the one the mode does not let through."""
        match self.mode:
            case Mode.PASS:
                return False
            case Mode.CUT_REQUEST:
                return from_near and near_bytes > self.limit_bytes
            case Mode.CUT_ANSWER:
                return not from_near and far_bytes > self.limit_bytes
            case Mode.SWALLOW_ANSWER | Mode.HOLD_ANSWER:
                return not from_near and near_bytes > self.limit_bytes


@contextmanager
def bad_line(store_port: int) -> Iterator[BadLine]:
    """A line for as long as the context lasts."""
    line = BadLine(store_port)
    try:
        yield line
    finally:
        line.close()
