"""`python -m tests.crash states|replay|kills`: crash states, one of them again, and killed recorders.

Needs root, FUSE and loop devices. Exit code 0: every promise was kept; 1: one was broken; 2: the machine cannot do it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from tests.crash import harness, kills, mounts
from tests.crash.mutants import Mutant
from tests.crash.states import State

EXIT_BROKEN = 1
EXIT_UNABLE = 2


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("states", help="record, cut, start again, verify")
    run.add_argument("--states", type=int, default=300)
    run.add_argument("--seed", type=int, default=1)
    run.add_argument("--mutant", choices=[mutant.name for mutant in Mutant], default=Mutant.NONE.name)
    run.add_argument("--stop-at-first", action="store_true", help="end with the first failing state")
    run.add_argument("--every-prefix", action="store_true", help="also every prefix of the first recording")
    run.add_argument("--only", default="", help="the slices that have this in their names")
    run.add_argument("--at-once", type=int, default=os.cpu_count() or 1)
    run.add_argument("--keep", type=Path, default=harness.KEPT_FOLDER, help="where recordings of failing states stay")
    run.add_argument("--json", action="store_true", help="one JSON object as the last line")
    again = commands.add_parser("replay", help="check one state of a kept recording again")
    again.add_argument("folder", type=Path)
    again.add_argument("state", help="kind:point:seed, as a failure names it")
    killed = commands.add_parser("kills", help="SIGKILL at random moments")
    killed.add_argument("--count", type=int, default=10)
    killed.add_argument("--seed", type=int, default=1)
    killed.add_argument("--mutant", choices=[mutant.name for mutant in Mutant], default=Mutant.NONE.name)
    killed.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    lacks = mounts.lacking()
    if lacks is not None and asked.command != "kills":
        sys.stderr.write(f"cannot be done here: {lacks}\n")
        return EXIT_UNABLE
    match asked.command:
        case "states":
            return _states(asked)
        case "replay":
            return _replay(asked)
        case _:
            return _kills(asked)


def _states(asked: argparse.Namespace) -> int:
    order = harness.Order(
        states=asked.states,
        seed=asked.seed,
        mutant=Mutant[asked.mutant],
        stop_at_first=asked.stop_at_first,
        every_prefix=asked.every_prefix,
        at_once=asked.at_once,
        only=asked.only,
        keep=asked.keep,
    )
    summary = harness.run(order, lambda line: print(line, flush=True))
    for line in summary.failed:
        print(line)
    if asked.json:
        print(json.dumps({"process": os.getpid(), **summary.to_json()}))
    else:
        print(f"{summary.states} states in {summary.seconds:.1f} s, {summary.failing} failing; {dict(summary.notes)}")
    return EXIT_BROKEN if summary.failing else 0


def _replay(asked: argparse.Namespace) -> int:
    mounts.own_namespace()
    outcome = harness.check(harness.load(asked.folder.resolve()), State.from_name(asked.state))
    for fault in outcome.faults:
        print(fault)
    print(f"{len(outcome.faults)} faults; {dict(outcome.notes)}")
    return EXIT_BROKEN if outcome.faults else 0


def _kills(asked: argparse.Namespace) -> int:
    summary = kills.run(asked.count, asked.seed, Mutant[asked.mutant], lambda line: print(line, flush=True))
    if asked.json:
        print(json.dumps(summary))
    return EXIT_BROKEN if summary["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
