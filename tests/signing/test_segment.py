"""Sealing: the running hash over init and fragments, and the seal that follows each fragment."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liuhen import boxes, cbor, cose, hashing, segment
from liuhen.errors import FormatError
from liuhen.kinds import Identity, Seal
from liuhen.registry import EndCause
from liuhen.segment import FragmentFacts, Sealer
from tests.signing import samples

HEAD = (7, samples.filler("head"))
IDENTITY = Identity(
    version=1,
    log_id=samples.LOG_ID,
    run=3,
    session_id=samples.SESSION_ID,
    clock=samples.clock_at(1),
    segment=4,
    public_key=samples.DEVICE.public_key,
    endorsements=(samples.endorsement(samples.ROOTS[0], samples.DEVICE),),
    previous=segment.NO_PREVIOUS,
    first_frame=0,
    first_sample=0,
    streams=(0, 1),
)


def facts(number: int, end_cause: EndCause | None = None) -> FragmentFacts:
    """Facts that differ from fragment to fragment."""
    return FragmentFacts(
        head=HEAD,
        frames=25 * number,
        samples=48_000 * number,
        span_ns=(number, number + 1),
        delay_ms=number,
        end_cause=end_cause,
    )


def h(prefix: int, *parts: bytes) -> bytes:
    """The hashes of FORMAT.md 4, written down once more."""
    return hashlib.sha256(bytes([prefix]) + b"".join(parts)).digest()


@settings(max_examples=30)
@given(st.binary(max_size=200), st.lists(st.binary(min_size=1, max_size=5000), max_size=5))
def test_the_seals_chain_every_byte_of_the_file(init: bytes, fragments: list[bytes]) -> None:
    sealer = Sealer(IDENTITY, init, samples.DEVICE)
    file, r = init, h(2, init)
    assert (sealer.initial, sealer.count, sealer.size) == (r, 0, len(init))
    for number, fragment in enumerate([*fragments, b""], start=1):
        end_cause = None if fragment else EndCause.ROTATED
        box = sealer.seal(fragment, facts(number, end_cause))
        r = h(1, r, h(0, fragment))
        envelope, seal = segment.parse_seal(box[boxes.UUID_HEADER_BYTES :], where="test")
        cose.verify(envelope, samples.DEVICE.public_key, where="test")
        assert seal == Seal(
            version=1,
            log_id=IDENTITY.log_id,
            run=IDENTITY.run,
            session_id=IDENTITY.session_id,
            segment=IDENTITY.segment,
            fragment=number,
            r=r,
            offset=len(file) + len(fragment),
            head=HEAD,
            frames=25 * number,
            samples=48_000 * number,
            span_ns=(number, number + 1),
            delay_ms=number,
            end_cause=end_cause,
        )
        assert sealer.fragments[-1] == (len(fragment), h(0, fragment), len(box), h(4, envelope.encoded))
        assert int.from_bytes(box[:4], "big") == len(box) <= boxes.SEAL_BOX_LIMIT_BYTES
        assert box[4:24] == b"uuid" + boxes.SEAL_USERTYPE
        file += fragment + box
        assert (sealer.r, sealer.count, sealer.size) == (r, number, len(file))


@given(st.binary(min_size=1, max_size=5000), st.data())
def test_a_changed_byte_of_a_fragment_changes_the_running_hash(fragment: bytes, data: st.DataObject) -> None:
    changed = bytearray(fragment)
    changed[data.draw(st.integers(0, len(fragment) - 1))] ^= data.draw(st.integers(1, 255))
    first, second = Sealer(IDENTITY, b"init", samples.DEVICE), Sealer(IDENTITY, b"init", samples.DEVICE)
    first.seal(fragment, facts(1))
    second.seal(bytes(changed), facts(1))
    assert first.r != second.r


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 100_000])
def test_a_fragment_hashes_the_same_whatever_its_size_and_holder(size: int) -> None:
    fragment = samples.filler("fragment", size)
    assert hashing.fragment_hash(fragment) == hashing.fragment_hash(memoryview(fragment)) == h(0, fragment)


def test_no_two_kinds_of_hash_agree_on_the_same_bytes() -> None:
    content = bytes(64)
    hashes = {
        hashing.fragment_hash(content),
        hashing.running_hash(content[:32], content[32:]),
        hashing.initial_hash(content),
        hashing.record_hash(content[:32], content[32:]),
        hashing.seal_hash(content),
        hashing.sha256(content),
    }
    assert len(hashes) == 6


def test_the_identity_box_comes_back() -> None:
    box = segment.identity_box(IDENTITY)
    assert int.from_bytes(box[:4], "big") == len(box)
    assert box[4:24] == b"uuid" + boxes.IDENTITY_USERTYPE
    assert segment.parse_identity(box[boxes.UUID_HEADER_BYTES :], where="test") == IDENTITY


def test_the_usertypes_are_the_hashes_the_format_names() -> None:
    assert hashlib.sha256(b"liuhen identity box 1").digest()[:16] == boxes.IDENTITY_USERTYPE
    assert hashlib.sha256(b"liuhen seal box 1").digest()[:16] == boxes.SEAL_USERTYPE


def test_an_entry_in_a_seal_box_is_refused() -> None:
    with pytest.raises(FormatError, match="a seal box holds a stop"):
        segment.parse_seal(cose.sign(samples.DEVICE, "stop", b"\xa0"), where="test")


@pytest.mark.parametrize("payload", [b"\xa0", b"\x80", b"\x00\x00"])
def test_a_seal_or_identity_of_other_fields_is_refused(payload: bytes) -> None:
    with pytest.raises(FormatError):
        segment.parse_seal(cose.sign(samples.DEVICE, Seal.KIND, payload), where="test")
    with pytest.raises(FormatError):
        segment.parse_identity(payload, where="test")


def test_a_fragment_above_its_limit_is_refused_and_leaves_the_sealer_as_it_was() -> None:
    sealer = Sealer(IDENTITY, b"init", samples.DEVICE)
    with pytest.raises(FormatError, match="exceeds the size limits"):
        sealer.seal(bytes(boxes.FRAGMENT_LIMIT_BYTES + 1), facts(1))
    assert (sealer.count, sealer.size, sealer.r) == (0, 4, sealer.initial)


def test_a_segment_above_its_limit_is_refused() -> None:
    fragment = bytes(boxes.FRAGMENT_LIMIT_BYTES)
    sealer = Sealer(IDENTITY, b"init", samples.DEVICE)
    for number in (1, 2, 3):
        sealer.seal(fragment, facts(number))
    with pytest.raises(FormatError, match="exceeds the size limits"):
        sealer.seal(fragment, facts(4))
    sealer.seal(b"", facts(4, EndCause.ROTATED))
    assert sealer.size <= boxes.SEGMENT_LIMIT_BYTES


def test_the_largest_seal_fits_its_box() -> None:
    largest = Seal(
        version=1,
        log_id=samples.LOG_ID,
        run=(1 << 63) - 1,
        session_id=samples.SESSION_ID,
        segment=(1 << 63) - 1,
        fragment=(1 << 63) - 1,
        r=bytes(32),
        offset=(1 << 63) - 1,
        head=((1 << 63) - 1, bytes(32)),
        frames=(1 << 63) - 1,
        samples=(1 << 63) - 1,
        span_ns=((1 << 63) - 1, (1 << 63) - 1),
        delay_ms=(1 << 63) - 1,
        end_cause=65_535,
    )
    encoded = cose.sign(samples.DEVICE, Seal.KIND, cbor.encode(largest.to_map()))
    assert len(boxes.uuid_box(boxes.SEAL_USERTYPE, encoded)) <= boxes.SEAL_BOX_LIMIT_BYTES
