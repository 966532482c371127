"""The simulated loudspeaker: what a process plays on ALSA's `simspeaker` is heard by the room's microphone.

Owns a sound server of its own (the microphone's may have no other source, and every sink brings one) and the reading
end of the FIFO its sink writes; on disk one private folder, removed by `stop`. `read` is called by the thread that
feeds the microphone and never waits.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy

from sim.pulse_server import PulseServer
from sim.scene import SoundSource

DEVICE = "simspeaker"
LEAD_MILLISECONDS = 60
"""How much is gathered before it is heard: the server writes in pieces of up to 50 ms, and a hole would be a click."""
BACKLOG_SECONDS = 2
_READ_BYTES = 65536
_SAMPLE_BYTES = 2


class Loudspeaker:
    """A loudspeaker in the room, at `rate_hz`, one channel (implements `SoundSource`)."""

    device = DEVICE

    def __init__(self, *, rate_hz: int, parent: Path | None = None) -> None:
        self._rate_hz = rate_hz
        self._server = PulseServer(device=DEVICE, module="module-pipe-sink", parent=parent, prefix="out-")
        self._pipe: int | None = None
        self._sound = _Lead(lead_bytes=rate_hz * LEAD_MILLISECONDS // 1000 * _SAMPLE_BYTES)

    def start(self, limit_seconds: float = 10.0) -> None:
        """Start the server; PulseUnavailable (package missing, no answer) leaves nothing."""
        arguments = (
            f"sink_name={DEVICE}",
            "format=s16le",
            f"rate={self._rate_hz}",
            "channels=1",
            "use_system_clock_for_timing=yes",
        )
        try:
            self._server.prepare()
            fifo = self._server.inside("out.fifo")
            self._server.start((*arguments, f'file="{fifo}"'), "list-sinks", limit_seconds)
            self._pipe = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except BaseException:
            self.stop()
            raise

    def stop(self, limit_seconds: float = 5.0) -> None:
        """End the server and remove the folder, once nobody reads any more; a second call does nothing."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        self._server.stop(limit_seconds)

    def environment(self) -> Mapping[str, str]:
        """Return the variables a process that plays needs before PortAudio is first initialised in it."""
        return self._server.environment()

    def read(self, samples: int) -> bytes:
        """Return the next `samples` of what is played, s16le; silence where nothing is."""
        self._sound.add(self._played())
        return self._sound.take(samples * _SAMPLE_BYTES)

    def _played(self) -> bytes:
        heard = b""
        while self._pipe is not None and len(heard) < BACKLOG_SECONDS * self._rate_hz * _SAMPLE_BYTES:
            try:
                piece = os.read(self._pipe, _READ_BYTES)
            except BlockingIOError:
                break
            if not piece:
                break  # the server is gone
            heard += piece
        return heard


class _Lead:
    """Sound that comes in pieces, given out evenly: silence is dropped, and what follows it waits for its lead."""

    def __init__(self, *, lead_bytes: int) -> None:
        self._lead_bytes = lead_bytes
        self._waiting = b""
        self._flowing = False

    def add(self, pcm: bytes) -> None:
        self._waiting += pcm
        if not self._waiting.strip(b"\0"):
            self._waiting, self._flowing = b"", False
        elif not self._flowing:
            quiet = len(self._waiting) - len(self._waiting.lstrip(b"\0"))
            self._waiting = self._waiting[quiet - quiet % _SAMPLE_BYTES :]
            self._flowing = len(self._waiting) >= self._lead_bytes

    def take(self, wanted: int) -> bytes:
        if not self._flowing:
            return bytes(wanted)
        taken, self._waiting = self._waiting[:wanted], self._waiting[wanted:]
        return taken + bytes(wanted - len(taken))


class Overheard:
    """A SoundSource in whose room a loudspeaker plays: both are heard, in every channel, clipped as a microphone is."""

    def __init__(self, sound: SoundSource, loudspeaker: SoundSource, channels: int) -> None:
        self._sound = sound
        self._loudspeaker = loudspeaker
        self._channels = channels

    def read(self, samples: int) -> bytes:
        """Return the next `samples` per channel as s16le interleaved."""
        room = numpy.frombuffer(self._sound.read(samples), "<i2").reshape(samples, self._channels)
        played = numpy.frombuffer(self._loudspeaker.read(samples), "<i2")
        if not played.any():
            return room.tobytes()
        mixed = room.astype(numpy.int32) + (played.astype(numpy.int32) // 2)[:, None]
        return mixed.clip(-32768, 32767).astype("<i2").tobytes()
