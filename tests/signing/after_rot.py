"""Archives of devices that lost something and went on: rot in the journal, a disk set back, bytes set aside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from liuhen import entry, merkle
from liuhen.hashing import sha256
from liuhen.kinds import Heartbeat
from tests.signing.archives import Device, entries, flip, put_entries

UNREADABLE_LEAF = merkle.leaf_hash(b"")
Seen = tuple[int, bytes, int, bytes]


def rebuild_tree(device: Device, readable: list[bytes | None]) -> None:
    """The device's tree from what it can still read; the rest has the leaf of the empty string."""
    device.peaks = merkle.Peaks()
    for number in range(device.seq):
        encoded = readable[number] if number < len(readable) else None
        device.peaks.append(UNREADABLE_LEAF if encoded is None else merkle.leaf_hash(encoded))


def rot_announced(device: Device, *, number: int = 1, damage: bool = True) -> Device:
    """One entry of an unclean run cannot be read; the device names the range, keeps the bytes and goes on behind it.

    Without `damage` only the device could not read it: this copy has its bytes.
    """
    held = entries(device.root)
    offset = sum(map(len, held[:number]))
    rebuild_tree(device, [None if index == number else encoded for index, encoded in enumerate(held)])
    if damage:
        flip(device.root / "journal" / "00000000.cbor", offset + 20)
    rotten = ((0, offset, len(held[number])),)
    device.clean = False
    device.start(recovered=replace(device.found_nothing(), head=device.head, rotten=rotten))
    return device


def rolled_back(device: Device, *, keep: int) -> Device:
    """The disk was set back to its first entries; the device remembers its head elsewhere and goes on behind it."""
    held = entries(device.root)[:keep]
    put_entries(device.root, held)
    rebuild_tree(device, [*held])
    device.clean = False
    device.start(recovered=replace(device.found_nothing(), head=(keep - 1, sha256(held[-1]))))
    return device


def set_aside(device: Device, *, content: bytes = b"torn bytes") -> tuple[Device, Path]:
    """A start found an unfinished write behind a segment and moved it to `quarantine/`."""
    device.begin()
    device.segment()
    session = device.session_id or b""
    device.end()
    device.checkpoint()
    folder = device.root / "quarantine"
    folder.mkdir(exist_ok=True)
    aside = folder / f"{session.hex()}-000000-1234.bin"
    aside.write_bytes(content)
    row = (session, 0, len(content), sha256(content))
    device.start(recovered=replace(device.found_nothing(), head=device.head, quarantined=(row,)))
    return device, aside


def append_seen(device: Device, seen: Seen | None) -> int:
    """A heartbeat that says which cosigned checkpoint the device has seen."""
    at = entry.Position(log_id=device.log_id, run=device.run, seq=device.seq, prev=device.prev)
    body = Heartbeat(
        position=None,
        frames=0,
        samples=0,
        missed=(0, 0),
        queue_ms=0,
        seal_delay_ms=0,
        free_bytes=0,
        parts_per_billion=None,
        level_millibel=None,
    )
    return device.write(entry.make(body, at=at, clock=device.clock, session_id=None, seen=seen, signer=device.key))
