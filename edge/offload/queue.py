"""Which object goes next: what proves before what shows, and the earliest deadline first. Pure.

The whole queue is in the state's table; here is only its order, and the choice between the heads of its lanes. With
what proves at the store within seconds, a reader knows what must still arrive, whatever becomes of the device.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

NO_DEADLINE_MS = 1 << 62
"""Sorts after every instant a deadline can have."""
PROOF_WAITS_SECONDS = 10
"""So long what proves may wait for a stream that media has taken."""
NEWEST_EVERY = 10
"""One turn of the media lane in so many is the newest object's: a live review works during a long catch-up."""


class Kind(enum.IntEnum):
    """What an object is; the number is its rank in the queue. `SEGMENT` and later ones are the media lane."""

    SLICE = 0
    CHECKPOINT = 1
    RECORD = 2
    BEACON = 3
    SEGMENT = 4
    QUARANTINED = 5

    @property
    def proves(self) -> bool:
        """Whether it goes in the proof lane."""
        return self < Kind.SEGMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an object stands in the queue. `number` grows with the order in which the device sealed them."""

    kind: Kind
    number: int
    due_ms: int = NO_DEADLINE_MS
    """UTC ms by which it must be kept at the designated store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """The first of each lane: what proves, the media by deadline, the media by age from the young end."""

    proof: Place | None = None
    earliest: Place | None = None
    newest: Place | None = None


def proof_order(place: Place) -> tuple[int, int]:
    """Sorts the proof lane: by kind, then oldest first."""
    return (place.kind, place.number)


def media_order(place: Place) -> tuple[int, int]:
    """Sorts the media lane: earliest deadline first, ties oldest first."""
    return (place.due_ms, place.number)


def heads_of(places: list[Place]) -> Heads:
    """The heads of a queue that is at hand as a list; the state's table finds the same with its indices."""
    proof = min((one for one in places if one.kind.proves), key=proof_order, default=None)
    media = [one for one in places if not one.kind.proves]
    return Heads(
        proof=proof,
        earliest=min(media, key=media_order, default=None),
        newest=max(media, key=lambda one: one.number, default=None),
    )


def choose(heads: Heads, media_turn: int) -> tuple[Place | None, int]:
    """What goes next, and the number of the media lane's turn after it. A turn of the proof lane does not count."""
    if heads.proof is not None:
        return heads.proof, media_turn
    if heads.earliest is None:
        return None, media_turn
    if media_turn % NEWEST_EVERY == NEWEST_EVERY - 1 and heads.newest is not None:
        return heads.newest, media_turn + 1
    return heads.earliest, media_turn + 1


def media_may_use_last_stream(size: int, bytes_per_second: int) -> bool:
    """Whether media may take the last free stream: only what is gone soon, for a slice must not wait behind a segment.

    On a line whose rate is not known yet, or that is thin, one stream stays free for what proves.
    """
    return bytes_per_second > 0 and size <= bytes_per_second * PROOF_WAITS_SECONDS
