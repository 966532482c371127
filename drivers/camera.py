"""The camera through picamera2: encoded pictures, measures of small ones, and the caption burned in.

Owns a PicameraSession from `open` to `stop` and a PictureWatch while it runs. CONTROL calls; deliveries come on the
threads of picamera2 and of the watch. Touches no disk. picamera2 and libcamera are loaded by `open`, so that a machine
without them gets a HardwareFault instead of a program that does not start.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from drivers.bounded import DeviceCalls, LimitExceeded, run_within
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
"""The first claim loads picamera2, which takes seconds on a Pi."""

WATCH_END_SECONDS = 1.0
WREST_SECONDS = 2.0


class PicameraCamera:
    """One camera (implements `edge.ports.Camera`). `stop` also gives the device back; `start` claims it if need be.

    A call that never comes back is left behind with its device object; the next `open` tries a fresh one. Where the
    library does not allow that, the fault says STUCK and another process is needed.
    """

    def __init__(
        self, settings: CameraSettings, local_clock: LocalClock, *, claim_seconds: float = CLAIM_SECONDS
    ) -> None:
        """Keep the settings; nothing is loaded or claimed before `open`. `claim_seconds` limits each call."""
        self._claim_seconds = claim_seconds
        self._settings = settings
        self._local_clock = local_clock
        self._complaints = Complaints()
        self._font: CaptionFont | None = None
        self._session: PicameraSession | None = None
        self._gate: Gate | None = None
        self._watch: PictureWatch | None = None
        self._origin: tuple[SourceOrigin, ...] = ()
        self._calls = DeviceCalls(translate=camera_fault, stuck_fault=stuck_fault, leave_behind=self._leave_behind)
        self._eased = False
        self.caption_left_out = ""
        """Characters of the running session's caption that the font does not have; they are not in the picture."""

    def load(self) -> None:
        """Load picamera2 and what it needs, which takes seconds on a busy machine; what goes wrong `open` will say."""
        with contextlib.suppress(HardwareFault):
            self._calls.run(self._claim_seconds, "camera-load", self._loaded)

    def open(self) -> PictureFormat:
        """Claim the camera and configure it; a second call changes nothing. Raises HardwareFault."""
        if self._session is None:
            session = self._calls.run(self._claim_seconds, "camera-open", self._claimed, _let_go)
            self._origin = session.origin() + self._caption_origin()
            self._session = session
        return self._format

    def start(self, deliver: Deliver, caption: str) -> None:
        """Start sensor, encoder and watch, anew if they run. Raises HardwareFault, after giving the camera back."""
        if self._session is not None and self._session.running:
            with contextlib.suppress(HardwareFault):  # what does not stop is left behind: a fresh one is tried below
                self.stop(self._claim_seconds)
        self.open()
        self._gate = gate = Gate(deliver)
        self._watch = watch = PictureWatch(gate, self._local_clock.clock, self._complaints.take, self._settings.zones())
        painter = self._painter(caption)
        self._complaints.take()  # what was said before this run explains nothing in it
        try:
            self._calls.run(self._claim_seconds, "camera-start", lambda: self._run(gate, watch, painter), _let_go)
        except HardwareFault:
            with contextlib.suppress(HardwareFault):  # the reason why it did not start is worth more
                self.stop(self._claim_seconds)
            raise
        watch.start()

    def force_keyframe(self) -> None:
        """Ask the running encoder for a keyframe; without one nothing happens."""
        session = self._session
        if session is not None:
            session.force_key_frame()

    def ease(self, eased: bool) -> None:
        """Change between the two bitrates; a start that comes later takes the same. Raises HardwareFault."""
        self._eased = eased
        session = self._session
        if session is not None:
            try:
                session.set_bitrate(self._bitrate)
            except OSError as failure:
                raise camera_fault(failure) from failure

    @property
    def _bitrate(self) -> int:
        return self._settings.bitrate(eased=self._eased)

    def stop(self, limit_seconds: float) -> None:
        """Stop, flush the encoder and give the camera back; raises HardwareFault for a call stuck at the limit."""
        watch, gate = self._watch, self._gate
        try:
            if watch is not None:
                watch.stop(WATCH_END_SECONDS)
            if self._session is not None:
                self._calls.run(limit_seconds, "camera-stop", self._session.release)
        finally:
            self._session = self._watch = self._gate = None
            if gate is not None:
                gate.close()

    def origin(self) -> tuple[SourceOrigin, ...]:
        """libcamera, picamera2, the encoder's library and the caption's font; empty before `open`."""
        return self._origin

    @property
    def _format(self) -> PictureFormat:
        chosen = self._settings
        return PictureFormat(width=chosen.width, height=chosen.height, frames_per_second=chosen.frames_per_second)

    def _leave_behind(self) -> None:
        """Forget a device object in which a call is stuck, and take the camera from it where it still can be taken."""
        session, self._session = self._session, None
        if session is None or not session.abandon():
            return
        try:
            run_within(WREST_SECONDS, "camera-wrest", session.wrest)
        except LimitExceeded as failure:
            self._calls.stuck.add(failure)
        except Exception:  # noqa: BLE001 - a library's anything; the fresh object will say what is wrong
            return

    def _claimed(self) -> PicameraSession:
        return self._loaded()(self._settings, self._format)

    def _loaded(self) -> type[PicameraSession]:
        self._complaints.attach()
        from drivers.picamera_session import PicameraSession  # noqa: PLC0415 - picamera2 may not be installed

        return PicameraSession

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

    def _run(self, gate: Gate, watch: PictureWatch, painter: Caption | None) -> PicameraSession:
        session = self._session
        if session is None:
            raise RuntimeError("the camera was given up while it was started")
        session.run(gate, watch, painter, bitrate_bits_per_second=self._bitrate)
        return session


def _let_go(session: PicameraSession) -> None:
    """What a call brought after its limit is given back on the call's own thread."""
    session.release()
