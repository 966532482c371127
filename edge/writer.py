"""WRITER: takes packets from the queue, muxes, hashes, seals and syncs; the only thread that writes media.

Owns the open segment file. On return of every step the media and its seal are on the disk, file and directory, and only
then is the position published or acknowledged to anybody. It never touches the journal: it reads its durable head and
posts what happened to CONTROL.

A write or flush that failed is never tried again on its file: the file is cut to what is sealed of it and stated so,
and the fragment's packets begin the next segment. A second failure soon after ends the writing (STORAGE_FAULTS.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from edge import durable
from edge.disk_pace import DiskPace
from edge.durable import Appender, StorageFault
from edge.fragment_muxer import FragmentMuxer, SoundAnchor
from edge.messages import (
    MediaBegan,
    Message,
    SegmentClosed,
    StorageFaulted,
    WriterCrashed,
    WriterEnded,
    WriterFailed,
)
from edge.packet_queue import PacketQueue
from edge.ports import Clock, PictureMeasure, SoundMeasure, Stream
from edge.segmenter import Closed, Fragment, Missed, Opened, Segmenter, Step, StreamAbsent, StreamPresent
from edge.spool import Spool
from liuhen import cose
from liuhen.kinds import Head, Identity, Segment
from liuhen.registry import EndCause
from liuhen.segment import NO_PREVIOUS, FragmentFacts, Sealer, identity_box

TAKE_LIMIT_SECONDS = 0.1
SLOW_WRITE_NS = 2_000_000_000
FAULTS_APART_FRAGMENTS = 20
"""A fault with fewer durable fragments since the one before it ends the session: the disk is not to be relied on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far durable media reaches; replaced whole, so any thread may read it."""

    segment: int
    fragment: int
    r: bytes
    seal_hash: bytes
    first_frame: int
    """Index of the segment's first frame; it has one where `frames` is larger."""
    frames: int
    samples: int
    missed_frames: int
    missed_samples: int
    end_ns: int
    seal_delay_ms: int
    fragments_sealed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """What every segment of this session and run says of itself."""

    log_id: bytes
    run: int
    session_id: bytes
    endorsements: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """Where a session goes on: the next segment, the indices so far, the last segment's r, and the absent streams.

    `absent` have a gap of their own, `unstarted` none yet.
    """

    segments: int
    frames: int
    samples: int
    last: bytes
    absent: frozenset[Stream]
    unstarted: frozenset[Stream] = frozenset()


class Acknowledge(Protocol):
    """Told of each fragment after it is durable, on WRITER's thread."""

    def fragment(self, segment: int, fragment: int, r: bytes) -> None:
        """Segment number, fragment number and running hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterPorts:
    """What WRITER is given to work with."""

    clock: Clock
    signer: cose.Signer
    journal_head: Callable[[], Head]
    force_keyframe: Callable[[], None]
    post: Callable[[Message], None]
    acknowledge: Acknowledge
    slow_write_ns: int = SLOW_WRITE_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reached:
    """How far a segment file is durable: the number of fragments, and what the statement says up to there."""

    fragments: int
    size: int
    r: bytes
    span_ns: tuple[int, int]
    frames: int
    samples: int
    missed: tuple[int, int]


class _OpenFile:
    """The segment file being written; it is made with its first fragment, so no empty file is ever left."""

    def __init__(
        self,
        *,
        opened: Opened,
        make: Callable[[], Appender],
        sealer: Sealer,
        initialisation: bytes,
        after: _OpenFile | None,
    ) -> None:
        """`make` creates the file; `after` is the one that was lost, where this begins with the media of it."""
        self.opened = opened
        self._make = make
        self.sealer = sealer
        self.reached: _Reached | None = None
        self.muxer: FragmentMuxer | None = None
        self._initialisation = initialisation
        self._missed_before = after.missed_so_far if after is not None else (0, 0)
        self._digest = hashlib.sha256()
        self._file: Appender | None = None

    def write(self, fragment: Fragment, media: bytes, box: bytes) -> None:
        """One write, one flush; the first one carries the initialisation too. Raises StorageFault."""
        content = media + box
        if self._file is None:
            self._file = self._make()
            content = self._initialisation + content
        self._file.append(content)
        self._digest.update(content)
        start_ns, end_ns = self.reached.span_ns if self.reached is not None else fragment.span_ns
        self.reached = _Reached(
            fragments=self.sealer.count,
            size=self._file.size,
            r=self.sealer.r,
            span_ns=(start_ns, max(end_ns, fragment.span_ns[1])),
            frames=fragment.frames,
            samples=fragment.samples,
            missed=fragment.missed,
        )

    @property
    def missed_so_far(self) -> tuple[int, int]:
        """What the statements of this file and of those it was begun after say is missing."""
        return self.reached.missed if self.reached is not None else self._missed_before

    def continued(self) -> Opened:
        """What the file that goes on after this one says of its beginning; it takes the number if nothing is sealed."""
        if self.reached is None:
            return self.opened
        return replace(
            self.opened,
            number=self.opened.number + 1,
            first_frame=self.reached.frames,
            first_sample=self.reached.samples,
        )

    def close(self) -> None:
        """Close the descriptor, if there is one; what was written is durable or lost already."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def statement(self, reached: _Reached, previous: bytes, cause: EndCause, sound: SoundAnchor | None) -> Segment:
        """What the journal says of this file, up to its last durable fragment."""
        first_frame, first_sample = self.opened.first_frame, self.opened.first_sample
        before = self._missed_before
        return Segment(
            number=self.opened.number,
            size=reached.size,
            file_hash=self._digest.digest(),
            initial=self.sealer.initial,
            fragments=tuple(self.sealer.fragments[: reached.fragments]),
            last=reached.r,
            frames=(first_frame, reached.frames - first_frame),
            samples=(first_sample, reached.samples - first_sample),
            span_ns=reached.span_ns,
            missed=(reached.missed[0] - before[0], reached.missed[1] - before[1]),
            end_cause=cause,
            sound_clock=_sound_clock(sound),
            previous=previous,
        )


class Writer:
    """See the module. `run` is the thread's body; `pump` is one turn of it, for a world in virtual time."""

    def __init__(
        self, *, queue: PacketQueue, segmenter: Segmenter, spool: Spool, session: SessionFacts, ports: WriterPorts
    ) -> None:
        """Start with no open segment; `previous` continues from the zero hash of a new session."""
        self._queue = queue
        self._segmenter = segmenter
        self._spool = spool
        self._session = session
        self._ports = ports
        self._open: _OpenFile | None = None
        self._previous = NO_PREVIOUS
        self._added_segments = 0
        self._faulted_after: int | None = None
        self._pace = DiskPace(ports.slow_write_ns)
        self._failed = False
        self._keyframe_asked_for = -1
        self._delay_peak_ms = 0
        self._sealed = 0
        self.position: Position | None = None
        self._anchor_utc()
        self.end_cause = EndCause.STOPPED

    def go_on_from(self, resumption: Resumption) -> None:
        """Before the first packet: the session was begun by an earlier run, or by an earlier stretch of this one."""
        self._segmenter.go_on_from(
            number=resumption.segments,
            frames=resumption.frames,
            samples=resumption.samples,
            absent=resumption.absent,
            unstarted=resumption.unstarted,
        )
        self._previous = resumption.last

    @property
    def media_end_ns(self) -> int | None:
        """Until when all of the room was taken, of the streams that were there; None before there was anything.

        Read after `WriterEnded`: all that was taken is durable then.
        """
        return self._segmenter.media_end_ns if self.position is not None else None

    def run(self) -> None:
        """Write until the queue is closed and empty, then end the segment and say so. The thread's whole body."""
        try:
            while not self._queue.ended:
                self.pump(TAKE_LIMIT_SECONDS)
            self.finish()
        except Exception as bug:  # noqa: BLE001 - a thread's top: CONTROL ends the session and says why
            self._ports.post(WriterCrashed(what=f"{type(bug).__name__}: {bug}"))
        finally:
            self._let_go()

    def pump(self, limit_seconds: float) -> bool:
        """Take and carry out one item; False if none came within the limit."""
        item = self._queue.take(limit_seconds)
        match item:
            case None:
                self._carry_out(self._segmenter.tick(self._ports.clock.boottime_ns()))
            case PictureMeasure() | SoundMeasure():
                self._ports.post(item)
            case _:
                self._carry_out(self._segmenter.accept(item))
        self._ask_for_keyframe()
        return item is not None

    def finish(self) -> None:
        """End the open segment with `end_cause`; afterwards nothing more is written."""
        self._carry_out(self._segmenter.finish(self.end_cause))
        self._ports.post(WriterEnded(cause=self.end_cause))

    def _let_go(self) -> None:
        """Close the file of a segment that could not be ended; what its seals prove is stated by others."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def delay_peak_ms(self) -> int:
        """The longest seal delay since this was last asked."""
        peak, self._delay_peak_ms = self._delay_peak_ms, 0
        return peak

    def sound_parts_per_billion(self) -> int | None:
        """Measured deviation of the sound clock, once it is known."""
        clock = self._segmenter.sound_clock
        ppm = clock.rate_error_ppm() if clock is not None else None
        return None if ppm is None else 1000 * ppm

    def _ask_for_keyframe(self) -> None:
        """Once per segment, when it has reached its length, so that the cut is punctual."""
        if self._open is None or self._open.opened.number == self._keyframe_asked_for:
            return
        if self._segmenter.keyframe_wanted(self._ports.clock.boottime_ns()):
            self._keyframe_asked_for = self._open.opened.number
            self._ports.force_keyframe()

    def _carry_out(self, steps: list[Step]) -> None:
        for step in steps:
            if self._failed and not isinstance(step, StreamAbsent | StreamPresent | Missed):
                continue
            try:
                self._step(step)
            except StorageFault as fault:
                self._failed = True
                self._ports.post(WriterFailed(fault=fault))

    def _step(self, step: Step) -> None:
        match step:
            case Opened():
                self._open_file(step)
            case Fragment():
                self._write_fragment(step)
            case Closed():
                self._close_file(step)
            case StreamAbsent() | StreamPresent() | Missed():
                self._ports.post(step)

    def _open_file(self, opened: Opened) -> None:
        self._open = self._new_file(replace(opened, number=opened.number + self._added_segments), after=None)

    def _new_file(self, opened: Opened, *, after: _OpenFile | None) -> _OpenFile:
        reading = self._ports.clock.read()
        identity = Identity(
            version=1,
            log_id=self._session.log_id,
            run=self._session.run,
            session_id=self._session.session_id,
            clock=(reading.utc_ms, reading.boottime_ns, self._ports.clock.boot_id, reading.sync, reading.error_ms),
            segment=opened.number,
            public_key=self._ports.signer.public_key,
            endorsements=self._session.endorsements,
            previous=self._previous,
            first_frame=opened.first_frame,
            first_sample=opened.first_sample,
            streams=tuple(int(stream) for stream in opened.streams),
        )
        initialisation = opened.initialisation + identity_box(identity)
        return _OpenFile(
            opened=opened,
            make=partial(self._spool.appender, self._path(opened), new=True),
            sealer=Sealer(identity, initialisation, self._ports.signer),
            initialisation=initialisation,
            after=after,
        )

    def _path(self, opened: Opened) -> Path:
        return self._spool.segment_path(self._session.session_id, opened.number)

    def _write_fragment(self, fragment: Fragment) -> None:
        if self._open is None:
            return
        try:
            self._put(self._open, fragment)
        except StorageFault as fault:
            self._begin_anew(self._open, fragment, fault)

    def _put(self, file: _OpenFile, fragment: Fragment) -> None:
        """Seal, write and flush one fragment, then publish it. Raises StorageFault."""
        media = fragment.media
        if file.muxer is not None and media:
            media = file.muxer.media(fragment.content, utc_ms=self._segmenter.utc_ms_of(fragment.span_ns[0]))
        now_ns = self._anchor_utc()
        facts = FragmentFacts(
            head=self._ports.journal_head(),
            frames=fragment.frames,
            samples=fragment.samples,
            span_ns=fragment.span_ns,
            delay_ms=_milliseconds_up(now_ns - fragment.span_ns[0]),
            end_cause=fragment.end_cause,
        )
        box = file.sealer.seal(media, facts)
        file.write(fragment, media, box)
        self._publish(file, fragment)
        told = self._pace.after(self._ports.clock.boottime_ns() - now_ns)
        if told is not None:
            self._ports.post(told)

    def _begin_anew(self, lost: _OpenFile, fragment: Fragment, fault: StorageFault) -> None:
        """The fragment's packets begin a new file. Raises StorageFault if the disk is full, read-only or fails again.

        The new file need not begin with a keyframe: what stands before the next one, which is asked for at once, shows
        nothing in a player that has this file alone, but it is sealed, and it follows the file before.
        """
        if fault.full or fault.read_only or self._faulted_lately():
            raise fault
        self._faulted_after = self._sealed
        self._ports.post(StorageFaulted(fault=fault))
        self._abandon(lost)
        if not fragment.media:
            return  # there was only the end left to seal
        self._added_segments += lost.reached is not None  # a file with nothing sealed left its number free
        file = self._new_file(lost.continued(), after=lost)
        file.muxer = FragmentMuxer(zero_ns=fragment.span_ns[0], rates=self._segmenter.rates)
        self._open = file
        self._put(file, fragment)
        self._ports.force_keyframe()

    def _faulted_lately(self) -> bool:
        return self._faulted_after is not None and self._sealed - self._faulted_after < FAULTS_APART_FRAGMENTS

    def _abandon(self, lost: _OpenFile) -> None:
        """Cut a file to what is sealed of it and state that; one with nothing sealed is removed. Raises StorageFault.

        The statement is made only once the cut is on the disk: it says that nothing follows.
        """
        self._open = None
        lost.close()
        if lost.reached is None:
            self._spool.write(durable.Remove(path=self._path(lost.opened), missing_ok=True))
            return
        self._spool.write(durable.Shorten(path=self._path(lost.opened), size_bytes=lost.reached.size))
        self._state(lost, lost.reached, EndCause.RECOVERED, None)

    def _state(self, file: _OpenFile, reached: _Reached, cause: EndCause, sound: SoundAnchor | None) -> None:
        statement = file.statement(reached, self._previous, cause, sound)
        self._previous = reached.r
        self._ports.post(SegmentClosed(statement=statement))

    def _anchor_utc(self) -> int:
        """Tell the segmenter which UTC players may show for the next fragment; returns BOOTTIME now."""
        reading = self._ports.clock.read()
        self._segmenter.utc_anchor = (reading.utc_ms, reading.boottime_ns)
        return reading.boottime_ns

    def _publish(self, file: _OpenFile, fragment: Fragment) -> None:
        """Durable now: only from here on may anything name this fragment."""
        delay_ms = _milliseconds_up(self._ports.clock.boottime_ns() - fragment.span_ns[0]) if fragment.media else 0
        self._delay_peak_ms = max(self._delay_peak_ms, delay_ms)
        self._sealed += 1
        number, sealer = file.opened.number, file.sealer
        if self.position is None:
            self._ports.post(MediaBegan(boottime_ns=fragment.span_ns[0]))
        self.position = Position(
            segment=number,
            fragment=sealer.count,
            r=sealer.r,
            seal_hash=sealer.fragments[-1][3],
            first_frame=file.opened.first_frame,
            frames=fragment.frames,
            samples=fragment.samples,
            missed_frames=self._segmenter.missed_frames,
            missed_samples=self._segmenter.missed_samples,
            end_ns=fragment.span_ns[1],
            seal_delay_ms=delay_ms,
            fragments_sealed=self._sealed,
        )
        self._ports.acknowledge.fragment(number, sealer.count, sealer.r)

    def _close_file(self, closed: Closed) -> None:
        done, self._open = self._open, None
        if done is None or done.reached is None:
            return
        done.close()
        sound = closed.sound if done.muxer is None else done.muxer.sound
        self._state(done, done.reached, closed.end_cause, sound)


def _sound_clock(sound: SoundAnchor | None) -> tuple[int, int, int] | None:
    return None if sound is None else (sound.anchor_ns, sound.parts_per_billion, int(sound.measured))


def _milliseconds_up(nanoseconds: int) -> int:
    return max(0, -(-nanoseconds // 1_000_000))
