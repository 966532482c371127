"""A folder that keeps only what POSIX promises: its log says which names and which bytes a power cut must leave.

ext4 forgives most flushes of a directory that are forgotten: a new file's own flush commits its name too, though not
that of a renamed one. The standard promises neither, so a recorder that forgets them is caught here at once. A server
process passes the recorder's calls on to a plain folder and notes them. What a cut may leave is computed from the log:
of each file what its last fsync covered, of each directory the names its own last fsync covered, and of everything
later any part. The server ends with its owner.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import cbor2

from sim.block_disk import READY, NoBlockDisk, first_line
from tests.crash.states import KEPT_SHARE, Write, left

ROOT = Path(__file__).resolve().parents[2]
MARK = ".mark"
END_SECONDS = 10.0

Noted = tuple[str, str, int, int, bytes]
"""What was done: verb, path (or two), node, offset or size, bytes."""


# -- what a cut leaves -------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _File:
    durable: list[Write] = field(default_factory=list)
    pending: list[Write] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """One change of a directory: a name that goes, a name that comes."""

    gone: str | None
    came: tuple[str, int] | None


@dataclass(slots=True, kw_only=True)
class _Directory:
    durable: dict[str, int] = field(default_factory=dict)
    pending: list[_Named] = field(default_factory=list)

    def after(self, changes: list[_Named]) -> dict[str, int]:
        names = dict(self.durable)
        for change in changes:
            if change.gone is not None:
                names.pop(change.gone, None)
            if change.came is not None:
                names[change.came[0]] = change.came[1]
        return names


class Tree:
    """All files and directories by node, as the log has left them so far."""

    def __init__(self, base: Path) -> None:
        """What was there before the log began is durable."""
        self._files: dict[int, _File] = {}
        self._directories: dict[int, _Directory] = {0: _Directory()}
        self._nodes = first_nodes(base)
        for name, node in self._nodes.items():
            self._take(name, node, base / name)

    def _take(self, name: str, node: int, path: Path) -> None:
        parent, _, last = name.rpartition("/")
        if name:
            self._directories[self._nodes[parent]].durable[last] = node
        if path.is_dir():
            self._directories[node] = _Directory()
        else:
            self._files[node] = _File(durable=[(0, path.read_bytes())])

    def note(self, noted: Noted) -> None:
        """One more line of the log."""
        verb, path, node, _, _ = noted
        match verb:
            case "create":
                self._files[node] = _File()
                self._name(path, node)
            case "mkdir":
                self._directories[node] = _Directory()
                self._name(path, node)
            case "rename":
                self._rename(*path.split("\0"))
            case "unlink":
                self._unname(path)
            case "fsyncdir":
                directory = self._directories[node]
                directory.durable, directory.pending = directory.after(directory.pending), []
            case _:
                self._note_content(noted)

    def _note_content(self, noted: Noted) -> None:
        verb, _, node, offset, content = noted
        match verb:
            case "write":
                self._files[node].pending.append((offset, content))
            case "truncate":
                self._truncate(self._files[node], offset)
            case "fsync":
                file = self._files[node]
                file.durable, file.pending = file.durable + file.pending, []
            case _:
                pass  # a mark is for others

    def _truncate(self, file: _File, size: int) -> None:
        """Taken for durable at once: a cut before it is a state of an earlier point."""
        file.durable = [(at, content[: max(0, size - at)]) for at, content in file.durable]
        file.pending = [(at, content[: max(0, size - at)]) for at, content in file.pending]

    def _name(self, path: str, node: int) -> None:
        parent, _, last = path.rpartition("/")
        self._directories[self._nodes[parent]].pending.append(_Named(gone=None, came=(last, node)))
        self._nodes[path] = node

    def _unname(self, path: str) -> None:
        parent, _, last = path.rpartition("/")
        self._directories[self._nodes[parent]].pending.append(_Named(gone=last, came=None))
        del self._nodes[path]

    def _rename(self, old: str, new: str) -> None:
        """Within one directory, which is all the recorder does: one change, so never both names or neither."""
        parent, _, last = new.rpartition("/")
        node = self._nodes.pop(old)
        self._directories[self._nodes[parent]].pending.append(_Named(gone=old.rpartition("/")[2], came=(last, node)))
        self._nodes[new] = node

    def leave(self, folder: Path, chance: Random) -> None:
        """Write into an empty folder what a cut leaves now."""
        self._leave(0, folder, chance)

    def _leave(self, node: int, path: Path, chance: Random) -> None:
        if node in self._files:
            file = self._files[node]
            with path.open("wb") as out:
                for offset, content in file.durable + left(file.pending, chance):
                    out.seek(offset)
                    out.write(content)
            path.chmod(0o600)
            return
        path.mkdir(exist_ok=True, mode=0o700)
        directory = self._directories[node]
        changes = [change for change in directory.pending if chance.random() < KEPT_SHARE]
        for name, child in sorted(directory.after(changes).items()):
            self._leave(child, path / name, chance)


def first_nodes(folder: Path) -> dict[str, int]:
    """A number for each path that is there before the log begins; the folder itself is 0."""
    names = ("", *(path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*"))))
    return {name: node for node, name in enumerate(names)}


def read_log(path: Path) -> list[Noted]:
    """The log's lines."""
    noted = []
    with path.open("rb") as file:
        while file.peek(1):
            noted.append(tuple(cbor2.load(file)))
    return noted


# -- the owner's side --------------------------------------------------------------------------------------------------


class StrictFolder:
    """A served folder over `behind`; what is written goes there too. Belongs to one thread."""

    def __init__(self, mount_point: Path, log: Path, behind: Path) -> None:
        """Start serving. Raises NoBlockDisk."""
        self.mount_point = mount_point
        command = [sys.executable, "-m", "tests.crash.strict_folder_server", str(mount_point), str(log), str(behind)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT)
        assert self._process.stdout is not None
        if first_line(self._process.stdout) != READY:
            self._process.kill()
            raise NoBlockDisk(self._process.communicate()[1].decode(errors="replace").strip()[-500:])

    def mark(self, text: bytes) -> None:
        """Put a mark into the log."""
        descriptor = os.open(self.mount_point / MARK, os.O_WRONLY)
        try:
            os.write(descriptor, text)
        finally:
            os.close(descriptor)

    def stall(self) -> None:
        """Whoever asks the folder for anything waits; `go_on` ends it."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """The folder answers again."""
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End the server."""
        try:
            self._process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
