"""What the offload process tells comes over in the same words, or not at all."""

from __future__ import annotations

import socket

import pytest

from edge.offload.words import (
    LONGEST_WHY_BYTES,
    PACKET_LIMIT_BYTES,
    ROWS_LIMIT,
    TOLD_EVENTS,
    Answer,
    ObjectRow,
    OffloadAlive,
    ReceiptsTold,
    StoreTold,
    Telling,
    WitnessTold,
    Words,
    answer_packet,
    is_told,
    packet_of,
    parse,
    parse_answer,
    telling_of,
)
from edge.requests import Request, Verb
from edge.requests import packet_of as request_packet
from edge.sensors import readings
from edge.sensors.strict_json import BadPacket
from liuhen import cbor
from liuhen.kinds import Receipt
from liuhen.registry import EVENTS, EventCode, ObjectKind, RetentionMode

STORE = "s3://store.court.example:7443/room-1"


def row(number: int = 0, *, version: str = "v", what: int = ObjectKind.SEGMENT) -> ObjectRow:
    digest = number.to_bytes(32, "big")
    return (what, digest, digest, 1 << 40, version, 1_900_000_000_000, 1_800_000_000_000)


def receipts(*rows: ObjectRow) -> ReceiptsTold:
    return ReceiptsTold(store=STORE, mode=RetentionMode.COMPLIANCE, server_key=bytes(32), rows=rows)


ALIVE = OffloadAlive(store=STORE, waiting_objects=3, waiting_bytes=9_000, oldest_seconds=40, bytes_per_second=250_000)
WORDS: tuple[Words, ...] = (
    receipts(row()),
    ReceiptsTold(store="file:/media/store", mode=RetentionMode.NONE, server_key=None, rows=(row(1), row(2))),
    StoreTold(store=STORE, code=EventCode.STORE_UNREACHABLE, measured=(1,)),
    StoreTold(store=STORE, code=EventCode.STORE_FULL),
    WitnessTold(statement=bytes(40_960)),
    ALIVE,
    OffloadAlive(
        store=STORE,
        waiting_objects=0,
        waiting_bytes=0,
        oldest_seconds=None,
        bytes_per_second=0,
        unreachable=EventCode.STORE_UNTRUSTED,
    ),
)


@pytest.mark.parametrize("words", WORDS, ids=lambda words: type(words).__name__)
def test_words_come_over_as_they_were_said(words: Words) -> None:
    assert parse(packet_of(words)) == words
    assert is_told(packet_of(words))


@pytest.mark.parametrize("words", WORDS, ids=lambda words: type(words).__name__)
def test_a_packet_cut_short_or_with_more_behind_it_is_refused(words: Words) -> None:
    packet = packet_of(words)
    for other in (*(packet[:end] for end in range(len(packet))), packet + b"\0"):
        with pytest.raises(BadPacket):
            parse(other)


def test_the_fullest_packet_of_receipts_fits_its_limit_a_socket_and_one_entry() -> None:
    rows = tuple(row(number, version="x" * 128) for number in range(ROWS_LIMIT))
    packet = packet_of(receipts(*rows))
    assert len(packet) <= PACKET_LIMIT_BYTES
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        here.send(packet)
        assert there.recv(PACKET_LIMIT_BYTES + 1) == packet
    entry = Receipt(store=bytes(32), designated=0, mode=2, server_key=None, objects=rows, records=())
    assert entry.to_map()[13] == rows


@pytest.mark.parametrize(
    "words",
    [
        receipts(),
        receipts(*(row(number) for number in range(ROWS_LIMIT + 1))),
        receipts(row(), row()),
        receipts(row(what=9)),
        receipts(row(version="x" * 129)),
        ReceiptsTold(store="s3://name:secret@host/b", mode=RetentionMode.NONE, server_key=None, rows=(row(),)),
        ReceiptsTold(store="S3://HOST/b/", mode=RetentionMode.NONE, server_key=None, rows=(row(),)),
        StoreTold(store=STORE, code=EventCode.GAS_ALARM, measured=(1,)),
        StoreTold(store=STORE, code=EventCode.DEADLINE_MET, measured=(1,)),
        StoreTold(store=STORE, code=EventCode.STORE_REFUSES, measured=()),
        OffloadAlive(store=STORE, waiting_objects=0, waiting_bytes=0, oldest_seconds=4, bytes_per_second=0),
        OffloadAlive(store=STORE, waiting_objects=1, waiting_bytes=0, oldest_seconds=None, bytes_per_second=0),
        OffloadAlive(store=STORE, waiting_objects=-1, waiting_bytes=0, oldest_seconds=1, bytes_per_second=0),
        OffloadAlive(
            store=STORE, waiting_objects=0, waiting_bytes=0, oldest_seconds=None, bytes_per_second=0, unreachable=72
        ),
    ],
    ids=str,
)
def test_what_the_recorder_would_refuse_is_not_even_sent(words: Words) -> None:
    with pytest.raises(BadPacket):
        packet_of(words)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {0: 1},
        {0: 2, 1: 3, 2: 0, 3: 0, 4: None, 5: 0, 6: 0},
        {0: 1, 1: 4, 2: 0},
        {0: 1, 1: (1,), 2: 0},
        {0: 1, 1: {1: 1}, 2: 0},
        {0: 1, 1: 3, 2: 0, 3: 0, 4: None, 5: 0},
        {0: 1, 1: 3, 2: 0, 3: 0, 4: None, 5: 0, 6: 0, 7: 0},
    ],
    ids=str,
)
def test_another_version_telling_or_set_of_keys_is_refused(said: dict[int, cbor.Value]) -> None:
    with pytest.raises(BadPacket):
        parse(cbor.encode(said))


def test_a_refusal_does_not_repeat_what_stood_in_the_packet() -> None:
    with pytest.raises(BadPacket) as caught:
        parse(packet_of(ALIVE)[:-1] + b"\x62pw")
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        request_packet(Request(verb=Verb.STATUS)),
        readings.request(readings.Readings(power=None, board=None, gas=None)),
    ],
    ids=["nothing", "a request", "a reading"],
)
def test_nothing_else_on_the_control_socket_is_taken_for_these_words(packet: bytes) -> None:
    assert not is_told(packet)


@pytest.mark.parametrize(
    "answer",
    [Answer(ok=True), Answer(ok=True, seq=7), Answer(ok=True, seq=7, unknown=(bytes(32),)), Answer(ok=False, why="no")],
    ids=str,
)
def test_answers_come_over_as_they_were_given(answer: Answer) -> None:
    assert parse_answer(answer_packet(answer)) == answer


def test_a_long_why_is_shortened_between_two_characters() -> None:
    said = parse_answer(answer_packet(Answer(ok=False, why="满" * 100)))
    assert said.why == "满" * (LONGEST_WHY_BYTES // 3)


def test_another_protocols_refusal_is_no_answer() -> None:
    with pytest.raises(BadPacket):
        parse_answer(b'{"v":1,"ok":false,"zh":"","en":"","facts":{}}')


def test_every_telling_and_every_event_that_may_be_told_is_known() -> None:
    assert {telling_of(words) for words in WORDS} == set(Telling)
    assert set(EVENTS) >= TOLD_EVENTS
