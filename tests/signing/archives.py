"""Synthetic archives straight from the producers of `liuhen`: a device with verbs, and verbs that tamper with files.

Pure but for the files below the given root. Everything follows from the seed: the same calls give the same bytes.
Boxes are well-formed at the top level only; nothing here plays.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from liuhen import cose, entry, keys, merkle, records
from liuhen.boxes import uuid_box
from liuhen.hashing import ZERO_HASH, sha256
from liuhen.keys import Card, FileSigner, Trust
from liuhen.kinds import (
    Checkpoint,
    Clock,
    Commitments,
    Enrolment,
    EntryBody,
    Event,
    Gap,
    GapEnd,
    Head,
    Heartbeat,
    Identity,
    Key,
    Mark,
    Recovered,
    Run,
    Segment,
    Session,
    SessionEnd,
    Software,
    Stop,
)
from liuhen.registry import Custody, EndCause, EventCode, GapCause, KeyAct, MarkCode, Purpose
from liuhen.segment import FragmentFacts, Sealer, identity_box

SECOND_NS = 10**9
FRAGMENT_NS = SECOND_NS // 2
FRAMES_PER_FRAGMENT = 12
SAMPLES_PER_FRAGMENT = 24_000
UTC_START_MS = 1_790_000_000_000
SOFTWARE = (("liuhen", "0.1.0", "test", 1),)
PROMISE = (30_000, 500, 10_000, 3_600_000)
STREAMS = ((0, "avc1", 1280, 720, 25), (1, "fLaC", 48_000, 1, 16))


def signer(name: str) -> FileSigner:
    """A key that follows from its name."""
    return FileSigner(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()))


def box(kind: bytes, payload: bytes) -> bytes:
    """One top-level box."""
    return (8 + len(payload)).to_bytes(4, "big") + kind + payload


def endorsed(
    log_id: bytes, device: FileSigner, roots: Iterable[FileSigner], *, purpose: Purpose = Purpose.PRODUCTION
) -> tuple[bytes, ...]:
    """Endorsements of a device key by some roots."""
    card = Card(version=1, log_id=log_id, public_key=device.public_key, custody=Custody.FILE)
    return tuple(keys.endorse(root, card, purpose=purpose, not_before_ms=UTC_START_MS - 1000) for root in roots)


def trust_of(
    roots: Sequence[FileSigner], *, threshold: int = 1, revoked: tuple[tuple[bytes, Head | None, int], ...] = ()
) -> Trust:
    """A trust file naming these roots."""
    return Trust(
        version=1,
        organisation="测试机构",
        issued_ms=UTC_START_MS,
        threshold=threshold,
        roots=tuple((root.public_key, f"root {number}") for number, root in enumerate(roots)),
        revoked=revoked,
    )


@dataclass(slots=True, kw_only=True)
class _Growing:
    """The segment file that is being written."""

    number: int
    path: Path
    sealer: Sealer
    identity: Identity
    first: tuple[int, int]
    start_ns: int
    streams: tuple[int, ...]
    hash: object


@dataclass(slots=True, kw_only=True)
class Device:
    """A recorder that writes an archive, one verb at a time. Time passes only where a verb says so."""

    root: Path
    seed: int = 1
    roots: tuple[FileSigner, ...] = ()
    purpose: Purpose = Purpose.PRODUCTION
    media_bytes: int = 300
    software: Software = SOFTWARE
    key: FileSigner = field(init=False)
    random: random.Random = field(init=False)
    log_id: bytes = field(init=False)
    boot_id: bytes = field(init=False)
    now_ns: int = 1_000 * SECOND_NS
    utc_ms: int = UTC_START_MS
    sync: int = 2
    error_ms: int = 5
    run: int = 1
    seq: int = 0
    prev: bytes = ZERO_HASH
    journal_file: int = 0
    peaks: merkle.Peaks = field(default_factory=merkle.Peaks)
    session_id: bytes | None = None
    ordinal: int = 0
    frames: int = 0
    samples: int = 0
    segments: int = 0
    gaps: int = 0
    last_r: bytes = ZERO_HASH
    file: _Growing | None = None
    runs_begun: int = 0
    clean: bool = True
    endorsements: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311 -- reproducible bytes, no secret
        self.key = signer(f"device {self.seed}")
        self.roots = self.roots or (signer("root 0"),)
        self.log_id, self.boot_id = self.random.randbytes(16), self.random.randbytes(16)
        self.endorsements = endorsed(self.log_id, self.key, self.roots, purpose=self.purpose)
        for name in ("journal", "sessions", "records"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    # --- time ---

    def pass_ns(self, nanoseconds: int) -> None:
        """Both clocks move on."""
        before_ms = self.now_ns // 1_000_000
        self.now_ns += nanoseconds
        self.utc_ms += self.now_ns // 1_000_000 - before_ms

    @property
    def clock(self) -> Clock:
        return (self.utc_ms, self.now_ns, self.boot_id, self.sync, self.error_ms)

    # --- journal ---

    def append(self, body: EntryBody, *, by: FileSigner | None = None, session: bool = True) -> int:
        """Sign and write one entry; returns its seq."""
        at = entry.Position(log_id=self.log_id, run=self.run, seq=self.seq, prev=self.prev)
        named = self.session_id if session else None
        encoded = entry.make(
            body, at=at, clock=self.clock, session_id=named, seen=None, signer=by if by is not None else self.key
        )
        return self.write(encoded)

    def write(self, encoded: bytes) -> int:
        """Write bytes that are an entry."""
        with (self.root / "journal" / f"{self.journal_file:08d}.cbor").open("ab") as file:
            file.write(encoded)
        self.peaks.append(merkle.leaf_hash(encoded))
        self.prev, self.seq = sha256(encoded), self.seq + 1
        return self.seq - 1

    @property
    def head(self) -> Head:
        return (self.seq - 1, self.prev)

    def enrol(self) -> None:
        body = Enrolment(public_key=self.key.public_key, endorsements=self.endorsements, spool_id=bytes(16))
        self.append(body)

    def start(self, *, recovered: Recovered | None = None) -> None:
        """A run begins; after an unclean end `recovered` follows."""
        if self.runs_begun:
            self.run += 1
        cause = 0 if not self.runs_begun else 1 if self.clean else 2
        self.append(Run(cause=cause, software=self.software, config_hash=bytes(32)), session=False)
        if cause == 2:
            self.append(recovered or self.found_nothing(), session=False)
        self.runs_begun, self.clean = self.runs_begun + 1, False

    def found_nothing(self) -> Recovered:
        return Recovered(
            head=None,
            torn_journal_bytes=0,
            last_durable=None,
            quarantined=(),
            rotten=(),
            since=None,
            length_ns=None,
            cause=GapCause.OTHER,
        )

    def boot(self) -> None:
        """Power was away: another boot, the running clock starts again."""
        self.utc_ms += 60_000
        self.boot_id, self.now_ns = self.random.randbytes(16), 20 * SECOND_NS
        self.file = None

    def checkpoint(self) -> None:
        self.append(Checkpoint(size=self.seq, root=self.peaks.root(), peaks=self.peaks.peaks()), session=False)

    def stop(self) -> None:
        self.append(Stop(cause=0), session=False)
        self.clean = True

    def rotate_journal(self) -> None:
        self.journal_file += 1

    def heartbeat(self) -> None:
        position = None
        if self.file is not None and self.file.sealer.count:
            position = (self.file.number, self.file.sealer.count, self.file.sealer.r)
        body = Heartbeat(
            position=position,
            frames=self.frames,
            samples=self.samples,
            missed=(0, 0),
            queue_ms=0,
            seal_delay_ms=300,
            free_bytes=10**12,
            parts_per_billion=None,
            level_millibel=None,
        )
        self.append(body)

    def event(self, code: EventCode) -> None:
        span = (self.now_ns, self.now_ns)
        self.append(Event(code=code, severity=1, stream=None, span_ns=span, measured=(0,), refers_to=None, records=()))

    def rotate_key(self, new: FileSigner, *, roots: Iterable[FileSigner] | None = None) -> None:
        """The key in force names its successor."""
        self._key_entry(KeyAct.ROTATED, new, roots=self.roots if roots is None else roots, by=self.key)
        self.key = new

    def emergency_key(self, new: FileSigner) -> None:
        """The key is lost: its replacement names itself."""
        self._key_entry(KeyAct.EMERGENCY, new, roots=(), by=new)
        self.key = new

    def return_key(self, old: FileSigner) -> None:
        """The key that an emergency replaced is back, and says so itself."""
        body = Key(
            act=KeyAct.RETURNED,
            subject=cose.key_id(old.public_key),
            new_public_key=old.public_key,
            endorsements=(),
            last_trusted=None,
            old_head=self.head,
            cause=0,
        )
        self.append(body, by=old, session=False)
        self.key, self.endorsements = old, endorsed(self.log_id, old, self.roots)

    def key_entry(self, act: KeyAct, *, subject: bytes, last_trusted: Head | None = None) -> None:
        self.append(
            Key(
                act=act,
                subject=subject,
                new_public_key=None,
                endorsements=(),
                last_trusted=last_trusted,
                old_head=None,
                cause=0,
            ),
            session=False,
        )

    def _key_entry(self, act: KeyAct, new: FileSigner, *, roots: Iterable[FileSigner], by: FileSigner) -> None:
        self.endorsements = endorsed(self.log_id, new, roots)
        body = Key(
            act=act,
            subject=cose.key_id(self.key.public_key),
            new_public_key=new.public_key,
            endorsements=self.endorsements,
            last_trusted=None,
            old_head=self.head,
            cause=0,
        )
        self.append(body, by=by, session=False)

    # --- sessions ---

    def begin(self, *, commitments: Commitments = (), mode: int = 0) -> bytes:
        """A session begins; returns its id."""
        self.session_id = self.random.randbytes(16)
        self.ordinal += 1
        self.frames = self.samples = self.segments = self.gaps = 0
        self.last_r = ZERO_HASH
        body = Session(
            ordinal=self.ordinal,
            mode=mode,
            config_hash=bytes(32),
            profile_hash=None,
            software=self.software,
            promise=PROMISE,
            streams=STREAMS,
            records=commitments,
        )
        self.append(body)
        (self.root / "sessions" / self.session_id.hex()).mkdir()
        return self.session_id

    def end(self) -> None:
        body = SessionEnd(
            cause=EndCause.STOPPED,
            segments=self.segments,
            frames=self.frames,
            samples=self.samples,
            gaps=self.gaps,
            records=(),
        )
        self.append(body)
        self.session_id = None

    def record(self, text: str) -> bytes:
        """A detached record; returns its commitment."""
        made = records.make(text.encode(), salt=self.random.randbytes(32))
        (self.root / "records" / made.name).write_bytes(made.to_bytes())
        return made.commitment

    def gap(self, *, stream: int | None = None, cause: GapCause = GapCause.DEVICE_FAULT) -> int:
        """A gap opens now; returns its seq."""
        self.gaps += 1
        since = (self.boot_id, self.now_ns)
        return self.append(Gap(stream=stream, cause=cause, since=since, measured=(), evidence=(), records=()))

    def gap_end(self, gap: int, *, since_ns: int) -> None:
        length = self.now_ns - since_ns
        self.append(
            GapEnd(
                gap_seq=gap,
                until=(self.boot_id, self.now_ns),
                length_ns=(length, length),
                lost=(None, None),
                resumed=1,
            )
        )

    def mark(self, *, code: MarkCode = MarkCode.SPOKEN_EXPLANATION, refers_to: int | None = None) -> None:
        self.append(
            Mark(
                code=code,
                boottime_ns=self.now_ns,
                frame_index=None,
                sample_index=None,
                refers_to=refers_to,
                step=None,
                records=(),
            )
        )

    # --- segments ---

    def open_segment(self, *, streams: tuple[int, ...] = (0, 1)) -> Path:
        """A new file with its head; nothing in it is sealed yet."""
        assert self.session_id is not None
        identity = Identity(
            version=1,
            log_id=self.log_id,
            run=self.run,
            session_id=self.session_id,
            clock=self.clock,
            segment=self.segments,
            public_key=self.key.public_key,
            endorsements=self.endorsements,
            previous=self.last_r,
            first_frame=self.frames,
            first_sample=self.samples,
            streams=streams,
        )
        init = box(b"ftyp", b"isom" + bytes(8)) + box(b"moov", self.random.randbytes(80)) + identity_box(identity)
        path = self.root / "sessions" / self.session_id.hex() / f"{self.segments:06d}.mp4"
        path.write_bytes(init)
        self.file = _Growing(
            number=self.segments,
            path=path,
            sealer=Sealer(identity, init, self.key),
            identity=identity,
            first=(self.frames, self.samples),
            start_ns=self.now_ns,
            streams=streams,
            hash=None,
        )
        return path

    def fragment_bytes(self) -> bytes:
        sizes = (self.media_bytes // 2, self.media_bytes)
        return (
            box(b"prft", self.random.randbytes(24))
            + box(b"moof", self.random.randbytes(60))
            + box(b"mdat", self.random.randbytes(self.random.randint(*sizes)))
        )

    def fragment(self, count: int = 1, *, end_cause: EndCause | None = None) -> None:
        """Half a second of media each, sealed; `end_cause` makes the last one final."""
        assert self.file is not None
        for number in range(count):
            begin = self.now_ns
            self.pass_ns(FRAGMENT_NS)
            self.frames += FRAMES_PER_FRAGMENT if 0 in self.file.streams else 0
            self.samples += SAMPLES_PER_FRAGMENT if 1 in self.file.streams else 0
            last = end_cause if number == count - 1 else None
            self._seal(self.fragment_bytes(), (begin, self.now_ns), last)

    def finish_file(self, cause: EndCause) -> None:
        """A final seal over an empty fragment."""
        self._seal(b"", (self.now_ns, self.now_ns), cause)

    def _seal(self, fragment: bytes, span: tuple[int, int], cause: EndCause | None) -> None:
        assert self.file is not None
        facts = FragmentFacts(
            head=self.head, frames=self.frames, samples=self.samples, span_ns=span, delay_ms=500, end_cause=cause
        )
        sealed = fragment + self.file.sealer.seal(fragment, facts)
        with self.file.path.open("ab") as file:
            file.write(sealed)

    def state(self, cause: EndCause = EndCause.ROTATED, *, missed: tuple[int, int] = (0, 0)) -> int:
        """The statement of the open file; returns its seq."""
        statement = replace(self.statement(cause), missed=missed)
        self.segments += 1
        self.last_r, self.file = statement.last, None
        return self.append(statement)

    def statement(self, cause: EndCause) -> Segment:
        assert self.file is not None
        file = self.file
        return Segment(
            number=file.number,
            size=file.sealer.size,
            file_hash=sha256(file.path.read_bytes()),
            initial=file.sealer.initial,
            fragments=tuple(file.sealer.fragments),
            last=file.sealer.r,
            frames=(file.first[0], self.frames - file.first[0]),
            samples=(file.first[1], self.samples - file.first[1]),
            span_ns=(file.start_ns, self.now_ns),
            missed=(0, 0),
            end_cause=cause,
            sound_clock=None,
            previous=file.identity.previous,
        )

    def segment(
        self, fragments: int = 4, *, cause: EndCause = EndCause.ROTATED, streams: tuple[int, ...] = (0, 1)
    ) -> Path:
        """A whole segment with a heartbeat in it, closed and stated."""
        path = self.open_segment(streams=streams)
        self.fragment(max(0, fragments - 2))
        self.heartbeat()
        self.fragment(min(2, fragments), end_cause=cause)
        self.state(cause)
        return path

    # --- whole stories ---

    def session(self, segments: int = 3, fragments: int = 4, *, commitments: Commitments = ()) -> bytes:
        """A session from beginning to end."""
        session = self.begin(commitments=commitments)
        for number in range(segments):
            self.segment(fragments, cause=EndCause.ROTATED if number < segments - 1 else EndCause.STOPPED)
        self.end()
        self.checkpoint()
        return session

    def trust(self, *, threshold: int = 1) -> Trust:
        return trust_of(self.roots, threshold=threshold)


def closed_archive(root: Path, *, seed: int = 1, sessions: int = 2, segments: int = 3, fragments: int = 4) -> Device:
    """An archive after an orderly stop: nothing is wrong with it."""
    device = Device(root=root, seed=seed)
    device.enrol()
    device.start()
    for _ in range(sessions):
        device.session(segments, fragments)
        device.pass_ns(5 * SECOND_NS)
    device.stop()
    return device


def open_archive(root: Path, *, seed: int = 1, fragments: int = 4) -> Device:
    """An archive as a power cut leaves it: one stated segment, one file without statement or final seal."""
    device = Device(root=root, seed=seed)
    device.enrol()
    device.start()
    device.begin()
    device.segment(fragments)
    device.open_segment()
    device.fragment(fragments)
    return device


# --- verbs that tamper -----------------------------------------------------------------------------------------------


def flip(path: Path, offset: int, *, mask: int = 0x01) -> None:
    """Change one byte."""
    content = bytearray(path.read_bytes())
    content[offset] ^= mask
    path.write_bytes(content)


def cut(path: Path, size: int) -> None:
    """Keep only the first bytes."""
    path.write_bytes(path.read_bytes()[:size])


def append(path: Path, extra: bytes) -> None:
    """Add bytes at the end."""
    with path.open("ab") as file:
        file.write(extra)


def swap(one: Path, other: Path) -> None:
    """Exchange two files."""
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def head_of(root: Path, seq: int) -> Head:
    """Number and hash of one entry of a whole journal."""
    return (seq, sha256(entries(root)[seq]))


def entries(root: Path, number: int = 0) -> list[bytes]:
    """The entries of a journal file."""
    content = (root / "journal" / f"{number:08d}.cbor").read_bytes()
    found, at = [], 0
    while at < len(content):
        end = cose.item_end(content, at, where="journal")
        assert end is not None
        found.append(content[at:end])
        at = end
    return found


def put_entries(root: Path, encoded: Iterable[bytes], number: int = 0) -> None:
    """Replace a journal file."""
    (root / "journal" / f"{number:08d}.cbor").write_bytes(b"".join(encoded))


def index_of(root: Path, kind: str, nth: int = 0) -> int:
    """The position of the n-th entry of a kind in the first journal file."""
    return [i for i, e in enumerate(entries(root)) if cose.parse(e, where="entry").kind == kind][nth]


def fragments_of(path: Path) -> list[tuple[int, int, int]]:
    """(start, end of media, end of seal) of each fragment of a whole file."""
    content = path.read_bytes()
    found, at, start = [], 0, 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        kind = content[at + 4 : at + 8]
        if kind == b"prft":
            start = at
        elif kind == b"uuid" and found_init(content, at):
            found.append((start, at, at + size))
            start = at + size
        at += size
    return found


def found_init(content: bytes, at: int) -> bool:
    """Whether the uuid box is a seal rather than the identity."""
    seal = uuid_box(b"", b"")[:0] + hashlib.sha256(b"liuhen seal box 1").digest()[:16]
    return content[at + 8 : at + 24] == seal


def segments(root: Path, session: bytes) -> list[Path]:
    """The segment files of a session."""
    return sorted((root / "sessions" / session.hex()).glob("*.mp4"))
