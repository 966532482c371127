"""The stand-in's values: configurations, buffers and requests, without a sensor."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from sim import libcamera
from sim.libcamera import controls
from sim.libcamera.configuration import StreamConfiguration
from sim.libcamera.request import wanted_duration_us
from sim.sensor import UNCHANGED, Completed, Outcome, Welcome

SENSOR = libcamera.Size(1280, 720)
RANGE = {"shortest_frame_us": 40_000, "longest_frame_us": 1_000_000}


def test_a_configuration_the_sensor_can_deliver_is_valid_and_its_stride_is_aligned() -> None:
    stream = StreamConfiguration(SENSOR)
    stream.size = libcamera.Size(1000, 562)
    assert libcamera.CameraConfiguration([stream]).validate() is libcamera.CameraConfiguration.Status.Valid
    assert (stream.stride, stream.frame_size) == (1024, 1024 * 562 * 3 // 2)


@pytest.mark.parametrize(
    ("size", "pixel_format"),
    [((4000, 3000), "YUV420"), ((640, 361), "YUV420"), ((640, 360), "XBGR8888")],
)
def test_what_the_sensor_cannot_deliver_is_adjusted_and_said(size: tuple[int, int], pixel_format: str) -> None:
    stream = StreamConfiguration(SENSOR)
    stream.size, stream.pixel_format = libcamera.Size(*size), libcamera.PixelFormat(pixel_format)
    assert libcamera.CameraConfiguration([stream]).validate() is libcamera.CameraConfiguration.Status.Adjusted
    assert str(stream.pixel_format) == "YUV420"
    assert stream.size.width <= SENSOR.width
    assert stream.size.height <= SENSOR.height
    assert stream.size.height % 2 == 0


def test_three_streams_are_invalid() -> None:
    streams = [StreamConfiguration(SENSOR) for _ in range(3)]
    assert libcamera.CameraConfiguration(streams).validate() is libcamera.CameraConfiguration.Status.Invalid


def test_a_plane_keeps_its_memory_when_the_given_descriptor_is_closed_and_gives_it_back_when_collected() -> None:
    given = os.memfd_create("test")
    plane = libcamera.FrameBuffer.Plane()
    plane.fd = given
    os.close(given)
    kept = plane.fd
    assert os.fstat(kept).st_size == 0
    del plane
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(kept)


def test_the_allocator_makes_the_configured_number_of_buffers_of_the_frames_size() -> None:
    configuration = StreamConfiguration(SENSOR)
    configuration.buffer_count = 3
    configuration.adjust()
    camera = libcamera.Camera(Path("/nowhere"), Welcome(width=1280, height=720, **RANGE), lambda _: None)
    allocator = libcamera.FrameBufferAllocator(camera)
    assert allocator.allocate(configuration.stream) == 3
    buffers = allocator.buffers(configuration.stream)
    assert [os.fstat(buffer.planes[0].fd).st_size for buffer in buffers] == [1280 * 720 * 3 // 2] * 3
    assert [buffer.length for buffer in buffers] == [1280 * 720 * 3 // 2] * 3


def test_a_completed_request_carries_the_sensors_time_and_a_reused_one_does_not() -> None:
    request = libcamera.Request(cookie=0, number=7)
    buffer = libcamera.FrameBuffer([libcamera.FrameBuffer.Plane()])
    request.add_buffer(libcamera.Stream(StreamConfiguration(SENSOR)), buffer)
    frame = Completed(request=7, sequence=3, boottime_ns=99, frame_duration_us=40_000, outcome=Outcome.ERROR)
    request.complete(frame)
    assert request.metadata[controls.SensorTimestamp] == 99
    assert buffer.metadata.status is libcamera.FrameMetadata.Status.Error
    assert request.status.name == "Complete"
    request.reuse()
    assert request.metadata == {}
    assert request.status.name == "Pending"
    assert list(request.buffers.values()) == [buffer]


def test_the_frame_duration_is_the_shorter_limit_or_unchanged() -> None:
    assert wanted_duration_us({controls.FrameDurationLimits: (40_000, 50_000)}) == 40_000
    assert wanted_duration_us({controls.ExposureTime: 10}) == UNCHANGED


def test_a_transform_copies_itself() -> None:
    copy = libcamera.Transform(libcamera.Transform(hflip=True, transpose=True))
    assert (copy.hflip, copy.vflip, copy.transpose) == (True, False, True)
