"""`liuhen keys`: a root, a device, an endorsement; private keys are written once, 0600, and never shown."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edge.__main__ import main
from liuhen import keys, trust
from liuhen.registry import Purpose


@pytest.fixture
def made(tmp_path: Path) -> Path:
    assert main(["keys", "init", "root", "--out", str(tmp_path / "root"), "--organisation", "某市应急管理局"]) == 0
    assert main(["keys", "init", "device", "--out", str(tmp_path / "device")]) == 0
    return tmp_path


def endorse(made: Path, purpose: str) -> int:
    card, root = made / "device/device.card", made / "root/root.key"
    out = made / f"{purpose}.endorsement"
    return main(["keys", "endorse", str(card), "--root", str(root), "--purpose", purpose, "--out", str(out)])


@pytest.mark.parametrize(("purpose", "expected"), [("production", Purpose.PRODUCTION), ("demo", Purpose.DEMO)])
def test_an_endorsed_device_is_vouched_for_by_the_trust_file(made: Path, purpose: str, expected: Purpose) -> None:
    assert endorse(made, purpose) == 0
    card = keys.parse_card((made / "device/device.card").read_bytes(), where="card")
    believed = keys.parse_trust((made / "root/trust.file").read_bytes(), where="trust")
    endorsement = (made / f"{purpose}.endorsement").read_bytes()
    standing = trust.judge([endorsement], log_id=card.log_id, public_key=card.public_key, trust=believed)
    assert standing.endorsed
    assert keys.purpose_of([endorsement], log_id=card.log_id, public_key=card.public_key) is expected
    assert believed.organisation == "某市应急管理局"


def test_another_root_does_not_vouch(made: Path, tmp_path: Path) -> None:
    assert endorse(made, "production") == 0
    assert main(["keys", "init", "root", "--out", str(tmp_path / "other")]) == 0
    card = keys.parse_card((made / "device/device.card").read_bytes(), where="card")
    believed = keys.parse_trust((tmp_path / "other/trust.file").read_bytes(), where="trust")
    endorsement = (made / "production.endorsement").read_bytes()
    assert not trust.judge([endorsement], log_id=card.log_id, public_key=card.public_key, trust=believed).endorsed


@pytest.mark.parametrize("name", ["root/root.key", "device/device.key"])
def test_private_keys_are_for_their_owner_only_and_never_shown(
    made: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert stat.S_IMODE((made / name).stat().st_mode) == 0o600
    capsys.readouterr()
    assert main(["keys", "show", str(made / name)]) == 0
    shown = capsys.readouterr().out
    secret = (made / name).read_text(encoding="ascii").splitlines()[1]
    assert "指纹" in shown
    assert secret not in shown


def test_a_key_is_never_overwritten(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (made / "device/device.key").read_bytes()
    assert main(["keys", "init", "device", "--out", str(made / "device")]) == 2
    assert "从不覆盖" in capsys.readouterr().err
    assert (made / "device/device.key").read_bytes() == before


def test_every_kind_of_file_is_told_apart(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    endorse(made, "demo")
    capsys.readouterr()
    files = ["device/device.key", "device/device.card", "demo.endorsement", "root/trust.file"]
    assert main(["keys", "show", *(str(made / name) for name in files)]) == 0
    shown = capsys.readouterr().out
    for word in ("私钥", "设备名片", "背书 endorsement, demo", "信任文件"):
        assert word in shown


@pytest.mark.parametrize("content", [b"", b"\xd2", b"rubbish", b"-----BEGIN", bytes(70_000)])
def test_rubbish_is_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    (tmp_path / "file").chmod(0o600)
    assert main(["keys", "show", str(tmp_path / "file")]) == 2
    assert "无法继续" in capsys.readouterr().err


def test_a_card_is_needed_to_endorse(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made / "device/device.card").write_bytes((made / "root/trust.file").read_bytes())
    assert endorse(made, "demo") == 2
    assert "无法继续" in capsys.readouterr().err
    assert not (made / "demo.endorsement").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert main(["keys", "init", "device", "--out", str(tmp_path / "file/keys")]) == 2
    assert "可写" in capsys.readouterr().err
