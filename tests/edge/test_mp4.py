"""Segment files: ffprobe, ffmpeg and Chromium read what the box writer wrote."""

from __future__ import annotations

import dataclasses
import json
import shutil
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.mp4 import FRAGMENT_BYTES_LIMIT, Run, Sample, SoundTrack, fragment, initialisation
from edge.mp4_boxes import box, box_spans, uuid_box
from tests.browser import play_to_end
from tests.edge.media import (
    FRAMES_PER_SECOND,
    PICTURE_TIMESCALE,
    RATE_HZ,
    Clip,
    clip_file,
    picture_run,
    picture_track,
    pictures,
    sound,
    sound_run,
)
from tests.required import unavailable

SECONDS = 2
UNITS = pictures(count=SECONDS * FRAMES_PER_SECOND)
MADE = sound(samples=SECONDS * RATE_HZ)
BETWEEN = uuid_box(bytes(range(16)), b"\x84" * 300)
BOTH = Clip(units=UNITS, made=MADE)
CLIPS = {
    "both": BOTH,
    "picture-alone": Clip(units=UNITS),
    "sound-alone": Clip(made=MADE),
    "sound-30-ms-before-picture": dataclasses.replace(BOTH, picture_start_ticks=PICTURE_TIMESCALE * 30 // 1000),
    "sound-60-ms-after-picture": dataclasses.replace(BOTH, sound_start_samples=RATE_HZ * 60 // 1000),
    "stereo": Clip(units=UNITS, made=sound(samples=SECONDS * RATE_HZ, channels=2)),
    "high-profile": Clip(units=pictures(count=SECONDS * FRAMES_PER_SECOND, preset="superfast")),
    "sound-ends-in-a-short-packet": Clip(units=UNITS, made=sound(samples=SECONDS * RATE_HZ - 777)),
}


def _run(*command: str) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which(command[0])
    if program is None:
        unavailable(f"{command[0]} (Debian: apt install ffmpeg)")
    return subprocess.run([program, *command[1:]], capture_output=True, check=False, timeout=60)


def _probe(path: Path) -> dict[str, dict[str, Any]]:
    entries = "stream=codec_type,codec_name,start_time,width,height,nb_read_frames,sample_rate,channels,id"
    answer = _run("ffprobe", "-v", "warning", "-count_frames", "-show_entries", entries, "-of", "json", str(path))
    assert (answer.returncode, answer.stderr) == (0, b"")
    return {stream["codec_type"]: stream for stream in json.loads(answer.stdout)["streams"]}


@pytest.mark.oracle
@pytest.mark.parametrize("name", CLIPS)
def test_ffmpeg_decodes_every_picture_and_every_sample(name: str, tmp_path: Path) -> None:
    clip = CLIPS[name]
    path = tmp_path / "segment.mp4"
    path.write_bytes(clip_file(dataclasses.replace(clip, between=BETWEEN)))
    streams = _probe(path)
    if clip.units:
        picture = streams.pop("video")
        assert (picture["nb_read_frames"], picture["id"]) == (str(len(clip.units)), "0x1")
        assert (picture["width"], picture["height"], picture["codec_name"]) == (320, 180, "h264")
        assert float(picture["start_time"]) == pytest.approx(clip.picture_start_ticks / PICTURE_TIMESCALE)
    if clip.made is not None:
        heard = streams.pop("audio")
        assert (heard["codec_name"], heard["sample_rate"], heard["id"]) == ("flac", str(RATE_HZ), "0x2")
        assert heard["channels"] == clip.made.track.channels
        assert float(heard["start_time"]) == pytest.approx(clip.sound_start_samples / RATE_HZ, abs=1e-6)
        decoded = _run("ffmpeg", "-v", "warning", "-xerror", "-i", str(path), "-map", "0:a", "-f", "s16le", "-")
        assert (decoded.returncode, decoded.stderr) == (0, b"")
        assert decoded.stdout == clip.made.pcm
    assert streams == {}


@pytest.mark.oracle
def test_a_damaged_sound_packet_is_not_decoded_to_the_same_samples(tmp_path: Path) -> None:
    """Negative control of the test above."""
    path = tmp_path / "segment.mp4"
    content = bytearray(clip_file(BOTH))
    content[-len(MADE.packets[-1]) * 3] ^= 0xFF
    path.write_bytes(content)
    decoded = _run("ffmpeg", "-v", "warning", "-xerror", "-i", str(path), "-map", "0:a", "-f", "s16le", "-")
    assert decoded.returncode != 0 or decoded.stdout != MADE.pcm


@pytest.mark.browser
@pytest.mark.beside
def test_chromium_plays_every_kind_of_file_to_its_end() -> None:
    files = {name: clip_file(clip) for name, clip in CLIPS.items()}
    for name, clip in CLIPS.items():
        files[f"{name}-with-boxes"] = clip_file(dataclasses.replace(clip, between=BETWEEN))
    played = play_to_end(files)
    for name, playback in played.items():
        clip = CLIPS[name.removesuffix("-with-boxes")]
        assert (playback.outcome, playback.error) == ("ended", ""), name
        assert playback.frames == len(clip.units), name
        assert (playback.sound_bytes > 0) == (clip.made is not None), name
        # With one stream starting later libavformat adds that start once too often (0.03 or 0.06 s here).
        assert SECONDS - 0.05 <= playback.duration_seconds <= SECONDS + 0.13, name
        assert playback.position_seconds == pytest.approx(playback.duration_seconds, abs=0.05), name


def _file_with_late_sound() -> bytes:
    """A microphone that stalls: the second fragment has no sound, the third brings what the second lacked."""
    parts = [initialisation(picture=picture_track(UNITS), sound=MADE.track)]
    heard: list[tuple[int, int] | None] = [(0, 20), None, (20, 60), (60, 80)]
    for number, blocks in enumerate(heard):
        picture = picture_run(UNITS, first=12 * number, last=12 * (number + 1) + 2 * (number == 3))
        sound_part = sound_run(MADE, first=blocks[0], last=blocks[1]) if blocks else None
        parts.append(fragment(sequence=number + 1, picture=picture, sound=sound_part, utc_ms=0))
    return b"".join(parts)


@pytest.mark.browser
@pytest.mark.beside
def test_sound_that_comes_a_fragment_late_is_whole_and_plays(tmp_path: Path) -> None:
    path = tmp_path / "segment.mp4"
    path.write_bytes(_file_with_late_sound())
    assert _probe(path)["video"]["nb_read_frames"] == str(len(UNITS))
    decoded = _run("ffmpeg", "-v", "warning", "-xerror", "-i", str(path), "-map", "0:a", "-f", "s16le", "-")
    assert (decoded.stdout, decoded.stderr) == (MADE.pcm, b"")
    playback = play_to_end({"late": path.read_bytes()})["late"]
    assert (playback.outcome, playback.frames) == ("ended", len(UNITS))


@pytest.mark.browser
@pytest.mark.beside
def test_chromium_reports_a_file_it_cannot_play() -> None:
    """Negative control: without the decoder's configuration nothing plays."""
    played = play_to_end({"broken": clip_file(BOTH).replace(b"avcC", b"free"), "whole": clip_file(BOTH)})
    assert {name: playback.outcome for name, playback in played.items()} == {"broken": "error", "whole": "ended"}


def test_a_file_is_ftyp_moov_and_fragments_of_exactly_three_boxes() -> None:
    content = clip_file(dataclasses.replace(BOTH, between=BETWEEN), fragments=3)
    spans = list(box_spans(content))
    assert [span.kind for span in spans] == [b"ftyp", b"moov", b"uuid", *[b"prft", b"moof", b"mdat", b"uuid"] * 3]
    assert spans[-1].end == len(content)


def test_equal_tracks_give_equal_bytes_and_other_tracks_other_bytes() -> None:
    track = picture_track(UNITS)
    first = initialisation(picture=track, sound=MADE.track)
    assert first == initialisation(picture=dataclasses.replace(track), sound=dataclasses.replace(MADE.track))
    assert first != initialisation(picture=dataclasses.replace(track, width=322), sound=MADE.track)


def test_a_file_without_a_track_and_a_fragment_without_a_sample_are_refused() -> None:
    nothing = Run(decode_time=0, samples=())
    with pytest.raises(ValueError, match="track"):
        initialisation(picture=None, sound=None)
    for picture, heard in ((None, None), (nothing, nothing), (nothing, None)):
        with pytest.raises(ValueError, match="at least one sample"):
            fragment(sequence=1, picture=picture, sound=heard, utc_ms=0)


def test_a_run_without_samples_counts_as_absent() -> None:
    heard = sound_run(MADE, first=0, last=4)
    empty = Run(decode_time=900, samples=())
    assert fragment(sequence=1, picture=empty, sound=heard, utc_ms=5) == fragment(
        sequence=1, picture=None, sound=heard, utc_ms=5
    )


def test_a_fragment_over_the_limit_is_refused() -> None:
    sample = Sample(payload=bytes(FRAGMENT_BYTES_LIMIT), duration=1, keyframe=True)
    with pytest.raises(ValueError, match="limit"):
        fragment(sequence=1, picture=Run(decode_time=0, samples=(sample,)), sound=None, utc_ms=0)


def test_streaminfo_of_another_rate_or_channel_count_is_refused() -> None:
    for rate_hz, channels in ((44_100, 1), (RATE_HZ, 2)):
        with pytest.raises(ValueError, match="STREAMINFO says"):
            SoundTrack(rate_hz=rate_hz, channels=channels, streaminfo=MADE.track.streaminfo)
    with pytest.raises(ValueError, match="34 bytes"):
        SoundTrack(rate_hz=RATE_HZ, channels=1, streaminfo=MADE.track.streaminfo[:-1])


@pytest.mark.parametrize(
    ("utc_ms", "seconds", "fraction"),
    [
        (0, 2_208_988_800, 0),
        (1_700_000_000_500, 3_908_988_800, 1 << 31),
        (2_085_978_496_000, 0, 0),  # 2036-02-07T06:28:16Z, the NTP era wraps
        (2_085_978_497_250, 1, 1 << 30),
    ],
)
def test_reference_time_is_ntp_time_of_the_first_reference_sample(utc_ms: int, seconds: int, fraction: int) -> None:
    picture, heard = picture_run(UNITS, first=3, last=5), sound_run(MADE, first=2, last=4)
    both = fragment(sequence=1, picture=picture, sound=heard, utc_ms=utc_ms)
    alone = fragment(sequence=1, picture=None, sound=heard, utc_ms=utc_ms)
    expected_head = struct.pack(">I4sI", 32, b"prft", 1 << 24 | 24)
    assert both[:32] == expected_head + struct.pack(">IIIQ", 1, seconds, fraction, picture.decode_time)
    assert alone[:32] == expected_head + struct.pack(">IIIQ", 2, seconds, fraction, heard.decode_time)


def test_uuid_box_carries_usertype_and_payload() -> None:
    made = uuid_box(b"\x11" * 16, b"seal")
    assert made == struct.pack(">I4s", 28, b"uuid") + b"\x11" * 16 + b"seal"
    with pytest.raises(ValueError, match="usertype"):
        uuid_box(b"\x11" * 15, b"")


@given(kinds=st.lists(st.binary(min_size=4, max_size=4), max_size=6), cut=st.integers(min_value=0, max_value=200))
def test_the_walk_yields_the_whole_boxes_of_any_truncation(kinds: list[bytes], cut: int) -> None:
    boxes = [box(kind, bytes(3 * number)) for number, kind in enumerate(kinds)]
    content = b"".join(boxes)[:cut]
    spans = list(box_spans(memoryview(content)))
    whole = b"".join(content[span.offset : span.end] for span in spans)
    assert content.startswith(whole)
    assert len(spans) == sum(len(b"".join(boxes[: n + 1])) <= cut for n in range(len(boxes)))


def test_the_walk_stops_at_sizes_this_recorder_never_writes_and_at_its_limits() -> None:
    good = box(b"free", bytes(8))
    for size in (0, 1, 7, 17):
        assert len(list(box_spans(good + struct.pack(">I4s8x", size, b"mdat")))) == 1
    assert len(list(box_spans(good + struct.pack(">I4s8x", 16, b"mdat")))) == 2
    assert len(list(box_spans(good * 5, boxes_limit=3))) == 3
    assert list(box_spans(good, box_bytes_limit=15)) == []


def test_a_fragment_costs_a_small_part_of_its_half_second() -> None:
    """At 720p, 25 pictures and 40 sound packets a second, under 0.5 % of a core. Not yet measured on a Pi."""
    sample = Sample(payload=bytes(12_000), duration=3600, keyframe=False)
    picture = Run(decode_time=0, samples=(sample,) * 13)
    heard = sound_run(MADE, first=0, last=20)
    started = time.thread_time()
    for number in range(200):
        fragment(sequence=number + 1, picture=picture, sound=heard, utc_ms=number)
    assert (time.thread_time() - started) / 200 < 0.005 * 0.5
