"""Detached records: the commitment hides the content and binds it."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liuhen import records
from liuhen.errors import FormatError

SALTS = st.binary(min_size=32, max_size=32)


@given(SALTS, st.binary(max_size=100))
def test_a_record_file_comes_back_under_its_own_name(salt: bytes, content: bytes) -> None:
    record = records.make(content, salt=salt)
    assert records.parse(record.to_bytes(), where="test") == record
    assert record.commitment == hashlib.sha256(b"\x03" + salt + content).digest()
    assert record.name == f"{record.commitment.hex()}.record"


@given(SALTS, st.binary(max_size=100), st.data())
def test_a_changed_byte_gives_another_name(salt: bytes, content: bytes, data: st.DataObject) -> None:
    record = records.make(content, salt=salt)
    changed = bytearray(record.to_bytes())
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    assert records.parse(bytes(changed), where="test").name != record.name


@given(st.binary(max_size=31) | st.binary(min_size=33, max_size=64))
def test_a_salt_of_another_size_is_refused(salt: bytes) -> None:
    with pytest.raises(FormatError, match="salt is not 32 bytes"):
        records.make(b"content", salt=salt)


@pytest.mark.parametrize("size", [0, 31, records.RECORD_LIMIT_BYTES + 1])
def test_a_file_too_short_or_too_long_is_no_record(size: int) -> None:
    with pytest.raises(FormatError, match="too short or too long"):
        records.parse(bytes(size), where="test")


def test_the_largest_record_is_still_one() -> None:
    assert (
        len(records.parse(bytes(records.RECORD_LIMIT_BYTES), where="test").content) == records.RECORD_LIMIT_BYTES - 32
    )
