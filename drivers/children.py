"""One child process at a time, which can be ended from another thread at any moment.

Owns the child that runs. `spawn` is called by one thread, `end` by any; after `end` nothing is spawned any more.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Mapping, Sequence

REAP_SECONDS = 2.0


class Ended(OSError):
    """No child is started any more."""


class Children:
    """The children of one owner, one after another."""

    def __init__(self) -> None:
        """Start with none."""
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._ended = False

    def spawn(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None, descriptors: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a child with pipes for input and output, out of the terminal's reach; raises Ended or OSError."""
        with self._lock:
            if self._ended:
                raise Ended("ended")
            self._child = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                pass_fds=tuple(descriptors),
                start_new_session=True,  # Ctrl-C in a terminal is the recorder's
            )
            return self._child

    def run(self, command: Sequence[str], given: bytes, limit_seconds: float) -> bytes:
        """What a child writes for this input. Raises OSError or subprocess.SubprocessError; the child is gone then."""
        child = self.spawn(command)
        try:
            said, _ = child.communicate(given, timeout=limit_seconds)
        finally:
            self.finish(child)
        if child.returncode:
            raise subprocess.CalledProcessError(child.returncode, command[0])
        return said

    def finish(self, child: subprocess.Popen[bytes]) -> None:
        """End this child now, if it runs. One that the kernel holds is left behind after a moment."""
        with self._lock:
            if self._child is child:
                self._child = None
        child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(REAP_SECONDS)
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was never taken cannot be flushed any more
                    pipe.close()

    def end(self) -> None:
        """End the child that runs, and start no other."""
        with self._lock:
            self._ended = True
            if self._child is not None:
                self._child.kill()
