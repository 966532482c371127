"""Programs of ours as processes of their own, forked from one that has imported everything already.

What a process costs before its first own instruction is nearly all imports. `run` is `python -m MODULE ARGUMENTS`, as
`subprocess.run` would run it: another process with streams, exit code, signals and an end of its own. Only its imports
were made by its parent, `python -m tests.warm`, which has one thread and does nothing else. That parent is started by
the first call in a test process and ends with it: its orders come through a pipe. What a test
changes in the environment is not seen by what it runs here.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.crash.pool import die_with_parent

ROOT = Path(__file__).resolve().parent.parent
IMPORTED = ("edge.__main__", "tests.edge.key_person", "tests.edge.killed")
COMMANDS = "edge.commands"
"""A program imports the one that it is started for; here they all are there already."""
END_SECONDS = 5.0


def run(
    module: str, arguments: Sequence[str | Path] = (), *, told: str = "", limit_seconds: float = 90.0
) -> subprocess.CompletedProcess[str]:
    """Run it to its end in the project's folder; `told` is its input.

    Raises subprocess.TimeoutExpired where it did not end within the limit and was killed.
    """
    words = [str(word) for word in arguments]
    with tempfile.TemporaryDirectory(prefix="liuhen-warm-") as folder:
        streams = [str(Path(folder) / name) for name in ("stdin", "stdout", "stderr")]
        Path(streams[0]).write_text(told, encoding="utf-8")
        order = {"module": module, "words": words, "streams": streams, "limit_seconds": limit_seconds}
        code = _ask(order)
        said, complained = (Path(one).read_text(encoding="utf-8") for one in streams[1:])
    if code is None:
        raise subprocess.TimeoutExpired([module, *words], limit_seconds, output=said, stderr=complained)
    return subprocess.CompletedProcess([module, *words], code, said, complained)


def _ask(order: dict[str, object]) -> int | None:
    """The exit code, -number of a signal that ended it, None where the time was over."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(order) + "\n")
    server.stdin.flush()
    answer = server.stdout.readline()
    assert answer, "python -m tests.warm has died"
    code: int | None = json.loads(answer)
    return code


@cache
def _server() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.warm"]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(_end, server)
    return server


def _end(server: subprocess.Popen[str]) -> None:
    """No more orders: it ends by itself."""
    for pipe in (server.stdin, server.stdout):
        if pipe is not None:
            pipe.close()
    try:
        server.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


# -- the parent of what is run -----------------------------------------------------------------------------------------


def _serve() -> tuple[str, list[str]]:
    """Take orders until there are none; returns in the children alone, each with its module and its words."""
    orders, answers = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb", buffering=0)
    while line := orders.readline():
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            orders.close()
            answers.close()
            _become(order["streams"])
            return order["module"], order["words"]
        answers.write(json.dumps(_end_of(child, order["limit_seconds"])).encode() + b"\n")
    sys.exit(0)


def _end_of(child: int, limit_seconds: float) -> int | None:
    """Wait for it; whoever takes too long is killed."""
    handle = os.pidfd_open(child)
    watch = select.poll()
    watch.register(handle, select.POLLIN)
    in_time = bool(watch.poll(limit_seconds * 1000))
    if not in_time:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(handle)
    return os.waitstatus_to_exitcode(status) if in_time else None


def _become(streams: list[str]) -> None:
    """What a fresh process has: streams of its own, and an end with whoever wants the answer."""
    die_with_parent()
    for descriptor, path in enumerate(streams):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)


def _main() -> None:
    commands = importlib.import_module(COMMANDS)
    for module in (*IMPORTED, *(found.name for found in pkgutil.iter_modules(commands.__path__, f"{COMMANDS}."))):
        importlib.import_module(module)
    gc.freeze()  # what all share stays shared
    module, words = _serve()
    sys.argv = [module, *words]
    # Its own lines are run once more, as those of a program; runpy complains about one that was imported before.
    sys.modules.pop(f"{module}.__main__" if f"{module}.__main__" in sys.modules else module, None)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
