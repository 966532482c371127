"""Writes the golden vectors of signing/vectors: `python -m tests.signing.generate_vectors [--check]`.

Owns every file there but README.md and .gitattributes. Deterministic: keys come from published seeds, Ed25519 needs no
randomness. `--check` changes nothing and says whether the stored files are what the code makes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.signing import (
    vector_archive,
    vector_encodings,
    vector_keeping,
    vector_room,
    vector_signatures,
    vector_statements,
    vector_store,
)
from tests.signing.jsonlines import to_bytes

VECTORS = Path(__file__).resolve().parents[2] / "signing" / "vectors"
WRITTEN_BY_HAND = frozenset({"README.md", ".gitattributes"})


def vectors() -> dict[str, bytes]:
    """Every generated file by its path below signing/vectors."""
    return {
        "ed25519.json": to_bytes(vector_signatures.document()),
        "cbor.json": to_bytes(vector_encodings.cbor_document()),
        "cose.json": to_bytes(vector_encodings.cose_document()),
        "entries.json": to_bytes(vector_statements.entries_document()),
        "merkle.json": to_bytes(vector_statements.merkle_document()),
        "records.json": to_bytes(vector_statements.records_document()),
        "keeping.json": to_bytes(vector_keeping.document()),
        "store.json": to_bytes(vector_store.document()),
        "trust.json": to_bytes(vector_statements.trust_document()),
        "segment.json": to_bytes(vector_archive.segment_document()),
        "archive/expected.json": to_bytes(vector_archive.expected_document()),
        **vector_archive.segment_files(),
        **vector_archive.archive_files(),
        "archive-room/expected.json": to_bytes(vector_room.expected_document()),
        **vector_room.archive_files(),
    }


def stored() -> dict[str, bytes]:
    """Every stored file by its path, without those written by hand."""
    paths = (path for path in VECTORS.rglob("*") if path.is_file() and path.name not in WRITTEN_BY_HAND)
    return {path.relative_to(VECTORS).as_posix(): path.read_bytes() for path in paths}


def differences(made: dict[str, bytes], found: dict[str, bytes]) -> list[str]:
    """The paths that are missing, surplus or different."""
    return sorted(path for path in made.keys() | found.keys() if made.get(path) != found.get(path))


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` name those that differ on standard error."""
    made = vectors()
    changed = differences(made, stored())
    if "--check" in arguments:
        sys.stderr.writelines(f"differs: {path}\n" for path in changed)
        return 1 if changed else 0
    for path in changed:
        target = VECTORS / path
        if path in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(made[path])
        else:
            target.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
