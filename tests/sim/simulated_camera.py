"""A simulated world with the unmodified picamera2 in front of it, for tests; everything it starts ends with it."""

from __future__ import annotations

import importlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy

from sim import strip
from sim.install import install
from sim.levers import Levers, Verb
from sim.world import World, WorldPlan

WIDTH, HEIGHT, FRAMES_PER_SECOND = 640, 360, 25
FRAME_NS = 1_000_000_000 // FRAMES_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A running world, its levers and where its truth is."""

    world: World
    levers: Levers
    plan: WorldPlan

    def frames(self) -> list[dict[str, Any]]:
        assert self.plan.truth is not None
        lines = (self.plan.truth / "frames.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def await_frames(self, count: int) -> None:
        self.levers.pull(Verb.AWAIT_COUNTER, self.levers.pull(Verb.LOOK).counter + count)


@contextmanager
def running_world(folder: Path, **changes: Any) -> Iterator[Scene]:
    plan = WorldPlan(
        socket=folder / "sensor",
        width=WIDTH,
        height=HEIGHT,
        frames_per_second=FRAMES_PER_SECOND,
        truth=folder / "truth",
    )
    plan = replace(plan, **changes)
    world = World(plan)
    ready = world.start()
    try:
        install(ready.sensor)
        with Levers(ready.control) as levers:
            yield Scene(world=world, levers=levers, plan=plan)
    finally:
        world.kill()


@contextmanager
def opened_camera(*, frame_rate: float = FRAMES_PER_SECOND, lores: bool = True) -> Iterator[Any]:
    camera = importlib.import_module("picamera2").Picamera2()  # only now: `install` comes before
    try:
        camera.configure(
            camera.create_video_configuration(
                main={"size": (WIDTH, HEIGHT), "format": "YUV420"},
                lores={"size": (WIDTH // 2, HEIGHT // 2), "format": "YUV420"} if lores else None,
                controls={"FrameRate": frame_rate},
                buffer_count=6,
            )
        )
        yield camera
    finally:
        camera.close()


@contextmanager
def recording(camera: Any, path: Path) -> Iterator[None]:
    encoder = importlib.import_module("picamera2.encoders").LibavH264Encoder(bitrate=1_000_000, iperiod=25)
    camera.start_recording(encoder, importlib.import_module("picamera2.outputs").FileOutput(str(path)))
    try:
        yield
    finally:
        camera.stop_recording()


def decoded_counters(path: Path) -> list[int | None]:
    """Return the counter of every picture in a file, decoded by the ffmpeg command."""
    options = ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray"]
    command = ["ffmpeg", "-v", "error", "-i", str(path), *options, "-"]
    pictures = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    luma = numpy.frombuffer(pictures, numpy.uint8).reshape(-1, HEIGHT, WIDTH)
    return [strip.read(picture) for picture in luma]
