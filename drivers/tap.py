"""What happens to every frame between sensor and encoder: the caption is painted, now and then a small copy is left.

Owns no thread: picamera2 calls a FrameTap in its event thread, while no encoder has the frame yet. Touches no disk.
Imports picamera2: load this module only when a camera is opened.
"""

from __future__ import annotations

import logging
from typing import Any

from libcamera import controls
from picamera2 import MappedArray

from drivers.caption import Caption
from drivers.watch import PictureWatch

LOG = logging.getLogger(__name__)
MEASURE_EVERY_NS = 500_000_000


class FrameTap:
    """A picamera2 `pre_callback`. A failure in it must not end the picture: it is logged once and the frame goes on."""

    def __init__(
        self, *, main: dict[str, Any], lores: dict[str, Any], watch: PictureWatch, caption: Caption | None
    ) -> None:
        """`main` and `lores` are picamera2's stream configurations (size, stride)."""
        self._main_stride: int = main["stride"]
        self._lores_stride: int = lores["stride"]
        self._lores_size: tuple[int, int] = lores["size"]
        self._watch = watch
        self._caption = caption
        self._last_copy_ns = 0
        self._complained = False

    def __call__(self, request: Any) -> None:
        """Called by picamera2 with each CompletedRequest."""
        try:
            boottime_ns = request.request.metadata[controls.SensorTimestamp]
            self._paint(request, boottime_ns)
            self._copy(request, boottime_ns)
        except Exception:  # raised further it would end picamera2's event thread and with it the picture
            if not self._complained:
                LOG.exception("caption or analysis failed on a frame; further failures are not logged")
            self._complained = True

    def _paint(self, request: Any, boottime_ns: int) -> None:
        if self._caption is not None:
            with MappedArray(request, "main", reshape=False) as mapped:
                self._caption.paint(mapped.array, self._main_stride, boottime_ns)

    def _copy(self, request: Any, boottime_ns: int) -> None:
        if boottime_ns - self._last_copy_ns < MEASURE_EVERY_NS:
            return
        self._last_copy_ns = boottime_ns
        width, height = self._lores_size
        with MappedArray(request, "lores", reshape=False, write=False) as mapped:
            rows = mapped.array[: self._lores_stride * height].reshape(height, self._lores_stride)
            self._watch.offer(rows[:, :width].copy(), boottime_ns)
