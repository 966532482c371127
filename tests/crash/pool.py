"""Jobs in forked children of a warm process, a few at a time, each within a limit.

A child inherits everything that was imported and read; what it mounts is its own. Its answer comes back as JSON through
a pipe. A child that dies or hangs is an answer too.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Job = TypeVar("Job")
Answer = dict[str, object]
FAULTS = "faults"
PR_SET_PDEATHSIG = 1


@dataclass(slots=True, kw_only=True)
class _Child(Generic[Job]):
    job: Job
    process: int
    pipe: int
    deadline: float
    said: bytearray = field(default_factory=bytearray)


def run(
    jobs: Sequence[Job], work: Callable[[Job], Answer], *, at_once: int, limit_seconds: float
) -> Generator[tuple[Job, Answer], None, None]:
    """Each job with its answer, in the order in which they end. Every child has ended when this has."""
    waiting, running = list(reversed(jobs)), dict[int, _Child[Job]]()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                child = _start(waiting.pop(), work, limit_seconds)
                running[child.pipe] = child
            for pipe in _readable(running):
                child = running[pipe]
                part = os.read(pipe, 65_536)
                child.said += part
                if not part:
                    del running[pipe]
                    yield child.job, _answer(child)
            for pipe in [p for p, child in running.items() if child.deadline < time.monotonic()]:
                child = running.pop(pipe)
                os.kill(child.process, signal.SIGKILL)
                _answer(child)
                yield child.job, {FAULTS: [f"did not end within {limit_seconds:g} s"]}
    finally:
        for child in running.values():
            os.kill(child.process, signal.SIGKILL)
            _answer(child)


def _start(job: Job, work: Callable[[Job], Answer], limit_seconds: float) -> _Child[Job]:
    reading, writing = os.pipe()
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        os.close(reading)
        os._exit(_work(job, work, writing))
    os.close(writing)
    return _Child(job=job, process=process, pipe=reading, deadline=time.monotonic() + limit_seconds)


def die_with_parent() -> None:
    """A child that is forked for a job has no business after whoever wants the answer (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _work(job: Job, work: Callable[[Job], Answer], pipe: int) -> int:
    """The child's whole life."""
    die_with_parent()
    try:
        answer = work(job)
    except Exception as error:  # noqa: BLE001 - a process's top: whatever went wrong is the answer
        answer = {FAULTS: [f"{type(error).__name__}: {error}"], "traceback": traceback.format_exc()}
    with os.fdopen(pipe, "wb") as out:
        out.write(json.dumps(answer).encode())
    return 0


def _readable(running: dict[int, _Child[Job]]) -> list[int]:
    with selectors.DefaultSelector() as selector:
        for pipe in running:
            selector.register(pipe, selectors.EVENT_READ)
        first = min(child.deadline for child in running.values())
        return [key.fd for key, _ in selector.select(max(0.0, first - time.monotonic()))]


def _answer(child: _Child[Job]) -> Answer:
    os.close(child.pipe)
    _, status = os.waitpid(child.process, 0)
    try:
        answer: Answer = json.loads(child.said)
    except ValueError:
        return {FAULTS: [f"the process died: {os.waitstatus_to_exitcode(status)}"]}
    return answer
