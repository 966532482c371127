"""An inhibition is undone by its own end only: no cut, restart or recovery, and not by the end of the other.

Sequences of withholding, trip, approval and clearing are played in a room behind the ports; the run is abandoned as
soon as a chosen journal entry is durable, at every entry in turn, and another run goes on with what is on the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.app import Refused
from edge.guard.words import Reason
from edge.journal import entries_of
from edge.journal_state import JournalState, after
from edge.requests import Verb
from edge.surroundings import Surroundings
from liuhen.entry import Entry
from liuhen.findings import Code
from liuhen.kinds import Inhibition, Segment
from liuhen.registry import InhibitionAct, InhibitionCode
from tests.edge.ports_room import START_NS, Device, Room, RoomClock, device, guard_word
from tests.edge.test_room import SilentGuard

pytestmark = pytest.mark.long

FRAME_AND_PACKET_NS = 65_000_000
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
    last_ns = max(one.common.clock[1] for one in every)
    return spans + [(began, last_ns) for began in since.values()]


def outside(media: list[tuple[int, int]], forbidden: list[tuple[int, int]]) -> None:
    """No media of forbidden time; the last frame was taken before and lasts into it on paper."""
    for began, ended in forbidden:
        inside = [span for span in media if span[0] < ended and span[1] > began + FRAME_AND_PACKET_NS]
        assert inside == [], "media of forbidden time"


def holds(made: Device, *, judged: bool = True) -> None:
    """From the journal, the statements of media and, where no recovery was cut short, the verifier."""
    every = entries(made)
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
