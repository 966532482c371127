"""How long a store is asked to keep what: a date where the default is too short, longer with a term, never shorter."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from edge.offload.program import Settings
from liuhen.kinds import Retention
from liuhen.registry import EventCode, RetentionBasis
from sim.store import Held
from tests.edge.offload.bench import HOUR_MS, Bench

pytestmark = pytest.mark.long

DAY_MS = 24 * HOUR_MS
YEAR = timedelta(days=365)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Two sessions; the store locks for a year what comes without a date."""
    made = Bench(tmp_path)
    made.store.levers.retention = YEAR
    made.device.session(segments=2)
    made.device.session(segments=2)
    made.desk.cut()
    return made


def sessions(bench: Bench) -> list[bytes]:
    """In the order in which they were recorded."""
    folders = sorted((bench.device.root / "sessions").iterdir(), key=lambda path: path.stat().st_ctime_ns)
    return [bytes.fromhex(path.name) for path in folders]


def term(bench: Bench, session: bytes, days: int) -> int:
    """An entry says so; returns its instant."""
    until_ms = bench.device.utc_ms + days * DAY_MS
    body = Retention(session=session, until_ms=until_ms, basis=RetentionBasis.CASE_FILE, records=())
    bench.device.append(body, session=False)
    bench.desk.cut()
    return until_ms


def media(bench: Bench, session: bytes) -> list[Held]:
    return [held for held in bench.store.held if f"/media/{session.hex()}/" in held.version.key]


def slices(bench: Bench) -> list[Held]:
    return [held for held in bench.store.held if "/journal/" in held.version.key]


def locks(held: list[Held]) -> list[datetime]:
    return [one.until for one in held if one.until is not None]


def test_a_term_that_is_longer_lengthens_what_holds_and_what_proves_the_session_and_is_receipted_again(
    bench: Bench,
) -> None:
    bench.settle()
    first, second = sessions(bench)
    proving, before = slices(bench), locks(media(bench, second))
    puts = len(bench.store.puts)
    until_ms = term(bench, first, 5 * 365)
    bench.settle()
    wanted = bench.store.now().fromtimestamp(until_ms / 1000, bench.store.now().tzinfo)
    assert min(locks(media(bench, first))) >= wanted
    assert min(locks(proving)) >= wanted, "the slice that holds its entries"
    assert locks(media(bench, second)) == before
    assert len([key for key in bench.store.puts[puts:] if "/media/" in key]) == 0, "nothing is sent again"
    told = {row[1]: row[5] for row in bench.desk.rows}  # the newest of each
    mine = [row for row in bench.desk.rows if row[1] in told and (told[row[1]] or 0) >= until_ms]
    assert len({row[1] for row in mine}) >= 3


def test_a_term_that_is_shorter_than_the_lock_changes_nothing(bench: Bench) -> None:
    bench.settle()
    before, rows = locks(bench.store.held), len(bench.desk.rows)
    term(bench, sessions(bench)[0], 30)
    bench.settle()
    assert locks(bench.store.held)[: len(before)] == before
    assert {row[1] for row in bench.desk.rows[rows:]}.isdisjoint({row[1] for row in bench.desk.rows[:rows]})


def test_what_is_sent_after_its_term_was_set_bears_the_date_and_no_right_to_lengthen_is_needed(bench: Bench) -> None:
    bench.store.levers.down = True
    first, second = sessions(bench)
    until_ms = term(bench, first, 5 * 365)
    bench.turn(5)
    bench.store.levers.down, bench.store.levers.may_extend = False, False
    bench.turn(5, seconds=60)
    for _ in range(200):
        bench.turn()
    assert min(locks(media(bench, first))).timestamp() * 1000 >= until_ms
    assert max(locks(media(bench, second))) < bench.store.now() + YEAR + timedelta(days=1)


def test_a_floor_above_the_default_goes_with_the_put_and_outlasts_the_session_and_one_below_sends_no_date(
    tmp_path: Path,
) -> None:
    for name, default, floor_days in (("short", timedelta(hours=1), 30), ("long", YEAR, 30)):
        bench = Bench(tmp_path / name, settings=Settings(beacon_seconds=0, retention_ms=floor_days * DAY_MS))
        bench.store.levers.retention, bench.store.levers.may_extend = default, False
        bench.device.session(segments=2)
        bench.desk.cut()
        bench.settle()
        begun = bench.store.now() - timedelta(hours=2)
        found = locks(bench.store.held)
        assert min(found) >= begun + max(default, timedelta(days=floor_days))
        assert max(found) <= bench.store.now() + max(default, timedelta(days=floor_days + 2))


def test_what_is_sent_as_a_day_begins_is_kept_for_the_whole_floor_from_its_end_without_a_right_to_lengthen(
    tmp_path: Path,
) -> None:
    """An always-on room is one session a day, and a day and its margin is all that the date is longer for."""
    floor = timedelta(days=30)
    bench = Bench(tmp_path, settings=Settings(beacon_seconds=0, retention_ms=30 * DAY_MS))
    bench.store.levers.retention, bench.store.levers.may_extend = timedelta(hours=1), False
    day = bench.device.begin()
    bench.device.segment()
    bench.desk.cut()
    bench.settle()
    sent = bench.store.now()
    bench.device.pass_ns(24 * 3600 * 10**9)
    bench.device.segment()
    bench.device.end()
    ended = bench.store.now()
    bench.desk.cut()
    bench.settle()
    found = locks(media(bench, day))
    assert len(found) == 2
    assert min(found) >= ended + floor
    assert min(found) <= sent + floor + timedelta(days=2)
    assert bench.desk.codes() == []


def test_an_account_that_may_send_no_date_still_brings_it_there_and_lengthens_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, settings=Settings(beacon_seconds=0, retention_ms=30 * DAY_MS))
    bench.store.levers.retention, bench.store.levers.refuses_dates = timedelta(hours=1), True
    bench.device.session(segments=2)
    bench.desk.cut()
    bench.settle()
    assert min(locks(bench.store.held)) >= bench.store.now() + timedelta(days=29)
    assert bench.desk.codes() == []


def test_a_term_that_cannot_be_had_is_told_holds_up_nothing_and_is_never_receipted(bench: Bench) -> None:
    bench.settle()
    bench.store.levers.may_extend = False
    rows = len(bench.desk.rows)
    until_ms = term(bench, sessions(bench)[0], 5 * 365)
    bench.turn(50)
    assert EventCode.STORE_RETENTION_SHORT in bench.desk.codes()
    assert all((row[5] or 0) < until_ms for row in bench.desk.rows)
    assert any(row[0] == 3 for row in bench.desk.rows[rows:]), "the slice with the term itself is there"
    bench.store.levers.may_extend = True
    for _ in range(20):
        bench.turn(1, seconds=600)
    bench.settle()
    assert any((row[5] or 0) >= until_ms for row in bench.desk.rows)


def test_a_clock_a_century_ahead_or_a_typing_error_locks_nothing_for_longer_than_was_meant(bench: Bench) -> None:
    bench.settle()
    first, second = sessions(bench)
    ahead_ms = 100 * 365 * DAY_MS
    said = bench.device.utc_ms
    bench.device.utc_ms += ahead_ms  # the entry's clock alone: the store's own says what time it is
    until_ms = bench.device.utc_ms + 2 * 365 * DAY_MS
    body = Retention(session=first, until_ms=until_ms, basis=RetentionBasis.CASE_FILE, records=())
    bench.device.append(body, session=False)
    bench.device.utc_ms = said
    bench.desk.cut()
    bench.settle()
    assert max(locks(bench.store.held)) <= bench.store.now() + 2 * YEAR + timedelta(days=1)
    term(bench, second, 7000 * 365)
    bench.settle()
    assert max(locks(bench.store.held)) <= bench.store.now() + timedelta(days=36_525 + 1)


def test_with_a_new_state_and_without_the_local_copy_a_term_is_still_brought_to_the_store(bench: Bench) -> None:
    bench.settle()
    bench.desk.cut()
    bench.settle()
    first, _ = sessions(bench)
    bench.offload.close()
    for path in (bench.folder / "state").iterdir():
        path.unlink()
    for path in (bench.device.root / "sessions" / first.hex()).iterdir():
        path.unlink()
    until_ms = term(bench, first, 5 * 365)
    bench.another()
    bench.settle()
    assert min(locks(media(bench, first))).timestamp() * 1000 >= until_ms
    assert not bench.desk.codes()
