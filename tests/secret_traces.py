"""Where a secret could be seen: arguments and environment of every process while it lives, and bytes in files.

A secret is looked for as it is, in hex, and in base64 at each of the three places in which it may stand inside a
longer text. `Watch` owns one thread from `__enter__` to `__exit__`, which reads what `/proc` shows of everybody.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

PAUSE_SECONDS = 0.05
"""A process that ends sooner may be missed; a Python program takes longer than that to begin."""
CHUNK_BYTES = 1 << 20
SHORTEST_BYTES = 16
"""Of a secret; less would be found by chance."""


def shapes(secret: bytes) -> frozenset[bytes]:
    """Every sequence of bytes that tells the secret."""
    if len(secret) < SHORTEST_BYTES:
        raise ValueError("too short to be looked for")
    found = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    for lead in range(3):
        # Of the first and the last character some bits belong to the neighbours, which are not known.
        begins, ends = (8 * lead + 5) // 6, (8 * (lead + len(secret))) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(bytes(lead) + secret + bytes(3))[begins:ends])
    return frozenset(found)


class Secrets:
    """Named secrets and how each may look."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._shapes = {name: shapes(secret) for name, secret in secrets.items()}
        self._longest = max(len(shape) for every in self._shapes.values() for shape in every)

    def within(self, octets: bytes) -> set[str]:
        """The names of those that stand there."""
        return {name for name, every in self._shapes.items() if any(shape in octets for shape in every)}

    def in_file(self, path: Path) -> set[str]:
        """The same of a file of any length."""
        found: set[str] = set()
        rest = b""
        with path.open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                found |= self.within(rest + piece)
                rest = (rest + piece)[-self._longest :]
        return found

    def in_files(self, paths: Iterable[Path]) -> list[str]:
        """One line for each secret in each file, and in its name."""
        return [
            f"{name} in {path}"
            for path in paths
            for name in sorted(self.in_file(path) | self.within(bytes(path.name, "utf-8")))
        ]


def files_below(*folders: Path) -> Iterator[Path]:
    """Every plain file, in order."""
    for folder in folders:
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


class Watch:
    """Looks at every process of the machine again and again, for as long as the context lasts."""

    def __init__(self, secrets: Secrets) -> None:
        self.found: set[str] = set()
        self.programs: set[str] = set()
        """Of every process that was seen, the words of its command line in one."""
        self._secrets = secrets
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch over processes")

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(PAUSE_SECONDS):
            for process in Path("/proc").glob("[0-9]*"):
                for what in ("cmdline", "environ"):
                    self._note(process, what)

    def _note(self, process: Path, what: str) -> None:
        try:
            octets = (process / what).read_bytes()
        except OSError:
            return  # it has ended
        words = octets.replace(b"\0", b" ").decode(errors="replace")
        if what == "cmdline":
            self.programs.add(words)
        self.found |= {f"{name} in {what} of {words[:80]}" for name in self._secrets.within(octets)}
