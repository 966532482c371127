"""The world's end of the levers: takes pulls, moves what they move, and answers with a tally or a reading.

Owns the control connections and runs on the world's loop only.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from sim.doorway import Doorway
from sim.imager import Tally
from sim.levers import LONGEST_PACKET_BYTES, LeverStuck, Pull, Reading, Verb, pulled, stuck

Board = Mapping[Verb, Callable[[int], None]]
Awaited = Mapping[Verb, Callable[[int], bool]]
"""Verbs that are answered once what they wait for has come."""


class LeverPort:
    """Serves the levers on `board`; `LOOK` and `READ_WIRING` are served here."""

    def __init__(
        self,
        *,
        selector: selectors.BaseSelector,
        path: Path,
        board: Board,
        awaited: Awaited,
        tally: Callable[[], Tally],
        reading: Callable[[], Reading],
    ) -> None:
        """Listen on the socket."""
        self._awaited = awaited
        self._reading = reading
        self._selector = selector
        self._board = board
        self._tally = tally
        self._pullers: list[socket.socket] = []
        self._awaiting: list[tuple[Pull, socket.socket]] = []
        self._doorway = Doorway(selector, path, self._welcome)

    @property
    def waited_for(self) -> bool:
        """Say whether somebody waits for something to come."""
        return bool(self._awaiting)

    def tick(self) -> None:
        """Answer those for whom it has come."""
        for pull, puller in tuple(self._awaiting):
            if self._awaited[pull.verb](pull.value):
                self._awaiting.remove((pull, puller))
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
            if pull.verb in self._awaited:
                self._awaiting.append((pull, puller))
                return
            self._move(pull)
        except LeverStuck as trouble:
            self._send(puller, stuck(str(trouble)))
        else:
            self._send(puller, self._answer_to(pull))

    def _answer_to(self, pull: Pull) -> bytes:
        return self._reading().packet() if pull.verb is Verb.READ_WIRING else pulled(self._tally())

    def _move(self, pull: Pull) -> None:
        if pull.verb in (Verb.LOOK, Verb.READ_WIRING):
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
