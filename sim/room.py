"""The simulated hearing room: people at a bench and two tables who speak in turn, under a clock that shows the time.

Owns nothing but its drawings, made once; called by the world's sensor thread. A frame depends on (counter, utc_ms)
alone: movement, light and clock on the time, the sensor's noise on the counter, so that no frame equals the one before.
"""

from __future__ import annotations

import datetime
import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray
from PIL import Image

from sim import drawing_people as people
from sim import drawing_room as still
from sim import strip
from sim.drawing import (
    REFERENCE_HEIGHT,
    REFERENCE_WIDTH,
    Ground,
    Sprite,
    Weights16,
    find_lettering,
    to_ground,
    to_sprite,
)
from sim.drawing_people import Arms
from sim.drawing_room import SEATS, Seat
from sim.scene import Planes

BEIJING = datetime.timezone(datetime.timedelta(hours=8))

TURN_MS = 8000
TURNING_MS = 700
SYLLABLE_MS = 130
VISIT_MS = 45_000
VISIT_BEGINS_MS = 20_000
WALK_MS = 3000
HANDING_OVER_MS = 4000
BLINK_MS = 150
_STANDING = 2
_SMALLEST_SIDE = 64
_POSES = 4
_NOISE_SPREAD = 0.9
_NOISE_MARGIN = 32
_LIGHT_LEVELS = 24
_LIGHT_GAIN = 44
_FEET = 155.0
_DOOR_X, _BENCH_X, _WALK_Y = 1048.0, 916.0, 436.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Posture:
    """How one person holds themselves in one frame; `turn` -_POSES.._POSES, `sway` in reference pixels."""

    turn: int
    mouth: int
    blink: bool
    arms: Arms
    sway: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Where the clerk is who brings a file to the bench: feet at `x`, `step` of the stride, and the way they face."""

    x: float
    step: int
    leftward: bool


def speaker_at(turn_number: int) -> int:
    """Return the index in SEATS of whoever speaks in a turn, drawn by how much each has to say."""
    weights = [seat.speaks for seat in SEATS]
    return random.Random(f"turn {turn_number}").choices(range(len(SEATS)), weights)[0]  # noqa: S311 - scenery


def posture_at(index: int, utc_ms: int) -> Posture:
    """Return how the person at SEATS[index] holds themselves at a time: turned to the speaker, speaking, writing."""
    seat = SEATS[index]
    turn_number, into_turn = divmod(utc_ms, TURN_MS)
    speaker = speaker_at(turn_number)
    share = min(1.0, max(0.0, (into_turn - 140 * index) / TURNING_MS))
    towards = _gaze(index, speaker) * share + _gaze(index, speaker_at(turn_number - 1)) * (1 - share)
    speaking = index == speaker and _is_voiced(utc_ms)
    breath = 2 * math.pi * utc_ms / (4300 + 370 * index)
    return Posture(
        turn=max(-_POSES, min(_POSES, round(towards * _POSES))),
        mouth=_chance(f"mouth {utc_ms // SYLLABLE_MS}", people.MOUTHS) if speaking else 0,
        blink=(utc_ms + 977 * index) % (3700 + 431 * index) < BLINK_MS,
        arms=_arms(seat, speaking=index == speaker, utc_ms=utc_ms),
        sway=(1.8 * math.sin(breath * 0.61 + index), 1.1 * math.sin(breath)),
    )


def visit_at(utc_ms: int) -> Visit | None:
    """Return where the clerk walks at a time, or None while nobody has come in."""
    inside_ms = utc_ms % VISIT_MS - VISIT_BEGINS_MS
    step = utc_ms // 90 % people.WALKING_STEPS
    distance = _BENCH_X - _DOOR_X
    if 0 <= inside_ms < WALK_MS:
        return Visit(x=_DOOR_X + distance * inside_ms / WALK_MS, step=step, leftward=True)
    leaving_ms = inside_ms - WALK_MS - HANDING_OVER_MS
    if -HANDING_OVER_MS <= leaving_ms < 0:
        return Visit(x=_BENCH_X, step=_STANDING, leftward=True)
    if 0 <= leaving_ms < WALK_MS:
        return Visit(x=_BENCH_X - distance * leaving_ms / WALK_MS, step=step, leftward=False)
    return None


def light_level_at(utc_ms: int) -> int:
    """Return the window's light, 0.._LIGHT_LEVELS: clouds that pass in one to two minutes."""
    seconds = utc_ms / 1000
    wave = 0.6 * math.sin(2 * math.pi * seconds / 97) + 0.4 * math.sin(2 * math.pi * seconds / 41)
    return round((wave + 1) / 2 * _LIGHT_LEVELS)


class HearingRoom:
    """A PictureSource: the room at `width` x `height` (even; 16:9 shows all of it, another shape is cut to fit).

    `room` is what the sign says; `stamp` paints the counter strip over the ceiling. `lettering` is the font file in
    use, or None: then signs and name plates stay blank. ValueError for a size that cannot be drawn or stamped.
    """

    def __init__(self, width: int, height: int, room: str = "第一听证室", *, stamp: bool = False) -> None:
        if width % 2 or height % 2 or min(width, height) < _SMALLEST_SIDE:
            raise ValueError(
                f"a room needs an even width and height of at least {_SMALLEST_SIDE}, got {width}x{height}"
            )
        if stamp and width < strip.WIDTH:
            raise ValueError(f"the counter strip needs a picture {strip.WIDTH} pixels wide, got {width}")
        self._stamp = stamp
        self.lettering: Path | None = find_lettering()
        self._size = (width, height)
        self._scale = max(width / REFERENCE_WIDTH, height / REFERENCE_HEIGHT)
        self._cut = (
            max(0, (round(REFERENCE_WIDTH * self._scale) - width) // 2),
            max(0, (round(REFERENCE_HEIGHT * self._scale) - height) // 2),
        )
        self._sharp = height >= REFERENCE_HEIGHT
        self._draw_still(room)
        self._heads = [self._head_sprites(seat) for seat in SEATS]
        self._arms = [self._arm_sprites(seat) for seat in SEATS]
        self._walkers = self._walker_sprites()
        self._door = to_sprite(still.draw_open_door(self._scale), high_definition=self._sharp)
        self._hands: tuple[int, Sprite] | None = None
        self._lit: tuple[int, Ground] | None = None
        self._noise = _noise_tile(height + _NOISE_MARGIN, width + _NOISE_MARGIN)

    def draw(self, counter: int, utc_ms: int, planes: Planes) -> None:
        """Paint frame `counter` as seen at `utc_ms`, in place; ValueError when the planes have another size."""
        if (planes.width, planes.height) != self._size:
            raise ValueError(f"the room was drawn for {self._size}, the planes are {planes.width}x{planes.height}")
        self._paint_ground(utc_ms, planes)
        self._paint_clock(utc_ms, planes)
        self._paint_visit(utc_ms, planes)
        for index, seat in enumerate(SEATS):
            self._paint_person(seat, index, utc_ms, planes)
        self._paint_noise(counter, planes)
        if self._stamp:
            strip.paint(planes, counter)

    def _draw_still(self, room: str) -> None:
        width, height = self._size
        back = still.draw_back(self._scale, room, self.lettering)
        hiding = Image.new("RGBA", back.size, (0, 0, 0, 0))
        bench, tables = still.draw_bench(self._scale, self.lettering), still.draw_tables(self._scale, self.lettering)
        for seats, furniture in ((still.BENCH_SEATS, bench), (still.TABLE_SEATS, tables)):
            for layer in (back, hiding):
                self._seat_people(layer, seats, furniture)
        window = (*self._cut, self._cut[0] + width, self._cut[1] + height)
        self._ground = to_ground(back.crop(window), high_definition=self._sharp)
        hidden = numpy.asarray(hiding.crop(window).getchannel("A"), dtype=numpy.uint32) * 256 // 255
        self._shades: tuple[Weights16, Weights16] = (hidden.astype(numpy.uint16), hidden[::2, ::2].astype(numpy.uint16))
        air = numpy.asarray(still.draw_window_light(self._scale).crop(window).getchannel("R"), dtype=numpy.uint16)
        floor = numpy.asarray(still.draw_sunlit_floor(self._scale).crop(window).getchannel("R"), dtype=numpy.uint16)
        light = numpy.maximum(air, floor * (256 - self._shades[0]) // 256)
        self._window_light: Weights16 = (light * _LIGHT_GAIN // 255).astype(numpy.uint16)

    def _seat_people(self, layer: Image.Image, seats: tuple[Seat, ...], furniture: Image.Image) -> None:
        for seat in seats:
            body = people.draw_body(seat.look, self._scale * seat.size)
            layer.alpha_composite(body, self._place(seat, people.BODY_ORIGIN))
        layer.alpha_composite(furniture)

    def _head_sprites(self, seat: Seat) -> dict[tuple[int, int, bool], Sprite]:
        return {
            (turn, mouth, blink): to_sprite(
                people.draw_head(seat.look, self._scale * seat.size, turn=turn / _POSES, mouth=mouth, blink=blink),
                high_definition=self._sharp,
            )
            for turn in range(-_POSES, _POSES + 1)
            for mouth in range(people.MOUTHS if seat.speaks else 1)
            for blink in (False, True)
        }

    def _arm_sprites(self, seat: Seat) -> dict[Arms, Sprite]:
        return {
            arms: to_sprite(people.draw_arms(seat.look, self._scale * seat.size, arms), high_definition=self._sharp)
            for arms in Arms
        }

    def _walker_sprites(self) -> dict[tuple[int, bool], Sprite]:
        return {
            (step, leftward): to_sprite(
                people.draw_walker(still.WALKER_LOOK, self._scale, step=step, leftward=leftward),
                high_definition=self._sharp,
            )
            for step in range(people.WALKING_STEPS)
            for leftward in (False, True)
        }

    def _place(self, seat: Seat, origin: tuple[float, float], sway: tuple[float, float] = (0, 0)) -> tuple[int, int]:
        x = seat.face[0] + (origin[0] + sway[0]) * seat.size
        y = seat.face[1] + (origin[1] + sway[1]) * seat.size
        return (round(x * self._scale), round(y * self._scale))

    def _blend(self, sprite: Sprite, place: tuple[int, int], planes: Planes, *, behind: bool = False) -> None:
        shades = self._shades if behind else None
        sprite.blend(planes, place[0] - self._cut[0], place[1] - self._cut[1], shades)

    def _paint_ground(self, utc_ms: int, planes: Planes) -> None:
        level = light_level_at(utc_ms)
        if self._lit is None or self._lit[0] != level:
            gain = self._window_light * numpy.uint16(level) // numpy.uint16(_LIGHT_LEVELS)
            luma = numpy.minimum(self._ground.luma + gain, 231).astype(numpy.uint8)
            self._lit = (level, Ground(luma=luma, blue=self._ground.blue, red=self._ground.red))
        width, height = self._size
        planes.luma[:height, :width] = self._lit[1].luma
        planes.blue[: height // 2, : width // 2] = self._lit[1].blue
        planes.red[: height // 2, : width // 2] = self._lit[1].red

    def _paint_clock(self, utc_ms: int, planes: Planes) -> None:
        second_of_day = (utc_ms // 1000 + 8 * 3600) % 86400
        if self._hands is None or self._hands[0] != second_of_day:
            minute_of_day, second = divmod(second_of_day, 60)
            hour, minute = divmod(minute_of_day, 60)
            picture = still.draw_clock_hands(self._scale, hour=hour, minute=minute, second=second)
            self._hands = (second_of_day, to_sprite(picture, high_definition=self._sharp))
        radius = still.CLOCK_RADIUS + 2
        x, y = still.CLOCK_CENTRE
        place = (round((x - radius) * self._scale), round((y - radius) * self._scale))
        self._blend(self._hands[1], place, planes)

    def _paint_visit(self, utc_ms: int, planes: Planes) -> None:
        visit = visit_at(utc_ms)
        if visit is None:
            return
        self._blend(
            self._door, (round(still.DOOR[0] * self._scale), round(still.DOOR[1] * self._scale)), planes, behind=True
        )
        x = visit.x + people.WALKER_ORIGIN[0]
        y = _WALK_Y - _FEET + people.WALKER_ORIGIN[1]
        sprite = self._walkers[visit.step, visit.leftward]
        self._blend(sprite, (round(x * self._scale), round(y * self._scale)), planes, behind=True)

    def _paint_person(self, seat: Seat, index: int, utc_ms: int, planes: Planes) -> None:
        posture = posture_at(index, utc_ms)
        head = self._heads[index][posture.turn, posture.mouth, posture.blink]
        self._blend(head, self._place(seat, people.HEAD_ORIGIN, posture.sway), planes)
        self._blend(self._arms[index][posture.arms], self._place(seat, people.ARMS_ORIGIN), planes)

    def _paint_noise(self, counter: int, planes: Planes) -> None:
        width, height = self._size
        mixed = counter * 2654435761 & 0xFFFFFFFF
        top, left = mixed >> 16 & _NOISE_MARGIN - 1, mixed >> 24 & _NOISE_MARGIN - 1
        visible = planes.luma[:height, :width]
        # Luma stands between 20 and 231, so adding a few levels modulo 256 never wraps.
        numpy.add(visible, self._noise[top : top + height, left : left + width], out=visible)


def _noise_tile(height: int, width: int) -> NDArray[numpy.uint8]:
    drawn = numpy.random.default_rng(20250101).normal(0, _NOISE_SPREAD, (height, width))
    return drawn.round().clip(-3, 3).astype(numpy.int8).view(numpy.uint8)


def _chance(name: str, choices: int) -> int:
    return random.Random(name).randrange(choices)  # noqa: S311 - reproducible scenery, nothing secret


def _is_voiced(utc_ms: int) -> bool:
    return _chance(f"phrase {utc_ms // 700}", 5) > 0


def _gaze(index: int, speaker: int) -> float:
    """Return how far a person turns towards the speaker: -1 left .. 1 right; a speaker looks at the host."""
    target = speaker if speaker != index else 1
    if target == index:
        return 0.35 if index % 2 else -0.35
    distance = SEATS[target].face[0] - SEATS[index].face[0]
    return math.copysign(min(1.0, abs(distance) / 380 + 0.2), distance)


def _arms(seat: Seat, *, speaking: bool, utc_ms: int) -> Arms:
    if seat.writes and not speaking:
        return Arms.WRITING_LEFT if utc_ms // 280 % 2 else Arms.WRITING_RIGHT
    if not speaking:
        return Arms.FOLDED
    return (Arms.FOLDED, Arms.RAISED, Arms.SPREAD, Arms.RAISED)[_chance(f"gesture {utc_ms // 1100}", 4)]
