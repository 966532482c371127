"""Files read ahead by other processes, and told in the order in which one would have come to them (FORMAT.md 10.1).

Owns the worker processes (`verify_worker`): they end with the `with` block, whatever ends it, and by themselves when
this process is gone. A worker has one file in hand at a time; a few more wait. With one job, or before so much was read
that a second process pays, everything runs in the caller. No thread; everything here is called by one.

Threads were measured and rejected: they share one interpreter, which every fragment asks for twice.
"""

from __future__ import annotations

import contextlib
import pickle
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import IO, Generic, TypeVar

from liuhen.errors import FormatError
from liuhen.store_reader import StoreTrouble
from liuhen.verify_segment import Desk, Job, Seen

START_AFTER_BYTES = 32 * 1024 * 1024
LOOK_EVERY_BYTES = 1024 * 1024
FILES_PER_JOB = 3
MOST_ITEMS = 64
MOST_ITEM_BYTES = 256 * 1024
END_SECONDS = 10.0
LENGTH_BYTES = 8

Item = TypeVar("Item")


class WorkerError(Exception):
    """A worker process ended, or failed, before it had answered: there is no verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a file could not be read: what opening and reading raise, in a form that passes between processes."""

    where: str
    what: str
    system: tuple[object, ...] | None = None
    bug: bool = False
    store: tuple[str, str] | None = None

    @staticmethod
    def of(error: Exception) -> Failure:
        """The failure an exception tells of."""
        match error:
            case FormatError():
                return Failure(where=error.where, what=error.what)
            case StoreTrouble():
                return Failure(where="", what="", store=(error.zh, error.en))
            case OSError():
                return Failure(where="", what="", system=(error.errno, error.strerror, error.filename))
            case _:
                return Failure(where=type(error).__name__, what=str(error), bug=True)

    def again(self) -> Exception:
        """The exception, for the caller."""
        if self.store is not None:
            return StoreTrouble(*self.store)
        if self.bug:
            return WorkerError(f"{self.where}: {self.what}")
        return FormatError(self.where, self.what) if self.system is None else OSError(*self.system)


Answer = Seen | Failure


def answer(job: Job, desk: Desk) -> Answer:
    """Read one file, whatever happens."""
    try:
        return job.read(desk)
    except Exception as error:  # noqa: BLE001 -- a process's top; raised again in the caller
        return Failure.of(error)


def send(stream: IO[bytes], what: Job | Answer) -> None:
    """One message between a verifier and its workers."""
    message = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    stream.write(len(message).to_bytes(LENGTH_BYTES, "big") + message)
    stream.flush()


def receive(stream: IO[bytes]) -> object | None:
    """The next message; None where the other side is gone."""
    length = stream.read(LENGTH_BYTES)
    size = int.from_bytes(length, "big")
    message = stream.read(size) if len(length) == LENGTH_BYTES else b""
    if not message or len(message) < size:
        return None
    found: object = pickle.loads(message)  # noqa: S301 -- both ends are this program; what is in files travels as bytes
    return found


@dataclass(slots=True, eq=False)
class _Begun:
    """One file that was asked for early, and what it showed once somebody has read it."""

    job: Job
    sent: bool = False
    answer: Answer | None = None


class _Worker:
    """One process and the file it has in hand."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "liuhen.verify_worker"],  # -P: import nothing from where the user stands
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is this process's matter
        )
        self._to, self.answers = _piped(self._process.stdin), _piped(self._process.stdout)
        self.in_hand: _Begun | None = None

    def give(self, begun: _Begun) -> None:
        """It reads this next."""
        begun.sent, self.in_hand = True, begun
        try:
            send(self._to, begun.job)
        except BrokenPipeError:
            raise self._gone() from None

    def collect(self) -> int:
        """Its answer is there (or the process is not): keep it. Returns how many bytes were read."""
        found = receive(self.answers)
        if self.in_hand is None or not isinstance(found, Seen | Failure):
            raise self._gone()
        self.in_hand.answer, self.in_hand = found, None
        return found.read_bytes if isinstance(found, Seen) else 0

    def _gone(self) -> WorkerError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        return WorkerError(f"a worker process ended with {self._process.returncode}")

    def end(self) -> None:
        """It has nothing anybody waits for."""
        self._process.kill()
        for stream in (self._to, self.answers):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self._process.wait(END_SECONDS)


def _piped(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise WorkerError("a worker process without a pipe")
    return stream


class Ahead:
    """A few files begun early. `jobs` processes read at a time, this one among them."""

    def __init__(self, *, jobs: int, on_read: Callable[[int], None]) -> None:
        self._on_read = on_read
        self._jobs = jobs
        self._bytes_left = START_AFTER_BYTES
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()
        self._begun: dict[Hashable, _Begun] = {}
        self._waiting: deque[_Begun] = deque()
        self._desk = Desk(on_read=self._read)

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.end()
        self._selector.close()

    @property
    def full(self) -> bool:
        """Whether nothing more will be begun ahead."""
        return len(self._begun) >= FILES_PER_JOB * len(self._workers)

    def begin(self, key: Hashable, job: Job) -> None:
        """Ask for a file early, if there is room. Forget it with `drop` if it is not taken."""
        if not self.full and key not in self._begun:
            self._begun[key] = begun = _Begun(job)
            self._waiting.append(begun)
            self._pump(wait=False)

    def drop(self, key: Hashable) -> None:
        """What was begun is not wanted."""
        begun = self._begun.pop(key, None)
        if begun is not None and begun in self._waiting:
            self._waiting.remove(begun)

    def take(self, key: Hashable, job: Job) -> Seen:
        """What the file showed: begun early, or read now. Raises what the reading raised, or WorkerError."""
        begun = self._begun.pop(key, None)
        if begun is None:
            return job.read(self._desk)
        while begun.answer is None:
            if not begun.sent:
                self._waiting.remove(begun)
                begun.answer = answer(begun.job, self._desk)
            elif self._waiting:
                other = self._waiting.popleft()
                other.sent, other.answer = True, answer(other.job, self._desk)
                self._pump(wait=False)
            else:
                self._pump(wait=True)
        if isinstance(begun.answer, Failure):
            raise begun.answer.again()
        return begun.answer

    def _pump(self, *, wait: bool) -> None:
        """Collect what workers have, and give them what waits."""
        for ready, _ in self._selector.select(None if wait else 0):
            self._on_read(ready.data.collect())
        for worker in self._workers:
            if worker.in_hand is None and self._waiting:
                worker.give(self._waiting.popleft())

    def _read(self, size: int) -> None:
        """This process has read so much: a moment to look after the others."""
        self._on_read(size)
        self._bytes_left -= size
        if self._bytes_left > 0 or self._jobs == 1:
            return
        if self._workers:
            self._pump(wait=False)
        else:
            self._start()
        self._bytes_left = LOOK_EVERY_BYTES

    def _start(self) -> None:
        """Workers, as far as the system gives any; without them the answer is the same."""
        try:
            for _ in range(self._jobs - 1):
                worker = _Worker()
                self._workers.append(worker)
                self._selector.register(worker.answers, selectors.EVENT_READ, worker)
        except OSError:
            self._jobs = 1 + len(self._workers)

    # --- in the order of a list ---

    def through(
        self, items: Iterable[Item], begin: Callable[[Item], None], size_of: Callable[[Item], int] = lambda _: 0
    ) -> Iterator[Item]:
        """The items in their order, each after `begin` was called for those that follow it closely.

        The first is through before any is begun: it may decide what can be. What stops the iterable (FormatError,
        OSError) is raised after the items before it.
        """
        stopping = _Stopping(items)
        yield from islice(stopping, 1)
        window: deque[Item] = deque()
        held_bytes = 0
        for item in stopping:
            while window and (self.full or len(window) >= MOST_ITEMS or held_bytes >= MOST_ITEM_BYTES):
                held_bytes -= size_of(window[0])
                yield window.popleft()
            begin(item)
            window.append(item)
            held_bytes += size_of(item)
        yield from window
        if stopping.error is not None:
            raise stopping.error


class _Stopping(Generic[Item]):
    """Items up to the first failure, which is kept."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = iter(items)
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        try:
            return next(self._items)
        except (FormatError, OSError) as error:
            self.error = error
            raise StopIteration from error
