"""One PortAudio input stream, and the check that it can exist.

Owns the stream, whose callback copies and enqueues only. Every call may block as long as PortAudio likes and may raise
anything: `drivers.microphone` bounds and translates. Touches no disk. Imports sounddevice, which initialises PortAudio
at once: load this module only when a microphone is opened. PortAudio's own buffer clock is not used: through a sound
server it jumps by 100 ms (measured); the sample count is the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sounddevice

from drivers.origin import HARDWARE_PCM, package_version, sound_device_origin
from drivers.overflow import OverflowEstimate
from edge.config import Microphone as MicrophoneSettings
from edge.ports import Clock, SourceOrigin

PutBlock = Callable[[bytes, int, int, int], None]
"""(pcm, samples, arrival_boottime_ns, missed_samples); called in PortAudio's callback: returns at once."""


class PortAudioStream:
    """A started input stream; the constructor leaves nothing open when it raises."""

    def __init__(self, settings: MicrophoneSettings, *, clock: Clock, put: PutBlock, ended: Callable[[], None]) -> None:
        """Start the stream; `ended` is called when PortAudio ends it, whoever asked for that."""
        self.overflows = 0
        self._put = put
        self._clock = clock
        self._estimate = OverflowEstimate(settings.rate_hz)
        self._stream = sounddevice.RawInputStream(
            **_wanted(settings),
            blocksize=settings.packet_samples,  # one block is one packet: its arrival is the packet's own
            latency=settings.latency_seconds,
            callback=self._take,
            finished_callback=ended,
        )
        try:
            name = sounddevice.query_devices(self._stream.device)["name"]
            self.through_a_server = HARDWARE_PCM.search(name) is None
            """Whether something that is no sound card stands between, which may put another source in its place."""
            self._stream.start()
        except Exception:
            self._stream.close()
            raise

    def _take(self, pcm: Any, samples: int, _times: Any, status: Any) -> None:
        arrival_ns = self._clock.boottime_ns()
        overflowed = bool(status.input_overflow)
        self.overflows += overflowed
        self._put(bytes(pcm), samples, arrival_ns, self._estimate.add(samples, arrival_ns, overflowed=overflowed))

    def release(self, *, lost: bool) -> None:
        """Stop and close. PortAudio's `stop` waits for its own thread, which in a frozen device never comes back
        (measured): a lost source is aborted, which ends that thread where it waits.
        """
        if lost:
            self._stream.abort()
        else:
            self._stream.stop()
        self._stream.close()


def check(settings: MicrophoneSettings, *, anew: bool) -> tuple[SourceOrigin, ...]:
    """Find the device and ask whether it takes rate and channels.

    PortAudio lists devices once, at its start: only `anew` a device plugged in since is known, and sounddevice has no
    public name for that. It ends every stream of this process, so it is left out while a call into one is stuck.
    """
    if anew:
        sounddevice._terminate()  # noqa: SLF001
        sounddevice._initialize()  # noqa: SLF001
    found = sounddevice.query_devices(settings.device, "input")
    sounddevice.check_input_settings(**_wanted(settings))
    host = sounddevice.query_hostapis(found["hostapi"])["name"]
    return (
        sound_device_origin(found["name"], host, sounddevice.get_portaudio_version()[1]),
        _part("sounddevice", package_version("sounddevice"), "between PortAudio and the encoder"),
        _part("PyAV", package_version("av"), "encoder"),
    )


def _wanted(settings: MicrophoneSettings) -> dict[str, Any]:
    return {
        "device": settings.device,
        "samplerate": settings.rate_hz,
        "channels": settings.channels,
        "dtype": "int16",
    }


def _part(component: str, version: str, evidence: str) -> SourceOrigin:
    """A component that works on the sound but cannot be its source."""
    return SourceOrigin(component=component, version=version, evidence=evidence, genuine=True)
