"""WRITER: takes packets from the queue, muxes, hashes, seals and syncs; the only thread that writes media.

Owns the open segment file. On return of every step the media and its seal are on the disk, file and directory, and only
then is the position published or acknowledged to anybody. It never touches the journal: it reads its durable head and
posts what happened to CONTROL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge.durable import Appender, AppendFile, StorageFault
from edge.messages import Message, SegmentClosed, WriterCrashed, WriterEnded, WriterFailed
from edge.packet_queue import PacketQueue
from edge.ports import Clock, PictureMeasure, SoundMeasure
from edge.segmenter import Closed, Fragment, Missed, Opened, Segmenter, SoundAnchor, Step, StreamAbsent, StreamPresent
from edge.spool import Spool
from liuhen import cose
from liuhen.kinds import Head, Identity, Segment
from liuhen.registry import EndCause
from liuhen.segment import NO_PREVIOUS, FragmentFacts, Sealer, identity_box

TAKE_LIMIT_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far durable media reaches; replaced whole, so any thread may read it."""

    segment: int
    fragment: int
    r: bytes
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


class _OpenFile:
    """The segment file being written."""

    def __init__(self, opened: Opened, file: Appender, sealer: Sealer, initialisation: bytes, previous: bytes) -> None:
        self.opened = opened
        self.file = file
        self.sealer = sealer
        self.unwritten = initialisation
        self.previous = previous
        self.digest = hashlib.sha256()

    def write(self, content: bytes) -> None:
        """One write, one flush; the first one carries the initialisation too."""
        content, self.unwritten = self.unwritten + content, b""
        self.file.append(content)
        self.digest.update(content)


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
        self._failed = False
        self._keyframe_asked_for = -1
        self._delay_peak_ms = 0
        self._sealed = 0
        self.position: Position | None = None
        self._anchor_utc()
        self.end_cause = EndCause.STOPPED

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
            self._open.file.close()
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
        path = self._spool.segment_path(self._session.session_id, opened.number)
        sealer = Sealer(identity, initialisation, self._ports.signer)
        self._open = _OpenFile(opened, AppendFile(path, new=True), sealer, initialisation, self._previous)

    def _write_fragment(self, fragment: Fragment) -> None:
        if self._open is None:
            return
        now_ns = self._anchor_utc()
        facts = FragmentFacts(
            head=self._ports.journal_head(),
            frames=fragment.frames,
            samples=fragment.samples,
            span_ns=fragment.span_ns,
            delay_ms=_milliseconds_up(now_ns - fragment.span_ns[0]),
            end_cause=fragment.end_cause,
        )
        box = self._open.sealer.seal(fragment.media, facts)
        self._open.write(fragment.media + box)
        self._publish(fragment)

    def _anchor_utc(self) -> int:
        """Tell the segmenter which UTC players may show for the next fragment; returns BOOTTIME now."""
        reading = self._ports.clock.read()
        self._segmenter.utc_anchor = (reading.utc_ms, reading.boottime_ns)
        return reading.boottime_ns

    def _publish(self, fragment: Fragment) -> None:
        """Durable now: only from here on may anything name this fragment."""
        if self._open is None:
            return
        sealer = self._open.sealer
        delay_ms = _milliseconds_up(self._ports.clock.boottime_ns() - fragment.span_ns[0]) if fragment.media else 0
        self._delay_peak_ms = max(self._delay_peak_ms, delay_ms)
        self._sealed += 1
        self.position = Position(
            segment=self._open.opened.number,
            fragment=sealer.count,
            r=sealer.r,
            frames=fragment.frames,
            samples=fragment.samples,
            missed_frames=self._segmenter.missed_frames,
            missed_samples=self._segmenter.missed_samples,
            end_ns=fragment.span_ns[1],
            seal_delay_ms=delay_ms,
            fragments_sealed=self._sealed,
        )
        self._ports.acknowledge.fragment(self._open.opened.number, sealer.count, sealer.r)

    def _close_file(self, closed: Closed) -> None:
        done, self._open = self._open, None
        if done is None:
            return
        done.file.close()
        self._previous = done.sealer.r
        self._ports.post(SegmentClosed(statement=_statement(closed, done)))


def _statement(closed: Closed, done: _OpenFile) -> Segment:
    return Segment(
        number=closed.number,
        size=done.sealer.size,
        file_hash=done.digest.digest(),
        initial=done.sealer.initial,
        fragments=tuple(done.sealer.fragments),
        last=done.sealer.r,
        frames=closed.frames,
        samples=closed.samples,
        span_ns=closed.span_ns,
        missed=closed.missed,
        end_cause=closed.end_cause,
        sound_clock=_sound_clock(closed.sound),
        previous=done.previous,
    )


def _sound_clock(sound: SoundAnchor | None) -> tuple[int, int, int] | None:
    return None if sound is None else (sound.anchor_ns, sound.parts_per_billion, int(sound.measured))


def _milliseconds_up(nanoseconds: int) -> int:
    return max(0, -(-nanoseconds // 1_000_000))
