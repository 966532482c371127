"""The bounded queue between the libraries' callbacks and WRITER, where an overflow becomes an exact, single `Lapse`.

Owns no thread: callbacks of any thread call `deliver`, which never waits for the reader and never raises; WRITER alone
calls `take`. Nothing is on disk.

Each stream has a lane with its own bounds (boottime span and bytes), the sound's larger than the picture's, so that
under one long stall the picture lapses first and the sound goes on. From the first refused packet a lane refuses every
packet until it has drained below half of its bounds and, for the picture, a keyframe comes. What was refused meanwhile
is one `Lapse`, queued directly before the first item after the hole: a reader sees a stream's items and lapses in the
stream's own order, each lapse complete. `close` queues the lapses still open.

Measures are not queued: the latest of each kind waits in a slot. `SourceLost` keeps its place in its stream's order (a
hole open at that moment ends before it) and is never refused; a second one that finds the first still waiting, with no
packet let in after it, says nothing new and is left out.

Under an interlock a packet waits until the time in which it was captured is permitted (`permit_until`), and one of
forbidden time is taken by nobody (`forbid`, and `cut_off` at the end of a stretch).
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from edge.ports import Delivered, PictureMeasure, PicturePacket, SoundMeasure, SoundPacket, SourceLost, Stream

_ITEM_OVERHEAD_BYTES = 256  # counted for every packet, so that empty ones are bounded too

Packet = PicturePacket | SoundPacket
Measure = PictureMeasure | SoundMeasure


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneBounds:
    """How much of one stream may wait: nanoseconds of boottime between oldest and newest, and bytes."""

    span_ns: int
    size_bytes: int


PICTURE_BOUNDS = LaneBounds(span_ns=20 * 10**9, size_bytes=24 * 1024 * 1024)
SOUND_BOUNDS = LaneBounds(span_ns=120 * 10**9, size_bytes=16 * 1024 * 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapse:
    """A hole in one stream made by this queue.

    `lost` counts the frames or samples that were delivered and refused; `missed` those the refused packets reported as
    missed by the source itself. The boottimes are those of the first and the last refused packet (for sound: arrival).
    """

    stream: Stream
    lost: int
    missed: int
    first_boottime_ns: int
    last_boottime_ns: int


@dataclass(slots=True)
class _Hole:
    """A lapse that still grows."""

    stream: Stream
    first_boottime_ns: int
    last_boottime_ns: int
    lost: int = 0
    missed: int = 0

    def add(self, packet: Packet) -> None:
        self.last_boottime_ns = _boottime_ns(packet)
        match packet:
            case PicturePacket():
                self.lost += 1
                self.missed += packet.missed_frames
            case SoundPacket():
                self.lost += packet.samples
                self.missed += packet.missed_samples

    def lapse(self) -> Lapse:
        return Lapse(
            stream=self.stream,
            lost=self.lost,
            missed=self.missed,
            first_boottime_ns=self.first_boottime_ns,
            last_boottime_ns=self.last_boottime_ns,
        )


@dataclass(slots=True)
class _Lane:
    """What waits of one stream: boottimes (oldest first), bytes, the open hole, a loss with no packet after it."""

    bounds: LaneBounds
    boottimes_ns: deque[int] = field(default_factory=deque)
    size_bytes: int = 0
    refusing: bool = False
    hole: _Hole | None = None
    newest_loss: SourceLost | None = None

    def accepts(self, packet: Packet) -> bool:
        span_ns = self.span_with_ns(_boottime_ns(packet))
        size_bytes = self.size_bytes + _size_bytes(packet)
        if span_ns > self.bounds.span_ns or size_bytes > self.bounds.size_bytes:
            return False
        if not self.refusing:
            return True
        starts_anew = not isinstance(packet, PicturePacket) or packet.keyframe
        drained = 2 * span_ns <= self.bounds.span_ns and 2 * self.size_bytes <= self.bounds.size_bytes
        return starts_anew and drained

    def span_with_ns(self, newest_ns: int) -> int:
        return newest_ns - self.boottimes_ns[0] if self.boottimes_ns else 0

    def span_ns(self) -> int:
        return self.boottimes_ns[-1] - self.boottimes_ns[0] if self.boottimes_ns else 0

    def enter(self, packet: Packet) -> None:
        self.boottimes_ns.append(_boottime_ns(packet))
        self.size_bytes += _size_bytes(packet)
        self.refusing = False
        self.newest_loss = None

    def leave(self, packet: Packet) -> None:
        self.boottimes_ns.popleft()
        self.size_bytes -= _size_bytes(packet)

    def leave_from_the_end(self, packet: Packet) -> None:
        self.boottimes_ns.pop()
        self.size_bytes -= _size_bytes(packet)


class PacketQueue:
    """See the module. Thread-safe; every method returns at once except `take`, which waits up to its limit."""

    def __init__(
        self, *, picture: LaneBounds = PICTURE_BOUNDS, sound: LaneBounds = SOUND_BOUNDS, frame_ns: int = 0
    ) -> None:
        """Start open and empty. A picture lasts `frame_ns` from its own time on, where something is forbidden."""
        self._condition = threading.Condition()  # its lock may be taken again by its holder
        self._lanes = {Stream.PICTURE: _Lane(bounds=picture), Stream.SOUND: _Lane(bounds=sound)}
        self._items: deque[Packet | SourceLost | _Hole] = deque()
        self._measures: dict[type[Measure], Measure] = {}
        self._deepest_ns = 0
        self._closed = False
        self._discards = False
        self._frame_ns = frame_ns
        self._permitted_ns: int | None = None

    def deliver(self, item: Delivered) -> None:
        """Let in one item from a library's thread; what does not fit is counted. Never waits for room, never raises."""
        with self._condition:
            if self._discards:
                return
            match item:
                case PictureMeasure() | SoundMeasure():
                    self._measures[type(item)] = item
                case SourceLost():
                    self._place_loss(item)
                case PicturePacket() | SoundPacket():
                    self._place(item)
            self._condition.notify()

    def take(self, limit_seconds: float) -> Delivered | Lapse | None:
        """Return the next item, waiting up to the limit; None if nothing came, or at once when closed and empty.

        Waiting measures come first: there are at most two, and the newest of a kind replaces the one before.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._ready() or self._measures or self._over(), timeout=limit_seconds)
            if self._measures:
                return self._measures.pop(next(iter(self._measures)))
            return self._next() if self._ready() else None

    def close(self) -> None:
        """Queue the open lapses and refuse every packet from now on; one that still comes is counted in a lapse."""
        with self._condition:
            if not self._closed:
                self._closed = True
                self._items.extend(lane.hole for lane in self._lanes.values() if lane.hole is not None)
            self._condition.notify_all()

    def permit_until(self, until_ns: int) -> None:
        """Let out what was captured up to then, and keep the rest waiting; without this everything is let out."""
        with self._condition:
            self._permitted_ns = until_ns
            self._condition.notify_all()

    def cut_off(self, at_ns: int) -> None:
        """Close at once and keep nothing captured from `at_ns` on."""
        with self._condition:
            self._closed = True
            self.forbid(at_ns)

    def forbid(self, at_ns: int) -> None:
        """Keep nothing captured from `at_ns` on, nor let anything in; what is left out is no lapse, but forbidden.

        Of a sound packet only the arrival is known, which is late: one that arrived before `at_ns` holds nothing later.
        """
        with self._condition:
            self._discards = True
            self._permitted_ns = None  # what is left lies before it
            for lane in self._lanes.values():
                lane.hole = None
            kept: list[Packet | SourceLost | _Hole] = []
            for item in self._items:
                if isinstance(item, _Hole):
                    continue
                if _before(item, at_ns, self._frame_ns):
                    kept.append(item)
                elif not isinstance(item, SourceLost):
                    self._lanes[_stream(item)].leave_from_the_end(item)
            self._items = deque(kept)
            self._measures.clear()
            self._condition.notify_all()

    @property
    def closed(self) -> bool:
        """Whether nothing that comes from now on is let in."""
        with self._condition:
            return self._closed

    @property
    def ended(self) -> bool:
        """Closed, and everything taken."""
        with self._condition:
            return self._over() and not self._measures

    def depth_ns(self) -> int:
        """Boottime between the oldest and the newest waiting packet, of the stream where it is longest."""
        with self._condition:
            return self._depth_ns()

    def deepest_ns_since_read(self) -> int:
        """The largest depth since this was last asked; starts again from the present depth."""
        with self._condition:
            deepest_ns, self._deepest_ns = self._deepest_ns, self._depth_ns()
            return deepest_ns

    def _ready(self) -> bool:
        """Whether the next item may be taken."""
        if not self._items:
            return False
        item = self._items[0]
        return (
            self._permitted_ns is None or isinstance(item, _Hole) or _before(item, self._permitted_ns, self._frame_ns)
        )

    def _over(self) -> bool:
        return self._closed and not self._items

    def _depth_ns(self) -> int:
        return max(lane.span_ns() for lane in self._lanes.values())

    def _place(self, packet: Packet) -> None:
        lane = self._lanes[_stream(packet)]
        if self._closed or not lane.accepts(packet):
            self._refuse(lane, packet)
            return
        self._end_hole(lane)
        lane.enter(packet)
        self._items.append(packet)
        self._deepest_ns = max(self._deepest_ns, self._depth_ns())

    def _refuse(self, lane: _Lane, packet: Packet) -> None:
        lane.refusing = True
        if lane.hole is None:
            boottime_ns = _boottime_ns(packet)
            lane.hole = _Hole(stream=_stream(packet), first_boottime_ns=boottime_ns, last_boottime_ns=boottime_ns)
            if self._closed:  # nothing comes after it, so it waits at once and grows until it is taken
                self._items.append(lane.hole)
        lane.hole.add(packet)

    def _end_hole(self, lane: _Lane) -> None:
        if lane.hole is not None:
            self._items.append(lane.hole)
            lane.hole = None

    def _place_loss(self, loss: SourceLost) -> None:
        lane = self._lanes[loss.stream]
        if lane.newest_loss is None:
            if not self._closed:
                self._end_hole(lane)
            lane.newest_loss = loss
            self._items.append(loss)

    def _next(self) -> Packet | SourceLost | Lapse:
        item = self._items.popleft()
        match item:
            case PicturePacket() | SoundPacket():
                self._lanes[_stream(item)].leave(item)
                return item
            case SourceLost():
                lane = self._lanes[item.stream]
                if lane.newest_loss is item:
                    lane.newest_loss = None
                return item
            case _Hole():
                lane = self._lanes[item.stream]
                if lane.hole is item:  # closed and taken: what still comes belongs to another lapse
                    lane.hole = None
                return item.lapse()


def _before(item: Packet | SourceLost, at_ns: int, frame_ns: int) -> bool:
    """Whether all of an item was captured before a moment."""
    match item:
        case PicturePacket():
            return item.boottime_ns + frame_ns <= at_ns
        case SoundPacket():
            return item.arrival_boottime_ns <= at_ns
        case SourceLost():
            return True


def _stream(packet: Packet) -> Stream:
    return Stream.PICTURE if isinstance(packet, PicturePacket) else Stream.SOUND


def _boottime_ns(packet: Packet) -> int:
    return packet.boottime_ns if isinstance(packet, PicturePacket) else packet.arrival_boottime_ns


def _size_bytes(packet: Packet) -> int:
    return len(packet.payload) + _ITEM_OVERHEAD_BYTES
