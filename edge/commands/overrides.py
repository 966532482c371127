"""Command-line choices over a configuration file, with a digest that covers both."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path

from edge.config import Config

LONGEST_SECONDS = 366 * 86_400


def seconds(text: str) -> float:
    """A length of time from the command line: above zero, at most a year. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r}：请写大于 0 的秒数 / a number of seconds above 0")
    return value


def with_spool(config: Config, directory: Path | None) -> Config:
    """The same configuration with another spool; the session entry then commits to file and choice together."""
    if directory is None:
        return config
    spool = replace(config.spool, directory=directory.absolute())
    return replace(config, spool=spool, digest=amended_digest(config, f"--spool {directory.name}"))


def amended_digest(config: Config, choice: str) -> bytes:
    """SHA-256 of the file's digest and the choice."""
    return hashlib.sha256(config.digest + choice.encode()).digest()
