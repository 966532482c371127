"""Visits are told from the entries of a day alone: found by number, one at a time, told in time or not (5.10)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from liuhen import entry
from liuhen.entry import Position
from liuhen.kinds import EntryBody, GapEnd, Mark, Segment, Session, SessionEnd, Visit
from liuhen.registry import EndCause, MarkCode, VisitAct, VisitEnd, VisitSort
from liuhen.visits import Day
from tests.signing.archives import signer
from tests.signing.samples import sample_bodies

BOOT, NEXT_BOOT, SECOND = bytes([1]) * 16, bytes([2]) * 16, 10**9
SESSION_ID = bytes([9]) * 16
KEY = signer("a device")


def sample(kind: type[EntryBody], **changes: object) -> EntryBody:
    return replace(next(body for body in sample_bodies() if type(body) is kind), **changes)


@dataclass(slots=True)
class Clerk:
    """Writes entries of one session and folds each; the clock is set by the second."""

    day: Day = field(default_factory=Day)
    seq: int = 0
    boot: bytes = BOOT

    def write(self, at: float, body: EntryBody) -> int:
        clock = (1_700_000_000_000 + int(at * 1000), int(at * SECOND), self.boot, 2, 50)
        position = Position(log_id=bytes(16), run=1, seq=self.seq, prev=bytes(32))
        made = entry.make(body, at=position, clock=clock, session_id=SESSION_ID, seen=None, signer=KEY)
        self.day.accept(entry.parse(made, where="entry"))
        self.seq += 1
        return self.seq - 1

    def open(self, mode: int = 1) -> Clerk:
        self.write(0, sample(Session, mode=mode))
        return self

    def begin(self, second: float, number: str, **changes: object) -> int:
        body = Visit(
            act=VisitAct.BEGUN,
            sort=VisitSort.VISIT,
            number=number,
            at=(self.boot, int(second * SECOND)),
            frame_index=None,
            sample_index=None,
            began=None,
            cause=VisitEnd.NOT_ENDED,
            records=(),
        )
        return self.write(second, replace(body, **changes))  # type: ignore[arg-type]

    def end(self, second: float, number: str, began: int, cause: int = VisitEnd.PERSON, **changes: object) -> int:
        changes = {"act": VisitAct.ENDED, "began": began, "cause": cause, **changes}
        return self.begin(second, number, **changes)

    def segment(self, number: int, since: float, until: float, at: float) -> None:
        self.write(at, sample(Segment, number=number, span_ns=(int(since * SECOND), int(until * SECOND))))

    def notice(self, at: float) -> None:
        self.write(at, sample(Mark, code=MarkCode.NOTICE_GIVEN, boottime_ns=int(at * SECOND), refers_to=None))


def test_visits_are_intervals_with_their_numbers_and_who_was_told_when() -> None:
    clerk = Clerk().open()
    first = clerk.begin(10, "A001")
    clerk.notice(14)
    clerk.notice(20)
    clerk.end(70, "A001", first)
    second = clerk.begin(100, "A002", sort=VisitSort.INTERVIEW)
    clerk.end(130, "A002", second, VisitEnd.NEXT_VISIT, sort=VisitSort.INTERVIEW)
    clerk.begin(130, "A003")
    assert clerk.day.wrong == []
    told = [(one.number, one.sort, one.cause, one.told_ms) for one in clerk.day.all()]
    assert told == [
        ("A001", VisitSort.VISIT, VisitEnd.PERSON, 4_000),
        ("A002", VisitSort.INTERVIEW, VisitEnd.NEXT_VISIT, None),
        ("A003", VisitSort.VISIT, VisitEnd.NOT_ENDED, None),
    ]
    assert [(one.since[1] // SECOND, one.until and one.until[1] // SECOND) for one in clerk.day.all()] == [
        (10, 70),
        (100, 130),
        (130, None),
    ]


def test_a_visit_without_an_end_ends_with_its_session() -> None:
    clerk = Clerk().open()
    clerk.begin(10, "A001")
    clerk.write(50, sample(SessionEnd, cause=EndCause.STOPPED))
    (only,) = clerk.day.visits
    assert (only.cause, only.until, only.end) == (VisitEnd.SESSION_ENDED, (BOOT, 50 * SECOND), None)
    assert clerk.day.open is None


def test_a_notice_before_or_between_visits_tells_nobody() -> None:
    clerk = Clerk().open()
    clerk.notice(5)
    began = clerk.begin(10, "A001")
    clerk.end(30, "A001", began)
    clerk.notice(35)
    assert [one.told_ms for one in clerk.day.all()] == [None]


def test_segments_are_found_for_a_visit_and_those_outside_of_all_are_told_apart() -> None:
    clerk = Clerk().open()
    clerk.segment(0, 0, 30, 30)
    began = clerk.begin(40, "A001")
    clerk.segment(1, 30, 60, 60)
    clerk.segment(2, 60, 90, 90)
    clerk.end(95, "A001", began)
    clerk.segment(3, 90, 120, 120)
    clerk.segment(4, 120, 150, 150)
    (visit,) = clerk.day.all()
    assert [(segment.number, into_ms) for segment, into_ms in clerk.day.within(visit)] == [(1, 10_000), (2, 0), (3, 0)]
    assert [segment.number for segment in clerk.day.outside()] == [0, 4]


def test_a_visit_that_a_power_cut_goes_through_is_in_the_media_of_both_boots_and_of_no_earlier_one() -> None:
    clerk = Clerk().open()
    clerk.segment(0, 0, 30, 30)
    began = clerk.begin(40, "A001")
    clerk.boot = NEXT_BOOT
    clerk.write(5, sample(GapEnd, until=(BOOT, 50 * SECOND)))
    clerk.segment(1, 30, 50, 5)  # stated by the start after the cut, captured in the boot before
    clerk.write(6, sample(Mark, boottime_ns=6 * SECOND))
    clerk.segment(2, 8, 38, 38)
    clerk.end(39, "A001", began)
    clerk.segment(3, 40, 70, 70)
    (visit,) = clerk.day.all()
    assert clerk.day.wrong == []
    assert [(segment.number, into_ms) for segment, into_ms in clerk.day.within(visit)] == [(1, 10_000), (2, 0)]
    assert [segment.number for segment in clerk.day.outside()] == [0, 3]


def test_a_visit_that_ended_before_a_power_cut_may_be_told_of_after_it() -> None:
    clerk = Clerk().open()
    began = clerk.begin(40, "A001")
    clerk.boot = NEXT_BOOT
    clerk.end(5, "A001", began, at=(BOOT, 50 * SECOND))
    (visit,) = clerk.day.visits
    assert clerk.day.wrong == []
    assert visit.until == (BOOT, 50 * SECOND)


def test_what_lies_outside_is_outside_of_every_visit_and_one_that_goes_on_is_found_too() -> None:
    clerk = Clerk().open()
    first = clerk.begin(10, "A001")
    clerk.segment(0, 0, 15, 15)
    clerk.end(20, "A001", first)
    clerk.segment(1, 21, 29, 29)
    clerk.begin(30, "A002")
    clerk.segment(2, 29, 45, 45)
    clerk.boot = NEXT_BOOT
    clerk.notice(50)
    one, other = clerk.day.all()
    assert [segment.number for segment in clerk.day.outside()] == [1]
    assert [(segment.number, into_ms) for segment, into_ms in clerk.day.within(other)] == [(2, 1_000)]
    assert [segment.number for segment, _ in clerk.day.within(one)] == [0]
    assert other.told_ms is None, "how long after, over a power cut nobody knows"


def test_the_wall_clock_of_a_visit_is_that_of_its_moments_and_not_of_its_entries() -> None:
    clerk = Clerk().open()
    began = clerk.begin(12, "A001", at=(BOOT, 10 * SECOND), records=((1, bytes(32)),))
    clerk.end(31, "A001", began, at=(BOOT, 30 * SECOND), records=((2, bytes([7]) * 32),))
    (visit,) = clerk.day.visits
    utc_ms = 1_700_000_000_000
    assert (visit.since_utc_ms, visit.until_utc_ms) == (utc_ms + 10_000, utc_ms + 30_000)
    assert visit.records == ((1, bytes(32)), (2, bytes([7]) * 32)), "what both of its entries name"


def test_a_beginning_ends_the_visit_before_even_where_nobody_wrote_that_down() -> None:
    clerk = Clerk().open()
    clerk.begin(10, "A001")
    clerk.begin(20, "A002")
    first, second = clerk.day.all()
    assert (first.number, first.until, first.end, first.cause) == (
        "A001",
        (BOOT, 20 * SECOND),
        None,
        VisitEnd.NEXT_VISIT,
    )
    assert (second.number, second.until) == ("A002", None)


def test_of_a_day_so_many_visits_and_faults_are_kept_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liuhen.visits.MOST_VISITS", 3)
    clerk = Clerk().open()
    for number in range(5):
        began = clerk.begin(10 * number, f"A{number}", began=0)
        clerk.end(10 * number + 5, f"A{number}", began)
    assert [visit.number for visit in clerk.day.visits] == ["A0", "A1", "A2"]
    assert clerk.day.not_kept == 2
    assert len(clerk.day.wrong) == 3


def test_each_rule_of_visits_is_noticed_when_it_is_broken() -> None:
    def wrong(*acts: object, mode: int = 1) -> list[str]:
        clerk = Clerk().open(mode)
        for act in acts:
            act(clerk)  # type: ignore[operator]
        return [words for _, words in clerk.day.wrong]

    def begin(number: str, second: float = 10, **changes: object) -> object:
        return lambda clerk: clerk.begin(second, number, **changes)

    def end(number: str, began: int, second: float = 20, **changes: object) -> object:
        return lambda clerk: clerk.end(second, number, began, **changes)

    def later(clerk: Clerk) -> None:
        clerk.begin(10, "A1", at=(BOOT, 11 * SECOND))

    def early(clerk: Clerk) -> None:
        clerk.begin(21, "A2", at=(BOOT, 15 * SECOND))

    ends_none = "it ends no visit that is open"
    assert wrong(begin("A1"), end("A1", 1)) == []
    assert wrong(begin("A1"), mode=0) == ["a visit in a session that is no duty stream"]
    assert wrong(later) == ["a visit that begins or ends later than its entry"]
    assert wrong(begin("张三")) == ["a queue number of other characters"]
    assert wrong(begin("A1"), begin("A2", 20)) == ["a visit begins before the one before has ended"]
    assert wrong(begin("A1", began=0)) == ["a beginning with the fields of an end"]
    assert wrong(begin("A1", cause=VisitEnd.PERSON)) == ["a beginning with the fields of an end"]
    assert wrong(begin("A1"), end("A2", 1)) == [ends_none]
    assert wrong(begin("A1"), end("A1", 0)) == [ends_none]
    assert wrong(begin("A1"), end("A1", 1, cause=VisitEnd.SESSION_ENDED)) == [ends_none]
    assert wrong(begin("A1"), end("A1", 1), end("A1", 1, 30)) == [ends_none]
    assert wrong(begin("A1"), end("A1", 1, at=(BOOT, 10 * SECOND))) == []
    assert wrong(begin("A1"), end("A1", 1, at=(BOOT, 10 * SECOND - 1))) == [ends_none]
    assert wrong(begin("A1"), end("A1", 1, act=7)) == [ends_none], "an act of a later format"
    assert wrong(begin("A1"), end("A1", 1), early) == ["a visit that begins before the end of the one before"]
