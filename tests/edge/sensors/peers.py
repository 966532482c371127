"""A guard and a recorder to be told, as far as this process sees them: two listening sockets that keep what came."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class Listener:
    """A SEQPACKET listener on a thread of its own; `reply` makes the answer to a packet, None for silence."""

    def __init__(self, path: Path, reply: Callable[[bytes], bytes | None] = lambda _: None) -> None:
        self.reply = reply
        self.packets: list[bytes] = []
        self._news = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.bind(str(path))
        self._socket.listen(4)
        self._bell, self._pull = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name=path.name)
        self._thread.start()

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool], limit_seconds: float = 15.0) -> dict[str, Any]:
        """The first packet from now on, or among those not seen yet, that is wanted; packets before it are dropped."""
        with self._news:
            found: list[dict[str, Any]] = []

            def came() -> bool:
                while self.packets:
                    packet = json.loads(self.packets.pop(0))
                    if wanted(packet):
                        found.append(packet)
                        return True
                return False

            if not self._news.wait_for(came, limit_seconds):
                raise AssertionError("no such packet came")
            return found[0]

    def close(self) -> None:
        self._pull.close()
        self._thread.join(10)
        self._socket.close()
        self._bell.close()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._bell, selectors.EVENT_READ)
            selector.register(self._socket, selectors.EVENT_READ)
            peers: list[socket.socket] = []
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._bell:
                        for peer in peers:
                            peer.close()
                        return
                    if key.fileobj is self._socket:
                        peer, _ = self._socket.accept()
                        peers.append(peer)
                        selector.register(peer, selectors.EVENT_READ)
                        continue
                    assert isinstance(key.fileobj, socket.socket)
                    self._take(selector, key.fileobj)

    def _take(self, selector: selectors.BaseSelector, peer: socket.socket) -> None:
        try:
            packet = peer.recv(8192)
        except ConnectionResetError:  # the other end went with an answer unread
            packet = b""
        if not packet:
            selector.unregister(peer)
            return
        with self._news:
            self.packets.append(packet)
            self._news.notify_all()
        answer = self.reply(packet)
        if answer is not None:
            with contextlib.suppress(OSError):
                peer.send(answer)


@contextlib.contextmanager
def listening(path: Path, reply: Callable[[bytes], bytes | None] = lambda _: None) -> Iterator[Listener]:
    """A listener that is ended."""
    listener = Listener(path, reply)
    try:
        yield listener
    finally:
        listener.close()
