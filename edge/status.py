"""One line that tells a clerk whether the room is being recorded: a frozen snapshot and its words.

Pure. CONTROL makes a `Status` about twice a second; whoever shows it (terminal, later the page) only reads it.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

DIGITAL_ZERO_MILLIBEL = -9600


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is durable at this moment; counts are the session's."""

    elapsed_ns: int
    segments_closed: int
    fragments_sealed: int
    frames: int
    samples: int
    frames_lost: int
    samples_lost: int
    rms_millibel: int | None
    seal_delay_ms: int
    free_hours: float
    warnings_zh: tuple[str, ...] = ()
    warnings_en: tuple[str, ...] = ()


def line(status: Status) -> str:
    """The live line, Chinese with English beside it."""
    lost = f"{status.frames_lost}帧/{status.samples_lost}样"
    parts = (
        f"● 录制中 REC {clock_words(status.elapsed_ns)}",
        f"段 seg {status.segments_closed}",
        f"片 sealed {status.fragments_sealed}",
        f"帧 frames {status.frames}",
        f"采样 samples {status.samples}",
        f"丢失 lost {lost}" if status.frames_lost or status.samples_lost else "丢失 lost 0",
        f"音量 level {level_words(status.rms_millibel)}",
        f"封签延迟 delay {status.seal_delay_ms} ms",
        f"余量 free {hours_words(status.free_hours)}",
    )
    text = " | ".join(parts)
    return text + (f" | 注意 {'；'.join(status.warnings_zh)}" if status.warnings_zh else "")


def clock_words(elapsed_ns: int) -> str:
    """Elapsed time as h:mm:ss."""
    minutes, seconds = divmod(elapsed_ns // 10**9, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


def level_words(rms_millibel: int | None) -> str:
    """Sound level in decibels below full scale, with a bar a person reads at a glance."""
    if rms_millibel is None:
        return "--"
    if rms_millibel <= DIGITAL_ZERO_MILLIBEL:
        return "0 (digital zero)"
    decibel = rms_millibel / 100
    filled = max(0, min(8, round((decibel + 60) / 7.5)))
    return f"{'▮' * filled}{'▯' * (8 - filled)} {decibel:.0f} dB"


def hours_words(hours: float) -> str:
    """Hours of recording that still fit."""
    return f"{min(hours, 999.9):.1f} h"


def fit(text: str, columns: int) -> str:
    """Cut a line to a terminal's width, counting East Asian wide characters as two columns."""
    width, kept = 0, []
    for character in text:
        width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if width > columns:
            break
        kept.append(character)
    return "".join(kept)
