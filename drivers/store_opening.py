"""The store that a configuration names, opened when it is first asked and anew after a refusal.

Any thread may call. A credential or CA file that is not there yet, or was changed since, is read again once the store
has refused the old one: a key that was rotated needs no restart. What cannot be opened is the fault of each call.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from drivers.store_directory import DirectoryStore
from drivers.store_faults import store_fault
from edge.settings_store import Access
from edge.store import FaultClass, Nature, Put, Reading, Retained, Store, StoreFault, Version
from liuhen.store_names import StoreUrl, is_loopback

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
"""Where systemd puts what LoadCredential= names (systemd.exec(5))."""
NO_CREDENTIAL = (
    "请在配置 credentials_file（[store] 或 [store.second]）写明凭据文件，或以 systemd 凭据提供",
    "name the credential's file in credentials_file of [store] or [store.second], or give it as a systemd credential",
)


class ConfiguredStore:
    """Implements `edge.store.Store` for one URL. `sign_ahead` shifts the time that requests are signed with."""

    def __init__(
        self, url: StoreUrl, open_it: Callable[[timedelta], Store], is_conditional: Callable[[], bool] = lambda: False
    ) -> None:
        """Opens nothing yet; `open_it` raises StoreFault. `is_conditional` says whether a PUT may be conditional now.

        It is asked before each PUT: what the doctor found since then counts at once.
        """
        self._is_conditional = is_conditional
        self._conditional = False
        self._url = url
        self._open_it = open_it
        self._opened: Store | None = None
        self._ahead = timedelta()
        self._lock = threading.Lock()

    def sign_ahead(self, ahead_ms: int) -> None:
        """The store's clock is so much ahead of ours."""
        with self._lock:
            self._ahead = timedelta(milliseconds=ahead_ms)
            self._opened = None

    def nature(self) -> Nature:
        """See Store."""
        try:
            return self._store().nature()
        except StoreFault:
            return Nature(url=self._url.text, worm=True, label_zh="尚未打开", label_en="not opened yet")

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
        """See Store."""
        self._heed_the_doctor()
        with self._asking() as store:
            return store.put(key, body, size=size, md5=md5, sha256=sha256, retain_until=retain_until)

    def versions(self, prefix: str) -> Iterator[Version]:
        """See Store."""
        with self._asking() as store:
            yield from store.versions(prefix)

    def open(self, key: str, version_id: str) -> Reading:
        """See Store."""
        with self._asking() as store:
            return store.open(key, version_id)

    def default_lock(self) -> timedelta | None:
        """See Store."""
        with self._asking() as store:
            return store.default_lock()

    def retained(self, key: str, version_id: str) -> Retained:
        """See Store."""
        with self._asking() as store:
            return store.retained(key, version_id)

    def extend(self, key: str, version_id: str, until: datetime) -> None:
        """See Store."""
        with self._asking() as store:
            store.extend(key, version_id, until)

    def close(self) -> None:
        """See Store."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    @contextmanager
    def _asking(self) -> Iterator[Store]:
        store = self._store()
        try:
            yield store
        except StoreFault as fault:
            if fault.fault in (FaultClass.DENIED, FaultClass.UNTRUSTED):
                with self._lock:  # the other stream may be using it: it is let go, not closed
                    self._opened = None
            raise

    def _heed_the_doctor(self) -> None:
        """Open it anew where its doctor has found otherwise; the other stream may be using the one let go."""
        conditional = self._is_conditional()
        with self._lock:
            if conditional != self._conditional:
                self._opened = None

    def _store(self) -> Store:
        with self._lock:
            if self._opened is None:
                self._conditional = self._is_conditional()
                self._opened = self._open_it(self._ahead)
            return self._opened


def configured_store(
    settings: Access, environment: Mapping[str, str], is_conditional: Callable[[], bool] = lambda: False
) -> ConfiguredStore:
    """The store of a configuration that names one. Raises nothing: what is wrong with it is the fault of each call.

    `is_conditional` is asked before each PUT: whether its doctor saw a conditional PUT honoured.
    """
    url = settings.place
    if url is None:
        raise ValueError("no store is configured")
    if url.scheme == "file":
        return ConfiguredStore(url, lambda _ahead: DirectoryStore(url))
    return ConfiguredStore(
        url, lambda ahead: _opened_server(url, settings, environment, ahead, is_conditional()), is_conditional
    )


def _opened_server(
    url: StoreUrl, settings: Access, environment: Mapping[str, str], ahead: timedelta, conditional: bool
) -> Store:
    from drivers.store_s3 import S3Store, read_credential  # noqa: PLC0415 - half the memory of the process

    credential = read_credential(_credential_file(settings, environment))
    store = S3Store(url, credential, ca_file=settings.ca_file, region=settings.region, conditional=conditional)
    if settings.designated and not is_loopback(url.place):
        # An address that says itself that it is loopback is for trials: the recorder, which has the key, judges it.
        store.keep_off_this_machine()
    store.sign_with_offset(ahead)
    return store


def _credential_file(settings: Access, environment: Mapping[str, str]) -> Path:
    if settings.credentials_file is not None:
        return settings.credentials_file
    folder = environment.get(CREDENTIALS_VARIABLE)
    if folder is None:
        raise store_fault(FaultClass.DENIED, "no credential for the store", remedy=NO_CREDENTIAL)
    return Path(folder) / settings.credentials_name


def system_environment() -> Mapping[str, str]:
    """What systemd tells this process by."""
    return os.environ
