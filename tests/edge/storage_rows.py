"""Each storage fault made to happen once: from a folder to the journal that tells of it.

`ROWS` is keyed by the row of the fault table. A row's `happen` gives the entries of the device's journal afterwards, on
the disk that is left; `codes` are what must stand there, as `told` names them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge import opening
from edge.scrub import Place, Scrub, event_of
from edge.spool import Identity, create_spool
from liuhen.entry import Entry
from liuhen.kinds import Event, Gap, Recovered
from liuhen.registry import EventCode, GapCause
from tests.edge.failing_calls import Failing, Fault, failing
from tests.edge.killed import Killed, run_all
from tests.edge.mirrored import Mirrored, mirrored
from tests.edge.ports_room import START_NS, Act, Device, Room, RoomClock, device
from tests.edge.test_storage_faults import entries, on_segments

LATER_NS = 60 * 10**9
TAIL_TORN, TORN_JOURNAL = "TAIL_TORN", "TORN_JOURNAL"

Journal = list[Entry]


def told(journal: Journal) -> set[str]:
    """What a journal says of faults: events and causes of gaps by name, and what a recovery set aside."""
    said: set[str] = set()
    for entry in journal:
        match entry.body:
            case Event(code=code):
                said.add(EventCode(code).name)
            case Gap(cause=cause):
                said.add(f"GAP_{GapCause(cause).name}")
            case Recovered(quarantined=quarantined, torn_journal_bytes=torn):
                said |= {"RECOVERED"} | ({TAIL_TORN} if quarantined else set()) | ({TORN_JOURNAL} if torn else set())
            case _:
                pass
    return said


def torn_tail(folder: Path) -> Journal:
    """Killed, and the last write torn: part of a fragment is behind the last seal."""
    made = _killed(folder)
    path = made.segments()[-1]
    content = path.read_bytes()
    path.write_bytes(content + content[-4000:-2000])
    return _started_again(made)


def lost_write(folder: Path) -> Journal:
    """Killed, and an entry nobody had heard of reached the disk in part only."""
    made = _killed(folder)
    path = list(made.journal_files())[-1]
    path.write_bytes(path.read_bytes() + entries(made)[-1].envelope.encoded[:60])
    return _started_again(made)


def full(folder: Path) -> Journal:
    """No space for media from the fifth fragment on."""
    return _failing(folder, Fault.ENOSPC, "write")


def write_fails(folder: Path) -> Journal:
    """One write of media is refused."""
    return _failing(folder, Fault.EIO, "write")


def flush_fails(folder: Path) -> Journal:
    """One flush of media fails."""
    return _failing(folder, Fault.EIO, "fdatasync")


def slow(folder: Path) -> Journal:
    """One flush takes six seconds."""
    return _failing(folder, Fault.STALL, "fdatasync")


def read_only(folder: Path) -> Journal:
    """The primary of two disks takes no write any more."""
    with mirrored(folder) as made:
        plan = Failing(folders=(made.primary,), fault=Fault.EROFS, at=40, lasting=True)
        plan.chosen = lambda call, _: call in ("write", "fdatasync")
        with failing(plan):
            Room().record(made.device.config, lambda r: r.play(6))
        return made.entries(made.mirror)


def removed(folder: Path) -> Journal:
    """The primary of two disks is not there at a start."""
    with mirrored(folder) as made:
        _record(made.device)
        made.primary.rename(folder / "in-a-pocket")
        return _on_the_mirror(made)


def wrong_medium(folder: Path) -> Journal:
    """Another disk is in the primary's place."""
    with mirrored(folder) as made:
        _record(made.device)
        log_id = made.entries()[0].common.log_id
        made.primary.rename(folder / "in-a-pocket")
        create_spool(made.primary, Identity(log_id=log_id, spool_id=bytes(16)))
        return _on_the_mirror(made)


def rot(folder: Path) -> Journal:
    """A bit of a closed segment flips, and a scrub comes by."""
    made = device(folder)
    _record(made)
    path = made.segments()[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found = [rot for read in Scrub(made.spool, lambda: None, Place()).run() for rot in read.rot]
    clock = RoomClock(now_ns=START_NS + LATER_NS)
    with opening.maintenance(made.config, clock, lambda zh, en: None) as log:
        for one in found:
            log.journal.append(event_of(one, clock.boottime_ns()), session_id=None)
    return entries(made)


def lied(folder: Path) -> Journal:
    """The disk forgets the last entries it had confirmed."""
    made = device(folder)
    _record(made)
    path = list(made.journal_files())[-1]
    kept = sum(len(entry.envelope.encoded) for entry in entries(made)[:-3])
    path.write_bytes(path.read_bytes()[:kept])
    return _started_again(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault: how it happens, and what the journal must say of it."""

    happen: Callable[[Path], Journal]
    codes: frozenset[str]


ROWS: dict[str, Row] = {
    "2 torn tail": Row(happen=torn_tail, codes=frozenset({"RECOVERED", TAIL_TORN})),
    "3 lost write": Row(happen=lost_write, codes=frozenset({"RECOVERED", TORN_JOURNAL})),
    "4 full": Row(happen=full, codes=frozenset({"STORAGE_FAULT", "GAP_STORAGE_FULL", "JOURNAL_RESERVE_USED"})),
    "5 write fails": Row(happen=write_fails, codes=frozenset({"STORAGE_FAULT"})),
    "6 flush fails": Row(happen=flush_fails, codes=frozenset({"STORAGE_FAULT"})),
    "7 slow": Row(happen=slow, codes=frozenset({"STORAGE_SLOW", "STORAGE_SLOW_ENDED"})),
    "8 read-only": Row(happen=read_only, codes=frozenset({"STORAGE_READ_ONLY", "MIRROR_LOST"})),
    "9 removed": Row(happen=removed, codes=frozenset({"STORAGE_REMOVED", "MIRROR_LOST"})),
    "9 wrong medium": Row(happen=wrong_medium, codes=frozenset({"STORAGE_WRONG_MEDIUM", "MIRROR_LOST"})),
    "10 rot": Row(happen=rot, codes=frozenset({"STORAGE_ROT"})),
    "11 lied": Row(happen=lied, codes=frozenset({"STORAGE_LIED"})),
}
STORAGE_CODES = frozenset(
    name for name in EventCode.__members__ if name.startswith(("STORAGE_", "MIRROR_", "JOURNAL_"))
)


def _record(made: Device, *acts: Act) -> None:
    Room().record(made.config, *(acts or (lambda r: r.play(3),)))


def _killed(folder: Path) -> Device:
    run_all([Killed(folder=str(folder), seconds=4, kill_after=12)])
    return device(folder)


def _started_again(made: Device) -> Journal:
    Room(RoomClock(now_ns=START_NS + LATER_NS)).record(made.config, lambda r: r.play(1.2))
    return entries(made)


def _on_the_mirror(made: Mirrored) -> Journal:
    Room(RoomClock(now_ns=START_NS + LATER_NS)).record(made.device.config, lambda r: r.play(1.2))
    return made.entries(made.mirror)


def _failing(folder: Path, fault: Fault, call: str) -> Journal:
    made, room = device(folder), Room()

    def stall() -> None:
        room.clock.now_ns += 6 * 10**9

    plan = Failing(folders=(made.spool,), fault=fault, at=4, chosen=on_segments(call), stall=stall)
    with failing(plan):
        room.record(made.config, lambda r: r.play(12))
    return entries(made)
