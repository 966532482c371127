"""The room of the second tier: virtual sources on one time line, with the verbs of a scenario.

Owns no thread: whoever conducts moves the clock to the next moment and calls `tick`. One moment may hold several
happenings; the camera's come first, then the microphone's, then the script's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sim.optics import Optics, View
from sim.truth import Witness
from sim.virtual_clock import VirtualClock
from sim.virtual_sources import NS_PER_SECOND, VirtualCamera, VirtualMicrophone

FAR_FUTURE_NS = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One line of a script: what happens this long after the session's start."""

    at_seconds: float
    happens: Callable[[VirtualRoom], None]


class VirtualRoom:
    """See the module. `disk_waits_until_ns` is read by the conductor: before it, WRITER is not given a turn."""

    def __init__(
        self,
        *,
        clock: VirtualClock,
        camera: VirtualCamera | None,
        microphone: VirtualMicrophone | None,
        optics: Optics,
        script: tuple[Act, ...],
    ) -> None:
        """Wait for `begin`."""
        self.clock = clock
        self.camera = camera
        self.microphone = microphone
        self.disk_waits_until_ns = 0
        self._optics = optics
        self._script = script
        self._coming: deque[tuple[int, Act]] = deque()

    def begin(self, witness: Witness) -> None:
        """Count the script's time from now; before the sources start."""
        for source in (self.camera, self.microphone):
            if source is not None:
                source.witness = witness
        now_ns = self.clock.boottime_ns()
        timed = ((now_ns + int(act.at_seconds * NS_PER_SECOND), act) for act in self._script)
        self._coming = deque(sorted(timed, key=lambda pair: pair[0]))

    def later(self, seconds: float, happens: Callable[[VirtualRoom], None]) -> None:
        """One more line of the script, this long from now."""
        coming = [*self._coming, (self._in(seconds), Act(at_seconds=seconds, happens=happens))]
        self._coming = deque(sorted(coming, key=lambda pair: pair[0]))

    def next_ns(self) -> int:
        """When something happens next."""
        return min(
            _at(self.camera),
            _at(self.microphone),
            self._coming[0][0] if self._coming else FAR_FUTURE_NS,
        )

    def tick(self) -> None:
        """Let everything happen that is due by now."""
        now_ns = self.clock.boottime_ns()
        for source in (self.camera, self.microphone):
            while source is not None and _at(source) <= now_ns:
                source.tick()
        while self._coming and self._coming[0][0] <= now_ns:
            self._coming.popleft()[1].happens(self)

    def advance(self, nanoseconds: int) -> None:
        """Let time pass and everything in it happen in order, with nobody else taking part."""
        until_ns = self.clock.boottime_ns() + nanoseconds
        while (next_ns := self.next_ns()) <= until_ns:
            self.clock.move_to(next_ns)
            self.tick()
        self.clock.move_to(until_ns)

    # -- verbs --------------------------------------------------------------------------------------------------------

    def stall_camera(self, seconds: float) -> None:
        """No frame reaches the driver for this long."""
        if self.camera is not None:
            self.camera.stall(self._in(seconds))

    def take_camera_away(self) -> None:
        """The camera is gone until it is put back."""
        if self.camera is not None:
            self.camera.take_away()

    def put_camera_back(self) -> None:
        """The camera can be started again; the recorder does that by itself."""
        if self.camera is not None:
            self.camera.put_back()

    def take_microphone_away(self) -> None:
        """The microphone is gone until it is put back."""
        if self.microphone is not None:
            self.microphone.take_away()

    def put_microphone_back(self) -> None:
        """The microphone can be started again; the recorder does that by itself."""
        if self.microphone is not None:
            self.microphone.put_back()

    def overrun_sound(self, samples: int) -> None:
        """The sound system loses this many samples and says so."""
        if self.microphone is not None:
            self.microphone.skip(samples)

    def mute(self, muted: bool) -> None:
        """The microphone sends digital zero, or the room."""
        if self.microphone is not None:
            self.microphone.zero(muted)

    def look(self, view: View) -> None:
        """Change what stands before the lens."""
        self._optics.look(view)

    def step_wall_clock(self, milliseconds: int) -> None:
        """Somebody sets the clock."""
        self.clock.step(milliseconds)

    def slow_disk(self, seconds: float) -> None:
        """The disk takes this long over one write: WRITER gets no turn."""
        self.disk_waits_until_ns = self._in(seconds)

    def _in(self, seconds: float) -> int:
        return self.clock.boottime_ns() + int(seconds * NS_PER_SECOND)


def _at(source: VirtualCamera | VirtualMicrophone | None) -> int:
    next_ns = source.next_ns() if source is not None else None
    return FAR_FUTURE_NS if next_ns is None else next_ns
