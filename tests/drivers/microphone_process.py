"""A process with a microphone, for tests: PortAudio reads its environment once, so each sound world needs its own.

Reads one command a line ("start", "stop", "open", "lost", "samples N") and answers each with one line of JSON; what a
driver refuses is an answer too. "stop" writes the FLAC packets of the run to the file named on the command line.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import sounddevice

from drivers.microphone import PortAudioMicrophone
from drivers.sound_server import attached_sources
from drivers.system_clock import SystemClock
from edge.config import Microphone as MicrophoneSettings
from edge.ports import HardwareFault, SoundPacket, SourceLost
from sim.held_calls import LibraryProxy, held
from tests.drivers.deliveries import LIMIT_SECONDS, Deliveries

CHECKING_CALLS = (
    "Pa_Terminate", "Pa_Initialize", "Pa_GetDeviceCount", "Pa_GetDeviceInfo", "Pa_IsFormatSupported",
    "Pa_GetHostApiInfo", "Pa_GetVersionText",
)  # fmt: skip


class Session:
    """The driver under test and what it delivered in the last run."""

    def __init__(self, device: str, rate_hz: int, file: Path, claim_seconds: float) -> None:
        settings = MicrophoneSettings(device=device, rate_hz=rate_hz, channels=2)
        self.driver = PortAudioMicrophone(settings, SystemClock(), claim_seconds=claim_seconds)
        self.file = file
        self.streaminfo = b""
        self.deliveries = Deliveries()
        self.holding = ExitStack()

    def open(self) -> dict[str, Any]:
        self.streaminfo = self.driver.open().streaminfo
        return {part.component: part.genuine for part in self.driver.origin()}

    def start(self) -> dict[str, Any]:
        self.streaminfo = self.driver.open().streaminfo
        self.deliveries = Deliveries()
        self.driver.start(self.deliveries)
        return {}

    def samples(self, wanted: str) -> dict[str, Any]:
        enough = self.deliveries.wait_for(lambda: self.deliveries.samples() >= int(wanted))
        return {"samples": self.deliveries.samples(), "enough": enough}

    def lost(self) -> dict[str, Any]:
        lost = self.deliveries.wait_for_loss()
        arrival_ns = self.deliveries.of(SoundPacket)[-1].arrival_boottime_ns
        silence_ns = lost.boottime_ns - arrival_ns
        return {"stream": lost.stream, "what": lost.what, "silence_ns": silence_ns, "cause": lost.cause.name}

    def watched(self) -> dict[str, Any]:
        """What the sound server says this process records, once it says something."""
        until = time.monotonic() + LIMIT_SECONDS
        while not (sources := attached_sources()) and time.monotonic() < until:
            pass
        return {"first": sorted(sources or ())}

    def limit(self, seconds: str) -> dict[str, Any]:
        """From now on each call into PortAudio may take so long."""
        self.driver._claim_seconds = float(seconds)
        return {}

    def hold(self, call: str) -> dict[str, Any]:
        """Let this call into PortAudio never come back; the next `open` looks at the device again."""
        if not isinstance(sounddevice._lib, LibraryProxy):
            sounddevice._lib = LibraryProxy(sounddevice._lib)
        if self.driver._stream is None and call in CHECKING_CALLS:
            self.driver._checked = None
        self.holding.enter_context(held(sounddevice._lib, call))
        return {}

    def let_go(self) -> dict[str, Any]:
        """Let what is held go on."""
        self.holding.close()
        return {}

    def until_free(self) -> dict[str, Any]:
        """Wait until no call into PortAudio is stuck any more."""
        for thread in threading.enumerate():
            if thread.name.startswith("microphone-"):
                thread.join(LIMIT_SECONDS)
        return {"free": not any(thread.name.startswith("microphone-") for thread in threading.enumerate())}

    def stop(self, limit_seconds: str = "5") -> dict[str, Any]:
        try:
            self.driver.stop(float(limit_seconds))
        finally:
            packets = self.deliveries.of(SoundPacket)
            self.file.write_bytes(
                b"fLaC\x80\x00\x00\x22" + self.streaminfo + b"".join(packet.payload for packet in packets)
            )
        return {
            "ranges": [(packet.first_sample, packet.samples, packet.missed_samples) for packet in packets],
            "arrivals": [packet.arrival_boottime_ns for packet in packets],
            "losses": len(self.deliveries.of(SourceLost)),
        }


def main() -> None:
    """Serve commands until end of file."""
    session = Session(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
    for line in sys.stdin:
        verb, *words = line.split()
        try:
            answer = getattr(session, verb)(*words)
        except HardwareFault as fault:
            remedies = {"remedy_zh": fault.remedy_zh, "remedy_en": fault.remedy_en}
            answer = {"fault": str(fault), "kind": fault.kind.name} | remedies
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
