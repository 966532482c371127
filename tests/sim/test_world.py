"""The world process: how it comes up, what it hears, and that it never outlives its parent."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sim.levers import LeverStuck, Verb
from sim.libcamera.link import probe
from sim.sensor import Acquire, Hello, Wire
from sim.world import NoSoundServer, World, WorldPlan, WorldUnavailable
from tests.sim.simulated_camera import HEIGHT, WIDTH, running_world

pytestmark = [pytest.mark.realtime, pytest.mark.beside]
ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 20.0


def plan(folder: Path, **changes: Any) -> WorldPlan:
    return WorldPlan(socket=folder / "sensor", width=WIDTH, height=HEIGHT, **changes)


def descendants(process_id: int) -> list[int]:
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    return [each for child in children for each in (int(child), *descendants(int(child)))]


def ended(process_descriptor: int) -> bool:
    return bool(select.select([process_descriptor], [], [], LIMIT_SECONDS)[0])


def test_a_stopped_world_leaves_no_socket_behind(tmp_path: Path) -> None:
    world = World(plan(tmp_path))
    ready = world.start()
    assert ready.sensor.is_socket()
    assert ready.control.is_socket()
    world.stop()
    assert list(tmp_path.iterdir()) == []
    world.stop()


def test_a_world_ends_with_its_sound_server_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from sim.world import World, WorldPlan; folder = Path(sys.argv[1]);"
        "world = World(WorldPlan(socket=folder / 'sensor', width=640, height=360, pulse=folder));"
        "world.start(); print(world.process_id, flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, **pipes) as parent:  # type: ignore[call-overload]
        world = int(parent.stdout.readline())
        watched = [os.pidfd_open(process) for process in (world, *descendants(world))]
        assert len(watched) >= 2
        parent.kill()
    try:
        assert all(ended(process) for process in watched)
    finally:
        for process in watched:
            os.close(process)


def test_a_world_without_a_parent_ends_on_sigterm(tmp_path: Path) -> None:
    world = World(plan(tmp_path))
    world.start()
    watched = os.pidfd_open(world.process_id)
    os.kill(world.process_id, signal.SIGTERM)
    assert ended(watched)
    os.close(watched)
    world.stop()
    assert list(tmp_path.iterdir()) == []


def test_the_keyboards_interrupt_is_left_to_the_recorder(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene:
        os.kill(scene.world.process_id, signal.SIGINT)
        assert scene.levers.pull(Verb.LOOK).counter == 0
        assert probe(scene.plan.socket) is not None


def test_a_second_world_on_the_same_socket_is_refused_and_a_dead_ones_socket_is_taken_over(tmp_path: Path) -> None:
    first = World(plan(tmp_path))
    first.start()
    with pytest.raises(WorldUnavailable, match="belongs to a world that is running"):
        World(plan(tmp_path)).start()
    first.kill()
    second = World(plan(tmp_path))
    second.start()
    assert probe(tmp_path / "sensor") is not None
    second.stop()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"truth": Path("/proc/nothing")}, "nothing"),
        ({"picture": Path("/nothing.mp4")}, "nothing.mp4"),
        ({"width": 641}, "641"),
        ({"width": 320, "height": 180}, "strip"),
        ({"frames_per_second": 0}, "frames per second"),
    ],
)
def test_a_world_that_cannot_be_made_says_why(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    with pytest.raises(WorldUnavailable, match=what):
        World(replace(plan(tmp_path), **changes)).start()
    assert probe(tmp_path / "sensor") is None


def test_a_machine_without_sound_server_is_told_which_packages_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoSoundServer, match="apt-get install"):
        World(plan(tmp_path, pulse=tmp_path)).start()


@pytest.mark.parametrize("packet", [b"", b"\xff" * 9, b"\x08" + bytes(40), b"\x00" * 200])
def test_a_visitor_that_breaks_the_protocol_is_dropped_and_the_camera_stays(tmp_path: Path, packet: bytes) -> None:
    with running_world(tmp_path) as scene:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
            stranger.settimeout(LIMIT_SECONDS)
            stranger.connect(str(scene.plan.socket))
            stranger.send(packet)
            assert stranger.recv(100) == b""
        assert probe(scene.plan.socket) is not None


def test_a_visitor_that_was_not_greeted_cannot_acquire(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene:
        wire = Wire.connect(scene.plan.socket, LIMIT_SECONDS)
        wire.send(Acquire())
        assert wire.receive() is None
        wire.close()
        greeted = Wire.connect(scene.plan.socket, LIMIT_SECONDS)
        greeted.send(Hello(version=1))
        assert greeted.receive() is not None
        greeted.close()


def test_a_lever_that_does_not_exist_or_moves_nothing_here_is_refused(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene, pytest.raises(LeverStuck, match="sound-zero"):
        scene.levers.pull(Verb.SOUND_ZERO)
    with running_world(tmp_path) as scene:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
            stranger.settimeout(LIMIT_SECONDS)
            stranger.connect(str(scene.plan.control))
            for packet in (b"{}", b"nonsense", b'{"verb": "stall", "value": "x"}', b"[1]"):
                stranger.send(packet)
                assert "why" in json.loads(stranger.recv(1000))
        assert scene.levers.pull(Verb.LOOK).counter == 0


def test_every_lever_of_a_world_with_all_there_is_can_be_pulled(tmp_path: Path) -> None:
    with running_world(tmp_path, pulse=tmp_path, around=tmp_path / "around") as scene:
        assert scene.levers.wiring().contact_closed  # without a relay the power is always there
        for verb in Verb:
            if verb not in (Verb.READ_WIRING, Verb.AWAIT_CONTACT):
                scene.levers.pull(verb)
        assert probe(scene.plan.socket) is not None


def test_sound_reaches_portaudio_bit_exactly_as_the_truth_has_it(tmp_path: Path) -> None:
    world = World(plan(tmp_path, pulse=tmp_path, truth=tmp_path / "truth"))
    ready = world.start()
    try:
        script = (
            "import sys, sounddevice; stream = sounddevice.RawInputStream(device=sys.argv[1], samplerate=48000,"
            "channels=1, dtype='int16', latency=0.2); stream.start(); sound = bytes(stream.read(72000)[0]);"
            "stream.stop(); sys.stdout.buffer.write(sound)"
        )
        heard = subprocess.run(
            [sys.executable, "-c", script, ready.sound_device],
            env=dict(os.environ) | dict(ready.sound_environment),
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
    finally:
        world.stop()
    truth = (tmp_path / "truth" / "sound.pcm").read_bytes()
    assert len(heard) == 144_000
    assert len(set(heard)) > 50
    assert truth.find(heard) % 2 == 0
    assert truth.find(heard[:-2] + bytes([heard[-2] ^ 1, heard[-1]])) == -1
