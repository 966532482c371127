"""A device's first start: its key, its card, its spool and the request to be enrolled, made on the device itself.

Runs before the recorder, in one thread. On return all four are durable; each appears whole or not at all, in the order
key, card, spool, request, so a start that was cut short goes on where it stopped. Nothing that exists is overwritten,
and a device that has begun its log is never given another one. Nobody waits for enrolment: a recorder that is not yet
endorsed records all the same, and its recordings are vouched for once the endorsement is there.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from edge import config, custody, durable
from edge.custody import OpenToken
from edge.refusals import SpoolError
from edge.spool import FOLDERS, IDENTITY_FILE, Identity, create_spool, read_identity
from liuhen import cose, keys
from liuhen.errors import FormatError, KeyFileError
from liuhen.keys import Card, UnusableKey
from liuhen.registry import Custody, KeyCause

CARD_FILE = "device.card"
REQUEST_FILE = "request.txt"
KEY_NAME = "liuhen device"
CARD_LIMIT_BYTES = 4096
KEY_MODE, PUBLIC_MODE = 0o600, 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What a first start leaves: the card and the request that names it."""

    card: Card
    card_file: Path
    request: str
    made: tuple[str, ...]
    """The steps this call did; empty where an earlier one had done them all."""


def first_start(settings: config.Config, folder: Path, open_token: OpenToken) -> Enrolment:
    """Make what is missing. `folder` is where the card and the request stand, readable by everyone.

    Raises KeyFileError, SpoolError or StorageFault with what to do next; calling it again goes on from there.
    """
    with durable.reading(settings.spool.directory):
        return _first_start(settings, folder, open_token)


def _first_start(settings: config.Config, folder: Path, open_token: OpenToken) -> Enrolment:
    made: list[str] = []
    _make_folder(settings.key.file.parent, 0o700)
    _make_folder(folder, 0o755)
    for path in (settings.key.file, folder / CARD_FILE, folder / REQUEST_FILE):
        durable.remove_file(_unfinished(path), missing_ok=True)
    public_key = _key(settings, open_token, made)
    card = _card(settings, folder / CARD_FILE, public_key, made)
    _spool(settings, card, made)
    request = request_text(settings, card, folder / CARD_FILE)
    if not (folder / REQUEST_FILE).exists():
        _place(folder / REQUEST_FILE, request.encode(), PUBLIC_MODE)
        made.append("request")
    return Enrolment(card=card, card_file=folder / CARD_FILE, request=request, made=tuple(made))


# -- the steps ---------------------------------------------------------------------------------------------------------


def _key(settings: config.Config, open_token: OpenToken, made: list[str]) -> bytes:
    """The public half of the device's key, made where there is none. Raises KeyFileError, StorageFault."""
    if settings.key.token.module is not None:
        return _token_key(settings.key.token, open_token, made)
    path = settings.key.file
    if not os.path.lexists(path):
        _refuse_a_second_life(settings)
        _place(path, keys.private_pem(keys.generate()), KEY_MODE)
        made.append("key")
    return keys.load_signer(path).public_key


def _token_key(settings: config.Token, open_token: OpenToken, made: list[str]) -> bytes:
    token = open_token(settings)
    try:
        held = token.signers()
        if len(held) > 1:
            raise UnusableKey(
                f"令牌 {settings.label} 中有 {len(held)} 把密钥 / the token holds {len(held)} keys",
                remedy_zh="首次启动只能使用其中唯一的一把；请换一个空令牌，或只留一把",
                remedy_en="a first start needs a token with one key or none; use an empty one",
                cause=KeyCause.ANOTHER_KEY,
            )
        if held:
            return held[0].public_key
        public_key = token.generate(KEY_NAME).public_key
        made.append("key")
        return public_key
    finally:
        token.close()


def _refuse_a_second_life(settings: config.Config) -> None:
    """A device that has signed, or whose disk belongs to a log, has lost its key: a new one would be a stranger there.

    Raises KeyFileError.
    """
    spool = settings.spool.directory
    signs = (custody.beside(settings.key.file, ".head"), spool / IDENTITY_FILE)
    found = next((path for path in signs if path.exists() and not _is_half_made(spool, path)), None)
    if found is not None:
        raise KeyFileError(
            f"本机已有日志（{found}），但密钥文件不在 / this device has a log, but its key file is gone",
            remedy_zh=f"请恢复密钥文件 {settings.key.file}；确已丢失则换新：`liuhen keys rotate --emergency`",
            remedy_en=f"restore {settings.key.file}; if it is gone for good: `liuhen keys rotate --emergency`",
        )


def _card(settings: config.Config, path: Path, public_key: bytes, made: list[str]) -> Card:
    """The card: which log this key begins. Raises KeyFileError, StorageFault."""
    if not path.exists():
        adopted = _card_beside_the_key(settings.key.file, public_key)
        _place(path, keys.card_bytes(adopted or _new_card(settings, public_key)), PUBLIC_MODE)
        made.append("card")
    card = _read_card(path)
    if card.public_key != public_key:
        raise KeyFileError(
            f"名片 {path} 属于另一把密钥 / the card is of another key",
            remedy_zh="首次启动早已完成而密钥已更换；无须再登记，换钥见 `liuhen keys --help`",
            remedy_en="the key was replaced after the first start; there is nothing to enrol anew here",
        )
    return card


def _new_card(settings: config.Config, public_key: bytes) -> Card:
    """A fresh log, or that of a spool somebody prepared by hand."""
    in_token = settings.key.token.module is not None
    spool = settings.spool.directory
    prepared = (spool / IDENTITY_FILE).exists() and not _is_half_made(spool, spool / IDENTITY_FILE)
    log_id = read_identity(spool).log_id if prepared else secrets.token_bytes(16)
    return Card(version=1, log_id=log_id, public_key=public_key, custody=Custody.TOKEN if in_token else Custody.FILE)


def _card_beside_the_key(key_file: Path, public_key: bytes) -> Card | None:
    """The card that `liuhen keys init device` left beside a key made by hand."""
    path = key_file.with_name(CARD_FILE)
    card = _read_card(path) if path.exists() else None
    return card if card is not None and card.public_key == public_key else None


def _read_card(path: Path) -> Card:
    try:
        with durable.opened(path) as file:
            return keys.parse_card(file.read(CARD_LIMIT_BYTES), where=str(path))
    except (OSError, FormatError) as error:
        raise KeyFileError(
            f"名片不可用 / the card cannot be used: {error}",
            remedy_zh=f"请恢复 {path}；从未录制过的设备可把它移走后重试",
            remedy_en=f"restore {path}; on a device that never recorded move it away and try again",
        ) from error


def _spool(settings: config.Config, card: Card, made: list[str]) -> None:
    """The spool of this log, begun anew only where nothing was ever signed. Raises SpoolError, StorageFault."""
    root = settings.spool.directory
    if (root / IDENTITY_FILE).exists() and not _is_half_made(root, root / IDENTITY_FILE):
        _refuse_a_foreign_disk(root, card)
        return
    if custody.beside(settings.key.file, ".head").exists():
        raise SpoolError(
            f"{root} 不是存储目录，而本机已有日志 / is not a spool, but this device has a log",
            remedy_zh="存储盘可能没有挂载或已更换；请装回原盘，切勿新建",
            remedy_en="the disk may not be mounted, or was exchanged; put the old one back, never begin a new log",
        )
    _clear_half_made(root)
    create_spool(root, Identity(log_id=card.log_id, spool_id=secrets.token_bytes(16)))
    made.append("spool")


def _refuse_a_foreign_disk(root: Path, card: Card) -> None:
    if read_identity(root).log_id != card.log_id:
        raise SpoolError(
            f"{root} 属于另一台设备的日志 / is of another device's log",
            remedy_zh="请装回本机的存储盘；他机的盘请勿清空，交维护人员处理",
            remedy_en="put this device's own disk back; never wipe another device's disk, call maintenance",
        )


def _is_half_made(root: Path, identity: Path) -> bool:
    """Whether a power cut stopped the making of a spool: its identity cannot be read, and there is nothing else."""
    if identity != root / IDENTITY_FILE:
        return False
    try:
        read_identity(root)
    except SpoolError:
        return _strangers(root) == []
    return False


def _strangers(root: Path) -> list[Path]:
    """Everything below a directory that the making of a spool would not have left."""
    ours = {root / folder for folder in FOLDERS} | {root / IDENTITY_FILE}
    return [path for path in sorted(root.rglob("*")) if path not in ours]


def _clear_half_made(root: Path) -> None:
    """Take away what a making cut short left; only empty folders and an identity nobody can read. StorageFault."""
    if not root.is_dir() or _strangers(root):
        return  # create_spool says what is in the way
    (root / IDENTITY_FILE).unlink(missing_ok=True)
    for folder in FOLDERS:
        if (root / folder).is_dir():
            (root / folder).rmdir()


# -- files -------------------------------------------------------------------------------------------------------------


def _make_folder(path: Path, mode: int) -> None:
    """A folder with these rights; an existing one keeps its own. Raises StorageFault."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_dir():
        path.mkdir(mode=mode)
    durable.sync_directory(path.parent)


def _place(path: Path, content: bytes, mode: int) -> None:
    """A new file under its name only once it is whole and flushed; never replaces one. Raises StorageFault."""
    fresh = _unfinished(path)
    durable.create_file(fresh, content, mode=mode)
    os.link(fresh, path)
    durable.sync_directory(path.parent)
    durable.remove_file(fresh)


def _unfinished(path: Path) -> Path:
    """Where a file is written before it has its name; what a cut leaves there was never anybody's."""
    return path.with_name(f".{path.name}.new")


# -- the request -------------------------------------------------------------------------------------------------------


def request_text(settings: config.Config, card: Card, card_file: Path) -> str:
    """What a person carries and reads aloud; public, and the same for the same device."""
    digits = cose.key_id(card.public_key).hex()
    spoken = "\n".join(
        f"    {digits[at : at + 8]} {digits[at + 8 : at + 16]} {digits[at + 16 : at + 24]} {digits[at + 24 : at + 32]}"
        for at in (0, 32)
    )
    held_zh, held_en = _KEPT[Custody(card.custody)]
    return _REQUEST.format(
        room=settings.device.room,
        log_id=card.log_id.hex(),
        spoken=spoken,
        card_file=card_file,
        held_zh=held_zh,
        held_en=held_en,
        endorsement=card_file.with_name("device.endorsement"),
    )


_KEPT = {
    Custody.FILE: ("密钥文件（防不了整卡被盗）", "a key file (no protection if the whole card is stolen)"),
    Custody.TOKEN: ("PKCS#11 令牌", "a PKCS#11 token"),
}

_REQUEST = """\
留痕录制设备 登记申请  /  enrolment request of a Liuhen recorder

  房间 room            {room}
  日志编号 log id      {log_id}
  密钥保管 key held in {held_zh} / {held_en}
  名片文件 card        {card_file}
  公钥指纹 fingerprint (8 组，逐组念读 / 8 groups, to be read aloud)
{spoken}

下一步（录制不必等待登记）：
  1. 把名片文件带给根密钥保管人（名片不含私钥）。
  2. 双方通电话逐组核对指纹：保管人执行 `liuhen keys show device.card`。
  3. 一致后，保管人在离线机上执行：
     liuhen keys endorse device.card --root root.key --purpose production --out device.endorsement
  4. 把 device.endorsement 放到 {endorsement}，
     在 /etc/liuhen/recorder.toml 的 [key] 下写 endorsements = ["{endorsement}"]，
     无场次时执行 systemctl restart liuhen-recorder。

Next (recording does not wait for it):
  1. Carry the card to the holder of the root key; it holds nothing secret.
  2. Compare the fingerprint by telephone, group by group: the holder runs `liuhen keys show device.card`.
  3. If it agrees, the holder endorses the card on the offline machine with the command above.
  4. Put the endorsement where step 4 says, name it in the configuration, and restart the recorder between sessions.
"""
