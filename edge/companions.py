"""The other processes of a device where no service manager starts them: started with the recorder, ended with it.

Owns the child processes from `start` to `stop`. A device has units for them; on a laptop, and in the simulated room,
`liuhen run` and `liuhen sim` start guard, sensors and offload themselves. One that ends by itself is not started again:
what depends on it then trips or is told as lost, which is what such a death must do.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge.config import Config

STOP_LIMIT_SECONDS = 5.0
LAST_LIMIT_SECONDS = 60.0
"""So long what the recorder sealed at its end may take to reach the store before the command ends without it."""


PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """In the child: a recorder that is killed leaves no companion behind (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Companions:
    """See the module. One thread calls."""

    def __init__(self, commands: Sequence[Sequence[str]]) -> None:
        """Nothing runs yet."""
        self._commands = commands
        self._children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Companions:
        """Start them all. Raises OSError where one cannot be started; the others are ended then."""
        try:
            for command in self._commands:
                # Their own process group: Ctrl-C is the recorder's, which ends them when everything is sealed.
                self._children.append(
                    subprocess.Popen(
                        command,
                        stdin=subprocess.DEVNULL,
                        start_new_session=True,
                        preexec_fn=_end_with_parent,  # noqa: PLW1509 - no other thread of ours runs yet
                    )
                )
        except OSError:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End them all."""
        self.stop()

    def stop(self) -> None:
        """Ask each to end, and end by force what does not."""
        for child in reversed(self._children):
            child.terminate()
        for child in reversed(self._children):
            try:
                child.wait(STOP_LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._children.clear()


def offload_command(config: Config, config_file: Path | None) -> list[str]:
    """The offload process of a recorder with this configuration, whatever of it was chosen on the command line."""
    named = ["--config", str(config_file.absolute())] if config_file is not None else []
    chosen = ["--spool", str(config.spool.directory), "--store", config.store.url]
    return [sys.executable, "-m", "edge", "offload", *named, *chosen, "--recorder", str(config.control.socket)]


@contextmanager
def last_sending(config: Config, config_file: Path | None) -> Iterator[None]:
    """Afterwards, where a store is configured: what was sealed last goes there too, within a limit."""
    yield
    if not config.store.url:
        return
    with subprocess.Popen([*offload_command(config, config_file), "--once"], stdin=subprocess.DEVNULL) as sending:
        try:
            sending.wait(LAST_LIMIT_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            sending.terminate()
