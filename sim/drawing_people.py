"""The people of the simulated room as drawings: heads that turn, speak and blink, arms that write and gesture.

Owns nothing. A `Look` says what a person looks like; the functions return canvases drawn around the person's face
centre at (0, 0) in head units where a face is 30 wide and 40 high.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from PIL import Image

from sim.drawing import Canvas, Colour, Point


class Hair(enum.Enum):
    """How a person wears their hair."""

    SHORT = enum.auto()
    PARTED = enum.auto()
    BOB = enum.auto()
    BUN = enum.auto()


class Dress(enum.Enum):
    """What a person wears."""

    SUIT = enum.auto()
    UNIFORM = enum.auto()
    JACKET = enum.auto()


class Arms(enum.Enum):
    """What a person's forearms do."""

    FOLDED = enum.auto()
    WRITING_LEFT = enum.auto()
    WRITING_RIGHT = enum.auto()
    RAISED = enum.auto()
    SPREAD = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one person looks like; `cloth` is the colour of jacket or uniform."""

    hair: Hair
    dress: Dress
    skin: Colour
    hair_colour: Colour
    cloth: Colour
    tie: Colour = (120, 30, 34)
    glasses: bool = False


HEAD_SIZE: Point = (56, 64)
HEAD_ORIGIN: Point = (-28, -33)
ARMS_SIZE: Point = (124, 74)
ARMS_ORIGIN: Point = (-62, 30)
BODY_SIZE: Point = (124, 110)
BODY_ORIGIN: Point = (-62, 8)
WALKER_SIZE: Point = (84, 196)
WALKER_ORIGIN: Point = (-42, -33)
MOUTHS = 3
_EAR_HIDDEN = 0.5
WALKING_STEPS = 8


def darker(colour: Colour, share: float) -> Colour:
    """Return the colour multiplied by `share` (below 1 darkens)."""
    red, green, blue = (min(255, max(0, round(part * share))) for part in colour)
    return (red, green, blue)


def draw_head(look: Look, scale: float, *, turn: float, mouth: int, blink: bool) -> Image.Image:
    """Draw a head: `turn` -1 (to the picture's left) .. 1, `mouth` 0 closed .. 2 wide, window light from the left."""
    canvas = Canvas(HEAD_SIZE, scale, origin=HEAD_ORIGIN)
    shift = turn * 5
    _back_hair(canvas, look, shift)
    for side in (-1, 1):
        x = side * 15 - shift * 0.8
        if side * turn < _EAR_HIDDEN:
            canvas.ellipse((x - 3, -3, x + 3, 7), darker(look.skin, 0.86))
    canvas.ellipse((-15, -22, 15, 19), darker(look.skin, 0.86))
    canvas.ellipse((-15, -21, 12.5, 18), look.skin)
    _face(canvas, look, shift, squeeze=1 - 0.22 * abs(turn), mouth=mouth, blink=blink)
    _front_hair(canvas, look, shift)
    return canvas.finished()


def draw_body(look: Look, scale: float) -> Image.Image:
    """Draw neck, shoulders and chest down to where a table hides the rest."""
    canvas = Canvas(BODY_SIZE, scale, origin=BODY_ORIGIN)
    _torso(canvas, look)
    return canvas.finished()


def draw_arms(look: Look, scale: float, arms: Arms) -> Image.Image:
    """Draw both forearms with hands, over chest and table top."""
    canvas = Canvas(ARMS_SIZE, scale, origin=ARMS_ORIGIN)
    left, right = _HANDS[arms]
    for side, hand in ((-1, left), (1, right)):
        elbow = (side * 45.0, 80.0)
        canvas.line([(side * 40.0, 52.0), elbow, hand], darker(look.cloth, 0.8 if side > 0 else 0.92), 15)
        canvas.line([hand, (hand[0] - side * 4, hand[1] - 1)], darker(look.skin, 0.95), 10)
    if arms in (Arms.WRITING_LEFT, Arms.WRITING_RIGHT):
        x, y = right
        canvas.line([(x - 6, y + 3), (x + 3, y - 13)], (30, 40, 90), 2)
    return canvas.finished()


def draw_walker(look: Look, scale: float, *, step: int, leftward: bool) -> Image.Image:
    """Draw a whole person walking with a folder; `step` 0..WALKING_STEPS-1 of one stride, feet at y = 155."""
    canvas = Canvas(WALKER_SIZE, scale, origin=WALKER_ORIGIN)
    swing = (-1.0, -0.6, 0.0, 0.6, 1.0, 0.6, 0.0, -0.6)[step % WALKING_STEPS]
    facing = -1 if leftward else 1
    trousers = (44, 47, 58)
    for sign, colour in ((-1, darker(trousers, 0.75)), (1, trousers)):
        foot = sign * swing * 20
        canvas.line([(0, 88), (foot * 0.5 + facing * 3, 120), (foot, 150)], colour, 15)
        canvas.line([(foot - 2, 153), (foot + facing * 9, 154)], (25, 22, 22), 7)
    canvas.line([(-2, 38), (-swing * 16, 62), (-swing * 16 + facing * 8, 84)], darker(look.cloth, 0.75), 11)
    canvas.polygon([(-18, 28), (18, 28), (20, 92), (-20, 92)], look.cloth)
    canvas.ellipse((-19, 21, 19, 46), look.cloth)
    canvas.block((-5, 12, 6, 26), darker(look.skin, 0.85), radius=3)
    canvas.polygon([(facing * 2, 24), (facing * 12, 24), (facing * 8, 44)], (232, 234, 236))
    canvas.line([(2, 40), (facing * 6, 62), (facing * 22, 58)], darker(look.cloth, 0.88), 12)
    canvas.block((facing * 22 - 9, 40, facing * 22 + 9, 66), (176, 142, 84), radius=1.5, outline=(120, 92, 48))
    canvas.line([(facing * 22, 60), (facing * 25, 60)], look.skin, 8)
    _walker_head(canvas, look, facing)
    return canvas.finished()


_HANDS: dict[Arms, tuple[Point, Point]] = {
    Arms.FOLDED: ((-9, 88), (9, 88)),
    Arms.WRITING_LEFT: ((-26, 88), (10, 87)),
    Arms.WRITING_RIGHT: ((-26, 88), (17, 88)),
    Arms.RAISED: ((-12, 88), (33, 47)),
    Arms.SPREAD: ((-40, 70), (39, 68)),
}


def _walker_head(canvas: Canvas, look: Look, facing: int) -> None:
    canvas.ellipse((-16, -25, 16, 17), darker(look.skin, 0.9))
    canvas.ellipse((-14 + facing * 2, -21, 13 + facing * 2, 17), look.skin)
    canvas.slice((-17, -26, 17, 12), (180, 360), look.hair_colour)
    back = (-17, -18, -3, 9) if facing > 0 else (3, -18, 17, 9)
    canvas.ellipse(back, look.hair_colour)
    eye = facing * 8
    canvas.ellipse((eye - 2, -5, eye + 2, -1), (30, 26, 26))
    canvas.line([(eye - 3, -8), (eye + 3, -8)], look.hair_colour, 1.6)
    canvas.line([(facing * 14, 0), (facing * 15, 4)], darker(look.skin, 0.75), 1.6)
    canvas.line([(facing * 6, 10), (facing * 11, 10)], (150, 78, 72), 1.6)


def _back_hair(canvas: Canvas, look: Look, shift: float) -> None:
    back = -shift * 0.8
    match look.hair:
        case Hair.SHORT | Hair.PARTED:
            canvas.ellipse((-17 + back, -27, 17 + back, 8), look.hair_colour)
        case Hair.BOB:
            canvas.block((-20 + back, -26, 20 + back, 18), look.hair_colour, radius=15)
        case Hair.BUN:
            canvas.ellipse((-9 + back, -32, 9 + back, -16), darker(look.hair_colour, 0.8))
            canvas.ellipse((-18 + back, -27, 18 + back, 11), look.hair_colour)


def _front_hair(canvas: Canvas, look: Look, shift: float) -> None:
    match look.hair:
        case Hair.SHORT:
            canvas.slice((-16.5, -27, 16.5, 6), (193, 347), look.hair_colour)
        case Hair.PARTED:
            canvas.slice((-17, -28, 17, 8), (190, 350), look.hair_colour)
            canvas.polygon([(-15, -15), (2 + shift, -17), (-14, -4)], look.hair_colour)
        case Hair.BOB:
            canvas.slice((-18, -27, 18, 13), (188, 352), look.hair_colour)
            for side in (-1, 1):
                x = side * 16 + (shift * 0.3 if side * shift > 0 else -shift * 0.6)
                canvas.block((x - 4, -14, x + 4, 16), look.hair_colour, radius=4)
        case Hair.BUN:
            canvas.slice((-17, -27, 17, 7), (190, 350), look.hair_colour)
    canvas.arc((-12, -25, 8, -6), (200, 290), darker(look.hair_colour, 1.9), 1.2)


def _face(canvas: Canvas, look: Look, shift: float, *, squeeze: float, mouth: int, blink: bool) -> None:
    ink = (38, 30, 28)
    for side in (-1, 1):
        x = shift + side * 6.6 * squeeze
        outer, inner = (x + side * 3.6, -8.4), (x - side * 2.8, -9.6)
        canvas.line([outer, (x + side * 0.6, -10), inner], look.hair_colour, 1.3)
        if blink:
            canvas.line([(x - 2.6, -2.2), (x + 2.6, -2.2)], ink, 1.2)
        else:
            canvas.ellipse((x - 3.1, -4.7, x + 3.1, -0.5), (246, 244, 240))
            iris = x + shift * 0.22
            canvas.ellipse((iris - 2, -4.6, iris + 2, -0.6), ink)
        if look.glasses:
            canvas.arc((x - 5, -7, x + 5, 2), (0, 360), (50, 50, 60), 1.3)
    if look.glasses:
        canvas.line([(shift - 2, -3), (shift + 2, -3)], (50, 50, 60), 1.3)
    shadow = darker(look.skin, 0.78)
    canvas.line([(shift * 1.3, -1), (shift * 1.3 + 1.6, 4.6), (shift * 1.3 - 1, 5)], shadow, 1.4)
    _mouth(canvas, shift, mouth)
    canvas.arc((shift - 4, 10, shift + 4, 16), (50, 130), shadow, 1)


def _mouth(canvas: Canvas, shift: float, mouth: int) -> None:
    lips = (164, 84, 78)
    if mouth == 0:
        canvas.line([(shift - 4, 9.8), (shift, 10.4), (shift + 4, 9.8)], lips, 1.7)
        return
    wide, high = ((3.4, 1.2), (3.7, 2.4))[mouth - 1]
    canvas.ellipse((shift - wide - 1, 10 - high - 0.6, shift + wide + 1, 10 + high + 0.8), lips)
    canvas.ellipse((shift - wide, 10 - high + 0.4, shift + wide, 10 + high), (70, 24, 26))


def _torso(canvas: Canvas, look: Look) -> None:
    light, dark = look.cloth, darker(look.cloth, 0.82)
    canvas.block((-7.5, 8, 7.5, 34), darker(look.skin, 0.8), radius=3)
    canvas.polygon([(-7, 23), (-38, 33), (-47, 50), (-52, 118), (52, 118), (47, 50), (38, 33), (7, 23)], light)
    canvas.ellipse((-50, 31, -26, 62), light)
    canvas.ellipse((26, 31, 50, 62), dark)
    canvas.polygon([(7, 23), (38, 33), (48, 50), (52, 118), (16, 118)], dark)
    match look.dress:
        case Dress.SUIT:
            canvas.polygon([(-9, 23), (9, 23), (2, 66), (-2, 66)], (236, 238, 240))
            canvas.polygon([(-2.6, 27), (2.6, 27), (3.6, 62), (0, 68), (-3.6, 62)], look.tie)
            canvas.polygon([(-9, 22), (-15, 36), (-2, 68)], darker(look.cloth, 1.25))
            canvas.polygon([(9, 22), (15, 36), (2, 68)], darker(look.cloth, 1.05))
        case Dress.UNIFORM:
            canvas.polygon([(-10, 22), (0, 34), (-15, 37)], darker(look.cloth, 1.3))
            canvas.polygon([(10, 22), (0, 34), (15, 37)], darker(look.cloth, 1.15))
            canvas.polygon([(-2.4, 32), (2.4, 32), (3.4, 72), (-3.4, 72)], look.tie)
            for side in (-1, 1):
                canvas.line([(side * 22, 30.5), (side * 39, 36)], (26, 34, 62), 5)
                canvas.line([(side * 26, 31.6), (side * 35, 34.6)], (214, 184, 92), 1.6)
            canvas.block((-31, 56, -15, 62), (214, 184, 92), radius=1)
            canvas.ellipse((17, 50, 27, 61), (204, 172, 84))
        case Dress.JACKET:
            canvas.polygon([(-9, 22), (9, 22), (6, 44), (-6, 44)], (214, 208, 198))
            canvas.line([(0, 44), (0, 116)], darker(look.cloth, 0.6), 1.6)
            canvas.line([(-9, 23), (-6, 44)], darker(look.cloth, 1.25), 3)
            canvas.line([(9, 23), (6, 44)], darker(look.cloth, 1.1), 3)
