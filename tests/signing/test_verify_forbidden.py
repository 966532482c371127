"""Forbidden time against a slow second opinion; whatever order the entries of a room come in, a report comes out."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from liuhen.kinds import Check, Duty, Gap, GapEnd, Inhibition, Instant, Mark
from liuhen.report import Language, to_json, to_text
from liuhen.verify_forbidden import Forbidden
from tests.signing.archives import SECOND_NS, Device
from tests.signing.checking import check

BOOTS = (b"a" * 16, b"b" * 16, b"c" * 16)
LONG_NS = 30


def slow(
    intervals: list[tuple[tuple[int, int], tuple[int, int] | None]], boot: int, first: int, last: int
) -> list[int]:
    """The forbidden moments of this time, one by one."""
    return [
        at
        for at in range(first, last)
        if any(since <= (boot, at) and (until is None or (boot, at) < until) for since, until in intervals)
    ]


@pytest.mark.parametrize("seed", range(60))
def test_the_first_forbidden_part_of_any_time_is_what_counting_says(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 -- reproducible, no secret
    forbidden = Forbidden()
    for known in BOOTS:
        forbidden.meet(known)
    intervals = []
    for seq in range(rng.randint(0, 6)):
        since = (rng.randrange(3), rng.randrange(LONG_NS))
        until = (rng.randrange(3), rng.randrange(LONG_NS)) if rng.random() < 0.7 else None
        instant: Instant = (BOOTS[since[0]], since[1])
        forbidden.begin(seq, instant)
        if until is not None:
            forbidden.end(seq, instant, (BOOTS[until[0]], until[1]))
        intervals.append((since, until))
    for _ in range(40):
        boot, first = rng.randrange(3), rng.randrange(LONG_NS)
        last = first + rng.randint(1, LONG_NS)
        part = forbidden.within((BOOTS[boot], first), last)
        counted = slow(intervals, boot, first, last)
        assert (part is None) == (not counted)
        if part is not None:
            assert part[0] == counted[0]
            assert set(range(*part)) <= set(counted)


def test_after_missing_entries_nothing_stands() -> None:
    forbidden = Forbidden()
    forbidden.begin(1, (BOOTS[0], 5))
    assert forbidden.within((BOOTS[0], 0), 10) == (5, 10)
    forbidden.doubt()
    assert forbidden.within((BOOTS[0], 0), 10) is None


@pytest.mark.parametrize("seed", range(25))
def test_whatever_the_entries_of_a_room_say_in_whatever_order_a_report_comes_out(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)  # noqa: S311 -- reproducible, no secret
    device = Device(root=tmp_path / "archive", media_bytes=20)
    device.enrol()
    device.start()
    for _ in range(25):
        _anything(rng, device)
    report = check(device.root)
    for language in Language:
        assert to_text(report, language, integrity_only=False)
    assert json.dumps(to_json(report))


def _anything(rng: random.Random, device: Device) -> None:
    records = ((rng.randrange(10), bytes(32)),) if rng.random() < 0.5 else ()
    back_ns = rng.choice([0, 0, 1, SECOND_NS, -SECOND_NS, device.now_ns])
    at = (rng.choice([device.boot_id, device.boot_id, bytes(16)]), device.now_ns - back_ns)
    named = rng.randrange(device.seq + 2)
    placed = rng.choice([None, named])
    match rng.randrange(10):
        case 0 | 1 | 2:
            code, act = rng.choice([1, 2, 2, 3]), rng.randrange(4)
            device.append(Inhibition(code=code, act=act, at=at, placed=placed, records=records))
        case 3 | 4:
            device.append(Duty(code=rng.randrange(1, 4), act=rng.randrange(3), refers_to=named, records=records))
        case 5:
            device.append(
                Check(code=rng.randrange(4), rows=((rng.randrange(12), rng.randrange(5), -1),), records=records)
            )
        case 6:
            cause, stream = rng.randrange(11), rng.choice([None, 0, 1])
            device.append(Gap(stream=stream, cause=cause, since=at, measured=(), evidence=(), records=records))
        case 7:
            length = (0, rng.choice([0, 2**63 - 1]))
            device.append(GapEnd(gap_seq=named, until=at, length_ns=length, lost=(None, None), resumed=0))
        case 8:
            _mark(rng, device, at[1], placed)
        case _:
            _time_or_media(rng, device)


def _mark(rng: random.Random, device: Device, at_ns: int, refers_to: int | None) -> None:
    code = rng.randrange(10)
    device.append(
        Mark(
            code=code,
            boottime_ns=at_ns,
            frame_index=None,
            sample_index=None,
            refers_to=refers_to,
            step=None,
            records=(),
        )
    )


def _time_or_media(rng: random.Random, device: Device) -> None:
    if device.session_id is None:
        device.begin()
    elif rng.random() < 0.6:
        device.segment(2)
    elif rng.random() < 0.5:
        device.end()
    else:
        device.pass_ns(rng.choice([1, SECOND_NS, 100 * SECOND_NS]))
