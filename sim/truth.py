"""What really happened in the simulated room, written by the world process so that no recorder can influence it.

Owns four files in one folder. `frames.jsonl` has a line per frame time of the sensor (counter, sensor CLOCK_BOOTTIME
in ns, whether the frame was delivered to the recorder without an error); `sound.pcm` has every sample the sound device
was given (s16le, interleaved); `moments.jsonl` has a line for the first of them and for the first after every loss
(its number in sound.pcm, the CLOCK_BOOTTIME in ns at which it began); `truth.json` says how to read them. A line or
block has left the process when the call that wrote it returns, so a killed world leaves a true beginning. `frame` is
called by the world's loop, `moment` and `sound` by the thread that feeds the sound device.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Witness(Protocol):
    """Somebody who is told what the sensors did."""

    def frame(self, counter: int, sensor_ns: int, delivered: bool) -> None:
        """Take note of one frame time of the sensor."""

    def sound(self, pcm: bytes) -> None:
        """Take note of sound the device was given."""

    def moment(self, sample: int, boottime_ns: int) -> None:
        """Take note of when a sample of the sound to come began; those after it follow at the device's rate."""

    def close(self) -> None:
        """End the testimony."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How to read the truth: PCM geometry, and where the counter strip lies in the picture."""

    rate: int
    channels: int
    strip: Mapping[str, int | str]

    def as_json(self) -> str:
        """Return the text of truth.json."""
        sound = {"rate": self.rate, "channels": self.channels}
        return json.dumps({"sound": sound, "strip": dict(self.strip)}, indent=2) + "\n"


class Truth:
    """The witness that writes the four files; raises OSError when the folder cannot be written."""

    def __init__(self, folder: Path, layout: Layout) -> None:
        """Start new files; what an earlier world wrote into this folder is replaced."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "truth.json").write_text(layout.as_json(), encoding="utf-8")
        self._frames = (folder / "frames.jsonl").open("w", encoding="ascii", buffering=1)
        self._moments = (folder / "moments.jsonl").open("w", encoding="ascii", buffering=1)
        self._sound = (folder / "sound.pcm").open("wb", buffering=0)

    def frame(self, counter: int, sensor_ns: int, delivered: bool) -> None:
        """Write one line."""
        line = {"counter": counter, "sensor_ns": sensor_ns, "delivered": delivered}
        self._frames.write(json.dumps(line, separators=(",", ":")) + "\n")

    def sound(self, pcm: bytes) -> None:
        """Write the samples."""
        view = memoryview(pcm)
        while view:
            view = view[self._sound.write(view) :]

    def moment(self, sample: int, boottime_ns: int) -> None:
        """Write one line."""
        line = {"sample": sample, "boottime_ns": boottime_ns}
        self._moments.write(json.dumps(line, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Close the files."""
        self._frames.close()
        self._moments.close()
        self._sound.close()


class NoTruth:
    """The witness of a world that keeps no truth."""

    def frame(self, counter: int, sensor_ns: int, delivered: bool) -> None:
        """Forget it."""

    def sound(self, pcm: bytes) -> None:
        """Forget it."""

    def moment(self, sample: int, boottime_ns: int) -> None:
        """Forget it."""

    def close(self) -> None:
        """Have nothing to close."""
