"""A capture request: buffers that go to the sensor empty and come back filled.

Owned by the application while it is complete, by the camera while it is queued.
"""

from __future__ import annotations

import enum

from sim.libcamera import controls
from sim.libcamera.configuration import Stream
from sim.libcamera.control_types import ControlId, ControlValue
from sim.libcamera.framebuffer import FrameBuffer, FrameMetadata
from sim.sensor import UNCHANGED, Completed


class Request:
    """One request; `number` is the stand-in's own, since picamera2 gives all requests of a camera one cookie."""

    class Status(enum.Enum):
        """Where the request is."""

        Pending = 0
        Complete = 1
        Cancelled = 2

    class Reuse(enum.Enum):
        """What a reused request keeps."""

        Default = 0
        ReuseBuffers = 1

    def __init__(self, cookie: int, number: int) -> None:
        """Make an empty request."""
        self.cookie = cookie
        self.number = number
        self.sequence = 0
        self.status = Request.Status.Pending
        self.buffers: dict[Stream, FrameBuffer] = {}
        self.metadata: dict[ControlId, ControlValue] = {}
        self._controls: dict[ControlId, ControlValue] = {}

    def add_buffer(self, stream: Stream, buffer: FrameBuffer) -> None:
        """Give the request its buffer for a stream."""
        if stream in self.buffers:
            raise RuntimeError("the request has a buffer for this stream")
        self.buffers[stream] = buffer

    def reuse(self, flags: Request.Reuse = Reuse.ReuseBuffers) -> None:
        """Make the request ready to be queued again."""
        if flags is Request.Reuse.Default:
            self.buffers = {}
        self.status = Request.Status.Pending
        self.metadata = {}
        self._controls = {}

    def set_control(self, control: ControlId, value: ControlValue) -> None:
        """Set a control that takes effect with this request."""
        self._controls[control] = value

    @property
    def frame_duration_us(self) -> int:
        """The frame duration this request asks for, or UNCHANGED."""
        return wanted_duration_us(self._controls)

    def complete(self, frame: Completed) -> None:
        """Take over what the sensor said about the frame."""
        for buffer in self.buffers.values():
            buffer.metadata.status = FrameMetadata.Status(frame.outcome)
            buffer.metadata.sequence = frame.sequence
            buffer.metadata.timestamp = frame.boottime_ns
        self.sequence = frame.sequence
        self.metadata = {
            controls.SensorTimestamp: frame.boottime_ns,
            controls.FrameDuration: frame.frame_duration_us,
        }
        self.status = Request.Status.Complete

    def cancel(self) -> None:
        """End the request without a frame."""
        for buffer in self.buffers.values():
            buffer.metadata.status = FrameMetadata.Status.Cancelled
        self.status = Request.Status.Cancelled


def wanted_duration_us(settings: dict[ControlId, ControlValue]) -> int:
    """Return the shorter frame duration limit among controls, which the simulated sensor then keeps, or UNCHANGED."""
    limits = settings.get(controls.FrameDurationLimits)
    return int(limits[0]) if isinstance(limits, tuple | list) else UNCHANGED
