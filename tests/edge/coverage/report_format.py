"""The tables of edge/coverage/REPORT.md: the members of the JSON, and the values of each answer. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterator

from edge.coverage.values import Binding, Claim, Outcome, Status, Topic

ANSWERS: dict[str, type[enum.Enum]] = {
    "items[].status": Status,
    "items[].claim": Claim,
    "requirements[].topic": Topic,
    "requirements[].outcome": Outcome,
    "requirements[].ground.binding": Binding,
}
SHAPES = {
    frozenset({"zh", "en"}): "words",
    frozenset({"segment", "offset_ms", "frame_index", "sample_index"}): "place",
    frozenset({"entry", "name", "meant", "written", "late", "where", "text"}): "mark",
    frozenset({"zh", "en", "mark"}): "fact",
    frozenset({"at", "by", "mark"}): "edge",
    frozenset(
        (
            "number",
            "entry",
            "missing",
            "cause",
            "from",
            "to",
            "from_where",
            "to_where",
            "length_ms",
            "explained",
            "explanations",
            "approval",
            "approved",
        )
    ): "gap",
}
"""Objects that come again and again have a name of their own."""


def members(value: object, path: str = "") -> Iterator[str]:
    """The path of each member, down to the objects that have a name."""
    if isinstance(value, dict) and frozenset(value) not in SHAPES:
        for name, inner in value.items():
            at = f"{path}.{name}" if path else name
            yield at
            yield from members(inner, at)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner, f"{path}[]")


def answers() -> str:
    """The table of answers, as it stands in the document."""
    lines = ["| member | value | 中文 | English |", "|---|---|---|---|"]
    for path, kind in ANSWERS.items():
        for one in kind:
            words = one.words  # type: ignore[attr-defined]
            lines.append(f"| `{path}` | `{one.value}` | {words.zh or '—'} | {words.en or '—'} |")
    return "\n".join(lines)
