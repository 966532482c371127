"""A recorder whose every system call on its disks fails in turn: `python -m tests.edge.errno_runs [STRIDE [FIRST]]`.

Each case is one run of the real recorder (spool, journal, key, WRITER, CONTROL, terminal) in a process of its own, with
prepared packets behind the ports, and a next run without any fault. Then everything that was acknowledged must be
there, and the verifier must call the archive intact. The calls are refused inside the process (failing_calls.py).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge import header as headers
from edge import journal
from edge.app import Start
from edge.destruction import PENDING_FILE as DESTROYING
from edge.reclaiming import PENDING_FILE as RECLAIMING
from edge.requests import Verb
from edge.schedule import Hearing, to_bytes
from edge.terminal import record
from liuhen.reader import SealedFragment, read_segment
from tests.edge.failing_calls import Failing, Fault, failing
from tests.edge.killed import Killed, run_all
from tests.edge.media import RATE_HZ, pictures, sound
from tests.edge.ports_room import GOP, START_NS, UTC_MS, Act, Device, Room, RoomClock, device
from tests.edge.test_header import FULL

SECONDS = 2.2
STALL_NS = 2_500_000_000
LATER_NS = 60 * 10**9
STATVFS_LIMIT = 12
EXIT_CODES = {0: "clean", 1: "ended by a fault", 2: "unusable", 4: "storage", 5: "key"}
BEARABLE = {
    "gap-unexplained",
    "torn-tail",
    "unfinished",
    "segment-before-statement",
    "session-open-end",
    "run-open-end",
    "silence",
    "journal-torn-tail",
    "record-foreign",  # written before the entry that would have named it
}
"""What the verifier may say beside what the device told itself: interruptions, each with its reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Which call fails how; `start` is "fresh" (an orderly device) or "cut" (an open session left by a kill)."""

    start: str
    fault: str
    at: int
    lasting: bool = False


@dataclass(slots=True)
class Outcome:
    """How a case ended."""

    case: Case
    fired: str = ""
    exit_code: int = -1
    next_exit_code: int = -1
    wrong: list[str] = field(default_factory=list)


def _asked(room: Room) -> None:
    """People tell what the session is about and what is to come: records, entries and a file of local state."""
    room.ask(Verb.HEADER, attachment=headers.to_bytes(FULL))
    begin_ms = UTC_MS + LATER_NS // 1_000_000
    room.ask(Verb.SCHEDULE, attachment=to_bytes((Hearing(begin_ms=begin_ms, end_ms=begin_ms, title="张三案"),)))


ACTS: tuple[Act, ...] = (lambda room: room.play(SECONDS / 2), _asked, lambda room: room.play(SECONDS / 2))


# -- one process ------------------------------------------------------------------------------------------------------


def in_child(work: Callable[[], int], errors: Path) -> int:
    """Run it in a fork with its words in a file; its exit code, or -number of the signal that ended it."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            words = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(words, 2)
            sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
            code = work()
        except Exception:  # noqa: BLE001 - the top of a process: its words are judged
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def recorder(made: Device, room: Room, acts: tuple[Act, ...]) -> int:
    """One run under the terminal, acknowledgements to a file that no fault reaches."""
    folder = made.spool.parent
    acknowledgements = os.open(folder / "acknowledgements", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def make_start(terminal: object, stop: threading.Event) -> Start:
        return Start(
            config=made.config,
            hardware=room.hardware(),
            watcher=terminal,  # type: ignore[arg-type]
            stop=stop,
            conduct=lambda stage: room._conduct(stage, acts),
        )

    return record(make_start, acknowledgements=acknowledgements)


def run_case(case: Case, templates: dict[str, Path], scratch: Path) -> Outcome:
    """The faulty run, the next one, and what is wrong afterwards."""
    folder = scratch / "case"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(templates[case.start], folder)
    outcome, made = Outcome(case=case), device(folder)
    room = Room(RoomClock(now_ns=START_NS + LATER_NS))

    def stall() -> None:
        room.clock.now_ns += STALL_NS

    plan = Failing(
        folders=(folder / "spool", folder / "keys"),
        fault=Fault[case.fault],
        at=case.at,
        chosen=_few_questions(),
        lasting=case.lasting,
        stall=stall,
    )

    def faulty() -> int:
        with failing(plan):
            code = recorder(made, room, ACTS)
        (folder / "fired").write_text(json.dumps([*plan.fired[:1], len(plan.fired)]), encoding="utf-8")
        return code

    outcome.exit_code = in_child(faulty, folder / "words")
    outcome.fired = _fired(folder)
    outcome.wrong += _judge_words(outcome.exit_code, (folder / "words").read_text(encoding="utf-8"))
    after = Room(RoomClock(now_ns=START_NS + 3 * LATER_NS))
    outcome.next_exit_code = in_child(lambda: recorder(made, after, (lambda r: r.play(1.2),)), folder / "words-next")
    if outcome.next_exit_code != 0:
        outcome.wrong.append(f"the next start: {_last_line((folder / 'words-next').read_text(encoding='utf-8'))}")
    outcome.wrong += judge_archive(made)
    return outcome


def _few_questions() -> Callable[[str, str], bool]:
    """CONTROL asks for the free space at every turn, always the same way: the first dozen stand for all."""
    asked = 0

    def chosen(call: str, _path: str) -> bool:
        nonlocal asked
        asked += call == "statvfs"
        return call != "statvfs" or asked <= STATVFS_LIMIT

    return chosen


def _fired(folder: Path) -> str:
    try:
        fired = json.loads((folder / "fired").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "?"
    if fired[-1] == 0:
        return ""
    call, path = fired[0]
    return f"{call} {Path(path).relative_to(folder)}"


def _judge_words(code: int, words: str) -> list[str]:
    wrong = []
    if code not in EXIT_CODES:
        wrong.append(f"exit code {code}: {_last_line(words)}")
    if "Traceback" in words:
        wrong.append(f"a traceback: {_last_line(words)}")
    if code != 0 and not words.strip():
        wrong.append("not a word")
    return wrong


def _last_line(words: str) -> str:
    return next((line for line in reversed(words.splitlines()) if line.strip()), "(nothing)")


def judge_archive(made: Device) -> list[str]:
    """What was acknowledged is there; the archive is intact and says nothing but interruptions with their reasons."""
    report = made.verify()
    wrong = (
        [] if report.intact else [f"not intact: {sorted({f.code for f in report.findings if f.severity == 'broken'})}"]
    )
    wrong += [f"unexpected finding {code}" for code in made.findings() if code not in BEARABLE]
    entries, fragments = set(), set()
    for path in made.journal_files():
        entries |= {(entry.common.seq, entry.hash.hex()) for entry in journal.entries_of(path)}
    for path in made.segments():
        fragments |= {item.r.hex() for item in read_segment(path) if isinstance(item, SealedFragment) and item.valid}
    for line in (made.spool.parent / "acknowledgements").read_text(encoding="ascii").splitlines():
        kind, *words = line.split()
        if (kind == "E" and (int(words[0]), words[1]) not in entries) or (kind == "F" and words[2] not in fragments):
            wrong.append(f"acknowledged and lost: {line[:24]}")
    return wrong


# -- all of them ------------------------------------------------------------------------------------------------------


def templates(folder: Path) -> dict[str, Path]:
    """An orderly device with one session behind it, and one that was killed inside a session and two acts to finish."""
    made = {"fresh": folder / "fresh", "cut": folder / "cut"}
    for name, path in made.items():
        path.mkdir(parents=True)
        run_all([Killed(folder=str(path), seconds=2.2, kill_after=None if name == "fresh" else 9)])
        (path / "acknowledgements").write_bytes(b"")
    for name in (DESTROYING, RECLAIMING):
        (made["cut"] / "spool" / name).touch()
    return made


STARTS = ("fresh", "cut")


def plan(starts: Sequence[str]) -> Iterator[tuple[str, str, bool]]:
    """Starts, faults and whether they last."""
    for start in starts:
        for fault in Fault:
            yield start, fault.name, False
        for name in ("EIO", "ENOSPC", "EROFS"):
            yield start, name, True


def run_every(
    folder: Path,
    *,
    starts: Sequence[str] = STARTS,
    stride: int = 1,
    first: int = 0,
    told: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """For each start and fault every `stride`-th call from the first, until none is left to fail."""
    pictures(count=2 * GOP)
    sound(samples=RATE_HZ)
    made = templates(folder / "templates")
    outcomes = []
    for start, fault, lasting in plan(starts):
        at = first
        while True:
            outcome = run_case(Case(start=start, fault=fault, at=at, lasting=lasting), made, folder)
            if not outcome.fired:
                break
            outcomes.append(outcome)
            told(outcome)
            at += stride
    return outcomes


def summary(outcomes: list[Outcome]) -> list[str]:
    """How many cases of each kind ended how, and every one that went wrong."""
    table: Counter[str] = Counter()
    for outcome in outcomes:
        case = outcome.case
        kind = f"{case.start:5} {case.fault:6} {'for good' if case.lasting else 'once'}"
        table[f"{kind:22} exit {outcome.exit_code}"] += 1
    lines = [f"{kind}: {count}" for kind, count in sorted(table.items())]
    wrong = [f"WRONG {o.case} {o.fired}: {'; '.join(o.wrong)}" for o in outcomes if o.wrong]
    return [f"cases: {len(outcomes)}", *lines, f"wrong: {len(wrong)}", *wrong]


def campaign(folder: Path) -> tuple[list[str], bool]:
    """Every call of every start and fault."""
    outcomes = run_every(folder)
    return summary(outcomes), not any(outcome.wrong for outcome in outcomes)


def main() -> int:
    """`[STRIDE [FIRST]]`: run and say what was wrong as it comes. `one FOLDER SECONDS LATER`: one run, for strace."""
    if sys.argv[1:2] == ["one"]:
        room = Room(RoomClock(now_ns=START_NS + int(sys.argv[4]) * LATER_NS))
        return recorder(device(Path(sys.argv[2])), room, (lambda r: r.play(float(sys.argv[3])),))
    stride, first = (int(word) for word in (*sys.argv[1:], *("1", "0")[len(sys.argv) - 1 :]))

    done = 0

    def told(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        if done % 100 == 0:
            sys.stderr.write(f"{done} cases, now {outcome.case} {outcome.fired}\n")
        if outcome.wrong:
            sys.stderr.write(f"{outcome.case} {outcome.fired}: {outcome.wrong}\n")

    with tempfile.TemporaryDirectory(prefix="liuhen-errno-") as folder:
        outcomes = run_every(Path(folder), stride=stride, first=first, told=told)
    sys.stdout.write("\n".join(summary(outcomes)) + "\n")
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
