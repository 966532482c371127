"""Listening unix sockets of the world and the connections that come in through them.

Owns the listening socket's path until `close`. Everything is non-blocking and runs on the world's loop: the data of a
selector key is a function without arguments that deals with what is ready.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from pathlib import Path

Ready = Callable[[], None]
BACKLOG = 8


class DoorwayTaken(Exception):
    """Another world is behind this socket already."""


class Doorway:
    """One listening SEQPACKET socket; `on_visitor` gets each new, non-blocking connection."""

    def __init__(
        self, selector: selectors.BaseSelector, path: Path, on_visitor: Callable[[socket.socket], None]
    ) -> None:
        """Listen; a socket left behind by a dead world is replaced. Raises DoorwayTaken or OSError."""
        self._selector = selector
        self._path = path
        self._on_visitor = on_visitor
        _clear(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.setblocking(False)
        self._listener.bind(str(path))
        self._listener.listen(BACKLOG)
        selector.register(self._listener, selectors.EVENT_READ, self._admit)

    def close(self) -> None:
        """Stop listening and remove the socket's name."""
        self._selector.unregister(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _admit(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # the visitor left before the door opened
        connection.setblocking(False)
        self._on_visitor(connection)


def _clear(path: Path) -> None:
    if not path.exists():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise DoorwayTaken(f"{path} belongs to a world that is running")
