"""Where inputs start from: the golden vectors, archives of every sort of evidence, and what once went wrong.

Read only but for the archives, which are made below a folder the caller gives. `corpus/<target>.json` is the small
regression corpus: inputs in hex, each with the reason it is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from liuhen import cose
from liuhen.boxes import IDENTITY_USERTYPE, SEAL_USERTYPE, UUID_HEADER_BYTES

VECTORS = Path(__file__).parents[2] / "signing" / "vectors"
CORPUS = Path(__file__).parent / "corpus"
LEAST_HEX_DIGITS = 2
_HEX = re.compile(r"(?:[0-9a-f]{2})+", re.ASCII)


def vectors(name: str) -> Any:
    """One vector file."""
    return json.loads((VECTORS / name).read_bytes())


def hex_strings(value: Any) -> list[bytes]:
    """Every string of a vector file that is hex, in order, without doubles."""
    return list(dict.fromkeys(_walk(value)))


def _walk(value: Any) -> Iterator[bytes]:
    match value:
        case str() if len(value) >= LEAST_HEX_DIGITS and _HEX.fullmatch(value):
            yield bytes.fromhex(value)
        case dict():
            for inner in value.values():
                yield from _walk(inner)
        case list():
            for inner in value:
                yield from _walk(inner)
        case _:
            pass


def entries() -> list[bytes]:
    """One entry of every kind."""
    return [bytes.fromhex(row["hex"]) for row in vectors("entries.json")["entries"]]


def envelopes() -> list[bytes]:
    """Envelopes of every sort, sound and not."""
    found = [*entries(), *seals(), *endorsements()]
    for group in ("accepted", "refused"):
        found += [b"".join(_part(part) for part in row["parts"]) for row in vectors("cose.json")[group]]
    return found


def _part(part: Any) -> bytes:
    if isinstance(part, str):
        return bytes.fromhex(part)
    return bytes.fromhex(part["byte"]) * int(part["times"])


def endorsements() -> list[bytes]:
    """Endorsements of the trust vectors."""
    found = hex_strings([row.get("endorsements", []) for row in vectors("trust.json")["cases"]])
    return [encoded for encoded in found if encoded.startswith(b"\xd2")]


def trust_files() -> list[bytes]:
    """Trust files, sound and refused."""
    told = vectors("trust.json")
    rows = [row["trust"] for group in ("cases", "refused") for row in told.get(group, []) if "trust" in row]
    return hex_strings(rows)


def card() -> bytes:
    """The card of the trust vectors."""
    return bytes.fromhex(vectors("trust.json")["card"])


def segment() -> bytes:
    """The vector segment."""
    return (VECTORS / "segment.mp4").read_bytes()


def _boxes(usertype: bytes) -> list[bytes]:
    content, at, found = segment(), 0, []
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        if content[at + 8 : at + UUID_HEADER_BYTES] == usertype:
            found.append(content[at + UUID_HEADER_BYTES : at + size])
        at += size
    return found


def seals() -> list[bytes]:
    """The seals of the vector segment."""
    return _boxes(SEAL_USERTYPE)


def identities() -> list[bytes]:
    """The identity box content of the vector segment."""
    return _boxes(IDENTITY_USERTYPE)


def journal() -> bytes:
    """The journal of the vector archive, its files joined."""
    return b"".join(path.read_bytes() for path in sorted((VECTORS / "archive/spool/journal").iterdir()))


def store_slice() -> bytes:
    """A slice of two entries."""
    return bytes.fromhex(vectors("store.json")["slice"]["content"])


def store_octets(member: str, name: str) -> list[bytes]:
    """One object of the vectors of a store."""
    return [bytes.fromhex(vectors("store.json")[member][name])]


def records() -> list[bytes]:
    """Record files."""
    return [path.read_bytes() for path in sorted((VECTORS / "archive/spool/records").iterdir())] or [bytes(40)]


def payloads() -> list[bytes]:
    """Payloads of entries, and the CBOR vectors."""
    return [cose.parse(encoded, where="vector").payload for encoded in entries()] + hex_strings(vectors("cbor.json"))


def regression(target: str) -> list[bytes]:
    """Inputs of this target that are kept."""
    path = CORPUS / f"{target}.json"
    return [bytes.fromhex(row["hex"]) for row in json.loads(path.read_bytes())] if path.exists() else []
