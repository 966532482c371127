"""The vectors of entries (FORMAT.md 5), the tree (7), detached records (5.5), and endorsements under trust files (9).

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from liuhen import cbor, cose, entry, keys, merkle, records
from liuhen.entry import Position
from liuhen.hashing import ZERO_HASH, sha256
from liuhen.keys import FileSigner, Trust
from liuhen.registry import Purpose
from tests.signing import samples
from tests.signing.jsonlines import Json, diagnostic

TREE_SIZES = range(21)


def entries_document() -> Json:
    """The whole of entries.json."""
    return {
        "about": "FORMAT.md 5: one entry of every kind, chained by seq and prev, but not in the order of 5.3 (see "
        "archive/). payload is what the envelope signs, diagnostic its notation after RFC 8949, section 8.",
        "private_seed": samples.seed("device").hex(),
        "public_key": samples.DEVICE.public_key.hex(),
        "entries": list(_entries()),
    }


def _entries() -> Iterator[Json]:
    previous = ZERO_HASH
    for seq, body in enumerate(samples.sample_bodies()):
        encoded = entry.make(
            body,
            at=Position(log_id=samples.LOG_ID, run=1, seq=seq, prev=previous),
            clock=samples.clock_at(1_000_000_000 * (seq + 1)),
            session_id=samples.SESSION_ID if seq % 2 else None,
            seen=(seq, samples.filler("seen"), samples.UTC_MS, samples.filler("witness")) if seq % 3 else None,
            signer=samples.DEVICE,
        )
        parsed = entry.parse(encoded, where=body.KIND)
        previous = sha256(encoded)
        payload = parsed.envelope.payload
        yield {
            "kind": body.KIND,
            "hex": encoded.hex(),
            "payload": payload.hex(),
            "diagnostic": diagnostic(cbor.decode(payload, where=body.KIND)),
            "hash": previous.hex(),
            "leaf": merkle.leaf_hash(encoded).hex(),
        }


def merkle_document() -> Json:
    """The whole of merkle.json."""
    leaves = [merkle.leaf_hash(tree_entry(index)) for index in TREE_SIZES]
    return {
        "about": "FORMAT.md 7. Entry i of the tree is the one byte i. inclusion: [size, index, proof]; consistency: "
        "[old size, size, proof].",
        "roots": [merkle.root_of(leaves[:size]).hex() for size in TREE_SIZES],
        "inclusion": [
            [size, index, [node.hex() for node in merkle.inclusion_proof(leaves[:size], index)]]
            for size in TREE_SIZES
            for index in range(size)
        ],
        "consistency": [
            [old, size, [node.hex() for node in merkle.consistency_proof(leaves[:size], old)]]
            for size in TREE_SIZES
            for old in range(1, size + 1)
        ],
    }


def tree_entry(index: int) -> bytes:
    """What stands for entry `index` in merkle.json."""
    return bytes([index])


def records_document() -> Json:
    """The whole of records.json."""
    cases = []
    for name, content in (
        ("text", "案号：（2026）第 1 号".encode()),
        ("empty", b""),
        ("octets", bytes(range(256))),
    ):
        record = records.make(content, salt=samples.filler(f"salt of {name}"))
        cases.append(
            {
                "name": name,
                "salt": record.salt.hex(),
                "content": content.hex(),
                "commitment": record.commitment.hex(),
                "file_name": record.name,
                "file": record.to_bytes().hex(),
            }
        )
    return {
        "about": "FORMAT.md 5.5. refused: files that are no record whatever their name.",
        "records": cases,
        "refused": [{"name": "31 bytes", "file": bytes(31).hex()}, {"name": "empty file", "file": ""}],
    }


def trust_document() -> Json:
    """The whole of trust.json."""
    return {
        "about": "FORMAT.md 9. For each case: is public_key of log_id endorsed under the trust file, and for what.",
        "private_seeds": {f"root {n}": samples.seed(f"root {n}").hex() for n in (1, 2, 3)},
        "log_id": samples.LOG_ID.hex(),
        "public_key": samples.DEVICE.public_key.hex(),
        "card": keys.card_bytes(samples.card_of(samples.DEVICE)).hex(),
        "cases": list(_trust_cases()),
        "refused": list(_refused_trust()),
    }


def trust_of(threshold: int, roots: tuple[FileSigner, ...]) -> Trust:
    """A trust file over some roots."""
    return Trust(
        version=1,
        organisation="公开测试 Published test",
        issued_ms=samples.ENROLLED_MS,
        threshold=threshold,
        roots=tuple((root.public_key, f"test root {number}") for number, root in enumerate(roots, start=1)),
        revoked=(),
    )


def _trust_cases() -> Iterator[Json]:
    first = samples.ROOTS[0]
    device = samples.DEVICE
    demo = [samples.endorsement(root, device) for root in samples.ROOTS]
    production = [samples.endorsement(root, device, Purpose.PRODUCTION) for root in samples.ROOTS]
    one, two = trust_of(1, (first,)), trust_of(2, samples.ROOTS)
    stranger = samples.endorsement(first, samples.NEXT_DEVICE)
    yield _case("1 of 1", one, [demo[0]], Purpose.DEMO)
    yield _case("1 of 1, production", one, [production[0]], Purpose.PRODUCTION)
    yield _case("1 of 1, another root", one, [demo[1]], None)
    yield _case("1 of 1, nothing", one, [], None)
    yield _case("1 of 1, another device's key", one, [stranger], None)
    yield _case("1 of 1, one bit of the signature changed", one, [_changed(demo[0])], None)
    yield _case("1 of 1, beside an endorsement by an unknown root", one, [demo[1], demo[0]], Purpose.DEMO)
    yield _case("2 of 3", two, [demo[0], demo[2]], Purpose.DEMO)
    yield _case("2 of 3, one only", two, [demo[0]], None)
    yield _case("2 of 3, the same root twice", two, [demo[0], production[0]], None)
    yield _case("2 of 3, one signature changed", two, [demo[0], _changed(demo[1])], None)
    yield _case("2 of 3, one says demo", two, [production[0], demo[1]], Purpose.DEMO)
    yield _case("2 of 3, production", two, [production[1], production[2]], Purpose.PRODUCTION)
    yield _case("2 of 3, two say production and one demo", two, [*production[:2], demo[2]], Purpose.PRODUCTION)


def _case(name: str, trust: Trust, endorsements: list[bytes], purpose: Purpose | None) -> Json:
    return {
        "name": name,
        "trust": keys.trust_bytes(trust).hex(),
        "endorsements": [endorsement.hex() for endorsement in endorsements],
        "endorsed": purpose is not None,
        "purpose": None if purpose is None else purpose.name.lower(),
    }


def _refused_trust() -> Iterator[Json]:
    good = trust_of(1, samples.ROOTS).to_map()
    keys_and_labels = tuple((root.public_key, "x") for root in samples.ROOTS)
    changes: tuple[tuple[str, dict[int, cbor.Value]], ...] = (
        ("version 2", {0: 2}),
        ("threshold 0", {3: 0}),
        ("threshold 4 of 3 roots", {3: 4}),
        ("threshold 17", {3: 17}),
        ("no roots", {4: ()}),
        ("the same root twice", {4: (keys_and_labels[0], keys_and_labels[0])}),
        ("a root of small order", {4: ((bytes(32), "x"),)}),
        ("a root that is no point", {4: (((2).to_bytes(32, "little"), "x"),)}),
        ("a root of 31 bytes", {4: ((bytes(31), "x"),)}),
        ("a revoked key with a number and no hash", {5: ((bytes(32), 12, 0),)}),
        ("a surplus key", {6: 0}),
    )
    for name, change in changes:
        yield {"name": name, "trust": cbor.encode({**good, **change}).hex()}
    yield {"name": "a missing key", "trust": cbor.encode({k: v for k, v in good.items() if k != 5}).hex()}


def _changed(endorsement: bytes) -> bytes:
    """The endorsement with one bit of R changed."""
    position = len(endorsement) - 64
    return endorsement[:position] + bytes([endorsement[position] ^ 1]) + endorsement[position + 1 :]


def kid(public_key: bytes) -> str:
    """The kid in hex."""
    return cose.key_id(public_key).hex()
