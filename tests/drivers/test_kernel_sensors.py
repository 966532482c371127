"""Loop current and board health from files like the kernel's: a number is a number, everything else is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from drivers.board_health import BoardHealth
from drivers.loop_current import LoopCurrent
from drivers.machine import OrderedMachine
from drivers.sensing import open_sensors
from edge.config import Config
from edge.ports import FaultKind, HardwareFault
from edge.sensors.devices import BoardSample, CurrentSample, Throttled
from edge.sensors.settings import Board, Gas, Ups
from sim.field import Field
from sim.levers import Verb


@pytest.fixture
def field(tmp_path: Path) -> Field:
    field = Field(tmp_path)
    field.start()
    field.stop()  # the files stay, and only they are needed here
    return field


def board_of(folder: Path) -> BoardHealth:
    return BoardHealth(
        Board(
            enabled=True,
            hwmon_folder=folder / "hwmon",
            thermal_file=folder / "temp",
            throttled_file=folder / "throttled",
        )
    )


# --- the loop --------------------------------------------------------------------------------------------------------


def test_the_current_is_the_number_times_the_scale(field: Field, tmp_path: Path) -> None:
    loop = LoopCurrent(Gas(kind="loop", loop_file=tmp_path / "gas-loop"))
    assert loop.read() == CurrentSample(micro_ampere=4_000)
    field.levers[Verb.LOOP_CURRENT](21_500)
    assert loop.read() == CurrentSample(micro_ampere=21_500)
    fine = LoopCurrent(Gas(kind="loop", loop_file=tmp_path / "gas-loop", nano_ampere_per_count=1_000))
    assert fine.read() == CurrentSample(micro_ampere=2_150)


@pytest.mark.parametrize("content", [b"", b"\n", b"4000 mA\n", b"0x10\n", b"4.0\n", b"--4\n", b"4\n4\n", b"9" * 60])
def test_a_file_that_holds_no_number_is_garbled_and_never_a_current(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "loop"
    path.write_bytes(content)
    with pytest.raises(HardwareFault) as caught:
        LoopCurrent(Gas(kind="loop", loop_file=path)).read()
    assert caught.value.kind is FaultKind.FORMAT


def test_a_file_that_is_gone_is_silence(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(HardwareFault) as caught:
            LoopCurrent(Gas(kind="loop", loop_file=path)).read()
        assert caught.value.kind is FaultKind.ABSENT


def test_a_pipe_in_place_of_the_file_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "loop")
    with pytest.raises(HardwareFault):
        LoopCurrent(Gas(kind="loop", loop_file=tmp_path / "loop")).read()


# --- the board -------------------------------------------------------------------------------------------------------


def test_heat_voltage_and_throttling_are_read(field: Field, tmp_path: Path) -> None:
    board = board_of(tmp_path)
    assert board.read() == BoardSample(milli_celsius=48_000, under_voltage=False, throttled=Throttled(0))
    field.levers[Verb.BOARD_HEAT](85_123)
    field.levers[Verb.BOARD_VOLTAGE](1)
    both = Throttled.UNDER_VOLTAGE | Throttled.UNDER_VOLTAGE_SINCE_BOOT
    assert board.read() == BoardSample(milli_celsius=85_123, under_voltage=True, throttled=both)
    field.levers[Verb.BOARD_THROTTLE](0xFFFFF)
    told = board.read().throttled
    assert told is not None
    assert int(told) == 0xF_000F


def test_a_machine_without_such_sensors_says_unknown(tmp_path: Path) -> None:
    assert board_of(tmp_path / "nothing").read() == BoardSample(milli_celsius=None, under_voltage=None, throttled=None)


def test_files_that_hold_something_else_are_unknown_and_not_well(field: Field, tmp_path: Path) -> None:
    (tmp_path / "temp").write_text("hot\n")
    (tmp_path / "throttled").write_text("throttled=0x0\n")
    (tmp_path / "hwmon/hwmon1/in0_lcrit_alarm").write_text("2\n")
    assert board_of(tmp_path).read() == BoardSample(milli_celsius=None, under_voltage=None, throttled=None)


def test_the_voltage_monitor_is_found_by_its_name_and_not_by_its_number(field: Field, tmp_path: Path) -> None:
    (tmp_path / "hwmon/hwmon0").mkdir()
    (tmp_path / "hwmon/hwmon0/name").write_text("cpu_thermal\n")
    (tmp_path / "hwmon/hwmon0/in0_lcrit_alarm").write_text("1\n")
    assert board_of(tmp_path).read().under_voltage is False


# --- the machine, and what is built ----------------------------------------------------------------------------------


def test_an_order_to_the_machine_is_an_empty_file_in_its_own_folder(tmp_path: Path) -> None:
    machine = OrderedMachine(tmp_path)
    machine.power_off()
    assert [path.name for path in tmp_path.iterdir()] == ["power-off"]
    machine.power_off()
    machine.reboot()
    assert [path.name for path in tmp_path.iterdir()] == ["reboot"]
    assert (tmp_path / "reboot").read_bytes() == b""


def test_an_order_that_cannot_be_left_is_a_fault(tmp_path: Path) -> None:
    machine = OrderedMachine(tmp_path / "absent")
    for order in (machine.power_off, machine.reboot):
        with pytest.raises(HardwareFault) as caught:
            order()
        assert caught.value.device == "machine"


def test_what_is_not_configured_is_not_built() -> None:
    machine = OrderedMachine(Path("/nowhere"))
    nothing = open_sensors(Config(), machine)
    assert (nothing.ups, nothing.gas, nothing.board) == (None, None, None)
    everything = open_sensors(Config(ups=Ups(kind="nut"), gas=Gas(kind="loop"), board=Board(enabled=True)), machine)
    assert None not in (everything.ups, everything.gas, everything.board)
