"""What the truth on disk looks like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim import strip
from sim.truth import Layout, Truth

LAYOUT = Layout(rate=48000, channels=1, strip=strip.LAYOUT)


def test_a_line_and_a_block_are_on_disk_when_the_call_returns(tmp_path: Path) -> None:
    truth = Truth(tmp_path / "truth", LAYOUT)
    truth.frame(7, 123_456_789, False)
    truth.moment(0, 99)
    truth.sound(b"\x01\x00\x02\x00")
    lines = (tmp_path / "truth" / "frames.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"counter": 7, "sensor_ns": 123_456_789, "delivered": False}]
    assert (tmp_path / "truth" / "sound.pcm").read_bytes() == b"\x01\x00\x02\x00"
    assert json.loads((tmp_path / "truth" / "moments.jsonl").read_text()) == {"sample": 0, "boottime_ns": 99}
    truth.close()


def test_truth_json_says_how_to_read_sound_and_strip(tmp_path: Path) -> None:
    Truth(tmp_path, LAYOUT).close()
    said = json.loads((tmp_path / "truth.json").read_text())
    assert said["sound"] == {"rate": 48000, "channels": 1}
    assert (said["strip"]["bits"], said["strip"]["block_pixels"]) == (32, 16)


def test_an_earlier_worlds_truth_is_replaced(tmp_path: Path) -> None:
    first = Truth(tmp_path, LAYOUT)
    first.frame(0, 1, True)
    first.close()
    Truth(tmp_path, LAYOUT).close()
    assert (tmp_path / "frames.jsonl").read_text() == ""


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Truth(tmp_path / "file" / "truth", LAYOUT)
