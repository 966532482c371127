"""The units of a device: judged by systemd's own tools, and by what the design says of its processes."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.app import LAST_EXIT
from edge.ladder import EXIT_REBOOT, EXIT_RESTART
from edge.mishaps import LastExit, read_last_exit
from tests.image_build.unit_files import PROGRAM, ROOTFS, SHARED, UNITS, commands, complaints, units_of
from tests.required import unavailable

SERVICES = sorted(name for name in units_of(ROOTFS) if name.endswith(".service"))
MOST_EXPOSED_TENTHS = 15
EXPOSURE_FILE = Path(__file__).parent / "exposure.json"
NEWER_THAN_DEBIAN_12 = frozenset({"RestartMode"})
"""Keys that systemd 252 does not know and 257 does. 252 does without: no restart of its is a failure."""


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(ROOTFS, tmp_path / "rootfs"))


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        unavailable("systemd-analyze (Debian package systemd)")
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60)


def exposure(unit: Path) -> int:
    """Tenths, as `systemd-analyze security` counts them without a running system."""
    done = analyze("security", "--offline=yes", "--no-pager", unit)
    found = re.search(r"Overall exposure level for \S+: (\d+)\.(\d)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    return int(found[1] + found[2])


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_is_exposed_no_more_than_is_written_down(name: str) -> None:
    unit = ROOTFS / UNITS / name
    assert analyze("security", "--offline=yes", f"--threshold={MOST_EXPOSED_TENTHS}", unit).returncode == 0
    written: dict[str, int] = json.loads(EXPOSURE_FILE.read_text(encoding="utf-8"))
    assert set(written) == set(SERVICES)
    assert exposure(unit) <= written[name]


def test_a_unit_without_its_sandbox_is_refused(overlay: Path) -> None:
    unit = overlay / UNITS / "liuhen-guard.service"
    before = exposure(unit)
    (overlay / UNITS / SHARED).unlink()
    assert exposure(unit) > MOST_EXPOSED_TENTHS > before
    assert analyze("security", "--offline=yes", f"--threshold={MOST_EXPOSED_TENTHS}", unit).returncode == 1


def verified(rootfs: Path, folder: Path) -> list[str]:
    """What `systemd-analyze verify` says of every unit, with the program where ExecStart= looks for it."""
    folder = Path(shutil.copytree(rootfs / UNITS, folder / "units"))
    for path in folder.rglob("liuhen-*.*"):
        if path.is_file():
            path.write_text(path.read_text(encoding="utf-8").replace(PROGRAM, "/usr/bin/true"), encoding="utf-8")
    done = analyze("verify", "--man=no", *sorted(path for path in folder.glob("liuhen-*.*") if path.is_file()))
    said = [line for line in done.stderr.splitlines() if "liuhen" in line]
    return [line for line in said if not any(f"'{key}'" in line for key in NEWER_THAN_DEBIAN_12)]


def test_systemd_finds_nothing_wrong_with_any_unit(tmp_path: Path) -> None:
    assert verified(ROOTFS, tmp_path) == []


@pytest.mark.parametrize("fault", ["RestartSecond=1s", "ProtectSystem=very", "OOMScoreAdjust=most"])
def test_systemd_finds_a_line_that_is_wrong(overlay: Path, tmp_path: Path, fault: str) -> None:
    unit = overlay / UNITS / "liuhen-guard.service"
    unit.write_text(unit.read_text(encoding="utf-8").replace("[Service]", f"[Service]\n{fault}"), encoding="utf-8")
    assert verified(overlay, tmp_path)


def test_the_overlay_keeps_the_rules_of_the_design() -> None:
    assert complaints(ROOTFS, commands()) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("liuhen-guard.service", "liuhen guard", "liuhen gaurd", "is not a command"),
        ("liuhen-reboot.service", "/usr/bin/true", "/usr/bin/perl", "is in no list"),
        ("liuhen-escalate.service", "ExecStartPre=", "ExecCondition=", "counts as a success"),
        ("liuhen-guard.service", "Type=notify", "Type=exec", "without Type=notify"),
        ("liuhen-guard.service", "WatchdogSec=2s", "", "nobody watches"),
        ("liuhen-recorder.service", "Wants=liuhen-firststart.service", "Requires=liuhen-guard.service", "depends on"),
        ("liuhen-recorder.service", "After=", "After=liuhen-sensors.service ", "depends on"),
        ("liuhen-sensors.service", "Restart=always", "Restart=on-failure", "not started again"),
        ("liuhen-offload.service", "Restart=always", "Restart=on-failure", "not started again"),
        ("liuhen-offload.service", "SuccessExitStatus=2", "After=liuhen-recorder.service", "depends on"),
        ("liuhen-recorder.service", "RestrictRealtime=yes", "IPAddressAllow=any", "over the network"),
        ("liuhen-recorder.service", "After=", "After=time-sync.target ", "ordered after time-sync.target"),
        ("liuhen-recorder.service", "OnFailure=", "OnFailure=liuhen-nothing.service ", "does not exist"),
        ("liuhen-recorder.service", "RestartMode=direct", "", "at the first crash"),
        ("liuhen-recorder.service", "RuntimeDirectoryPreserve=restart", "", "loses its runtime folder"),
        ("liuhen-guard.service", "RuntimeDirectoryPreserve=restart", "", "loses its runtime folder"),
        ("liuhen-guard.service", "LimitMEMLOCK=infinity", "LimitMEMLOCK=128M", "not all of it"),
        ("liuhen-guard.service", "LimitRTPRIO=50", "LimitRTPRIO=49", "may not have it"),
        ("liuhen-guard.service", "LimitRTPRIO=50", "LimitRTPRIO=50\nRestrictRealtime=yes", "may not have it"),
        ("liuhen-escalate.path", "PathChanged=", "PathExists=", "again and again"),
        ("liuhen-recorder.service", "ExecStopPost=-/bin/sh", "ExecStopPost=-/bin/bash", "is in no list"),
        ("liuhen-guard.service", "char-gpiochip", "char-alsa", "is not in audio"),
        ("liuhen-guard.service", "char-gpiochip", "char-mem", "belongs to no group"),
        ("liuhen-guard.service", "User=liuhen-guard", "", "runs as root"),
        ("liuhen-guard.service", "LimitRTPRIO=50", "Environment=PASSWORD=x", "secret"),
        ("../../udev/rules.d/70-liuhen.rules", 'SUBSYSTEM=="dma_heap"', "#", "no rule gives it to video"),
        ("../../sysusers.d/liuhen.conf", "g     liuhen-guard     811\n", "", "before it is a group"),
        ("../../sysusers.d/liuhen.conf", "/var/lib/liuhen\n", "/var/lib/liuhen /bin/bash\n", "has a shell"),
        ("../../tmpfiles.d/liuhen.conf", "0700 liuhen-guard ", "0700 liuhen-gone ", "who is not there"),
        ("../system-preset/80-liuhen.preset", "enable liuhen-guard.service\n", "", "presets"),
    ],
)
def test_each_rule_finds_what_breaks_it(overlay: Path, file: str, old: str, new: str, expected: str) -> None:
    path = overlay / UNITS / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert any(expected in line for line in complaints(overlay, commands())), complaints(overlay, commands())


RECORDER = units_of(ROOTFS)["liuhen-recorder.service"]
ORDER = "/run/liuhen-recorder/reboot"


def after_the_end(folder: Path, result: str, code: str, status: str) -> None:
    """Runs what systemd runs when the recorder has ended, with the runtime folder elsewhere."""
    for line in RECORDER.all("ExecStopPost"):
        words = [
            word.replace("$$", "$").replace(str(LAST_EXIT.parent), str(folder))
            for word in shlex.split(line.removeprefix("-"))
        ]
        told = {"SERVICE_RESULT": result, "EXIT_CODE": code, "EXIT_STATUS": status}
        subprocess.run(words, env=told, check=True, timeout=10)


@pytest.mark.parametrize(
    ("result", "code", "status", "expected"),
    [
        ("signal", "killed", "KILL", LastExit(result="signal", signal_or_code=-9)),
        ("watchdog", "dumped", "ABRT", LastExit(result="watchdog", signal_or_code=-6)),
        ("oom-kill", "killed", "KILL", LastExit(result="oom-kill", signal_or_code=-9)),
        ("exit-code", "exited", "1", LastExit(result="exit-code", signal_or_code=1)),
        ("success", "exited", "0", LastExit(result="success", signal_or_code=0)),
        ("success", "exited", str(EXIT_RESTART), LastExit(result="success", signal_or_code=EXIT_RESTART)),
        ("resources", "", "", None),
    ],
)
def test_the_next_run_reads_the_line_that_the_unit_left(
    tmp_path: Path, result: str, code: str, status: str, expected: LastExit | None
) -> None:
    assert LAST_EXIT.parent == Path("/run") / (RECORDER.last("RuntimeDirectory") or "")
    after_the_end(tmp_path, result, code, status)
    assert read_last_exit(tmp_path / LAST_EXIT.name) == expected


def test_a_start_that_was_refused_does_not_hide_the_crash_before_it(tmp_path: Path) -> None:
    after_the_end(tmp_path, "signal", "killed", "SEGV")
    after_the_end(tmp_path, "exit-code", "exited", "4")
    assert read_last_exit(tmp_path / LAST_EXIT.name) == LastExit(result="signal", signal_or_code=-11)
    after_the_end(tmp_path, "success", "exited", "0")
    assert read_last_exit(tmp_path / LAST_EXIT.name) == LastExit(result="success", signal_or_code=0)


def test_only_the_exit_that_orders_a_reboot_leaves_the_order_that_is_bounded(tmp_path: Path) -> None:
    for code, status in (("exited", "0"), ("exited", "1"), ("exited", str(EXIT_RESTART)), ("killed", "KILL")):
        after_the_end(tmp_path, "any", code, status)
    assert not (tmp_path / Path(ORDER).name).exists()
    after_the_end(tmp_path, "success", "exited", str(EXIT_REBOOT))
    assert (tmp_path / Path(ORDER).name).exists()
    units = units_of(ROOTFS)
    assert units["liuhen-escalate.path"].all("PathChanged") == [ORDER]
    assert ORDER not in units["liuhen-reboot.path"].all("PathExists")


def test_an_ordered_end_is_no_failure_and_only_an_unusable_configuration_is_not_started_again() -> None:
    assert RECORDER.words("SuccessExitStatus") == [str(EXIT_RESTART), str(EXIT_REBOOT)]
    assert RECORDER.words("RestartPreventExitStatus") == ["2"]


def applied(tool: str, root: Path, rootfs: Path, file: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(tool) is None:
        unavailable(f"{tool} (Debian package systemd)")
    words = [tool, f"--root={root}", *(["--create"] if tool == "systemd-tmpfiles" else []), str(rootfs / file)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def listing(root: Path) -> list[tuple[str, int, int, int, bytes]]:
    return [
        (str(path.relative_to(root)), path.stat().st_mode, path.stat().st_uid, path.stat().st_gid, content(path))
        for path in sorted(root.rglob("*"))
    ]


def content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def test_users_and_folders_applied_twice_to_an_empty_root_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    found = []
    for _time in range(2):
        for tool, file in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
            done = applied(tool, tmp_path, ROOTFS, f"usr/lib/{file}/liuhen.conf")
            assert (done.returncode, done.stderr.count("Failed")) == (0, 0), done.stderr
        found.append(listing(tmp_path))
    assert found[0] == found[1]
    users = (tmp_path / "etc/passwd").read_text().splitlines()
    assert all(line.endswith("nologin") for line in users if line.startswith("liuhen-"))
    key = (tmp_path / "var/lib/liuhen/key").stat()
    assert (key.st_mode & 0o777, key.st_uid) == (0o700, 810)


def test_the_shutdown_hook_waits_only_for_a_cut_that_was_ordered(tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    text = (ROOTFS / "usr/lib/systemd/system-shutdown/liuhen-await-cut").read_text(encoding="utf-8")
    mark = tmp_path / "cut-expected"
    assert "sleep 80" in text
    hook.write_text(text.replace("/run/liuhen-power/cut-expected", str(mark)).replace("sleep 80", "echo waits"))

    def said(action: str) -> str:
        return subprocess.run(["sh", hook, action], capture_output=True, text=True, check=True, timeout=10).stdout

    assert said("reboot") == ""
    mark.touch()
    assert (said("reboot"), said("poweroff"), said("halt")) == ("waits\n", "", "")
