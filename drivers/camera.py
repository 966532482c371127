"""The camera through picamera2: encoded pictures, measures of small ones, and the caption burned in.

Owns a PicameraSession from `open` to `stop` and a PictureWatch while it runs. CONTROL calls; deliveries come on the
threads of picamera2 and of the watch. Touches no disk. picamera2 and libcamera are loaded by `open`, so that a machine
without them gets a HardwareFault instead of a program that does not start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from drivers.bounded import LimitExceeded, run_within
from drivers.camera_faults import camera_fault, stuck_fault
from drivers.caption import Caption, CaptionFont, LocalClock, find_font, has_chinese
from drivers.complaints import Complaints
from drivers.gate import Gate
from drivers.watch import PictureWatch
from edge.config import Camera as CameraSettings
from edge.ports import Deliver, HardwareFault, PictureFormat, SourceOrigin

if TYPE_CHECKING:
    from drivers.picamera_session import PicameraSession

CLAIM_SECONDS = 15.0
WATCH_END_SECONDS = 1.0


class PicameraCamera:
    """One camera (implements `edge.ports.Camera`). `stop` also gives the device back; `start` claims it if need be."""

    def __init__(self, settings: CameraSettings, local_clock: LocalClock) -> None:
        """Keep the settings; nothing is loaded or claimed before `open`."""
        self._settings = settings
        self._local_clock = local_clock
        self._complaints = Complaints()
        self._font: CaptionFont | None = None
        self._session: PicameraSession | None = None
        self._gate: Gate | None = None
        self._watch: PictureWatch | None = None
        self._origin: tuple[SourceOrigin, ...] = ()
        self._stuck: LimitExceeded | None = None
        self.caption_left_out = ""
        """Characters of the running session's caption that the font does not have; they are not in the picture."""

    def open(self) -> PictureFormat:
        """Claim the camera and configure it; a second call changes nothing. Raises HardwareFault."""
        self._refuse_while_stuck()
        if self._session is None:
            self._bounded(CLAIM_SECONDS, "camera-open", self._claim)
        return self._format

    def start(self, deliver: Deliver, caption: str) -> None:
        """Start sensor, encoder and watch, anew if they run. Raises HardwareFault, after giving the camera back."""
        if self._session is not None and self._session.running:
            self.stop(CLAIM_SECONDS)
        self.open()
        self._gate = gate = Gate(deliver)
        self._watch = watch = PictureWatch(gate, self._local_clock.clock, self._complaints.take)
        painter = self._painter(caption)
        self._complaints.take()  # what was said before this run explains nothing in it
        try:
            self._bounded(CLAIM_SECONDS, "camera-start", lambda: self._run(gate, watch, painter))
        except HardwareFault:
            self.stop(CLAIM_SECONDS)
            raise
        watch.start()

    def force_keyframe(self) -> None:
        """Ask the running encoder for a keyframe; without one nothing happens."""
        session = self._session
        if session is not None:
            session.force_key_frame()

    def stop(self, limit_seconds: float) -> None:
        """Stop, flush the encoder and give the camera back; raises HardwareFault for a call stuck at the limit."""
        watch, gate = self._watch, self._gate
        try:
            if watch is not None:
                watch.stop(WATCH_END_SECONDS)
            if self._session is not None:
                self._bounded(limit_seconds, "camera-stop", self._release)
        finally:
            self._watch = self._gate = None
            if gate is not None:
                gate.close()

    def origin(self) -> tuple[SourceOrigin, ...]:
        """libcamera, picamera2, the encoder's library and the caption's font; empty before `open`."""
        return self._origin

    @property
    def _format(self) -> PictureFormat:
        chosen = self._settings
        return PictureFormat(width=chosen.width, height=chosen.height, frames_per_second=chosen.frames_per_second)

    def _bounded(self, limit_seconds: float, name: str, work: Callable[[], None]) -> None:
        """Run a library call within a limit; whatever it raises is translated."""
        self._refuse_while_stuck()
        try:
            run_within(limit_seconds, name, work)
        except LimitExceeded as failure:
            self._stuck = failure
            if self._session is not None:
                self._session.abandon()
            raise stuck_fault(str(failure)) from failure
        except Exception as failure:
            raise camera_fault(failure) from failure

    def _refuse_while_stuck(self) -> None:
        if self._stuck is not None and self._stuck.running:
            raise stuck_fault(str(self._stuck))

    def _claim(self) -> None:
        self._complaints.attach()
        from drivers.picamera_session import PicameraSession  # noqa: PLC0415 - picamera2 may not be installed

        session = PicameraSession(self._settings, self._format)
        self._origin = session.origin() + self._caption_origin()
        self._session = session

    def _caption_origin(self) -> tuple[SourceOrigin, ...]:
        if not self._settings.caption:
            return ()
        self._font = self._font or find_font(self._settings.caption_font)
        chinese = has_chinese(self._font)
        evidence = "painted in Chinese" if chinese else "no font with Chinese found: ASCII characters only"
        return (SourceOrigin(component="caption", version="1", evidence=evidence, genuine=True),)

    def _painter(self, text: str) -> Caption | None:
        self.caption_left_out = ""
        if self._font is None:
            return None
        picture = self._format
        painter = Caption(
            width=picture.width, height=picture.height, text=text, font=self._font, clock=self._local_clock
        )
        self.caption_left_out = painter.left_out
        return painter

    def _run(self, gate: Gate, watch: PictureWatch, painter: Caption | None) -> None:
        if self._session is not None:
            self._session.run(gate, watch, painter)

    def _release(self) -> None:
        session = self._session
        if session is not None:
            session.release()
        self._session = None
