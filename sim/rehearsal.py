"""Scenarios from the command line: listed, or played into a spool of their own and held against the verifier."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from edge.refusals import EXIT_USAGE, complain
from sim import scenario_file
from sim.scenario import MadeOf, differences, play, summary
from sim.scenario_file import BadScenario
from sim.virtual import Chains


def rehearse(name: str | None, into: Path | None, chains: Chains) -> int:
    """List the scenarios, or play the one of this name into a spool of its own, which may be named.

    Returns 0 if everything is as the scenario declares, 1 if not, 2 where it or its spool cannot be used.
    """
    if name is None:
        for listed in scenario_file.names():
            told = scenario_file.load(listed)
            sys.stdout.write(
                f"{listed:26} {told.words_zh}\n{'':26} {told.words_en}\n{'':26} [{'；'.join(told.shows)}]\n"
            )
        return 0
    try:
        scenario = scenario_file.load(name)
    except BadScenario as bad:
        sys.stderr.write(f"{bad}\n")
        return EXIT_USAGE
    with ExitStack() as stack:
        spool = into.absolute() if into is not None else None
        if spool is None:
            spool = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liuhen-"))) / "spool"
        if spool.exists() and any(spool.iterdir()):
            complain(
                f"{spool} 不是空目录 / is not empty", "场景须用新的存储目录", "a scenario wants a spool of its own"
            )
            return EXIT_USAGE
        played = play(scenario, spool, MadeOf(chains=chains))
        report = played.verify()
        differing = differences(scenario, played, report)
        sys.stdout.write(summary(scenario, played, report, differing) + "\n")
        return 1 if differing else 0
