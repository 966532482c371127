"""Debian's real NUT in a folder of its own: drivers and `upsd` on loopback, in the foreground, ended by whoever began.

`NutRoom` writes the configuration, starts `dummy-ups` (a scripted UPS) or `nutdrv_qx` (the real Megatec driver, on a
pty) and the server, and waits until the server has the UPS.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from drivers.nut import NutUps
from edge.ports import HardwareFault
from edge.sensors.devices import UpsSample
from edge.sensors.settings import Ups
from tests.required import unavailable

PROGRAMS = Path("/lib/nut")
START_SECONDS = 30.0
END_SECONDS = 10.0
PAUSE_SECONDS = 0.05
USER, PASSWORD = "liuhen", 'a "quoted" word'

UPSD_USERS = f"""\
[{USER}]
    password = "{PASSWORD.replace('"', chr(92) + '"')}"
    actions = SET FSD
    instcmds = ALL
    upsmon primary
[reader]
    password = reader
    upsmon secondary
"""


class NutRoom:
    """One server with one UPS named `ups`."""

    def __init__(self, folder: Path, section: str) -> None:
        """`section` is what ups.conf says of the UPS."""
        if not (PROGRAMS / "upsd").exists():
            unavailable("NUT (package nut-server)")
        self.folder = folder
        self.port = _free_port()
        self._section = section
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._write()

    def start_driver(self, program: str, *options: str) -> None:
        """Start the UPS's driver."""
        self._start("driver", [str(PROGRAMS / program), "-a", "ups", "-F", "-u", "root", *options])

    def start_server(self) -> None:
        """Start `upsd`."""
        self._start("upsd", [str(PROGRAMS / "upsd"), "-F", "-u", "root"])

    def end(self, name: str) -> None:
        """End `driver` or `upsd`."""
        process = self._running.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End everything."""
        for name in ("upsd", "driver"):
            self.end(name)

    def settings(self, credentials: Path | None = None) -> Ups:
        """A client's settings."""
        return Ups(kind="nut", nut_port=self.port, nut_credentials=credentials)

    def credentials(self, user: str = USER, password: str = PASSWORD) -> Path:
        """A file with an account."""
        path = self.folder / f"{user}.account"
        path.write_text(f"{user}\n{password}\n")
        path.chmod(0o600)
        return path

    def wait_for(self, client: NutUps, limit_seconds: float = START_SECONDS) -> UpsSample:
        """The first sample the client gets."""
        deadline = time.monotonic() + limit_seconds
        while True:
            try:
                return client.read()
            except HardwareFault:
                if time.monotonic() >= deadline:
                    raise AssertionError(self.log()) from None
                time.sleep(PAUSE_SECONDS)

    def log(self) -> str:
        """What the programs said."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def _write(self) -> None:
        (self.folder / "state").mkdir()
        files = {
            "nut.conf": "MODE=none\n",
            "ups.conf": f"[ups]\n{self._section}\n",
            "upsd.conf": f"LISTEN 127.0.0.1 {self.port}\nSTATEPATH {self.folder / 'state'}\nMAXAGE 3\n",
            "upsd.users": UPSD_USERS,
        }
        for name, content in files.items():
            (self.folder / name).write_text(content)
            (self.folder / name).chmod(0o600)

    def _start(self, name: str, command: list[str]) -> None:
        state = str(self.folder / "state")
        environment = {"NUT_CONFPATH": str(self.folder), "NUT_STATEPATH": state, "NUT_ALTPIDPATH": state}
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                command, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
