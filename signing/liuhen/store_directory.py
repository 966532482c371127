"""A directory read as a store: plain files under their keys (FORMAT.md 12.1), one version each. Never follows a link.

Holds the names of one directory at a time. What is neither a plain file nor a directory, or begins with a dot, is no
object.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from liuhen import archive
from liuhen.errors import FormatError
from liuhen.store_reader import Bytes, Kept, ObjectVersion, StoreAccess, StoreTrouble

LARGEST_FILE_BYTES = 1 << 62
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class DirectoryReader:
    """Implements `store_reader.Reader` below one directory."""

    def __init__(self, access: StoreAccess) -> None:
        if access.credentials is not None or access.ca is not None:
            raise StoreTrouble(
                "file: 存储不用 --credentials 和 --ca", "a file: store takes neither --credentials nor --ca"
            )
        self._root = Path(access.url.place)
        with _translated(str(self._root)):
            os.close(os.open(self._root, _DIRECTORY))

    def folders(self, prefix: str) -> Iterator[str]:
        """See Reader."""
        with _translated(prefix):
            for name, is_directory, _ in self._listed(prefix.rstrip("/")):
                if is_directory:
                    yield name

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """See Reader."""
        above, _, start = prefix.rpartition("/")
        with _translated(prefix):
            yield from self._below(above, start)

    def versions_of(self, key: str) -> list[ObjectVersion]:
        """See Reader."""
        try:
            with _translated(key), archive.opened(self._root / key, root=self._root) as file:
                return [ObjectVersion(key=key, version_id="", size=os.fstat(file.fileno()).st_size)]
        except (FileNotFoundError, NotADirectoryError, FormatError):
            return []

    @contextmanager
    def open(self, version: ObjectVersion) -> Iterator[Bytes]:
        """See Reader."""
        try:
            with (
                _translated(version.key),
                archive.opened(self._root / version.key, root=self._root, limit_bytes=LARGEST_FILE_BYTES) as file,
            ):
                yield file
        except (FileNotFoundError, NotADirectoryError, FormatError) as error:
            raise _gone(version.key) from error

    def kept(self, version: ObjectVersion) -> Kept | None:
        """A directory keeps nothing by itself."""
        del version
        return None

    def close(self) -> None:
        """Nothing is held between calls."""

    def _below(self, folder: str, start: str) -> Iterator[ObjectVersion]:
        found = [row for row in self._listed(folder) if row[0].startswith(start)]
        # A directory's keys go on with a slash, and are ordered by it.
        for name, is_directory, size in sorted(found, key=lambda row: row[0] + "/" * row[1]):
            path = f"{folder}/{name}" if folder else name
            if is_directory:
                yield from self._below(path, "")
            else:
                yield ObjectVersion(key=path, version_id="", size=size)

    def _listed(self, folder: str) -> list[tuple[str, bool, int]]:
        """Name, whether a directory, and size of what a directory holds; empty where there is none, or a link."""
        descriptor = os.open(self._root, _DIRECTORY)
        try:
            for part in folder.split("/") if folder else ():
                deeper = os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = deeper
            with os.scandir(descriptor) as entries:
                return [
                    (entry.name, entry.is_dir(follow_symlinks=False), entry.stat(follow_symlinks=False).st_size)
                    for entry in entries
                    if not entry.name.startswith(".")
                    and (entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False))
                ]
        except (FileNotFoundError, NotADirectoryError):
            return []
        finally:
            os.close(descriptor)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """What the system says as StoreTrouble; that something is not there stays what it is below the root."""
    try:
        yield
    except PermissionError as error:
        raise StoreTrouble(
            f"没有读取 {what} 的权限；请换用有权的用户", f"no permission to read {what}; run as a user who may"
        ) from error
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError) and not what.startswith("/"):
            raise
        raise StoreTrouble(
            f"无法读取 {what}（{error.strerror}）；请检查路径和介质",
            f"cannot read {what} ({error.strerror}); check path and medium",
        ) from error


def _gone(key: str) -> StoreTrouble:
    return StoreTrouble(
        f"{key} 在读取期间消失；请重新校验", f"{key} went away while it was read; run the verification again"
    )
