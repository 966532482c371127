"""The process in virtual time: what was sealed is at the store, read back, retained, receipted, whatever comes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from edge.journal_follow import JournalFollower
from edge.offload.program import Settings
from edge.offload.sender import Outcome
from edge.offload.state import FILE
from edge.offload.yielding import Look
from liuhen.kinds import Receipt
from liuhen.registry import EventCode
from liuhen.store_names import parse_key, parse_store_url, store_hash
from sim.store import Clockwork, VirtualStore, VirtualStreams
from tests.edge.offload.bench import HOUR_MS, Bench

pytestmark = pytest.mark.long

DAY_MS = 24 * HOUR_MS


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.device.session(segments=3)
    made.desk.cut()
    return made


def _all_whole(bench: Bench) -> None:
    """Each key's own hash is that of the bytes the store holds under it, once; nothing is there twice."""
    for key in bench.store.key_set():
        copies = bench.store.copies(key)
        assert [hashlib.sha256(copy).digest() for copy in copies] == [parse_key(key).digest] * len(copies)
        assert len(copies) == 1, key


def _media(bench: Bench) -> set[str]:
    return {key for key in bench.store.key_set() if "/media/" in key}


def test_a_session_is_at_the_store_with_its_proof_first_and_every_receipt_is_of_bytes_that_were_read_back(
    bench: Bench,
) -> None:
    bench.settle()
    _all_whole(bench)
    kinds = [key.split("/")[2] for key in bench.store.puts]
    assert kinds.index("media") > max(kinds.index("journal"), kinds.index("checkpoint"))
    assert len(_media(bench)) == 3
    contents = {content for _, content in bench.desk.receipted}
    assert contents == {parse_key(key).digest for key in bench.store.key_set()}
    assert len(bench.desk.receipted) == len(contents)


def test_records_and_what_a_recovery_set_aside_go_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    commitment = bench.device.record("当事人：张三")
    bench.device.session(commitments=((0, commitment),))
    bench.desk.cut()
    bench.settle()
    stored = [key for key in bench.store.key_set() if "/records/" in key]
    assert [parse_key(key).path for key in stored] == [f"records/{commitment.hex()}"]
    assert commitment in {content for _, content in bench.desk.receipted}


def test_nothing_beyond_the_newest_slice_is_sent(bench: Bench) -> None:
    bench.device.session(segments=2)
    bench.settle()
    assert len(_media(bench)) == 3


def test_case_1_a_body_cut_in_the_middle_is_sent_again_and_no_half_object_is_there(bench: Bench) -> None:
    bench.store.levers.cut_puts = 3
    bench.settle()
    _all_whole(bench)


def test_case_2_an_answer_that_is_lost_makes_no_second_version(bench: Bench) -> None:
    bench.store.levers.swallowed_replies = 3
    bench.settle()
    _all_whole(bench)
    assert len(bench.store.puts) == len(bench.store.key_set())


def test_a_conditional_put_that_meets_its_name_takes_the_very_bytes_and_is_no_alarm(bench: Bench) -> None:
    other = Bench(bench.folder / "other", log_id=bench.device.log_id)
    bench.settle()
    held = list(bench.store.held)
    other.device.session(segments=3)
    other.store.levers.conditional = True
    other.settle()  # the state is caught up: whatever comes from now on counts as never sent
    other.store.held.extend(one for one in held if one.version.key not in other.store.key_set())
    other.desk.cut()
    other.settle()
    _all_whole(other)
    assert set(other.store.puts) & {one.version.key for one in held}
    assert other.desk.codes() == []
    assert {content for _, content in other.desk.receipted} >= {parse_key(key).digest for key in _media(other)}


def test_case_3_a_gateway_that_is_frozen_and_thawed_is_looked_at_before_anything_is_sent_again(bench: Bench) -> None:
    bench.store.levers.frozen = True
    bench.turn(5)
    bench.store.thaw()
    bench.settle()
    _all_whole(bench)
    assert len(bench.store.puts) == len(bench.store.key_set())


def test_case_8_a_bit_that_flips_on_the_way_is_refused_and_the_object_sent_again(bench: Bench) -> None:
    bench.store.levers.flipped_puts = 2
    bench.settle()
    _all_whole(bench)


def test_case_9_a_bit_that_flipped_here_after_signing_is_never_sent_and_is_the_only_end_without_the_store(
    bench: Bench,
) -> None:
    path = sorted(bench.device.root.glob("sessions/*/*.mp4"))[1]
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    bench.settle()
    _all_whole(bench)
    assert len(_media(bench)) == 2
    assert EventCode.LOCAL_DIFFERS in bench.desk.codes()
    report = bench.report()
    assert report is not None
    assert report.waiting.differing == 1


def test_a_file_that_is_longer_than_it_was_signed_is_not_sent_either(bench: Bench) -> None:
    path = sorted(bench.device.root.glob("sessions/*/*.mp4"))[0]
    path.write_bytes(path.read_bytes() + b"\0")
    bench.settle()
    assert len(_media(bench)) == 2


def test_a_file_that_cannot_be_read_now_is_tried_again_until_it_can(bench: Bench) -> None:
    path = sorted(bench.device.root.glob("sessions/*/*.mp4"))[0]
    away = path.rename(path.with_suffix(".away"))
    bench.turn(50)
    assert len(_media(bench)) == 2
    away.rename(path)
    bench.settle(20_000)
    assert len(_media(bench)) == 3


def test_case_10_other_bytes_under_its_key_are_told_and_its_own_version_is_receipted(bench: Bench) -> None:
    bench.store.levers.swallowed_replies = 1
    bench.turn(1)
    key = bench.store.puts[0]
    bench.store.overwrite(key, bytes(len(bench.store.copies(key)[0])))
    bench.settle()
    assert hashlib.sha256(bench.store.copies(key)[0]).digest() == parse_key(key).digest
    assert parse_key(key).digest in {content for _, content in bench.desk.receipted}


def test_other_bytes_that_were_under_its_key_first_are_told_and_left(bench: Bench) -> None:
    bench.turn(1)
    bench.offload.close()
    (bench.folder / "state" / FILE).unlink()
    key = bench.store.puts[0]
    held = next(one for one in bench.store.held if one.version.key == key)
    held.content = bytes(len(held.content))
    bench.another()
    bench.settle()
    assert EventCode.STORE_DIFFERS in bench.desk.codes()
    assert len(bench.store.copies(key)) == 2


def test_case_11_a_delete_marker_hides_nothing(bench: Bench) -> None:
    bench.store.levers.swallowed_replies = 1
    bench.turn(1)
    bench.store.mark_deleted(bench.store.puts[0])
    bench.settle()
    _all_whole(bench)


@pytest.mark.parametrize("minutes", [-20, 20, -60 * 24 * 365 * 50, 60 * 24 * 365 * 90])
def test_case_12_a_clock_far_off_is_signed_around_told_and_locks_nothing_into_another_century(
    bench: Bench, minutes: int
) -> None:
    bench.store.levers.ahead_ms = minutes * 60_000
    bench.store.levers.retention = None
    bench.offload.close()
    bench.settings = Settings(retention_ms=DAY_MS, beacon_seconds=0)
    bench.another()
    bench.settle()
    _all_whole(bench)
    assert bench.desk.codes() == [EventCode.STORE_CLOCK_OFF]
    latest = bench.store.now() + timedelta(days=1 + 2)  # and for the session to end
    assert all(held.until is not None and held.until <= latest for held in bench.store.held)


@pytest.mark.parametrize(
    ("lever", "code"),
    [
        ("untrusted", EventCode.STORE_UNTRUSTED),
        ("denied", EventCode.STORE_REFUSES),
        ("no_bucket", EventCode.STORE_REFUSES),
    ],
)
def test_cases_13_and_14_what_a_person_must_mend_is_told_at_once_nothing_is_sent_and_it_goes_on_when_mended(
    bench: Bench, lever: str, code: EventCode
) -> None:
    setattr(bench.store.levers, lever, True)
    bench.turn(5)
    assert bench.desk.codes() == [code]
    assert not bench.store.puts
    bench.turn(10, seconds=60)
    assert bench.desk.codes() == [code], "the same again within the hour is no news"
    setattr(bench.store.levers, lever, False)
    bench.turn(10, seconds=60)
    bench.settle()
    _all_whole(bench)
    assert bench.desk.codes() == [code, EventCode.STORE_BACK]


def test_case_15_a_full_store_is_told_and_nothing_here_is_touched(bench: Bench) -> None:
    before = {path: path.read_bytes() for path in bench.device.root.rglob("*") if path.is_file()}
    bench.store.levers.capacity_bytes = 1000
    bench.turn(10)
    assert EventCode.STORE_FULL in bench.desk.codes()
    for path, content in before.items():
        assert path.read_bytes().startswith(content)
    bench.store.levers.capacity_bytes = None
    bench.turn(10, seconds=60)
    bench.settle()
    _all_whole(bench)


def test_case_17_a_retention_that_is_too_short_is_lengthened_and_read_again(bench: Bench) -> None:
    bench.store.levers.retention = timedelta(hours=1)
    bench.offload.close()
    bench.settings = Settings(retention_ms=30 * DAY_MS, beacon_seconds=0)
    bench.another()
    bench.settle()
    assert all(held.until is not None for held in bench.store.held)
    assert min(held.until for held in bench.store.held if held.until) >= bench.store.now() + timedelta(days=29)


@pytest.mark.parametrize("lever", ["may_extend", "ignores_extend"])
@pytest.mark.parametrize("retention", [None, timedelta(hours=1)])
def test_case_17_a_retention_that_cannot_be_lengthened_is_told_and_never_receipted(
    bench: Bench, lever: str, retention: timedelta | None
) -> None:
    bench.store.levers.retention = retention
    bench.store.levers.ignores_dates = True
    setattr(bench.store.levers, lever, lever == "ignores_extend")
    bench.offload.close()
    bench.settings = Settings(retention_ms=30 * DAY_MS, beacon_seconds=0)
    bench.another()
    bench.turn(50)
    assert EventCode.STORE_RETENTION_SHORT in bench.desk.codes()
    assert not bench.desk.receipted
    assert len(_media(bench)) == 3, "the others are not held up"


def test_a_version_that_is_gone_before_it_was_read_back_is_sent_again(bench: Bench) -> None:
    bench.offload.close()
    removed: list[str] = []

    def remove_once(point: str) -> None:
        if point == "put" and not removed:
            removed.append(bench.store.held.pop().version.key)

    bench.reached = remove_once
    bench.another()
    bench.settle()
    _all_whole(bench)
    assert removed
    assert EventCode.STORE_DIFFERS in bench.desk.codes()


def test_what_comes_back_with_other_bytes_is_told_and_not_receipted_until_it_is_right(bench: Bench) -> None:
    bench.store.levers.flipped_reads = 1
    bench.settle()
    assert EventCode.STORE_DIFFERS in bench.desk.codes()
    _all_whole(bench)


@pytest.mark.parametrize("damage", ["deleted", "cut short", "overwritten", "another schema"])
def test_case_23_a_lost_or_damaged_state_is_made_anew_and_nothing_is_sent_twice(bench: Bench, damage: str) -> None:
    bench.turn(2)
    bench.offload.close()
    path = bench.folder / "state" / FILE
    match damage:
        case "deleted":
            path.unlink()
        case "cut short":
            path.write_bytes(path.read_bytes()[:5000])
        case "overwritten":
            path.write_bytes(bytes(path.stat().st_size))
        case _:
            path.write_bytes(b"")
    bench.another()
    bench.settle()
    _all_whole(bench)
    assert len(bench.store.puts) == len(bench.store.key_set())


def test_a_state_that_is_damaged_while_it_is_used_is_made_anew(bench: Bench) -> None:
    bench.turn(2)
    path = bench.folder / "state" / FILE
    for one in path.parent.iterdir():
        one.write_bytes(b"\xff" * max(1, one.stat().st_size))
    bench.settle()
    _all_whole(bench)


class PowerCut(BaseException):
    """The process is gone in the middle of a life."""


@pytest.mark.parametrize("point", ["sent", "put", "read", "read_back", "retained"])
def test_case_5_a_process_that_ends_after_a_send_adopts_what_it_sent_and_sends_nothing_twice(
    bench: Bench, point: str
) -> None:
    def cut(reached: str) -> None:
        if reached == point:
            raise PowerCut

    bench.settle()
    bench.device.session(segments=2)  # known never to have been sent
    bench.desk.cut()
    bench.offload.close()
    bench.reached = cut
    bench.another()
    with pytest.raises(PowerCut):
        bench.turn(5)
    bench.reached = lambda _point: None
    bench.another()
    bench.settle()
    _all_whole(bench)
    assert len(bench.store.puts) == len(bench.store.key_set())


def test_a_new_state_asks_for_nothing_that_the_journal_says_is_receipted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.device.media_bytes = 100_000
    bench.device.session(segments=3)
    for _ in range(3000):  # more than one turn reads
        bench.device.heartbeat()
    bench.desk.cut()
    bench.settle()
    bench.desk.cut()
    bench.settle()
    bench.offload.close()
    for one in (bench.folder / "state").iterdir():
        one.unlink()
    asked, moved, told = bench.store.asked, bench.store.moved_bytes, len(bench.desk.receipted)
    bench.another()
    bench.turn(1)
    assert bench.store.asked == asked, "nothing before the journal was read to its end"
    bench.settle()
    assert bench.store.moved_bytes - moved < 50_000, "only what the newest receipts stand in is looked at again"
    assert len(bench.desk.receipted) - told <= 2


def test_a_recorder_that_is_away_costs_nothing_and_hears_of_it_later(bench: Bench) -> None:
    bench.desk.away = True
    bench.turn(50)
    assert len(_media(bench)) == 3
    assert not bench.desk.receipted
    bench.desk.away = False
    bench.settle()
    assert {content for _, content in bench.desk.receipted} >= {parse_key(key).digest for key in _media(bench)}


def test_what_the_recorder_does_not_know_is_told_again_and_holds_up_nothing(bench: Bench) -> None:
    strange = hashlib.sha256(next(bench.device.root.glob("sessions/*/*.mp4")).read_bytes()).digest()
    bench.desk.unknown = {strange}
    bench.turn(50)
    assert strange not in {content for _, content in bench.desk.receipted}
    assert len(bench.desk.receipted) > 3
    bench.desk.unknown = set()
    bench.turn(100, seconds=1)
    assert strange in {content for _, content in bench.desk.receipted}


def test_sending_pauses_while_recording_is_in_need(bench: Bench) -> None:
    bench.look = Look(queue_percent=90)
    bench.turn(50, seconds=1)
    assert not bench.store.puts
    bench.look = Look()
    bench.settle()
    _all_whole(bench)


def test_what_was_destroyed_by_order_before_it_was_sent_is_not_sent(bench: Bench) -> None:
    from liuhen.kinds import Destroyed  # noqa: PLC0415 - used here alone

    bench.store.levers.down = True
    bench.turn(5)
    path = sorted(bench.device.root.glob("sessions/*/*.mp4"))[0]
    digest = hashlib.sha256(path.read_bytes()).digest()
    bench.device.append(Destroyed(contents=((1, digest),), basis=0, records=()), session=False)
    bench.desk.cut()
    path.unlink()
    bench.turn(5)
    bench.store.levers.down = False
    bench.turn(10, seconds=60)
    bench.settle()
    assert len(_media(bench)) == 2


def test_a_line_that_is_down_for_long_is_told_once_and_so_is_its_end(bench: Bench) -> None:
    bench.store.levers.down = True
    bench.turn(300, seconds=10)
    assert bench.desk.codes() == [EventCode.STORE_UNREACHABLE]
    assert bench.desk.alive is not None
    assert bench.desk.alive.unreachable == EventCode.STORE_UNREACHABLE
    bench.store.levers.down = False
    bench.turn(10, seconds=60)
    bench.settle()
    assert bench.desk.codes() == [EventCode.STORE_UNREACHABLE, EventCode.STORE_BACK]


def test_a_store_that_is_down_is_asked_by_one_object_at_a_time_and_not_more_often_than_the_breaker_says(
    bench: Bench,
) -> None:
    bench.store.levers.down = True
    bench.turn(3600, seconds=1)
    assert 10 < bench.store.asked < 60


class ThinLine(VirtualStreams):
    """Media is begun and does not come to an end: a line on which a segment takes half an hour."""

    bench: Bench

    def __init__(self, wake: Callable[[], None], stopping: threading.Event) -> None:
        super().__init__(wake, stopping)
        self.media: list[int] = []

    @property
    def under_way(self) -> tuple[int, ...]:
        return (*self.media, *super().under_way)

    def begin(self, number: int, life: Callable[[], Outcome]) -> None:
        state = self.bench.offload._state
        task = None if state is None else state.task(number)
        if task is not None and not task.sealed.kind.proves:
            self.media.append(number)
        else:
            super().begin(number, life)


def test_case_7_on_a_thin_line_a_slice_never_waits_behind_two_segments(tmp_path: Path) -> None:
    ThinLine.bench = bench = Bench(tmp_path)
    bench.device.media_bytes = 500_000
    bench.device.session(segments=3)
    bench.desk.cut()
    bench.another(streams=ThinLine)
    bench.turn(20)
    before = len(bench.store.puts)
    bench.device.session(segments=3)
    bench.desk.cut()
    bench.turn(3)
    sent = [key.split("/")[2] for key in bench.store.puts[before:]]
    assert "journal" in sent
    assert "checkpoint" in sent
    assert not _media(bench)


def test_beacons_say_what_waits_and_are_never_receipted(tmp_path: Path) -> None:
    bench = Bench(tmp_path, settings=Settings(beacon_seconds=60))
    bench.device.session()
    bench.desk.cut()
    bench.settle()
    bench.turn(10, seconds=30)
    beacons = [key for key in bench.store.key_set() if "/beacon/" in key]
    assert len(beacons) >= 4
    assert not {content for _, content in bench.desk.receipted} & {parse_key(key).digest for key in beacons}


def test_case_6_three_weeks_without_a_store_while_recording_goes_on_then_the_earliest_deadline_first(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    bench.store.levers.down = True
    for _ in range(21):
        for _ in range(2):
            bench.device.session(segments=4, fragments=2)
            bench.desk.cut()
            bench.turn(4, seconds=3600)
        bench.turn(4, seconds=4 * 3600)
    assert not bench.store.puts
    outage = len(list(bench.device.root.glob("sessions/*/*.mp4")))
    assert outage == 21 * 2 * 4
    bench.store.levers.down = False
    bench.turn(2, seconds=400)
    while len(bench.media_keys()) < outage:  # recording goes on during the catch-up
        bench.device.session(segments=1, fragments=2)
        bench.desk.cut()
        bench.turn(20)
    bench.settle(10_000)
    _all_whole(bench)
    assert len(_media(bench)) == len(list(bench.device.root.glob("sessions/*/*.mp4")))
    order = {path.parent.name + path.stem: number for number, path in enumerate(_by_age(bench))}
    sent = [order[key.split("/")[3] + key.split("/")[4].split("-")[0]] for key in bench.media_keys()[:outage]]
    oldest = [number for turn, number in enumerate(sent) if turn % 10 != 9]
    assert oldest == sorted(oldest)


def _by_age(bench: Bench) -> list[Path]:
    return sorted(bench.device.root.glob("sessions/*/*.mp4"), key=lambda path: (path.stat().st_mtime_ns, path.name))


def test_the_stored_slices_in_order_are_the_journal_byte_for_byte(bench: Bench) -> None:
    bench.settle()
    bench.desk.cut()
    bench.settle()
    slices = sorted(key for key in bench.store.key_set() if "/journal/" in key)
    content = b"".join(bench.store.copies(key)[0] for key in slices)
    assert (bench.device.root / "journal" / "00000000.cbor").read_bytes().startswith(content)
    assert len(content) > 1000


def test_each_of_two_stores_gets_proof_before_media_and_one_that_is_down_holds_up_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.device.media_bytes = 100_000
    first = bench.offload
    clockwork = Clockwork(utc_ms=lambda: bench.device.utc_ms, passes=bench.device.pass_ns)
    archive = VirtualStore(clockwork, url="s3://archive.example/liuhen", sign_ahead_ms=lambda: bench.ahead_ms)
    second = bench.another(archive, state="state-second")
    bench.device.session(segments=3)
    bench.desk.cut()
    bench.store.levers.down = True
    for _ in range(50):
        bench.device.pass_ns(10**9)
        first.look()
        second.look()
    assert not bench.store.held
    assert len([key for key in archive.puts if "/media/" in key]) == 3
    lanes = ["/media/" in key for key in archive.puts if "/journal/" in key or "/media/" in key]
    assert lanes == sorted(lanes), "what proves goes first"
    bench.store.levers.down = False
    for _ in range(200):
        bench.device.pass_ns(10**10)
        first.look()
        second.look()
    assert bench.store.key_set() >= {key for key in archive.key_set() if "/media/" in key}
    bench.desk.cut()
    placed = JournalFollower(lambda: bench.device.root).read(1 << 62, 1 << 30)
    told = [one.entry.body for one in placed if isinstance(one.entry.body, Receipt)]
    media = {hashlib.sha256(path.read_bytes()).digest() for path in bench.device.root.glob("sessions/*/*.mp4")}
    for url in (bench.store.url, archive.url):
        named = {row[1] for body in told if body.store == store_hash(parse_store_url(url)) for row in body.objects}
        assert media <= named
    second.close()
