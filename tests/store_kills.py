"""Recorder, offload and gateway killed at random while a room is recorded into real Ceph, and what came of it.

Owns the processes it starts: a supervisor starts again whatever was killed, as a service manager would, and at the end
everything has ended in order. Media goes to the store at a low bandwidth, so that most kills hit a PUT or a read-back.
The recorder says what is durable through a pipe that outlives it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.provision import demo_identity
from edge.slices import SliceReader
from edge.spool import read_identity
from tests.ceph.cluster import missing
from tests.ceph.store import CephStore, begin
from tests.crash.evidence import Acknowledgement, kept
from tests.store_kills_judge import SLICES_LIMIT, Evidence, faults

SECONDS = 600.0
SECONDS_VARIABLE = "STORE_KILLS_SECONDS"
SEED = 1
BIN = Path(sys.executable).parent
WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""What is supervised ends with its supervisor, should that be killed; without code between fork and exec."""
TARGETS = {"offload": 2, "gateway": 2, "recorder": 1}
"""What may be killed, and how often; the recorder less, or it would never close a segment."""
PAUSE_SECONDS = (0.3, 5.0)
TRANSFER_LIMIT_SECONDS = 4.0
"""So long a kill of what sends waits for something that is sent, and then it comes all the same."""
GATEWAY_AWAY_SECONDS = (0.0, 3.0)
POLL_SECONDS = 0.2
RESTART_SECONDS = 1.0
"""From one start to the next at least, as a service manager waits: a companion of the recorder may hold the lock."""
START_LIMIT_SECONDS = 60.0
END_LIMIT_SECONDS = 120.0
CATCH_UP_LIMIT_SECONDS = 400.0
VERIFY_LIMIT_SECONDS = 300.0
CONFIGURATION = """\
[spool]
directory = "{folder}/spool"
minimum_free_hours = 0.1
[key]
file = "{key}"
endorsements = ["{endorsement}"]
[segment]
seconds = 10
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
designated = true
designated_by = "test"
daily_caps = ["00:00 500000"]
"""

Outcome = tuple[list[str], bool]


@dataclass(slots=True, kw_only=True)
class Room:
    """One device's folder, the store it sends to, and the processes that are alive now."""

    folder: Path
    ceph: CephStore
    log_id: bytes
    credentials: Path
    trust: Path
    acknowledged: list[Acknowledgement] = field(default_factory=list)
    endings: Counter[str] = field(default_factory=Counter)
    _lives: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _next_start: dict[str, float] = field(default_factory=dict)
    _ears: list[threading.Thread] = field(default_factory=list)

    @classmethod
    def make(cls, folder: Path, ceph: CephStore) -> Room:
        """A device with a key, a spool and an account of its own at the store."""
        identity = demo_identity(folder / "spool", folder / "keys", now_utc_ms=time.time_ns() // 1_000_000)
        log_id = read_identity(folder / "spool").log_id
        name = f"kills-{log_id.hex()}"
        ceph.add_account(name, as_role="device", log_id=log_id.hex())
        words = CONFIGURATION.format(
            folder=folder,
            key=identity.key_file,
            endorsement=identity.endorsement_file,
            url=ceph.url.text,
            ca=ceph.ca_file,
            credentials=ceph.credential_file(name),
        )
        (folder / "recorder.toml").write_text(words, encoding="utf-8")
        return cls(
            folder=folder,
            ceph=ceph,
            log_id=log_id,
            credentials=ceph.credential_file(name),
            trust=identity.trust_file,
        )

    @property
    def spool(self) -> Path:
        """What is recorded."""
        return self.folder / "spool"

    # -- the supervisor ------------------------------------------------------------------------------------------------

    def tend(self) -> None:
        """Start again what is not running."""
        for name, start in (("offload", self._offload), ("recorder", self._recorder)):
            life = self._lives.get(name)
            if life is not None and life.poll() is None:
                continue
            if life is not None:
                self.endings[f"{name} {life.returncode}"] += 1
                del self._lives[name]
            if time.monotonic() >= self._next_start.get(name, 0):
                self._next_start[name] = time.monotonic() + RESTART_SECONDS
                self._lives[name] = start()

    def _offload(self) -> subprocess.Popen[bytes]:
        return self._begin([str(BIN / "liuhen"), "offload"], pass_fds=())

    def _recorder(self) -> subprocess.Popen[bytes]:
        reading, writing = os.pipe()
        try:
            life = self._begin(
                [str(BIN / "liuhen"), "sim", "--spool", str(self.spool), "--acks", str(writing)], pass_fds=(writing,)
            )
        finally:
            os.close(writing)
        ear = threading.Thread(target=self._hear, args=(reading,))
        ear.start()
        self._ears.append(ear)
        return life

    def _begin(self, command: list[str], *, pass_fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
        with (self.folder / "said.txt").open("ab") as said:
            return subprocess.Popen(
                [*WITH_US, *command, "--config", str(self.folder / "recorder.toml")],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                pass_fds=pass_fds,
                start_new_session=True,
            )

    def _hear(self, reading: int) -> None:
        """One life's acknowledgements; a line that the kill cut off is none."""
        with os.fdopen(reading, "rb") as acknowledged:
            for line in acknowledged:
                if line.endswith(b"\n"):
                    self.acknowledged.append(_acknowledgement(line))

    def kill(self, target: str, chance: random.Random) -> None:
        """SIGKILL, whatever it does now. The gateway stays away for a while; the supervisor sees to the others."""
        if target == "gateway":
            self.ceph.cluster.kill_gateway()
            _tended(self, chance.uniform(*GATEWAY_AWAY_SECONDS))
            self.ceph.cluster.start_gateway()
            return
        recorder = self._lives.get("recorder")
        victims = _offloads(self.spool) if target == "offload" else [recorder.pid] if recorder is not None else []
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(pid, signal.SIGKILL)

    def end(self, name: str, number: signal.Signals) -> None:
        """One of them ends in order; killed after the limit, which is told as its ending."""
        life = self._lives.pop(name, None)
        if life is None:
            return
        if life.poll() is None:
            os.kill(life.pid, number)
        try:
            life.wait(END_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            life.kill()
            life.wait()
        self.endings[f"{name} at last {life.returncode}"] += 1

    def close(self) -> None:
        """Nothing of it runs any more, and everything that was said has been heard."""
        self.end("recorder", signal.SIGINT)
        self.end("offload", signal.SIGTERM)
        for ear in self._ears:
            ear.join(END_LIMIT_SECONDS)

    # -- what it says --------------------------------------------------------------------------------------------------

    def waiting(self) -> dict[str, Any]:
        """How much is on its way, as the offload process last showed it; with `utc_ms`, when that was."""
        shown: dict[str, Any] = json.loads((self.folder / "spool.offload/status.json").read_text("utf-8"))
        waiting: dict[str, Any] = shown["waiting"]
        return waiting | {"utc_ms": shown["utc_ms"], "reading_on": shown["reading_on"]}

    def verified(self, what: str, *options: str | Path) -> tuple[int, dict[str, Any]]:
        """Exit code and report of `liuhen-verify`."""
        done = subprocess.run(
            [str(BIN / "liuhen-verify"), what, "--trust", str(self.trust), "--json", *map(str, options)],
            capture_output=True,
            text=True,
            check=False,
            timeout=VERIFY_LIMIT_SECONDS,
        )
        report: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"said": done.stderr}
        return done.returncode, report


def _acknowledgement(line: bytes) -> Acknowledgement:
    """A line of `liuhen sim --acks`: `F segment fragment hash` or `E number hash`."""
    kind, *numbers, digest = line.decode("ascii").split()
    first, second = (int(number) for number in (*numbers, "0")[:2])
    return Acknowledgement(kind=kind, first=first, second=second, digest=bytes.fromhex(digest))


def _offloads(spool: Path) -> list[int]:
    """Every offload process of this spool: the supervised one, and one that a recorder brought along."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"offload" in words and any(os.fsencode(spool.parent) in word for word in words):
            found.append(int(process.name))
    return found


def _tended(room: Room, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        room.tend()
        time.sleep(min(POLL_SECONDS, max(0.0, until - time.monotonic())))


def _until(room: Room, condition: Callable[[], bool], limit_seconds: float, *, tend: bool) -> bool:
    deadline = time.monotonic() + limit_seconds
    while time.monotonic() < deadline:
        if tend:
            room.tend()
        if condition():
            return True
        time.sleep(POLL_SECONDS)
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What happened, and everything that was found afterwards."""

    kills: Counter[str]
    in_transfer: int
    """Kills at whose moment the offload process had objects to send."""
    evidence: Evidence
    faults: tuple[str, ...]
    acknowledged: int
    endings: Counter[str]


def run(folder: Path, ceph: CephStore, *, seconds: float, seed: int = SEED) -> Ran:
    """Record for so long with kills, let everything catch up, end in order, and judge. Raises CephFailed, OSError."""
    chance = random.Random(seed)  # noqa: S311 - repeatable choices
    room = Room.make(folder, ceph)
    kills: Counter[str] = Counter()
    found: list[str] = []
    try:
        room.tend()
        if not _until(room, lambda: bool(room.acknowledged), START_LIMIT_SECONDS, tend=True):
            found.append("nothing was recorded")
        in_transfer = _killed(room, chance, seconds, kills)
        quiet_seq = _catch_up(room, found)
    finally:
        room.close()
    found += _judged_outside(room)
    with ExitStack() as stack:
        store = ceph.open(room.credentials.name)  # what a device stored is its own: the administrator is refused
        stack.callback(store.close)
        evidence = Evidence.of(room.spool, room.log_id, store, quiet_seq)
    found += faults(evidence)
    return Ran(
        kills=kills,
        in_transfer=in_transfer,
        evidence=evidence,
        faults=tuple(found),
        acknowledged=len(room.acknowledged),
        endings=room.endings,
    )


def _killed(room: Room, chance: random.Random, seconds: float, kills: Counter[str]) -> int:
    """Kill for so long; returns how many kills found objects on their way."""
    until, heard, in_transfer = time.monotonic() + seconds, 0, 0
    while time.monotonic() < until:
        _tended(room, chance.uniform(*PAUSE_SECONDS))
        target = chance.choices(list(TARGETS), list(TARGETS.values()))[0]
        if target == "recorder":
            if len(room.acknowledged) <= heard:
                continue  # a busy machine would record nothing between two kills, and nothing would be shown
            heard = len(room.acknowledged)
        else:
            _until(room, lambda: _waiting_objects(room) > 0, TRANSFER_LIMIT_SECONDS, tend=True)
        in_transfer += bool(_waiting_objects(room))
        room.kill(target, chance)
        kills[target] += 1
    return in_transfer


def _waiting_objects(room: Room) -> int:
    try:
        return int(room.waiting()["objects"])
    except (OSError, ValueError):
        return 0


def _catch_up(room: Room, found: list[str]) -> int:
    """Nothing is killed any more; returns the entry up to which everything must have its receipt."""
    heard = len(room.acknowledged)
    if not _until(room, lambda: len(room.acknowledged) > heard, START_LIMIT_SECONDS, tend=True):
        found.append("the recorder did not go on after the last kill")
    # What no slice holds yet is cut within half a minute: that is not waited for, it is sent when the session ends.
    cut = SliceReader(room.spool).take(SLICES_LIMIT)
    quiet_seq = cut[-1].last if cut else -1
    since_ms = time.time() * 1000

    def told() -> bool:
        shown = room.waiting()
        return shown["utc_ms"] > since_ms and not (shown["objects"] or shown["untold"] or shown["reading_on"])

    if not _until(room, told, CATCH_UP_LIMIT_SECONDS, tend=True):
        found.append(f"not caught up within {CATCH_UP_LIMIT_SECONDS:.0f} s: {room.waiting()}")
    room.end("recorder", signal.SIGINT)
    ended_ms = time.time() * 1000

    def sent() -> bool:
        shown = room.waiting()
        return shown["utc_ms"] > ended_ms and not (shown["objects"] or shown["reading_on"])

    if not _until(room, sent, CATCH_UP_LIMIT_SECONDS, tend=False):
        found.append(f"not everything was sent within {CATCH_UP_LIMIT_SECONDS:.0f} s: {room.waiting()}")
    return quiet_seq


def _judged_outside(room: Room) -> list[str]:
    """What the verifier says of spool and store, and whether everything acknowledged is there."""
    found = []
    from_store = ("--log", room.log_id.hex(), "--credentials", room.credentials, "--ca", room.ceph.ca_file)
    local_code, local = room.verified(str(room.spool), "--sha256")
    store_code, stored = room.verified(room.ceph.url.text, *from_store)
    if (local_code, store_code) != (0, 0):
        found.append(f"liuhen-verify: {local_code} for the spool, {store_code} for the store")
        found += [f"spool: {line}" for line in _serious(local)] + [f"store: {line}" for line in _serious(stored)]
    for name in ("intact", "vouched", "complete_up_to", "sessions", "verdicts"):
        if local.get(name) != stored.get(name):
            found.append(f"the verifier's {name}: {local.get(name)} of the spool, {stored.get(name)} of the store")
    _, lost = kept(room.acknowledged, room.spool)
    return found + [f"acknowledged and not in the spool: {one}" for one in lost]


def _serious(report: dict[str, Any]) -> list[str]:
    told = [str(one.get("what_en")) for one in report.get("findings", []) if one.get("severity") != "note"]
    return told or [str(report.get("said", ""))]


def campaign(folder: Path) -> Outcome:
    """Ten minutes of it; the variable STORE_KILLS_SECONDS says another length."""
    seconds = float(os.environ.get(SECONDS_VARIABLE, SECONDS))
    if missing():
        return [f"not on this machine: {' '.join(missing())}"], False
    with tempfile.TemporaryDirectory(prefix="ceph-", dir=folder) as ceph_folder:
        ceph = begin(Path(ceph_folder))
        try:
            (folder / "room").mkdir()
            ran = run(folder / "room", ceph, seconds=seconds)
        finally:
            ceph.cluster.end()
    return lines(ran, seconds), not ran.faults


def lines(ran: Ran, seconds: float) -> list[str]:
    """The result file."""
    evidence = ran.evidence
    versions = {row.digest: row.version for row in evidence.receipts}
    media = sum(one.local is not None for one in evidence.owed)
    return [
        f"seconds of recording under kills: {seconds:.0f} ({SECONDS_VARIABLE}), seed {SEED}, real Ceph RGW over TLS",
        f"killed by SIGKILL: {sum(ran.kills.values())} ({dict(sorted(ran.kills.items()))}), "
        f"{ran.in_transfer} of them with objects waiting or on their way",
        f"segments and slices stated, each one version in the store under its lock: {media} and {len(evidence.slices)}",
        f"objects in the store: {len(evidence.versions)}; rows of receipts in the journal: {len(evidence.receipts)}, "
        f"for {len(versions)} contents, each for one version",
        f"fragments and entries acknowledged, each in the spool: {ran.acknowledged}",
        f"journal entries: {evidence.last_seq + 1}; reclaimed: {len(evidence.reclaimed)}",
        f"how processes ended: {dict(sorted(ran.endings.items()))}",
        *(f"FAULT: {fault}" for fault in ran.faults),
    ]
