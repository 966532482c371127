"""The ports: what the recorder asks of hardware, as Protocols and the frozen values that cross them.

Owns no thread and touches no disk. Drivers (`drivers/`) and the port-level room (`sim/virtual.py`) implement these
Protocols; `edge` calls them. The only exception that may leave a port is `HardwareFault`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class Stream(enum.IntEnum):
    """A live stream of a session; the number is the one FORMAT.md uses in signed entries."""

    PICTURE = 0
    SOUND = 1


class SyncState(enum.IntEnum):
    """How far the device's UTC can be believed; the number is the one FORMAT.md uses."""

    UNKNOWN = 0
    UNSYNCHRONISED = 1
    SYNCHRONISED = 2
    HOLDOVER = 3


class FaultKind(enum.Enum):
    """What kind of fault a person is told of, as far as the library's words tell it."""

    ABSENT = enum.auto()
    BUSY = enum.auto()
    FORMAT = enum.auto()
    STUCK = enum.auto()
    """A call into the device's library has not come back: only another process is sure to get the device again."""
    OTHER = enum.auto()


class HardwareFault(Exception):
    """A device cannot do what was asked; says which, what happened, and what a person should do.

    `device` is a stable word ("camera", "microphone", "clock"); `remedy_zh` and `remedy_en` are shown as they are.
    """

    def __init__(
        self, *, device: str, what: str, remedy_zh: str, remedy_en: str, kind: FaultKind = FaultKind.OTHER
    ) -> None:
        super().__init__(f"{device}: {what}")
        self.kind = kind
        self.device = device
        self.what = what
        self.remedy_zh = remedy_zh
        self.remedy_en = remedy_en


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOrigin:
    """What a source is made of; it goes into the session entry.

    `genuine` is False when the bytes can come from anything but the physical sensor (a stand-in for libcamera, a
    sound server in between): such a source refuses a key endorsed for production. `evidence` says how that was told.
    """

    component: str
    version: str
    evidence: str
    genuine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFormat:
    """Geometry and nominal rate of the encoded picture (pixels, frames per second)."""

    width: int
    height: int
    frames_per_second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundFormat:
    """PCM geometry and the 34-byte FLAC STREAMINFO (RFC 9639, 8.2) of the running encoder."""

    rate_hz: int
    channels: int
    streaminfo: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturePacket:
    """One H.264 access unit in Annex B form (SPS and PPS precede every keyframe).

    `boottime_ns` is the sensor's CLOCK_BOOTTIME of the frame; `missed_frames` counts frame times that passed without
    a frame directly before this one, told by the step in sensor time.
    """

    payload: bytes = field(repr=False)
    boottime_ns: int
    keyframe: bool
    missed_frames: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundPacket:
    """One FLAC frame. `first_sample` counts PCM frames since the source started; a jump is told by `missed_samples`.

    `arrival_boottime_ns` is when the packet's last sample reached the callback: late, never early.
    """

    payload: bytes = field(repr=False)
    first_sample: int
    samples: int
    arrival_boottime_ns: int
    missed_samples: int = 0


class Side(enum.IntEnum):
    """Whose seats a zone of the picture shows: both sides have to be in it (Jiaozuo Art. 9, last paragraph)."""

    OFFICIALS = 0
    PARTIES = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SideMeasure:
    """What ANALYSIS saw within one side's zone; the units of `PictureMeasure`."""

    side: Side
    mean_milliluma: int
    spread_milliluma: int
    detail_milliluma: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureMeasure:
    """What ANALYSIS saw on the low-resolution stream: luma 0..255 times 1000, so that no float is ever signed.

    `change_milliluma` is the mean absolute difference to the previous measured picture, `detail_milliluma` the mean
    absolute difference between neighbouring pixels (a covered lens has none). `sides` holds the zones that are
    configured.
    """

    boottime_ns: int
    mean_milliluma: int
    spread_milliluma: int
    change_milliluma: int
    detail_milliluma: int
    sides: tuple[SideMeasure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundMeasure:
    """Level of one block of PCM: peak and RMS in millibel of full scale (0 = full scale, -9600 for digital zero).

    `zero_samples` is the length of the run of exact zeros at the block's end (it may exceed the block);
    `clipped_samples` counts samples at either end of the scale.
    """

    boottime_ns: int
    samples: int
    peak_millibel: int
    rms_millibel: int
    zero_samples: int
    clipped_samples: int


class LossCause(enum.Enum):
    """How a source was lost, as far as its driver can tell."""

    SILENT = enum.auto()
    """It delivers nothing, and nothing says why."""
    ENDED = enum.auto()
    """Its library says that it is over: unplugged, or the sound server gone."""
    MOVED = enum.auto()
    """A sound server put another source in its place; what came since is of no known room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLost:
    """A source ended or fell silent by itself; nothing more comes from it until it is started again."""

    stream: Stream
    boottime_ns: int
    what: str
    cause: LossCause = LossCause.SILENT


Delivered = PicturePacket | SoundPacket | PictureMeasure | SoundMeasure | SourceLost
Deliver = Callable[[Delivered], None]
"""Called on a library's own thread; returns at once and never raises."""


class Camera(Protocol):
    """A picture source with its running encoder. Called by CONTROL only, except `force_keyframe` (WRITER too).

    `stop` gives the device back; `start` claims it again by itself. Nothing is delivered after `SourceLost` until the
    next `start`.
    """

    def open(self) -> PictureFormat:
        """Claim the device and fix the format. Raises HardwareFault (absent, busy, refused mode)."""

    def start(self, deliver: Deliver, caption: str) -> None:
        """Start sensor and encoder; `caption` (room and session) is burned into every picture with the time."""

    def force_keyframe(self) -> None:
        """Ask for a keyframe as soon as possible; never blocks."""

    def ease(self, eased: bool) -> None:
        """Encode at the lower bitrate of a hot board while `eased`, from the next frame on and without losing one.

        It holds over `stop` and `start`, and may be said at any time. Raises HardwareFault where the encoder refuses.
        """

    def stop(self, limit_seconds: float) -> None:
        """Stop and flush within the limit; everything captured has been delivered on return, or HardwareFault."""

    def origin(self) -> tuple[SourceOrigin, ...]:
        """The components the picture passes through (picamera2, libcamera, PyAV); valid after `open`."""


class Microphone(Protocol):
    """A sound source with its running FLAC encoder. Called by CONTROL only; the rules of `Camera` hold."""

    def format(self) -> SoundFormat:
        """What it will deliver, told by its encoder whether the device is there or not."""

    def open(self) -> SoundFormat:
        """Claim the device and fix the format. Raises HardwareFault (absent, wrong rate or channels)."""

    def start(self, deliver: Deliver) -> None:
        """Start capture; the first packet has `first_sample` 0."""

    def stop(self, limit_seconds: float) -> None:
        """Stop and flush the last, shorter packet within the limit, or HardwareFault."""

    def origin(self) -> tuple[SourceOrigin, ...]:
        """The components the sound passes through; valid after `open`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RtcReading:
    """The battery-backed clock: its UTC in ms (None: it does not answer), and whether it calls its own time valid."""

    utc_ms: int | None
    valid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """One simultaneous reading: UTC in ms (a claim), CLOCK_BOOTTIME in ns (the axis), and how far UTC is believed.

    `rtc` is None where there is no battery-backed clock, or nobody has looked yet.
    """

    utc_ms: int
    boottime_ns: int
    sync: SyncState
    error_ms: int
    rtc: RtcReading | None = None


class Clock(Protocol):
    """The device's clocks. Any thread may call; never blocks, never raises."""

    boot_id: bytes

    def read(self) -> ClockReading:
        """Read UTC, BOOTTIME and the sync state together."""

    def boottime_ns(self) -> int:
        """CLOCK_BOOTTIME in nanoseconds, cheap enough for every packet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What a composition root hands to the recorder: one camera, one microphone (either may be absent), one clock."""

    camera: Camera | None
    microphone: Microphone | None
    clock: Clock
