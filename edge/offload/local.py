"""The bytes of one object in the spool: opened to be read and nothing else, hashed, and given out at a pace.

Any thread may call. A file of the spool is never opened for writing, never followed through a link, and never waited
for: what stands under its name must be a plain file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from edge.offload.objects import Span
from liuhen import records, sealed_records
from liuhen.errors import FormatError

CHUNK_BYTES = 1 << 16
OPENING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """What is really there. `ended` is whether the file ends behind it."""

    size: int
    sha256: bytes
    md5: bytes
    ended: bool


class Body(io.RawIOBase):
    """A span as a stream for one PUT (`typing.BinaryIO` as far as a store reads it); `pace` is told of each read."""

    def __init__(self, root: Path, span: Span, pace: Callable[[int], None]) -> None:
        """Open it. Raises OSError."""
        super().__init__()
        self._descriptor = opened(root, span.path)
        self._span = span
        self._pace = pace
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is: a request that is signed over its body reads it twice."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to a place in the span."""
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._span.size}
        self._at = max(0, bases[whence] + offset)
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes, at most a chunk unless more is asked for; empty at the end of the span."""
        left = max(0, self._span.size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted == 0:
            return b""
        self._pace(wanted)
        content = os.pread(self._descriptor, wanted, self._span.offset + self._at)
        self._at += len(content)
        return content

    def close(self) -> None:
        """Let the file go."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class SealedBody(io.BytesIO):
    """An encrypted record as a stream for one PUT, given out like a `Body`."""

    def __init__(self, content: bytes, pace: Callable[[int], None]) -> None:
        super().__init__(content)
        self._pace = pace

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes."""
        content = super().read(size)
        if content:
            self._pace(len(content))
        return content


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """An object before it is sent, from the disk at `root`.

    `content` is there where it is not the span's own bytes: an encrypted record.
    """

    root: Path
    hashed: Hashed
    content: bytes | None = None

    def body(self, span: Span, pace: Callable[[int], None]) -> BinaryIO:
        """The bytes as a stream for one PUT. Raises OSError."""
        return cast("BinaryIO", Body(self.root, span, pace)) if self.content is None else SealedBody(self.content, pace)


def encrypted(root: Path, span: Span, custodians: tuple[bytes, ...]) -> Ready:
    """A record file as it is sent (FORMAT.md 12.3), the same bytes each time. Raises OSError.

    A file that is no record any more stays as it is: its hash tells.
    """
    content = record_bytes(root, span.path)
    with contextlib.suppress(FormatError):
        content = sealed_records.seal(content, custodians)
    md5 = hashlib.md5(content, usedforsecurity=False).digest()
    found = Hashed(size=len(content), sha256=hashlib.sha256(content).digest(), md5=md5, ended=True)
    return Ready(root=root, hashed=found, content=content)


def record_bytes(root: Path, path: str) -> bytes:
    """What stands in a record's place, at most a byte more than a record may have. Raises OSError."""
    with os.fdopen(opened(root, path), "rb") as file:
        return file.read(records.RECORD_LIMIT_BYTES + 1)


def hashed(root: Path, span: Span) -> Hashed:
    """Read the span once. Raises OSError; a file that ends early is shorter than its span."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    descriptor = opened(root, span.path)
    try:
        while size < span.size:
            chunk = os.pread(descriptor, min(CHUNK_BYTES, span.size - size), span.offset + size)
            if not chunk:
                break
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
        ended = not os.pread(descriptor, 1, span.offset + size)
        # Read once for the hash and once for the store; it must not push what is recorded out of the page cache.
        os.posix_fadvise(descriptor, span.offset, span.size, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    return Hashed(size=size, sha256=sha256.digest(), md5=md5.digest(), ended=ended)


def opened(root: Path, path: str) -> int:
    """A plain file below a spool: no link is followed below the root, and no way leads out of it. Raises OSError."""
    *folders, name = path.split("/")
    if not all(part and part not in (".", "..") for part in (*folders, name)):
        raise OSError(errno.EINVAL, "not a path below the spool", path)
    folder = os.open(root, FOLDER)
    try:
        for part in folders:
            below = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        descriptor = os.open(name, OPENING, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file", path)
    return descriptor
