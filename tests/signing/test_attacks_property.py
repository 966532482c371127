"""Any change, removal, doubling, swap or insertion in any evidence file is found; a clean tail alone may go unnoticed.

Every verb of `tests.signing.tampering` with many seeds over two archives of every sort of evidence; what counts as
found is decided by the oracle of `tests.signing.evidence`, which knows the bytes. A failure names verb and seed.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from liuhen.findings import Severity
from liuhen.report import Report
from tests.signing import tampering
from tests.signing.checking import check, codes
from tests.signing.evidence import Files, Original, lay_out, rich_archive, same_evidence, unseen, unseen_alone
from tests.signing.tampering import VERBS, Stage, Verb, clean_tail, flip_a_bit

pytestmark = pytest.mark.long

SEEDS = 12
STEPS: dict[str, Verb] = {
    "J2": tampering.put_another_envelope_in_the_journal,
    "J3": tampering.put_an_entry_of_another_device,
    "J5": tampering.double_an_entry,
    "J18": tampering.put_a_file_over_another,
    "J22": tampering.double_a_range,
    "S1": tampering.remove_a_file,
    "S2": tampering.put_the_head_of_another_file,
    "S4": tampering.change_a_box_size,
    "S5": tampering.overwrite_a_range,
    "S6": tampering.remove_a_fragment,
}
"""Steps of FORMAT.md 10.1, each with changes that no other step finds."""


@pytest.fixture(scope="session", params=["ended", "cut"])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """An archive after an orderly stop, and one as a power cut leaves it; each beside that of another device."""
    folder = tmp_path_factory.mktemp("evidence")
    for name, seed in (("original", 1), ("foreign", 2)):
        rich_archive(folder / name, seed=seed, ended=request.param == "ended")
    return Stage(original=Original(root=folder / "original"), foreign=Original(root=folder / "foreign"))


def changed(stage: Stage, verb: Verb, seed: int, folder: Path) -> tuple[Files, Report] | None:
    """What a verb made of the original and what the verifier says of it; None where the verb had nothing to do."""
    files = verb(random.Random(f"{verb.__name__} {seed}"), stage)  # noqa: S311 -- reproducible, no secret
    if files is None or same_evidence(files, stage.original.files):
        return None
    lay_out(stage.original, files, folder / str(seed))
    return files, check(folder / str(seed))


def test_the_untouched_archives_are_believed_whole(stage: Stage) -> None:
    report = check(stage.original.root)
    assert codes(report) == codes(report, Severity.UNVOUCHED) == set()
    assert report.complete_up_to is not None
    assert report.complete_up_to.entry == stage.original.last_seq
    assert unseen(stage.original, stage.original.files, report) == ""


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_no_change_goes_unseen(stage: Stage, verb: Verb, tmp_path: Path) -> None:
    results = {seed: changed(stage, verb, seed, tmp_path) for seed in range(SEEDS)}
    done = {seed: unseen(stage.original, *result) for seed, result in results.items() if result is not None}
    assert {seed: why for seed, why in done.items() if why} == {}
    assert done, "the verb never did anything"


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_no_change_of_a_segment_that_stands_alone_goes_unseen(stage: Stage, verb: Verb, tmp_path: Path) -> None:
    genuine = {original.files[name] for original in (stage.original, stage.foreign) for name in original.seal_ends}
    path = tmp_path / "segment.mp4"
    for seed in range(SEEDS):
        files = verb(random.Random(f"{verb.__name__} {seed}"), stage)  # noqa: S311 -- as above
        for name in sorted(stage.original.seal_ends.keys() & (files or {}).keys()):
            content = files[name] if files is not None else b""
            if content not in genuine:
                path.write_bytes(content)
                assert unseen_alone(stage.original, name, content, check(path)) == "", seed


@pytest.mark.parametrize(("step", "verb"), STEPS.items(), ids=list(STEPS))
def test_a_verifier_without_one_step_lets_something_through(
    stage: Stage, step: str, verb: Verb, tmp_path: Path
) -> None:
    """Control: over the same changes the same oracle notices that what one step finds is not reported."""
    results = (changed(stage, verb, seed, tmp_path) for seed in range(SEEDS))
    assert any(unseen(stage.original, files, without(step, report)) for files, report in filter(None, results))


def without(step: str, report: Report) -> Report:
    """The report of a verifier that does not know this step."""
    rest = tuple(finding for finding in report.findings if finding.step != step)
    return replace(report, findings=rest, intact=all(finding.severity is not Severity.BROKEN for finding in rest))


def test_an_oracle_that_is_told_of_a_changed_byte_says_so(stage: Stage) -> None:
    """Control of the oracle itself: the report of the untouched archive over changed bytes is a lie it notices."""
    honest = check(stage.original.root)
    for seed in range(SEEDS):
        files = flip_a_bit(random.Random(seed), stage)  # noqa: S311 -- as above
        assert files is not None
        assert unseen(stage.original, files, honest) != ""


def test_an_oracle_that_is_told_of_a_cut_tail_wants_to_read_where_it_ends(stage: Stage) -> None:
    honest = check(stage.original.root)
    files = clean_tail(stage, stage.original.last_seq - 2, keep_unstated=False)
    assert unseen(stage.original, files, honest) != ""


def test_an_oracle_that_is_told_of_a_changed_segment_standing_alone_says_so(stage: Stage) -> None:
    for name in stage.original.seal_ends:
        content = stage.original.files[name]
        honest = check(stage.original.root / name)
        assert unseen_alone(stage.original, name, content, honest) == ""
        assert unseen_alone(stage.original, name, content[:-1], honest) != ""
        assert unseen_alone(stage.original, name, content[:500] + b"x" + content[500:], honest) != ""
