"""Properties of the cutting: whatever arrives stands in exactly one fragment, in order, in a playable file."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.fragment_muxer import FragmentMuxer
from edge.packet_queue import Lapse
from edge.ports import PictureFormat, PicturePacket, SoundFormat, SoundPacket, SourceLost, Stream
from edge.segmenter import (
    OVERDUE_NS,
    ROOMY_SEGMENT_FRAGMENTS,
    Closed,
    Cutting,
    Fragment,
    Missed,
    Opened,
    Segmenter,
    Step,
    StreamAbsent,
    StreamPresent,
)
from liuhen.registry import EndCause
from tests.edge.boxes import Track, track_ids, tracks
from tests.edge.media import pictures, sound

FRAME_NS = 40_000_000
BLOCK = 1200
BLOCK_NS = 25_000_000
CUTTING = Cutting(segment_ns=4 * 10**9, fragment_ns=500_000_000)
START_NS = 1_000 * 10**9
PICTURE = PictureFormat(width=320, height=180, frames_per_second=25)
GOP = 25


def sound_format() -> SoundFormat:
    return SoundFormat(rate_hz=48_000, channels=1, streaminfo=sound(samples=BLOCK).track.streaminfo)


def named(unit: bytes, index: int) -> bytes:
    """An access unit that carries its number (a user-data SEI), so that it is recognised in a file."""
    return unit + b"\x00\x00\x01\x06\xff" + struct.pack(">I", index + 1).hex().encode()


@dataclass(slots=True)
class Scene:
    """A camera and a microphone by the clock, in front of one segmenter; every verb keeps what came back."""

    segmenter: Segmenter
    now_ns: int = START_NS
    next_picture_ns: int = START_NS
    next_block_ns: int = START_NS
    gop_position: int = 0
    first_sample: int = 0
    jitter_ns: int = 0
    missed_frames: int = 0
    missed_samples: int = 0
    running: set[Stream] = field(default_factory=lambda: {Stream.PICTURE, Stream.SOUND})
    other_sets: bool = False
    pictures: list[int] = field(default_factory=list)
    sounds: list[bytes] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def play(self, seconds: float) -> None:
        """Deliver what the running sources make in this time, in order of arrival."""
        end_ns = self.now_ns + int(seconds * 1e9)
        while True:
            due = [
                (at, stream)
                for stream, at in (
                    (Stream.PICTURE, self.next_picture_ns),
                    (Stream.SOUND, self.next_block_ns + BLOCK_NS),
                )
                if stream in self.running
            ]
            if not due or min(due)[0] > end_ns:
                break
            at, stream = min(due)
            self.now_ns = at
            self._picture() if stream is Stream.PICTURE else self._block()
        self.now_ns = end_ns
        self.steps += self.segmenter.tick(self.now_ns)

    def _picture(self) -> None:
        if self.gop_position == GOP or self.segmenter.keyframe_wanted(self.now_ns):
            self.gop_position = 0
        units = other_pictures() if self.other_sets else pictures(count=2)
        packet = PicturePacket(
            payload=named(units[0 if self.gop_position == 0 else 1], len(self.pictures)),
            boottime_ns=self.next_picture_ns + self.jitter_ns * (len(self.pictures) % 3),
            keyframe=self.gop_position == 0,
            missed_frames=self.missed_frames,
        )
        self.pictures.append(packet.boottime_ns)
        self.gop_position += 1
        self.missed_frames = 0
        self.next_picture_ns += FRAME_NS
        self.steps += self.segmenter.accept(packet)

    def _block(self) -> None:
        self.first_sample += self.missed_samples
        payload = struct.pack(">I", len(self.sounds))
        packet = SoundPacket(
            payload=payload,
            first_sample=self.first_sample,
            samples=BLOCK,
            arrival_boottime_ns=self.now_ns + self.jitter_ns * (len(self.sounds) % 2),
            missed_samples=self.missed_samples,
        )
        self.sounds.append(payload)
        self.first_sample += BLOCK
        self.missed_samples = 0
        self.next_block_ns += BLOCK_NS
        self.steps += self.segmenter.accept(packet)

    def miss_frames(self, count: int) -> None:
        """The sensor skips."""
        self.next_picture_ns += count * FRAME_NS
        self.missed_frames += count

    def miss_samples(self, blocks: int) -> None:
        """The sound device skips."""
        self.next_block_ns += blocks * BLOCK_NS
        self.missed_samples += blocks * BLOCK

    def lose(self, stream: Stream) -> None:
        """A source ends by itself."""
        self.running.discard(stream)
        self.steps += self.segmenter.accept(SourceLost(stream=stream, boottime_ns=self.now_ns, what="unplugged"))

    def restart(self, stream: Stream) -> None:
        """The source is started again: at the next keyframe, at sample 0."""
        if stream in self.running:
            return
        self.running.add(stream)
        if stream is Stream.PICTURE:
            self.gop_position, self.missed_frames = 0, 0
            self.next_picture_ns = max(self.next_picture_ns, self.now_ns)
        else:
            self.first_sample, self.missed_samples = 0, 0
            self.next_block_ns = max(self.next_block_ns, self.now_ns)

    def overflow(self, stream: Stream, steps: int) -> None:
        """The queue refused this many packets; the next one is the far side (a keyframe)."""
        if stream not in self.running:
            return
        lost = steps if stream is Stream.PICTURE else steps * BLOCK
        first_ns = self.next_picture_ns if stream is Stream.PICTURE else self.next_block_ns
        if stream is Stream.PICTURE:
            self.next_picture_ns += steps * FRAME_NS
            self.gop_position = 0
        else:
            self.next_block_ns += steps * BLOCK_NS
            self.first_sample += steps * BLOCK
        lapse = Lapse(stream=stream, lost=lost, missed=0, first_boottime_ns=first_ns, last_boottime_ns=first_ns)
        self.steps += self.segmenter.accept(lapse)

    def finish(self, cause: EndCause = EndCause.STOPPED) -> list[Segment]:
        self.steps += self.segmenter.finish(cause)
        return segments_of(self.steps)


def other_pictures() -> tuple[bytes, ...]:
    return pictures(count=2, preset="superfast")


@dataclass(slots=True)
class Segment:
    """One file as the steps made it."""

    opened: Opened
    fragments: list[Fragment] = field(default_factory=list)
    closed: Closed | None = None

    def media(self, track_id: int) -> list[Track]:
        return [t for f in self.fragments if f.media for t in tracks(f.media) if t.track_id == track_id]


def segments_of(steps: list[Step]) -> list[Segment]:
    """Group the steps; refuses an order no writer could carry out."""
    found: list[Segment] = []
    for step in steps:
        match step:
            case Opened():
                assert not found or found[-1].closed is not None, "opened while one is open"
                found.append(Segment(opened=step))
            case Fragment():
                assert found[-1].closed is None, "a fragment after the end"
                found[-1].fragments.append(step)
            case Closed():
                found[-1].closed = step
            case StreamAbsent() | StreamPresent() | Missed():
                pass
    return found


def scene(*, cutting: Cutting = CUTTING, picture: bool = True, with_sound: bool = True) -> Scene:
    made = Segmenter(
        cutting=cutting, picture=PICTURE if picture else None, sound=sound_format() if with_sound else None
    )
    running = {s for s, on in ((Stream.PICTURE, picture), (Stream.SOUND, with_sound)) if on}
    return Scene(segmenter=made, running=running)


def check_everything(played: Scene, segments: list[Segment]) -> None:
    """The promises that hold for any interleaving."""
    assert [s.opened.number for s in segments] == list(range(len(segments)))
    seen_pictures = [p for s in segments for t in s.media(1) for p in t.payloads]
    seen_sounds = [p for s in segments for t in s.media(2) for p in t.payloads]
    assert [int(bytes.fromhex(p[-8:].decode()).hex(), 16) - 1 for p in seen_pictures] == list(
        range(len(played.pictures))
    )
    assert seen_sounds == played.sounds
    frames = samples = 0
    for segment in segments:
        frames, samples = check_segment(segment, frames, samples)
    assert (frames, samples) == (len(played.pictures), BLOCK * len(played.sounds))
    check_gaps(played.steps)


def check_segment(segment: Segment, frames: int, samples: int) -> tuple[int, int]:
    closed = segment.closed
    assert closed is not None
    assert segment.fragments
    assert (segment.opened.first_frame, segment.opened.first_sample) == (frames, samples)
    assert track_ids(segment.opened.initialisation) == tuple(int(s) + 1 for s in segment.opened.streams)
    assert [f.end_cause for f in segment.fragments[:-1]] == [None] * (len(segment.fragments) - 1)
    assert segment.fragments[-1].end_cause is closed.end_cause
    assert all(f.media for f in segment.fragments[:-1])
    for fragment in segment.fragments:
        held = {t.track_id: t for t in tracks(fragment.media)} if fragment.media else {}
        assert set(held) <= set(track_ids(segment.opened.initialisation)), "a track that moov does not name"
        frames += len(held[1].payloads) if 1 in held else 0
        samples += sum(held[2].durations) if 2 in held else 0
        assert (fragment.frames, fragment.samples) == (frames, samples)
        assert fragment.span_ns[0] <= fragment.span_ns[1]
    assert closed.frames == (segment.opened.first_frame, frames - segment.opened.first_frame)
    assert closed.samples == (segment.opened.first_sample, samples - segment.opened.first_sample)
    check_times(segment)
    return frames, samples


def check_times(segment: Segment) -> None:
    """Media times start near 0, never fall, and the first picture of a file is a keyframe."""
    for track_id in (1, 2):
        media = segment.media(track_id)
        starts = [t.decode_time for t in media]
        assert starts == sorted(starts)
    if 2 in track_ids(segment.opened.initialisation):
        ends = [(t.decode_time, t.decode_time + sum(t.durations)) for t in segment.media(2)]
        assert all(after[0] >= before[1] for before, after in pairwise(ends))
    first = segment.media(1)[:1]
    for track in first:
        assert b"\x65" in {p[4:5] for p in track.payloads[:1]} or is_idr(track.payloads[0])


def is_idr(sample: bytes) -> bool:
    at = 0
    while at + 4 < len(sample):
        size = int.from_bytes(sample[at : at + 4], "big")
        if sample[at + 4] & 0x1F == 5:
            return True
        at += 4 + size
    return False


def check_gaps(steps: list[Step]) -> None:
    """A stream goes once before it comes back, and its return is not before its end."""
    absent: dict[Stream, int] = {}
    for step in steps:
        match step:
            case StreamAbsent():
                assert step.stream not in absent
                assert step.since_ns >= START_NS
                absent[step.stream] = step.since_ns
            case StreamPresent():
                assert step.until_ns >= absent.pop(step.stream)
            case Missed():
                assert START_NS <= step.from_ns <= step.to_ns
                assert step.count > 0
            case _:
                pass


# --- properties ------------------------------------------------------------------------------------------------------

STREAMS = st.sampled_from(list(Stream))
VERBS = st.one_of(
    st.tuples(st.just("play"), st.integers(1, 3000)),
    st.tuples(st.just("lose"), STREAMS),
    st.tuples(st.just("restart"), STREAMS),
    st.tuples(st.just("overflow"), STREAMS),
    st.tuples(st.just("miss_frames"), st.integers(1, 9)),
    st.tuples(st.just("miss_samples"), st.integers(1, 9)),
    st.tuples(st.just("jitter"), st.integers(0, 7_000_000)),
)


def act(played: Scene, verb: str, value: int) -> None:
    match verb:
        case "play":
            played.play(value / 1000)
        case "lose":
            played.lose(Stream(value))
        case "restart":
            played.restart(Stream(value))
        case "overflow":
            played.overflow(Stream(value), 30)
        case "miss_frames":
            played.miss_frames(value)
        case "miss_samples":
            played.miss_samples(value)
        case _:
            played.jitter_ns = value


@settings(max_examples=400, deadline=None)
@given(st.lists(VERBS, min_size=4, max_size=24), st.booleans())
def test_every_packet_stands_in_exactly_one_fragment_whatever_happens(
    verbs: list[tuple[str, int]], starts_late: bool
) -> None:
    played = scene()
    if starts_late:
        played.next_picture_ns += 1_700_000_000
    for verb, value in verbs:
        act(played, verb, value)
    check_everything(played, played.finish())


@settings(max_examples=150, deadline=None)
@given(st.lists(VERBS, min_size=3, max_size=20))
def test_no_fragment_is_longer_than_promised(verbs: list[tuple[str, int]]) -> None:
    played = scene()
    for verb, value in verbs:
        act(played, verb, value)
    longest_ns = CUTTING.fragment_ns + OVERDUE_NS + FRAME_NS + 2 * BLOCK_NS
    for segment in played.finish():
        for fragment in segment.fragments[1:]:  # the first may hold the sound that waited for the picture
            if fragment.media and not missing_inside(played, fragment):
                assert fragment.span_ns[1] - fragment.span_ns[0] <= longest_ns


def missing_inside(played: Scene, fragment: Fragment) -> bool:
    """Whether a source skipped time within this fragment, which no cutting can shorten."""
    start, end = fragment.span_ns
    return any(isinstance(s, Missed) and s.from_ns <= end and s.to_ns >= start for s in played.steps)


# --- cutting ---------------------------------------------------------------------------------------------------------


def test_segments_are_cut_on_keyframes_at_their_length() -> None:
    played = scene()
    played.play(19.9)
    segments = played.finish()
    check_everything(played, segments)
    assert len(segments) == 5
    lengths = [s.closed.span_ns[1] - s.closed.span_ns[0] for s in segments[:-1] if s.closed]
    assert all(abs(length - CUTTING.segment_ns) <= FRAME_NS + BLOCK_NS for length in lengths)
    assert [s.closed.end_cause for s in segments if s.closed] == [EndCause.ROTATED] * 4 + [EndCause.STOPPED]


def test_without_keyframes_a_segment_goes_on_and_loses_nothing() -> None:
    """The negative control of the test above: length alone does not cut."""
    played = scene(with_sound=False)
    played.play(1)
    for _ in range(150):
        played.gop_position = 1
        payload = named(pictures(count=2)[1], len(played.pictures))
        packet = PicturePacket(payload=payload, boottime_ns=played.next_picture_ns, keyframe=False)
        played.pictures.append(packet.boottime_ns)
        played.next_picture_ns += FRAME_NS
        played.steps += played.segmenter.accept(packet)
    segments = played.finish()
    check_everything(played, segments)
    assert len(segments) == 1


def test_other_parameter_sets_cut_at_once() -> None:
    played = scene()
    played.play(1)
    played.other_sets, played.gop_position = True, 0
    played.play(1)
    segments = played.finish()
    check_everything(played, segments)
    assert len(segments) == 2
    assert segments[0].opened.initialisation != segments[1].opened.initialisation


def test_fragments_are_half_a_second_of_pictures() -> None:
    played = scene()
    played.play(3.9)
    (segment,) = played.finish()
    assert {len(t.payloads) for t in segment.media(1)[:-1]} <= {12, 13}


def test_a_stalled_picture_closes_the_fragment_a_quarter_second_late() -> None:
    played = scene()
    played.play(1.2)
    before = len(segments_of(played.steps)[0].fragments)
    played.running.discard(Stream.PICTURE)
    played.play(0.8)
    (segment,) = segments_of(played.steps)
    assert len(segment.fragments) > before
    last = segment.fragments[-1]
    assert last.span_ns[1] - last.span_ns[0] <= CUTTING.fragment_ns + OVERDUE_NS + 2 * BLOCK_NS


def test_a_picture_that_is_still_in_the_encoder_at_the_end_has_a_gap_and_one_that_is_a_little_behind_has_none() -> None:
    for behind_seconds, gaps in ((0.9, 0), (1.2, 1)):
        played = scene()
        played.play(1.2)
        played.running.discard(Stream.PICTURE)
        played.play(behind_seconds)
        played.finish()
        absent = [step for step in played.steps if isinstance(step, StreamAbsent)]
        assert [(one.stream, one.ending) for one in absent] == [(Stream.PICTURE, True)] * gaps
        ended = max(span.span_ns[1] for span in segments_of(played.steps)[0].fragments)
        assert all(ended - one.since_ns > 10**9 for one in absent)


# --- streams that come and go ----------------------------------------------------------------------------------------


def streams_of(segments: list[Segment]) -> list[tuple[Stream, ...]]:
    return [s.opened.streams for s in segments]


BOTH = (Stream.PICTURE, Stream.SOUND)


def test_a_lost_picture_ends_the_segment_and_the_next_one_names_only_sound() -> None:
    played = scene()
    played.play(1.5)
    played.lose(Stream.PICTURE)
    played.play(2)
    played.restart(Stream.PICTURE)
    played.play(1)
    segments = played.finish()
    check_everything(played, segments)
    assert streams_of(segments) == [BOTH, (Stream.SOUND,), BOTH]
    assert [s.closed.end_cause for s in segments[:2] if s.closed] == [EndCause.STREAMS_CHANGED] * 2


def test_a_lost_sound_costs_no_picture() -> None:
    played = scene()
    played.play(1.3)
    played.lose(Stream.SOUND)
    played.play(2.1)
    played.restart(Stream.SOUND)
    played.play(1.4)
    segments = played.finish()
    check_everything(played, segments)
    assert streams_of(segments) == [BOTH, (Stream.PICTURE,), BOTH]
    assert played.segmenter.missed_frames == 0


def test_a_keyframe_is_asked_for_when_sound_goes_and_not_otherwise() -> None:
    played = scene()
    played.play(1.3)
    assert not played.segmenter.keyframe_wanted(played.now_ns)
    played.lose(Stream.SOUND)
    assert played.segmenter.keyframe_wanted(played.now_ns)
    played.play(0.1)
    assert not played.segmenter.keyframe_wanted(played.now_ns)


def test_sound_that_went_twice_before_a_keyframe_keeps_its_hole() -> None:
    played = scene()
    played.play(1.3)
    for _ in range(2):
        played.lose(Stream.SOUND)
        played.now_ns += 100_000_000
        played.restart(Stream.SOUND)
        for _ in range(4):
            played.now_ns = played.next_block_ns + BLOCK_NS
            played._block()
    played.next_picture_ns = played.now_ns
    played.play(1)
    segments = played.finish()
    check_everything(played, segments)
    assert streams_of(segments) == [BOTH, BOTH]
    times = [(t.decode_time, sum(t.durations)) for t in segments[1].media(2)]
    assert times[1][0] - times[0][0] - times[0][1] == pytest.approx(0.1 * 48_000, abs=2 * BLOCK)


def test_an_overflow_ends_the_segment_with_the_exact_count() -> None:
    played = scene()
    played.play(1.5)
    played.overflow(Stream.PICTURE, 30)
    played.play(3)
    segments = played.finish()
    check_everything(played, segments)
    absent = [s for s in played.steps if isinstance(s, StreamAbsent)]
    assert [(a.stream, a.lost, a.overflow) for a in absent] == [(Stream.PICTURE, 30, True)]
    assert played.segmenter.missed_frames == 30


def test_a_second_loss_of_an_absent_stream_says_nothing_new() -> None:
    played = scene()
    played.play(1)
    played.lose(Stream.PICTURE)
    played.steps += played.segmenter.accept(
        Lapse(stream=Stream.PICTURE, lost=3, missed=0, first_boottime_ns=played.now_ns, last_boottime_ns=played.now_ns)
    )
    check_everything(played, played.finish())
    assert played.segmenter.missed_frames == 3


def test_a_loss_before_anything_came_is_dated_by_the_loss_itself() -> None:
    played = scene()
    played.now_ns += 3 * 10**9
    played.lose(Stream.PICTURE)
    played.lose(Stream.SOUND)
    absent = [s.since_ns for s in played.steps if isinstance(s, StreamAbsent)]
    assert absent == [played.now_ns, played.now_ns]
    assert played.finish() == []


def test_both_streams_lost_end_the_segment_and_open_no_empty_one() -> None:
    played = scene()
    played.play(1.1)
    played.lose(Stream.SOUND)
    played.lose(Stream.PICTURE)
    played.play(1)
    segments = played.finish()
    check_everything(played, segments)
    assert len(segments) == 1


# --- the beginning ---------------------------------------------------------------------------------------------------


def test_sound_waits_for_the_first_picture_and_shares_its_segment() -> None:
    played = scene()
    played.next_picture_ns += 600_000_000
    played.play(2)
    segments = played.finish()
    check_everything(played, segments)
    assert streams_of(segments) == [BOTH]
    assert segments[0].media(2)[0].decode_time == 0
    assert segments[0].media(1)[0].decode_time == pytest.approx(0.6 * 90_000, abs=0.03 * 90_000)


def test_sound_is_sealed_alone_after_one_second_without_a_picture() -> None:
    played = scene()
    played.next_picture_ns += 5 * 10**9
    played.play(1.2)
    assert [s.opened.streams for s in segments_of(played.steps)] in ([], [(Stream.SOUND,)])
    played.play(1)
    assert [s.opened.streams for s in segments_of(played.steps)] == [(Stream.SOUND,)]
    played.play(4)
    segments = played.finish()
    check_everything(played, segments)
    assert streams_of(segments) == [(Stream.SOUND,)] * (len(segments) - 1) + [BOTH]


def test_pictures_before_the_first_keyframe_are_counted_as_missed() -> None:
    played = scene(with_sound=False)
    for number in range(3):
        packet = PicturePacket(payload=pictures(count=2)[1], boottime_ns=START_NS + number * FRAME_NS, keyframe=False)
        assert played.segmenter.accept(packet) == []
    played.next_picture_ns = START_NS + 3 * FRAME_NS
    played.play(1)
    check_everything(played, played.finish())
    assert [s.count for s in played.steps if isinstance(s, Missed)] == [3]


def test_sound_anchored_before_the_picture_never_gets_a_negative_time() -> None:
    """The first fragment has a picture only; the sound that comes late was captured before it."""
    played = scene()
    played.running.discard(Stream.SOUND)
    played.play(0.8)
    played.running.add(Stream.SOUND)
    played.next_block_ns = START_NS - 200_000_000
    played.play(1)
    (segment,) = played.finish()
    assert segment.media(2)[0].decode_time == 0


def test_a_sensor_whose_time_falls_leaves_a_file_whose_time_does_not() -> None:
    played = scene()
    played.play(1.1)
    played.next_picture_ns -= 900_000_000
    played.play(1)
    check_everything(played, played.finish())


# --- what a source missed --------------------------------------------------------------------------------------------


def test_missed_frames_are_told_with_the_index_before_them() -> None:
    played = scene(with_sound=False)
    played.play(1)
    sent = len(played.pictures)
    played.miss_frames(4)
    played.play(1)
    segments = played.finish()
    check_everything(played, segments)
    (missed,) = [s for s in played.steps if isinstance(s, Missed)]
    assert (missed.count, missed.after_index, missed.to_ns - missed.from_ns) == (4, sent - 1, 5 * FRAME_NS)


def test_missed_samples_leave_a_hole_of_exactly_their_length_in_media_time() -> None:
    played = scene()
    played.play(1.01)
    played.miss_samples(6)
    played.play(1)
    segments = played.finish()
    check_everything(played, segments)
    times = [(t.decode_time, t.decode_time + sum(t.durations)) for t in segments[0].media(2)]
    holes = [after[0] - before[1] for before, after in pairwise(times)]
    assert sorted(holes)[-1] == 6 * BLOCK
    assert sum(holes) == 6 * BLOCK


def test_samples_missed_while_sound_waits_for_the_picture_are_not_forgotten() -> None:
    played = scene()
    played.next_picture_ns += 700_000_000
    played.play(0.3)
    played.miss_samples(3)
    played.play(2)
    segments = played.finish()
    check_everything(played, segments)
    assert played.segmenter.missed_samples == 3 * BLOCK
    times = [(t.decode_time, t.decode_time + sum(t.durations)) for t in segments[0].media(2)]
    assert sum(after[0] - before[1] for before, after in pairwise(times)) == 3 * BLOCK


def test_a_device_that_misses_samples_all_the_time_stays_below_the_formats_limit() -> None:
    played = scene(cutting=replace(CUTTING, segment_ns=60 * 10**9))
    played.play(0.2)
    for _ in range(ROOMY_SEGMENT_FRAGMENTS + 60):
        played.miss_samples(1)
        played.play(0.06)
    segments = played.finish()
    check_everything(played, segments)
    assert len(segments) > 1
    assert max(len(s.fragments) for s in segments) <= 700


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.02, 0.03, 0.4, 0.5, 1.0, 4.0, 4.001])
def test_finish_ends_whatever_is_open_with_its_cause(seconds: float) -> None:
    played = scene()
    played.play(seconds)
    segments = played.finish(EndCause.SHUTDOWN)
    check_everything(played, segments)
    assert segments[-1].closed is not None
    assert segments[-1].closed.end_cause is EndCause.SHUTDOWN


def test_an_end_without_open_media_is_an_empty_final_fragment() -> None:
    played = scene()
    played.play(1.1)
    played.steps += played.segmenter.tick(played.now_ns + 10**9)
    (segment,) = played.finish()
    assert segment.fragments[-1].media == b""
    assert segment.fragments[-1].end_cause is EndCause.STOPPED


def test_the_check_itself_refuses_a_fragment_that_was_left_out() -> None:
    """Negative control: the promises above can be broken."""
    played = scene()
    played.play(3)
    segments = played.finish()
    del segments[0].fragments[1]
    with pytest.raises(AssertionError):
        check_everything(played, segments)


# --- beginning anew --------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(VERBS, min_size=4, max_size=16), st.integers(0, 40))
def test_the_rest_of_a_segment_begins_anew_from_any_fragment_with_the_same_packets_from_time_0(
    verbs: list[tuple[str, int]], chosen: int
) -> None:
    """What WRITER does with the packets of a fragment that a file did not take, and with those after it."""
    played = scene()
    played.play(2)
    for verb, value in verbs:
        act(played, verb, value)
    segment = max(played.finish(), key=lambda found: len(found.fragments))
    rest = [fragment for fragment in segment.fragments[chosen % len(segment.fragments) :] if fragment.media]
    if not rest:
        return
    muxer = FragmentMuxer(zero_ns=rest[0].span_ns[0], rates=played.segmenter.rates)
    anew = [tracks(muxer.media(fragment.content, utc_ms=0)) for fragment in rest]
    before = [tracks(fragment.media) for fragment in rest]
    assert [[t.payloads for t in found] for found in anew] == [[t.payloads for t in found] for found in before]
    assert min(track.decode_time for track in anew[0]) == 0
    for track_id in (1, 2):
        times = [t.decode_time for found in anew for t in found if t.track_id == track_id]
        assert times == sorted(times)
