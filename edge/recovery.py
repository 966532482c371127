"""Recovery: what a start does with what an unclean end left behind, before anything new is written.

Runs on CONTROL before the sources start. It alone shortens files, and only after the bytes it cuts are safe in
`quarantine/`. A session left open is closed with its bounds: its last segment gets the statement its seals prove.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edge import durable, journal
from edge.journal import Found, Journal
from edge.ports import Clock
from edge.spool import Spool
from liuhen.kinds import Gap, GapEnd, Pair, Recovered, Seal, Segment, Session, SessionEnd, Stop
from liuhen.reader import Initialisation, SealedFragment, Tail, read_segment
from liuhen.registry import EndCause, GapCause
from liuhen.segment import NO_PREVIOUS


def set_torn_journal_aside(spool: Spool, found: Found) -> None:
    """Move bytes after the last whole entry into quarantine, so that the chain can go on. Raises StorageFault."""
    if not found.torn_bytes:
        return
    path = journal.file_path(spool.journal_directory, found.last_file)
    _quarantine(spool, path, path.stat().st_size - found.torn_bytes, f"journal-{path.stem}")


def sessions_so_far(found: Found) -> int:
    """Ordinal of the newest session, 0 before the first."""
    return max((e.body.ordinal for e in found.entries if isinstance(e.body, Session)), default=0)


def close_open_session(*, spool: Spool, found: Found, log: Journal, clock: Clock) -> None:
    """Close the session an unclean end left open, and say what was found. Raises StorageFault."""
    last = found.last
    if last is None or isinstance(last.body, Stop):
        return
    session_id = _open_session(found)
    rescued = _rescue(spool, found, session_id) if session_id is not None else None
    log.append(_recovered(found, session_id, rescued, clock), session_id=None)
    if session_id is None:
        return
    if rescued is not None and rescued.statement is not None:
        log.append(rescued.statement, session_id=session_id)
    _append_gap(found, session_id, rescued, log, clock)
    _append_session_end(found, session_id, rescued, log)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rescued:
    """The last segment file of the open session, after its tail was set aside."""

    segment: int
    fragment: int
    frames: int
    samples: int
    end_ns: int
    statement: Segment | None
    quarantined: tuple[tuple[bytes, int, int, bytes], ...]


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


def _statements(found: Found, session_id: bytes) -> list[Segment]:
    return [
        entry.body
        for entry in found.entries
        if isinstance(entry.body, Segment) and entry.common.session_id == session_id
    ]


def _rescue(spool: Spool, found: Found, session_id: bytes) -> _Rescued | None:
    """Walk the one segment that has no statement and keep what its seals prove."""
    stated = {statement.number for statement in _statements(found, session_id)}
    number = max(stated, default=-1) + 1
    path = spool.segment_path(session_id, number)
    if not path.exists():
        return None
    head, fragments = _walk(path)
    good_bytes = fragments[-1][0].end_offset if fragments else 0
    quarantined: tuple[tuple[bytes, int, int, bytes], ...] = ()
    if good_bytes != path.stat().st_size:
        digest, size = _quarantine(spool, path, good_bytes, f"{session_id.hex()}-{number:06d}")
        quarantined = ((session_id, number, size, digest),)
    if head is None or not fragments:
        return _Rescued(
            segment=number, fragment=0, frames=0, samples=0, end_ns=0, statement=None, quarantined=quarantined
        )
    seal = fragments[-1][1]
    return _Rescued(
        segment=number,
        fragment=seal.fragment,
        frames=seal.frames,
        samples=seal.samples,
        end_ns=seal.span_ns[1],
        statement=_statement(path, number, head, fragments),
        quarantined=quarantined,
    )


def _walk(path: Path) -> tuple[Initialisation | None, list[tuple[SealedFragment, Seal]]]:
    """The head and the fragments that verify, up to the first that does not."""
    head: Initialisation | None = None
    fragments: list[tuple[SealedFragment, Seal]] = []
    for item in read_segment(path):
        match item:
            case Initialisation():
                head = item
            case SealedFragment() if item.valid and item.seal is not None:
                fragments.append((item, item.seal))
            case SealedFragment() | Tail():
                break
    return head, fragments


def _statement(path: Path, number: int, head: Initialisation, fragments: list[tuple[SealedFragment, Seal]]) -> Segment:
    """The statement WRITER would have made, from the seals alone."""
    identity, last = head.identity, fragments[-1][1]
    rows = tuple((f.size, f.h, f.seal_box_size, f.seal_hash) for f, _ in fragments)
    with path.open("rb") as source:
        file_hash = hashlib.file_digest(source, "sha256").digest()
    cause = EndCause.RECOVERED if last.end_cause is None else EndCause(last.end_cause)
    return Segment(
        number=number,
        size=fragments[-1][0].end_offset,
        file_hash=file_hash,
        initial=head.r0,
        fragments=rows,
        last=last.r,
        frames=(identity.first_frame, last.frames - identity.first_frame),
        samples=(identity.first_sample, last.samples - identity.first_sample),
        span_ns=(fragments[0][1].span_ns[0], max(seal.span_ns[1] for _, seal in fragments)),
        missed=(0, 0),
        end_cause=cause,
        sound_clock=None,
        previous=identity.previous if number else NO_PREVIOUS,
    )


def _quarantine(spool: Spool, path: Path, good_bytes: int, name: str) -> tuple[bytes, int]:
    """Copy everything after `good_bytes` aside, durably, then shorten the file to its good part."""
    with path.open("rb") as source:
        source.seek(good_bytes)
        torn = source.read()
    target = spool.root / "quarantine" / f"{name}-{good_bytes}.bin"
    if not target.exists():
        durable.create_file(target, torn)
    if good_bytes:
        durable.shorten(path, good_bytes)
    else:
        durable.remove_file(path)  # nothing of it was ever sealed; an empty file would be no segment
    return hashlib.sha256(torn).digest(), len(torn)


def _recovered(found: Found, session_id: bytes | None, rescued: _Rescued | None, clock: Clock) -> Recovered:
    last = found.entries[-1]
    since = _last_sign_of_life(found, rescued)
    durable_position = None
    if session_id is not None and rescued is not None and rescued.fragment:
        durable_position = (session_id, rescued.segment, rescued.fragment)
    return Recovered(
        head=last.head,
        torn_journal_bytes=found.torn_bytes,
        last_durable=durable_position,
        quarantined=rescued.quarantined if rescued is not None else (),
        rotten=(),
        since=since,
        length_ns=_length_ns(found, since, clock),
        cause=GapCause.OTHER,
    )


def _last_sign_of_life(found: Found, rescued: _Rescued | None) -> tuple[bytes, int]:
    """The latest instant the dead run proved: its last entry, or the end of its last sealed fragment."""
    clock = found.entries[-1].common.clock
    boottime_ns = max(clock[1], rescued.end_ns if rescued is not None else 0)
    return clock[2], boottime_ns


def _length_ns(found: Found, since: tuple[bytes, int], clock: Clock) -> Pair:
    """Exact within one boot; across boots an interval from both claims of UTC and their errors."""
    now = clock.read()
    last = found.entries[-1].common.clock
    if since[0] == clock.boot_id:
        length = max(0, now.boottime_ns - since[1])
        return length, length
    since_utc_ms = last[0] + max(0, since[1] - last[1]) // 1_000_000
    apart_ms, error_ms = now.utc_ms - since_utc_ms, now.error_ms + last[4]
    return max(0, apart_ms - error_ms) * 1_000_000, max(0, apart_ms + error_ms) * 1_000_000


def _append_gap(found: Found, session_id: bytes, rescued: _Rescued | None, log: Journal, clock: Clock) -> None:
    """From the last durable media to now nothing was recorded; why is for a person to say."""
    since = _last_sign_of_life(found, rescued)
    since = (since[0], rescued.end_ns if rescued is not None and rescued.end_ns else since[1])
    seq = log.append(
        Gap(stream=None, cause=GapCause.OTHER, since=since, measured=(), evidence=(), records=()),
        session_id=session_id,
    ).seq
    now = clock.read()
    end = GapEnd(
        gap_seq=seq,
        until=(clock.boot_id, now.boottime_ns),
        length_ns=_length_ns(found, since, clock),
        lost=(None, None),
        resumed=0,
    )
    log.append(end, session_id=session_id)


def _append_session_end(found: Found, session_id: bytes, rescued: _Rescued | None, log: Journal) -> None:
    statements = _statements(found, session_id)
    gaps = sum(1 for e in found.entries if isinstance(e.body, Gap) and e.common.session_id == session_id)
    new = rescued is not None and rescued.statement is not None
    last = statements[-1] if statements else None
    frames = sum(last.frames) if last is not None else 0
    samples = sum(last.samples) if last is not None else 0
    log.append(
        SessionEnd(
            cause=EndCause.RECOVERED,
            segments=len(statements) + int(new),
            frames=rescued.frames if rescued is not None and new else frames,
            samples=rescued.samples if rescued is not None and new else samples,
            gaps=gaps + 1,
            records=(),
        ),
        session_id=session_id,
    )
    log.checkpoint(session_id=None)
