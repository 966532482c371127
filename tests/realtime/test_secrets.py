"""Secrets stay where they were put, from the room into a real store over TLS and out of it to a custodian."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.store_s3 import read_credential
from edge.provision import demo_identity
from edge.spool import read_identity
from liuhen import keys
from liuhen.store_names import AccessName, RecordName, parse_key
from liuhen.store_statements import objects_copied, verify_access
from tests.ceph.store import BUCKET, CephStore
from tests.realtime.runs import BIN, ROOM_TO_START_AND_END_SECONDS
from tests.secret_traces import Secrets, Watch, files_below, shapes

pytestmark = [pytest.mark.realtime, pytest.mark.beside, pytest.mark.timeout(300)]

LIMIT_SECONDS = ROOM_TO_START_AND_END_SECONDS
TEXT = "当事人：王五，身份证号 110101190001010000"
SAID = {"actor": "张三", "purpose": "复议审查", "approval": "（2026）第 12 号"}
CONFIGURATION = """\
[spool]
directory = "{folder}/spool"
minimum_free_hours = 0.1
[key]
file = "{key}"
endorsements = ["{endorsement}"]
[camera]
width = 640
height = 360
bitrate_bits_per_second = 800000
[control]
socket = "{folder}/control"
[store]
url = "{url}"
ca_file = "{ca}"
credentials_file = "{credentials}"
custodian_keys = ["{recipient}"]
designated = true
designated_by = "test"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One device, one custodian, and every secret that either holds."""

    folder: Path
    ceph: CephStore
    log_id: bytes
    trust: Path
    custodian: str
    known: dict[str, tuple[Path, bytes]]
    """By name: the one file that holds it, and its bytes."""

    @classmethod
    def make(cls, folder: Path, ceph: CephStore) -> Case:
        """Keys, accounts of their own at the store, a configuration."""
        (folder / "tmp").mkdir()
        identity = demo_identity(folder / "spool", folder / "keys", now_utc_ms=time.time_ns() // 1_000_000)
        log_id = read_identity(folder / "spool").log_id
        device, custodian = (f"{role}-{secrets.token_hex(4)}" for role in ("device", "custodian"))
        ceph.add_account(device, as_role="device", log_id=log_id.hex())
        ceph.add_account(custodian, as_role="custodian")
        assert _run(folder, "keys", BIN / "liuhen", "keys", "init", "custodian", "--out", folder / "custodian") == 0
        signing, opening = folder / "custodian/custodian.key", folder / "custodian/records.key"
        accounts = {name: ceph.credential_file(name) for name in (device, custodian)}
        words = CONFIGURATION.format(
            folder=folder,
            key=identity.key_file,
            endorsement=identity.endorsement_file,
            url=ceph.url.text,
            ca=ceph.ca_file,
            credentials=accounts[device],
            recipient=(folder / "said/keys.txt").read_text().rpartition('["')[2].partition('"]')[0],
        )
        (folder / "recorder.toml").write_text(words, encoding="utf-8")
        private = {"device key": identity.key_file, "custodian key": signing, "key of records": opening}
        return cls(
            folder=folder,
            ceph=ceph,
            log_id=log_id,
            trust=identity.trust_file,
            custodian=custodian,
            known={what: (path, keys_in(path)) for what, path in private.items()}
            | {
                f"secret of {name}": (path, read_credential(path).secret_key.encode())
                for name, path in accounts.items()
            },
        )

    @property
    def at_store(self) -> tuple[str | Path, ...]:
        """What names the custodian's way to the store."""
        files = ("--credentials", self.ceph.credential_file(self.custodian), "--ca", self.ceph.ca_file)
        return (*files, "--log", self.log_id.hex())

    def run(self, name: str, *words: str | Path) -> int:
        """One command to its end; what it says stands in `said/NAME.txt`."""
        return _run(self.folder, name, *words)

    def said(self, name: str) -> str:
        """What a command said."""
        return (self.folder / f"said/{name}.txt").read_text("utf-8")

    def recording(self) -> subprocess.Popen[bytes]:
        """The recorder, with its companion that sends."""
        options = ("--config", self.folder / "recorder.toml", "--spool", self.folder / "spool")
        return _began(self.folder, "recorder", BIN / "liuhen", "sim", *options)

    def asked(
        self, name: str, recorder: subprocess.Popen[bytes], *words: str | Path, answers: frozenset[int] = frozenset({0})
    ) -> int:
        """Something asked while it records, until there is an answer; the last exit code."""
        until, code = time.monotonic() + LIMIT_SECONDS, -1
        while code not in answers and recorder.poll() is None and time.monotonic() < until:
            code = self.run(name, BIN / "liuhen", *words, "--config", self.folder / "recorder.toml")
        return code


def keys_in(path: Path) -> bytes:
    """The 32 bytes of an Ed25519 or X25519 key: the end of its PKCS#8 (RFC 8410)."""
    lines = path.read_text("ascii").splitlines()
    return base64.b64decode("".join(line for line in lines if "-" not in line))[-32:]


def _began(folder: Path, name: str, *words: str | Path) -> subprocess.Popen[bytes]:
    """Everything that a process says is kept, and what it puts aside lies in a folder of ours."""
    (folder / "said").mkdir(exist_ok=True)
    with (folder / f"said/{name}.txt").open("ab") as said:
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=os.environ | {"TMPDIR": str(folder / "tmp")}
        )


def _run(folder: Path, name: str, *words: str | Path) -> int:
    with _began(folder, name, *words) as process:
        try:
            return process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one run of all of it left, and where its secrets were seen."""

    case: Case
    secrets: Secrets
    watch: Watch
    objects: dict[str, bytes]
    """Everything that the store holds of this log: key and what stands beside it, by the bytes."""


@pytest.fixture(scope="module")
def seen(ceph: CephStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Recorded with a text beside it, sent, asked how it stands, verified, and copied by a custodian."""
    case = Case.make(tmp_path_factory.mktemp("secrets"), ceph)
    marked, said = case.folder / "marked.txt", case.folder / "access.txt"
    marked.write_text(f"text={TEXT}\n", encoding="utf-8")
    said.write_text("".join(f"{name}={value}\n" for name, value in SAID.items()), encoding="utf-8")
    kept = Secrets({name: secret for name, (_, secret) in case.known.items()})
    with Watch(kept) as watch:
        with case.recording() as recorder:
            try:
                assert case.asked("mark", recorder, "ctl", "mark", "--from", marked) == 0
                assert case.asked("status", recorder, "ctl", "status", "--json") == 0
                told = frozenset({0, 1})  # 1: somebody is needed, for no doctor has examined this store
                assert case.asked("offload-status", recorder, "offload", "status", "--json", answers=told) in told
            finally:
                recorder.send_signal(signal.SIGINT)
            assert recorder.wait(LIMIT_SECONDS) == 0, case.said("recorder")
        trusting = (*case.at_store, "--trust", case.trust)
        # Frames that a busy machine lost are told, and make nothing less intact (FORMAT.md 10, J19).
        assert case.run("verify", BIN / "liuhen-verify", ceph.url.text, *trusting) == 0, case.said("verify")
        keyed = ("--key", case.known["custodian key"][0], "--decrypt", case.known["key of records"][0])
        fetching = (BIN / "liuhen", "fetch", ceph.url.text, case.folder / "copy", *keyed, "--from", said)
        assert case.run("fetch", *fetching, *case.at_store) == 0, case.said("fetch")
    marked.unlink()
    yield Seen(case=case, secrets=kept, watch=watch, objects=in_store(case))


def in_store(case: Case) -> dict[str, bytes]:
    """Every version of every object, by a key that no two of them share."""
    store, client = case.ceph.open(case.custodian), case.ceph.client(case.custodian)
    found = {}
    for version in store.versions(f"v1/{case.log_id.hex()}/"):
        beside = client.head_object(Bucket=BUCKET, Key=version.key, VersionId=version.version_id)
        with store.open(version.key, version.version_id) as reading:
            octets = b"".join(iter(lambda: reading.read(1 << 20), b""))
        found[version.key] = octets + json.dumps(beside, default=str).encode() + version.key.encode()
    store.close()
    return found


def test_no_process_shows_a_secret_in_its_arguments_or_its_environment(seen: Seen) -> None:
    assert seen.watch.found == set()
    for program in ("sim", "offload", "ctl", "liuhen-verify", "fetch"):
        assert any(program in words for words in seen.watch.programs), f"{program} was never seen"


def test_nothing_that_was_said_or_written_holds_a_secret(seen: Seen) -> None:
    """Journal, spool, offload's state and status, the custodian's copy, everything said, and the gateway's log."""
    holders = {path for path, _ in seen.case.known.values()}
    gateway = [path for path in files_below(seen.case.ceph.cluster.folder / "log") if "rgw" in path.name]
    searched = [path for path in files_below(seen.case.folder) if path not in holders]
    assert seen.secrets.in_files([*searched, *gateway]) == []
    names = {path.relative_to(seen.case.folder).as_posix() for path in searched}
    assert {"said/recorder.txt", "said/status.txt", "said/fetch.txt", "spool/journal/00000000.cbor"} <= names
    assert {"spool.offload/status.json", "said/offload-status.txt", "copy/journal/00000000.cbor"} <= names
    assert gateway


def test_no_object_in_the_store_holds_a_secret_or_the_text_of_a_record(seen: Seen) -> None:
    assert {key: found for key, octets in seen.objects.items() if (found := seen.secrets.within(octets))} == {}
    assert [key for key, octets in seen.objects.items() if TEXT.encode() in octets] == []
    kinds = {type(parse_key(key)).__name__ for key in seen.objects}
    assert kinds >= {"SliceName", "MediaName", "RecordName", "AccessName"}


def test_the_custodian_opens_the_record_with_its_own_key(seen: Seen) -> None:
    sent = {name.commitment.hex() for key in seen.objects if isinstance(name := parse_key(key), RecordName)}
    copied, here = (
        {path.stem: path.read_bytes() for path in seen.case.folder.glob(f"{root}/records/*.record")}
        for root in ("copy", "spool")
    )
    assert copied == here
    assert copied.keys() == sent
    assert [octets for octets in copied.values() if TEXT.encode() in octets]


def test_the_copy_left_a_statement_of_access_that_the_custodian_signed(seen: Seen) -> None:
    (key,) = (key for key in seen.objects if isinstance(parse_key(key), AccessName))
    store = seen.case.ceph.open(seen.case.custodian)
    (version,) = store.versions(key)
    with store.open(version.key, version.version_id) as reading:
        encoded = reading.read(1 << 16)
    store.close()
    custodian = keys.load_signer(seen.case.known["custodian key"][0])
    said = verify_access(encoded, custodian.public_key, where="access")
    assert {"actor": said.actor, "purpose": said.purpose, "approval": said.approval} == SAID
    copied = [parse_key(key).digest for key in seen.objects if "/media/" in key or "/records/" in key]
    assert said.objects == objects_copied(copied)
    assert hashlib.sha256(encoded).digest() == parse_key(key).digest


# --- the negative controls --------------------------------------------------------------------------------------------


def test_a_secret_is_found_in_the_file_that_holds_it(seen: Seen) -> None:
    for name, (path, _) in seen.case.known.items():
        assert seen.secrets.in_file(path) == {name}


def test_a_secret_that_a_process_is_given_is_seen(tmp_path: Path) -> None:
    given, kept = secrets.token_hex(20), secrets.token_hex(20)
    with Watch(Secrets({"argument": given.encode(), "variable": kept.encode()})) as watch:
        command = [sys.executable, "-c", "import time; time.sleep(0.5)", given]
        encoded = base64.b64encode(b"x" + kept.encode()).decode()
        subprocess.run(command, env=os.environ | {"X": encoded}, check=True, timeout=LIMIT_SECONDS)
    assert {one.partition(" of ")[0] for one in watch.found} == {"argument in cmdline", "variable in environ"}


@pytest.mark.parametrize("lead", range(4))
def test_a_secret_inside_base64_is_found_wherever_it_stands(lead: int) -> None:
    secret = secrets.token_bytes(32)
    text = base64.b64encode(secrets.token_bytes(lead) + secret + secrets.token_bytes(7))
    assert any(shape in text for shape in shapes(secret))
