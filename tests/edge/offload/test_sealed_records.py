"""Records go to the store encrypted for the configuration's custodians, the same bytes whoever sends them again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge.__main__ import main
from edge.commands.fetch import load_opening
from edge.config import parse
from edge.config_file import ConfigError
from edge.offload.state import FILE
from liuhen import sealed_records
from liuhen.registry import ObjectKind, RecordLabel
from liuhen.store_names import RecordName, parse_key
from tests.edge.offload.bench import Bench

HOLDERS = [X25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2, 3)]
PUBLIC = tuple(one.public_key().public_bytes_raw() for one in HOLDERS)
TEXT = "当事人：王五，身份证号 110101190001010000"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, custodians=PUBLIC[:2])


def recorded(bench: Bench, text: str = TEXT) -> bytes:
    """A session with a record beside it; the record's commitment."""
    commitment = bench.device.record(text)
    bench.device.session(segments=1, commitments=((RecordLabel.APPROVAL, commitment),))
    bench.desk.cut()
    return commitment


def sent(bench: Bench, commitment: bytes) -> list[tuple[RecordName, bytes]]:
    """The objects of a record in the store."""
    names = [parse_key(key) for key in sorted(bench.store.key_set())]
    found = [name for name in names if isinstance(name, RecordName) and name.commitment == commitment]
    keys = [key for key in sorted(bench.store.key_set()) if isinstance(parse_key(key), RecordName)]
    return [
        (name, copy) for name in found for key in keys if parse_key(key) == name for copy in bench.store.copies(key)
    ]


def lives_again(bench: Bench, *, forgetting: bool) -> None:
    bench.offload.close()
    if forgetting:
        (bench.folder / "state" / FILE).unlink()
    bench.another()
    bench.settle()


def file_of(bench: Bench, commitment: bytes) -> bytes:
    return (bench.device.root / "records" / f"{commitment.hex()}.record").read_bytes()


def test_each_custodian_opens_what_was_sent_and_nobody_else_and_the_receipt_names_the_record(bench: Bench) -> None:
    commitment = recorded(bench)
    bench.settle()
    ((name, content),) = sent(bench, commitment)
    assert name.digest == hashlib.sha256(content).digest()
    for holder in HOLDERS[:2]:
        assert sealed_records.opened(content, holder, commitment=commitment, where="x") == file_of(bench, commitment)
    assert sealed_records.opened(content, HOLDERS[2], commitment=commitment, where="x") is None
    assert [row[1] for row in bench.desk.rows if row[0] == ObjectKind.RECORD] == [commitment]


def test_no_byte_of_the_text_is_in_the_store(bench: Bench) -> None:
    recorded(bench)
    bench.settle()
    assert not any(TEXT.encode() in copy for key in bench.store.key_set() for copy in bench.store.copies(key))


def test_without_custodians_a_record_goes_as_it_is(tmp_path: Path) -> None:
    """The negative control."""
    bench = Bench(tmp_path)
    commitment = recorded(bench)
    bench.settle()
    ((_, content),) = sent(bench, commitment)
    assert content == file_of(bench, commitment)


def test_a_state_that_was_lost_sends_no_second_one(bench: Bench) -> None:
    commitment = recorded(bench)
    bench.settle()
    before = sent(bench, commitment)
    lives_again(bench, forgetting=True)
    assert sent(bench, commitment) == before


def test_an_answer_that_was_lost_is_looked_for_and_found(bench: Bench) -> None:
    bench.store.levers.swallowed_replies = 3
    commitment = recorded(bench)
    bench.settle()
    assert len(sent(bench, commitment)) == 1


def test_other_custodians_get_what_is_sent_from_then_on_and_what_was_sent_stays(bench: Bench) -> None:
    first = recorded(bench)
    bench.settle()
    bench.custodians = PUBLIC[2:]
    second = recorded(bench, "补充材料")
    lives_again(bench, forgetting=False)
    assert len(sent(bench, first)) == 1
    ((_, content),) = sent(bench, second)
    assert sealed_records.opened(content, HOLDERS[2], commitment=second, where="x") == file_of(bench, second)


def test_a_record_that_rotted_on_the_device_is_never_sent(bench: Bench) -> None:
    commitment = recorded(bench)
    path = bench.device.root / "records" / f"{commitment.hex()}.record"
    content = bytearray(path.read_bytes())
    bench.store.levers.down = True
    bench.turn(5)
    content[-1] ^= 1
    path.write_bytes(content)
    bench.store.levers.down = False
    bench.turn(50)
    assert sent(bench, commitment) == []


# -- the configuration, and the keys -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys",
    [
        ["00" * 32],
        ["01" + "00" * 31],
        ["zz" * 32],
        ["ab"],
        [PUBLIC[0].hex()] * 2,
        [PUBLIC[0].hex().upper()],
        [X25519PrivateKey.generate().public_key().public_bytes_raw().hex() for _ in range(9)],
        "'text'",
    ],
)
def test_keys_that_could_open_nothing_are_refused(keys: object) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(f"[store]\ncustodian_keys = {keys}\n".encode())
    assert [problem.path for problem in refused.value.problems] == ["store.custodian_keys"]


def test_a_custodian_s_keys_are_made_and_fit_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "init", "custodian", "--out", str(tmp_path / "keys")]) == 0
    opening = load_opening(tmp_path / "keys/records.key")
    line = next(line for line in capsys.readouterr().out.splitlines() if "custodian_keys" in line)
    written = line[line.index("custodian_keys") :]
    store = parse(f"[store]\n{written}\n".encode()).store
    assert store.custodians == (opening.public_key().public_bytes_raw(),)
    for path in (tmp_path / "keys").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert main(["keys", "init", "custodian", "--out", str(tmp_path / "keys")]) != 0  # never written over
