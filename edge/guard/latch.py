"""Pure: the latch as it stands in its file, and whether a start finds it tripped.

Owns nothing, opens nothing. The file is one line of ASCII with a checksum; whatever is not exactly such a line is
unknown, and unknown is tripped. Beside it the guard keeps a mark in volatile memory (`mark_bytes`) that a trip changes
at once, for a guard that is killed before the disk has taken the trip.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from edge.guard.words import Reason

LONGEST_BYTES = 256
BOOT_ID_BYTES = 16
_WORD = "liuhen-latch-1"
_SUM_CHARACTERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LatchRecord:
    """What the file says: of which boot, whether tripped and why, and whether the guard then stopped in order."""

    boot_id: bytes
    tripped: bool
    reason: Reason
    clean_stop: bool

    def to_bytes(self) -> bytes:
        """The file's content."""
        words = (
            _WORD,
            self.boot_id.hex(),
            "tripped" if self.tripped else "clear",
            self.reason.value,
            "stopped" if self.clean_stop else "running",
        )
        line = " ".join(words)
        return f"{line} {_checksum(line)}\n".encode("ascii")

    @classmethod
    def parse(cls, content: bytes) -> LatchRecord | None:
        """Read a file's content; None where it is anything but exactly what `to_bytes` writes."""
        try:
            words = content.decode("ascii").split(" ")
            _, boot_id, tripped, reason, stopped, _ = words
            found = cls(
                boot_id=bytes.fromhex(boot_id),
                tripped=tripped == "tripped",
                reason=Reason(reason),
                clean_stop=stopped == "stopped",
            )
        except ValueError:
            return None
        sound = len(found.boot_id) == BOOT_ID_BYTES and found.to_bytes() == content
        return found if sound else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latch:
    """Whether the latch is tripped, and why."""

    tripped: bool
    reason: Reason


def mark_bytes(boot_id: bytes, *, tripped: bool) -> bytes:
    """The mark in volatile memory; of one length, so that it is replaced in one write."""
    return f"{boot_id.hex()} {'tripped' if tripped else 'clear  '}\n".encode("ascii")


def found_at_start(record: LatchRecord | None, mark: bytes, boot_id: bytes, *, automatic_resume: bool) -> Latch:
    """The latch a starting guard has to believe.

    Not tripped only if the file says so of this very boot and the mark agrees, or the guard then stopped in order, or
    a configuration that names its risk assessment allows a start after a power cut that found the latch clear.
    """
    if record is None:
        return Latch(tripped=True, reason=Reason.LATCH_UNKNOWN)
    if record.tripped:
        return Latch(tripped=True, reason=record.reason)
    if record.clean_stop:
        return Latch(tripped=False, reason=Reason.NONE)
    if record.boot_id != boot_id:
        return Latch(tripped=not automatic_resume, reason=Reason.NONE if automatic_resume else Reason.BOOT)
    if mark != mark_bytes(boot_id, tripped=False):
        return Latch(tripped=True, reason=Reason.LATCH_UNKNOWN)
    return Latch(tripped=False, reason=Reason.NONE)


def _checksum(line: str) -> str:
    return hashlib.sha256(line.encode("ascii")).hexdigest()[:_SUM_CHARACTERS]
