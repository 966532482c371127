"""The still parts of the simulated hearing room: walls, window, bench, tables, name plates, signs and the clock face.

Owns nothing. Everything stands in reference coordinates (1280x720), seen from a camera high at the room's back.
From far to near: the empty room, the bench, the tables; `draw_window_light` says where a brighter sky shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sim.drawing import REFERENCE_HEIGHT, REFERENCE_WIDTH, Canvas, Colour, Point
from sim.drawing_people import Dress, Hair, Look, darker

WALL = (224, 219, 207)
WOOD = (139, 90, 52)
GOLD = (236, 196, 106)
RED = (158, 28, 30)
CLOCK_CENTRE: Point = (1048, 152)
CLOCK_RADIUS = 38
DOOR = (1010, 232, 1086, 418)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where one person sits: face centre, size (1 = as far away as the bench), name plate with its centre, and look."""

    title: str
    face: Point
    size: float
    plate: Point
    look: Look
    speaks: int
    writes: bool = False


_BLACK_HAIR, _GREY_HAIR = (32, 28, 28), (96, 94, 96)
_FAIR, _TAN = (232, 196, 166), (214, 172, 138)

SEATS: tuple[Seat, ...] = (
    Seat(
        title="听证员",
        face=(466, 272),
        size=1.0,
        plate=(466, 380),
        speaks=1,
        look=Look(hair=Hair.BOB, dress=Dress.SUIT, skin=_FAIR, hair_colour=_BLACK_HAIR, cloth=(52, 56, 70)),
    ),
    Seat(
        title="听证主持人",
        face=(640, 268),
        size=1.06,
        plate=(640, 380),
        speaks=4,
        look=Look(
            hair=Hair.PARTED, dress=Dress.SUIT, skin=_TAN, hair_colour=_GREY_HAIR, cloth=(38, 44, 62), glasses=True
        ),
    ),
    Seat(
        title="听证员",
        face=(814, 272),
        size=1.0,
        plate=(814, 380),
        speaks=1,
        look=Look(
            hair=Hair.SHORT, dress=Dress.SUIT, skin=_TAN, hair_colour=_BLACK_HAIR, cloth=(62, 60, 62), tie=(36, 60, 110)
        ),
    ),
    Seat(
        title="书记员",
        face=(640, 442),
        size=1.08,
        plate=(640, 566),
        speaks=0,
        writes=True,
        look=Look(hair=Hair.BUN, dress=Dress.JACKET, skin=_FAIR, hair_colour=_BLACK_HAIR, cloth=(120, 44, 62)),
    ),
    Seat(
        title="当事人",
        face=(150, 428),
        size=1.26,
        plate=(150, 590),
        speaks=3,
        look=Look(hair=Hair.SHORT, dress=Dress.JACKET, skin=_TAN, hair_colour=_BLACK_HAIR, cloth=(86, 98, 74)),
    ),
    Seat(
        title="委托代理人",
        face=(330, 420),
        size=1.22,
        plate=(330, 582),
        speaks=2,
        writes=True,
        look=Look(
            hair=Hair.BOB, dress=Dress.SUIT, skin=_FAIR, hair_colour=(58, 40, 32), cloth=(92, 84, 96), glasses=True
        ),
    ),
    Seat(
        title="执法人员",
        face=(950, 420),
        size=1.22,
        plate=(950, 582),
        speaks=3,
        look=Look(
            hair=Hair.SHORT,
            dress=Dress.UNIFORM,
            skin=_TAN,
            hair_colour=_BLACK_HAIR,
            cloth=(64, 88, 134),
            tie=(22, 28, 52),
        ),
    ),
    Seat(
        title="执法人员",
        face=(1132, 428),
        size=1.26,
        plate=(1132, 590),
        speaks=1,
        writes=True,
        look=Look(
            hair=Hair.PARTED,
            dress=Dress.UNIFORM,
            skin=_FAIR,
            hair_colour=_BLACK_HAIR,
            cloth=(64, 88, 134),
            tie=(22, 28, 52),
        ),
    ),
)

BENCH_SEATS, TABLE_SEATS = SEATS[:3], SEATS[3:]

WALKER_LOOK = Look(hair=Hair.SHORT, dress=Dress.JACKET, skin=_FAIR, hair_colour=_BLACK_HAIR, cloth=(70, 104, 112))


def draw_back(scale: float, room: str, lettering: Path | None) -> Image.Image:
    """Draw the empty room behind the people: walls, ceiling, floor, window, door, signs, and the bench's chairs."""
    canvas = Canvas((REFERENCE_WIDTH, REFERENCE_HEIGHT), scale, lettering=lettering)
    _shell(canvas)
    _window(canvas)
    _signs(canvas, room)
    _door(canvas)
    _clock_face(canvas)
    for x, top in ((466, 214), (640, 206), (814, 214)):
        canvas.block((x - 50, top, x + 50, 366), (74, 40, 28), radius=16)
        canvas.block((x - 42, top + 9, x + 42, 366), (112, 60, 40), radius=12)
    return canvas.finished()


def draw_bench(scale: float, lettering: Path | None) -> Image.Image:
    """Draw the bench with its name plates: before the people at the bench, behind everybody else."""
    canvas = Canvas((REFERENCE_WIDTH, REFERENCE_HEIGHT), scale, lettering=lettering)
    _bench(canvas)
    for seat in BENCH_SEATS:
        _plate(canvas, seat)
    _things_on_bench(canvas)
    return canvas.finished()


def draw_tables(scale: float, lettering: Path | None) -> Image.Image:
    """Draw what stands nearest: the three tables with name plates, and the public's chairs."""
    canvas = Canvas((REFERENCE_WIDTH, REFERENCE_HEIGHT), scale, lettering=lettering)
    _table(canvas, (548, 732, 530, 548), 626)
    _table(canvas, (52, 428, 552, 572), 668)
    _table(canvas, (852, 1228, 552, 572), 668)
    for seat in TABLE_SEATS:
        _plate(canvas, seat)
    _things_on_tables(canvas)
    for x in range(-40, 1321, 136):
        canvas.block((x - 58, 680, x + 58, 760), (70, 24, 28), radius=16)
        canvas.block((x - 50, 688, x + 50, 760), (104, 34, 40), radius=12)
    return canvas.finished()


def draw_window_light(scale: float) -> Image.Image:
    """Draw how much each place gains from a brighter sky (red channel 0..255)."""
    canvas = Canvas((REFERENCE_WIDTH, REFERENCE_HEIGHT), scale)
    frame = [(0.0, 0.0), (1280.0, 0.0), (1280.0, 720.0), (0.0, 720.0)]
    canvas.ramp((0, 0, 1280, 720), (56, 0, 0), (56, 0, 0), frame)
    for reach in range(80):
        share = 57 + reach
        right = 900 - reach * 10
        canvas.polygon([(0, 0), (right, 0), (right * 0.9, 720), (0, 720)], (share, 0, 0))
    canvas.polygon(_on_left_wall(24, 146, 0.2, 0.62), (255, 0, 0))
    return canvas.finished()


def draw_sunlit_floor(scale: float) -> Image.Image:
    """Draw where the window's light falls on the floor, in the measure of `draw_window_light`."""
    canvas = Canvas((REFERENCE_WIDTH, REFERENCE_HEIGHT), scale)
    canvas.polygon([(60, 660), (230, 480), (470, 500), (360, 690)], (196, 0, 0))
    return canvas.finished()


def draw_clock_hands(scale: float, *, hour: int, minute: int, second: int) -> Image.Image:
    """Draw the hands for a local time of day, a square picture centred on the clock."""
    radius = CLOCK_RADIUS + 2
    canvas = Canvas((2 * radius, 2 * radius), scale, origin=(-radius, -radius))
    hands = (
        ((hour % 12 + minute / 60) / 12, 19.0, 4.2, (28, 28, 32)),
        ((minute + second / 60) / 60, 29.0, 3.0, (28, 28, 32)),
        (second / 60, 32.0, 1.4, (196, 30, 30)),
    )
    for share, length, width, colour in hands:
        angle = 2 * math.pi * share
        tip = (math.sin(angle) * length, -math.cos(angle) * length)
        canvas.line([(-tip[0] * 0.16, -tip[1] * 0.16), tip], colour, width)
    canvas.ellipse((-3, -3, 3, 3), (196, 30, 30))
    return canvas.finished()


def draw_open_door(scale: float) -> Image.Image:
    """Draw the doorway with its leaf open: the lit corridor behind."""
    left, top, right, bottom = DOOR
    canvas = Canvas((right - left, bottom - top), scale, origin=(left, top))
    canvas.ramp((left, top, right, bottom), (238, 236, 224), (196, 188, 170), _rectangle(left, top, right, bottom))
    canvas.polygon([(left, 400), (right, 400), (right, bottom), (left, bottom)], (150, 132, 112))
    canvas.polygon([(right, top), (right - 16, top + 8), (right - 16, bottom), (right, bottom)], darker(WOOD, 0.7))
    return canvas.finished()


def _rectangle(left: float, top: float, right: float, bottom: float) -> list[Point]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _on_left_wall(left: float, right: float, upper: float, lower: float) -> list[Point]:
    def place(x: float, share: float) -> Point:
        top, bottom = x * 66 / 170, 560 - x * 142 / 170
        return (x, top + (bottom - top) * share)

    return [place(left, upper), place(right, upper), place(right, lower), place(left, lower)]


def _mirrored(points: list[Point]) -> list[Point]:
    return [(REFERENCE_WIDTH - x, y) for x, y in points]


def _shell(canvas: Canvas) -> None:
    floor = [(170.0, 418.0), (1110.0, 418.0), (1280.0, 560.0), (1280.0, 720.0), (0.0, 720.0), (0.0, 560.0)]
    canvas.ramp((0, 418, 1280, 720), (150, 128, 104), (116, 94, 74), floor)
    for x in range(-400, 1700, 70):
        canvas.line([(640 + (x - 640) * 0.62, 420), (x, 720)], (128, 106, 84), 1)
    ceiling = [(0.0, 0.0), (1280.0, 0.0), (1110.0, 66.0), (170.0, 66.0)]
    canvas.ramp((0, 0, 1280, 66), (196, 194, 188), (226, 224, 216), ceiling)
    for x in (420, 860):
        outward = (x - 640) * 0.16
        canvas.polygon([(x - 92 + outward, 16), (x + 92 + outward, 16), (x + 70, 46), (x - 70, 46)], (250, 250, 244))
    left = [(0.0, 0.0), (170.0, 66.0), (170.0, 418.0), (0.0, 560.0)]
    canvas.ramp((0, 0, 170, 560), darker(WALL, 0.86), darker(WALL, 0.74), left)
    canvas.ramp((1110, 0, 1280, 560), darker(WALL, 0.94), darker(WALL, 0.82), _mirrored(left))
    canvas.ramp((170, 66, 1110, 418), WALL, darker(WALL, 0.9), _rectangle(170, 66, 1110, 418))
    canvas.block((170, 336, 1110, 418), (176, 132, 88))
    for x in range(180, 1100, 62):
        canvas.block((x, 346, x + 52, 408), (164, 120, 78), radius=2, outline=(190, 148, 104))
    canvas.line([(170, 336), (1110, 336)], (120, 82, 50), 3)
    canvas.line([(170, 418), (1110, 418)], (92, 62, 40), 4)


def _window(canvas: Canvas) -> None:
    canvas.polygon(_on_left_wall(16, 154, 0.17, 0.65), (242, 240, 234))
    pane = _on_left_wall(24, 146, 0.2, 0.62)
    canvas.ramp((24, 90, 146, 350), (150, 186, 216), (214, 226, 232), pane)
    for x, wide, upper in ((30, 24, 0.44), (58, 20, 0.38), (84, 26, 0.46), (116, 22, 0.42)):
        canvas.polygon(_on_left_wall(x, x + wide, upper, 0.62), (150, 160, 170))
    for x in (64, 108):
        canvas.polygon(_on_left_wall(x - 2.5, x + 2.5, 0.19, 0.63), (242, 240, 234))
    canvas.polygon(_on_left_wall(20, 150, 0.33, 0.345), (242, 240, 234))
    for left, right in ((4, 26), (146, 164)):
        canvas.polygon(_on_left_wall(left, right, 0.13, 0.72), (172, 158, 136))
        for fold in range(round(left) + 5, round(right), 6):
            canvas.polygon(_on_left_wall(fold, fold + 1.5, 0.13, 0.72), (150, 136, 114))
    canvas.polygon([(60, 660), (230, 480), (470, 500), (360, 690)], (150, 126, 100))


def _signs(canvas: Canvas, room: str) -> None:
    canvas.block((478, 84, 802, 150), RED, radius=4, outline=GOLD)
    canvas.block((486, 91, 794, 143), RED, radius=2, outline=GOLD)
    canvas.text((640, 117), room, 38, GOLD)
    canvas.text((640, 177), "公开 · 公平 · 公正", 21, (122, 30, 28))
    canvas.block((214, 96, 372, 316), (250, 249, 244), radius=3, outline=(150, 120, 84))
    canvas.block((214, 96, 372, 128), (38, 74, 128), radius=3)
    canvas.text((293, 112), "听证纪律", 20, (250, 250, 250))
    rules = (
        "一、服从主持人指挥",
        "二、未经允许不发言",
        "三、关闭通讯工具",
        "四、不得随意走动",
        "五、不得自行录音",
        "六、保持会场安静",
    )
    for row, rule in enumerate(rules):
        canvas.text((293, 150 + row * 28), rule, 14.5, (60, 60, 66))
    canvas.block((874, 96, 988, 134), (32, 74, 132), radius=4)
    canvas.ellipse((882, 109, 894, 121), (226, 52, 48))
    canvas.text((940, 115), "全程录音录像", 14, (250, 250, 250))
    canvas.polygon(_mirrored(_on_left_wall(40, 140, 0.26, 0.56)), (206, 62, 52))
    canvas.polygon(_mirrored(_on_left_wall(46, 134, 0.34, 0.54)), (248, 236, 214))
    for share in (0.38, 0.42, 0.46, 0.5):
        canvas.polygon(_mirrored(_on_left_wall(56, 124, share, share + 0.012)), (170, 140, 120))


def _door(canvas: Canvas) -> None:
    left, top, right, bottom = DOOR
    canvas.block((left - 8, top - 8, right + 8, bottom), darker(WOOD, 0.62))
    canvas.block((left, top, right, bottom), darker(WOOD, 1.08))
    for upper, lower in ((top + 12, top + 80), (top + 96, bottom - 14)):
        canvas.block((left + 12, upper, right - 12, lower), darker(WOOD, 0.94), radius=2, outline=darker(WOOD, 1.3))
    canvas.ellipse((left + 6, top + 84, left + 14, top + 92), GOLD)


def _clock_face(canvas: Canvas) -> None:
    x, y = CLOCK_CENTRE
    radius = CLOCK_RADIUS
    canvas.ellipse((x - radius + 3, y - radius + 5, x + radius + 5, y + radius + 7), darker(WALL, 0.7))
    canvas.ellipse((x - radius, y - radius, x + radius, y + radius), (60, 56, 54))
    canvas.ellipse((x - radius + 4, y - radius + 4, x + radius - 4, y + radius - 4), (250, 250, 246))
    for hour in range(12):
        angle = math.pi * hour / 6
        inner, width = (26, 3) if hour % 3 == 0 else (29, 1.6)
        along = (math.sin(angle), -math.cos(angle))
        canvas.line(
            [(x + along[0] * inner, y + along[1] * inner), (x + along[0] * 32, y + along[1] * 32)], (60, 60, 64), width
        )


def _bench(canvas: Canvas) -> None:
    canvas.polygon([(340, 476), (940, 476), (966, 508), (314, 508)], darker(WOOD, 0.66))
    canvas.polygon([(314, 508), (966, 508), (966, 522), (314, 522)], darker(WOOD, 0.48))
    canvas.ramp((356, 366, 924, 480), darker(WOOD, 1.0), darker(WOOD, 0.76), _rectangle(356, 366, 924, 480))
    for x in range(366, 900, 92):
        canvas.block((x, 400, x + 84, 470), darker(WOOD, 0.86), radius=2, outline=darker(WOOD, 1.2))
    canvas.polygon([(370, 350), (910, 350), (930, 368), (350, 368)], darker(WOOD, 1.35))
    canvas.block((350, 368, 930, 375), darker(WOOD, 0.66))


def _table(canvas: Canvas, top: tuple[float, float, float, float], bottom: float) -> None:
    left, right, upper, lower = top
    canvas.ramp(
        (left, lower, right, bottom), darker(WOOD, 0.98), darker(WOOD, 0.7), _rectangle(left, lower, right, bottom)
    )
    inset = (lower - upper) * 0.9
    canvas.polygon(
        [(left + inset, upper), (right - inset, upper), (right + 5, lower), (left - 5, lower)], darker(WOOD, 1.32)
    )
    canvas.block((left - 5, lower, right + 5, lower + 7), darker(WOOD, 0.64))
    canvas.block(
        (left + 14, lower + 40, right - 14, bottom - 10), darker(WOOD, 0.8), radius=2, outline=darker(WOOD, 1.1)
    )


def _plate(canvas: Canvas, seat: Seat) -> None:
    x, y = seat.plate
    size = 21.0 * min(seat.size, 1.15)
    half = len(seat.title) * size / 2 + 9
    shadow: Colour = darker(WOOD, 0.5)
    canvas.block((x - half + 2, y - 15, x + half + 3, y + 17), shadow, radius=2)
    canvas.block((x - half, y - 17, x + half, y + 15), (250, 248, 240), radius=2, outline=(176, 40, 38))
    canvas.text((x, y - 1), seat.title, size, (150, 24, 26))


def _paper(canvas: Canvas, x: float, y: float, wide: float) -> None:
    canvas.polygon([(x, y), (x + wide, y), (x + wide + 6, y + 11), (x - 6, y + 11)], (244, 243, 238))
    canvas.line([(x + 6, y + 4), (x + wide - 6, y + 4)], (190, 190, 190), 1)


def _cup(canvas: Canvas, x: float, y: float) -> None:
    canvas.block((x - 7, y, x + 7, y + 20), (236, 240, 242), radius=3, outline=(170, 180, 190))
    canvas.ellipse((x - 7, y - 2, x + 7, y + 4), (70, 110, 160))


def _things_on_bench(canvas: Canvas) -> None:
    for x in (552, 724):
        _paper(canvas, x, 352, 40)
        _cup(canvas, x + 5, 334)
    for x, y in ((410, 352), (896, 352)):
        canvas.line([(x, y), (x + (640 - x) * 0.03, y - 34)], (40, 40, 44), 2)
        canvas.ellipse((x + (640 - x) * 0.03 - 4, y - 42, x + (640 - x) * 0.03 + 4, y - 30), (30, 30, 34))


def _things_on_tables(canvas: Canvas) -> None:
    for x in (84, 404, 876, 1206):
        _cup(canvas, x, 536)
    for x in (236, 1036):
        _paper(canvas, x, 552, 50)
    canvas.polygon([(676, 496), (738, 500), (732, 540), (672, 536)], (54, 58, 64))
    canvas.polygon([(672, 536), (732, 540), (728, 546), (668, 542)], (90, 94, 100))
