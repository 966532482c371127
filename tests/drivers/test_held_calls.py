"""Whichever call into libcamera or PortAudio never comes back, the driver says so in time and is of use afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.camera import PicameraCamera
from drivers.caption import LocalClock
from drivers.system_clock import SystemClock
from edge.config import Camera as CameraSettings
from edge.ports import FaultKind, HardwareFault, SourceLost
from sim.held_calls import held
from sim.libcamera.camera import Camera
from sim.libcamera.manager import CameraManager
from sim.pulse import PulseUnavailable
from tests.drivers.deliveries import Deliveries
from tests.drivers.microphone_process import CHECKING_CALLS
from tests.drivers.test_microphone import Room
from tests.required import unavailable
from tests.sim.simulated_camera import HEIGHT, WIDTH, Scene, running_world

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.beside,
    pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning"),  # in picamera2.previews.null_preview
]
CLAIM_SECONDS = 1.0
STOP_SECONDS = 0.5
GENEROUS_SECONDS = 10.0
SLACK_SECONDS = 4.0
"""For everything beside the held call, on a busy machine."""

AT_CLAIM = [
    (CameraManager, "cameras"),
    (Camera, "acquire"),
    (Camera, "generate_configuration"),
    (Camera, "configure"),
    (Camera, "create_request"),
    (Camera, "start"),
    (Camera, "queue_request"),
]
AT_STOP = [(Camera, "stop"), (Camera, "release")]
WHILE_RUNNING = [(CameraManager, "get_ready_requests"), (Camera, "queue_request")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_world(tmp_path_factory.mktemp("world")) as scene:
        yield scene


@pytest.fixture
def driver(world: Scene) -> Iterator[PicameraCamera]:
    settings = CameraSettings(width=WIDTH, height=HEIGHT)
    driver = PicameraCamera(
        settings, LocalClock(clock=SystemClock(), utc_offset_minutes=480), claim_seconds=GENEROUS_SECONDS
    )
    driver.open()  # picamera2 is loaded now
    driver.stop(GENEROUS_SECONDS)
    driver._claim_seconds = CLAIM_SECONDS
    yield driver
    wait_for_stuck_calls()
    driver._claim_seconds = GENEROUS_SECONDS
    again = Deliveries()
    driver.start(again, "afterwards")
    again.wait_for_pictures(3)
    driver.stop(GENEROUS_SECONDS)


def wait_for_stuck_calls() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("camera-"):
            thread.join(GENEROUS_SECONDS)
            assert not thread.is_alive(), thread.name


@contextmanager
def in_time(limit_seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < limit_seconds + SLACK_SECONDS


def name_of(parameter: object) -> str:
    return parameter.__name__ if isinstance(parameter, type) else str(parameter)


@pytest.mark.parametrize(("owner", "call"), AT_CLAIM, ids=name_of)
def test_a_call_that_hangs_at_the_start_is_told_within_its_limit(
    driver: PicameraCamera, owner: type, call: str
) -> None:
    with held(owner, call) as entered, in_time(2 * CLAIM_SECONDS):
        with pytest.raises(HardwareFault) as caught:
            driver.start(Deliveries(), "held")
        assert entered.is_set()
        assert caught.value.kind is FaultKind.STUCK
        assert "重新启动录制进程" in caught.value.remedy_zh


@pytest.mark.parametrize(("owner", "call"), AT_STOP, ids=name_of)
def test_a_call_that_hangs_at_the_end_is_told_within_its_limit(driver: PicameraCamera, owner: type, call: str) -> None:
    deliveries = Deliveries()
    driver._claim_seconds = GENEROUS_SECONDS
    driver.start(deliveries, "held")
    deliveries.wait_for_pictures(3)
    with held(owner, call) as entered, in_time(STOP_SECONDS):
        with pytest.raises(HardwareFault) as caught:
            driver.stop(STOP_SECONDS)
        assert entered.is_set()
        assert caught.value.kind is FaultKind.STUCK


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # picamera2's thread, let go late
@pytest.mark.parametrize(("owner", "call"), WHILE_RUNNING, ids=name_of)
def test_a_call_that_hangs_in_the_librarys_own_thread_is_a_lost_source(
    driver: PicameraCamera, owner: type, call: str
) -> None:
    deliveries = Deliveries()
    driver._claim_seconds = GENEROUS_SECONDS
    driver.start(deliveries, "held")
    deliveries.wait_for_pictures(3)
    with held(owner, call) as entered:
        lost = deliveries.wait_for_loss()
        assert entered.is_set()
        silence_ns = lost.boottime_ns - deliveries.wait_for_pictures(3)[-1].boottime_ns
        assert 900_000_000 < silence_ns < 2_500_000_000
        with in_time(STOP_SECONDS + 2.0):
            try:
                driver.stop(STOP_SECONDS)
            except HardwareFault as fault:
                assert fault.kind is FaultKind.STUCK
    assert len(deliveries.of(SourceLost)) == 1


def test_calls_that_are_stuck_are_bounded_in_number(driver: PicameraCamera) -> None:
    with held(Camera, "acquire"):
        for _ in range(8):
            with pytest.raises(HardwareFault) as caught:
                driver.open()
            assert caught.value.kind is FaultKind.STUCK
        stuck = [thread for thread in threading.enumerate() if thread.name.startswith("camera-")]
        assert len(stuck) == 3


OF_PORTAUDIO = {
    "open": CHECKING_CALLS,
    "start": ("Pa_OpenStream", "Pa_GetStreamInfo", "Pa_SetStreamFinishedCallback", "Pa_StartStream"),
    "stop": ("Pa_StopStream", "Pa_CloseStream"),
    "stop of a lost one": ("Pa_AbortStream",),
}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    room = Room(tmp_path_factory.mktemp("m"))
    try:
        room.source.start()
    except PulseUnavailable as trouble:
        unavailable(str(trouble))
    try:
        yield room
    finally:
        room.source.stop()


@pytest.mark.parametrize(("moment", "call"), [(m, c) for m, calls in OF_PORTAUDIO.items() for c in calls])
def test_a_call_into_portaudio_that_hangs_is_told_within_its_limit(room: Room, moment: str, call: str) -> None:
    with room.recorder(claim_seconds=GENEROUS_SECONDS) as recorder:
        recorder.ask("open")
        if moment.startswith("stop"):
            recorder.ask("start")
            recorder.ask("samples 5000")
        if moment == "stop of a lost one":
            room.source.freeze()
            recorder.ask("lost")
        recorder.ask(f"limit {CLAIM_SECONDS}")
        recorder.ask(f"hold {call}")
        try:
            with in_time(CLAIM_SECONDS):
                answer = recorder.ask({"open": "open", "start": "start"}.get(moment, f"stop {STOP_SECONDS}"))
        finally:
            room.source.thaw()
        assert answer.get("kind") == "STUCK", answer
        recorder.ask("let_go")
        assert recorder.ask("until_free") == {"free": True}
        recorder.ask(f"limit {GENEROUS_SECONDS}")
        assert recorder.ask("start") == {}
        assert recorder.ask("samples 5000")["enough"]


def test_nothing_held_means_nothing_told(world: Scene, tmp_path: Path) -> None:
    """The negative control of every test above."""
    driver = PicameraCamera(
        CameraSettings(width=WIDTH, height=HEIGHT), LocalClock(clock=SystemClock(), utc_offset_minutes=480)
    )
    deliveries = Deliveries()
    driver.start(deliveries, "free")
    deliveries.wait_for_pictures(3)
    driver.stop(GENEROUS_SECONDS)
    assert deliveries.of(SourceLost) == []
