"""Every process of a device at once, in the simulated room: keys, interlock, lamps, relay, recorder, verifier.

A test only turns what a person or the room would turn, and believes what the lamps show, what the relay does and what
the verifier says.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from liuhen.kinds import Event, Gap, GapEnd, Inhibition, Segment
from liuhen.registry import EventCode, GapCause, InhibitionAct
from sim.levers import Verb
from sim.wiring import Seen
from tests.realtime.runs import verified
from tests.realtime.whole_room import FORBIDDING, of, running, trust_of

pytestmark = [pytest.mark.realtime, pytest.mark.beside, pytest.mark.timeout(180)]


def test_a_wire_that_breaks_in_a_hearing_ends_capture_until_the_key_on_the_spot(tmp_path: Path) -> None:
    with running(tmp_path) as device:
        device.begins_a_session()
        device.waits_for(lambda found: bool(of(found, Segment)))
        device.levers.pull(Verb.BREAK_NC)
        device.shows(Seen.WHITE_BLINKING)
        found = device.waits_for(lambda found: bool(of(found, Gap)))
        assert of(found, Inhibition)[-1].act == InhibitionAct.SET
        device.levers.pull(Verb.MEND_LOOPS)
        device.reset(switching=True)
        device.shows(Seen.RED_SLOW)  # recording, and somebody has to say why it stopped
        device.waits_for(lambda found: bool(of(found, GapEnd)))
        device.ends_the_session()
        device.shows(Seen.GREEN)
    found = device.entries()
    whole = [gap for gap in of(found, Gap) if gap.stream is None]
    assert [gap.cause for gap in whole] == [GapCause.INTERLOCK]
    codes = [event.code for event in of(found, Event)]
    assert EventCode.INTERLOCK_TRIPPED in codes
    assert EventCode.INTERLOCK_RESET in codes
    exit_code, report = verified(tmp_path / "spool", "--trust", trust_of(tmp_path))
    assert exit_code == 0, report
    assert not FORBIDDING & {finding["code"] for finding in report["findings"]}


def test_a_guard_that_is_killed_drops_the_relay_and_the_lamps_never_say_recording(tmp_path: Path) -> None:
    with running(tmp_path) as device:
        device.begins_a_session()
        (guard,) = device.children("sim.guard")
        os.kill(guard, signal.SIGKILL)
        device.shows(Seen.DARK)
        found = device.waits_for(lambda found: GapCause.INTERLOCK in [gap.cause for gap in of(found, Gap)])
        assert EventCode.GUARD_LOST in [event.code for event in of(found, Event)]
    _, report = verified(tmp_path / "spool", "--trust", trust_of(tmp_path))  # the session is left open
    assert not FORBIDDING & {finding["code"] for finding in report["findings"]}
