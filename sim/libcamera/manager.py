"""The camera manager: lists the simulated camera while its sensor answers and hands ended requests to the application.

Owns one eventfd for the life of the process, as libcamera's singleton does. Any thread may call.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import ClassVar

from sim.libcamera.camera import Camera
from sim.libcamera.link import probe
from sim.libcamera.request import Request

VERSION = "v0.0.0+liuhen-sim"


class CameraManager:
    """What `CameraManager.singleton()` returns; `plug` decides which world it looks at."""

    version: ClassVar[str] = VERSION
    _single: ClassVar[CameraManager | None] = None
    _sensor: ClassVar[Path | None] = None

    def __init__(self) -> None:
        """Start with nothing ended and no camera known."""
        self.event_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._ended: list[Request] = []
        self._cameras: dict[Path, Camera] = {}

    @classmethod
    def plug(cls, sensor: Path) -> None:
        """Look at the sensor behind this socket from now on; only `sim.install` calls this."""
        cls._sensor = sensor

    @classmethod
    def singleton(cls) -> CameraManager:
        """Return the one manager of the process."""
        if cls._single is None:
            cls._single = cls()
        return cls._single

    @property
    def cameras(self) -> list[Camera]:
        """The cameras that answer now: one, or none."""
        if self._sensor is None:
            return []
        known = self._cameras.get(self._sensor)
        if known is not None and known.present:
            return [known]
        welcome = probe(self._sensor)
        if welcome is None:
            return []
        if known is None or known.welcome != welcome:
            known = self._cameras[self._sensor] = Camera(self._sensor, welcome, self._take)
        return [known]

    def get(self, camera_id: str) -> Camera:
        """Return the camera with this id; raises RuntimeError when there is none."""
        for camera in self.cameras:
            if camera.id == camera_id:
                return camera
        raise RuntimeError(f"no camera {camera_id}")

    def get_ready_requests(self) -> list[Request]:
        """Return the requests that ended since the last call, oldest first, and clear the event."""
        with self._lock:
            try:
                os.eventfd_read(self.event_fd)
            except BlockingIOError:
                return []
            ended, self._ended = self._ended, []
        return ended

    def _take(self, requests: list[Request]) -> None:
        with self._lock:
            self._ended.extend(requests)
            os.eventfd_write(self.event_fd, 1)
