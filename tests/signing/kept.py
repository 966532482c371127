"""An archive of two sessions with a record each, and verbs for what a person orders about keeping the first of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from liuhen.hashing import sha256
from liuhen.kinds import Destroyed, EntryBody, Hold, Order, Receipt, Reclaimed, Retention
from liuhen.registry import ContentKind, HoldAct, OrderCode, RecordLabel, RetentionBasis, RetentionMode
from liuhen.report import Report
from tests.signing.archives import UTC_START_MS, Device, segments
from tests.signing.checking import NOW_MS, check

DAY_MS = 86_400_000
PAST_MS = UTC_START_MS - DAY_MS
LATER_MS = NOW_MS + DAY_MS
STORE = sha256(b"s3://store.example/evidence")
OTHER_STORE = sha256(b"s3://other.example/evidence")


@dataclass(slots=True, kw_only=True)
class Kept:
    """A device with two sessions of two segments and one record each, and what a person orders of the first."""

    device: Device
    session: bytes
    other: bytes
    record: bytes
    other_record: bytes

    @property
    def files(self) -> list[Path]:
        return segments(self.device.root, self.session)

    def path_of(self, commitment: bytes) -> Path:
        return self.device.root / "records" / f"{commitment.hex()}.record"

    def about(self, session: bytes | None, body: EntryBody) -> int:
        """An entry that names a session, ended or not."""
        before, self.device.session_id = self.device.session_id, session
        seq = self.device.append(body)
        self.device.session_id = before
        return seq

    def term(self, until_ms: int | None, session: bytes | None = None) -> int:
        body = Retention(session=session or self.session, until_ms=until_ms, basis=RetentionBasis.CASE_FILE, records=())
        return self.about(None, body)

    def hold(self, session: bytes | None) -> int:
        return self.about(None, Hold(act=HoldAct.PLACED, session=session, placed=None, records=()))

    def lift(self, placed: int, session: bytes | None) -> int:
        return self.about(None, Hold(act=HoldAct.LIFTED, session=session, placed=placed, records=()))

    def contents(self) -> tuple[tuple[int, bytes], ...]:
        rows = [(int(ContentKind.SEGMENT), sha256(path.read_bytes())) for path in self.files]
        return (*rows, (int(ContentKind.RECORD), self.record))

    def destroy(self, *, remove: bool = True) -> bytes:
        """Say so, then remove everything of the first session; returns the order's record."""
        order = self.device.record("经批准销毁")
        body = Destroyed(contents=self.contents(), basis=0, records=((RecordLabel.APPROVAL, order),))
        self.about(self.session, body)
        if remove:
            for path in (*self.files, self.path_of(self.record)):
                path.unlink()
        return order

    def receipt(
        self,
        until_ms: int | None = LATER_MS,
        *,
        store: bytes = STORE,
        designated: int = 1,
        mode: int = RetentionMode.COMPLIANCE,
        contents: tuple[tuple[int, bytes], ...] | None = None,
    ) -> int:
        """What was read back of everything of the first session; returns its seq."""
        rows = self.contents() if contents is None else contents
        objects = tuple((what, digest, digest, 1000, "v1", until_ms, self.device.utc_ms) for what, digest in rows)
        body = Receipt(store=store, designated=designated, mode=mode, server_key=None, objects=objects, records=())
        return self.about(None, body)

    def order(self, session: bytes | None = None, code: int = OrderCode.RECLAIM_UNWITNESSED) -> int:
        """A person's order, for one session or for all; returns its seq."""
        return self.about(None, Order(code=code, session=session, records=()))

    def reclaim(self, *receipts: int, order: int | None, remove: bool = True) -> int:
        """Say so, then remove everything of the first session; returns the entry's seq."""
        body = Reclaimed(contents=self.contents(), receipts=receipts, witness=None, order=order, records=())
        seq = self.about(self.session, body)
        if remove:
            for path in (*self.files, self.path_of(self.record)):
                path.unlink()
        return seq

    def closed(self) -> Path:
        """The run ends in order; returns the archive."""
        self.device.checkpoint()
        self.device.stop()
        return self.device.root

    def report(self) -> Report:
        return check(self.closed())


def kept_archive(root: Path) -> Kept:
    """Two sessions of two segments, each with a record."""
    device = Device(root=root)
    device.enrol()
    device.start()
    record, other_record = device.record("案号一"), device.record("案号二")
    session = device.session(2, commitments=((1, record),))
    other = device.session(2, commitments=((1, other_record),))
    return Kept(device=device, session=session, other=other, record=record, other_record=other_record)
