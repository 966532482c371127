"""One small whole archive (FORMAT.md 1.1) with the answer a verifier must find, and ways it was tampered with.

Pure: everything is bytes by path. Media boxes hold filler, not picture or sound; a verifier never looks inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from liuhen import cbor, cose, entry, keys, merkle, records
from liuhen.entry import Position
from liuhen.hashing import ZERO_HASH, sha256
from liuhen.kinds import (
    Checkpoint,
    Enrolment,
    EntryBody,
    Event,
    Gap,
    GapEnd,
    Head,
    Heartbeat,
    Identity,
    Mark,
    Run,
    Segment,
    Session,
    SessionEnd,
    Stop,
)
from liuhen.records import Record
from liuhen.registry import (
    EndCause,
    EventCode,
    GapCause,
    MarkCode,
    RecordLabel,
    RunCause,
    Severity,
    StopCause,
    Stream,
)
from liuhen.segment import NO_PREVIOUS, FragmentFacts, Sealer, identity_box
from tests.signing import samples
from tests.signing.jsonlines import Json, diagnostic
from tests.signing.vector_statements import kid, trust_of

SECOND_NS = 1_000_000_000
RUN = 1
FRAMES_PER_SECOND = 25
SAMPLES_PER_SECOND = 48_000


def box(name: bytes, content: bytes) -> bytes:
    """One box with a 32-bit size (ISO/IEC 14496-12, 4.2)."""
    return (8 + len(content)).to_bytes(4, "big") + name + content


def fragment_bytes(name: str, media_bytes: int) -> bytes:
    """`prft`, `moof`, `mdat` with filler inside."""
    return (
        box(b"prft", samples.filler(f"prft {name}", 24))
        + box(b"moof", samples.filler(f"moof {name}", 64))
        + box(b"mdat", samples.filler(f"mdat {name}", media_bytes))
    )


@dataclass(slots=True, kw_only=True)
class MadeSegment:
    """One segment while it is made, and afterwards."""

    identity: Identity
    sealer: Sealer
    content: bytes
    seals: list[bytes] = field(default_factory=list)
    spans_ns: list[tuple[int, int]] = field(default_factory=list)

    def add(self, fragment: bytes, facts: FragmentFacts) -> None:
        """Append a fragment and its seal."""
        seal = self.sealer.seal(fragment, facts)
        self.content += fragment + seal
        self.seals.append(seal)
        self.spans_ns.append(facts.span_ns)

    def statement(self, *, seconds: int, end_cause: EndCause) -> Segment:
        """The body of its segment entry; it holds whole seconds of both streams."""
        return Segment(
            number=self.identity.segment,
            size=self.sealer.size,
            file_hash=sha256(self.content),
            initial=self.sealer.initial,
            fragments=tuple(self.sealer.fragments),
            last=self.sealer.r,
            frames=(self.identity.first_frame, seconds * FRAMES_PER_SECOND),
            samples=(self.identity.first_sample, seconds * SAMPLES_PER_SECOND),
            span_ns=(self.spans_ns[0][0], self.spans_ns[-1][1]),
            missed=(0, 0),
            end_cause=end_cause,
            sound_clock=(self.spans_ns[0][0], 0, 0),
            previous=self.identity.previous,
        )


def begin_segment(*, number: int, opened_ns: int, previous: bytes, first_second: int) -> MadeSegment:
    """The init of a segment: ftyp, moov with filler, identity box."""
    identity = Identity(
        version=1,
        log_id=samples.LOG_ID,
        run=RUN,
        session_id=samples.SESSION_ID,
        clock=samples.clock_at(opened_ns),
        segment=number,
        public_key=samples.DEVICE.public_key,
        endorsements=(samples.endorsement(samples.ROOTS[0], samples.DEVICE),),
        previous=previous,
        first_frame=first_second * FRAMES_PER_SECOND,
        first_sample=first_second * SAMPLES_PER_SECOND,
        streams=(Stream.PICTURE, Stream.SOUND),
    )
    init = box(b"ftyp", b"iso6\x00\x00\x00\x00iso6") + box(b"moov", samples.filler(f"moov {number}", 96))
    init += identity_box(identity)
    return MadeSegment(identity=identity, sealer=Sealer(identity, init, samples.DEVICE), content=init)


def facts(*, head: Head, seconds: int, from_ns: int, to_ns: int, end_cause: EndCause | None = None) -> FragmentFacts:
    """What a seal says when the session holds `seconds` of both streams; it was signed 50 ms after the fragment."""
    return FragmentFacts(
        head=head,
        frames=seconds * FRAMES_PER_SECOND,
        samples=seconds * SAMPLES_PER_SECOND,
        span_ns=(from_ns, to_ns),
        delay_ms=(to_ns - from_ns) // 1_000_000 + 50,
        end_cause=end_cause,
    )


def segment_files() -> dict[str, bytes]:
    """segment.mp4 and the bytes its entry holds; segment.json is `segment_document`."""
    return {"segment.mp4": _lone_segment().content}


def _lone_segment() -> MadeSegment:
    head = (2, samples.filler("head of the lone segment"))
    made = begin_segment(number=0, opened_ns=2 * SECOND_NS, previous=NO_PREVIOUS, first_second=0)
    for second in (1, 2):
        start = (1 + second) * SECOND_NS
        seal_facts = facts(head=head, seconds=second, from_ns=start, to_ns=start + SECOND_NS)
        made.add(fragment_bytes(f"lone {second}", 700 * second), seal_facts)
    end = 4 * SECOND_NS
    made.add(b"", facts(head=head, seconds=2, from_ns=end, to_ns=end, end_cause=EndCause.STOPPED))
    return made


def segment_document() -> Json:
    """The whole of segment.json."""
    made = _lone_segment()
    statement = made.statement(seconds=2, end_cause=EndCause.STOPPED)
    running = made.sealer.initial
    chain: list[Json] = []
    offset = len(made.content) - sum(size + box_size for size, _, box_size, _ in made.sealer.fragments)
    init_bytes = offset
    for number, (size, h, box_size, seal_hash) in enumerate(made.sealer.fragments, start=1):
        running = sha256(b"\x01" + running + h)
        chain.append(
            {
                "fragment": number,
                "offset": offset,
                "size": size,
                "h": h.hex(),
                "r": running.hex(),
                "seal_offset": offset + size,
                "seal_box_size": box_size,
                "seal_hash": seal_hash.hex(),
            }
        )
        offset += size + box_size
    return {
        "about": "FORMAT.md 6, for segment.mp4 (filler in place of media). statement: the fields of its segment entry.",
        "private_seed": samples.seed("device").hex(),
        "identity_usertype": made.content[init_bytes - _identity_size(made) :][8:24].hex(),
        "seal_usertype": made.seals[0][8:24].hex(),
        "init_size": init_bytes,
        "identity": diagnostic(made.identity.to_map()),
        "r_0": made.sealer.initial.hex(),
        "chain": chain,
        "seals": [diagnostic(cbor.decode(_seal_payload(seal), where="seal")) for seal in made.seals],
        "statement": diagnostic(statement.to_map()),
        "file_hash": statement.file_hash.hex(),
    }


def _identity_size(made: MadeSegment) -> int:
    return len(identity_box(made.identity))


def _seal_payload(seal_box: bytes) -> bytes:
    return cose.parse(seal_box[24:], where="seal").payload


@dataclass(slots=True, kw_only=True)
class Journal:
    """Entries one after another, with the tree over them."""

    entries: list[bytes] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    tree: merkle.Peaks = field(default_factory=merkle.Peaks)

    @property
    def head(self) -> Head:
        """[seq, hash] of the newest entry."""
        return (len(self.entries) - 1, sha256(self.entries[-1]))

    def add(self, body: EntryBody, *, at_ns: int, in_session: bool = True) -> int:
        """Append one entry; returns its seq."""
        seq = len(self.entries)
        encoded = entry.make(
            body,
            at=Position(log_id=samples.LOG_ID, run=RUN, seq=seq, prev=self.head[1] if seq else ZERO_HASH),
            clock=samples.clock_at(at_ns),
            session_id=samples.SESSION_ID if in_session else None,
            seen=None,
            signer=samples.DEVICE,
        )
        self.entries.append(encoded)
        self.kinds.append(body.KIND)
        self.tree.append(merkle.leaf_hash(encoded))
        return seq

    def checkpoint(self, *, at_ns: int) -> None:
        """Append a checkpoint over everything before it."""
        body = Checkpoint(size=self.tree.size, root=self.tree.root(), peaks=self.tree.peaks())
        self.add(body, at_ns=at_ns, in_session=False)


@dataclass(slots=True, kw_only=True)
class Archive:
    """The archive as files by path below `spool/`, with what the expected answer needs."""

    files: dict[str, bytes]
    journal: Journal
    segments: list[MadeSegment]
    records: list[Record]


CASE = records.make("案号：公开测试 1".encode(), salt=samples.filler("salt of the case"))
EXPLANATION = records.make("摄像头连接线松动，已重新插好。".encode(), salt=samples.filler("salt of the explanation"))
FIRST_FILE_ENTRIES = 8


def make_archive() -> Archive:
    """Two seconds of a session, three seconds of a gap, two seconds more, and an orderly stop."""
    journal = Journal()
    _open(journal)
    first = _first_segment(journal)
    second = _second_segment(journal, previous=first.sealer.r)
    _close(journal)
    session = f"sessions/{samples.SESSION_ID.hex()}"
    files = {
        "journal/00000000.cbor": b"".join(journal.entries[:FIRST_FILE_ENTRIES]),
        "journal/00000001.cbor": b"".join(journal.entries[FIRST_FILE_ENTRIES:]),
        f"{session}/000000.mp4": first.content,
        f"{session}/000001.mp4": second.content,
        **{f"records/{record.name}": record.to_bytes() for record in (CASE, EXPLANATION)},
    }
    return Archive(files=files, journal=journal, segments=[first, second], records=[CASE, EXPLANATION])


def _open(journal: Journal) -> None:
    journal.add(
        Enrolment(
            public_key=samples.DEVICE.public_key,
            endorsements=(samples.endorsement(samples.ROOTS[0], samples.DEVICE),),
            spool_id=samples.filler("spool", 16),
        ),
        at_ns=SECOND_NS,
        in_session=False,
    )
    run = Run(cause=RunCause.FIRST, software=samples.SOFTWARE, config_hash=samples.filler("configuration"))
    journal.add(run, at_ns=SECOND_NS, in_session=False)
    journal.add(
        Session(
            ordinal=1,
            mode=0,
            config_hash=samples.filler("configuration"),
            profile_hash=None,
            software=samples.SOFTWARE,
            promise=(4_000, 1_000, 10_000, 60_000),
            streams=((Stream.PICTURE, "h264", 320, 240, 25), (Stream.SOUND, "flac", SAMPLES_PER_SECOND, 1, 0)),
            records=((RecordLabel.CASE, CASE.commitment),),
        ),
        at_ns=2 * SECOND_NS,
    )


def _first_segment(journal: Journal) -> MadeSegment:
    """Seconds 2 to 4; the camera is lost at second 4, noticed at 5, and an empty seal ends the segment."""
    made = begin_segment(number=0, opened_ns=2 * SECOND_NS, previous=NO_PREVIOUS, first_second=0)
    for second in (1, 2):
        start = (1 + second) * SECOND_NS
        seal_facts = facts(head=journal.head, seconds=second, from_ns=start, to_ns=start + SECOND_NS)
        made.add(fragment_bytes(f"0 {second}", 400), seal_facts)
    lost_ns, noticed_ns = 4 * SECOND_NS, 5 * SECOND_NS
    event = journal.add(
        Event(
            code=EventCode.SOURCE_LOST,
            severity=Severity.FAULT,
            stream=Stream.PICTURE,
            span_ns=(lost_ns, noticed_ns),
            measured=(1_000,),
            refers_to=None,
            records=(),
        ),
        at_ns=noticed_ns,
    )
    journal.add(
        Gap(
            stream=None,
            cause=GapCause.DEVICE_FAULT,
            since=(samples.BOOT_ID, lost_ns),
            measured=(1_000,),
            evidence=(event,),
            records=(),
        ),
        at_ns=noticed_ns,
    )
    end_cause = EndCause.DEVICE_FAULT
    made.add(b"", facts(head=journal.head, seconds=2, from_ns=lost_ns, to_ns=lost_ns, end_cause=end_cause))
    journal.add(made.statement(seconds=2, end_cause=end_cause), at_ns=noticed_ns)
    return made


def _second_segment(journal: Journal, *, previous: bytes) -> MadeSegment:
    """Seconds 7 to 9, with the gap's end, a spoken explanation, a heartbeat and a step in between."""
    back_ns = 7 * SECOND_NS
    gap_seq = journal.kinds.index("gap")
    length = back_ns - 4 * SECOND_NS
    journal.add(
        GapEnd(
            gap_seq=gap_seq,
            until=(samples.BOOT_ID, back_ns),
            length_ns=(length, length),
            lost=(3 * FRAMES_PER_SECOND, 3 * SAMPLES_PER_SECOND),
            resumed=1,
        ),
        at_ns=back_ns + 100_000_000,
    )
    made = begin_segment(number=1, opened_ns=back_ns + 100_000_000, previous=previous, first_second=2)
    made.add(
        fragment_bytes("1 1", 400),
        facts(head=journal.head, seconds=3, from_ns=back_ns, to_ns=back_ns + SECOND_NS),
    )
    _marks(journal, made, gap_seq=gap_seq)
    made.add(
        fragment_bytes("1 2", 400),
        facts(
            head=journal.head,
            seconds=4,
            from_ns=back_ns + SECOND_NS,
            to_ns=back_ns + 2 * SECOND_NS,
            end_cause=EndCause.STOPPED,
        ),
    )
    journal.add(made.statement(seconds=2, end_cause=EndCause.STOPPED), at_ns=9_200_000_000)
    return made


def _marks(journal: Journal, made: MadeSegment, *, gap_seq: int) -> None:
    explained_ns = 8_200_000_000
    explanation = Mark(
        code=MarkCode.SPOKEN_EXPLANATION,
        boottime_ns=explained_ns,
        frame_index=80,
        sample_index=153_599,
        refers_to=gap_seq,
        step=None,
        records=((RecordLabel.EXPLANATION, EXPLANATION.commitment),),
    )
    journal.add(explanation, at_ns=explained_ns)
    heartbeat = Heartbeat(
        position=(1, 1, made.sealer.r),
        frames=75,
        samples=144_000,
        missed=(0, 0),
        queue_ms=20,
        seal_delay_ms=1_050,
        free_bytes=1_000_000_000,
        parts_per_billion=None,
        level_millibel=(-1_200, -4_000),
    )
    journal.add(heartbeat, at_ns=8_300_000_000)
    step = Mark(
        code=MarkCode.STEP,
        boottime_ns=8_500_000_000,
        frame_index=87,
        sample_index=167_999,
        refers_to=None,
        step=1,
        records=(),
    )
    journal.add(step, at_ns=8_500_000_000)


def _close(journal: Journal) -> None:
    session_end = SessionEnd(
        cause=EndCause.STOPPED,
        segments=2,
        frames=4 * FRAMES_PER_SECOND,
        samples=4 * SAMPLES_PER_SECOND,
        gaps=1,
        records=(),
    )
    journal.add(session_end, at_ns=9_300_000_000)
    journal.checkpoint(at_ns=9_300_000_000)
    journal.add(Stop(cause=StopCause.OPERATOR), at_ns=9_400_000_000, in_session=False)


def archive_files() -> dict[str, bytes]:
    """The archive below archive/spool/, and beside it the trust file and two that do not endorse its key."""
    made = make_archive()
    files = {f"archive/spool/{path}": content for path, content in made.files.items()}
    for name, threshold, roots in (
        ("trust", 1, samples.ROOTS[:1]),
        ("other-trust", 1, samples.ROOTS[1:]),
        ("two-trust", 2, samples.ROOTS),
    ):
        files[f"archive/{name}.cbor"] = keys.trust_bytes(trust_of(threshold, roots))
    return files


def expected_document() -> Json:
    """The whole of archive/expected.json."""
    made = make_archive()
    journal = made.journal
    return {
        "about": "What a verifier finds in spool/ under trust.cbor, under another trust file, and after the edits of a "
        "tampered case. Offsets count in the untouched file; delete is a number of bytes; a file with remove is gone. "
        "rule: section of FORMAT.md that is broken, null for none. verdicts: fragments by verdict. findings: codes of "
        "10.2, exactly these in spool/ as it is, at least these elsewhere. complete_up_to: seq and utc_ms of the last "
        "entry below which nothing is missing, null for none.",
        "answer": {
            "intact": True,
            "vouched": True,
            "purpose": "demo",
            "entries": len(journal.entries),
            "runs": 1,
            "sessions": 1,
            "head": [journal.head[0], journal.head[1].hex()],
            "complete_up_to": [journal.head[0], samples.clock_at(9_400_000_000)[0]],
            "kid": kid(samples.DEVICE.public_key),
            "log_id": samples.LOG_ID.hex(),
            "verdicts": {"authentic": 5},
            "findings": ["event-fault", "substituted-source-demo", "demo"],
            "records_presented": 2,
            "gaps": [{"seq": 4, "cause": 1, "stream": None, "length_ns": 3 * SECOND_NS, "explained": True}],
        },
        "other_trust": [
            {"trust": None, "answer": {"intact": True, "vouched": False, "findings": ["demo", "trust-absent"]}},
            {
                "trust": "other-trust.cbor",
                "answer": {"intact": True, "vouched": False, "verdicts": {"unendorsed": 5}, "findings": ["unendorsed"]},
            },
            {
                "trust": "two-trust.cbor",
                "answer": {
                    "intact": True,
                    "vouched": False,
                    "verdicts": {"unendorsed": 5},
                    "findings": ["trust-threshold"],
                },
            },
        ],
        "entries": [
            {"seq": seq, "kind": kind, "hash": sha256(encoded).hex()}
            for seq, (kind, encoded) in enumerate(zip(journal.kinds, journal.entries, strict=True))
        ],
        "segments": [
            {
                "number": made_segment.identity.segment,
                "file_hash": sha256(made_segment.content).hex(),
                "r": made_segment.sealer.r.hex(),
                "fragments": made_segment.sealer.count,
            }
            for made_segment in made.segments
        ],
        "tampered": _tampered(made),
    }


def _tampered(made: Archive) -> list[Json]:
    return [*_tampered_media(made), *_tampered_journal(made), *_tampered_records(made)]


def _tampered_media(made: Archive) -> Iterator[Json]:
    path = next(path for path in made.files if path.endswith("000001.mp4"))
    content = made.files[path]
    media = content.rindex(b"mdat") + 4
    yield _case(
        "one bit of media",
        "6.4",
        [_flip(path, media, content)],
        {"intact": False, "verdicts": {"authentic": 4, "altered": 1}, "findings": ["fragment-altered"]},
    )
    yield _case(
        "a box after the final seal",
        "6.1",
        [_edit(path, len(content), 0, box(b"free", b""))],
        {"intact": False, "findings": ["extra-bytes"]},
    )
    yield _case(
        "the last seal cut off",
        "6.4",
        [_edit(path, len(content) - len(made.segments[1].seals[-1]), len(made.segments[1].seals[-1]), b"")],
        {"intact": False, "verdicts": {"authentic": 4, "missing-unexplained": 1}, "findings": ["tail-missing"]},
    )
    yield _case(
        "a segment file removed",
        "6.4",
        [_remove(path)],
        {"intact": False, "verdicts": {"authentic": 3, "missing-unexplained": 2}, "findings": ["segment-missing"]},
    )


def _tampered_journal(made: Archive) -> Iterator[Json]:
    first, second = (f"journal/{number:08d}.cbor" for number in (0, 1))
    content = made.files[second]
    offsets = _offsets(made.journal)
    step = made.journal.kinds.index("checkpoint") - 3
    time = offsets[step] + made.journal.entries[step].index(cbor.encode(8_500_000_000)) + 8
    yield _case(
        "one bit of an entry",
        "3.2.5",
        [_flip(second, time, content)],
        {"intact": False, "at_entry": step, "complete_up_to": [8, 1_767_225_608_300], "findings": ["signature-bad"]},
    )
    yield _case(
        "an entry cut out",
        "5.1",
        [_edit(second, offsets[step], offsets[step + 1] - offsets[step], b"")],
        {"intact": False, "at_entry": step + 1, "complete_up_to": [8, 1_767_225_608_300], "findings": ["seq-gap"]},
    )
    yield _case(
        "the first journal file removed",
        "1.1",
        [_remove(first)],
        {"intact": False, "complete_up_to": None, "findings": ["journal-file-missing"]},
    )
    tail = offsets[made.journal.kinds.index("checkpoint")]
    yield _case(
        "checkpoint and stop cut off: nobody can tell (11)",
        None,
        [_edit(second, tail, len(content) - tail, b"")],
        {
            "intact": True,
            "entries": 12,
            "head": [11, sha256(made.journal.entries[11]).hex()],
            "complete_up_to": [11, samples.clock_at(9_300_000_000)[0]],
            "findings": ["demo", "run-open-end"],
        },
    )


def _tampered_records(made: Archive) -> Iterator[Json]:
    path = f"records/{EXPLANATION.name}"
    yield _case(
        "one bit of a record",
        "5.5",
        [_flip(path, 40, made.files[path])],
        {"intact": False, "findings": ["record-altered"]},
    )
    yield _case(
        "a record removed: content not presented",
        None,
        [_remove(path)],
        {"intact": True, "records_presented": 1, "findings": ["demo", "record-absent"]},
    )


def _case(name: str, rule: str | None, edits: list[Json], answer: Json) -> Json:
    return {"name": name, "rule": rule, "edits": edits, "answer": answer}


def _flip(path: str, offset: int, content: bytes) -> Json:
    return _edit(path, offset, 1, bytes([content[offset] ^ 1]))


def _remove(path: str) -> Json:
    return {"file": path, "remove": True}


def _edit(path: str, offset: int, delete: int, insert: bytes) -> Json:
    return {"file": path, "offset": offset, "delete": delete, "insert": insert.hex()}


def _offsets(journal: Journal) -> dict[int, int]:
    """Offset of each entry in the second journal file."""
    offsets, offset = {}, 0
    for seq in range(FIRST_FILE_ENTRIES, len(journal.entries)):
        offsets[seq] = offset
        offset += len(journal.entries[seq])
    return offsets
