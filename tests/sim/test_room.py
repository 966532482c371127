"""The drawn room depends on counter and time alone, moves like a hearing, shows the time, and is cheap to draw."""

from __future__ import annotations

import datetime
import itertools
import statistics
import time

import numpy
import pytest

from sim import strip
from sim.drawing import Canvas, find_lettering
from sim.drawing_people import Arms
from sim.drawing_room import CLOCK_CENTRE, DOOR, SEATS
from sim.room import (
    BEIJING,
    TURN_MS,
    VISIT_BEGINS_MS,
    VISIT_MS,
    HearingRoom,
    light_level_at,
    posture_at,
    speaker_at,
    visit_at,
)
from sim.scene import Planes
from tests.required import unavailable
from tests.sim.frames import PADDING, blank, copied

NINE_IN_BEIJING = int(datetime.datetime(2026, 3, 2, 9, 0, 0, tzinfo=BEIJING).timestamp() * 1000)


@pytest.fixture(scope="module")
def room() -> HearingRoom:
    return HearingRoom(1280, 720)


def drawn(room: HearingRoom, counter: int, utc_ms: int) -> Planes:
    planes = blank(1280, 720)
    room.draw(counter, utc_ms, planes)
    return planes


def test_a_frame_depends_on_counter_and_time_alone(room: HearingRoom) -> None:
    drawn(room, 900, NINE_IN_BEIJING + 5_000_000)
    assert copied(drawn(room, 7, NINE_IN_BEIJING)) == copied(drawn(HearingRoom(1280, 720), 7, NINE_IN_BEIJING))


def test_the_sensors_noise_makes_every_frame_differ_even_when_nothing_moves(room: HearingRoom) -> None:
    first, second = (drawn(room, counter, NINE_IN_BEIJING).luma.astype(int) for counter in (1, 2))
    again = drawn(room, 1, NINE_IN_BEIJING).luma.astype(int)
    assert 0.3 < numpy.abs(first - second).mean() < 2.0
    assert numpy.abs(first - again).max() == 0


def test_luma_and_chroma_stay_in_the_limited_range(room: HearingRoom) -> None:
    for number in range(12):
        planes = drawn(room, number, NINE_IN_BEIJING + number * 8_123)
        assert planes.luma.min() >= 16
        assert planes.luma.max() <= 235
        assert min(planes.blue.min(), planes.red.min()) >= 16
        assert max(planes.blue.max(), planes.red.max()) <= 240


def test_the_padding_of_a_row_is_left_alone() -> None:
    planes = blank(640, 360, padding=64)
    HearingRoom(640, 360, stamp=True).draw(3, NINE_IN_BEIJING, planes)
    assert (planes.luma[:, 640:] == PADDING).all()
    assert (planes.blue[:, 320:] == PADDING).all()
    assert strip.read(planes.luma) == 3


@pytest.mark.parametrize(("hours", "clockwise_from_top"), [(0, 270), (3, 0), (6, 90), (9, 180)])
def test_the_clock_shows_local_time(room: HearingRoom, hours: int, clockwise_from_top: int) -> None:
    planes = drawn(room, 1, NINE_IN_BEIJING + hours * 3_600_000)
    angles = numpy.deg2rad([0, 90, 180, 270])
    lumas = {
        degrees: int(planes.luma[round(CLOCK_CENTRE[1] - 13 * y), round(CLOCK_CENTRE[0] + 13 * x)])
        for degrees, x, y in zip((0, 90, 180, 270), numpy.sin(angles), numpy.cos(angles), strict=True)
    }
    hands = {clockwise_from_top, 0}  # the minute and second hands point up at a full hour
    dark = {degrees for degrees, luma in lumas.items() if luma < 140}
    assert dark == hands


def test_the_second_hand_moves_once_a_second(room: HearingRoom) -> None:
    x, y = (round(part) for part in CLOCK_CENTRE)
    moments = (0, 900, 1000)  # the light may change meanwhile, a hand changes far more
    planes = [drawn(room, 1, NINE_IN_BEIJING + ms) for ms in moments]
    faces = [frame.luma[y - 40 : y + 40, x - 40 : x + 40].astype(int) for frame in planes]
    assert numpy.abs(faces[0] - faces[1]).max() < 10
    assert numpy.abs(faces[0] - faces[2]).max() > 60


def test_one_person_speaks_at_a_time_and_the_others_look_there() -> None:
    for turn_number in range(200, 240):
        speaker = speaker_at(turn_number)
        settled = range(turn_number * TURN_MS + 3000, (turn_number + 1) * TURN_MS, 130)
        assert {index for index in range(len(SEATS)) for ms in settled if posture_at(index, ms).mouth} <= {speaker}
        for index, seat in enumerate(SEATS):
            towards = SEATS[speaker].face[0] - seat.face[0]
            if index != speaker and towards:
                assert posture_at(index, settled[0]).turn * towards > 0
    assert len({speaker_at(turn_number) for turn_number in range(200)}) > 4


def test_speakers_open_their_mouths_gesture_and_everybody_blinks() -> None:
    moments = range(0, 20 * TURN_MS, 130)
    postures = [posture_at(index, ms) for index in range(len(SEATS)) for ms in moments]
    assert {posture.mouth for posture in postures} == {0, 1, 2}
    assert {posture.arms for posture in postures} == set(Arms)
    assert {posture.blink for posture in postures} == {False, True}


def test_somebody_walks_in_and_leaves_again(room: HearingRoom) -> None:
    before = VISIT_MS * 1000 + VISIT_BEGINS_MS - 1
    assert visit_at(before) is None
    walking = [visit for ms in range(0, VISIT_MS, 100) if (visit := visit_at(before + ms)) is not None]
    assert {visit.leftward for visit in walking} == {False, True}
    assert len({visit.x for visit in walking}) > 20
    left, top, right, bottom = DOOR
    doors = [drawn(room, 1, ms).luma[top:bottom, left:right].astype(int) for ms in (before, before + 1500)]
    assert numpy.abs(doors[0] - doors[1]).mean() > 20


def test_the_light_from_the_window_changes_slowly(room: HearingRoom) -> None:
    levels = [light_level_at(ms) for ms in range(0, 200_000, 40)]
    assert max(levels) - min(levels) > 15
    assert max(abs(after - before) for before, after in itertools.pairwise(levels)) <= 1
    brightest, darkest = (levels.index(level) * 40 for level in (max(levels), min(levels)))
    panes = [float(drawn(room, 1, ms).luma[160:180, 36:60].mean()) for ms in (darkest, brightest)]
    assert panes[1] - panes[0] > 15


def test_without_a_chinese_font_nothing_is_written_instead_of_boxes() -> None:
    def ink(canvas: Canvas) -> int:
        canvas.text((50, 20), "第一听证室", 20, (0, 0, 0))
        return int(numpy.asarray(canvas.finished()).sum())

    assert ink(Canvas((100, 40), 1.0)) == 0
    if (lettering := find_lettering()) is not None:
        assert ink(Canvas((100, 40), 1.0, lettering=lettering)) > 0


def test_the_sign_says_which_room_it_is() -> None:
    if find_lettering() is None:
        unavailable("a Chinese font")
    signs = []
    for name in ("第一听证室", "第二听证室"):
        planes = blank(640, 360)
        HearingRoom(640, 360, name).draw(1, NINE_IN_BEIJING, planes)
        signs.append(planes.luma[42:75, 240:400].astype(int))
    assert numpy.abs(signs[0] - signs[1]).max() > 60


@pytest.mark.parametrize("size", [(320, 240), (640, 480), (1920, 1080), (720, 1280)])
def test_other_shapes_are_filled_completely(size: tuple[int, int]) -> None:
    planes = blank(*size)
    HearingRoom(*size).draw(1, NINE_IN_BEIJING, planes)
    assert not (planes.luma == PADDING).any()
    assert not (planes.red == PADDING).any()


def test_planes_of_another_size_and_sizes_that_cannot_be_drawn_are_refused(room: HearingRoom) -> None:
    with pytest.raises(ValueError, match="640x360"):
        room.draw(1, 0, blank(640, 360))
    with pytest.raises(ValueError, match="even"):
        HearingRoom(641, 360)
    with pytest.raises(ValueError, match="512 pixels"):
        HearingRoom(320, 240, stamp=True)


@pytest.mark.realtime
def test_a_720p_frame_costs_at_most_four_milliseconds_of_one_core(room: HearingRoom) -> None:
    planes, costs = blank(1280, 720), []
    for number in range(100):
        started = time.thread_time()
        room.draw(number, NINE_IN_BEIJING + 20_000 + number * 40, planes)
        costs.append((time.thread_time() - started) * 1000)
    assert statistics.mean(costs) <= 4.0, f"mean {statistics.mean(costs):.2f} ms, max {max(costs):.2f} ms"
