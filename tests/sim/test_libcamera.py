"""The unmodified picamera2 on the stand-in, in real time against a world process."""

from __future__ import annotations

import errno
import gc
import itertools
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from sim.levers import Verb
from sim.libcamera.link import SensorLink, probe
from tests.sim.simulated_camera import (
    FRAME_NS,
    FRAMES_PER_SECOND,
    HEIGHT,
    WIDTH,
    decoded_counters,
    opened_camera,
    recording,
    running_world,
)

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.beside,
    pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning"),  # in picamera2.previews.null_preview
]

LIMIT_SECONDS = 10.0


def ends_in_time(action: Any) -> bool:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(LIMIT_SECONDS)
    return not thread.is_alive()


def test_every_frame_is_recorded_once_in_order_and_equals_truth(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene:
        with opened_camera() as camera, recording(camera, tmp_path / "film.h264"):
            scene.await_frames(3 * FRAMES_PER_SECOND + 5)  # picamera2 drops what arrives while it stops
        truth = scene.frames()
        seen = decoded_counters(tmp_path / "film.h264")
        assert len(seen) >= 3 * FRAMES_PER_SECOND
        assert seen == [frame["counter"] for frame in truth if frame["delivered"]][: len(seen)]
        assert seen == list(range(seen[0] or 0, len(seen) + (seen[0] or 0)))
        steps = {later["sensor_ns"] - frame["sensor_ns"] for frame, later in itertools.pairwise(truth)}
        assert steps == {FRAME_NS}


def test_the_low_resolution_stream_shows_the_same_room(tmp_path: Path) -> None:
    with running_world(tmp_path), opened_camera() as camera:
        camera.start()
        request = camera.capture_request()
        main = request.make_array("main")[:HEIGHT, :WIDTH]
        lores = request.make_array("lores")[: HEIGHT // 2, : WIDTH // 2]
        request.release()
        assert main.std() > 10
        assert abs(main.astype(float).mean() - lores.astype(float).mean()) < 2


def test_a_consumer_that_blocks_loses_frames_and_truth_counts_them_on_the_sensors_clock(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene:
        with opened_camera() as camera:
            blocked, go_on = threading.Event(), threading.Event()

            def block_once(_: object) -> None:
                if not blocked.is_set():
                    blocked.set()
                    go_on.wait(LIMIT_SECONDS)

            camera.pre_callback = block_once
            with recording(camera, tmp_path / "film.h264"):
                assert blocked.wait(LIMIT_SECONDS)
                scene.await_frames(20)
                go_on.set()
                scene.await_frames(20)
        truth = scene.frames()
        lost = [frame["counter"] for frame in truth if not frame["delivered"]]
        assert 10 <= len(lost) <= 25  # twenty were waited for; letting go on takes a busy machine some frames
        assert [frame["counter"] for frame in truth] == list(range(len(truth)))
        assert [frame["sensor_ns"] - truth[0]["sensor_ns"] for frame in truth] == [
            FRAME_NS * place for place in range(len(truth))
        ]
        seen = decoded_counters(tmp_path / "film.h264")
        assert seen == [frame["counter"] for frame in truth if frame["delivered"]][: len(seen)]
        assert not set(lost) & set(seen)


def test_sensor_timestamps_are_those_of_the_truth_on_boottime(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene, opened_camera() as camera:
        camera.start()
        metadata = camera.capture_metadata()
        assert metadata["SensorTimestamp"] in {frame["sensor_ns"] for frame in scene.frames()}


def test_a_jump_of_timestamps_reaches_the_application_but_not_the_truth(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene, opened_camera() as camera:
        scene.levers.pull(Verb.JUMP, 5_000_000_123)
        camera.start()
        metadata = camera.capture_metadata()
        known = {frame["sensor_ns"] for frame in scene.frames()}
        assert metadata["SensorTimestamp"] not in known
        assert metadata["SensorTimestamp"] - 5_000_000_123 in known


def test_the_frame_rate_control_sets_the_cadence(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene, opened_camera(frame_rate=10, lores=False) as camera:
        camera.start()
        scene.await_frames(3)
        first, second = scene.frames()[:2]
        assert second["sensor_ns"] - first["sensor_ns"] == 100_000_000


def test_a_killed_world_cancels_what_is_queued_and_nothing_hangs(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene, opened_camera() as camera:
        camera.start()
        scene.await_frames(5)
        manager = camera.camera_manager
        assert len(manager.cameras) == 1
        scene.world.kill()
        assert ends_in_time(camera.stop)
        assert manager.cameras == []
        assert ends_in_time(camera.close)


def test_a_camera_that_vanishes_can_be_opened_again_when_it_is_back(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene:
        with opened_camera() as camera:
            camera.start()
            scene.await_frames(3)
            manager = camera.camera_manager
            scene.levers.pull(Verb.VANISH)
            assert ends_in_time(camera.stop)
            assert manager.cameras == []
        scene.levers.pull(Verb.RETURN)
        with opened_camera() as camera:
            camera.start()
            assert camera.capture_metadata()["SensorTimestamp"] > 0
        counters = [frame["counter"] for frame in scene.frames()]
        assert counters == list(range(len(counters)))


def test_a_start_the_sensor_refuses_raises_and_says_why(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene, opened_camera() as camera:
        scene.levers.pull(Verb.REFUSE_START, errno.EIO)
        with pytest.raises(RuntimeError, match=os.strerror(errno.EIO)):
            camera.start()
        scene.levers.pull(Verb.REFUSE_START, 0)
        camera.start()
        assert camera.capture_metadata()["SensorTimestamp"] > 0


def test_a_stop_that_hangs_ends_only_when_the_sensor_answers(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene, opened_camera() as camera:
        camera.start()
        scene.await_frames(3)
        scene.levers.pull(Verb.HANG_STOP)
        stopping = threading.Thread(target=camera.stop, daemon=True)
        stopping.start()
        stopping.join(1.0)
        assert stopping.is_alive()
        scene.levers.pull(Verb.ANSWER_STOP)
        stopping.join(LIMIT_SECONDS)
        assert not stopping.is_alive()


def test_damaged_frames_never_reach_the_encoder_and_are_undelivered_in_truth(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene:
        with opened_camera() as camera, recording(camera, tmp_path / "film.h264"):
            scene.await_frames(5)
            scene.levers.pull(Verb.DAMAGE, 4)
            scene.await_frames(15)
        truth = scene.frames()
        seen = decoded_counters(tmp_path / "film.h264")
        assert sum(not frame["delivered"] for frame in truth) == 4
        assert seen == [frame["counter"] for frame in truth if frame["delivered"]][: len(seen)]


def test_a_stalled_sensor_delivers_nothing_while_its_counter_goes_on(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene, opened_camera() as camera:
        camera.start()
        scene.await_frames(5)
        before = scene.levers.pull(Verb.STALL)
        scene.await_frames(10)
        during = scene.levers.pull(Verb.RESUME)
        scene.await_frames(5)
        after = scene.levers.pull(Verb.LOOK)
        assert during.delivered == before.delivered
        assert during.undelivered >= before.undelivered + 10
        assert after.delivered > during.delivered


def test_a_camera_in_use_is_busy_for_everybody_else(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene, opened_camera():
        with pytest.raises(RuntimeError, match=os.strerror(errno.EBUSY)):
            SensorLink(scene.plan.socket, on_frame=lambda _: None, on_lost=lambda: None)
        assert probe(scene.plan.socket) is not None


def test_a_request_queued_on_a_stopped_camera_is_refused(tmp_path: Path) -> None:
    with running_world(tmp_path) as scene, opened_camera() as camera:
        camera.start()
        scene.await_frames(2)
        device = camera.camera
        camera.stop()
        with pytest.raises(RuntimeError, match=os.strerror(errno.EACCES)):
            device.queue_request(device.create_request(0))
        camera.start()
        assert camera.capture_metadata()["SensorTimestamp"] > 0


def test_a_camera_leaves_no_thread_and_no_descriptor(tmp_path: Path) -> None:
    def use_once() -> None:
        with opened_camera() as camera, recording(camera, tmp_path / "film.h264"):
            camera.capture_metadata()

    def held(process: Path) -> tuple[int, int, int]:
        gc.collect()  # picamera2 leaves its selectors to the collector
        frames = (process / "maps").read_text().count("picamera2-")
        return len(list((process / "task").iterdir())), len(list((process / "fd").iterdir())), frames

    with running_world(tmp_path) as scene:
        recorder, world = Path("/proc/self"), Path(f"/proc/{scene.world.process_id}")
        use_once()
        before = held(recorder)
        use_once()
        use_once()
        scene.levers.pull(Verb.LOOK)
        assert held(recorder) == before
        assert held(world)[2] == 0
