"""What lies where in an archive, and the only place that opens its files (FORMAT.md 1.1; step A1).

Read only. Nothing is followed: every file is opened with O_NOFOLLOW below its directory, and only regular files are
read. No thread; an open file belongs to whoever opened it.
"""

from __future__ import annotations

import enum
import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from liuhen import cose
from liuhen.errors import FormatError

# A journal file is closed after the entry that takes it to 64 MiB.
JOURNAL_FILE_LIMIT_BYTES = 64 * 1024 * 1024 + cose.ENTRY_LIMIT_BYTES
_DIRECTORIES = frozenset({"journal", "sessions", "records", "quarantine", "device"})
_JOURNAL_NAME = re.compile(r"[0-9]{8}\.cbor", re.ASCII)
_SESSION_NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)
_SEGMENT_NAME = re.compile(r"[0-9]{6}\.mp4", re.ASCII)
_RECORD_NAME = re.compile(r"[0-9a-f]{64}\.record", re.ASCII)


class NotARegularFileError(FormatError):
    """Something else than a regular file stands where evidence belongs."""


class Scope(enum.Enum):
    """What the path given to the verifier is."""

    ARCHIVE = enum.auto()
    SESSION = enum.auto()
    SEGMENT = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to be verified. `root` is the archive, or None for a session directory or segment standing alone."""

    scope: Scope
    path: Path
    root: Path | None
    session: bytes | None = None


class Limited(FileIO):
    """A file that ends at a limit, whatever its size claims: a sparse file of terabytes costs its maker nothing."""

    limit_bytes: int

    @property
    def exceeds(self) -> bool:
        """Whether something lies beyond the limit."""
        return os.fstat(self.fileno()).st_size > self.limit_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        """At most what is left below the limit."""
        left = max(0, self.limit_bytes - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left)) or b""

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override] # Buffer needs Python 3.12
        """At most what is left below the limit."""
        left = max(0, self.limit_bytes - self.tell())
        return super().readinto(memoryview(buffer)[:left]) or 0


@contextmanager
def opened(path: Path, *, root: Path | None, limit_bytes: int = JOURNAL_FILE_LIMIT_BYTES) -> Iterator[Limited]:
    """The file, unbuffered, up to a limit; below `root` no directory on the way may be a link.

    Raises NotARegularFileError for links, devices, pipes; OSError as the system says.
    """
    if root is not None and any(parent.is_symlink() for parent in _between(path, root)):
        raise NotARegularFileError(str(path), "behind a symbolic link")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if path.is_symlink():
            raise NotARegularFileError(str(path), "a symbolic link") from error
        raise
    with Limited(descriptor, "r") as file:
        file.limit_bytes = limit_bytes
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotARegularFileError(str(path), "not a regular file")
        yield file


def _between(path: Path, root: Path) -> list[Path]:
    """The directories between the archive and the file."""
    return [parent for parent in path.parents if root in parent.parents]


def locate(path: Path) -> Target | None:
    """What `path` is, told from its shape alone; None if it is nothing this verifier reads.

    A link given by the user is followed here, once; nothing below it ever is. Raises OSError where links run in a
    circle.
    """
    path = resolved(path)
    if path.is_dir():
        return _directory(path)
    if path.is_file():
        return Target(scope=Scope.SEGMENT, path=path, root=None)
    return None


def resolved(path: Path) -> Path:
    """Where the user's own path leads. Raises OSError where links run in a circle, which Python versions tell apart."""
    try:
        found = path.resolve()
    except RuntimeError:
        found = path
    if found.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return found


def _directory(path: Path) -> Target | None:
    if (path / "journal").is_dir() or (path / "sessions").is_dir():
        return Target(scope=Scope.ARCHIVE, path=path, root=path)
    if _SESSION_NAME.fullmatch(path.name) is not None and path.parent.name == "sessions":
        return Target(scope=Scope.SESSION, path=path, root=path.parent.parent, session=bytes.fromhex(path.name))
    if any(_SEGMENT_NAME.fullmatch(name) for name in _names(path)):
        return Target(scope=Scope.SESSION, path=path, root=None)
    return None


def journal_files(root: Path) -> list[tuple[int, Path]]:
    """The journal's files by number."""
    return [(int(name[:8]), root / "journal" / name) for name in _matching(root / "journal", _JOURNAL_NAME)]


def session_ids(root: Path) -> list[bytes]:
    """The sessions that have a directory."""
    return [bytes.fromhex(name) for name in _matching(root / "sessions", _SESSION_NAME, directories=True)]


def session_path(root: Path, session: bytes) -> Path:
    """Where the segments of a session lie."""
    return root / "sessions" / session.hex()


def segment_path(directory: Path, number: int) -> Path:
    """Where a segment of a session directory lies."""
    return directory / f"{number:06d}.mp4"


def segment_numbers(directory: Path) -> list[int]:
    """The segments a session directory holds."""
    return [int(name[:6]) for name in _matching(directory, _SEGMENT_NAME)]


def record_names(root: Path) -> list[str]:
    """The commitments, in hex, of the records that are present."""
    return [name.removesuffix(".record") for name in _matching(root / "records", _RECORD_NAME)]


def record_path(root: Path, commitment: bytes) -> Path:
    """Where a record lies."""
    return root / "records" / f"{commitment.hex()}.record"


def total_bytes(path: Path) -> int:
    """How many bytes of evidence lie below a path, for a progress bar; 0 where it cannot be told."""
    if not path.is_dir():
        return path.stat().st_size
    folders = [path, path / "journal", *(session_path(path, session) for session in session_ids(path))]
    sizes = (
        e.stat(follow_symlinks=False).st_size for f in folders for e in _entries(f) if e.is_file(follow_symlinks=False)
    )
    return sum(sizes)


def survey(root: Path, foreign: Callable[[str], None], misplaced: Callable[[str], None]) -> None:
    """Name everything that is not evidence (`foreign`), and evidence names that are no plain file (`misplaced`)."""
    rules = (("journal", _JOURNAL_NAME, False), ("records", _RECORD_NAME, False), ("sessions", _SESSION_NAME, True))
    for entry in _entries(root):
        if entry.name not in _DIRECTORIES:
            foreign(entry.name)
        elif not entry.is_dir(follow_symlinks=False):
            misplaced(entry.name)
    for folder, pattern, directories in rules:
        _survey_folder(root, folder, pattern, directories, (foreign, misplaced))
    for session in session_ids(root):
        _survey_folder(root, f"sessions/{session.hex()}", _SEGMENT_NAME, False, (foreign, misplaced))


def survey_session(
    root: Path, session: bytes, foreign: Callable[[str], None], misplaced: Callable[[str], None]
) -> None:
    """The same for what one session rests on: its own directory and the journal."""
    if (root / "journal").is_symlink():
        misplaced("journal")
    _survey_folder(root, "journal", _JOURNAL_NAME, False, (foreign, misplaced))
    _survey_folder(root, f"sessions/{session.hex()}", _SEGMENT_NAME, False, (foreign, misplaced))


def survey_alone(directory: Path, foreign: Callable[[str], None], misplaced: Callable[[str], None]) -> None:
    """The same for a session directory that stands alone."""
    _survey_folder(directory, ".", _SEGMENT_NAME, False, (foreign, misplaced))


def _survey_folder(
    root: Path,
    folder: str,
    pattern: re.Pattern[str],
    directories: bool,
    report: tuple[Callable[[str], None], Callable[[str], None]],
) -> None:
    foreign, misplaced = report
    prefix = "" if folder == "." else f"{folder}/"
    for entry in _entries(root / folder):
        right = entry.is_dir(follow_symlinks=False) if directories else entry.is_file(follow_symlinks=False)
        if pattern.fullmatch(entry.name) is None:
            foreign(f"{prefix}{entry.name}")
        elif not right:
            misplaced(f"{prefix}{entry.name}")


def _matching(directory: Path, pattern: re.Pattern[str], *, directories: bool = False) -> list[str]:
    """Sorted names of the plain files (or real directories) that fit the pattern."""
    return [
        entry.name
        for entry in _entries(directory)
        if pattern.fullmatch(entry.name)
        and (entry.is_dir(follow_symlinks=False) if directories else entry.is_file(follow_symlinks=False))
    ]


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    if directory.is_symlink() or not directory.is_dir():
        return []
    with os.scandir(directory) as listing:
        return sorted(listing, key=lambda entry: entry.name)


def _names(directory: Path) -> list[str]:
    return [entry.name for entry in _entries(directory)]
