"""`liuhen guard`: watch the interlock and drive relay and lamps, until SIGTERM."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from edge import config as configuration
from edge.config import Config
from edge.guard.process import GuardStart, run_guard
from edge.refusals import guarded

MakeStart = Callable[[Config, Callable[[str], None]], GuardStart]
"""What a composition root offers: everything the guard needs, for this configuration and this log."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], make_start: MakeStart) -> None:
    """Describe the command line."""
    parser = commands.add_parser("guard", help="防爆联锁与指示灯进程 / the interlock and the lamps, as a process")
    parser.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
    parser.set_defaults(work=lambda parsed: watch(parsed.config, make_start))


def watch(path: Path | None, make_start: MakeStart) -> int:
    """Run the guard under the configuration in a file, or the default one; returns the exit code."""

    def work() -> int:
        loaded = configuration.load(path) if path is not None else Config()
        return run_guard(make_start(loaded, _say))

    return guarded(work)


def _say(line: str) -> None:
    try:
        sys.stderr.write(f"guard: {line}\n")
        sys.stderr.flush()
    except OSError:
        return  # nobody reads the log any more; the interlock goes on
