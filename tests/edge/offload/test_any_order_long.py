"""Whatever befalls store, line, state and recorder in whatever order: all of it is kept in the end, and truly so."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.offload.program import Settings
from edge.offload.state import FILE
from liuhen.store_names import parse_key
from sim.store import Levers
from tests.edge.offload.bench import HOUR_MS, Bench

RETENTION = timedelta(days=30)


def _record(bench: Bench) -> None:
    bench.device.session(segments=2, fragments=2)
    bench.desk.cut()


def _forget(bench: Bench) -> None:
    bench.offload.close()
    (bench.folder / "state" / FILE).unlink(missing_ok=True)
    bench.another()


def _restart(bench: Bench) -> None:
    bench.offload.close()
    bench.another()


def _away(bench: Bench) -> None:
    bench.desk.away = not bench.desk.away


def _pull(**levers: object) -> Callable[[Bench], None]:
    def pull(bench: Bench) -> None:
        for name, value in levers.items():
            setattr(bench.store.levers, name, value)

    pull.__name__ = str(levers)
    return pull


BEFALLS: tuple[Callable[[Bench], None], ...] = (
    _record,
    _forget,
    _restart,
    _away,
    _pull(down=True),
    _pull(down=False),
    _pull(cut_puts=1),
    _pull(swallowed_replies=2),
    _pull(frozen=True),
    lambda bench: bench.store.thaw(),
    _pull(flipped_puts=1),
    _pull(flipped_reads=1),
    _pull(ahead_ms=20 * 60_000),
    _pull(denied=True),
    _pull(denied=False),
    _pull(capacity_bytes=4000),
    _pull(capacity_bytes=None),
    _pull(retention=timedelta(hours=1)),
    _pull(may_extend=False),
    _pull(may_extend=True),
)


@given(st.lists(st.tuples(st.sampled_from(range(len(BEFALLS))), st.integers(0, 4)), max_size=25))
@settings(deadline=None, max_examples=600)
def test_in_the_end_everything_is_kept_read_back_and_receipted_and_nothing_else_is(
    story: list[tuple[int, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), settings=Settings(retention_ms=30 * 24 * HOUR_MS, beacon_seconds=0))
        _record(bench)
        for number, turns in story:
            BEFALLS[number](bench)
            bench.turn(turns, seconds=7)
            _only_truth_is_told(bench)
        bench.store.thaw()
        bench.store.levers = Levers(retention=bench.store.levers.retention)
        bench.desk.away = False
        bench.turn(20, seconds=200)
        bench.settle()
        _only_truth_is_told(bench)
        media = {hashlib.sha256(path.read_bytes()).digest() for path in bench.device.root.glob("sessions/*/*.mp4")}
        assert media <= {content for _, content in bench.desk.receipted}
        bench.offload.close()


def _only_truth_is_told(bench: Bench) -> None:
    """Each receipt is of bytes that the store holds, for as long as was asked."""
    held = {one.version.version_id: one for one in bench.store.held}
    for row in bench.desk.rows:
        one = held[row[4]]
        assert hashlib.sha256(one.content).digest() == row[2]
        assert row[3] == len(one.content)
        assert parse_key(one.version.key).digest == row[2]
        assert one.until is not None
        assert row[5] is not None
        assert one.until.timestamp() * 1000 >= row[5] - 1
