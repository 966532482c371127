"""Deterministic CBOR: one value, one encoding; everything else is refused, quickly, with FormatError."""

from __future__ import annotations

from typing import Any, cast

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from liuhen import cbor
from liuhen.errors import FormatError

INTEGERS = st.integers(-(1 << 64), (1 << 64) - 1)
SCALARS = st.none() | INTEGERS | st.binary(max_size=40) | st.text(max_size=20)


def nested(levels: int) -> st.SearchStrategy[cbor.Value]:
    """Values of at most this many levels of arrays and maps."""
    if levels == 0:
        return SCALARS
    inner = nested(levels - 1)
    arrays = st.lists(inner, max_size=4).map(tuple)
    return SCALARS | arrays | st.dictionaries(st.integers(0, 23), inner, max_size=4)


VALUES = nested(cbor.NESTING_LIMIT)


@given(VALUES)
def test_every_value_of_the_profile_comes_back(value: cbor.Value) -> None:
    encoded = cbor.encode(value)
    assert cbor.decode(encoded, where="test") == value
    assert cbor2.loads(encoded, immutable=True) == value


@given(st.binary(max_size=80))
@example(bytes.fromhex("c482030a"))  # decimal fraction
@example(bytes.fromhex("c5821b7fffffffffffffff01"))  # bigfloat with a huge exponent
@example(bytes.fromhex("d81e820100"))  # rational with denominator 0
@example(bytes.fromhex("d8236128"))  # broken regular expression
def test_any_bytes_decode_to_what_encodes_to_them_or_are_refused(encoded: bytes) -> None:
    try:
        value = cbor.decode(encoded, where="test")
    except FormatError:
        return
    assert cbor.encode(value) == encoded


@given(VALUES, st.data())
def test_a_changed_byte_never_decodes_to_the_same_value(value: cbor.Value, data: st.DataObject) -> None:
    encoded = cbor.encode(value)
    position = data.draw(st.integers(0, len(encoded) - 1))
    changed = bytearray(encoded)
    changed[position] ^= data.draw(st.integers(1, 255))
    try:
        decoded = cbor.decode(bytes(changed), where="test")
    except FormatError:
        return
    assert decoded != value


@given(VALUES)
def test_every_proper_beginning_of_an_item_is_refused(value: cbor.Value) -> None:
    encoded = cbor.encode(value)
    for end in range(len(encoded)):
        with pytest.raises(FormatError):
            cbor.decode(encoded[:end], where="test")


@given(VALUES, st.binary(min_size=1, max_size=4))
def test_bytes_after_the_item_are_refused(value: cbor.Value, surplus: bytes) -> None:
    with pytest.raises(FormatError):
        cbor.decode(cbor.encode(value) + surplus, where="test")


@pytest.mark.parametrize(
    "value",
    [
        True,
        1.0,
        1 << 64,
        -(1 << 64) - 1,
        pytest.param(object(), id="an object"),
        {24: 0},
        {-1: 0},
        {"a": 0},
        {True: 0},
        ((((((),),),),),),
        {0: {0: {0: {0: {}}}}},
        "\ud800",
    ],
    ids=repr,
)
def test_a_value_outside_the_profile_is_not_encoded(value: object) -> None:
    with pytest.raises(FormatError):
        cbor.encode(cast("cbor.Value", value))


def test_arrays_may_be_lists_and_keys_in_any_order_when_encoding() -> None:
    as_lists: Any = {9: [1, [2]], 0: 1}
    assert cbor.encode(as_lists) == cbor.encode({0: 1, 9: (1, (2,))}) == bytes.fromhex("a2000109820181 02")


def test_a_map_is_asked_for_and_only_a_map_is_given() -> None:
    assert cbor.decode_map(b"\xa1\x00\x01", where="test") == {0: 1}
    with pytest.raises(FormatError, match="test: not a map"):
        cbor.decode_map(b"\x80", where="test")


def test_shared_references_cannot_make_a_small_item_large() -> None:
    def array(items: list[bytes]) -> bytes:
        return b"\xd8\x1c\x99" + len(items).to_bytes(2, "big") + b"".join(items)

    def reference(number: int) -> bytes:
        return b"\xd8\x1d" + bytes([number])

    bomb = b"\x83" + array([b"\x00"] * 1000) + array([reference(0)] * 300) + array([reference(1)] * 30)
    assert len(bomb) < 3000
    with pytest.raises(FormatError, match="tags are outside the profile"):
        cbor.decode(bomb, where="test")
    (_, _, expanded) = cbor2.loads(bomb)
    assert sum(len(row) for rows in expanded for row in rows) == 9_000_000, "the control: another decoder expands it"


def test_an_error_names_the_item_and_the_rule() -> None:
    with pytest.raises(FormatError) as refused:
        cbor.decode(b"\xf4", where="entry 5")
    assert (refused.value.where, refused.value.what) == ("entry 5", "booleans and floats are outside the profile")
    assert str(refused.value) == "entry 5: booleans and floats are outside the profile"
