"""What every act of a person on the journal between sessions needs: the configuration, a log opened for it, its text.

No name, case number or free text comes from the command line, where every user of the machine can read it: it is read
from a file or from standard input, and goes into a record.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from edge import config as configuration
from edge.commands.overrides import with_spool
from edge.destruction import keep_record, read_ledger
from edge.durable import StorageFault
from edge.journal import JournalError
from edge.opening import OpenLog, maintenance
from edge.ports import Clock
from edge.refusals import SpoolError
from edge.retention import Ledger
from liuhen.records import RECORD_LIMIT_BYTES, SALT_BYTES, Record

WORKSHOP = Path("recordings/spool")
EXIT_DENIED = 7
"""The act is forbidden; the refusal is in the journal."""

ORDINAL_DIGITS = 6
SHORTEST_PREFIX = 8
MakeClock = Callable[[], Clock]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A log opened for one act, everything its journal says, and the local time where its device hangs."""

    log: OpenLog
    ledger: Ledger
    zone: tzinfo

    def keep(self, content: bytes) -> Record:
        """A durable record under a fresh salt; on a full disk it takes the journal's reserve. Raises StorageFault."""
        try:
            return keep_record(self.log.spool, content, salt=secrets.token_bytes(SALT_BYTES))
        except StorageFault as fault:
            if not fault.full or not self.log.journal.use_reserve():
                raise
        return keep_record(self.log.spool, content, salt=secrets.token_bytes(SALT_BYTES))


def add_config(parser: argparse.ArgumentParser) -> None:
    """The options that say which device acts."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
    parser.add_argument("--spool", type=Path, metavar="DIR", help="存储目录 / the spool")


@contextmanager
def acting(arguments: argparse.Namespace, clock: Clock) -> Iterator[Act]:
    """Open the log between sessions; checkpoint and `stop` follow the act. Raises Refused, StorageFault."""
    loaded = configuration.load(arguments.config) if arguments.config is not None else configuration.Config()
    with maintenance(with_spool(loaded, arguments.spool), clock, say, open_token=arguments.open_token) as log:
        yield Act(log=log, ledger=ledger_of(log.spool.root), zone=loaded.device.zone)


def spool_here(named: Path | None, config: configuration.Config | None = None) -> Path:
    """What is read where no folder is named: the configuration's, else what `make run` left here, else the device's."""
    if named is not None:
        return named
    return WORKSHOP if config is None and WORKSHOP.is_dir() else (config or configuration.Config()).spool.directory


def ledger_of(root: Path) -> Ledger:
    """The ledger of a spool or archive. Raises SpoolError."""
    if not (root / "journal").is_dir():
        raise SpoolError(
            f"{root} 不是存储目录或档案 / is not a spool or archive",
            remedy_zh="请指定存储目录，例如 recordings/spool",
            remedy_en="name a spool directory, for example recordings/spool",
        )
    try:
        return read_ledger(root)
    except JournalError as error:
        raise SpoolError(
            str(error), remedy_zh="请用 liuhen-verify 查看详情", remedy_en="run liuhen-verify for details"
        ) from error


def session_named(ledger: Ledger, text: str) -> bytes:
    """A session by its number in the log, or by the first digits of its id. Raises SpoolError."""
    if text.isdecimal() and len(text) <= ORDINAL_DIGITS:
        rows = ledger.keeping.sessions.items()
        found = [id_ for id_, kept in rows if kept.ordinal == int(text) and id_ in ledger.sessions]
    else:
        found = _by_prefix(ledger.sessions, text)
    if len(found) != 1:
        raise SpoolError(
            f"没有场次 {text} / no session {text}",
            remedy_zh="请写场次序号，或其编号的前 8 位以上；见 `liuhen spool ls`",
            remedy_en="write its number, or the first 8 digits of its id",
        )
    return found[0]


def record_named(ledger: Ledger, text: str) -> bytes:
    """A record by its commitment, or the first digits of it. Raises SpoolError."""
    found = _by_prefix(ledger.labels, text)
    if len(found) != 1:
        raise SpoolError(
            f"没有附录 {text} / no record {text}",
            remedy_zh="请写附录编号的前 8 位以上；见 `liuhen records ls`",
            remedy_en="write the first 8 digits of it, as `liuhen records ls` lists them",
        )
    return found[0]


def _by_prefix(names: Iterable[bytes], text: str) -> list[bytes]:
    if len(text) < SHORTEST_PREFIX:
        return []
    return [name for name in names if name.hex().startswith(text.lower())]


def text_for_record(path: Path | None) -> bytes:
    """Text from a file, or from standard input, as a record holds it (UTF-8, NFC). Raises SpoolError."""
    content = _content(path)
    try:
        text = unicodedata.normalize("NFC", content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _unusable(
            "内容不是 UTF-8 文本 / the text is not UTF-8", "请另存为 UTF-8 文本", "save it as UTF-8 text"
        ) from error
    if not text.strip():
        raise _unusable("内容为空 / the text is empty", "请写明内容", "write what it is to say")
    return text.encode()


def file_for_record(path: Path) -> bytes:
    """Any file as the content of an attachment. Raises SpoolError."""
    return _content(path)


def _content(path: Path | None) -> bytes:
    limit = RECORD_LIMIT_BYTES - SALT_BYTES
    if path is None:
        if sys.stdin.isatty():
            sys.stderr.write("请输入内容，Ctrl-D 结束 / type the text, end with Ctrl-D\n")
        content = sys.stdin.buffer.read(limit + 1)
    else:
        try:
            with path.open("rb") as file:
                content = file.read(limit + 1)
        except OSError as error:
            raise _unusable(
                f"{path}: {error.strerror}", "请检查文件路径和权限", "check the path and its permissions"
            ) from error
    if len(content) > limit:
        raise _unusable(
            "超过 16 MiB / more than 16 MiB", "一份附录最多 16 MiB，请拆分", "a record holds 16 MiB at most; split it"
        )
    return content


def _unusable(what: str, remedy_zh: str, remedy_en: str) -> SpoolError:
    return SpoolError(what, remedy_zh=remedy_zh, remedy_en=remedy_en)


def say(words_zh: str, words_en: str) -> None:
    """One message for the operator, Chinese first."""
    sys.stderr.write(f"{words_zh}\n{words_en}\n")


def tell(line: str) -> None:
    """One line of the answer."""
    sys.stdout.write(line + "\n")
