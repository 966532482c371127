"""The other processes of a device where no service manager starts them: started with the recorder, ended with it.

Owns the child processes from `start` to `stop`. A device has units for them; on a laptop, and in the simulated room,
`liuhen run` and `liuhen sim` start guard and sensors themselves. One that ends by itself is not started again: what
depends on it then trips or is told as lost, which is what such a death must do.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
from collections.abc import Sequence

STOP_LIMIT_SECONDS = 5.0


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
