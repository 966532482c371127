"""Which encoder is taken, how it is set, and how missing frames are counted."""

from __future__ import annotations

import struct
from pathlib import Path
from types import ModuleType

import pytest

from edge.ports import PictureFormat
from sim.install import install

PERIOD_NS = 40_000_000


@pytest.fixture
def encoder(tmp_path: Path) -> ModuleType:
    """The module under test; it needs a libcamera to be imported, and no camera."""
    install(tmp_path / "no-sensor")
    from drivers import encoder  # noqa: PLC0415 - after the line above

    return encoder


@pytest.mark.parametrize(
    ("last_ns", "now_ns", "missed"),
    [
        (None, 5 * PERIOD_NS, 0),
        (0, PERIOD_NS, 0),
        (0, PERIOD_NS * 3 // 2, 0),
        (0, PERIOD_NS * 3 // 2 + 1000, 1),
        (0, 2 * PERIOD_NS, 1),
        (0, 48 * PERIOD_NS, 47),
        (0, 48 * PERIOD_NS + PERIOD_NS // 3, 47),
    ],
)
def test_missing_frames_are_told_from_the_step_in_sensor_time(
    encoder: ModuleType, last_ns: int | None, now_ns: int, missed: int
) -> None:
    assert encoder.missed_frames(last_ns, now_ns, 25) == missed


def test_only_the_node_that_bears_the_encoders_name_is_a_hardware_encoder(encoder: ModuleType, tmp_path: Path) -> None:
    name = tmp_path / "name"
    assert not encoder.has_hardware_encoder(name)
    name.write_text("bcm2835-codec-encode\n")
    assert encoder.has_hardware_encoder(name)
    name.write_text("Some webcam\n")
    assert not encoder.has_hardware_encoder(name)


@pytest.mark.parametrize(("width", "height", "threads"), [(1280, 720, 1), (1920, 1080, 2)])
def test_libx264_delays_no_more_than_one_frame(encoder: ModuleType, width: int, height: int, threads: int) -> None:
    picture = PictureFormat(width=width, height=height, frames_per_second=25)
    made = encoder.make_encoder(picture, bitrate_bits_per_second=1_000_000, preset="veryfast", hardware=False)
    assert (made.threads, made.preset, made.iperiod, made.repeat) == (threads, "veryfast", 25, True)


def test_the_hardware_encoder_is_the_v4l2_one_with_a_keyframe_every_second(encoder: ModuleType) -> None:
    picture = PictureFormat(width=1280, height=720, frames_per_second=30)
    made = encoder.make_encoder(picture, bitrate_bits_per_second=2_000_000, preset="ultrafast", hardware=True)
    assert type(made).__bases__[0].__module__ == "picamera2.encoders.h264_encoder"
    assert (made.iperiod, made.repeat, made.bitrate) == (30, True, 2_000_000)


def test_the_hardware_encoder_is_told_a_bitrate_as_the_kernel_s_control_while_it_runs(
    encoder: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = PictureFormat(width=1280, height=720, frames_per_second=25)
    made = encoder.make_encoder(picture, bitrate_bits_per_second=2_000_000, preset="ultrafast", hardware=True)
    made.set_bitrate(700_000)  # not running: it starts with this
    told: list[tuple[object, int, bytes]] = []
    monkeypatch.setattr(encoder.fcntl, "ioctl", lambda *call: told.append((call[0], call[1] % 2**32, bytes(call[2]))))
    made.vd = "video11"
    made.set_bitrate(800_000)
    assert made.bitrate == 800_000
    # struct v4l2_control { __u32 id; __s32 value; } and _IOWR('V', 28, struct v4l2_control), linux/videodev2.h
    assert told == [("video11", 0xC008561C, struct.pack("=Ii", 0x009909CF, 800_000))]
