"""`liuhen sensors`: watch UPS, gas detector and board, tell guard and recorder, until SIGTERM."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from edge import config as configuration
from edge.config import Config
from edge.ending import ending_on_signals
from edge.refusals import EXIT_CLEAN, guarded
from edge.sensors.judgement import Settings
from edge.sensors.process import Peers, Say, Sensors, SensorsStart

MakeStart = Callable[[Config, Say], SensorsStart]
"""What a composition root offers: the devices for this configuration and this log."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], make_start: MakeStart) -> None:
    """Describe the command line."""
    parser = commands.add_parser("sensors", help="电源、气体、主板监测进程 / UPS, gas detector and board, as a process")
    parser.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
    add_peers(parser)
    parser.set_defaults(work=lambda parsed: watch(parsed, make_start))


def add_peers(parser: argparse.ArgumentParser) -> None:
    """The option every root of this process has."""
    parser.add_argument(
        "--recorder",
        type=Path,
        metavar="SOCKET",
        help="录制进程的控制套接字，不写则按配置 / the recorder's control socket; else the configuration's",
    )


def watch(parsed: argparse.Namespace, make_start: MakeStart) -> int:
    """Run the sensors under the configuration in a file, or the default one; returns the exit code."""

    def work() -> int:
        config = configuration.load(parsed.config) if parsed.config is not None else Config()
        settings = Settings(ups=config.ups, gas=config.gas, board=config.board)
        peers = Peers(
            guard=config.interlock.socket if config.interlock.gas else None,
            recorder=parsed.recorder or config.control.socket,
        )
        sensors = Sensors(make_start(config, _say), settings, peers)
        with ending_on_signals(sensors.stop):
            sensors.run()
        return EXIT_CLEAN

    return guarded(work)


def _say(words_zh: str, words_en: str) -> None:
    try:
        sys.stderr.write(f"sensors: {words_zh} | {words_en}\n")
        sys.stderr.flush()
    except OSError:
        return  # nobody reads the log any more; the watch goes on
