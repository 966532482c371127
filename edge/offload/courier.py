"""What goes to the recorder and what it answers: receipts in batches, events, a sign of life. One thread calls.

Holds nothing that a restart would miss: receipts are in the state until the recorder says they are durable, and an
event that is lost with the process is told again while its cause lasts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from edge.offload import alarms
from edge.offload.alarms import News
from edge.offload.budget import NS_PER_SECOND
from edge.offload.objects import WHAT, Task
from edge.offload.report import Report
from edge.offload.retry import Line
from edge.offload.sender import Statement
from edge.offload.state import State
from edge.offload.words import ROWS_LIMIT, Answer, OffloadAlive, ReceiptsTold, StoreTold, WitnessTold, Words
from liuhen.registry import RetentionMode

ALIVE_NS = 2 * NS_PER_SECOND
AWAY_NS = 2 * NS_PER_SECOND
"""A recorder that did not answer is asked again so much later."""
UNKNOWN_NS = 60 * NS_PER_SECOND
"""A receipt for what the journal does not state is told again so much later: it may state it by then."""
EVENTS_KEPT = 64
WITNESS_AGAIN_NS = 12 * NS_PER_SECOND
"""A statement is taken once an entry bears the one before: a heartbeat later."""

Tell = Callable[[Words], Answer | None]
"""Words to the recorder and its answer; None where it is away. Waits within a limit."""
Say = Callable[[str, str], None]


class Courier:
    """See the module."""

    def __init__(self, tell: Tell, url: str, say: Say) -> None:
        self._ask = tell
        self._url = url
        self._say = say
        self._told = alarms.Told()
        self._events: deque[News] = deque(maxlen=EVENTS_KEPT)
        self._again_ns = 0
        self._alive_ns = 0
        self._complaint = ""
        self._witness_ns = 0
        self.statements: deque[Statement] = deque()
        """What witnesses said and the recorder has not taken yet: no more than one life of a stream brings."""
        self.answered: set[str] = set()
        """Statements that it has answered for in this life, believed or not."""

    def alarm(self, news: News, now_ns: int) -> None:
        """An event, unless the same was told within the hour."""
        self._told, wanted = alarms.alarmed(self._told, news, now_ns)
        self._events.extend(wanted)

    def watch(self, line: Line, reason: int, now_ns: int) -> None:
        """A look at the line to the store."""
        self._told, wanted = alarms.watched(self._told, line, reason, now_ns)
        self._events.extend(wanted)

    def deliver(self, state: State, now_ns: int, line: Line, report: Callable[[], Report]) -> None:
        """Tell what is due, while the recorder answers. Raises StateLost, StateFault."""
        if now_ns < self._again_ns:
            return
        heard = True
        while heard and self._events:
            news = self._events[0]
            heard = self._tell(StoreTold(store=self._url, code=news.code, measured=news.measured)) is not None
            if heard:
                self._events.popleft()
        if heard:
            heard = self._receipts(state, now_ns) and self._witness(now_ns)
        if heard and now_ns >= self._alive_ns:
            self._alive_ns = now_ns + ALIVE_NS
            heard = self._tell(alive(report(), line)) is not None
        if not heard:
            self._again_ns = now_ns + AWAY_NS

    def _receipts(self, state: State, now_ns: int) -> bool:
        """One batch: what the store keeps in the same way under the same key of its own."""
        untold = state.untold(now_ns, ROWS_LIMIT)
        if not untold:
            return True
        batch = [task for task in untold if _kept_like(task) == _kept_like(untold[0])]
        mode, server_key = _kept_like(untold[0])
        rows = {_row(task): task for task in batch}
        answer = self._tell(ReceiptsTold(store=self._url, mode=mode, server_key=server_key, rows=tuple(rows)))
        if answer is None:
            return False
        unknown = set(answer.unknown) if answer.ok else {task.sealed.content for task in batch}
        state.told([task.number for task in batch if task.sealed.content not in unknown])
        for task in batch:
            if task.sealed.content in unknown:
                state.later(task.number, now_ns + UNKNOWN_NS)
        return True

    def _witness(self, now_ns: int) -> bool:
        """One statement, in the order in which they were found."""
        if not self.statements or now_ns < self._witness_ns:
            return True
        answer = self._tell(WitnessTold(statement=self.statements[0].encoded))
        if answer is None:
            return False
        if answer.ok and answer.unknown:
            self._witness_ns = now_ns + WITNESS_AGAIN_NS
        else:
            self.answered.add(self.statements.popleft().name)
        return True

    def _tell(self, words: Words) -> Answer | None:
        answer = self._ask(words)
        why = "" if answer is None or answer.ok else answer.why
        if why and why != self._complaint:
            self._say(f"录制进程没有接受：{why}", f"the recorder did not take it: {why}")
        self._complaint = why
        return answer


def alive(report: Report, line: Line) -> OffloadAlive:
    """The sign of life."""
    waiting = report.waiting
    oldest = None if waiting.oldest_ms is None else max(0, report.utc_ms - waiting.oldest_ms) // 1000
    return OffloadAlive(
        store=report.url,
        waiting_objects=waiting.objects,
        waiting_bytes=waiting.size,
        oldest_seconds=oldest if waiting.objects else None,
        bytes_per_second=report.bytes_per_second,
        unreachable=int(alarms.unreachable_code(line) or 0),
    )


def _kept_like(task: Task) -> tuple[RetentionMode, bytes | None]:
    return (RetentionMode.NONE, None) if task.stored is None else (task.stored.mode, task.stored.server_key)


def _row(task: Task) -> tuple[int, bytes, bytes, int, str, int | None, int]:
    sealed, stored = task.sealed, task.stored
    version, until_ms, store_ms = (
        ("", None, 0) if stored is None else (stored.version, stored.until_ms, stored.store_ms)
    )
    return (int(WHAT[sealed.kind]), sealed.content, sealed.digest, sealed.size, version, until_ms, store_ms)
