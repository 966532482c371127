"""The world's end of the sensor wire: who is connected, who holds the camera, and what the sensor answers.

Owns the connections and runs on the world's loop only. A connection that breaks the protocol or goes away is dropped;
when it held the camera, the sensor stops and its buffers are unmapped.
"""

from __future__ import annotations

import collections
import errno
import selectors
import socket
from collections.abc import Callable
from pathlib import Path

from sim.doorway import Doorway
from sim.imager import LONGEST_FRAME_US, Imager, Moment, SensorMode
from sim.sensor import (
    WIRE_VERSION,
    Acquire,
    Answer,
    Completed,
    Hello,
    Message,
    Queue,
    Register,
    Start,
    Stop,
    Welcome,
    Wire,
    WireFault,
)

VISITORS_AT_MOST = 8
WAITING_PACKETS_AT_MOST = 256


class Visitor:
    """One connection with the packets that wait to be sent to it."""

    def __init__(self, selector: selectors.BaseSelector, connection: socket.socket) -> None:
        """Wrap a non-blocking connection."""
        self.wire = Wire(connection)
        self.greeted = False
        self._selector = selector
        self._waiting: collections.deque[Message] = collections.deque()

    def post(self, message: Message) -> None:
        """Send a message now, or when the connection takes it; raises WireFault when the other end never reads."""
        self._waiting.append(message)
        if len(self._waiting) > WAITING_PACKETS_AT_MOST:
            raise WireFault("the other end does not read")
        self.flush()

    def flush(self) -> None:
        """Send what the connection takes; raises OSError when the other end is gone."""
        try:
            while self._waiting:
                self.wire.send(self._waiting[0])
                self._waiting.popleft()
        except BlockingIOError:
            pass  # the selector reports when the connection takes more
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._waiting else 0)
        key = self._selector.get_key(self.wire)
        if key.events != wanted:
            self._selector.modify(self.wire, wanted, key.data)


class SensorPort:
    """Serves the sensor to the recorder, with the verbs that make the connection fail."""

    def __init__(
        self,
        *,
        selector: selectors.BaseSelector,
        path: Path,
        mode: SensorMode,
        imager: Imager,
        now: Callable[[], Moment],
    ) -> None:
        """Listen on the socket."""
        self._selector = selector
        self._mode = mode
        self._imager = imager
        self._now = now
        self._visitors: list[Visitor] = []
        self._holder: Visitor | None = None
        self._unanswered_stop: Visitor | None = None
        self._unanswered_start: tuple[Visitor, int] | None = None
        self._start_hangs = False
        self._absent = False
        self._powered = True
        self.last_sent_ns = 0
        self._start_errno = 0
        self._stop_hangs = False
        self._doorway = Doorway(selector, path, self._welcome)

    def tick(self) -> None:
        """Let one due frame time happen and send its completion."""
        completed = self._imager.tick(self._now())
        if completed is not None and self._holder is not None:
            self._post(self._holder, completed)
            self.last_sent_ns = self._now().boottime_ns

    def switch(self, powered: bool) -> None:
        """Give the camera its power, or take it away from under everybody; other verbs are not undone."""
        self._powered = powered
        if not powered:
            self._drop_all()

    def vanish(self) -> None:
        """Take the camera away from everybody."""
        self._absent = True
        self._drop_all()

    def come_back(self) -> None:
        """Let the camera be found again."""
        self._absent = False

    def refuse_start(self, number: int) -> None:
        """Refuse to start with this errno; 0 starts again."""
        self._start_errno = number

    def hang_start(self) -> None:
        """Never answer a start until `answer_start`."""
        self._start_hangs = True

    def answer_start(self) -> None:
        """Let starting work again; the start that hangs succeeds now."""
        self._start_hangs = False
        waiting, self._unanswered_start = self._unanswered_start, None
        if waiting is not None:
            self._start(*waiting)

    def hang_stop(self) -> None:
        """Never answer a stop until `answer_stop`."""
        self._stop_hangs = True

    def answer_stop(self) -> None:
        """Let `stop` work again and answer the one that hangs."""
        self._stop_hangs = False
        if self._unanswered_stop is not None:
            self._post(self._unanswered_stop, Answer(errno=0))
            self._unanswered_stop = None

    def close(self) -> None:
        """End all connections and stop listening."""
        self.vanish()
        self._doorway.close()

    def _welcome(self, connection: socket.socket) -> None:
        if self._absent or not self._powered or len(self._visitors) >= VISITORS_AT_MOST:
            connection.close()
            return
        visitor = Visitor(self._selector, connection)
        self._visitors.append(visitor)
        self._selector.register(visitor.wire, selectors.EVENT_READ, lambda: self._serve(visitor))

    def _serve(self, visitor: Visitor) -> None:
        try:
            if visitor in self._visitors:  # another key of the same round may have dropped it
                visitor.flush()
            while visitor in self._visitors:
                received = visitor.wire.receive()
                if received is None:
                    self._drop(visitor)
                    return
                self._take(visitor, *received)
        except BlockingIOError:
            return  # everything that came has been dealt with
        except (OSError, WireFault):
            self._drop(visitor)

    def _take(self, visitor: Visitor, message: Message, descriptor: int | None) -> None:
        if isinstance(message, Register) and descriptor is not None:
            self._only_holder(visitor)
            self._imager.store.register(message, descriptor)
        elif isinstance(message, Hello):
            self._greet(visitor, message)
        elif not visitor.greeted:
            raise WireFault("not greeted")
        elif isinstance(message, Acquire):
            visitor.post(Answer(errno=self._acquire(visitor)))
        else:
            self._only_holder(visitor)
            self._run(visitor, message)

    def _run(self, visitor: Visitor, message: Message) -> None:
        match message:
            case Start(frame_duration_us=wanted_us):
                self._start(visitor, wanted_us)
            case Queue():
                self._imager.queue(message)
            case Stop():
                self._stop(visitor)
            case _:
                raise WireFault(f"{type(message).__name__} does not come from a recorder")

    def _start(self, visitor: Visitor, wanted_us: int) -> None:
        if self._start_hangs:
            self._unanswered_start = (visitor, wanted_us)
            return
        if not self._start_errno:
            self._imager.start(self._now(), wanted_us)
        self._post(visitor, Answer(errno=self._start_errno))

    def _greet(self, visitor: Visitor, hello: Hello) -> None:
        if hello.version != WIRE_VERSION:
            raise WireFault("another version of the wire")
        visitor.greeted = True
        visitor.post(
            Welcome(
                width=self._mode.width,
                height=self._mode.height,
                shortest_frame_us=self._mode.shortest_frame_us,
                longest_frame_us=LONGEST_FRAME_US,
            )
        )

    def _acquire(self, visitor: Visitor) -> int:
        if self._holder is not None:
            return errno.EBUSY
        self._holder = visitor
        return 0

    def _stop(self, visitor: Visitor) -> None:
        self._imager.stop()
        if self._stop_hangs:
            self._unanswered_stop = visitor
        else:
            visitor.post(Answer(errno=0))

    def _drop_all(self) -> None:
        for visitor in tuple(self._visitors):
            self._drop(visitor)

    def _only_holder(self, visitor: Visitor) -> None:
        if visitor is not self._holder:
            raise WireFault("the camera is not acquired")

    def _post(self, visitor: Visitor, message: Completed | Answer) -> None:
        try:
            visitor.post(message)
        except (OSError, WireFault):
            self._drop(visitor)

    def _drop(self, visitor: Visitor) -> None:
        self._visitors.remove(visitor)
        self._selector.unregister(visitor.wire)
        visitor.wire.close()
        if visitor is self._unanswered_stop:
            self._unanswered_stop = None
        if self._unanswered_start is not None and visitor is self._unanswered_start[0]:
            self._unanswered_start = None
        if visitor is self._holder:
            self._holder = None
            self._imager.stop()
