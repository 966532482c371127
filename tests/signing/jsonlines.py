"""How the vectors are written: JSON with one case to a line, so that a change shows as one line.

Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from liuhen.cbor import Value

Json: TypeAlias = "str | int | Sequence[Json] | Mapping[str, Json] | None"


def to_bytes(document: Json) -> bytes:
    """A JSON object whose lists have one item to a line."""
    if not isinstance(document, dict):
        raise TypeError("a vector file is an object")
    members = (f"{json.dumps(name)}: {_member(value)}" for name, value in document.items())
    return ("{\n" + ",\n".join(members) + "\n}\n").encode()


def _member(value: Json) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(_compact(item) for item in value) + "\n]"
    return _compact(value)


def _compact(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def diagnostic(value: Value) -> str:
    """The diagnostic notation of RFC 8949, section 8."""
    match value:
        case None:
            return "null"
        case bytes():
            return f"h'{value.hex()}'"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case tuple():
            return "[" + ", ".join(diagnostic(item) for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{key}: {diagnostic(item)}" for key, item in value.items()) + "}"
        case _:
            return str(value)
