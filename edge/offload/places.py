"""Where the offload process keeps its own files: on a device in its unit's folders, on a laptop beside the spool."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from edge import durable
from edge.config import Spool

DEVICE_STATE = Path("/var/lib/liuhen-offload")
DEVICE_RUNTIME = Path("/run/liuhen-offload")
STATUS_FILE = "status.json"
LOCK_FILE = "lock"


class Busy(Exception):
    """Another offload process uses this folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The folder of the state, and the file that says how things stand, for everybody to read."""

    state: Path
    status: Path

    @property
    def second(self) -> Places:
        """Where what concerns a second store is kept."""
        return Places(state=self.state / "second", status=self.status.with_name(f"second-{self.status.name}"))

    def forget(self) -> None:
        """What was shown is of a store that is configured no more."""
        self.status.unlink(missing_ok=True)

    def show(self, packet: bytes) -> None:
        """Replace the status file; what cannot be shown is not worth an end. It is no evidence and is not flushed."""
        making = self.status.with_suffix(".making")
        try:
            making.write_bytes(packet)
            making.chmod(0o644)
            making.replace(self.status)
        except OSError:
            return

    def lock(self) -> int:
        """Hold the folder for the life of this process. Raises Busy, OSError, StorageFault."""
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.sync_directory(self.state.parent)
        descriptor = os.open(self.state / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise Busy(str(self.state)) from error
        return descriptor


def places_of(spool: Path) -> Places:
    """The places that belong to a spool. The state is never in the spool, which is only read."""
    if spool == Spool().directory:
        return Places(state=DEVICE_STATE, status=DEVICE_RUNTIME / STATUS_FILE)
    folder = spool.with_name(f"{spool.name}.offload")
    return Places(state=folder, status=folder / STATUS_FILE)
