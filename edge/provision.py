"""A demo identity made on the spot: a demo root, a device key it endorses, a trust file, and a spool.

Only for `liuhen demo` and `liuhen sim`. The root's private key lies beside the device key, so nobody should believe
it; everything made here is endorsed for demo and the verifier prints 演示 first.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from edge.refusals import SpoolError
from edge.spool import IDENTITY_FILE, Identity, create_spool
from liuhen import keys
from liuhen.registry import Custody, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoIdentity:
    """Where the demo key, its endorsement and the trust file are."""

    key_file: Path
    endorsement_file: Path
    trust_file: Path


def demo_identity(spool: Path, directory: Path, *, now_utc_ms: int) -> DemoIdentity:
    """Make or reuse the demo identity beside a spool. Raises KeyFileError or SpoolError."""
    identity = DemoIdentity(
        key_file=directory / "device.key",
        endorsement_file=directory / "device.endorsement",
        trust_file=directory / "trust.file",
    )
    if not identity.trust_file.exists():
        _make(identity, spool, directory, now_utc_ms)
    elif not (spool / IDENTITY_FILE).exists():
        # A new journal under an old key would use its numbers a second time, which is what a forger would do.
        raise SpoolError(
            f"{directory} 中的密钥属于已不在 {spool} 的存储目录 / holds the key of a spool that is no longer there",
            remedy_zh=f"请恢复原存储目录，或把 {directory} 移走后重试（将生成新的演示密钥）",
            remedy_en=f"restore the spool, or move {directory} away and try again (a new demo key is made)",
        )
    return identity


def _make(identity: DemoIdentity, spool: Path, directory: Path, now_utc_ms: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    root_key, device_key = keys.generate(), keys.generate()
    root, device = keys.FileSigner(root_key), keys.FileSigner(device_key)
    log_id = secrets.token_bytes(16)
    card = keys.Card(version=1, log_id=log_id, public_key=device.public_key, custody=Custody.FILE)
    trust = keys.Trust(
        version=1,
        organisation="演示 demo",
        issued_ms=now_utc_ms,
        threshold=1,
        roots=((root.public_key, "演示根密钥 demo root"),),
        revoked=(),
    )
    create_spool(spool, Identity(log_id=log_id, spool_id=secrets.token_bytes(16)))
    keys.save_private_key(directory / "demo-root.key", root_key)
    keys.save_private_key(identity.key_file, device_key)
    endorsement = keys.endorse(root, card, purpose=Purpose.DEMO, not_before_ms=now_utc_ms)
    keys.save_new(identity.endorsement_file, endorsement)
    keys.save_new(directory / "device.card", keys.card_bytes(card))
    # Last, because its presence says that everything before it is complete.
    keys.save_new(identity.trust_file, keys.trust_bytes(trust))
