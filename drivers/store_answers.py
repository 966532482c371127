"""What an error that a store answered with means. Pure.

Codes first, since servers differ in the status they send with them; then the status.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from drivers.store_faults import store_fault
from edge.store import FaultClass, StoreFault

LONGEST_MESSAGE = 200
CODES = {
    FaultClass.CLOCK: ("RequestTimeTooSkewed", "RequestExpired"),
    FaultClass.DAMAGED: ("BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"),
    FaultClass.FULL: ("QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "StorageFull"),
    FaultClass.ABSENT: ("NoSuchKey", "NoSuchVersion", "MethodNotAllowed"),
    FaultClass.DENIED: (
        "NoSuchBucket",
        "InvalidBucketName",
        "AccessDenied",
        "AllAccessDisabled",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "AuthorizationHeaderMalformed",
        "PermanentRedirect",
        "UserSuspended",
    ),
    FaultClass.UNREACHABLE: (
        "SlowDown",
        "RequestTimeout",
        "IncompleteBody",
        "InternalError",
        "ServiceUnavailable",
        "OperationAborted",
        "ConditionalRequestConflict",
    ),
}
BY_CODE = {code: fault for fault, codes in CODES.items() for code in codes}
NO_ANSWER_BEHIND_PROXY = (502, 504)
BY_STATUS = {
    401: FaultClass.DENIED,
    403: FaultClass.DENIED,
    404: FaultClass.ABSENT,
    405: FaultClass.ABSENT,
    408: FaultClass.UNREACHABLE,
    429: FaultClass.UNREACHABLE,
    507: FaultClass.FULL,
}


def fault_of_answer(answer: Mapping[str, Any], *, body_was_sent: bool) -> StoreFault:
    """The fault behind a parsed error answer (botocore's `ClientError.response`)."""
    metadata = answer.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    code = str(answer.get("Error", {}).get("Code", ""))
    message = str(answer.get("Error", {}).get("Message", ""))[:LONGEST_MESSAGE]
    what = f"{status} {code} {message}".strip()
    return store_fault(
        _class_of(code, status, body_was_sent=body_was_sent), what, status=status, store_time=time_of(metadata)
    )


def _class_of(code: str, status: int, *, body_was_sent: bool) -> FaultClass:
    if body_was_sent and status in NO_ANSWER_BEHIND_PROXY:
        return FaultClass.AMBIGUOUS  # a proxy's word that the store itself gave none
    by_status = FaultClass.UNREACHABLE if status >= 500 or status < 400 else FaultClass.REFUSED  # noqa: PLR2004
    return BY_CODE.get(code, BY_STATUS.get(status, by_status))


def code_of(answer: Mapping[str, Any]) -> str:
    """The store's own word for an error."""
    return str(answer.get("Error", {}).get("Code", ""))


def time_of(metadata: Mapping[str, Any]) -> datetime | None:
    """The server's clock as its `Date` header says it; None where there is none that can be read."""
    try:
        return parsedate_to_datetime(str(metadata["HTTPHeaders"]["date"])).astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return None
