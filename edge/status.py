"""What tells a clerk whether the room is being recorded: a frozen snapshot, and its words for 80 columns.

Pure. CONTROL makes a `Status` about twice a second; whoever shows it (terminal, later the page) only reads it.
"""

from __future__ import annotations

from dataclasses import dataclass

from liuhen.command_line import columns_of

DIGITAL_ZERO_MILLIBEL = -9600
_FORBIDDEN = {"tripped": "▣ 防爆联锁 INTERLOCK", "withheld": "□ 不得记录 WITHHELD"}
"""What is not recorded because it must not be; it is no fault."""


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
    live: bool = True
    mode: str = "recording"
    warnings_zh: tuple[str, ...] = ()
    warnings_en: tuple[str, ...] = ()


def lines(status: Status) -> tuple[str, ...]:
    """The live display, Chinese with English beside it: what matters most first, each line within 80 columns."""
    shown = (
        "   ".join(_most_important(status)),
        "  " + "   ".join(_quality(status)),
        "  " + "  ".join(_counts(status)),
    )
    return (*shown, f"  ▲ 注意 attention：{'；'.join(status.warnings_zh)}") if status.warnings_zh else shown


def ended_lines(status: Status) -> tuple[str, ...]:
    """What the live display becomes when the session is over: nothing may go on saying that it is recorded."""
    ended = f"■ 录制已结束 ENDED {clock_words(status.elapsed_ns)}"
    return f"{ended}   丢失 lost {lost_words(status)}", "  " + "  ".join(_counts(status))


def line(status: Status) -> str:
    """The live display in one line, for a log."""
    attention = (f"▲ 注意 attention：{'；'.join(status.warnings_zh)}",) if status.warnings_zh else ()
    return " | ".join((*_most_important(status), *_quality(status), *_counts(status), *attention))


def _most_important(status: Status) -> tuple[str, ...]:
    level = f"音量 level {level_words(status.rms_millibel)}"
    return recording_words(status), level, f"余量 free {hours_words(status.free_hours)}"


def _quality(status: Status) -> tuple[str, ...]:
    return f"丢失 lost {lost_words(status)}", f"封签延迟 seal delay {status.seal_delay_ms} ms"


def _counts(status: Status) -> tuple[str, ...]:
    return (
        f"段 segments {status.segments_closed}",
        f"片 sealed {status.fragments_sealed}",
        f"帧 frames {status.frames}",
        f"采样 samples {status.samples}",
    )


def recording_words(status: Status) -> str:
    """Recording is said only when something is on the disk, for that is what the word promises."""
    if not status.fragments_sealed:
        return f"○ 正在启动 starting {clock_words(status.elapsed_ns)}"
    if status.mode in _FORBIDDEN:
        return f"{_FORBIDDEN[status.mode]} {clock_words(status.elapsed_ns)}"
    if not status.live:
        return f"✕ 没有在录 NOT RECORDING {clock_words(status.elapsed_ns)}"
    return f"● 录制中 RECORDING {clock_words(status.elapsed_ns)}"


def lost_words(status: Status) -> str:
    """Frames and samples that are known to be missing."""
    if not (status.frames_lost or status.samples_lost):
        return "0"
    return f"{status.frames_lost} 帧 frames / {status.samples_lost} 采样 samples"


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
        width += columns_of(character)
        if width > columns:
            break
        kept.append(character)
    return "".join(kept)
