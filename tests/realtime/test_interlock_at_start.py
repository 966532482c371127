"""Loops that do not permit when the recorder starts: at boot, and in front of a session that a cut has left open.

Jiaozuo Art. 8(1): in an explosion zone nothing is recorded without the interlock's permit, whatever was going on.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from liuhen.kinds import Gap, GapEnd, Segment
from liuhen.registry import GapCause
from sim.levers import Verb
from sim.wiring import Seen
from tests.edge.guard.guarded_room import OFF, PERMIT
from tests.realtime.runs import verified
from tests.realtime.whole_room import FORBIDDING, Device, of, running, trust_of

pytestmark = [pytest.mark.realtime, pytest.mark.beside, pytest.mark.timeout(240)]
TURNS_SECONDS = 3.0
"""Longer than a start of camera and microphone takes."""


def nothing_is_captured(device: Device, files: set[Path]) -> None:
    """Neither a frame from the camera nor a file in the spool, although somebody presses the key again and again."""
    device.shows(Seen.WHITE_BLINKING)
    device.press(Verb.PRESS_START, 200)
    device.lives_on(TURNS_SECONDS)
    device.press(Verb.PRESS_RESET, 500)  # refused: the loops say no
    device.shows(Seen.WHITE_BLINKING)
    reading = device.levers.wiring()
    assert (reading.permit, reading.contact_closed, reading.last_frame_ns) == (False, False, 0)
    assert media(device.folder) == files


def media(folder: Path) -> set[Path]:
    return set((folder / "spool/sessions").rglob("*.mp4"))


def test_loops_that_forbid_at_boot_or_at_recovery_leave_nothing_captured_until_the_key_on_the_spot(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as device:
        device.levers.pull(Verb.SET_CONTACTS, OFF)
        nothing_is_captured(device, set())
        device.levers.pull(Verb.SET_CONTACTS, PERMIT)
        device.reset()
        device.shows(Seen.GREEN)
        device.press(Verb.PRESS_START, 200)
        device.shows_recording()  # the negative control: this is what a start looks like where nothing forbids it
        device.waits_for(lambda found: bool(of(found, Segment)))
        assert device.levers.wiring().last_frame_ns > 0
        device.killed()
    left = media(tmp_path)
    assert left
    with running(tmp_path) as device:
        device.levers.pull(Verb.SET_CONTACTS, OFF)
        nothing_is_captured(device, left)
        device.levers.pull(Verb.SET_CONTACTS, PERMIT)
        device.reset()
        device.waits_for(lambda found: bool(of(found, GapEnd)))
        device.shows(Seen.RED_SLOW)
        found = device.ends_the_session()
    assert [one.kind for one in found].count("session") == 1
    whole = [gap for gap in of(found, Gap) if gap.stream is None]
    # What ended the process is not known; what forbids recording from its next start on is.
    assert [gap.cause for gap in whole] == [GapCause.DEVICE_FAULT, GapCause.INTERLOCK]
    exit_code, report = verified(tmp_path / "spool", "--trust", trust_of(tmp_path))
    assert exit_code == 0, report
    assert not FORBIDDING & {finding["code"] for finding in report["findings"]}
