"""Recovery: what a start does with what an unclean end left behind, before anything new is written.

Runs on CONTROL while the sources already fill the queue, and once more where a session ends because its disk failed.
It alone shortens files, and only after the bytes it cuts are safe in `quarantine/`. The last segments of a session left
open get the statements their seals prove; then the session goes on after a gap, or is closed with its bounds. Every
step may be cut short too; the next start takes it up again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edge import durable, journal
from edge.journal import Found, Journal, Unreadable
from edge.journal_state import JournalState, OpenGap, OpenSession, Standing, StreamRow, kid_in_force
from edge.ports import Clock, ClockReading, Stream, SyncState
from edge.spool import Spool
from liuhen import cose
from liuhen.boxes import SEGMENT_LIMIT_BYTES
from liuhen.errors import FormatError
from liuhen.kinds import NO_UPPER_BOUND_NS, Gap, GapEnd, Head, Instant, Pair, Recovered, Seal, Segment, SessionEnd
from liuhen.kinds import Clock as ClockRow
from liuhen.reader import FragmentState, Initialisation, SealedFragment, read_segment
from liuhen.registry import EndCause, GapCause, InhibitionCode

QUARANTINED_LIMIT = 64
CAUSE_OF: dict[int, GapCause] = {
    InhibitionCode.INTERLOCK: GapCause.INTERLOCK,
    InhibitionCode.WITHHELD: GapCause.WITHHELD,
}
CLOCKS_SET = frozenset((SyncState.SYNCHRONISED, SyncState.HOLDOVER))


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """What a start knows before it writes: the state to go on from, and whether anything has to be recovered.

    `lost` is true where a head was named that no readable entry holds: the numbers up to it are never used again.
    """

    state: JournalState
    rotten: tuple[Unreadable, ...]
    torn: Unreadable | None
    readable: Head | None
    lost: bool
    skipped: int = 0

    @property
    def orderly(self) -> bool:
        """Nothing to recover: the log is new, or its last run ended in order and everything named is there."""
        state = self.state
        untouched = not (self.rotten or self.lost or self.skipped) and self.torn is None
        return untouched and (state.head is None or state.in_order)


def weigh(found: Found, named: tuple[Head, ...]) -> Setback:
    """Rot against torn tail, by the highest head named anywhere.

    What cannot be read at or below that head was an entry once: it is rot, and stays. Only beyond it a bad tail is the
    beginning of a write that nobody ever heard of.
    """
    state, readable = found.state, found.state.head
    highest = max(named, default=None)
    lost = highest is not None and highest[0] >= state.next_seq
    if lost and highest is not None:
        state = state.skip_to(highest)
    kept = found.rotten + ((found.tail,) if lost and found.tail is not None else ())
    return Setback(
        state=state,
        rotten=kept,
        torn=None if lost else found.tail,
        readable=readable,
        lost=lost,
        skipped=found.skipped,
    )


def set_torn_journal_aside(spool: Spool, torn: Unreadable | None) -> None:
    """Move bytes after the last whole entry into quarantine, so that the chain can go on. Raises StorageFault."""
    if torn is None:
        return
    path = journal.file_path(spool.journal_directory, torn.file)
    _copy_aside(spool, path, torn.offset, f"journal-{path.stem}")
    spool.write(durable.Shorten(path=path, size_bytes=torn.offset))


def announce(log: Journal, setback: Setback, rescued: Rescued, clock: Clock) -> int:
    """Append the `recovered` entry; returns its seq. What was set aside may be cut then. Raises StorageFault."""
    now = clock.read()
    since = _last_sign_of_life(setback.state, rescued)
    at = log.append(
        Recovered(
            head=setback.readable,
            torn_journal_bytes=setback.torn.size if setback.torn is not None else 0,
            last_durable=rescued.last_durable,
            quarantined=rescued.quarantined[:QUARANTINED_LIMIT],
            rotten=tuple((bad.file, bad.offset, bad.size) for bad in setback.rotten[: journal.ROTTEN_LIMIT]),
            since=since,
            length_ns=length_ns(setback.state.clock, since, (clock.boot_id, now.boottime_ns), now),
            cause=_cause(since, clock.boot_id),
        ),
        session_id=None,
    )
    return at.seq


def _cause(since: Instant, boot_id: bytes) -> GapCause:
    """The machine knows one thing: the device never went off, so its program failed. It does not guess the rest."""
    return GapCause.DEVICE_FAULT if since[0] == boot_id else GapCause.OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """What a resumed session goes on from: WRITER's next segment, CONTROL's counts and the gaps still open."""

    segments: int
    frames: int
    samples: int
    last: bytes
    gaps: int
    open_gaps: tuple[OpenGap, ...]
    session: OpenSession
    """It as the dead runs left it, with a reading of both clocks in each of their boots."""

    @property
    def absent(self) -> frozenset[Stream]:
        """The streams that have a gap of their own."""
        return frozenset(Stream(gap.stream) for gap in self.open_gaps if gap.stream is not None)


def may_resume(setback: Setback, streams: tuple[StreamRow, ...], clock: Clock, limit_ns: int) -> bool:
    """Whether the open session goes on: all of it is readable, its streams are the promised ones, it is not too old.

    Where the clocks leave the length of the interruption in doubt, the shortest counts: it must be recorded.
    """
    session = setback.state.session
    if session is None or setback.lost or not session.whole or session.streams != streams:
        return False
    now = clock.read()
    row = setback.state.clock
    if row[2] == clock.boot_id:
        return now.boottime_ns - row[1] <= limit_ns
    # A clock that nobody set is better than none here: it decides only which session this is.
    shortest_ms = now.utc_ms - row[0] - now.error_ms - row[4]
    return max(now.boottime_ns, shortest_ms * 1_000_000) <= limit_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A session an earlier run left open, what its files prove, and the entry that announced its unclean end."""

    state: JournalState
    rescued: Rescued
    evidence: int | None


def go_on(unfinished: Unfinished, log: Journal, clock: Clock) -> Continuation:
    """State what the dead run left and open the gap that ends with the first new media. Raises StorageFault."""
    state, rescued = unfinished.state, unfinished.rescued
    session = _session(state)
    # Gaps first: a cut between the two must not leave media stated inside a gap that then does not end with it.
    open_gaps, gaps = _close_ended_gaps(session, unfinished, log), session.gaps
    _state_rescued(session, rescued, log)
    open_gaps, opened = _gap_of_both(unfinished, open_gaps, log, clock)
    gaps += opened
    after = rescued.statements[-1] if rescued.statements else None
    return Continuation(
        segments=session.segments + len(rescued.statements),
        frames=sum(after.frames) if after is not None else session.frames,
        samples=sum(after.samples) if after is not None else session.samples,
        last=after.last if after is not None else session.last,
        gaps=gaps,
        open_gaps=open_gaps,
        session=session,
    )


def _gap_of_both(
    unfinished: Unfinished, open_gaps: tuple[OpenGap, ...], log: Journal, clock: Clock
) -> tuple[tuple[OpenGap, ...], int]:
    """See to it that a gap of both streams is open, with the cause of what forbids recording where something does.

    A cut may have come between an inhibition and its gap. Returns the open gaps and how many were opened here.
    """
    state, session, forbidding = unfinished.state, _session(unfinished.state), _forbidding(unfinished.state)
    both = next((gap for gap in open_gaps if gap.stream is None), None)
    since = _end_of_media(state, session, unfinished.rescued)
    if both is not None:
        if forbidding is None or not _tells_another_cause(both, forbidding):
            return open_gaps, 0
        since = forbidding.at
        _end_gap(session, both, since, log, session.reading_in(since[0]), resumed=False)
        open_gaps = tuple(gap for gap in open_gaps if gap is not both)
    cause, evidence = _cause(since, clock.boot_id), [unfinished.evidence]
    if forbidding is not None:
        cause = CAUSE_OF[forbidding.code]
        evidence.append(forbidding.seq)
    seqs = tuple(seq for seq in evidence if seq is not None)
    body = Gap(stream=None, cause=cause, since=since, measured=(), evidence=seqs, records=())
    seq = log.append(body, session_id=session.id).seq
    return (*open_gaps, OpenGap(seq=seq, stream=None, since=since, lost=0, cause=cause)), 1


def close_open_session(unfinished: Unfinished, log: Journal, clock: Clock) -> None:
    """Close a session that does not go on, with its bounds. Raises StorageFault."""
    close_continuation(go_on(unfinished, log, clock), log, clock)


def close_continuation(went_on: Continuation, log: Journal, clock: Clock) -> None:
    """End a session that could have gone on, with its bounds. Raises StorageFault."""
    session = went_on.session
    for gap in went_on.open_gaps:
        now = clock.read()
        until = (clock.boot_id, now.boottime_ns)
        log.append(
            GapEnd(
                gap_seq=gap.seq,
                until=until,
                length_ns=length_ns(session.reading_in(gap.since[0]), gap.since, until, now),
                lost=(None, None),
                resumed=0,
            ),
            session_id=session.id,
        )
    log.append(
        SessionEnd(
            cause=EndCause.RECOVERED,
            segments=went_on.segments,
            frames=went_on.frames,
            samples=went_on.samples,
            gaps=went_on.gaps,
            records=(),
        ),
        session_id=session.id,
    )
    log.checkpoint(session_id=None)


def _close_ended_gaps(session: OpenSession, unfinished: Unfinished, log: Journal) -> tuple[OpenGap, ...]:
    """End the gaps whose media came back before the dead run could say so; returns those that are still open."""
    still_open = []
    for gap in session.open_gaps:
        back = next((media for media in unfinished.rescued.media if media.ends(gap)), None)
        if back is None:
            still_open.append(gap)
            continue
        until = (back.clock[2], back.span_ns[0])
        _end_gap(session, gap, until, log, back.clock, resumed=True)
    return tuple(still_open)


def _end_gap(
    session: OpenSession, gap: OpenGap, until: Instant, log: Journal, clock: ClockRow, *, resumed: int
) -> None:
    """`clock` reads both clocks in the boot of `until`."""
    end = GapEnd(
        gap_seq=gap.seq,
        until=until,
        length_ns=length_ns(session.reading_in(gap.since[0]), gap.since, until, _reading(clock)),
        lost=(None, None),
        resumed=int(resumed),
    )
    log.append(end, session_id=session.id)


def _forbidding(state: JournalState) -> Standing | None:
    """What forbids recording, the interlock before a withholding; it may have been cut off from its gap."""
    known = [one for one in state.inhibitions if one.code in CAUSE_OF]
    return min(known, key=lambda one: one.code, default=None)


def _tells_another_cause(gap: OpenGap, forbidding: Standing) -> bool:
    """A gap that began for another reason, before the inhibition did; a trip's gap covers a withholding as well."""
    covering = {GapCause.INTERLOCK, CAUSE_OF[forbidding.code]}
    earlier = gap.since[0] != forbidding.at[0] or gap.since[1] <= forbidding.at[1]
    return gap.cause not in covering and earlier


def _reading(row: ClockRow) -> ClockReading:
    return ClockReading(utc_ms=row[0], boottime_ns=row[1], sync=SyncState(row[3]), error_ms=row[4])


def _session(state: JournalState) -> OpenSession:
    if state.session is None:
        raise LookupError("no session is open")
    return state.session


def _state_rescued(session: OpenSession, rescued: Rescued, log: Journal) -> None:
    for statement in rescued.statements:
        log.append(statement, session_id=session.id)


def _end_of_media(state: JournalState, session: OpenSession, rescued: Rescued) -> Instant:
    """From here on nothing of the session is on the disk."""
    return rescued.media_end or session.media_end or (session.began[2], session.began[1])


def _last_sign_of_life(state: JournalState, rescued: Rescued) -> Instant:
    """The latest instant the dead run proved: its last entry, or the end of its last sealed fragment."""
    media, clock = rescued.media_end, state.clock
    if media is not None and media[0] == clock[2] and media[1] > clock[1]:
        return media
    return clock[2], clock[1]


def length_ns(anchor: ClockRow, since: Instant, until: Instant, now: ClockReading) -> Pair:
    """Exact within one boot; across boots an interval from both claims of UTC and their errors.

    `anchor` is a reading of both clocks in the boot of `since`, or else any before it; `now` one in that of `until`.
    The time since the last boot is a lower bound whatever the clocks say. No upper one is known where nobody had set
    them, or where they contradict that.
    """
    if since[0] == until[0]:
        length = max(0, until[1] - since[1])
        return length, length
    known = anchor[2] == since[0]
    since_utc_ms = anchor[0] + (since[1] - anchor[1]) // 1_000_000 if known else anchor[0]
    until_utc_ms = now.utc_ms + (until[1] - now.boottime_ns) // 1_000_000
    apart_ms, error_ms = until_utc_ms - since_utc_ms, now.error_ms + anchor[4]
    shortest_ns, longest_ns = (apart_ms - error_ms) * 1_000_000, (apart_ms + error_ms) * 1_000_000
    if not {anchor[3], now.sync} <= CLOCKS_SET or longest_ns < until[1]:
        return until[1], NO_UPPER_BOUND_NS
    return max(until[1], shortest_ns if known else 0), longest_ns


# -- what the segment files prove --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RescuedMedia:
    """One file's media: the clocks when it was opened, the capture time its seals cover, its streams."""

    clock: ClockRow
    span_ns: Pair
    streams: tuple[int, ...]

    def ends(self, gap: OpenGap) -> bool:
        """Whether this is media after the gap's begin, of a stream the gap is about."""
        concerns = gap.stream is None or gap.stream in self.streams
        return concerns and (self.clock[2] != gap.since[0] or self.span_ns[0] >= gap.since[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """What the files without a statement prove; `media_end` is the boot and BOOTTIME of the last sealed media.

    What `cuts` names is in quarantine already, and is cut from its file once the journal has said so.
    """

    statements: tuple[Segment, ...] = ()
    cuts: tuple[tuple[Path, int], ...] = ()
    quarantined: tuple[tuple[bytes, int, int, bytes], ...] = ()
    last_durable: tuple[bytes, int, int] | None = None
    media: tuple[RescuedMedia, ...] = ()

    @property
    def media_end(self) -> Instant | None:
        """The boot and BOOTTIME of the end of the last sealed media."""
        return (self.media[-1].clock[2], self.media[-1].span_ns[1]) if self.media else None

    def cut(self, spool: Spool) -> None:
        """Shorten each file to its good part; one that has none is removed. Raises StorageFault."""
        for path, good_bytes in self.cuts:
            if good_bytes:
                spool.write(durable.Shorten(path=path, size_bytes=good_bytes))
            else:
                spool.write(durable.Remove(path=path))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owner:
    """Whose segments are rescued: nothing is stated that no key of this session sealed for this place."""

    log_id: bytes
    kids: frozenset[bytes]


_Fragments = list[tuple[SealedFragment, Seal]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Surveyed:
    """One file without a statement, as read: its head, what its seals prove, where that ends."""

    path: Path
    number: int
    size: int
    head: Initialisation | None
    fragments: tuple[tuple[SealedFragment, Seal], ...]

    @property
    def good_bytes(self) -> int:
        return self.fragments[-1][0].end_offset if self.fragments else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the files of a session prove beyond its statements; nothing is written yet.

    `foreign` is true where a file stands in the way that must stay as it is: another log's, one whose damage has whole
    fragments behind it, which no cut may take away, and what is no plain file or is longer than a segment can be.
    """

    session_id: bytes = b""
    files: tuple[_Surveyed, ...] = ()
    foreign: bool = False

    @property
    def heads(self) -> tuple[Head, ...]:
        """The newest journal head that each file's seals name."""
        return tuple(file.fragments[-1][1].head for file in self.files if file.fragments)


def survey_open_session(spool: Spool, state: JournalState) -> Survey:
    """The files of the session a dead run left open; nothing where none is."""
    session = state.session
    if session is None:
        return Survey()
    kids = frozenset((*session.former, kid_in_force(state)))
    return survey(spool, session.id, kids=kids, first=session.segments)


def survey(spool: Spool, session_id: bytes, *, kids: frozenset[bytes], first: int) -> Survey:
    """Read every file from number `first` on. WRITER runs ahead of CONTROL, so there may be more than one."""
    owner = _Owner(log_id=spool.identity.log_id, kids=kids)
    files: list[_Surveyed] = []
    for number, path in enumerate(_unstated(spool, session_id, first), start=first):
        try:
            file = _surveyed(path, number, session_id, owner)
        except (FormatError, OSError):
            file = None  # a directory, a link, a pipe; or a medium that cannot be read: both stay, and hinder no start
        if file is None:
            return Survey(session_id=session_id, files=tuple(files), foreign=True)
        files.append(file)
        if not file.fragments:
            break
    return Survey(session_id=session_id, files=tuple(files))


def _surveyed(path: Path, number: int, session_id: bytes, owner: _Owner) -> _Surveyed | None:
    """One file, or None where it must stay as it is. Raises OSError, FormatError."""
    head, fragments, damaged = _sealed(path, owner)
    misplaced = head is not None and (head.identity.session_id, head.identity.segment) != (session_id, number)
    size = path.stat().st_size
    if misplaced or damaged or size > 2 * SEGMENT_LIMIT_BYTES or (head is None and not _never_sealed(path)):
        return None
    return _Surveyed(path=path, number=number, size=size, head=head, fragments=tuple(fragments))


def rescue(spool: Spool, survey: Survey) -> Rescued:
    """Statements for what the seals prove, the rest copied aside. Raises StorageFault."""
    statements: list[Segment] = []
    cuts: list[tuple[Path, int]] = []
    quarantined: list[tuple[bytes, int, int, bytes]] = []
    last_durable: tuple[bytes, int, int] | None = None
    media: list[RescuedMedia] = []
    for file in survey.files:
        if file.size > file.good_bytes:
            name = f"{survey.session_id.hex()}-{file.number:06d}"
            digest, size = _copy_aside(spool, file.path, file.good_bytes, name)
            quarantined.append((survey.session_id, file.number, size, digest))
        if file.size > file.good_bytes or not file.size:
            cuts.append((file.path, file.good_bytes))
        if file.head is not None and file.fragments:
            statements.append(_statement(file.path, file.head, file.fragments))
            last_durable = (survey.session_id, file.number, file.fragments[-1][1].fragment)
            media.append(
                RescuedMedia(
                    clock=file.head.identity.clock,
                    span_ns=statements[-1].span_ns,
                    streams=file.head.identity.streams,
                )
            )
    return Rescued(
        statements=tuple(statements),
        cuts=tuple(cuts),
        quarantined=tuple(quarantined),
        last_durable=last_durable,
        media=tuple(media),
    )


def _unstated(spool: Spool, session_id: bytes, first: int) -> list[Path]:
    """The files from `first` on, without holes."""
    paths: list[Path] = []
    while (path := spool.segment_path(session_id, first + len(paths))).exists() or path.is_symlink():
        paths.append(path)
    return paths


def _sealed(path: Path, owner: _Owner) -> tuple[Initialisation | None, _Fragments, bool]:
    """The head, if this device wrote it, the fragments before the first that fails, and whether that one is rot.

    One write holds a fragment and its seal, flushed before the next begins: a power cut may leave the seal without all
    of its fragment, but only in the last place. A genuine seal behind one that fails proves that both were durable.
    """
    head: Initialisation | None = None
    fragments: _Fragments = []
    altered = damaged = False
    for item in read_segment(path):
        match item:
            case Initialisation(identity=found):
                if found.log_id != owner.log_id or cose.key_id(found.public_key) not in owner.kids:
                    return None, [], False
                head = item
            case SealedFragment(seal=Seal() as seal) if item.valid:
                fragments.append((item, seal))
            case SealedFragment(state=FragmentState.AFTER_DAMAGE):
                damaged = True
            case SealedFragment(state=FragmentState.ALTERED):
                altered, damaged = True, altered or damaged
            case _:
                pass
    return head, fragments, damaged


def _never_sealed(path: Path) -> bool:
    """Whether a file ends before its first seal: then it is the beginning of a first write, whoever's."""
    return not any(isinstance(item, SealedFragment) for item in read_segment(path))


def _statement(path: Path, head: Initialisation, fragments: tuple[tuple[SealedFragment, Seal], ...]) -> Segment:
    """The statement WRITER would have made, from the seals alone; what only the sound clock knew is not in it."""
    identity, (last, seal) = head.identity, fragments[-1]
    with durable.opened(path) as source:
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
    with durable.opened(path) as source:
        source.seek(good_bytes)
        torn = source.read()
    target = _free_name(spool.root / "quarantine", f"{name}-{good_bytes}", torn)
    if not target.exists():
        spool.write(durable.Create(path=target, content=torn))
    return hashlib.sha256(torn).digest(), len(torn)


def _free_name(directory: Path, stem: str, content: bytes) -> Path:
    """A name that is free, or holds these bytes already: a recovery that was itself cut short may have left a part."""
    target, number = directory / f"{stem}.bin", 1
    while target.exists() and durable.content_of(target) != content:
        number += 1
        target = directory / f"{stem}-{number}.bin"
    return target
