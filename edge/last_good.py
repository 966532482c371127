"""The last good configuration: what the recorder's service goes on with when its file cannot be used at a start.

The copy is made after a start whose first entries are durable, so it is what ran before and protects no less. It is one
file that is replaced whole (0600), of the one configuration file it names, and its hash finds rot. It is not signed:
whoever can write it can write the spool and read the key beside it. A person's `liuhen run` never uses it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge import config as configuration
from edge import durable
from edge.config import Config, ConfigError
from edge.config_file import Problem
from liuhen import cbor
from liuhen.errors import FormatError
from liuhen.hashing import sha256

NAME = "last-good-config"
LIMIT_BYTES = configuration.FILE_LIMIT_BYTES + 8_192
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The configuration of a run, and where its copy is kept; `fault` says why the file itself is not in force."""

    config: Config
    content: bytes
    file: Path
    copy: Path
    fault: ConfigError | None = None

    def keep(self) -> None:
        """Make the copy, durably, unless it is this one already. Raises StorageFault."""
        if self.fault is None and _copied(self.copy, self.file) != self.content:
            durable.replace_file(self.copy, bytes_of(self.file, self.content))

    @property
    def words(self) -> tuple[str, str]:
        """One line for the operator: what is wrong, what is in force, how to mend it."""
        why = self.reason.line() if self.reason is not None else ""
        return (
            f"配置文件 {self.file} 不可用，沿用上一份有效配置；请用 `liuhen config check` 检查改正，再重启服务。{why}",
            f"the configuration {self.file} cannot be used, the last good one is in force; mend it "
            "(`liuhen config check`) and restart the recorder's service",
        )

    @property
    def reason(self) -> Problem | None:
        """The first thing wrong with the file."""
        return self.fault.problems[0] if self.fault is not None and self.fault.problems else None


def usual_copy(environment: Mapping[str, str]) -> Path:
    """Where the copy stands: the service's state folder, or the folder around the usual spool."""
    folder = environment.get("STATE_DIRECTORY")
    return Path(folder) / NAME if folder else Config().spool.directory.with_name(NAME)


def in_force(file: Path, copy: Path) -> InForce:
    """The file's configuration, else the last good one. Raises the file's own ConfigError where there is neither."""
    file = file.absolute()
    try:
        content = configuration.read(file)
        return InForce(config=configuration.parse(content, base=file.parent), content=content, file=file, copy=copy)
    except ConfigError as fault:
        content_before = _copied(copy, file)
        if content_before is None:
            raise
        try:
            config = configuration.parse(content_before, base=file.parent)
        except ConfigError:
            raise fault from None  # another version wrote it: what it means here nobody can say
        return InForce(config=config, content=content_before, file=file, copy=copy, fault=fault)


def bytes_of(file: Path, content: bytes) -> bytes:
    """A copy's bytes."""
    body = cbor.encode((1, os.fsencode(file), content))
    return sha256(body) + body


def _copied(copy: Path, file: Path) -> bytes | None:
    """The content kept for this file; None where there is none that can be believed."""
    try:
        descriptor = os.open(copy, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as kept:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & OTHERS_WRITE:
            return None
        try:
            encoded = kept.read(LIMIT_BYTES + 1)
        except OSError:
            return None
    return parse_copy(encoded, file)


def parse_copy(encoded: bytes, file: Path) -> bytes | None:
    """The content in a copy's bytes, if they are whole and of this file."""
    digest, body = encoded[:32], encoded[32:]
    if len(encoded) > LIMIT_BYTES or sha256(body) != digest:
        return None
    try:
        match cbor.decode(body, where=NAME):
            case (1, bytes(name), bytes(content)) if name == os.fsencode(file):
                return content
            case _:
                return None
    except FormatError:
        return None
