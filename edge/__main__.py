"""`liuhen`: the composition root of the device world.

It alone builds the drivers. The simulated world is another program, started by name (`python -m sim`), so that nothing
of the simulator is ever imported on a device.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from edge import config as configuration
from edge.app import Start, conduct_threads
from edge.commands import (
    acts,
    cases,
    config,
    ctl,
    demo,
    destroy,
    doctor,
    export,
    fetch,
    first_start,
    guard,
    keys,
    offload,
    profile,
    records,
    retention,
    schedule,
    sensors,
    session,
    spool,
    store,
    visits,
)
from edge.commands.overrides import CommandLine, add_store, seconds, with_spool, with_store
from edge.companions import Companions, last_sending, offload_command
from edge.custody import TokenPort
from edge.examination import Bench
from edge.guard.process import GuardStart
from edge.guard_link import GuardLink
from edge.last_good import InForce, in_force, usual_copy
from edge.offload.program import Process
from edge.ports import Clock
from edge.refusals import guarded
from edge.rules import with_rules
from edge.sensors.process import Say, SensorsStart
from edge.store import Store
from edge.store_trial import TrialStore
from edge.streams import prepare
from edge.terminal import Terminal, record, record_service
from liuhen.registry import StopCause
from liuhen.store_names import StoreUrl
from liuhen.store_reader import StoreAccess, StoreTrouble


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; returns its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["sim"]:
        os.execv(sys.executable, [sys.executable, "-m", "sim", *words[1:]])  # noqa: S606 - no shell is wanted
    parsed = _parser().parse_args(words)
    code: int = parsed.work(parsed)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(
        prog="liuhen",
        description="留痕：听证室固定录音录像设备 / a fixed recorder for hearing rooms",
        epilog="退出码 exit codes: 0 正常 clean, 1 录制因故障中止 ended by a fault, "
        "2 配置或参数有误 bad configuration or usage, "
        "3 摄像头或麦克风 camera or microphone, 4 存储 storage, 5 密钥 key, 6 已在录制 already running, "
        "7 依规定拒绝 refused by the rules of keeping",
    )
    commands: argparse._SubParsersAction[argparse.ArgumentParser] = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="录制一个场次 / record one session")
    acts.add_config(run)
    run.add_argument("--seconds", type=seconds, metavar="N", help="录制多少秒后结束 / end after so many seconds")
    add_store(run)
    run.add_argument(
        "--emergency",
        action="store_true",
        help="密钥不可用时以应急密钥录制，其下内容无人背书 / if the key cannot be used: an emergency key, unvouched",
    )
    run.set_defaults(work=_run)
    service = commands.add_parser("recorder", help="录制服务进程：待机、录制、续录 / the recorder as a service")
    service.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
    service.add_argument(
        "--last-good",
        type=Path,
        metavar="FILE",
        help="上一份有效配置的副本 / where the last good configuration is kept",
    )
    service.set_defaults(work=_serve)
    commands.add_parser("sim", help="模拟听证室 / the simulated room (liuhen sim --help)", add_help=False)
    for command in (demo, config, export, ctl, profile, session, visits, cases, schedule):
        command.add_parser(commands)
    keys.add_parser(commands, _clock, _open_token)
    doctor.add_parser(commands, _clock, _open_bench)
    store.add_parser(commands, _clock, store.Openers(server=_open_server, directory=_open_directory))
    first_start.add_parser(commands, _open_token)
    fetch.add_parser(commands, _clock, _open_store)
    guard.add_parser(commands, _guard_start)
    sensors.add_parser(commands, _sensors_start)
    offload.add_parser(commands, _make_offload)
    for act in (records, retention, destroy, spool):
        act.add_parser(commands, _clock, _open_token)
    return parser


def _guard_start(config: configuration.Config, say: Callable[[str], None]) -> GuardStart:
    from drivers.guard_pins import GpioGuardPins  # noqa: PLC0415 -- as below
    from drivers.notify import Notifier  # noqa: PLC0415 -- as below
    from drivers.system_clock import SystemClock  # noqa: PLC0415 -- as below

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


def _sensors_start(config: configuration.Config, say: Say) -> SensorsStart:
    from drivers.machine import OrderedMachine  # noqa: PLC0415 -- as below
    from drivers.notify import Notifier  # noqa: PLC0415 -- as below
    from drivers.sensing import open_sensors  # noqa: PLC0415 -- as below
    from drivers.system_clock import SystemClock  # noqa: PLC0415 -- as below

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
    from drivers.store_s3 import S3Store, read_named_credential  # noqa: PLC0415 -- as below

    credential = read_named_credential(access.credential_file)
    return S3Store(access.url, credential, ca_file=access.ca_file, region=access.region)


def _open_directory(url: StoreUrl) -> Store:
    from drivers.store_directory import DirectoryStore  # noqa: PLC0415 -- as below

    return DirectoryStore(url)


def _make_offload(choice: offload.Choice, say: Say) -> Process:
    from drivers.offloading import make_offload  # noqa: PLC0415 -- as below

    return make_offload(choice, say)


def _open_bench(config: configuration.Config) -> Bench:
    from drivers.hardware import open_hardware  # noqa: PLC0415 -- as below

    return Bench(
        hardware=open_hardware(config),
        guard=partial(GuardLink, config.interlock.socket) if config.interlock.enabled else None,
    )


def _clock() -> Clock:
    from drivers.system_clock import SystemClock  # noqa: PLC0415 -- as below

    return SystemClock()


def _open_token(settings: configuration.Token) -> TokenPort:
    from drivers.token import open_token  # noqa: PLC0415 -- as below

    return open_token(settings)


def _open_store(access: StoreAccess) -> Store:
    from drivers.store_directory import DirectoryStore  # noqa: PLC0415 -- as below

    if access.url.scheme == "file":
        return DirectoryStore(access.url)
    from drivers.store_s3 import S3Store, read_credential  # noqa: PLC0415 -- heavy, for a server alone

    if access.credentials is None:
        raise StoreTrouble("请用 --credentials 给出凭据文件", "name the credential's file with --credentials")
    return S3Store(access.url, read_credential(access.credentials), ca_file=access.ca)


def _run(parsed: argparse.Namespace) -> int:
    def work() -> int:
        loaded = configuration.load(parsed.config) if parsed.config is not None else configuration.Config()
        chosen = with_store(with_spool(with_rules(loaded), parsed.spool), parsed.store)
        with last_sending(chosen, parsed.config), _companions(chosen, parsed.config):
            return record(lambda terminal, stop: _start(chosen, terminal, stop, parsed))

    return guarded(work)


def _serve(parsed: argparse.Namespace) -> int:
    def work() -> int:
        if parsed.config is None:
            return record_service(lambda terminal, stop: _service_start(configuration.Config(), terminal, stop, None))
        settled = in_force(parsed.config, parsed.last_good or usual_copy(os.environ))
        return record_service(lambda terminal, stop: _service_start(settled.config, terminal, stop, settled))

    return guarded(work)


def _service_start(
    chosen: configuration.Config, terminal: Terminal, stop: threading.Event, settled: InForce | None
) -> Start:
    from drivers.hardware import open_hardware  # noqa: PLC0415 -- as below
    from drivers.surroundings import open_surroundings  # noqa: PLC0415 -- as below

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


def _companions(chosen: configuration.Config, config_file: Path | None) -> Companions:
    """Guard, sensors and offload, where the configuration has something for them to do."""
    named = ["--config", str(config_file)] if config_file is not None else []
    wanted = {
        "guard": chosen.has_guard,
        "sensors": chosen.has_sensors,
    }
    commands = [[sys.executable, "-m", "edge", name, *named] for name, on in wanted.items() if on]
    if chosen.store.url:
        commands.append(offload_command(chosen, config_file))
    return Companions(commands)


def _start(
    chosen: configuration.Config, terminal: Terminal, stop: threading.Event, parsed: argparse.Namespace
) -> Start:
    # Late: the hardware libraries are slow to load, and the other commands work where they are absent.
    from drivers.hardware import open_hardware  # noqa: PLC0415
    from drivers.surroundings import open_surroundings  # noqa: PLC0415

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


def program() -> int:
    """The program's entry: streams first, then the command line."""
    prepare()
    return main()


if __name__ == "__main__":
    sys.exit(program())
