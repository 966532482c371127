"""Judges picture and sound: when black, frozen, covered, all-zero, silent or clipped has lasted, and when it is over.

One side's seats that are hidden while the other's are seen are found too (Jiaozuo Art. 9, last paragraph).

Owns no thread and touches no disk; ANALYSIS calls it. Pure: state and measure in, state and findings out; the clock is
the measure's own. Entering and leaving have different thresholds and each must last, so a level that wavers about one
threshold gives one finding and not many. Tables stand at the end of the file.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from edge.config import PictureChecks, SoundChecks
from edge.ports import PictureMeasure, Side, SideMeasure, SoundMeasure

NS = 1_000_000_000


class Condition(enum.IntEnum):
    """What can be wrong with a stream that does arrive; the numbers never change meaning."""

    PICTURE_BLACK = 0
    PICTURE_FROZEN = 1
    PICTURE_COVERED = 2
    SOUND_DIGITAL_ZERO = 3
    SOUND_SILENT = 4
    SOUND_CLIPPING = 5
    OFFICIALS_HIDDEN = 6
    PARTIES_HIDDEN = 7


HIDDEN = {Side.OFFICIALS: Condition.OFFICIALS_HIDDEN, Side.PARTIES: Condition.PARTIES_HIDDEN}
"""What is wrong where one side cannot be seen."""


class Phase(enum.IntEnum):
    """Whether a finding opens or closes its condition."""

    BEGAN = 0
    ENDED = 1


class Quantity(enum.IntEnum):
    """What was measured, with its unit; the numbers never change meaning."""

    MEAN_MILLILUMA = 0
    SPREAD_MILLILUMA = 1
    CHANGE_MILLILUMA = 2
    DETAIL_MILLILUMA = 3
    RMS_MILLIBEL = 4
    PEAK_MILLIBEL = 5
    ZERO_SAMPLES = 6
    CLIPPED_SAMPLES_PER_SECOND = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A condition began or ended. `since_boottime_ns` is the first measure that showed it, before it had lasted.

    `judged_boottime_ns` is the measure that decided, `measured` what that measure held. A condition that is withdrawn
    because nothing measures it any more ends with nothing measured.
    """

    condition: Condition
    phase: Phase
    since_boottime_ns: int
    judged_boottime_ns: int
    measured: tuple[tuple[Quantity, int], ...]


class Stage(enum.Enum):
    """How far one condition has come. STANDING and CLEARING are between its two findings."""

    CLEAR = enum.auto()
    SUSPECT = enum.auto()
    STANDING = enum.auto()
    CLEARING = enum.auto()


class Sign(enum.Enum):
    """What one measure says of one condition: past the entering threshold, past the leaving one, or in between."""

    TROUBLE = enum.auto()
    BETWEEN = enum.auto()
    WELL = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One condition: its stage, and since when it is SUSPECT or CLEARING."""

    stage: Stage = Stage.CLEAR
    since_ns: int = 0

    @property
    def begun(self) -> bool:
        """Whether BEGAN was reported and ENDED was not."""
        return self.stage is Stage.STANDING or self.stage is Stage.CLEARING

    @property
    def in_trouble(self) -> bool:
        """Whether the entering threshold was passed and the leaving one was not, however short a time ago."""
        return self.stage is Stage.SUSPECT or self.stage is Stage.STANDING


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sighting:
    condition: Condition
    sign: Sign
    at_ns: int
    since_ns: int
    begin_after_ns: int
    end_after_ns: int
    measured: tuple[tuple[Quantity, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureState:
    """What the judge of the picture remembers from one measure to the next."""

    black: Watch = Watch()
    frozen: Watch = Watch()
    covered: Watch = Watch()
    officials: Watch = Watch()
    parties: Watch = Watch()
    latest_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClippedBlock:
    """A block with clipped samples that is not yet a second old; `end_sample` counts from the first measure."""

    end_sample: int
    boottime_ns: int
    clipped_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundState:
    """What the judge of the sound remembers; `recent` holds the clipped blocks of one second, at most one per block."""

    digital_zero: Watch = Watch()
    silent: Watch = Watch()
    clipping: Watch = Watch()
    latest_ns: int = 0
    heard_samples: int = 0
    recent: tuple[ClippedBlock, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundLimits:
    """The thresholds with the rate that turns a run of samples into time."""

    checks: SoundChecks
    rate_hz: int


def step_picture(
    state: PictureState, measure: PictureMeasure, limits: PictureChecks
) -> tuple[PictureState, tuple[Finding, ...]]:
    """Judge one picture. Findings come in the order of `Condition`; a measure older than the last changes nothing."""
    if measure.boottime_ns < state.latest_ns:
        return state, ()
    black, black_findings = _advance(state.black, _black(measure, limits))
    # A picture without light says nothing of covered, and one without light or detail nothing of frozen; that holds
    # from the first such picture on, before it has lasted long enough to report.
    dark = black.in_trouble
    covered, covered_findings = _advance(state.covered, _covered(measure, limits, dark=dark))
    blind = dark or covered.in_trouble
    frozen, frozen_findings = _advance(state.frozen, _frozen(measure, limits, blind=blind))
    sides = {side.side: side for side in measure.sides}
    officials, officials_findings = _side(state.officials, sides.get(Side.OFFICIALS), measure, limits, blind=blind)
    parties, parties_findings = _side(state.parties, sides.get(Side.PARTIES), measure, limits, blind=blind)
    after = PictureState(
        black=black,
        frozen=frozen,
        covered=covered,
        officials=officials,
        parties=parties,
        latest_ns=measure.boottime_ns,
    )
    return after, (*black_findings, *frozen_findings, *covered_findings, *officials_findings, *parties_findings)


def step_sound(state: SoundState, measure: SoundMeasure, limits: SoundLimits) -> tuple[SoundState, tuple[Finding, ...]]:
    """Judge one block of sound. Findings come in the order of `Condition`; an older measure changes nothing."""
    if measure.boottime_ns < state.latest_ns:
        return state, ()
    zero, zero_findings = _advance(state.digital_zero, _digital_zero(measure, limits, before=state.digital_zero))
    silent, silent_findings = _advance(state.silent, _silent(measure, limits.checks, zero=zero))
    heard_samples = state.heard_samples + measure.samples
    recent = _recent(state.recent, measure, heard_samples, limits.rate_hz)
    clipping, clipping_findings = _advance(state.clipping, _clipping(measure, limits.checks, recent))
    after = SoundState(
        digital_zero=zero,
        silent=silent,
        clipping=clipping,
        latest_ns=measure.boottime_ns,
        heard_samples=heard_samples,
        recent=recent,
    )
    return after, (*zero_findings, *silent_findings, *clipping_findings)


def standing(state: PictureState | SoundState) -> frozenset[Condition]:
    """The conditions whose BEGAN was reported and whose ENDED was not."""
    return frozenset(condition for condition, watch in _watches(state) if watch.begun)


def withdrawn(state: PictureState | SoundState, at_ns: int) -> tuple[Finding, ...]:
    """End every standing condition because its stream is measured no more; the caller starts from a fresh state."""
    return tuple(
        Finding(condition=condition, phase=Phase.ENDED, since_boottime_ns=at_ns, judged_boottime_ns=at_ns, measured=())
        for condition, watch in _watches(state)
        if watch.begun
    )


class PictureJudge:
    """Keeps the state of `step_picture` for the one thread that measures pictures."""

    def __init__(self, limits: PictureChecks) -> None:
        self._limits = limits
        self._state = PictureState()

    def step(self, measure: PictureMeasure) -> tuple[Finding, ...]:
        """Judge one picture."""
        self._state, findings = step_picture(self._state, measure, self._limits)
        return findings

    def standing(self) -> frozenset[Condition]:
        """The conditions that have begun and not ended."""
        return standing(self._state)

    def in_trouble(self) -> bool:
        """Whether any condition is past its entering threshold, however short a time."""
        return any(watch.in_trouble for _, watch in _watches(self._state))

    def withdraw(self, at_ns: int) -> tuple[Finding, ...]:
        """The picture is measured no more: end what stands and forget the rest."""
        findings, self._state = withdrawn(self._state, at_ns), PictureState()
        return findings


class SoundJudge:
    """Keeps the state of `step_sound` for the one thread that measures sound."""

    def __init__(self, limits: SoundLimits) -> None:
        self._limits = limits
        self._state = SoundState()

    def step(self, measure: SoundMeasure) -> tuple[Finding, ...]:
        """Judge one block of sound."""
        self._state, findings = step_sound(self._state, measure, self._limits)
        return findings

    def standing(self) -> frozenset[Condition]:
        """The conditions that have begun and not ended."""
        return standing(self._state)

    def in_trouble(self) -> bool:
        """Whether any condition is past its entering threshold, however short a time."""
        return any(watch.in_trouble for _, watch in _watches(self._state))

    def withdraw(self, at_ns: int) -> tuple[Finding, ...]:
        """The sound is measured no more: end what stands and forget the rest."""
        findings, self._state = withdrawn(self._state, at_ns), SoundState()
        return findings


def _black(measure: PictureMeasure, limits: PictureChecks) -> _Sighting:
    return _Sighting(
        condition=Condition.PICTURE_BLACK,
        sign=_low(measure.mean_milliluma, limits.black_enter_milliluma, limits.black_leave_milliluma),
        at_ns=measure.boottime_ns,
        since_ns=measure.boottime_ns,
        begin_after_ns=limits.black_seconds * NS,
        end_after_ns=limits.clear_seconds * NS,
        measured=((Quantity.MEAN_MILLILUMA, measure.mean_milliluma),),
    )


def _frozen(measure: PictureMeasure, limits: PictureChecks, *, blind: bool) -> _Sighting:
    sign = _low(measure.change_milliluma, limits.frozen_enter_milliluma, limits.frozen_leave_milliluma)
    return _Sighting(
        condition=Condition.PICTURE_FROZEN,
        sign=Sign.WELL if blind else sign,
        at_ns=measure.boottime_ns,
        since_ns=measure.boottime_ns,
        begin_after_ns=limits.frozen_seconds * NS,
        end_after_ns=limits.clear_seconds * NS,
        measured=((Quantity.CHANGE_MILLILUMA, measure.change_milliluma),),
    )


def _covered(measure: PictureMeasure, limits: PictureChecks, *, dark: bool) -> _Sighting:
    return _Sighting(
        condition=Condition.PICTURE_COVERED,
        sign=Sign.WELL if dark else _covered_sign(measure, limits),
        at_ns=measure.boottime_ns,
        since_ns=measure.boottime_ns,
        begin_after_ns=limits.covered_seconds * NS,
        end_after_ns=limits.clear_seconds * NS,
        measured=(
            (Quantity.MEAN_MILLILUMA, measure.mean_milliluma),
            (Quantity.SPREAD_MILLILUMA, measure.spread_milliluma),
            (Quantity.DETAIL_MILLILUMA, measure.detail_milliluma),
        ),
    )


def _side(
    watch: Watch, zone: SideMeasure | None, measure: PictureMeasure, limits: PictureChecks, *, blind: bool
) -> tuple[Watch, tuple[Finding, ...]]:
    """One side's zone: hidden when it is black, or uniform as something close to the lens is.

    An empty seat in the light has its furniture, and who sits still has a face: neither is uniform. While the whole
    picture shows nothing that finding stands alone: no side is found hidden, and none comes into view again.
    """
    if zone is None:
        return watch, ()
    sign = _worse(
        _low(zone.mean_milliluma, limits.black_enter_milliluma, limits.black_leave_milliluma),
        _covered_sign(zone, limits),
    )
    if blind:
        sign = Sign.TROUBLE if watch.begun else Sign.WELL
    return _advance(
        watch,
        _Sighting(
            condition=HIDDEN[zone.side],
            sign=sign,
            at_ns=measure.boottime_ns,
            since_ns=measure.boottime_ns,
            begin_after_ns=limits.side_seconds * NS,
            end_after_ns=limits.clear_seconds * NS,
            measured=(
                (Quantity.MEAN_MILLILUMA, zone.mean_milliluma),
                (Quantity.SPREAD_MILLILUMA, zone.spread_milliluma),
                (Quantity.DETAIL_MILLILUMA, zone.detail_milliluma),
            ),
        ),
    )


def _worse(one: Sign, other: Sign) -> Sign:
    return next(sign for sign in Sign if sign in (one, other))


def _covered_sign(measure: PictureMeasure | SideMeasure, limits: PictureChecks) -> Sign:
    # A hand gives no detail and little light; paper or tape gives no detail, and light that is the same everywhere.
    detail = _low(
        measure.detail_milliluma, limits.covered_detail_enter_milliluma, limits.covered_detail_leave_milliluma
    )
    dim = _low(measure.mean_milliluma, limits.covered_dim_enter_milliluma, limits.covered_dim_leave_milliluma)
    flat = _low(measure.spread_milliluma, limits.covered_flat_enter_milliluma, limits.covered_flat_leave_milliluma)
    if detail is Sign.WELL or (dim is Sign.WELL and flat is Sign.WELL):
        return Sign.WELL
    if detail is Sign.TROUBLE and (dim is Sign.TROUBLE or flat is Sign.TROUBLE):
        return Sign.TROUBLE
    return Sign.BETWEEN


def _digital_zero(measure: SoundMeasure, limits: SoundLimits, *, before: Watch) -> _Sighting:
    # It takes seconds of zeros to begin, and once begun a single block of zeros to go on: a click ends nothing.
    sign = Sign.BETWEEN
    if measure.zero_samples < measure.samples:
        sign = Sign.WELL
    elif before.begun or measure.zero_samples > limits.checks.digital_zero_seconds * limits.rate_hz:
        sign = Sign.TROUBLE
    return _Sighting(
        condition=Condition.SOUND_DIGITAL_ZERO,
        sign=sign,
        at_ns=measure.boottime_ns,
        since_ns=measure.boottime_ns - measure.zero_samples * NS // limits.rate_hz,
        begin_after_ns=0,  # the run of zeros has lasted already
        end_after_ns=limits.checks.clear_seconds * NS,
        measured=((Quantity.ZERO_SAMPLES, measure.zero_samples),),
    )


def _silent(measure: SoundMeasure, checks: SoundChecks, *, zero: Watch) -> _Sighting:
    # One louder block proves the microphone alive. Zeros that stand have their own, graver finding.
    sign = _low(measure.rms_millibel, checks.silence_enter_millibel, checks.silence_leave_millibel)
    return _Sighting(
        condition=Condition.SOUND_SILENT,
        sign=Sign.WELL if zero.in_trouble else sign,
        at_ns=measure.boottime_ns,
        since_ns=measure.boottime_ns,
        begin_after_ns=checks.silence_seconds * NS,
        end_after_ns=checks.clear_seconds * NS,
        measured=((Quantity.RMS_MILLIBEL, measure.rms_millibel), (Quantity.PEAK_MILLIBEL, measure.peak_millibel)),
    )


def _clipping(measure: SoundMeasure, checks: SoundChecks, recent: tuple[ClippedBlock, ...]) -> _Sighting:
    clipped_samples = sum(block.clipped_samples for block in recent)
    sign = Sign.BETWEEN
    if clipped_samples > checks.clipping_enter_samples_per_second:
        sign = Sign.TROUBLE
    elif clipped_samples <= checks.clipping_leave_samples_per_second:
        sign = Sign.WELL
    return _Sighting(
        condition=Condition.SOUND_CLIPPING,
        sign=sign,
        at_ns=measure.boottime_ns,
        since_ns=recent[0].boottime_ns if recent else measure.boottime_ns,
        begin_after_ns=0,  # more than enough within one second
        end_after_ns=checks.clear_seconds * NS,
        measured=(
            (Quantity.CLIPPED_SAMPLES_PER_SECOND, clipped_samples),
            (Quantity.PEAK_MILLIBEL, measure.peak_millibel),
        ),
    )


def _recent(
    before: tuple[ClippedBlock, ...], measure: SoundMeasure, heard_samples: int, rate_hz: int
) -> tuple[ClippedBlock, ...]:
    # The second is counted in samples and not in arrival times: a late burst of blocks is still many seconds of sound.
    kept = tuple(block for block in before if heard_samples - block.end_sample < rate_hz)
    if not measure.clipped_samples:
        return kept
    newest = ClippedBlock(
        end_sample=heard_samples, boottime_ns=measure.boottime_ns, clipped_samples=measure.clipped_samples
    )
    return (*kept, newest)


def _low(value: int, enter: int, leave: int) -> Sign:
    if value <= enter:
        return Sign.TROUBLE
    return Sign.WELL if value >= leave else Sign.BETWEEN


def _watches(state: PictureState | SoundState) -> tuple[tuple[Condition, Watch], ...]:
    match state:
        case PictureState():
            return (
                (Condition.PICTURE_BLACK, state.black),
                (Condition.PICTURE_FROZEN, state.frozen),
                (Condition.PICTURE_COVERED, state.covered),
                (Condition.OFFICIALS_HIDDEN, state.officials),
                (Condition.PARTIES_HIDDEN, state.parties),
            )
        case SoundState():
            return (
                (Condition.SOUND_DIGITAL_ZERO, state.digital_zero),
                (Condition.SOUND_SILENT, state.silent),
                (Condition.SOUND_CLIPPING, state.clipping),
            )


def _advance(watch: Watch, sighting: _Sighting) -> tuple[Watch, tuple[Finding, ...]]:
    after = _lasted(_turned(watch, sighting), sighting)
    if after.begun == watch.begun:
        return after, ()
    finding = Finding(
        condition=sighting.condition,
        phase=Phase.BEGAN if after.begun else Phase.ENDED,
        since_boottime_ns=after.since_ns,
        judged_boottime_ns=sighting.at_ns,
        measured=sighting.measured,
    )
    return after, (finding,)


def _turned(watch: Watch, sighting: _Sighting) -> Watch:
    stage = _TURNS.get((watch.stage, sighting.sign), watch.stage)
    if stage is watch.stage:
        return watch
    return Watch(stage=stage, since_ns=sighting.since_ns if stage is Stage.SUSPECT else sighting.at_ns)


def _lasted(watch: Watch, sighting: _Sighting) -> Watch:
    held_ns = sighting.at_ns - watch.since_ns
    if watch.stage is Stage.SUSPECT and held_ns >= sighting.begin_after_ns:
        return replace(watch, stage=Stage.STANDING)
    if watch.stage is Stage.CLEARING and held_ns >= sighting.end_after_ns:
        return replace(watch, stage=Stage.CLEAR)
    return watch


_TURNS = {
    # stage, sign -> stage; a pair that is not here changes nothing.
    (Stage.CLEAR, Sign.TROUBLE): Stage.SUSPECT,
    (Stage.SUSPECT, Sign.WELL): Stage.CLEAR,
    (Stage.STANDING, Sign.WELL): Stage.CLEARING,
    (Stage.CLEARING, Sign.TROUBLE): Stage.STANDING,
}
"""And by lasting: SUSPECT becomes STANDING (began), CLEARING becomes CLEAR (ended)."""
