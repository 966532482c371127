"""The table of what waits: the same order as the pure queue, nothing skipped, and little memory for a long outage."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.journal_follow import Mark
from edge.offload.objects import Sealed, Span, Stage, Stored, Term
from edge.offload.queue import Heads, Kind, Place, choose, heads_of
from edge.offload.state import FILE, KEPT_RECEIPTED, Owner, Reached, State, StateFault, open_state
from liuhen.registry import RetentionMode

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[3]
OWNER = Owner(store=bytes(32), log_id=bytes(16))
STORED = Stored(version="v1", store_ms=7, server_key=bytes(32), mode=RetentionMode.COMPLIANCE, until_ms=99)
RSS_LIMIT_KIB = 100 * 1024
OBJECTS = 100_000


def sealed(number: int, kind: Kind = Kind.SEGMENT, due_ms: int = 0, size: int = 1) -> Sealed:
    digest = number.to_bytes(32, "big")
    return Sealed(
        kind=kind,
        key=f"v1/{number}",
        content=digest,
        digest=digest,
        size=size,
        span=Span(path=f"sessions/{number}", offset=0, size=size, to_end=True),
        session=bytes(16),
        sealed_ms=number,
        due_ms=due_ms,
    )


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state(tmp_path / "state", OWNER)


@given(st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 5)), max_size=30))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_table_gives_the_same_order_as_the_pure_queue(tmp_path: Path, rows: list[tuple[Kind, int]]) -> None:
    state = open_state(tmp_path / "state", Owner(store=bytes(32), log_id=str(rows).encode()))
    state.add([sealed(number, kind, due) for number, (kind, due) in enumerate(rows, start=1)], Stage.SEALED)
    left = [Place(kind=kind, number=number, due_ms=due) for number, (kind, due) in enumerate(rows, start=1)]
    turn = 0
    while left:
        heads = state.heads(0, ())
        assert heads == heads_of(left)
        place, turn = choose(heads, turn)
        assert place is not None
        state.reaches(place.number, Stage.RETAINED, STORED)
        left.remove(place)
    assert state.heads(0, ()) == Heads()
    state.close()


def test_what_is_under_way_or_has_to_wait_is_not_given_out(state: State) -> None:
    state.add([sealed(1), sealed(2), sealed(3)], Stage.SEALED)
    state.later(2, 100)
    heads = state.heads(99, (1,))
    assert heads.earliest is not None
    assert heads.earliest.number == 3
    later = state.heads(100, (1,))
    assert later.earliest is not None
    assert later.earliest.number == 2


def test_a_task_comes_back_as_it_was_put_in_and_a_step_is_durable_at_once(tmp_path: Path, state: State) -> None:
    state.add([sealed(1)], Stage.SEALED, Reached(mark=Mark(file=3, offset=9, seq=7), sliced=6))
    state.reaches(1, Stage.READ_BACK, STORED)
    again = open_state(tmp_path / "state", OWNER)  # another process, nothing closed
    task = again.task(1)
    assert task is not None
    assert (task.sealed, task.stage, task.stored) == (sealed(1), Stage.READ_BACK, STORED)
    assert again.reached() == Reached(mark=Mark(file=3, offset=9, seq=7), sliced=6)


def test_a_state_counts_as_new_until_the_journal_was_read_to_its_end_even_over_a_crash(tmp_path: Path) -> None:
    state = open_state(tmp_path, OWNER)
    assert state.fresh
    state.add([sealed(1)], Stage.UNKNOWN)
    assert open_state(tmp_path, OWNER).fresh
    state.caught_up()
    assert [state.fresh, open_state(tmp_path, OWNER).fresh] == [False, False]


@pytest.mark.parametrize(
    "owner", [Owner(store=bytes(31) + b"x", log_id=bytes(16)), Owner(store=bytes(32), log_id=b"x")]
)
def test_a_state_of_another_store_or_device_is_made_anew(tmp_path: Path, owner: Owner) -> None:
    state = open_state(tmp_path, OWNER)
    state.add([sealed(1)], Stage.SEALED)
    state.close()
    other = open_state(tmp_path, owner)
    assert other.fresh
    assert other.task(1) is None


def test_a_disk_that_cannot_be_written_is_a_fault_and_not_a_lost_state(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(StateFault):
        open_state(tmp_path, OWNER)


def test_what_is_gone_or_differs_never_comes_back_to_the_queue(state: State) -> None:
    state.add([sealed(1), sealed(2)], Stage.SEALED)
    state.gone([sealed(1).content])
    state.differs_here(2)
    for number in (1, 2):
        state.unknown(number)
        state.reaches(number, Stage.PUT, STORED)
    assert state.heads(0, ()) == Heads()
    assert state.untold(0, 10) == []


def test_done_objects_are_forgotten_in_the_end_and_waiting_ones_never(state: State) -> None:
    count = KEPT_RECEIPTED + 50
    state.add((sealed(number) for number in range(1, count + 1)), Stage.SEALED)
    state.told(range(2, count + 1))
    state.forget_done()
    assert state.task(1) is not None
    assert state.task(2) is None
    assert state.task(count) is not None
    waiting = state.waiting(0, ())
    assert (waiting.objects, waiting.receipted) == (1, KEPT_RECEIPTED)


def test_faults_of_an_object_are_counted_until_the_store_does_a_step_for_it(state: State) -> None:
    state.add([sealed(1)], Stage.SEALED)
    for tries in (1, 2):
        state.later(1, 0)
        task = state.task(1)
        assert task is not None
        assert task.tries == tries
    state.reaches(1, Stage.PUT, STORED)
    task = state.task(1)
    assert task is not None
    assert task.tries == 0


def test_levels_count_what_has_used_so_much_of_its_term(state: State) -> None:
    state.add([sealed(number, due_ms=number + 1000) for number in (1, 500, 900)], Stage.SEALED)
    waiting = state.waiting(1001, (25, 50, 75, 90))
    assert waiting.levels == (2, 2, 1, 1, 1)
    assert waiting.earliest_due_ms == 1001


LONG_OUTAGE = """
import sys
from pathlib import Path
from tests.edge.offload.bench import Bench
from tests.edge.offload.test_state import OBJECTS, sealed
from edge.offload.objects import Stage
bench = Bench(Path(sys.argv[1]))
bench.device.session()
bench.desk.cut()
bench.store.levers.down = True
bench.turn(3)
state = bench.offload._state
for first in range(1, OBJECTS, 1000):
    state.add([sealed(number, due_ms=number) for number in range(first, first + 1000)], Stage.UNKNOWN)
bench.turn(50, seconds=60)
report = bench.report()
assert report.waiting.objects >= OBJECTS, report
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(line.split()[1])
"""


def test_case_24_a_hundred_thousand_waiting_objects_take_less_than_100_mb(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LONG_OUTAGE, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < RSS_LIMIT_KIB, done.stdout


@pytest.mark.parametrize(("first", "has"), [(4, True), (7, True), (8, False)])
def test_a_slice_that_holds_but_the_first_entry_of_a_session_gets_its_term(state: State, first: int, has: bool) -> None:
    state.add([replace(sealed(1, Kind.SLICE), session=None, entries=(5, 7))], Stage.SEALED)
    state.session_began(b"t" * 16, first)
    term = Term(until_ms=9, said_ms=1)
    state.session_term(b"t" * 16, term)
    task = state.task(1)
    assert task is not None
    assert task.sealed.term == (term if has else None)
