"""A server that speaks the S3 API, with versions and Object Lock, as a store.

Any thread may call. When `put` returns, the server has answered that it holds the object; that it really does is known
only when it was read back by its version. Every request is signed by us (SigV4, its payload too) with one credential
given by name: variables, profiles, proxies and metadata services of the environment are not asked. Nothing is tried
twice here, and every wait has a limit: the caller's queue decides what comes next. TLS is left out on loopback alone.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import botocore.session
from botocore import UNSIGNED
from botocore.auth import SIGV4_TIMESTAMP, S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from drivers.store_answers import code_of, fault_of_answer, time_of
from drivers.store_faults import check_key, check_prefix, store_fault
from drivers.store_transport import NETWORK_ERRORS, Body, Misnamed, Transport, network_fault
from edge.store import FaultClass, Nature, Put, Retained, StoreFault, Version
from edge.store_trial import Answer, DeleteTrial, PutTrial, RetainTrial, Trial, VersioningTrial
from liuhen.errors import FormatError, KeyFileError
from liuhen.keys import read_private_file
from liuhen.registry import RetentionMode
from liuhen.store_names import StoreUrl, is_loopback
from liuhen.store_pages import BEFORE_PARSING, UNREADABLE, Pages, check_answer

REGION = "us-east-1"
PAGE = 1000
DAYS_A_YEAR = 365
HTTP_OK, HTTP_SERVER_ERROR = 200, 500
UNUSED = "signed-elsewhere"
NO_VERSION = "null"
"""What the API calls the one version of an object in a bucket that keeps none."""
UNRETAINED = frozenset({"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "InvalidRequest"})
"""What servers say of an object that has no retention, or of a bucket without a lock."""
MODES = {"GOVERNANCE": RetentionMode.GOVERNANCE, "COMPLIANCE": RetentionMode.COMPLIANCE}
LONGEST_CREDENTIAL_BYTES = 512
NO_STORE = (
    "答复不是存储库的；请核对地址（中间是否有登录页或代理），设备会一直重试",
    "no store answers so; check the address, and whether a login page or proxy stands between; the device keeps trying",
)
CREDENTIAL_REMEDY = (
    "凭据文件须为两行（访问密钥、私有密钥），且只有所有者可读（0600）",
    "the credential's file has two lines, access key and secret key, readable by its owner alone (0600)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """An account of a store. Its repr holds no secret."""

    access_key: str
    secret_key: str = field(repr=False)


def read_credential(path: Path) -> Credential:
    """From a file of two lines that only its owner may read, or a systemd credential. Raises StoreFault (DENIED)."""
    try:
        lines = read_private_file(path).decode("ascii").split()
    except (OSError, UnicodeDecodeError, KeyFileError) as error:
        words = error.strerror if isinstance(error, OSError) else "not text, or others may read it"
        raise store_fault(FaultClass.DENIED, f"{path}: {words}", remedy=CREDENTIAL_REMEDY) from error
    if len(lines) != len(("access key", "secret key")) or sum(map(len, lines)) > LONGEST_CREDENTIAL_BYTES:
        raise store_fault(FaultClass.DENIED, f"{path}: not two lines", remedy=CREDENTIAL_REMEDY)
    return Credential(access_key=lines[0], secret_key=lines[1])


def read_named_credential(path: Path | None) -> Credential:
    """From a file that has to be named. Raises StoreFault (DENIED)."""
    if path is None:
        raise store_fault(FaultClass.DENIED, "no credential was named", remedy=CREDENTIAL_REMEDY)
    return read_credential(path)


def system_utc() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


class S3Store:
    """Implements `edge.store.Store` and `edge.store_trial.TrialStore`."""

    def __init__(
        self,
        url: StoreUrl,
        credential: Credential,
        *,
        ca_file: Path | None,
        region: str = REGION,
        utc_now: Callable[[], datetime] = system_utc,
        conditional: bool = False,
    ) -> None:
        """Connects to nothing yet. `conditional` where the doctor saw it honoured. Raises StoreFault (UNTRUSTED).

        Without a CA file the system's is trusted, and on loopback there is no TLS.
        """
        self.is_plain = ca_file is None and is_loopback(url.place)
        endpoint = f"{'http' if self.is_plain else 'https'}://{url.place}"
        self._url = url
        self._conditional = conditional
        self._offset = timedelta()
        self._transport = Transport(endpoint, ca_file)
        auth = _Auth(credential, region, lambda: utc_now() + self._offset)
        self._client = _client(endpoint, region)
        events = self._client.meta.events
        events.register("request-created.s3", auth.prepare)
        events.register("before-send.s3", self._transport.send)
        events.register("before-call.s3", _stay)
        events.register(BEFORE_PARSING, check_answer)

    def sign_with_offset(self, offset: timedelta) -> None:
        """Sign as if the clock were so much further on; the clock itself is left alone."""
        self._offset = offset

    def keep_off_this_machine(self) -> None:
        """Have a server refused that answers on this very machine, whatever its name; before anything is asked."""
        self._transport.keep_off_this_machine()

    def attempt(self, trial: Trial) -> Answer:
        """See TrialStore."""
        try:
            answer = self._tried(trial)
        except ClientError as error:
            status = int(error.response["ResponseMetadata"]["HTTPStatusCode"])
            at, code = time_of(error.response["ResponseMetadata"]), code_of(error.response)
            if status >= HTTP_SERVER_ERROR:
                raise fault_of_answer(error.response, body_was_sent=False) from error
            return Answer(accepted=False, status=status, code=code, store_time=at)
        except (BotoCoreError, *NETWORK_ERRORS) as error:
            raise network_fault(error) from error
        except UNREADABLE as error:
            raise _unreadable(error) from error
        metadata = answer["ResponseMetadata"]
        return Answer(
            accepted=True,
            status=int(metadata["HTTPStatusCode"]),
            version_id=_version_id(answer),
            store_time=time_of(metadata),
        )

    def _tried(self, trial: Trial) -> Mapping[str, Any]:
        client, bucket = self._client, self._url.bucket
        answer: Mapping[str, Any]
        match trial:
            case PutTrial():
                answer = client.put_object(Bucket=bucket, Key=check_key(trial.key), **_put_arguments(trial))
            case DeleteTrial():
                bypass = {"BypassGovernanceRetention": True} if trial.bypass else {}
                answer = client.delete_object(**self._named(trial.key, trial.version_id), **bypass)
            case RetainTrial():
                retention = {"Mode": trial.mode.name, "RetainUntilDate": trial.until.astimezone(UTC)}
                answer = client.put_object_retention(
                    **self._named(trial.key, trial.version_id), Retention=retention, BypassGovernanceRetention=True
                )
            case VersioningTrial():
                wanted = {"Status": "Enabled" if trial.enabled else "Suspended"}
                answer = client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=wanted)
        return answer

    def nature(self) -> Nature:
        """See Store. Whether the lock is enforced is the doctor's to say."""
        return Nature(
            url=self._url.text,
            worm=True,
            label_zh="对象存储（版本与锁定，须由 store doctor 证实）",
            label_en="object store (versions and locks, to be shown by store doctor)",
        )

    def put(
        self,
        key: str,
        body: BinaryIO,
        *,
        size: int,
        md5: bytes,
        sha256: bytes,
        retain_until: datetime | None = None,
    ) -> Put:
        """See Store. The last bytes go out only when the hash of all is right."""
        sending = Body(body, size=size, md5=md5, sha256=sha256, what=check_key(key))
        extra: dict[str, Any] = {"IfNoneMatch": "*"} if self._conditional else {}
        if retain_until is not None:
            extra |= {
                "ObjectLockMode": RetentionMode.COMPLIANCE.name,
                "ObjectLockRetainUntilDate": _whole_second(retain_until),
            }
        with _translated(sending):
            answer = self._client.put_object(
                Bucket=self._url.bucket, Key=key, Body=sending, ContentLength=size, ContentMD5=_base64(md5), **extra
            )
        version = Version(key=key, version_id=_version_id(answer), size=size)
        return Put(version=version, store_time=_store_time(answer), server_key=self._transport.server_key)

    def versions(self, prefix: str) -> Iterator[Version]:
        """See Store. Holds one page at a time."""
        pages, more = Pages(), True
        while more:
            with _translated():
                page = self._client.list_object_versions(
                    Bucket=self._url.bucket, Prefix=check_prefix(prefix), MaxKeys=PAGE, **pages.marker
                )
                kinds = (
                    [_listed(one, is_delete_marker=False) for one in page.get("Versions", ())],
                    [_listed(one, is_delete_marker=True) for one in page.get("DeleteMarkers", ())],
                )
                more = pages.go_on(page)
            yield from heapq.merge(*kinds, key=lambda one: one.key)

    def open(self, key: str, version_id: str) -> S3Reading:
        """See Store."""
        with self._asking_for(key, version_id):
            answer = self._client.get_object(**self._named(key, version_id))
        return S3Reading(answer["Body"], store_time=_store_time(answer), server_key=self._transport.server_key)

    def default_lock(self) -> timedelta | None:
        """See Store."""
        try:
            with _translated():
                answer = self._client.get_object_lock_configuration(Bucket=self._url.bucket)
                default = answer.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention", {})
                days = int(default.get("Days", 0)) + DAYS_A_YEAR * int(default.get("Years", 0))
                return timedelta(days=days) if days > 0 else None
        except StoreFault as fault:
            if isinstance(fault.__cause__, ClientError) and code_of(fault.__cause__.response) in UNRETAINED:
                return None
            raise

    def retained(self, key: str, version_id: str) -> Retained:
        """See Store. A legal hold is seen where the credential may see it."""
        named = self._named(key, version_id)
        with self._asking_for(key, version_id):
            found = self._retention(named)
            head = self._client.head_object(**named)
            until = found.get("RetainUntilDate")
            return Retained(
                mode=MODES.get(found.get("Mode", ""), RetentionMode.NONE),
                until=None if until is None else until.astimezone(UTC),
                legal_hold=head.get("ObjectLockLegalHoldStatus") == "ON",
            )

    def _retention(self, named: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            found: Mapping[str, Any] = self._client.get_object_retention(**named).get("Retention", {})
        except ClientError as error:
            if code_of(error.response) in UNRETAINED:
                return {}
            raise
        return found

    def extend(self, key: str, version_id: str, until: datetime) -> None:
        """See Store. What would shorten is refused here already: not every server refuses it."""
        now = self.retained(key, version_id)
        if now.until is not None and until < now.until:
            raise store_fault(FaultClass.REFUSED, f"{key}: kept until {now.until:%Y-%m-%d %H:%M:%S}, which is later")
        mode = now.mode if now.mode in MODES.values() else RetentionMode.COMPLIANCE
        whole = _whole_second(until)
        with _translated():
            self._client.put_object_retention(
                **self._named(key, version_id), Retention={"Mode": mode.name, "RetainUntilDate": whole}
            )

    @contextmanager
    def _asking_for(self, key: str, version_id: str) -> Iterator[None]:
        """As `_translated`. Who may not list a bucket in general is told "denied" of what is not there: look again."""
        try:
            with _translated():
                yield
        except StoreFault as fault:
            if fault.fault is FaultClass.DENIED and self._is_absent(key, version_id):
                raise store_fault(FaultClass.ABSENT, f"{key} {version_id}", status=fault.status) from fault
            raise

    def _is_absent(self, key: str, version_id: str) -> bool:
        """Whether a listing shows that there is no such version. Raises StoreFault where that may not be seen."""
        found = self.versions(key)
        return all(one.key != key or one.version_id != (version_id or one.version_id) for one in found)

    def close(self) -> None:
        """See Store."""
        self._transport.close()

    def _named(self, key: str, version_id: str) -> dict[str, str]:
        named = {"Bucket": self._url.bucket, "Key": check_key(key)}
        return named | {"VersionId": version_id} if version_id else named


class S3Reading:
    """The bytes of one version as they come; an answer that ends early is a fault."""

    def __init__(self, body: Any, *, store_time: datetime, server_key: bytes | None) -> None:
        self._body = body
        self.store_time = store_time
        self.server_key = server_key

    def read(self, size: int, /) -> bytes:
        """See Reading."""
        with _translated():
            return bytes(self._body.read(size))

    def close(self) -> None:
        """Give the connection up; what was not read is lost with it."""
        self._body.close()

    def __enter__(self) -> S3Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Auth(S3SigV4Auth):  # type: ignore[misc]
    """SigV4 by a clock of ours and over the payload that is meant, which is not read for it."""

    def __init__(self, credential: Credential, region: str, signing_time: Callable[[], datetime]) -> None:
        super().__init__(Credentials(credential.access_key, credential.secret_key), "s3", region)
        self._signing_time = signing_time

    def prepare(self, request: AWSRequest, **_: object) -> None:
        """Handler of botocore's `request-created`: Content-MD5 on whatever has a body, then the signature."""
        if isinstance(request.body, bytes) and request.body and "Content-MD5" not in request.headers:
            request.headers["Content-MD5"] = _base64(hashlib.md5(request.body, usedforsecurity=False).digest())
        # An object is small enough to be sent without asking first, and asking costs a turn on a slow line.
        del request.headers["Expect"]
        self.add_auth(request)

    def payload(self, request: AWSRequest) -> str:
        """The hash that is signed."""
        body = request.body
        return body.sha256.hex() if isinstance(body, Body | Misnamed) else str(super().payload(request))

    def _should_sha256_sign_payload(self, _request: AWSRequest) -> bool:
        return True

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._signing_time().astimezone(UTC).strftime(SIGV4_TIMESTAMP)
        super()._modify_request_before_signing(request)


def _client(endpoint: str, region: str) -> Any:
    """A client that knows nothing but what it is told here, and leaves signing and sending to us."""
    session = botocore.session.Session(session_vars=_deaf_variables())
    return session.create_client(
        "s3",
        region_name=region,
        endpoint_url=endpoint,
        # Without any, a chain of places would be searched for one.
        aws_access_key_id=UNUSED,
        aws_secret_access_key=UNUSED,
        config=Config(
            signature_version=UNSIGNED,
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"total_max_attempts": 1, "mode": "standard"},
            parameter_validation=True,
            user_agent="liuhen",
        ),
    )


def _deaf_variables() -> dict[str, tuple[None, None, Any, Any]]:
    """botocore's settings with their defaults alone: neither a file nor a variable is asked for any of them."""
    known = botocore.session.Session.SESSION_VARIABLES
    deaf = {name: (None, None, default, cast) for name, (_file, _variable, default, cast) in known.items()}
    files = {name: (None, None, os.devnull, None) for name in ("config_file", "credentials_file")}
    return deaf | files


@contextmanager
def _translated(body: Body | None = None) -> Iterator[None]:
    """The library's exceptions as one."""
    try:
        yield
    except ClientError as error:
        sent = body is not None and body.is_sent
        raise fault_of_answer(error.response, body_was_sent=sent) from error
    except (BotoCoreError, *NETWORK_ERRORS) as error:
        raise network_fault(error, body) from error
    except (*UNREADABLE, FormatError) as error:
        raise _unreadable(error, body) from error


def _unreadable(error: Exception, body: Body | None = None) -> StoreFault:
    """What answers is no store, or one that is out of order: tried again, and looked for where it may have come."""
    sent = body is not None and body.is_sent
    fault = FaultClass.AMBIGUOUS if sent else FaultClass.UNREACHABLE
    words = error.what if isinstance(error, FormatError) else type(error).__name__
    return store_fault(fault, f"its answer cannot be read ({words})", status=HTTP_OK, remedy=NO_STORE)


def _stay(context: dict[str, Any], **_: object) -> None:
    """Handler of botocore's `before-call`: no answer leads it elsewhere. Its redirector would ask on without an end."""
    context.setdefault("s3_redirect", {})["redirected"] = True


def _whole_second(until: datetime) -> datetime:
    """The API's dates have no fraction: never earlier than was meant."""
    whole = until.astimezone(UTC)
    return whole.replace(microsecond=0) + timedelta(seconds=1) if whole.microsecond else whole


def _put_arguments(trial: PutTrial) -> dict[str, Any]:
    """A PUT as botocore takes it; what the trial says wrongly of its body goes out as it is."""
    arguments: dict[str, Any] = {
        "Body": trial.body if trial.payload_sha256 is None else Misnamed(trial.body, sha256=trial.payload_sha256),
        "ContentLength": len(trial.body),
        "ContentMD5": _base64(trial.md5),
    }
    if trial.checksum_sha256 is not None:
        arguments["ChecksumSHA256"] = _base64(trial.checksum_sha256)
    if trial.only_if_absent:
        arguments["IfNoneMatch"] = "*"
    if trial.retain_until is not None:
        arguments["ObjectLockMode"] = RetentionMode.COMPLIANCE.name
        arguments["ObjectLockRetainUntilDate"] = trial.retain_until.astimezone(UTC)
    return arguments


def _listed(one: Mapping[str, Any], *, is_delete_marker: bool) -> Version:
    version_id = _version_id(one)
    return Version(key=one["Key"], version_id=version_id, size=one.get("Size", 0), is_delete_marker=is_delete_marker)


def _version_id(answer: Mapping[str, Any]) -> str:
    found = str(answer.get("VersionId", ""))
    return "" if found == NO_VERSION else found


def _store_time(answer: Mapping[str, Any]) -> datetime:
    """The store's own clock. Raises StoreFault where an answer says no time: nothing could be promised by it."""
    found = time_of(answer["ResponseMetadata"])
    if found is None:
        raise store_fault(FaultClass.DENIED, "the store's answers have no Date")
    return found


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")
