"""An inhibition is undone by its own end only: no cut, restart or recovery, and not by the end of the other.

Sequences of withholding, trip, approval and clearing are played in a room behind the ports; the run is abandoned as
soon as a chosen journal entry is durable, at every entry in turn, and another run goes on with what is on the disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.guard.words import Reason
from edge.journal import entries_of
from edge.journal_state import JournalState, after
from edge.ports import Deliver, Delivered, PicturePacket, SoundPacket
from edge.refusals import Refused
from edge.requests import Verb
from edge.surroundings import Surroundings
from liuhen.entry import Entry
from liuhen.findings import Code
from liuhen.kinds import Inhibition, Segment
from liuhen.registry import InhibitionAct, InhibitionCode
from tests.edge.ports_room import (
    BLOCK_NS,
    START_NS,
    Device,
    Room,
    RoomCamera,
    RoomClock,
    RoomMicrophone,
    device,
    guard_word,
)
from tests.edge.test_room import SilentGuard

pytestmark = pytest.mark.long

FRAME_AND_PACKET_NS = 65_000_000
TORN_BYTES = 300
FORBIDDING = {
    Code.RECORDED_WHILE_FORBIDDEN,
    Code.INHIBITION_UNCOVERED,
    Code.HOLE_UNEXPLAINED,
}
ACTS: dict[str, Callable[[Room], object]] = {
    "withhold": lambda room: room.ask(Verb.WITHHOLD, actor="张三"),
    "approve": lambda room: room.ask(Verb.APPROVE, actor="李四", ground="个人隐私"),
    "end": lambda room: room.ask(Verb.RESUME, actor="李四"),
    "trip": lambda room: room.guard_says(permit=False, reason=Reason.TRIPPED),
    "mark": lambda room: room.ask(Verb.MARK),
    "permit": lambda room: room.guard_says(permit=True),
}
EVERYTHING = ("withhold", "trip", "approve", "permit", "end", "trip", "withhold", "end", "permit")


MARK = re.compile(rb"LIUHEN-TAKEN-(\d{20})-(\d{20})")
STANDS_NS = 1 << 62
"""Of an inhibition that nothing has ended."""
SEI = b"\x00\x00\x00\x01\x06\x05"
"""Start code of a supplemental message that every decoder passes over (H.264, D.1.6)."""


def mark(began_ns: int, ended_ns: int) -> bytes:
    return b"LIUHEN-TAKEN-%020d-%020d" % (began_ns, ended_ns)


def marked(item: Delivered) -> Delivered:
    """The same with the time at which it was taken, from its begin to its end."""
    match item:
        case PicturePacket(payload=payload, boottime_ns=at_ns):
            said = mark(at_ns, at_ns + 1)  # taken at one moment; how long it is shown is no time in which was looked
            return replace(item, payload=SEI + bytes([16 + len(said)]) + b"U" * 16 + said + b"\x80" + payload)
        case SoundPacket(payload=payload, arrival_boottime_ns=at_ns):
            return replace(item, payload=payload + mark(at_ns - BLOCK_NS, at_ns))
        case _:
            return item


class MarkingCamera(RoomCamera):
    """Every picture says when it was taken."""

    def start(self, deliver: Deliver, caption: str) -> None:
        super().start(lambda item: deliver(marked(item)), caption)


class MarkingMicrophone(RoomMicrophone):
    """Every block of sound says when it was heard."""

    def start(self, deliver: Deliver) -> None:
        super().start(lambda item: deliver(marked(item)))


class _Cut(BaseException):
    """The power is gone; nothing of the recorder catches it."""


def play_acts(acts: Iterable[str]) -> tuple[Callable[[Room], None], ...]:
    def one(name: str) -> Callable[[Room], None]:
        def act(room: Room) -> None:
            room.play(0.7)
            ACTS[name](room)
            room.play(0.3)

        return act

    return tuple(one(name) for name in acts)


def run(made: Device, boot: int, acts: Iterable[str], *, cut_after: int | None, permit: bool) -> bool:
    """One run in a boot of its own; returns whether it came to its end. `cut_after` counts this run's entries."""
    room = Room(RoomClock(now_ns=START_NS + boot * 10**11))
    room.camera, room.microphone = MarkingCamera(), MarkingMicrophone()
    guard = SilentGuard(guard_word(room.clock.now_ns, permit=permit, reason=Reason.NONE if permit else Reason.BOOT))
    written = 0

    def durable() -> None:
        nonlocal written
        written += room.onlooker.durable[-1][0] == "E"
        if cut_after is not None and written >= cut_after:
            raise _Cut

    room.onlooker.on_durable = durable
    config = replace(made.config, interlock=replace(made.config.interlock, enabled=True))
    try:
        room.record(config, *play_acts(acts), surroundings=Surroundings(guard=guard))
    except _Cut:
        return False
    except Refused:
        pass
    finally:
        not_forbidden(waiting_in(room), forbidden_spans(entries(made)), "the queue")
    return True


def waiting_in(room: Room) -> bytes:
    """What lies in the queue of the newest stretch, whether WRITER may take it or not."""
    stage = room._stage
    if stage is None:
        return b""
    return b"".join(one.payload for one in stage.packets._items if isinstance(one, PicturePacket | SoundPacket))


def not_forbidden(content: bytes, forbidden: list[tuple[int, int]], where: str) -> int:
    """No mark in these bytes is of forbidden time; how many there are."""
    marks = [(int(began), int(ended)) for began, ended in MARK.findall(content)]
    for began_ns, ended_ns in forbidden:
        inside = [one for one in marks if one[0] < ended_ns and one[1] > began_ns]
        assert inside == [], f"{where}: media of forbidden time"
    return len(marks)


def marks_in(made: Device, folder: str) -> int:
    """How many marks the files of this folder of the spool hold; none of them is of forbidden time."""
    spans = forbidden_spans(entries(made))
    files = [path for path in sorted((made.spool / folder).rglob("*")) if path.is_file()]
    return sum(not_forbidden(path.read_bytes(), spans, folder) for path in files)


def torn(made: Device) -> bool:
    """The last write of the open segment did not reach the disk whole; returns whether there was one."""
    stated = sum(isinstance(one.body, Segment) for one in entries(made))
    files = made.segments()
    if stated >= len(files) or files[-1].stat().st_size < TORN_BYTES * 3:
        return False
    os.truncate(files[-1], files[-1].stat().st_size - TORN_BYTES)
    return True


def entries(made: Device) -> list[Entry]:
    return [one for path in made.journal_files() for one in entries_of(path)]


def forbidden_spans(every: list[Entry]) -> list[tuple[int, int]]:
    """When something forbade recording, by the journal alone; the rooms' boots share one time line."""
    since: dict[int, int] = {}
    spans = []
    for one in every:
        if not isinstance(one.body, Inhibition):
            continue
        if one.body.act == InhibitionAct.SET:
            since[one.body.code] = one.body.at[1]
        elif one.body.act == InhibitionAct.CLEARED:
            spans.append((since.pop(one.body.code), one.body.at[1]))
    return spans + [(began, STANDS_NS) for began in since.values()]


def outside(media: list[tuple[int, int]], forbidden: list[tuple[int, int]]) -> None:
    """No media of forbidden time; the last frame was taken before and lasts into it on paper."""
    for began, ended in forbidden:
        inside = [span for span in media if span[0] < ended and span[1] > began + FRAME_AND_PACKET_NS]
        assert inside == [], "media of forbidden time"


def holds(made: Device, *, judged: bool = True) -> None:
    """From the journal, the statements of media and, where no recovery was cut short, the verifier."""
    every = entries(made)
    for folder in ("sessions", "quarantine"):
        marks_in(made, folder)
    outside([one.body.span_ns for one in every if isinstance(one.body, Segment)], forbidden_spans(every))
    assert not judged or FORBIDDING & {finding.code for finding in made.verify().findings} == set()
    acts = [(one.body.code, one.body.act) for one in every if isinstance(one.body, Inhibition)]
    for code in (InhibitionCode.INTERLOCK, InhibitionCode.WITHHELD):
        own = [act for its, act in acts if its == code and act != InhibitionAct.APPROVED]
        assert own == [InhibitionAct.SET, InhibitionAct.CLEARED] * (len(own) // 2) + [InhibitionAct.SET] * (
            len(own) % 2
        )


def standing(made: Device) -> set[int]:
    """What forbids recording, from the first entry on."""
    state = JournalState()
    for one in entries(made):
        state = after(state, one)
    return {one.code for one in state.inhibitions}


def crash_and_go_on(folder: Path, acts: tuple[str, ...], cut_after: int) -> bool:
    """Abandon a run after so many entries, go on twice, judge each time; returns whether there was anything to cut."""
    made = device(folder)
    ended = run(made, 0, acts, cut_after=cut_after, permit=True)
    if ended:
        holds(made)
        return False
    before = standing(made)
    if cut_after % 3 == 0:
        torn(made)
    run(made, 1, ("mark",), cut_after=None if cut_after % 2 else 3, permit=False)
    assert before - standing(made) == set(), "a restart or recovery has undone an inhibition"
    holds(made, judged=False)
    run(made, 2, ("mark", "mark"), cut_after=None, permit=True)
    assert (InhibitionCode.WITHHELD in before) <= (InhibitionCode.WITHHELD in standing(made))
    holds(made)
    return True


@pytest.mark.parametrize("first", range(4))
def test_a_crash_after_any_entry_undoes_no_inhibition(tmp_path: Path, first: int) -> None:
    cut_after = 4 + first
    while crash_and_go_on(tmp_path / str(cut_after), EVERYTHING, cut_after):
        cut_after += 4
    assert cut_after > 20


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    acts=st.lists(st.sampled_from(sorted(set(ACTS) - {"mark"})), min_size=1, max_size=6), cut_after=st.integers(4, 30)
)
def test_whatever_is_asked_a_crash_undoes_no_inhibition(
    tmp_path_factory: pytest.TempPathFactory, acts: list[str], cut_after: int
) -> None:
    crash_and_go_on(tmp_path_factory.mktemp("room"), tuple(acts), cut_after)


def test_media_of_forbidden_time_would_be_found() -> None:
    every = [(100, 200)]
    with pytest.raises(AssertionError, match="forbidden"):
        outside([(150, 10**9)], every)


def test_what_recovery_puts_aside_is_looked_into_and_holds_nothing_forbidden(tmp_path: Path) -> None:
    """A torn write is in the quarantine, with its frames; they were taken before the withholding."""
    made = device(tmp_path)
    cut_after = 6
    while run(made, 0, ("mark", "mark"), cut_after=cut_after, permit=True) or not torn(made):
        made, cut_after = device(tmp_path / str(cut_after)), cut_after + 1
        assert cut_after < 40
    run(made, 1, ("withhold", "mark"), cut_after=None, permit=True)
    assert marks_in(made, "quarantine") > 0
    assert marks_in(made, "sessions") > 0
    holds(made)


def test_a_mark_of_forbidden_time_would_be_found_wherever_it_lies(tmp_path: Path) -> None:
    """Control: what was recorded is judged by an inhibition that began before it."""
    made = device(tmp_path)
    run(made, 0, ("mark", "withhold"), cut_after=None, permit=True)
    assert marks_in(made, "sessions") > 20
    content = made.segments()[0].read_bytes()
    with pytest.raises(AssertionError, match="the queue: media of forbidden time"):
        not_forbidden(content, [(START_NS, STANDS_NS)], "the queue")
    (made.spool / "quarantine" / "late").write_bytes(b"xx" + mark(STANDS_NS - 2, STANDS_NS - 1) + b"yy")
    with pytest.raises(AssertionError, match="quarantine: media of forbidden time"):
        holds(made)
