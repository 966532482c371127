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
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import overload

from liuhen import cose
from liuhen.errors import FormatError

# A journal file is closed after the entry that takes it to 64 MiB.
JOURNAL_FILE_LIMIT_BYTES = 64 * 1024 * 1024 + cose.ENTRY_LIMIT_BYTES
LAST_SEGMENT_NUMBER = 999_999
MOST_NAMES = 256
_DIRECTORIES = frozenset({"journal", "sessions", "records", "quarantine", "device"})
_JOURNAL_NAME = re.compile(r"[0-9]{8}\.cbor", re.ASCII)
_SESSION_NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)
_SEGMENT_NAME = re.compile(r"[0-9]{6}\.mp4", re.ASCII)
_QUARANTINE_NAME = re.compile(r"([0-9a-f]{32})-([0-9]{6})-.*", re.ASCII | re.DOTALL)
_RECORD_NAME = re.compile(r"[0-9a-f]{64}\.record", re.ASCII)


QuarantinedFiles = dict[tuple[bytes, int], list[Path]]


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

    @property
    def size_bytes(self) -> int:
        """How many bytes it has below the limit."""
        return min(os.fstat(self.fileno()).st_size, self.limit_bytes)

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

    Every step is taken from the directory before it, so that nothing can be put in its place meanwhile, and nothing but
    a regular file is ever opened: to open a device may be to act on it. Raises NotARegularFileError for links, devices,
    pipes; OSError as the system says, with the whole path.
    """
    try:
        descriptor = _open_plain(path) if root is None else _open_below(root, path.relative_to(root).parts)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    with Limited(descriptor, "r") as file:
        file.limit_bytes = limit_bytes
        yield file


def _open_below(root: Path, parts: tuple[str, ...]) -> int:
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            if stat.S_ISLNK(os.stat(part, dir_fd=directory, follow_symlinks=False).st_mode):
                raise NotARegularFileError("/".join(parts), "behind a symbolic link")
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory)
            os.close(directory)
            directory = deeper
        return _open_plain(parts[-1], directory)
    finally:
        os.close(directory)


def _open_plain(name: str | Path, directory: int | None = None) -> int:
    _refuse_irregular(name, os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(name, flags, dir_fd=directory)
    try:
        _refuse_irregular(name, os.fstat(descriptor).st_mode)
    except NotARegularFileError:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_irregular(name: str | Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise NotARegularFileError(str(name), "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file")


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
    if any(_SEGMENT_NAME.fullmatch(entry.name) for entry in _scan(path)):
        return Target(scope=Scope.SESSION, path=path, root=None)
    return None


def root_around(segment: Path) -> Path | None:
    """The archive a segment lies in, by its layout alone: whoever takes the journal away makes it no other place."""
    session = segment.parent
    in_archive = _SESSION_NAME.fullmatch(session.name) is not None and session.parent.name == "sessions"
    return session.parent.parent if in_archive else None


class JournalFiles(Sequence[tuple[int, Path]]):
    """The journal's files by number; only the numbers are held, for a directory may hold very many."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = array("L", (int(name[:8]) for name in _matching(directory, _JOURNAL_NAME)))

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> tuple[int, Path]: ...

    @overload
    def __getitem__(self, index: slice) -> list[tuple[int, Path]]: ...

    def __getitem__(self, index: int | slice) -> tuple[int, Path] | list[tuple[int, Path]]:
        if isinstance(index, slice):
            return [self._file(number) for number in self._numbers[index]]
        return self._file(self._numbers[index])

    def _file(self, number: int) -> tuple[int, Path]:
        return number, self._directory / f"{number:08d}.cbor"


def journal_files(root: Path) -> JournalFiles:
    """The journal's files by number."""
    return JournalFiles(root / "journal")


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


def quarantined_files(root: Path, segments: Collection[tuple[bytes, int]], *, most: int) -> QuarantinedFiles:
    """The files whose names say that their bytes were cut off one of these segments, at most so many of each."""
    found: QuarantinedFiles = {}
    for entry in sorted(_scan_plain(root / "quarantine"), key=lambda entry: entry.name):
        named = _QUARANTINE_NAME.fullmatch(entry.name)
        segment = None if named is None else (bytes.fromhex(named[1]), int(named[2]))
        if segment in segments and segment is not None and len(found.setdefault(segment, [])) < most:
            found[segment].append(root / "quarantine" / entry.name)
    return found


def record_path(root: Path, commitment: bytes) -> Path:
    """Where a record lies."""
    return root / "records" / f"{commitment.hex()}.record"


def total_bytes(path: Path) -> int:
    """How many bytes of evidence lie below a path, for a progress bar; 0 where it cannot be told."""
    if not path.is_dir():
        return path.stat().st_size
    folders = [path, path / "journal", *(session_path(path, session) for session in session_ids(path))]
    sizes = (
        e.stat(follow_symlinks=False).st_size for f in folders for e in _scan(f) if e.is_file(follow_symlinks=False)
    )
    return sum(sizes)


def came_with(path: Path, root: Path) -> bool:
    """Whether a file lies inside the evidence: by its path, through a link, or as another name of the same file.

    A copy cannot be told from the original. Raises OSError where the file cannot be looked at.
    """
    named, meant = resolved(path.parent) / path.name, resolved(path)
    return root in (*named.parents, *meant.parents) or has_name_for(root, meant.stat())


def has_name_for(root: Path, status: os.stat_result) -> bool:
    """Whether a file has one of its names below `root` (a hard link). Follows nothing."""
    if status.st_nlink == 1:
        return False
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                found = os.stat(os.path.join(folder, name), follow_symlinks=False)  # noqa: PTH116, PTH118 -- may be many
            except FileNotFoundError:
                continue
            if (found.st_dev, found.st_ino) == (status.st_dev, status.st_ino):
                return True
    return False


def survey(root: Path, foreign: Callable[[str], None], misplaced: Callable[[str], None]) -> None:
    """Name everything that is not evidence (`foreign`), and evidence names that are no plain file (`misplaced`).

    The first names in order are told, then as many empty ones as there are more: a directory may hold millions.
    """
    rules = (("journal", _JOURNAL_NAME, False), ("records", _RECORD_NAME, False), ("sessions", _SESSION_NAME, True))
    strange = _Names(foreign)
    wrong = _Names(misplaced)
    for entry in _scan(root):
        if entry.name not in _DIRECTORIES:
            strange.add(entry.name)
        elif not entry.is_dir(follow_symlinks=False):
            wrong.add(entry.name)
    strange.tell()
    wrong.tell()
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


class _Names:
    """The first names in order, and how many more there were."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._first: list[str] = []
        self._more = 0

    def add(self, name: str) -> None:
        self._first.append(name)
        if len(self._first) >= 2 * MOST_NAMES:
            self._trim()

    def _trim(self) -> None:
        self._first.sort()
        self._more += len(self._first[MOST_NAMES:])
        del self._first[MOST_NAMES:]

    def tell(self) -> None:
        self._trim()
        for name in self._first:
            self._tell(name)
        for _ in range(self._more):
            self._tell("")


def _survey_folder(
    root: Path,
    folder: str,
    pattern: re.Pattern[str],
    directories: bool,
    report: tuple[Callable[[str], None], Callable[[str], None]],
) -> None:
    foreign, misplaced = (_Names(tell) for tell in report)
    prefix = "" if folder == "." else f"{folder}/"
    for entry in _scan(root / folder):
        right = entry.is_dir(follow_symlinks=False) if directories else entry.is_file(follow_symlinks=False)
        if pattern.fullmatch(entry.name) is None:
            foreign.add(f"{prefix}{entry.name}")
        elif not right:
            misplaced.add(f"{prefix}{entry.name}")
    foreign.tell()
    misplaced.tell()


def _matching(directory: Path, pattern: re.Pattern[str], *, directories: bool = False) -> list[str]:
    """Sorted names of the plain files (or real directories) that fit the pattern."""
    return sorted(
        entry.name
        for entry in _scan(directory)
        if pattern.fullmatch(entry.name)
        and (entry.is_dir(follow_symlinks=False) if directories else entry.is_file(follow_symlinks=False))
    )


def _scan_plain(directory: Path) -> Iterator[os.DirEntry[str]]:
    """The plain files with names of quarantined bytes."""
    return (
        entry
        for entry in _scan(directory)
        if _QUARANTINE_NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
    )


def _scan(directory: Path) -> Iterator[os.DirEntry[str]]:
    """What a directory holds, one by one; nothing where it is none, or a link."""
    if not directory.is_symlink() and directory.is_dir():
        with os.scandir(directory) as listing:
            yield from listing
