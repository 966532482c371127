"""Shapes: what each accepts at its bounds and refuses beyond them, and the notation FORMAT.md prints."""

from __future__ import annotations

import pytest

from liuhen import shapes
from liuhen.cbor import Value
from liuhen.errors import FormatError
from liuhen.shapes import Integer, Nullable, Octets, Rows, Shape, Text, row

CASES: tuple[tuple[Shape, str, tuple[Value, ...], tuple[Value, ...]], ...] = (
    (shapes.UINT, "uint", (0, (1 << 63) - 1), (-1, 1 << 63, None, b"", "0", ())),
    (shapes.SINT, "int", (-(1 << 63), (1 << 63) - 1), (-(1 << 63) - 1, 1 << 63)),
    (shapes.CODE, "code", (0, 65_535), (-1, 65_536)),
    (shapes.BIT, "0 / 1", (0, 1), (-1, 2)),
    (shapes.HASH, "bstr .size 32", (bytes(32),), (bytes(31), bytes(33), "x" * 32, 0, None)),
    (shapes.ID16, "bstr .size 16", (bytes(16),), (bytes(15), bytes(17))),
    (Octets(limit=3), "bstr <= 3", (b"", bytes(3)), (bytes(4), "abc")),
    (Text(limit=3), "tstr <= 3", ("", "abc", "留"), ("abcd", "留a", b"abc", None, "\ud800a")),
    (Nullable(shapes.BIT), "0 / 1 / null", (None, 0, 1), (2, b"")),
    (row(a=shapes.BIT, b=Text(1)), "[a: 0 / 1, b: tstr <= 1]", ((0, "x"),), ((0,), (0, "x", 0), ("x", 0), None, 0)),
    (Rows(shapes.BIT, limit=2), "[0*2 0 / 1]", ((), (0,), (0, 1)), ((0, 0, 0), (2,), None, {0: 0})),
)


@pytest.mark.parametrize(("shape", "described", "accepted", "refused"), CASES, ids=[case[1] for case in CASES])
def test_a_shape_accepts_up_to_its_bounds_and_says_so(
    shape: Shape, described: str, accepted: tuple[Value, ...], refused: tuple[Value, ...]
) -> None:
    assert shape.describe() == described
    for value in accepted:
        shape.check(value, "test")
    for value in refused:
        with pytest.raises(FormatError):
            shape.check(value, "test")


def test_an_error_inside_rows_names_row_and_column() -> None:
    shape = Rows(row(first=Integer(), second=shapes.HASH))
    with pytest.raises(FormatError) as refused:
        shape.check(((0, bytes(32)), (1, b"")), "entry 3.fragments")
    assert refused.value.where == "entry 3.fragments[1].second"
