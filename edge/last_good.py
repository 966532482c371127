"""The last good configuration: what the recorder's service goes on with when its file cannot be used at a start.

The copy is made after a start whose first entries are durable, so it is what ran before and protects no less. With it
go the jurisdiction's rules where they are a file of the device's own. It is one file that is replaced whole (0600), of
the one configuration file it names, and its hash finds rot. It is not signed:
whoever can write it can write the spool and read the key beside it. A person's `liuhen run` never uses it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge import config as configuration
from edge import durable, profiles
from edge.config import Config, ConfigError
from edge.config_file import Problem
from edge.rules import read_rules, ruled
from liuhen import cbor
from liuhen.errors import FormatError
from liuhen.hashing import sha256

NAME = "last-good-config"
LIMIT_BYTES = configuration.FILE_LIMIT_BYTES + profiles.FILE_LIMIT_BYTES + 8_192
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy holds. `rules` is empty where they come with the program."""

    content: bytes
    rules: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The configuration of a run, and where its copy is kept; `fault` says why the file itself is not in force."""

    config: Config
    content: bytes
    file: Path
    copy: Path
    rules: bytes = b""
    """The file of the jurisdiction's rules, empty where they come with the program."""
    fault: ConfigError | None = None

    def keep(self) -> None:
        """Make the copy, durably, unless it is this one already. Raises StorageFault."""
        wanted = Copied(content=self.content, rules=self.rules)
        if self.fault is None and _copied(self.copy, self.file) != wanted:
            durable.replace_file(self.copy, bytes_of(self.file, wanted))

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
    """The file's configuration with its rules, else the last good one with its own.

    Raises the file's own ConfigError where there is neither.
    """
    file = file.absolute()
    try:
        content = configuration.read(file)
        config, rules = _with_rules(configuration.parse(content, base=file.parent), b"")
        return InForce(config=config, content=content, rules=rules, file=file, copy=copy)
    except ConfigError as fault:
        before = _copied(copy, file)
        if before is None:
            raise
        try:
            config, rules = _with_rules(configuration.parse(before.content, base=file.parent), before.rules)
        except ConfigError:
            raise fault from None  # another version wrote it: what it means here nobody can say
        return InForce(config=config, content=before.content, rules=rules, file=file, copy=copy, fault=fault)


def _with_rules(config: Config, kept: bytes) -> tuple[Config, bytes]:
    """With the rules that were kept, or the ones the configuration names; and what of them is to be kept."""
    content = kept or read_rules(config)
    return ruled(config, content), b"" if profiles.is_bundled(content) else content


def bytes_of(file: Path, kept: Copied) -> bytes:
    """A copy's bytes."""
    name = os.fsencode(file)
    body = cbor.encode((2, name, kept.content, kept.rules) if kept.rules else (1, name, kept.content))
    return sha256(body) + body


def _copied(copy: Path, file: Path) -> Copied | None:
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


def parse_copy(encoded: bytes, file: Path) -> Copied | None:
    """What a copy's bytes hold, if they are whole and of this file."""
    digest, body = encoded[:32], encoded[32:]
    if len(encoded) > LIMIT_BYTES or sha256(body) != digest:
        return None
    try:
        match cbor.decode(body, where=NAME):
            case (1, bytes(name), bytes(content)) if name == os.fsencode(file):
                return Copied(content=content)
            case (2, bytes(name), bytes(content), bytes(rules)) if rules and name == os.fsencode(file):
                return Copied(content=content, rules=rules)
            case _:
                return None
    except FormatError:
        return None
