"""`liuhen run`: record one session, with the other processes it needs beside it."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from edge import config as configuration
from edge.app import Start
from edge.commands.acts import add_config
from edge.commands.overrides import add_store, seconds, with_spool, with_store
from edge.companions import Companions, last_sending, offload_command
from edge.config import Config
from edge.refusals import guarded
from edge.rules import with_rules
from edge.terminal import Terminal, record

MakeStart = Callable[[Config, Terminal, threading.Event, argparse.Namespace], Start]
"""What a composition root offers: everything one session needs, ended by the event; `seconds` and `emergency` say how
it was asked for."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], make_start: MakeStart) -> None:
    """Describe the command line."""
    parser = commands.add_parser("run", help="录制一个场次 / record one session")
    add_config(parser)
    parser.add_argument("--seconds", type=seconds, metavar="N", help="录制多少秒后结束 / end after so many seconds")
    add_store(parser)
    parser.add_argument(
        "--emergency",
        action="store_true",
        help="密钥不可用时以应急密钥录制，其下内容无人背书 / if the key cannot be used: an emergency key, unvouched",
    )
    parser.set_defaults(work=lambda parsed: run(parsed, make_start))


def run(parsed: argparse.Namespace, make_start: MakeStart) -> int:
    """Record until Ctrl-C, or for the seconds asked for; returns the exit code."""

    def work() -> int:
        loaded = configuration.load(parsed.config) if parsed.config is not None else Config()
        chosen = with_store(with_spool(with_rules(loaded), parsed.spool), parsed.store)
        with last_sending(chosen, parsed.config), _companions(chosen, parsed.config):
            return record(lambda terminal, stop: make_start(chosen, terminal, stop, parsed))

    return guarded(work)


def _companions(chosen: Config, config_file: Path | None) -> Companions:
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
