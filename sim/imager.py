"""The simulated image sensor: frame times on a fixed cadence, and what becomes of each of them.

Owns the counter, the queue of requests and the mapped buffers; called from the world's loop only and never waits. The
counter advances with the sensor's clock from `start` to `stop` and is never reset, so every frame time has a number of
its own whether or not a request was there to catch it.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from dataclasses import dataclass

from sim.framestore import WIDEST_PIXELS, FrameStore, frame_bytes, planes_of, shrink
from sim.scene import PictureSource, Planes
from sim.sensor import NO_BUFFER, UNCHANGED, Completed, Outcome, Queue, WireFault
from sim.truth import Witness

REQUESTS_AT_MOST = 64
LONGEST_FRAME_US = 1_000_000
SMALLEST_SIDE = 64
FASTEST_RATE = 240
NS_PER_US = 1000
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorMode:
    """The sensor's picture size in pixels (even) and its fastest rate in frames per second; ValueError otherwise."""

    width: int
    height: int
    frames_per_second: int

    def __post_init__(self) -> None:
        """Refuse what no sensor has."""
        if any(side < SMALLEST_SIDE or side > WIDEST_PIXELS or side % 2 for side in (self.width, self.height)):
            raise ValueError(
                f"a sensor of {self.width}x{self.height} pixels cannot be: even sides from {SMALLEST_SIDE}"
            )
        if not 1 <= self.frames_per_second <= FASTEST_RATE:
            raise ValueError(f"{self.frames_per_second} frames per second cannot be: 1 to {FASTEST_RATE}")

    @property
    def shortest_frame_us(self) -> int:
        """The frame duration at the fastest rate."""
        return 1_000_000 // self.frames_per_second

    def frame_duration_us(self, wanted_us: int) -> int:
        """Return the frame duration the sensor keeps when asked for one; UNCHANGED asks for its fastest."""
        if wanted_us == UNCHANGED:
            return self.shortest_frame_us
        return min(max(wanted_us, self.shortest_frame_us), LONGEST_FRAME_US)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """Frame times without drift: counter `first_counter` is due at `first_ns`, each next one a period later."""

    first_counter: int
    first_ns: int
    duration_us: int

    def due_ns(self, counter: int) -> int:
        """Return when a counter is due on CLOCK_BOOTTIME."""
        return self.first_ns + (counter - self.first_counter) * self.duration_us * NS_PER_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One reading of both clocks: CLOCK_BOOTTIME in ns, and UTC in ms."""

    boottime_ns: int
    utc_ms: int

    def utc_ms_at(self, boottime_ns: int) -> int:
        """Return the UTC of another time of the same boot."""
        return self.utc_ms - (self.boottime_ns - boottime_ns) // NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts since the world began: the next counter, frames delivered and not, requests waiting now."""

    counter: int
    delivered: int
    undelivered: int
    queued: int


class Imager:
    """The sensor, with the verbs that make it fail."""

    def __init__(
        self,
        *,
        mode: SensorMode,
        scene: PictureSource,
        witness: Witness,
        powered: Callable[[], bool] = lambda: True,
    ) -> None:
        """Be ready, not running; a frame is delivered only if the sensor has power when it is complete."""
        self._powered = powered
        self._mode = mode
        self._scene = scene
        self._witness = witness
        self._store = FrameStore()
        self._requests: collections.deque[Queue] = collections.deque()
        self._cadence: Cadence | None = None
        self._counter = 0
        self._started_at_counter = 0
        self._ready_since_ns = 0
        self._delivered = 0
        self._undelivered = 0
        self._native: Planes | None = None
        self._stalled = False
        self._damaged_frames = 0
        self._timestamp_offset_ns = 0

    @property
    def store(self) -> FrameStore:
        """The buffers of the running capture."""
        return self._store

    def tally(self) -> Tally:
        """Return the counts."""
        return Tally(
            counter=self._counter,
            delivered=self._delivered,
            undelivered=self._undelivered,
            queued=len(self._requests),
        )

    def stall(self, stalled: bool) -> None:
        """Deliver nothing while the counter goes on, or deliver again."""
        self._stalled = stalled

    def damage(self, frames: int) -> None:
        """End the next frames with an error."""
        self._damaged_frames = frames

    def offset_timestamps(self, offset_ns: int) -> None:
        """Report timestamps this far off from now on; the truth keeps the sensor's real time."""
        self._timestamp_offset_ns = offset_ns

    def start(self, now: Moment, wanted_us: int) -> None:
        """Begin frame times; the first is one frame duration from now."""
        duration_us = self._mode.frame_duration_us(wanted_us)
        self._started_at_counter = self._counter
        self._ready_since_ns = now.boottime_ns
        first_ns = now.boottime_ns + duration_us * NS_PER_US
        self._cadence = Cadence(first_counter=self._counter, first_ns=first_ns, duration_us=duration_us)

    def stop(self) -> None:
        """End frame times and forget requests and buffers."""
        self._cadence = None
        self._requests.clear()
        self._store.forget()

    def queue(self, request: Queue) -> None:
        """Take a request; raises WireFault when its buffers are unknown or far too many wait."""
        if len(self._requests) >= REQUESTS_AT_MOST or request.main == NO_BUFFER:
            raise WireFault("a request that cannot be")
        for buffer in (request.main, request.lores):
            if buffer != NO_BUFFER:
                self._store.planes(buffer)
        self._requests.append(request)

    def next_ns(self) -> int | None:
        """Return when `tick` has something to do next, or None while the sensor is off."""
        if self._cadence is None:
            return None
        due_ns = self._cadence.due_ns(self._counter)
        if self._requests and not self._stalled:
            return due_ns
        return max(due_ns, self._ready_since_ns) + self._cadence.duration_us * NS_PER_US

    def tick(self, now: Moment) -> Completed | None:
        """Deal with at most one frame time that is due and return the completion to send, if a request caught it.

        A frame is lost when the sensor was ready for it for a whole frame duration and no request came: a recorder
        that keeps the sensor waiting loses frames, a world that wakes late does not make it lose any.
        """
        due = self.next_ns()
        if self._cadence is None or due is None or now.boottime_ns < due:
            return None
        cadence, counter = self._cadence, self._counter
        self._counter += 1
        woke_late = now.boottime_ns >= due + cadence.duration_us * NS_PER_US
        self._ready_since_ns = now.boottime_ns if woke_late else due
        if self._stalled or not self._requests:
            self._undelivered += 1
            self._witness.frame(counter, cadence.due_ns(counter), False)
            return None
        return self._expose(cadence, counter, now)

    def _expose(self, cadence: Cadence, counter: int, now: Moment) -> Completed | None:
        request = self._requests.popleft()
        sensor_ns = cadence.due_ns(counter)
        self._paint(request, counter, now.utc_ms_at(sensor_ns))
        outcome = Outcome.SUCCESS
        if self._damaged_frames:
            self._damaged_frames -= 1
            outcome = Outcome.ERROR
        powered = self._powered()
        delivered = outcome is Outcome.SUCCESS and powered
        self._delivered += delivered
        self._undelivered += not delivered
        self._witness.frame(counter, sensor_ns, delivered)
        self._adopt_duration(cadence, request.frame_duration_us)
        if not powered:
            return None
        return Completed(
            request=request.request,
            sequence=counter - self._started_at_counter,
            boottime_ns=sensor_ns + self._timestamp_offset_ns,
            frame_duration_us=cadence.duration_us,
            outcome=outcome,
        )

    def _adopt_duration(self, cadence: Cadence, wanted_us: int) -> None:
        duration_us = self._mode.frame_duration_us(wanted_us)
        if wanted_us != UNCHANGED and duration_us != cadence.duration_us:
            first_ns = cadence.due_ns(self._counter - 1) + duration_us * NS_PER_US
            self._cadence = Cadence(first_counter=self._counter, first_ns=first_ns, duration_us=duration_us)

    def _paint(self, request: Queue, counter: int, utc_ms: int) -> None:
        main = self._store.planes(request.main)
        native = main if self._is_native(main) else self._scratch()
        self._scene.draw(counter, utc_ms, native)
        if native is not main:
            shrink(native, main)
        if request.lores != NO_BUFFER:
            shrink(main, self._store.planes(request.lores))

    def _is_native(self, planes: Planes) -> bool:
        return (planes.width, planes.height) == (self._mode.width, self._mode.height)

    def _scratch(self) -> Planes:
        if self._native is None:
            width, height = self._mode.width, self._mode.height
            memory = bytearray(frame_bytes(height=height, stride=width))
            self._native = planes_of(memory, width=width, height=height, stride=width)
        return self._native
