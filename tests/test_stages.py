"""The sessions of `make test`: together they hold every test once, and none can fail unseen."""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.mark.expression import Expression, ExpressionMatcher

from tests.side_by_side import A_STORE_OF_ITS_OWN, THE_STORE, scope_of, turn_of
from tests.stages import NO_TESTS, PASSED, Ended, Stage, command, verdict

FOLDER = Path("books")


def ended(*codes: int) -> list[Ended]:
    return [Ended(stage=stage, code=code, seconds=1) for stage, code in zip(Stage, codes, strict=True)]


def marked(stage: Stage) -> set[str]:
    """Which of a test's possible marks the stage takes, by pytest's own reading of its expression."""
    expression = Expression.compile(stage.marked)
    alone = ("", "realtime", "browser", "oracle", "long", "slow", "realtime browser", "realtime slow", "long slow")
    marks = (*alone, "realtime beside", "browser beside", "long realtime beside", "realtime beside slow")

    def has(mark: str) -> ExpressionMatcher:
        return lambda name, /, **_: name in mark.split()

    return {mark for mark in marks if expression.evaluate(has(mark))}


def test_every_test_that_is_not_slow_is_in_exactly_one_session() -> None:
    parallel, beside, clock = (marked(stage) for stage in Stage)
    assert parallel == {"", "oracle", "long"}
    assert beside == {"realtime beside", "browser beside", "long realtime beside"}
    assert clock == {"realtime", "browser", "realtime browser"}


def test_what_runs_against_the_clock_has_the_machine_to_itself() -> None:
    for_clock = command(Stage.CLOCK, FOLDER, also_marked=None, arguments=())
    assert for_clock[for_clock.index("-n") + 1] == "0"


ASKING_THE_STORE = (
    "tests/drivers/test_store_line.py",
    "tests/realtime/test_secrets.py",
    "tests/edge/test_court_ceph.py",
)
KEEPING_A_STORE = ("tests/realtime/test_store_kills.py", "tests/edge/offload/test_thin_line.py")


def test_side_by_side_a_file_stays_together_and_so_does_all_that_shares_the_store() -> None:
    assert "--dist=loadfile" in command(Stage.BESIDE, FOLDER, also_marked=None, arguments=())
    assert {scope_of(f"{file}::test_a[x::y]") for file in ASKING_THE_STORE} == {THE_STORE}
    assert {scope_of(f"{file}::test_a[x::y]") for file in KEEPING_A_STORE} == {A_STORE_OF_ITS_OWN}
    assert scope_of("tests/test_stages.py::test_a[x::y]") == "tests/test_stages.py"


def test_side_by_side_the_stores_begin_first_and_whole_rooms_come_last() -> None:
    assert "--no-loadscope-reorder" in command(Stage.BESIDE, FOLDER, also_marked=None, arguments=())
    rooms = "tests/realtime/test_lamp_never_lies.py"
    files = [rooms, "tests/drivers/test_held_calls.py", ASKING_THE_STORE[0], KEEPING_A_STORE[0]]
    assert sorted(files, key=turn_of) == files[::-1]


def test_each_session_leaves_its_outcomes_and_the_last_one_judges_all() -> None:
    lines = [command(stage, FOLDER, also_marked=None, arguments=()) for stage in Stage]
    *left, judged = ([word for word in line if "outcomes" in word or word == "--required"] for line in lines)
    assert left == [["--leave-outcomes=books/parallel.json"], ["--leave-outcomes=books/beside.json"]]
    assert judged == ["--required", "--count-outcomes=books/parallel.json", "--count-outcomes=books/beside.json"]


def test_arguments_and_a_marker_of_a_person_narrow_every_session_and_nothing_is_judged() -> None:
    for stage in Stage:
        line = command(stage, FOLDER, also_marked="oracle", arguments=("-k", "name"))
        assert line[line.index("-m", 3) + 1] == f"({stage.marked}) and (oracle)"
        assert line[-2:] == ["-k", "name"]
        assert not any("outcomes" in word or word == "--required" for word in line)


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ((PASSED, PASSED, PASSED), PASSED),
        ((1, PASSED, PASSED), 1),
        ((PASSED, 1, PASSED), 1),
        ((PASSED, PASSED, 1), 1),
        ((PASSED, NO_TESTS, NO_TESTS), PASSED),
        ((NO_TESTS, NO_TESTS, PASSED), PASSED),
        ((NO_TESTS, NO_TESTS, NO_TESTS), NO_TESTS),
        ((NO_TESTS, 4, 1), 4),
        ((-9, PASSED, PASSED), -9),
    ],
)
def test_the_exit_code_is_that_of_the_first_session_that_failed(codes: tuple[int, ...], code: int) -> None:
    assert verdict(ended(*codes))[0] == code


def test_the_last_words_name_the_session_that_failed() -> None:
    told = ["parallel: FAILED (1), 1 s", "beside: passed, 1 s", "clock: had no tests, 1 s"]
    assert verdict(ended(1, PASSED, NO_TESTS))[1] == told
