"""A device's first start: what it makes, that it makes it once, and that no cut leaves a half of it."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.custody import no_token
from edge.durable import StorageFault
from edge.first_start import Enrolment, first_start
from edge.refusals import SpoolError
from edge.spool import open_spool, read_identity
from liuhen import cose, keys
from liuhen.errors import KeyFileError
from liuhen.registry import Custody
from tests.drivers.token_room import tokens
from tests.edge.failing_calls import Failing, Fault, failing
from tests.edge.first_start_cut import cut_everywhere, settings_in

NOBODY = 65534
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 -- a folder of its own is made in it
WHOLE = ["enrolment/device.card", "enrolment/request.txt", "key/device.key", "spool/device/spool.cbor"]


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, for tests with hundreds of first starts: nothing there asks how long a flush takes."""
    with tempfile.TemporaryDirectory(
        prefix="liuhen-", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else tmp_path
    ) as name:
        yield Path(name)


def start(folder: Path) -> Enrolment:
    return first_start(settings_in(folder), folder / "enrolment", no_token)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_first_start_makes_a_key_that_is_the_owners_alone_and_all_that_a_recording_needs(tmp_path: Path) -> None:
    done = start(tmp_path)
    assert done.made == ("key", "card", "spool", "request")
    assert sorted(files(tmp_path)) == WHOLE
    key = tmp_path / "key/device.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert done.card.custody == Custody.FILE
    assert keys.load_signer(key).public_key == done.card.public_key
    spool = open_spool(tmp_path / "spool")
    assert spool.identity.log_id == done.card.log_id
    spool.close()


def test_a_second_start_changes_not_one_byte(tmp_path: Path) -> None:
    first = start(tmp_path)
    before = files(tmp_path)
    second = start(tmp_path)
    assert second.made == ()
    assert second.request == first.request
    assert files(tmp_path) == before


def test_two_devices_have_nothing_in_common(tmp_path: Path) -> None:
    one, other = (start(tmp_path / name).card for name in ("one", "other"))
    assert one.public_key != other.public_key
    assert one.log_id != other.log_id


def test_the_request_is_read_aloud_in_eight_groups_and_holds_nothing_secret(tmp_path: Path) -> None:
    done = start(tmp_path)
    said = (tmp_path / "enrolment/request.txt").read_text(encoding="utf-8")
    assert said == done.request
    digits = cose.key_id(done.card.public_key).hex()
    groups = [digits[at : at + 8] for at in range(0, 64, 8)]
    assert " ".join(groups) in " ".join(said.split())
    assert said.index("登记申请") < said.index("enrolment request")
    secret = keys.read_private_file(tmp_path / "key/device.key").splitlines()[1]
    assert all(secret not in content for name, content in files(tmp_path).items() if not name.startswith("key/"))


def test_a_first_start_cut_at_any_call_is_completed_by_the_next(memory_path: Path) -> None:
    cuts = cut_everywhere(memory_path)
    assert len(cuts) > 40
    assert [cut for cut in cuts if cut.code != 0 or cut.left != WHOLE] == []
    # The cuts really fall between the steps: some leave all to do, some nothing.
    assert {tuple(cut.made) for cut in cuts} >= {
        ("key", "card", "spool", "request"),
        ("card", "spool", "request"),
        ("spool", "request"),
        ("request",),
        (),
    }


def test_a_power_cut_that_tore_the_spools_identity_is_mended(memory_path: Path) -> None:
    start(memory_path)
    identity = memory_path / "spool/device/spool.cbor"
    whole = identity.read_bytes()
    (memory_path / "enrolment/request.txt").unlink()
    for length in range(len(whole)):
        identity.write_bytes(whole[:length])
        assert start(memory_path).made[:1] == ("spool",)
        (memory_path / "enrolment/request.txt").unlink(missing_ok=True)


def test_a_damaged_identity_beside_recordings_is_never_made_anew(tmp_path: Path) -> None:
    start(tmp_path)
    (tmp_path / "spool/device/spool.cbor").write_bytes(b"")
    (tmp_path / "spool/journal/00000000.cbor").write_bytes(b"an entry")
    before = files(tmp_path)
    with pytest.raises(SpoolError, match="is damaged"):
        start(tmp_path)
    assert files(tmp_path) == before


def test_a_lost_key_is_not_replaced_in_silence(tmp_path: Path) -> None:
    start(tmp_path)
    (tmp_path / "key/device.key").unlink()
    before = files(tmp_path)
    with pytest.raises(KeyFileError, match="has a log, but its key file is gone"):
        start(tmp_path)
    assert files(tmp_path) == before


def test_a_device_that_has_signed_gets_no_new_spool_for_a_disk_that_is_not_there(tmp_path: Path) -> None:
    start(tmp_path)
    (tmp_path / "key/device.key.head").write_bytes(b"remembered")
    shutil.rmtree(tmp_path / "spool")
    with pytest.raises(SpoolError, match="has a log") as refused:
        start(tmp_path)
    assert "装回原盘" in refused.value.remedy_zh
    assert not (tmp_path / "spool").exists()


def test_another_devices_disk_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    start(tmp_path / "one")
    start(tmp_path / "other")
    shutil.rmtree(tmp_path / "one/spool")
    (tmp_path / "other/spool").rename(tmp_path / "one/spool")
    before = files(tmp_path / "one")
    with pytest.raises(SpoolError, match="another device's log"):
        start(tmp_path / "one")
    assert files(tmp_path / "one") == before


def test_what_lies_in_the_place_of_the_spool_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool/somebodys.txt").write_text("mine")
    with pytest.raises(SpoolError, match="not empty"):
        start(tmp_path)
    assert (tmp_path / "spool/somebodys.txt").read_text() == "mine"
    assert {path.name for path in (tmp_path / "spool").iterdir()} == {"somebodys.txt"}


def test_a_key_that_cannot_be_used_is_refused_and_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    for content, mode in ((b"", 0o600), (b"not a key", 0o600), (keys.private_pem(keys.generate()), 0o644)):
        (tmp_path / "key/device.key").write_bytes(content)
        (tmp_path / "key/device.key").chmod(mode)
        with pytest.raises(KeyFileError):
            start(tmp_path)
        assert (tmp_path / "key/device.key").read_bytes() == content
    assert not (tmp_path / "spool").exists()


def test_a_key_and_a_spool_made_by_hand_are_adopted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "init", "device", "--out", str(tmp_path / "key")]) == 0
    assert main(["spool", "init", str(tmp_path / "spool"), "--card", str(tmp_path / "key/device.card")]) == 0
    capsys.readouterr()
    log_id = read_identity(tmp_path / "spool").log_id
    done = start(tmp_path)
    assert done.made == ("card", "request")
    assert done.card.log_id == log_id
    assert done.card_file.read_bytes() == (tmp_path / "key/device.card").read_bytes()


def test_a_card_of_another_key_is_refused(tmp_path: Path) -> None:
    start(tmp_path / "one")
    start(tmp_path / "other")
    shutil.copy(tmp_path / "other/enrolment/device.card", tmp_path / "one/enrolment/device.card")
    with pytest.raises(KeyFileError, match="another key"):
        start(tmp_path / "one")


@pytest.mark.parametrize("fault", [Fault.EIO, Fault.ENOSPC, Fault.EROFS])
def test_a_disk_that_refuses_any_call_ends_in_words_and_the_next_start_completes(
    memory_path: Path, fault: Fault
) -> None:
    refused = 0
    for at in range(200):
        folder = memory_path / f"{at:03d}"
        folder.mkdir()
        with failing(Failing(folders=(folder,), fault=fault, at=at)) as plan:
            try:
                start(folder)
            except (StorageFault, SpoolError, KeyFileError):
                refused += 1
        if not plan.fired:
            break
        assert start(folder).card.log_id
        assert sorted(files(folder)) == WHOLE, plan.fired
    assert refused > 10


def test_a_token_makes_the_key_and_only_one_can_be_meant(tmp_path: Path) -> None:
    from drivers.token import open_token  # noqa: PLC0415 -- the library is loaded where a token is

    with_token = replace(settings_in(tmp_path), key=replace(settings_in(tmp_path).key, token=tokens().token()))
    folder = tmp_path / "enrolment"
    done = first_start(with_token, folder, open_token)
    assert done.made == ("key", "card", "spool", "request")
    assert done.card.custody == Custody.TOKEN
    assert not (tmp_path / "key/device.key").exists()
    assert first_start(with_token, folder, open_token).made == ()
    token = open_token(with_token.key.token)
    token.generate("another")
    token.close()
    with pytest.raises(KeyFileError, match="2 keys"):
        first_start(with_token, folder, open_token)


def test_the_command_says_what_it_made_and_root_leaves_the_key_to_the_folders_owner(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o755)
    home = tmp_path / "state"
    home.mkdir()
    configuration = tmp_path / "recorder.toml"
    configuration.write_text(f'[spool]\ndirectory = "{home}/spool"\n[key]\nfile = "{home}/key/device.key"\n')
    owner = NOBODY if os.geteuid() == 0 else os.geteuid()
    os.chown(home, owner, -1)
    for path in [tmp_path, *tmp_path.parents]:  # pytest's own folders are for their owner alone
        if path.stat().st_uid == os.geteuid() and not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o011)
    command = ["first-start", "--config", str(configuration)]
    for _call in range(2):
        child = os.fork()
        if child == 0:
            os._exit(main(command))
        assert os.waitpid(child, 0)[1] == 0
    said = capfd.readouterr().out
    assert "已生成 made: 设备密钥、名片、存储目录、登记申请" in said
    assert said.count("登记申请  /  enrolment request") == 2
    assert "没有改动" in said
    key = (home / "key/device.key").stat()
    assert (key.st_uid, stat.S_IMODE(key.st_mode)) == (owner, 0o600)


def test_a_configuration_that_cannot_be_used_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configuration = tmp_path / "recorder.toml"
    configuration.write_text("[spool]\ndirectory = 1\n")
    assert main(["first-start", "--config", str(configuration)]) == 2
    assert "spool.directory" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["recorder.toml"]
