"""The microphone through PortAudio: FLAC packets counted by their own samples, levels, and its loss.

Owns a PortAudioStream and a SoundThread from `start` to `stop`. CONTROL calls; deliveries come on the sound thread.
Touches no disk. PortAudio is loaded by `open`, so that a machine without it gets a HardwareFault.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from drivers.bounded import DeviceCalls
from drivers.gate import Gate
from drivers.microphone_faults import microphone_fault, stuck_fault
from drivers.pcm_queue import PcmQueue
from drivers.sound_server import attached_sources
from drivers.sound_thread import Packer, SoundSettings, SoundThread
from drivers.source_watch import SourceWatch
from edge.config import Microphone as MicrophoneSettings
from edge.ports import Clock, Deliver, HardwareFault, SoundFormat, SourceOrigin

if TYPE_CHECKING:
    from drivers.portaudio import PortAudioStream

OPENING = "microphone-open"
CLAIM_SECONDS = 10.0
WATCH_END_SECONDS = 3.0
QUEUE_SECONDS = 20
FLUSH_SECONDS = 0.5
"""What packing gets in any case: FLAC runs a hundred times faster than sound, and at most 20 s of it wait."""


class PortAudioMicrophone:
    """One microphone (implements `edge.ports.Microphone`). `stop` gives it back; `start` checks it anew if need be.

    A call that never comes back is left behind with its stream; the next `start` tries a fresh one beside it. Where
    PortAudio does not allow that, the fault says STUCK and another process is needed.

    Where PortAudio says that it lost samples ("input overflow"), `missed_samples` of the next packet is an estimate;
    `overflows` counts these.
    """

    def __init__(self, settings: MicrophoneSettings, clock: Clock, *, claim_seconds: float = CLAIM_SECONDS) -> None:
        """Keep the settings; nothing is loaded or claimed before `open`. `claim_seconds` limits each call."""
        self._settings = settings
        self._claim_seconds = claim_seconds
        self._clock = clock
        self._sound = SoundSettings(
            rate_hz=settings.rate_hz,
            channels=settings.channels,
            packet_samples=settings.packet_samples,
            latency_correction_ms=settings.latency_correction_ms,
        )
        self._checked: Packer | None = None
        self._stream: PortAudioStream | None = None
        self._thread: SoundThread | None = None
        self._gate: Gate | None = None
        self._watch: SourceWatch | None = None
        self._origin: tuple[SourceOrigin, ...] = ()
        self._calls = DeviceCalls(
            translate=lambda failure: microphone_fault(failure, settings.device),
            stuck_fault=stuck_fault,
            leave_behind=_leave_portaudio_open,
        )

    @property
    def overflows(self) -> int:
        """How often PortAudio said that samples were lost, in the running stream."""
        return self._stream.overflows if self._stream is not None else 0

    def format(self) -> SoundFormat:
        """Rate, channels and STREAMINFO of the encoder; no device is asked."""
        return Packer(self._sound).format

    def open(self) -> SoundFormat:
        """Find the device, check rate and channels, open the encoder. Raises HardwareFault.

        PortAudio cannot reserve a device without starting it: another program may still take it before `start`.
        """
        return self._packer().format

    def start(self, deliver: Deliver) -> None:
        """Start capture, anew if it runs. Raises HardwareFault."""
        if self._stream is not None:
            with contextlib.suppress(HardwareFault):  # what does not stop is left behind: a fresh one is tried below
                self.stop(self._claim_seconds)
        packer, self._checked = self._packer(), None  # an encoder serves one run: the next begins at sample 0 again
        gate = Gate(deliver)
        blocks = PcmQueue(QUEUE_SECONDS * self._settings.rate_hz)
        thread = SoundThread(packer=packer, settings=self._sound, blocks=blocks, gate=gate, clock=self._clock)
        stream = self._calls.run(self._claim_seconds, "microphone-start", lambda: self._opened(blocks), _let_go)
        self._stream, self._gate, self._thread = stream, gate, thread
        thread.start()
        if stream.through_a_server:
            self._watch = SourceWatch(gate, self._clock, attached_sources)
            self._watch.start()

    def stop(self, limit_seconds: float) -> None:
        """Stop, pack what is queued, deliver the last packet, give the device back; raises HardwareFault."""
        thread, gate, watch, stream = self._thread, self._gate, self._watch, self._stream
        self._thread = self._gate = self._checked = self._watch = self._stream = None
        deadline_ns = self._clock.boottime_ns() + int(limit_seconds * 1e9)
        packed = True
        try:
            if thread is not None:
                thread.expect_end()
            if stream is not None:
                lost = thread is not None and thread.lost
                self._calls.run(limit_seconds, "microphone-stop", lambda: stream.release(lost=lost))
        finally:
            if thread is not None and gate is not None:
                packed = thread.finish(max(FLUSH_SECONDS, (deadline_ns - self._clock.boottime_ns()) / 1e9))
                gate.close()
            if watch is not None:
                watch.stop(WATCH_END_SECONDS)
        if not packed:
            raise stuck_fault(f"sound was not packed within {limit_seconds:g} s")

    def origin(self) -> tuple[SourceOrigin, ...]:
        """The device as PortAudio names it, sounddevice, PyAV; empty before `open`."""
        return self._origin

    def _packer(self) -> Packer:
        """The encoder of the next run; making it checks the device."""
        if self._checked is None:
            stuck = self._calls.stuck.words
            if OPENING in stuck:
                raise stuck_fault(stuck)  # once that goes on it ends every stream of this process
            name = "microphone-look" if stuck else OPENING
            self._origin = self._calls.run(
                self._claim_seconds, name, lambda: _portaudio().check(self._settings, anew=not stuck)
            )
            self._checked = Packer(self._sound)
        return self._checked

    def _opened(self, blocks: PcmQueue) -> PortAudioStream:
        stream: PortAudioStream = _portaudio().PortAudioStream(
            self._settings, clock=self._clock, put=blocks.put, ended=blocks.end
        )
        return stream


def _let_go(stream: PortAudioStream) -> None:
    """A stream that started after its limit is ended on the call's own thread."""
    stream.release(lost=True)


def _portaudio() -> ModuleType:
    from drivers import portaudio  # noqa: PLC0415 - PortAudio may not be installed

    return portaudio


def _leave_portaudio_open() -> None:
    """Let the process end although a call is stuck: PortAudio's orderly end at exit would block just so.

    Without importing anything: the stuck call may be the one that loads PortAudio, and it holds the import's lock.
    """
    sounddevice = sys.modules.get("sounddevice")
    if sounddevice is not None and hasattr(sounddevice, "_exit_handler"):
        atexit.unregister(sounddevice._exit_handler)  # noqa: SLF001 - it has no public name
