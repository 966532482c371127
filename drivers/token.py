"""A device key that never leaves its PKCS#11 token (smart card, HSM, SoftHSM), through python-pkcs11.

Any thread may sign; a lock lets one in at a time. The PIN is read from its file and kept nowhere. Every error of the
library becomes UnusableKey. python-pkcs11 is imported when a token is configured, not before. A module that hangs in a
call of its own cannot be interrupted from here. Only SoftHSM 2 was tried, no hardware token yet.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.config import Token
from liuhen import cose, keys
from liuhen.keys import UnusableKey
from liuhen.registry import KeyCause

ED25519_PARAMETERS = bytes.fromhex("06032b6570")
"""DER of the object identifier 1.3.101.112 (RFC 8410)."""
POINT_PREFIX = bytes.fromhex("0420")
ID_BYTES = 16
PROBE = b"liuhen token probe"

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class _Session:
    """One logged-in session; closed, it signs nothing more."""

    label: str
    session: Any
    lock: threading.Lock

    def do(self, work: Callable[[], T]) -> T:
        """Carry out one call on the token. Raises UnusableKey."""
        with self.lock, _translated(self.label):
            return work()


class TokenSigner:
    """One key of a token."""

    def __init__(self, session: _Session, private_key: Any, public_key: bytes) -> None:
        self._session = session
        self._private_key = private_key
        self.public_key = public_key

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature. Raises UnusableKey when the token is gone."""
        from pkcs11 import Mechanism  # noqa: PLC0415 -- loaded only where a token is used

        def work() -> bytes:
            return bytes(self._private_key.sign(message, mechanism=Mechanism.EDDSA))

        return self._session.do(work)


class Pkcs11Token:
    """See the module."""

    def __init__(self, settings: Token) -> None:
        """Find the token by its label and log in. Raises UnusableKey."""
        self._settings = settings
        with _translated(settings.label, _absent):
            self._token = _find(settings)
        with _translated(settings.label):
            self._session = self._log_in(writable=False)

    def signers(self) -> tuple[cose.Signer, ...]:
        """The token's Ed25519 keys that cannot be taken out, each after a trial signature. Raises UnusableKey."""
        return tuple(self._session.do(lambda: list(self._found(self._session))))

    def generate(self, label: str) -> cose.Signer:
        """A new key, made in the token and never to leave it. Raises UnusableKey."""
        from pkcs11 import Attribute, KeyType, Mechanism  # noqa: PLC0415

        self.close()
        identifier = secrets.token_bytes(ID_BYTES)
        with _translated(self._settings.label):
            writing = self._log_in(writable=True)
            try:
                parameters = writing.session.create_domain_parameters(
                    KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: ED25519_PARAMETERS}, local=True
                )
                parameters.generate_keypair(
                    mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                    store=True,
                    label=label,
                    id=identifier,
                    private_template={Attribute.EXTRACTABLE: False, Attribute.SENSITIVE: True},
                )
            finally:
                writing.session.close()
            self._session = self._log_in(writable=False)
        made = self._session.do(lambda: list(self._found(self._session, identifier)))
        if len(made) != 1:
            raise _refused(self._settings.label, "the new key is not there, or can be taken out")
        return made[0]

    def close(self) -> None:
        """Log out; what a token that is gone says to that is of no interest."""
        from pkcs11.exceptions import PKCS11Error  # noqa: PLC0415

        try:
            self._session.session.close()
        except PKCS11Error:
            return

    def _log_in(self, *, writable: bool) -> _Session:
        session = self._token.open(user_pin=_pin(self._settings), rw=writable)
        return _Session(label=self._settings.label, session=session, lock=threading.Lock())

    def _found(self, session: _Session, identifier: bytes | None = None) -> Iterator[TokenSigner]:
        from pkcs11 import Attribute, KeyType, ObjectClass  # noqa: PLC0415

        wanted: dict[Any, Any] = {Attribute.KEY_TYPE: KeyType.EC_EDWARDS}
        if identifier is not None:
            wanted[Attribute.ID] = identifier
        objects = session.session.get_objects
        public = {bytes(found.id): found for found in objects({**wanted, Attribute.CLASS: ObjectClass.PUBLIC_KEY})}
        for private in list(objects({**wanted, Attribute.CLASS: ObjectClass.PRIVATE_KEY})):
            pair = public.get(bytes(private.id))
            if pair is None or private[Attribute.EXTRACTABLE]:
                continue
            point = bytes(pair[Attribute.EC_POINT])
            signer = TokenSigner(session, private, point.removeprefix(POINT_PREFIX))
            if _signs(private, signer.public_key):
                yield signer


def open_token(settings: Token) -> Pkcs11Token:
    """The configured token, logged in. Raises UnusableKey."""
    return Pkcs11Token(settings)


def _find(settings: Token) -> Any:
    import pkcs11  # noqa: PLC0415
    from pkcs11.exceptions import PKCS11Error  # noqa: PLC0415

    library = pkcs11.lib(str(settings.module))
    try:
        found = list(library.get_tokens(token_label=settings.label))
    except PKCS11Error:  # a module may not see a token again that was pulled out while it was in use
        library.reinitialize()
        found = list(library.get_tokens(token_label=settings.label))
    if len(found) != 1:
        raise _absent(settings.label, "no such token" if not found else "several tokens have this label")
    return found[0]


def _signs(private_key: Any, public_key: bytes) -> bool:
    """Whether the pair belongs together and the token really makes Ed25519 signatures: some cannot."""
    from pkcs11 import Mechanism  # noqa: PLC0415

    try:
        signature = bytes(private_key.sign(PROBE, mechanism=Mechanism.EDDSA))
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, PROBE)
    except (InvalidSignature, ValueError):
        return False
    return True


def _pin(settings: Token) -> str:
    if settings.pin_file is None:
        raise _refused(settings.label, "no PIN file is configured")
    try:
        return keys.read_private_file(settings.pin_file).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "not text"
        raise _refused(settings.label, f"{settings.pin_file}: {words}") from error


def _absent(label: str, why: str) -> UnusableKey:
    return UnusableKey(
        f"令牌 token {label}: {why}",
        remedy_zh="请插好密码令牌，并核对配置 key.token 中的模块和标签",
        remedy_en="plug the token in, and check module and label under key.token in the configuration",
        cause=KeyCause.TOKEN_ABSENT,
    )


def _refused(label: str, why: str) -> UnusableKey:
    return UnusableKey(
        f"令牌 token {label}: {why}",
        remedy_zh="令牌拒绝使用；请核对口令文件 key.token.pin_file，勿反复尝试以免令牌锁死",
        remedy_en="the token refuses; check key.token.pin_file, and do not try often: tokens lock themselves",
        cause=KeyCause.TOKEN_REFUSED,
    )


@contextmanager
def _translated(label: str, otherwise: Callable[[str, str], UnusableKey] = _refused) -> Iterator[None]:
    """The library's exceptions as one; the PIN is in none of its texts."""
    try:
        from pkcs11.exceptions import (  # noqa: PLC0415
            DeviceRemoved,
            NoSuchToken,
            ObjectHandleInvalid,
            PKCS11Error,
            SessionHandleInvalid,
            TokenNotPresent,
        )
    except ImportError as error:
        raise _absent(label, "the package python-pkcs11 is not installed") from error
    try:
        yield
    except (DeviceRemoved, NoSuchToken, ObjectHandleInvalid, SessionHandleInvalid, TokenNotPresent) as error:
        raise _absent(label, type(error).__name__) from error
    except (PKCS11Error, RuntimeError) as error:  # RuntimeError: a module that cannot be loaded
        raise otherwise(label, f"{type(error).__name__} {error}".strip()) from error
