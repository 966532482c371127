"""The packets of the guard's socket: what is sent is read, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.guard.core import Said
from edge.guard.lamp import Wish
from edge.guard.packets import (
    BadPacket,
    GasRole,
    LeaseGiven,
    gas_role_packet,
    lease_packet,
    read_first,
    read_lease,
    read_said,
    read_wish,
    said_packet,
    wish_packet,
)
from edge.guard.words import Lamp, Pair, Reason

NS = st.integers(0, 2**63 - 1)
SAID = st.builds(
    Said,
    permit=st.booleans(),
    latched=st.booleans(),
    reason=st.sampled_from(list(Reason)),
    pair=st.sampled_from(list(Pair)),
    healthy=st.booleans(),
    lamp=st.sampled_from(list(Lamp)),
    since_ns=NS,
)
WISH = st.builds(Wish, lamp=st.sampled_from(list(Lamp)), session=st.booleans(), durable=NS, buzzer=st.booleans())
GOOD_WISH = {"v": 1, "n": 1, "lamp": "ready", "session": False, "durable": 0, "buzzer": False}


def packed(fields: Any) -> bytes:
    return json.dumps(fields).encode()


@given(said=SAID, number=NS, at_ns=NS)
def test_what_the_guard_says_is_read_as_it_was_said(said: Said, number: int, at_ns: int) -> None:
    found = read_said(said_packet(said, number, at_ns))
    assert (found.said, found.number, found.boottime_ns) == (said, number, at_ns)


@given(wish=WISH, number=NS)
def test_what_the_recorder_wishes_is_read_as_it_was_wished(wish: Wish, number: int) -> None:
    assert read_wish(wish_packet(wish, number)) == read_first(wish_packet(wish, number)) == wish


def test_a_gas_detector_says_first_what_it_is() -> None:
    assert read_first(gas_role_packet()) == GasRole()
    lease = LeaseGiven(permit=True, boottime_ns=7, reason="NONE")
    assert read_lease(lease_packet(lease, 1)) == lease


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\xff",
        b"[]",
        b"1",
        b"null",
        packed({}),
        packed({**GOOD_WISH, "v": 2}),
        packed({**GOOD_WISH, "v": True}),
        packed({**GOOD_WISH, "reset": True}),
        packed({**GOOD_WISH, "lamp": "green"}),
        packed({**GOOD_WISH, "lamp": 1}),
        packed({**GOOD_WISH, "session": 1}),
        packed({**GOOD_WISH, "durable": -1}),
        packed({**GOOD_WISH, "durable": 1.0}),
        packed({**GOOD_WISH, "durable": 2**63}),
        packed({**GOOD_WISH, "n": None}),
        b'{"v":1,"n":1,"lamp":"ready","session":false,"durable":0,"durable":0,"buzzer":false}',
        b'{"v":1,"n":NaN,"lamp":"ready","session":false,"durable":0,"buzzer":false}',
        b'{"v":1,"role":"recorder"}',
        b'{"v":1,"role":"gas","lamp":"ready"}',
        packed(GOOD_WISH) + b" " * 5000,
        b"[" * 4000,
    ],
)
def test_anything_else_is_refused(packet: bytes) -> None:
    with pytest.raises(BadPacket):
        read_first(packet)
    with pytest.raises(BadPacket):
        read_said(packet)
    with pytest.raises(BadPacket):
        read_lease(packet)


def test_the_good_packet_of_the_refused_ones_is_read() -> None:
    assert read_first(packed(GOOD_WISH)) == Wish(lamp=Lamp.READY, session=False, durable=0, buzzer=False)
