"""Pure: which lamp is true, and how it looks at a moment.

Owns nothing, reads no clock. The recorder wishes a lamp and counts its durable fragments; a lamp that claims to record
is shown only while that count grows. The interlock's lamp beats all others and is nobody's wish.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.guard.words import NS_PER_MS, NS_PER_SECOND, Lamp, Light

STALE_NS = 2 * NS_PER_SECOND
CLAIMS_RECORDING = frozenset({Lamp.RECORDING, Lamp.ATTENTION, Lamp.ONE_STREAM})
SLOW_HALF_NS = NS_PER_SECOND
BLINK_HALF_NS = 500 * NS_PER_MS
FAST_HALF_NS = 125 * NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One message of the recorder: the lamp it wants, whether a session is open, its count of durable fragments."""

    lamp: Lamp
    session: bool
    durable: int
    buzzer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the recorder said last and when; when its count last grew in this connection (None: not yet).

    `claimed_ns` is since when fragments have had to come.
    """

    wish: Wish
    at_ns: int
    grew_ns: int | None = None
    claimed_ns: int | None = None


def heard(before: Heard | None, wish: Wish, now_ns: int) -> Heard:
    """Take in one message; `before` is None for the first of a connection."""
    grew_ns = claimed_ns = None
    if before is not None:
        grew_ns = now_ns if wish.durable > before.wish.durable else before.grew_ns
        claimed_ns = before.claimed_ns
    claimed_ns = (now_ns if claimed_ns is None else claimed_ns) if _should_record(wish) else None
    return Heard(wish=wish, at_ns=now_ns, grew_ns=grew_ns, claimed_ns=claimed_ns)


def true_lamp(told: Heard | None, now_ns: int) -> Lamp:
    """The lamp where the interlock permits: the recorder's wish, unless it is silent or its count stands still."""
    if told is None:
        return Lamp.DARK
    if now_ns - told.at_ns > STALE_NS:
        # Dark outside a session: nobody knows whether that recorder is ready.
        return Lamp.NOT_RECORDING if told.wish.session or _claims(told.wish) else Lamp.DARK
    if told.claimed_ns is None:
        return told.wish.lamp
    seen_growing = told.grew_ns is not None and told.grew_ns >= told.claimed_ns
    since_ns = told.grew_ns if seen_growing and told.grew_ns is not None else told.claimed_ns
    if now_ns - since_ns > STALE_NS:
        return Lamp.NOT_RECORDING
    if _claims(told.wish) and not seen_growing:
        return Lamp.DARK  # it may be true, but nothing durable has been seen yet
    return told.wish.lamp


def light(lamp: Lamp, now_ns: int, *, buzzer: bool) -> Light:
    """What shines at a moment; the buzzer goes with the lamp that calls for help, or by the recorder's wish."""
    colour, half_ns = LOOKS[lamp]
    lit = half_ns == 0 or now_ns // half_ns % 2 == 0
    return Light(
        red=lit and colour == "red",
        green=lit and colour == "green",
        yellow=lit and colour == "yellow",
        white=lit and colour == "white",
        buzzer=buzzer or lamp is Lamp.NOT_RECORDING,
    )


def _claims(wish: Wish) -> bool:
    return wish.lamp in CLAIMS_RECORDING


def _should_record(wish: Wish) -> bool:
    """Whether fragments must be coming: a lamp says so, or a session is open that nothing forbids to record."""
    return _claims(wish) or (wish.session and wish.lamp in (Lamp.READY, Lamp.DARK))


LOOKS: dict[Lamp, tuple[str, int]] = {
    Lamp.DARK: ("", 0),
    Lamp.READY: ("green", 0),
    Lamp.RECORDING: ("red", 0),
    Lamp.ATTENTION: ("red", SLOW_HALF_NS),
    Lamp.ONE_STREAM: ("yellow", 0),
    Lamp.NOT_RECORDING: ("red", FAST_HALF_NS),
    Lamp.WITHHELD: ("white", 0),
    Lamp.INTERLOCK: ("white", BLINK_HALF_NS),
}
"""The colour of each lamp, and half the period with which it blinks (0: steady)."""
