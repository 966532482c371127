"""A store's trouble as one StoreFault with the words an operator needs; what both kinds of store check of a key."""

from __future__ import annotations

import re
from datetime import datetime

from edge.store import FaultClass, StoreFault
from liuhen.store_names import KEY_LIMIT

REMEDIES = {
    FaultClass.UNREACHABLE: (
        "请检查网络或存储盘是否接通；设备会一直重试",
        "check the network or that the disk is attached; the device keeps trying",
    ),
    FaultClass.AMBIGUOUS: (
        "无需操作；设备先核对存储端是否已有此对象",
        "nothing to do; the device looks first whether the object has arrived",
    ),
    FaultClass.CLOCK: (
        "设备时钟与存储端相差过大，请校时",
        "the device's clock is too far from the store's; set it right",
    ),
    FaultClass.DENIED: (
        "请核对凭据、桶名或目录的权限",
        "check the credential, the bucket's name, or who may write to the directory",
    ),
    FaultClass.UNTRUSTED: (
        "服务器证书不被信任，未发送任何内容；请核对 CA 文件和服务器",
        "the server's certificate is not trusted and nothing was sent; check the CA file and the server",
    ),
    FaultClass.DAMAGED: (
        "内容在途中或存储端已损坏；设备会核对本地文件后再试",
        "bytes were damaged on the way or in the store; the device checks its own file and tries again",
    ),
    FaultClass.FULL: (
        "存储端已满或超出配额，请联系其管理员",
        "the store is full or over its quota; tell whoever keeps it",
    ),
    FaultClass.ABSENT: ("存储端没有此对象", "the store has no such object"),
    FaultClass.REFUSED: ("存储端依其规则拒绝", "the store refuses by its own rules"),
}
_KEY_PART = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_KEY = re.compile(rf"{_KEY_PART}(?:/{_KEY_PART})*")
_PREFIX = re.compile(rf"(?:{_KEY_PART}/)*(?:{_KEY_PART})?")


def store_fault(
    fault: FaultClass,
    what: str,
    *,
    status: int = 0,
    store_time: datetime | None = None,
    remedy: tuple[str, str] | None = None,
) -> StoreFault:
    """A StoreFault with the usual remedy of its class, or another."""
    remedy_zh, remedy_en = remedy or REMEDIES[fault]
    return StoreFault(fault, what, status=status, remedy_zh=remedy_zh, remedy_en=remedy_en, store_time=store_time)


def check_key(key: str) -> str:
    """The key, if it is a plain path of letters, digits and `._-` that starts no part with a dot. Raises StoreFault."""
    if len(key) > KEY_LIMIT or _KEY.fullmatch(key) is None:
        raise store_fault(FaultClass.REFUSED, f"{key[:KEY_LIMIT]!r} is no name for an object")
    return key


def check_prefix(prefix: str) -> str:
    """The prefix, if a key can begin with it. Raises StoreFault."""
    if len(prefix) > KEY_LIMIT or _PREFIX.fullmatch(prefix) is None:
        raise store_fault(FaultClass.REFUSED, f"{prefix[:KEY_LIMIT]!r} begins no name of an object")
    return prefix
