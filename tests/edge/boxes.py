"""Reads fragments back: which samples of which track stand in them, at which media time. Independent of `edge.mp4`."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One `traf` of a fragment: media time of its first sample, durations in ticks, payloads."""

    track_id: int
    decode_time: int
    durations: tuple[int, ...]
    payloads: tuple[bytes, ...]


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """(type, content, offset of the box) of every box on one level; raises AssertionError where they do not add up."""
    offset = 0
    while offset < len(content):
        size, kind = struct.unpack_from(">I4s", content, offset)
        assert 8 <= size <= len(content) - offset, (kind, size, offset)
        yield kind, content[offset + 8 : offset + size], offset
        offset += size


def tracks(media: bytes) -> tuple[Track, ...]:
    """What one fragment holds; it is exactly prft, moof, mdat."""
    parts = list(boxes(media))
    assert [kind for kind, _, _ in parts] == [b"prft", b"moof", b"mdat"]
    _, moof, moof_at = parts[1]
    return tuple(_track(content, media, moof_at) for kind, content, _ in boxes(moof) if kind == b"traf")


def track_ids(initialisation: bytes) -> tuple[int, ...]:
    """The tracks a moov names."""
    moov = next(content for kind, content, _ in boxes(initialisation) if kind == b"moov")
    headers = (next(c for k, c, _ in boxes(trak) if k == b"tkhd") for kind, trak, _ in boxes(moov) if kind == b"trak")
    return tuple(struct.unpack_from(">I", header, 12)[0] for header in headers)


def _track(traf: bytes, media: bytes, moof_at: int) -> Track:
    inside = {kind: content for kind, content, _ in boxes(traf)}
    (track_id,) = struct.unpack_from(">I", inside[b"tfhd"], 4)
    (decode_time,) = struct.unpack_from(">Q", inside[b"tfdt"], 4)
    count, data_offset = struct.unpack_from(">Ii", inside[b"trun"], 4)
    rows = [struct.unpack_from(">III", inside[b"trun"], 12 + 12 * number) for number in range(count)]
    payloads, at = [], moof_at + data_offset
    for _, size, _ in rows:
        payloads.append(media[at : at + size])
        at += size
    return Track(
        track_id=track_id,
        decode_time=decode_time,
        durations=tuple(duration for duration, _, _ in rows),
        payloads=tuple(payloads),
    )
