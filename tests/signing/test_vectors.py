"""The golden vectors: the stored bytes are what the code makes, and liuhen answers each as FORMAT.md says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pytest

from liuhen import cbor, cose, ed25519, entry, keys, merkle, records, segment
from liuhen.errors import FormatError
from liuhen.hashing import ZERO_HASH, fragment_hash, initial_hash, running_hash, seal_hash, sha256
from liuhen.trust import judge
from tests.signing import edwards, samples, vector_signatures
from tests.signing.generate_vectors import VECTORS, differences, stored, vectors
from tests.signing.jsonlines import diagnostic
from tests.signing.vector_encodings import joined
from tests.signing.vector_statements import tree_entry

# What liuhen says where a rule refuses a vector: it must be this rule, not another that happens to fire first.
ED25519_WORDS = {
    "3.1 length": "signature is not 64 bytes",
    "3.2.1 length": "public key is not 32 bytes",
    "3.2.1 canonical": "public key is not canonical",
    "3.2.1 point": "public key is not a point of the curve",
    "3.2.2": "public key is of small order",
    "3.2.3": "signature S is not below the group order",
    "3.2.4": "signature R is not canonical",
    "3.2.5": "signature does not verify",
}
COSE_WORDS = {
    "protected": ("protected header is not exactly", "not the deterministic encoding", "not CBOR of this profile"),
    "content type": ("is not of this format",),
    "kid": ("kid does not name this key",),
    "layout": ("not a COSE_Sign1", "not a definite byte string"),
    "minimal": ("length is not minimally encoded",),
    "trailing": ("bytes follow the envelope",),
    "cut": ("ends inside the envelope",),
    "signature size": ("signature is not 64 bytes",),
    "limit": ("exceed the limit",),
}


@lru_cache
def document(name: str) -> dict[str, Any]:
    """One stored vector file."""
    loaded: dict[str, Any] = json.loads((VECTORS / name).read_bytes())
    return loaded


def cases(name: str, member: str) -> list[Any]:
    """The cases of a vector file, each under its name."""
    return [pytest.param(case, id=case.get("name", case.get("kind"))) for case in document(name)[member]]


def test_the_stored_vectors_are_what_the_code_makes() -> None:
    assert differences(vectors(), stored()) == [], "run `python -m tests.signing.generate_vectors`"


def test_a_changed_a_missing_and_a_surplus_file_are_noticed() -> None:
    assert differences({"a": b"1", "b": b"1"}, {"a": b"2", "c": b"1"}) == ["a", "b", "c"]


def test_the_readme_names_every_vector_file() -> None:
    readme = (VECTORS / "README.md").read_text(encoding="utf-8")
    assert [path for path in stored() if f"`{path.partition('/')[0]}" not in readme] == []


# --- ed25519.json ----------------------------------------------------------------------------------------------------


def _octets(vector: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(vector[name]) for name in names]


@pytest.mark.parametrize("vector", cases("ed25519.json", "vectors"))
def test_a_signature_is_accepted_or_refused_by_its_rule(vector: dict[str, Any]) -> None:
    public_key, signature, message = _octets(vector, "public_key", "signature", "message")
    if vector["rule"] is None:
        ed25519.verify(public_key, signature, message, where="vector")
        return
    with pytest.raises(FormatError) as refused:
        ed25519.verify(public_key, signature, message, where="vector")
    assert refused.value.what == ED25519_WORDS[vector["rule"]]


def test_every_rule_of_strict_ed25519_has_a_vector() -> None:
    assert {vector["rule"] for vector in document("ed25519.json")["vectors"]} - {None} == ED25519_WORDS.keys()


@pytest.mark.parametrize("vector", cases("ed25519.json", "vectors"))
def test_a_vector_does_what_its_name_says_of_the_two_equations(vector: dict[str, Any]) -> None:
    name = vector["name"]
    if "holds" not in name:
        return
    public_key, signature, message = _octets(vector, "public_key", "signature", "message")
    points = (vector_signatures.point_from(public_key), vector_signatures.point_from(signature[:32]))
    question = (points[0], public_key, message, signature, points[1])
    assert edwards.holds_with_cofactor(*question)
    assert edwards.holds_without_cofactor(*question) == ("with the cofactor only" not in name)


def test_the_small_order_coordinates_are_all_there_are() -> None:
    stored_ys = {int.from_bytes(bytes.fromhex(y), "little") for y in document("ed25519.json")["small_order_y"]}
    assert stored_ys == {point.y for point in edwards.small_order_points()} == ed25519._SMALL_ORDER_Y


# --- cbor.json, cose.json --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", document("cbor.json")["accepted"], ids=lambda case: case["value"])
def test_an_accepted_encoding_decodes_to_its_value_and_back(case: dict[str, str]) -> None:
    value = cbor.decode(bytes.fromhex(case["hex"]), where="vector")
    assert diagnostic(value) == case["value"]
    assert cbor.encode(value).hex() == case["hex"]


@pytest.mark.parametrize("case", cases("cbor.json", "refused"))
def test_a_refused_encoding_is_refused(case: dict[str, str]) -> None:
    with pytest.raises(FormatError):
        cbor.decode(bytes.fromhex(case["hex"]), where="vector")


@pytest.mark.parametrize("case", cases("cose.json", "accepted"))
def test_an_accepted_envelope_parses_and_verifies(case: dict[str, Any]) -> None:
    encoded = joined(case["parts"])
    public_key = bytes.fromhex(document("cose.json")["public_key"])
    envelope = cose.parse(encoded, where="vector")
    cose.verify(envelope, public_key, where="vector")
    assert envelope.protected.hex() == case["protected"]
    if "sig_structure" in case:
        message, signature = _octets(case, "sig_structure", "signature")
        ed25519.verify(public_key, signature, message, where="vector")
        assert envelope.payload.hex() == case["payload"]


@pytest.mark.parametrize("case", cases("cose.json", "refused"))
def test_a_refused_envelope_is_refused_for_its_reason(case: dict[str, Any]) -> None:
    encoded = joined(case["parts"])
    public_key = bytes.fromhex(document("cose.json")["public_key"])
    with pytest.raises(FormatError) as refused:
        cose.verify(cose.parse(encoded, where="vector"), public_key, where="vector")
    assert any(words in refused.value.what for words in COSE_WORDS[case["rule"]])


# --- entries.json, merkle.json, records.json, trust.json -------------------------------------------------------------


def test_the_entries_parse_verify_and_chain() -> None:
    stored_entries = document("entries.json")
    public_key, previous = bytes.fromhex(stored_entries["public_key"]), ZERO_HASH
    for seq, case in enumerate(stored_entries["entries"]):
        parsed = entry.parse(bytes.fromhex(case["hex"]), where=case["kind"])
        cose.verify(parsed.envelope, public_key, where=case["kind"])
        payload = cbor.decode(parsed.envelope.payload, where=case["kind"])
        assert (parsed.kind, diagnostic(payload)) == (case["kind"], case["diagnostic"])
        assert (parsed.common.seq, parsed.common.prev) == (seq, previous)
        assert (parsed.hash.hex(), parsed.head) == (case["hash"], (seq, parsed.hash))
        assert merkle.leaf_hash(bytes.fromhex(case["hex"])).hex() == case["leaf"]
        previous = parsed.hash


def test_the_roots_and_proofs_of_the_tree_hold() -> None:
    tree = document("merkle.json")
    roots = [bytes.fromhex(root) for root in tree["roots"]]
    leaves = [merkle.leaf_hash(tree_entry(index)) for index in range(len(roots))]
    assert [merkle.root_of(leaves[:size]) for size in range(len(roots))] == roots
    for size, index, proof in tree["inclusion"]:
        path = _nodes(proof)
        merkle.verify_inclusion(leaf=leaves[index], index=index, size=size, proof=path, root=roots[size])
    for old, size, proof in tree["consistency"]:
        path = _nodes(proof)
        merkle.verify_consistency(old_size=old, old_root=roots[old], size=size, root=roots[size], proof=path)


def _nodes(proof: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(node) for node in proof]


@pytest.mark.parametrize("case", cases("records.json", "records"))
def test_a_record_has_its_commitment_and_name(case: dict[str, str]) -> None:
    record = records.parse(bytes.fromhex(case["file"]), where="vector")
    assert (record.salt.hex(), record.content.hex()) == (case["salt"], case["content"])
    assert (record.commitment.hex(), record.name) == (case["commitment"], case["file_name"])


@pytest.mark.parametrize("case", cases("records.json", "refused"))
def test_a_file_that_is_no_record_is_refused(case: dict[str, str]) -> None:
    with pytest.raises(FormatError):
        records.parse(bytes.fromhex(case["file"]), where="vector")


@pytest.mark.parametrize("case", cases("trust.json", "cases"))
def test_a_key_is_endorsed_under_a_trust_file_as_the_case_says(case: dict[str, Any]) -> None:
    log_id, public_key = _octets(document("trust.json"), "log_id", "public_key")
    trust = keys.parse_trust(bytes.fromhex(case["trust"]), where="vector")
    endorsements = [bytes.fromhex(encoded) for encoded in case["endorsements"]]
    standing = judge(endorsements, log_id=log_id, public_key=public_key, trust=trust)
    assert standing.endorsed == case["endorsed"]
    if standing.endorsed:
        assert standing.purpose is not None
        assert standing.purpose.name.lower() == case["purpose"]


@pytest.mark.parametrize("case", cases("trust.json", "refused"))
def test_an_unsound_trust_file_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        keys.parse_trust(bytes.fromhex(case["trust"]), where="vector")


def test_the_card_names_the_key_and_the_log() -> None:
    trust = document("trust.json")
    card = keys.parse_card(bytes.fromhex(trust["card"]), where="vector")
    assert (card.log_id.hex(), card.public_key.hex()) == (trust["log_id"], trust["public_key"])


# --- segment.mp4, archive/ -------------------------------------------------------------------------------------------


def test_the_chain_of_the_lone_segment_is_the_one_in_its_file() -> None:
    content, expected = (VECTORS / "segment.mp4").read_bytes(), document("segment.json")
    running = initial_hash(content[: expected["init_size"]])
    assert running.hex() == expected["r_0"]
    for link, seal_text in zip(expected["chain"], expected["seals"], strict=True):
        fragment = content[link["offset"] : link["seal_offset"]]
        box = content[link["seal_offset"] : link["seal_offset"] + link["seal_box_size"]]
        running = running_hash(running, fragment_hash(fragment))
        envelope, seal = segment.parse_seal(box[24:], where="vector")
        cose.verify(envelope, samples.DEVICE.public_key, where="vector")
        assert (fragment_hash(fragment).hex(), running.hex(), len(fragment)) == (link["h"], link["r"], link["size"])
        assert (seal.r, seal.offset, seal.fragment) == (running, link["seal_offset"], link["fragment"])
        assert (box[8:24].hex(), diagnostic(seal.to_map())) == (expected["seal_usertype"], seal_text)
        assert seal_hash(box[24:]).hex() == link["seal_hash"]
    last = expected["chain"][-1]
    assert last["seal_offset"] + last["seal_box_size"] == len(content)
    assert sha256(content).hex() == expected["file_hash"]


def test_the_identity_box_of_the_lone_segment_stands_before_the_first_fragment() -> None:
    content, expected = (VECTORS / "segment.mp4").read_bytes(), document("segment.json")
    start = content.index(bytes.fromhex(expected["identity_usertype"])) - 8
    size = int.from_bytes(content[start : start + 4], "big")
    identity = segment.parse_identity(content[start + 24 : start + size], where="vector")
    assert start + size == expected["init_size"]
    assert diagnostic(identity.to_map()) == expected["identity"]


def test_the_archive_holds_the_entries_of_its_expected_answer() -> None:
    expected = document("archive/expected.json")
    journal = b"".join(path.read_bytes() for path in sorted((VECTORS / "archive/spool/journal").iterdir()))
    found, offset, previous = [], 0, ZERO_HASH
    while offset < len(journal):
        end = cose.item_end(journal, offset, where="vector")
        assert end is not None
        parsed = entry.parse(journal[offset:end], where="vector")
        cose.verify(parsed.envelope, samples.DEVICE.public_key, where="vector")
        assert parsed.common.prev == previous
        found.append({"seq": parsed.common.seq, "kind": parsed.kind, "hash": parsed.hash.hex()})
        offset, previous = end, parsed.hash
    assert found == expected["entries"]
    assert expected["answer"]["head"] == [len(found) - 1, previous.hex()]
