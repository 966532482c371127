"""What chrony, timesyncd and a battery-backed clock say, read from files and programs that a test makes."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.clock_sources import (
    RTC_BATTERY_EMPTY,
    RTC_TIME_INVALID,
    ClockSources,
    Places,
    chrony_opinion,
    parse_tracking,
    read_low_voltage,
    read_rtc,
    timesyncd_opinion,
)
from drivers.system_clock import SystemClock
from edge.clock_trust import UNKNOWN_ERROR_MS, Bounds, Opinion
from edge.config import Config
from edge.ports import RtcReading, SyncState

LIMIT_SECONDS = 10.0
TRACKING = (
    "A29FC87B,162.159.200.123,4,1795194000.123456789,0.000012,-0.000034,0.000020,-3.2,0.01,0.05,0.024,0.003,64.2,Normal"
)


def altered(**columns: str) -> bytes:
    parts = TRACKING.split(",")
    for place, text in columns.items():
        parts[int(place[1:])] = text
    return ",".join(parts).encode()


def test_chrony_vouches_with_offset_dispersion_and_half_the_delay() -> None:
    # 0.000012 + 0.003 + 0.024 / 2 s
    assert parse_tracking(TRACKING.encode()) == Opinion(source="chrony", sync=SyncState.SYNCHRONISED, error_ms=16)


@pytest.mark.parametrize(
    "answer",
    [altered(c13="Not synchronised"), altered(c13="Unknown"), altered(c11="nan"), altered(c11="inf"), altered(c4="17")],
)
def test_chrony_without_a_reference_does_not_vouch(answer: bytes) -> None:
    opinion = parse_tracking(answer)
    assert opinion is not None
    assert opinion.sync is SyncState.UNSYNCHRONISED


@pytest.mark.parametrize("answer", [b"", b"506 Cannot talk to daemon", TRACKING.encode() + b",more", altered(c4="x")])
def test_an_answer_that_is_none_has_no_vote(answer: bytes) -> None:
    assert parse_tracking(answer) is None


@given(st.binary(max_size=300))
def test_no_answer_raises_and_only_a_whole_one_has_a_vote(answer: bytes) -> None:
    opinion = parse_tracking(answer)
    assert opinion is None or answer.count(b",") == TRACKING.count(",")


def program(text: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", text)


def test_a_chronyc_that_is_absent_fails_or_never_answers_has_no_vote(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("drivers.clock_sources.ASK_SECONDS", 0.2)
    assert chrony_opinion((str(tmp_path / "chronyc"),)) is None
    assert chrony_opinion(program("raise SystemExit(1)")) is None
    assert chrony_opinion(program("import signal; signal.pause()")) is None


def test_a_chronyc_that_answers_is_heard() -> None:
    opinion = chrony_opinion(program(f"print({TRACKING!r})"))
    assert opinion is not None
    assert opinion.sync is SyncState.SYNCHRONISED


def test_timesyncd_vouches_once_its_file_is_there(tmp_path: Path) -> None:
    assert timesyncd_opinion(tmp_path / "absent") is None
    before = timesyncd_opinion(tmp_path)
    (tmp_path / "synchronized").touch()
    after = timesyncd_opinion(tmp_path)
    assert before == Opinion(source="timesyncd", sync=SyncState.UNSYNCHRONISED, error_ms=UNKNOWN_ERROR_MS)
    assert after == Opinion(source="timesyncd", sync=SyncState.SYNCHRONISED, error_ms=0)


def rtc(folder: Path, text: str | None, flags: int | None = None) -> RtcReading | None:
    if text is not None:
        (folder / "since_epoch").write_text(text)
    return read_rtc(folder, folder / "no device", lambda _: flags)


@pytest.mark.parametrize(
    ("text", "flags", "expected"),
    [
        ("1795194000\n", None, RtcReading(utc_ms=1_795_194_000_000, valid=True)),
        ("1795194000\n", 0, RtcReading(utc_ms=1_795_194_000_000, valid=True)),
        ("1795194000\n", RTC_TIME_INVALID, RtcReading(utc_ms=1_795_194_000_000, valid=False)),
        ("1795194000\n", RTC_BATTERY_EMPTY, RtcReading(utc_ms=1_795_194_000_000, valid=False)),
        ("soon\n", None, RtcReading(utc_ms=None, valid=False)),
        ("-1\n", None, RtcReading(utc_ms=None, valid=False)),
        ("9" * 30, None, RtcReading(utc_ms=None, valid=False)),
        (None, None, RtcReading(utc_ms=None, valid=False)),
    ],
)
def test_a_battery_clock_tells_its_time_and_whether_it_means_it(
    tmp_path: Path, text: str | None, flags: int | None, expected: RtcReading
) -> None:
    assert rtc(tmp_path, text, flags) == expected


def test_a_machine_without_a_battery_clock_has_none(tmp_path: Path) -> None:
    assert read_rtc(tmp_path / "rtc0", tmp_path / "dev") is None


def test_a_device_that_cannot_be_asked_for_its_voltage_says_nothing(tmp_path: Path) -> None:
    assert read_low_voltage(tmp_path / "absent") is None
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert read_low_voltage(plain) is None


class Asked:
    """Sources at a clock that a test moves."""

    def __init__(self, folder: Path, chrony: tuple[str, ...] = ("no such chronyc",)) -> None:
        self.now_ns = 10**9
        places = Places(timesyncd=folder / "timesync", rtc=folder / "rtc0", rtc_device=folder / "dev", chrony=chrony)
        self.sources = ClockSources(lambda: self.now_ns, 16, places)

    def after_asking(self) -> None:
        self.sources.look()
        assert self.sources._asking is not None
        self.sources._asking.join(LIMIT_SECONDS)
        assert not self.sources._asking.is_alive()


def test_looking_never_waits_and_the_answer_is_there_later(tmp_path: Path) -> None:
    (tmp_path / "timesync").mkdir()
    asked = Asked(tmp_path)
    asked.after_asking()
    said = asked.sources.look()
    assert said is not None
    assert [opinion.source for opinion in said.opinions] == ["timesyncd"]


def test_everybody_is_asked_again_only_when_it_is_due(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    asked.after_asking()
    first = asked.sources._asking
    asked.now_ns += 15 * 10**9
    asked.sources.look()
    assert asked.sources._asking is first
    asked.now_ns += 10**9
    asked.after_asking()
    assert asked.sources._asking is not first


def test_a_source_that_hangs_is_not_asked_twice_and_soon_vouches_for_nothing(tmp_path: Path) -> None:
    let_go = threading.Event()
    asked = Asked(tmp_path)
    asked.after_asking()
    asked.sources._ask = lambda: let_go.wait(LIMIT_SECONDS) and None  # type: ignore[method-assign, assignment]
    asked.now_ns += 16 * 10**9
    assert asked.sources.look() is not None
    hanging = asked.sources._asking
    asked.now_ns += 49 * 10**9
    assert asked.sources.look() is None
    assert asked.sources._asking is hanging
    let_go.set()
    assert hanging is not None
    hanging.join(LIMIT_SECONDS)


def test_the_clock_weighs_the_kernel_with_its_sources(tmp_path: Path) -> None:
    (tmp_path / "timesync").mkdir()
    (tmp_path / "rtc0").mkdir()
    (tmp_path / "rtc0" / "since_epoch").write_text("1")
    plain = SystemClock()
    sources = ClockSources(plain.boottime_ns, 16, Asked(tmp_path).sources._places)
    clock = SystemClock(Bounds.of(Config().clock), sources)
    clock.read()
    assert sources._asking is not None
    sources._asking.join(LIMIT_SECONDS)
    reading = clock.read()
    assert reading.sync is not SyncState.SYNCHRONISED, "timesyncd and the battery clock speak against it"
    assert reading.rtc is not None
    assert reading.rtc.utc_ms == pytest.approx(1000, abs=60_000)
    assert plain.read().rtc is None
