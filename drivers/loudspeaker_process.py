"""The process that plays: PortAudio's output alone, so that a driver that hangs takes nobody along.

PortAudio may not be called from two threads, and the microphone starts it anew when it looks for its device, which
would end any output beside it: so the loudspeaker has a process, and PortAudio, of its own. It gets all prompts in
one memory file, reads one line of JSON per prompt on standard input (`{"at": byte, "bytes": count}`), and answers with
one line on standard output: `{"from_ns": ..., "to_ns": ...}` or `{"failed": words}`. It ends when its input does.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import sys
import threading
import time
from typing import Any

LATENCY_SECONDS = 0.1
SLACK_SECONDS = 4.0
_SAMPLE_BYTES = 2


class Playing:
    """PortAudio's callback for one prompt: it copies, and says when the first sample was taken and whether all were."""

    def __init__(self, pcm: bytes, stop: type[Exception]) -> None:
        self.began_ns: int | None = None
        self.complete = False
        self._pcm = pcm
        self._at = 0
        self._stop = stop

    def __call__(self, out: Any, _frames: int, _times: Any, _status: Any) -> None:
        """Fill one block."""
        if self.began_ns is None:
            self.began_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        part = self._pcm[self._at : self._at + len(out)]
        self._at += len(part)
        out[:] = part + bytes(len(out) - len(part))
        if self._at >= len(self._pcm):
            self.complete = True
            raise self._stop


def play(sounddevice: Any, settings: argparse.Namespace, pcm: bytes) -> dict[str, int]:
    """Play s16le mono to its end; raises whatever PortAudio says, TimeoutError, or OSError where it ended early."""
    seconds = len(pcm) / (_SAMPLE_BYTES * settings.rate)
    # Silence behind the prompt, so that closing the stream cuts nothing that still waits in a buffer.
    tail = bytes(round(2 * LATENCY_SECONDS * settings.rate) * _SAMPLE_BYTES)
    playing, over = Playing(_spread(pcm + tail, settings.channels), sounddevice.CallbackStop), threading.Event()
    stream = sounddevice.RawOutputStream(
        device=settings.device,
        samplerate=settings.rate,
        channels=settings.channels,
        dtype="int16",
        latency=LATENCY_SECONDS,
        callback=playing,
        finished_callback=over.set,
    )
    with stream:
        finished = over.wait(seconds + SLACK_SECONDS)
        latency_ns = round(stream.latency * 1e9)
    if not finished:
        raise TimeoutError("the sound system takes no samples")
    if playing.began_ns is None or not playing.complete:
        raise RuntimeError("the sound system ended the stream")
    from_ns = playing.began_ns + latency_ns
    return {"from_ns": from_ns, "to_ns": from_ns + round(seconds * 1e9)}


def _spread(pcm: bytes, channels: int) -> bytes:
    samples = memoryview(pcm).cast("h")
    return b"".join(bytes(samples[n : n + 1]) * channels for n in range(len(samples))) if channels > 1 else pcm


def answer(settings: argparse.Namespace, pcm: bytes) -> dict[str, Any]:
    """Play, looking for the devices anew where the first attempt fails; what goes wrong is an answer too."""
    try:
        import sounddevice  # noqa: PLC0415 - PortAudio may not be installed

        try:
            return play(sounddevice, settings, pcm)
        except (sounddevice.PortAudioError, ValueError):
            # PortAudio lists devices once, at its start: one plugged in since is unknown to it.
            sounddevice._terminate()  # noqa: SLF001 - it has no public name
            sounddevice._initialize()  # noqa: SLF001
            return play(sounddevice, settings, pcm)
    except Exception as failure:  # noqa: BLE001 - the top of a process: told to the recorder, which goes on
        return {"failed": f"{type(failure).__name__}: {failure}"}


def main() -> int:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m drivers.loudspeaker_process")
    parser.add_argument("--memory", type=int, required=True, help="file descriptor of the prompts' samples")
    parser.add_argument("--device", required=True)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--channels", type=int, required=True)
    settings = parser.parse_args()
    with contextlib.suppress(Exception):  # told with the first prompt, which tries again
        importlib.import_module("sounddevice")  # PortAudio looks at all devices: not while somebody waits
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        said = answer(settings, os.pread(settings.memory, asked["bytes"], asked["at"]))
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    # Every answer has been given; PortAudio's orderly end at exit could hang in the driver that hung before.
    status = main()
    os._exit(status)
