"""Entries: every kind comes back as it was signed; another key, a missing one, a wrong class or shape is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liuhen import cbor, cose, entry
from liuhen.cbor import Value
from liuhen.entry import Entry, Position
from liuhen.errors import FormatError
from liuhen.hashing import ZERO_HASH, sha256
from liuhen.keys import Card, Trust
from liuhen.kinds import ENTRY_KINDS, Body, Common, Endorsement, EntryBody, Identity, Run, Seal, Stop, columns
from liuhen.registry import RunCause, StopCause
from tests.signing import samples
from tests.signing.shape_strategies import bodies_of, kind_names, wrong_values

SAMPLES = samples.sample_bodies()
KINDS: tuple[type[EntryBody], ...] = tuple(ENTRY_KINDS.values())
BODIES: tuple[type[Body], ...] = (*KINDS, Common, Seal, Identity, Endorsement, Card, Trust)
AT = Position(log_id=samples.LOG_ID, run=1)

every_kind = pytest.mark.parametrize("kind", KINDS, ids=kind_names(KINDS))
every_body = pytest.mark.parametrize("kind", BODIES, ids=kind_names(BODIES))
every_sample = pytest.mark.parametrize("body", SAMPLES, ids=[body.KIND for body in SAMPLES])


def made(body: EntryBody, **common: Any) -> bytes:
    """An entry by the device key at the start of a log."""
    given_fields = {"at": AT, "clock": samples.clock_at(5), "session_id": None, "seen": None, **common}
    return entry.make(body, signer=samples.DEVICE, **given_fields)


def signed(kind: str, payload: dict[int, Value]) -> bytes:
    """An envelope over any payload, as a faulty producer would make it."""
    return cose.sign(samples.DEVICE, kind, cbor.encode(payload))


def parsed(encoded: bytes) -> Entry:
    """The entry, with its signature checked."""
    result = entry.parse(encoded, where="test")
    cose.verify(result.envelope, samples.DEVICE.public_key, where="test")
    return result


def payload_of(encoded: bytes) -> dict[int, Value]:
    """The payload map of an entry."""
    return cbor.decode_map(cose.parse(encoded, where="test").payload, where="test")


def test_there_is_a_sample_of_every_kind_in_the_order_of_the_format() -> None:
    assert tuple(type(body) for body in SAMPLES) == KINDS


@every_kind
@settings(max_examples=15)
@given(st.data())
def test_every_kind_comes_back_as_it_was_signed(kind: type[EntryBody], data: st.DataObject) -> None:
    body = data.draw(bodies_of(kind))
    common = data.draw(bodies_of(Common))
    encoded = made(
        body,
        at=Position(log_id=common.log_id, run=common.run, seq=common.seq, prev=common.prev),
        clock=common.clock,
        session_id=common.session_id,
        seen=common.seen,
    )
    result = parsed(encoded)
    assert (result.body, result.kind) == (body, kind.KIND)
    assert result.common == dataclasses.replace(common, entry_class=kind.CLASS)
    assert (result.hash, result.head) == (sha256(encoded), (common.seq, sha256(encoded)))


@every_body
@settings(max_examples=15)
@given(st.data())
def test_every_statement_comes_back_from_its_map(kind: type[Body], data: st.DataObject) -> None:
    statement = data.draw(bodies_of(kind))
    assert kind.from_map(statement.to_map(), where="test") == statement


@every_body
def test_the_keys_of_a_kind_are_distinct_and_one_table(kind: type[Body]) -> None:
    numbers = [number for number, _, _ in columns(kind)]
    assert numbers == sorted(set(numbers))
    assert set(numbers) <= set(range(24))
    assert [name for _, name, _ in columns(kind)] == [field.name for field in dataclasses.fields(kind)]
    assert columns(kind) is columns(kind)


@every_kind
def test_no_kind_reuses_a_common_key(kind: type[EntryBody]) -> None:
    common = {number for number, _, _ in columns(Common)}
    assert common.isdisjoint(number for number, _, _ in columns(kind))


@every_sample
def test_a_surplus_key_is_refused(body: EntryBody) -> None:
    payload = payload_of(made(body))
    with pytest.raises(FormatError, match=f"are not those of {body.KIND}"):
        entry.parse(signed(body.KIND, {**payload, 23: 0}), where="test")


@every_sample
def test_each_missing_key_is_refused(body: EntryBody) -> None:
    payload = payload_of(made(body))
    for number in payload:
        with pytest.raises(FormatError, match="are not those of"):
            entry.parse(signed(body.KIND, {k: v for k, v in payload.items() if k != number}), where="test")


@every_sample
def test_each_field_of_another_shape_is_refused(body: EntryBody) -> None:
    payload = payload_of(made(body))
    for number, name, shape in (*columns(Common), *columns(type(body))):
        wrong = wrong_values(shape)
        assert wrong
        for value in wrong:
            if len(cbor.encode(value)) > 60_000:
                continue
            with pytest.raises(FormatError) as refused:
                entry.parse(signed(body.KIND, {**payload, number: value}), where="test")
            assert refused.value.where.startswith(f"test.{name}")


@every_sample
def test_a_class_that_is_not_the_kinds_is_refused(body: EntryBody) -> None:
    payload = payload_of(made(body))
    for wrong in set(range(4)) - {int(body.CLASS)}:
        with pytest.raises(FormatError, match=f"class byte {wrong} is not that of {body.KIND}"):
            entry.parse(signed(body.KIND, {**payload, 7: wrong}), where="test")


@every_sample
def test_a_field_of_another_shape_is_not_signed(body: EntryBody) -> None:
    for _, name, shape in columns(type(body)):
        for value in wrong_values(shape):
            broken = dataclasses.replace(body, **{name: value})
            with pytest.raises(FormatError) as refused:
                made(broken)
            assert refused.value.where.startswith(f"{body.KIND}.{name}")


def test_the_payload_of_one_kind_under_the_name_of_another_is_refused() -> None:
    payload = payload_of(made(Stop(cause=StopCause.OPERATOR)))
    with pytest.raises(FormatError, match="are not those of run"):
        entry.parse(signed(Run.KIND, payload), where="test")


def test_a_kind_this_verifier_does_not_know_keeps_its_common_fields() -> None:
    payload = payload_of(made(Stop(cause=StopCause.OPERATOR)))
    for extra in ({9: (1, "new")}, {23: None}, {}):
        common_only = {number: value for number, value in payload.items() if number != 9}
        result = parsed(signed("novelty", {**common_only, **extra}))
        assert (result.body, result.kind, result.common.entry_class) == (None, "novelty", 3)
    with pytest.raises(FormatError, match="are not those of common"):
        entry.parse(signed("novelty", {0: 1}), where="test")


def test_a_seal_in_the_journal_is_refused() -> None:
    seal = samples.filler("r")
    payload: dict[int, Value] = {0: 1, 1: samples.LOG_ID, 2: 1, 5: samples.SESSION_ID, 9: 0, 10: 1, 11: seal}
    with pytest.raises(FormatError, match="are not those of common"):
        entry.parse(signed(Seal.KIND, payload), where="test")


def test_another_version_is_refused() -> None:
    payload = payload_of(made(Stop(cause=StopCause.OPERATOR)))
    with pytest.raises(FormatError) as refused:
        entry.parse(signed(Stop.KIND, {**payload, 0: 2}), where="test")
    assert refused.value.where == "test.version"


def test_a_payload_that_is_no_map_is_refused() -> None:
    with pytest.raises(FormatError, match="not a map"):
        entry.parse(cose.sign(samples.DEVICE, Stop.KIND, b"\x80"), where="test")


def test_codes_are_written_as_plain_integers() -> None:
    by_name = made(Run(cause=RunCause.AFTER_UNCLEAN_END, software=samples.SOFTWARE, config_hash=ZERO_HASH))
    by_number = made(Run(cause=2, software=samples.SOFTWARE, config_hash=ZERO_HASH))
    assert by_name == by_number


def test_a_log_begins_after_nothing() -> None:
    first = parsed(made(Stop(cause=StopCause.OPERATOR)))
    assert (first.common.seq, first.common.prev) == (0, bytes(32))
