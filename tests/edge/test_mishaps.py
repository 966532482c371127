"""A run that ended in disorder is told by the next one, and a turn that stood still by the next turn."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.ladder import EXIT_REBOOT, EXIT_RESTART
from edge.mishaps import UNKNOWN, LastExit, crashed, parse_last_exit, read_last_exit, wedged_ms

KILLED = LastExit(result="signal", signal_or_code=-9)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"signal killed KILL\n", KILLED),
        (b"oom-kill killed KILL\n", LastExit(result="oom-kill", signal_or_code=-9)),
        (b"watchdog dumped ABRT\n", LastExit(result="watchdog", signal_or_code=-6)),
        (b"core-dump dumped SIGSEGV", LastExit(result="core-dump", signal_or_code=-11)),
        (b"exit-code exited 1\n", LastExit(result="exit-code", signal_or_code=1)),
        (b"success exited 0\n", LastExit(result="success", signal_or_code=0)),
    ],
)
def test_the_unit_s_line_is_read(line: bytes, expected: LastExit) -> None:
    assert parse_last_exit(line) == expected


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"signal killed", b"signal killed NOTASIGNAL\n", b"exit-code exited 256\n", b"exit-code exited KILL\n",
     b"signal killed KILL\nmore\n", b"a" * 200, "signal killed KILL，".encode()],
)  # fmt: skip
def test_a_line_that_is_none_says_nothing(line: bytes) -> None:
    assert parse_last_exit(line) is None


@given(
    st.binary(max_size=200) | st.from_regex(rb"[a-z-]{1,9} (exited|killed|dumped) [A-Z0-9+-]{1,9}\n?", fullmatch=True)
)
def test_no_line_raises_and_what_is_read_stands_in_it(line: bytes) -> None:
    found = parse_last_exit(line)
    assert found is None or found.result.encode() in line


def test_a_line_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "last-exit"
    path.write_bytes(b"signal killed KILL\n")
    assert read_last_exit(path) == KILLED
    assert read_last_exit(path) is None


@pytest.mark.parametrize(
    ("last", "in_order", "ordered", "same_boot", "expected"),
    [
        (KILLED, False, False, True, -9),
        (None, False, False, True, UNKNOWN),
        (LastExit(result="exit-code", signal_or_code=1), False, False, True, 1),
        (LastExit(result="success", signal_or_code=EXIT_RESTART), False, True, True, None),
        (LastExit(result="success", signal_or_code=EXIT_REBOOT), False, True, False, None),
        (KILLED, True, False, True, None),
        (KILLED, False, True, True, None),
        (KILLED, False, False, False, None),
        (None, False, False, False, None),
    ],
)
def test_only_a_run_of_this_boot_that_nobody_ended_has_crashed(
    last: LastExit | None, in_order: bool, ordered: bool, same_boot: bool, expected: int | None
) -> None:
    assert crashed(last, ended_in_order=in_order, ordered=ordered, same_boot=same_boot) == expected


def test_a_turn_within_its_limit_is_none_and_one_beyond_it_is_told_with_its_length() -> None:
    assert wedged_ms(0, 5_000_000_000, 5_000_000_000) is None
    assert wedged_ms(0, 5_000_000_001, 5_000_000_000) == 5000
    assert wedged_ms(7_000_000_000, 19_500_000_000, 5_000_000_000) == 12_500
