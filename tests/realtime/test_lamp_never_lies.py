"""Each process of a device stopped in the middle of a session: what the lamps say is true, or they say nothing.

Sensors, recorder, guard and offload are stopped with SIGSTOP one after the other and go on; the session outlives it,
and what was lost has its reason in the archive. Where offload alone stands still nothing is lost, and status says so.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.control_client import ask
from edge.requests import Request
from edge.requests import Verb as Asking
from liuhen.entry import Entry
from liuhen.kinds import Gap, GapEnd, Segment
from liuhen.registry import EventCode, GapCause
from sim.levers import Reading, Verb
from sim.wiring import NS_PER_MS, SIGHT_NS, Seen
from tests.realtime.runs import verified
from tests.realtime.whole_room import FORBIDDING, Device, configuration, of, running, trust_of

pytestmark = [pytest.mark.realtime, pytest.mark.beside, pytest.mark.timeout(240)]

CLAIMS = frozenset({Seen.RED, Seen.RED_SLOW, Seen.YELLOW})
"""What says that something is being recorded."""
STALE_NS = 2_000 * NS_PER_MS
"""The design's number, not the code's: the lamps are the guard's, and stale after two seconds."""
WISH_NS = 500 * NS_PER_MS
"""The recorder's last word may be this old when it is stopped, or come this much later."""
LAST_CLAIM_NS = STALE_NS + WISH_NS + SIGHT_NS
STOPPED_NS = LAST_CLAIM_NS + 1_500 * NS_PER_MS
SETTINGS = '[gas]\nkind = "modbus"\nclear_seconds = 5\n'


def lies(readings: list[Reading], since_ns: int) -> list[str]:
    """Each reading in which the lamps claim a recording later than they may."""
    return [
        f"{Seen(reading.seen).name} after {(reading.boottime_ns - since_ns) // NS_PER_MS} ms"
        for reading in readings
        if reading.seen in CLAIMS and reading.boottime_ns - since_ns > LAST_CLAIM_NS
    ]


def stopped(device: Device, process: int) -> list[str]:
    """Stop a process, look at the lamps for as long as a claim could last and longer, let it go on; the lies."""
    os.kill(process, signal.SIGSTOP)
    try:
        since_ns = device.levers.wiring().boottime_ns
        readings = [device.levers.wiring()]
        while readings[-1].boottime_ns - since_ns < STOPPED_NS:
            device.lives_on()
            readings.append(device.levers.wiring())
    finally:
        os.kill(process, signal.SIGCONT)
    assert sum(one.boottime_ns - since_ns > LAST_CLAIM_NS for one in readings) >= 10
    return lies(readings, since_ns)


def status(device: Device) -> dict[str, Any]:
    """What the recorder says of itself."""
    return dict(ask(device.folder / "control", Request(verb=Asking.STATUS)).facts or {})


def waits_for_offload(device: Device, word: str) -> tuple[dict[str, Any], set[Seen]]:
    """Until status says this of the offload process; that status, and all that the lamps have shown meanwhile."""
    shown = set()
    until_ns = device.levers.wiring().boottime_ns + 60 * 1_000 * NS_PER_MS
    while (reading := device.levers.wiring()).boottime_ns < until_ns:
        shown.add(Seen(reading.seen))
        told = status(device)
        if told["offload"]["process"] == word:
            return told, shown
        device.lives_on(0.2)
    raise AssertionError(f"offload never {word}; {device.shown()}")


def stops_offload(device: Device) -> None:
    """The recorder goes on, its lamp says so, and status says of offload that nobody hears it, until it is back."""
    (process,) = device.children("offload")
    before, _ = waits_for_offload(device, "heard")
    os.kill(process, signal.SIGSTOP)
    try:
        told, shown = waits_for_offload(device, "lost")
    finally:
        os.kill(process, signal.SIGCONT)
    assert (told["mode"], told["shelf"]) == ("recording", "silent")
    assert told["durable"] >= before["durable"] + 10, "the recorder has not gone on"
    assert shown <= CLAIMS | {Seen.CONFUSED}, "a lamp that denies what is recorded"
    assert device.events().count(EventCode.OFFLOAD_LOST) == 1
    waits_for_offload(device, "heard")
    assert not has_a_gap_that_lasts(device.entries())


def test_lamps_that_claim_a_recording_too_long_are_noticed() -> None:
    """Negative control of the judgement: nobody is stopped, so the lamp goes on to say that it records."""
    at_rest = Reading(
        boottime_ns=0,
        line_changed_ns=0,
        permit=False,
        permit_changed_ns=0,
        pump_changed_ns=0,
        contact_closed=False,
        contact_since_ns=0,
        last_frame_ns=0,
        lamps=(False,) * 4,
        lamps_powered=False,
        buzzer=False,
        drop_all=False,
        seen=Seen.DARK,
    )
    for seen, found in ((Seen.RED, 1), (Seen.RED_SLOW, 1), (Seen.RED_FAST, 0), (Seen.DARK, 0), (Seen.CONFUSED, 0)):
        readings = [replace(at_rest, boottime_ns=at_ns, seen=seen) for at_ns in (LAST_CLAIM_NS, LAST_CLAIM_NS + 1)]
        assert len(lies(readings, 0)) == found


def test_whichever_process_is_stopped_in_a_session_no_lamp_goes_on_to_say_that_it_records(tmp_path: Path) -> None:
    further = f'{SETTINGS}[store]\nurl = "file:{tmp_path / "shelf"}"\n'
    (tmp_path / "shelf").mkdir()
    with running(tmp_path, configuration(tmp_path, interlock="gas = true\n", further=further)) as device:
        device.begins_a_session()
        device.waits_for(lambda found: bool(of(found, Segment)))

        gaps = len(of(device.entries(), Gap))
        stops_offload(device)
        assert len(of(device.entries(), Gap)) == gaps

        trips = device.events().count(EventCode.INTERLOCK_TRIPPED)
        assert stopped(device, device.process.pid) == []  # the recorder
        device.waits_for(lambda found: not has_a_gap_that_lasts(found))
        resumes_showing_a_claim(device)
        # The guard spoke all the while: that nobody listened is no silence of the guard's.
        assert GapCause.INTERLOCK not in [gap.cause for gap in of(device.entries(), Gap)]
        assert device.events().count(EventCode.INTERLOCK_TRIPPED) == trips

        for word in ("sim.sensors", "sim.guard"):  # each stop trips the interlock: no lease, or no guard
            (process,) = device.children(word)
            assert stopped(device, process) == [], word
            device.shows(Seen.WHITE_BLINKING)
            device.waits_for(has_a_gap_that_lasts)
            device.reset()
            device.waits_for(lambda found: not has_a_gap_that_lasts(found))
            resumes_showing_a_claim(device)

        device.ends_the_session()
        device.shows(Seen.GREEN)
    causes = [gap.cause for gap in of(device.entries(), Gap) if gap.stream is None]
    assert causes[-2:] == [GapCause.INTERLOCK, GapCause.INTERLOCK]
    assert {EventCode.GUARD_LOST, EventCode.GUARD_BACK, EventCode.INTERLOCK_RESET} <= set(device.events())
    exit_code, report = verified(tmp_path / "spool", "--trust", trust_of(tmp_path))
    assert exit_code == 0, report
    assert not FORBIDDING & {finding["code"] for finding in report["findings"]}


def has_a_gap_that_lasts(found: list[Entry]) -> bool:
    return len(of(found, GapEnd)) < len(of(found, Gap))


def resumes_showing_a_claim(device: Device) -> None:
    """It records again, and says so: steady, or slowly blinking while somebody owes an explanation."""
    try:
        device.levers.pull(Verb.AWAIT_LAMP, Seen.RED_SLOW)
    except TimeoutError as late:
        raise AssertionError(device.shown()) from late
