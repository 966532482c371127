"""A long session in virtual time, through the product's own encoder, muxer, writer and journal, decoded afterwards.

`hold` is the piece the campaign uses for its hour; continuous integration holds ten minutes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from liuhen.kinds import Heartbeat, Segment
from tests.decoded import out_of_order
from tests.sim.virtual_session import Casting, Examined, Recorded, examine, record, verify

pytestmark = pytest.mark.long

SEGMENT_SECONDS = 30
LARGEST_SOUND_ERROR_SECONDS = 0.040
LARGEST_PPM_ERROR = 20


def hold(folder: Path, *, minutes: float, microphone_ppm: float = 100.0) -> tuple[Recorded, Examined]:
    """Record a session of this length at 640x360 below an empty folder (200 MB an hour, truth 345 MB) and decode it."""
    recorded = record(folder, Casting(seconds=60 * minutes, microphone_ppm=microphone_ppm))
    return recorded, examine(recorded)


def faults(recorded: Recorded, examined: Examined, *, minutes: float, microphone_ppm: float = 100.0) -> list[str]:
    """What is not as it must be, one line each; empty for a good session."""
    found = []
    if not recorded.ended.clean:
        found.append(f"the session ended with {recorded.ended.cause.name}: {recorded.ended.words_en}")
    if out_of_order(examined.counters) or examined.counters != examined.delivered:
        found.append(f"frames: {len(examined.counters)} decoded, {len(examined.delivered)} delivered")
    if not examined.sound.exact:
        found.append(f"sound: {examined.sound}")
    if len(examined.segments) < int(60 * minutes / SEGMENT_SECONDS):
        found.append(f"only {len(examined.segments)} segments")
    if examined.worst_sound_error_seconds > LARGEST_SOUND_ERROR_SECONDS:
        found.append(f"sound is {examined.worst_sound_error_seconds:.3f} s off in one segment")
    found += _rate_faults(recorded, microphone_ppm)
    answer = verify(recorded)
    if answer["exit_code"] != 0:
        found.append(f"the verifier says {answer}")
    return found


def _rate_faults(recorded: Recorded, true_ppm: float) -> list[str]:
    measured = [beat.parts_per_billion for beat in recorded.bodies(Heartbeat) if beat.parts_per_billion is not None]
    errors = [abs(parts / 1000 - true_ppm) for parts in measured]
    if not errors:
        return ["no heartbeat knows the sound clock"]
    return [] if max(errors) <= LARGEST_PPM_ERROR else [f"the sound clock is measured {max(errors):.0f} ppm wrong"]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_ten_minutes_hold_every_frame_once_every_sample_and_the_sound_in_step(tmp_path: Path) -> None:
    recorded, examined = hold(tmp_path, minutes=10)
    assert faults(recorded, examined, minutes=10) == []
    assert len(examined.segments) == len(recorded.bodies(Segment)) == 20


def test_the_judgement_of_a_long_session_sees_what_is_wrong(tmp_path: Path) -> None:
    recorded, examined = hold(tmp_path, minutes=0.5, microphone_ppm=0)
    found = faults(recorded, examined, minutes=2, microphone_ppm=100)
    assert found == ["only 1 segments", "no heartbeat knows the sound clock"]
