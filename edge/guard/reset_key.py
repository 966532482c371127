"""Pure: when the local reset key has been pressed and let go as a person does it.

Owns nothing, reads no clock. Only the release after a press of 0.1 to 3 s acts. A key that is held when the guard
starts must first be let go; one held longer than ten seconds is stuck until it is let go.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.guard.words import NS_PER_MS, NS_PER_SECOND

BOUNCE_NS = 20 * NS_PER_MS
SHORTEST_NS = 100 * NS_PER_MS
LONGEST_NS = 3 * NS_PER_SECOND
STUCK_NS = 10 * NS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetKey:
    """The key: its level as read and since when, its level without bounce, and when the press began.

    `pressed_ns` is None for a press whose beginning nobody saw.
    """

    raw: bool = True
    raw_ns: int = 0
    pressed: bool = True
    pressed_ns: int | None = None
    stuck: bool = False


def first_key(pressed: bool, now_ns: int) -> ResetKey:
    """The key at the first sample: as good as held until it was seen at rest."""
    return ResetKey(raw=pressed, raw_ns=now_ns)


def felt(key: ResetKey, pressed: bool, now_ns: int) -> tuple[ResetKey, bool]:
    """The key after a sample, and whether a person has just reset with it."""
    if pressed is not key.raw:
        return replace(key, raw=pressed, raw_ns=now_ns), False
    if pressed is key.pressed:
        stuck = pressed and not key.stuck and _held_ns(key, now_ns) > STUCK_NS
        return (replace(key, stuck=True) if stuck else key), False
    if now_ns - key.raw_ns < BOUNCE_NS:
        return key, False
    if pressed:
        return replace(key, pressed=True, pressed_ns=key.raw_ns), False
    held_ns = None if key.pressed_ns is None else key.raw_ns - key.pressed_ns
    acts = held_ns is not None and SHORTEST_NS <= held_ns <= LONGEST_NS
    return replace(key, pressed=False, pressed_ns=None, stuck=False), acts


def _held_ns(key: ResetKey, now_ns: int) -> int:
    return now_ns - (key.raw_ns if key.pressed_ns is None else key.pressed_ns)
