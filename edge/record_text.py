"""The text of a detached record, for whoever has to show it or ask who somebody was. Reads one file, writes nothing."""

from __future__ import annotations

from pathlib import Path

from edge import durable
from liuhen import archive, records
from liuhen.errors import FormatError


def record_text(root: Path, commitment: bytes) -> str | None:
    """What the record says; None where it is not here, is not what was committed to, or is no text."""
    path = archive.record_path(root, commitment)
    try:
        record = records.parse(durable.content_of(path), where=path.name)
        return record.content.decode() if record.commitment == commitment else None
    except (OSError, FormatError, UnicodeDecodeError):
        return None
