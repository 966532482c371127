"""Each segment is a film of its own: it plays alone to its end in headless Chromium, and ffprobe has nothing to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.browser import Playback, play_to_end
from tests.realtime.lipsync import presentation_times
from tests.realtime.runs import Recording

pytestmark = [pytest.mark.realtime, pytest.mark.browser, pytest.mark.timeout(420)]

SPEED = 2.0
"""All segments play at once and twice as fast, so that half a minute of film takes a quarter of one."""
LIMIT_SECONDS = 80.0


@pytest.fixture(scope="module")
def played(
    long_recording: Recording, footage_recording: Recording, measured: Callable[[str, object], None]
) -> Mapping[str, Playback]:
    """How every segment of both rooms played, and one without its moov."""
    files = {f"{name}-{path.name}": path.read_bytes() for name, path in _segments(long_recording, footage_recording)}
    whole = files["room-000000.mp4"]
    moov = whole.index(b"moov") - 4
    files["headless.mp4"] = whole[:moov] + whole[moov + int.from_bytes(whole[moov : moov + 4], "big") :]
    playbacks = play_to_end(files, limit_seconds=LIMIT_SECONDS, speed=SPEED)
    measured("browser: frames by segment", {name: [p.outcome, p.frames] for name, p in playbacks.items()})
    return playbacks


def _segments(long_recording: Recording, footage_recording: Recording) -> list[tuple[str, Path]]:
    rooms = {"room": long_recording, "face": footage_recording}
    return [(name, path) for name, recording in rooms.items() for path in recording.segments]


def test_each_segment_plays_alone_to_its_end_with_picture_and_sound(
    played: Mapping[str, Playback], long_recording: Recording, footage_recording: Recording
) -> None:
    for name, recording in (("room", long_recording), ("face", footage_recording)):
        for facts in recording.facts:
            playback = played[f"{name}-{facts.path.name}"]
            assert (playback.outcome, playback.error) == ("ended", ""), facts.path
            assert playback.position_seconds == pytest.approx(len(facts.counters) / 25, abs=0.3)
            assert (playback.width, playback.height) == (1280, 720)
            assert playback.sound_bytes > 0


def test_the_browser_decodes_every_picture_of_each_segment(
    played: Mapping[str, Playback], long_recording: Recording
) -> None:
    decoded = {f"room-{facts.path.name}": len(facts.counters) for facts in long_recording.facts}
    assert {name: played[name].frames for name in decoded} == decoded


def test_a_file_that_cannot_play_is_told_apart(played: Mapping[str, Playback]) -> None:
    assert played["headless.mp4"].outcome == "error"


def test_ffprobe_reads_each_segment_without_a_word(long_recording: Recording, footage_recording: Recording) -> None:
    for recording in (long_recording, footage_recording):
        for facts in recording.facts:
            times = presentation_times(facts.path)
            assert sorted(times) == ["audio", "video"]
            assert len(times["video"]) == len(facts.counters)
            assert min(times["video"][0], times["audio"][0]) == pytest.approx(0, abs=1e-6)
