"""Three minutes and six cuts against the wall clock: every frame and sample is there, in order, in time and sealed.

Decoded by the ffmpeg command line, compared with what the world process wrote down about its own sensors.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from liuhen import reader
from liuhen.kinds import Seal
from tests.decoded import NotDecodable, decode_segment, out_of_order
from tests.realtime.lipsync import lip_sync
from tests.realtime.runs import RATE_HZ, SAMPLE_BYTES, Recording, position_of, verified

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(420)]

FRAMES_PER_SECOND = 25
LIP_SYNC_MS = 40.0
PICTURE_MS = 1.0
SEALED_MS = 1000

Keep = Callable[[str, object], None]


def seals_of(path: Path) -> list[Seal]:
    """The seals of a segment in order."""
    sealed = (item.seal for item in reader.read_segment(path) if isinstance(item, reader.SealedFragment))
    return [seal for seal in sealed if seal is not None]


def without_a_fragment(path: Path, target: Path) -> Path:
    """A copy of a segment in which one fragment in the middle is left out, seal and all."""
    ends = [item.end_offset for item in reader.read_segment(path) if isinstance(item, reader.SealedFragment)]
    content = path.read_bytes()
    middle = len(ends) // 2
    target.write_bytes(content[: ends[middle - 1]] + content[ends[middle] :])
    return target


def test_the_session_ended_in_order_after_three_minutes_and_six_cuts(long_recording: Recording, measured: Keep) -> None:
    assert long_recording.exit_code == 0, long_recording.terminal
    assert len(long_recording.segments) >= 7
    assert len(long_recording.counters) >= 180 * FRAMES_PER_SECOND
    measured("long: segments, frames, samples", [len(long_recording.segments), len(long_recording.counters),
                                                 len(long_recording.sound) // SAMPLE_BYTES])  # fmt: skip


def test_every_frame_counter_is_there_once_and_in_order_over_all_cuts(long_recording: Recording) -> None:
    assert out_of_order(long_recording.counters) == []
    assert all(facts.counters for facts in long_recording.facts)


def test_no_frame_between_the_first_and_the_last_was_undelivered(long_recording: Recording) -> None:
    first, last = long_recording.counters[0], long_recording.counters[-1]
    assert first is not None
    assert last is not None
    between = [long_recording.true_frames[counter] for counter in range(first, last + 1)]
    assert [frame.counter for frame in between if not frame.delivered] == []


def test_every_sample_is_bit_exact_against_the_truth(long_recording: Recording) -> None:
    first = long_recording.first_true_sample()
    assert first >= 0
    truth = long_recording.true_sound[SAMPLE_BYTES * first :]
    same = long_recording.sound == truth[: len(long_recording.sound)]
    assert same  # pytest would compare megabytes word by word
    assert len(long_recording.sound) >= 180 * RATE_HZ * SAMPLE_BYTES


def test_one_changed_bit_of_sound_would_have_been_noticed(long_recording: Recording) -> None:
    second = long_recording.sound[: RATE_HZ * SAMPLE_BYTES]
    changed = second[:-1] + bytes([second[-1] ^ 1])
    assert position_of(second, long_recording.true_sound) >= 0
    assert position_of(changed, long_recording.true_sound) == -1


def test_a_fragment_left_out_would_have_been_noticed(long_recording: Recording, tmp_path: Path) -> None:
    whole = long_recording.facts[2]
    cut = decode_segment(without_a_fragment(whole.path, tmp_path / "cut.mp4"))
    assert out_of_order(cut.counters)
    assert cut.samples < whole.samples


def test_a_damaged_picture_would_have_been_noticed(long_recording: Recording, tmp_path: Path) -> None:
    content = bytearray(long_recording.segments[1].read_bytes())
    media = content.index(b"mdat", len(content) // 2)
    content[media + 4 : media + 2004] = bytes(2000)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(content)
    with pytest.raises(NotDecodable):
        decode_segment(damaged)


def test_each_file_the_journal_and_the_decoder_count_the_same(long_recording: Recording) -> None:
    code, answer = verified(long_recording.spool, "--trust", long_recording.trust)
    assert (code, answer["intact"], answer["vouched"] is not None) == (0, True, True)
    (session,) = answer["sessions"]
    assert session["id"] == long_recording.session
    assert session["gaps"] == []
    assert (session["segments"], session["frames"], session["samples"]) == (
        len(long_recording.segments),
        len(long_recording.counters),
        len(long_recording.sound) // SAMPLE_BYTES,
    )
    # What is true of the machine this runs on and not of the recorder: whether anybody sets its clock.
    findings = [one for one in answer["findings"] if "clock unsynchronised beyond its bound" not in one["what_en"]]
    expected = {"demo", "choice", "substituted-source-demo"}
    assert [finding for finding in findings if finding["code"] not in expected] == []
    assert {finding["code"] for finding in findings} == expected


def test_each_cut_is_punctual_to_a_second(long_recording: Recording) -> None:
    starts_ns = [long_recording.true_frames[facts.counters[0] or 0].sensor_ns for facts in long_recording.facts]
    assert all(abs(later - earlier - 30e9) < 1e9 for earlier, later in pairwise(starts_ns))


def test_sound_is_within_40_ms_of_its_picture_at_both_ends_of_every_segment(
    long_recording: Recording, measured: Keep
) -> None:
    syncs = list(lip_sync(long_recording, long_recording.facts))
    measured("long: sound late by, ms, at start and end of each segment, microphone 100 ppm fast",
             [[round(sync.start_ms, 2), round(sync.end_ms, 2)] for sync in syncs])  # fmt: skip
    assert [sync for sync in syncs if sync.worst_ms > LIP_SYNC_MS] == []


def test_every_picture_is_presented_when_the_sensor_took_it(long_recording: Recording, measured: Keep) -> None:
    worst = [round(sync.picture_ms, 4) for sync in lip_sync(long_recording, long_recording.facts)]
    measured("long: largest distance of a picture from its capture time, ms, by segment", worst)
    assert max(worst) < PICTURE_MS


def test_sound_moved_by_a_twentieth_of_a_second_would_have_been_noticed(
    long_recording: Recording, tmp_path: Path
) -> None:
    original = long_recording.facts[0].path
    shifted = tmp_path / original.name
    inputs = ["-i", str(original), "-itsoffset", "0.05", "-i", str(original)]
    command = [
        "ffmpeg",
        "-v",
        "error",
        *inputs,
        "-map",
        "0:v",
        "-map",
        "1:a",
        "-c",
        "copy",
        "-strict",
        "-2",
        str(shifted),
    ]
    subprocess.run(command, check=True, timeout=60)
    facts = long_recording.facts[0]
    before, after = lip_sync(long_recording, [facts, replace(facts, path=shifted)])
    assert after.start_ms - before.start_ms == pytest.approx(50, abs=2)
    assert after.worst_ms > LIP_SYNC_MS


def test_every_fragment_was_signed_within_a_second_of_its_first_picture(
    long_recording: Recording, measured: Keep
) -> None:
    delays = sorted(seal.delay_ms for path in long_recording.segments for seal in seals_of(path))
    share = {name: delays[int(part * (len(delays) - 1))] for name, part in (("p50", 0.5), ("p99", 0.99), ("max", 1))}
    measured("long: seal delay to signing, ms", share | {"fragments": len(delays)})
    assert delays[-1] <= SEALED_MS


def test_every_fragment_and_entry_was_acknowledged_once_and_in_order(long_recording: Recording) -> None:
    acknowledged = [line.split()[1:3] for line in long_recording.acknowledgements if line.startswith("F ")]
    numbered = [[str(seal.segment), str(seal.fragment)] for path in long_recording.segments for seal in seals_of(path)]
    assert acknowledged == numbered
    entries = [int(line.split()[1]) for line in long_recording.acknowledgements if line.startswith("E ")]
    assert entries == list(range(len(entries)))
