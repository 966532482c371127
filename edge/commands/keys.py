"""`liuhen keys init|show|endorse`: make roots and device keys, look at them, endorse a device.

Private keys are written once, 0600, and never printed. The root belongs on a machine that is never online.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from pathlib import Path

from edge.terminal import EXIT_CLEAN, complain, guarded
from liuhen import cose, keys
from liuhen.errors import FormatError, KeyFileError
from liuhen.registry import Custody, Purpose

EXIT_UNUSABLE = 2


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command line."""
    parser = commands.add_parser("keys", help="密钥：生成、查看、背书 / make, show and endorse keys")
    verbs = parser.add_subparsers(dest="verb", required=True)
    init = verbs.add_parser("init", help="生成设备密钥或根密钥 / make a device key or an organisation root")
    init.add_argument("what", choices=("device", "root"))
    init.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="新文件所在目录 / folder for the new files"
    )
    init.add_argument("--organisation", default="", help="根密钥所属单位 / organisation named in the trust file")
    show = verbs.add_parser("show", help="查看密钥、名片、背书或信任文件 / show a key, card, endorsement or trust file")
    show.add_argument("files", type=Path, nargs="+")
    endorse = verbs.add_parser("endorse", help="用根密钥为设备背书 / endorse a device card with a root")
    endorse.add_argument("card", type=Path)
    endorse.add_argument("--root", type=Path, required=True, metavar="KEY")
    endorse.add_argument("--purpose", choices=("production", "demo"), required=True)
    endorse.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.set_defaults(work=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry out one verb."""

    def work() -> int:
        try:
            match arguments.verb:
                case "init":
                    return _init(arguments)
                case "show":
                    return _show(arguments.files)
                case _:
                    return _endorse(arguments)
        except FormatError as error:
            complain(str(error), "请检查文件是否正确、完整", "check that the file is the right one and whole")
            return EXIT_UNUSABLE

    return guarded(work)


def _init(arguments: argparse.Namespace) -> int:
    directory: Path = arguments.out
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KeyFileError(
            f"cannot make {directory}: {error.strerror}",
            remedy_zh="请换一个可写的目录",
            remedy_en="name a folder that can be written",
        ) from error
    return _init_root(directory, arguments.organisation) if arguments.what == "root" else _init_device(directory)


def _init_root(directory: Path, organisation: str) -> int:
    if not organisation.isprintable():
        raise KeyFileError(
            "the organisation's name holds characters that cannot be printed",
            remedy_zh="请只用可显示的文字书写单位名称",
            remedy_en="write the organisation's name in printable characters",
        )
    private_key = keys.generate()
    root = keys.FileSigner(private_key)
    trust = keys.Trust(
        version=1,
        organisation=organisation or "未命名单位",
        issued_ms=time.time_ns() // 1_000_000,
        threshold=1,
        roots=((root.public_key, organisation or "root"),),
        revoked=(),
    )
    trust_bytes = keys.trust_bytes(trust)  # checked before anything is written
    keys.save_private_key(directory / "root.key", private_key)
    keys.save_new(directory / "trust.file", trust_bytes)
    _say(f"根密钥 root key: {directory / 'root.key'}（请离线保管 keep it offline）")
    _say(f"信任文件 trust file: {directory / 'trust.file'}（交给核验者 give it to those who verify）")
    _say(f"指纹 fingerprint: {_fingerprint(root.public_key)}")
    return EXIT_CLEAN


def _init_device(directory: Path) -> int:
    private_key = keys.generate()
    device = keys.FileSigner(private_key)
    keys.save_private_key(directory / "device.key", private_key)
    card = keys.Card(version=1, log_id=secrets.token_bytes(16), public_key=device.public_key, custody=Custody.FILE)
    keys.save_new(directory / "device.card", keys.card_bytes(card))
    _say(f"设备密钥 device key: {directory / 'device.key'}")
    _say(f"设备名片 card: {directory / 'device.card'}（交给根密钥持有人背书 have it endorsed by the root's holder）")
    _say(f"日志编号 log id: {card.log_id.hex()}")
    _say(f"指纹 fingerprint: {_fingerprint(device.public_key)}")
    return EXIT_CLEAN


def _endorse(arguments: argparse.Namespace) -> int:
    root = keys.load_signer(arguments.root)
    card = keys.parse_card(_read(arguments.card), where=str(arguments.card))
    purpose = Purpose.PRODUCTION if arguments.purpose == "production" else Purpose.DEMO
    keys.save_new(arguments.out, keys.endorse(root, card, purpose=purpose, not_before_ms=time.time_ns() // 1_000_000))
    _say(f"背书 endorsement: {arguments.out}（{arguments.purpose}）")
    _say(f"设备指纹 device fingerprint: {_fingerprint(card.public_key)}")
    return EXIT_CLEAN


def _show(files: list[Path]) -> int:
    for path in files:
        _say(f"{path}:")
        for line in _describe(path):
            _say(f"  {line}")
    return EXIT_CLEAN


def _describe(path: Path) -> list[str]:
    """Say what a file is; a private key shows its public half only."""
    content = _read(path)
    if content.startswith(b"-----BEGIN"):
        return ["私钥 private key", f"指纹 fingerprint {_fingerprint(keys.load_signer(path).public_key)}"]
    if content.startswith(b"\xd2"):
        envelope, endorsement = keys.parse_endorsement(content, where=str(path))
        return [
            f"背书 endorsement, {Purpose(endorsement.purpose).name.lower()}",
            f"日志编号 log id {endorsement.log_id.hex()}",
            f"设备指纹 device {_fingerprint(endorsement.public_key)}",
            f"根密钥 root {_grouped(envelope.kid)}（签名须由信任文件核验 signature to be checked with the trust file）",
        ]
    try:
        card = keys.parse_card(content, where=str(path))
        return [f"设备名片 card, log id {card.log_id.hex()}", f"指纹 fingerprint {_fingerprint(card.public_key)}"]
    except FormatError:
        trust = keys.parse_trust(content, where=str(path))
    roots = [f"根 root {label}: {_fingerprint(public_key)}" for public_key, label in trust.roots]
    return [f"信任文件 trust file, {trust.organisation}, {trust.threshold}/{len(trust.roots)}", *roots]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(keys.TRUST_FILE_LIMIT_BYTES)
    except OSError as error:
        raise KeyFileError(
            f"{path}: {error.strerror}",
            remedy_zh="请检查文件路径和权限",
            remedy_en="check the path and its permissions",
        ) from error


def _fingerprint(public_key: bytes) -> str:
    return _grouped(cose.key_id(public_key))


def _grouped(kid: bytes) -> str:
    """A kid in groups a person can read aloud."""
    digits = kid.hex()
    return " ".join(digits[i : i + 8] for i in range(0, len(digits), 8))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
