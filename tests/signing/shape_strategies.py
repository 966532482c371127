"""Hypothesis strategies for the shapes of FORMAT.md, so that every kind is tried with any value it allows.

Pure.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from liuhen.cbor import Value
from liuhen.kinds import Body, columns
from liuhen.shapes import Integer, Nullable, Octets, Row, Rows, Shape, Text

ROWS_TRIED = 3
OCTETS_TRIED = 40


def values_of(shape: Shape) -> st.SearchStrategy[Value]:
    """Values of a shape, its bounds included; lists and strings shorter than their limit to keep examples small."""
    match shape:
        case Nullable():
            return st.none() | values_of(shape.shape)
        case Row():
            return st.tuples(*(values_of(column) for _, column in shape.columns))
        case Rows():
            return st.lists(values_of(shape.shape), max_size=min(shape.limit, ROWS_TRIED)).map(tuple)
        case _:
            return _scalars(shape)


def _scalars(shape: Shape) -> st.SearchStrategy[Value]:
    match shape:
        case Integer():
            return st.integers(shape.low, shape.high)
        case Octets(size=int(size)):
            return st.binary(min_size=size, max_size=size)
        case Octets():
            return st.binary(max_size=min(shape.limit, OCTETS_TRIED))
        case Text():
            return st.text(max_size=shape.limit // 4)
        case _:
            raise TypeError(f"no strategy for {shape!r}")


def bodies_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Statements of a kind with any values its shapes allow."""
    return st.builds(kind, **{name: values_of(shape) for _, name, shape in columns(kind)})


def wrong_values(shape: Shape) -> tuple[Value, ...]:
    """Some values a shape refuses, whatever it is."""
    candidates: tuple[Value, ...] = (None, -1, 1 << 63, "x" * 5000, b"x" * 70_000, b"x", (), (0,) * 2000, {0: 0})
    return tuple(value for value in candidates if not accepts(shape, value))


def accepts(shape: Shape, value: Value) -> bool:
    """Whether a shape takes a value."""
    try:
        shape.check(value, "test")
    except ValueError:
        return False
    return True


def kind_names(kinds: tuple[type[Body], ...]) -> list[str]:
    """Test ids."""
    return [kind.KIND for kind in kinds]
