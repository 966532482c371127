"""`python -m tests.fuzz`: run some inputs, replay one, or search for new ones.

python -m tests.fuzz run [--inputs N] [--seed S]      what the campaign does, with other numbers
python -m tests.fuzz replay TARGET SEED NUMBER        one input again, and what comes of it
python -m tests.fuzz explore TARGET FOLDER SECONDS    coverage-guided, where atheris is installed
python -m tests.fuzz keep TARGET FOLDER               add what was found to the corpus
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz import explore
from tests.fuzz.engine import fuzz


def main() -> int:
    """Run one of the verbs."""
    options = _options()
    match options.verb:
        case "replay":
            return _replay(options.target, options.seed, options.number)
        case "explore":
            explore.explore(options.target, options.folder, seconds=options.seconds)
            return 0
        case "keep":
            sys.stdout.write(f"{explore.keep(options.target, options.folder)} inputs are kept\n")
            return 0
        case _:
            return _run(options.inputs, options.seed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="feed hostile bytes to every reader")
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run")
    run.add_argument("--inputs", type=int, default=50_000)
    run.add_argument("--seed", type=int, default=3)
    replay = verbs.add_parser("replay")
    replay.add_argument("target")
    replay.add_argument("seed", type=int)
    replay.add_argument("number", type=int)
    search = verbs.add_parser("explore")
    search.add_argument("target")
    search.add_argument("folder", type=Path)
    search.add_argument("seconds", type=int)
    kept = verbs.add_parser("keep")
    kept.add_argument("target")
    kept.add_argument("folder", type=Path)
    return parser.parse_args()


def _run(inputs: int, seed: int) -> int:
    from tests.fuzz.campaign import campaign  # noqa: PLC0415 -- `explore` must load the readers itself

    with tempfile.TemporaryDirectory(prefix="liuhen-fuzz-") as folder:
        lines, good = campaign(Path(folder), inputs=inputs, seed=seed)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if good else 1


def _replay(name: str, seed: int, number: int) -> int:
    from tests.fuzz.targets import targets  # noqa: PLC0415 -- as above

    with tempfile.TemporaryDirectory(prefix="liuhen-fuzz-") as folder:
        target = targets(Path(folder) / "seeds")[name]
        tally = fuzz(target, seed=seed, numbers=(number,), folder=Path(folder))
    words = [fault.line() for fault in tally.faults] or ["accepted" if tally.accepted else "refused"]
    sys.stdout.write("\n".join(words) + "\n")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
