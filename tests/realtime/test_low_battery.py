"""Mains fails and the battery runs low in a session, in real processes: sealed, cut, and on again with mains.

The UPS is the world's own on a serial line; what the machine would have been told stands in the field's file `machine`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from liuhen.kinds import Gap, GapEnd, Segment
from liuhen.registry import EventCode, GapCause
from sim.levers import Verb
from sim.wiring import Seen
from tests.realtime.runs import verified
from tests.realtime.whole_room import Device, configuration, of, running, trust_of

pytestmark = [pytest.mark.realtime, pytest.mark.beside, pytest.mark.timeout(240)]
SETTINGS = '[ups]\nkind = "megatec"\npoll_milliseconds = 200\n'
LOW_PERCENT = 10


def test_a_battery_that_runs_low_ends_in_a_cut_and_the_session_goes_on_when_power_is_back(tmp_path: Path) -> None:
    file = configuration(tmp_path, further=SETTINGS)
    with running(tmp_path, file) as device:
        device.begins_a_session()
        device.levers.pull(Verb.MAINS_FAIL)
        device.waits_for(lambda _: EventCode.ON_BATTERY in device.events())
        assert told(device) == [], "on battery the session goes on"
        device.waits_for(lambda found: bool(of(found, Segment)))
        device.levers.pull(Verb.BATTERY, LOW_PERCENT)
        device.waits_for(lambda _: EventCode.POWER_OFF_ORDERED in device.events())
        device.waits_for(lambda _: told(device) == ["power-off"])
        frames = device.levers.wiring().last_frame_ns
        assert [gap.cause for gap in of(device.entries(), Gap)] == [GapCause.POWER_LOW]
        assert EventCode.BATTERY_LOW in device.events()
        device.lives_on(1.0)
        assert device.levers.wiring().last_frame_ns == frames, "it captures although it has asked for the cut"
        device.killed()  # the UPS has cut
    assert "session-end" not in [one.kind for one in device.entries()]
    with running(tmp_path, file) as device:  # mains is back
        device.shows(Seen.WHITE_BLINKING)
        device.reset()
        device.waits_for(lambda found: bool(of(found, GapEnd)))
        device.shows(Seen.RED_SLOW)
        found = device.ends_the_session()
    assert [one.kind for one in found].count("session") == 1
    exit_code, report = verified(tmp_path / "spool", "--trust", trust_of(tmp_path))
    assert exit_code == 0, report


def told(device: Device) -> list[str]:
    """What the machine was told to do."""
    file = device.stage / "around/machine"
    return file.read_text().split() if file.exists() else []
