"""The newest journal head this device signed, kept beside its key: a disk set back to an earlier state is noticed.

CONTROL's thread. On return of `remember` the head is on disk, file and directory. The spool's disk can be copied,
replaced or rolled back without the device; the key's folder is the device's own. Whoever can set back both is not
noticed here, only by a checkpoint that somebody else cosigned.
"""

from __future__ import annotations

from pathlib import Path

from edge import durable
from liuhen import cbor
from liuhen.errors import FormatError
from liuhen.kinds import Head

LIMIT_BYTES = 256
HASH_BYTES = 32


class ForgottenHead(Exception):
    """The memory is there and cannot be believed, or it is of another log."""


class HeadMemory:
    """One file `<key file>.head`."""

    def __init__(self, key_file: Path, log_id: bytes) -> None:
        """Name the file; nothing is read yet."""
        self.path = key_file.with_name(f"{key_file.name}.head")
        self._log_id = log_id

    def recall(self) -> Head | None:
        """The remembered head, or None before the first. Raises ForgottenHead."""
        try:
            with self.path.open("rb") as file:
                mapped = cbor.decode_map(file.read(LIMIT_BYTES), where=str(self.path))
        except FileNotFoundError:
            return None
        except (OSError, FormatError) as error:
            raise ForgottenHead(f"{self.path} cannot be read: {error}") from error
        match mapped:
            case {0: 1, 1: bytes(log_id), 3: int(seq), 4: bytes(digest)} if len(digest) == HASH_BYTES:
                if log_id != self._log_id:
                    raise ForgottenHead(f"{self.path} is of log {log_id.hex()}, this spool of {self._log_id.hex()}")
                return (seq, digest)
            case _:
                raise ForgottenHead(f"{self.path} is damaged")

    def remember(self, head: Head) -> None:
        """Replace the remembered head durably. Raises StorageFault."""
        durable.replace_file(self.path, cbor.encode({0: 1, 1: self._log_id, 3: head[0], 4: head[1]}))
