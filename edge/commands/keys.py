"""`liuhen keys init|show|endorse|rotate|retire|compromised|trust`: keys of devices and roots, for their whole life.

Private keys are written once, 0600, and never printed. The root belongs on a machine that is never online.
"""

from __future__ import annotations

import argparse
import secrets
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge.commands import key_acts, trust_file
from edge.commands.key_acts import MakeClock
from edge.commands.key_files import fingerprint, grouped, read_file, say
from edge.config import Token
from edge.custody import OpenToken
from edge.refusals import EXIT_CLEAN, complain, guarded
from liuhen import keys
from liuhen.errors import FormatError, KeyFileError
from liuhen.registry import Custody, Purpose

EXIT_UNUSABLE = 2


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], clock: MakeClock, open_token: OpenToken
) -> None:
    """Describe the command line; `clock` and `open_token` come from the world that acts."""
    parser = commands.add_parser("keys", help="密钥：生成、背书、轮换、停用 / make, endorse, rotate and retire keys")
    verbs = parser.add_subparsers(dest="verb", required=True)
    init = verbs.add_parser("init", help="生成设备、根或保管人密钥 / make a device's, a root's or a custodian's keys")
    init.add_argument(
        "what", choices=("device", "root", "custodian"), help="哪种密钥：设备、根、保管人 / whose key it is"
    )
    init.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="新文件所在目录 / folder for the new files"
    )
    init.add_argument("--organisation", default="", help="根密钥所属单位 / organisation named in the trust file")
    init.add_argument(
        "--successor-of", type=Path, metavar="CARD", help="同一日志的下一把密钥 / the next key of this log"
    )
    init.add_argument("--token-module", type=Path, metavar="SO", help="密钥生成在 PKCS#11 令牌中 / make it on a token")
    init.add_argument("--token-label", default="liuhen", metavar="LABEL", help="令牌的标签 / label of the token")
    init.add_argument("--token-pin-file", type=Path, metavar="FILE", help="口令文件 / file that holds the PIN")
    show = verbs.add_parser("show", help="查看密钥、名片、背书或信任文件 / show a key, card, endorsement or trust file")
    show.add_argument("files", type=Path, nargs="+", help="名片、背书或信任文件 / cards, endorsements, trust files")
    endorse = verbs.add_parser("endorse", help="用根密钥为设备背书 / endorse a device card with a root")
    endorse.add_argument("card", type=Path, help="被背书设备的名片 / the card of the device that is endorsed")
    endorse.add_argument("--root", type=Path, required=True, metavar="KEY", help="根密钥文件 / the root's key file")
    endorse.add_argument(
        "--purpose", choices=("production", "demo"), required=True, help="用途：正式或演示 / production or demo"
    )
    endorse.add_argument("--out", type=Path, required=True, metavar="FILE", help="写入新文件 / the new file to write")
    key_acts.add_parsers(verbs)
    trust_file.add_parser(verbs)
    parser.set_defaults(work=lambda arguments: run(arguments, clock, open_token))


def run(arguments: argparse.Namespace, clock: MakeClock, open_token: OpenToken) -> int:
    """Carry out one verb."""

    def work() -> int:
        try:
            match arguments.verb:
                case "init":
                    return _init(arguments, open_token)
                case "show":
                    return _show(arguments.files)
                case "endorse":
                    return _endorse(arguments)
                case "trust":
                    return trust_file.run(arguments)
                case _:
                    return key_acts.run(arguments, clock, open_token)
        except FormatError as error:
            complain(
                f"文件不可用 / unusable: {error}",
                "请检查文件是否正确、完整",
                "check that the file is the right one and whole",
            )
            return EXIT_UNUSABLE

    return guarded(work)


def _init(arguments: argparse.Namespace, open_token: OpenToken) -> int:
    directory: Path = arguments.out
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KeyFileError(
            f"不能建立目录 {directory} / cannot make it: {error.strerror}",
            remedy_zh="请换一个可写的目录",
            remedy_en="name a folder that can be written",
        ) from error
    if arguments.what == "root":
        return _init_root(directory, arguments.organisation)
    if arguments.what == "custodian":
        return _init_custodian(directory)
    return _init_device(directory, arguments, open_token)


def _init_root(directory: Path, organisation: str) -> int:
    if not organisation.isprintable():
        raise KeyFileError(
            "单位名称含有不可显示的字符 / the organisation's name holds characters that cannot be printed",
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
    say(f"根密钥 root key: {directory / 'root.key'}（请离线保管 keep it offline）")
    say(f"信任文件 trust file: {directory / 'trust.file'}（交给核验者 give it to those who verify）")
    say(f"指纹 fingerprint: {fingerprint(root.public_key)}")
    return EXIT_CLEAN


def _init_custodian(directory: Path) -> int:
    """One key signs what is copied out of a store, the other opens its records; a device knows the latter's public."""
    opening = X25519PrivateKey.generate()
    pem = opening.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    keys.save_private_key(directory / "custodian.key", keys.generate())
    keys.save_new(directory / "records.key", pem, mode=0o600)
    public = opening.public_key().public_bytes_raw().hex()
    say(f"调阅签名密钥 key that signs access: {directory / 'custodian.key'}（liuhen fetch --key）")
    say(f"附录解密密钥 key that opens records: {directory / 'records.key'}（--decrypt；丢失则附录无法打开）")
    say(f'写入录制设备配置 for the recorder: [store] custodian_keys = ["{public}"]')
    return EXIT_CLEAN


def _init_device(directory: Path, arguments: argparse.Namespace, open_token: OpenToken) -> int:
    log_id = secrets.token_bytes(16)
    if arguments.successor_of is not None:
        log_id = keys.parse_card(read_file(arguments.successor_of), where=str(arguments.successor_of)).log_id
    if arguments.token_module is not None:
        public_key, custody = _on_token(arguments, open_token), Custody.TOKEN
        say(f"设备密钥在令牌中 the device key is on the token: {arguments.token_label}")
    else:
        private_key = keys.generate()
        public_key, custody = keys.FileSigner(private_key).public_key, Custody.FILE
        keys.save_private_key(directory / "device.key", private_key)
        say(f"设备密钥 device key: {directory / 'device.key'}")
    card = keys.Card(version=1, log_id=log_id, public_key=public_key, custody=custody)
    keys.save_new(directory / "device.card", keys.card_bytes(card))
    say(f"设备名片 card: {directory / 'device.card'}（交给根密钥持有人背书 have it endorsed by the root's holder）")
    say(f"日志编号 log id: {card.log_id.hex()}")
    say(f"指纹 fingerprint: {fingerprint(public_key)}")
    return EXIT_CLEAN


def _on_token(arguments: argparse.Namespace, open_token: OpenToken) -> bytes:
    """A new key made in the token; the PIN is in a file, never on the command line."""
    if arguments.token_pin_file is None:
        raise KeyFileError(
            "使用令牌须有口令文件 / a token needs --token-pin-file",
            remedy_zh="把令牌口令写入仅所有者可读的文件，用 --token-pin-file 指定",
            remedy_en="write the PIN into a file that only you can read, and name it with --token-pin-file",
        )
    settings = Token(
        module=arguments.token_module.absolute(),
        label=arguments.token_label,
        pin_file=arguments.token_pin_file.absolute(),
    )
    token = open_token(settings)
    try:
        return token.generate("liuhen device").public_key
    finally:
        token.close()


def _endorse(arguments: argparse.Namespace) -> int:
    root = keys.load_signer(arguments.root)
    card = keys.parse_card(read_file(arguments.card), where=str(arguments.card))
    purpose = Purpose.PRODUCTION if arguments.purpose == "production" else Purpose.DEMO
    keys.save_new(arguments.out, keys.endorse(root, card, purpose=purpose, not_before_ms=time.time_ns() // 1_000_000))
    say(f"背书 endorsement: {arguments.out}（{arguments.purpose}）")
    say(f"设备指纹 device fingerprint: {fingerprint(card.public_key)}")
    return EXIT_CLEAN


def _show(files: list[Path]) -> int:
    for path in files:
        say(f"{path}:")
        for line in _describe(path):
            say(f"  {line}")
    return EXIT_CLEAN


def _describe(path: Path) -> list[str]:
    """Say what a file is; a private key shows its public half only."""
    content = read_file(path)
    if content.startswith(b"-----BEGIN"):
        return ["私钥 private key", f"指纹 fingerprint {fingerprint(keys.load_signer(path).public_key)}"]
    if content.startswith(b"\xd2"):
        envelope, endorsement = keys.parse_endorsement(content, where=str(path))
        return [
            f"背书 endorsement, {Purpose(endorsement.purpose).name.lower()}",
            f"日志编号 log id {endorsement.log_id.hex()}",
            f"设备指纹 device {fingerprint(endorsement.public_key)}",
            f"根密钥 root {grouped(envelope.kid)}（签名须由信任文件核验 signature to be checked with the trust file）",
        ]
    try:
        card = keys.parse_card(content, where=str(path))
        return [f"设备名片 card, log id {card.log_id.hex()}", f"指纹 fingerprint {fingerprint(card.public_key)}"]
    except FormatError:
        trust = keys.parse_trust(content, where=str(path))
    return ["信任文件 trust file", *trust_file.describe(trust)]
