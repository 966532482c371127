"""Names in a store: every key says exactly one object, and nothing else is a key (FORMAT.md 12.1)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liuhen import store_names
from liuhen.errors import FormatError
from liuhen.store_names import (
    AccessName,
    BeaconName,
    CheckpointName,
    MediaName,
    Name,
    QuarantineName,
    RecordName,
    SliceName,
    WitnessName,
    key_of,
    parse_key,
    parse_store_url,
    store_hash,
)

IDS = st.binary(min_size=16, max_size=16)
HASHES = st.binary(min_size=32, max_size=32)
SEQS = st.integers(0, 10**12 - 1)
NUMBERS = st.integers(0, 999_999)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)).map(  # noqa: DTZ001 -- made aware here
    lambda at: at.replace(microsecond=0, tzinfo=UTC)
)


def both(name: type[CheckpointName | WitnessName]) -> st.SearchStrategy[Name]:
    return st.builds(name, log_id=IDS, size=SEQS, digest=HASHES)


NAMES: st.SearchStrategy[Name] = st.one_of(
    st.tuples(SEQS, SEQS).flatmap(
        lambda ends: st.builds(SliceName, log_id=IDS, first=st.just(min(ends)), last=st.just(max(ends)), digest=HASHES)
    ),
    both(CheckpointName),
    both(WitnessName),
    st.builds(RecordName, log_id=IDS, commitment=HASHES, digest=HASHES),
    st.builds(MediaName, log_id=IDS, session=IDS, number=NUMBERS, digest=HASHES),
    st.builds(QuarantineName, log_id=IDS, session=IDS, number=NUMBERS, digest=HASHES),
    st.builds(BeaconName, log_id=IDS, at=MOMENTS, digest=HASHES),
    st.builds(AccessName, log_id=IDS, at=MOMENTS, digest=HASHES),
)


@given(NAMES)
def test_a_key_names_its_object_and_no_other(name: Name) -> None:
    key = key_of(name)
    assert parse_key(key) == name
    assert key.startswith(store_names.prefix_of(name.log_id))


@given(NAMES, st.integers(0, 200), st.sampled_from("/ .g\n-0A"))
def test_a_key_with_one_character_changed_is_no_other_spelling(name: Name, at: int, put: str) -> None:
    key = key_of(name)
    changed = key[: at % len(key)] + put + key[at % len(key) + 1 :]
    try:
        parsed = parse_key(changed)
    except FormatError:
        return
    assert key_of(parsed) == changed


@pytest.mark.parametrize(
    "key",
    [
        "",
        "v1/../journal/x",
        "v2/" + "0" * 32 + "/checkpoint/" + "0" * 12 + "-" + "0" * 64,
        "v1/" + "0" * 32 + "/journal/000000000002-000000000001-" + "0" * 64,
        "v1/" + "0" * 32 + "/beacon/20261301/000000-" + "0" * 64,
        "v1/" + "0" * 32 + "/records/" + "0" * 64 + "-" + "0" * 64 + "\n",
    ],
)
def test_what_is_no_name_is_refused(key: str) -> None:
    with pytest.raises(FormatError):
        parse_key(key)


def test_a_store_is_named_in_one_spelling() -> None:
    assert parse_store_url("s3://Store.Example:7443/hearings/").text == "s3://store.example:7443/hearings"
    assert parse_store_url("file:/srv/store/").text == "file:/srv/store"
    assert parse_store_url("file:///srv/store").text == "file:/srv/store"
    assert store_hash(parse_store_url("file:///srv/store")) == store_hash(parse_store_url("file:/srv/store/"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://host/bucket",
        "s3://host",
        "s3://host/a/b",
        "s3://key:secret@host/b",
        "s3://host/b?x=secret",
        "file:relative",
        "file://host/path",
        "file:/a b",
        "file:/档案",
        "s3://host/b#secret",
        "file:/" + "a" * 600,
    ],
)
def test_a_url_that_names_no_store_is_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(FormatError) as refused:
        parse_store_url(text)
    assert "secret" not in str(refused.value)
