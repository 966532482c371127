"""Key files, cards, endorsements and trust files: what is refused, and what the operator is told."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from liuhen import cbor, cose, keys
from liuhen.errors import FormatError, KeyFileError
from liuhen.kinds import Endorsement
from liuhen.registry import Custody, Purpose
from tests.signing import samples
from tests.signing.vector_statements import trust_of

PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(samples.seed("device"))


def pem_of(private_key: Ed25519PrivateKey) -> bytes:
    """The PEM a key file holds."""
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    """A file with these permissions."""
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refusal(path: Path) -> KeyFileError:
    """The refusal of a key file; every one tells the operator what to do, in both languages."""
    with pytest.raises(KeyFileError) as refused:
        keys.load_signer(path)
    assert str(path) in refused.value.what
    assert any("\u4e00" <= character <= "\u9fff" for character in refused.value.remedy_zh)
    assert refused.value.remedy_en.isascii()
    return refused.value


# --- private key files -----------------------------------------------------------------------------------------------


def test_a_saved_key_signs_after_it_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "device.pem"
    keys.save_private_key(path, PRIVATE_KEY)
    signer = keys.load_signer(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert signer.public_key == samples.DEVICE.public_key
    assert signer.sign(b"message") == samples.DEVICE.sign(b"message")


def test_a_saved_key_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        keys.save_private_key(tmp_path / "device.pem", PRIVATE_KEY)
    finally:
        os.umask(before)
    assert (tmp_path / "device.pem").stat().st_mode & 0o777 == 0o600


def test_two_generated_keys_differ() -> None:
    assert keys.generate().private_bytes_raw() != keys.generate().private_bytes_raw()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o602, 0o660, 0o644, 0o777])
def test_a_key_file_others_can_use_is_refused_and_not_repaired(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "device.pem", pem_of(PRIVATE_KEY), mode)
    assert f"mode {mode:04o}" in refusal(path).what
    assert path.stat().st_mode & 0o777 == mode


USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32


def acl(*entries: tuple[int, int, int]) -> bytes:
    """As `setfacl` would write it: tag, permissions, id."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY = 0xFFFFFFFF
FOR_OWNER = (USER_OBJ, 4, NOBODY)
FOR_US = (USER, 4, os.geteuid())
OPEN_MASK, SHUT = (MASK, 4, NOBODY), (OTHER, 0, NOBODY)


def with_acl(path: Path, *entries: tuple[int, int, int]) -> Path:
    """A key file with this list; its mode then shows the mask as the group's right."""
    written(path, pem_of(PRIVATE_KEY), 0o400)
    os.setxattr(path, "system.posix_acl_access", acl(*entries))
    assert path.stat().st_mode & 0o070
    return path


def test_a_credential_that_systemd_gives_this_user_by_a_list_is_taken(tmp_path: Path) -> None:
    path = with_acl(tmp_path / "credential", FOR_OWNER, FOR_US, (GROUP_OBJ, 0, NOBODY), OPEN_MASK, SHUT)
    assert path.stat().st_mode & 0o777 == 0o440
    assert keys.read_private_file(path) == pem_of(PRIVATE_KEY)


@pytest.mark.parametrize(
    "more",
    [
        ((GROUP_OBJ, 4, NOBODY), OPEN_MASK, SHUT),
        ((GROUP_OBJ, 0, NOBODY), (GROUP, 4, 1234), OPEN_MASK, SHUT),
        ((GROUP_OBJ, 0, NOBODY), OPEN_MASK, (OTHER, 4, NOBODY)),
    ],
)
def test_a_list_that_lets_anybody_else_in_is_refused(tmp_path: Path, more: tuple[tuple[int, int, int], ...]) -> None:
    refusal(with_acl(tmp_path / "device.pem", FOR_OWNER, FOR_US, *more))


def test_a_list_that_names_another_user_is_refused(tmp_path: Path) -> None:
    other = (USER, 4, os.geteuid() + 1)
    refusal(with_acl(tmp_path / "device.pem", FOR_OWNER, other, (GROUP_OBJ, 0, NOBODY), OPEN_MASK, SHUT))


def test_a_missing_key_file_is_refused(tmp_path: Path) -> None:
    assert os.strerror(errno.ENOENT) in refusal(tmp_path / "device.pem").what


def test_a_directory_in_place_of_a_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "device.pem").mkdir(mode=0o700)
    refusal(tmp_path / "device.pem")


def test_a_pipe_in_place_of_a_key_file_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "device.pem", 0o600)
    refusal(tmp_path / "device.pem")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        pem_of(PRIVATE_KEY)[:60],
        PRIVATE_KEY.private_bytes_raw(),
        PRIVATE_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
        PRIVATE_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        b" " * keys.KEY_FILE_LIMIT_BYTES + pem_of(PRIVATE_KEY),
    ],
    ids=["empty", "garbage", "cut", "raw", "encrypted", "public", "P-256", "beyond the limit"],
)
def test_a_file_that_is_no_plain_ed25519_key_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "not an unencrypted Ed25519 private key" in refusal(written(tmp_path / "device.pem", content)).what


def test_a_key_of_an_algorithm_the_library_does_not_know_is_refused(tmp_path: Path) -> None:
    # PKCS#8 (RFC 5958) of 1.2.3.4, an algorithm that does not exist.
    pem = b"-----BEGIN PRIVATE KEY-----\nMA4CAQAwBQYDKgMEBAIAAA==\n-----END PRIVATE KEY-----\n"
    refusal(written(tmp_path / "device.pem", pem))


# --- files are new ---------------------------------------------------------------------------------------------------


def _save_refusal(path: Path) -> KeyFileError:
    with pytest.raises(KeyFileError) as refused:
        keys.save_private_key(path, PRIVATE_KEY)
    assert refused.value.remedy_zh
    assert refused.value.remedy_en
    return refused.value


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = written(tmp_path / "device.pem", b"the old key")
    assert "exists already" in _save_refusal(path).what
    assert path.read_bytes() == b"the old key"


@pytest.mark.parametrize("target", ["elsewhere.pem", "absent/elsewhere.pem"])
def test_a_symbolic_link_is_not_written_through(tmp_path: Path, target: str) -> None:
    path = tmp_path / "device.pem"
    path.symlink_to(tmp_path / target)
    assert "exists already" in _save_refusal(path).what
    assert not (tmp_path / target).exists()


def test_a_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    assert (
        f"cannot write {tmp_path / 'absent' / 'device.pem'}" in _save_refusal(tmp_path / "absent" / "device.pem").what
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a Linux device")
def test_a_full_disk_is_reported_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(os, "open", lambda *_arguments: full)
    with pytest.raises(KeyFileError, match=os.strerror(errno.ENOSPC)):
        keys.save_new(tmp_path / "card.cbor", b"card")


def test_a_file_for_everybody_can_be_saved_too(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        keys.save_new(tmp_path / "card.cbor", b"card")
    finally:
        os.umask(before)
    assert ((tmp_path / "card.cbor").read_bytes(), (tmp_path / "card.cbor").stat().st_mode & 0o777) == (b"card", 0o644)


# --- cards and endorsements ------------------------------------------------------------------------------------------


def test_an_endorsement_says_what_the_card_and_the_root_said() -> None:
    card = samples.card_of(samples.DEVICE)
    encoded = keys.endorse(samples.ROOTS[0], card, purpose=Purpose.PRODUCTION, not_before_ms=7)
    envelope, endorsement = keys.parse_endorsement(encoded, where="test")
    cose.verify(envelope, samples.ROOTS[0].public_key, where="test")
    assert endorsement == Endorsement(
        version=1,
        log_id=card.log_id,
        public_key=card.public_key,
        purpose=Purpose.PRODUCTION,
        custody=Custody.FILE,
        not_before_ms=7,
    )


def test_an_entry_is_no_endorsement() -> None:
    encoded = cose.sign(samples.ROOTS[0], "stop", b"\xa0")
    with pytest.raises(FormatError, match="a stop is not an endorsement"):
        keys.parse_endorsement(encoded, where="test")


def test_an_endorsement_of_an_unsound_key_is_refused() -> None:
    body = Endorsement(version=1, log_id=samples.LOG_ID, public_key=bytes(32), purpose=0, custody=0, not_before_ms=0)
    encoded = cose.sign(samples.ROOTS[0], Endorsement.KIND, cbor.encode(body.to_map()))
    with pytest.raises(FormatError, match="small order"):
        keys.parse_endorsement(encoded, where="test")


def test_a_card_comes_back_and_one_of_an_unsound_key_is_refused() -> None:
    card = samples.card_of(samples.DEVICE)
    assert keys.parse_card(keys.card_bytes(card), where="test") == card
    with pytest.raises(FormatError, match="small order"):
        keys.parse_card(cbor.encode({**card.to_map(), 9: bytes(32)}), where="test")


def test_a_key_is_for_production_as_soon_as_one_fitting_endorsement_says_so() -> None:
    demo = samples.endorsement(samples.ROOTS[0], samples.DEVICE)
    production = samples.endorsement(samples.ROOTS[1], samples.DEVICE, Purpose.PRODUCTION)
    stranger = samples.endorsement(samples.ROOTS[1], samples.NEXT_DEVICE, Purpose.PRODUCTION)

    def purpose(*endorsements: bytes, log_id: bytes = samples.LOG_ID) -> Purpose | None:
        return keys.purpose_of(endorsements, log_id=log_id, public_key=samples.DEVICE.public_key)

    assert purpose() is None
    assert purpose(stranger) is None
    assert purpose(production, log_id=bytes(16)) is None
    assert purpose(demo, stranger) is Purpose.DEMO
    assert purpose(demo, production) is Purpose.PRODUCTION


# --- trust files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("threshold", "roots"), [(1, 1), (1, 3), (2, 3), (3, 3)])
def test_a_trust_file_with_a_reachable_threshold_comes_back(threshold: int, roots: int) -> None:
    trust = trust_of(threshold, samples.ROOTS[:roots])
    assert keys.parse_trust(keys.trust_bytes(trust), where="test") == trust


@pytest.mark.parametrize(("threshold", "roots"), [(2, 1), (4, 3), (1, 0)])
def test_a_threshold_its_roots_cannot_reach_is_refused(threshold: int, roots: int) -> None:
    encoded = keys.trust_bytes(trust_of(threshold, samples.ROOTS[:roots]))
    with pytest.raises(FormatError, match="fewer than the threshold"):
        keys.parse_trust(encoded, where="test")


def test_a_root_counts_once() -> None:
    encoded = keys.trust_bytes(trust_of(2, (samples.ROOTS[0], samples.ROOTS[0])))
    with pytest.raises(FormatError, match="not distinct"):
        keys.parse_trust(encoded, where="test")


@pytest.mark.parametrize("threshold", [0, 17])
def test_a_threshold_out_of_range_is_neither_written_nor_read(threshold: int) -> None:
    with pytest.raises(FormatError, match="threshold"):
        keys.trust_bytes(trust_of(threshold, samples.ROOTS))
    encoded = cbor.encode({**trust_of(1, samples.ROOTS).to_map(), 3: threshold})
    with pytest.raises(FormatError, match="threshold"):
        keys.parse_trust(encoded, where="test")


def test_a_huge_trust_file_is_refused_before_it_is_read() -> None:
    with pytest.raises(FormatError, match="too large"):
        keys.parse_trust(bytes(keys.TRUST_FILE_LIMIT_BYTES + 1), where="test")
