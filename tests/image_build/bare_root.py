"""A bare Debian 13 below a folder: made from this machine's own package sources, entered by chroot, or booted.

`run` enters it without systemd, as an installer of images does. `boot` starts Debian's own systemd as process 1 of
namespaces of its own, without a network; the kernel's settings and devices are read-only in there, so nothing of this
machine is changed. Everything is ended within a limit, and by process id.
"""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENTER = Path(__file__).with_name("enter.sh")
SUITE = "trixie"
INCLUDED = "systemd,udev,make,python3,python3-venv,ca-certificates,adduser"
TREE = "/usr/src/liuhen"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
NAMESPACES = ("unshare", "--pid", "--fork", "--kill-child=KILL", "--mount", "--propagation=private", "--uts", "--ipc")
NEEDED = ("mmdebstrap", "unshare", "git")
UNIT = """\
[Unit]
Description=what the campaign does in this boot
[Service]
Type=simple
ExecStart=/bin/sh /campaign/script.sh
StandardOutput=file:/campaign/said
StandardError=file:/campaign/complaints
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command or a boot left."""

    code: int | None
    said: str


def missing() -> list[str]:
    """What this machine lacks to make one."""
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    return [*lacking, *([] if os.geteuid() == 0 else ["root"])]


def archive() -> str:
    """Where this machine takes Debian from, out of apt's own configuration."""
    fields = "$(ORIGIN)|$(LABEL)|$(REPO_URI)"
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", fields, "Created-By: Packages"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    found = [line.split("|")[2] for line in listing.stdout.splitlines() if line.startswith("Debian|Debian|")]
    return found[0].strip() if found else ""


class BareRoot:
    """One folder that is a small machine."""

    def __init__(self, folder: Path) -> None:
        """Name it; `make` fills it."""
        self.path = folder / "root"

    def make(self) -> None:
        """Debian's smallest set of packages with systemd and Python, and this tree beside it. Raises on failure."""
        source = archive()
        command = ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={INCLUDED}", SUITE, str(self.path)]
        subprocess.run([*command, *([source] if source else [])], check=True, capture_output=True, timeout=1800)
        listing = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
        names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout
        for name in names.split("\0"):
            if name and (ROOT / name).is_file():
                target = self.path / TREE.lstrip("/") / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)
        shutil.copyfile(CERTIFICATES.resolve(), self.path / "etc/ssl/campaign.crt")
        shutil.copyfile("/etc/resolv.conf", self.path / "etc/resolv.conf")
        (self.path / "campaign").mkdir()
        shutil.copyfile(Path(__file__).with_name("probe.py"), self.path / "campaign/probe.py")

    def run(self, *words: str, limit_seconds: float = 900) -> Done:
        """A command in it, with the machine's network and without systemd."""
        settings = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        settings |= {"SSL_CERT_FILE": "/etc/ssl/campaign.crt", "PIP_CERT": "/etc/ssl/campaign.crt"}
        environment = [f"{name}={value}" for name, value in settings.items()]
        command = [*NAMESPACES, "sh", str(ENTER), str(self.path), "run", "env", "-i", *environment, *words]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=limit_seconds, stdin=subprocess.DEVNULL
        )
        return Done(code=done.returncode, said=done.stdout + done.stderr)

    def boot(self, script: str, *, limit_seconds: float = 120) -> Done:
        """Boot it, run a script once the boot is over, and wait until the machine goes down by itself.

        `said` is the console; the code is None where it had to be ended. The script's own words are in `words()`.
        """
        (self.path / "campaign/script.sh").write_text(f"systemctl is-system-running --wait >/dev/null\n{script}")
        (self.path / "campaign/said").unlink(missing_ok=True)
        unit = self.path / "etc/systemd/system/campaign.service"
        unit.write_text(UNIT)
        wanted = unit.parent / "multi-user.target.wants/campaign.service"
        wanted.parent.mkdir(exist_ok=True)
        wanted.unlink(missing_ok=True)
        wanted.symlink_to("../campaign.service")
        ours, console = pty.openpty()
        process = subprocess.Popen(
            [*NAMESPACES, "--cgroup", "--net", "sh", str(ENTER), str(self.path), "boot", "--unit=multi-user.target"],
            env={**os.environ, "CONSOLE": os.ttyname(console)},
            stdin=subprocess.DEVNULL,
        )
        try:
            return self._watched(process, ours, time.monotonic() + limit_seconds)
        finally:
            process.kill()
            process.wait()
            os.close(ours)
            os.close(console)

    def _watched(self, process: subprocess.Popen[bytes], console: int, until: float) -> Done:
        said = b""
        while process.poll() is None and time.monotonic() < until:
            if select.select([console], [], [], 0.2)[0]:
                said += os.read(console, 65_536)
        while select.select([console], [], [], 0)[0]:
            said += os.read(console, 65_536)
        return Done(code=process.poll(), said=said.decode(errors="replace"))

    def words(self) -> str:
        """What the script of the last boot said."""
        path = self.path / "campaign/said"
        return path.read_text(errors="replace") if path.exists() else ""

    def drop_in(self, unit: str, text: str | None) -> None:
        """Change a unit for the next boot as an administrator would, or (None) no longer."""
        folder = self.path / "etc/systemd/system" / f"{unit}.d"
        shutil.rmtree(folder, ignore_errors=True)
        if text is not None:
            folder.mkdir()
            (folder / "90-campaign.conf").write_text(text)
