"""One state after a cut: mount it, look for everything acknowledged, start the recorder on it, ask the verifier.

Runs in a process and a mount namespace of its own and answers with a list of faults, each one line. What may differ is
what was never promised: a fragment or entry whose flush had not returned.
"""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edge.journal import entries_of
from edge.refusals import Refused
from liuhen.findings import Code, Verdict
from tests.crash import people, recording, states
from tests.crash.evidence import ANSWER, ENTRY, FRAGMENT, LIFE, Acknowledgement, Kept, Truth, piece, sealed
from tests.crash.mutants import Mutant, apply
from tests.crash.recording import Recording
from tests.crash.states import Kind, State
from tests.edge.ports_room import Act, Device, Room

SECONDS = 1.2
EXPECTED = frozenset({Code.GAP_UNEXPLAINED, Code.RECORD_FOREIGN})
"""What a report may say of an archive that is otherwise whole: an interruption that nobody has explained yet, and a
record whose entry was cut off, since a record is on the disk before anything names it."""
FAULTS_TOLD = 8
NOTHING = Truth(content=b"", fragments=())
PEOPLE = "states of a hearing, visits, two stores, a longer term and a destruction"
NONE_LEFT = "started where no entry is left of a log whose head was acknowledged"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What was found; no faults means that every promise was kept."""

    faults: list[str] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)

    def to_answer(self) -> dict[str, object]:
        """As the pool carries it; a few faults say as much as all of them."""
        return {"faults": self.faults[:FAULTS_TOLD], "notes": dict(self.notes)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """What the recorder had said before the cut. `held` must be there; `sent` binds its numbers whatever is there.

    `answered` are the numbers of commands whose answer must be true; `life` is the run that was cut.
    """

    held: tuple[Kept, ...]
    sent: frozenset[tuple[int, bytes]]
    answered: frozenset[int] = frozenset()
    life: int = 0

    @classmethod
    def of(cls, kept: Sequence[Kept], said: Sequence[bytes], held: int, inherited: Sequence[Kept] = ()) -> Promised:
        """`said` are the lines before the cut; what the first `held` of them name must still be there."""
        by_line = {one.what.to_line(): one for one in kept}
        sent = [Acknowledgement.from_line(line) for line in said] + [one.what for one in inherited]
        return cls(
            held=(*inherited, *(by_line[line] for line in said[:held] if line in by_line)),
            sent=frozenset((what.first, what.digest) for what in sent if what.kind == ENTRY),
            answered=frozenset(one.first for one in map(Acknowledgement.from_line, said[:held]) if one.kind == ANSWER),
            life=max((what.first for what in sent if what.kind == LIFE), default=0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the start on one state is judged by: `truth` holds the segment files as the recorder wrote them."""

    state: State
    generation: int
    boot: int
    promised: Promised
    truth: Mapping[str, Truth]
    mutant: Mutant = Mutant.NONE
    people: bool = False
    """What was cut are the runs of `tests.crash.people`."""


def check(made: Recording, state: State, folder: Path) -> Outcome:
    """Everything about one state of a recording. The namespace must be this process's own."""
    outcome = Outcome()
    with disks_after(made, state) as images, _mounted(images, folder, outcome) as root:
        if root is not None:
            judge(case_of(made, state), root, outcome)
    return outcome


def case_of(made: Recording, state: State) -> Case:
    """One state of a recording, with what was promised before it."""
    said = states.acknowledged(made.log, state.point)
    promised = Promised.of(made.kept, said, states.held_marks(made.log, state), made.inherited)
    return Case(
        state=state,
        generation=made.generation,
        boot=made.boot,
        promised=promised,
        truth=made.truth,
        mutant=made.plan.mutant,
        people=made.plan.people,
    )


def judge(case: Case, root: Path, outcome: Outcome) -> None:
    """What a cut left is in this folder: look, start, verify."""
    spool = root / "spool"
    rotten = _rot(spool, case.promised.held, case.state) if case.state.kind is Kind.ROT else None
    before = _Before.look(spool, rotten)
    _look_for(case.promised.held, spool, before, outcome, when="after the cut")
    apply(case.mutant)
    outcome.notes[NONE_LEFT] += bool(case.promised.sent) and not before.entries
    _start(_Started(case=case, before=before), root, outcome)


@contextmanager
def disks_after(made: Recording, state: State) -> Iterator[tuple[Path, ...]]:
    """Images in memory of what the disks hold; the key's disk, if it is apart, was not cut."""
    with recording.image_of(made.bases[0], states.writes(made.log, 0, state)) as spool:
        if made.disks == 1:
            yield (spool,)
            return
        with recording.image_of(made.bases[1], states.everything(made.log, 1, state.point)) as keys:
            yield spool, keys


@contextmanager
def _mounted(images: tuple[Path, ...], folder: Path, outcome: Outcome) -> Iterator[Path | None]:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        recording.mount_all(images, folder)
    except OSError:
        # What a boot does with such a disk (fsck.repair=yes): a torn superblock is repaired from its copy.
        outcome.notes["repaired by e2fsck"] += 1
        subprocess.run(["e2fsck", "-fy", images[0]], check=False, capture_output=True, pass_fds=_descriptors(images))
        try:
            recording.mount_all(images, folder)
        except OSError as error:
            outcome.faults.append(f"cannot be mounted: {error}")
            yield None
            return
    try:
        yield folder
    finally:
        recording.unmount_all(folder, len(images))


def _descriptors(images: tuple[Path, ...]) -> tuple[int, ...]:
    return tuple(int(image.name) for image in images)


# -- what was there ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """The journal as the start finds it, its readable entries, where it rots (path, offset), and what stands there."""

    journal: dict[str, bytes]
    entries: int
    rotten: tuple[str, int] | None
    rotten_byte: bytes

    @classmethod
    def look(cls, spool: Path, rotten: tuple[str, int] | None) -> _Before:
        found = {str(path.relative_to(spool)): path.read_bytes() for path in spool.glob("journal/*.cbor")}
        entries = sum(1 for path in spool.glob("journal/*.cbor") for _ in entries_of(path))
        byte = piece(spool / rotten[0], rotten[1], rotten[1] + 1) if rotten is not None else b""
        return cls(journal=found, entries=entries, rotten=rotten, rotten_byte=byte)

    def excuses(self, kept: Kept) -> bool:
        return self.rotten is not None and kept.covers(*self.rotten)


def _rot(spool: Path, held: tuple[Kept, ...], state: State) -> tuple[str, int] | None:
    """Flip one bit of something that was acknowledged: as often of the newest things as of any."""
    chance = random.Random(state.seed)  # noqa: S311 - a test's choices, repeatable
    kind = chance.choice((FRAGMENT, ENTRY))
    there = [kept for kept in held if kept.what.kind == kind and kept.is_in(spool)]
    if not there:
        return None
    kept = chance.choice(there[-2:] if chance.getrandbits(1) else there)
    offset = chance.randrange(kept.start, kept.end)
    with (spool / kept.path).open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1 << chance.randrange(8)]))
    return kept.path, offset


def _look_for(held: Sequence[Kept], spool: Path, before: _Before, outcome: Outcome, *, when: str) -> None:
    for kept in held:
        if not before.excuses(kept) and not kept.is_in(spool):
            outcome.faults.append(f"lost {when}: {kept.what.to_line().decode().strip()} at {kept.path}+{kept.start}")


# -- the next start ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Started:
    """What the start is judged by, and what it found."""

    case: Case
    before: _Before

    @property
    def must_verify(self) -> bool:
        """Nothing but a cut has happened: the archive is whole."""
        kind = self.case.state.kind
        return kind in (Kind.SUBSET, Kind.PREFIX, Kind.STRICT) or (kind is Kind.ROT and self.before.rotten is None)


def _start(started: _Started, root: Path, outcome: Outcome) -> None:
    chance = random.Random(started.case.state.seed + 1)  # noqa: S311 - a test's choices, repeatable
    generation = started.case.generation + 1
    clock = recording.clock_at(generation, generation if chance.getrandbits(1) else started.case.boot)
    said: list[Acknowledgement] = []
    words: list[str] = []
    made = recording.device_at(root)
    acts: tuple[Act, ...] = (_play,)
    if started.case.people:
        life = started.case.promised.life
        made, clock, acts = people.device_at(root), people.next_clock(life, chance), people.next_acts(root, life)
    try:
        ended = recording.record(made.config, clock, said.append, acts, words)
    except Refused as refused:
        outcome.faults.append(f"the next start was refused: {refused.what}")
        ended = None
    if ended is not None and not ended.clean:
        outcome.faults.append(f"the next session ended badly: {ended.words_en}")
    if ended is not None and not any(what.kind == FRAGMENT for what in said):
        outcome.faults.append("the next session recorded nothing")
    spool = root / "spool"
    _look_for(started.case.promised.held, spool, started.before, outcome, when="after the next start")
    _used_twice(started.case.promised.sent, said, outcome)
    _rot_kept(started, spool, outcome)
    _verify(started, made, said, outcome)
    if started.case.people:
        outcome.notes[PEOPLE] += 1
        outcome.faults += people.faults(root, started.case.promised.answered, words)


def _play(room: Room) -> None:
    room.play(SECONDS)


def _used_twice(sent: frozenset[tuple[int, bytes]], said: list[Acknowledgement], outcome: Outcome) -> None:
    """A number that left the device names one entry for ever."""
    before = dict(sent)
    for what in said:
        if what.kind == ENTRY and before.get(what.first, what.digest) != what.digest:
            outcome.faults.append(f"number {what.first} was used a second time, for another entry")


def _rot_kept(started: _Started, spool: Path, outcome: Outcome) -> None:
    """What rots is evidence of what it was: journal files with rot in them only grow."""
    rotten = started.before.rotten
    if rotten is None or rotten[0] not in started.before.journal:
        return
    now = (spool / rotten[0]).read_bytes()
    if not now.startswith(started.before.journal[rotten[0]]):
        outcome.faults.append(f"the start changed {rotten[0]}, which rots at {rotten[1]}")


def _verify(started: _Started, made: Device, said: list[Acknowledgement], outcome: Outcome) -> None:
    report = made.verify()
    codes = {finding.code for finding in report.findings}
    if started.must_verify:
        expected = EXPECTED | people.EXPECTED if started.case.people else EXPECTED
        unexpected = sorted(set(made.findings()) - expected)
        if not report.intact or report.vouched is None or unexpected:
            outcome.faults.append(f"does not verify: intact {report.intact}, {', '.join(unexpected)}")
    elif report.intact and Code.KNOWN_MISSING not in codes and _rots_still(started.before, made.spool):
        outcome.faults.append("one bit of the evidence is flipped, and the verifier says nothing")
    for code in codes & {Code.RECOVERED, Code.KNOWN_MISSING}:
        outcome.notes[code.value] += 1
    outcome.notes["intact"] += report.intact
    _false_authentic(started, made, said, (report.verdicts.get(Verdict.AUTHENTIC, 0), outcome))


def _rots_still(before: _Before, spool: Path) -> bool:
    """Whether the flipped bit is still among the evidence: the newest fragment of all is taken for a torn one."""
    if before.rotten is None:
        return False
    path, offset = before.rotten
    return piece(spool / path, offset, offset + 1) == before.rotten_byte


def _false_authentic(started: _Started, made: Device, said: list[Acknowledgement], judged: tuple[int, Outcome]) -> None:
    """Every fragment that verifies holds the bytes the recorder wrote, and the report claims no more than those."""
    authentic, outcome = judged
    fresh = {what.digest for what in said if what.kind == FRAGMENT}
    genuine = 0
    for path in made.segments():
        name = str(path.relative_to(made.spool))
        content, truth = path.read_bytes(), started.case.truth.get(name, NOTHING)
        genuine += truth.genuine(content)
        for found in sealed(path):
            same = content[found.start : found.media_end] == truth.content[found.start : found.media_end] != b""
            genuine += found.r in fresh
            if found.valid and not same and found.r not in fresh:
                outcome.faults.append(f"false authentic: {name}+{found.start} is not what was recorded")
    if authentic > genuine:
        outcome.faults.append(f"false authentic: {authentic} fragments reported, {genuine} are what was recorded")
    outcome.notes["fragments authentic"] += authentic
