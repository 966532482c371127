"""Verbs of a synthetic device for what forbids recording and what is owed, and one whole story of a hearing with both.

Pure but for the files below the device's root.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from liuhen.kinds import (
    Amend,
    Check,
    Commitments,
    Duty,
    Event,
    Gap,
    GapEnd,
    Inhibition,
    Instant,
    Maintenance,
    Mark,
    Refusal,
)
from liuhen.registry import (
    CheckCode,
    CheckItem,
    CheckOutcome,
    DutyAct,
    DutyCode,
    EndCause,
    EventCode,
    GapCause,
    InhibitionAct,
    InhibitionCode,
    MaintenanceCode,
    MarkCode,
    RecordLabel,
    RefusalCode,
    Severity,
)
from tests.signing.archives import SECOND_NS, Device, head_of

WITHHELD, INTERLOCK = InhibitionCode.WITHHELD, InhibitionCode.INTERLOCK


def forbid(device: Device, code: InhibitionCode = WITHHELD, *, at_ns: int | None = None) -> int:
    """Recording is forbidden, now or (`at_ns`) as if it had been earlier; returns the seq."""
    body = Inhibition(code=code, act=InhibitionAct.SET, at=_at(device, at_ns), placed=None, records=())
    return device.append(body)


def approve(device: Device, placed: int, *, ground: bool = True, session: bool = True) -> int:
    """A second person approves, with the ground or without."""
    records: Commitments = ((RecordLabel.GROUND, device.record("《保守国家秘密法》第二十七条")),) if ground else ()
    records += ((RecordLabel.APPROVAL, device.record("批准人：李四")),)
    body = Inhibition(code=WITHHELD, act=InhibitionAct.APPROVED, at=_at(device, None), placed=placed, records=records)
    return device.append(body, session=session)


def clear(device: Device, placed: int | None, code: InhibitionCode = WITHHELD, *, at_ns: int | None = None) -> int:
    """It is over, now or as if it had been over earlier."""
    body = Inhibition(code=code, act=InhibitionAct.CLEARED, at=_at(device, at_ns), placed=placed, records=())
    return device.append(body)


def _at(device: Device, at_ns: int | None) -> Instant:
    return (device.boot_id, device.now_ns if at_ns is None else at_ns)


def gap_since(device: Device, cause: GapCause, since_ns: int, evidence: tuple[int, ...] = ()) -> int:
    """A gap of both streams that began then; returns its seq."""
    device.gaps += 1
    since = (device.boot_id, since_ns)
    return device.append(Gap(stream=None, cause=cause, since=since, measured=(), evidence=evidence, records=()))


def unresumed(device: Device, gap: int, since_ns: int) -> None:
    """The session ends, or another gap begins, without its media."""
    length = device.now_ns - since_ns
    until = (device.boot_id, device.now_ns)
    device.append(
        GapEnd(gap_seq=gap, until=until, length_ns=(length, length), lost=(None, None), resumed=0),
    )


def withhold(device: Device, *, seconds: int = 5, approved: bool = True) -> int:
    """Recording is withheld for a while, with its gap, and explained afterwards; returns the seq of act 0."""
    since_ns = device.now_ns
    placed = forbid(device)
    gap = gap_since(device, GapCause.WITHHELD, since_ns)
    device.pass_ns(seconds * SECOND_NS)
    if approved:
        approve(device, placed)
    clear(device, placed)
    device.gap_end(gap, since_ns=since_ns)
    device.mark(refers_to=gap)
    return placed


def trip(device: Device, *, seconds: int = 5) -> int:
    """The interlock trips and is reset after a while; returns the seq of act 0."""
    since_ns = device.now_ns
    placed = forbid(device, INTERLOCK)
    gap = gap_since(device, GapCause.INTERLOCK, since_ns)
    device.pass_ns(seconds * SECOND_NS)
    clear(device, placed, INTERLOCK)
    device.gap_end(gap, since_ns=since_ns)
    device.mark(refers_to=gap)
    return placed


def owe(device: Device, code: DutyCode, about: int, *, session: bool = True) -> int:
    """A duty opens; returns its seq."""
    return device.append(Duty(code=code, act=DutyAct.OPENED, refers_to=about, records=()), session=session)


def give(device: Device, code: DutyCode, duty: int, *, records: Commitments | None = None, session: bool = True) -> int:
    """What was owed is given, with a record of it."""
    given = ((RecordLabel.ATTACHMENT, device.record("书面说明（已签字）")),) if records is None else records
    return device.append(Duty(code=code, act=DutyAct.DISCHARGED, refers_to=duty, records=given), session=session)


def refuse(device: Device, code: RefusalCode = RefusalCode.NO_CAMERA) -> int:
    """A start is refused; returns the seq."""
    return device.append(Refusal(code=code, measured=(), records=()), session=False)


def examine(device: Device, code: CheckCode = CheckCode.BEFORE_RECORDING) -> int:
    """A check with one warning; returns its seq."""
    rows = tuple(
        (item, CheckOutcome.WARNING if item == CheckItem.SOUND else CheckOutcome.WELL, 0) for item in CheckItem
    )
    return device.append(Check(code=code, rows=rows, records=()), session=False)


def maintain(device: Device) -> int:
    """Somebody cleaned the device; returns the seq."""
    records = ((RecordLabel.PERSONS, device.record("维护人：王五")),)
    return device.append(Maintenance(code=MaintenanceCode.CLEANED, records=records), session=False)


def begun(root: Path) -> Device:
    """A device that runs and records: a session with one segment."""
    device = Device(root=root)
    device.enrol()
    device.start()
    device.begin()
    device.segment()
    return device


def ended(device: Device) -> Path:
    """One more segment, the session's end, an orderly stop."""
    if device.session_id is not None:
        device.segment(cause=EndCause.STOPPED)
        device.end()
    return stopped(device)


def stopped(device: Device) -> Path:
    """An orderly stop without another segment."""
    device.checkpoint()
    device.stop()
    return device.root


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """The archive of `hearing`, and the seqs a test asks for."""

    device: Device
    session: bytes
    refusal: int
    fault: int
    fault_gap: int
    withheld: int
    approval: int
    degraded: int
    interlock: int
    report: int
    statement: int


def hearing(root: Path) -> Hearing:
    """One start refused and reported; then a session: fault, withheld, one stream only, interlock; every gap explained.

    Nothing in it is wrong, and nothing is owed.
    """
    device = Device(root=root)
    refusal = _refused_and_reported(device)
    session = device.begin()
    device.mark(code=MarkCode.PROMPT_PLAYED)
    device.segment(cause=EndCause.DEVICE_FAULT)
    fault, fault_gap = _camera_lost(device)
    _explained_on_record(device, fault_gap)
    device.append(_amended(device, fault_gap))
    withheld, approval = _withheld_and_approved(device)
    _explained_on_record(device, withheld + 1)
    degraded = _one_stream(device)
    interlock = trip(device)
    report = owe(device, DutyCode.REPORT, interlock + 1)
    statement = owe(device, DutyCode.WRITTEN_STATEMENT, interlock + 1)
    give(device, DutyCode.REPORT, report, records=())
    give(device, DutyCode.WRITTEN_STATEMENT, statement)
    ended(device)
    return Hearing(
        device=device,
        session=session,
        refusal=refusal,
        fault=fault,
        fault_gap=fault_gap,
        withheld=withheld,
        approval=approval,
        degraded=degraded,
        interlock=interlock,
        report=report,
        statement=statement,
    )


def _refused_and_reported(device: Device) -> int:
    device.enrol()
    device.start()
    examine(device, CheckCode.DAILY)
    maintain(device)
    refusal = refuse(device)
    duty = owe(device, DutyCode.REPORT, refusal, session=False)
    heard = ((RecordLabel.PERSONS, device.record("部门负责人")),)
    give(device, DutyCode.REPORT, duty, records=heard, session=False)
    examine(device)
    return refusal


def _withheld_and_approved(device: Device) -> tuple[int, int]:
    """Five seconds, with consent asked for at their end; the gap is the entry after the first."""
    since_ns = device.now_ns
    withheld = forbid(device)
    gap = gap_since(device, GapCause.WITHHELD, since_ns)
    device.pass_ns(4 * SECOND_NS)
    approval = approve(device, withheld)
    device.pass_ns(SECOND_NS)
    device.mark(code=MarkCode.CONSENT)
    clear(device, withheld)
    device.gap_end(gap, since_ns=since_ns)
    return withheld, approval


def _camera_lost(device: Device) -> tuple[int, int]:
    since_ns = device.now_ns
    device.pass_ns(SECOND_NS)
    event = device.append(
        Event(
            code=EventCode.SOURCE_BACK,
            severity=Severity.NOTICE,
            stream=None,
            span_ns=(since_ns, device.now_ns),
            measured=(1000,),
            refers_to=None,
            records=(),
        )
    )
    gap = gap_since(device, GapCause.DEVICE_FAULT, since_ns, (event,))
    device.pass_ns(2 * SECOND_NS)
    device.gap_end(gap, since_ns=since_ns)
    return event, gap


def _explained_on_record(device: Device, gap: int) -> None:
    """A segment; one second into it the explanation begins."""
    device.open_segment()
    device.fragment(2)
    device.append(
        Mark(
            code=MarkCode.SPOKEN_EXPLANATION,
            boottime_ns=device.now_ns,
            frame_index=device.frames,
            sample_index=device.samples,
            refers_to=gap,
            step=None,
            records=((RecordLabel.PERSONS, device.record("说明人：张三")),),
        )
    )
    device.heartbeat()
    device.fragment(2, end_cause=EndCause.WITHHELD)
    device.state(EndCause.WITHHELD)


def _amended(device: Device, gap: int) -> Amend:
    return Amend(
        refers_to=gap,
        refers_to_hash=head_of(device.root, gap)[1],
        length_ns=None,
        cause=GapCause.DEVICE_DAMAGE,
        records=(),
    )


def _one_stream(device: Device) -> int:
    since_ns = device.now_ns
    gap = device.gap(stream=1)
    device.segment(streams=(0,), cause=EndCause.STREAMS_CHANGED)
    device.gap_end(gap, since_ns=since_ns)
    device.mark(refers_to=gap)
    return gap
