"""Hostile bytes into every reader: a slice of the campaign, the kept inputs, and what the engine must notice."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import cbor2
import pytest

from liuhen import cbor
from liuhen.errors import FormatError
from tests.fuzz import campaign as campaign_module
from tests.fuzz.campaign import INPUTS, Summary, campaign, divided
from tests.fuzz.engine import Broken, Kind, Run, Target, drawn, fuzz, watch
from tests.fuzz.explore import steps
from tests.fuzz.mutation import MOST_BYTES
from tests.fuzz.seeds import CORPUS
from tests.fuzz.targets import targets

pytestmark = pytest.mark.long

SLICE_INPUTS = 30_000
SLICE_SEED = 1
CONTROL_INPUTS = 300
SHORT_SECONDS = 0.1


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    return targets(tmp_path_factory.mktemp("fuzz") / "seeds")


NAMES = (
    "cbor",
    "cose",
    "entry",
    "seal",
    "identity",
    "endorsement",
    "trust",
    "card",
    "record",
    "signature",
    "proof",
    "walk",
    "journal",
    "start",
    "archive-journal",
    "survey",
    "archive-stated",
    "archive-unstated",
    "head-memory",
    "slot",
    "config",
    "profile",
    "session-header",
    "calendar",
    "last-good",
    "key-file",
    "scenario",
    "megatec",
    "nut-line",
    "modbus-gas",
    "kernel-file",
    "reading",
    "request",
    "said",
    "request-answer",
    "store-check",
    "reading-answer",
    "guard-said",
    "guard-first",
    "guard-lease",
    "guard-latch",
    "offload-words",
    "offload-answer",
    "witness",
    "access",
    "sealed",
    "store-key",
    "slice",
)


def test_every_reader_of_foreign_bytes_is_in_the_list(found: dict[str, Target]) -> None:
    assert tuple(found) == NAMES
    assert {path.stem for path in CORPUS.glob("*.json")} <= set(NAMES)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_no_input_crashes_hangs_or_grows_a_reader(found: dict[str, Target], name: str, tmp_path: Path) -> None:
    target = found[name]
    tally = fuzz(target, seed=SLICE_SEED, numbers=range(divided(found, SLICE_INPUTS)[name]), folder=tmp_path)
    assert [fault.line() for fault in tally.faults] == []


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_is_read_or_refused(found: dict[str, Target], name: str, tmp_path: Path) -> None:
    target = found[name]
    tally = watch(target, enumerate(target.seeds), seed=0, folder=tmp_path)
    assert [fault.line() for fault in tally.faults] == []
    assert tally.accepted > 0, "not even a sound input is accepted"


def test_the_same_number_draws_the_same_input(found: dict[str, Target]) -> None:
    for target in found.values():
        inputs = [drawn(target, 1, number) for number in range(20)]
        assert inputs == [drawn(target, 1, number) for number in range(20)]
        assert len(set(inputs)) > 10
        assert max(map(len, inputs)) <= MOST_BYTES


def test_the_campaign_gives_every_target_its_share_and_loses_none(found: dict[str, Target]) -> None:
    counts = divided(found, INPUTS)
    assert sum(counts.values()) == INPUTS
    assert min(counts.values()) > 0


# --- the engine notices what it is for -------------------------------------------------------------------------------


def of(run: Run, *, refusals: tuple[type[Exception], ...] = (FormatError,)) -> Target:
    """A target with a reader of the test's own."""
    return Target(
        name="control", draw=lambda rng: rng.randbytes(rng.randint(0, 40)), prepare=lambda _: run, refusals=refusals
    )


def crashes(encoded: bytes) -> None:
    if len(encoded) > 30:
        raise IndexError("an index of whoever wrote the bytes")


def recurses(encoded: bytes) -> None:
    if encoded:
        recurses(encoded)


def hangs(encoded: bytes) -> None:
    while encoded:
        pass


def grows(encoded: bytes) -> None:
    bytes(20 * 1024 * 1024)


def lax(encoded: bytes) -> None:
    """A decoder that does not encode again and compare."""
    try:
        value = cbor2.loads(encoded)
    except Exception as error:
        raise FormatError("control", "not CBOR") from error
    if cbor2.dumps(value, canonical=True) != encoded:
        raise Broken("comes back otherwise")


@pytest.mark.parametrize(
    ("run", "kind"),
    [(crashes, Kind.CRASH), (recurses, Kind.CRASH), (hangs, Kind.HANG), (grows, Kind.GROWTH), (lax, Kind.BROKEN)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_reader_with_a_fault_is_caught_and_can_be_replayed(
    run: Callable[[bytes], None], kind: Kind, tmp_path: Path
) -> None:
    target = of(run)
    tally = fuzz(target, seed=1, numbers=range(CONTROL_INPUTS), folder=tmp_path, limit=SHORT_SECONDS)
    assert {fault.kind for fault in tally.faults} == {kind}
    again = fuzz(target, seed=1, numbers=(tally.faults[0].number,), folder=tmp_path, limit=SHORT_SECONDS)
    assert again.faults == tally.faults[:1]
    assert tally.faults[0].line().endswith(f"replay control 1 {tally.faults[0].number}")


def test_a_reader_without_a_fault_is_not_accused(tmp_path: Path) -> None:
    def sound(encoded: bytes) -> None:
        if cbor.encode(cbor.decode(encoded, where="control")) != encoded:
            raise Broken("comes back otherwise")

    tally = fuzz(of(sound), seed=1, numbers=range(CONTROL_INPUTS), folder=tmp_path)
    assert (tally.faults, tally.inputs) == ([], CONTROL_INPUTS)


def test_a_cbor_reader_that_does_not_compare_is_caught_by_the_inputs_of_the_slice(
    found: dict[str, Target], tmp_path: Path
) -> None:
    """Control of the drawing: the inputs reach the rule that this format adds to CBOR."""
    target = found["cbor"]
    careless = Target(name=target.name, draw=target.draw, prepare=lambda _: lax, refusals=(FormatError,))
    tally = fuzz(careless, seed=SLICE_SEED, numbers=range(2_000), folder=tmp_path)
    assert {fault.kind for fault in tally.faults} == {Kind.BROKEN}


def test_growth_of_a_worker_over_its_second_half_is_seen() -> None:
    summary = Summary()
    summary.resident = {1: [50, 90, 90, 90], 2: [50, 90, 90, 200]}
    assert summary.growth_bytes == 110
    summary.resident[2] = [50, 90, 80, 90]
    assert summary.growth_bytes == 0


def test_a_short_campaign_runs_in_workers_and_counts_every_input(tmp_path: Path) -> None:
    lines, good = campaign(tmp_path, inputs=600, seed=2)
    assert good
    assert lines[0] == f"inputs: 600 (seed 2), targets: {len(NAMES)}, workers: 2"


def test_a_campaign_that_finds_something_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign_module, "GROWTH_LIMIT_BYTES", -(10**12))
    lines, good = campaign(tmp_path, inputs=60, seed=2)
    assert not good
    assert lines[-1].startswith("FAULT: a worker grew")


def test_the_search_sees_where_a_reader_went() -> None:
    def decode(encoded: bytes) -> None:
        cbor.decode(encoded, where="control")

    sound, tagged = steps(decode, (FormatError,), b"\x00"), steps(decode, (FormatError,), b"\xc1\x00")
    assert sound - tagged
    assert tagged - sound


def test_each_kept_input_says_why_it_is_kept() -> None:
    for path in CORPUS.glob("*.json"):
        for row in json.loads(path.read_bytes()):
            assert set(row) == {"why", "hex"}
            assert row["why"]
            bytes.fromhex(row["hex"])


def test_random_numbers_of_a_draw_come_from_the_source_that_is_given(found: dict[str, Target]) -> None:
    """No draw reaches for randomness of its own: the global source is not touched."""
    random.seed(5)
    before = random.getstate()
    for target in found.values():
        drawn(target, 1, 0)
    assert random.getstate() == before
