"""`make campaign ARGS=install`: `make install` in a bare Debian 13, the units under its own systemd, `make uninstall`.

Every row of the result says what was found; a row that is not as expected is a FAULT. Cameras, GPIO lines, a hardware
watchdog and a UPS are not there: what needs them is shown on a device alone.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.journal import entries_of
from liuhen.kinds import EntryBody, Event, Refusal, Stop
from liuhen.registry import EventCode, RefusalCode
from tests.image_build.bare_root import TREE, BareRoot, missing
from tests.image_build.unit_files import PROGRAM, ROOTFS, SHARED, UNITS, commands, units_of

OFF = "systemctl poweroff\n"
PROCESSES = ("recorder", "guard", "sensors")
LISTED = "/opt/liuhen /etc /usr/lib/systemd /usr/lib/udev /usr/lib/sysusers.d /usr/lib/tmpfiles.d /usr/local /var/lib"
FACTS = "-type d -printf '%p %M %u:%g\\n' -o -printf '%p %M %u:%g %s %T@ %l\\n'"
LIST = f"find {LISTED} -path /var/lib/apt -prune -o {FACTS} | sort"
AS_RECORDER = "setpriv --reuid liuhen-recorder --regid liuhen-recorder --init-groups"
SITE_RULES = "/etc/udev/rules.d/75-liuhen-site.rules"
MARK = "var/lib/private/liuhen-escalation/rebooted"
WAIT_FOR = "timeout 30 sh -c 'until systemctl is-{state} --quiet {unit}; do :; done'\n"

ANSWERS = "timeout 60 sh -c 'until liuhen ctl status >/dev/null 2>&1; do sleep 0.2; done'\n"
CRASHED = int(EventCode.PROCESS_CRASHED)
CONFIGURATION = """\
[microphone]
enabled = false
[lamps]
enabled = true
[interlock]
enabled = true
gas = true
[gas]
kind = "loop"
loop_file = "/campaign/milliampere"
"""
TOGETHER = rf"""
units="liuhen-recorder liuhen-guard liuhen-sensors"
timeout 60 sh -c 'until liuhen ctl status --json 2>&1 | grep -q "\"sensors\": \"heard\""; do sleep 0.2; done'
usermod -aG liuhen-operator games
pid() {{ systemctl show -P MainPID liuhen-$1; }}
restarted() {{ timeout 60 sh -c "until [ \$(systemctl show -P NRestarts liuhen-$1) = $2 ]; do sleep 0.2; done"; }}
asks() {{ setpriv --reuid "$1" --regid "$2" --init-groups liuhen ctl status >/dev/null 2>&1; echo $?; }}
back() {{ timeout 60 sh -c 'until liuhen ctl status >/dev/null 2>&1; do sleep 0.2; done'; echo $?; }}
echo active: $(systemctl is-active $units)
echo users: $(for name in recorder guard sensors; do stat -c %U /proc/$(pid $name); done)
echo guard socket: $(stat -c '%A %U:%G' /run/liuhen-guard/link)
echo control socket: $(stat -c '%A %U:%G' /run/liuhen-recorder/control)
echo status: $(liuhen ctl status --json)
echo connections: $(grep -c ' /run/liuhen-guard/link$' /proc/net/unix)
known="$(asks root root) $(asks games games)"
echo may ask: $known $(asks nobody nogroup) $(asks liuhen-sensors liuhen-sensors)
echo start: $(liuhen ctl start >/dev/null 2>&1; echo $?)
echo limits: $(grep -E 'realtime priority|locked memory' /proc/$(pid guard)/limits)
systemctl kill --kill-whom=main -s KILL liuhen-recorder; restarted recorder 1; first=$(back)
systemctl kill --kill-whom=main -s ABRT liuhen-recorder; restarted recorder 2; echo back: $first $(back)
echo calm: $(systemctl is-active liuhen-escalate liuhen-retry.timer)
before=$(stat -c %i /run/liuhen-guard/link.latch)
systemctl kill -s KILL liuhen-guard; restarted guard 1
[ "$before" = "$(stat -c %i /run/liuhen-guard/link.latch)" ] && echo mark: the same
systemctl kill -s STOP liuhen-recorder; restarted recorder 3; echo silent: $(back)
{OFF}"""
"""What the boot of `processes` does; a mark that is another file has another number.

Only the main process is killed: `systemctl kill` without --kill-whom= kills what systemd runs after it as well.
"""
TOGETHER_ROWS = (
    ("recorder, guard and sensors run in their units and have said so to systemd", "active", "active active active"),
    ("each as its own user", "users", "liuhen-recorder liuhen-guard liuhen-sensors"),
    ("the guard's socket is its group's", "guard socket", "srw-rw---- liuhen-guard:liuhen-guard"),
    ("the recorder's is everybody's: it asks who asks", "control socket", "srw-rw-rw- liuhen-recorder:liuhen-recorder"),
    ("recorder and sensors hold a connection to the guard", "connections", "2"),
    ("liuhen ctl status: root 0, an operator 0, nobody 1, liuhen-sensors 1", "may ask", "0 0 1 1"),
    ("liuhen ctl start is refused while the interlock is tripped", "start", "1"),
    ("killed (KILL, then ABRT) the recorder is back and answers", "back", "0 0"),
    ("one crash reboots nothing and fails nothing", "calm", "inactive inactive"),
    ("a guard that is killed is back and finds its mark", "mark", "the same"),
    ("a recorder that systemd kills for its silence is back", "silent", "0"),
)

Fact = bool | int | str
COMMON: dict[str, Fact] = {
    "sets the clock": False,
    "opens raw packets": False,
    "writes its working folder": True,
    "writes /etc": False,
    "writes /usr": False,
    "reads the configuration": True,
    "reads the boot id": True,
    "reads the processor": True,
    "changes the kernel": False,
    "sees other processes": False,
    "makes a namespace": False,
    "connects to the guard": True,
    "has a prompt synthesised": True,
    "capabilities": "0000000000000000",
    "bounding set": "0000000000000000",
    "no new privileges": "1",
    "system calls filtered": "2",
}
SANDBOXES: dict[str, dict[str, Fact]] = {
    "recorder": COMMON
    | {
        "user": 810,
        "reads the clock's state": True,
        "takes calls back from C (cffi)": True,
        "makes memory that is written and run": True,
        "speaks TCP to this machine": False,
        "hears device events": True,
        "reads the key": True,
        "sees the store": True,
        "writes the store": True,
        "writes the latch": False,
    },
    "guard": COMMON
    | {
        "user": 811,
        "reads the clock's state": False,
        "takes calls back from C (cffi)": False,
        "makes memory that is written and run": False,
        "speaks TCP to this machine": False,
        "hears device events": False,
        "reads the key": False,
        "sees the store": False,
        "writes the store": False,
        "writes the latch": True,
    },
    "sensors": COMMON
    | {
        "user": 812,
        "reads the clock's state": False,
        "takes calls back from C (cffi)": False,
        "makes memory that is written and run": False,
        "speaks TCP to this machine": True,
        "hears device events": False,
        "reads the key": False,
        "sees the store": False,
        "writes the store": False,
        "writes the latch": False,
    },
}


@dataclass(slots=True, kw_only=True)
class Findings:
    """The rows of the result."""

    lines: list[str] = field(default_factory=list)
    good: bool = True

    def note(self, what: str, good: bool, *, detail: str = "") -> None:
        """One row; a fault shows its detail."""
        self.good &= good
        shown = detail.replace("\r", "")
        self.lines.append(what if good else f"FAULT: {what}: {shown[-1500:]}")


def campaign(folder: Path) -> tuple[list[str], bool]:
    """Make the root, then every step in order."""
    found = Findings()
    if lacking := missing():
        return [
            f"not on this machine: {', '.join(lacking)} (as root: apt-get install mmdebstrap git util-linux)"
        ], False
    root = BareRoot(folder)
    began = time.monotonic()
    root.make()
    found.note(f"bare Debian 13 made in {time.monotonic() - began:.0f} s", good=True)
    steps: tuple[Callable[[BareRoot, Findings], None], ...] = (
        installed,
        checked_by_its_own_tools,
        programs,
        first_start_twice,
        sandboxes,
        processes,
        ordered_ends,
        crash_loop,
        unusable_configuration,
        orders,
        uninstalled,
    )
    for step in steps:
        step(root, found)
    return found.lines, found.good


# -- without systemd ---------------------------------------------------------------------------------------------------


def installed(root: BareRoot, found: Findings) -> None:
    """Twice; the second time nothing changes."""
    began = time.monotonic()
    first = root.run("make", "-C", TREE, "install")
    found.note(f"make install: {time.monotonic() - began:.0f} s", first.code == 0, detail=first.said)
    for absent in ("python3-picamera2", "python3-lgpio"):
        found.note(
            f"says that {absent} is not to be had, and goes on", f"without {absent}: " in first.said, detail=first.said
        )
    before = root.run("sh", "-c", LIST)
    second = root.run("make", "-C", TREE, "install")
    said = "nothing changed" in second.said and second.code == 0
    after = root.run("sh", "-c", LIST)
    rows = len(before.said.splitlines())
    same = before.said == after.said
    detail = "\n".join(sorted(set(before.said.splitlines()) ^ set(after.said.splitlines())))
    found.note(f"a second make install changes none of {rows} files, folders and links", same and said, detail=detail)
    left = root.run(
        "sh", "-c", f"find {TREE} -newer /campaign/probe.py \\( -name __pycache__ -o -name '.venv*' -o -name build \\)"
    )
    found.note("root leaves no cache, environment or build in the tree", left.said == "", detail=left.said)


def checked_by_its_own_tools(root: BareRoot, found: Findings) -> None:
    """systemd 257, udev and chrony judge what was installed."""
    version = root.run("systemd-analyze", "--version").said.splitlines()[0]
    verified = root.run("sh", "-c", f"systemd-analyze verify --man=no /{UNITS}/liuhen-[a-z]*.*")
    found.note(f"systemd-analyze verify, {version}", verified.code == 0 and verified.said == "", detail=verified.said)
    for name in sorted(name for name in units_of(ROOTFS) if name.endswith(".service")):
        done = root.run("systemd-analyze", "security", "--offline=yes", "--threshold=15", f"/{UNITS}/{name}")
        exposed = re.search(r"level for \S+: (\S+)", done.said)
        found.note(f"exposure of {name}: {exposed[1] if exposed else '?'}", done.code == 0, detail=done.said)
    rules = root.run(
        "udevadm", "verify", "/usr/lib/udev/rules.d/70-liuhen.rules", "/etc/udev/rules.d/75-liuhen-site.rules"
    )
    found.note("udevadm verify", rules.code == 0, detail=rules.said)
    site = root.run(
        "sh",
        "-c",
        f"sed 's/^#SUBSYSTEM/SUBSYSTEM/' {SITE_RULES} >/tmp/site.rules; udevadm verify /tmp/site.rules",
    )
    found.note("udevadm verify of the site's examples", site.code == 0, detail=site.said)
    clock = root.run("chronyd", "-p", "-f", "/etc/chrony/chrony.conf")
    found.note("chronyd -p", clock.code == 0 and "maxslewrate 500" in clock.said, detail=clock.said)
    users = root.run("getent", "passwd", "liuhen-recorder", "liuhen-guard", "liuhen-sensors").said
    fixed = [
        f":x:{number}:{number}:" in line and line.endswith("nologin")
        for number, line in zip((810, 811, 812), users.splitlines(), strict=False)
    ]
    found.note("three users with fixed numbers and no shell", len(fixed) == len(PROCESSES) and all(fixed), detail=users)
    enabled = root.run(
        "systemctl", "is-enabled", *(f"liuhen-{name}" for name in (*PROCESSES, "firststart"))
    ).said.split()
    found.note("units enabled", enabled == ["enabled"] * 4, detail=str(enabled))


def programs(root: BareRoot, found: Findings) -> None:
    """The installed programs start as the users who run them."""
    there = commands()
    found.lines += [f"not yet a command, so not shown: liuhen {name}" for name in PROCESSES if name not in there]
    started = [(f"liuhen-{name}", f"liuhen {name} --help") for name in PROCESSES if name in there]
    for user, words in (
        ("liuhen-recorder", "liuhen --help"),
        *started,
        ("nobody", "liuhen-verify --help"),
        ("nobody", "liuhen config check /etc/liuhen/recorder.toml"),
    ):
        done = root.run("sh", "-c", f"setpriv --reuid {user} --clear-groups {words}")
        found.note(f"{words} as {user}", done.code == 0 and "Traceback" not in done.said, detail=done.said)


def first_start_twice(root: BareRoot, found: Findings) -> None:
    """By hand in the chroot; then it is taken away again, for the units are to do it themselves."""
    once = root.run("sh", "-c", f"{AS_RECORDER} liuhen first-start")
    again = root.run("liuhen", "first-start")  # root gives the key to whoever owns the place
    listed = root.run("stat", "-c", "%a %U", "/var/lib/liuhen/key/device.key", "/var/lib/liuhen/key").said.split("\n")
    found.note("first start as the recorder's user", once.code == 0, detail=once.said)
    found.note(
        "first start again, by root: nothing is made", again.code == 0 and "没有改动" in again.said, detail=again.said
    )
    found.note(
        "the key is 0600 in a folder of 0700, of the recorder's user",
        listed[:2] == ["600 liuhen-recorder", "700 liuhen-recorder"],
        detail=str(listed),
    )
    for other in ("liuhen-guard", "liuhen-sensors", "nobody"):
        reads = root.run("sh", "-c", f"setpriv --reuid {other} --clear-groups cat /var/lib/liuhen/key/device.key")
        found.note(f"{other} cannot read the key", reads.code != 0 and "PRIVATE" not in reads.said, detail=reads.said)
    root.run("sh", "-c", "rm -rf /var/lib/liuhen/*/* /var/lib/liuhen/*/.[a-z]*")


# -- under systemd -----------------------------------------------------------------------------------------------------


def in_the_place_of(name: str) -> str:
    """A drop-in: the probe runs in the unit of a process, and its sandbox is what is looked at.

    What the unit runs afterwards is left out, for it would empty the probe's file.
    """
    python = PROGRAM.replace("bin/liuhen", "bin/python")
    return (
        f"[Service]\nExecStart=\nExecStart={python} /campaign/probe.py {name}\nExecStopPost=\nWatchdogSec=0\n"
        f"StandardOutput=truncate:/campaign/{name}.json\n"
    )


def sandboxes(root: BareRoot, found: Findings) -> None:
    """First start by its unit; then what each sandbox allows, asked from inside."""
    for name in PROCESSES:
        root.drop_in(f"liuhen-{name}.service", in_the_place_of(name))
    script = "".join(f"systemctl stop liuhen-{name}\n" for name in PROCESSES) + "".join(
        f"systemctl start liuhen-{name} || systemctl status liuhen-{name}\n"
        for name in ("guard", "recorder", "sensors")
    )
    boot = root.boot(script + "systemctl show -p Result,ActiveState liuhen-firststart\nsystemctl poweroff\n")
    found.note("systemd boots the bare root and goes down again", "Powering off." in boot.said, detail=boot.said)
    request = root.path / "var/lib/liuhen/enrolment/request.txt"
    key = root.path / "var/lib/liuhen/key/device.key"
    owned = key.exists() and (key.stat().st_mode & 0o777, key.stat().st_uid) == (0o600, 810)
    found.note("liuhen-firststart makes the key, 0600 and of user 810", owned, detail=root.words() + boot.said)
    found.note(
        "the enrolment request stands on the console", request.exists() and "公钥指纹" in boot.said, detail=boot.said
    )
    for name in PROCESSES:
        wrong = differences(root, name)
        what = f"sandbox of {name}: {len(SANDBOXES[name])} facts as written down"
        found.note(what, not wrong, detail=f"{wrong} {root.words()}")
    shared = root.path / UNITS / SHARED
    text = shared.read_text()
    # Without an error number a forbidden call would end the probe before it could say anything.
    shared.write_text("[Service]\nSystemCallErrorNumber=EPERM\n")
    (root.path / "campaign/guard.json").unlink(missing_ok=True)
    root.boot(f"systemctl is-active liuhen-guard\n{OFF}")
    seen = differences(root, "guard")
    shared.write_text(text)
    found.note(
        f"without the shared drop-in {len(seen)} of the guard's facts are others",
        1 < len(seen) < len(SANDBOXES["guard"]),
        detail=root.words(),
    )


def differences(root: BareRoot, name: str) -> dict[str, Fact | None]:
    """What a probe found in the unit of a process and is not written down above."""
    path = root.path / f"campaign/{name}.json"
    facts: dict[str, Fact] = json.loads(path.read_text() or "{}") if path.exists() else {}
    return {what: facts.get(what) for what, expected in SANDBOXES[name].items() if facts.get(what) != expected}


def processes(root: BareRoot, found: Findings) -> None:
    """Recorder, guard and sensors themselves, in their own units; what ends by force is started again and told.

    Pins are gpiozero's own mock ones, the gas detector's converter is a file, and there is no camera.
    """
    for name in PROCESSES:
        root.drop_in(f"liuhen-{name}.service", None)
    root.drop_in("liuhen-guard.service", "[Service]\nEnvironment=GPIOZERO_PIN_FACTORY=mock\n")
    configuration = root.path / "etc/liuhen/recorder.toml"
    as_installed = configuration.read_bytes()
    without_a_camera(root, found, configuration)
    configuration.write_text(CONFIGURATION)
    (root.path / "campaign/milliampere").write_text("600\n")
    boot = root.boot(TOGETHER, limit_seconds=300)
    configuration.write_bytes(as_installed)
    said = dict(line.split(": ", 1) for line in root.words().splitlines() if ": " in line)
    words = f"{(root.path / 'campaign/complaints').read_text(errors='replace')} {boot.said} {root.words()}"
    for what, key, expected in TOGETHER_ROWS:
        found.note(what, said.get(key) == expected, detail=f"{words} {said.get(key)!r}, not {expected!r}")
    told = json.loads(said.get("status", "{}"))
    found.note(
        "the recorder hears the guard (OPEN: no loop is wired) and the sensors (gas)",
        (told.get("guard") or {}).get("reason") == "OPEN" and bool(told.get("gas")),
        detail=words,
    )
    crashes = [body.measured for body in bodies(root) if isinstance(body, Event) and body.code == CRASHED]
    found.note(
        "the journal has each end with its signal: -9, -6, and -6 by the watchdog",
        crashes == [(-9,), (-6,), (-6,)],
        detail=f"{words} {crashes}",
    )
    orderly = isinstance(bodies(root)[-1], Stop) and "Powering off." in boot.said
    found.note("with the machine's end the recorder ends in order", orderly, detail=words)
    limits = said.get("limits", "?")
    granted = "unlimited unlimited bytes" in limits and limits.endswith(" 50 50")
    shown = "granted to the guard" if granted else "NOT SHOWN, process 1 may not raise limits here: the guard has"
    found.lines.append(f"{shown}: {limits} (asked for: 50, all memory)")


def without_a_camera(root: BareRoot, found: Findings, configuration: Path) -> None:
    """No interlock and no camera: the service is idle, answers, and a start is refused with its reason."""
    configuration.write_text("[microphone]\nenabled = false\n")
    root.boot(
        f"{ANSWERS}liuhen ctl start >/dev/null; echo $?\nsystemctl is-active liuhen-recorder\n"
        f"systemctl show -P NRestarts liuhen-recorder\n{OFF}"
    )
    complaints = (root.path / "campaign/complaints").read_text(errors="replace")
    refusals = [body.code for body in bodies(root) if isinstance(body, Refusal)]
    found.note(
        "without a camera it is idle and answers; a start is refused, which is an entry with its reason",
        root.words().split() == ["1", "active", "0"] and refusals[-1:] == [RefusalCode.NO_CAMERA],
        detail=f"{root.words()} {complaints} {refusals}",
    )


def bodies(root: BareRoot) -> list[EntryBody | None]:
    """Every entry of the device's journal, in order."""
    files = sorted((root.path / "var/lib/liuhen/spool/journal").glob("*.cbor"))
    return [entry.body for path in files for entry in entries_of(path)] or [None]


def ordered_ends(root: BareRoot, found: Findings) -> None:
    """Exit status 75 is a new process; 76 a new boot, once: while the mark stands the recorder goes on without it."""
    often = "timeout 30 sh -c 'until [ $(systemctl show -P NRestarts liuhen-recorder) -ge 3 ]; do sleep 0.2; done'\n"
    states = f"{often}echo $(systemctl show -P Result liuhen-recorder) $(systemctl is-failed liuhen-recorder)\n{OFF}"
    ends = {
        code: f"[Service]\nType=exec\nWatchdogSec=0\nExecStart=\nExecStart=/bin/sh -c 'exit {code}'\n"
        for code in (75, 76)
    }
    mark = root.path / MARK
    mark.unlink(missing_ok=True)
    root.drop_in("liuhen-recorder.service", ends[75])
    again = root.boot(states)
    good = "Powering off." in again.said and "success" in root.words().split() and not mark.exists()
    found.note("75 is started again and again, and nothing else", good, detail=root.words() + again.said)
    root.drop_in("liuhen-recorder.service", ends[76])
    first = root.boot("sleep 60\n")
    found.note("76 has the machine rebooted", "Rebooting." in first.said and mark.exists(), detail=first.said)
    second = root.boot(states)
    good = "Powering off." in second.said and "Rebooting." not in second.said and "success" in root.words().split()
    found.note("76 once more: no second boot, the recorder is started again", good, detail=root.words() + second.said)
    mark.unlink(missing_ok=True)


def crash_loop(root: BareRoot, found: Findings) -> None:
    """A recorder that cannot start has the machine rebooted once, and then is tried again without a reboot."""
    root.drop_in(
        "liuhen-recorder.service",
        "[Service]\nType=exec\nWatchdogSec=0\nRestartSec=10ms\nExecStart=\nExecStart=/usr/bin/false\n",
    )
    first = root.boot("sleep 60\n")
    marked = (root.path / MARK).exists()
    found.note(
        "a recorder that fails ten times has the machine rebooted",
        marked and "Rebooting." in first.said and "restart counter is at 9" in first.said,
        detail=first.said,
    )
    script = WAIT_FOR.format(state="failed", unit="liuhen-recorder") + WAIT_FOR.format(
        state="active", unit="liuhen-retry.timer"
    )
    second = root.boot(
        f"{script}systemctl is-active liuhen-retry.timer liuhen-guard liuhen-sensors\nsystemctl poweroff\n"
    )
    states = root.words().split()
    stays = "Powering off." in second.said and states == ["active"] * 3
    found.note(
        "the second time it stays up: guard and sensors run, the recorder is tried every ten minutes",
        stays,
        detail=f"{states} {second.said}",
    )


def unusable_configuration(root: BareRoot, found: Findings) -> None:
    """Exit status 2: no restart, no reboot, tried again in ten minutes; a recorder that holds takes the mark away."""
    (root.path / MARK).unlink(missing_ok=True)
    root.drop_in(
        "liuhen-recorder.service", "[Service]\nType=exec\nWatchdogSec=0\nExecStart=\nExecStart=/bin/sh -c 'exit 2'\n"
    )
    wait = WAIT_FOR.format(state="failed", unit="liuhen-recorder") + WAIT_FOR.format(
        state="failed", unit="liuhen-escalate"
    )
    done = root.boot(
        f"{wait}systemctl show -p NRestarts liuhen-recorder\nsystemctl is-active liuhen-retry.timer\n{OFF}"
    )
    good = "Powering off." in done.said and root.words().split() == ["NRestarts=0", "active"]
    found.note(
        "an unusable configuration is neither restarted nor rebooted for",
        good and not (root.path / MARK).exists(),
        detail=root.words() + done.said,
    )
    root.drop_in("liuhen-recorder.service", in_the_place_of("recorder"))
    (root.path / MARK).parent.mkdir(parents=True, exist_ok=True)
    (root.path / MARK).touch()
    calm = root.boot(
        "systemctl stop liuhen-recorder\nsystemctl start liuhen-settled && echo settled while stopped\n"
        f"systemctl start liuhen-recorder\nsystemctl start liuhen-settled && echo settled\n{OFF}"
    )
    settled = root.words().splitlines()
    good = settled[-1:] == ["settled"] and "settled while stopped" not in settled and not (root.path / MARK).exists()
    found.note("only a recorder that holds may be rebooted for again", good, detail=f"{settled} {calm.said}")


def orders(root: BareRoot, found: Findings) -> None:
    """An empty file is an order; the last step of a power-off waits."""
    reboot = root.boot("setpriv --reuid liuhen-sensors --clear-groups touch /run/liuhen-sensors/reboot\nsleep 60\n")
    found.note("sensors orders a reboot by an empty file", "Rebooting." in reboot.said, detail=reboot.said)
    denied = root.boot(
        f"setpriv --reuid liuhen-guard --clear-groups touch /run/liuhen-sensors/reboot && echo made\n{OFF}"
    )
    found.note(
        "guard cannot", "Powering off." in denied.said and "made" not in root.words().split(), detail=denied.said
    )
    hook = root.path / "usr/lib/systemd/system-shutdown/liuhen-await-cut"
    text = hook.read_text()
    hook.write_text(text.replace("sleep 80", "echo the last step waits >/dev/console"))
    leave = root.boot("setpriv --reuid liuhen-sensors --clear-groups touch /run/liuhen-sensors/power-off\nsleep 60\n")
    waited = leave.said.find("the last step waits")
    found.note(
        "sensors orders a power-off: it waits for the cut last of all, then reboots",
        0 <= waited < leave.said.find("Rebooting."),
        detail=leave.said,
    )
    hook.write_text(text)


def uninstalled(root: BareRoot, found: Findings) -> None:
    """Everything goes but what is evidence, or was written by a person."""
    kept = {name: (root.path / name).read_bytes() for name in KEPT}
    changed = b"# a person's own line\n" + kept["etc/liuhen/recorder.toml"]
    (root.path / "etc/liuhen/recorder.toml").write_bytes(changed)
    kept["etc/liuhen/recorder.toml"] = changed
    again = root.run("make", "-C", TREE, "install")
    found.note(
        "a configuration that a person changed is left alone",
        (root.path / "etc/liuhen/recorder.toml").read_bytes() == changed,
        detail=again.said,
    )
    gone = root.run("make", "-C", TREE, "uninstall")
    found.note("make uninstall", gone.code == 0, detail=gone.said)
    left = {
        name: content
        for name, content in kept.items()
        if (root.path / name).exists() and (root.path / name).read_bytes() == content
    }
    found.note(f"left as they were: {', '.join(sorted(kept))}", left == kept, detail=str(set(kept) - set(left)))
    rest = root.run(
        "sh",
        "-c",
        f"find / -xdev \\( {OTHERS} \\) -prune -o -name '*liuhen*' -print",
    )
    unexpected = set(rest.said.split()) - {"/etc/liuhen", "/etc/udev/rules.d/75-liuhen-site.rules"}
    unexpected -= {
        path for path in unexpected if path.startswith("/etc/systemd/system/liuhen-") and path.endswith(".service.d")
    }
    found.note("nothing else of ours is left", not unexpected, detail=str(unexpected))


OTHERS = " -o ".join(f"-path '{path}'" for path in ("/proc", "/usr/src", "/campaign", "/var/lib/*", "/var/log"))
KEPT = (
    "etc/liuhen/recorder.toml",
    "etc/udev/rules.d/75-liuhen-site.rules",
    "var/lib/liuhen/key/device.key",
    "var/lib/liuhen/spool/device/spool.cbor",
    "var/lib/liuhen/enrolment/device.card",
    "var/lib/liuhen/enrolment/request.txt",
)
