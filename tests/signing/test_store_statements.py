"""FORMAT.md 12.4, 12.5: what a witness and a custodian sign, and what is believed of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from liuhen import cbor, cose, merkle, store_names, store_statements
from liuhen.errors import FormatError
from liuhen.kinds import Access, Witness, columns
from liuhen.store_statements import parse_pins, sign_access, sign_witness, verify_access, verify_witness
from tests.signing import samples
from tests.signing.generate_vectors import VECTORS
from tests.signing.vector_store import access_statement, witness_statement

WITNESS, CUSTODIAN = samples.signer("witness"), samples.signer("custodian")
PINNED = {cose.key_id(WITNESS.public_key): WITNESS.public_key}


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / "store.json").read_bytes())
    return loaded


# --- vectors ---------------------------------------------------------------------------------------------------------


def test_the_vectors_urls_have_the_hashes_that_are_stored() -> None:
    stored = document()
    for row in stored["urls"]:
        url = store_names.parse_store_url(row["url"])
        assert (url.text, store_names.store_hash(url).hex()) == (row["url"], row["store"])
    for row in stored["respelt"]:
        assert store_names.parse_store_url(row["url"]).text == row["is"]
    for text in stored["refused_urls"]:
        with pytest.raises(FormatError):
            store_names.parse_store_url(text)


def test_the_vectors_keys_parse_to_their_kinds_and_back() -> None:
    for row in document()["names"]:
        name = store_names.parse_key(row["key"])
        assert type(name).__name__.lower() == f"{row['kind']}name"
        assert store_names.key_of(name) == row["key"]


def test_the_vectors_statements_verify() -> None:
    stored = document()
    key = bytes.fromhex(stored["witness"]["public_key"])
    octets = bytes.fromhex(stored["witness"]["statement"])
    pinned = {bytes.fromhex(stored["witness"]["kid"]): key}
    assert verify_witness(octets, pinned, log_id=samples.LOG_ID, where="vector") == witness_statement()
    octets = bytes.fromhex(stored["access"]["statement"])
    found = verify_access(octets, bytes.fromhex(stored["access"]["public_key"]), where="vector")
    assert found == access_statement()
    leaves = sorted(bytes.fromhex(digest) for digest in stored["access"]["objects"])
    assert found.objects == (2, merkle.root_of([merkle.leaf_hash(leaf) for leaf in leaves]))


# --- a witness -------------------------------------------------------------------------------------------------------


def test_a_witness_that_is_not_pinned_is_not_believed() -> None:
    octets = sign_witness(samples.signer("somebody"), witness_statement())
    with pytest.raises(FormatError, match="not pinned"):
        verify_witness(octets, PINNED, log_id=samples.LOG_ID, where="test")


def test_a_statement_about_another_log_is_not_about_this_one() -> None:
    octets = sign_witness(WITNESS, replace(witness_statement(), log_id=bytes(16)))
    with pytest.raises(FormatError, match="it speaks of log"):
        verify_witness(octets, PINNED, log_id=samples.LOG_ID, where="test")


@pytest.mark.parametrize("at", [40, 120, -1])
def test_a_changed_statement_is_refused(at: int) -> None:
    octets = bytearray(sign_witness(WITNESS, witness_statement()))
    octets[at] ^= 1
    with pytest.raises(FormatError):
        verify_witness(bytes(octets), PINNED, log_id=samples.LOG_ID, where="test")


def test_an_access_statement_is_no_witness_whoever_signs_it() -> None:
    octets = sign_access(WITNESS, access_statement())
    with pytest.raises(FormatError, match="is not 'witness'"):
        verify_witness(octets, PINNED, log_id=samples.LOG_ID, where="test")
    with pytest.raises(FormatError, match="is not 'access'"):
        verify_access(sign_witness(CUSTODIAN, witness_statement()), CUSTODIAN.public_key, where="test")


@pytest.mark.parametrize(
    "changes",
    [
        {"media": (bytes(32), bytes(32))},
        {"media": (b"\1" * 32, bytes(32))},
        {"media": (bytes(32),) * 1025},
        {"size": 0},
        {"size": -1},
        {"version": 2},
    ],
)
def test_a_witness_statement_keeps_to_its_limits(changes: dict[str, Any]) -> None:
    statement = replace(witness_statement(), **changes)
    with pytest.raises(FormatError):
        sign_witness(WITNESS, statement)
    fields = {number: getattr(statement, name) for number, name in _columns(Witness)}
    octets = cose.sign(WITNESS, "witness", cbor.encode(fields))
    with pytest.raises(FormatError):
        verify_witness(octets, PINNED, log_id=samples.LOG_ID, where="test")


def test_a_statement_of_all_the_media_it_may_name_fits_an_envelope() -> None:
    media = tuple(number.to_bytes(32, "big") for number in range(1024))
    octets = sign_witness(WITNESS, replace(witness_statement(), media=media))
    assert len(verify_witness(octets, PINNED, log_id=samples.LOG_ID, where="test").media) == 1024


# --- a custodian -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"actor": ""},
        {"purpose": "  "},
        {"approval": ""},
        {"approval": "x" * 121},
        {"sessions": (b"\1" * 16, bytes(16))},
        {"sessions": (bytes(16),) * 2},
    ],
)
def test_an_access_statement_keeps_to_its_limits(changes: dict[str, Any]) -> None:
    statement = replace(access_statement(), **changes)
    with pytest.raises(FormatError):
        sign_access(CUSTODIAN, statement)
    fields = {number: getattr(statement, name) for number, name in _columns(Access)}
    octets = cose.sign(CUSTODIAN, "access", cbor.encode(fields))
    with pytest.raises(FormatError):
        verify_access(octets, CUSTODIAN.public_key, where="test")


def test_an_access_statement_of_another_custodian_is_refused() -> None:
    with pytest.raises(FormatError, match="kid"):
        verify_access(sign_access(WITNESS, access_statement()), CUSTODIAN.public_key, where="test")


def test_the_root_does_not_depend_on_the_order_of_copying() -> None:
    digests = [samples.filler(str(number)) for number in range(5)]
    assert store_statements.objects_copied(digests) == store_statements.objects_copied(digests[::-1])
    assert store_statements.objects_copied([]) == (0, merkle.root_of([]))


# --- pins ------------------------------------------------------------------------------------------------------------


def test_a_pin_file_names_witnesses_by_public_key() -> None:
    text = f"# 见证\n{WITNESS.public_key.hex()}  # the city's\n\n{CUSTODIAN.public_key.hex().upper()}\n"
    assert parse_pins(text, where="pins").keys() == {cose.key_id(k.public_key) for k in (WITNESS, CUSTODIAN)}


@pytest.mark.parametrize("text", ["", "# nobody\n", "xyz\n", "00" * 32 + "\n", "ab" * 31 + "\n", "ff" * 32 + "\n"])
def test_a_file_that_pins_nobody_sound_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_pins(text, where="pins")


def _columns(kind: type[Any]) -> list[tuple[int, str]]:
    return [(number, name) for number, name, _ in columns(kind)]
