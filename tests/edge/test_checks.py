"""The judges say black, frozen, covered, zero, silent and clipped in time, once, and not of a normal hearing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from drivers.measures import SoundMeter, measure_picture
from edge.checks import (
    NS,
    Condition,
    Finding,
    Phase,
    PictureJudge,
    PictureState,
    Quantity,
    SoundJudge,
    SoundLimits,
    SoundState,
    step_picture,
    step_sound,
)
from edge.config import PictureChecks, SoundChecks
from edge.ports import PictureMeasure, Side, SoundMeasure

PERIOD_NS = NS // 2
RATE_HZ = 8000
BLOCK = 256
BLOCK_NS = BLOCK * NS // RATE_HZ
START_NS = 1_000 * NS

PICTURE = PictureChecks()
SOUND = SoundLimits(checks=SoundChecks(), rate_hz=RATE_HZ)

ROOM = PictureMeasure(
    boottime_ns=0, mean_milliluma=120_000, spread_milliluma=45_000, change_milliluma=900, detail_milliluma=5_000
)
BLACK = PictureMeasure(
    boottime_ns=0, mean_milliluma=16_000, spread_milliluma=200, change_milliluma=0, detail_milliluma=0
)
FROZEN = replace(ROOM, change_milliluma=0)
HAND = PictureMeasure(
    boottime_ns=0, mean_milliluma=48_000, spread_milliluma=9_000, change_milliluma=150, detail_milliluma=400
)
PAPER = replace(HAND, mean_milliluma=190_000, spread_milliluma=3_000)

SPEECH = SoundMeasure(
    boottime_ns=0, samples=BLOCK, peak_millibel=-1200, rms_millibel=-2600, zero_samples=0, clipped_samples=0
)
HUSH = replace(SPEECH, peak_millibel=-6800, rms_millibel=-7800)
CLIPPED = replace(SPEECH, peak_millibel=0, rms_millibel=-300, clipped_samples=BLOCK // 4)


def watched(shown: Iterable[tuple[PictureMeasure, float]]) -> tuple[Finding, ...]:
    """Show each picture for its seconds, two measures a second."""
    judge, at_ns, findings = PictureJudge(PICTURE), START_NS, list[Finding]()
    for measure, seconds in shown:
        for _ in range(round(seconds * NS / PERIOD_NS)):
            findings += judge.step(replace(measure, boottime_ns=at_ns))
            at_ns += PERIOD_NS
    return tuple(findings)


def heard(blocks: Iterable[SoundMeasure], limits: SoundLimits = SOUND) -> tuple[Finding, ...]:
    """Play blocks one after the other; runs of whole zero blocks are counted as a meter counts them."""
    judge, at_ns, zeros, findings = SoundJudge(limits), START_NS, 0, list[Finding]()
    for block in blocks:
        at_ns += BLOCK_NS
        zeros = zeros + block.samples if block.peak_millibel == -9600 else 0
        findings += judge.step(replace(block, boottime_ns=at_ns, zero_samples=zeros))
    return tuple(findings)


ZERO = replace(SPEECH, peak_millibel=-9600, rms_millibel=-9600)


def lasting(block: SoundMeasure, seconds: float) -> list[SoundMeasure]:
    return [block] * round(seconds * NS / BLOCK_NS)


def said(findings: Iterable[Finding]) -> list[tuple[Condition, Phase]]:
    return [(finding.condition, finding.phase) for finding in findings]


def seconds_until_said(finding: Finding, trouble_starts_seconds: float) -> float:
    return (finding.judged_boottime_ns - START_NS) / NS - trouble_starts_seconds


@pytest.mark.parametrize(
    ("picture", "condition"),
    [
        (BLACK, Condition.PICTURE_BLACK),
        (FROZEN, Condition.PICTURE_FROZEN),
        (HAND, Condition.PICTURE_COVERED),
        (PAPER, Condition.PICTURE_COVERED),
    ],
)
def test_a_bad_picture_is_told_after_five_seconds_once_and_its_end_after_two(
    picture: PictureMeasure, condition: Condition
) -> None:
    findings = watched([(ROOM, 10), (picture, 20), (ROOM, 10)])
    assert said(findings) == [(condition, Phase.BEGAN), (condition, Phase.ENDED)]
    began, ended = findings
    assert began.since_boottime_ns == START_NS + 10 * NS
    assert seconds_until_said(began, 10) == 5
    assert ended.since_boottime_ns == START_NS + 30 * NS
    assert seconds_until_said(ended, 30) == 2


@pytest.mark.parametrize("picture", [BLACK, FROZEN, HAND, PAPER])
def test_a_bad_picture_of_less_than_five_seconds_is_not_told(picture: PictureMeasure) -> None:
    assert watched([(ROOM, 10), (picture, 4.5), (ROOM, 10), (picture, 4.5), (ROOM, 10)]) == ()


def test_a_finding_holds_what_was_measured_with_its_unit() -> None:
    (black,) = watched([(BLACK, 6)])
    (covered,) = watched([(HAND, 6)])
    assert black.measured == ((Quantity.MEAN_MILLILUMA, 16_000),)
    assert covered.measured == (
        (Quantity.MEAN_MILLILUMA, 48_000),
        (Quantity.SPREAD_MILLILUMA, 9_000),
        (Quantity.DETAIL_MILLILUMA, 400),
    )


def test_lights_that_go_out_and_come_back_are_black_and_neither_covered_nor_frozen() -> None:
    dusk = replace(ROOM, mean_milliluma=40_000, spread_milliluma=15_000, detail_milliluma=1_700)
    findings = watched([(ROOM, 5), (dusk, 1), (BLACK, 60), (dusk, 1), (ROOM, 5)])
    assert said(findings) == [(Condition.PICTURE_BLACK, Phase.BEGAN), (Condition.PICTURE_BLACK, Phase.ENDED)]


def test_a_covered_lens_that_turns_dark_ends_covered_and_begins_black() -> None:
    assert said(watched([(HAND, 10), (BLACK, 10)])) == [
        (Condition.PICTURE_COVERED, Phase.BEGAN),
        (Condition.PICTURE_COVERED, Phase.ENDED),
        (Condition.PICTURE_BLACK, Phase.BEGAN),
    ]


@pytest.mark.parametrize(
    ("condition", "low", "high"),
    [
        (Condition.PICTURE_BLACK, BLACK, replace(BLACK, mean_milliluma=31_999)),
        (Condition.PICTURE_FROZEN, FROZEN, replace(FROZEN, change_milliluma=59)),
        (Condition.PICTURE_COVERED, HAND, replace(HAND, detail_milliluma=1_799)),
    ],
)
def test_a_level_that_wavers_below_the_leaving_threshold_is_told_once(
    condition: Condition, low: PictureMeasure, high: PictureMeasure
) -> None:
    assert said(watched([(low, 0.5), (high, 0.5)] * 60)) == [(condition, Phase.BEGAN)]


@pytest.mark.parametrize(
    ("condition", "at_enter", "above", "at_leave"),
    [
        (
            Condition.PICTURE_BLACK,
            replace(BLACK, mean_milliluma=24_000),
            replace(ROOM, mean_milliluma=24_001),
            replace(ROOM, mean_milliluma=32_000),
        ),
        (
            Condition.PICTURE_FROZEN,
            replace(ROOM, change_milliluma=30),
            replace(ROOM, change_milliluma=31),
            replace(ROOM, change_milliluma=60),
        ),
        (
            Condition.PICTURE_COVERED,
            replace(HAND, detail_milliluma=1_200, mean_milliluma=90_000),
            replace(HAND, detail_milliluma=1_201, mean_milliluma=90_000),
            replace(HAND, detail_milliluma=1_800, mean_milliluma=90_000),
        ),
        (
            Condition.PICTURE_COVERED,
            replace(PAPER, spread_milliluma=6_000),
            replace(PAPER, spread_milliluma=6_001),
            replace(PAPER, spread_milliluma=8_000),
        ),
        (
            Condition.PICTURE_COVERED,
            replace(HAND, mean_milliluma=90_000),
            replace(HAND, mean_milliluma=90_001),
            replace(HAND, mean_milliluma=100_000),
        ),
    ],
)
def test_a_threshold_belongs_to_the_condition_it_enters_or_leaves(
    condition: Condition, at_enter: PictureMeasure, above: PictureMeasure, at_leave: PictureMeasure
) -> None:
    assert watched([(above, 30)]) == ()
    assert said(watched([(at_enter, 10), (above, 10)])) == [(condition, Phase.BEGAN)]
    assert said(watched([(at_enter, 10), (at_leave, 10)])) == [(condition, Phase.BEGAN), (condition, Phase.ENDED)]


def test_a_covered_lens_whose_picture_never_changes_is_not_frozen_too() -> None:
    assert said(watched([(replace(HAND, change_milliluma=0), 30)])) == [(Condition.PICTURE_COVERED, Phase.BEGAN)]


def test_a_bright_picture_with_contrast_and_no_fine_detail_is_not_covered() -> None:
    assert watched([(replace(ROOM, detail_milliluma=300), 30)]) == ()


def test_a_moment_of_light_does_not_end_black() -> None:
    assert said(watched([(BLACK, 10), *[(ROOM, 1), (BLACK, 1)] * 20])) == [(Condition.PICTURE_BLACK, Phase.BEGAN)]


def pictures(draw: Callable[[int], NDArray[np.uint8]], seconds: int) -> tuple[Finding, ...]:
    """Measure real arrays with the product's own measure, two a second."""
    judge, findings, previous = PictureJudge(PICTURE), list[Finding](), draw(0)
    for index in range(1, seconds * 2):
        luma = draw(index)
        findings += judge.step(measure_picture(luma, previous, boottime_ns=START_NS + index * PERIOD_NS))
        previous = luma
    return tuple(findings)


def room_luma(*, light: float = 1.0) -> NDArray[np.float64]:
    """A wall with a slope of light, a door frame, a table, papers: 320 x 180."""
    luma = np.tile(np.linspace(90, 170, 320), (180, 1))
    luma[60:180, 20:60] = 60
    luma[120:180, 80:300] = 75
    luma[125:130, 90:290:8] = 200
    luma[20:60, 200:280:4] = 120
    return luma * light


def exposed(luma: NDArray[np.float64], noise_luma: float, seed: int) -> NDArray[np.uint8]:
    noisy = luma + np.random.default_rng(seed).normal(0, noise_luma, luma.shape)
    return noisy.round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("noise_luma", [0.2, 1.0, 4.0])
def test_a_still_room_with_sensor_noise_is_not_frozen(noise_luma: float) -> None:
    room = room_luma()
    assert pictures(lambda index: exposed(room, noise_luma, index), 20) == ()


def test_the_same_noisy_picture_again_and_again_is_frozen() -> None:
    still = exposed(room_luma(), 4.0, 1)
    assert said(pictures(lambda _index: still, 10)) == [(Condition.PICTURE_FROZEN, Phase.BEGAN)]


def test_a_dim_room_with_sensor_noise_is_not_covered() -> None:
    dim = room_luma(light=0.45)
    assert pictures(lambda index: exposed(dim, 0.8, index), 20) == ()


def test_a_hand_in_front_of_the_lens_with_sensor_noise_is_covered() -> None:
    glow = np.tile(np.linspace(30, 60, 320), (180, 1))
    assert said(pictures(lambda index: exposed(glow, 0.8, index), 10)) == [(Condition.PICTURE_COVERED, Phase.BEGAN)]


# -- both sides in view (Jiaozuo Art. 9, last paragraph) --------------------------------------------------------------

ZONES = ((Side.OFFICIALS, (600, 400, 1000, 1000)), (Side.PARTIES, (0, 400, 400, 1000)))
PARTIES = (slice(72, 180), slice(0, 128))
OFFICIALS = (slice(72, 180), slice(192, 320))
Draw = Callable[[int], NDArray[np.uint8]]


def sides(*shown: tuple[Draw, int]) -> tuple[Finding, ...]:
    """Measure real arrays with both zones, two a second; each drawing for its seconds."""
    judge, findings, index = PictureJudge(PICTURE), list[Finding](), 0
    previous = shown[0][0](0)
    for draw, seconds in shown:
        for _ in range(seconds * 2):
            index += 1
            luma = draw(index)
            at_ns = START_NS + index * PERIOD_NS
            findings += judge.step(measure_picture(luma, previous, boottime_ns=at_ns, zones=ZONES))
            previous = luma
    return tuple(findings)


def two_tables(*, seated: bool) -> NDArray[np.float64]:
    """A wall under a slope of light with two tables and chairs; with `seated` a head and a dark suit at each."""
    luma = np.tile(np.linspace(120, 160, 320), (180, 1))
    for left in (20, 212):
        luma[130:180, left : left + 90] = 80
        luma[126:130, left : left + 90] = 40
        luma[90:130, left + 30 : left + 60] = 70
        if seated:
            luma[80:105, left + 36 : left + 54] = 175
            luma[105:130, left + 25 : left + 65] = 35
    return luma


def behind(room: NDArray[np.float64], hidden: tuple[slice, slice], luma: float, *, slope: float = 0.0) -> Draw:
    """The room with something uniform before a part of it."""

    def draw(index: int) -> NDArray[np.uint8]:
        shown = room.copy()
        shown[hidden] = luma + slope * np.linspace(0, 1, shown[hidden].shape[1])
        return exposed(shown, 0.8, index)

    return draw


def lit(*, seated: bool) -> Draw:
    room = two_tables(seated=seated)
    return lambda index: exposed(room, 0.8, index)


@pytest.mark.parametrize(
    ("where", "side", "condition"),
    [
        (PARTIES, Side.PARTIES, Condition.PARTIES_HIDDEN),
        (OFFICIALS, Side.OFFICIALS, Condition.OFFICIALS_HIDDEN),
    ],
)
@pytest.mark.parametrize(
    ("luma", "slope"), [(16, 0), (45, 25), (220, 4)], ids=["switched off light", "back of a suit", "sheet of paper"]
)
def test_a_hidden_side_is_told_within_ten_seconds_with_what_was_measured_and_so_is_its_end(
    where: tuple[slice, slice], side: Side, condition: Condition, luma: float, slope: float
) -> None:
    room = two_tables(seated=True)
    began, ended = sides((lit(seated=True), 10), (behind(room, where, luma, slope=slope), 20), (lit(seated=True), 10))
    assert said((began, ended)) == [(condition, Phase.BEGAN), (condition, Phase.ENDED)]
    assert began.judged_boottime_ns - (START_NS + 10 * NS) <= 10 * NS
    assert ended.judged_boottime_ns - (START_NS + 30 * NS) <= 10 * NS
    at_ns = began.judged_boottime_ns
    shown = behind(room, where, luma, slope=slope)((at_ns - START_NS) // PERIOD_NS)
    zone = next(one for one in measure_picture(shown, shown, boottime_ns=0, zones=ZONES).sides if one.side is side)
    assert dict(began.measured) == {
        Quantity.MEAN_MILLILUMA: zone.mean_milliluma,
        Quantity.SPREAD_MILLILUMA: zone.spread_milliluma,
        Quantity.DETAIL_MILLILUMA: zone.detail_milliluma,
    }


@pytest.mark.parametrize("seated", [True, False], ids=["sitting still", "empty"])
def test_a_side_that_sits_still_or_is_empty_in_the_light_is_not_hidden(seated: bool) -> None:
    assert sides((lit(seated=seated), 120)) == ()


def test_somebody_who_passes_before_one_side_hides_nobody() -> None:
    passing = behind(two_tables(seated=True), PARTIES, 45)
    assert sides(*[(lit(seated=True), 4), (passing, 4)] * 10) == ()


def test_a_side_that_wavers_is_told_once() -> None:
    hidden, seen = behind(two_tables(seated=True), PARTIES, 45), lit(seated=True)
    found = sides((hidden, 10), *[(seen, 1), (hidden, 1)] * 20, (seen, 5))
    assert said(found) == [(Condition.PARTIES_HIDDEN, Phase.BEGAN), (Condition.PARTIES_HIDDEN, Phase.ENDED)]


def test_a_lens_covered_whole_is_one_finding_and_brings_no_hidden_side_back() -> None:
    def dark(index: int) -> NDArray[np.uint8]:
        return exposed(np.full((180, 320), 12.0), 0.8, index)

    assert said(sides((lit(seated=True), 5), (dark, 20), (lit(seated=True), 5))) == [
        (Condition.PICTURE_BLACK, Phase.BEGAN),
        (Condition.PICTURE_BLACK, Phase.ENDED),
    ]
    hidden = behind(two_tables(seated=True), PARTIES, 45)
    assert said(sides((hidden, 10), (dark, 10), (hidden, 10))) == [
        (Condition.PARTIES_HIDDEN, Phase.BEGAN),
        (Condition.PICTURE_BLACK, Phase.BEGAN),
        (Condition.PICTURE_BLACK, Phase.ENDED),
    ]


def test_a_picture_that_is_lost_ends_the_finding_of_a_side() -> None:
    judge, draw = PictureJudge(PICTURE), behind(two_tables(seated=True), PARTIES, 45)
    for index in range(30):
        judge.step(measure_picture(draw(index), draw(0), boottime_ns=START_NS + index * PERIOD_NS, zones=ZONES))
    assert judge.standing() == {Condition.PARTIES_HIDDEN}
    (ended,) = judge.withdraw(START_NS + 100 * NS)
    assert (ended.condition, ended.phase, ended.measured) == (Condition.PARTIES_HIDDEN, Phase.ENDED, ())


def test_without_zones_no_side_is_judged() -> None:
    dark_half = behind(two_tables(seated=True), PARTIES, 16)
    assert pictures(dark_half, 30) == ()


def test_digital_zero_is_told_just_after_two_seconds_and_dates_back_to_the_first_zero() -> None:
    findings = heard([*lasting(SPEECH, 5), *lasting(ZERO, 10), *lasting(SPEECH, 5)])
    assert said(findings) == [
        (Condition.SOUND_DIGITAL_ZERO, Phase.BEGAN),
        (Condition.SOUND_DIGITAL_ZERO, Phase.ENDED),
    ]
    zeros_start_seconds = len(lasting(SPEECH, 5)) * BLOCK / RATE_HZ
    assert 2 < seconds_until_said(findings[0], zeros_start_seconds) <= 2 + 2 * BLOCK / RATE_HZ
    assert findings[0].since_boottime_ns == START_NS + int(zeros_start_seconds * NS)
    assert findings[0].measured[0][1] > 2 * RATE_HZ


def test_zeros_of_less_than_two_seconds_are_not_told() -> None:
    assert heard([*lasting(SPEECH, 1), *lasting(ZERO, 1.9)] * 10) == ()


def test_zeros_of_exactly_two_seconds_are_not_told() -> None:
    run = replace(ZERO, boottime_ns=START_NS, samples=RATE_HZ, zero_samples=2 * RATE_HZ)
    assert step_sound(SoundState(), run, SOUND)[1] == ()
    assert step_sound(SoundState(), replace(run, zero_samples=2 * RATE_HZ + 1), SOUND)[1] != ()


def test_clicks_among_zeros_do_not_end_digital_zero_but_lasting_sound_does() -> None:
    hasty = replace(SOUND, checks=replace(SOUND.checks, clear_seconds=1))
    clicks = [*lasting(ZERO, 2.5), SPEECH] * 10
    assert said(heard(clicks, hasty)) == [(Condition.SOUND_DIGITAL_ZERO, Phase.BEGAN)]
    assert said(heard([*clicks, *lasting(SPEECH, 1.5)], hasty)) == [
        (Condition.SOUND_DIGITAL_ZERO, Phase.BEGAN),
        (Condition.SOUND_DIGITAL_ZERO, Phase.ENDED),
    ]


def test_one_long_block_of_zeros_is_enough() -> None:
    block = replace(ZERO, boottime_ns=START_NS, samples=3 * RATE_HZ, zero_samples=3 * RATE_HZ)
    assert said(step_sound(SoundState(), block, SOUND)[1]) == [(Condition.SOUND_DIGITAL_ZERO, Phase.BEGAN)]


def test_zeros_for_minutes_are_digital_zero_and_not_silence_too() -> None:
    assert said(heard(lasting(ZERO, 180))) == [(Condition.SOUND_DIGITAL_ZERO, Phase.BEGAN)]


def test_silence_is_told_after_sixty_seconds_and_ends_when_somebody_speaks() -> None:
    findings = heard([*lasting(SPEECH, 5), *lasting(HUSH, 90), *lasting(SPEECH, 5)])
    assert said(findings) == [(Condition.SOUND_SILENT, Phase.BEGAN), (Condition.SOUND_SILENT, Phase.ENDED)]
    assert 60 <= seconds_until_said(findings[0], 5) <= 60.1


def test_one_word_a_minute_is_enough_not_to_be_silent() -> None:
    assert heard([*lasting(HUSH, 55), *lasting(SPEECH, 0.5)] * 5) == ()


def test_zero_blocks_among_a_hush_do_not_hide_the_silence() -> None:
    assert said(heard([*lasting(HUSH, 1), *lasting(ZERO, 1)] * 40)) == [(Condition.SOUND_SILENT, Phase.BEGAN)]


def test_clipping_is_told_within_one_second_and_its_end_when_it_is_over() -> None:
    findings = heard([*lasting(SPEECH, 5), *lasting(CLIPPED, 3), *lasting(SPEECH, 10)])
    assert said(findings) == [(Condition.SOUND_CLIPPING, Phase.BEGAN), (Condition.SOUND_CLIPPING, Phase.ENDED)]
    assert seconds_until_said(findings[0], 5) <= 1


@pytest.mark.parametrize(("a_second", "told"), [(100, False), (101, True)])
def test_clipped_samples_are_counted_over_one_second_of_sound(a_second: int, told: bool) -> None:
    blocks = lasting(SPEECH, 1)
    blocks[0] = replace(SPEECH, clipped_samples=60)
    blocks[-1] = replace(SPEECH, clipped_samples=a_second - 60)
    findings = said(heard([*blocks, *lasting(SPEECH, 1)]))
    assert findings == ([(Condition.SOUND_CLIPPING, Phase.BEGAN)] if told else [])


def test_clipped_samples_a_whole_second_apart_are_not_added_up() -> None:
    seconds = [replace(SPEECH, samples=RATE_HZ, clipped_samples=60, boottime_ns=START_NS + i * NS) for i in range(5)]
    judge = SoundJudge(SOUND)
    assert [judge.step(second) for second in seconds] == [()] * 5


@pytest.mark.parametrize(("a_second", "ended"), [(10, True), (11, False)])
def test_clipping_ends_at_ten_samples_a_second(a_second: int, ended: bool) -> None:
    judge = SoundJudge(SOUND)
    loud = replace(SPEECH, samples=RATE_HZ, clipped_samples=101, boottime_ns=START_NS)
    findings = list(judge.step(loud))
    for index in range(1, 10):
        findings += judge.step(replace(loud, clipped_samples=a_second, boottime_ns=START_NS + index * NS))
    assert [finding.phase for finding in findings] == ([Phase.BEGAN, Phase.ENDED] if ended else [Phase.BEGAN])


@pytest.mark.parametrize(("millibel", "told"), [(-6000, True), (-5999, False)])
def test_silence_begins_at_sixty_decibel_below_full_scale(millibel: int, told: bool) -> None:
    assert bool(heard(lasting(replace(HUSH, rms_millibel=millibel), 70))) is told


def test_a_burst_of_late_blocks_is_still_many_seconds_of_sound() -> None:
    # 2 seconds of sound with 60 clipped samples in each arrive at one instant: never more than 100 in one second.
    blocks = [replace(SPEECH, clipped_samples=60 if i % (RATE_HZ // BLOCK + 1) == 0 else 0) for i in range(63)]
    state, findings = SoundState(), list[Finding]()
    for block in blocks:
        state, more = step_sound(state, replace(block, boottime_ns=START_NS), SOUND)
        findings += more
    assert findings == []


def sounded(pcm: NDArray[np.float64]) -> tuple[Finding, ...]:
    """Measure real PCM with the product's own meter."""
    judge, meter, findings = SoundJudge(SOUND), SoundMeter(1), list[Finding]()
    samples = pcm.round().clip(-32768, 32767).astype("<i2")
    for first in range(0, samples.size - BLOCK + 1, BLOCK):
        at_ns = START_NS + (first + BLOCK) * NS // RATE_HZ
        findings += judge.step(meter.measure(samples[first : first + BLOCK].tobytes(), boottime_ns=at_ns))
    return tuple(findings)


def voice(seconds: int) -> NDArray[np.float64]:
    """Syllables of a low voice with pauses of 40 s between speeches, over a microphone's noise."""
    time = np.arange(seconds * RATE_HZ) / RATE_HZ
    syllables = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1) * (time % 50 < 10)
    tone = sum(np.sin(2 * np.pi * 130 * k * time) / k for k in range(1, 8))
    return 6_000 * syllables * tone + np.random.default_rng(7).normal(0, 8, time.size)


def test_a_person_who_talks_with_long_pauses_gives_no_finding() -> None:
    assert sounded(voice(150)) == ()


def test_a_quiet_room_is_silent_after_a_minute_and_never_digital_zero() -> None:
    hiss = np.random.default_rng(3).normal(0, 1.5, 90 * RATE_HZ)
    assert said(sounded(hiss)) == [(Condition.SOUND_SILENT, Phase.BEGAN)]


def test_a_muted_interface_is_digital_zero() -> None:
    muted = np.concatenate([voice(5), np.zeros(5 * RATE_HZ)])
    assert said(sounded(muted)) == [(Condition.SOUND_DIGITAL_ZERO, Phase.BEGAN)]


def test_a_voice_far_too_loud_is_clipping() -> None:
    assert said(sounded(20 * voice(8)))[0] == (Condition.SOUND_CLIPPING, Phase.BEGAN)


def test_a_stream_measured_no_more_ends_what_stands_and_starts_afresh() -> None:
    judge = PictureJudge(PICTURE)
    for index in range(20):
        judge.step(replace(BLACK, boottime_ns=START_NS + index * PERIOD_NS))
    assert judge.standing() == {Condition.PICTURE_BLACK}
    (ended,) = judge.withdraw(START_NS + 30 * NS)
    assert (ended.condition, ended.phase, ended.measured) == (Condition.PICTURE_BLACK, Phase.ENDED, ())
    assert judge.standing() == frozenset()
    assert judge.withdraw(START_NS + 31 * NS) == ()


def test_a_sound_measured_no_more_ends_what_stands() -> None:
    judge = SoundJudge(SOUND)
    judge.step(replace(ZERO, boottime_ns=START_NS, zero_samples=3 * RATE_HZ))
    assert judge.standing() == {Condition.SOUND_DIGITAL_ZERO}
    assert said(judge.withdraw(START_NS + NS)) == [(Condition.SOUND_DIGITAL_ZERO, Phase.ENDED)]


def test_a_measure_older_than_the_last_changes_nothing() -> None:
    pictured, _ = step_picture(PictureState(), replace(ROOM, boottime_ns=START_NS), PICTURE)
    listened, _ = step_sound(SoundState(), replace(SPEECH, boottime_ns=START_NS), SOUND)
    assert step_picture(pictured, replace(BLACK, boottime_ns=START_NS - 1), PICTURE) == (pictured, ())
    assert step_sound(listened, replace(CLIPPED, boottime_ns=START_NS - 1), SOUND) == (listened, ())


LUMA = st.integers(0, 255_000) | st.sampled_from([0, 30, 45, 60, 1_200, 1_500, 1_800, 24_000, 28_000, 32_000])
PICTURES = st.builds(
    PictureMeasure,
    boottime_ns=st.integers(0, 8 * NS),
    mean_milliluma=LUMA,
    spread_milliluma=LUMA,
    change_milliluma=LUMA,
    detail_milliluma=LUMA,
)
SOUNDS = st.builds(
    SoundMeasure,
    boottime_ns=st.integers(0, 40 * NS),
    samples=st.integers(0, 4 * RATE_HZ),
    peak_millibel=st.integers(-9600, 0),
    rms_millibel=st.integers(-9600, 0) | st.sampled_from([-6000, -5750, -5500]),
    zero_samples=st.integers(0, 4 * RATE_HZ),
    clipped_samples=st.integers(0, 200),
)


def in_time_order(measures: list[int]) -> Iterator[int]:
    at_ns = START_NS
    for passed_ns in measures:
        at_ns += passed_ns
        yield at_ns


def assert_orderly(findings: list[Finding], standing: frozenset[Condition]) -> None:
    """Began and ended alternate for each condition, time never runs back, and what is open is what stands."""
    begun: set[Condition] = set()
    judged_ns = 0
    for finding in findings:
        assert (finding.phase is Phase.BEGAN) == (finding.condition not in begun)
        begun ^= {finding.condition}
        assert finding.since_boottime_ns <= finding.judged_boottime_ns
        assert finding.judged_boottime_ns >= judged_ns
        judged_ns = finding.judged_boottime_ns
    assert begun == standing


@given(st.lists(PICTURES, max_size=60))
def test_findings_of_any_pictures_alternate_and_are_in_order(measures: list[PictureMeasure]) -> None:
    judge, findings = PictureJudge(PICTURE), list[Finding]()
    for measure, at_ns in zip(measures, in_time_order([one.boottime_ns for one in measures]), strict=True):
        findings += judge.step(replace(measure, boottime_ns=at_ns))
    assert_orderly(findings, judge.standing())


@given(st.lists(SOUNDS, max_size=60))
def test_findings_of_any_sounds_alternate_and_are_in_order(measures: list[SoundMeasure]) -> None:
    judge, findings = SoundJudge(SOUND), list[Finding]()
    for measure, at_ns in zip(measures, in_time_order([one.boottime_ns for one in measures]), strict=True):
        findings += judge.step(replace(measure, boottime_ns=at_ns))
    assert_orderly(findings, judge.standing())


def test_the_check_of_order_fails_for_two_beginnings_in_a_row() -> None:
    (began,) = watched([(BLACK, 6)])
    with pytest.raises(AssertionError):
        assert_orderly([began, began], frozenset())
