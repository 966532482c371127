"""The world's end of the levers: takes pulls, moves what they move, and answers with the sensor's tally.

Owns the control connections and runs on the world's loop only.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from sim.doorway import Doorway
from sim.imager import Tally
from sim.levers import LONGEST_PACKET_BYTES, LeverStuck, Pull, Verb, pulled, stuck

Board = Mapping[Verb, Callable[[int], None]]


class LeverPort:
    """Serves the levers on `board`; `LOOK` and `AWAIT_COUNTER` are served here."""

    def __init__(
        self, *, selector: selectors.BaseSelector, path: Path, board: Board, tally: Callable[[], Tally]
    ) -> None:
        """Listen on the socket."""
        self._selector = selector
        self._board = board
        self._tally = tally
        self._pullers: list[socket.socket] = []
        self._awaiting: list[tuple[int, socket.socket]] = []
        self._doorway = Doorway(selector, path, self._welcome)

    def tick(self) -> None:
        """Answer those whose counter has come."""
        if not self._awaiting:
            return
        counter = self._tally().counter
        for wanted, puller in tuple(self._awaiting):
            if counter >= wanted:
                self._awaiting.remove((wanted, puller))
                self._send(puller, pulled(self._tally()))

    def close(self) -> None:
        """End all connections and stop listening."""
        for puller in tuple(self._pullers):
            self._dismiss(puller)
        self._doorway.close()

    def _welcome(self, puller: socket.socket) -> None:
        self._pullers.append(puller)
        self._selector.register(puller, selectors.EVENT_READ, lambda: self._serve(puller))

    def _serve(self, puller: socket.socket) -> None:
        try:
            packet = puller.recv(LONGEST_PACKET_BYTES)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if packet:
            self._answer(puller, packet)
        else:
            self._dismiss(puller)

    def _answer(self, puller: socket.socket, packet: bytes) -> None:
        try:
            pull = Pull.parse(packet)
            if pull.verb is Verb.AWAIT_COUNTER:
                self._awaiting.append((pull.value, puller))
                return
            self._move(pull)
        except LeverStuck as trouble:
            self._send(puller, stuck(str(trouble)))
        else:
            self._send(puller, pulled(self._tally()))

    def _move(self, pull: Pull) -> None:
        if pull.verb is Verb.LOOK:
            return
        if pull.verb not in self._board:
            raise LeverStuck(f"this world has no lever {pull.verb}")
        self._board[pull.verb](pull.value)

    def _send(self, puller: socket.socket, packet: bytes) -> None:
        try:
            puller.send(packet)
        except OSError:
            self._dismiss(puller)

    def _dismiss(self, puller: socket.socket) -> None:
        self._pullers.remove(puller)
        self._awaiting = [waiting for waiting in self._awaiting if waiting[1] is not puller]
        self._selector.unregister(puller)
        puller.close()
