"""Objects read by a few threads at once, and handed on in the order in which one would have read them (FORMAT.md 12).

Most of the time of a small object is a wait for the store, which threads can share. Owns its threads: they have ended
when `in_order` is left, however it is left, each at the next piece of what it reads or within the reader's own limits.
What is held does not grow with the list: at most `HELD` results wait for the one before them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from liuhen.store_reader import Bytes, Kept, ObjectVersion, Reader, StoreTrouble

THREADS = 4
HELD = 2 * THREADS

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(reader: Reader, items: Iterable[Item], work: Callable[[Reader, Item], Result]) -> Iterator[Result]:
    """`work` for each item, given a reader that any thread may use; what it raises is raised at the item's turn."""
    ending = threading.Event()
    held: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="store") as pool:
        try:
            for item in items:
                if len(held) == HELD:
                    yield held.popleft().result()
                held.append(pool.submit(work, _Ending(reader, ending), item))
            while held:
                yield held.popleft().result()
        finally:
            ending.set()
            for future in held:
                future.cancel()


class _Ending:
    """A reader that reads no more once nobody waits for it (implements `store_reader.Reader`)."""

    def __init__(self, reader: Reader, ending: threading.Event) -> None:
        self._reader = reader
        self._ending = ending

    def folders(self, prefix: str) -> Iterator[str]:
        """See Reader."""
        self.check()
        return self._reader.folders(prefix)

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """See Reader."""
        self.check()
        return self._reader.versions(prefix)

    def versions_of(self, key: str) -> list[ObjectVersion]:
        """See Reader."""
        self.check()
        return self._reader.versions_of(key)

    @contextmanager
    def open(self, version: ObjectVersion) -> Iterator[Bytes]:
        """See Reader."""
        self.check()
        with self._reader.open(version) as source:
            yield _EndingBytes(source, self)

    def kept(self, version: ObjectVersion) -> Kept | None:
        """See Reader."""
        self.check()
        return self._reader.kept(version)

    def close(self) -> None:
        """It belongs to whoever opened it."""

    def check(self) -> None:
        """Raises StoreTrouble where nobody waits any more; nobody hears it."""
        if self._ending.is_set():
            raise StoreTrouble("已停止读取", "reading has ended")


class _EndingBytes:
    """Implements `store_reader.Bytes`."""

    def __init__(self, source: Bytes, reader: _Ending) -> None:
        self._source = source
        self._reader = reader

    def read(self, size: int, /) -> bytes:
        """See Bytes."""
        self._reader.check()
        return self._source.read(size)
