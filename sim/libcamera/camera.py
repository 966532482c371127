"""The simulated camera as libcamera's binding shows it: acquire, configure, start, queue requests, stop, release.

Owns the link to the sensor while acquired and the requests while queued. The application's threads call the methods;
the link's reader thread completes requests. When the sensor vanishes, queued requests end cancelled and no call waits.
"""

from __future__ import annotations

import errno
import itertools
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from sim.libcamera import controls, properties
from sim.libcamera.configuration import CameraConfiguration, StreamConfiguration, StreamRole
from sim.libcamera.control_types import ControlId, ControlInfo, ControlValue
from sim.libcamera.framebuffer import FrameBuffer
from sim.libcamera.geometry import Size
from sim.libcamera.link import SensorLink, failure
from sim.libcamera.request import Request, wanted_duration_us
from sim.sensor import NO_BUFFER, Completed, Queue, Register, Start, Stop, StreamPlace, Welcome

MODEL = "liuhen-sim"
Deliver = Callable[[list[Request]], None]


class Camera:
    """The one camera of a simulated world. `deliver` takes ended requests to the camera manager."""

    id = "/base/liuhen-sim/camera@0"

    def __init__(self, sensor: Path, welcome: Welcome, deliver: Deliver) -> None:
        """Stand for the sensor behind this socket."""
        self._sensor = sensor
        self.welcome = welcome
        self._deliver = deliver
        self._link: SensorLink | None = None
        self._streams: tuple[StreamConfiguration, ...] = ()
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._running = False
        self._queued: dict[int, Request] = {}
        self._known_buffers: dict[FrameBuffer, int] = {}

    @property
    def controls(self) -> dict[ControlId, ControlInfo]:
        """The controls this camera takes, with their ranges."""
        shortest, longest = self.welcome.shortest_frame_us, self.welcome.longest_frame_us
        return {
            controls.FrameDurationLimits: ControlInfo(shortest, longest, shortest),
            controls.draft.NoiseReductionMode: ControlInfo(0, 4, 0),
            controls.ExposureTime: ControlInfo(1, longest, shortest // 2),
            controls.AnalogueGain: ControlInfo(1.0, 16.0, 1.0),
        }

    @property
    def properties(self) -> dict[ControlId, ControlValue]:
        """What is known about this camera."""
        return {properties.Model: MODEL, properties.PixelArraySize: self._size}

    @property
    def present(self) -> bool:
        """Whether the sensor of an acquired camera is still there; a camera that is not acquired does not know."""
        return self._link is not None and not self._link.lost

    def acquire(self) -> None:
        """Claim the camera; raises RuntimeError when it is absent, or busy with another process."""
        if self._link is not None:
            raise failure(errno.EBUSY, "Failed to acquire camera")
        self._link = SensorLink(self._sensor, on_frame=self._complete, on_lost=self._cancel_queued)

    def release(self) -> None:
        """Let go of the camera."""
        if self._link is not None:
            self._running = False
            self._link.close()
            self._link = None
        self._cancel_queued()
        self._streams = ()
        self._known_buffers = {}

    def generate_configuration(self, roles: list[StreamRole]) -> CameraConfiguration:
        """Return a configuration with one stream per role."""
        return CameraConfiguration([StreamConfiguration(self._size) for _ in roles])

    def configure(self, configuration: CameraConfiguration) -> int:
        """Fix the streams; returns 0."""
        self._streams = tuple(configuration)
        return 0

    def create_request(self, cookie: int = 0) -> Request:
        """Return a new, empty request."""
        return Request(cookie, next(self._numbers))

    def start(self, settings: Mapping[ControlId, ControlValue] | None = None) -> None:
        """Start the sensor; raises RuntimeError when it refuses."""
        self._known_buffers = {}
        number = self._held("start").ask(Start(frame_duration_us=wanted_duration_us(dict(settings or {}))))
        if number:
            raise failure(number, "Failed to start camera")
        self._running = True

    def stop(self) -> None:
        """Stop the sensor and end what is queued as cancelled; raises RuntimeError when the sensor never answers."""
        link = self._held("stop")
        with self._lock:
            self._running = False
        number = link.ask(Stop())
        self._cancel_queued()
        self._known_buffers = {}
        if number not in (0, errno.ENODEV):
            raise failure(number, "Failed to stop camera")

    def queue_request(self, request: Request) -> None:
        """Hand a request to the sensor; with the sensor gone it ends cancelled at once.

        Raises RuntimeError while the camera is stopped, as libcamera does.
        """
        link = self._held("queue request")
        with self._lock:
            if not self._running:
                raise failure(errno.EACCES, "Failed to queue request")
            self._queued[request.number] = request
            main, lores = (self._buffer_number(link, place, request) for place in StreamPlace)
            duration_us = request.frame_duration_us
            link.tell(Queue(request=request.number, main=main, lores=lores, frame_duration_us=duration_us))
        if link.lost:
            self._cancel_queued()

    @property
    def _size(self) -> Size:
        return Size(self.welcome.width, self.welcome.height)

    def _held(self, what: str) -> SensorLink:
        if self._link is None:
            raise failure(errno.EACCES, f"Failed to {what}")
        return self._link

    def _buffer_number(self, link: SensorLink, place: StreamPlace, request: Request) -> int:
        if place >= len(self._streams):
            return NO_BUFFER
        shape = self._streams[place]
        buffer = request.buffers[shape.stream]
        number = self._known_buffers.get(buffer)
        if number is None:
            number = self._known_buffers[buffer] = len(self._known_buffers)
            size = shape.size
            register = Register(buffer=number, width=size.width, height=size.height, stride=shape.stride)
            link.tell(register, buffer.planes[0].fd)
        return number

    def _complete(self, frame: Completed) -> None:
        with self._lock:
            request = self._queued.pop(frame.request, None)
        if request is not None:
            request.complete(frame)
            self._deliver([request])

    def _cancel_queued(self) -> None:
        with self._lock:
            ended = list(self._queued.values())
            self._queued = {}
        for request in ended:
            request.cancel()
        if ended:
            self._deliver(ended)
