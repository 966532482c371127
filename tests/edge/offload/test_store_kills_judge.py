"""The judge of `tests/store_kills.py` sees what it is there to see: each thing that is spoilt is told."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge.store import Retained, Version
from liuhen.registry import RetentionMode
from liuhen.store_names import MediaName, SliceName, key_of
from tests.store_kills_judge import Evidence, Owed, Receipted, faults

LOG_ID = bytes(16)
MEDIA = b"a segment"
SLICE = b"a slice"
KEPT = Retained(mode=RetentionMode.COMPLIANCE, until=datetime(2030, 1, 1, tzinfo=UTC))


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


MEDIA_KEY = key_of(MediaName(log_id=LOG_ID, session=bytes(16), number=0, digest=sha256(MEDIA)))
SLICE_KEY = key_of(SliceName(log_id=LOG_ID, first=0, last=4, digest=sha256(SLICE)))


@pytest.fixture
def good(tmp_path: Path) -> Evidence:
    local = tmp_path / "000000.mp4"
    local.write_bytes(MEDIA)
    owed = (
        Owed(key=MEDIA_KEY, size=len(MEDIA), seq=3, local=local),
        Owed(key=SLICE_KEY, size=len(SLICE), seq=4, local=None),
    )
    rows = tuple(
        Receipted(seq=5, digest=one.digest, size=one.size, version=f"v{one.seq}", mode=RetentionMode.COMPLIANCE)
        for one in owed
    )
    return Evidence(
        owed=owed,
        slices=((0, 4),),
        last_seq=4,
        receipts=rows,
        reclaimed=(),
        versions=tuple(Version(key=one.key, version_id=f"v{one.seq}", size=one.size) for one in owed),
        retained={one.key: KEPT for one in owed},
        quiet_seq=4,
    )


def spoilt(evidence: Evidence, **changed: Any) -> str:
    return "\n".join(faults(dataclasses.replace(evidence, **changed)))


def test_what_is_as_it_must_be_has_no_fault(good: Evidence) -> None:
    assert faults(good) == []


def test_an_object_that_is_gone_is_seen(good: Evidence) -> None:
    told = spoilt(good, versions=good.versions[1:])
    assert f"{MEDIA_KEY} is not in the store" in told
    assert "which is not there" in told


def test_an_object_behind_a_delete_marker_is_seen(good: Evidence) -> None:
    marker = Version(key=SLICE_KEY, version_id="v9", size=0, is_delete_marker=True)
    assert "has a delete marker" in spoilt(good, versions=(*good.versions, marker))


def test_an_object_that_is_there_twice_is_seen(good: Evidence) -> None:
    again = dataclasses.replace(good.versions[0], version_id="v9")
    assert f"2 versions of {MEDIA_KEY}" in spoilt(good, versions=(*good.versions, again))


def test_a_segment_that_nothing_states_is_seen(good: Evidence) -> None:
    key = key_of(MediaName(log_id=LOG_ID, session=bytes(16), number=1, digest=sha256(MEDIA)))
    other = Version(key=key, version_id="v9", size=len(MEDIA))
    assert "is nothing that the spool states" in spoilt(good, versions=(*good.versions, other))


def test_an_object_of_another_size_or_without_a_lock_is_seen(good: Evidence) -> None:
    longer = dataclasses.replace(good.versions[0], size=1)
    assert "the spool states 9" in spoilt(good, versions=(longer, good.versions[1]))
    for loose in (Retained(mode=RetentionMode.NONE, until=None), dataclasses.replace(KEPT, until=None)):
        assert "is under no lock" in spoilt(good, retained=good.retained | {SLICE_KEY: loose})


def test_a_receipt_for_another_version_is_seen(good: Evidence) -> None:
    other = dataclasses.replace(good.receipts[0], version="v9")
    assert "a receipt for version v9" in spoilt(good, receipts=(other, good.receipts[1]))
    assert "receipts for 2 versions" in spoilt(good, receipts=(*good.receipts, other))


def test_a_receipt_that_says_another_size_or_lock_is_seen(good: Evidence) -> None:
    for changed in ({"size": 1}, {"mode": RetentionMode.NONE}):
        other = dataclasses.replace(good.receipts[0], **changed)
        assert "does not say what the store holds" in spoilt(good, receipts=(other, good.receipts[1]))


def test_a_receipt_that_never_came_is_seen_where_there_was_time_for_it(good: Evidence) -> None:
    assert f"no receipt for {SLICE_KEY}" in spoilt(good, receipts=good.receipts[:1])
    assert spoilt(good, receipts=good.receipts[:1], quiet_seq=3) == ""


def test_what_is_lost_or_changed_or_reclaimed_here_is_seen(good: Evidence) -> None:
    local = good.owed[0].local
    assert local is not None
    assert "reclaimed" in spoilt(good, reclaimed=(7,))
    local.write_bytes(b"other media")
    assert "holds other bytes" in spoilt(good)
    local.unlink()
    assert "is not in the spool any more" in spoilt(good)


@pytest.mark.parametrize("slices", [((0, 2), (4, 4)), ((0, 4), (4, 4)), ((0, 3),), ()])
def test_entries_in_no_slice_or_in_two_are_seen(good: Evidence, slices: tuple[tuple[int, int], ...]) -> None:
    assert "slice" in spoilt(good, slices=slices)
