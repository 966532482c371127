"""What counts as an answer over the S3 API, and how a list goes on from page to page (FORMAT.md 12). Pure.

Whatever stands between may answer with status 200 and a page of its own; botocore finds no field in it, and so an empty
list: a store of which everything is gone. A list that says "there is more" and not where, or leads back to where one
was, would never end. Both are no answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from liuhen.errors import FormatError

STANDING_STILL_LIMIT = 1000
"""So many pages in a row may bring nothing, or no other key than the page before."""
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError)
"""What botocore and the reading of its answers let out where a field is not what it should be."""
BEFORE_PARSING = "before-parse.*.*"
"""The event `check_answer` is registered for. The wildcard comes before botocore's own handler of "before-parse.s3.*",
which makes a server's error 500 of whatever is no XML."""
ROOTS = {
    "ListObjectVersions": "ListVersionsResult",
    "GetObjectRetention": "Retention",
    "GetObjectLockConfiguration": "ObjectLockConfiguration",
}
"""What an answer is called that is XML, by what was asked (S3 API reference, "Response Syntax")."""
_FIRST_FAILURE = 300
_PAGE, _ROOT_OF_A_PAGE, _ERROR = "text/html", "html", "Error"
_NEXT = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}


def check_answer(*, operation_model: Any, response_dict: Mapping[str, Any], **_: object) -> None:
    """Handler of botocore's `before-parse`. Raises FormatError where a success is no answer to what was asked.

    An error with status 200, as S3 itself may send it, is left to botocore.
    """
    body = response_dict["body"]
    if response_dict["status_code"] >= _FIRST_FAILURE:
        return
    if isinstance(body, bytes):  # some servers call nothing at all a page: what comes whole is looked into
        _check_root(body, ROOTS.get(operation_model.name))
    elif str(response_dict["headers"].get("content-type", "")).lower().startswith(_PAGE):
        body.close()  # nobody gets hold of it any more, and its connection would stay open
        raise FormatError("answer", "it is a page for people")


def _check_root(body: bytes, wanted: str | None) -> None:
    """`wanted` None: nothing is read from it, so anything will do but a page, or what is no XML at all."""
    if not body and wanted is None:
        return
    try:
        # The library parses it after this anyway; expat limits what entities may grow to.
        root = ElementTree.fromstring(body).tag.rpartition("}")[2]  # noqa: S314
    except ElementTree.ParseError as error:
        raise FormatError("answer", "it is no XML") from error
    if root.lower() == _ROOT_OF_A_PAGE or root not in (wanted or root, _ERROR):
        raise FormatError("answer", "it is the answer to something else")


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
