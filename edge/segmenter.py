"""Encoded packets in, fragments of segments out: where a stream of packets is cut, and what each piece contains.

Pure: no file, no clock, no key. WRITER owns one `Segmenter` per session, feeds it in arrival order and carries out the
steps it returns. Nothing is held back longer than a fragment: a step is returned as soon as its media is complete. A
fragment carries its packets beside its bytes: WRITER can begin a new file with it where the disk lost the first one.

A segment opens on a keyframe (or on a sound packet where there is no picture), its media time 0 is the earliest capture
time of its first fragment, and its sound is anchored anew by the sound clock, so that no drift outlives a segment. A
stream that is lost or comes back ends the segment; so does a hole made by a full queue. Where the picture goes on, that
end waits for its next keyframe, which is asked for at once: a file that began between keyframes could not be decoded,
and dropping pictures because of the sound would be a second loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from edge import mp4
from edge.audio_clock import AudioClock
from edge.fragment_muxer import PICTURE_TIMESCALE, Content, FragmentMuxer, Heard, Rates, SoundAnchor
from edge.h264 import AccessUnit, ParameterSets, access_unit
from edge.packet_queue import Lapse
from edge.ports import LossCause, PictureFormat, PicturePacket, SoundFormat, SoundPacket, SourceLost, Stream
from liuhen.registry import EndCause

OVERDUE_NS = 250_000_000
"""How much longer than its length a fragment waits for a picture before it is closed without one."""
LATE_NS = 240_000_000
"""After an interruption a stream that comes so much later than the other has a gap of its own (S10 allows 250 ms)."""
BEHIND_NS = 1_000_000_000
"""At the end of a session a stream that stops so much before the other has a gap of its own (S10 allows a second)."""
ROOMY_SEGMENT_BYTES = 48 * 1024 * 1024
ROOMY_SEGMENT_FRAGMENTS = 600
"""Past either a segment ends at the next keyframe, well before the format's limits (64 MiB, 700 fragments)."""


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
class Fragment:
    """The media of one fragment (empty only to end a segment); counts are the session's, this fragment included.

    `missed` counts the frames and samples known to be missing in its segment so far. `content` is what `media` was made
    of.
    """

    media: bytes
    frames: int
    samples: int
    span_ns: tuple[int, int]
    end_cause: EndCause | None
    missed: tuple[int, int]
    content: Content


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
    hole_ns: int = 0
    cause: LossCause = LossCause.SILENT
    ending: bool = False
    """The session ends here: nobody need fetch the stream back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPresent:
    """The stream is back: its first frame or sample after the hole was captured at `until_ns`."""

    stream: Stream
    until_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """The source itself skipped: frames or samples that never existed as packets.

    `after_index` is the index of the last frame or sample before the hole, -1 where there was none.
    """

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
    sounds: list[Heard] = field(default_factory=list)

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
    cut_cause: EndCause | None = None
    deaf: bool = False
    size_bytes: int = 0
    muxer: FragmentMuxer | None = None
    end_ns: int = 0
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
        self._open: _Open | None = None
        self._piece = _Piece()
        self._waiting: list[Heard] = []
        self._undecodable = 0
        self._last_picture_ns = 0
        self._last_sound_end_ns = 0
        self._absent_since_ns: dict[Stream, int] = {}
        self._resumed = False
        self._came: set[Stream] = set()
        self._unstarted: frozenset[Stream] = frozenset()
        self._first_ns = 0

    def go_on_from(
        self,
        *,
        number: int,
        frames: int,
        samples: int,
        absent: frozenset[Stream],
        unstarted: frozenset[Stream] = frozenset(),
    ) -> None:
        """Before the first packet: numbers and indices go on where an earlier run of the session ended.

        A stream that was absent then is told as present with its first packet. One of `unstarted` has no gap of its own
        yet: it is told as absent from the first media of the other on, where the gap of both ends.
        """
        self._number, self.frames, self.samples = number, frames, samples
        self._live -= absent | unstarted
        self._unstarted = unstarted
        self._resumed = True

    @property
    def media_end_ns(self) -> int | None:
        """Until when every live stream was taken; None where one of them never was."""
        ends = {Stream.PICTURE: self._last_picture_ns + self._frame_ns, Stream.SOUND: self._last_sound_end_ns}
        taken = {Stream.PICTURE: self._last_picture_ns > 0, Stream.SOUND: self._last_sound_end_ns > 0}
        if not self._live or not all(taken[stream] for stream in self._live):
            return None
        return min(ends[stream] for stream in self._live)

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
        return list(self._finish(cause))

    def keyframe_wanted(self, now_ns: int) -> bool:
        """True once the open segment is to end at the next keyframe."""
        opened = self._open
        if opened is None or Stream.PICTURE not in opened.streams:
            return False
        return self._to_be_cut(opened) or now_ns - opened.start_ns >= self._cutting.segment_ns

    def _finish(self, cause: EndCause) -> Iterator[Step]:
        yield from self._left_behind()
        if self._waiting:
            yield from self._close_segment(EndCause.STREAMS_CHANGED)
            yield from self._open_segment(None)
        yield from self._close_segment(cause)

    def _left_behind(self) -> Iterator[Step]:
        """What an overloaded encoder still held when the sources were stopped never came: a gap says so."""
        ends = {Stream.PICTURE: self._last_picture_ns + self._frame_ns, Stream.SOUND: self._sound_end_ns()}
        taken = {Stream.PICTURE: self._last_picture_ns > 0, Stream.SOUND: self._sound_end_ns() > 0}
        if self._live != set(ends) or not all(taken.values()):
            return
        for stream, end_ns in ends.items():
            if max(ends.values()) - end_ns > BEHIND_NS:
                yield StreamAbsent(
                    stream=stream, since_ns=end_ns, lost=0, overflow=False, what="it was behind at the end", ending=True
                )

    # -- pictures ---------------------------------------------------------------------------------------------------

    def _picture_packet(self, packet: PicturePacket) -> Iterator[Step]:
        unit = access_unit(packet.payload)
        starts = packet.keyframe and unit.sets is not None
        if not starts and (self._open is None or Stream.PICTURE not in self._open.streams):
            self._undecodable += 1 + packet.missed_frames  # nothing can show it; the next keyframe's event counts it
            return
        # A sensor whose time falls would make a file no player can follow; its own order is kept instead.
        now_ns = max(packet.boottime_ns, self._last_picture_ns + 1)
        if Stream.PICTURE not in self._live:
            yield from self._return_of(Stream.PICTURE, now_ns)
        yield from self._first_of(Stream.PICTURE, now_ns)
        missed, self._undecodable = packet.missed_frames + self._undecodable, 0
        if missed:
            yield self._missed_frames(missed, now_ns)
        yield from self._make_room(now_ns, unit.sets if starts else None)
        self._piece.pictures.append((unit, now_ns))
        self._last_picture_ns = now_ns
        self.frames += 1

    def _make_room(self, now_ns: int, sets: ParameterSets | None) -> Iterator[Step]:
        """Open or cut what the picture at `now_ns` needs; `sets` are those of a keyframe."""
        cause = self._cut_by(now_ns, sets) if sets is not None else None
        if cause is not None:
            yield from self._close_segment(cause, next_picture_ns=now_ns)
        if self._open is None:
            yield from self._open_segment(sets, now_ns)
        elif not self._piece.empty and self._fragment_due(now_ns):
            yield from self._close_piece(None, next_picture_ns=now_ns)

    def _cut_by(self, now_ns: int, sets: ParameterSets) -> EndCause | None:
        """A keyframe cuts at the segment's length, and at once where the streams or the parameter sets change."""
        opened = self._open
        if opened is None:
            return None
        if opened.cut_cause is not None:
            return opened.cut_cause
        if Stream.PICTURE not in opened.streams:
            return EndCause.STREAMS_CHANGED
        due = now_ns - opened.start_ns >= self._cutting.segment_ns - self._frame_ns // 2
        return EndCause.ROTATED if due or self._to_be_cut(opened) or sets != opened.sets else None

    @property
    def rates(self) -> Rates:
        """What a muxer of this session's fragments has to know."""
        return Rates(frame_ns=self._frame_ns, sound_hz=self._rate_hz())

    @staticmethod
    def _to_be_cut(opened: _Open) -> bool:
        full = opened.size_bytes >= ROOMY_SEGMENT_BYTES or (
            opened.muxer is not None and opened.muxer.fragments >= ROOMY_SEGMENT_FRAGMENTS
        )
        return full or opened.cut_cause is not None

    def _fragment_due(self, now_ns: int) -> bool:
        return now_ns - self._piece_start_ns() >= self._cutting.fragment_ns - self._frame_ns // 2

    def _missed_frames(self, count: int, now_ns: int) -> Missed:
        self.missed_frames += count
        if self._open is not None:
            self._open.missed_frames += count
        return Missed(
            stream=Stream.PICTURE,
            count=count,
            after_index=self.frames - 1,
            from_ns=self._last_picture_ns or now_ns,
            to_ns=now_ns,
        )

    # -- sound ------------------------------------------------------------------------------------------------------

    def _sound_packet(self, packet: SoundPacket) -> Iterator[Step]:
        clock = self._clock()
        clock.observe(
            first_sample=packet.first_sample, samples=packet.samples, arrival_boottime_ns=packet.arrival_boottime_ns
        )
        heard = Heard(packet=packet, clock=clock, skip=packet.missed_samples)
        if Stream.SOUND not in self._live:
            heard = replace(heard, skip=self._hole_samples(heard.start_ns))
            yield from self._return_of(Stream.SOUND, heard.start_ns)
        elif packet.missed_samples:
            yield self._missed_samples(heard)
        yield from self._first_of(Stream.SOUND, heard.start_ns)
        yield from self.tick(packet.arrival_boottime_ns)
        if self._open is None or Stream.SOUND not in self._open.streams or self._open.deaf:
            self._waiting.append(heard)
            if self._open is None and (Stream.PICTURE not in self._live or self._waited_long()):
                yield from self._open_segment(None)
            return
        if Stream.PICTURE not in self._open.streams:
            yield from self._cut_sound(heard.start_ns)
        yield from self._add_sound(heard)

    def _add_sound(self, heard: Heard) -> Iterator[Step]:
        """Put a packet into the open fragment; after a hole into a new one, for only its start can skip time."""
        if heard.skip and self._piece.sounds:
            yield from self._close_piece(None)
        self._piece.sounds.append(heard)
        self._last_sound_end_ns = heard.end_ns
        self.samples += heard.packet.samples

    def _cut_sound(self, now_ns: int) -> Iterator[Step]:
        """Without a picture, packets bound the fragments and segments."""
        opened = self._open
        if opened is None:
            return
        if self._to_be_cut(opened) or now_ns - opened.start_ns >= self._cutting.segment_ns:
            yield from self._close_segment(EndCause.ROTATED)
            yield from self._open_segment(None, now_ns)
        elif not self._piece.empty and now_ns - self._piece_start_ns() >= self._cutting.fragment_ns:
            yield from self._close_piece(None)

    def _waited_long(self) -> bool:
        """Sound has waited for the first picture as long as a fragment may: what the room said is sealed without it."""
        return self._waiting_samples() * 10**9 >= 2 * self._cutting.fragment_ns * self._rate_hz()

    def _waiting_samples(self) -> int:
        return sum(heard.packet.samples for heard in self._waiting)

    def _missed_samples(self, heard: Heard) -> Missed:
        """Samples the source lost: the time line skips them."""
        self.missed_samples += heard.skip
        if self._open is not None:
            self._open.missed_samples += heard.skip
        before_ns = self._waiting[-1].end_ns if self._waiting else self._last_sound_end_ns
        return Missed(
            stream=Stream.SOUND,
            count=heard.skip,
            after_index=self.samples + self._waiting_samples() - 1,
            from_ns=before_ns or heard.start_ns,
            to_ns=heard.start_ns,
        )

    def _hole_samples(self, until_ns: int) -> int:
        """Length of the hole before a sound that is back, where sound from before it still waits for its segment."""
        if not self._waiting:
            return 0
        return max(1, (until_ns - self._waiting[-1].end_ns) * self._rate_hz() // 10**9)

    # -- holes and losses -------------------------------------------------------------------------------------------

    def _lapse(self, lapse: Lapse) -> Iterator[Step]:
        """The queue was full; the next packet of the stream is the hole's far side."""
        lost = lapse.lost + lapse.missed
        if lapse.stream is Stream.PICTURE:
            since_ns = lapse.first_boottime_ns
            self.missed_frames += lost
        else:
            since_ns = self._sound_end_ns() or lapse.first_boottime_ns
            self.missed_samples += lost
        if lapse.stream not in self._live:
            return  # its absence has been told already
        yield from self._leave(lapse.stream, EndCause.OVERFLOW)
        self._absent_since_ns[lapse.stream] = since_ns
        yield StreamAbsent(
            stream=lapse.stream,
            since_ns=since_ns,
            lost=lost,
            overflow=True,
            what="queue overflow",
            hole_ns=lapse.last_boottime_ns - lapse.first_boottime_ns,
        )

    def _source_lost(self, loss: SourceLost) -> Iterator[Step]:
        if loss.stream in self._live:
            picture_end_ns = self._last_picture_ns + self._frame_ns if self._last_picture_ns else 0
            since_ns = picture_end_ns if loss.stream is Stream.PICTURE else self._sound_end_ns()
            yield from self._leave(loss.stream, EndCause.STREAMS_CHANGED)
            self._absent_since_ns[loss.stream] = since_ns or loss.boottime_ns
            yield StreamAbsent(
                stream=loss.stream,
                since_ns=since_ns or loss.boottime_ns,
                lost=0,
                overflow=False,
                what=loss.what,
                cause=loss.cause,
            )
        if loss.stream is Stream.SOUND and self._sound is not None:
            self.sound_clock = AudioClock(rate_hz=self._sound.rate_hz)  # a source that comes back counts from 0 again

    def _sound_end_ns(self) -> int:
        return self._waiting[-1].end_ns if self._waiting else self._last_sound_end_ns

    def _leave(self, stream: Stream, cause: EndCause) -> Iterator[Step]:
        """A stream stops: end the segment, at the next keyframe where the picture goes on; strand no waiting sound."""
        self._live.discard(stream)
        if self._picture_goes_on():
            self._cut_at_keyframe(cause)
            self._hear_no_more()
            return
        yield from self._close_segment(cause)
        if self._waiting:
            yield from self._open_segment(None)
            if Stream.SOUND not in self._live:
                yield from self._close_segment(cause)

    def _first_of(self, stream: Stream, start_ns: int) -> Iterator[Step]:
        """After an interruption the gap of both ends with the first media; the stream that comes later says so."""
        if not self._resumed or stream in self._came:
            return
        if not self._came:
            yield from self._first_of_all(stream, start_ns)
        elif start_ns - self._first_ns > LATE_NS:
            yield StreamAbsent(
                stream=stream, since_ns=self._first_ns, lost=0, overflow=False, what="came later than the other stream"
            )
            yield StreamPresent(stream=stream, until_ns=start_ns)
        self._came.add(stream)

    def _first_of_all(self, stream: Stream, start_ns: int) -> Iterator[Step]:
        """Here the gap of both ends, and that of whatever did not start begins."""
        self._came.add(stream)
        self._first_ns = start_ns
        for other in sorted(self._unstarted - {stream}):
            self._absent_since_ns[other] = start_ns
            yield StreamAbsent(stream=other, since_ns=start_ns, lost=0, overflow=False, what="it did not start")

    def _return_of(self, stream: Stream, until_ns: int) -> Iterator[Step]:
        if self._picture_goes_on():
            self._cut_at_keyframe(EndCause.STREAMS_CHANGED)
        else:
            yield from self._close_segment(EndCause.STREAMS_CHANGED)
        self._live.add(stream)
        # A frame lasts on paper: the next one may have been taken a little before the last one's end.
        yield StreamPresent(stream=stream, until_ns=max(until_ns, self._absent_since_ns.pop(stream, 0)))
        if self._came:
            self._came.add(stream)  # it has a gap of its own, which ends here: it did not come late besides

    def _picture_goes_on(self) -> bool:
        return self._open is not None and Stream.PICTURE in self._open.streams and Stream.PICTURE in self._live

    def _cut_at_keyframe(self, cause: EndCause) -> None:
        if self._open is not None and self._open.cut_cause is None:
            self._open.cut_cause = cause

    def _hear_no_more(self) -> None:
        """Sound after a hole belongs to the next segment, whose moov and anchor know of it."""
        if self._open is not None:
            self._open.deaf = True

    # -- pieces and segments ----------------------------------------------------------------------------------------

    def _open_segment(self, sets: ParameterSets | None, start_ns: int | None = None) -> Iterator[Step]:
        """Begin a segment in memory; it becomes a file with its first fragment, so no empty file is ever left."""
        waiting, self._waiting = self._waiting, []
        hears = bool(waiting) or Stream.SOUND in self._live
        self._open = _Open(
            number=self._number,
            sets=sets,
            streams=((Stream.PICTURE,) if sets is not None else ()) + ((Stream.SOUND,) if hears else ()),
            first_frame=self.frames,
            first_sample=self.samples,
            start_ns=waiting[0].start_ns if start_ns is None else start_ns,
        )
        self._number += 1
        for heard in waiting:
            yield from self._add_sound(heard)
        if waiting and Stream.SOUND not in self._live:
            self._cut_at_keyframe(EndCause.STREAMS_CHANGED)  # it came and went again while it waited
            self._hear_no_more()

    def _close_segment(self, cause: EndCause, *, next_picture_ns: int | None = None) -> Iterator[Step]:
        opened = self._open
        if opened is None:
            return
        yield from self._close_piece(cause, next_picture_ns=next_picture_ns)
        self._open = None
        if opened.muxer is None:
            return  # nothing ever came, so there is no file
        yield Closed(
            number=opened.number,
            frames=(opened.first_frame, self.frames - opened.first_frame),
            samples=(opened.first_sample, self.samples - opened.first_sample),
            span_ns=(opened.muxer.zero_ns, max(opened.end_ns, opened.muxer.zero_ns)),
            missed=(opened.missed_frames, opened.missed_samples),
            end_cause=cause,
            sound=opened.muxer.sound,
        )

    def _close_piece(self, cause: EndCause | None, *, next_picture_ns: int | None = None) -> Iterator[Step]:
        opened, piece = self._open, self._piece
        if opened is None:
            return
        self._piece = _Piece()
        if piece.empty:
            if cause is not None and opened.muxer is not None:
                yield self._fragment(opened, b"", Content(), (opened.end_ns, opened.end_ns), cause)
            return
        content = Content(pictures=tuple(piece.pictures), sounds=tuple(piece.sounds), next_picture_ns=next_picture_ns)
        if opened.muxer is None:
            opened.muxer = FragmentMuxer(zero_ns=content.start_ns, rates=self.rates)
            yield self._opened(opened)
        span_ns = content.span_ns(self._frame_ns)
        opened.end_ns = max(opened.end_ns, span_ns[1])
        media = opened.muxer.media(content, utc_ms=self.utc_ms_of(span_ns[0]))
        opened.size_bytes += len(media)
        yield self._fragment(opened, media, content, span_ns, cause)

    def utc_ms_of(self, boottime_ns: int) -> int:
        """UTC for players (`prft`), from the anchor WRITER last set; never used for order or position."""
        utc_ms, anchor_ns = self.utc_anchor
        return utc_ms + (boottime_ns - anchor_ns) // 1_000_000

    utc_anchor: tuple[int, int] = (0, 0)
    """(utc_ms, boottime_ns) read together by WRITER when a segment file opens."""

    def _fragment(
        self, opened: _Open, media: bytes, content: Content, span_ns: tuple[int, int], cause: EndCause | None
    ) -> Fragment:
        return Fragment(
            media=media,
            frames=self.frames,
            samples=self.samples,
            span_ns=span_ns,
            end_cause=cause,
            missed=(opened.missed_frames, opened.missed_samples),
            content=content,
        )

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

    def _piece_start_ns(self) -> int:
        """Capture time the open fragment is measured from: its first picture, else its first sound."""
        if self._piece.pictures:
            return self._piece.pictures[0][1]
        return self._piece.sounds[0].start_ns

    def _clock(self) -> AudioClock:
        if self.sound_clock is None:
            raise LookupError("a sound packet from a session without sound")
        return self.sound_clock

    def _rate_hz(self) -> int:
        return self._sound.rate_hz if self._sound is not None else 1
