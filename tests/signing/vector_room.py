"""One small archive of a hearing in which recording was forbidden (FORMAT.md 5.7), with what a verifier must find.

Pure: everything is bytes by path. It is made like the other vector archive, of the same keys and with filler for media.
"""

from __future__ import annotations

from collections.abc import Iterator

from liuhen import records
from liuhen.kinds import (
    Check,
    Commitments,
    Duty,
    Enrolment,
    Gap,
    GapEnd,
    Heartbeat,
    Inhibition,
    Maintenance,
    Mark,
    Refusal,
    Run,
    Session,
    SessionEnd,
    Stop,
)
from liuhen.records import Record
from liuhen.registry import (
    CheckCode,
    CheckItem,
    CheckOutcome,
    DutyAct,
    DutyCode,
    EndCause,
    GapCause,
    InhibitionAct,
    InhibitionCode,
    MaintenanceCode,
    MarkCode,
    RecordLabel,
    RefusalCode,
    RunCause,
    StopCause,
    Stream,
)
from liuhen.segment import NO_PREVIOUS
from tests.signing import samples
from tests.signing.jsonlines import Json
from tests.signing.vector_archive import (
    FRAMES_PER_SECOND,
    SAMPLES_PER_SECOND,
    SECOND_NS,
    Archive,
    Journal,
    MadeSegment,
    begin_segment,
    facts,
    fragment_bytes,
)

JOURNAL_FILE = "journal/00000000.cbor"
MS = 1_000_000


def _record(name: str, text: str) -> Record:
    return records.make(text.encode(), salt=samples.filler(f"salt of {name}"))


REPORTED = _record("the report", "已向部门负责人口头报告。")
GROUND = _record("the ground", "涉及商业秘密，当事人未同意记录。")
APPROVAL = _record("the approval", "批准人：公开测试 2")
SPOKEN = _record("the speaker", "说明人：公开测试 3")
STATEMENT = _record("the statement", "书面说明：联锁动作后当日未能恢复录制。（已签字）")
RECORDS = [REPORTED, GROUND, APPROVAL, SPOKEN, STATEMENT]


def make_archive(extra: tuple[Inhibition | Duty, ...] = ()) -> Archive:
    """A refused start and its report; two seconds; four withheld and approved; two more; a trip that ends the session.

    The report of that end stays owed, its written statement is given. `extra` bodies stand after it.
    """
    journal = Journal()
    _before(journal)
    first = _withheld(journal)
    second = _explained(journal, previous=first.sealer.r)
    end = _tripped(journal, second)
    _after(journal, end, extra)
    session = f"sessions/{samples.SESSION_ID.hex()}"
    files = {
        JOURNAL_FILE: b"".join(journal.entries),
        f"{session}/000000.mp4": first.content,
        f"{session}/000001.mp4": second.content,
        **{f"records/{record.name}": record.to_bytes() for record in RECORDS},
    }
    return Archive(files=files, journal=journal, segments=[first, second], records=RECORDS)


def _before(journal: Journal) -> None:
    """An enrolled device that is looked after, a start that is refused and reported, and the check before the next."""
    endorsements = (samples.endorsement(samples.ROOTS[0], samples.DEVICE),)
    enrolment = Enrolment(
        public_key=samples.DEVICE.public_key, endorsements=endorsements, spool_id=samples.filler("spool", 16)
    )
    run = Run(cause=RunCause.FIRST, software=samples.SOFTWARE, config_hash=samples.filler("configuration"))
    daily = tuple((item, CheckOutcome.WELL, 0) for item in CheckItem)
    before = tuple((item, CheckOutcome.WARNING if item == CheckItem.SOUND else 0, 0) for item in CheckItem)
    reported = ((RecordLabel.PERSONS, REPORTED.commitment),)
    bodies = (
        enrolment,
        run,
        Check(code=CheckCode.DAILY, rows=daily, records=()),
        Maintenance(code=MaintenanceCode.CLEANED, records=()),
        Refusal(code=RefusalCode.NO_CAMERA, measured=(), records=()),
        _duty(DutyCode.REPORT, DutyAct.OPENED, 4),
        _duty(DutyCode.REPORT, DutyAct.DISCHARGED, 5, reported),
        Check(code=CheckCode.BEFORE_RECORDING, rows=before, records=()),
    )
    for number, body in enumerate(bodies):
        journal.add(body, at_ns=SECOND_NS + number * 100 * MS, in_session=False)
    session = Session(
        ordinal=1,
        mode=0,
        config_hash=samples.filler("configuration"),
        profile_hash=None,
        software=samples.SOFTWARE,
        promise=(4_000, 1_000, 10_000, 60_000),
        streams=((Stream.PICTURE, "h264", 320, 240, 25), (Stream.SOUND, "flac", SAMPLES_PER_SECOND, 1, 0)),
        records=(),
    )
    journal.add(session, at_ns=2 * SECOND_NS)


def _duty(code: DutyCode, act: DutyAct, refers_to: int, given: Commitments = ()) -> Duty:
    return Duty(code=code, act=act, refers_to=refers_to, records=given)


def _inhibition(
    code: InhibitionCode, act: InhibitionAct, at_ns: int, placed: int | None, given: Commitments = ()
) -> Inhibition:
    return Inhibition(code=code, act=act, at=(samples.BOOT_ID, at_ns), placed=placed, records=given)


def _gap(cause: GapCause, since_ns: int, evidence: int) -> Gap:
    since = (samples.BOOT_ID, since_ns)
    return Gap(stream=None, cause=cause, since=since, measured=(), evidence=(evidence,), records=())


def _gap_end(gap: int, since_ns: int, until_ns: int, *, resumed: int) -> GapEnd:
    length = until_ns - since_ns
    until = (samples.BOOT_ID, until_ns)
    lost = (None, None)
    return GapEnd(gap_seq=gap, until=until, length_ns=(length, length), lost=lost, resumed=resumed)


def _withheld(journal: Journal) -> MadeSegment:
    """Seconds 2 to 4; withheld from 4 on, approved at 7, over at 8."""
    made = begin_segment(number=0, opened_ns=2 * SECOND_NS, previous=NO_PREVIOUS, first_second=0)
    for second in (1, 2):
        start = (1 + second) * SECOND_NS
        seal_facts = facts(head=journal.head, seconds=second, from_ns=start, to_ns=start + SECOND_NS)
        made.add(fragment_bytes(f"room 0 {second}", 400), seal_facts)
    at_ns = 4 * SECOND_NS
    placed = journal.add(_inhibition(InhibitionCode.WITHHELD, InhibitionAct.SET, at_ns, None), at_ns=at_ns + 10 * MS)
    gap = journal.add(_gap(GapCause.WITHHELD, at_ns, placed), at_ns=at_ns + 20 * MS)
    end = EndCause.WITHHELD
    made.add(b"", facts(head=journal.head, seconds=2, from_ns=at_ns, to_ns=at_ns, end_cause=end))
    journal.add(made.statement(seconds=2, end_cause=end), at_ns=at_ns + 100 * MS)
    given = ((RecordLabel.GROUND, GROUND.commitment), (RecordLabel.APPROVAL, APPROVAL.commitment))
    approved = _inhibition(InhibitionCode.WITHHELD, InhibitionAct.APPROVED, 7 * SECOND_NS, placed, given)
    journal.add(approved, at_ns=7 * SECOND_NS)
    cleared = _inhibition(InhibitionCode.WITHHELD, InhibitionAct.CLEARED, 8 * SECOND_NS, placed)
    journal.add(cleared, at_ns=8 * SECOND_NS)
    journal.add(_gap_end(gap, at_ns, 8_200 * MS, resumed=1), at_ns=8_300 * MS)
    return made


def _explained(journal: Journal, *, previous: bytes) -> MadeSegment:
    """Seconds 8.2 to 10.2, with the explanation one second and a half into the segment."""
    made = begin_segment(number=1, opened_ns=8_150 * MS, previous=previous, first_second=2)
    seal_facts = facts(head=journal.head, seconds=3, from_ns=8_200 * MS, to_ns=9_200 * MS)
    made.add(fragment_bytes("room 1 1", 400), seal_facts)
    beat = Heartbeat(
        position=(1, 1, made.sealer.r),
        frames=3 * FRAMES_PER_SECOND,
        samples=3 * SAMPLES_PER_SECOND,
        missed=(0, 0),
        queue_ms=20,
        seal_delay_ms=1_050,
        free_bytes=1_000_000_000,
        parts_per_billion=None,
        level_millibel=(-1_200, -4_000),
    )
    journal.add(beat, at_ns=9_300 * MS)
    mark = Mark(
        code=MarkCode.SPOKEN_EXPLANATION,
        boottime_ns=9_700 * MS,
        frame_index=87,
        sample_index=167_999,
        refers_to=journal.kinds.index("gap"),
        step=None,
        records=((RecordLabel.PERSONS, SPOKEN.commitment),),
    )
    journal.add(mark, at_ns=9_710 * MS)
    made.add(
        fragment_bytes("room 1 2", 400),
        facts(head=journal.head, seconds=4, from_ns=9_200 * MS, to_ns=10_200 * MS, end_cause=EndCause.INTERLOCK),
    )
    return made


def _tripped(journal: Journal, second: MadeSegment) -> int:
    """The interlock trips at 10.15; nothing resumes, and the session ends at 12. Returns the seq of its end."""
    at_ns = 10_150 * MS
    placed = journal.add(_inhibition(InhibitionCode.INTERLOCK, InhibitionAct.SET, at_ns, None), at_ns=10_210 * MS)
    gap = journal.add(_gap(GapCause.INTERLOCK, 10_200 * MS, placed), at_ns=10_220 * MS)
    journal.add(second.statement(seconds=2, end_cause=EndCause.INTERLOCK), at_ns=10_300 * MS)
    journal.add(_gap_end(gap, 10_200 * MS, 12 * SECOND_NS, resumed=0), at_ns=12 * SECOND_NS)
    end = SessionEnd(
        cause=EndCause.INTERLOCK,
        segments=2,
        frames=4 * FRAMES_PER_SECOND,
        samples=4 * SAMPLES_PER_SECOND,
        gaps=2,
        records=(),
    )
    return journal.add(end, at_ns=12 * SECOND_NS)


def _after(journal: Journal, end: int, extra: tuple[Inhibition | Duty, ...]) -> None:
    journal.add(_duty(DutyCode.REPORT, DutyAct.OPENED, end), at_ns=12_100 * MS, in_session=False)
    opened = journal.add(_duty(DutyCode.WRITTEN_STATEMENT, DutyAct.OPENED, end), at_ns=12_200 * MS, in_session=False)
    signed = ((RecordLabel.ATTACHMENT, STATEMENT.commitment),)
    given = _duty(DutyCode.WRITTEN_STATEMENT, DutyAct.DISCHARGED, opened, signed)
    journal.add(given, at_ns=12_300 * MS, in_session=False)
    for body in extra:
        journal.add(body, at_ns=12_400 * MS, in_session=False)
    journal.checkpoint(at_ns=12_500 * MS)
    journal.add(Stop(cause=StopCause.OPERATOR), at_ns=12_500 * MS, in_session=False)


def archive_files() -> dict[str, bytes]:
    """The archive below archive-room/spool/."""
    return {f"archive-room/spool/{path}": content for path, content in make_archive().files.items()}


def expected_document() -> Json:
    """The whole of archive-room/expected.json."""
    made = make_archive()
    journal = made.journal
    seqs = {kind: [seq for seq, name in enumerate(journal.kinds) if name == kind] for kind in journal.kinds}
    gaps, acts, duties = seqs["gap"], seqs["inhibition"], seqs["duty"]
    return {
        "about": "As archive/expected.json, for spool/ here under archive/trust.cbor. inhibitions: seq, code, whether "
        "approved with a ground (null for code 1), seq of the entry that cleared it. duties: seq, code, seq of the "
        "entry that discharged it. explanation: segment and milliseconds in it where the first gap is explained. "
        "totals: nanoseconds of the session, recorded, without both streams, before and after.",
        "answer": {
            "intact": True,
            "vouched": True,
            "purpose": "demo",
            "entries": len(journal.entries),
            "sessions": 1,
            "head": [journal.head[0], journal.head[1].hex()],
            "complete_up_to": [journal.head[0], samples.clock_at(12_500 * MS)[0]],
            "verdicts": {"authentic": 5},
            "findings": ["start-refused", "duty-open", "substituted-source-demo", "demo"],
            "gaps": [
                {"seq": gaps[0], "cause": 8, "stream": None, "length_ns": 4_200 * MS, "explained": True},
                {"seq": gaps[1], "cause": 7, "stream": None, "length_ns": 1_800 * MS, "explained": True},
            ],
            "inhibitions": [[acts[0], 2, True, acts[2]], [acts[3], 1, None, None]],
            "duties": [[duties[0], 1, duties[1]], [duties[2], 1, None], [duties[3], 2, duties[4]]],
            "explanation": [1, 1_500],
            "totals": [10 * SECOND_NS, 4 * SECOND_NS, 6 * SECOND_NS, 0],
        },
        "tampered": list(_tampered(made)),
    }


def _tampered(made: Archive) -> Iterator[Json]:
    content = made.files[JOURNAL_FILE]
    kinds = made.journal.kinds
    approval = kinds.index("inhibition") + 3
    at = sum(map(len, made.journal.entries[:approval]))
    cut: Json = {"file": JOURNAL_FILE, "offset": at, "delete": len(made.journal.entries[approval]), "insert": ""}
    yield _case("the approval cut out", "5.1", [cut], False, ["seq-gap", "withheld-unapproved"])
    gone: Json = {"file": f"records/{GROUND.name}", "remove": True}
    yield _case("the ground not presented", None, [gone], True, ["record-absent"])
    first, interlock = kinds.index("inhibition"), kinds.index("session-end") - 4
    duty = len(kinds) - 3
    at_ns = 12_400 * MS
    wrong = (
        ("cleared twice", "5.7.1", _inhibition(InhibitionCode.WITHHELD, InhibitionAct.CLEARED, at_ns, first)),
        (
            "cleared under another code",
            "5.7.1",
            _inhibition(InhibitionCode.WITHHELD, InhibitionAct.CLEARED, at_ns, interlock),
        ),
        (
            "cleared where nothing was forbidden",
            "5.7.1",
            _inhibition(InhibitionCode.INTERLOCK, InhibitionAct.CLEARED, at_ns, 8),
        ),
        (
            "cleared before it was forbidden",
            "5.7.1",
            _inhibition(InhibitionCode.INTERLOCK, InhibitionAct.CLEARED, 10_140 * MS, interlock),
        ),
        ("discharged though no duty is open", "5.7.4", _duty(DutyCode.REPORT, DutyAct.DISCHARGED, 5)),
        ("discharged by an entry that opened nothing", "5.7.4", _duty(DutyCode.REPORT, DutyAct.DISCHARGED, duty)),
        ("a duty for something that makes none due", "5.7.4", _duty(DutyCode.REPORT, DutyAct.OPENED, 8)),
    )
    for name, rule, body in wrong:
        edit = _other_tail(content, body)
        code = "inhibition-order" if rule == "5.7.1" else "duty-order"
        yield _case(f"signed by the device: {name}", rule, [edit], False, [code])
    good = _inhibition(InhibitionCode.INTERLOCK, InhibitionAct.CLEARED, at_ns, interlock)
    edit = _other_tail(content, good)
    yield _case("signed by the device: the interlock cleared, as it may be", None, [edit], True, ["duty-open"])


def _other_tail(content: bytes, body: Inhibition | Duty) -> Json:
    """The edit that puts this entry before the last checkpoint, signed and chained."""
    other = make_archive((body,)).files[JOURNAL_FILE]
    same = next(n for n, (a, b) in enumerate(zip(content, other, strict=False)) if a != b)
    return {"file": JOURNAL_FILE, "offset": same, "delete": len(content) - same, "insert": other[same:].hex()}


def _case(name: str, rule: str | None, edits: list[Json], intact: bool, findings: list[str]) -> Json:
    return {"name": name, "rule": rule, "edits": edits, "answer": {"intact": intact, "findings": findings}}
