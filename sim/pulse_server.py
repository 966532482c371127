"""A private pulseaudio daemon: its folder, its socket, its life.

Owns the daemon and, on disk, one private folder with its socket and configuration, removed by `stop`. The daemon ends
by itself when its owner dies, even by SIGKILL: its command line is our pipe. One thread calls.
"""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

PACKAGES = ("pulseaudio", "pulseaudio-utils", "libasound2-plugins", "libportaudio2")
_PROGRAMS = ("pulseaudio", "pactl", "parec")
_COMMAND_SECONDS = 5.0
_LONGEST_SOCKET_PATH = 107  # unix(7): sun_path holds 108 bytes with its closing zero

_SERVER_SCRIPT = """\
.fail
load-module module-native-protocol-unix auth-anonymous=1 socket="{socket}"
load-module {module}
load-module module-cli exit_on_eof=1
"""

# Read after the distribution's own file, without which libasound aborts while PortAudio lists the devices (measured).
_ALSA_BASE = Path("/usr/share/alsa/alsa.conf")
_ALSA_PLUGIN_FOLDER = '"/etc/alsa/conf.d"'
_ALSA_CONFIGURATION = """\
pcm.{device} {{
    type pulse
    server "unix:{socket}"
    device "{device}"
}}
pcm.pulse {{
    type pulse
    server "unix:{socket}"
}}
ctl.{device} {{
    type pulse
    server "unix:{socket}"
}}
"""


class PulseUnavailable(Exception):
    """The sound server cannot be used here; the text says what a person should do, Chinese first."""

    def __init__(self, *, what: str, remedy_zh: str, remedy_en: str) -> None:
        super().__init__(f"{what}: {remedy_zh} {remedy_en}")
        self.what = what
        self.remedy_zh = remedy_zh
        self.remedy_en = remedy_en


class PulseServer:
    """One daemon with one module whose device is called `device`; PortAudio opens it by that name."""

    def __init__(self, *, device: str, module: str, parent: Path | None, prefix: str) -> None:
        self._device = device
        self._module = module
        self._parent = parent
        self._prefix = prefix
        self._folder: Path | None = None
        self._daemon: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make the folder; raises PulseUnavailable where a program is missing or the path is too long."""
        _require_programs()
        # Absolute: the daemon and ALSA read the names in these files from folders of their own.
        parent = self._parent.absolute() if self._parent is not None else None
        self._folder = Path(tempfile.mkdtemp(prefix=self._prefix, dir=parent))
        if len(os.fsencode(self.inside("s"))) > _LONGEST_SOCKET_PATH:
            raise PulseUnavailable(
                what=f"the path {self.inside('s')} is too long for a socket",
                remedy_zh="请换一个路径更短的文件夹。",
                remedy_en="Use a folder with a shorter path.",
            )

    def start(self, arguments: Sequence[str], question: str, limit_seconds: float) -> None:
        """Start the daemon with the module and ask it `question` until the answer names the device.

        Raises PulseUnavailable; `stop` then removes what is left.
        """
        self._write_configuration(" ".join((self._module, *arguments)))
        options = ("--exit-idle-time=-1", "--daemonize=no", "--use-pid-file=no", "--realtime=no", "--high-priority=no")
        with self.inside("server.log").open("wb") as log:
            self._daemon = subprocess.Popen(
                ["pulseaudio", "-n", "-F", str(self.inside("server.pa")), *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,  # a question that could not be sent must not wait in a buffer and fail again at the close
                env=self.process_environment(),
                start_new_session=True,  # without a terminal module-cli takes the pipes, and EOF there ends the daemon
            )
        if not _answers(self._daemon, question, f"<{self._device}>", limit_seconds):
            raise PulseUnavailable(
                what=f"pulseaudio did not get ready within {limit_seconds:.0f} s: {self._log_tail()}",
                remedy_zh="声音服务未能启动，请检查 pulseaudio 的安装，或改用 --virtual。",
                remedy_en="Check the pulseaudio installation, or use --virtual.",
            )

    def stop(self, limit_seconds: float) -> None:
        """End the daemon and remove the folder; a second call does nothing."""
        end_process(self._daemon, limit_seconds)
        self._daemon = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def inside(self, name: str) -> Path:
        """A path in the folder; raises RuntimeError where there is none."""
        if self._folder is None:
            raise RuntimeError("the sound server is not started")
        return self._folder / name

    def environment(self) -> Mapping[str, str]:
        """Return the variables a process needs before PortAudio is first initialised in it."""
        return {
            "ALSA_CONFIG_PATH": f"{self.inside('alsa.conf')}:{self.inside('asound.conf')}",
            "PULSE_SERVER": f"unix:{self.inside('s')}",
            "PULSE_CLIENTCONFIG": str(self.inside("client.conf")),
            "PULSE_COOKIE": str(self.inside("cookie")),
            "XDG_RUNTIME_DIR": str(self.inside("run")),
            "JACK_NO_START_SERVER": "1",
        }

    def process_environment(self) -> dict[str, str]:
        """Return the whole environment of pulse's own programs."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        home = {"HOME": str(self.inside("run")), "PULSE_CONFIG": str(self.inside("daemon.conf"))}
        return kept | home | dict(self.environment())

    def command(self, *words: str) -> str:
        """Have pactl do something and return what it printed; raises PulseUnavailable."""
        try:
            done = subprocess.run(
                ["pactl", *words],
                env=self.process_environment(),
                capture_output=True,
                timeout=_COMMAND_SECONDS,
                check=True,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as trouble:
            raise PulseUnavailable(
                what=f"pactl {words[0]} failed: {trouble}",
                remedy_zh="模拟房间的声音服务没有应答，请重新启动模拟。",
                remedy_en="The simulated room's sound server does not answer; start the simulation again.",
            ) from trouble
        return done.stdout.decode(errors="replace")

    def _write_configuration(self, module: str) -> None:
        self.inside("run").mkdir(mode=0o700)
        self.inside("client.conf").write_text("autospawn = no\n")
        self.inside("daemon.conf").write_text("")
        # PortAudio opens every PCM it finds, with every plugin named there; one of them loads a whole codec library
        # into the recorder (13 MB measured). The room's devices need none.
        base = _ALSA_BASE.read_text(encoding="utf-8").replace(_ALSA_PLUGIN_FOLDER, f'"{self.inside("no-plugins")}"')
        self.inside("alsa.conf").write_text(base, encoding="utf-8")
        socket = self.inside("s")
        self.inside("asound.conf").write_text(_ALSA_CONFIGURATION.format(device=self._device, socket=socket))
        self.inside("server.pa").write_text(_SERVER_SCRIPT.format(socket=socket, module=module))

    def _log_tail(self) -> str:
        lines = self.inside("server.log").read_text(errors="replace").splitlines()
        return " | ".join(lines[-3:])


def _require_programs() -> None:
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        raise PulseUnavailable(
            what=f"not installed: {', '.join(missing)}",
            remedy_zh=f"请安装软件包：sudo apt-get install {' '.join(PACKAGES)}；或改用 --virtual。",
            remedy_en=f"Install the packages with sudo apt-get install {' '.join(PACKAGES)}, or use --virtual.",
        )


def _answers(daemon: subprocess.Popen[bytes], question: str, wanted: str, limit_seconds: float) -> bool:
    """Ask, and read until the device is named: every module of the script has then been loaded."""
    if daemon.stdin is None or daemon.stdout is None:
        return False
    try:
        daemon.stdin.write(question.encode() + b"\n")
    except BrokenPipeError:
        return False
    return _wait_for(daemon.stdout, wanted.encode(), limit_seconds)


def _wait_for(stream: IO[bytes], wanted: bytes, limit_seconds: float) -> bool:
    """Read until `wanted` was seen; False at the limit or at the end of the stream."""
    deadline = time.monotonic() + limit_seconds
    seen = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while wanted not in seen:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return False
            chunk = os.read(stream.fileno(), 4096)
            if not chunk:
                return False
            seen += chunk
    return True


def end_process(process: subprocess.Popen[bytes] | None, limit_seconds: float) -> None:
    """End a child, by force where it does not, and close its pipes."""
    if process is None:
        return
    process.terminate()
    try:
        process.wait(limit_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(limit_seconds)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
