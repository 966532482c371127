"""The direct Megatec driver over a real pty: what the unit says becomes a reading, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import megatec_protocol as megatec
from drivers.megatec import MegatecUps
from drivers.megatec_protocol import Garbled, StatusBit
from edge.ports import FaultKind, HardwareFault
from edge.sensors.devices import UpsSample
from edge.sensors.settings import Ups
from sim.field import Field
from sim.levers import Verb
from sim.ups import Manner

MAINS = b"(220.0 000.0 220.0 014 50.0 26.0 25.0 00001000\r"
BATTERY = b"(000.0 187.0 220.0 014 49.9 20.8 25.0 11001010\r"


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    field = Field(tmp_path)
    field.start()
    yield field
    field.stop()


@pytest.fixture
def ups(field: Field, tmp_path: Path) -> Iterator[MegatecUps]:
    ups = MegatecUps(settings_of(tmp_path))
    yield ups
    ups.close()


def settings_of(folder: Path) -> Ups:
    return Ups(kind="megatec", device=folder / "ups", cut_delay_seconds=12, return_minutes=1)


def fault_of(ups: MegatecUps) -> HardwareFault:
    with pytest.raises(HardwareFault) as caught:
        ups.read()
    return caught.value


# --- bytes -----------------------------------------------------------------------------------------------------------


def test_a_status_answer_is_read_field_by_field() -> None:
    status = megatec.parse_status(BATTERY)
    assert (status.input_decivolts, status.fault_decivolts, status.output_decivolts) == (0, 1870, 2200)
    assert (status.load_percent, status.decihertz, status.deci_celsius) == (14, 499, 250)
    assert (status.battery_centivolts, status.per_cell) == (2080, False)
    assert status.bits == (
        StatusBit.UTILITY_FAIL | StatusBit.BATTERY_LOW | StatusBit.STANDBY_TYPE | StatusBit.SHUTDOWN_ACTIVE
    )


def test_a_field_the_unit_does_not_measure_is_none() -> None:
    assert megatec.parse_status(MAINS.replace(b"25.0", b"--.-")).deci_celsius is None


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r",
        MAINS[:-1],
        MAINS[1:],
        MAINS + b"\r",
        b"\x00" + MAINS,
        MAINS.replace(b"00001000", b"00001002"),
        MAINS.replace(b"00001000", b"0000100"),
        MAINS.replace(b"220.0", b"2200.", 1),
        MAINS.replace(b"(220.0", b"(999.9"),
        MAINS.replace(b"014", b"999"),
        MAINS.replace(b"50.0", b"12.3"),
        MAINS.replace(b"26.0", b"9.99"),
        MAINS.replace(b" ", b"\t", 1),
        b"Q1\r",
        b"(ACK\r",
        b"+GNS 31.2304 121.4737\r",
    ],
)
def test_an_answer_that_deviates_never_becomes_a_reading(answer: bytes) -> None:
    with pytest.raises(Garbled):
        megatec.parse_status(answer)


@given(st.integers(0, len(BATTERY) - 1), st.integers(0, 255))
def test_one_changed_byte_is_refused_or_is_another_digit(position: int, byte: int) -> None:
    answer = BATTERY[:position] + bytes((byte,)) + BATTERY[position + 1 :]
    try:
        megatec.parse_status(answer)
    except Garbled:
        return
    assert answer == BATTERY or bytes((byte,)).isdigit()


@given(st.binary(max_size=80))
def test_no_bytes_do_anything_but_be_refused(answer: bytes) -> None:
    for parse in (megatec.parse_status, megatec.parse_rating, megatec.parse_identity):
        with pytest.raises(Garbled):
            parse(answer)


def test_the_charge_follows_from_the_voltage_of_block_or_cell() -> None:
    rating = megatec.parse_rating(b"#220.0 004 24.00 50.0\r")
    for volts, percent in ((b"26.0", 100), (b"20.8", 0), (b"23.4", 50), (b"27.4", 100), (b"18.0", 0)):
        assert megatec.charge_percent(megatec.parse_status(MAINS.replace(b"26.0", volts)), rating) == percent
    cell = megatec.parse_status(MAINS.replace(b"26.0", b"1.95"))
    assert megatec.charge_percent(cell, None) == 50
    assert megatec.charge_percent(megatec.parse_status(MAINS), None) is None


@pytest.mark.parametrize(
    ("seconds", "minutes", "command"),
    [
        (1, 1, b"S.2R0001\r"),
        (12, 1, b"S.2R0001\r"),
        (13, 3, b"S.3R0003\r"),
        (54, 9999, b"S.9R9999\r"),
        (55, 1, b"S01R0001\r"),
        (60, 1, b"S01R0001\r"),
        (61, 1, b"S02R0001\r"),
        (600, 1, b"S10R0001\r"),
    ],
)
def test_the_order_gives_the_machine_at_least_the_time_it_asks_for(seconds: int, minutes: int, command: bytes) -> None:
    assert megatec.cut_and_return_command(seconds, minutes) == command


@pytest.mark.parametrize(("seconds", "minutes"), [(0, 1), (601, 1), (60, 0), (60, 10_000)])
def test_an_order_the_protocol_cannot_say_is_refused(seconds: int, minutes: int) -> None:
    with pytest.raises(ValueError, match="protocol"):
        megatec.cut_and_return_command(seconds, minutes)


# --- the line --------------------------------------------------------------------------------------------------------


def test_mains_and_battery_are_read_from_the_unit(field: Field, ups: MegatecUps) -> None:
    assert ups.read() == UpsSample(on_battery=False, battery_low=False, charge_percent=100)
    field.levers[Verb.MAINS_FAIL](0)
    field.levers[Verb.BATTERY](15)
    told = ups.read()
    assert (told.on_battery, told.battery_low) == (True, True)
    assert told.charge_percent in {13, 14, 15}


@pytest.mark.parametrize("manner", [Manner.GARBLED, Manner.FOREIGN, Manner.ECHO])
def test_an_answer_that_is_not_sound_is_a_fault_and_the_next_sound_one_a_reading(
    field: Field, ups: MegatecUps, manner: Manner
) -> None:
    ups.read()
    field.levers[Verb.UPS_SPEAK](manner.value)
    assert fault_of(ups).kind is FaultKind.FORMAT
    field.levers[Verb.UPS_SPEAK](Manner.SOUND.value)
    assert ups.read().charge_percent == 100


def test_silence_is_a_fault_of_its_own(field: Field, ups: MegatecUps) -> None:
    field.levers[Verb.UPS_SPEAK](Manner.SILENT.value)
    fault = fault_of(ups)
    assert (fault.device, fault.kind) == ("ups", FaultKind.ABSENT)
    assert fault.remedy_zh
    assert fault.remedy_en


def test_a_cable_that_is_pulled_and_put_back_is_read_again(field: Field, ups: MegatecUps) -> None:
    ups.read()
    field.levers[Verb.UPS_UNPLUG](0)
    assert fault_of(ups).kind is FaultKind.ABSENT
    assert fault_of(ups).kind is FaultKind.ABSENT
    field.levers[Verb.UPS_REPLUG](0)
    assert not ups.read().on_battery


def test_an_order_is_given_back_only_once_the_unit_shows_its_shutdown_active(field: Field, ups: MegatecUps) -> None:
    field.levers[Verb.MAINS_FAIL](0)
    ups.cut_and_return()
    assert ups.read().shutdown_active
    assert field.ups.shutdown_active
    ups.cancel_cut()
    assert not ups.read().shutdown_active


def test_a_unit_that_does_not_know_the_order_refuses_it(field: Field, ups: MegatecUps) -> None:
    ups.read()
    field.levers[Verb.UPS_SPEAK](Manner.ECHO.value)
    with pytest.raises(HardwareFault) as caught:
        ups.cut_and_return()
    assert caught.value.kind is FaultKind.OTHER


def test_a_unit_that_takes_the_order_and_forgets_it_is_not_believed(
    field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.megatec.CONFIRM_SECONDS", 0.3)
    field.ups.obeys = False
    ups = MegatecUps(settings_of(tmp_path))
    with pytest.raises(HardwareFault) as caught:
        ups.cut_and_return()
    ups.close()
    assert "no shutdown active" in caught.value.what


def test_a_device_that_is_not_there_is_a_fault_and_no_exception_of_the_library(tmp_path: Path) -> None:
    for device in (tmp_path / "absent", tmp_path):
        ups = MegatecUps(replace(settings_of(tmp_path), device=device))
        assert fault_of(ups).kind is FaultKind.ABSENT
