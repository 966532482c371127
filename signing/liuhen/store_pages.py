"""How a list over the S3 API goes on from page to page, and when it cannot be believed to (FORMAT.md 12). Pure.

A list that says "there is more" and not where, or leads back to where one was, would never end: it is no answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from liuhen.errors import FormatError

STANDING_STILL_LIMIT = 1000
"""So many pages in a row may bring nothing, or no other key than the page before."""
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError)
"""What botocore and the reading of its answers let out where a field is not what it should be."""
_NEXT = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}


@dataclass(slots=True)
class Pages:
    """Where a list of versions stands; `marker` is what the next request bears."""

    marker: dict[str, str] = field(default_factory=dict)
    _still: int = 0

    def go_on(self, page: Mapping[str, Any]) -> bool:
        """Whether another page follows this one. Raises FormatError where the list does not get any further."""
        if not page.get("IsTruncated"):
            return False
        after = {name: str(page[following]) for name, following in _NEXT.items() if page.get(following)}
        before_key, after_key = (_ordered(marker) for marker in (self.marker, after))
        if "KeyMarker" not in after or after_key < before_key or after == self.marker:
            raise FormatError("list", "it goes on and does not say where")
        brought = any(page.get(kind) for kind in ("Versions", "DeleteMarkers", "CommonPrefixes"))
        self._still = 0 if brought and after_key > before_key else self._still + 1
        if self._still > STANDING_STILL_LIMIT:
            raise FormatError("list", "it goes on for ever")
        self.marker = after
        return True


def _ordered(marker: Mapping[str, str]) -> bytes:
    """Keys are ordered as UTF-8 bytes."""
    return marker.get("KeyMarker", "").encode("utf-8", "surrogatepass")
