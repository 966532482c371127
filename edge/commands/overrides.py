"""Command-line choices over a configuration file, with a digest that covers both."""

from __future__ import annotations

import argparse
import hashlib
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from edge.config import Config
from edge.settings_control import Control
from liuhen.command_line import BilingualParser
from liuhen.errors import FormatError
from liuhen.store_names import parse_store_url

LONGEST_SECONDS = 366 * 86_400
LARGEST_PPM = 10_000.0
USAGE_EXIT = 2


class CommandLine(BilingualParser):
    """A parser of the device's commands, which end with exit code 2 where their words are wrong."""

    def refuse(self, zh: str, en: str) -> NoReturn:
        """Say what is wrong with the command line, and where the options stand. Exits."""
        see_zh, see_en = f"用 {self.prog} --help 查看说明", f"see {self.prog} --help"
        self.exit(USAGE_EXIT, f"命令行有误：{zh}；{see_zh} / error: {en}; {see_en}\n")


def ppm(text: str) -> float:
    """How far a crystal is off, in millionths. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST_PPM:
        raise argparse.ArgumentTypeError(f"{text!r}：请写正负 10000 以内的数 / a number between -10000 and 10000")
    return value


def open_descriptor(text: str) -> int:
    """A file descriptor that this process was given. Raises ArgumentTypeError."""
    try:
        os.fstat(int(text))
    except (ValueError, OverflowError, OSError) as error:
        raise argparse.ArgumentTypeError(f"{text!r}：不是已打开的文件描述符 / no open file descriptor") from error
    return int(text)


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


def store_url(text: str) -> str:
    """A store from the command line: its URL in the one spelling, or a folder's path. Raises ArgumentTypeError."""
    try:
        return parse_store_url(text if ":" in text else f"file:{Path(text).absolute()}").text
    except FormatError as error:
        words = "file:/绝对路径 或 s3://主机[:端口]/桶，其中不得有口令 / a file: or s3:// URL without a secret in it"
        raise argparse.ArgumentTypeError(words) from error


def add_store(parser: argparse.ArgumentParser) -> None:
    """The option of every command that may be given another store."""
    parser.add_argument(
        "--store",
        type=store_url,
        metavar="URL",
        help="中心存储库：file:/目录 或 s3://主机/桶；不写则按配置 / the central store; else the configuration's",
    )


def with_store(config: Config, url: str | None) -> Config:
    """The same configuration with another store. On a laptop the control socket then stands beside the spool."""
    if url is None:
        return config
    control, default = config.control, Control()
    if control.socket == default.socket and not default.socket.parent.is_dir():
        spool = config.spool.directory
        control = replace(control, socket=spool.with_name(f"{spool.name}.control"))
    return replace(
        config,
        store=replace(config.store, url=url),
        control=control,
        digest=amended_digest(config, f"--store {url}"),
    )


def amended_digest(config: Config, choice: str) -> bytes:
    """SHA-256 of the file's digest and the choice."""
    return hashlib.sha256(config.digest + choice.encode()).digest()
