"""Encoded packets in, fragments of segments out: where a stream of packets is cut, and what each piece contains.

Pure: no file, no clock, no key. WRITER owns one `Segmenter` per session, feeds it in arrival order and carries out the
steps it returns. Nothing is held back longer than a fragment: a step is returned as soon as its media is complete.

A segment opens on a keyframe (or on a sound packet where there is no picture), its media time 0 is the earliest capture
time of its first fragment, and its sound is anchored anew by the sound clock, so that no drift outlives a segment. A
stream that is lost or comes back ends the segment; so does a hole made by a full queue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from liuhen.registry import EndCause

from edge import mp4
from edge.audio_clock import AudioClock
from edge.h264 import AccessUnit, ParameterSets, access_unit
from edge.packet_queue import Lapse
from edge.ports import PictureFormat, PicturePacket, SoundFormat, SoundPacket, SourceLost, Stream

PICTURE_TIMESCALE = 90_000
OVERDUE_NS = 250_000_000
"""How much longer than its length a fragment waits for a picture before it is closed without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutting:
    """How long segments and fragments are, in nanoseconds."""

    segment_ns: int
    fragment_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A new segment begins with the fragment that follows; `initialisation` is its ftyp and moov."""

    number: int
    initialisation: bytes
    streams: tuple[Stream, ...]
    first_frame: int
    first_sample: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundAnchor:
    """Capture time of a segment's first sample and the measured deviation of the sound clock."""

    anchor_ns: int
    parts_per_billion: int
    measured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """The media of one fragment (empty only to end a segment); counts are the session's, this fragment included."""

    media: bytes
    frames: int
    samples: int
    span_ns: tuple[int, int]
    end_cause: EndCause | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The segment is complete with the fragment before."""

    number: int
    frames: tuple[int, int]
    samples: tuple[int, int]
    span_ns: tuple[int, int]
    missed: tuple[int, int]
    end_cause: EndCause
    sound: SoundAnchor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAbsent:
    """One stream stops at `since_ns`; `lost` frames or samples are known to be gone (0: the source itself ended)."""

    stream: Stream
    since_ns: int
    lost: int
    overflow: bool
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPresent:
    """The stream is back: its first frame or sample after the hole was captured at `until_ns`."""

    stream: Stream
    until_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """The source itself skipped: frames or samples that never existed as packets, directly after the named index."""

    stream: Stream
    count: int
    after_index: int
    from_ns: int
    to_ns: int


Step = Opened | Fragment | Closed | StreamAbsent | StreamPresent | Missed


@dataclass(slots=True)
class _Piece:
    """The open fragment."""

    pictures: list[tuple[AccessUnit, int]] = field(default_factory=list)
    sounds: list[SoundPacket] = field(default_factory=list)
    sound_skip: int = 0

    @property
    def empty(self) -> bool:
        return not self.pictures and not self.sounds


@dataclass(slots=True)
class _Open:
    """The open segment."""

    number: int
    sets: ParameterSets | None
    streams: tuple[Stream, ...]
    first_frame: int
    first_sample: int
    start_ns: int
    fragments: int = 0
    zero_ns: int = -1
    end_ns: int = 0
    sound: SoundAnchor | None = None
    sound_ticks: int = 0
    missed_frames: int = 0
    missed_samples: int = 0


class Segmenter:
    """See the module. One per session; not thread-safe."""

    def __init__(
        self,
        *,
        cutting: Cutting,
        picture: PictureFormat | None,
        sound: SoundFormat | None,
        first_number: int = 0,
    ) -> None:
        """Start before the first segment; a stream whose format is None is never expected."""
        self._cutting = cutting
        self._picture = picture
        self._sound = sound
        self._number = first_number
        self.frames = 0
        self.samples = 0
        self.missed_frames = 0
        self.missed_samples = 0
        self.sound_clock = AudioClock(rate_hz=sound.rate_hz) if sound is not None else None
        self._frame_ns = 10**9 // picture.frames_per_second if picture is not None else 0
        self._live = {s for s, f in ((Stream.PICTURE, picture), (Stream.SOUND, sound)) if f is not None}
        self._absent: set[Stream] = set()
        self._open: _Open | None = None
        self._piece = _Piece()
        self._waiting: list[SoundPacket] = []
        self._last_picture_ns = 0
        self._last_sound_end_ns = 0

    # -- what WRITER calls ------------------------------------------------------------------------------------------

    def accept(self, item: PicturePacket | SoundPacket | Lapse | SourceLost) -> list[Step]:
        """Take one item in arrival order; returns the steps that became due."""
        match item:
            case PicturePacket():
                return list(self._picture_packet(item))
            case SoundPacket():
                return list(self._sound_packet(item))
            case Lapse():
                return list(self._lapse(item))
            case SourceLost():
                return list(self._source_lost(item))

    def tick(self, now_ns: int) -> list[Step]:
        """Close a fragment whose picture is overdue; `now_ns` is BOOTTIME."""
        if self._open is None or self._piece.empty:
            return []
        due_ns = self._piece_start_ns() + self._cutting.fragment_ns + OVERDUE_NS
        return list(self._close_piece(None)) if now_ns >= due_ns else []

    def finish(self, cause: EndCause) -> list[Step]:
        """End the open segment for this cause; the last fragment carries it."""
        if self._open is None and self._waiting:
            self._open_segment(None)
        return list(self._close_segment(cause))

    def keyframe_wanted(self, now_ns: int) -> bool:
        """True once the open segment has reached its length."""
        return self._open is not None and now_ns - self._open.start_ns >= self._cutting.segment_ns

    # -- pictures ---------------------------------------------------------------------------------------------------

    def _picture_packet(self, packet: PicturePacket) -> Iterator[Step]:
        unit = access_unit(packet.payload)
        if Stream.PICTURE not in self._live:
            if not packet.keyframe:
                return
            yield from self._return_of(Stream.PICTURE, packet.boottime_ns)
        if packet.missed_frames:
            yield self._missed_frames(packet)
        if self._open is None:
            if not packet.keyframe or unit.sets is None:
                return
            self._open_segment(unit.sets, packet.boottime_ns)
        elif self._cuts(packet, unit):
            yield from self._close_segment(EndCause.ROTATED, next_picture_ns=packet.boottime_ns)
            self._open_segment(unit.sets, packet.boottime_ns)
        elif not self._piece.empty and self._fragment_due(packet.boottime_ns):
            yield from self._close_piece(None, next_picture_ns=packet.boottime_ns)
        self._piece.pictures.append((unit, packet.boottime_ns))
        self._last_picture_ns = packet.boottime_ns
        self.frames += 1

    def _cuts(self, packet: PicturePacket, unit: AccessUnit) -> bool:
        """A keyframe cuts at the segment's length, and at once where it brings other parameter sets."""
        if not packet.keyframe or unit.sets is None or self._open is None:
            return False
        due = packet.boottime_ns - self._open.start_ns >= self._cutting.segment_ns - self._frame_ns // 2
        return due or unit.sets != self._open.sets

    def _fragment_due(self, now_ns: int) -> bool:
        return now_ns - self._piece_start_ns() >= self._cutting.fragment_ns - self._frame_ns // 2

    def _missed_frames(self, packet: PicturePacket) -> Missed:
        self.missed_frames += packet.missed_frames
        if self._open is not None:
            self._open.missed_frames += packet.missed_frames
        return Missed(
            stream=Stream.PICTURE,
            count=packet.missed_frames,
            after_index=self.frames,
            from_ns=self._last_picture_ns,
            to_ns=packet.boottime_ns,
        )

    # -- sound ------------------------------------------------------------------------------------------------------

    def _sound_packet(self, packet: SoundPacket) -> Iterator[Step]:
        clock = self._clock()
        clock.observe(
            first_sample=packet.first_sample, samples=packet.samples, arrival_boottime_ns=packet.arrival_boottime_ns
        )
        if Stream.SOUND not in self._live:
            yield from self._return_of(Stream.SOUND, clock.boottime_of(packet.first_sample))
        if self._open is None:
            self._waiting.append(packet)
            if Stream.PICTURE not in self._live or self._waited_long():
                self._open_segment(None)
            return
        yield from self.tick(packet.arrival_boottime_ns)
        if packet.missed_samples:
            yield from self._missed_samples(packet)
        if Stream.PICTURE not in self._open.streams:
            yield from self._cut_sound(packet)
        self._add_sound(packet)

    def _add_sound(self, packet: SoundPacket) -> None:
        self._piece.sounds.append(packet)
        self._last_sound_end_ns = self._clock().boottime_of(packet.first_sample + packet.samples)
        self.samples += packet.samples

    def _cut_sound(self, packet: SoundPacket) -> Iterator[Step]:
        """Without a picture, packets bound the fragments and segments."""
        if self._open is None or self._piece.empty:
            return
        now_ns = self._clock().boottime_of(packet.first_sample)
        if now_ns - self._open.start_ns >= self._cutting.segment_ns:
            yield from self._close_segment(EndCause.ROTATED)
            self._open_segment(None, now_ns)
        elif now_ns - self._piece_start_ns() >= self._cutting.fragment_ns:
            yield from self._close_piece(None)

    def _waited_long(self) -> bool:
        """Sound has waited for the first picture as long as a fragment may: what the room said is sealed without it."""
        waited = sum(packet.samples for packet in self._waiting)
        return waited * 10**9 >= 2 * self._cutting.fragment_ns * self._rate_hz()

    def _missed_samples(self, packet: SoundPacket) -> Iterator[Step]:
        """Samples the source lost: the time line skips them, which only a new fragment can say."""
        if self._piece.sounds:
            yield from self._close_piece(None)
        if self._open is not None:
            self._open.missed_samples += packet.missed_samples
            self._piece.sound_skip += packet.missed_samples
        self.missed_samples += packet.missed_samples
        yield Missed(
            stream=Stream.SOUND,
            count=packet.missed_samples,
            after_index=self.samples,
            from_ns=self._last_sound_end_ns,
            to_ns=self._clock().boottime_of(packet.first_sample),
        )

    # -- holes and losses -------------------------------------------------------------------------------------------

    def _lapse(self, lapse: Lapse) -> Iterator[Step]:
        """The queue was full: the segment ends before the hole's far side, which the next packet of the stream is."""
        since_ns = lapse.first_boottime_ns if lapse.stream is Stream.PICTURE else self._last_sound_end_ns
        yield from self._leave(lapse.stream, EndCause.OVERFLOW)
        if lapse.stream is Stream.PICTURE:
            self.missed_frames += lapse.lost + lapse.missed
        else:
            self.missed_samples += lapse.lost + lapse.missed
        yield StreamAbsent(
            stream=lapse.stream, since_ns=since_ns, lost=lapse.lost + lapse.missed, overflow=True, what="queue overflow"
        )

    def _source_lost(self, loss: SourceLost) -> Iterator[Step]:
        if loss.stream not in self._live:
            return
        ended_ns = self._last_picture_ns + self._frame_ns
        since_ns = ended_ns if loss.stream is Stream.PICTURE else self._last_sound_end_ns
        yield from self._leave(loss.stream, EndCause.STREAMS_CHANGED)
        if loss.stream is Stream.SOUND and self._sound is not None:
            self.sound_clock = AudioClock(rate_hz=self._sound.rate_hz)  # a source that comes back counts from 0 again
        yield StreamAbsent(
            stream=loss.stream, since_ns=since_ns or loss.boottime_ns, lost=0, overflow=False, what=loss.what
        )

    def _leave(self, stream: Stream, cause: EndCause) -> Iterator[Step]:
        yield from self._close_segment(cause)
        self._live.discard(stream)
        self._absent.add(stream)

    def _return_of(self, stream: Stream, until_ns: int) -> Iterator[Step]:
        yield from self._close_segment(EndCause.STREAMS_CHANGED)
        self._live.add(stream)
        self._absent.discard(stream)
        yield StreamPresent(stream=stream, until_ns=until_ns)

    # -- pieces and segments ----------------------------------------------------------------------------------------

    def _open_segment(self, sets: ParameterSets | None, start_ns: int | None = None) -> None:
        """Begin a segment in memory; it becomes a file with its first fragment, so no empty file is ever left."""
        picture = (Stream.PICTURE,) if sets is not None else ()
        sound = (Stream.SOUND,) if Stream.SOUND in self._live else ()
        waiting, self._waiting = self._waiting, []
        if start_ns is None:
            start_ns = self._clock().boottime_of(waiting[0].first_sample)
        self._open = _Open(
            number=self._number,
            sets=sets,
            streams=picture + sound,
            first_frame=self.frames,
            first_sample=self.samples,
            start_ns=start_ns,
        )
        self._number += 1
        for packet in waiting:
            self._add_sound(packet)

    def _close_segment(self, cause: EndCause, *, next_picture_ns: int | None = None) -> Iterator[Step]:
        opened = self._open
        if opened is None:
            return
        yield from self._close_piece(cause, next_picture_ns=next_picture_ns)
        self._open = None
        yield Closed(
            number=opened.number,
            frames=(opened.first_frame, self.frames - opened.first_frame),
            samples=(opened.first_sample, self.samples - opened.first_sample),
            span_ns=(opened.zero_ns, max(opened.end_ns, opened.zero_ns)),
            missed=(opened.missed_frames, opened.missed_samples),
            end_cause=cause,
            sound=opened.sound,
        )

    def _close_piece(self, cause: EndCause | None, *, next_picture_ns: int | None = None) -> Iterator[Step]:
        opened, piece = self._open, self._piece
        if opened is None:
            return
        self._piece = _Piece()
        if piece.empty:
            if cause is not None and opened.fragments:
                yield self._fragment(b"", (opened.end_ns, opened.end_ns), cause)
            return
        if not opened.fragments:
            opened.zero_ns = self._earliest_ns(piece)
            yield self._opened(opened)
        opened.fragments += 1
        picture = self._picture_run(opened, piece, next_picture_ns)
        sound = self._sound_run(opened, piece)
        span_ns = self._span_ns(piece, next_picture_ns)
        opened.end_ns = max(opened.end_ns, span_ns[1])
        media = mp4.fragment(
            sequence=opened.fragments, picture=picture, sound=sound, utc_ms=self.utc_ms_of(span_ns[0])
        )
        yield self._fragment(media, span_ns, cause)

    def utc_ms_of(self, boottime_ns: int) -> int:
        """UTC for players (`prft`), from the anchor WRITER last set; never used for order or position."""
        utc_ms, anchor_ns = self.utc_anchor
        return utc_ms + (boottime_ns - anchor_ns) // 1_000_000

    utc_anchor: tuple[int, int] = (0, 0)
    """(utc_ms, boottime_ns) read together by WRITER when a segment file opens."""

    def _fragment(self, media: bytes, span_ns: tuple[int, int], cause: EndCause | None) -> Fragment:
        return Fragment(media=media, frames=self.frames, samples=self.samples, span_ns=span_ns, end_cause=cause)

    def _opened(self, opened: _Open) -> Opened:
        picture = None
        if opened.sets is not None and self._picture is not None:
            picture = mp4.PictureTrack(
                width=self._picture.width,
                height=self._picture.height,
                sps=opened.sets.sps,
                pps=opened.sets.pps,
                timescale=PICTURE_TIMESCALE,
            )
        sound = None
        if Stream.SOUND in opened.streams and self._sound is not None:
            sound = mp4.SoundTrack(
                rate_hz=self._sound.rate_hz, channels=self._sound.channels, streaminfo=self._sound.streaminfo
            )
        return Opened(
            number=opened.number,
            initialisation=mp4.initialisation(picture=picture, sound=sound),
            streams=opened.streams,
            first_frame=opened.first_frame,
            first_sample=opened.first_sample,
        )

    def _picture_run(self, opened: _Open, piece: _Piece, next_picture_ns: int | None) -> mp4.Run | None:
        if not piece.pictures:
            return None
        times = [time_ns for _, time_ns in piece.pictures]
        times.append(next_picture_ns if next_picture_ns is not None else times[-1] + self._frame_ns)
        ticks = [round((time_ns - opened.zero_ns) * PICTURE_TIMESCALE / 10**9) for time_ns in times]
        samples = tuple(
            mp4.Sample(payload=unit.sample, duration=max(1, after - at), keyframe=unit.keyframe)
            for (unit, _), at, after in zip(piece.pictures, ticks, ticks[1:], strict=False)
        )
        return mp4.Run(decode_time=ticks[0], samples=samples)

    def _sound_run(self, opened: _Open, piece: _Piece) -> mp4.Run | None:
        if not piece.sounds:
            opened.sound_ticks += piece.sound_skip
            return None
        if opened.sound is None:
            opened.sound = self._anchor(piece.sounds[0].first_sample)
            opened.sound_ticks = max(0, (opened.sound.anchor_ns - opened.zero_ns) * self._rate_hz() // 10**9)
        else:
            opened.sound_ticks += piece.sound_skip
        start = opened.sound_ticks
        samples = tuple(mp4.Sample(payload=p.payload, duration=p.samples, keyframe=True) for p in piece.sounds)
        opened.sound_ticks += sum(packet.samples for packet in piece.sounds)
        return mp4.Run(decode_time=start, samples=samples)

    def _anchor(self, first_sample: int) -> SoundAnchor:
        clock = self._clock()
        ppm = clock.rate_error_ppm()
        return SoundAnchor(
            anchor_ns=clock.boottime_of(first_sample),
            parts_per_billion=1000 * (ppm or 0),
            measured=ppm is not None,
        )

    def _earliest_ns(self, piece: _Piece) -> int:
        starts = [piece.pictures[0][1]] if piece.pictures else []
        if piece.sounds:
            starts.append(self._clock().boottime_of(piece.sounds[0].first_sample))
        return min(starts)

    def _span_ns(self, piece: _Piece, next_picture_ns: int | None) -> tuple[int, int]:
        ends = [piece.pictures[-1][1] + self._frame_ns] if piece.pictures else []
        if piece.pictures and next_picture_ns is not None:
            ends = [min(next_picture_ns, piece.pictures[-1][1] + self._frame_ns)]
        if piece.sounds:
            last = piece.sounds[-1]
            ends.append(self._clock().boottime_of(last.first_sample + last.samples))
        start_ns = self._earliest_ns(piece)
        return start_ns, max(start_ns, *ends)

    def _piece_start_ns(self) -> int:
        """Capture time the open fragment is measured from: its first picture, else its first sound."""
        if self._piece.pictures:
            return self._piece.pictures[0][1]
        return self._clock().boottime_of(self._piece.sounds[0].first_sample)

    def _clock(self) -> AudioClock:
        if self.sound_clock is None:
            raise LookupError("a sound packet from a session without sound")
        return self.sound_clock

    def _rate_hz(self) -> int:
        return self._sound.rate_hz if self._sound is not None else 1
