"""The devices around a simulated recorder: in the world's process with its levers, or in one of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.megatec import MegatecUps
from drivers.modbus_gas import ModbusGas
from edge.sensors.settings import Gas, Ups
from sim.levers import Levers, LeverStuck, Verb
from sim.world import World, WorldPlan
from tests.edge.sensors.peers import listening

pytestmark = [pytest.mark.realtime, pytest.mark.beside]
LIMIT_SECONDS = 30
GRACE_NS = 100_000_000
CONFIGURATION = """\
[ups]
kind = "megatec"
poll_milliseconds = 200
[gas]
kind = "modbus"
clear_seconds = 5
[interlock]
enabled = true
gas = true
socket = "guard"
[board]
enabled = true
"""


@pytest.fixture
def levers(tmp_path: Path) -> Iterator[Levers]:
    (tmp_path / "around").mkdir()
    world = World(WorldPlan(socket=tmp_path / "sensor", width=640, height=360, around=tmp_path / "around"))
    ready = world.start()
    with Levers(ready.control) as levers:
        yield levers
    world.stop()


def test_the_worlds_levers_move_the_devices_around_the_recorder(levers: Levers, tmp_path: Path) -> None:
    ups = MegatecUps(Ups(kind="megatec", device=tmp_path / "around/ups"))
    gas = ModbusGas(Gas(kind="modbus", device=tmp_path / "around/gas"))
    assert not ups.read().on_battery
    levers.pull(Verb.MAINS_FAIL)
    levers.pull(Verb.GAS_LEVEL, 26)
    levers.pull(Verb.BOARD_HEAT, 81_000)
    assert ups.read().on_battery
    assert gas.read().value == 26
    assert (tmp_path / "around/temp").read_text() == "81000\n"
    ups.close()
    gas.close()


def test_a_manner_that_does_not_exist_is_refused_and_the_world_goes_on(levers: Levers) -> None:
    for verb in (Verb.UPS_SPEAK, Verb.GAS_SPEAK):
        with pytest.raises(LeverStuck):
            levers.pull(verb, 99)
    levers.pull(Verb.LOOK)


def test_a_world_without_them_has_no_such_lever(tmp_path: Path) -> None:
    world = World(WorldPlan(socket=tmp_path / "sensor", width=640, height=360))
    with Levers(world.start().control) as levers, pytest.raises(LeverStuck):
        levers.pull(Verb.MAINS_FAIL)
    world.stop()


def test_field_and_sensors_run_as_processes_and_end_in_order(tmp_path: Path) -> None:
    """The roots themselves; while the sensors' process stands still no lease comes, and it goes on afterwards."""
    (tmp_path / "liuhen.toml").write_text(CONFIGURATION)
    field = subprocess.Popen([sys.executable, "-m", "sim.field", str(tmp_path / "around")], stdin=subprocess.PIPE)
    command = [sys.executable, "-m", "sim.sensors", "--config", str(tmp_path / "liuhen.toml")]
    command += ["--field", str(tmp_path / "around"), "--recorder", str(tmp_path / "absent")]
    with listening(tmp_path / "guard") as guard:
        sensors = subprocess.Popen(command, stderr=subprocess.PIPE)
        try:
            guard.wait_for(lambda packet: packet.get("permit") is True, LIMIT_SECONDS)
            os.kill(sensors.pid, signal.SIGSTOP)
            stopped_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + GRACE_NS
            with pytest.raises(AssertionError, match="no such packet"):
                guard.wait_for(lambda packet: packet["boottime_ns"] > stopped_ns, 1.5)
            os.kill(sensors.pid, signal.SIGCONT)
            guard.wait_for(lambda packet: packet.get("permit") is True, LIMIT_SECONDS)
        finally:
            sensors.terminate()
            _, said = sensors.communicate(timeout=LIMIT_SECONDS)
            field.communicate(timeout=LIMIT_SECONDS)
    assert (sensors.returncode, field.returncode) == (0, 0)
    assert "市电供电 | on mains" in said.decode()
