"""`liuhen fetch URL DIR`: a custodian's copy out of a store, after a signed statement of who, what for, by whose leave.

Needs no device and no spool. Names, purpose and approval are typed or read from a file, never taken from argv.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edge import fetch
from edge.commands.acts import MakeClock, tell
from edge.commands.said import Field, add_said, hear
from edge.fetch import Custodian, Fetched, FetchRefused, Plan, Purpose
from edge.refusals import EXIT_CLEAN, EXIT_FAULT, EXIT_USAGE, complain, guarded
from edge.requests import BadRequest
from edge.spool import only_for_the_group
from edge.store import Store, StoreFault
from liuhen import store_cli
from liuhen.errors import FormatError, KeyFileError
from liuhen.keys import load_signer, read_private_file
from liuhen.store_archive import StoreArchive
from liuhen.store_reader import StoreAccess, StoreTrouble, open_store

OpenStore = Callable[[StoreAccess], Store]
MOST_TOLD = 10
FIELDS = (
    Field(name="actor", needed=True, label="复制人姓名 name of the person who copies"),
    Field(name="purpose", needed=True, label="用途 what for"),
    Field(name="approval", needed=True, label="批准文号 number of the approval"),
)
_SESSION = re.compile(r"[0-9a-f]{32}", re.ASCII)


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], make_clock: MakeClock, open_writing: OpenStore
) -> None:
    """Describe the command line."""
    parser = commands.add_parser("fetch", help="从存储复制日志或场次 / copy a log or sessions out of a store")
    parser.add_argument("path", metavar="URL", help="file:/目录 或 s3://主机/桶 / the store")
    parser.add_argument("target", type=Path, metavar="DIR", help="新目录，或续做的目录 / new, or one to go on with")
    parser.add_argument("--log", metavar="HEX", help="存储中的哪部日志 / which log of the store")
    parser.add_argument("--session", action="append", default=[], metavar="HEX", help="只复制这些场次 / only these")
    parser.add_argument("--credentials", type=Path, metavar="FILE", help="保管人凭据 / the custodian's credential")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="服务器的 CA 文件 / CA file of the server")
    parser.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="保管人的签名密钥 / the custodian's signing key"
    )
    parser.add_argument(
        "--decrypt", type=Path, metavar="FILE", help="保管人的 X25519 私钥，用于附录 / its X25519 key, for records"
    )
    add_said(parser, FIELDS)
    parser.set_defaults(work=run, make_clock=make_clock, open_writing=open_writing)


def run(arguments: argparse.Namespace) -> int:
    """Make the copy."""

    def work() -> int:
        try:
            return _fetch(arguments)
        except StoreTrouble as error:
            complain(
                f"{error.zh} / {error.en}",
                "已复制的内容不会重复复制；处理后请再次执行",
                "what was copied is not copied again: mend it and run the same command",
            )
        except StoreFault as fault:
            complain(fault.what, fault.remedy_zh, fault.remedy_en)
        except FetchRefused as refused:
            complain(refused.what, refused.remedy_zh, refused.remedy_en)
        except BadRequest as bad:
            complain("未复制任何内容 nothing was copied", bad.words_zh, bad.words_en)
        except FormatError as error:
            complain(str(error), "请缩短所填内容后重试", "make what was typed shorter and try again")
        return EXIT_USAGE

    return guarded(work)


def _fetch(arguments: argparse.Namespace) -> int:
    access = store_cli.access_of(arguments)
    sessions = frozenset(_session(text) for text in arguments.session)
    custodian = Custodian(
        signer=load_signer(arguments.key), opens=None if arguments.decrypt is None else load_opening(arguments.decrypt)
    )
    log_id = store_cli.chosen_log(access, arguments.log)
    heard = hear(arguments.said_from, FIELDS, ask_all=True)
    said = Purpose(actor=heard["actor"], purpose=heard["purpose"], approval=heard["approval"])
    only_for_the_group()
    reader = open_store(access)
    try:
        fetch.prepare(arguments.target, log_id)
        store = StoreArchive(access=access, reader=reader, log_id=log_id, root=arguments.target.resolve(), keep=True)
        store.assemble()
        found = fetch.plan(store, sessions)
        if not found.content:
            raise FetchRefused(
                "存储中没有所要的内容 / the store holds nothing of what was asked for",
                "请核对 --log 与 --session",
                "check --log and --session",
            )
        _declare(arguments, store, found, said, custodian)
        fetched = fetch.copy(store, found, custodian)
    finally:
        reader.close()
    return _told(arguments.target, found, fetched, arguments.session)


def _declare(
    arguments: argparse.Namespace, store: StoreArchive, found: Plan, said: Purpose, custodian: Custodian
) -> None:
    """The statements, in the store and read back, before any content is written."""
    utc_ms = arguments.make_clock().read().utc_ms
    writing = arguments.open_writing(store.access)
    try:
        for statement in fetch.statements(found, log_id=store.log_id, said=said, utc_ms=utc_ms):
            name = fetch.leave(writing, store, custodian.signer, statement)
            tell(f"查阅声明已入库 access statement: {name.path}")
    finally:
        writing.close()


def _told(target: Path, found: Plan, fetched: Fetched, sessions: list[str]) -> int:
    tell(f"副本已写入 copied to: {target}")
    tell(
        f"段 segments {fetched.segments}，附录 records {fetched.records}，隔离内容 quarantined {fetched.quarantined}，"
        f"此前已有 already there {fetched.already}"
    )
    for title, paths in (
        ("存储中没有 not in the store:", found.absent),
        ("没有一个版本与名称相符 no version is what its name says:", fetched.differing),
        ("附录已加密，此密钥不能打开 encrypted, not opened by this key:", fetched.closed),
    ):
        for path in paths[:MOST_TOLD] if paths else ():
            tell(f"{title} {path}")
        if len(paths) > MOST_TOLD:
            tell(f"  另有 and {len(paths) - MOST_TOLD} more")
    only = f" --session {sessions[0]}" if len(sessions) == 1 else ""
    tell(f"请校验 verify it: liuhen-verify {target}{only} --trust FILE")
    return EXIT_CLEAN if fetch.ended_well(fetched, found.absent) else EXIT_FAULT


def load_opening(path: Path) -> X25519PrivateKey:
    """The custodian's key for records: X25519, PKCS#8 PEM, 0600. Raises KeyFileError."""
    wrong = KeyFileError(
        f"{path} 不是可用的 X25519 私钥 / is not an unencrypted X25519 private key in PKCS#8 PEM",
        remedy_zh="请用 liuhen keys init custodian 生成，权限 0600",
        remedy_en="make one with liuhen keys init custodian, mode 0600",
    )
    try:
        key = load_pem_private_key(read_private_file(path), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        if isinstance(error, KeyFileError):
            raise
        raise wrong from error
    if not isinstance(key, X25519PrivateKey):
        raise wrong
    return key


def _session(text: str) -> bytes:
    if _SESSION.fullmatch(text) is None:
        raise FetchRefused(
            f"场次编号 {text!r} 不是 32 位小写十六进制 / is no session id",
            "请给出完整的场次编号",
            "give the whole session id, 32 lower-case hex digits",
        )
    return bytes.fromhex(text)
