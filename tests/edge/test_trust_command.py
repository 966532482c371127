"""`liuhen keys trust`: k of n roots, revoked keys, each change a new file; the verifier believes what it says."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from edge.__main__ import main
from liuhen import cose, keys, trust
from liuhen.registry import Custody
from tests.drivers.token_room import tokens
from tests.signing.archives import Device, closed_archive, endorsed, head_of, signer, trust_of
from tests.signing.checking import check


def roots(folder: Path, count: int) -> list[Path]:
    """Organisation roots, each made on its own machine; the trust file of each."""
    for number in range(count):
        assert (
            main(["keys", "init", "root", "--out", str(folder / f"root-{number}"), "--organisation", f"根{number}"])
            == 0
        )
    return [folder / f"root-{number}" / "trust.file" for number in range(count)]


def typed(*words: object) -> int:
    return main(["keys", *map(str, words)])


def read(path: Path) -> keys.Trust:
    return keys.parse_trust(path.read_bytes(), where=str(path))


@pytest.fixture
def two_of_three(tmp_path: Path) -> Path:
    files, out = roots(tmp_path, 3), tmp_path / "trust.file"
    assert typed("trust", "new", *files, "--organisation", "某市应急管理局", "--threshold", 2, "--out", out) == 0
    return out


def test_two_of_three_roots_vouch_and_one_alone_does_not(two_of_three: Path, tmp_path: Path) -> None:
    assert typed("init", "device", "--out", tmp_path / "device") == 0
    card = tmp_path / "device/device.card"
    for number in range(2):
        root, out = tmp_path / f"root-{number}/root.key", tmp_path / f"{number}.endorsement"
        assert typed("endorse", card, "--root", root, "--purpose", "production", "--out", out) == 0
    both = [(tmp_path / f"{number}.endorsement").read_bytes() for number in range(2)]
    parsed, believed = keys.parse_card(card.read_bytes(), where="card"), read(two_of_three)

    def endorsed_by(*endorsements: bytes) -> bool:
        standing = trust.judge(endorsements, log_id=parsed.log_id, public_key=parsed.public_key, trust=believed)
        return standing.endorsed

    assert endorsed_by(*both)
    assert not endorsed_by(both[0])
    assert not endorsed_by(both[0], both[0])
    assert (believed.threshold, len(believed.roots), believed.organisation) == (2, 3, "某市应急管理局")


def test_a_file_is_issued_when_it_is_made_and_never_overwritten(two_of_three: Path, tmp_path: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    assert 0 <= now_ms - read(two_of_three).issued_ms < 60_000
    before = two_of_three.read_bytes()
    assert typed("trust", "add", two_of_three, "--threshold", 3, "--out", two_of_three) == 2
    assert two_of_three.read_bytes() == before


def test_a_root_is_added_once_and_the_threshold_stays_or_changes(two_of_three: Path, tmp_path: Path) -> None:
    (more,) = (path for path in roots(tmp_path / "more", 1))
    wider, stricter = tmp_path / "wider", tmp_path / "stricter"
    assert typed("trust", "add", two_of_three, more, tmp_path / "root-0/trust.file", "--out", wider) == 0
    assert (read(wider).threshold, len(read(wider).roots)) == (2, 4)
    assert typed("trust", "add", wider, "--threshold", 4, "--out", stricter) == 0
    assert read(stricter).threshold == 4


@pytest.mark.parametrize("threshold", [0, 4, -1])
def test_a_threshold_that_nobody_can_reach_is_refused(threshold: int, two_of_three: Path, tmp_path: Path) -> None:
    assert typed("trust", "add", two_of_three, "--threshold", threshold, "--out", tmp_path / "bad") == 2
    assert not (tmp_path / "bad").exists()


# --- revocation ------------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[Device, Path]:
    """An archive and a trust file that vouches for it."""
    device = closed_archive(tmp_path / "archive", sessions=2)
    path = tmp_path / "archive.trust"
    path.write_bytes(keys.trust_bytes(device.trust()))
    return device, path


def test_a_revoked_key_is_believed_up_to_the_entry_the_file_names(
    recorded: tuple[Device, Path], tmp_path: Path
) -> None:
    device, path = recorded
    kid, seq = cose.key_id(device.key.public_key).hex(), device.seq // 2
    by_archive, by_hash, never = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    revoke = ("trust", "revoke", path, "--key", kid)
    number, digest = head_of(device.root, seq)
    assert typed(*revoke, "--archive", device.root, "--seq", seq, "--out", by_archive) == 0
    assert typed(*revoke, "--last-trusted", f"{number}:{digest.hex()}", "--out", by_hash) == 0
    assert typed(*revoke, "--altogether", "--out", never) == 0
    assert read(by_archive).revoked == read(by_hash).revoked == ((bytes.fromhex(kid), (number, digest), 0),)
    assert check(device.root, read(path)).vouched is not None
    for made in (by_archive, never):
        assert check(device.root, read(made)).vouched is None


def test_of_two_revocations_of_a_key_the_stricter_stays(recorded: tuple[Device, Path], tmp_path: Path) -> None:
    device, path = recorded
    kid = cose.key_id(device.key.public_key).hex()
    names = [tmp_path / str(number) for number in range(3)]
    revoke = ("--key", kid, "--archive", device.root)
    assert typed("trust", "revoke", path, *revoke, "--seq", 5, "--out", names[0]) == 0
    assert typed("trust", "revoke", names[0], *revoke, "--seq", 9, "--out", names[1]) == 0
    assert typed("trust", "revoke", names[1], "--key", kid, "--altogether", "--out", names[2]) == 0
    assert [last for _, last, _ in read(names[1]).revoked] == [head_of(device.root, 5)]
    assert [last for _, last, _ in read(names[2]).revoked] == [None]


@pytest.mark.parametrize(
    "words",
    [
        ("--last-trusted", "12"),
        ("--last-trusted", "12:ab"),
        (f"--last-trusted=-1:{'00' * 32}",),
        ("--archive", "{archive}"),
        ("--archive", "{archive}", "--seq", "100000"),
        ("--archive", "/nowhere", "--seq", "1"),
    ],
)
def test_a_last_trusted_entry_without_number_and_hash_is_refused(
    words: tuple[str, ...], recorded: tuple[Device, Path], tmp_path: Path
) -> None:
    device, path = recorded
    filled = [word.format(archive=device.root) for word in words]
    kid = cose.key_id(device.key.public_key).hex()
    assert typed("trust", "revoke", path, "--key", kid, *filled, "--out", tmp_path / "bad") == 2
    assert not (tmp_path / "bad").exists()


def test_a_key_to_revoke_is_named_by_fingerprint_card_or_endorsement(
    recorded: tuple[Device, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device, path = recorded
    kid = cose.key_id(device.key.public_key)
    card, endorsement = tmp_path / "card", tmp_path / "endorsement"
    made = keys.Card(version=1, log_id=device.log_id, public_key=device.key.public_key, custody=Custody.FILE)
    card.write_bytes(keys.card_bytes(made))
    endorsement.write_bytes(endorsed(device.log_id, device.key, device.roots)[0])
    for number, name in enumerate((kid.hex(), card, endorsement)):
        out = tmp_path / f"revoked-{number}"
        assert typed("trust", "revoke", path, "--key", name, "--altogether", "--out", out) == 0
        assert [row[0] for row in read(out).revoked] == [kid]
    capsys.readouterr()
    assert typed("show", tmp_path / "revoked-0") == 0
    shown = capsys.readouterr().out
    assert "已撤销" in shown
    assert "签发" in shown


def test_what_is_no_trust_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none"
    path.write_bytes(b"no trust")
    assert typed("trust", "add", path, "--out", tmp_path / "out") == 2


# --- keys on a token -------------------------------------------------------------------------------------------------


def test_names_in_a_trust_file_can_neither_move_the_terminal_nor_add_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = replace(
        trust_of([signer("root")]),
        organisation="法院\x1b[2J\n  根 root 法院: 00000000",
        roots=((signer("root").public_key, "\x1b]0;x\x07"),),
    )
    (tmp_path / "trust.file").write_bytes(keys.trust_bytes(hostile))
    capsys.readouterr()
    assert typed("show", tmp_path / "trust.file") == 0
    said = capsys.readouterr().out
    assert "法院" in said
    assert all(letter.isprintable() or letter == "\n" for letter in said)
    assert len(said.splitlines()) == 4


def test_a_device_key_is_made_on_a_token_and_its_card_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tokens().token()
    on_token = ("--token-module", settings.module, "--token-label", settings.label)
    assert typed("init", "device", "--out", tmp_path / "a", *on_token) == 2  # the PIN stands in a file
    assert typed("init", "device", "--out", tmp_path / "a", *on_token, "--token-pin-file", settings.pin_file) == 0
    card = keys.parse_card((tmp_path / "a/device.card").read_bytes(), where="card")
    assert card.custody == Custody.TOKEN
    assert not (tmp_path / "a/device.key").exists()
    root = roots(tmp_path, 1)[0].with_name("root.key")
    out = tmp_path / "endorsement"
    assert typed("endorse", tmp_path / "a/device.card", "--root", root, "--purpose", "production", "--out", out) == 0
    _, endorsement = keys.parse_endorsement(out.read_bytes(), where="endorsement")
    assert endorsement.custody == Custody.TOKEN
    assert "314159" not in capsys.readouterr().out


def test_a_successor_speaks_for_the_same_log(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert typed("init", "device", "--out", first) == 0
    assert typed("init", "device", "--out", second, "--successor-of", first / "device.card") == 0
    cards = [keys.parse_card((folder / "device.card").read_bytes(), where="card") for folder in (first, second)]
    assert cards[0].log_id == cards[1].log_id
    assert cards[0].public_key != cards[1].public_key
