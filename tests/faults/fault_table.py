"""The table of faults: what each does to a recording, what is written of it, what the lamp shows, what a verifier says.

Written before the tests that show it. Expectations are exact: an event, gap, entry or finding that is not in a row may
not be in its journal either. `check` compares one row with what was seen; every test of a row goes through it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.ports import Stream
from edge.session.state import Mode
from liuhen.findings import Code
from liuhen.registry import EventCode, GapCause

Hole = tuple[GapCause, Stream | None]
"""The cause of a gap, and the stream it is of; None is both."""

NUMBERS = (*range(1, 31), *range(32, 42))
"""The rows that have to be shown here; of the last one the serial lines and the sockets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What became of a fault. Where only the deciding function was asked, `mode` and everything after it is None."""

    events: frozenset[EventCode]
    gaps: frozenset[Hole] | None = None
    entries: frozenset[str] | None = None
    mode: Mode | None = None
    lamp: str | None = None
    intact: bool | None = None
    findings: frozenset[Code] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault, or one of several kinds of it.

    `entries` are entries other than events and gaps, named by `witness.named`. `mode` and `lamp` are those while the
    fault lasts, or directly after where it is over at once. `shown_by` is the test. `pure` says why only the deciding
    function is asked; such a row promises events alone.
    """

    number: int
    kind: str = ""
    what: str
    events: frozenset[EventCode] = frozenset()
    gaps: frozenset[Hole] = frozenset()
    entries: frozenset[str] = frozenset()
    mode: Mode = Mode.RECORDING
    lamp: str = "recording"
    intact: bool = True
    findings: frozenset[Code] = frozenset()
    shown_by: str
    pure: str = ""

    @property
    def name(self) -> str:
        """How a test asks for it."""
        return f"{self.number} {self.kind}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotHere:
    """A row that is shown elsewhere or later."""

    number: int
    what: str
    because: str


def check(row: Row, seen: Seen) -> None:
    """Compare them; raises AssertionError with what differs."""
    assert seen.events == row.events, f"{row.name}: events {_names(seen.events)} for {_names(row.events)}"
    if row.pure:
        assert seen.mode is None, f"{row.name} is more than its function: say so in the table"
        return
    assert seen.gaps == row.gaps, f"{row.name}: gaps {seen.gaps}"
    assert seen.entries == row.entries, f"{row.name}: entries {sorted(seen.entries or ())}"
    assert seen.mode is row.mode, f"{row.name}: mode {seen.mode}"
    assert seen.lamp == row.lamp, f"{row.name}: lamp {seen.lamp}"
    assert seen.findings == row.findings, f"{row.name}: findings {sorted(seen.findings or ())}"
    assert seen.intact is row.intact, f"{row.name}: intact {seen.intact}"


def _names(events: frozenset[EventCode]) -> list[str]:
    return sorted(event.name for event in events)


_E, _G, _S, _F, _M = EventCode, GapCause, Stream, Code, Mode
_HERE = "tests/faults/test_fault_rows.py::test_"
_TOLD = frozenset({_F.EVENT_FAULT})
_WARNED = frozenset({_F.EVENT_WARNING})
_UNEXPLAINED = frozenset({_F.GAP_UNEXPLAINED})
_RESTARTED = frozenset({_F.RECOVERED}) | _UNEXPLAINED
_OWED = frozenset({"DUTY_REPORT_OPENED", "DUTY_WRITTEN_STATEMENT_OPENED"})
"""A session that ends in its gap owes a report and a written statement."""
_ENDED_IN_GAP = frozenset({_F.GAP_UNEXPLAINED, _F.DUTY_OPEN})
_TRIP = _OWED | {"INHIBITION_INTERLOCK_SET"}
_INTERLOCK = frozenset({(_G.INTERLOCK, None)})


def _interlock(number: int, kind: str, what: str, *named: EventCode, test: str) -> Row:
    """A trip with its diagnosis: capture ends first, the inhibition and one gap of both streams are written after."""
    return Row(
        number=number,
        kind=kind,
        what=what,
        events=frozenset({_E.INTERLOCK_TRIPPED, *named}),
        gaps=_INTERLOCK,
        entries=_TRIP,
        mode=_M.TRIPPED,
        lamp="interlock",
        findings=_TOLD | _ENDED_IN_GAP,
        shown_by=_HERE + test,
    )


def _storage(number: int, kind: str, what: str, *events: EventCode, test: str) -> Row:
    """Nothing of the room is lost: only an event tells of it, and the lamp asks for a person."""
    return Row(
        number=number,
        kind=kind,
        what=what,
        events=frozenset(events),
        lamp="attention",
        findings=_TOLD,
        shown_by=_HERE + test,
    )


def _stored(number: int, kind: str, what: str, *events: EventCode, test: str, findings: frozenset[Code] = _TOLD) -> Row:
    """Recording goes on as if nothing were, the lamp asks for a person, and in the end the store has everything."""
    return Row(
        number=number,
        kind=kind,
        what=what,
        events=frozenset({_E.DEADLINE_MET, *events}),
        lamp="attention",
        findings=findings,
        shown_by=_HERE + test,
    )


TABLE: tuple[Row, ...] = (
    Row(
        number=1,
        what="the power goes between two writes; another boot goes on with the session",
        gaps=frozenset({(_G.OTHER, None)}),
        entries=frozenset({"RECOVERED"}),
        lamp="attention",
        findings=_UNEXPLAINED,
        shown_by=_HERE + "row_1_power_cut",
    ),
    Row(
        number=2,
        what="the last write of media is torn",
        gaps=frozenset({(_G.OTHER, None)}),
        entries=frozenset({"RECOVERED", "TAIL_TORN"}),
        lamp="attention",
        findings=_RESTARTED,
        shown_by=_HERE + "row_2_torn_tail",
    ),
    Row(
        number=3,
        what="an entry that nobody had heard of reached the disk in part",
        gaps=frozenset({(_G.OTHER, None)}),
        entries=frozenset({"RECOVERED", "TORN_JOURNAL"}),
        lamp="attention",
        findings=_RESTARTED,
        shown_by=_HERE + "row_3_lost_write",
    ),
    Row(
        number=4,
        what="no space for media: ended in the same turn, its reason out of the reserve; the lamp is the last shown",
        events=frozenset({_E.STORAGE_FAULT, _E.JOURNAL_RESERVE_USED}),
        gaps=frozenset({(_G.STORAGE_FULL, None)}),
        entries=_OWED,
        lamp="attention",
        findings=_TOLD | _ENDED_IN_GAP,
        shown_by=_HERE + "row_4_disk_full",
    ),
    Row(
        number=4,
        kind="filling",
        what="space falls below a level, and later below the floor: warned in minutes left, then ended with its reason",
        events=frozenset({_E.STORAGE_WARNING, _E.STORAGE_LOW}),
        gaps=frozenset({(_G.STORAGE_FULL, None)}),
        entries=_OWED,
        lamp="attention",
        findings=_WARNED | _ENDED_IN_GAP,
        shown_by=_HERE + "row_4_disk_filling",
    ),
    _storage(5, "", "one write of media is refused", _E.STORAGE_FAULT, test="row_5_write_refused"),
    _storage(6, "", "one flush of media fails", _E.STORAGE_FAULT, test="row_6_flush_fails"),
    Row(
        number=7,
        what="one flush takes six seconds: told once it is over, nothing is lost",
        events=frozenset({_E.STORAGE_SLOW, _E.STORAGE_SLOW_ENDED}),
        findings=_WARNED,
        shown_by=_HERE + "row_7_slow_disk",
    ),
    _storage(
        8,
        "",
        "one of two disks takes no write any more",
        _E.STORAGE_READ_ONLY,
        _E.MIRROR_LOST,
        _E.MIRROR_BACK,
        test="row_8_read_only",
    ),
    _storage(
        9,
        "removed",
        "one of two disks is gone",
        _E.STORAGE_REMOVED,
        _E.MIRROR_LOST,
        _E.MIRROR_BACK,
        test="row_9_disk_removed",
    ),
    _storage(
        9,
        "another",
        "another disk stands in its place",
        _E.STORAGE_WRONG_MEDIUM,
        _E.MIRROR_LOST,
        _E.MIRROR_BACK,
        test="row_9_wrong_medium",
    ),
    Row(
        number=10,
        what="a bit of a closed segment flips and the scrub reads it: told, never changed, and no longer intact",
        events=frozenset({_E.STORAGE_ROT}),
        lamp="attention",
        intact=False,
        findings=_TOLD | {_F.FRAGMENT_ALTERED},
        shown_by=_HERE + "row_10_bit_rot",
    ),
    Row(
        number=11,
        what="the disk forgets the last entries it had confirmed: its run looks crashed, the next goes on",
        events=frozenset({_E.STORAGE_LIED, _E.PROCESS_CRASHED}),
        gaps=frozenset({(_G.DEVICE_FAULT, None)}),
        entries=frozenset({"RECOVERED"}),
        lamp="attention",
        intact=False,
        findings=_TOLD | _UNEXPLAINED | {_F.CHAIN_BROKEN, _F.LOSS_ANNOUNCED, _F.SEQ_GAP},
        shown_by=_HERE + "row_11_lying_disk",
    ),
    Row(
        number=11,
        kind="idle",
        what="the disk forgets how the last run ended; nothing of a session is missing, and somebody has to look",
        events=frozenset({_E.STORAGE_LIED, _E.PROCESS_CRASHED}),
        entries=frozenset({"RECOVERED"}),
        lamp="attention",
        intact=False,
        findings=_TOLD | {_F.CHAIN_BROKEN, _F.LOSS_ANNOUNCED, _F.SEQ_GAP},
        shown_by=_HERE + "row_11_lying_disk_between_sessions",
    ),
    Row(
        number=12,
        kind="",
        what="the camera delivers nothing for a second: it is started again, sound goes on",
        events=frozenset({_E.SOURCE_LOST, _E.SOURCE_RESTARTED, _E.SOURCE_BACK}),
        gaps=frozenset({(_G.DEVICE_FAULT, _S.PICTURE)}),
        mode=_M.ONE_STREAM,
        lamp="one_stream",
        findings=_TOLD | _UNEXPLAINED,
        shown_by=_HERE + "row_12_camera_stall",
    ),
    Row(
        number=12,
        kind="hung",
        what="and its stop() does not return: told, and a fresh one is started",
        events=frozenset({_E.SOURCE_STOP_HUNG, _E.SOURCE_LOST, _E.SOURCE_RESTARTED, _E.SOURCE_BACK}),
        gaps=frozenset({(_G.DEVICE_FAULT, _S.PICTURE)}),
        mode=_M.ONE_STREAM,
        lamp="one_stream",
        findings=_TOLD | _WARNED | _UNEXPLAINED,
        shown_by=_HERE + "row_12_camera_stop_hangs",
    ),
    Row(
        number=13,
        what="the camera is pulled and does not come back",
        events=frozenset({_E.SOURCE_LOST}),
        gaps=frozenset({(_G.DEVICE_FAULT, _S.PICTURE)}),
        entries=_OWED,
        mode=_M.ONE_STREAM,
        lamp="one_stream",
        findings=_TOLD | _ENDED_IN_GAP,
        shown_by=_HERE + "row_13_camera_unplugged",
    ),
    Row(
        number=13,
        kind="start",
        what="the camera is dead when the power is back: the session's sound goes on, the picture when it can",
        events=frozenset({_E.SOURCE_LOST, _E.SOURCE_ORIGIN, _E.SOURCE_RESTARTED, _E.SOURCE_BACK}),
        gaps=frozenset({(_G.OTHER, None), (_G.DEVICE_FAULT, _S.PICTURE)}),
        entries=frozenset({"RECOVERED"}),
        mode=_M.ONE_STREAM,
        lamp="one_stream",
        findings=_TOLD | _UNEXPLAINED,
        shown_by=_HERE + "row_13_camera_dead_at_start",
    ),
    Row(
        number=13,
        kind="both",
        what="nothing is there when the power is back: a new process, then a new boot, the session stays open",
        events=frozenset({_E.SOURCE_LOST, _E.RESTART_ORDERED, _E.REBOOT_ORDERED}),
        gaps=frozenset({(_G.OTHER, None), (_G.DEVICE_FAULT, None)}),
        entries=frozenset({"RECOVERED"}),
        mode=_M.STARTING,
        lamp="not_recording",
        findings=_TOLD | _WARNED | _UNEXPLAINED | {_F.SESSION_OPEN_END},
        shown_by=_HERE + "row_13_everything_dead",
    ),
    Row(
        number=14,
        what="the picture is black, frozen, covered, then each side of the table is hidden, then well again",
        events=frozenset(
            {
                _E.PICTURE_BLACK,
                _E.PICTURE_BLACK_ENDED,
                _E.PICTURE_FROZEN,
                _E.PICTURE_FROZEN_ENDED,
                _E.PICTURE_COVERED,
                _E.PICTURE_COVERED_ENDED,
                _E.OFFICIALS_HIDDEN,
                _E.OFFICIALS_HIDDEN_ENDED,
                _E.PARTIES_HIDDEN,
                _E.PARTIES_HIDDEN_ENDED,
            }
        ),
        lamp="attention",
        findings=_WARNED,
        shown_by=_HERE + "row_14_black_frozen_covered",
    ),
    Row(
        number=15,
        what="the microphone is pulled",
        events=frozenset({_E.SOURCE_LOST}),
        gaps=frozenset({(_G.DEVICE_FAULT, _S.SOUND)}),
        entries=_OWED,
        mode=_M.ONE_STREAM,
        lamp="one_stream",
        findings=_TOLD | _ENDED_IN_GAP,
        shown_by=_HERE + "row_15_microphone_unplugged",
    ),
    Row(
        number=15,
        kind="moved",
        what="the sound system puts another microphone in its place: lost, told as that, started again",
        events=frozenset({_E.SOUND_MOVED, _E.SOURCE_LOST, _E.SOURCE_RESTARTED, _E.SOURCE_BACK}),
        gaps=frozenset({(_G.DEVICE_FAULT, _S.SOUND)}),
        mode=_M.ONE_STREAM,
        lamp="one_stream",
        findings=_TOLD | _UNEXPLAINED,
        shown_by=_HERE + "row_15_sound_moved",
    ),
    Row(
        number=16,
        what="the microphone gives exact zeros, then clips, then is too low, then is well again",
        events=frozenset(
            {
                _E.SOUND_DIGITAL_ZERO,
                _E.SOUND_DIGITAL_ZERO_ENDED,
                _E.SOUND_CLIPPING,
                _E.SOUND_CLIPPING_ENDED,
                _E.SOUND_SILENT,
                _E.SOUND_SILENT_ENDED,
            }
        ),
        lamp="attention",
        findings=_TOLD | _WARNED,
        shown_by=_HERE + "row_16_dead_clipping_silent_microphone",
    ),
    Row(
        number=17,
        what="the sensor skips frames: counted, never filled in",
        events=frozenset({_E.FRAMES_MISSED}),
        lamp="recording",
        findings=_WARNED | {_F.KNOWN_MISSING},
        shown_by=_HERE + "row_17_frames_missed",
    ),
    Row(
        number=17,
        kind="drift",
        what="the sound clock is further off than a crystal can be: told once, no sample added or left out",
        events=frozenset({_E.SOUND_CLOCK_OFF}),
        lamp="attention",
        findings=_WARNED,
        shown_by=_HERE + "row_17_sound_clock_off",
    ),
    Row(
        number=18,
        what="the board is too hot: told, recorded on at the lower bitrate, and told when it has cooled",
        events=frozenset({_E.THERMAL, _E.THERMAL_ENDED}),
        lamp="attention",
        findings=_WARNED,
        shown_by=_HERE + "row_18_too_hot",
    ),
    Row(
        number=19,
        what="the voltage drops",
        events=frozenset({_E.UNDERVOLTAGE, _E.UNDERVOLTAGE_ENDED}),
        lamp="attention",
        findings=_WARNED,
        shown_by=_HERE + "row_19_under_voltage",
    ),
    Row(
        number=20,
        what="mains fail and come back: recording goes on",
        events=frozenset({_E.ON_BATTERY, _E.MAINS_BACK}),
        lamp="attention",
        findings=_WARNED,
        shown_by=_HERE + "row_20_on_battery",
    ),
    Row(
        number=20,
        kind="silent",
        what="the UPS falls silent on mains and answers again",
        events=frozenset({_E.UPS_SILENT, _E.UPS_BACK}),
        lamp="attention",
        findings=_WARNED,
        shown_by=_HERE + "row_20_ups_silent_on_mains",
    ),
    Row(
        number=20,
        kind="sensors",
        what="nobody tells of power, heat and gas for six seconds",
        events=frozenset({_E.SENSORS_LOST, _E.SENSORS_BACK}),
        lamp="attention",
        findings=_WARNED,
        shown_by=_HERE + "row_20_sensors_lost",
    ),
    Row(
        number=21,
        kind="low",
        what="the battery is low: everything is sealed, then the power may go",
        events=frozenset({_E.ON_BATTERY, _E.BATTERY_LOW, _E.POWER_OFF_ORDERED}),
        gaps=frozenset({(_G.POWER_LOW, None)}),
        entries=_OWED,
        mode=_M.HALTED,
        lamp="not_recording",
        findings=_TOLD | _WARNED | _ENDED_IN_GAP,
        shown_by=_HERE + "row_21_battery_low",
    ),
    Row(
        number=21,
        kind="silent",
        what="the UPS falls silent on battery: taken as low",
        events=frozenset({_E.ON_BATTERY, _E.UPS_SILENT, _E.BATTERY_LOW, _E.POWER_OFF_ORDERED}),
        gaps=frozenset({(_G.POWER_LOW, None)}),
        entries=_OWED,
        mode=_M.HALTED,
        lamp="not_recording",
        findings=_TOLD | _WARNED | _ENDED_IN_GAP,
        shown_by=_HERE + "row_21_ups_silent_on_battery",
    ),
    Row(
        number=22,
        what="UTC jumps by an hour",
        events=frozenset({_E.CLOCK_STEPPED}),
        findings=_WARNED,
        shown_by=_HERE + "row_22_clock_steps",
    ),
    Row(
        number=23,
        what="the battery clock shows 1970",
        events=frozenset({_E.CLOCK_RTC_BAD}),
        lamp="attention",
        findings=_WARNED,
        shown_by=_HERE + "row_23_battery_clock_dead",
    ),
    Row(
        number=24,
        what="the time sources are lost, beyond the bound, and come back",
        events=frozenset({_E.CLOCK_SYNC_CHANGED, _E.CLOCK_UNSYNCHRONISED, _E.CLOCK_TRUSTED}),
        lamp="attention",
        findings=_WARNED,
        shown_by=_HERE + "row_24_time_sources_lost",
    ),
    _stored(
        25,
        "",
        "no network for a week: stored late, and said so",
        _E.STORE_UNREACHABLE,
        _E.STORE_BACK,
        _E.DEADLINE_NEAR,
        _E.DEADLINE_MISSED,
        findings=_TOLD | _WARNED,
        test="row_25_network_down_for_a_week",
    ),
    _stored(
        25,
        "silent",
        "the offload process stands still for ten seconds",
        _E.OFFLOAD_LOST,
        _E.OFFLOAD_BACK,
        findings=_WARNED,
        test="row_25_offload_silent",
    ),
    Row(
        number=25,
        kind="space",
        what="space runs low while nothing is at the store yet: nothing goes, and somebody is told",
        events=frozenset({_E.STORAGE_NO_RECLAIM}),
        lamp="attention",
        findings=_TOLD,
        shown_by=_HERE + "row_25_nothing_may_go",
    ),
    _stored(
        26,
        "",
        "the store takes everything and answers nothing",
        _E.STORE_UNREACHABLE,
        _E.STORE_BACK,
        findings=_WARNED,
        test="row_26_answers_lost",
    ),
    _stored(26, "refused", "the store refuses this device", _E.STORE_REFUSES, _E.STORE_BACK, test="row_26_refused"),
    _stored(
        26,
        "untrusted",
        "the store shows another certificate",
        _E.STORE_UNTRUSTED,
        _E.STORE_BACK,
        test="row_26_untrusted",
    ),
    _stored(26, "full", "the store is full", _E.STORE_FULL, _E.STORE_BACK, test="row_26_full"),
    _stored(
        26,
        "clock",
        "the store's clock is twenty minutes ahead: signed by its time, told",
        _E.STORE_CLOCK_OFF,
        findings=_WARNED,
        test="row_26_clock_off",
    ),
    Row(
        number=26,
        kind="crawls",
        what="the line is so slow that what waits cannot be there in time: told while it can be carried there",
        events=frozenset({_E.DEADLINE_FORECAST}),
        lamp="attention",
        findings=_WARNED,
        shown_by=_HERE + "row_26_line_crawls",
    ),
    _stored(
        27,
        "",
        "what is read back are other bytes: no receipt before it is right",
        _E.STORE_DIFFERS,
        test="row_27_bytes_differ",
    ),
    _stored(
        27,
        "lost",
        "what the store took is not there when it is asked for: sent again",
        _E.STORE_DIFFERS,
        test="row_27_version_lost",
    ),
    _stored(
        27,
        "retention",
        "the store keeps it for too short: no receipt before it is longer",
        _E.STORE_RETENTION_SHORT,
        test="row_27_retention_short",
    ),
    Row(
        number=27,
        kind="here",
        what="a segment rots between its seal and its sending: never sent under its name",
        events=frozenset({_E.LOCAL_DIFFERS}),
        lamp="attention",
        intact=False,
        findings=_TOLD | {_F.FRAGMENT_ALTERED},
        shown_by=_HERE + "row_27_rotten_here",
    ),
    Row(
        number=28,
        what="a second recorder is started on the same spool: it exits, nothing is written",
        shown_by=_HERE + "row_28_duplicate_start",
    ),
    Row(
        number=29,
        what="the process dies; the next one of the same boot goes on",
        events=frozenset({_E.PROCESS_CRASHED}),
        gaps=frozenset({(_G.DEVICE_FAULT, None)}),
        entries=frozenset({"RECOVERED"}),
        lamp="attention",
        findings=_TOLD | _UNEXPLAINED,
        shown_by=_HERE + "row_29_process_crash",
    ),
    Row(
        number=30,
        what="CONTROL stands still for longer than the watchdog allows a turn, in a session that goes on after a crash",
        events=frozenset({_E.PROCESS_WEDGED, _E.PROCESS_CRASHED}),
        gaps=frozenset({(_G.DEVICE_FAULT, None)}),
        entries=frozenset({"RECOVERED"}),
        lamp="attention",
        findings=_TOLD | _UNEXPLAINED,
        shown_by=_HERE + "row_30_wedged",
    ),
    _interlock(32, "", "the interlock is opened", test="row_32_interlock_trip"),
    _interlock(32, "gas", "gas, until it is clear", _E.GAS_ALARM, _E.GAS_CLEAR, test="row_32_gas_alarm"),
    _interlock(33, "", "a wire is broken", _E.INTERLOCK_OPEN, test="row_33_wire_broken"),
    _interlock(34, "short", "two wires touch", _E.INTERLOCK_SHORT, test="row_34_short"),
    _interlock(34, "pulse", "test pulses do not come back", _E.INTERLOCK_NO_PULSE, test="row_34_pulse_missing"),
    _interlock(34, "discrepant", "the loops contradict each other", _E.INTERLOCK_DISCREPANT, test="row_34_discrepant"),
    _interlock(35, "", "the contact chatters", _E.INTERLOCK_CHATTER, test="row_35_chatter"),
    replace(
        _interlock(
            36,
            "",
            "the reset key is stuck after a trip: it resets nothing",
            _E.INTERLOCK_HEALTHY,
            _E.INTERLOCK_RESET_STUCK,
            test="row_36_reset_key_stuck",
        ),
        findings=_TOLD | _WARNED | _ENDED_IN_GAP,
    ),
    Row(
        number=37,
        what="a button is held for too long: its press counts once, told when it is stuck and when it is free",
        events=frozenset({_E.BUTTON_STUCK, _E.BUTTON_FREE}),
        entries=frozenset({"MARK_KEY_MOMENT"}),
        lamp="attention",
        findings=_WARNED,
        shown_by=_HERE + "row_37_button_stuck",
    ),
    Row(
        number=38,
        what="the guard is not heard for a second: taken as a trip",
        events=frozenset({_E.GUARD_LOST}),
        gaps=_INTERLOCK,
        entries=_TRIP,
        mode=_M.TRIPPED,
        lamp="interlock",
        findings=_TOLD | _ENDED_IN_GAP,
        shown_by=_HERE + "row_38_guard_dead",
    ),
    Row(
        number=38,
        kind="back",
        what="the guard is heard again and permits: recording goes on",
        events=frozenset({_E.GUARD_LOST, _E.GUARD_BACK, _E.INTERLOCK_RESET}),
        gaps=_INTERLOCK,
        entries=frozenset({"INHIBITION_INTERLOCK_SET", "INHIBITION_INTERLOCK_CLEARED"}),
        mode=_M.TRIPPED,
        lamp="interlock",
        findings=_TOLD | _UNEXPLAINED,
        shown_by=_HERE + "row_38_guard_back",
    ),
    Row(
        number=38,
        kind="latch",
        what="a guard that starts may not assume a clear latch: an open session waits for the key on the spot, and "
        "says what it records with only when its sources are opened",
        events=frozenset({_E.INTERLOCK_TRIPPED, _E.INTERLOCK_LATCH_UNKNOWN, _E.INTERLOCK_RESET, _E.SOURCE_ORIGIN}),
        gaps=frozenset({(_G.OTHER, None), (_G.INTERLOCK, None)}),
        entries=frozenset({"RECOVERED", "INHIBITION_INTERLOCK_SET", "INHIBITION_INTERLOCK_CLEARED"}),
        mode=_M.TRIPPED,
        lamp="interlock",
        findings=_TOLD | _WARNED | _UNEXPLAINED,
        shown_by=_HERE + "row_38_latch_unknown",
    ),
    Row(
        number=39,
        what="the key file is damaged while a session is open: an emergency key seals on, nobody vouches for it",
        gaps=frozenset({(_G.OTHER, None)}),
        entries=frozenset({"RECOVERED", "KEY_EMERGENCY"}),
        lamp="attention",
        findings=_UNEXPLAINED | {_F.KEY_EMERGENCY},
        shown_by=_HERE + "row_39_key_damaged",
    ),
    Row(
        number=40,
        what="the configuration is damaged at a start of the service: the last good one is in force, and told",
        events=frozenset({_E.CONFIG_FALLBACK}),
        lamp="attention",
        findings=_WARNED,
        shown_by=_HERE + "row_40_config_damaged",
    ),
    Row(
        number=41,
        kind="serial",
        what="a gas detector's line is garbled: no permit, and the recording ends as at a trip",
        events=frozenset({_E.GAS_FAULT, _E.INTERLOCK_TRIPPED}),
        gaps=_INTERLOCK,
        entries=_TRIP,
        mode=_M.TRIPPED,
        lamp="interlock",
        findings=_TOLD | _ENDED_IN_GAP,
        shown_by=_HERE + "row_41_serial_line_garbled",
    ),
    Row(
        number=41,
        kind="socket",
        what="somebody asks over the socket for what is not his: refused and counted",
        events=frozenset({_E.REFUSED_REQUEST}),
        shown_by=_HERE + "row_41_socket_request_refused",
    ),
)

NOT_HERE: tuple[NotHere, ...] = (
    NotHere(number=31, what="the kernel hangs", because="the machine's own watchdog; needs a machine to hang"),
)

MISSING: tuple[NotHere, ...] = ()
"""What this product does not do yet."""

NOT_EXPECTED: dict[EventCode, str] = {
    _E.SAMPLES_MISSED: "tests/sim/test_virtual_session.py: as row 17, of the sound",
    _E.QUEUE_OVERFLOW: "tests/sim/test_virtual_session.py, tests/edge/storage_fault_table.py",
    _E.ENCODER_CHANGED: "no fault: told where an encoder was changed",
    _E.SCRUB_DONE: "no fault: a round of the scrub is over",
    _E.MIRROR_DIFFERS: "tests/edge/test_mirror.py: what differs in the middle",
    _E.HEAD_MEMORY_LOST: "tests/edge/test_head_memory.py: the memory beside the key, which no row has",
    _E.WITHHELD_UNAPPROVED: "no fault: people's duty",
    _E.WITHHELD_TOO_LONG: "no fault: people's duty",
    _E.EXPLANATION_OVERDUE: "no fault: people's duty",
    _E.RESUME_OVERDUE: "no fault: people's duty",
    _E.SPOOL_OPEN_TO_OTHERS: "no row: modes that an earlier version left are no fault of a device",
    _E.MEDIUM_INSERTED: "no row: a medium that is put in is a matter of confidentiality, not of a fault",
    _E.DEADLINE_NO_CALENDAR: "tests/edge/test_desk_deadlines.py: a year without a table, which no row has",
    _E.WITNESS_DIFFERS: "tests/edge/test_desk_witness.py: no row has a witness",
    _E.VISIT_NOTICE_MISSING: "no fault: people's duty",
    _E.SCHEDULE_SET: "no fault: people's doing",
    _E.SCHEDULED_NOT_RECORDED: "no fault: people's duty",
    _E.ARCHIVE_NEAR: "no fault: people's duty",
    _E.ARCHIVE_MISSED: "no fault: people's duty",
    _E.ARCHIVE_MET: "no fault: people's duty",
}
"""Why no row expects these."""
