"""The overlay as values: units with their shared drop-in, users, rules; and what is wrong with them, as lines of text.

Pure functions over a folder, so that a test can give them a copy with a fault in it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge import __main__ as program
from edge.guard.process import PRIORITY

ROOT = Path(__file__).resolve().parents[2]
ROOTFS = ROOT / "image-build/rootfs"
UNITS = "usr/lib/systemd/system"
SHARED = "liuhen-.service.d/50-sandbox.conf"
PROGRAM = "/opt/liuhen/current/bin/liuhen"
SYSTEMS_OWN = {"/usr/bin/true", "/usr/bin/touch", "/usr/bin/rm", "/usr/bin/sync", "/bin/sh"}
SYSTEMS_UNITS = {"multi-user.target", "timers.target"}
LATE_TARGETS = ("network-online.target", "time-sync.target", "network.target", "chrony.service", "chronyd.service")
GROUP_OF_DEVICES = {
    "char-video4linux": "video",
    "char-media": "video",
    "char-dma_heap": "video",
    "char-rtc": "video",
    "char-alsa": "audio",
    "char-gpiochip": "gpio",
    "char-ttyUSB": "dialout",
    "char-ttyACM": "dialout",
    "char-ttyAMA": "dialout",
}
GIVEN_BY_DEBIAN = {"char-video4linux", "char-alsa"}
"""Device classes that systemd's own rules give to their group; every other needs a rule of ours."""
UDEV_WORD = {
    "char-media": 'SUBSYSTEM=="media"',
    "char-dma_heap": 'SUBSYSTEM=="dma_heap"',
    "char-rtc": 'SUBSYSTEM=="rtc"',
    "char-gpiochip": 'KERNEL=="gpiochip',
    "char-ttyUSB": "ttyUSB[0-9]*",
    "char-ttyACM": "ttyACM[0-9]*",
    "char-ttyAMA": "ttyAMA[0-9]*",
}
SECRET = re.compile(
    r"PRIVATE KEY|\$(1|5|6|y)\$[./A-Za-z0-9]|chpasswd|authorized_keys|(?i:passw(or)?d\s*[=:]\s*\S)|(?i:secret\s*=)"
)


KEEP_THEIR_FOLDER = ("liuhen-recorder.service", "liuhen-guard.service")
"""The recorder's next run reads how the last one ended there, the guard's next one the latch's mark."""


def commands() -> frozenset[str]:
    """The subcommands that `liuhen` has."""
    parser = program._parser()
    (table,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return frozenset(table.choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit file with the drop-in that its name shares."""

    name: str
    rows: tuple[tuple[str, str, str], ...]

    def all(self, key: str) -> list[str]:
        """Every value of a key, in order."""
        return [value for _section, name, value in self.rows if name == key]

    def last(self, key: str) -> str | None:
        """The value that counts of a key that has one."""
        values = self.all(key)
        return values[-1] if values else None

    def words(self, *keys: str) -> list[str]:
        """All words of some keys."""
        return [word for key in keys for value in self.all(key) for word in value.split()]


def rows_of(text: str) -> Iterator[tuple[str, str, str]]:
    """(section, key, value) of a unit file."""
    section = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped
        elif stripped and not stripped.startswith(("#", ";")):
            key, _, value = stripped.partition("=")
            yield section, key, value


def units_of(rootfs: Path) -> dict[str, Unit]:
    """Every unit of an overlay by name."""
    folder = rootfs / UNITS
    shared = tuple(rows_of((folder / SHARED).read_text(encoding="utf-8")))
    found = {}
    for path in sorted(folder.glob("liuhen-*.*")):
        if path.is_file():
            own = tuple(rows_of(path.read_text(encoding="utf-8")))
            found[path.name] = Unit(name=path.name, rows=own + (shared if path.suffix == ".service" else ()))
    return found


def sysusers_of(rootfs: Path) -> list[list[str]]:
    """Lines of sysusers.d, as words."""
    text = (rootfs / "usr/lib/sysusers.d/liuhen.conf").read_text(encoding="utf-8")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def complaints(rootfs: Path, commands: frozenset[str]) -> list[str]:
    """Everything that is wrong with an overlay; `commands` are the subcommands that `liuhen` has."""
    units = units_of(rootfs)
    lines = [f"{unit.name}: {line}" for unit in units.values() for line in _of_unit(unit, set(units), commands)]
    lines += [f"{unit.name}: {line}" for unit in units.values() for line in _of_devices(unit, rootfs)]
    lines += _of_waiting(units)
    lines += _of_networks(units)
    lines += _of_restarts(units)
    lines += _of_users(rootfs, units)
    lines += _of_presets(rootfs, units)
    lines += _of_secrets(rootfs)
    return lines


def _of_unit(unit: Unit, names: set[str], commands: frozenset[str]) -> Iterator[str]:
    yield from _of_commands(unit, commands)
    if unit.all("ExecCondition") and unit.all("SuccessAction"):
        yield "counts as a success where its ExecCondition= leaves it out"
    if unit.last("WatchdogSec") is not None and unit.last("Type") != "notify":
        yield "a watchdog without Type=notify"
    if unit.name.endswith(".service") and unit.last("Type") == "notify" and unit.last("WatchdogSec") is None:
        yield "notifies, and nobody watches"
    for other in unit.words("Wants", "Requires", "Requisite", "After", "Before", "OnFailure", "Unit", "WantedBy"):
        if other not in names | SYSTEMS_UNITS:
            yield f"names {other}, which does not exist"
    yield from (f"is ordered after {late}" for late in unit.words("After", "Wants", "Requires") if late in LATE_TARGETS)


def _of_commands(unit: Unit, commands: frozenset[str]) -> Iterator[str]:
    for line in unit.all("ExecStart") + unit.all("ExecStartPre") + unit.all("ExecStopPost"):
        words = line.removeprefix("-").split()
        if words[0] == PROGRAM and words[1] not in commands:
            yield f"`liuhen {words[1]}` is not a command"
        elif words[0] != PROGRAM and words[0] not in SYSTEMS_OWN:
            yield f"{words[0]} is in no list"


def _of_waiting(units: dict[str, Unit]) -> Iterator[str]:
    """Design 3: a dead process is a signal to the others, never a reason to wait."""
    for name in (f"liuhen-{one}.service" for one in ("recorder", "guard", "sensors", "offload")):
        waits_for = units[name].words("Requires", "Requisite", "BindsTo", "After", "PartOf")
        if waits := set(waits_for) - {"liuhen-firststart.service"}:
            yield f"{name}: depends on {' '.join(sorted(waits))}"
        if units[name].last("Restart") != "always":
            yield f"{name}: is not started again"


def _of_networks(units: dict[str, Unit]) -> Iterator[str]:
    """Design 3: `offload` alone has a network; sensors ask a server on this machine."""
    for unit in units.values():
        reaches = set(unit.words("IPAddressAllow")) - (
            {"localhost"} if unit.name == "liuhen-sensors.service" else set()
        )
        if reaches and unit.name != "liuhen-offload.service":
            yield f"{unit.name}: reaches {' '.join(sorted(reaches))} over the network"


def _of_restarts(units: dict[str, Unit]) -> Iterator[str]:
    """What a process that is started again must find, and what must not happen meanwhile."""
    for unit in units.values():
        if unit.last("Restart") == "always" and unit.all("OnFailure") and unit.last("RestartMode") != "direct":
            yield f"{unit.name}: acts on OnFailure= at the first crash (systemd 254 and newer)"
        if unit.name in KEEP_THEIR_FOLDER and unit.last("RuntimeDirectoryPreserve") != "restart":
            yield f"{unit.name}: loses its runtime folder with each restart"
        if "mlockall" in unit.words("SystemCallFilter") and unit.last("LimitMEMLOCK") != "infinity":
            yield f"{unit.name}: may lock its memory, but not all of it"
        if "sched_setscheduler" in unit.words("SystemCallFilter") and (
            int(unit.last("LimitRTPRIO") or 0) < PRIORITY or unit.last("RestrictRealtime") == "yes"
        ):
            yield f"{unit.name}: asks for the real-time class and may not have it"
        ordered = units.get(f"{unit.name.removesuffix('.path')}.service") if unit.name.endswith(".path") else None
        if ordered is not None and ordered.all("ConditionPathExists") and unit.all("PathExists"):
            yield f"{unit.name}: gives an order again and again while {ordered.name} refuses it"


def _of_devices(unit: Unit, rootfs: Path) -> Iterator[str]:
    rules = (rootfs / "usr/lib/udev/rules.d/70-liuhen.rules").read_text(encoding="utf-8")
    member_of = {line[2] for line in sysusers_of(rootfs) if line[0] == "m" and line[1] == unit.last("User")}
    for device in (value.split()[0] for value in unit.all("DeviceAllow")):
        group = GROUP_OF_DEVICES.get(device)
        if group is None:
            yield f"may use {device}, which belongs to no group that is known here"
        elif group not in member_of:
            yield f"may use {device}, but {unit.last('User')} is not in {group}"
        if device not in GIVEN_BY_DEBIAN and not _gives(rules, UDEV_WORD.get(device, device), group or ""):
            yield f"may use {device}, but no rule gives it to {group}"


def _gives(rules: str, word: str, group: str) -> bool:
    return any(word in line and f'GROUP="{group}"' in line for line in rules.splitlines() if not line.startswith("#"))


def _of_users(rootfs: Path, units: dict[str, Unit]) -> Iterator[str]:
    groups: set[str] = set()
    users: set[str] = set()
    for line in sysusers_of(rootfs):
        yield from _of_sysusers_line(line, users, groups)
    for unit in units.values():
        user = unit.last("User")
        if unit.name.endswith(".service") and user not in users and unit.last("DynamicUser") != "yes":
            yield f"{unit.name}: runs as {user or 'root'}, who is not in sysusers"
    yield from _of_folders(rootfs, users | groups | {"root"})


def _of_sysusers_line(line: list[str], users: set[str], groups: set[str]) -> Iterator[str]:
    match line:
        case ["g", name, *_]:
            groups.add(name)
        case ["u", name, *rest]:
            users.add(name)
            if name not in groups:
                yield f"sysusers: {name} is a user before it is a group"
            if rest[-1].endswith("sh"):  # a shell would stand last
                yield f"sysusers: {name} has a shell"
        case ["m", name, group] if name in users and group in groups:
            pass
        case _:
            yield f"sysusers: {' '.join(line)} names what is not there yet"


def _of_folders(rootfs: Path, names: set[str]) -> Iterator[str]:
    rows = (rootfs / "usr/lib/tmpfiles.d/liuhen.conf").read_text(encoding="utf-8").splitlines()
    for line in (row.split() for row in rows if row and not row.startswith("#")):
        for name in set(line[3:5]) - names:
            yield f"tmpfiles: {line[1]} is for {name}, who is not there"


def _of_presets(rootfs: Path, units: dict[str, Unit]) -> Iterator[str]:
    text = (rootfs / "usr/lib/systemd/system-preset/80-liuhen.preset").read_text(encoding="utf-8")
    enabled = {line.split()[1] for line in text.splitlines() if line.startswith("enable ")}
    installable = {unit.name for unit in units.values() if unit.all("WantedBy")}
    yield from (f"presets: {name} is enabled and cannot be, or the other way round" for name in enabled ^ installable)


def _of_secrets(rootfs: Path) -> Iterator[str]:
    for path in sorted(rootfs.rglob("*")):
        if path.is_file() and (found := SECRET.search(path.read_text(encoding="utf-8"))):
            yield f"{path.relative_to(rootfs)}: looks like a secret: {found[0]}"
        if path.is_file() and path.stat().st_mode & 0o6002:
            yield f"{path.relative_to(rootfs)}: writable by everybody, or set-uid"
