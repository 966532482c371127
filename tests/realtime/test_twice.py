"""Two sessions on one spool, the second begun after an orderly stop and ended by Ctrl-C: one archive, one chain.

The journal is read here by FORMAT.md alone: cbor2, hashlib, and the numbers of its tables.
"""

from __future__ import annotations

import hashlib
import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import cbor2
import pytest

from tests.decoded import out_of_order
from tests.realtime.runs import SAMPLE_BYTES, Recording, verified

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(420)]

RUN, SEQ, PREV, SESSION = 2, 3, 4, 5
"""Keys of the common fields, FORMAT.md 5.1."""


class Entry:
    """One entry of a journal as its bytes say."""

    def __init__(self, encoded: bytes) -> None:
        protected, _, payload, _ = cbor2.loads(encoded).value
        self.kind = cbor2.loads(protected)[3].removeprefix("application/vnd.liuhen.").removesuffix("+cbor")
        self.fields: dict[int, Any] = cbor2.loads(payload)
        self.encoded = encoded
        self.hash = hashlib.sha256(encoded).digest()


def journal_of(spool: Path) -> list[Entry]:
    """All entries in order."""
    content = b"".join(path.read_bytes() for path in sorted((spool / "journal").glob("*.cbor")))
    stream, entries, start = io.BytesIO(content), [], 0
    while start < len(content):
        cbor2.CBORDecoder(stream).decode()
        entries.append(Entry(content[start : stream.tell()]))
        start = stream.tell()
    return entries


@pytest.fixture
def journal(two_recordings: tuple[Recording, Recording]) -> list[Entry]:
    return journal_of(two_recordings[0].spool)


def test_a_session_that_ends_by_its_time_and_one_that_ends_by_ctrl_c_both_end_in_order(
    two_recordings: tuple[Recording, Recording], journal: list[Entry]
) -> None:
    assert [recording.exit_code for recording in two_recordings] == [0, 0], two_recordings[1].terminal
    assert [entry.fields[9] for entry in journal if entry.kind == "session-end"] == [1, 1]  # end cause: stopped
    assert [entry.fields[9] for entry in journal if entry.kind == "stop"] == [0, 0]  # stop cause: operator


def test_ctrl_c_loses_nothing_that_was_before_it(two_recordings: tuple[Recording, Recording]) -> None:
    for recording in two_recordings:
        assert out_of_order(recording.counters) == []
        first = recording.first_true_sample()
        assert first >= 0
        assert recording.true_sound[SAMPLE_BYTES * first :].startswith(recording.sound)
    sealed = sum(line.startswith("F ") for line in two_recordings[1].acknowledgements)
    assert len(two_recordings[1].counters) >= 12 * (sealed - 2)


def test_the_verifier_finds_both_sessions_intact_and_vouched_for_by_the_demo_root(
    two_recordings: tuple[Recording, Recording],
) -> None:
    first, second = two_recordings
    code, answer = verified(first.spool, "--trust", second.trust)
    assert (code, answer["intact"], answer["demo"]) == (0, True, True)
    assert answer["vouched"]["by"]
    assert [session["id"] for session in answer["sessions"]] == [first.session, second.session]
    counted = [(session["frames"], session["samples"]) for session in answer["sessions"]]
    assert counted == [(len(each.counters), len(each.sound) // SAMPLE_BYTES) for each in two_recordings]


def test_one_chain_runs_through_both_sessions(journal: list[Entry]) -> None:
    assert [entry.fields[SEQ] for entry in journal] == list(range(len(journal)))
    assert journal[0].fields[PREV] == bytes(32)
    assert [later.fields[PREV] for _, later in pairwise(journal)] == [earlier.hash for earlier, _ in pairwise(journal)]


def test_runs_and_sessions_come_in_the_order_the_format_demands(journal: list[Entry]) -> None:
    kinds = [entry.kind for entry in journal if entry.kind not in ("heartbeat", "choice", "event", "segment")]
    one_run = ["run", "check", "session", "session-end", "checkpoint", "stop"]
    assert kinds == ["enrolment", *one_run, *one_run]
    assert [entry.fields[9] for entry in journal if entry.kind == "run"] == [0, 1]  # first, after clean stop
    assert [entry.fields[RUN] for entry in journal if entry.kind == "run"] == [1, 2]
    assert [entry.fields[9] for entry in journal if entry.kind == "session"] == [1, 2]  # ordinal


def test_the_second_session_counts_its_frames_samples_and_segments_from_zero(
    two_recordings: tuple[Recording, Recording], journal: list[Entry]
) -> None:
    for recording in two_recordings:
        session = bytes.fromhex(recording.session)
        segments = [e.fields for e in journal if e.kind == "segment" and e.fields[SESSION] == session]
        assert [segment[9] for segment in segments] == list(range(len(recording.segments)))
        assert segments[0][21] == bytes(32)
        for key in (15, 16):  # frames, samples: [first index, count]
            ends = [0] + [sum(segment[key]) for segment in segments]
            assert [segment[key][0] for segment in segments] == ends[:-1]


def test_a_chain_with_one_entry_left_out_is_not_one_chain(journal: list[Entry]) -> None:
    middle = len(journal) // 2
    broken = journal[:middle] + journal[middle + 1 :]
    assert any(later.fields[PREV] != earlier.hash for earlier, later in pairwise(broken))
