"""The caption burned into the picture before it is encoded: time, UTC offset, room and session at the bottom left.

Owns no thread; after construction it runs in picamera2's event thread, once per frame, between sensor and encoder.
Glyphs are drawn once, with Pillow; a frame costs numpy copies into its buffer only. Touches no disk after construction.
"""

from __future__ import annotations

import math
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from edge.ports import Clock

Plane = NDArray[np.uint8]

INK, BOX, NEUTRAL = 235, 16, 128
"""White and black of limited-range luma (ITU-R BT.709), and the chroma of no colour."""

KEPT_ROWS = 40
"""The top rows belong to a test strip and are never painted."""

FC_MATCH_SECONDS = 5.0
UNKNOWN_CHARACTER = "\U0010fffd"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionFont:
    """A font file and the face in it; `file` None means Pillow's own, which has ASCII only."""

    file: Path | None
    face: int = 0


def has_chinese(font: CaptionFont) -> bool:
    """Whether the font can draw a caption in Chinese."""
    pen = _Pen(font, 14)
    return all(pen.has(character) for character in "留痕场次")


def find_font(configured: Path | None) -> CaptionFont:
    """The configured font, else the one fontconfig prefers for simplified Chinese, else ASCII only."""
    if configured is not None:
        return CaptionFont(file=configured if configured.is_file() else None)
    fc_match = shutil.which("fc-match")
    if fc_match is None:
        return CaptionFont(file=None)
    try:
        answer = subprocess.run(
            [fc_match, "-f", "%{file}\n%{index}", "sans:lang=zh-cn"],
            capture_output=True, text=True, check=True, timeout=FC_MATCH_SECONDS,
        ).stdout.splitlines()  # fmt: skip
        return CaptionFont(file=Path(answer[0]), face=int(answer[1]))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return CaptionFont(file=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalClock:
    """The time people in the room read on the wall."""

    clock: Clock
    utc_offset_minutes: int

    def text_at(self, boottime_ns: int) -> str:
        """The text of a moment on the BOOTTIME axis, by what the clock says now."""
        now = self.clock.read()
        return time_text(now.utc_ms - (now.boottime_ns - boottime_ns) // 1_000_000, self.utc_offset_minutes)


def time_text(utc_ms: int, utc_offset_minutes: int) -> str:
    """UTC as local time with tenths and the offset that was applied: `2026-11-21 09:08:07.3 +08:00`."""
    zone = timezone(timedelta(minutes=utc_offset_minutes))
    local = datetime.fromtimestamp(utc_ms // 1000, UTC).astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S}.{utc_ms // 100 % 10} {local.isoformat()[-6:]}"


class _Pen:
    """Draws text of one size as luma."""

    def __init__(self, font: CaptionFont, size: int) -> None:
        self._font: Any = _load(font, size)
        self._ascii_only = not isinstance(self._font, ImageFont.FreeTypeFont) or font.file is None
        self._nothing = None if self._ascii_only else _shape(self._font, UNKNOWN_CHARACTER)
        self.height = 2 * (-(-self._box("Ag09国" if not self._ascii_only else "Ag09")[3] // 2)) + 4

    def has(self, character: str) -> bool:
        """Whether the font can draw it: not with the glyph of a character that no font has, nor with nothing at all."""
        if self._ascii_only or not character.isprintable():
            return character.isascii() and character.isprintable()
        shape = _shape(self._font, character)
        return character == " " or (shape != self._nothing and any(shape[1]))

    def width(self, text: str) -> int:
        """Columns the text takes, with the space after its last character."""
        columns: float = self._font.getlength(text)
        return math.ceil(columns)

    def draw(self, text: str, width: int) -> Plane:
        image = Image.new("L", (width, self.height), 0)
        ImageDraw.Draw(image).text((0, 2), text, font=self._font, fill=255)
        mask = np.asarray(image, dtype=np.uint16)
        return (BOX + mask * (INK - BOX) // 255).astype(np.uint8)

    def _box(self, text: str) -> tuple[int, int, int, int]:
        left, top, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), text, font=self._font)
        return int(left), int(top), math.ceil(right), math.ceil(bottom)


def _load(font: CaptionFont, size: int) -> Any:
    if font.file is not None:
        try:
            return ImageFont.truetype(str(font.file), size, font.face, layout_engine=ImageFont.Layout.BASIC)
        except OSError:
            return _load(CaptionFont(file=None), size)
    try:
        return ImageFont.load_default(size)
    except TypeError:  # Pillow before 10.1 has one size only
        return ImageFont.load_default()


def _shape(font: Any, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


class Caption:
    """Paints one fixed line of text, and above it the time of each frame, into YUV420 pictures of one size."""

    def __init__(self, *, width: int, height: int, text: str, font: CaptionFont, clock: LocalClock) -> None:
        pen = _Pen(font, max(14, height // 36))
        known = {character for character in text if pen.has(character)}
        shown = " ".join("".join(character for character in text if character in known).split())
        self.left_out = "".join(sorted(set(text) - known))
        self._clock = clock
        self._size = (width, height)
        self._glyphs = _time_glyphs(pen)
        self._margin = 2 * (height // 90)
        self._box = self._blank_box(pen, shown)
        self._shown = ""

    def _blank_box(self, pen: _Pen, text: str) -> Plane:
        """The box with its lower line drawn; the upper line is the time's."""
        room = self._size[0] - 2 * self._margin
        time_columns = sum(self._glyphs[character].shape[1] for character in time_text(0, 0))
        columns = max(time_columns, pen.width(text)) + 9
        rows = pen.height * (2 if text else 1)
        box = np.full((rows, min(columns, room) // 2 * 2), BOX, np.uint8)
        if text:
            box[pen.height :, 4:-4] = pen.draw(text, box.shape[1] - 8)
        self._line = pen.height
        return box

    def paint(self, picture: Plane, stride: int, sensor_boottime_ns: int) -> None:
        """Paint into one frame: `picture` is its YUV420 buffer, flat, rows of `stride` bytes (chroma rows half)."""
        self._set_time(sensor_boottime_ns)
        height = self._size[1]
        rows, columns = self._box.shape
        top, left = max(height - self._margin - rows, KEPT_ROWS), self._margin
        luma = picture[: stride * height].reshape(height, stride)
        luma[top : top + rows, left : left + columns] = self._box[: height - top]
        quarter = stride * height // 4
        for start in (stride * height, stride * height + quarter):
            chroma = picture[start : start + quarter].reshape(height // 2, stride // 2)
            chroma[top // 2 : (top + rows) // 2, left // 2 : (left + columns) // 2] = NEUTRAL

    def _set_time(self, sensor_boottime_ns: int) -> None:
        text = self._clock.text_at(sensor_boottime_ns)
        if text == self._shown:
            return
        self._shown = text
        left = 4
        for character in text:
            glyph = self._glyphs[character]
            columns = max(0, min(glyph.shape[1], self._box.shape[1] - left))
            self._box[: self._line, left : left + columns] = glyph[:, :columns]
            left += glyph.shape[1]


def _time_glyphs(pen: _Pen) -> dict[str, Plane]:
    """All digits as wide as the widest, so the text does not move while time passes (its other characters stay)."""
    glyphs: dict[str, Plane] = {}
    for alike in ("0123456789", "+", "-", ":", ".", " "):
        columns = max(pen.width(character) for character in alike)
        glyphs |= {character: pen.draw(character, columns) for character in alike}
    return glyphs
