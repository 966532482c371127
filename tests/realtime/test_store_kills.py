"""Recorder, offload and gateway killed at random while recording into real Ceph: the bounded slice of the campaign."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ceph.store import CephStore
from tests.store_kills import run

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(900)]

SECONDS = 60


def test_case_4_kills_of_recorder_offload_and_gateway_lose_nothing_and_double_nothing(
    ceph: CephStore, tmp_path: Path
) -> None:
    ran = run(tmp_path, ceph, seconds=SECONDS)
    assert ran.faults == ()
    assert set(ran.kills) == {"offload", "gateway", "recorder"}
    assert ran.in_transfer > 0
    assert ran.acknowledged > SECONDS / 2  # of two fragments a second, less while the recorder was away
    assert any(row.seq <= ran.evidence.quiet_seq for row in ran.evidence.owed)
    assert ran.evidence.receipts
    assert any(one.local is not None for one in ran.evidence.owed)
