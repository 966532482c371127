"""An archive of any size on paper that takes little room: sealed segments whose media are the holes of sparse files.

Every hash, seal and statement is genuine, so a verifier reads and hashes every byte; only the disk has nothing to hold.
Pure but for the files below the given root. All fragments have the same bytes, so each is hashed once here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from liuhen import cbor, cose
from liuhen.boxes import SEAL_USERTYPE, uuid_box
from liuhen.hashing import running_hash, seal_hash
from liuhen.kinds import Seal, Segment
from liuhen.registry import EndCause
from tests.signing.archives import FRAGMENT_NS, FRAMES_PER_FRAGMENT, SAMPLES_PER_FRAGMENT, Device, box

FRAGMENTS = 60
FRAGMENT_BYTES = 1_100_000
"""60 of them and their seals stay below the 64 MiB of a segment: 30 seconds at 18 Mbit/s."""
SEGMENT_BYTES = FRAGMENTS * FRAGMENT_BYTES


@dataclass(frozen=True, slots=True)
class _Hollow:
    """A fragment of zeros: the bytes before its hole, and the hash of all of it."""

    head: bytes
    size: int
    h: bytes


def _hollow(size: int) -> _Hollow:
    head = box(b"prft", bytes(24)) + box(b"moof", bytes(900))
    media = size - len(head)
    head += media.to_bytes(4, "big") + b"mdat"
    return _Hollow(head=head, size=size, h=hashlib.sha256(b"\x00" + head + bytes(media - 8)).digest())


def hollow_archive(
    root: Path, *, segments: int, fragments: int = FRAGMENTS, fragment_bytes: int = FRAGMENT_BYTES
) -> Device:
    """One closed session of so many segments; returns the device. Nothing is wrong with it."""
    device = Device(root=root)
    device.enrol()
    device.start()
    device.begin()
    hollow = _hollow(fragment_bytes)
    for number in range(segments):
        cause = EndCause.ROTATED if number < segments - 1 else EndCause.STOPPED
        _segment(device, hollow, fragments, cause)
    device.end()
    device.checkpoint()
    device.stop()
    return device


def _segment(device: Device, hollow: _Hollow, fragments: int, cause: EndCause) -> None:
    path = device.open_segment()
    assert device.file is not None
    identity, r = device.file.identity, device.file.sealer.r
    first, start_ns = (device.frames, device.samples), device.now_ns
    rows: list[tuple[int, bytes, int, bytes]] = []
    with path.open("r+b") as file:
        at = file.seek(0, 2)
        for index in range(1, fragments + 1):
            if index % 20 == 0:
                device.heartbeat()
            since_ns = device.now_ns
            device.pass_ns(FRAGMENT_NS)
            device.frames += FRAMES_PER_FRAGMENT
            device.samples += SAMPLES_PER_FRAGMENT
            r = running_hash(r, hollow.h)
            seal = Seal(
                version=1,
                log_id=device.log_id,
                run=device.run,
                session_id=identity.session_id,
                segment=identity.segment,
                fragment=index,
                r=r,
                offset=at + hollow.size,
                head=device.head,
                frames=device.frames,
                samples=device.samples,
                span_ns=(since_ns, device.now_ns),
                delay_ms=500,
                end_cause=cause if index == fragments else None,
            )
            encoded = cose.sign(device.key, Seal.KIND, cbor.encode(seal.to_map()))
            sealed = uuid_box(SEAL_USERTYPE, encoded)
            file.seek(at)
            file.write(hollow.head)
            file.seek(at + hollow.size)
            file.write(sealed)
            rows.append((hollow.size, hollow.h, len(sealed), seal_hash(encoded)))
            at += hollow.size + len(sealed)
    statement = Segment(
        number=identity.segment,
        size=at,
        file_hash=bytes(32),  # what `sha256sum` would say is not asked here (--sha256 alone compares it)
        initial=device.file.sealer.initial,
        fragments=tuple(rows),
        last=r,
        frames=(first[0], device.frames - first[0]),
        samples=(first[1], device.samples - first[1]),
        span_ns=(start_ns, device.now_ns),
        missed=(0, 0),
        end_cause=cause,
        sound_clock=None,
        previous=identity.previous,
    )
    device.segments, device.last_r, device.file = device.segments + 1, r, None
    device.append(statement)
