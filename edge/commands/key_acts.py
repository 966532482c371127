"""`liuhen keys rotate|retire|compromised`: what a person says in the journal of the device's keys, between sessions.

A rotation writes the new key file first, then the entry, and moves the files last: after a cut at any point the device
starts with the key that the journal says is in force, and finishes moving the files.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge import config as configuration
from edge import durable
from edge.commands.key_files import fingerprint, grouped, read_history, say
from edge.commands.overrides import with_spool
from edge.config import Config
from edge.custody import NEXT, OpenToken, beside, promote, read_endorsements
from edge.opening import OpenLog, maintenance
from edge.ports import Clock
from edge.refusals import EXIT_CLEAN
from liuhen import cose, keys
from liuhen.errors import KeyFileError
from liuhen.kinds import Head, Key
from liuhen.registry import Custody, KeyAct, KeyCause

MakeClock = Callable[[], Clock]


def add_parsers(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command lines."""
    rotate = verbs.add_parser("rotate", help="轮换设备密钥 / put a new device key in force")
    retire = verbs.add_parser("retire", help="停用设备密钥并终结日志 / retire the key: the log ends for good")
    disown = verbs.add_parser("compromised", help="声明密钥已泄露 / say that a key was compromised")
    for act in (rotate, retire, disown):
        act.add_argument(
            "--config", type=Path, required=True, metavar="FILE", help="设备配置 / the device's configuration"
        )
        act.add_argument("--spool", type=Path, metavar="DIR", help="存储目录 / the spool")
    for act in (rotate, disown):
        act.add_argument(
            "--emergency",
            action="store_true",
            help="密钥已失：先以应急密钥签署 / the key is lost: an emergency key signs",
        )
    source = rotate.add_mutually_exclusive_group()
    source.add_argument("--new-key", type=Path, metavar="FILE", help="已备好的新密钥文件 / a key file made before")
    source.add_argument("--token", action="store_true", help="新密钥在令牌中 / the new key is on the token")
    rotate.add_argument(
        "--endorsement", type=Path, action="append", default=[], metavar="FILE", help="对新密钥的背书 / of the new key"
    )
    retire.add_argument(
        "--yes", action="store_true", help="确认：此后不能再录入本日志 / nothing is recorded after this"
    )
    disown.add_argument("kid", metavar="KID", help="指纹的前 8 位以上 / 8 digits or more of its fingerprint")
    disown.add_argument(
        "--last-trusted", type=int, required=True, metavar="SEQ", help="最后可信条目 / last entry believed"
    )


def run(arguments: argparse.Namespace, clock: MakeClock, open_token: OpenToken) -> int:
    """Carry out one act. Raises Refused, KeyFileError, StorageFault."""
    loaded = with_spool(configuration.load(arguments.config), arguments.spool)
    match arguments.verb:
        case "rotate":
            return _rotate(loaded, arguments, clock(), open_token)
        case "retire":
            return _retire(loaded, arguments, clock(), open_token)
        case _:
            return _disown(loaded, arguments, clock(), open_token)


# -- rotate ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Successor:
    """The key that takes over, and the content of its file; None where it is on the token."""

    public_key: bytes
    pem: bytes | None
    custody: Custody


def _rotate(config: Config, arguments: argparse.Namespace, clock: Clock, open_token: OpenToken) -> int:
    successor = _successor(config, arguments, open_token)
    with maintenance(config, clock, _tell, open_token=open_token, emergency=arguments.emergency) as log:
        entry = _rotation(log, successor, arguments.endorsement)
        signer = _prepared(config, log, successor)
        log.journal.append(entry, session_id=None)
        log.journal.sign_with(signer)
        if successor.pem is not None:
            promote(config.key.file)
        card = _card(config, log, successor)
    say(f"新密钥已启用 the new key is in force: {fingerprint(successor.public_key)}")
    if successor.pem is not None:
        say(
            f"旧密钥文件 the old key file: {config.key.file}.left-…（核验无误后请销毁 destroy it once all is verified）"
        )
    if not arguments.endorsement:
        say(f"新密钥尚无背书，其下内容暂不受担保；请为名片背书后写入 key.endorsements：{card}")
        say(f"nobody vouches for the new key yet: have {card} endorsed, then name that under key.endorsements")
    return EXIT_CLEAN


def _successor(config: Config, arguments: argparse.Namespace, open_token: OpenToken) -> _Successor:
    if arguments.token:
        public_key = _key_on_token(config, arguments.endorsement, open_token)
        return _Successor(public_key=public_key, pem=None, custody=Custody.TOKEN)
    if arguments.new_key is None:
        fresh = keys.generate()
        public_key, pem = keys.FileSigner(fresh).public_key, keys.private_pem(fresh)
    else:
        public_key = keys.load_signer(arguments.new_key).public_key
        pem = keys.read_private_file(arguments.new_key)
    return _Successor(public_key=public_key, pem=pem, custody=Custody.FILE)


def _prepared(config: Config, log: OpenLog, successor: _Successor) -> cose.Signer:
    """The new key where a start finds it after a cut, before any entry names it."""
    if successor.pem is not None:
        upcoming = beside(config.key.file, NEXT)
        durable.replace_file(upcoming, successor.pem)
        return keys.load_signer(upcoming)
    signer = log.custody.held.signer(successor.public_key)
    if signer is None:
        raise _not_on_token()
    return signer


def _key_on_token(config: Config, endorsements: list[Path], open_token: OpenToken) -> bytes:
    """The key that the endorsements name; without one, a fresh one. The token is closed again."""
    if config.key.token.module is None:
        raise KeyFileError(
            "配置中没有令牌 / no token is configured",
            remedy_zh="请先在配置 [key.token] 中写明 module、label、pin_file",
            remedy_en="name module, label and pin_file under [key.token] in the configuration first",
        )
    token = open_token(config.key.token)
    try:
        if not endorsements:
            return token.generate("liuhen device").public_key
        _, endorsement = keys.parse_endorsement(endorsements[0].read_bytes(), where=str(endorsements[0]))
        return endorsement.public_key
    finally:
        token.close()


def _rotation(log: OpenLog, successor: _Successor, endorsements: list[Path]) -> Key:
    """The entry of a rotation to this key. Raises KeyFileError where it would break the log's rules."""
    fitting, strangers = read_endorsements(endorsements, log.spool.identity.log_id, successor.public_key)
    if strangers:
        raise KeyFileError(
            f"{strangers[0]} 背书的是另一把密钥 / endorses another key",
            remedy_zh="请为新密钥的名片背书",
            remedy_en="have the card of the new key endorsed",
        )
    if cose.key_id(successor.public_key) in read_history(log.spool.root).known:
        raise KeyFileError(
            "此密钥曾用于本日志，不能再启用 / this key was in the log before: a key never comes back",
            remedy_zh="请换一把从未用过的密钥",
            remedy_en="take a key that was never used",
        )
    return Key(
        act=KeyAct.ROTATED,
        subject=log.journal.kid,
        new_public_key=successor.public_key,
        endorsements=fitting,
        last_trusted=None,
        old_head=None,
        cause=KeyCause.ORDERED,
    )


def _card(config: Config, log: OpenLog, successor: _Successor) -> Path:
    """The new key's public half, for the root's holder."""
    path = beside(config.key.file, f".{cose.key_id(successor.public_key).hex()[:8]}.card")
    card = keys.Card(
        version=1, log_id=log.spool.identity.log_id, public_key=successor.public_key, custody=successor.custody
    )
    if not path.exists():
        keys.save_new(path, keys.card_bytes(card))
    return path


def _not_on_token() -> KeyFileError:
    return KeyFileError(
        "令牌中没有背书所指的密钥 / the token does not hold the key that the endorsement names",
        remedy_zh="请插入持有该密钥的令牌，或不带 --endorsement 另行生成",
        remedy_en="plug in the token that holds it, or leave --endorsement out to make a new one",
    )


# -- retire, compromised -----------------------------------------------------------------------------------------------


def _retire(config: Config, arguments: argparse.Namespace, clock: Clock, open_token: OpenToken) -> int:
    if not arguments.yes:
        raise KeyFileError(
            "停用会永久终结此日志 / a retirement ends this log for good",
            remedy_zh="停用后本设备不能再录入此日志；确认请加 --yes",
            remedy_en="nothing is recorded into this log after it; if that is meant, add --yes",
        )
    with maintenance(config, clock, _tell, open_token=open_token) as log:
        log.journal.checkpoint(session_id=None)
        log.journal.append(_about(KeyAct.RETIRED, log.journal.kid, None), session_id=None)
        head = log.journal.head
    say("密钥已停用，日志到此为止 the key is retired, the log ends here")
    _say_head(head)
    return EXIT_CLEAN


def _disown(config: Config, arguments: argparse.Namespace, clock: Clock, open_token: OpenToken) -> int:
    with maintenance(config, clock, _tell, open_token=open_token, emergency=arguments.emergency) as log:
        history = read_history(log.spool.root, arguments.last_trusted)
        kid = history.key_named(arguments.kid)
        log.journal.append(_about(KeyAct.COMPROMISED, kid, history.wanted), session_id=None)
        still_used = kid == log.journal.kid
    say(f"已声明泄露 said to be compromised: {grouped(kid)}")
    _say_head(history.wanted)
    say("请同时在信任文件中撤销 revoke it in the trust file too: liuhen keys trust revoke")
    if still_used:
        say("该密钥仍在使用，请立即轮换 it is still in force, rotate now: liuhen keys rotate")
    return EXIT_CLEAN


def _about(act: KeyAct, kid: bytes, last_trusted: Head | None) -> Key:
    return Key(
        act=act,
        subject=kid,
        new_public_key=None,
        endorsements=(),
        last_trusted=last_trusted,
        old_head=None,
        cause=KeyCause.ORDERED,
    )


def _say_head(head: Head | None) -> None:
    if head is not None:
        say(f"最后可信条目 last trusted entry: {head[0]}:{head[1].hex()}")


def _tell(words_zh: str, words_en: str) -> None:
    say(f"{words_zh}\n{words_en}")
