"""The Modbus driver over a real pty: one sound frame is a sample, everything else a fault of its kind."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.modbus_gas import ModbusGas
from edge.ports import FaultKind, HardwareFault
from edge.sensors.devices import RegisterSample
from edge.sensors.settings import Gas
from sim.field import Field
from sim.gas import Manner, checksum
from sim.levers import Verb


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    field = Field(tmp_path)
    field.start()
    yield field
    field.stop()


@pytest.fixture
def gas(field: Field, tmp_path: Path) -> Iterator[ModbusGas]:
    gas = ModbusGas(Gas(kind="modbus", device=tmp_path / "gas"))
    yield gas
    gas.close()


def fault_of(gas: ModbusGas) -> HardwareFault:
    with pytest.raises(HardwareFault) as caught:
        gas.read()
    return caught.value


def test_the_checksum_is_that_of_the_specification() -> None:
    """The example frame of the Modbus application note: 01 04 02 FF FF, checksum B8 80."""
    assert checksum(bytes.fromhex("010402ffff")).hex() == "b880"


@pytest.mark.parametrize("registers", ["input", "holding"])
def test_status_and_value_are_read_at_once(field: Field, tmp_path: Path, registers: str) -> None:
    field.levers[Verb.GAS_LEVEL](17)
    field.levers[Verb.GAS_STATUS](8)
    gas = ModbusGas(Gas(kind="modbus", device=tmp_path / "gas", registers=registers))
    assert gas.read() == RegisterSample(status=8, value=17)
    gas.close()
    assert field.gas.asked == 1


def test_registers_may_stand_in_the_other_order(field: Field, tmp_path: Path) -> None:
    field.levers[Verb.GAS_LEVEL](17)
    settings = Gas(kind="modbus", device=tmp_path / "gas", status_register=1, value_register=0)
    gas = ModbusGas(settings)
    assert gas.read() == RegisterSample(status=17, value=0)
    gas.close()


@pytest.mark.parametrize(
    ("manner", "kind"),
    [
        (Manner.GARBLED, FaultKind.FORMAT),
        (Manner.BAD_CHECKSUM, FaultKind.FORMAT),
        (Manner.OTHER_UNIT, FaultKind.FORMAT),
        (Manner.NOISY, FaultKind.FORMAT),
        (Manner.SILENT, FaultKind.ABSENT),
        (Manner.REFUSING, FaultKind.OTHER),
    ],
)
def test_whatever_is_not_one_sound_answer_is_a_fault_and_the_next_sound_one_a_sample(
    field: Field, gas: ModbusGas, manner: Manner, kind: FaultKind
) -> None:
    gas.read()
    field.levers[Verb.GAS_SPEAK](manner.value)
    assert fault_of(gas).kind is kind
    field.levers[Verb.GAS_SPEAK](Manner.SOUND.value)
    field.levers[Verb.GAS_LEVEL](9)
    assert gas.read().value == 9


def test_a_unit_at_another_address_is_silent(field: Field, tmp_path: Path) -> None:
    gas = ModbusGas(Gas(kind="modbus", device=tmp_path / "gas", unit=2))
    assert fault_of(gas).kind is FaultKind.ABSENT
    gas.close()


def test_registers_the_unit_does_not_have_are_refused_by_it(field: Field, tmp_path: Path) -> None:
    settings = Gas(kind="modbus", device=tmp_path / "gas", status_register=5, value_register=6)
    gas = ModbusGas(settings)
    fault = fault_of(gas)
    gas.close()
    assert fault.kind is FaultKind.OTHER
    assert "exception 2" in fault.what


def test_a_line_that_is_pulled_and_put_back_is_read_again(field: Field, gas: ModbusGas) -> None:
    gas.read()
    field.levers[Verb.GAS_UNPLUG](0)
    assert fault_of(gas).kind is FaultKind.ABSENT
    assert fault_of(gas).kind is FaultKind.ABSENT
    field.levers[Verb.GAS_REPLUG](0)
    assert gas.read() == RegisterSample(status=0, value=0)


def test_a_device_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    settings = Gas(kind="modbus", device=tmp_path / "absent")
    assert fault_of(ModbusGas(settings)).kind is FaultKind.ABSENT
    assert fault_of(ModbusGas(replace(settings, device=tmp_path))).kind is FaultKind.ABSENT


def test_the_library_does_not_write_into_the_log_what_the_fault_says(
    field: Field, gas: ModbusGas, caplog: pytest.LogCaptureFixture
) -> None:
    field.levers[Verb.GAS_SPEAK](Manner.SILENT.value)
    with caplog.at_level(logging.DEBUG):
        fault_of(gas)
    assert caplog.records == []
