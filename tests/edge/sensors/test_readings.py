"""Both sides read the same keys: what is written comes back, and anything else is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sensors.readings import (
    Answer,
    BoardBits,
    BoardReading,
    GasReading,
    GasReason,
    GasState,
    PowerReading,
    PowerState,
    Readings,
    answer,
    parse_answer,
    parse_request,
    request,
)
from edge.sensors.strict_json import LONGEST_PACKET_BYTES, BadPacket

FULL = Readings(
    power=PowerReading(state=PowerState.ON_BATTERY, minutes_left=12, charge_percent=80),
    board=BoardReading(milli_celsius=51_000, bits=BoardBits.UNDER_VOLTAGE | BoardBits.HOT),
    gas=GasReading(state=GasState.TRIPPED, reason=GasReason.CURRENT_LOW, milli_percent_lel=None, micro_ampere=3500),
)


def changed(**fields: object) -> bytes:
    held: dict[str, Any] = json.loads(request(FULL))
    for path, value in fields.items():
        outer, _, name = path.partition("__")
        if name:
            held[outer][name] = value
        else:
            held[outer] = value
    return json.dumps(held).encode()


def test_the_request_has_the_agreed_keys() -> None:
    assert json.loads(request(FULL)) == {
        "v": 1,
        "verb": "reading",
        "power": {"state": "ON_BATTERY", "minutes_left": 12, "charge_percent": 80},
        "board": {"milli_celsius": 51_000, "bits": 257},
        "gas": {"state": "TRIPPED", "reason": "CURRENT_LOW", "milli_percent_lel": None, "micro_ampere": 3500},
    }


def test_a_request_comes_back_as_it_was() -> None:
    for readings in (FULL, Readings(power=None, board=None, gas=None)):
        assert parse_request(request(readings)) == readings


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 3000,
        b'{"v":1,"v":1}',
        changed(v=2),
        changed(v=True),
        changed(verb="stop"),
        changed(more=1),
        changed(power=[]),
        changed(power__state="FULL"),
        changed(power__state=None),
        changed(power__minutes_left=-1),
        changed(power__minutes_left=1.0),
        changed(power__charge_percent=101),
        changed(power__charge_percent=True),
        changed(board__bits=1 << 31),
        changed(board__milli_celsius=10**9),
        changed(gas__state="CLEAR"),
        changed(gas__reason="NONE"),
        changed(gas__micro_ampere="4000"),
        request(FULL).replace(b"3500", b"NaN"),
        request(FULL).replace(b"3500", b"9" * 5000),
        request(FULL) + b" " * LONGEST_PACKET_BYTES,
    ],
)
def test_anything_else_is_refused(packet: bytes) -> None:
    with pytest.raises(BadPacket):
        parse_request(packet)


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_be_refused(packet: bytes) -> None:
    for parse in (parse_request, parse_answer):
        with pytest.raises(BadPacket):
            parse(packet)


@pytest.mark.parametrize(
    "said",
    [
        Answer(ok=True, power_off_when_sealed=False),
        Answer(ok=True, power_off_when_sealed=True),
        Answer(ok=False, power_off_when_sealed=False, why="unknown verb"),
    ],
)
def test_an_answer_comes_back_as_it_was(said: Answer) -> None:
    assert parse_answer(answer(said)) == said


@pytest.mark.parametrize(
    "packet",
    [
        b'{"v":1,"ok":true}',
        b'{"v":1,"ok":1,"power_off_when_sealed":true}',
        b'{"v":1,"ok":true,"power_off_when_sealed":"yes"}',
        b'{"v":1,"ok":false,"power_off_when_sealed":true}',
        b'{"v":1,"ok":true,"power_off_when_sealed":true,"why":""}',
        b'{"v":1,"ok":false,"why":' + b'"' + b"x" * 201 + b'"}',
    ],
)
def test_an_answer_that_was_not_agreed_on_switches_nothing_off(packet: bytes) -> None:
    with pytest.raises(BadPacket):
        parse_answer(packet)
