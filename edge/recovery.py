"""Recovery: what a start does with what an unclean end left behind, before anything new is written.

Runs on CONTROL before the sources start, and once more where a session ends because its disk failed. It alone shortens
files, and only after the bytes it cuts are safe in `quarantine/`. A session left open is closed with its bounds: its
last segments get the statements their seals prove. Every step may be cut short too; the next start takes it up again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edge import durable, journal
from edge.journal import Found, Journal, JournalError
from edge.ports import Clock, ClockReading
from edge.spool import Spool
from liuhen import cose
from liuhen.entry import Entry
from liuhen.errors import FormatError
from liuhen.kinds import (
    Enrolment,
    Gap,
    GapEnd,
    Instant,
    Pair,
    Recovered,
    Seal,
    Segment,
    Session,
    SessionEnd,
    Stop,
)
from liuhen.reader import Initialisation, SealedFragment, read_segment
from liuhen.registry import EndCause, GapCause


def check_continuable(spool: Spool, found: Found, public_key: bytes) -> None:
    """Refuse a journal that cannot be continued without a second entry under a used number. Raises JournalError.

    The last entry must be this log's and genuine, and no seal of the open session may name a later one: an entry that
    was named has left the device, and a bad tail in its place is rot, which a person has to look at.
    """
    last = found.last
    if last is None:
        return
    if last.common.log_id != spool.identity.log_id:
        raise JournalError(f"{spool.journal_directory}: the journal is that of another log")
    try:
        cose.verify(last.envelope, public_key, where=f"entry {last.common.seq}")
    except FormatError as error:
        raise JournalError(f"{spool.journal_directory}: the newest entry is not genuine ({error})") from error
    session_id = _open_session(found)
    if session_id is None:
        return
    for path in _unstated(spool, session_id, len(_statements(found, session_id))):
        named = max((seal.head[0] for _, seal in _sealed(path, _Owner.of(spool, last))[1]), default=-1)
        if named > last.common.seq:
            raise JournalError(
                f"{spool.journal_directory}: {path.name} names entry {named}, the journal ends at {last.common.seq}"
            )


def set_torn_journal_aside(spool: Spool, found: Found) -> None:
    """Move bytes after the last whole entry into quarantine, so that the chain can go on. Raises StorageFault."""
    if not found.torn_bytes:
        return
    path = journal.file_path(spool.journal_directory, found.last_file)
    good_bytes = path.stat().st_size - found.torn_bytes
    _copy_aside(spool, path, good_bytes, f"journal-{path.stem}")
    durable.shorten(path, good_bytes)


def sessions_so_far(found: Found) -> int:
    """Ordinal of the newest session, 0 before the first."""
    return max((e.body.ordinal for e in found.entries if isinstance(e.body, Session)), default=0)


def recover(*, spool: Spool, found: Found, log: Journal, clock: Clock) -> Rescued | None:
    """Say what an unclean end left behind, then cut what was set aside; None after an orderly one. Raises StorageFault.

    The `recovered` entry is the first of its run, so that no `run` entry ever stands without it.
    """
    last = found.last
    if last is None or (isinstance(last.body, Stop | Enrolment) and not found.torn_bytes):
        return None
    session_id = _open_session(found)
    rescued = Rescued()
    if session_id is not None:
        rescued = rescue(spool, session_id, kid=last.envelope.kid, first=len(_statements(found, session_id)))
    since, now = _last_sign_of_life(found, rescued), clock.read()
    log.append(
        Recovered(
            head=last.head,
            torn_journal_bytes=found.torn_bytes,
            last_durable=rescued.last_durable,
            quarantined=rescued.quarantined,
            rotten=(),
            since=since,
            length_ns=_length_ns(found, since, now, clock.boot_id),
            cause=GapCause.OTHER,
        ),
        session_id=None,
    )
    rescued.cut()
    return rescued


def close_open_session(*, found: Found, rescued: Rescued, log: Journal, clock: Clock) -> None:
    """Close the session an unclean end left open. Raises StorageFault."""
    session_id = _open_session(found)
    if session_id is not None:
        _close(session_id, found, rescued, log, clock)


def _close(session_id: bytes, found: Found, rescued: Rescued, log: Journal, clock: Clock) -> None:
    for statement in rescued.statements:
        log.append(statement, session_id=session_id)
    open_gaps = _open_gaps(found, session_id)
    if not any(stream is None for stream, _ in open_gaps.values()):
        since = _end_of_media(found, session_id, rescued)
        gap = Gap(stream=None, cause=GapCause.OTHER, since=since, measured=(), evidence=(), records=())
        open_gaps[log.append(gap, session_id=session_id).seq] = (None, since)
    for seq, (_, since) in open_gaps.items():
        now = clock.read()
        end = GapEnd(
            gap_seq=seq,
            until=(clock.boot_id, now.boottime_ns),
            length_ns=_length_ns(found, since, now, clock.boot_id),
            lost=(None, None),
            resumed=0,
        )
        log.append(end, session_id=session_id)
    statements = [*_statements(found, session_id), *rescued.statements]
    told = {e.common.seq for e in _of_session(found, session_id) if isinstance(e.body, Gap)}
    log.append(
        SessionEnd(
            cause=EndCause.RECOVERED,
            segments=len(statements),
            frames=sum(statements[-1].frames) if statements else 0,
            samples=sum(statements[-1].samples) if statements else 0,
            gaps=len(told | open_gaps.keys()),
            records=(),
        ),
        session_id=session_id,
    )
    log.checkpoint(session_id=None)


# -- what the journal says ---------------------------------------------------------------------------------------------


def _open_session(found: Found) -> bytes | None:
    open_id: bytes | None = None
    for entry in found.entries:
        match entry.body:
            case Session():
                open_id = entry.common.session_id
            case SessionEnd():
                open_id = None
            case _:
                pass
    return open_id


def _of_session(found: Found, session_id: bytes) -> list[Entry]:
    return [entry for entry in found.entries if entry.common.session_id == session_id]


def _statements(found: Found, session_id: bytes) -> list[Segment]:
    return [entry.body for entry in _of_session(found, session_id) if isinstance(entry.body, Segment)]


def _open_gaps(found: Found, session_id: bytes) -> dict[int, tuple[int | None, Instant]]:
    """Gap entries without their end: seq to stream and begin."""
    gaps: dict[int, tuple[int | None, Instant]] = {}
    for entry in _of_session(found, session_id):
        match entry.body:
            case Gap(stream=stream, since=since):
                gaps[entry.common.seq] = (stream, (since[0], since[1]))
            case GapEnd(gap_seq=seq):
                gaps.pop(seq, None)
            case _:
                pass
    return gaps


def _end_of_media(found: Found, session_id: bytes, rescued: Rescued) -> Instant:
    """From here on nothing of the session is on the disk."""
    if rescued.media_end is not None:
        return rescued.media_end
    entries = _of_session(found, session_id)
    for entry in reversed(entries):
        if isinstance(entry.body, Segment):
            return entry.common.clock[2], entry.body.span_ns[1]
    clock = entries[0].common.clock
    return clock[2], clock[1]


def _last_sign_of_life(found: Found, rescued: Rescued) -> Instant:
    """The latest instant the dead run proved: its last entry, or the end of its last sealed fragment."""
    clock = found.entries[-1].common.clock
    media = rescued.media_end
    if media is not None and media[0] == clock[2] and media[1] > clock[1]:
        return media
    return clock[2], clock[1]


def _length_ns(found: Found, since: Instant, now: ClockReading, boot_id: bytes) -> Pair:
    """Exact within one boot; across boots an interval from both claims of UTC and their errors."""
    if since[0] == boot_id:
        length = max(0, now.boottime_ns - since[1])
        return length, length
    clocks = [entry.common.clock for entry in found.entries]
    anchor = next((row for row in reversed(clocks) if row[2] == since[0]), clocks[-1])
    since_utc_ms = anchor[0] + (since[1] - anchor[1]) // 1_000_000
    apart_ms, error_ms = now.utc_ms - since_utc_ms, now.error_ms + anchor[4]
    return max(0, apart_ms - error_ms) * 1_000_000, max(0, apart_ms + error_ms) * 1_000_000


# -- what the segment files prove --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """What the files without a statement prove; `media_end` is the boot and BOOTTIME of the last sealed media.

    What `cuts` names is in quarantine already, and is cut from its file once the journal has said so.
    """

    statements: tuple[Segment, ...] = ()
    cuts: tuple[tuple[Path, int], ...] = ()
    quarantined: tuple[tuple[bytes, int, int, bytes], ...] = ()
    last_durable: tuple[bytes, int, int] | None = None
    media_end: Instant | None = None

    def cut(self) -> None:
        """Shorten each file to its good part; one that has none is removed. Raises StorageFault."""
        for path, good_bytes in self.cuts:
            if good_bytes:
                durable.shorten(path, good_bytes)
            else:
                durable.remove_file(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owner:
    """Whose segments are rescued: nothing is stated that this log's own key did not seal for this place."""

    log_id: bytes
    kid: bytes

    @classmethod
    def of(cls, spool: Spool, last: Entry) -> _Owner:
        return cls(log_id=spool.identity.log_id, kid=last.envelope.kid)


_Fragments = list[tuple[SealedFragment, Seal]]


def rescue(spool: Spool, session_id: bytes, *, kid: bytes, first: int) -> Rescued:
    """State every file from number `first` on by its good prefix, the rest copied aside. Raises StorageFault.

    WRITER runs ahead of CONTROL, so more than one file may be without a statement. A file that this device did not
    write for this place is left as it is, unstated, and ends the walk.
    """
    owner = _Owner(log_id=spool.identity.log_id, kid=kid)
    statements: list[Segment] = []
    cuts: list[tuple[Path, int]] = []
    quarantined: list[tuple[bytes, int, int, bytes]] = []
    rescued = Rescued()
    for number, path in enumerate(_unstated(spool, session_id, first), start=first):
        head, fragments = _sealed(path, owner)
        if head is not None and (head.identity.session_id, head.identity.segment) != (session_id, number):
            break
        if head is None and not _never_sealed(path):
            break
        good_bytes = fragments[-1][0].end_offset if fragments else 0
        if path.stat().st_size > good_bytes:
            digest, size = _copy_aside(spool, path, good_bytes, f"{session_id.hex()}-{number:06d}")
            quarantined.append((session_id, number, size, digest))
            cuts.append((path, good_bytes))
        if head is None or not fragments:
            if not path.stat().st_size:
                cuts.append((path, 0))
            break
        seal = fragments[-1][1]
        statements.append(_statement(path, head, fragments))
        rescued = Rescued(
            last_durable=(session_id, number, seal.fragment),
            media_end=(head.identity.clock[2], max(seal.span_ns[1] for _, seal in fragments)),
        )
    return Rescued(
        statements=tuple(statements),
        cuts=tuple(cuts),
        quarantined=tuple(quarantined),
        last_durable=rescued.last_durable,
        media_end=rescued.media_end,
    )


def _unstated(spool: Spool, session_id: bytes, first: int) -> list[Path]:
    """The files from `first` on, without holes."""
    paths: list[Path] = []
    while (path := spool.segment_path(session_id, first + len(paths))).exists():
        paths.append(path)
    return paths


def _sealed(path: Path, owner: _Owner) -> tuple[Initialisation | None, _Fragments]:
    """The head, if this device wrote it, and the fragments up to the first that does not verify."""
    head: Initialisation | None = None
    fragments: _Fragments = []
    for item in read_segment(path):
        match item:
            case Initialisation(identity=found):
                if (found.log_id, cose.key_id(found.public_key)) != (owner.log_id, owner.kid):
                    return None, []
                head = item
            case SealedFragment(seal=Seal() as seal) if item.valid:
                fragments.append((item, seal))
            case _:
                pass
    return head, fragments


def _never_sealed(path: Path) -> bool:
    """Whether a file ends before its first seal: then it is the beginning of a first write, whoever's."""
    return not any(isinstance(item, SealedFragment) for item in read_segment(path))


def _statement(path: Path, head: Initialisation, fragments: _Fragments) -> Segment:
    """The statement WRITER would have made, from the seals alone; what only the sound clock knew is not in it."""
    identity, (last, seal) = head.identity, fragments[-1]
    with path.open("rb") as source:
        file_hash = hashlib.sha256(source.read(last.end_offset)).digest()
    return Segment(
        number=identity.segment,
        size=last.end_offset,
        file_hash=file_hash,
        initial=head.r0,
        fragments=tuple((f.size, f.h, f.seal_box_size, f.seal_hash) for f, _ in fragments),
        last=last.r,
        frames=(identity.first_frame, seal.frames - identity.first_frame),
        samples=(identity.first_sample, seal.samples - identity.first_sample),
        span_ns=(fragments[0][1].span_ns[0], max(seal.span_ns[1] for _, seal in fragments)),
        missed=(0, 0),
        end_cause=EndCause.RECOVERED if seal.end_cause is None else EndCause(seal.end_cause),
        sound_clock=None,
        previous=identity.previous,
    )


def _copy_aside(spool: Spool, path: Path, good_bytes: int, name: str) -> tuple[bytes, int]:
    """Copy everything after `good_bytes` into quarantine, durably; returns its hash and size."""
    with path.open("rb") as source:
        source.seek(good_bytes)
        torn = source.read()
    target = _free_name(spool.root / "quarantine", f"{name}-{good_bytes}", torn)
    if not target.exists():
        durable.create_file(target, torn)
    return hashlib.sha256(torn).digest(), len(torn)


def _free_name(directory: Path, stem: str, content: bytes) -> Path:
    """A name that is free, or holds these bytes already: a recovery that was itself cut short may have left a part."""
    target, number = directory / f"{stem}.bin", 1
    while target.exists() and target.read_bytes() != content:
        number += 1
        target = directory / f"{stem}-{number}.bin"
    return target
