"""The world process as its parent sees it: what to set up, start it, know when it is ready, end it.

Owns the child process and the pipe that keeps it alive: when the parent dies, the pipe closes and the world ends with
its sound server. `python -m sim.world` is the process itself; only there are the room and the sound server imported.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sim.wiring import Wires

LONGEST_READY_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldPlan:
    """What a world is made of.

    `socket` is the sensor's socket; the levers are at the same path with ".control" added. `room` is the name on the
    room's sign. `picture` and `sound` play files instead of the drawn room and its speech; `stamp` paints the counter
    strip over the footage, which the drawn room always has. `truth` is a folder. `pulse` is the folder the sound
    server may use; without one the world has no microphone, and with `loudspeaker` it hears what is played in the room.
    `wires` says what hangs on the header; the pin port is at the sensor's path with ".pins" added. `around` is the
    folder of UPS, gas detector and board (`sim.field`); without one the world has none.
    """

    socket: Path
    width: int = 1280
    height: int = 720
    frames_per_second: int = 25
    room: str = "第一听证室"
    picture: Path | None = None
    sound: Path | None = None
    stamp: bool = False
    truth: Path | None = None
    pulse: Path | None = None
    loudspeaker: bool = False
    microphone_ppm: float = 0.0
    rate_hz: int = 48000
    channels: int = 1
    wires: Wires = field(default_factory=Wires)
    around: Path | None = None

    @property
    def pins(self) -> Path:
        """The pin port's socket."""
        return self.socket.with_name(self.socket.name + ".pins")

    @property
    def control(self) -> Path:
        """The levers' socket."""
        return self.socket.with_name(self.socket.name + ".control")

    def arguments(self) -> list[str]:
        """Return the command line that makes this world."""
        paths = {
            "--picture": self.picture,
            "--sound": self.sound,
            "--truth": self.truth,
            "--pulse-dir": self.pulse,
            "--around": self.around,
        }
        values = {
            "--socket": self.socket,
            "--width": self.width,
            "--height": self.height,
            "--fps": self.frames_per_second,
            "--room": self.room,
            "--microphone-ppm": self.microphone_ppm,
            "--rate": self.rate_hz,
            "--channels": self.channels,
            "--wires": json.dumps(self.wires.as_json()),
        } | {option: path for option, path in paths.items() if path is not None}
        flags = ["--stamp"] * self.stamp + ["--loudspeaker"] * self.loudspeaker
        return [f"{option}={value}" for option, value in values.items()] + flags


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldReady:
    """Where things are once a world is up; the fields of microphone or loudspeaker are empty in a world without one.

    `sound_environment` must be in a process's environment before PortAudio is initialised there. Only a process of its
    own may have `loudspeaker_environment`: it is another sound server.
    """

    sensor: Path
    control: Path
    pins: Path
    sound_device: str
    sound_environment: Mapping[str, str]
    loudspeaker_device: str = ""
    loudspeaker_environment: Mapping[str, str] = field(default_factory=dict)

    def line(self) -> str:
        """Return the ready line."""
        paths = {"sensor": str(self.sensor), "control": str(self.control), "pins": str(self.pins)}
        sound = {"sound_device": self.sound_device, "sound_environment": dict(self.sound_environment)}
        loudspeaker = {
            "loudspeaker_device": self.loudspeaker_device,
            "loudspeaker_environment": dict(self.loudspeaker_environment),
        }
        return json.dumps({"ready": paths | sound | loudspeaker})


class WorldUnavailable(Exception):
    """The world did not come up or did not end; the text says why, with what a person should do where that is known."""


class NoSoundServer(WorldUnavailable):
    """The sound server cannot be used here; the text says which packages are missing, Chinese first."""


class World:
    """A world process. One thread calls; `stop` may be called twice and after `kill`."""

    def __init__(self, plan: WorldPlan) -> None:
        """Plan a world; nothing runs yet."""
        self._plan = plan
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process_id(self) -> int:
        """The process id of a started world."""
        if self._process is None:
            raise WorldUnavailable("the world is not started")
        return self._process.pid

    def start(self, limit_seconds: float = 60.0) -> WorldReady:
        """Start the process and wait until everything in it is up; leaves nothing when it raises WorldUnavailable."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sim.world", *self._plan.arguments()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            return _ready(_first_line(self._process, limit_seconds))
        except BaseException:
            self.stop()
            raise

    def stop(self, limit_seconds: float = 10.0) -> None:
        """End the world in order and wait; raises WorldUnavailable when it had to be killed."""
        if self._process is None:
            return
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(limit_seconds)
        except subprocess.TimeoutExpired as late:
            self.kill()
            raise WorldUnavailable(f"the world did not end within {limit_seconds:.0f} s") from late
        finally:
            self._let_go()

    def kill(self) -> None:
        """End the world at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._let_go()

    def _let_go(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None


def _first_line(process: subprocess.Popen[bytes], limit_seconds: float) -> bytes:
    if process.stdout is None:
        raise WorldUnavailable("the world has no pipe to say that it is ready")
    deadline = time.monotonic() + limit_seconds
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n") and len(line) < LONGEST_READY_BYTES:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise WorldUnavailable(f"the world was not ready within {limit_seconds:.0f} s")
            chunk = os.read(process.stdout.fileno(), LONGEST_READY_BYTES)
            if not chunk:
                raise WorldUnavailable("the world ended before it was ready")
            line += chunk
    return line


def _ready(line: bytes) -> WorldReady:
    said = json.loads(line)
    if "ready" not in said:
        raise (NoSoundServer if said["sound_server"] else WorldUnavailable)(said["failed"])
    ready = said["ready"]
    return WorldReady(
        sensor=Path(ready["sensor"]),
        control=Path(ready["control"]),
        pins=Path(ready["pins"]),
        sound_device=ready["sound_device"],
        sound_environment=ready["sound_environment"],
        loudspeaker_device=ready["loudspeaker_device"],
        loudspeaker_environment=ready["loudspeaker_environment"],
    )


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the recorder's; the room stays until it has stopped
    from sim.backstage import main

    sys.exit(main())
