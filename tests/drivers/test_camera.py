"""The camera driver on the unmodified picamera2 over the simulated sensor, in real time."""

from __future__ import annotations

import errno
import itertools
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.camera import PicameraCamera
from drivers.caption import LocalClock
from drivers.system_clock import SystemClock
from edge.config import Camera as CameraSettings
from edge.config import Checks
from edge.ports import (
    FaultKind,
    Hardware,
    HardwareFault,
    PictureFormat,
    PictureMeasure,
    PicturePacket,
    Side,
    SideMeasure,
    SourceLost,
    Stream,
)
from edge.precheck import Seen, Sight
from edge.source_look import look
from sim import strip
from sim.levers import Verb
from tests.drivers.deliveries import Deliveries
from tests.sim.simulated_camera import FRAME_NS, HEIGHT, WIDTH, Scene, running_world

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.beside,
    pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning"),  # in picamera2.previews.null_preview
]

LIMIT_SECONDS = 10.0
CAPTION = "第一听证室 S-1"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_world(tmp_path_factory.mktemp("world")) as scene:
        yield scene


def camera(**changes: Any) -> PicameraCamera:
    settings = {"width": WIDTH, "height": HEIGHT, "bitrate_bits_per_second": 1_000_000} | changes
    return PicameraCamera(CameraSettings(**settings), LocalClock(clock=SystemClock(), utc_offset_minutes=480))


@contextmanager
def running(driver: PicameraCamera) -> Iterator[Deliveries]:
    deliveries = Deliveries()
    driver.start(deliveries, CAPTION)
    try:
        yield deliveries
    finally:
        driver.stop(LIMIT_SECONDS)


def recorded(driver: PicameraCamera, count: int) -> Deliveries:
    with running(driver) as deliveries:
        deliveries.wait_for_pictures(count)
    return deliveries


def pictures(packets: list[PicturePacket], folder: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The luma of all pictures, decoded by the ffmpeg command."""
    file = folder / "picture.h264"
    file.write_bytes(b"".join(packet.payload for packet in packets))
    options = ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray"]
    command = ["ffmpeg", "-v", "error", "-i", str(file), *options, "-"]
    output = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    return np.frombuffer(output, np.uint8).reshape(-1, HEIGHT, WIDTH)


def nal_kinds(payload: bytes) -> list[int]:
    """The nal_unit_type of every unit after a start code (H.264, Annex B)."""
    return [part[0] & 31 for part in payload.split(b"\x00\x00\x01")[1:]]


@pytest.mark.oracle
def test_every_frame_comes_once_in_order_with_the_sensors_time(world: Scene, tmp_path: Path) -> None:
    packets = recorded(camera(), 60).of(PicturePacket)
    counters = [strip.read(picture) for picture in pictures(packets, tmp_path)]
    times = {frame["counter"]: frame["sensor_ns"] for frame in world.frames()}
    assert counters[0] is not None
    assert counters == list(range(counters[0], counters[0] + len(packets)))
    assert [packet.boottime_ns // 1000 for packet in packets] == [times[counter] // 1000 for counter in counters]
    assert {packet.missed_frames for packet in packets} == {0}


@pytest.mark.parametrize(
    ("view", "sight"), [(Verb.SEE_ROOM, Sight.WELL), (Verb.SEE_DARK, Sight.PICTURE_BLACK)], ids=["room", "dark"]
)
def test_a_look_through_the_driver_says_what_the_camera_sees_and_gives_it_back(
    world: Scene, view: Verb, sight: Sight
) -> None:
    world.levers.pull(view)
    driver = camera()
    try:
        found = look(Hardware(camera=driver, microphone=None, clock=SystemClock()), Checks(), 48_000, lambda: True)
    finally:
        world.levers.pull(Verb.SEE_ROOM)
    assert found == {Stream.PICTURE: Seen(sight=sight), Stream.SOUND: Seen(sight=Sight.NOT_FITTED)}
    assert len(recorded(camera(), 5).of(PicturePacket)) >= 5  # nobody holds it any more


def test_a_keyframe_comes_every_second_with_its_parameter_sets(world: Scene) -> None:
    packets = recorded(camera(), 60).of(PicturePacket)
    assert [number for number, packet in enumerate(packets[:60]) if packet.keyframe] == [0, 25, 50]
    kinds = {packet.keyframe: nal_kinds(packet.payload) for packet in packets[10:40]}
    assert kinds[True][:2] == [7, 8]
    assert 5 in kinds[True]
    assert set(kinds[False]) == {1}


def test_a_change_of_scene_makes_no_keyframe(world: Scene) -> None:
    with running(camera(preset="veryfast")) as deliveries:
        deliveries.wait_for_pictures(10)
        world.levers.pull(Verb.SEE_NOISE)
        try:
            deliveries.wait_for_pictures(20)
        finally:
            world.levers.pull(Verb.SEE_ROOM)
        packets = deliveries.wait_for_pictures(30)
    assert [number for number, packet in enumerate(packets[:30]) if packet.keyframe] == [0, 25]


def test_a_forced_keyframe_comes_at_once_and_restarts_the_second(world: Scene) -> None:
    driver = camera()
    with running(driver) as deliveries:
        deliveries.wait_for_pictures(35)
        driver.force_keyframe()
        asked = len(deliveries.of(PicturePacket))
        packets = deliveries.wait_for_pictures(asked + 40)
    keyframes = [number for number, packet in enumerate(packets) if packet.keyframe]
    assert keyframes[:2] == [0, 25]
    assert asked <= keyframes[2] <= asked + 3
    assert keyframes[3] == keyframes[2] + 25


def test_a_hot_board_s_bitrate_is_taken_at_once_held_over_a_restart_and_costs_no_frame(world: Scene) -> None:
    driver = camera(hot_bitrate_bits_per_second=250_000)
    with running(driver) as deliveries:
        deliveries.wait_for_pictures(75)
        driver.ease(True)
        packets = deliveries.wait_for_pictures(175)
    assert all(packet.missed_frames == 0 for packet in packets)
    again = recorded(driver, 75).of(PicturePacket)
    usual, eased, restarted = (
        sum(len(one.payload) for one in part) for part in (packets[25:75], packets[100:150], again[25:75])
    )
    assert eased < usual / 2
    assert restarted < usual / 2


def test_frames_the_sensor_lost_are_counted_where_they_are_missing(world: Scene) -> None:
    with running(camera()) as deliveries:
        deliveries.wait_for_pictures(10)
        world.levers.pull(Verb.DAMAGE, 3)
        deliveries.wait_for_pictures(25)
    packets = deliveries.of(PicturePacket)
    missed = [packet.missed_frames for packet in packets]
    gap = missed.index(3)
    assert sum(missed) == 3
    assert round((packets[gap].boottime_ns - packets[gap - 1].boottime_ns) / FRAME_NS) == 4


def test_a_sensor_that_falls_silent_is_lost_once_and_can_be_started_again(world: Scene) -> None:
    driver = camera()
    with running(driver) as deliveries:
        deliveries.wait_for_pictures(5)
        world.levers.pull(Verb.STALL)
        try:
            lost = deliveries.wait_for_loss()
        finally:
            world.levers.pull(Verb.RESUME)
        world.await_frames(10)
    assert lost.stream is Stream.PICTURE
    assert deliveries.kept[-1] is lost
    silence_ns = lost.boottime_ns - deliveries.of(PicturePacket)[-1].boottime_ns
    assert 1_000_000_000 <= silence_ns < 1_500_000_000
    assert recorded(driver, 3).of(SourceLost) == []


def test_a_camera_that_vanishes_is_lost_then_absent_and_then_back(world: Scene) -> None:
    driver = camera()
    with running(driver) as deliveries:
        deliveries.wait_for_pictures(3)
        world.levers.pull(Verb.VANISH)
        deliveries.wait_for_loss()
    try:
        with pytest.raises(HardwareFault, match="absent") as caught:
            driver.open()
        assert caught.value.device == "camera"
        assert "排线" in caught.value.remedy_zh
    finally:
        world.levers.pull(Verb.RETURN)
    recorded(driver, 3)


def test_a_start_that_hangs_is_reported_and_what_it_brings_too_late_is_given_back(world: Scene) -> None:
    driver = camera()
    driver.open()
    driver._claim_seconds = 0.5
    deliveries = Deliveries()
    world.levers.pull(Verb.HANG_START)
    try:
        with pytest.raises(HardwareFault, match="camera-start took longer") as caught:
            driver.start(deliveries, CAPTION)
    finally:
        world.levers.pull(Verb.ANSWER_START)
    assert caught.value.kind is FaultKind.STUCK
    for thread in [thread for thread in threading.enumerate() if thread.name == "camera-start"]:
        thread.join(LIMIT_SECONDS)
    assert deliveries.of(PicturePacket) == []
    driver._claim_seconds = LIMIT_SECONDS
    recorded(driver, 3)


def test_a_stop_that_hangs_in_picamera2_leaves_the_camera_to_a_fresh_one_in_the_same_process(world: Scene) -> None:
    driver = camera()
    first, let_go = Deliveries(), threading.Event()
    driver.start(first, CAPTION)
    first.wait_for_pictures(3)
    assert driver._session is not None
    encoder, ended = driver._session._encoder, threading.Event()
    stop = encoder.stop

    def never() -> None:
        let_go.wait(LIMIT_SECONDS)
        stop()
        ended.set()

    encoder.stop = never
    with pytest.raises(HardwareFault, match="camera-stop took longer") as caught:
        driver.stop(0.5)
    assert caught.value.kind is FaultKind.STUCK
    count = len(first.kept)
    with running(driver) as again:
        again.wait_for_pictures(3)
        let_go.set()
        assert ended.wait(LIMIT_SECONDS)
        again.wait_for_pictures(40)  # what the old one still does must not touch the new one
    assert again.of(SourceLost) == []
    assert len(first.kept) == count


def test_a_stop_that_hangs_is_reported_and_blocks_nothing(world: Scene) -> None:
    driver = camera()
    deliveries = Deliveries()
    driver.start(deliveries, CAPTION)
    deliveries.wait_for_pictures(3)
    world.levers.pull(Verb.HANG_STOP)
    try:
        with pytest.raises(HardwareFault, match="camera-stop took longer"):
            driver.stop(0.5)
        count = len(deliveries.kept)
        with pytest.raises(HardwareFault, match="camera-stop") as caught:
            driver.open()
        assert caught.value.kind is FaultKind.STUCK
    finally:
        world.levers.pull(Verb.ANSWER_STOP)
    hanging = [thread for thread in threading.enumerate() if thread.name == "camera-stop"]
    for thread in hanging:
        thread.join(LIMIT_SECONDS)
    assert len(deliveries.kept) == count
    recorded(driver, 3)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_encoder_that_breaks_is_lost_with_its_reason_and_can_still_be_stopped(world: Scene) -> None:
    driver = camera()
    with running(driver) as deliveries:
        deliveries.wait_for_pictures(3)
        assert driver._session is not None
        driver._session._encoder._av_input_format = "no such format"  # picamera2's event loop meets it and dies
        lost = deliveries.wait_for_loss()
    assert "process_requests" in lost.what
    recorded(driver, 3)


def test_a_camera_in_use_says_so(world: Scene) -> None:
    first, second = camera(), camera()
    first.open()
    try:
        with pytest.raises(HardwareFault, match="busy") as caught:
            second.open()
        assert "占用" in caught.value.remedy_zh
    finally:
        first.stop(LIMIT_SECONDS)
    assert second.open() == PictureFormat(width=WIDTH, height=HEIGHT, frames_per_second=25)
    second.stop(LIMIT_SECONDS)


@pytest.mark.parametrize("changes", [{"width": 1920, "height": 1080}, {"frames_per_second": 60}])
def test_a_mode_the_camera_cannot_do_is_refused_and_the_camera_given_back(
    world: Scene, changes: dict[str, int]
) -> None:
    with pytest.raises(HardwareFault, match="mode refused") as caught:
        camera(**changes).open()
    assert "width" in caught.value.remedy_en
    recorded(camera(), 3)


def test_a_start_that_the_sensor_refuses_gives_the_camera_back(world: Scene) -> None:
    driver = camera()
    world.levers.pull(Verb.REFUSE_START, errno.EIO)
    try:
        with pytest.raises(HardwareFault):
            driver.start(Deliveries(), CAPTION)
    finally:
        world.levers.pull(Verb.REFUSE_START, 0)
    recorded(driver, 3)


def test_a_camera_index_that_does_not_exist_is_absent(world: Scene) -> None:
    with pytest.raises(HardwareFault, match="absent"):
        camera(index=3).open()


def test_trying_for_a_camera_in_vain_costs_no_file_descriptors(world: Scene) -> None:
    def attempt(driver: PicameraCamera, match: str) -> int:
        with pytest.raises(HardwareFault, match=match):
            driver.open()
        return len(list(Path("/proc/self/fd").iterdir()))

    holder = camera()
    holder.open()
    counts = [attempt(camera(), "busy") for _ in range(4)] + [attempt(camera(index=3), "absent") for _ in range(4)]
    holder.stop(LIMIT_SECONDS)
    assert counts[3] <= counts[0]
    assert counts[7] <= counts[4]


def test_the_small_pictures_are_measured_and_a_frozen_room_is_still(world: Scene) -> None:
    def measures(deliveries: Deliveries, count: int) -> list[PictureMeasure]:
        assert deliveries.wait_for(lambda: len(deliveries.of(PictureMeasure)) >= count)
        return deliveries.of(PictureMeasure)

    with running(camera()) as deliveries:
        alive = measures(deliveries, 2)
        world.levers.pull(Verb.SEE_FROZEN)
        try:
            still = measures(deliveries, len(deliveries.of(PictureMeasure)) + 3)
        finally:
            world.levers.pull(Verb.SEE_ROOM)
    assert alive[-1].change_milliluma > 0
    assert still[-1].change_milliluma < alive[-1].change_milliluma
    steps = {after.boottime_ns - before.boottime_ns for before, after in itertools.pairwise(alive)}
    assert all(500_000_000 <= step <= 600_000_000 for step in steps)


def test_a_side_that_the_world_hides_shows_in_its_own_zone_of_the_measures_alone(world: Scene) -> None:
    def sides(deliveries: Deliveries) -> dict[Side, SideMeasure]:
        count = len(deliveries.of(PictureMeasure)) + 2
        assert deliveries.wait_for(lambda: len(deliveries.of(PictureMeasure)) >= count)
        return {side.side: side for side in deliveries.of(PictureMeasure)[-1].sides}

    with running(camera(officials_zone=(660, 450, 970, 900), parties_zone=(40, 450, 340, 900))) as deliveries:
        seen = sides(deliveries)
        world.levers.pull(Verb.SEE_LEFT_HIDDEN)
        try:
            hidden = sides(deliveries)
        finally:
            world.levers.pull(Verb.SEE_ROOM)
    assert min(side.detail_milliluma for side in seen.values()) > 1_800
    assert hidden[Side.PARTIES].detail_milliluma < 1_200
    assert hidden[Side.OFFICIALS].detail_milliluma > 1_800


@pytest.mark.oracle
def test_the_caption_is_in_the_picture_and_can_be_switched_off(world: Scene, tmp_path: Path) -> None:
    def corner(**changes: Any) -> Any:
        return pictures(recorded(camera(**changes), 5).of(PicturePacket), tmp_path)[2][-40:-8, 8:200]

    with_caption, without = corner(), corner(caption=False)
    assert (with_caption < 40).mean() > 0.5
    assert with_caption.max() > 200
    assert (without < 40).mean() < 0.5


def test_the_simulated_camera_never_counts_as_genuine(world: Scene) -> None:
    driver = camera()
    driver.open()
    parts = {part.component: part for part in driver.origin()}
    driver.stop(LIMIT_SECONDS)
    assert list(parts) == ["libcamera", "picamera2", "PyAV", "caption"]
    assert [name for name, part in parts.items() if not part.genuine] == ["libcamera"]
    assert "liuhen-sim" in parts["libcamera"].version
    assert all("/" not in part.evidence for part in parts.values())


def test_a_camera_that_is_not_started_can_be_stopped_and_asked_for_keyframes(world: Scene) -> None:
    driver = camera()
    driver.force_keyframe()
    driver.stop(LIMIT_SECONDS)
    opened = driver.open()
    driver.force_keyframe()
    driver.stop(LIMIT_SECONDS)
    assert driver.open() == opened, "it can still be used"
    driver.stop(LIMIT_SECONDS)
