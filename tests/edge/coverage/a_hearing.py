"""One scripted hearing on the synthetic device, in virtual time, with each thing that can go wrong as a switch.

Pure but for the files below the given root.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path

from edge.coverage.decide import decide
from edge.coverage.reading import facts_of
from edge.coverage.values import Coverage, ItemCoverage, Outcome, Requirement, Topic
from edge.profiles import reading
from edge.profiles.schema import Procedure as Name
from edge.profiles.schema import Profile
from liuhen.kinds import Commitments, Header, Procedure
from liuhen.registry import EndCause, ExStatus, MarkCode, ProcedureCode, RecordLabel, SecrecyClass
from tests.signing.archives import SECOND_NS, Device
from tests.signing.checking import NOW_MS, TRUST
from tests.signing.hearing_told import late, mark, pass_recorded, show_plate
from tests.signing.room import stopped

TALK_SECONDS = 4
load_named = functools.cache(reading.load_named)
STEPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is otherwise than by the book. Steps are counted from 1."""

    follows: str = "zezhou"
    matter: str | None = "24"
    procedure: Name = Name.HEARING
    notice_after_seconds: int | None = 5
    arrives: bool = True
    plate: bool = True
    skip: frozenset[int] = frozenset()
    late: frozenset[int] = frozenset()
    gap_in: int | None = None
    gap_stream: int | None = None
    gap_explained: bool = True
    reason: str | None = None
    ends: bool = True
    header: dict[RecordLabel, str | list[str]] = field(
        default_factory=lambda: {
            RecordLabel.CASE: "（2026）应急听字第 1 号",
            RecordLabel.CAUSE: "未按规定储存危险物品",
            RecordLabel.PARTIES: ["某某化工有限公司", "张三"],
            RecordLabel.OFFICIALS: ["李四", "王五"],
            RecordLabel.CERTIFICATES: ["晋 001", "晋 002"],
            RecordLabel.HOST: "赵六",
            RecordLabel.RECORDER: "书记员 钱七",
            RecordLabel.PLACE: "第一听证室",
        }
    )


BY_THE_BOOK = Script()


def hold(root: Path, script: Script = BY_THE_BOOK) -> Device:
    """Play the hearing to its end; the archive is whole and the device stopped. One that goes on is being recorded."""
    device = Device(root=root)
    device.enrol()
    device.start()
    device.begin()
    profile = load_named(script.follows)
    _follow(device, profile, script.procedure)
    _head(device, script)
    device.segment()
    _receive(device, script)
    _steps(device, profile, script)
    if script.reason is not None:
        mark(device, MarkCode.ENDED_EARLY, records=((RecordLabel.REASON, device.record(script.reason)),))
    if not script.ends:
        device.open_segment()
        device.fragment(2)
        return device
    device.segment(cause=EndCause.STOPPED)
    device.end()
    stopped(device)
    return device


def follow_hearing(device: Device, name: str = "zezhou") -> None:
    """The session follows the hearing of a rule book."""
    _follow(device, load_named(name), Name.HEARING)


def _follow(device: Device, profile: Profile, name: Name) -> None:
    template = profile.template(name)
    if template is None:
        return
    body = Procedure(
        profile=(profile.name, profile.digest),
        code=ProcedureCode[name.name],
        steps=tuple((step.title, int(step.required)) for step in template.steps),
        points=tuple(one.text for one in profile.key_moments),
        notice_ms=profile.notice.within_seconds * 1000 if profile.notice is not None else None,
        plate=int(profile.place is not None and profile.place.plate_required),
    )
    device.append(body)


def _head(device: Device, script: Script) -> None:
    records: Commitments = tuple(
        (label, device.record(text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)))
        for label, text in script.header.items()
    )
    body = Header(
        amends=None,
        matter=script.matter,
        secrecy=SecrecyClass.NONE,
        ex_status=ExStatus.NO_ZONE,
        records=records,
    )
    device.append(body)


def _receive(device: Device, script: Script) -> None:
    """A party comes and is told; the sign of the place is shown."""
    if script.arrives:
        mark(device, MarkCode.PARTY_ARRIVED, records=((RecordLabel.PARTIES, device.record("张三")),))
    if script.notice_after_seconds is not None:
        pass_recorded(device, script.notice_after_seconds)
        mark(device, MarkCode.NOTICE_GIVEN, records=((RecordLabel.PARTIES, device.record("在场全体人员")),))
    device.open_segment()
    device.fragment(2)
    if script.plate:
        show_plate(device)
    device.fragment(2, end_cause=EndCause.ROTATED)
    device.state()


def _steps(device: Device, profile: Profile, script: Script) -> None:
    template = profile.template(script.procedure)
    count = len(template.steps) if template is not None else 0
    for number in range(1, count + 1):
        if number not in script.skip | script.late:
            mark(device, MarkCode.STEP, step=number)
        if number == script.gap_in:
            _interrupt(device, script)
        pass_recorded(device, TALK_SECONDS)
        if number in script.late:
            late(device, MarkCode.STEP, step=number, ago_ns=TALK_SECONDS * SECOND_NS)


def _interrupt(device: Device, script: Script) -> None:
    """Two seconds are recorded, then three without one stream or both, then it goes on."""
    pass_recorded(device, 2)
    since_ns = device.now_ns
    gap = device.gap(stream=script.gap_stream)
    if script.gap_stream is None:
        device.pass_ns(3 * SECOND_NS)
    else:
        device.segment(6, streams=(1 - script.gap_stream,), cause=EndCause.STREAMS_CHANGED)
    device.gap_end(gap, since_ns=since_ns)
    pass_recorded(device, 1)
    if script.gap_explained:
        device.mark(refers_to=gap)


def report_of(root: Path, profile: str = "zezhou", *, follows: str | None = None, vouched: bool = True) -> Coverage:
    """The report of the newest session under a profile; `follows` is the one that the session named."""
    facts = facts_of(root, None, trust=TRUST if vouched else None, now_ms=NOW_MS)
    return decide(facts, load_named(profile), load_named(follows or profile))


def item(report: Coverage, no: str) -> ItemCoverage:
    """The item of that number."""
    (found,) = (one for one in report.items if one.no == no)
    return found


def due(report: Coverage, topic: Topic) -> Requirement:
    """The requirement of that topic."""
    (found,) = (one for one in report.requirements if one.topic is topic)
    return found


def outcome(report: Coverage, topic: Topic) -> Outcome:
    """Its answer."""
    return due(report, topic).outcome


def told(requirement: Requirement) -> str:
    """Everything it tells, in Chinese."""
    return "\n".join(fact.said.zh for fact in requirement.facts)
