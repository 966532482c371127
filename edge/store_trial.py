"""What the doctor of a store tries beyond what a recorder ever does: deleting, shortening, suspending; a port.

Nothing of this is reached from a recorder or from `offload`. Owns no thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from edge.store import Store
from liuhen.registry import RetentionMode


@dataclass(frozen=True, slots=True, kw_only=True)
class PutTrial:
    """A PUT with any header a right one has, or a wrong one."""

    key: str
    body: bytes
    md5: bytes
    checksum_sha256: bytes | None = None
    payload_sha256: bytes | None = None
    """What is signed as the payload's hash; None: the body's own."""
    only_if_absent: bool = False
    retain_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteTrial:
    """A DELETE: of one version, or without one (which makes a delete marker)."""

    key: str
    version_id: str = ""
    bypass: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RetainTrial:
    """Another retention for one version."""

    key: str
    version_id: str
    mode: RetentionMode
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VersioningTrial:
    """Keeping versions switched on, or suspended."""

    enabled: bool


Trial = PutTrial | DeleteTrial | RetainTrial | VersioningTrial


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the store said to a trial: accepted or refused, in its own words."""

    accepted: bool
    status: int = 0
    code: str = ""
    version_id: str = ""
    store_time: datetime | None = None


class TrialStore(Store, Protocol):
    """A store that can be put to the test."""

    def attempt(self, trial: Trial) -> Answer:
        """Try it; a refusal is an answer. Raises StoreFault where none came."""

    def sign_with_offset(self, offset: timedelta) -> None:
        """Sign as if the clock were so much further on."""
