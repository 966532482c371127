"""Power cuts of a device with two disks: each is left in a state of its own, and the next start makes one of them.

One server serves both disks and the key's, so one log says in which order all were asked. A cut leaves of each spool
disk what that disk may have; the key's disk keeps everything.
`python -m tests.crash.mirror_states STATES [SEED [first]]`.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.config import Config
from edge.mirror import Pair
from edge.spool import create_mirror
from liuhen.entry import Entry
from liuhen.kinds import Event
from liuhen.registry import EventCode
from sim.block_disk import MARKED, BlockDisk, Record, records
from tests.crash import evidence, mounts, recording, states
from tests.crash.evidence import ENTRY, FRAGMENT, Acknowledgement, Kept
from tests.crash.recording import Base, clock_at
from tests.crash.states import Kind, State
from tests.edge.media import RATE_HZ, pictures, sound
from tests.edge.mirrored import Mirrored
from tests.edge.ports_room import GOP, UTC_MS, Device, Room, RoomClock, demo_identity, device_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ("primary.img", "mirror.img", "keys.img")
CUT = (0, 1)
"""The disks that are cut."""
IN_STEP_SECONDS = 30.0
BEARABLE = frozenset({"gap-unexplained", "record-foreign"})


def device_on(root: Path) -> Mirrored:
    """The device whose three disks are mounted below this folder; made if there is none."""
    primary, mirror = root / "primary/spool", root / "mirror/spool"
    identity = demo_identity(primary, root / "keys/keys", now_utc_ms=UTC_MS)
    if not mirror.exists() and os.path.ismount(root / "mirror"):
        create_mirror(mirror, primary)
    config = device_config(primary, identity, bitrate=100_000)
    config = replace(config, spool=replace(config.spool, mirror=mirror))
    return Mirrored(device=Device(config=config, trust_file=identity.trust_file), mirror=mirror)


def both_in_step(room: Room) -> None:
    """Wait for the disk that is behind."""
    assert room._stage is not None
    disk = room._stage.recorder._tools.spool.disk
    assert isinstance(disk, Pair)
    assert disk.whole.wait(IN_STEP_SECONDS)


@contextmanager
def mounted(disks: tuple[Path, ...], root: Path) -> Iterator[Path]:
    """All three, each in its folder; one that cannot be mounted is an error."""
    with ExitStack() as stack:
        for disk, name in zip(disks, IMAGES, strict=True):
            folder = root / Path(name).stem
            folder.mkdir(parents=True, exist_ok=True)
            mounts.mount(disk, folder)
            stack.callback(mounts.unmount, folder)
        yield root


@dataclass(frozen=True, slots=True, kw_only=True)
class MirroredRecording:
    """Two sessions on two disks: what the disks were, what they were asked, what was acknowledged."""

    bases: tuple[Base, ...]
    log: tuple[Record, ...]
    kept: tuple[Kept, ...]
    lost: tuple[str, ...]
    joined: int
    """Where in the log the entry was acknowledged that both disks hold the same: what came before is on one of them."""


def make(folder: Path, seed: int) -> MirroredRecording:
    """Record; needs a mount namespace of its own."""
    images = tuple(folder / name for name in IMAGES)
    for image in images:
        recording.blank_image(image)
    with mounted(images, folder / "root") as root:
        device_on(root)
    bases = tuple(Base.read(image) for image in images)
    (folder / "fuse").mkdir()
    disk = BlockDisk(folder / "fuse", folder / "log", images)
    chance = random.Random(seed)  # noqa: S311 - a test's choices, repeatable
    try:
        with mounted(disk.paths, folder / "root") as root:
            seconds = (chance.uniform(10.5, 13), chance.uniform(3, 6))
            codes = [_live(disk, root, clock_at(0, 0), seconds[0]), _live(disk, root, _later(), seconds[1])]
            log = tuple(records((folder / "log").read_bytes()))
            heard = [Acknowledgement.from_line(r.content) for r in log if r.kind == MARKED]
            kept, lost = evidence.kept(heard, root / "primary/spool")
            joined = _joined(log, device_on(root).entries())
    finally:
        disk.close()
    wrong = [f"not there at the end: {what}" for what in lost]
    wrong += [f"recorder {number} ended with {code}" for number, code in enumerate(codes) if code]
    return MirroredRecording(bases=bases, log=log, kept=tuple(kept), lost=tuple(wrong), joined=joined)


def _joined(log: tuple[Record, ...], entries: list[Entry]) -> int:
    back = next(e for e in entries if isinstance(e.body, Event) and e.body.code == EventCode.MIRROR_BACK)
    line = Acknowledgement(kind=ENTRY, first=back.common.seq, second=0, digest=back.hash).to_line()
    return next(at for at, record in enumerate(log) if record.kind == MARKED and record.content == line)


def _later() -> RoomClock:
    return RoomClock(now_ns=clock_at(0, 0).now_ns + 60 * 10**9)


def _live(disk: BlockDisk, root: Path, clock: RoomClock, seconds: float) -> int:
    def body(say: Callable[[Acknowledgement], None]) -> None:
        acts = (both_in_step, lambda room: room.play(seconds))
        recording.record(device_on(root).device.config, clock, say, acts)

    return recording._in_a_process(body, disk.mark)


def check(made: MirroredRecording, state: State, folder: Path) -> list[str]:
    """Everything about one state, as lines of what is wrong."""
    faults: list[str] = []
    with ExitStack() as stack:
        images = tuple(stack.enter_context(recording.image_of(made.bases[n], _left(made, n, state))) for n in range(3))
        root = stack.enter_context(mounted(images, folder))
        said = states.acknowledged(made.log, state.point)
        promised = {one.what.to_line(): one for one in made.kept}
        held = [promised[line] for line in said if line in promised]
        _look_for(held, root, faults, "after the cut")
        _start(state, held, root, faults)
    return faults


def _left(made: MirroredRecording, number: int, state: State) -> list[states.Write]:
    if number not in CUT:
        return states.everything(made.log, number, state.point)
    return states.writes(made.log, number, replace(state, seed=state.seed + number))


def _look_for(
    held: list[Kept], root: Path, faults: list[str], when: str, sides: tuple[str, ...] = ("primary", "mirror")
) -> None:
    faults += [
        f"lost {when} on the {side}: {one.what.to_line().decode().strip()}"
        for side in sides
        for one in held
        if not one.is_in(root / side / "spool")
    ]


def _start(state: State, held: list[Kept], root: Path, faults: list[str]) -> None:
    """With both disks, or with one of them gone."""
    chance = random.Random(state.seed + 7)  # noqa: S311 - a test's choices, repeatable
    gone = chance.choice((None, None, "primary", "mirror"))
    made = device_on(root)
    if gone is not None:
        (root / gone / "spool").rename(root / gone / "taken-out")
    said: list[Acknowledgement] = []
    acts = (lambda room: room.play(1.2),) if gone else (both_in_step, lambda room: room.play(1.2))
    config: Config = made.device.config
    room_clock = clock_at(1, chance.getrandbits(1))
    ended = recording.record(config, room_clock, said.append, acts)
    if not ended.clean:
        faults.append(f"the next session ended badly: {ended.words_en}")
    left = tuple(side for side in ("primary", "mirror") if side != gone)
    _look_for(held, root, faults, "after the next start", left)
    sent = {one.what.first: one.what.digest for one in held if one.what.kind == ENTRY}
    faults += [
        f"number {w.first} was used twice" for w in said if w.kind == ENTRY and sent.get(w.first, w.digest) != w.digest
    ]
    if not any(what.kind == FRAGMENT for what in said):
        faults.append("the next session recorded nothing")
    if gone is None:
        faults += [f"differs: {name}" for name in made.differences()]
    for side in left:
        report = made.verify(root / side / "spool")
        broken = {f.code.value for f in report.findings if f.severity.value not in ("info", "notice")} - BEARABLE
        if not report.intact or report.vouched is None:
            faults.append(f"the {side} alone does not verify: {sorted(broken)}")


def run(
    count: int, seed: int, folder: Path, tell: Callable[[str], None], *, stop_at_first: bool = False
) -> tuple[Counter[str], list[str]]:
    """So many states of one recording. Takes a mount namespace of its own for this process."""
    mounts.own_namespace()
    pictures(count=2 * GOP)
    sound(samples=RATE_HZ)
    made = make(folder, seed)
    counted: Counter[str] = Counter()
    wrong = list(made.lost)
    possible = states.sample(made.log, (Kind.SUBSET, Kind.SUBSET, Kind.PREFIX), count=4 * count, seed=seed)
    for state in [state for state in possible if state.point > made.joined][:count]:
        target = folder / "state"
        faults = check(made, state, target)
        shutil.rmtree(target)
        counted[state.kind.name.lower()] += 1
        wrong += [f"{state.name}: {fault}" for fault in faults]
        if faults:
            tell(f"{state.name}: {faults[:3]}")
        if faults and stop_at_first:
            break
    return counted, wrong


CAMPAIGN_STATES, CAMPAIGN_SEEDS = 250, range(11, 14)


def campaign(_: Path) -> tuple[list[str], bool]:
    """Several recordings, each in a process with mounts of its own."""
    lines, good = [], True
    for seed in CAMPAIGN_SEEDS:
        command = [sys.executable, "-m", "tests.crash.mirror_states", str(CAMPAIGN_STATES), str(seed)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        lines += [f"seed {seed}: {line}" for line in (done.stdout or done.stderr).splitlines()]
        good = good and done.returncode == 0
    return lines, good


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run; says what was wrong, and a last line of counts."""
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory(prefix=recording.NAMED_FOR_RUN) as folder:
        counted, wrong = run(count, seed, Path(folder), _say, stop_at_first=sys.argv[3:] == ["first"])
    counts = ", ".join(f"{kind} {number}" for kind, number in sorted(counted.items()))
    sys.stdout.write("\n".join([*wrong[:10], f"states {sum(counted.values())} ({counts}), wrong {len(wrong)}"]) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
