"""`liuhen sim`: the composition root of the simulated world.

Starts the world process, puts the libcamera stand-in below the unmodified picamera2 and the pulse source below the real
PortAudio, and then runs the same recorder with the same drivers as a device does. Scenarios and the port-level room are
imported where they are asked for, so that a recording here takes the memory of one on a device.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    # The imports below take a second, in which Ctrl-C has nothing to end in order: no traceback, just the end.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from edge import config as configuration
from edge.app import Start, conduct_threads
from edge.commands.overrides import (
    CommandLine,
    add_store,
    amended_digest,
    open_descriptor,
    ppm,
    seconds,
    with_store,
)
from edge.companions import Companions, last_sending, offload_command
from edge.config import Config, Spool
from edge.provision import DemoIdentity, demo_identity
from edge.refusals import EXIT_USAGE, complain, guarded
from edge.rules import with_rules
from edge.streams import prepare
from edge.terminal import Terminal, record, record_service
from liuhen.registry import StopCause
from sim.footage import UnusableFootage
from sim.install import install
from sim.wiring import Wires
from sim.world import NoSoundServer, World, WorldPlan, WorldReady, WorldUnavailable

if TYPE_CHECKING:
    from sim.pins import WorldPins
    from sim.virtual_sources import PictureChain, SoundChain


def main(arguments: list[str] | None = None) -> int:
    """Record one simulated session; returns the exit code."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    if parsed.list or parsed.scenario is not None:
        from sim.rehearsal import rehearse

        return guarded(lambda: rehearse(None if parsed.list else parsed.scenario, parsed.spool, chains))
    if parsed.virtual and parsed.service:
        parser.error("--virtual 只录一个场次，不能作为服务运行 / --virtual records one session and is no --service")
    if parsed.virtual and parsed.seconds is None:
        parser.error("--virtual 需要 --seconds，虚拟时间不会等人按 Ctrl-C / --virtual needs --seconds")
    return guarded(lambda: _simulate(parsed))


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(
        prog="liuhen sim", description="模拟听证室录制一个场次 / record one session in the simulated room"
    )
    parser.add_argument(
        "--spool",
        type=Path,
        metavar="DIR",
        help="默认按配置文件，无则 recordings/spool；场景默认用临时目录 / as the file says; a scenario: temporary",
    )
    parser.add_argument(
        "--keys", type=Path, metavar="DIR", help="演示密钥目录，默认在存储目录旁 / beside the spool by default"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="其余设置 / further settings; its key is used as it is"
    )
    parser.add_argument("--seconds", type=seconds, metavar="N", help="录制多少秒后结束 / end after so many seconds")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="用视频文件代替房间画面 / play a video as the picture"
    )
    parser.add_argument("--sound", type=Path, metavar="FILE", help="用声音文件代替语音 / play a file as the sound")
    parser.add_argument(
        "--stamp", action="store_true", help="在视频上叠加计数条 / draw the counter strip over --picture"
    )
    parser.add_argument("--truth", type=Path, metavar="DIR", help="写下真值 / write what the sensors really produced")
    parser.add_argument("--virtual", action="store_true", help="虚拟时间，尽快完成 / virtual time, as fast as possible")
    parser.add_argument(
        "--acks", type=open_descriptor, metavar="FD", help="每次落盘后写一行 / one line after each flush"
    )
    parser.add_argument(
        "--service",
        action="store_true",
        help="作为服务运行：待机，由面板或 ctl 开始和结束 / as a service: idle until panel or ctl starts a session",
    )
    parser.add_argument(
        "--stage",
        type=lambda text: Path(text).absolute(),  # sockets and configuration files below it are read elsewhere
        metavar="DIR",
        help="模拟世界的套接字目录，供另一终端操纵 / folder of the world's sockets, for its levers",
    )
    add_store(parser)
    parser.add_argument(
        "--microphone-ppm",
        type=ppm,
        default=0.0,
        metavar="N",
        help="麦克风时钟偏差，百万分之几 / how far the microphone's clock is off, in millionths",
    )
    parser.add_argument(
        "--emergency", action="store_true", help="同 liuhen run --emergency / as with liuhen run --emergency"
    )
    parser.add_argument("--scenario", metavar="NAME", help="演练一个场景并核验 / play a scenario and verify it")
    parser.add_argument("--list", action="store_true", help="列出全部场景 / list the scenarios")
    return parser


def chains(config: Config) -> tuple[Callable[[], PictureChain], Callable[[], SoundChain]]:
    """The product's own encoders, for virtual sources."""
    install(config.spool.directory / "no-sensor")
    # picamera2 looks for libcamera when it is imported, and the stand-in must be there before.
    from drivers.offline_encoder import OfflinePicture, OfflineSound

    camera, microphone = config.camera, config.microphone
    return lambda: OfflinePicture(camera, config.device.utc_offset_minutes), lambda: OfflineSound(microphone)


def spool_of(asked: Path | None, base: Config) -> Path:
    """Where to record: as asked, else as the file says, else below here. A device's own spool is never the default."""
    said = base.spool.directory
    return (asked or (Path("recordings/spool") if said == Spool().directory else said)).absolute()


def _simulate(parsed: argparse.Namespace) -> int:
    base = configuration.load(parsed.config) if parsed.config is not None else Config()
    spool = spool_of(parsed.spool, base)
    base = with_store(replace(with_rules(base), spool=replace(base.spool, directory=spool)), parsed.store)
    if parsed.config is None:
        keys = parsed.keys.absolute() if parsed.keys is not None else spool.with_name(f"{spool.name}.keys")
        base = _with_demo_key(base, demo_identity(spool, keys, now_utc_ms=time.time_ns() // 1_000_000), parsed.truth)
    with last_sending(base, parsed.config):
        return _recorded(base, parsed)


def _recorded(base: Config, parsed: argparse.Namespace) -> int:
    try:
        return _in_port_level(base, parsed, real_time=False) if parsed.virtual else _in_world(base, parsed)
    except UnusableFootage as error:
        complain(str(error.what), error.remedy_zh, error.remedy_en)
        return EXIT_USAGE
    except NoSoundServer as missing:
        if parsed.service:  # the port-level room knows no service: it would record, and nobody has asked for that
            words = "；".join(str(missing).splitlines())
            sys.stderr.write(
                f"没有声音服务，不能作为服务运行，未录制 / no sound server: no service, no recording: {words}\n"
            )
            return EXIT_USAGE
        sys.stderr.write(f"{missing}\n改用端口级模拟房间 / using the port-level room instead\n")
        if os.environ.get("CI") == "true":
            return EXIT_USAGE
        return _in_port_level(base, parsed, real_time=True)
    except WorldUnavailable as error:
        complain(
            str(error),
            "请检查 --picture 和 --sound 文件，或重试",
            "check the --picture and --sound files, or try again",
        )
        return EXIT_USAGE


def _with_demo_key(base: Config, identity: DemoIdentity, truth: Path | None) -> Config:
    if truth is not None:
        truth.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(identity.trust_file, truth / "trust.file")
    return replace(
        base,
        spool=replace(base.spool, minimum_free_hours=0.1),
        key=replace(base.key, file=identity.key_file, endorsements=(identity.endorsement_file,)),
    )


def _in_world(base: Config, parsed: argparse.Namespace) -> int:
    """The first tier: real libraries above, the simulated room below."""
    with ExitStack() as stack:
        folder = parsed.stage
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liuhen-")))
        folder.mkdir(parents=True, exist_ok=True)
        world = World(_plan(base, parsed, folder))
        ready = world.start()
        stack.callback(world.stop)
        os.environ.update(ready.sound_environment)
        install(ready.sensor)
        simulated = _simulated(base, ready)
        stack.enter_context(_companions(base, parsed, ready, folder))

        def make_start(terminal: Terminal, stop: threading.Event) -> Start:
            return _start(simulated, terminal, stop, parsed, ready)

        return record_service(make_start) if parsed.service else record(make_start, acknowledgements=parsed.acks)


def _companions(base: Config, parsed: argparse.Namespace, ready: WorldReady, folder: Path) -> Companions:
    """Guard and sensors on the world's pins and serial lines, and offload, where there is something for them to do."""
    named = ["--config", str(parsed.config)] if parsed.config is not None else []
    commands = []
    if base.has_guard:
        commands.append([sys.executable, "-m", "sim.guard", "--pins", str(ready.pins), *named])
    if base.has_sensors:
        commands.append([sys.executable, "-m", "sim.sensors", "--field", str(folder / "around"), *named])
    if base.store.url:
        commands.append(offload_command(base, parsed.config))
    return Companions(commands)


def _plan(base: Config, parsed: argparse.Namespace, folder: Path) -> WorldPlan:
    pulse = folder / "pulse"
    pulse.mkdir(exist_ok=True)
    if base.has_sensors:
        (folder / "around").mkdir(exist_ok=True)
    return WorldPlan(
        socket=folder / "sensor",
        width=base.camera.width,
        height=base.camera.height,
        frames_per_second=base.camera.frames_per_second,
        room=base.device.room,
        picture=parsed.picture,
        sound=parsed.sound,
        stamp=parsed.stamp,
        truth=parsed.truth,
        pulse=pulse,
        loudspeaker=base.prompts.enabled,
        wires=Wires(interlock=base.has_guard),
        around=folder / "around" if base.has_sensors else None,
        microphone_ppm=parsed.microphone_ppm,
        rate_hz=base.microphone.rate_hz,
        channels=base.microphone.channels,
    )


def _simulated(base: Config, ready: WorldReady) -> Config:
    """The same configuration with the names of the simulated microphone and loudspeaker; the digest says so."""
    microphone = replace(base.microphone, device=ready.sound_device)
    prompts = replace(base.prompts, device=ready.loudspeaker_device or base.prompts.device)
    return replace(
        base, microphone=microphone, prompts=prompts, digest=amended_digest(base, f"sim {ready.sound_device}")
    )


def _start(
    config: Config, terminal: Terminal, stop: threading.Event, parsed: argparse.Namespace, ready: WorldReady
) -> Start:
    # PortAudio reads the environment when it is imported, and libcamera's stand-in must be there before.
    from drivers.hardware import open_hardware
    from drivers.surroundings import Stand, open_surroundings

    hardware = open_hardware(config, service=parsed.service)
    stand = Stand(
        pin_factory=_pins(ready) if config.panel.enabled else None,
        loudspeaker_environment=ready.loudspeaker_environment,
        block_devices=parsed.stage / "block" if parsed.stage is not None else None,
    )
    return Start(
        config=config,
        hardware=hardware,
        watcher=terminal,
        stop=stop,
        conduct=conduct_threads,
        seconds=parsed.seconds,
        emergency=parsed.emergency,
        watch_disks=True,
        surroundings=open_surroundings(config, hardware.clock, stand),
        service=parsed.service,
        stop_cause=StopCause.SYSTEM if parsed.service else StopCause.OPERATOR,
    )


def _pins(ready: WorldReady) -> WorldPins:
    from sim import pins

    return pins.WorldPins(ready.pins)


def _in_port_level(base: Config, parsed: argparse.Namespace, *, real_time: bool) -> int:
    """The second tier: the room implements the ports."""
    from sim.port_level import record_at_the_ports

    return record_at_the_ports(base, parsed, chains, real_time=real_time)


def program() -> int:
    """The program's entry: streams first, then the command line."""
    prepare()
    return main()


if __name__ == "__main__":
    sys.exit(program())
