"""The microphone through PortAudio: FLAC packets counted by their own samples, levels, and its loss.

Owns a PortAudioStream and a SoundThread from `start` to `stop`. CONTROL calls; deliveries come on the sound thread.
Touches no disk. PortAudio is loaded by `open`, so that a machine without it gets a HardwareFault.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from drivers.bounded import LimitExceeded, run_within
from drivers.gate import Gate
from drivers.microphone_faults import microphone_fault, stuck_fault
from drivers.pcm_queue import PcmQueue
from drivers.sound_thread import Packer, SoundSettings, SoundThread
from edge.config import Microphone as MicrophoneSettings
from edge.ports import Clock, Deliver, SoundFormat, SourceOrigin

if TYPE_CHECKING:
    from drivers.portaudio import PortAudioStream

CLAIM_SECONDS = 10.0
QUEUE_SECONDS = 20
FLUSH_SECONDS = 0.5
"""What packing gets in any case: FLAC runs a hundred times faster than sound, and at most 20 s of it wait."""


class PortAudioMicrophone:
    """One microphone (implements `edge.ports.Microphone`). `stop` gives it back; `start` checks it anew if need be.

    Where PortAudio says that it lost samples ("input overflow"), `missed_samples` of the next packet is an estimate;
    `overflows` counts these.
    """

    def __init__(self, settings: MicrophoneSettings, clock: Clock) -> None:
        """Keep the settings; nothing is loaded or claimed before `open`."""
        self._settings = settings
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
        self._origin: tuple[SourceOrigin, ...] = ()
        self._stuck: LimitExceeded | None = None

    @property
    def overflows(self) -> int:
        """How often PortAudio said that samples were lost, in the running stream."""
        return self._stream.overflows if self._stream is not None else 0

    def open(self) -> SoundFormat:
        """Find the device, check rate and channels, open the encoder. Raises HardwareFault.

        PortAudio cannot reserve a device without starting it: another program may still take it before `start`.
        """
        return self._packer().format

    def start(self, deliver: Deliver) -> None:
        """Start capture, anew if it runs. Raises HardwareFault."""
        if self._stream is not None:
            self.stop(CLAIM_SECONDS)
        packer, self._checked = self._packer(), None  # an encoder serves one run: the next begins at sample 0 again
        gate = Gate(deliver)
        blocks = PcmQueue(QUEUE_SECONDS * self._settings.rate_hz)
        thread = SoundThread(packer=packer, settings=self._sound, blocks=blocks, gate=gate, clock=self._clock)
        self._bounded(CLAIM_SECONDS, "microphone-start", lambda: self._run(blocks))
        self._gate, self._thread = gate, thread
        thread.start()

    def stop(self, limit_seconds: float) -> None:
        """Stop, pack what is queued, deliver the last packet, give the device back; raises HardwareFault."""
        thread, gate = self._thread, self._gate
        self._thread = self._gate = self._checked = None
        deadline_ns = self._clock.boottime_ns() + int(limit_seconds * 1e9)
        packed = True
        try:
            if thread is not None:
                thread.expect_end()
            if self._stream is not None:
                lost = thread is not None and thread.lost
                self._bounded(limit_seconds, "microphone-stop", lambda: self._release(lost=lost))
        finally:
            if thread is not None and gate is not None:
                packed = thread.finish(max(FLUSH_SECONDS, (deadline_ns - self._clock.boottime_ns()) / 1e9))
                gate.close()
        if not packed:
            raise stuck_fault(f"sound was not packed within {limit_seconds:g} s")

    def origin(self) -> tuple[SourceOrigin, ...]:
        """The device as PortAudio names it, sounddevice, PyAV; empty before `open`."""
        return self._origin

    def _packer(self) -> Packer:
        """The encoder of the next run; making it checks the device."""
        if self._checked is None:
            self._bounded(CLAIM_SECONDS, "microphone-open", self._check)
            self._checked = Packer(self._sound)
        return self._checked

    def _bounded(self, limit_seconds: float, name: str, work: Callable[[], None]) -> None:
        """Run a library call within a limit; whatever it raises is translated."""
        if self._stuck is not None and self._stuck.running:
            raise stuck_fault(str(self._stuck))
        try:
            run_within(limit_seconds, name, work)
        except LimitExceeded as failure:
            self._stuck = failure
            _portaudio().abandon()
            raise stuck_fault(str(failure)) from failure
        except Exception as failure:
            raise microphone_fault(failure, self._settings.device) from failure

    def _check(self) -> None:
        self._origin = _portaudio().check(self._settings)

    def _run(self, blocks: PcmQueue) -> None:
        self._stream = _portaudio().PortAudioStream(self._settings, clock=self._clock, put=blocks.put, ended=blocks.end)

    def _release(self, *, lost: bool) -> None:
        stream = self._stream
        if stream is not None:
            stream.release(lost=lost)
        self._stream = None


def _portaudio() -> ModuleType:
    from drivers import portaudio  # noqa: PLC0415 - PortAudio may not be installed

    return portaudio
