"""Checks of the device as entries: what a start found, once a day by the service, told by verifier and export."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.history import Line, found_words, history
from edge.journal_slots import read_slots
from edge.journal_state import JournalState, LastCheck, after
from edge.ports import ClockReading, FaultKind, HardwareFault, SyncState
from edge.refusals import Refused
from edge.self_check import DAY_MS, daily_due
from edge.sensors.readings import BoardBits, BoardReading, PowerReading, PowerState, Readings
from edge.surroundings import Surroundings
from liuhen.kinds import Check
from liuhen.registry import CheckCode, CheckItem, CheckOutcome
from liuhen.report import to_text
from liuhen.report_words import Language
from tests.edge.ports_room import BOOT_ID, UTC_MS, Device, Room, RoomClock, device, guard_word
from tests.edge.served import Service, answered, journal, rest, start
from tests.edge.test_room import SilentGuard, guarded
from tests.edge.test_upkeep import free_seconds

pytestmark = pytest.mark.long

HOT = Readings(power=None, board=BoardReading(milli_celsius=91_500, bits=BoardBits.HOT), gas=None)
ON_BATTERY = Readings(
    power=PowerReading(state=PowerState.ON_BATTERY, minutes_left=7, charge_percent=40), board=None, gas=None
)
DAY_NS = DAY_MS * 1_000_000
BEFORE, DAILY = CheckCode.BEFORE_RECORDING, CheckCode.DAILY
WELL, WARNING, BLOCKING, NOT_FITTED, UNSEEN = CheckOutcome


def told_since(made: Device, since_ms: int) -> list[Line]:
    return history(journal(made), since_ms=since_ms, zone=UTC, text=lambda _: None)


def checks(made: Device, code: CheckCode) -> list[dict[CheckItem, tuple[CheckOutcome, int]]]:
    """The rows of each check of this sort, in order."""
    found = [entry.body for entry in journal(made) if isinstance(entry.body, Check) and entry.body.code == code]
    return [{CheckItem(item): (CheckOutcome(out), measured) for item, out, measured in one.rows} for one in found]


def outcomes(rows: dict[CheckItem, tuple[CheckOutcome, int]]) -> dict[CheckItem, CheckOutcome]:
    return {item: outcome for item, (outcome, _) in rows.items()}


def kinds(made: Device) -> list[str]:
    return [entry.kind for entry in journal(made)]


# --- before a recording ----------------------------------------------------------------------------------------------


def test_a_session_begins_behind_its_check_which_says_what_was_found(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    room.record(made.config, lambda r: r.play(2))
    assert kinds(made)[2:5] == ["choice", "check", "session"]
    (rows,) = checks(made, BEFORE)
    assert outcomes(rows) == {
        CheckItem.CLOCK: WELL,
        CheckItem.PICTURE: WELL,
        CheckItem.SOUND: WELL,
        CheckItem.SPACE: WELL,
        CheckItem.POWER: NOT_FITTED,
        CheckItem.KEY: WELL,
        CheckItem.INTERLOCK: NOT_FITTED,
        CheckItem.STORE: NOT_FITTED,
        CheckItem.MIRROR: NOT_FITTED,
        CheckItem.TEMPERATURE: NOT_FITTED,
    }
    assert rows[CheckItem.CLOCK][1] == 5
    assert rows[CheckItem.SPACE][1] > 6
    report = made.verify()
    assert report.intact
    assert report.room is not None
    (check,) = report.room.checks.values()
    assert check.entry == 3


def test_too_little_space_is_a_blocking_row_and_then_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, room = device(tmp_path), Room()
    free_seconds(monkeypatch, made.config, 130)
    with pytest.raises(Refused):
        room.record(made.config)
    assert kinds(made)[-5:] == ["check", "refusal", "duty", "checkpoint", "stop"]
    (rows,) = checks(made, BEFORE)
    assert rows[CheckItem.SPACE] == (BLOCKING, 2)
    assert (rows[CheckItem.PICTURE][0], rows[CheckItem.SOUND][0]) == (UNSEEN, UNSEEN)  # nobody had looked yet
    assert made.findings() == []


@pytest.mark.parametrize(
    ("lost", "expected"),
    [("camera", (BLOCKING, UNSEEN)), ("microphone", (WELL, BLOCKING)), ("both", (BLOCKING, UNSEEN))],
)
def test_the_source_that_refuses_a_start_is_the_row_that_blocks(
    tmp_path: Path, lost: str, expected: tuple[CheckOutcome, CheckOutcome]
) -> None:
    made, room = device(tmp_path), Room()
    assert room.camera is not None
    assert room.microphone is not None
    for name, source in (("camera", room.camera), ("microphone", room.microphone)):
        if lost in (name, "both"):
            source.refuses_open = HardwareFault(
                device=name, what="none", remedy_zh="请检查", remedy_en="look", kind=FaultKind.ABSENT
            )
    with pytest.raises(Refused):
        room.record(made.config)
    (rows,) = checks(made, BEFORE)
    assert (rows[CheckItem.PICTURE][0], rows[CheckItem.SOUND][0]) == expected


def test_an_interlock_that_does_not_permit_is_the_row_that_blocks(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    guard = SilentGuard(guard_word(room.clock.now_ns, permit=False))
    with pytest.raises(Refused):
        room.record(guarded(made.config), surroundings=Surroundings(guard=guard))
    (rows,) = checks(made, BEFORE)
    assert rows[CheckItem.INTERLOCK][0] is BLOCKING


def test_a_clock_nobody_vouches_for_is_a_warning_and_records_all_the_same(tmp_path: Path) -> None:
    made = device(tmp_path)
    Room(RoomClock(error_ms=2500)).record(made.config, lambda r: r.play(1))
    (rows,) = checks(made, BEFORE)
    assert rows[CheckItem.CLOCK] == (WARNING, 2500)


def test_a_session_that_goes_on_after_an_interruption_is_no_start(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def leave(r: Room) -> None:
        assert r._stage is not None
        r._stage.recorder.leave_open(None)

    room.record(made.config, lambda r: r.play(2), leave, service=True)
    Room(room.clock).record(made.config, lambda r: r.play(2), service=True)
    assert kinds(made).count("session") == 1
    assert len(checks(made, BEFORE)) == 1
    assert checks(made, DAILY) == []
    assert made.verify().intact


# --- daily -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("passed_ms", "boot_id", "code", "session_open", "due"),
    [
        (DAY_MS - 1, BOOT_ID, DAILY, False, False),
        (DAY_MS, BOOT_ID, DAILY, False, True),
        (DAY_MS - 1, bytes(16), DAILY, False, False),
        (DAY_MS, bytes(16), DAILY, False, True),
        (-1, bytes(16), DAILY, False, True),  # it lies in the future: a clock was wrong
        (1, BOOT_ID, BEFORE, False, True),  # a check before a recording is no daily one
        (1, BOOT_ID, BEFORE, True, False),  # and a session that has just been checked is left alone
        (DAY_MS, BOOT_ID, BEFORE, True, True),
        (DAY_MS - 1, BOOT_ID, DAILY, True, False),
    ],
)
def test_when_a_daily_check_is_due(
    passed_ms: int, boot_id: bytes, code: CheckCode, session_open: bool, due: bool
) -> None:
    reading = ClockReading(utc_ms=UTC_MS, boottime_ns=3 * DAY_NS, sync=SyncState.SYNCHRONISED, error_ms=5)
    then = LastCheck(code=code, utc_ms=UTC_MS - passed_ms, at=(boot_id, 3 * DAY_NS - passed_ms * 1_000_000))
    assert daily_due([then], reading, BOOT_ID, session_open=session_open) is due
    assert daily_due([], reading, BOOT_ID, session_open=session_open)


def test_an_idle_service_checks_itself_once_a_day_over_restarts(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    assert Service(made, room).serve(rest, rest) == 0
    (rows,) = checks(made, DAILY)
    assert (rows[CheckItem.PICTURE][0], rows[CheckItem.SOUND][0], rows[CheckItem.SPACE][0]) == (WELL, WELL, WELL)
    assert room.camera is not None
    assert room.camera.stops == 1  # claimed, and given back
    room.clock.now_ns += DAY_NS // 2
    assert Service(made, room).serve(rest, rest) == 0
    assert len(checks(made, DAILY)) == 1
    room.clock.now_ns += DAY_NS // 2
    assert Service(made, room).serve(rest, rest) == 0
    assert len(checks(made, DAILY)) == 2
    for slot in ("slot-0.cbor", "slot-1.cbor"):
        (made.spool / "device" / slot).unlink()
    assert Service(made, room).serve(rest, rest) == 0
    assert len(checks(made, DAILY)) == 2
    assert made.findings() == []


def test_the_slots_know_the_last_checks_without_their_entries(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    assert Service(made, room).serve(start, answered()) == 0
    state = JournalState()
    for entry in journal(made):
        state = after(state, entry)
    assert {one.code for one in state.checks} == {BEFORE, DAILY}
    assert read_slots(made.spool)[0][1].state.checks == state.checks


def test_a_room_that_always_records_is_checked_once_a_day_and_nothing_is_claimed(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def a_day_later(r: Room) -> None:
        r.clock.now_ns += DAY_NS
        r.begin_anew()
        r.play(2)

    acts: tuple[Callable[[Room], None], ...] = (lambda r: r.play(2), a_day_later, a_day_later, lambda r: r.play(3))
    room.record(made.config, *acts, service=True)
    found = checks(made, DAILY)
    assert len(found) == 2
    assert found[0][CheckItem.PICTURE][0] in (WELL, BLOCKING)
    assert kinds(made).index("session") < kinds(made).index("check", kinds(made).index("session"))
    assert room.camera is not None
    assert room.camera.stops <= 1  # at the session's end


def test_no_source_is_claimed_while_the_interlock_takes_its_power(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    guard = SilentGuard(guard_word(room.clock.now_ns, permit=False))
    service = Service(made, room)
    assert service.serve(rest, config=guarded(made.config), around=Surroundings(guard=guard)) == 0
    (rows,) = checks(made, DAILY)
    assert (rows[CheckItem.PICTURE][0], rows[CheckItem.INTERLOCK][0]) == (UNSEEN, BLOCKING)
    assert room.camera is not None
    assert room.camera.stops == 0


def test_a_full_disk_is_a_blocking_row_of_the_daily_check_and_the_service_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, room = device(tmp_path), Room()
    free_seconds(monkeypatch, made.config, 0)
    assert Service(made, room).serve(rest, rest) == 0
    (rows,) = checks(made, DAILY)
    assert rows[CheckItem.SPACE] == (BLOCKING, 0)


# --- told ------------------------------------------------------------------------------------------------------------


def test_what_the_checks_of_a_service_found_is_exported_and_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hot device on battery records; later its disk is too full for another session."""
    made, room = device(tmp_path), Room()
    service = Service(made, room, (lambda r: r.play(3),))

    def hot(one: Service) -> None:
        one.tell(HOT)
        one.tell(ON_BATTERY)

    def full(_service: Service) -> None:
        free_seconds(monkeypatch, made.config, 130)

    assert service.serve(hot, start, answered(), full, start, answered(2)) == 0
    assert [answer.ok for answer in service.answers] == [True, False], service.answers
    first, second = checks(made, BEFORE)
    assert (first[CheckItem.TEMPERATURE], first[CheckItem.POWER]) == ((WARNING, 91_500), (WARNING, 7))
    assert second[CheckItem.SPACE] == (BLOCKING, 2)
    report = made.verify()
    assert report.intact
    said = to_text(report, Language.ZH, integrity_only=False)
    assert "每日自检：1 次" in said
    assert "录前检查：" in said
    lines = told_since(made, UTC_MS - 90 * DAY_MS)
    told = [line.words for line in lines if line.kind in ("check", "refusal")]
    assert told == [
        "每日自检 daily check：正常 well",
        "录前检查 check before recording：电源 power（注意 warning）、温度 temperature（注意 warning）",
        "录前检查 check before recording：画面 picture（未查 not looked at）、声音 sound（未查 not looked at）、"
        "空间 space（不能录制 BLOCKING）、电源 power（注意 warning）、温度 temperature（注意 warning）",
        "拒绝 refused：存储空间不足 storage space insufficient",
    ]
    capsys.readouterr()
    assert main(["doctor", "--history", "3660d", "--spool", str(made.spool), "--json"]) == 0
    exported = json.loads(capsys.readouterr().out)
    assert [line["words"] for line in exported if line["kind"] in ("check", "refusal")] == told
    assert main(["doctor", "--history", "3660d", "--spool", str(made.spool)]) == 0
    assert "空间 space（不能录制 BLOCKING）" in capsys.readouterr().out
    assert [line.kind for line in told_since(made, UTC_MS + DAY_MS)] == ["duty"]  # it is still owed


def test_a_check_that_fails_is_known_from_one_that_does_not(tmp_path: Path) -> None:
    """The negative control of the export."""
    made = device(tmp_path)
    Room().record(made.config, lambda r: r.play(1))
    (line,) = [one for one in told_since(made, UTC_MS) if one.kind == "check"]
    assert line.words == "录前检查 check before recording：正常 well"


def test_what_nobody_looked_at_is_told_as_neither_well_nor_fault(tmp_path: Path) -> None:
    """A day on which recording was forbidden: the sources were not claimed, and a UPS was never heard of."""
    made, room = device(tmp_path), Room()
    guard = SilentGuard(guard_word(room.clock.now_ns, permit=False))
    config = guarded(made.config)
    config = replace(config, ups=replace(config.ups, kind="nut"), board=replace(config.board, enabled=True))
    assert Service(made, room).serve(rest, config=config, around=Surroundings(guard=guard)) == 0
    (rows,) = checks(made, DAILY)
    unseen = {item for item, outcome in outcomes(rows).items() if outcome is UNSEEN}
    assert unseen == {CheckItem.PICTURE, CheckItem.SOUND, CheckItem.POWER, CheckItem.TEMPERATURE}
    (line,) = [one.words for one in told_since(made, UTC_MS) if one.kind == "check"]
    assert "画面 picture（未查 not looked at）、声音 sound（未查 not looked at）" in line
    assert not any(word in line for word in ("正常", "画面 picture（不能", "画面 picture（注意"))
    report = made.verify()
    assert report.intact
    assert not [found for found in report.findings if "check" in found.code.value]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((), "没有查看任何一项 nothing was looked at"),
        (((CheckItem.POWER, NOT_FITTED, 0),), "没有查看任何一项 nothing was looked at"),
        (((CheckItem.CLOCK, WELL, 5), (CheckItem.POWER, NOT_FITTED, 0)), "正常 well"),
        (((CheckItem.CLOCK, 77, 5),), "时间 clock（代码 code 77）"),
    ],
)
def test_a_check_is_well_only_where_something_was_looked_at(rows: tuple[tuple[int, int, int], ...], said: str) -> None:
    assert found_words(rows) == said
