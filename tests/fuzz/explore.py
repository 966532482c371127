"""Coverage-guided search for inputs worth keeping, with atheris where it is installed; never needed to run the tests.

Ends by its time. New inputs are files below the given folder; `keep` writes the few that matter into the corpus.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import tempfile
from pathlib import Path
from types import FrameType

from tests.fuzz.engine import Run

Step = tuple[str, int, int]

CORPUS = Path(__file__).parent / "corpus"
KEPT_BYTES = 1_200
MOST_KEPT = 24


def explore(name: str, folder: Path, *, seconds: int) -> None:
    """Search one target; does not return (libFuzzer ends the process). Raises ImportError without atheris."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["liuhen", "edge"]):
        module = importlib.import_module("tests.fuzz.targets")
    place = Path(tempfile.mkdtemp(prefix="liuhen-explore-"))
    target = module.targets(place / "seeds")[name]
    run = target.prepare(place)
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (folder / f"seed-{number}").write_bytes(seed)

    def once(encoded: bytes) -> None:
        with contextlib.suppress(*target.refusals):
            run(encoded)

    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-max_len=4096", str(folder)], once)
    atheris.Fuzz()


def keep(name: str, folder: Path) -> int:
    """Add to the corpus of a target the smallest inputs that reach a step no kept input reaches; returns how many."""
    module = importlib.import_module("tests.fuzz.targets")
    path = CORPUS / f"{name}.json"
    rows = json.loads(path.read_bytes()) if path.exists() else []
    with tempfile.TemporaryDirectory(prefix="liuhen-keep-") as place:
        target = module.targets(Path(place) / "seeds")[name]
        run = target.prepare(Path(place))
        known = set().union(*(steps(run, target.refusals, seed) for seed in target.seeds))
        for encoded in sorted(
            (file.read_bytes() for file in folder.iterdir()), key=lambda encoded: (len(encoded), encoded)
        ):
            reached = steps(run, target.refusals, encoded) if len(encoded) <= KEPT_BYTES else set()
            if len(rows) < MOST_KEPT and not reached <= known:
                known |= reached
                rows.append({"why": "reaches a step that no other input reaches", "hex": encoded.hex()})
    path.write_text(json.dumps(rows, indent=0) + "\n", encoding="ascii")
    return len(rows)


def steps(run: Run, refusals: tuple[type[Exception], ...], encoded: bytes) -> set[Step]:
    """From which line to which line the readers went."""
    found: set[Step] = set()
    before: dict[str, int] = {}

    def local(frame: FrameType, event: str, _: object) -> object:
        name = frame.f_code.co_filename
        if event == "line":
            found.add((name, before.get(name, 0), frame.f_lineno))
            before[name] = frame.f_lineno
        return local

    def called(frame: FrameType, _event: str, _: object) -> object:
        return local if any(part in frame.f_code.co_filename for part in ("/liuhen/", "/edge/")) else None

    sys.settrace(called)  # type: ignore[arg-type] # a trace function gives itself back
    try:
        with contextlib.suppress(*refusals):
            run(encoded)
    finally:
        sys.settrace(None)
    return found
