"""A store that speaks the S3 API, read by version: the only module here that loads a library for it (`liuhen[s3]`).

Everything is told in parameters: the credential from a file of two lines that only its owner may read, the trusted CA
from a file. Variables, profiles, proxies and metadata services of the environment are not asked. TLS is left out on
loopback alone. A request that fails is tried a few times; every wait has a limit.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from liuhen.errors import FormatError, KeyFileError
from liuhen.keys import read_private_file
from liuhen.store_names import is_loopback
from liuhen.store_pages import BEFORE_PARSING, UNREADABLE, Pages, check_answer
from liuhen.store_reader import Bytes, Kept, ObjectVersion, StoreAccess, StoreTrouble

REGION = "us-east-1"
PAGE = 1000
CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 5, 30, 4
NO_VERSION = "null"
"""What the API calls the one version of an object in a bucket that keeps none."""
_CREDENTIAL_LINES = 2
_UNRETAINED = frozenset({"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "InvalidRequest"})
"""What servers say of an object without a retention, or of a bucket without a lock."""
_DENIED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "Forbidden"})


class S3Reader:
    """Implements `store_reader.Reader` over one bucket."""

    def __init__(self, access: StoreAccess) -> None:
        self._name = access.url.text
        self._bucket = access.url.bucket
        self._errors, self._client = _client(access)
        self._silent = False

    def folders(self, prefix: str) -> Iterator[str]:
        """See Reader."""
        for page in self._pages(Prefix=prefix, Delimiter="/"):
            with self._translated(prefix):
                found = [str(one["Prefix"])[len(prefix) :].rstrip("/") for one in page.get("CommonPrefixes", ())]
            yield from found

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """See Reader."""
        for page in self._pages(Prefix=prefix):
            with self._translated(prefix):
                found = list(_listed(page))
            yield from found

    def versions_of(self, key: str) -> list[ObjectVersion]:
        """See Reader."""
        found = []
        for version in self.versions(key):
            if version.key != key:
                break  # the keys are in order, and this one comes first
            found.append(version)
        return found

    @contextmanager
    def open(self, version: ObjectVersion) -> Iterator[Bytes]:
        """See Reader."""
        named = {"Bucket": self._bucket, "Key": version.key}
        if version.version_id:
            named["VersionId"] = version.version_id
        with self._translated(version.key):
            body = self._client.get_object(**named)["Body"]
        try:
            yield _Body(body, self, version.key)
        finally:
            body.close()

    def kept(self, version: ObjectVersion) -> Kept | None:
        """See Reader. A store that does not say it once is not asked again."""
        if self._silent:
            return Kept(until_ms=None, told=False)
        named = {"Bucket": self._bucket, "Key": version.key}
        if version.version_id:
            named["VersionId"] = version.version_id
        try:
            until = self._client.get_object_retention(**named).get("Retention", {}).get("RetainUntilDate")
            return Kept(until_ms=None if until is None else round(until.timestamp() * 1000))
        except UNREADABLE:
            self._silent = True
            return Kept(until_ms=None, told=False)
        except self._errors as error:
            answer = getattr(error, "response", None)
            code = answer.get("Error", {}).get("Code", "") if isinstance(answer, dict) else ""
            self._silent = code not in _UNRETAINED
            return Kept(until_ms=None, told=not self._silent)

    def close(self) -> None:
        """See Reader."""
        self._client.close()

    def _pages(self, **asked: str) -> Iterator[Mapping[str, Any]]:
        pages, more = Pages(), True
        while more:
            with self._translated(asked["Prefix"]):
                page: Mapping[str, Any] = self._client.list_object_versions(
                    Bucket=self._bucket, MaxKeys=PAGE, **asked, **pages.marker
                )
                more = pages.go_on(page)
            yield page

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except (*UNREADABLE, FormatError) as error:
            raise StoreTrouble(
                f"{self._name} 对 {what} 的答复不是可读的 S3 答复；请核对地址（中间有无登录页、代理），或联系其管理员",
                f"{self._name} gives no S3 answer for {what} that can be read; check the address, "
                "and whether a login page or proxy stands between, or tell whoever keeps the store",
            ) from error
        except self._errors as error:
            answer = getattr(error, "response", None)
            if isinstance(answer, dict):
                raise self._trouble(answer, what) from error
            raise StoreTrouble(
                f"无法访问存储 {self._name}（{type(error).__name__}）；请检查网络、地址和 CA 文件",
                f"cannot reach the store {self._name} ({type(error).__name__}); check network, address and CA file",
            ) from error

    def _trouble(self, answer: Mapping[str, Any], what: str) -> StoreTrouble:
        code = str(answer.get("Error", {}).get("Code", ""))
        if code in _DENIED:
            return StoreTrouble(
                f"存储 {self._name} 拒绝此凭据读取 {what}（{code}）；请核对凭据文件及其权限",
                f"the store {self._name} does not let this credential read {what} ({code}); check the credential",
            )
        if code == "NoSuchBucket":
            return StoreTrouble(f"存储 {self._name} 没有此桶", f"the store {self._name} has no such bucket")
        return StoreTrouble(
            f"存储 {self._name} 对 {what} 答复 {code}；请稍后再试",
            f"the store {self._name} answers {code} for {what}; try again later",
        )


class _Body:
    """The bytes of one version as they come."""

    def __init__(self, body: Any, reader: S3Reader, what: str) -> None:
        self._body = body
        self._reader = reader
        self._what = what

    def read(self, size: int, /) -> bytes:
        """See Bytes."""
        with self._reader._translated(self._what):  # noqa: SLF001 -- the two are one
            return bytes(self._body.read(size))


def _client(access: StoreAccess) -> tuple[tuple[type[Exception], ...], Any]:
    """The exceptions that may leave the library, and a client that knows nothing but what it is told here."""
    try:
        import botocore.session  # noqa: PLC0415 -- heavy, and absent where only directories are read
        import urllib3.exceptions  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    except ImportError as error:
        raise StoreTrouble(
            "读取 s3:// 需要附加组件；请执行 pip install 'liuhen[s3]'",
            "reading s3:// needs an extra; run pip install 'liuhen[s3]'",
        ) from error
    is_local = is_loopback(access.url.place)
    if access.ca is None and not is_local:
        raise StoreTrouble(
            f"存储 {access.url.text} 必须使用 TLS；请用 --ca 给出其 CA 文件",
            f"the store {access.url.text} must be reached over TLS; name its CA file with --ca",
        )
    if access.ca is not None and not access.ca.is_file():
        raise StoreTrouble(f"找不到 CA 文件 {access.ca}", f"there is no CA file {access.ca}")
    access_key, secret_key = _credential(access)
    variables = botocore.session.Session.SESSION_VARIABLES
    deaf = {name: (None, None, default, cast) for name, (_, _, default, cast) in variables.items()}
    deaf |= {name: (None, None, os.devnull, None) for name in ("config_file", "credentials_file")}
    try:
        client = botocore.session.Session(session_vars=deaf).create_client(
            "s3",
            region_name=REGION,
            endpoint_url=f"{'http' if access.ca is None else 'https'}://{access.url.place}",
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            verify=str(access.ca) if access.ca is not None else False,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                proxies={},
                user_agent="liuhen-verify",
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise StoreTrouble(
            f"存储地址 {access.url.text} 不可用", f"the address of the store {access.url.text} cannot be used"
        ) from error
    client.meta.events.register("before-call.s3", _stay)
    client.meta.events.register(BEFORE_PARSING, check_answer)
    return (ClientError, BotoCoreError, urllib3.exceptions.HTTPError, OSError), client


def _stay(context: dict[str, Any], **_: object) -> None:
    """Handler of botocore's `before-call`: no answer leads it elsewhere. Its redirector would ask on without an end."""
    context.setdefault("s3_redirect", {})["redirected"] = True


def _credential(access: StoreAccess) -> tuple[str, str]:
    """Access key and secret key from a file of two lines. Raises StoreTrouble, which repeats neither."""
    path = access.credentials
    if path is None:
        raise StoreTrouble(
            "读取 s3:// 需要凭据；请用 --credentials 给出凭据文件（两行：访问密钥、私有密钥）",
            "reading s3:// needs a credential; name its file of two lines with --credentials",
        )
    try:
        lines = read_private_file(path).decode("ascii").split()
    except KeyFileError as error:
        raise StoreTrouble(f"{path}：{error.remedy_zh}", f"{error.what}; {error.remedy_en}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise StoreTrouble(f"无法读取凭据文件 {path}", f"cannot read the credential's file {path}") from error
    if len(lines) != _CREDENTIAL_LINES:
        raise StoreTrouble(
            f"凭据文件 {path} 须为两行：访问密钥、私有密钥",
            f"the credential's file {path} must have two lines, access key and secret key",
        )
    return lines[0], lines[1]


def _listed(page: Mapping[str, Any]) -> Iterator[ObjectVersion]:
    versions = [_version(one, is_delete_marker=False) for one in page.get("Versions", ())]
    markers = [_version(one, is_delete_marker=True) for one in page.get("DeleteMarkers", ())]
    return heapq.merge(versions, markers, key=lambda version: version.key)


def _version(one: Mapping[str, Any], *, is_delete_marker: bool) -> ObjectVersion:
    found = str(one.get("VersionId", ""))
    return ObjectVersion(
        key=str(one["Key"]),
        version_id="" if found == NO_VERSION else found,
        size=int(one.get("Size", 0)),
        is_delete_marker=is_delete_marker,
    )
