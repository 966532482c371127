"""Which key signs, decided from what the journal says and what is held; and the key files a power cut may leave."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import custody
from edge.config import Key, Token
from edge.custody import (
    Choice,
    Custody,
    Held,
    HeldKeys,
    LogFacts,
    LogKeys,
    decide,
    hold,
    open_custody,
    require_confirmation,
)
from liuhen import cose, keys
from liuhen.keys import Card, FileSigner, UnusableKey
from liuhen.kinds import Key as KeyEntry
from liuhen.registry import Custody as CustodyKind
from liuhen.registry import KeyAct, KeyCause, Purpose

OWN, NEXT, EMERGENCY, LOST, STRANGER = (bytes([n]) * 32 for n in range(1, 6))
LOG_ID = bytes(16)
HELD = [None, OWN, NEXT, EMERGENCY, LOST, STRANGER]
BYTES = st.sampled_from([OWN, NEXT, EMERGENCY, LOST, STRANGER])


# --- the decision ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "log", "choice", "public_key"),
    [
        (HeldKeys(own=(OWN,)), LogKeys(in_force=b""), Choice.GO_ON, OWN),
        (HeldKeys(own=(OWN, NEXT)), LogKeys(in_force=b""), Choice.NOTHING, None),
        (HeldKeys(fault=KeyCause.KEY_FILE_MISSING), LogKeys(in_force=b""), Choice.NOTHING, None),
        (HeldKeys(own=(OWN,)), LogKeys(in_force=OWN), Choice.GO_ON, OWN),
        (HeldKeys(own=(OWN,)), LogKeys(in_force=OWN, retired=True), Choice.RETIRED, None),
        (HeldKeys(own=(STRANGER,)), LogKeys(in_force=OWN), Choice.REPLACE, None),
        (HeldKeys(own=(OWN,), next=NEXT), LogKeys(in_force=OWN), Choice.GO_ON, OWN),
        (HeldKeys(own=(OWN,), next=NEXT), LogKeys(in_force=NEXT), Choice.GO_ON, NEXT),
        (HeldKeys(own=(OWN,), file=LOST), LogKeys(in_force=LOST), Choice.GO_ON, LOST),
        (HeldKeys(emergency=EMERGENCY), LogKeys(in_force=EMERGENCY, lost=OWN, emergency=True), Choice.GO_ON, EMERGENCY),
        (
            HeldKeys(own=(OWN,), emergency=EMERGENCY),
            LogKeys(in_force=EMERGENCY, lost=OWN, emergency=True),
            Choice.RETURN,
            OWN,
        ),
        # Whoever can write to the disk can append an emergency entry of his own: the device's key takes the log back.
        (HeldKeys(own=(OWN,)), LogKeys(in_force=STRANGER, lost=OWN, emergency=True), Choice.RETURN, OWN),
        (HeldKeys(own=(NEXT,)), LogKeys(in_force=EMERGENCY, lost=OWN, emergency=True), Choice.REPLACE, None),
        (HeldKeys(emergency=EMERGENCY), LogKeys(in_force=OWN), Choice.REPLACE, None),
    ],
)
def test_the_journal_says_which_key_signs(
    held: HeldKeys, log: LogKeys, choice: Choice, public_key: bytes | None
) -> None:
    decision = decide(held, log)
    assert (decision.choice, decision.public_key) == (choice, public_key)


@pytest.mark.parametrize("fault", [cause for cause in KeyCause if cause not in (KeyCause.ORDERED, KeyCause.KEY_BACK)])
def test_an_emergency_names_what_is_wrong_with_the_key(fault: KeyCause) -> None:
    assert decide(HeldKeys(fault=fault), LogKeys(in_force=OWN)).cause is fault
    assert decide(HeldKeys(own=(STRANGER,)), LogKeys(in_force=OWN)).cause is KeyCause.ANOTHER_KEY


@given(
    own=st.lists(BYTES, max_size=3, unique=True).map(tuple),
    others=st.tuples(*(st.sampled_from(HELD) for _ in range(3))),
    log=st.builds(LogKeys, in_force=BYTES, lost=BYTES | st.just(b""), emergency=st.booleans(), retired=st.booleans()),
)
def test_only_the_key_in_force_the_lost_one_or_a_fresh_one_ever_signs(
    own: tuple[bytes, ...], others: tuple[bytes | None, ...], log: LogKeys
) -> None:
    held = HeldKeys(own=own, file=others[0], next=others[1], emergency=others[2])
    decision = decide(held, log)
    assert decision.public_key in (None, log.in_force, log.lost)
    if decision.public_key is not None:
        assert decision.public_key in (*own, *others)
    assert (decision.choice is Choice.RETIRED) == log.retired


# --- key files -------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.save_private_key(tmp_path / "device.key", keys.generate())
    return tmp_path


def own(folder: Path) -> FileSigner:
    return keys.load_signer(folder / "device.key")


def opened(
    folder: Path, log: LogKeys, *, endorsements: tuple[Path, ...] = (), carried: tuple[bytes, ...] = ()
) -> Custody:
    settings = Key(file=folder / "device.key", endorsements=endorsements)
    return open_custody(settings, hold(settings), LogFacts(log_id=LOG_ID, keys=log, endorsements=carried))


def endorsement(signer: cose.Signer, *, log_id: bytes = LOG_ID) -> bytes:
    card = Card(version=1, log_id=log_id, public_key=signer.public_key, custody=CustodyKind.FILE)
    return keys.endorse(FileSigner(keys.generate()), card, purpose=Purpose.PRODUCTION, not_before_ms=0)


def break_missing(path: Path) -> None:
    path.unlink()


def break_bytes(path: Path) -> None:
    path.write_bytes(b"-----BEGIN PRIVATE KEY-----")


def break_mode(path: Path) -> None:
    path.chmod(0o644)


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (break_missing, KeyCause.KEY_FILE_MISSING),
        (break_bytes, KeyCause.KEY_FILE_UNUSABLE),
        (break_mode, KeyCause.KEY_FILE_EXPOSED),
    ],
)
def test_a_lost_key_is_replaced_by_an_emergency_key_that_says_what_happened(
    damage: Callable[[Path], None], cause: KeyCause, folder: Path
) -> None:
    lost = own(folder).public_key
    damage(folder / "device.key")
    found = opened(folder, LogKeys(in_force=lost))
    assert found.emergency
    assert found.change is not None
    assert found.change.entry((7, bytes(32))) == KeyEntry(
        act=KeyAct.EMERGENCY,
        subject=cose.key_id(lost),
        new_public_key=found.signer.public_key,
        endorsements=(),
        last_trusted=None,
        old_head=(7, bytes(32)),
        cause=cause,
    )
    assert not (folder / "device.key.emergency").exists()  # nothing is written before somebody means it
    found.prepare()
    kept = folder / "device.key.emergency"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert keys.load_signer(kept).public_key == found.signer.public_key


def test_an_emergency_goes_on_under_the_same_key_after_a_restart(folder: Path) -> None:
    lost = own(folder).public_key
    (folder / "device.key").unlink()
    first = opened(folder, LogKeys(in_force=lost))
    first.prepare()
    second = opened(folder, LogKeys(in_force=first.signer.public_key, lost=lost, emergency=True))
    assert second.signer.public_key == first.signer.public_key
    assert second.change is None
    assert second.emergency


def test_an_emergency_key_that_never_reached_the_journal_is_not_used_for_another_emergency(folder: Path) -> None:
    lost = own(folder).public_key
    (folder / "device.key").unlink()
    first = opened(folder, LogKeys(in_force=lost))
    first.prepare()
    second = opened(folder, LogKeys(in_force=lost))
    second.prepare()
    assert second.signer.public_key != first.signer.public_key
    left = folder / f"device.key.left-{cose.key_id(first.signer.public_key).hex()[:16]}"
    assert keys.load_signer(left).public_key == first.signer.public_key


def test_a_key_that_is_back_says_so_and_the_emergency_key_is_put_away(folder: Path) -> None:
    saved = (folder / "device.key").read_bytes()
    lost = own(folder).public_key
    (folder / "device.key").unlink()
    stopgap = opened(folder, LogKeys(in_force=lost))
    stopgap.prepare()
    (folder / "device.key").touch(mode=0o600)
    (folder / "device.key").write_bytes(saved)
    log = LogKeys(in_force=stopgap.signer.public_key, lost=lost, emergency=True)
    back = opened(folder, log)
    assert not back.emergency
    assert back.change is not None
    assert (back.change.act, back.change.public_key, back.signer.public_key) == (KeyAct.RETURNED, lost, lost)
    back.prepare()
    assert (folder / "device.key.emergency").exists()  # not before the entry is durable
    back.settle()
    assert not (folder / "device.key.emergency").exists()
    after_cut = opened(folder, LogKeys(in_force=lost))
    after_cut.settle()
    assert after_cut.change is None


def test_a_new_session_under_an_emergency_key_needs_a_persons_word_and_an_open_one_does_not(folder: Path) -> None:
    lost = own(folder).public_key
    sound = opened(folder, LogKeys(in_force=lost))
    (folder / "device.key").unlink()
    found = opened(folder, LogKeys(in_force=lost))
    for resumed, confirmed in itertools.product((False, True), repeat=2):
        require_confirmation(sound, resumed=resumed, confirmed=confirmed)
        if resumed or confirmed:
            require_confirmation(found, resumed=resumed, confirmed=confirmed)
    with pytest.raises(UnusableKey) as refused:
        require_confirmation(found, resumed=False, confirmed=False)
    assert "device.key" in refused.value.what
    assert "--emergency" in refused.value.remedy_zh
    assert "--emergency" in refused.value.remedy_en


def test_a_retired_log_is_over(folder: Path) -> None:
    with pytest.raises(UnusableKey, match="retired"):
        opened(folder, LogKeys(in_force=own(folder).public_key, retired=True))


def test_a_log_that_has_not_begun_needs_its_key(folder: Path) -> None:
    (folder / "device.key").unlink()
    with pytest.raises(UnusableKey, match=r"device\.key"):
        opened(folder, LogKeys(in_force=b""))


# --- rotation --------------------------------------------------------------------------------------------------------


def prepared(folder: Path) -> tuple[bytes, bytes]:
    """A key file and its successor; their contents."""
    keys.save_private_key(folder / "device.key.next", keys.generate())
    return (folder / "device.key").read_bytes(), (folder / "device.key.next").read_bytes()


@pytest.mark.parametrize("done", range(4))
def test_whatever_a_cut_leaves_of_a_rotation_the_key_in_force_is_found_and_the_files_are_mended(
    done: int, folder: Path
) -> None:
    """The steps of `promote`: old key aside, new key in its place, the prepared one gone. Any number may be done."""
    old, new = prepared(folder)
    old_key, new_key = own(folder), keys.load_signer(folder / "device.key.next")
    aside = folder / f"device.key.left-{cose.key_id(old_key.public_key).hex()[:16]}"
    if done >= 1:
        aside.touch(mode=0o600)
        aside.write_bytes(old)
    if done >= 2:
        (folder / "device.key").write_bytes(new)
    if done >= 3:
        (folder / "device.key.next").unlink()
    found = opened(folder, LogKeys(in_force=new_key.public_key))
    assert (found.change, found.emergency) == (None, False)
    found.settle()
    assert own(folder).public_key == new_key.public_key
    assert not (folder / "device.key.next").exists()
    assert aside.read_bytes() == old
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_before_the_rotations_entry_the_old_key_goes_on_and_nothing_is_moved(folder: Path) -> None:
    prepared(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    found = opened(folder, LogKeys(in_force=own(folder).public_key))
    found.prepare()
    found.settle()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


# --- endorsements ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [None, b"", b"rotten"], ids=["gone", "empty", "rotten"])
def test_an_endorsement_file_that_rots_hinders_no_start_of_a_log_that_carries_its_own(
    folder: Path, content: bytes | None
) -> None:
    signer, damaged = own(folder), folder / "damaged"
    if content is not None:
        damaged.write_bytes(content)
    log, carried = LogKeys(in_force=signer.public_key), endorsement(signer)
    found = opened(folder, log, endorsements=(damaged,), carried=(carried,))
    assert found.endorsements == (carried,)
    ((zh, en),) = found.notes
    assert str(damaged) in zh
    assert str(damaged) in en
    with pytest.raises(UnusableKey, match="damaged"):  # and nobody would vouch for a log that has none
        opened(folder, log, endorsements=(damaged,), carried=(endorsement(FileSigner(keys.generate())),))


def test_endorsements_come_from_the_configuration_and_from_the_log_and_must_fit_the_key(folder: Path) -> None:
    signer = own(folder)
    fitting, stranger = folder / "fitting", folder / "stranger"
    fitting.write_bytes(endorsement(signer))
    stranger.write_bytes(endorsement(FileSigner(keys.generate())))
    carried = endorsement(signer)
    found = opened(
        folder,
        LogKeys(in_force=signer.public_key),
        endorsements=(fitting, stranger),
        carried=(carried, stranger.read_bytes()),
    )
    assert found.endorsements == (fitting.read_bytes(), carried)
    ((zh, en),) = found.notes
    assert str(stranger) in zh
    assert str(stranger) in en


@pytest.mark.parametrize("content", [b"", b"\xd2", bytes(2000)])
def test_an_endorsement_that_is_none_or_of_another_log_is_a_mistake(content: bytes, folder: Path) -> None:
    path = folder / "endorsement"
    for wrong in (content, endorsement(own(folder), log_id=bytes([1]) * 16)):
        path.write_bytes(wrong)
        with pytest.raises(UnusableKey, match="endorsement"):
            opened(folder, LogKeys(in_force=own(folder).public_key), endorsements=(path,))


def test_nothing_endorses_an_emergency_key(folder: Path) -> None:
    signer = own(folder)
    path = folder / "endorsement"
    path.write_bytes(endorsement(signer))
    (folder / "device.key").unlink()
    assert opened(folder, LogKeys(in_force=signer.public_key), endorsements=(path,)).endorsements == ()


# --- without a driver ------------------------------------------------------------------------------------------------


def test_a_world_without_tokens_says_so(folder: Path) -> None:
    settings = Key(file=folder / "device.key", token=Token(module=Path("/m.so"), pin_file=folder / "pin"))
    held: Held = hold(settings, custody.no_token)
    assert held.fault is not None
    assert held.fault.cause is KeyCause.TOKEN_ABSENT
    assert held.file is not None  # a key file beside it may still be the one in force


def test_one_bad_read_of_the_key_file_makes_no_emergency(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, failures = os.read, iter([True])

    def fail_once(descriptor: int, size: int) -> bytes:
        if next(failures, False):
            raise OSError(errno.EIO, "injected")
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", fail_once)
    settings = Key(file=folder / "device.key")
    assert hold(settings).fault is None
    monkeypatch.setattr(os, "read", _never_reads)
    assert hold(settings).fault is not None


def _never_reads(_descriptor: int, _size: int) -> bytes:
    raise OSError(errno.EIO, "injected")
