"""What a session tells, asked at its edges: the very millisecond a notice is late, a step out of order, a mark old."""

from __future__ import annotations

import pytest

from liuhen.kinds import Instant, Procedure
from liuhen.proceedings import BACKDATED_NS, Marked, NoticeFault, Told
from liuhen.registry import MarkCode, ProcedureCode

BOOT, OTHER = b"a" * 16, b"b" * 16
MS_NS = 1_000_000
LIMIT_MS = 60_000
STEP, ARRIVED, GIVEN = MarkCode.STEP, MarkCode.PARTY_ARRIVED, MarkCode.NOTICE_GIVEN
RECESS, RESUMED = MarkCode.RECESS, MarkCode.SITTING_RESUMED
MISSING, LATE = NoticeFault.MISSING, NoticeFault.LATE
NOBODY, BEFORE = NoticeFault.EMPTY_ROOM, NoticeFault.NOT_BEFORE_FIRST_STEP


def marked(
    code: MarkCode, at_ms: int, *, step: int | None = None, about: int | None = None, boot: bytes = BOOT
) -> Marked:
    """A mark at its moment; its entry is that moment's number."""
    at: Instant = (boot, at_ms * MS_NS)
    return Marked(
        entry=at_ms,
        code=code,
        at=at,
        utc_ms=at_ms,
        written=at,
        written_utc_ms=at_ms,
        late=False,
        step=step,
        refers_to=about,
        records=(),
    )


def told(*marks: Marked) -> Told:
    """A procedure of two required steps and one that is not, with these marks."""
    procedure = Procedure(
        profile=("jiaozuo", bytes(32)),
        code=ProcedureCode.HEARING,
        steps=(("一", 1), ("二", 1), ("三", 0)),
        points=(),
        notice_ms=LIMIT_MS,
        plate=1,
    )
    return Told(marks=list(marks), procedure=procedure)


@pytest.mark.parametrize(
    ("marks", "faults"),
    [
        ((marked(ARRIVED, 10), marked(GIVEN, 10 + LIMIT_MS)), []),
        ((marked(ARRIVED, 10), marked(GIVEN, 11 + LIMIT_MS)), [(LATE, 11 + LIMIT_MS, LIMIT_MS + 1)]),
        ((marked(ARRIVED, 10), marked(GIVEN, 10)), []),
        ((marked(GIVEN, 9), marked(ARRIVED, 10)), [(MISSING, 10, None), (NOBODY, 9, None)]),
        ((marked(ARRIVED, 10),), [(MISSING, 10, None)]),
        ((marked(GIVEN, 10),), [(NOBODY, 10, None)]),
        ((marked(ARRIVED, 10), marked(GIVEN, 20), marked(ARRIVED, 30)), [(MISSING, 30, None)]),
        ((marked(ARRIVED, 10), marked(ARRIVED, 15), marked(GIVEN, 20, about=15)), [(MISSING, 10, None)]),
        ((marked(ARRIVED, 10), marked(GIVEN, 20), marked(STEP, 20, step=1)), []),
        ((marked(ARRIVED, 10), marked(GIVEN, 21), marked(STEP, 20, step=1)), [(BEFORE, 20, None)]),
        ((marked(STEP, 5, step=1), marked(ARRIVED, 10), marked(GIVEN, 20)), [(BEFORE, 5, None)]),
        ((marked(GIVEN, 5), marked(ARRIVED, 10), marked(GIVEN, 20)), []),
    ],
    ids=[
        "the last millisecond",
        "one too late",
        "at once",
        "to an empty room",
        "never",
        "nobody came",
        "late joiner",
        "one of two",
        "with the first step",
        "after the first step",
        "arrived after it",
        "told again",
    ],
)
def test_a_notice_is_judged_to_the_millisecond(
    marks: tuple[Marked, ...], faults: list[tuple[NoticeFault, int, int | None]]
) -> None:
    assert list(told(*marks).notice_faults()) == faults


def test_another_boot_is_measured_by_the_clock_on_the_wall() -> None:
    after = marked(GIVEN, LIMIT_MS + 11, boot=OTHER)
    assert [fault for fault, _, _ in told(marked(ARRIVED, 10), after).notice_faults()] == [LATE]


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [
        (((1, 10), (2, 20), (3, 30)), []),
        (((1, 10), (2, 10)), []),
        (((2, 10), (1, 11)), [2]),
        (((1, 10), (1, 40), (2, 20)), []),
        (((3, 5), (1, 10), (2, 20)), [3]),
        (((2, 5), (1, 10), (3, 20)), [2]),
        (((2, 15), (3, 17), (1, 20)), [2, 3]),
    ],
    ids=[
        "order",
        "one moment",
        "one early",
        "again later",
        "the last one first",
        "and then on",
        "both before the first",
    ],
)
def test_a_step_is_out_of_order_before_one_that_comes_earlier(
    steps: tuple[tuple[int, int], ...], wrong: list[int]
) -> None:
    found = told(*(marked(STEP, at_ms, step=number) for number, at_ms in steps)).out_of_order()
    assert [step.number for step in found] == wrong


def test_only_required_steps_are_left_open() -> None:
    assert [step.number for step in told().open_steps()] == [1, 2]
    assert [step.number for step in told(marked(STEP, 5, step=1)).open_steps()] == [2]
    assert told(marked(STEP, 5, step=1), marked(STEP, 6, step=2)).open_steps() == []


@pytest.mark.parametrize(("before_ns", "found"), [(BACKDATED_NS, 0), (BACKDATED_NS + 1, 1)], ids=["a minute", "more"])
def test_a_mark_names_its_own_moment_within_a_minute(before_ns: int, found: int) -> None:
    def mark(code: MarkCode, *, late: bool) -> Marked:
        return Marked(
            entry=1,
            code=code,
            at=(BOOT, 10),
            utc_ms=0,
            written=(BOOT, 10 + before_ns),
            written_utc_ms=0,
            late=late,
            step=1,
            refers_to=None,
            records=(),
        )

    assert len(told(mark(STEP, late=False)).backdated()) == found
    assert told(mark(STEP, late=True), mark(MarkCode.SPOKEN_EXPLANATION, late=False)).backdated() == []


def test_a_recess_ends_once_and_the_end_of_none_ends_nothing() -> None:
    one = told(marked(RESUMED, 5), marked(RECESS, 10), marked(RESUMED, 20), marked(RESUMED, 25), marked(RECESS, 30))
    assert [(a.entry, None if b is None else b.entry) for a, b in one.recesses()] == [(10, 20), (30, None)]


@pytest.mark.parametrize("code", [MarkCode.PLACE_SPOKEN, STEP])
def test_the_place_is_shown_by_a_plate_or_said(code: MarkCode) -> None:
    assert told(marked(code, 5)).place_shown is (code is MarkCode.PLACE_SPOKEN)
