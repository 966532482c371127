"""What stands where in a store, and what a key says of its object (FORMAT.md 12.1). Pure: makes and parses names.

A key names its object by content: whoever reads back bytes of another hash has not read the object.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from liuhen.errors import FormatError

VERSION = "v1"
KEY_LIMIT = 512
URL_LIMIT = 512
NAME_BYTES = 8
"""So much of a hash tells contents apart where only their retention is asked."""
_URL = re.compile(r"(?:file:|[a-z][a-z0-9+.-]*://)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceName:
    """Entries first to last of a journal."""

    log_id: bytes
    first: int
    last: int
    digest: bytes

    @property
    def path(self) -> str:
        """Below the log's prefix, without the hash."""
        return f"journal/{self.first:012d}-{self.last:012d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointName:
    """The checkpoint entry of this size."""

    log_id: bytes
    size: int
    digest: bytes

    @property
    def path(self) -> str:
        """Below the log's prefix, without the hash."""
        return f"checkpoint/{self.size:012d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordName:
    """A record, plain or encrypted for its custodian."""

    log_id: bytes
    commitment: bytes
    digest: bytes

    @property
    def path(self) -> str:
        """Below the log's prefix, without the hash."""
        return f"records/{self.commitment.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaName:
    """A segment file that the journal states."""

    log_id: bytes
    session: bytes
    number: int
    digest: bytes

    @property
    def path(self) -> str:
        """Below the log's prefix, without the hash."""
        return f"media/{self.session.hex()}/{self.number:06d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineName:
    """Bytes that recovery cut off a segment."""

    log_id: bytes
    session: bytes
    number: int
    digest: bytes

    @property
    def path(self) -> str:
        """Below the log's prefix, without the hash."""
        return f"quarantine/{self.session.hex()}/{self.number:06d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BeaconName:
    """What the device said of itself at a time."""

    log_id: bytes
    at: datetime
    digest: bytes

    @property
    def path(self) -> str:
        """Below the log's prefix, without the hash."""
        return f"beacon/{_moment(self.at)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessName:
    """A witness's statement over the checkpoint of this size."""

    log_id: bytes
    size: int
    digest: bytes

    @property
    def path(self) -> str:
        """Below the log's prefix, without the hash."""
        return f"witness/{self.size:012d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessName:
    """A custodian's statement that content was copied at a time."""

    log_id: bytes
    at: datetime
    digest: bytes

    @property
    def path(self) -> str:
        """Below the log's prefix, without the hash."""
        return f"access/{_moment(self.at)}"


Name = SliceName | CheckpointName | RecordName | MediaName | QuarantineName | BeaconName | WitnessName | AccessName


def key_of(name: Name) -> str:
    """The key of an object."""
    return f"{prefix_of(name.log_id)}{name.path}-{name.digest.hex()}"


def prefix_of(log_id: bytes, folder: str = "") -> str:
    """Where everything of a log stands, or one kind of it: `journal`, `media` and so on."""
    return f"{VERSION}/{log_id.hex()}/" + (f"{folder}/" if folder else "")


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%d/%H%M%S")


_LOG = r"v1/(?P<log>[0-9a-f]{32})/"
_HASH = r"-(?P<digest>[0-9a-f]{64})"
_SESSION = r"(?P<session>[0-9a-f]{32})/(?P<number>[0-9]{6})"
_MOMENT = r"(?P<at>[0-9]{8}/[0-9]{6})"
_KEY = re.compile(
    _LOG
    + r"(?:journal/(?P<first>[0-9]{12})-(?P<last>[0-9]{12})"
    + r"|(?P<sized>checkpoint|witness)/(?P<size>[0-9]{12})"
    + r"|records/(?P<commitment>[0-9a-f]{64})"
    + rf"|(?P<filed>media|quarantine)/{_SESSION}"
    + rf"|(?P<timed>beacon|access)/{_MOMENT})"
    + _HASH,
    re.ASCII,
)


def parse_key(key: str) -> Name:
    """What a key says of its object. Raises FormatError for a name that is none of FORMAT.md 12.1."""
    found = _KEY.fullmatch(key)
    if found is None:
        raise FormatError(key[:KEY_LIMIT], "not a name of an object (FORMAT.md 12.1)")
    log_id, digest = bytes.fromhex(found["log"]), bytes.fromhex(found["digest"])
    if found["first"] is not None:
        first, last = int(found["first"]), int(found["last"])
        if first > last:
            raise FormatError(key, "a slice that ends before it begins")
        return SliceName(log_id=log_id, first=first, last=last, digest=digest)
    if found["sized"] is not None:
        sized = CheckpointName if found["sized"] == "checkpoint" else WitnessName
        return sized(log_id=log_id, size=int(found["size"]), digest=digest)
    if found["commitment"] is not None:
        return RecordName(log_id=log_id, commitment=bytes.fromhex(found["commitment"]), digest=digest)
    if found["filed"] is not None:
        filed = MediaName if found["filed"] == "media" else QuarantineName
        session, number = bytes.fromhex(found["session"]), int(found["number"])
        return filed(log_id=log_id, session=session, number=number, digest=digest)
    timed = BeaconName if found["timed"] == "beacon" else AccessName
    return timed(log_id=log_id, at=_parsed(key, found["at"]), digest=digest)


def _parsed(key: str, moment: str) -> datetime:
    try:
        return datetime.strptime(moment, "%Y%m%d/%H%M%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise FormatError(key, "not a date and time") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUrl:
    """A store's name: `file:` with an absolute path, or `s3://` with endpoint and bucket."""

    scheme: str
    place: str
    """`file`: the path. `s3`: endpoint host with its port, without scheme."""
    bucket: str = ""

    @property
    def text(self) -> str:
        """The one spelling, which `store_hash` hashes."""
        return f"file:{self.place}" if self.scheme == "file" else f"s3://{self.place}/{self.bucket}"


def is_loopback(place: str) -> bool:
    """Whether a host with its port says that it is this very machine. A name that only leads there is not looked up."""
    host = urlsplit(f"//{place}").hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_store(text: str) -> bool:
    """Whether an argument is meant as the URL of a store and not as a path."""
    return _URL.match(text) is not None


def parse_store_url(text: str) -> StoreUrl:
    """The store a URL names. Raises FormatError: credentials, a query, a fragment, another scheme, no bucket."""
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > URL_LIMIT:
        raise FormatError("store URL", f"at most {URL_LIMIT} printable ASCII characters without spaces")
    parts = urlsplit(text)
    if parts.query or parts.fragment or "@" in parts.netloc or "?" in text or "#" in text:
        # Never repeat the text: it may hold a secret.
        raise FormatError("store URL", "no credentials, query or fragment may stand in it")
    if parts.scheme == "file" and parts.netloc == "" and parts.path.startswith("/"):
        return StoreUrl(scheme="file", place="/" + parts.path.strip("/"))
    bucket = parts.path.strip("/")
    if parts.scheme == "s3" and parts.netloc and bucket and "/" not in bucket:
        return StoreUrl(scheme="s3", place=parts.netloc.lower(), bucket=bucket)
    raise FormatError("store URL", "expected file:/absolute/path or s3://host[:port]/bucket")


def store_hash(url: StoreUrl) -> bytes:
    """The name of a store in a statement: SHA-256 of its URL in the one spelling."""
    return hashlib.sha256(url.text.encode("ascii")).digest()
