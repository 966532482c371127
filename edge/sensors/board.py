"""The board's health, judged so that it does not chatter. Pure.

A finding begins at once and ends after `clear_seconds` without it (temperature: at `cool_celsius`). What the firmware
remembers since boot is told as "before this service started", and only where its first answer already said so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.sensors.devices import BoardSample, Throttled
from edge.sensors.readings import COLDEST_MILLI_CELSIUS, HOTTEST_MILLI_CELSIUS, BoardBits, BoardReading
from edge.sensors.settings import Board as BoardSettings

NS_PER_SECOND = 1_000_000_000
NOW_BITS = 0xF
BEFORE_BITS = 0xF_0000
UNKNOWN = BoardBits.VOLTAGE_UNKNOWN | BoardBits.TEMPERATURE_UNKNOWN | BoardBits.THROTTLING_UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What is known. `seen_ns` is when each of the four present findings was last seen, in the order of their bits."""

    heard_ns: int
    spoken: bool = False
    milli_celsius: int | None = None
    hot: bool = False
    seen_ns: tuple[int | None, int | None, int | None, int | None] = (None, None, None, None)
    before: BoardBits | None = None
    unknown: BoardBits = UNKNOWN


def judged(board: Board, sample: BoardSample | None, at_ns: int, settings: BoardSettings) -> Board:
    """The state after a sample, or (None) after a moment without one."""
    if sample is not None:
        return _heard(board, sample, at_ns, settings)
    if at_ns - board.heard_ns > settings.stale_seconds * NS_PER_SECOND:
        return replace(board, spoken=True, milli_celsius=None, unknown=UNKNOWN)
    return board


def reading(board: Board, at_ns: int, settings: BoardSettings) -> BoardReading | None:
    """What the recorder is told; None before the first judgement."""
    if not board.spoken:
        return None
    bits = board.unknown | (board.before or BoardBits(0))
    for position, seen_ns in enumerate(board.seen_ns):
        if seen_ns is not None and at_ns - seen_ns < settings.clear_seconds * NS_PER_SECOND:
            bits |= BoardBits(1 << position)
    if board.hot:
        bits |= BoardBits.HOT
    return BoardReading(milli_celsius=board.milli_celsius, bits=bits)


def _heard(board: Board, sample: BoardSample, at_ns: int, settings: BoardSettings) -> Board:
    now = _present(sample)
    first, second, third, fourth = (
        at_ns if now & (1 << position) else seen for position, seen in enumerate(board.seen_ns)
    )
    before = board.before
    if before is None and sample.throttled is not None:
        before = BoardBits(int(sample.throttled) & BEFORE_BITS)
    celsius = sample.milli_celsius
    if celsius is not None:
        celsius = max(COLDEST_MILLI_CELSIUS, min(celsius, HOTTEST_MILLI_CELSIUS))
    return Board(
        heard_ns=at_ns,
        spoken=True,
        milli_celsius=celsius,
        hot=_hot(board.hot, celsius, settings),
        seen_ns=(first, second, third, fourth),
        before=before,
        unknown=_unknown(sample),
    )


def _present(sample: BoardSample) -> int:
    bits = 0 if sample.throttled is None else int(sample.throttled) & NOW_BITS
    return bits | (int(Throttled.UNDER_VOLTAGE) if sample.under_voltage else 0)


def _hot(was_hot: bool, milli_celsius: int | None, settings: BoardSettings) -> bool:
    if milli_celsius is None:
        return was_hot
    limit = settings.cool_celsius * 1000 + 1 if was_hot else settings.hot_celsius * 1000
    return milli_celsius >= limit


def _unknown(sample: BoardSample) -> BoardBits:
    bits = BoardBits(0)
    if sample.under_voltage is None and sample.throttled is None:
        bits |= BoardBits.VOLTAGE_UNKNOWN
    if sample.milli_celsius is None:
        bits |= BoardBits.TEMPERATURE_UNKNOWN
    if sample.throttled is None:
        bits |= BoardBits.THROTTLING_UNKNOWN
    return bits
