"""The sources and WRITER of a session in threads: started and ended stretch by stretch, each call within its limit.

Owns the threads named WRITER. CONTROL's thread calls. A source that hangs while it is told to stop is reported and left
behind; what it still delivers meets a closed queue.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from edge.origins import Format, Origin
from edge.ports import Camera, Hardware, HardwareFault, Microphone, Stream
from edge.revival import Revive, Source
from edge.stretch import Stretch, Stretches, Unstarted
from edge.writer import Resumption
from liuhen.registry import EndCause

STOP_LIMIT_SECONDS = 5.0
WRITER_LIMIT_SECONDS = 30.0
REVIVAL_LIMIT_SECONDS = 5.0
"""A restart that takes longer undoes itself when it returns."""
NS_PER_SECOND = 10**9


Admit = Callable[[Stream, Format, Origin], None]
"""Says whether a source that was opened may be recorded. Raises HardwareFault where not."""


def _admit_all(_stream: Stream, _found: Format, _origin: Origin) -> None:
    """Nothing is started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What is captured with: the devices, the caption burned into the picture, who is told.

    `admit` is asked each time a device is opened.
    """

    hardware: Hardware
    caption: str
    say: Callable[[str, str], None]
    admit: Admit = _admit_all

    def start(self, stretch: Stretch) -> None:
        """Sound first: it is ready at once, while a sensor takes a moment to settle. Raises HardwareFault."""
        for stream in (Stream.SOUND, Stream.PICTURE):
            self.start_one(stream, stretch)

    def start_one(self, stream: Stream, stretch: Stretch) -> None:
        """One source, into this stretch; one that this device has not is left out. Raises HardwareFault.

        It may have been opened minutes or hours before, or never: it is opened and judged each time.
        """
        device, deliver = self._devices().get(stream), stretch.packets.deliver
        if device is None:
            return
        found = device.open()
        try:
            self.admit(stream, found, device.origin())
        except HardwareFault:
            with contextlib.suppress(HardwareFault):  # why it is not admitted is worth more
                device.stop(STOP_LIMIT_SECONDS)
            raise
        if stream is Stream.SOUND and self.hardware.microphone is not None:
            self.hardware.microphone.start(deliver)
        if stream is Stream.PICTURE and self.hardware.camera is not None:
            self.hardware.camera.start(deliver, self.caption)

    def start_what_starts(self, stretch: Stretch, leave: frozenset[Stream] = frozenset()) -> Unstarted:
        """Every source that can be started, but for those to be left alone; the others with what they said."""
        faults = []
        for stream in (Stream.SOUND, Stream.PICTURE):
            if stream in leave:
                continue
            try:
                self.start_one(stream, stretch)
            except HardwareFault as fault:
                faults.append((stream, fault))
        return tuple(faults)

    def revivable(self, stretches: Stretches) -> Mapping[Stream, Source]:
        """How each source of this device is started again, into the stretch that is the newest then."""
        return {
            stream: Source(stop=device.stop, start=partial(self._start_again, stream, stretches))
            for stream, device in self._devices().items()
        }

    def _start_again(self, stream: Stream, stretches: Stretches) -> None:
        """A start that took so long that its stretch has ended meanwhile is undone: nobody asked for it any more."""
        stretch = stretches.newest
        self.start_one(stream, stretch)
        if stretch.packets.closed:
            self._devices()[stream].stop(STOP_LIMIT_SECONDS)

    def _devices(self) -> Mapping[Stream, Camera | Microphone]:
        both = {Stream.PICTURE: self.hardware.camera, Stream.SOUND: self.hardware.microphone}
        return {stream: device for stream, device in both.items() if device is not None}

    def stop(self, leave: frozenset[Stream] = frozenset()) -> None:
        """Stop every source within its limit, but for those whose drivers are busy with a restart."""
        for stream, source in self._devices().items():
            if stream in leave:
                continue
            try:
                source.stop(STOP_LIMIT_SECONDS)
            except HardwareFault as fault:
                self.say(f"{fault.what}；{fault.remedy_zh}", f"{fault.what}; {fault.remedy_en}")


class ThreadedCapture:
    """See the module (implements `edge.stretch.Conductor`)."""

    writer_limit_seconds = WRITER_LIMIT_SECONDS
    """How long WRITER may take for what is left; less only in a test."""

    def __init__(self, sources: Sources) -> None:
        """Nothing runs yet."""
        self.sources = sources
        self._threads: list[threading.Thread] = []
        self._running = False
        self.reviver: Revive | None = None
        """Whoever starts lost sources again; what it is at is waited for before a source is stopped."""

    def begin(self, stretch: Stretch, go_on_from: Callable[[Unstarted], Resumption]) -> None:
        """Sources first, so that the queue fills while the journal is written."""
        unstarted = self.sources.start_what_starts(stretch)
        self._running = True
        stretch.writer.go_on_from(go_on_from(unstarted))
        self.start_writer(stretch)

    def start_sources(self, start: Callable[[], Unstarted]) -> Unstarted | HardwareFault:
        """The first stretch of this run: what did not start, or the fault that ends a session which has just begun."""
        self._running = True
        try:
            return start()
        except HardwareFault as fault:
            return fault

    def start_writer(self, stretch: Stretch) -> None:
        """WRITER in its thread."""
        # A daemon: a disk that hangs must not keep the process.
        writer = threading.Thread(target=stretch.writer.run, name="WRITER", daemon=True)
        writer.start()
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads.append(writer)

    def end(self, stretch: Stretch, cause: EndCause, at_ns: int | None) -> None:
        """What is forbidden is cut off before any source is asked; otherwise all that was captured is let in first."""
        stretch.writer.end_cause = cause
        if at_ns is not None:
            stretch.packets.cut_off(at_ns)
        self.stop_sources()
        stretch.packets.close()

    def stop_sources(self) -> None:
        """Whatever happens they are stopped; twice does nothing."""
        if self._running:
            self._running = False
            busy = self.reviver.settle(REVIVAL_LIMIT_SECONDS) if self.reviver is not None else frozenset()
            self.sources.stop(busy)

    def join(self) -> None:
        """Wait for every WRITER within the limit; nothing is started again after it."""
        if self.reviver is not None:
            self.reviver.end(0)
        for thread in self._threads:
            thread.join(self.writer_limit_seconds)
