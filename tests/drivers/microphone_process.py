"""A process with a microphone, for tests: PortAudio reads its environment once, so each sound world needs its own.

Reads one command a line ("start", "stop", "open", "lost", "samples N") and answers each with one line of JSON; what a
driver refuses is an answer too. "stop" writes the FLAC packets of the run to the file named on the command line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from drivers.microphone import PortAudioMicrophone
from drivers.system_clock import SystemClock
from edge.config import Microphone as MicrophoneSettings
from edge.ports import HardwareFault, SoundPacket, SourceLost
from tests.drivers.deliveries import Deliveries


class Session:
    """The driver under test and what it delivered in the last run."""

    def __init__(self, device: str, rate_hz: int, file: Path) -> None:
        settings = MicrophoneSettings(device=device, rate_hz=rate_hz, channels=2)
        self.driver = PortAudioMicrophone(settings, SystemClock())
        self.file = file
        self.streaminfo = b""
        self.deliveries = Deliveries()

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
        return {"stream": lost.stream, "what": lost.what, "silence_ns": lost.boottime_ns - arrival_ns}

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
    session = Session(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    for line in sys.stdin:
        verb, *words = line.split()
        try:
            answer = getattr(session, verb)(*words)
        except HardwareFault as fault:
            answer = {"fault": str(fault), "remedy_zh": fault.remedy_zh, "remedy_en": fault.remedy_en}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
