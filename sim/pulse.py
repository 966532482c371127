"""The simulated microphone: a private sound server whose only source is a FIFO that a feeder fills in real time.

Owns the server, a listener that keeps its source awake, and the feeder's thread; on disk one private folder with the
FIFO, the socket and two configuration files, removed by `stop`. PortAudio in another process opens ALSA's `simmic`
with `environment()`. No other source may ever exist on this server: pulse would move a recorder there, silently, when
ours goes (measured), and even a sink brings one, its monitor. The loudspeaker has a server of its own therefore.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from sim.feeder import Feeder, MicrophoneClock, OnMoment, Poured
from sim.pulse_server import PulseServer, PulseUnavailable, end_process
from sim.scene import SoundSource

__all__ = ["DEVICE", "PulseSource", "PulseUnavailable"]

LOG = logging.getLogger(__name__)

DEVICE = "simmic"
ELSEWHERE = "elsewhere"
_COMMAND_SECONDS = 5.0


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
        self._server = PulseServer(device=DEVICE, module="module-pipe-source", parent=parent, prefix="mic-")
        self._listener: subprocess.Popen[bytes] | None = None
        self._feeder: Feeder | None = None

    def start(self, limit_seconds: float = 10.0) -> None:
        """Start daemon, listener and feeder; PulseUnavailable (package missing, no answer) leaves nothing."""
        try:
            self._server.prepare()
            self._server.start(self._source_arguments(), "list-sources", limit_seconds)
            self._listener = self._start_listener()
            self._feeder = Feeder(
                sound=self._sound,
                clock=self._clock,
                fifo=self._server.inside("mic.fifo"),
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
        end_process(self._listener, limit_seconds)
        self._server.stop(limit_seconds)
        self._feeder = self._listener = None

    def environment(self) -> Mapping[str, str]:
        """Return the variables a recorder process needs before PortAudio is first initialised in it."""
        return self._server.environment()

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
        self._server.command("unload-module", "module-pipe-source")
        end_process(self._listener, _COMMAND_SECONDS)
        self._listener = None

    def replug(self) -> None:
        """Bring the source back; sound made in between was lost."""
        self._server.command("load-module", "module-pipe-source", *self._source_arguments())
        self._listener = self._start_listener()

    def move(self) -> None:
        """Take the source away while the server has another: whoever records is moved there without a word."""
        self._server.command("load-module", "module-null-source", f"source_name={ELSEWHERE}")
        self.unplug()

    def move_back(self) -> None:
        """Bring the source back and take the other away; a stream that was moved is moved again."""
        self.replug()
        self._server.command("unload-module", "module-null-source")

    def _running_feeder(self) -> Feeder:
        if self._feeder is None:
            raise RuntimeError("PulseSource is not started")
        return self._feeder

    def _source_arguments(self) -> tuple[str, ...]:
        return (
            f"source_name={DEVICE}",
            f'file="{self._server.inside("mic.fifo")}"',
            "format=s16le",
            f"rate={self._clock.rate_hz}",
            f"channels={self._clock.channels}",
        )

    def _start_listener(self) -> subprocess.Popen[bytes]:
        # A pipe source is read only while somebody listens; this listener makes it run always, as a microphone does,
        # so that a recorder never gets stale sound that waited in the FIFO.
        return subprocess.Popen(
            ["parec", f"--device={DEVICE}", "--raw", "--latency-msec=200"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._server.process_environment(),
            start_new_session=True,
        )
