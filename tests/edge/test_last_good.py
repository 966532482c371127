"""A service whose configuration is damaged goes on with the last good one and says so; a start by hand does not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import ConfigError
from edge.journal import entries_of
from edge.last_good import LIMIT_BYTES, InForce, in_force, parse_copy, usual_copy
from edge.provision import demo_identity
from liuhen.entry import Entry
from liuhen.kinds import Event, Run
from liuhen.registry import EventCode, RecordLabel

pytestmark = pytest.mark.long

LIMIT_SECONDS = 60
UTC_MS = 1_790_000_000_000
DAMAGED = b"room = \nnot toml"


class Service:
    """A device's folder, and `liuhen recorder` started in it as a service manager starts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        identity = demo_identity(folder / "spool", folder / "keys", now_utc_ms=UTC_MS)
        self.file, self.copy = folder / "recorder.toml", folder / "state" / "last-good-config"
        self.copy.parent.mkdir()
        self.sound = (
            f'[spool]\ndirectory = "spool"\n[key]\nfile = "{identity.key_file}"\n'
            f'endorsements = ["{identity.endorsement_file}"]\n[control]\nsocket = "control"\n'
        ).encode()
        self.file.write_bytes(self.sound)

    def start(self) -> tuple[int, str]:
        """Until it is ready, or has refused: then the end is asked for. The exit code and what it said."""
        address = self.folder / "notify"
        address.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(address))
            manager.settimeout(0.2)
            environment = os.environ | {"NOTIFY_SOCKET": str(address), "STATE_DIRECTORY": str(self.copy.parent)}
            command = [sys.executable, "-m", "edge", "recorder", "--config", str(self.file)]
            with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
                for _ in range(int(LIMIT_SECONDS / 0.2)):
                    if process.poll() is not None or _is_ready(manager):
                        break
                process.send_signal(signal.SIGTERM)
                said = process.communicate(timeout=LIMIT_SECONDS)[1]
        return process.returncode, said

    def entries(self) -> list[Entry]:
        paths = sorted((self.folder / "spool" / "journal").glob("*.cbor"))
        return [entry for path in paths for entry in entries_of(path)]

    def runs(self) -> list[bytes]:
        return [entry.body.config_hash for entry in self.entries() if isinstance(entry.body, Run)]

    def fallbacks(self) -> list[Event]:
        bodies = [entry.body for entry in self.entries()]
        return [body for body in bodies if isinstance(body, Event) and body.code == EventCode.CONFIG_FALLBACK]


def _is_ready(manager: socket.socket) -> bool:
    try:
        return b"READY=1" in manager.recv(4096)
    except TimeoutError:
        return False


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_the_service_goes_on_with_what_ran_before_and_says_so_and_run_refuses(service: Service) -> None:
    assert service.start()[0] == 0
    assert service.copy.stat().st_mode & 0o777 == 0o600
    assert service.fallbacks() == []
    kept = service.copy.read_bytes()

    service.file.write_bytes(DAMAGED)
    code, said = service.start()
    assert code == 0
    told = [line for line in said.splitlines() if "沿用上一份有效配置" in line]
    assert len(told) == 1
    assert "不是合法的 TOML" in told[0]
    (event,) = service.fallbacks()
    assert [label for label, _ in event.records] == [RecordLabel.REASON]
    assert service.runs()[0] == service.runs()[1], "the run names another configuration than the one in force"
    assert service.copy.read_bytes() == kept

    by_hand = [sys.executable, "-m", "edge", "run", "--config", str(service.file), "--seconds", "1"]
    refused = subprocess.run(by_hand, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert refused.returncode == 2
    assert "不是合法的 TOML" in refused.stderr

    service.file.write_bytes(service.sound + b"[device]\n")
    assert service.start()[0] == 0
    assert len(service.fallbacks()) == 1
    assert service.copy.read_bytes() != kept, "a new good one takes its place"


def test_without_a_last_good_one_the_service_refuses_as_ever(service: Service) -> None:
    service.file.write_bytes(DAMAGED)
    code, said = service.start()
    assert code == 2
    assert "不是合法的 TOML" in said
    assert service.entries() == []
    assert not service.copy.exists()


def test_a_configuration_with_which_nothing_can_start_is_never_kept(service: Service) -> None:
    """It parses, but names a key that is not there: the start is refused before its first entry."""
    service.file.write_bytes(service.sound.replace(b"device.key", b"none.key"))
    assert service.start()[0] not in (0, 2)
    assert not service.copy.exists()


# --- the copy ---------------------------------------------------------------------------------------------------------


def kept(folder: Path, content: bytes = b'[device]\nroom = "x"\n') -> InForce:
    """A good configuration with its copy, and its file damaged after that."""
    (folder / "c.toml").write_bytes(content)
    good = in_force(folder / "c.toml", folder / "copy")
    good.keep()
    (folder / "c.toml").write_bytes(DAMAGED)
    return good


def test_every_damage_falls_back_to_the_same_values_and_relative_paths(tmp_path: Path) -> None:
    good = kept(tmp_path, b'[spool]\ndirectory = "here"\n')
    assert good.config.spool.directory == tmp_path / "here"
    for damaged in (DAMAGED, b"\xff\xfe", b"nosuch = 1\n", b"[camera]\nwidth = -1\n"):
        (tmp_path / "c.toml").write_bytes(damaged)
        assert in_force(tmp_path / "c.toml", tmp_path / "copy").config == good.config
    (tmp_path / "c.toml").unlink()
    fallen = in_force(tmp_path / "c.toml", tmp_path / "copy")
    assert (fallen.config, fallen.fault is None) == (good.config, False)


def test_a_copy_damaged_at_any_byte_or_cut_anywhere_is_not_believed(tmp_path: Path) -> None:
    kept(tmp_path)
    whole = (tmp_path / "copy").read_bytes()
    file = tmp_path / "c.toml"
    assert parse_copy(whole, file) is not None
    for at in range(len(whole)):
        assert parse_copy(whole[:at], file) is None
        assert parse_copy(whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :], file) is None
    assert parse_copy(whole + b"x", file) is None
    assert parse_copy(bytes(LIMIT_BYTES + 1), file) is None


def _for_another_file(folder: Path) -> None:
    (folder / "other.toml").write_bytes(b"")
    in_force(folder / "other.toml", folder / "copy").keep()


def _writable_by_others(folder: Path) -> None:
    (folder / "copy").chmod(0o602)


def _a_link(folder: Path) -> None:
    (folder / "copy").rename(folder / "elsewhere")
    (folder / "copy").symlink_to(folder / "elsewhere")


def _a_pipe(folder: Path) -> None:
    (folder / "copy").unlink()
    os.mkfifo(folder / "copy", 0o600)


@pytest.mark.parametrize("spoil", [_for_another_file, _writable_by_others, _a_link, _a_pipe])
def test_a_copy_that_another_hand_may_have_made_is_not_believed(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    kept(tmp_path)
    assert in_force(tmp_path / "c.toml", tmp_path / "copy").fault is not None
    spoil(tmp_path)
    with pytest.raises(ConfigError, match="TOML"):
        in_force(tmp_path / "c.toml", tmp_path / "copy")


def test_the_copy_stands_in_the_services_state_folder_else_beside_the_usual_spool() -> None:
    assert usual_copy({"STATE_DIRECTORY": "/s"}) == Path("/s/last-good-config")
    assert usual_copy({}) == Path("/var/lib/liuhen/last-good-config")
