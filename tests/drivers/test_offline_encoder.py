"""The product's chains without their capture libraries give what a device's chains give, frame for frame."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.config import Camera as CameraSettings
from edge.config import Microphone as MicrophoneSettings
from edge.ports import Delivered, PictureMeasure, PicturePacket, SoundMeasure, SoundPacket
from sim import strip
from sim.framestore import frame_bytes, planes_of
from sim.imager import Moment
from sim.install import install
from sim.virtual_clock import VirtualClock
from tests.sim.virtual_session import PlainRoom

WIDTH, HEIGHT = 640, 360
FRAME_NS = 40_000_000
START_NS = 7_000_000_000
CAPTION_TOP = 280


@pytest.fixture
def offline(tmp_path: Path) -> Any:
    install(tmp_path / "no-sensor")
    from drivers import offline_encoder  # noqa: PLC0415 - imports picamera2, which needs the stand-in

    return offline_encoder


def settings(**changes: Any) -> CameraSettings:
    return CameraSettings(**({"width": WIDTH, "height": HEIGHT, "bitrate_bits_per_second": 600_000} | changes))


def frame(counter: int) -> NDArray[np.uint8]:
    memory = bytearray(frame_bytes(height=HEIGHT, stride=WIDTH))
    PlainRoom().draw(counter, 0, planes_of(memory, width=WIDTH, height=HEIGHT, stride=WIDTH))
    return np.frombuffer(memory, np.uint8)


def encoded(chain: Any, count: int, *, wish: int | None = None, skip: int = 0) -> list[Delivered]:
    """Run frames 0..count-1 through a chain; a keyframe is wished before frame `wish`, `skip` frame times are lost."""
    clock = VirtualClock(Moment(boottime_ns=START_NS, utc_ms=1_772_413_200_000), seed=0)
    chain.start("第一听证室", clock)
    ready: list[Delivered] = []
    for counter in range(count):
        if counter == wish:
            chain.force_keyframe()
        late = skip if counter > count // 2 else 0
        ready += chain.take(frame(counter), START_NS + (counter + late) * FRAME_NS)
    ready += chain.stop()
    return ready


def pictures(ready: list[Delivered]) -> list[PicturePacket]:
    return [item for item in ready if isinstance(item, PicturePacket)]


def decoded(packets: list[PicturePacket]) -> list[NDArray[np.uint8]]:
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    frames = [shown for packet in packets for shown in decoder.decode(av.Packet(packet.payload))]
    frames += decoder.decode(None)
    return [np.asarray(shown.to_ndarray()[:HEIGHT], np.uint8) for shown in frames]


def test_every_frame_is_one_access_unit_with_its_sensor_time_and_its_counter(offline: Any) -> None:
    packets = pictures(encoded(offline.OfflinePicture(settings(), 480), 60))
    assert [packet.boottime_ns for packet in packets] == [START_NS + i * FRAME_NS for i in range(60)]
    assert [strip.read(luma) for luma in decoded(packets)] == list(range(60))
    assert all(packet.missed_frames == 0 for packet in packets)


def test_a_lower_bitrate_and_the_usual_one_again_cost_no_frame(offline: Any) -> None:
    rate, hot = 600_000, 200_000
    chain = offline.OfflinePicture(settings(hot_bitrate_bits_per_second=hot, caption=False), 480)
    chain.start("", VirtualClock(Moment(boottime_ns=START_NS, utc_ms=1_772_413_200_000), seed=0))
    noise = np.random.default_rng(1)
    ready: list[Delivered] = []
    for counter in range(300):
        if counter % 100 == 0:
            chain.ease(counter == 100)
        shown = frame(counter)
        shown[100 * WIDTH : 200 * WIDTH] = noise.integers(0, 60, 100 * WIDTH, np.uint8)
        ready += chain.take(shown, START_NS + counter * FRAME_NS)
    packets = pictures(ready + chain.stop())
    assert [strip.read(luma) for luma in decoded(packets)] == list(range(300))
    seconds = [sum(len(one.payload) for one in packets[i + 25 : i + 100]) * 8 / 3 for i in (0, 100, 200)]
    assert [round(found / asked, 1) for found, asked in zip(seconds, (rate, hot, rate), strict=True)] == [
        pytest.approx(1, abs=0.25)
    ] * 3


def test_each_second_begins_with_a_keyframe_and_so_does_a_wish(offline: Any) -> None:
    packets = pictures(encoded(offline.OfflinePicture(settings(), 480), 40, wish=30))
    assert [i for i, packet in enumerate(packets) if packet.keyframe] == [0, 25, 30]
    sets = [b"\x00\x00\x01\x67" in packet.payload and b"\x00\x00\x01\x68" in packet.payload for packet in packets]
    assert sets == [packet.keyframe for packet in packets]


def test_a_step_in_sensor_time_counts_the_missed_frames(offline: Any) -> None:
    packets = pictures(encoded(offline.OfflinePicture(settings(), 480), 20, skip=7))
    assert [packet.missed_frames for packet in packets if packet.missed_frames] == [7]


def test_the_caption_is_in_the_picture_and_not_where_it_is_switched_off(offline: Any) -> None:
    plain = decoded(pictures(encoded(offline.OfflinePicture(settings(caption=False), 480), 3)))[-1]
    with_caption = decoded(pictures(encoded(offline.OfflinePicture(settings(), 480), 3)))[-1]
    difference = np.abs(plain.astype(np.int16) - with_caption.astype(np.int16))
    assert difference[CAPTION_TOP:, :200].mean() > 10 * max(1.0, difference[:CAPTION_TOP].mean())


def test_the_picture_is_measured_twice_a_second_before_the_caption_is_painted(offline: Any) -> None:
    measures = [
        [item for item in encoded(offline.OfflinePicture(settings(caption=caption), 480), 55)
         if isinstance(item, PictureMeasure)]
        for caption in (True, False)
    ]  # fmt: skip
    assert measures[0] == measures[1]
    assert [measure.boottime_ns for measure in measures[0]] == [START_NS + i * FRAME_NS for i in (13, 26, 39, 52)]


def test_a_chain_that_is_started_again_begins_with_a_keyframe(offline: Any) -> None:
    chain = offline.OfflinePicture(settings(), 480)
    encoded(chain, 10)
    again = pictures(encoded(chain, 10))
    assert (again[0].keyframe, again[0].missed_frames) == (True, 0)
    assert again[0].boottime_ns == START_NS
    assert chain.stop() == []


def test_sound_comes_out_in_packets_and_is_the_same_bit_for_bit(offline: Any) -> None:
    chain = offline.OfflineSound(MicrophoneSettings())
    pcm = np.random.default_rng(5).integers(-9000, 9000, 48_000, np.int16).tobytes()
    chain.start()
    ready: list[Delivered] = []
    for number in range(50):
        ready += chain.take(pcm[number * 1920 : (number + 1) * 1920], START_NS + number * 20_000_000, 0)
    ready += chain.stop()
    packets = [item for item in ready if isinstance(item, SoundPacket)]
    assert [packet.samples for packet in packets] == [1024] * 46 + [48_000 - 46 * 1024]
    assert pcm_of(chain, packets) == pcm
    assert len([item for item in ready if isinstance(item, SoundMeasure)]) == 2
    assert len(chain.format().streaminfo) == 34


def pcm_of(chain: Any, packets: list[SoundPacket]) -> bytes:
    """Decode a plain FLAC stream made of these packets."""
    header = b"fLaC" + bytes([0x80, 0, 0, 34]) + chain.format().streaminfo
    stream = io.BytesIO(header + b"".join(packet.payload for packet in packets))
    with av.open(stream, mode="r", format="flac") as container:
        return b"".join(shown.to_ndarray().tobytes() for shown in container.decode(audio=0))
