"""Published test keys and one well-formed statement of every kind; the raw material of the vectors and of the tests.

Pure and deterministic: the same bytes in every run. The private seeds are published with the vectors, so nothing signed
with these keys proves anything.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from liuhen import keys
from liuhen.keys import Card, FileSigner
from liuhen.kinds import (
    Amend,
    Case,
    Check,
    Checkpoint,
    Choice,
    Clock,
    Destroyed,
    Duty,
    Enrolment,
    EntryBody,
    Event,
    Gap,
    GapEnd,
    Header,
    Heartbeat,
    Hold,
    Inhibition,
    Key,
    LateMark,
    Maintenance,
    Mark,
    Order,
    Plate,
    Procedure,
    Receipt,
    Reclaimed,
    Recovered,
    Refusal,
    Retention,
    Run,
    Segment,
    Session,
    SessionEnd,
    Stop,
    Visit,
)
from liuhen.registry import (
    CaseStage,
    CheckCode,
    CheckItem,
    CheckOutcome,
    ChoiceCode,
    ContentKind,
    Custody,
    DutyAct,
    DutyCode,
    EndCause,
    EventCode,
    ExStatus,
    GapCause,
    HoldAct,
    InhibitionAct,
    InhibitionCode,
    KeyAct,
    MaintenanceCode,
    MarkCode,
    ObjectKind,
    OrderCode,
    ProcedureCode,
    Purpose,
    RecordLabel,
    RefusalCode,
    RetentionBasis,
    RetentionMode,
    RunCause,
    SecrecyClass,
    Severity,
    StopCause,
    Stream,
    VisitAct,
    VisitEnd,
    VisitSort,
)


def seed(name: str) -> bytes:
    """The published 32-byte private seed of a test key."""
    return hashlib.sha256(f"liuhen test seed: {name}".encode()).digest()


def signer(name: str) -> FileSigner:
    """The test key of a name."""
    return FileSigner(Ed25519PrivateKey.from_private_bytes(seed(name)))


def filler(name: str, size: int = 32) -> bytes:
    """Bytes that stand for something random."""
    return hashlib.shake_256(f"liuhen filler: {name}".encode()).digest(size)


DEVICE = signer("device")
NEXT_DEVICE = signer("next device")
ROOTS = tuple(signer(f"root {number}") for number in (1, 2, 3))

LOG_ID = filler("log", 16)
BOOT_ID = filler("boot", 16)
SESSION_ID = filler("session", 16)
UTC_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
ENROLLED_MS = UTC_MS - 86_400_000
SOFTWARE = (("recorder", "0.1.0", "vector", 1), ("camera", "none", "vector: no picture was taken", 0))


def clock_at(boottime_ns: int) -> Clock:
    """Both clocks at an instant of the one boot; boot began at UTC_MS, and the wall clock is right."""
    return (UTC_MS + boottime_ns // 1_000_000, boottime_ns, BOOT_ID, 2, 20)


def card_of(device: FileSigner) -> Card:
    """The card of a device key."""
    return Card(version=1, log_id=LOG_ID, public_key=device.public_key, custody=Custody.FILE)


def endorsement(root: FileSigner, device: FileSigner, purpose: Purpose = Purpose.DEMO) -> bytes:
    """A root's endorsement of a device key."""
    return keys.endorse(root, card_of(device), purpose=purpose, not_before_ms=ENROLLED_MS)


def sample_bodies() -> tuple[EntryBody, ...]:
    """One statement of every kind in the order of FORMAT.md 5.2, every optional field filled where one may be."""
    return (*_run_bodies(), *_session_bodies(), *_later_bodies(), *_told_bodies())


def _run_bodies() -> tuple[EntryBody, ...]:
    return (
        Enrolment(
            public_key=DEVICE.public_key,
            endorsements=(endorsement(ROOTS[0], DEVICE),),
            spool_id=filler("spool", 16),
        ),
        Run(cause=RunCause.FIRST, software=SOFTWARE, config_hash=filler("configuration")),
        Stop(cause=StopCause.OPERATOR),
        Session(
            ordinal=1,
            mode=0,
            config_hash=filler("configuration"),
            profile_hash=filler("profile"),
            software=SOFTWARE,
            promise=(300_000, 1_000, 10_000, 3_600_000),
            streams=((Stream.PICTURE, "h264", 1920, 1080, 25), (Stream.SOUND, "flac", 48_000, 2, 0)),
            records=((RecordLabel.PLACE, filler("record 1")), (RecordLabel.CASE, filler("record 2"))),
        ),
        SessionEnd(
            cause=EndCause.STOPPED,
            segments=2,
            frames=100,
            samples=192_000,
            gaps=1,
            records=((RecordLabel.REASON, filler("record 3")),),
        ),
    )


def _session_bodies() -> tuple[EntryBody, ...]:
    return (
        Segment(
            number=1,
            size=4096,
            file_hash=filler("file"),
            initial=filler("r 0"),
            fragments=((1500, filler("h 1"), 400, filler("seal 1")), (0, filler("h 2"), 401, filler("seal 2"))),
            last=filler("r 2"),
            frames=(50, 25),
            samples=(96_000, 48_000),
            span_ns=(7_000_000_000, 8_000_000_000),
            missed=(1, 0),
            end_cause=EndCause.STREAMS_CHANGED,
            sound_clock=(7_000_000_123, -4_200, 1),
            previous=filler("previous r"),
        ),
        Gap(
            stream=Stream.SOUND,
            cause=GapCause.DEVICE_FAULT,
            since=(BOOT_ID, 8_000_000_000),
            measured=(1_500,),
            evidence=(3, 4),
            records=((RecordLabel.EXPLANATION, filler("record 4")),),
        ),
        GapEnd(
            gap_seq=6,
            until=(BOOT_ID, 9_500_000_000),
            length_ns=(1_500_000_000, 1_500_000_000),
            lost=(None, 72_000),
            resumed=1,
        ),
        Mark(
            code=MarkCode.STEP,
            boottime_ns=9_600_000_000,
            frame_index=80,
            sample_index=150_000,
            refers_to=6,
            step=3,
            records=((RecordLabel.OTHER, filler("record 5")),),
        ),
        Event(
            code=EventCode.SOUND_CLIPPING,
            severity=Severity.WARNING,
            stream=Stream.SOUND,
            span_ns=(9_600_000_000, 9_700_000_000),
            measured=(-1, -310, 0, 44),
            refers_to=8,
            records=(),
        ),
        Heartbeat(
            position=(1, 1, filler("r 1")),
            frames=75,
            samples=144_000,
            missed=(1, 0),
            queue_ms=40,
            seal_delay_ms=1_150,
            free_bytes=64_000_000_000,
            parts_per_billion=-4_200,
            level_millibel=(-600, -3_200),
        ),
        Checkpoint(size=11, root=filler("root"), peaks=(filler("peak 8"), filler("peak 2"), filler("peak 1"))),
    )


def _later_bodies() -> tuple[EntryBody, ...]:
    return (
        Amend(
            refers_to=7,
            refers_to_hash=filler("entry 7"),
            length_ns=(1_400_000_000, 1_500_000_000),
            cause=GapCause.DEVICE_DAMAGE,
            records=((RecordLabel.REASON, filler("record 6")),),
        ),
        Recovered(
            head=(12, filler("entry 12")),
            torn_journal_bytes=17,
            last_durable=(SESSION_ID, 1, 1),
            quarantined=((SESSION_ID, 1, 1_024, filler("quarantined")),),
            rotten=((0, 4_096, 12),),
            since=(BOOT_ID, 9_700_000_000),
            length_ns=(2_000_000_000, 2_100_000_000),
            cause=GapCause.POWER_LOW,
        ),
        Destroyed(
            contents=((0, filler("record 2")), (1, filler("file"))),
            basis=0,
            records=((RecordLabel.APPROVAL, filler("record 7")),),
        ),
        Key(
            act=KeyAct.ROTATED,
            subject=hashlib.sha256(DEVICE.public_key).digest(),
            new_public_key=NEXT_DEVICE.public_key,
            endorsements=(endorsement(ROOTS[1], NEXT_DEVICE),),
            last_trusted=(12, filler("entry 12")),
            old_head=(14, filler("entry 14")),
            cause=0,
        ),
        Refusal(code=RefusalCode.SPACE, measured=(1_000_000,), records=()),
        Choice(
            code=ChoiceCode.AUTOMATIC_RESUME,
            value=1,
            records=((RecordLabel.GROUND, filler("record 8")),),
        ),
        Retention(
            session=SESSION_ID,
            until_ms=UTC_MS + 86_400_000,
            basis=RetentionBasis.CASE_FILE,
            records=((RecordLabel.CASE, filler("record 9")),),
        ),
        Hold(
            act=HoldAct.PLACED,
            session=None,
            placed=None,
            records=((RecordLabel.REASON, filler("record 10")),),
        ),
        Inhibition(
            code=InhibitionCode.WITHHELD,
            act=InhibitionAct.APPROVED,
            at=(BOOT_ID, 9_000_000_000),
            placed=21,
            records=((RecordLabel.GROUND, filler("record 11")), (RecordLabel.APPROVAL, filler("record 12"))),
        ),
        Duty(
            code=DutyCode.WRITTEN_STATEMENT,
            act=DutyAct.OPENED,
            refers_to=6,
            records=((RecordLabel.REASON, filler("record 13")),),
        ),
        Check(
            code=CheckCode.BEFORE_RECORDING,
            rows=(
                (CheckItem.CLOCK, CheckOutcome.WELL, 10),
                (CheckItem.SOUND, CheckOutcome.WARNING, -6_100),
                (CheckItem.POWER, CheckOutcome.NOT_LOOKED_AT, 0),
            ),
            records=(),
        ),
        Maintenance(code=MaintenanceCode.CLEANED, records=((RecordLabel.OTHER, filler("record 14")),)),
        Receipt(
            store=filler("store"),
            designated=1,
            mode=RetentionMode.COMPLIANCE,
            server_key=filler("server key"),
            objects=(
                (
                    ObjectKind.SEGMENT,
                    filler("file 1"),
                    filler("file 1"),
                    1_200_345,
                    "Zm9vYmFy",
                    1_798_761_600_000,
                    1_767_225_720_000,
                ),
                (ObjectKind.RECORD, filler("record 1"), filler("sealed record 1"), 412, "", None, 1_767_225_721_000),
            ),
            records=((RecordLabel.STORE, filler("record 15")),),
        ),
        Order(
            code=OrderCode.RECLAIM_UNWITNESSED,
            session=None,
            records=((RecordLabel.APPROVAL, filler("record 16")),),
        ),
        Reclaimed(
            contents=((ContentKind.SEGMENT, filler("file 1")),),
            receipts=(24,),
            witness=None,
            order=25,
            records=(),
        ),
    )


def _told_bodies() -> tuple[EntryBody, ...]:
    return (
        Procedure(
            profile=("public-test", filler("profile")),
            code=ProcedureCode.HEARING,
            steps=(("宣布听证会场纪律、当事人的权利和义务", 1), ("当事人确认《听证笔录》", 1)),
            points=("当事人的言行举止",),
            notice_ms=60_000,
            plate=1,
        ),
        Header(
            amends=None,
            matter="24",
            secrecy=SecrecyClass.PRIVACY,
            ex_status=ExStatus.NO_ZONE,
            records=((RecordLabel.CASE, filler("record 17")), (RecordLabel.PARTIES, filler("record 18"))),
        ),
        LateMark(
            code=MarkCode.STEP,
            meant=(BOOT_ID, 9_650_000_000),
            refers_to=None,
            step=2,
            records=((RecordLabel.PERSONS, filler("record 19")),),
        ),
        Plate(
            segment=1,
            fragment=1,
            frame_index=60,
            seal_hash=filler("seal 1"),
            records=((RecordLabel.PERSONS, filler("record 20")),),
        ),
        Visit(
            act=VisitAct.ENDED,
            sort=VisitSort.VISIT,
            number="A023",
            at=(BOOT_ID, 1_300_000_000_000),
            frame_index=7_450,
            sample_index=14_304_000,
            began=26,
            cause=VisitEnd.NEXT_VISIT,
            records=(),
        ),
        Case(
            stage=CaseStage.ENFORCEMENT_ENDED,
            session=SESSION_ID,
            day=20_500,
            due=None,
            records=((RecordLabel.PERSONS, filler("record 21")),),
        ),
    )
