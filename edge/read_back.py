"""Whether a disk still has what it had confirmed: asked at a start, of the last commits, and of the heads reported.

Reads, and writes nothing. The memory beside the key and the seals name heads that left this process; the newest
heartbeat and the newest statements name media. What they name was flushed, and the disk had said so: where it is not
there, and nothing rotten stands in its place, the disk lied (it drops writes after it confirmed them), or was set back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge import durable, journal
from edge.recovery import Setback, Survey
from edge.scrub import HEAD, Rot, event_of
from liuhen import archive
from liuhen.entry import Entry
from liuhen.kinds import Destroyed, Event, Heartbeat, Reclaimed, Segment
from liuhen.registry import EVENTS, ContentKind, EventCode

TAIL_BYTES = 128 * 1024
LAST_STATEMENTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What a disk confirmed and does not hold: so many entries, and these places in segments."""

    entries: int = 0
    media: tuple[Rot, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether there is something to tell."""
        return bool(self.entries or self.media)


def lost_entries(setback: Setback) -> int:
    """Entries that were named to somebody and of which the disk has not a byte."""
    if not setback.lost or setback.rotten or setback.state.head is None:
        return 0
    return setback.state.head[0] - (setback.readable[0] if setback.readable is not None else -1)


def missing(root: Path, setback: Setback, left: Survey) -> Missing:
    """Everything the last commits name that is not there. Raises JournalError, OSError."""
    entries = list(_last_entries(root))
    let_go = {
        digest
        for entry in entries
        if isinstance(entry.body, Destroyed | Reclaimed)
        for what, digest in entry.body.contents
        if what == ContentKind.SEGMENT
    }
    statements = deque((e for e in entries if isinstance(e.body, Segment)), maxlen=LAST_STATEMENTS)
    media = [_shorter(root, entry) for entry in statements if _still_due(entry, let_go)]
    heard = next((entry for entry in reversed(entries) if isinstance(entry.body, Heartbeat)), None)
    if heard is not None and not left.foreign:
        media.append(_never_there(heard, left))
    return Missing(entries=lost_entries(setback), media=tuple(rot for rot in media if rot is not None))


def events_of(found: Missing, now_ns: int) -> Iterator[Event]:
    """The entries of a start: that the disk lied, and where media is missing."""
    code = EventCode.STORAGE_LIED
    if found.anything:
        yield Event(
            code=code,
            severity=EVENTS[code].severity,
            stream=None,
            span_ns=(now_ns, now_ns),
            measured=(found.entries,),
            refers_to=None,
            records=(),
        )
    for rot in found.media:
        yield event_of(rot, now_ns)


def _last_entries(root: Path) -> Iterator[Entry]:
    """A bounded part, however long the log is."""
    directory = root / "journal"
    for number in journal.file_numbers(directory)[-1:]:
        path = journal.file_path(directory, number)
        size = path.stat(follow_symlinks=False).st_size
        with durable.opened(path) as file:
            file.seek(max(0, size - TAIL_BYTES))
            content = file.read(TAIL_BYTES)
        yield from (entry for _, entry in journal.entries_in(content, path))


def _still_due(entry: Entry, let_go: set[bytes]) -> bool:
    return isinstance(entry.body, Segment) and entry.body.file_hash not in let_go


def _shorter(root: Path, entry: Entry) -> Rot | None:
    """A stated file that is not there, or lacks its end: from which fragment on."""
    statement, session = entry.body, entry.common.session_id
    if not isinstance(statement, Segment) or session is None:
        return None
    path = archive.segment_path(archive.session_path(root, session), statement.number)
    size = path.stat(follow_symlinks=False).st_size if path.exists() else 0
    if size >= statement.size:
        return None
    offset = statement.size - sum(row[0] + row[2] for row in statement.fragments)
    whole = HEAD
    for number, row in enumerate(statement.fragments, start=1):
        offset += row[0] + row[2]
        whole = number if offset <= size else whole
    return _rot(entry, session, statement.number, whole + 1 if size else HEAD)


def _never_there(entry: Entry, left: Survey) -> Rot | None:
    """A fragment that a heartbeat of the open session reported and no file holds."""
    session = entry.common.session_id
    if not isinstance(entry.body, Heartbeat) or entry.body.position is None or session != left.session_id:
        return None
    segment, fragment, _ = entry.body.position
    held = {file.number: len(file.fragments) for file in left.files}
    first = min(held, default=segment)
    if segment < first or held.get(segment, 0) >= fragment:
        return None
    return _rot(entry, left.session_id, segment, held.get(segment, 0) + 1)


def _rot(entry: Entry, session: bytes, segment: int, fragment: int) -> Rot:
    return Rot(session=session, segment=segment, fragment=fragment, seq=entry.common.seq, good_elsewhere=False)
