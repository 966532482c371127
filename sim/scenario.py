"""Plays a scenario in virtual time and holds what the verifier then says against what the scenario declares.

Owns the spool it is given, which must be new. Every boot is a run of the real recorder with the real encoder, writer
and journal; the judge is `liuhen.verify` with the demo's trust file. What differs comes back as one line each.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge.app import Stage, Start, run
from edge.config import Config
from edge.journal import entries_of
from edge.ports import Hardware
from edge.profiles import load_named
from edge.provision import demo_identity
from edge.recorder import Ended
from edge.refusals import Refused
from edge.status import Status
from liuhen import archive, keys
from liuhen import verify as verifier
from liuhen.entry import Entry
from liuhen.findings import Code, Verdict
from liuhen.kinds import Check, Event, Mark, SessionEnd
from liuhen.registry import CheckCode, DutyCode, EndCause, EventCode, GapCause, MarkCode
from liuhen.report import Report
from liuhen.report_words import cause_name
from liuhen.verify_codes import known
from liuhen.verify_gaps import GapSummary
from sim.imager import NS_PER_MS, Moment
from sim.pulled_disk import SpoolDisk
from sim.room import HearingRoom
from sim.scenario_file import OF_PROCEEDINGS, ExpectedGap, Outcome, Scenario, Step
from sim.scenario_room import OFF_SECONDS, ScenarioRoom
from sim.scene import PictureSource
from sim.speech import Speech
from sim.truth import NoTruth
from sim.virtual import VIRTUAL_START, Chains, PowerCut, VirtualPlan, build_room, conduct_virtual
from sim.virtual_room import Act
from sim.virtual_sources import NS_PER_SECOND

WIDTH, HEIGHT, FRAMES_PER_SECOND, RATE_HZ = 320, 180, 25, 16_000
BOOT_NS = 5 * NS_PER_SECOND
"""A device records so long after it was switched on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeOf:
    """What a composition root gives: the product's chains for a configuration, and another picture than the room's."""

    chains: Chains
    draw: Callable[[], PictureSource] | None = None
    fill_disk: Callable[[Path], None] | None = None
    """Takes the space of the real disk below this folder; without it the system only says that there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One time from power to power; `since` in the scenario's seconds."""

    boot_id: bytes
    since: float
    boottime_ns: int

    def instant(self, at: float) -> tuple[bytes, int]:
        """The true moment of this second of the scenario."""
        return (self.boot_id, self.boottime_ns + round((at - self.since) * NS_PER_SECOND))


@dataclass(slots=True, kw_only=True)
class Played:
    """What came of it; `exit_code` is what `liuhen run` would have ended with."""

    spool: Path
    trust_file: Path
    boots: list[Boot] = field(default_factory=list)
    ended: Ended | None = None
    refused: Refused | None = None
    lamps: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 for an end in order."""
        if self.refused is not None:
            return self.refused.exit_code
        return 0 if self.ended is not None and self.ended.clean else 1

    def entries(self) -> Iterator[Entry]:
        """The journal."""
        for path in sorted((self.spool / "journal").glob("*.cbor")):
            yield from entries_of(path)

    def bodies(self, kind: type[Any]) -> list[Any]:
        """Its entries of one kind."""
        return [entry.body for entry in self.entries() if isinstance(entry.body, kind)]

    def verify(self) -> Report:
        """What the verifier says."""
        target = archive.locate(self.spool)
        if target is None:
            raise LookupError(f"nothing to verify at {self.spool}")
        trust = keys.parse_trust(self.trust_file.read_bytes(), where="trust file")
        return verifier.verify(verifier.Request(target=target, trust=trust, now_ms=VIRTUAL_START.utc_ms))


# -- playing -----------------------------------------------------------------------------------------------------------


def play(scenario: Scenario, spool: Path, made_of: MadeOf) -> Played:
    """Play it into a new spool (keys beside it). Raises KeyFileError, SpoolError; refusals are in what comes back."""
    identity = demo_identity(spool, spool.with_name(f"{spool.name}.keys"), now_utc_ms=VIRTUAL_START.utc_ms)
    base = Config()
    config = replace(
        base,
        spool=replace(base.spool, directory=spool, minimum_free_hours=0.1, journal_reserve_bytes=65_536),
        key=replace(base.key, file=identity.key_file, endorsements=(identity.endorsement_file,)),
        camera=replace(
            base.camera,
            width=WIDTH,
            height=HEIGHT,
            frames_per_second=FRAMES_PER_SECOND,
            bitrate_bits_per_second=300_000,
        ),
        microphone=replace(base.microphone, rate_hz=RATE_HZ, packet_samples=320),
        segment=replace(base.segment, seconds=10),
        interlock=replace(base.interlock, enabled=scenario.settings.interlock),
        ups=replace(base.ups, kind="nut" if scenario.settings.battery_low else base.ups.kind),
        rules=load_named(scenario.settings.profile),
    )
    disk = SpoolDisk(spool, made_of.fill_disk)
    room = ScenarioRoom(scenario.settings, disk)
    played = Played(spool=spool, trust_file=identity.trust_file, lamps=room.lamps, unexpected=room.unexpected)
    if scenario.settings.disk_full:
        disk.fill()
    with disk.in_place():
        _boots(scenario, config, room, played, made_of)
    return played


def _boots(scenario: Scenario, config: Config, room: ScenarioRoom, played: Played, made_of: MadeOf) -> None:
    since, steps = 0.0, scenario.steps
    while True:
        boot = _Boot(
            replace(scenario, steps=steps), config, room, since=since, number=len(played.boots), made_of=made_of
        )
        played.boots.append(boot.facts)
        try:
            played.ended = boot.run()
            cut = next((step for step in steps if step.act == "power_cut"), None)
            if cut is None or played.ended.told:
                return  # what has ended in order is not begun again
            went, since = cut.at, cut.at + float(cut.values.get("off", OFF_SECONDS))
        except PowerCut:
            went, since = boot.now, boot.now + room.off_seconds
        except Refused as refused:
            played.refused = refused
            return
        room.power_goes(step for step in steps if went < step.at < since)
        steps = tuple(step for step in steps if step.at >= since)


class _Boot:
    """One boot of a scenario: a room with another boot id, and one run of the recorder in it."""

    def __init__(
        self,
        scenario: Scenario,
        config: Config,
        room: ScenarioRoom,
        *,
        since: float,
        number: int,
        made_of: MadeOf,
    ) -> None:
        self._scenario = scenario
        self._config = config
        self._room = room
        acts = tuple(Act(at_seconds=step.at - since, happens=_doing(room, step)) for step in scenario.steps)
        self._virtual = build_room(config, _plan(config, since, number, acts, made_of))
        clock = self._virtual.clock
        self.facts = Boot(boot_id=clock.boot_id, since=since, boottime_ns=clock.boottime_ns())

    @property
    def now(self) -> float:
        """The scenario's second."""
        passed_ns = self._virtual.clock.boottime_ns() - self.facts.boottime_ns
        return self.facts.since + passed_ns / NS_PER_SECOND

    def run(self) -> Ended:
        """Until the end, a refusal or a cut."""
        virtual = self._virtual
        hardware = Hardware(camera=virtual.camera, microphone=virtual.microphone, clock=virtual.clock)
        return run(
            Start(
                config=self._config,
                hardware=hardware,
                watcher=_Nobody(),
                stop=threading.Event(),
                conduct=self._conduct,
                seconds=max(1.0, self._scenario.seconds - self.facts.since),
                surroundings=self._room.begin_boot(virtual),
            )
        )

    def _conduct(self, stage: Stage) -> Ended:
        self._room.on_stage(stage)
        self._virtual.begin(NoTruth())
        self._room.begun()
        return conduct_virtual(self._virtual, stage, seconds=None, pace=lambda _at, _stop: None)


def _doing(room: ScenarioRoom, step: Step) -> Callable[[Any], None]:
    return lambda _room: room.do(step)


def _plan(config: Config, since: float, number: int, acts: tuple[Act, ...], made_of: MadeOf) -> VirtualPlan:
    camera, microphone = config.camera, config.microphone
    picture_chain, sound_chain = made_of.chains(config)
    draw = made_of.draw
    return VirtualPlan(
        picture_chain=picture_chain,
        sound_chain=sound_chain,
        picture_source=draw or (lambda: HearingRoom(camera.width, camera.height, config.device.room, stamp=False)),
        sound_source=lambda: Speech(microphone.rate_hz, microphone.channels),
        seed=number,
        since=Moment(boottime_ns=BOOT_NS, utc_ms=VIRTUAL_START.utc_ms + int(since * NS_PER_SECOND) // NS_PER_MS),
        script=acts,
    )


class _Nobody:
    """Nobody looks on (implements `edge.app.Watcher`)."""

    def fragment(self, segment: int, fragment: int, r: bytes) -> None:
        """Durable."""

    def entry(self, seq: int, digest: bytes) -> None:
        """Durable."""

    def status(self, status: Status) -> None:
        """A snapshot."""

    def said(self, words_zh: str, words_en: str) -> None:
        """A line."""


# -- judging -----------------------------------------------------------------------------------------------------------


def differences(scenario: Scenario, played: Played, report: Report) -> list[str]:
    """What is not as declared, one line each; empty where everything is."""
    found = [f"答复与预期不符 / answered otherwise: {one}" for one in played.unexpected]
    gaps = [gap for session in report.sessions for gap in session.gaps]
    found += list(_gaps(scenario, played, gaps))
    found += list(_outcome(scenario, played, report))
    found += list(_totals(report))
    return found


def _gaps(scenario: Scenario, played: Played, gaps: list[GapSummary]) -> Iterator[str]:
    if len(gaps) != len(scenario.gaps):
        told = ", ".join(cause_name(gap.cause) for gap in gaps)
        yield f"应有 {len(scenario.gaps)} 处中止，实有 {len(gaps)} 处 / gaps: {told}"
        return
    ordered = sorted(scenario.gaps, key=lambda gap: gap.since)
    for number, (wanted, gap) in enumerate(zip(ordered, gaps, strict=True), start=1):
        for what in _one_gap(wanted, gap, played.boots):
            yield f"中止 {number}：{what}"


def _one_gap(wanted: ExpectedGap, gap: GapSummary, boots: list[Boot]) -> Iterator[str]:
    if gap.cause != wanted.cause or gap.stream != wanted.stream:
        yield f"原因 {cause_name(gap.cause)}，应为 {wanted.cause.words_zh} / cause or stream ({gap.stream})"
    if gap.explained is not wanted.explained:
        yield f"{'已' if gap.explained else '待'}说明，与预期不符 / explained or not"
    if bool(gap.resumed) is not wanted.resumed:
        yield "是否恢复与预期不符 / resumed or not"
    yield from _edge("起", wanted.since, gap.since, boots, wanted.bound)
    yield from _edge("止", wanted.until, gap.until, boots, wanted.bound)
    if gap.length_ns is not None:
        true_ns, bound_ns = (wanted.until - wanted.since) * NS_PER_SECOND, 2 * wanted.bound * NS_PER_SECOND
        if not gap.length_ns[0] - bound_ns <= true_ns <= gap.length_ns[1] + bound_ns:
            yield f"时长 {gap.length_ns} ns 与真值 {true_ns:.0f} 不符 / length"


def _edge(what: str, at: float, found: tuple[bytes, int] | None, boots: list[Boot], bound: float) -> Iterator[str]:
    off = _error_seconds(at, found, boots)
    if off is None:
        yield f"{what}不在应有的启动内 / another boot, or none"
    elif abs(off) > bound:
        yield f"{what}与真值相差 {off:.3f} 秒，界限 {bound} / bound"


def _error_seconds(at: float, found: tuple[bytes, int] | None, boots: list[Boot]) -> float | None:
    """How far a bound is from the truth; None where it is of another boot, or there is none."""
    true = next((one for one in reversed(boots) if one.since <= at), boots[0]).instant(at)
    return None if found is None or found[0] != true[0] else (found[1] - true[1]) / NS_PER_SECOND


def _outcome(scenario: Scenario, played: Played, report: Report) -> Iterator[str]:
    wanted = scenario.outcome
    ends = [EndCause(body.cause) for body in played.bodies(SessionEnd)]
    if (ends[-1] if ends else None) is not wanted.end or (played.refused is not None) is not wanted.refused:
        yield f"结束方式 {ends or played.refused} / ended otherwise"
    if played.exit_code != wanted.exit_code:
        yield f"退出码 {played.exit_code}，应为 {wanted.exit_code} / exit code"
    missing = wanted.events - {EventCode(body.code) for body in played.bodies(Event)}
    if missing:
        yield f"缺少事件 {', '.join(sorted(code.name for code in missing))} / events are missing"
    owed = tuple(sorted(_duty(duty.code) for duty in report.room.owed)) if report.room is not None else ()
    if owed != wanted.owed:
        yield f"未办事项 {owed}，应为 {wanted.owed} / owed"
    yield from _proceedings(wanted, report)
    yield from _told(wanted, played)
    unapproved = report.room.unapproved if report.room is not None else 0
    if unapproved != wanted.unapproved:
        yield f"未获批准 {unapproved} 次，应为 {wanted.unapproved} / unapproved"


def _proceedings(wanted: Outcome, report: Report) -> Iterator[str]:
    """Steps that are marked, and what the verifier finds of the proceeding."""
    told = report.room.proceedings.values() if report.room is not None else ()
    marked = sum(bool(step.marks) for summary in told for step in summary.told.steps())
    if marked != wanted.steps:
        yield f"环节标记 {marked} 个，应为 {wanted.steps} / steps"
    found = {finding.code for finding in report.findings} & OF_PROCEEDINGS
    if found != wanted.findings:
        names = ", ".join(sorted(code.value for code in found ^ wanted.findings))
        yield f"对程序的发现与预期不符：{names} / findings of the proceeding"


def _told(wanted: Outcome, played: Played) -> Iterator[str]:
    """Marks, and what the check before the recording found."""
    unmarked = wanted.marks - {MarkCode(body.code) for body in played.bodies(Mark)}
    if unmarked:
        yield f"缺少标记 {', '.join(sorted(code.name for code in unmarked))} / marks are missing"
    before = (body for body in played.bodies(Check) if body.code == CheckCode.BEFORE_RECORDING)
    found = {(item, outcome) for item, outcome, _ in next(before).rows} if wanted.checks else set()
    unfound = [one for one in wanted.checks if one not in found]
    if unfound:
        yield f"录前检查与预期不符 {[f'{item.name} {outcome.name}' for item, outcome in unfound]} / the check"


def _duty(code: int) -> str:
    return DutyCode(code).name.lower().replace("_", "-")


def _totals(report: Report) -> Iterator[str]:
    if not report.intact:
        yield "核验不通过 / not intact"
    holes = any(finding.code is Code.HOLE_UNEXPLAINED for finding in report.findings)
    if holes or report.verdicts.get(Verdict.MISSING_UNEXPLAINED, 0):
        yield "有说不清的媒体 / unexplained media"
    for session in report.sessions:
        if session.totals is not None and session.totals.agrees is not True:
            yield f"录制时间加中止不等于场次 / recorded time and gaps do not add up: {session.totals}"


def _cause_words(code: int | None) -> str:
    """The cause in the words of the rule books, and its English name."""
    if code is None or not known(GapCause, code):
        return cause_name(code)
    return f"{GapCause(code).words_zh} {cause_name(code)}"


def summary(scenario: Scenario, played: Played, report: Report, differing: list[str]) -> str:
    """A few lines for a person, Chinese first; of each gap how far its bounds are from the truth."""
    lines = [f"场景 {scenario.name}：{scenario.words_zh}", f"  {scenario.words_en}", f"  {'；'.join(scenario.shows)}"]
    gaps = [gap for session in report.sessions for gap in session.gaps]
    ordered: list[ExpectedGap | None] = [*sorted(scenario.gaps, key=lambda gap: gap.since)]
    for gap, wanted in zip(gaps, [*ordered, *[None] * len(gaps)], strict=False):
        length = "?" if gap.length_ns is None else f"{gap.length_ns[0] / NS_PER_SECOND:.2f}"
        said = "已说明 explained" if gap.explained else "待说明 not explained"
        lines.append(f"  中止 gap：{_cause_words(gap.cause)}，{length} s，{said}{_errors(wanted, gap, played.boots)}")
    lines += [f"  ✗ {one}" for one in differing]
    lines.append("  与预期相符 / as expected" if not differing else "  与预期不符 / not as expected")
    return "\n".join(lines)


def _errors(wanted: ExpectedGap | None, gap: GapSummary, boots: list[Boot]) -> str:
    if wanted is None:
        return ""
    edges = (_error_seconds(wanted.since, gap.since, boots), _error_seconds(wanted.until, gap.until, boots))
    from_, to = ("?" if off is None else f"{off:+.3f}" for off in edges)
    return f"；误差 error 起 {from_} s 止 {to} s，界限 bound {wanted.bound:g} s"
