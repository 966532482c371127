"""What `liuhen-verify URL` needs before it can verify: the store, one log of it, pinned witnesses, a work directory.

Opens files and the store; everything that cannot go on is one StoreTrouble.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from liuhen import archive
from liuhen.errors import FormatError
from liuhen.store_archive import StoreArchive, logs_in
from liuhen.store_names import parse_store_url
from liuhen.store_reader import StoreAccess, StoreTrouble, open_store
from liuhen.store_statements import KEY_FILE_LIMIT_BYTES, parse_pins

MOST_LOGS_NAMED = 20
_LOG = re.compile(r"[0-9a-f]{32}", re.ASCII)


@contextmanager
def opened_archive(options: argparse.Namespace) -> Iterator[StoreArchive]:
    """A log of the store with its journal put together, for as long as it is verified. Raises StoreTrouble."""
    access = access_of(options)
    log_id = chosen_log(access, options.log)
    pins = pinned(options.witness)
    with _work_directory(options.work, log_id) as root:
        reader = open_store(access)
        found = StoreArchive(
            access=access, reader=reader, log_id=log_id, root=root, keep=options.work is not None, pins=pins
        )
        try:
            found.assemble()
            yield found
        finally:
            reader.close()


def access_of(options: argparse.Namespace) -> StoreAccess:
    """Which store, as whom. Raises StoreTrouble, which repeats no URL that may hold a secret."""
    try:
        url = parse_store_url(options.path)
    except FormatError as error:
        raise StoreTrouble(
            "存储地址不可用；请写 file:/绝对路径 或 s3://主机[:端口]/桶，其中不含凭据",
            f"the URL of the store cannot be used: {error.what}",
        ) from error
    return StoreAccess(url=url, credentials=options.credentials, ca=options.ca)


def chosen_log(access: StoreAccess, text: str | None) -> bytes:
    """The log that is asked for, or the only one. Raises StoreTrouble, with a list where there are several."""
    if text is not None:
        if _LOG.fullmatch(text) is None:
            raise StoreTrouble(
                f"日志编号 {text!r} 不是 32 位小写十六进制", f"log id {text!r} is not 32 lower-case hex digits"
            )
        return bytes.fromhex(text)
    found = logs_in(access)
    if not found:
        raise StoreTrouble("存储中没有任何日志", "the store holds no log")
    if len(found) > 1:
        names = ", ".join(log_id.hex() for log_id in found[:MOST_LOGS_NAMED])
        more = "" if len(found) <= MOST_LOGS_NAMED else ", …"
        raise StoreTrouble(
            f"存储中有 {len(found)} 部日志，请用 --log 选定其一",
            f"the store holds {len(found)} logs, choose one with --log: {names}{more}",
        )
    return found[0]


def pinned(path: Path | None) -> Mapping[bytes, bytes]:
    """The witnesses to believe. Raises StoreTrouble."""
    if path is None:
        return {}
    try:
        with archive.opened(archive.resolved(path), root=None) as file:
            text = file.read(KEY_FILE_LIMIT_BYTES).decode("utf-8")
        return parse_pins(text, where=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise StoreTrouble(f"无法读取见证公钥文件 {path}", f"cannot read the file of witnesses {path}") from error
    except FormatError as error:
        raise StoreTrouble(
            f"见证公钥文件 {path} 无效；每行一个公钥，64 位十六进制", f"the file of witnesses is not valid: {error}"
        ) from error


@contextmanager
def _work_directory(path: Path | None, log_id: bytes) -> Iterator[Path]:
    if path is None:
        with tempfile.TemporaryDirectory(prefix="liuhen-verify-") as made:
            yield Path(made).resolve()
        return
    root = path / log_id.hex()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreTrouble(
            f"无法写入工作目录 {path}（{error.strerror}）", f"cannot write the work directory {path} ({error.strerror})"
        ) from error
    yield root.resolve()
