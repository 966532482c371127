"""A device with two disks: its own folder, and a mirror in memory, which is another device to the kernel."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from edge import journal, mirror, mirror_catch_up, mirror_opening
from edge.spool import create_mirror
from liuhen import archive, keys
from liuhen import verify as verifier
from liuhen.entry import Entry
from liuhen.kinds import Event
from liuhen.registry import EventCode
from liuhen.report import Report
from tests.edge.keeping_room import DAY_MS, Person
from tests.edge.ports_room import UTC_MS, Device, device
from tests.required import unavailable

SECOND_DEVICE = Path("/dev/shm")  # noqa: S108 - private by mkdtemp below it
STALL_MILLISECONDS = 15_000
"""A busy machine is no disk that hangs, where that is not what is tested."""
PATIENCE_SECONDS = 60.0
EVIDENCE = ("journal", "sessions", "records", "quarantine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """The device, and where its second disk is."""

    device: Device
    mirror: Path

    @property
    def primary(self) -> Path:
        return self.device.spool

    def differences(self) -> list[str]:
        """Names of evidence that is not the same, byte for byte, on both disks."""
        first, second = contents(self.primary), contents(self.mirror)
        return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))

    def verify(self, root: Path, days: float = 0) -> Report:
        """What the verifier says of one disk alone, so long after the recording."""
        target = archive.locate(root)
        assert target is not None
        trust = keys.parse_trust(self.device.trust_file.read_bytes(), where="trust file")
        return verifier.verify(verifier.Request(target=target, trust=trust, now_ms=UTC_MS + int(days * DAY_MS)))

    def events(self, root: Path | None = None) -> list[tuple[EventCode, tuple[int, ...]]]:
        return [(EventCode(e.body.code), e.body.measured) for e in self.entries(root) if isinstance(e.body, Event)]

    def entries(self, root: Path | None = None) -> list[Entry]:
        files = sorted(((root or self.primary) / "journal").glob("*.cbor"))
        return [entry for path in files for entry in journal.entries_of(path)]


def contents(root: Path) -> dict[str, bytes]:
    """Every file of evidence below a spool."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for folder in EVIDENCE
        for path in (root / folder).rglob("*")
        if path.is_file()
    }


@contextmanager
def patience() -> Iterator[None]:
    """The product's own limits for one piece of work on a disk, for as long as a busy machine may take."""
    limits = ((mirror, "LOOK_SECONDS"), (mirror_catch_up, "WORK_SECONDS"), (mirror_opening, "WORK_SECONDS"))
    before = [getattr(module, name) for module, name in limits]
    for module, name in limits:
        setattr(module, name, PATIENCE_SECONDS)
    try:
        yield
    finally:
        for (module, name), seconds in zip(limits, before, strict=True):
            setattr(module, name, seconds)


@contextmanager
def mirrored(folder: Path, **settings: int) -> Iterator[Mirrored]:
    """Make one, and take its second disk away afterwards."""
    if not SECOND_DEVICE.is_dir() or SECOND_DEVICE.stat().st_dev == folder.stat().st_dev:
        unavailable("a second device (/dev/shm)")
    second = Path(tempfile.mkdtemp(prefix="liuhen-mirror-", dir=SECOND_DEVICE))
    is_patient = settings.get("mirror_stall_milliseconds") == STALL_MILLISECONDS
    try:
        with patience() if is_patient else nullcontext():
            yield with_mirror(device(folder), second / "spool", **settings)
    finally:
        shutil.rmtree(second)


@contextmanager
def mirrored_person(folder: Path) -> Iterator[tuple[Person, Mirrored]]:
    """Somebody who types commands at a device with two disks."""
    with mirrored(folder, mirror_stall_milliseconds=STALL_MILLISECONDS) as made:
        person = Person(folder)
        person.device = made.device
        lines = f'mirror = "{made.mirror}"\nmirror_stall_milliseconds = {STALL_MILLISECONDS}\n'
        text = person.config.read_text(encoding="utf-8")
        person.config.write_text(text.replace("[spool]\n", f"[spool]\n{lines}"), encoding="utf-8")
        yield person, made


def with_mirror(made: Device, mirror: Path, **settings: int) -> Mirrored:
    """Give a device a mirror."""
    if not mirror.exists():
        create_mirror(mirror, made.spool)
    spool = replace(made.config.spool, mirror=mirror, **settings)  # type: ignore[arg-type]
    return Mirrored(device=replace(made, config=replace(made.config, spool=spool)), mirror=mirror)
