"""`liuhen recorder`: the recorder as a service, idle and recording, until SIGTERM."""

from __future__ import annotations

import argparse
import os
import threading
from collections.abc import Callable
from pathlib import Path

from edge.app import Start
from edge.config import Config
from edge.last_good import InForce, in_force, usual_copy
from edge.refusals import guarded
from edge.terminal import Terminal, record_service

MakeStart = Callable[[Config, Terminal, threading.Event, InForce | None], Start]
"""What a composition root offers: everything a service needs. The last is what the configuration was settled from."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], make_start: MakeStart) -> None:
    """Describe the command line."""
    parser = commands.add_parser("recorder", help="录制服务进程：待机、录制、续录 / the recorder as a service")
    parser.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
    parser.add_argument(
        "--last-good",
        type=Path,
        metavar="FILE",
        help="上一份有效配置的副本 / where the last good configuration is kept",
    )
    parser.set_defaults(work=lambda parsed: serve(parsed, make_start))


def serve(parsed: argparse.Namespace, make_start: MakeStart) -> int:
    """Serve under the configuration in a file, its last good copy, or the default one; returns the exit code."""

    def work() -> int:
        if parsed.config is None:
            return record_service(lambda terminal, stop: make_start(Config(), terminal, stop, None))
        settled = in_force(parsed.config, parsed.last_good or usual_copy(os.environ))
        return record_service(lambda terminal, stop: make_start(settled.config, terminal, stop, settled))

    return guarded(work)
