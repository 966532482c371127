"""Which key signs: the device's own, the one a rotation has put in its place, or an emergency key when both are lost.

Runs on CONTROL before a run begins. `hold` only reads, `decide` is pure, and nothing is written before `prepare` and
`settle`. Beside the key file may lie `.next` (a rotation's new key), `.emergency` (made by the device when its own key
could not be used) and `.left-<fingerprint>` (keys that are no longer in force; nothing reads them). Whatever a
power cut leaves of these files, the journal says which key is in force, and that one is looked for in all of them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import config, durable
from liuhen import cose, keys
from liuhen.errors import FormatError
from liuhen.keys import UnusableKey
from liuhen.kinds import Head, Key
from liuhen.registry import KeyAct, KeyCause

NEXT, EMERGENCY, LEFT = ".next", ".emergency", ".left-"
KID_DIGITS = 16
ENDORSEMENT_LIMIT_BYTES = 1024
ENDORSEMENTS_LIMIT = 8


class TokenPort(Protocol):
    """An opened token. Any thread may call its signers; a token that is gone makes them raise UnusableKey."""

    def signers(self) -> tuple[cose.Signer, ...]:
        """The Ed25519 keys that the token never lets out."""

    def generate(self, label: str) -> cose.Signer:
        """A new key in the token. Raises UnusableKey."""

    def close(self) -> None:
        """Log out; the signers are of no more use."""


Note = tuple[str, str]
OpenToken = Callable[[config.Token], TokenPort]


def no_token(settings: config.Token) -> TokenPort:
    """For a world without tokens."""
    raise UnusableKey(
        f"令牌 {settings.label}：本程序没有令牌驱动 / this program was started without a driver for tokens",
        remedy_zh="请改用密钥文件，或在设备上运行",
        remedy_en="use a key file here, or run on the device",
        cause=KeyCause.TOKEN_ABSENT,
    )


# -- the decision, pure ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKeys:
    """What the journal says: the key in force (b"" before the first entry), and the one an emergency replaced (or b"").

    `emergency`: the key in force is an emergency key.
    """

    in_force: bytes
    lost: bytes = b""
    emergency: bool = False
    retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKeys:
    """The public keys of what can be signed with now, and what is wrong with the own key if it cannot be used.

    `own` is what the configuration names: the token's keys, or the key file. `file` is a key file beside a token.
    """

    own: tuple[bytes, ...] = ()
    file: bytes | None = None
    next: bytes | None = None
    emergency: bytes | None = None
    fault: KeyCause | None = None


class Choice(enum.Enum):
    """What the device does about its key."""

    GO_ON = "the key in force is held"
    RETURN = "the key that an emergency replaced is held again, and says so"
    REPLACE = "no key in force is held: an emergency key names itself"
    RETIRED = "the log was ended"
    NOTHING = "the log has not begun, and there is no key to begin it with"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do, with which public key (None: a fresh one), and the cause that a `key` entry names."""

    choice: Choice
    public_key: bytes | None = None
    cause: KeyCause = KeyCause.ORDERED


def decide(held: HeldKeys, log: LogKeys) -> Decision:
    """The journal says which key is in force; whatever key is held, nothing else may sign (FORMAT.md 5.3.1)."""
    if log.retired:
        return Decision(choice=Choice.RETIRED)
    if not log.in_force:
        return _begin(held)
    if log.lost and log.lost in (*held.own, held.file):
        return Decision(choice=Choice.RETURN, public_key=log.lost, cause=KeyCause.KEY_BACK)
    if log.in_force in (*held.own, held.file, held.next, held.emergency):
        return Decision(choice=Choice.GO_ON, public_key=log.in_force)
    cause = held.fault if held.fault is not None else KeyCause.ANOTHER_KEY
    return Decision(choice=Choice.REPLACE, cause=cause)


def _begin(held: HeldKeys) -> Decision:
    """Only one key that can be meant begins a log."""
    if len(held.own) == 1:
        return Decision(choice=Choice.GO_ON, public_key=held.own[0])
    return Decision(choice=Choice.NOTHING, cause=held.fault or KeyCause.ANOTHER_KEY)


# -- what is held ------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Held:
    """The signers the device has now. `fault` says why the own key is not among them."""

    path: Path
    own: tuple[cose.Signer, ...] = ()
    file: cose.Signer | None = None
    next: cose.Signer | None = None
    emergency: cose.Signer | None = None
    fault: UnusableKey | None = None
    token: TokenPort | None = None

    def keys(self) -> HeldKeys:
        """The public halves."""
        return HeldKeys(
            own=tuple(signer.public_key for signer in self.own),
            file=_public(self.file),
            next=_public(self.next),
            emergency=_public(self.emergency),
            fault=self.fault.cause if self.fault is not None else None,
        )

    def signer(self, public_key: bytes) -> cose.Signer | None:
        """The signer of this key; the own one before its copies."""
        signers = (*self.own, self.file, self.next, self.emergency)
        return next((held for held in signers if held is not None and held.public_key == public_key), None)

    def close(self) -> None:
        """Let the token go."""
        if self.token is not None:
            self.token.close()


def _public(signer: cose.Signer | None) -> bytes | None:
    return signer.public_key if signer is not None else None


def hold(settings: config.Key, open_token: OpenToken = no_token) -> Held:
    """Read every key the device has. What cannot be used is no exception here: the journal may not need it."""
    held = Held(path=settings.file)
    try:
        if settings.token.module is not None:
            held.token = open_token(settings.token)
            held.own = held.token.signers()
        else:
            held.own = (_load_patiently(settings.file),)
    except UnusableKey as fault:
        held.fault = fault
    if settings.token.module is not None:  # a rotation may have led from a file to the token
        held.file = _load(settings.file)
    held.next = _load(beside(settings.file, NEXT))
    held.emergency = _load(beside(settings.file, EMERGENCY))
    return held


def _load_patiently(path: Path) -> cose.Signer:
    """Read the key file; once more where the disk failed, for a single bad read must not cost a device its own key.

    Raises UnusableKey.
    """
    try:
        return keys.load_signer(path)
    except UnusableKey as fault:
        cause = fault.__cause__
        if not isinstance(cause, OSError) or isinstance(cause, FileNotFoundError):
            raise
    return keys.load_signer(path)


def _load(path: Path) -> cose.Signer | None:
    try:
        return keys.load_signer(path)
    except UnusableKey:
        return None


def beside(file: Path, name: str) -> Path:
    """A file of the same key folder."""
    return file.with_name(f"{file.name}{name}")


# -- custody -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """The `key` entry that a run begins with, signed by the key it names (FORMAT.md 5.3.1, acts 3 and 4)."""

    act: KeyAct
    subject: bytes
    public_key: bytes
    cause: KeyCause

    def entry(self, old_head: Head | None) -> Key:
        """The entry's body; `old_head` is the newest entry the device knows of."""
        return Key(
            act=self.act,
            subject=self.subject,
            new_public_key=self.public_key,
            endorsements=(),
            last_trusted=None,
            old_head=old_head,
            cause=self.cause,
        )


@dataclass(slots=True, kw_only=True)
class Custody:
    """The key of a run. `change` is the entry to begin with; `emergency`: nothing under this key is vouched for."""

    held: Held
    signer: cose.Signer
    endorsements: tuple[bytes, ...]
    change: KeyChange | None
    emergency: bool
    notes: tuple[Note, ...] = ()
    _fresh: Ed25519PrivateKey | None = field(default=None, repr=False)

    def prepare(self) -> None:
        """Keep a fresh emergency key before its first entry. Raises StorageFault."""
        if self._fresh is None:
            return
        path = beside(self.held.path, EMERGENCY)
        if durable.exists(path):  # of an emergency that is over, or that never got as far as its entry
            _set_aside(path, self.held.path)
        durable.create_file(path, keys.private_pem(self._fresh), mode=0o600)

    def settle(self) -> None:
        """Once `change` is durable: let the files say what the journal says. Raises StorageFault; harmless twice."""
        if not self.emergency and self.held.emergency is not None:
            _set_aside(beside(self.held.path, EMERGENCY), self.held.path)
        if self.held.next is not None and self.held.next.public_key == self.signer.public_key:
            promote(self.held.path)

    def close(self) -> None:
        """Let the token go."""
        self.held.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFacts:
    """What a custody is for: the log, its keys, and the endorsements the log itself carries."""

    log_id: bytes
    keys: LogKeys
    endorsements: tuple[bytes, ...] = ()


def open_custody(settings: config.Key, held: Held, log: LogFacts) -> Custody:
    """The key to record with. Raises UnusableKey where there is none to begin a log with, or the log was ended."""
    decision = decide(held.keys(), log.keys)
    match decision.choice:
        case Choice.RETIRED:
            raise _retired()
        case Choice.NOTHING:
            raise held.fault or _several()
        case Choice.REPLACE:
            return _replaced(held, log, decision.cause)
        case Choice.GO_ON | Choice.RETURN:
            return _owned(settings, held, log, decision)


def require_confirmation(custody: Custody, *, resumed: bool, confirmed: bool) -> None:
    """An open session goes on by itself; a new one under an emergency key needs a person's word. Raises UnusableKey."""
    if not custody.emergency or resumed or confirmed:
        return
    fault = custody.held.fault or _another_key()
    mend_zh, mend_en = fault.remedy_zh, fault.remedy_en
    if fault.cause in (KeyCause.KEY_FILE_MISSING, KeyCause.KEY_FILE_UNUSABLE):  # a fresh key would be a stranger here
        mend_zh = "请恢复原密钥文件；确已丢失则换新：`liuhen keys rotate --emergency`"
        mend_en = "restore the key file; if it is gone for good, replace it: `liuhen keys rotate --emergency`"
    raise UnusableKey(
        fault.what,
        remedy_zh=f"{mend_zh}。若必须现在录制，经负责人同意后加 --emergency：以应急密钥录制，其下内容均无背书",
        remedy_en=f"{mend_en}. If it must be recorded now: --emergency (a key that nobody vouches for)",
        cause=fault.cause,
    )


def _replaced(held: Held, log: LogFacts, cause: KeyCause) -> Custody:
    fresh = keys.generate()
    signer = keys.FileSigner(fresh)
    change = KeyChange(
        act=KeyAct.EMERGENCY, subject=cose.key_id(log.keys.in_force), public_key=signer.public_key, cause=cause
    )
    return Custody(
        held=held,
        signer=signer,
        endorsements=(),
        change=change,
        emergency=True,
        notes=_emergency_notes(held),
        _fresh=fresh,
    )


def _owned(settings: config.Key, held: Held, log: LogFacts, decision: Decision) -> Custody:
    public_key = decision.public_key or b""
    signer = held.signer(public_key)
    if signer is None:
        raise LookupError("the decision names a key that is not held")
    emergency = log.keys.emergency and decision.choice is Choice.GO_ON
    change = None
    if decision.choice is Choice.RETURN:
        kid = cose.key_id(public_key)
        change = KeyChange(act=KeyAct.RETURNED, subject=kid, public_key=public_key, cause=decision.cause)
    carried = tuple(encoded for encoded in log.endorsements if _fits(encoded, log.log_id, public_key))
    fitting, told = _configured(settings.endorsements, log.log_id, public_key, spared=bool(carried) or emergency)
    every = tuple(dict.fromkeys((*fitting, *carried)))[:ENDORSEMENTS_LIMIT]
    return Custody(
        held=held,
        signer=signer,
        endorsements=() if emergency else every,
        change=change,
        emergency=emergency,
        notes=_emergency_notes(held) if emergency else (*_returned(change), *told),
    )


# -- endorsements ------------------------------------------------------------------------------------------------------


def _configured(
    paths: Iterable[Path], log_id: bytes, public_key: bytes, *, spared: bool
) -> tuple[tuple[bytes, ...], tuple[Note, ...]]:
    """The endorsements of this key that the configuration names, and what the operator is told of the others.

    `spared`: the log carries one of its own, or none counts. Then a file that rotted hinders no hearing. Raises
    UnusableKey.
    """
    fitting: list[bytes] = []
    told: list[Note] = []
    for path in paths:
        try:
            found, strangers = read_endorsements((path,), log_id, public_key)
        except UnusableKey as error:
            if not spared:
                raise
            told.append(_unusable_note(path, error.what))
        else:
            fitting += found
            told += map(_stranger_note, strangers)
    return tuple(fitting), tuple(told)


def read_endorsements(
    paths: Iterable[Path], log_id: bytes, public_key: bytes
) -> tuple[tuple[bytes, ...], tuple[Path, ...]]:
    """The endorsements of this key, and the files that speak of another key of this log. Raises UnusableKey.

    After a rotation the configuration may still name the old key's endorsement; one of another log is a mistake.
    """
    fitting, strangers = [], []
    for path in paths:
        try:
            with path.open("rb") as file:
                encoded = file.read(ENDORSEMENT_LIMIT_BYTES + 1)
            _, endorsement = keys.parse_endorsement(encoded, where=str(path))
            if endorsement.log_id != log_id:
                raise FormatError(str(path), "endorses another device or log")
        except (FormatError, OSError) as error:
            raise UnusableKey(
                str(error),
                remedy_zh="请用 `liuhen keys endorse` 重新背书本设备",
                remedy_en="have this device endorsed with `liuhen keys endorse`",
                cause=KeyCause.KEY_FILE_UNUSABLE,
            ) from error
        if endorsement.public_key == public_key:
            fitting.append(encoded)
        else:
            strangers.append(path)
    return tuple(fitting), tuple(strangers)


def _fits(encoded: bytes, log_id: bytes, public_key: bytes) -> bool:
    try:
        _, said = keys.parse_endorsement(encoded, where="endorsement")
    except FormatError:
        return False
    return (said.log_id, said.public_key) == (log_id, public_key)


# -- files -------------------------------------------------------------------------------------------------------------


def promote(file: Path) -> None:
    """Put `.next` in the place of the key file, which is kept aside; repeated after a cut. Raises StorageFault."""
    upcoming = beside(file, NEXT)
    fresh = keys.read_private_file(upcoming)
    with suppress(UnusableKey, OSError):  # there may be none: then nothing has to be kept
        left = keys.read_private_file(file)
        if left != fresh:
            _keep(file, left)
    durable.replace_file(file, fresh)
    durable.remove_file(upcoming, missing_ok=True)


def _set_aside(path: Path, file: Path) -> None:
    with suppress(UnusableKey, OSError):
        _keep(file, keys.read_private_file(path), path)
    durable.remove_file(path, missing_ok=True)


def _keep(file: Path, content: bytes, source: Path | None = None) -> None:
    kid = cose.key_id(keys.load_signer(source or file).public_key)
    path = beside(file, LEFT + kid.hex()[:KID_DIGITS])
    if not durable.exists(path):
        durable.create_file(path, content, mode=0o600)


# -- words -------------------------------------------------------------------------------------------------------------


def _emergency_notes(held: Held) -> tuple[Note, ...]:
    why = f"（{held.fault.what}）" if held.fault is not None else ""
    return (
        (
            f"设备密钥不可用{why}，改用应急密钥录制：内容照常封签，但无人背书。请尽快恢复或更换密钥",
            f"the device key cannot be used{why.replace('（', ' (').replace('）', ')')}: an emergency key signs, "
            "nobody vouches for it; restore or replace the key soon",
        ),
    )


def _returned(change: KeyChange | None) -> tuple[Note, ...]:
    """Only a key that comes back changes anything here."""
    if change is None:
        return ()
    return (
        (
            "设备密钥已恢复使用；应急密钥期间的内容仍无人背书",
            "the device key is back in force; what the emergency key signed stays unvouched",
        ),
    )


def _unusable_note(path: Path, what: str) -> Note:
    return (
        f"背书文件 {path} 无法使用（{what}）；录制照常，改用日志中已有的背书。请从备份恢复该文件",
        f"{path} cannot be used ({what}); recording goes on with the endorsement in the log; restore the file",
    )


def _stranger_note(path: Path) -> Note:
    return (
        f"背书文件 {path} 不属于当前密钥，未采用；请取得新的背书",
        f"{path} endorses another key of this device and is not used; have the present one endorsed",
    )


def _retired() -> UnusableKey:
    return UnusableKey(
        "本日志的密钥已停用 / the key of this log was retired: nothing is recorded into it any more",
        remedy_zh="本设备的日志已按停用条目终结；请用 `liuhen keys init device` 和 `liuhen spool init` 启用新的日志",
        remedy_en="begin a new log with `liuhen keys init device` and `liuhen spool init` on another disk or folder",
        cause=KeyCause.ORDERED,
    )


def _another_key() -> UnusableKey:
    return UnusableKey(
        "此密钥不是本日志的密钥 / the key is not the one this journal was signed with",
        remedy_zh="请使用本设备原来的密钥；更换密钥须走密钥轮换（liuhen keys rotate）",
        remedy_en="use this device's own key; another key needs a rotation (liuhen keys rotate)",
        cause=KeyCause.ANOTHER_KEY,
    )


def _several() -> UnusableKey:
    return UnusableKey(
        "令牌中没有密钥，或不止一把 / the token holds no key, or several: it is not clear which one begins this log",
        remedy_zh="请用 `liuhen keys init device --token-module …` 生成密钥，令牌中只留这一把",
        remedy_en="make one with `liuhen keys init device --token-module ...`; leave only that one on the token",
        cause=KeyCause.ANOTHER_KEY,
    )
