"""HTTP to a store over urllib3, as the one thing a botocore client sends with (its event `before-send`).

Any thread may call; connections are pooled. Nothing of the environment is asked: no proxy, no bundle of certificates,
no netrc. The server is trusted by one CA file alone. What botocore's own sender does not tell is known here: which key
the server's certificate has, and whether a body was sent whole before the answer failed to come.
"""

from __future__ import annotations

import hashlib
import io
import ssl
import threading
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import urllib3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, SSLError

from drivers.store_faults import store_fault
from edge.store import FaultClass, StoreFault

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
MOST_CONNECTIONS = 8
SYSTEM_CA_FILE = Path("/etc/ssl/certs/ca-certificates.crt")
"""Debian's, by name: the library's own way to it can be led elsewhere by a variable (SSL_CERT_FILE)."""
CHUNK_BYTES = 1 << 17
PIECE_BYTES = 1 << 14
"""One record of TLS. Each has `READ_SECONDS` to go: 550 bytes a second are enough."""
HERE = (
    "录制设备自身不能是规定的保存场所；请写保存场所的真实地址（不要写本机的隧道或转发端口）",
    "the recorder's own machine is no designated store; write that store's real address, not a tunnel's here",
)
NETWORK_ERRORS = (HTTPError, HTTPException, OSError)
"""What urllib3 lets out while a request is made or an answer is read."""


class Body:
    """Exactly the bytes that are meant: the last of them are held back until the hash of all is right.

    `is_sent` turns true when whoever sends asks for more after the last byte, and so has handed that byte on.
    """

    def __init__(self, source: BinaryIO, *, size: int, md5: bytes, sha256: bytes, what: str) -> None:
        self.is_sent = False
        self.sha256 = sha256
        self._source = source
        self._size, self._seen = size, 0
        self._meant = (md5, sha256)
        self._hashes = (hashlib.md5(usedforsecurity=False), hashlib.sha256())
        self._what = what

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes. Raises StoreFault (DAMAGED) where the source has others than were meant, or fails."""
        if self._seen == self._size and self._seen:
            self.is_sent = True
            return b""
        try:
            chunk = self._source.read(min(size if size > 0 else CHUNK_BYTES, self._size - self._seen))
        except OSError as error:
            raise self._damaged(f"the device's own file cannot be read ({error.strerror})") from error
        self._seen += len(chunk)
        for state in self._hashes:
            state.update(chunk)
        if not chunk and self._seen < self._size:
            raise self._damaged(f"{self._seen} bytes came, not the {self._size} that were meant")
        if self._seen == self._size:
            self._check_whole()
        self.is_sent = not chunk
        return chunk

    def _check_whole(self) -> None:
        if tuple(state.digest() for state in self._hashes) != self._meant or self._source.read(1):
            raise self._damaged("the bytes are not those that were meant")

    def _damaged(self, words: str) -> StoreFault:
        return store_fault(FaultClass.DAMAGED, f"{self._what}: {words}")


class Misnamed(io.BytesIO):
    """Bytes under a hash that need not be theirs: what the doctor sends to see whether a store minds."""

    def __init__(self, content: bytes, *, sha256: bytes) -> None:
        super().__init__(content)
        self.sha256 = sha256


class Transport:
    """Connections to one endpoint. `send` is a handler of botocore's `before-send`."""

    def __init__(self, endpoint: str, ca_file: Path | None) -> None:
        """`endpoint` is http(s):// with host and port. Reads the CA file (None: the system's). Raises StoreFault."""
        parts = urlsplit(endpoint)
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        shape: dict[str, Any] = {
            "port": parts.port,
            "timeout": timeout,
            "maxsize": MOST_CONNECTIONS,
            "retries": False,
            "blocksize": CHUNK_BYTES,
        }
        self._last = threading.local()
        self._pool: HTTPConnectionPool
        if parts.scheme == "https":
            self._pool = _TlsPool(parts.hostname or "", ssl_context=_context(ca_file), **shape)
        else:
            self._pool = _PlainPool(parts.hostname or "", **shape)

    def keep_off_this_machine(self) -> None:
        """Let every connection made from now on send nothing where both its ends are this machine."""
        self._pool.conn_kw["elsewhere"] = True

    @property
    def server_key(self) -> bytes | None:
        """SHA-256 of the key of the server that last answered this thread."""
        found: bytes | None = getattr(self._last, "server_key", None)
        return found

    def send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        """Send one request, as it is, and return as soon as the head of its answer is there. Raises StoreFault."""
        self._last.server_key = None
        parts = urlsplit(request.url)
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        try:
            answer = self._pool.urlopen(
                request.method,
                path,
                body=request.body,
                headers=_text_of(request.headers),
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except NETWORK_ERRORS as error:
            raise network_fault(error, request.body) from error
        self._last.server_key = getattr(answer.connection, "server_key", None)
        return AWSResponse(request.url, answer.status, answer.headers, answer)

    def close(self) -> None:
        """Let idle connections go; later calls make new ones."""
        self._pool.close()


def network_fault(error: Exception, body: object = None) -> StoreFault:
    """What a failed exchange means: ambiguous exactly where a body was sent whole and no answer came."""
    words = f"{type(error).__name__}: {error}"
    if isinstance(body, Body) and body.is_sent:
        return store_fault(FaultClass.AMBIGUOUS, words)
    cause = error.args[0] if isinstance(error, SSLError) and error.args else error
    if isinstance(cause, ssl.SSLCertVerificationError | ssl.CertificateError):
        return store_fault(FaultClass.UNTRUSTED, words)
    return store_fault(FaultClass.UNREACHABLE, words)


class _PlainConnection(HTTPConnection):
    """See `send_in_pieces`. `elsewhere`: not to this very machine."""

    def __init__(self, *words: Any, elsewhere: bool = False, **named: Any) -> None:
        super().__init__(*words, **named)
        self.elsewhere = elsewhere

    def send(self, data: Any) -> None:
        send_in_pieces(self, super().send, data)


class _TlsConnection(HTTPSConnection):
    """The same, and remembers the key of the server it is connected to."""

    server_key: bytes | None = None

    def __init__(self, *words: Any, elsewhere: bool = False, **named: Any) -> None:
        super().__init__(*words, **named)
        self.elsewhere = elsewhere

    def connect(self) -> None:
        super().connect()
        sock: Any = self.sock
        self.server_key = key_of_certificate(sock.getpeercert(binary_form=True))

    def send(self, data: Any) -> None:
        send_in_pieces(self, super().send, data)


def send_in_pieces(connection: _PlainConnection | _TlsConnection, send: Callable[[Any], None], content: Any) -> None:
    """Hand bytes to the socket so that its limit is that of a small piece of them, and not of all.

    A socket's limit is for the whole of what one call sends, and urllib3 sends a request under the limit of connecting:
    on a thin line nothing that takes longer than that would ever be through.
    Raises StoreFault (DENIED) where the server is on this machine and should not be.
    """
    if connection.sock is None:
        connection.connect()
    connection.sock.settimeout(READ_SECONDS)
    if connection.elsewhere and _is_here(connection.sock):
        connection.close()
        raise store_fault(FaultClass.DENIED, "the store's address leads to this very machine", remedy=HERE)
    view = memoryview(content)
    for at in range(0, len(view), PIECE_BYTES):
        send(view[at : at + PIECE_BYTES])


def _is_here(sock: Any) -> bool:
    """Whether both ends of a connection have one address: by loopback, or by any other of this machine's."""
    return bool(sock.getsockname()[0] == sock.getpeername()[0])


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


def key_of_certificate(der: bytes) -> bytes:
    """SHA-256 of a certificate's SubjectPublicKeyInfo."""
    key = x509.load_der_x509_certificate(der).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def _context(ca_file: Path | None) -> ssl.SSLContext:
    """Trust in one file and in nothing else. Made by hand: the usual makers look at the environment (SSLKEYLOGFILE)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=ca_file or SYSTEM_CA_FILE)
    except (OSError, TypeError) as error:
        raise store_fault(FaultClass.UNTRUSTED, f"CA file {ca_file}: {error}") from error
    return context


def _text_of(headers: Any) -> dict[str, str]:
    return {
        name: value.decode("latin-1") if isinstance(value, bytes) else str(value) for name, value in headers.items()
    }
