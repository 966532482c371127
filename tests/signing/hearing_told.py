"""Verbs of a synthetic device for a proceeding: what it follows, who came, which step began, and what was said late.

Pure but for the files below the device's root.
"""

from __future__ import annotations

from pathlib import Path

from liuhen.kinds import Amend, Commitments, Header, LateMark, Mark, Plate, Procedure
from liuhen.registry import EndCause, ExStatus, MarkCode, ProcedureCode, RecordLabel, SecrecyClass
from tests.signing.archives import Device, head_of
from tests.signing.room import begun

STEPS = (("宣布听证会场纪律、当事人的权利和义务", 1), ("最后陈述", 0), ("当事人确认《听证笔录》", 1))
POINTS = ("当事人的言行举止", "重要涉案物品")


def follow(device: Device, *, steps: tuple[tuple[str, int], ...] = STEPS, notice_ms: int | None = 60_000) -> int:
    """The session follows a procedure that asks for notice and the sign of the place."""
    body = Procedure(
        profile=("public-test", bytes(32)),
        code=ProcedureCode.HEARING,
        steps=steps,
        points=POINTS,
        notice_ms=notice_ms,
        plate=1,
    )
    return device.append(body)


def head(device: Device, records: Commitments, *, amends: int | None = None) -> int:
    """A header with these records."""
    body = Header(amends=amends, matter="24", secrecy=SecrecyClass.PRIVACY, ex_status=ExStatus.NO_ZONE, records=records)
    return device.append(body)


def mark(
    device: Device,
    code: MarkCode,
    *,
    step: int | None = None,
    refers_to: int | None = None,
    records: Commitments = (),
    ago_ns: int = 0,
) -> int:
    """A mark of now, or one that names an earlier moment without saying so."""
    body = Mark(
        code=code,
        boottime_ns=device.now_ns - ago_ns,
        frame_index=None,
        sample_index=None,
        refers_to=refers_to,
        step=step,
        records=records,
    )
    return device.append(body)


def late(device: Device, code: MarkCode, *, ago_ns: int, step: int | None = None, boot: bytes | None = None) -> int:
    """A mark that says that it was made afterwards."""
    meant = (device.boot_id if boot is None else boot, device.now_ns - ago_ns)
    return device.append(LateMark(code=code, meant=meant, refers_to=None, step=step, records=()))


def show_plate(device: Device, *, seal_hash: bytes | None = None, segment: int | None = None, frame: int = 0) -> int:
    """The newest sealed fragment of the open file shows the sign of the place."""
    assert device.file is not None
    rows = device.file.sealer.fragments
    body = Plate(
        segment=device.file.number if segment is None else segment,
        fragment=len(rows),
        frame_index=max(0, device.frames - 1) + frame,
        seal_hash=rows[-1][3] if seal_hash is None else seal_hash,
        records=(),
    )
    return device.append(body)


def attach(device: Device, opening: int, number: str) -> int:
    """The number of a paper, attached to the session or to a mark."""
    body = Amend(
        refers_to=opening,
        refers_to_hash=head_of(device.root, opening)[1],
        length_ns=None,
        cause=None,
        records=((RecordLabel.PAPER, device.record(number)),),
    )
    return device.append(body)


def arrive_and_tell(device: Device, *, after_seconds: int = 5) -> tuple[int, int]:
    """A party comes, and is told so much later."""
    arrival = mark(device, MarkCode.PARTY_ARRIVED)
    pass_recorded(device, after_seconds)
    notice = mark(device, MarkCode.NOTICE_GIVEN, records=((RecordLabel.PARTIES, device.record("张三")),))
    return arrival, notice


def in_order(root: Path) -> Device:
    """A hearing in which everything was done, and its last segment is open: nothing of it is to be found."""
    device = begun(root)
    follow(device)
    head(device, ((RecordLabel.CASE, device.record("（2026）第 1 号")),))
    arrive_and_tell(device)
    device.open_segment()
    device.fragment(2)
    show_plate(device)
    mark(device, MarkCode.STEP, step=1)
    device.fragment(2)
    mark(device, MarkCode.STEP, step=3)
    device.fragment(2, end_cause=EndCause.ROTATED)
    device.state()
    return device


def pass_recorded(device: Device, seconds: int) -> None:
    """Time goes by, and it is recorded."""
    while seconds > 0:
        device.segment(2 * min(seconds, 8))
        seconds -= 8
