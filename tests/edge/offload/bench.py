"""A device's spool, a store in virtual time and the offload process between them, one turn at a time.

The spool is a synthetic device's, with real entries, segments and records. The recorder is stood in for by whoever
journals what is told: it writes the receipt as an entry before it answers, and cuts the slices.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.offload import yielding
from edge.offload.courier import Tell
from edge.offload.disks import Disks
from edge.offload.inventory import Inventory
from edge.offload.program import Loop, Offload, OffloadStart, Settings
from edge.offload.report import Report
from edge.offload.streams import Streams
from edge.offload.words import (
    Answer,
    ObjectRow,
    OffloadAlive,
    ReceiptsTold,
    StoreTold,
    WitnessTold,
    Words,
    packet_of,
    parse,
)
from edge.ports import Clock, ClockReading, SyncState
from edge.slices import Slice
from edge.store import Store
from liuhen.hashing import sha256
from liuhen.kinds import Receipt
from liuhen.registry import EventCode
from liuhen.store_names import parse_store_url, store_hash
from sim.store import Clockwork, VirtualStore, VirtualStreams
from tests.signing.archives import Device

SECOND_NS = 10**9
HOUR_MS = 3_600_000
URL = "s3://store.example/liuhen"


@dataclass(slots=True)
class DeviceClock:
    """The clocks of the synthetic device (implements `edge.ports.Clock`)."""

    device: Device
    boot_id: bytes = bytes(16)

    def read(self) -> ClockReading:
        return ClockReading(
            utc_ms=self.device.utc_ms, boottime_ns=self.device.now_ns, sync=SyncState.SYNCHRONISED, error_ms=5
        )

    def boottime_ns(self) -> int:
        return self.device.now_ns


class RecorderDesk:
    """What the recorder does with what it is told: receipts into the journal, everything else remembered."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.away = False
        self.events: list[StoreTold] = []
        self.alive: OffloadAlive | None = None
        self.receipted: list[tuple[int, bytes]] = []
        self.rows: list[ObjectRow] = []
        self.unknown: set[bytes] = set()
        self.statements: list[bytes] = []
        self.of_statements = Answer(ok=True)
        self._sliced = 0
        self._offset = 0
        self._rows = b""
        self._rows_file = 0
        self._rows_number = 0
        self.newest_slice = -1

    def tell(self, words: Words) -> Answer | None:
        """Through its own bytes, as over the socket."""
        if self.away:
            return None
        words = parse(packet_of(words))
        match words:
            case StoreTold():
                self.events.append(words)
            case OffloadAlive():
                self.alive = words
            case ReceiptsTold():
                return self._receipts(words)
            case WitnessTold():
                self.statements.append(words.statement)
                return self.of_statements
        return Answer(ok=True)

    def _receipts(self, words: ReceiptsTold) -> Answer:
        rows = tuple(row for row in words.rows if row[1] not in self.unknown)
        self.receipted.extend((row[0], row[1]) for row in rows)
        self.rows.extend(rows)
        body = Receipt(
            store=store_hash(parse_store_url(words.store)),
            designated=0,
            mode=words.mode,
            server_key=words.server_key,
            objects=rows,
            records=(),
        )
        seq = self.device.append(body, session=False) if rows else None
        return Answer(ok=True, seq=seq, unknown=tuple(row[1] for row in words.rows if row[1] in self.unknown))

    def codes(self) -> list[EventCode]:
        return [event.code for event in self.events]

    def cut(self) -> bytes | None:
        """Everything the journal has and no slice holds yet becomes one slice, whose hash is returned."""
        path = self.device.root / "journal" / "00000000.cbor"
        content = path.read_bytes()[self._offset :]
        if not content:
            return None
        row = Slice(
            first=self._sliced,
            last=self.device.seq - 1,
            digest=sha256(content),
            file=0,
            offset=self._offset,
            size=len(content),
        )
        self._sliced, self._offset = self.device.seq, self._offset + len(content)
        self.newest_slice = row.last
        if self._rows_number == 256:
            self._rows, self._rows_number, self._rows_file = b"", 0, self._rows_file + 1
        self._rows, self._rows_number = self._rows + row.to_bytes(), self._rows_number + 1
        folder = self.device.root / "device"
        folder.mkdir(exist_ok=True)
        (folder / f"slices-{self._rows_file:08d}.cbor").write_bytes(self._rows)
        return row.digest


@dataclass(slots=True)
class Bench:
    """See the module."""

    folder: Path
    settings: Settings = field(default_factory=lambda: Settings(beacon_seconds=0))
    due: Callable[[int, int], int] = lambda ended_ms, _error_ms: ended_ms + 24 * HOUR_MS
    reached: Callable[[str], None] = lambda _point: None
    look: yielding.Look = field(default_factory=yielding.Look)
    show: Callable[[Report], None] | None = None
    custodians: tuple[bytes, ...] = ()
    mirror: Path | None = None
    """A second disk that holds the same."""
    log_id: bytes | None = None
    clock: Clock | None = None
    """Another clock than the device's own, where time is real."""
    device: Device = field(init=False)
    disks: Disks = field(init=False)
    desk: RecorderDesk = field(init=False)
    store: VirtualStore = field(init=False)
    ahead_ms: int = 0
    rate: int | None = None
    said: list[str] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    loop: Loop = field(init=False)
    offload: Offload = field(init=False)
    found: bool = field(init=False)
    """The spool was there already."""

    def __post_init__(self) -> None:
        self.device = Device(root=self.folder / "spool")
        if self.log_id is not None:
            self.device.log_id = self.log_id
        self.found = (self.device.root / "journal" / "00000000.cbor").exists()
        if not self.found:  # an earlier life of this test has made it: its key and log follow from the seed
            self.device.enrol()
            self.device.start()
        self.desk = RecorderDesk(self.device)
        self.disks = Disks(tuple(one for one in (self.device.root, self.mirror) if one), lambda: self.device.now_ns)
        clockwork = Clockwork(utc_ms=lambda: self.device.utc_ms, passes=self.device.pass_ns)
        self.store = VirtualStore(clockwork, sign_ahead_ms=lambda: self.ahead_ms)
        self.offload = self.another()

    def another(
        self,
        store: Store | None = None,
        tell: Tell | None = None,
        streams: Callable[[Callable[[], None], threading.Event], Streams] = VirtualStreams,
        state: str = "state",
    ) -> Offload:
        """Another life of the process over the same state, or over one of another name."""
        used: Store = self.store if store is None else store
        url = parse_store_url(used.nature().url)
        dice = random.Random(1)  # noqa: S311 - jitter that is the same in every test run
        start = OffloadStart(
            store=used,
            url=url.text,
            store_hash=store_hash(url),
            inventory=Inventory(
                root=self.disks.leading,
                log_id=self.device.log_id,
                store=store_hash(url),
                custodians=self.custodians,
                roots=self.disks.order,
                due=self.due,
            ),
            state_folder=self.folder / state,
            clock=self.clock or DeviceClock(self.device),
            tell=self.desk.tell if tell is None else tell,
            rate=lambda: self.rate,
            wait=self._wait,
            sign_ahead=self._sign_ahead,
            jitter=dice.random,
            look=lambda: self.look,
            spools=self.disks.order,
            say=lambda _zh, en: self.said.append(en),
            show=self.show or self.reports.append,
            settings=self.settings,
            reached=self.reached,
        )
        self.loop = Loop()
        self.offload = Offload(start, streams, self.loop)
        return self.offload

    def _wait(self, _stopping: threading.Event, seconds: float) -> bool:
        self.device.pass_ns(int(seconds * SECOND_NS))
        return False

    def _sign_ahead(self, ahead_ms: int) -> None:
        self.ahead_ms = ahead_ms

    def turn(self, turns: int = 1, seconds: float = 0.2) -> None:
        """So many turns of the loop, with time between them."""
        for _ in range(turns):
            self.device.pass_ns(int(seconds * SECOND_NS))
            self.offload.look()

    def settle(self, limit: int = 2000) -> None:
        """Turn until everything that is sealed is receipted."""
        for _ in range(limit):
            self.turn()
            report = self.report()
            if report is not None and not (report.waiting.objects or report.waiting.untold or report.reading_on):
                return
        raise AssertionError(f"not settled: {self.report()}")

    def report(self) -> Report | None:
        """What it shows now."""
        self.device.pass_ns(3 * SECOND_NS)
        self.offload.look()
        return self.reports[-1] if self.reports else None

    def media_keys(self) -> list[str]:
        """The media objects in the order in which they were sent."""
        return [key for key in self.store.puts if "/media/" in key]
