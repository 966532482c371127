"""A real PKCS#11 token (SoftHSM 2): its key signs, never leaves it, a token that is gone is a fault with a cause."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.token import Pkcs11Token, open_token
from edge.config import Key, Token
from edge.custody import LogFacts, LogKeys, hold, open_custody
from liuhen import cose, keys
from liuhen.keys import UnusableKey
from liuhen.registry import KeyAct, KeyCause
from tests.drivers.token_room import PIN, tokens


@pytest.fixture
def settings() -> Token:
    return tokens().token()


def test_the_tokens_key_signs_what_the_format_accepts(settings: Token) -> None:
    token = open_token(settings)
    signer = token.generate("device")
    encoded = cose.sign(signer, "stop", b"\xa0")
    cose.verify(cose.parse(encoded, where="test"), signer.public_key, where="test")
    assert [found.public_key for found in token.signers()] == [signer.public_key]
    token.close()
    again = open_token(settings)
    assert [found.public_key for found in again.signers()] == [signer.public_key]
    again.close()


def test_the_key_never_leaves_the_token(settings: Token) -> None:
    from pkcs11 import Attribute  # noqa: PLC0415
    from pkcs11.exceptions import AttributeSensitive  # noqa: PLC0415

    token = open_token(settings)
    token.generate("device")
    (private_key,) = [found._private_key for found in token._found(token._session)]
    assert private_key[Attribute.NEVER_EXTRACTABLE]
    assert private_key[Attribute.ALWAYS_SENSITIVE]
    with pytest.raises(AttributeSensitive):
        private_key[Attribute.VALUE]
    token.close()


def test_a_key_that_can_be_taken_out_is_not_used(settings: Token) -> None:
    from pkcs11 import Attribute, KeyType, Mechanism  # noqa: PLC0415

    token = open_token(settings)
    token.close()
    writing = token._token.open(user_pin=PIN, rw=True)
    parameters = writing.create_domain_parameters(
        KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: bytes.fromhex("06032b6570")}, local=True
    )
    parameters.generate_keypair(
        mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
        store=True,
        id=b"loose",
        private_template={Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: False},
    )
    writing.close()
    found = open_token(settings)
    assert found.signers() == ()
    found.close()


def test_two_threads_sign_with_one_token(settings: Token) -> None:
    token = open_token(settings)
    signer = token.generate("device")
    made: list[bytes] = []

    def work(kind: str) -> None:
        made.extend(cose.sign(signer, kind, b"\xa0") for _ in range(50))

    threads = [threading.Thread(target=work, args=(kind,)) for kind in ("stop", "mark")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 100
    for encoded in made:
        cose.verify(cose.parse(encoded, where="test"), signer.public_key, where="test")
    token.close()


def refusal(settings: Token) -> UnusableKey:
    with pytest.raises(UnusableKey) as refused:
        Pkcs11Token(settings)
    assert PIN not in f"{refused.value} {refused.value.remedy_zh} {refused.value.remedy_en}"
    return refused.value


def test_what_is_wrong_with_a_token_has_a_cause_and_tells_no_pin(settings: Token, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pin"
    keys.save_new(wrong, b"99999999", mode=0o600)
    assert settings.pin_file is not None
    assert refusal(replace(settings, label="nobody's")).cause is KeyCause.TOKEN_ABSENT
    assert refusal(replace(settings, pin_file=wrong)).cause is KeyCause.TOKEN_REFUSED
    assert refusal(replace(settings, pin_file=tmp_path / "absent")).cause is KeyCause.TOKEN_REFUSED
    assert refusal(replace(settings, module=Path("/nowhere.so"))).cause is KeyCause.TOKEN_ABSENT
    settings.pin_file.chmod(0o644)
    assert "read by others" in refusal(settings).what


def test_a_token_that_is_pulled_out_is_absent_and_an_emergency_key_takes_over_until_it_is_back(
    settings: Token, tmp_path: Path
) -> None:
    token = open_token(settings)
    signer = token.generate("device")
    key = Key(file=tmp_path / "device.key", token=settings)
    log = LogFacts(log_id=bytes(16), keys=LogKeys(in_force=signer.public_key))
    with tokens().pulled_out():
        with pytest.raises(UnusableKey) as gone:
            signer.sign(b"message")
        assert gone.value.cause is KeyCause.TOKEN_ABSENT
        stopgap = open_custody(key, hold(key, open_token), log)
        assert stopgap.emergency
        assert stopgap.change is not None
        assert stopgap.change.cause is KeyCause.TOKEN_ABSENT
        stopgap.prepare()
        cose.sign(stopgap.signer, "stop", b"\xa0")
    token.close()
    lost = LogKeys(in_force=stopgap.signer.public_key, lost=signer.public_key, emergency=True)
    back = open_custody(key, hold(key, open_token), LogFacts(log_id=bytes(16), keys=lost))
    assert back.change is not None
    assert (back.change.act, back.signer.public_key) == (KeyAct.RETURNED, signer.public_key)
    cose.sign(back.signer, "stop", b"\xa0")
    back.close()


def test_a_journals_key_is_found_among_several_of_a_token(settings: Token, tmp_path: Path) -> None:
    token = open_token(settings)
    first, second = token.generate("device"), token.generate("device 2")
    token.close()
    key = Key(file=tmp_path / "device.key", token=settings)
    for signer in (first, second):
        found = open_custody(
            key, hold(key, open_token), LogFacts(log_id=bytes(16), keys=LogKeys(in_force=signer.public_key))
        )
        assert (found.signer.public_key, found.change) == (signer.public_key, None)
        found.close()
    with pytest.raises(UnusableKey, match="several"):
        open_custody(key, hold(key, open_token), LogFacts(log_id=bytes(16), keys=LogKeys(in_force=b"")))
