"""The sensors process over real ptys: what guard and recorder are told, whatever one of the devices does.

The process's clock runs four times as fast as the wall's, so that hold times pass quickly; drivers keep their own.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers.sensing import open_sensors
from edge.config import Config
from edge.guard import packets
from edge.sensors.devices import Devices
from edge.sensors.judgement import Settings
from edge.sensors.leaving import Phase
from edge.sensors.process import Peers, Sensors, SensorsStart
from edge.sensors.readings import Answer, answer, parse_request
from edge.sensors.settings import Board, Gas, Ups
from sim.field import Field
from sim.gas import Manner as GasManner
from sim.levers import Verb
from sim.sensors import ToldMachine, in_field
from tests.edge.sensors.peers import Listener, listening

pytestmark = pytest.mark.long

SPEED = 4
CONFIG = Config(
    ups=Ups(
        kind="megatec",
        poll_milliseconds=200,
        silent_seconds=8,
        mains_stable_seconds=1,
        seal_seconds=600,
        cut_delay_seconds=12,
    ),
    gas=Gas(kind="modbus", stale_milliseconds=10_000, clear_seconds=5),
    board=Board(enabled=True, stale_seconds=12),
)
GOING_ON = answer(Answer(ok=True, power_off_when_sealed=False))
SEALED = answer(Answer(ok=True, power_off_when_sealed=True))


def fast_boottime_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) * SPEED


class Held:
    """A device whose calls never return from the moment on it is held, until the test ends."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self.free = threading.Event()
        self.free.set()

    def read(self) -> Any:
        self.free.wait(60)
        return self._device.read()

    def cut_and_return(self) -> None:
        self.free.wait(60)
        self._device.cut_and_return()

    def cancel_cut(self) -> None:
        self._device.cancel_cut()

    def close(self) -> None:
        self._device.close()


class Site:
    """Field, listeners and one running process."""

    def __init__(self, folder: Path, field: Field, guard: Listener, recorder: Listener, config: Config) -> None:
        devices = open_sensors(in_field(config, folder), ToldMachine(folder / "machine"))
        self.held = {"ups": Held(devices.ups), "gas": Held(devices.gas), "board": Held(devices.board)}
        held = Devices(ups=self.held["ups"], gas=self.held["gas"], board=self.held["board"], machine=devices.machine)
        self.folder, self.field, self.guard, self.recorder = folder, field, guard, recorder
        self.lines: list[str] = []
        start = SensorsStart(devices=held, boottime_ns=fast_boottime_ns, say=lambda _zh, en: self.lines.append(en))
        settings = Settings(ups=config.ups, gas=config.gas, board=config.board)
        self.sensors = Sensors(start, settings, Peers(guard=folder / "guard", recorder=folder / "control"))
        self._thread = threading.Thread(target=self.sensors.run, name="SENSORS")
        self._thread.start()

    def pull(self, verb: Verb, value: int = 0) -> None:
        self.field.levers[verb](value)

    def told(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first reading that is wanted."""
        return self.recorder.wait_for(wanted)

    def power(self, state: str) -> dict[str, Any]:
        return self.told(lambda packet: packet["power"] is not None and packet["power"]["state"] == state)

    def gas(self, reason: str) -> dict[str, Any]:
        return self.told(lambda packet: packet["gas"] is not None and packet["gas"]["reason"] == reason)

    def lease(self, permit: bool) -> dict[str, Any]:
        return self.guard.wait_for(lambda packet: packet.get("permit") is permit)

    def machine(self, order: str) -> None:
        """Wait until the machine was told this, and nothing else before."""
        pause = threading.Event()
        for _ in range(400):
            with contextlib.suppress(FileNotFoundError):
                assert (self.folder / "machine").read_text() == f"{order}\n"
                return
            pause.wait(0.05)
        raise AssertionError(f"the machine was not told {order}: {self.lines}")

    def end(self) -> None:
        for held in self.held.values():
            held.free.set()
        self.sensors.stop()
        self._thread.join(20)


def site_of(folder: Path, config: Config = CONFIG) -> contextlib.AbstractContextManager[Site]:
    return contextlib.contextmanager(_site)(folder, config)


def _site(folder: Path, config: Config) -> Iterator[Site]:
    field = Field(folder)
    field.start()
    with listening(folder / "guard") as guard, listening(folder / "control", lambda _: GOING_ON) as recorder:
        site = Site(folder, field, guard, recorder, config)
        try:
            yield site
        finally:
            site.end()
    field.stop()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_of(tmp_path) as site:
        yield site


# --- what is told ----------------------------------------------------------------------------------------------------


def test_the_guard_gets_leases_in_the_form_it_reads_and_the_recorder_all_readings(site: Site) -> None:
    assert site.guard.wait_for(lambda _: True) == {"v": 1, "role": "gas"}
    lease = site.lease(True)
    assert packets.read_lease(json.dumps(lease).encode()).permit
    whole = site.told(lambda packet: None not in packet.values())
    readings = parse_request(json.dumps(whole).encode())
    assert readings.power is not None
    assert readings.board is not None
    assert readings.board.milli_celsius == 48_000


def test_leases_keep_coming_and_their_numbers_grow(site: Site) -> None:
    first = site.lease(True)
    second = site.lease(True)
    assert second["n"] == first["n"] + 1
    assert second["boottime_ns"] - first["boottime_ns"] >= 250_000_000


def test_gas_trips_the_lease_at_once_and_is_told_with_its_value(site: Site) -> None:
    site.lease(True)
    site.pull(Verb.GAS_LEVEL, 30)
    assert site.lease(False)["reason"] == "ALARM1"
    assert site.gas("ALARM1")["gas"]["milli_percent_lel"] == 30_000
    site.pull(Verb.GAS_LEVEL, 2)
    site.lease(True)
    site.gas("NONE")


@pytest.mark.parametrize(
    ("verb", "value", "reason"),
    [
        (Verb.GAS_SPEAK, GasManner.SILENT.value, "STALE"),
        (Verb.GAS_SPEAK, GasManner.BAD_CHECKSUM.value, "GARBLED"),
        (Verb.GAS_SPEAK, GasManner.GARBLED.value, "GARBLED"),
        (Verb.GAS_STATUS, 8, "WARM_UP"),
        (Verb.GAS_STATUS, 1, "FAULT"),
        (Verb.GAS_UNPLUG, 0, "STALE"),
    ],
)
def test_whatever_is_wrong_with_the_detector_ends_the_permit_and_says_why(
    site: Site, verb: Verb, value: int, reason: str
) -> None:
    site.lease(True)
    site.gas("NONE")
    site.pull(verb, value)
    assert site.lease(False)["reason"] == reason
    assert site.gas(reason)["gas"]["milli_percent_lel"] is None


@pytest.mark.parametrize(
    ("micro_ampere", "reason"), [(3_500, "CURRENT_LOW"), (8_000, "ALARM1"), (21_500, "CURRENT_HIGH")]
)
def test_a_loop_trips_by_its_current(tmp_path: Path, micro_ampere: int, reason: str) -> None:
    with site_of(tmp_path, replace(CONFIG, gas=replace(CONFIG.gas, kind="loop"))) as site:
        site.lease(True)
        site.pull(Verb.LOOP_CURRENT, micro_ampere)
        assert site.lease(False)["reason"] == reason
        assert site.gas(reason)["gas"]["micro_ampere"] == micro_ampere


def test_heat_and_under_voltage_are_told(site: Site) -> None:
    site.pull(Verb.BOARD_VOLTAGE, 1)
    told = site.told(lambda packet: packet["board"] is not None and packet["board"]["bits"] & 1 == 1)
    assert told["board"]["milli_celsius"] == 48_000
    site.pull(Verb.BOARD_HEAT, 90_000)
    site.told(lambda packet: packet["board"]["bits"] & 0x100 == 0x100)


# --- power -----------------------------------------------------------------------------------------------------------


def test_a_cut_is_told_and_mains_back_too(site: Site) -> None:
    site.power("MAINS")
    site.pull(Verb.MAINS_FAIL)
    site.power("ON_BATTERY")
    site.pull(Verb.MAINS_RETURN)
    site.power("MAINS")
    assert site.sensors.known.leaving.phase is Phase.STAYING


def test_a_low_battery_ends_in_a_confirmed_order_and_a_power_off(site: Site) -> None:
    site.power("MAINS")
    site.pull(Verb.MAINS_FAIL)
    site.pull(Verb.BATTERY, 10)
    site.power("LOW")
    assert not (site.folder / "machine").exists()
    assert not site.field.ups.shutdown_active
    site.recorder.reply = lambda _: SEALED
    site.machine("power-off")
    assert site.field.ups.shutdown_active


def test_mains_back_while_the_recorder_seals_ends_in_a_reboot_and_no_order(site: Site) -> None:
    site.power("MAINS")
    site.pull(Verb.MAINS_FAIL)
    site.pull(Verb.BATTERY, 10)
    site.power("LOW")
    site.pull(Verb.MAINS_RETURN)
    site.power("MAINS")
    site.recorder.reply = lambda _: SEALED
    site.machine("reboot")
    assert not site.field.ups.shutdown_active


def test_silence_on_battery_is_told_and_begins_the_way_down(site: Site) -> None:
    site.power("MAINS")
    site.pull(Verb.MAINS_FAIL)
    site.power("ON_BATTERY")
    site.pull(Verb.UPS_UNPLUG)
    site.power("SILENT_ON_BATTERY")
    assert site.sensors.known.leaving.phase is Phase.SEALING


def test_silence_on_mains_is_told_and_nothing_else_happens(site: Site) -> None:
    site.power("MAINS")
    site.pull(Verb.UPS_UNPLUG)
    site.power("SILENT")
    assert site.sensors.known.leaving.phase is Phase.STAYING


# --- each device call blocked for ever, in turn ----------------------------------------------------------------------


def test_a_gas_call_that_never_returns_trips_and_holds_nothing_else_up(site: Site) -> None:
    site.lease(True)
    site.held["gas"].free.clear()
    assert site.lease(False)["reason"] == "STALE"
    site.pull(Verb.MAINS_FAIL)
    site.power("ON_BATTERY")


def test_a_ups_call_that_never_returns_is_silence_and_the_permit_goes_on(site: Site) -> None:
    site.power("MAINS")
    site.held["ups"].free.clear()
    site.power("SILENT")
    site.guard.packets.clear()
    assert site.lease(True)["permit"]


def test_a_ups_call_that_never_returns_on_battery_is_a_low_battery(site: Site) -> None:
    site.power("MAINS")
    site.pull(Verb.MAINS_FAIL)
    site.power("ON_BATTERY")
    site.held["ups"].free.clear()
    site.power("SILENT_ON_BATTERY")


def test_a_board_call_that_never_returns_is_unknown_and_not_well(site: Site) -> None:
    site.told(lambda packet: packet["board"] is not None)
    site.held["board"].free.clear()
    told = site.told(lambda packet: packet["board"]["milli_celsius"] is None)
    assert told["board"]["bits"] == 0x0700_0000


# --- peers that are gone, deaf or odd --------------------------------------------------------------------------------


def test_a_recorder_that_does_not_answer_is_asked_again_and_the_guard_goes_on_being_told(site: Site) -> None:
    site.power("MAINS")
    site.recorder.reply = lambda _: None
    site.pull(Verb.MAINS_FAIL)
    site.power("ON_BATTERY")
    site.power("ON_BATTERY")
    site.guard.packets.clear()
    site.lease(True)


@pytest.mark.parametrize("odd", [b"{}", b"\xff", b'{"v":1,"ok":true,"power_off_when_sealed":1}'])
def test_an_answer_that_was_not_agreed_on_switches_nothing(site: Site, odd: bytes) -> None:
    site.power("MAINS")
    site.recorder.reply = lambda _: odd
    site.pull(Verb.MAINS_FAIL)
    site.pull(Verb.BATTERY, 10)
    site.power("LOW")
    site.power("LOW")
    assert site.sensors.known.leaving.phase is Phase.SEALING
    assert not (site.folder / "machine").exists()


def test_without_any_peer_the_process_watches_and_says_what_it_sees(tmp_path: Path) -> None:
    field = Field(tmp_path)
    field.start()
    lines: list[str] = []
    news = threading.Event()

    def say(_zh: str, en: str) -> None:
        lines.append(en)
        if "permit" in en:
            news.set()

    devices = open_sensors(in_field(CONFIG, tmp_path), ToldMachine(tmp_path / "machine"))
    start = SensorsStart(devices=devices, boottime_ns=fast_boottime_ns, say=say)
    settings = Settings(ups=CONFIG.ups, gas=CONFIG.gas, board=CONFIG.board)
    sensors = Sensors(start, settings, Peers(guard=tmp_path / "absent", recorder=tmp_path / "absent"))
    thread = threading.Thread(target=sensors.run)
    thread.start()
    assert news.wait(15)
    sensors.stop()
    thread.join(15)
    field.stop()
    assert "on mains" in lines
