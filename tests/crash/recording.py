"""The real recorder on a disk whose every write is known: base images, a log with a mark for each promise, the truth.

Each run of the recorder is a process of its own on a real ext4. After each flush it writes a line to a pipe and waits
until this process, which survives, has put the mark into the disk's log: so the log says what was promised when.
A recording is a folder, and from then on only read.
"""

from __future__ import annotations

import enum
import json
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge.app import Start
from edge.app import run as run_recorder
from edge.config import Config
from edge.recorder import Ended
from sim.block_disk import FAIL_ONE_WRITE, MARKED, WRITE, BlockDisk, Record, records
from tests.crash import evidence, mounts
from tests.crash.evidence import ENTRY, FRAGMENT, Acknowledgement, Kept, Truth
from tests.crash.mutants import Mutant, apply
from tests.crash.pool import die_with_parent
from tests.edge.ports_room import START_NS, UTC_MS, Act, Device, Onlooker, Room, RoomClock, demo_identity, device_config

RUN_BYTES = 65_536
_ZEROS = bytes(RUN_BYTES)
NAMED_FOR_RUN = f"liuhen-crash-{os.getpid()}-"
"""Everything this process and its forks mount lies on something of this name."""
IMAGE_BYTES = 64 * 1024 * 1024
SECONDS_APART = 120
BOOT_NS = 20 * 10**9
"""How long a boot takes until the recorder starts."""
FIRST_SESSION_SECONDS = 21.5
CONTROL_STALLS_SECONDS = 7.4
"""Less than the heartbeats promise, or the verifier would rightly report a silence."""
EARLIER = "earlier"
STORY = "story.json"
DISKS = ("spool.img", "keys.img")
MKFS = ("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0")


class Trouble(enum.Enum):
    """What the disk does wrong while it is recorded on."""

    NONE = ""
    MEDIA_WRITE = b"moof".hex()
    JOURNAL_WRITE = b"liuhen.heartbeat".hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to record. `keys_apart`: the key's folder, with its memory of the head, is on a disk that is not cut.

    `people`: what is recorded are the runs of `tests.crash.people`.
    """

    seed: int
    keys_apart: bool = False
    trouble: Trouble = Trouble.NONE
    mutant: Mutant = Mutant.NONE
    people: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A disk image in memory, without the parts that are zero."""

    size: int
    runs: tuple[tuple[int, bytes], ...]

    @classmethod
    def read(cls, path: Path) -> Base:
        content = memoryview(path.read_bytes())
        parts = ((at, content[at : at + RUN_BYTES]) for at in range(0, len(content), RUN_BYTES))
        return cls(
            size=len(content), runs=tuple((at, bytes(part)) for at, part in parts if part != _ZEROS[: len(part)])
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording in memory. `inherited` was acknowledged before the base images were made."""

    folder: Path
    plan: Plan
    generation: int
    boot: int
    bases: tuple[Base, ...]
    log: tuple[Record, ...]
    inherited: tuple[Kept, ...]
    kept: tuple[Kept, ...]
    lost: tuple[str, ...]
    truth: dict[str, Truth]
    """Every segment file at the end of the recording."""

    @property
    def disks(self) -> int:
        return len(self.bases)

    def boot_after(self, *, rebooted: bool) -> int:
        """The boot that the next start is in: a boot never comes back."""
        return self.generation + 1 if rebooted else self.boot


# -- the device on its disks -------------------------------------------------------------------------------------------


def device_at(folder: Path) -> Device:
    """The device whose spool is below a mounted disk; a bitrate whose required hours fit on it."""
    root = folder / "spool"
    identity = demo_identity(root, folder / "keys", now_utc_ms=UTC_MS)
    return Device(config=device_config(root, identity, bitrate=100_000), trust_file=identity.trust_file)


def clock_at(generation: int, boot: int) -> RoomClock:
    """Two minutes after the generation before. Boot 0 is the first one; boot n began with generation n."""
    apart_ms = SECONDS_APART * 1000
    if boot == 0:
        return RoomClock(now_ns=START_NS + generation * apart_ms * 1_000_000)
    return RoomClock(
        now_ns=BOOT_NS + (generation - boot) * apart_ms * 1_000_000,
        utc_offset_ms=UTC_MS + boot * apart_ms - BOOT_NS // 1_000_000,
        boot_id=boot.to_bytes(16, "big"),
    )


def blank_image(path: Path) -> None:
    """An empty ext4. Raises CalledProcessError."""
    with path.open("wb") as image:
        image.truncate(IMAGE_BYTES)
    subprocess.run([*MKFS, path], check=True, stdout=subprocess.DEVNULL)


def mount_all(disks: tuple[Path, ...], folder: Path) -> None:
    """The spool's disk as the folder, the key's, if it is apart, as `keys` in it. Raises OSError."""
    mounts.mount(disks[0], folder)
    if len(disks) > 1:
        mounts.mount(disks[1], folder / "keys")


def unmount_all(folder: Path, disks: int) -> None:
    """Both again. Raises OSError."""
    if disks > 1:
        mounts.unmount(folder / "keys")
    mounts.unmount(folder)


# -- one recorder ------------------------------------------------------------------------------------------------------


Say = Callable[[Acknowledgement], None]


class PipedOnlooker(Onlooker):
    """Says each acknowledgement through a pipe, and goes on when it has been heard."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say

    def fragment(self, segment: int, fragment: int, r: bytes) -> None:
        super().fragment(segment, fragment, r)
        self._say(Acknowledgement(kind=FRAGMENT, first=segment, second=fragment, digest=r))

    def entry(self, seq: int, digest: bytes) -> None:
        super().entry(seq, digest)
        self._say(Acknowledgement(kind=ENTRY, first=seq, second=0, digest=digest))


def record(config: Config, clock: RoomClock, say: Say, acts: tuple[Act, ...], words: list[str] | None = None) -> Ended:
    """One run of the recorder in a prepared room; `words` gets what it said. Raises what `edge.app.run` raises."""
    room = Room(clock)
    room.onlooker = PipedOnlooker(say)
    room.onlooker.words = [] if words is None else words
    return run_recorder(
        Start(
            config=config,
            hardware=room.hardware(),
            watcher=room.onlooker,
            stop=threading.Event(),
            conduct=lambda stage: room._conduct(stage, acts),
        )
    )


def _in_a_process(life: Callable[[Say], None], hear: Callable[[bytes], None]) -> int:
    """Run a recorder in a fork; `hear` is called with each line before the recorder goes on. Returns its exit code."""
    said, tell = os.pipe()
    heard, answer = os.pipe()
    child = os.fork()
    if child == 0:
        die_with_parent()
        os.close(said)
        os.close(answer)

        def say(what: Acknowledgement) -> None:
            os.write(tell, what.to_line())
            if not os.read(heard, 1):
                os._exit(3)  # nobody listens any more

        os._exit(_body(life, say))
    os.close(tell)
    os.close(heard)
    try:
        with os.fdopen(said, "rb") as lines:
            for line in lines:
                hear(line)
                os.write(answer, b"!")
    finally:
        os.close(answer)
        _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _body(life: Callable[[Say], None], say: Say) -> int:
    try:
        life(say)
    except Exception as error:  # noqa: BLE001 - a process's top: the recording says how it ended
        os.write(2, f"recorder: {type(error).__name__}: {error}\n".encode())
        return 1
    return 0


# -- recording ---------------------------------------------------------------------------------------------------------


def make(folder: Path, plan: Plan, lives: Sequence[Life] = ()) -> Recording:
    """These runs, or else two sessions of several segments, on a new device; the folder then holds the recording.

    Needs an own namespace.
    """
    folder.mkdir(parents=True, exist_ok=True)
    disks = tuple(folder / name for name in DISKS[: 1 + plan.keys_apart])
    for disk in disks:
        blank_image(disk)
    mount_point = folder / "mounted"
    mount_point.mkdir()
    mounts.mount(disks[0], mount_point)
    if plan.keys_apart:
        (mount_point / "keys").mkdir()
        mounts.mount(disks[1], mount_point / "keys")
    device_at(mount_point)
    unmount_all(mount_point, len(disks))
    return _record_on(folder, plan, (0, 0), lives or two_sessions(plan.seed))


def make_next(folder: Path, before: Recording, images: tuple[Path, ...], acknowledged: tuple[Kept, ...]) -> Recording:
    """The start after a cut, recovery and all, recorded in turn: its own cuts are cuts of a recovery."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mounted").mkdir()
    for image, name in zip(images, DISKS, strict=False):
        shutil.copyfile(image, folder / name)
    for name, truth in before.truth.items():
        path = folder / EARLIER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(truth.content)
    chance = random.Random(before.plan.seed)  # noqa: S311 - a test's choices, repeatable
    generation = before.generation + 1
    boot = before.boot_after(rebooted=bool(chance.getrandbits(1)))
    life = Recorded(clock=clock_at(generation, boot), acts=(lambda room: room.play(3.2),))
    return _record_on(folder, before.plan, (generation, boot), [life], acknowledged)


class Life(Protocol):
    """What one process does with the device below a folder."""

    def lead(self, root: Path, say: Say) -> None:
        """All of it; each promise is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One run of the recorder (implements `Life`): when, and what happens in its session."""

    clock: RoomClock
    acts: tuple[Act, ...]

    def lead(self, root: Path, say: Say) -> None:
        record(device_at(root).config, self.clock, say, self.acts)


def two_sessions(seed: int) -> list[Life]:
    """A session of three segments with trouble in it, an orderly stop, a second one of two segments."""
    chance = random.Random(seed)  # noqa: S311 - a test's choices, repeatable
    return [
        Recorded(clock=clock_at(0, 0), acts=_first_session(chance)),
        Recorded(clock=RoomClock(now_ns=START_NS + 60 * 10**9), acts=_second_session(chance)),
    ]


def _first_session(chance: random.Random) -> tuple[Act, ...]:
    """Three segments, some frames that the sensor missed, CONTROL behind WRITER while the first one ends."""
    first, missed = chance.uniform(3.2, 7.0), chance.randrange(1, 30)
    return (
        lambda room: room.play(first),
        lambda room: room.miss_frames(missed),
        lambda room: room.play_while_control_stalls(CONTROL_STALLS_SECONDS),
        lambda room: room.play(FIRST_SESSION_SECONDS - first - CONTROL_STALLS_SECONDS),
    )


def _second_session(chance: random.Random) -> tuple[Act, ...]:
    length = chance.uniform(10.4, 11.2)
    return (lambda room: room.play(length),)


def _record_on(
    folder: Path, plan: Plan, when: tuple[int, int], lives: Sequence[Life], inherited: tuple[Kept, ...] = ()
) -> Recording:
    """Record these lives on served copies of the folder's images, which stay as they were."""
    bases = tuple(folder / name for name in DISKS if (folder / name).exists())
    served = tuple(folder / f"served-{base.name}" for base in bases)
    for base, copy in zip(bases, served, strict=True):
        subprocess.run(["cp", "--sparse=always", base, copy], check=True)
    fuse, mount_point = folder / "fuse", folder / "mounted"
    fuse.mkdir()
    disk = BlockDisk(fuse, folder / "log", served)
    codes: list[int] = []
    try:
        mount_all(disk.paths, mount_point)
        try:
            for life in lives:
                codes.append(_live(disk, plan, mount_point, life))
            heard = [Acknowledgement.from_line(r.content) for r in _log(folder) if r.kind == MARKED]
            found, lost = evidence.kept(heard, mount_point / "spool")
        finally:
            unmount_all(mount_point, len(bases))
    finally:
        disk.close()
    for copy in served:
        copy.unlink()
    wrong = [f"acknowledged and not there at the end of the recording: {what}" for what in lost]
    wrong += [f"recorder {number} ended with exit code {code}" for number, code in enumerate(codes) if code]
    story = {
        "plan": [plan.seed, plan.keys_apart, plan.trouble.name, plan.mutant.name, plan.people],
        "when": when,
        "inherited": [row_of(kept) for kept in inherited],
        "kept": [row_of(kept) for kept in found],
        "lost": wrong,
    }
    (folder / STORY).write_text(json.dumps(story), encoding="ascii")
    return load(folder)


def _live(disk: BlockDisk, plan: Plan, mount_point: Path, life: Life) -> int:
    heard = 0

    def hear(line: bytes) -> None:
        nonlocal heard
        heard += 1
        disk.mark(line)
        if plan.trouble is not Trouble.NONE and heard == TROUBLE_AFTER:
            disk.become(FAIL_ONE_WRITE + plan.trouble.value)

    return live(mount_point, life, hear, plan.mutant)


def live(root: Path, life: Life, hear: Callable[[bytes], None], mutant: Mutant) -> int:
    """One run of a recorder in a process of its own, on the device below this folder. Returns its exit code."""

    def body(say: Say) -> None:
        apply(mutant)
        life.lead(root, say)

    return _in_a_process(body, hear)


TROUBLE_AFTER = 9


# -- reading -----------------------------------------------------------------------------------------------------------


def load(folder: Path) -> Recording:
    """A recording from its folder. The truth is what the whole log makes of the base images."""
    story = json.loads((folder / STORY).read_text(encoding="ascii"))
    seed, keys_apart, trouble, mutant, people = story["plan"]
    log = tuple(_log(folder))
    bases = tuple(Base.read(folder / name) for name in DISKS if (folder / name).exists())
    return Recording(
        folder=folder,
        plan=Plan(seed=seed, keys_apart=keys_apart, trouble=Trouble[trouble], mutant=Mutant[mutant], people=people),
        generation=story["when"][0],
        boot=story["when"][1],
        bases=bases,
        log=log,
        inherited=tuple(kept_of(row) for row in story["inherited"]),
        kept=tuple(kept_of(row) for row in story["kept"]),
        lost=tuple(story["lost"]),
        truth=_truth(folder, bases[0], log),
    )


def _truth(folder: Path, base: Base, log: tuple[Record, ...]) -> dict[str, Truth]:
    """A file that was begun before the base image was made is as its own recorder wrote it."""
    writes = [(r.offset, r.content) for r in log if r.kind == WRITE and r.disk == 0]
    with image_of(base, writes) as image, mounts.mounted(image, folder / "mounted") as root:
        truth = {str(p.relative_to(root / "spool")): Truth.of(p) for p in root.glob("spool/sessions/*/*.mp4")}
    for name, found in truth.items():
        earlier = folder / EARLIER / name
        if earlier.exists() and _head(earlier.read_bytes()) == _head(found.content):
            truth[name] = Truth.of(earlier)
    return truth


def _head(segment: bytes) -> bytes:
    """What comes before the first fragment; it holds the clock at which the file was begun."""
    return segment[: segment.find(b"prft")]


@contextmanager
def image_of(base: Base, writes: list[tuple[int, bytes]]) -> Iterator[Path]:
    """A disk image in memory, a base with writes over it, for as long as the context lasts."""
    memory = os.memfd_create(NAMED_FOR_RUN, os.MFD_CLOEXEC)
    try:
        os.ftruncate(memory, base.size)
        for offset, content in (*base.runs, *writes):
            os.pwrite(memory, content, offset)
        yield Path(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)


def _log(folder: Path) -> list[Record]:
    return list(records((folder / "log").read_bytes()))


def row_of(kept: Kept) -> list[object]:
    """As a story file holds it."""
    return [kept.what.to_line().decode(), kept.path, kept.start, kept.end, kept.digest.hex()]


def kept_of(row: list[str | int]) -> Kept:
    """From a story file."""
    line, path, start, end, digest = row
    return Kept(
        what=Acknowledgement.from_line(str(line).encode()),
        path=str(path),
        start=int(start),
        end=int(end),
        digest=bytes.fromhex(str(digest)),
    )
