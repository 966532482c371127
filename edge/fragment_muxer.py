"""One segment's media time: the packets of a fragment, with their capture times, become its bytes.

Pure. The segmenter has a muxer for each segment it cuts; WRITER makes another where a file was lost, so that the same
packets begin a new file whose media time starts at 0 again.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge import mp4
from edge.audio_clock import AudioClock
from edge.h264 import AccessUnit
from edge.ports import SoundPacket

PICTURE_TIMESCALE = 90_000
_LONGEST_DURATION_TICKS = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A sound packet with the clock of its source; `skip` samples are absent directly before it."""

    packet: SoundPacket
    clock: AudioClock
    skip: int

    @property
    def start_ns(self) -> int:
        """Capture time of its first sample, as the sound clock knows it now."""
        return self.clock.boottime_of(self.packet.first_sample)

    @property
    def end_ns(self) -> int:
        """Capture time of the sample after its last."""
        return self.clock.boottime_of(self.packet.first_sample + self.packet.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What one fragment is made of: pictures with capture times, sound, and when the next picture comes if known."""

    pictures: tuple[tuple[AccessUnit, int], ...] = ()
    sounds: tuple[Heard, ...] = ()
    next_picture_ns: int | None = None

    @property
    def start_ns(self) -> int:
        """Capture time of its first frame or sample."""
        return min([time_ns for _, time_ns in self.pictures[:1]] + [heard.start_ns for heard in self.sounds[:1]])

    def span_ns(self, frame_ns: int) -> tuple[int, int]:
        """From the first frame or sample to the end of the last one."""
        ends = [heard.end_ns for heard in self.sounds[-1:]]
        if self.pictures:
            end_ns = self.pictures[-1][1] + frame_ns
            ends.append(end_ns if self.next_picture_ns is None else min(self.next_picture_ns, end_ns))
        start_ns = self.start_ns
        return start_ns, max(start_ns, *ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundAnchor:
    """Capture time of a segment's first sample and the measured deviation of the sound clock."""

    anchor_ns: int
    parts_per_billion: int
    measured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Nominal length of a frame, and samples per second (1 without sound)."""

    frame_ns: int
    sound_hz: int


class FragmentMuxer:
    """See the module. Feed every fragment of the segment in order; `zero_ns` is where its media time is 0."""

    def __init__(self, *, zero_ns: int, rates: Rates) -> None:
        """Before the first fragment; the sound is anchored by its first packet."""
        self.zero_ns = zero_ns
        self.fragments = 0
        self.sound: SoundAnchor | None = None
        self._rates = rates
        self._sound_ticks = 0

    def media(self, content: Content, *, utc_ms: int) -> bytes:
        """The bytes of the next fragment; `utc_ms` is for players alone."""
        self.fragments += 1
        return mp4.fragment(
            sequence=self.fragments, picture=self._picture_run(content), sound=self._sound_run(content), utc_ms=utc_ms
        )

    def _picture_run(self, content: Content) -> mp4.Run | None:
        if not content.pictures:
            return None
        times = [time_ns for _, time_ns in content.pictures]
        after_ns = content.next_picture_ns
        times.append(after_ns if after_ns is not None else times[-1] + self._rates.frame_ns)
        ticks = [round((time_ns - self.zero_ns) * PICTURE_TIMESCALE / 10**9) for time_ns in times]
        samples = tuple(
            mp4.Sample(payload=unit.sample, duration=_ticks_between(at, after), keyframe=unit.keyframe)
            for (unit, _), at, after in zip(content.pictures, ticks, ticks[1:], strict=False)
        )
        return mp4.Run(decode_time=ticks[0], samples=samples)

    def _sound_run(self, content: Content) -> mp4.Run | None:
        if not content.sounds:
            return None
        first = content.sounds[0]
        if self.sound is None:
            self.sound = _anchor(first)
            self._sound_ticks = max(0, (self.sound.anchor_ns - self.zero_ns) * self._rates.sound_hz // 10**9)
        else:
            self._sound_ticks += first.skip
        start = self._sound_ticks
        samples = tuple(
            mp4.Sample(payload=heard.packet.payload, duration=heard.packet.samples, keyframe=True)
            for heard in content.sounds
        )
        self._sound_ticks += sum(heard.packet.samples for heard in content.sounds)
        return mp4.Run(decode_time=start, samples=samples)


def _anchor(first: Heard) -> SoundAnchor:
    ppm = first.clock.rate_error_ppm()
    return SoundAnchor(anchor_ns=first.start_ns, parts_per_billion=1000 * (ppm or 0), measured=ppm is not None)


def _ticks_between(at: int, after: int) -> int:
    """A picture's duration as `trun` can hold it."""
    return min(max(1, after - at), _LONGEST_DURATION_TICKS)
