"""Shapes of values inside a payload, so that one table both documents and enforces FORMAT.md.

A shape checks a decoded value and raises FormatError; nothing is coerced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from liuhen.cbor import Value
from liuhen.errors import FormatError


class Shape(Protocol):
    """What a value must look like."""

    def check(self, value: Value, where: str) -> None:
        """Raise FormatError unless the value has this shape."""

    def describe(self) -> str:
        """The notation FORMAT.md uses for this shape."""


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer between two bounds, both included."""

    low: int = 0
    high: int = (1 << 63) - 1
    name: str = "uint"

    def check(self, value: Value, where: str) -> None:
        """Raise FormatError unless the value is an integer within the bounds."""
        if not isinstance(value, int) or not self.low <= value <= self.high:
            raise FormatError(where, f"not an integer {self.low}..{self.high}")

    def describe(self) -> str:
        """The notation of FORMAT.md."""
        return self.name


@dataclass(frozen=True, slots=True)
class Octets:
    """A byte string of exact size, or of at most `limit` bytes."""

    size: int | None = None
    limit: int = 4096

    def check(self, value: Value, where: str) -> None:
        """Raise FormatError unless the value is a byte string of this size."""
        if not isinstance(value, bytes):
            raise FormatError(where, "not a byte string")
        if (self.size is not None and len(value) != self.size) or len(value) > self.limit:
            raise FormatError(where, f"byte string of {len(value)} bytes, not {self.describe()}")

    def describe(self) -> str:
        """The notation of FORMAT.md."""
        return f"bstr .size {self.size}" if self.size is not None else f"bstr <= {self.limit}"


@dataclass(frozen=True, slots=True)
class Text:
    """A text of at most `limit` UTF-8 bytes."""

    limit: int = 256

    def check(self, value: Value, where: str) -> None:
        """Raise FormatError unless the value is a text within the limit."""
        if not isinstance(value, str) or len(value.encode(errors="surrogatepass")) > self.limit:
            raise FormatError(where, f"not a text of at most {self.limit} bytes")

    def describe(self) -> str:
        """The notation of FORMAT.md."""
        return f"tstr <= {self.limit}"


@dataclass(frozen=True, slots=True)
class Nullable:
    """The shape, or null."""

    shape: Shape

    def check(self, value: Value, where: str) -> None:
        """Raise FormatError unless the value is null or has the shape."""
        if value is not None:
            self.shape.check(value, where)

    def describe(self) -> str:
        """The notation of FORMAT.md."""
        return f"{self.shape.describe()} / null"


@dataclass(frozen=True, slots=True)
class Row:
    """An array of exactly these shapes, in this order; each has a name for the reader."""

    columns: tuple[tuple[str, Shape], ...]

    def check(self, value: Value, where: str) -> None:
        """Raise FormatError unless the value is an array of exactly these columns."""
        if not isinstance(value, tuple) or len(value) != len(self.columns):
            raise FormatError(where, f"not an array of {len(self.columns)}")
        for item, (name, shape) in zip(value, self.columns, strict=True):
            try:
                shape.check(item, where)
            except FormatError as error:
                raise _inside(error, where, f".{name}") from error

    def describe(self) -> str:
        """The notation of FORMAT.md."""
        return "[" + ", ".join(f"{name}: {shape.describe()}" for name, shape in self.columns) + "]"


@dataclass(frozen=True, slots=True)
class Rows:
    """An array of any number of values of one shape, up to `limit`."""

    shape: Shape
    limit: int = 1024

    def check(self, value: Value, where: str) -> None:
        """Raise FormatError unless the value is an array of at most `limit` such values."""
        if not isinstance(value, tuple) or len(value) > self.limit:
            raise FormatError(where, f"not an array of at most {self.limit}")
        for index, item in enumerate(value):
            try:
                self.shape.check(item, where)
            except FormatError as error:
                raise _inside(error, where, f"[{index}]") from error

    def describe(self) -> str:
        """The notation of FORMAT.md."""
        return f"[0*{self.limit} {self.shape.describe()}]"


def _inside(error: FormatError, where: str, step: str) -> FormatError:
    """The same error one level further out; the path is put together only where something is wrong."""
    return FormatError(where + step + error.where.removeprefix(where), error.what)


def row(**columns: Shape) -> Row:
    """A Row from keyword columns."""
    return Row(tuple(columns.items()))


UINT = Integer()
SINT = Integer(low=-(1 << 63), name="int")
CODE = Integer(high=65535, name="code")
BIT = Integer(high=1, name="0 / 1")
HASH = Octets(size=32)
ID16 = Octets(size=16)
HEAD = row(seq=UINT, hash=HASH)
CLOCK = row(utc_ms=SINT, boottime_ns=UINT, boot_id=ID16, sync=Integer(high=3, name="sync"), error_ms=UINT)
SPAN_NS = row(from_ns=UINT, to_ns=UINT)
INSTANT = row(boot_id=ID16, boottime_ns=UINT)
COMMITMENTS = Rows(row(label=CODE, hash=HASH), limit=64)
MEASURED = Rows(SINT, limit=16)
STREAM = Integer(high=1, name="stream")
ENDORSEMENTS = Rows(Octets(limit=1024), limit=8)
SOFTWARE = Rows(row(component=Text(64), version=Text(64), evidence=Text(160), genuine=BIT), limit=32)
