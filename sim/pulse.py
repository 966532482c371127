"""The simulated microphone: a private pulseaudio daemon whose only source is a FIFO that a feeder fills in real time.

Owns the daemon, a listener that keeps its source awake, and the feeder's thread; on disk one private folder with the
FIFO, the socket and two configuration files, removed by `stop`. PortAudio in another process opens ALSA's `simmic`
with `environment()`. The daemon ends by itself when its owner dies, even by SIGKILL: its command line is our pipe.
"""

from __future__ import annotations

import logging
import os
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from sim.feeder import Feeder, MicrophoneClock, OnMoment, Poured
from sim.scene import SoundSource

LOG = logging.getLogger(__name__)

DEVICE = "simmic"
ELSEWHERE = "elsewhere"
PACKAGES = ("pulseaudio", "pulseaudio-utils", "libasound2-plugins", "libportaudio2")
_PROGRAMS = ("pulseaudio", "pactl", "parec")
_QUESTION = b"list-sources\n"
_READY = f"<{DEVICE}>".encode()
_COMMAND_SECONDS = 5.0
_LONGEST_SOCKET_PATH = 107  # unix(7): sun_path holds 108 bytes with its closing zero

_SERVER_SCRIPT = """\
.fail
load-module module-native-protocol-unix auth-anonymous=1 socket="{socket}"
load-module module-pipe-source {source}
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


class PulseSource:
    """A microphone that plays `sound` on its own clock. Called from one thread; `on_written` runs on the feeder's.

    `on_written(pcm)` gets every byte the server was given (s16le interleaved), in order, each once; `on_moment` when
    the first of them was made, and the first after every loss.
    """

    def __init__(
        self,
        *,
        sound: SoundSource,
        clock: MicrophoneClock,
        on_written: Callable[[bytes], None],
        on_moment: OnMoment | None = None,
        parent: Path | None = None,
    ) -> None:
        self._sound = sound
        self._clock = clock
        self._on_written = on_written
        self._on_moment = on_moment
        self._parent = parent
        self._folder: Path | None = None
        self._daemon: subprocess.Popen[bytes] | None = None
        self._listener: subprocess.Popen[bytes] | None = None
        self._feeder: Feeder | None = None

    def start(self, limit_seconds: float = 10.0) -> None:
        """Start daemon, listener and feeder; PulseUnavailable (package missing, no answer) leaves nothing."""
        _require_programs()
        self._folder = Path(tempfile.mkdtemp(prefix="mic-", dir=self._parent))
        try:
            self._write_configuration()
            self._daemon = self._start_daemon(limit_seconds)
            self._listener = self._start_listener()
            self._feeder = Feeder(
                sound=self._sound,
                clock=self._clock,
                fifo=self._inside("mic.fifo"),
                on_written=self._on_written,
                on_moment=self._on_moment,
            )
            self._feeder.start()
        except BaseException:
            self.stop()
            raise

    def stop(self, limit_seconds: float = 5.0) -> None:
        """End feeder, listener and daemon and remove the folder; a second call does nothing."""
        if self._feeder is not None and not self._feeder.stop(limit_seconds):
            LOG.error("the feeder did not end within %.1f s", limit_seconds)
        _end(self._listener, limit_seconds)
        _end(self._daemon, limit_seconds)
        self._feeder = self._listener = self._daemon = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def environment(self) -> Mapping[str, str]:
        """Return the variables a recorder process needs before PortAudio is first initialised in it."""
        return {
            "ALSA_CONFIG_PATH": f"{self._inside('alsa.conf')}:{self._inside('asound.conf')}",
            "PULSE_SERVER": f"unix:{self._inside('s')}",
            "PULSE_CLIENTCONFIG": str(self._inside("client.conf")),
            "PULSE_COOKIE": str(self._inside("cookie")),
            "XDG_RUNTIME_DIR": str(self._inside("run")),
            "JACK_NO_START_SERVER": "1",
        }

    def poured(self) -> Poured:
        """Return the feeder's counts: when sample 0 was made, samples made, written, lost and waiting."""
        return self._running_feeder().poured()

    def freeze(self) -> None:
        """Stop delivering while the device stays there: callbacks cease and no error is raised anywhere."""
        self._running_feeder().freeze(True)

    def thaw(self) -> None:
        """Deliver again, live: what was said meanwhile is lost."""
        self._running_feeder().freeze(False)

    def zero(self, zeroed: bool) -> None:
        """Deliver digital zero in the rhythm of sound (True), or the sound again (False)."""
        self._running_feeder().zero(zeroed)

    def unplug(self) -> None:
        """Take the source away from under whoever records it."""
        self._command("unload-module", "module-pipe-source")
        _end(self._listener, _COMMAND_SECONDS)
        self._listener = None

    def replug(self) -> None:
        """Bring the source back; sound made in between was lost."""
        self._command("load-module", "module-pipe-source", *self._source_arguments())
        self._listener = self._start_listener()

    def move(self) -> None:
        """Take the source away while the server has another: whoever records is moved there without a word."""
        self._command("load-module", "module-null-source", f"source_name={ELSEWHERE}")
        self.unplug()

    def move_back(self) -> None:
        """Bring the source back and take the other away; a stream that was moved is moved again."""
        self.replug()
        self._command("unload-module", "module-null-source")

    def _inside(self, name: str) -> Path:
        if self._folder is None:
            raise RuntimeError("PulseSource is not started")
        return self._folder / name

    def _running_feeder(self) -> Feeder:
        if self._feeder is None:
            raise RuntimeError("PulseSource is not started")
        return self._feeder

    def _source_arguments(self) -> tuple[str, ...]:
        return (
            f"source_name={DEVICE}",
            f'file="{self._inside("mic.fifo")}"',
            "format=s16le",
            f"rate={self._clock.rate_hz}",
            f"channels={self._clock.channels}",
        )

    def _write_configuration(self) -> None:
        socket = self._inside("s")
        if len(os.fsencode(socket)) > _LONGEST_SOCKET_PATH:
            raise PulseUnavailable(
                what=f"the path {socket} is too long for a socket",
                remedy_zh="请换一个路径更短的文件夹。",
                remedy_en="Use a folder with a shorter path.",
            )
        self._inside("run").mkdir(mode=0o700)
        self._inside("client.conf").write_text("autospawn = no\n")
        self._inside("daemon.conf").write_text("")
        # PortAudio opens every PCM it finds, with every plugin named there; one of them loads a whole codec library
        # into the recorder (13 MB measured). The room's microphone needs none.
        base = _ALSA_BASE.read_text(encoding="utf-8").replace(_ALSA_PLUGIN_FOLDER, f'"{self._inside("no-plugins")}"')
        self._inside("alsa.conf").write_text(base, encoding="utf-8")
        self._inside("asound.conf").write_text(_ALSA_CONFIGURATION.format(device=DEVICE, socket=socket))
        source = " ".join(self._source_arguments())
        self._inside("server.pa").write_text(_SERVER_SCRIPT.format(socket=socket, source=source))

    def _process_environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        home = {"HOME": str(self._inside("run")), "PULSE_CONFIG": str(self._inside("daemon.conf"))}
        return kept | home | dict(self.environment())

    def _start_daemon(self, limit_seconds: float) -> subprocess.Popen[bytes]:
        options = ("--exit-idle-time=-1", "--daemonize=no", "--use-pid-file=no", "--realtime=no", "--high-priority=no")
        with self._inside("server.log").open("wb") as log:
            daemon = subprocess.Popen(
                ["pulseaudio", "-n", "-F", str(self._inside("server.pa")), *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,  # a question that could not be sent must not wait in a buffer and fail again at the close
                env=self._process_environment(),
                start_new_session=True,  # without a terminal module-cli takes the pipes, and EOF there ends the daemon
            )
        self._daemon = daemon
        if not _answers(daemon, limit_seconds):
            raise PulseUnavailable(
                what=f"pulseaudio did not get ready within {limit_seconds:.0f} s: {self._log_tail()}",
                remedy_zh="声音服务未能启动，请检查 pulseaudio 的安装，或改用 --virtual。",
                remedy_en="Check the pulseaudio installation, or use --virtual.",
            )
        return daemon

    def _start_listener(self) -> subprocess.Popen[bytes]:
        # A pipe source is read only while somebody listens; this listener makes it run always, as a microphone does,
        # so that a recorder never gets stale sound that waited in the FIFO.
        return subprocess.Popen(
            ["parec", f"--device={DEVICE}", "--raw", "--latency-msec=200"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._process_environment(),
            start_new_session=True,
        )

    def _log_tail(self) -> str:
        lines = self._inside("server.log").read_text(errors="replace").splitlines()
        return " | ".join(lines[-3:])

    def _command(self, *words: str) -> None:
        try:
            subprocess.run(
                ["pactl", *words],
                env=self._process_environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_COMMAND_SECONDS,
                check=True,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as trouble:
            raise PulseUnavailable(
                what=f"pactl {words[0]} failed: {trouble}",
                remedy_zh="模拟麦克风的声音服务没有应答，请重新启动模拟。",
                remedy_en="The simulated microphone's sound server does not answer; start the simulation again.",
            ) from trouble


def _require_programs() -> None:
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        raise PulseUnavailable(
            what=f"not installed: {', '.join(missing)}",
            remedy_zh=f"请安装软件包：sudo apt-get install {' '.join(PACKAGES)}；或改用 --virtual。",
            remedy_en=f"Install the packages with sudo apt-get install {' '.join(PACKAGES)}, or use --virtual.",
        )


def _answers(daemon: subprocess.Popen[bytes], limit_seconds: float) -> bool:
    """Ask for the sources until ours is named: every module of the script has then been loaded."""
    if daemon.stdin is None or daemon.stdout is None:
        return False
    try:
        daemon.stdin.write(_QUESTION)
    except BrokenPipeError:
        return False
    return _wait_for(daemon.stdout, _READY, limit_seconds)


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


def _end(process: subprocess.Popen[bytes] | None, limit_seconds: float) -> None:
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
