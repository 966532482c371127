"""`liuhen`: the composition root of the device world.

It alone builds the drivers. The simulated world is another program, started by name (`python -m sim`), so that nothing
of the simulator is ever imported on a device.

Each command is imported where it is named, and no other, and drivers where they are opened: on a Raspberry Pi imports
are most of what a start takes, and a recorder that comes back after a power cut does not wait for the words of a
coverage report. A command also works where the libraries of the others are absent.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from edge.commands.overrides import CommandLine
from edge.streams import prepare

if TYPE_CHECKING:
    import threading

    from edge.app import Start
    from edge.commands import offload, store
    from edge.config import Config, Token
    from edge.custody import TokenPort
    from edge.examination import Bench
    from edge.guard.process import GuardStart
    from edge.last_good import InForce
    from edge.offload.program import Process
    from edge.ports import Clock
    from edge.sensors.process import Say, SensorsStart
    from edge.store import Store
    from edge.store_trial import TrialStore
    from edge.terminal import Terminal
    from liuhen.store_names import StoreUrl
    from liuhen.store_reader import StoreAccess

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no public name


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; returns its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["sim"]:
        os.execv(sys.executable, [sys.executable, "-m", "sim", *words[1:]])  # noqa: S606 - no shell is wanted
    parsed = _parser(*words[:1]).parse_args(words)
    code: int = parsed.work(parsed)
    return code


def _parser(word: str = "") -> argparse.ArgumentParser:
    """The command line with the command of this name alone, or with every one where it names none."""
    parser = CommandLine(
        prog="liuhen",
        description="留痕：听证室固定录音录像设备 / a fixed recorder for hearing rooms",
        epilog="退出码 exit codes: 0 正常 clean, 1 录制因故障中止 ended by a fault, "
        "2 配置或参数有误 bad configuration or usage, "
        "3 摄像头或麦克风 camera or microphone, 4 存储 storage, 5 密钥 key, 6 已在录制 already running, "
        "7 依规定拒绝 refused by the rules of keeping",
    )
    commands: Commands = parser.add_subparsers(dest="command", required=True)
    for add in [COMMANDS[word]] if word in COMMANDS else COMMANDS.values():
        add(commands)
    return parser


# --- the commands -----------------------------------------------------------------------------------------------------


def _add_run(commands: Commands) -> None:
    from edge.commands import run

    run.add_parser(commands, _start)


def _add_recorder(commands: Commands) -> None:
    from edge.commands import recorder

    recorder.add_parser(commands, _service_start)


def _add_sim(commands: Commands) -> None:
    commands.add_parser("sim", help="模拟听证室 / the simulated room (liuhen sim --help)", add_help=False)


def _add_demo(commands: Commands) -> None:
    from edge.commands import demo

    demo.add_parser(commands)


def _add_config(commands: Commands) -> None:
    from edge.commands import config

    config.add_parser(commands)


def _add_export(commands: Commands) -> None:
    from edge.commands import export

    export.add_parser(commands)


def _add_ctl(commands: Commands) -> None:
    from edge.commands import ctl

    ctl.add_parser(commands)


def _add_profile(commands: Commands) -> None:
    from edge.commands import profile

    profile.add_parser(commands)


def _add_session(commands: Commands) -> None:
    from edge.commands import session

    session.add_parser(commands)


def _add_visits(commands: Commands) -> None:
    from edge.commands import visits

    visits.add_parser(commands)


def _add_cases(commands: Commands) -> None:
    from edge.commands import cases

    cases.add_parser(commands)


def _add_schedule(commands: Commands) -> None:
    from edge.commands import schedule

    schedule.add_parser(commands)


def _add_keys(commands: Commands) -> None:
    from edge.commands import keys

    keys.add_parser(commands, _clock, _open_token)


def _add_doctor(commands: Commands) -> None:
    from edge.commands import doctor

    doctor.add_parser(commands, _clock, _open_bench)


def _add_store(commands: Commands) -> None:
    from edge.commands import store

    store.add_parser(commands, _clock, store.Openers(server=_open_server, directory=_open_directory))


def _add_first_start(commands: Commands) -> None:
    from edge.commands import first_start

    first_start.add_parser(commands, _open_token)


def _add_fetch(commands: Commands) -> None:
    from edge.commands import fetch

    fetch.add_parser(commands, _clock, _open_store)


def _add_guard(commands: Commands) -> None:
    from edge.commands import guard

    guard.add_parser(commands, _guard_start)


def _add_sensors(commands: Commands) -> None:
    from edge.commands import sensors

    sensors.add_parser(commands, _sensors_start)


def _add_offload(commands: Commands) -> None:
    from edge.commands import offload

    offload.add_parser(commands, _make_offload)


def _add_records(commands: Commands) -> None:
    from edge.commands import records

    records.add_parser(commands, _clock, _open_token)


def _add_retention(commands: Commands) -> None:
    from edge.commands import retention

    retention.add_parser(commands, _clock, _open_token)


def _add_destroy(commands: Commands) -> None:
    from edge.commands import destroy

    destroy.add_parser(commands, _clock, _open_token)


def _add_spool(commands: Commands) -> None:
    from edge.commands import spool

    spool.add_parser(commands, _clock, _open_token)


COMMANDS: dict[str, Callable[[Commands], None]] = {
    "run": _add_run,
    "recorder": _add_recorder,
    "sim": _add_sim,
    "demo": _add_demo,
    "config": _add_config,
    "export": _add_export,
    "ctl": _add_ctl,
    "profile": _add_profile,
    "session": _add_session,
    "visit": _add_visits,
    "case": _add_cases,
    "schedule": _add_schedule,
    "keys": _add_keys,
    "doctor": _add_doctor,
    "store": _add_store,
    "first-start": _add_first_start,
    "fetch": _add_fetch,
    "guard": _add_guard,
    "sensors": _add_sensors,
    "offload": _add_offload,
    "records": _add_records,
    "retention": _add_retention,
    "destroy": _add_destroy,
    "spool": _add_spool,
}
"""Every command by its word, in the order of the help."""


# --- what they are handed ---------------------------------------------------------------------------------------------


def _start(chosen: Config, terminal: Terminal, stop: threading.Event, parsed: argparse.Namespace) -> Start:
    from drivers.hardware import open_hardware
    from drivers.surroundings import open_surroundings
    from edge.app import Start, conduct_threads

    hardware = open_hardware(chosen)
    return Start(
        config=chosen,
        hardware=hardware,
        surroundings=open_surroundings(chosen, hardware.clock),
        watcher=terminal,
        stop=stop,
        conduct=conduct_threads,
        seconds=parsed.seconds,
        open_token=_open_token,
        emergency=parsed.emergency,
        watch_disks=True,
    )


def _service_start(chosen: Config, terminal: Terminal, stop: threading.Event, settled: InForce | None) -> Start:
    from drivers.hardware import open_hardware
    from drivers.surroundings import open_surroundings
    from edge.app import Start, conduct_threads
    from liuhen.registry import StopCause

    hardware = open_hardware(chosen, service=True)
    return Start(
        config=chosen,
        hardware=hardware,
        watcher=terminal,
        stop=stop,
        conduct=conduct_threads,
        stop_cause=StopCause.SYSTEM,
        open_token=_open_token,
        surroundings=open_surroundings(chosen, hardware.clock),
        service=True,
        in_force=settled,
    )


def _guard_start(config: Config, say: Callable[[str], None]) -> GuardStart:
    from drivers.guard_pins import GpioGuardPins
    from drivers.notify import Notifier
    from drivers.system_clock import SystemClock
    from edge.guard.process import GuardStart

    supervisor = Notifier.from_environment(os.environ, os.getpid())
    return GuardStart(
        interlock=config.interlock,
        lamps=config.lamps,
        boot_id=SystemClock().boot_id,
        open_pins=lambda wake: GpioGuardPins(config.interlock, config.lamps, wake),
        say=say,
        ready=lambda: supervisor.ready("watching"),
        alive=supervisor.alive,
        stopping=supervisor.stopping,
    )


def _sensors_start(config: Config, say: Say) -> SensorsStart:
    from drivers.machine import OrderedMachine
    from drivers.notify import Notifier
    from drivers.sensing import open_sensors
    from drivers.system_clock import SystemClock
    from edge.sensors.process import SensorsStart

    supervisor = Notifier.from_environment(os.environ, os.getpid())
    return SensorsStart(
        devices=open_sensors(config, OrderedMachine()),
        boottime_ns=SystemClock().boottime_ns,
        say=say,
        ready=lambda: supervisor.ready("watching"),
        alive=supervisor.alive,
        stopping=supervisor.stopping,
    )


def _open_server(access: store.Access) -> TrialStore:
    from drivers.store_s3 import S3Store, read_named_credential

    credential = read_named_credential(access.credential_file)
    return S3Store(access.url, credential, ca_file=access.ca_file, region=access.region)


def _open_directory(url: StoreUrl) -> Store:
    from drivers.store_directory import DirectoryStore

    return DirectoryStore(url)


def _make_offload(choice: offload.Choice, say: Say) -> Process:
    from drivers.offloading import make_offload

    return make_offload(choice, say)


def _open_bench(config: Config) -> Bench:
    from drivers.hardware import open_hardware
    from edge.examination import Bench
    from edge.guard_link import GuardLink

    return Bench(
        hardware=open_hardware(config),
        guard=partial(GuardLink, config.interlock.socket) if config.interlock.enabled else None,
    )


def _clock() -> Clock:
    from drivers.system_clock import SystemClock

    return SystemClock()


def _open_token(settings: Token) -> TokenPort:
    from drivers.token import open_token

    return open_token(settings)


def _open_store(access: StoreAccess) -> Store:
    from drivers.store_directory import DirectoryStore

    if access.url.scheme == "file":
        return DirectoryStore(access.url)
    from drivers.store_s3 import S3Store, read_credential
    from liuhen.store_reader import StoreTrouble

    if access.credentials is None:
        raise StoreTrouble("请用 --credentials 给出凭据文件", "name the credential's file with --credentials")
    return S3Store(access.url, read_credential(access.credentials), ca_file=access.ca)


def program() -> int:
    """The program's entry: streams first, then the command line."""
    prepare()
    return main()


if __name__ == "__main__":
    sys.exit(program())
