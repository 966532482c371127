"""One node of Ceph in a folder of its own: monitor, one OSD on a sparse file, the gateway, on free loopback ports.

Everything lies below the folder; what runs is in `run/*.pid` there, so that another process can end it. `begin` returns
when the gateway answers. Without a manager daemon: nothing a gateway does asks one.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

PACKAGES = ("ceph-mon", "ceph-osd", "radosgw", "ceph-common")
PROGRAMS = ("monmaptool", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "ceph-authtool")
START_SECONDS = 90.0
END_SECONDS = 15.0
COMMAND_SECONDS = 60.0
PAUSE_SECONDS = 0.1
OSD_BYTES = 8 << 30
ORDER = ("mon", "osd", "rgw")
KEEPER = """
state=$1; shift
while :; do
    "$@" & echo $! > "$state.new"; mv "$state.new" "$state.pid"; wait $!
    [ -e "$state.held" ] || exit
    until [ -e "$state.again" ]; do sleep 0.05; done
    rm "$state.held" "$state.again"
done
"""
"""Runs a daemon, and again only where it was killed on purpose: so it is never the child of the test that kills it."""
CAPABILITIES = {
    "client.admin": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
    "osd.0": ("mon", "allow profile osd", "osd", "allow *"),
    "client.rgw": ("mon", "allow rw", "osd", "allow rwx"),
}

# A monitor gathers changes for a second before it proposes them; a store that comes up makes dozens, one after another.
CONFIGURATION = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon_port}/0]
keyring = {folder}/key/$name.keyring
log_file = {folder}/log/$name.log
admin_socket =
run_dir = {folder}/run
ms_bind_msgr1 = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 500
mon_data_avail_warn = 1
mon_data_avail_crit = 1
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
auth_allow_insecure_global_id_reclaim = false
osd_crush_chooseleaf_type = 0
osd_memory_target = 939524096
mon_data = {folder}/mon
osd_data = {folder}/osd
bluestore_block_size = {osd_bytes}
bluestore_block_create = true
[osd]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
[client.rgw]
rgw_frontends = beast tcp_nodelay=1 ssl_endpoint=127.0.0.1:{port} {tls}
rgw_data = {folder}/rgw
rgw_thread_pool_size = 32
rgw_enable_usage_log = false
rgw_gc_obj_min_wait = 60
"""


class CephFailed(Exception):
    """A program of Ceph ended or did not come up; the text holds what it said."""


def missing() -> list[str]:
    """The programs that are not on this machine."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class Cluster:
    """See the module. One at a time per folder."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made if need be; a cluster that was in it before is started again."""
        self.folder = folder.absolute()
        self._keepers: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def ready_to_start(self) -> bool:
        """Whether the folder holds a cluster."""
        return (self.folder / "osd/ready").exists()

    @property
    def port(self) -> int:
        """Where the gateway listens."""
        return int((self.folder / "port").read_text())

    def make(self) -> None:
        """Keys, configuration, an empty monitor and an empty OSD. The gateway's certificate must be there."""
        for name in ("mon", "osd", "rgw", "log", "run", "key"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        fsid, osd_uuid = str(uuid.uuid4()), str(uuid.uuid4())
        mon_port, port = free_ports(2)
        (self.folder / "port").write_text(f"{port}\n")
        tls = f"ssl_certificate={self.folder}/tls/server.pem ssl_private_key={self.folder}/tls/server.key"
        words = CONFIGURATION.format(
            fsid=fsid, mon_port=mon_port, port=port, folder=self.folder, osd_bytes=OSD_BYTES, tls=tls
        )
        (self.folder / "ceph.conf").write_text(words)
        self._make_keys()
        # Told only by a map does a monitor take another port than its usual one.
        monmap = self.folder / "monmap"
        self.run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{mon_port}/0]", monmap)
        keyring = self.folder / "key/mon.keyring"
        self.run("ceph-mon", "-i", "a", "--mkfs", "--fsid", fsid, "--keyring", keyring, "--monmap", monmap)
        (self.folder / "osd.uuid").write_text(osd_uuid)

    def _make_keys(self) -> None:
        keys = self.folder / "key"
        everything = keys / "mon.keyring"
        self.run("ceph-authtool", "--create-keyring", everything, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        for name, capabilities in CAPABILITIES.items():
            caps = [
                word for pair in zip(capabilities[::2], capabilities[1::2], strict=True) for word in ("--cap", *pair)
            ]
            path = keys / f"{name}.keyring"
            self.run("ceph-authtool", "--create-keyring", path, "--gen-key", "-n", name, *caps)
            self.run("ceph-authtool", everything, "--import-keyring", path)
        shutil.copy(everything, keys / "mon.a.keyring")

    def begin(self) -> None:
        """Start all of it and wait until the gateway answers. Raises CephFailed."""
        self.start("mon")
        osd_uuid = (self.folder / "osd.uuid").read_text()
        if not self.ready_to_start:
            self.run("ceph", "--connect-timeout", "60", "osd", "new", osd_uuid, "0")
            self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd_uuid)
            (self.folder / "osd/ready").touch()
        self.start("osd")
        self.start("rgw")
        self._wait("rgw", self._answers)

    def start(self, name: str) -> None:
        """Start one daemon; it runs until `end`, whoever calls that."""
        command = {
            "mon": ["ceph-mon", "-i", "a", "-f"],
            "osd": ["ceph-osd", "-i", "0", "-f"],
            "rgw": ["radosgw", "-n", "client.rgw", "-f"],
        }[name]
        run = self.folder / "run"
        for mark in ("held", "again", "pid"):
            (run / f"{name}.{mark}").unlink(missing_ok=True)
        with (self.folder / f"log/{name}.out").open("ab") as log:
            keeper = subprocess.Popen(
                ["sh", "-c", KEEPER, "keeper", f"{run}/{name}", *command],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._keepers[name] = keeper
        (run / f"{name}.keeper").write_text(f"{keeper.pid}\n")

    def signal(self, name: str, number: signal.Signals) -> None:
        """Freeze or thaw a daemon; it stands still when this returns. Raises CephFailed.

        One thread takes the signal and then stops the others, which work on until that one is scheduled.
        """
        pid = self._pid(name)
        os.kill(pid, number)
        deadline = time.monotonic() + END_SECONDS
        while number is signal.SIGSTOP and not _stands_still(pid):
            if time.monotonic() > deadline:
                raise CephFailed(f"{name} was stopped and goes on")
            time.sleep(PAUSE_SECONDS)

    def kill_gateway(self) -> None:
        """The gateway is gone without a word, until `start_gateway`."""
        (self.folder / "run/rgw.held").touch()
        pid = self._pid("rgw")
        os.kill(pid, signal.SIGKILL)
        _wait_ended(pid, None)

    def start_gateway(self) -> None:
        """The gateway again, after `kill_gateway`. Raises CephFailed."""
        (self.folder / "run/rgw.again").touch()
        self._wait("rgw", self._answers)

    def end(self) -> None:
        """End what runs, gateway first; what does not go is killed."""
        for name in reversed(ORDER):
            keeper_file = self.folder / f"run/{name}.keeper"
            if not keeper_file.exists():
                continue
            if (self.folder / f"run/{name}.pid").exists():
                _end(self._pid(name), None)
            _end(int(keeper_file.read_text()), self._keepers.pop(name, None))
            keeper_file.unlink()

    def run(self, *command: str | Path) -> str:
        """One of Ceph's commands, to its end. Raises CephFailed with what it said."""
        done = subprocess.run(
            list(map(str, command)),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        if done.returncode != 0:
            raise CephFailed(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stderr}")
        return done.stdout

    def environment(self) -> dict[str, str]:
        """What Ceph's programs are told."""
        return os.environ | {"CEPH_CONF": f"{self.folder}/ceph.conf"}

    def _pid(self, name: str) -> int:
        return int((self.folder / f"run/{name}.pid").read_text())

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def _wait(self, name: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            ended = [name for name, keeper in self._keepers.items() if keeper.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = (f"{path.name}: {path.read_text(errors='replace')[-2000:]}" for path in self._logs())
                raise CephFailed(f"{ended or name} is not up\n" + "\n".join(logs))
            time.sleep(PAUSE_SECONDS)

    def _logs(self) -> list[Path]:
        return sorted((self.folder / "log").glob("*.out"))


def free_ports(count: int) -> list[int]:
    """Loopback ports nobody listens on now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _end(pid: int, child: subprocess.Popen[bytes] | None) -> None:
    for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if number is not signal.SIGCONT and _wait_ended(pid, child):
            return


def _stands_still(pid: int) -> bool:
    """Whether every thread is stopped (proc(5): the field behind the name in parentheses)."""
    stats = [path.read_text(errors="replace") for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def _wait_ended(pid: int, child: subprocess.Popen[bytes] | None) -> bool:
    """Whether it ended within the limit; a child is reaped too."""
    if child is not None:
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        return True
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(PAUSE_SECONDS)
    return False
