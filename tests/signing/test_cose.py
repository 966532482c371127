"""Envelopes: one byte layout, found in a sequence without decoding, cut anywhere without a wrong answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liuhen import cbor, cose
from liuhen.errors import FormatError
from tests.signing import samples

KINDS = st.sampled_from(["stop", "segment", "seal"])
PAYLOADS = st.binary(max_size=300) | st.sampled_from([bytes(23), bytes(24), bytes(255), bytes(256)])


@given(KINDS, PAYLOADS)
def test_a_signed_envelope_parses_and_verifies(kind: str, payload: bytes) -> None:
    encoded = cose.sign(samples.DEVICE, kind, payload)
    envelope = cose.parse(encoded, where="test")
    cose.verify(envelope, samples.DEVICE.public_key, where="test")
    assert (envelope.kind, envelope.payload, envelope.encoded) == (kind, payload, encoded)


@given(PAYLOADS)
def test_signing_is_deterministic(payload: bytes) -> None:
    assert cose.sign(samples.DEVICE, "stop", payload) == cose.sign(samples.DEVICE, "stop", payload)


@settings(max_examples=20)
@given(st.binary(max_size=40), st.integers(0, 7))
def test_one_changed_bit_anywhere_is_refused(payload: bytes, bit: int) -> None:
    encoded = cose.sign(samples.DEVICE, "stop", payload)
    for position in range(len(encoded)):
        changed = bytearray(encoded)
        changed[position] ^= 1 << bit
        with pytest.raises(FormatError):
            cose.verify(cose.parse(bytes(changed), where="test"), samples.DEVICE.public_key, where="test")


def test_the_content_type_is_signed_so_a_seal_cannot_pass_for_an_entry() -> None:
    seal = cose.sign(samples.DEVICE, "seal", b"\xa0")
    stop = seal.replace(b"\x78\x20application/vnd.liuhen.seal+cbor", b"\x78\x20application/vnd.liuhen.stop+cbor")
    assert stop != seal
    assert cose.parse(stop, where="test").kind == "stop"
    with pytest.raises(FormatError, match="signature does not verify"):
        cose.verify(cose.parse(stop, where="test"), samples.DEVICE.public_key, where="test")


@given(st.lists(PAYLOADS, min_size=1, max_size=5), st.binary(max_size=5))
def test_envelopes_of_a_sequence_are_found_one_after_another(payloads: list[bytes], before: bytes) -> None:
    envelopes = [cose.sign(samples.DEVICE, "stop", payload) for payload in payloads]
    buffer, offset, found = before + b"".join(envelopes), len(before), []
    while offset < len(buffer):
        end = cose.item_end(buffer, offset, where="test")
        assert end is not None
        found.append(buffer[offset:end])
        offset = end
    assert found == envelopes


@pytest.mark.parametrize("payload_size", [0, 23, 24, 255, 256, 2000])
def test_an_envelope_cut_at_any_byte_is_unfinished_and_not_another_envelope(payload_size: int) -> None:
    whole = cose.sign(samples.DEVICE, "stop", bytes(payload_size))
    sequence = whole + whole
    for end in range(len(whole)):
        assert cose.item_end(whole[:end], 0, where="test") is None
        assert cose.item_end(sequence[: len(whole) + end], len(whole), where="test") is None
        with pytest.raises(FormatError, match="ends inside the envelope"):
            cose.parse(whole[:end], where="test")
    assert cose.item_end(sequence, len(whole), where="test") == len(sequence)


@given(st.binary(max_size=200), st.integers(0, 220))
def test_any_bytes_are_an_envelope_unfinished_or_refused(buffer: bytes, offset: int) -> None:
    try:
        end = cose.item_end(buffer, offset, where="test")
    except FormatError:
        return
    assert end is None or offset < end <= len(buffer)


@pytest.mark.parametrize(
    "garbage", [b"\x00", b"\xd2\x83", b"\xd2\x84\x00", b"\xd2\x84\x40\xa1", b"\xd2\x84\x5a\x00\x01\x00\x01"]
)
def test_bytes_that_can_never_become_an_envelope_are_refused_at_once(garbage: bytes) -> None:
    with pytest.raises(FormatError):
        cose.item_end(garbage, 0, where="test")


def test_an_envelope_above_the_limit_is_neither_made_nor_read() -> None:
    overhead = len(cose.sign(samples.DEVICE, "stop", bytes(60_000))) - 60_000
    largest = cose.sign(samples.DEVICE, "stop", bytes(cose.ENTRY_LIMIT_BYTES - overhead))
    assert len(cose.parse(largest, where="test").encoded) == cose.ENTRY_LIMIT_BYTES
    with pytest.raises(FormatError, match="exceed the limit"):
        cose.sign(samples.DEVICE, "stop", bytes(cose.ENTRY_LIMIT_BYTES - overhead + 1))
    with pytest.raises(FormatError, match="exceed the limit"):
        cose.parse(largest + b"\x00", where="test")


def test_the_protected_header_has_three_keys_in_their_order() -> None:
    envelope = cose.parse(cose.sign(samples.DEVICE, "stop", b"\xa0"), where="test")
    assert cbor.decode(envelope.protected, where="test") == {
        1: -8,
        3: "application/vnd.liuhen.stop+cbor",
        4: cose.key_id(samples.DEVICE.public_key),
    }
