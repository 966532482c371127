"""The journal as a chain: files, envelopes, signatures, numbers, clocks (FORMAT.md 5; steps J1 to J8, J14, J16).

Reads forward in bounded pieces and keeps O(1) state. Read only; runs in the caller's thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from liuhen import archive, cose
from liuhen import entry as entries
from liuhen.entry import Entry
from liuhen.errors import FormatError
from liuhen.findings import Code, Findings, Place
from liuhen.hashing import ZERO_HASH, sha256
from liuhen.kinds import Clock, Enrolment, Event, Key, Recovered, Run, Stop
from liuhen.reader import SECTOR_BYTES
from liuhen.registry import EventCode, KeyAct, RunCause
from liuhen.verify_keys import KeyRing

PIECE_BYTES = 256 * 1024
AHEAD_BYTES = 2 * cose.ENTRY_LIMIT_BYTES
RECENT_ENTRIES = 1024
MOST_DISBELIEVED = 64
SEARCHED_LIMIT_BYTES = 256 * 1024 * 1024
"""So many bytes of a journal that are no entry are searched for the next one (FORMAT.md 10, J2): files full of holes
cost their maker nothing."""
UTC_SLACK_MS = 250
UTC_DRIFT_DIVISOR = 1000
STEP_EVENT_WITHIN_NS = 60 * 10**9
SYNCHRONISED = 2
NS_PER_MS = 1_000_000
_ENVELOPE_START = b"\xd2\x84\x58"
_CONTENT_TYPE = cose.CONTENT_TYPE_PREFIX.encode("ascii")
_CONTENT_TYPE_AT = 10
"""Where the content type stands in an envelope whose protected header is shorter than 256 bytes (FORMAT.md 3.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Bytes of the journal that are one entry, or (`entry` None) bytes that are refused and `why`.

    `tail`: the bytes reach the end of the journal and could be the beginning of an entry. `zeroed`: it is an entry, the
    last one, and zeros that a power cut may have left stand in place of its end. `unsearched`: entries may stand in it.
    """

    file: int
    offset: int
    size: int
    hash: bytes
    entry: Entry | None
    why: str = ""
    tail: bool = False
    zeroed: bool = False
    unsearched: bool = False


def items(files: Sequence[tuple[int, Path]], root: Path, on_read: Callable[[int], None]) -> Iterator[Item]:
    """Steps J1, J2: everything the journal's files hold, in order. After refused bytes it looks for the next entry.

    That costs at most `SEARCHED_LIMIT_BYTES` in all files together; from then on a file is read up to its first bytes
    that are no entry, and the rest of it is one refused item.
    """
    search_bytes = SEARCHED_LIMIT_BYTES
    for position, (number, path) in enumerate(files):
        with archive.opened(path, root=root) as file:
            last = position == len(files) - 1
            found = _FileItems(file, number, last=last, on_read=on_read, search_bytes=search_bytes)
            yield from found.items()
            search_bytes = found.search_bytes


class _FileItems:
    """The entries of one journal file, through a window that holds at least one whole entry."""

    def __init__(
        self, file: archive.Limited, number: int, *, last: bool, on_read: Callable[[int], None], search_bytes: int
    ) -> None:
        self._file = file
        self.search_bytes = search_bytes
        self._number = number
        self._last = last
        self._on_read = on_read
        self._window = b""
        self._base = 0
        self._at = 0
        self._whole = False

    def _more(self) -> bool:
        """Keep enough of the file in view behind the place we are at; False when nothing is left."""
        while not self._whole and len(self._window) - self._at < AHEAD_BYTES:
            piece = self._file.read(PIECE_BYTES)
            self._whole = not piece
            self._on_read(len(piece or b""))
            self._window = self._window[self._at :] + (piece or b"")
            self._base, self._at = self._base + self._at, 0
        return self._at < len(self._window)

    def items(self) -> Iterator[Item]:
        while self._more():
            start = self._at
            item = self._next(start)
            if item is not None and item.entry is None:
                self.search_bytes -= item.size
            elif item is None:
                item = self._unsearched(start)
            yield item

    def _next(self, start: int) -> Item | None:
        """What stands there; None where it is no entry and nothing more is searched."""
        try:
            end = cose.item_end(self._window, start, where=self._where(start))
        except FormatError as error:
            return self._refused(start, error.what, cut=False)
        if end is None or end - start > cose.ENTRY_LIMIT_BYTES:
            return self._refused(start, "the entry ends outside the file or is too long", cut=end is None)
        try:
            parsed = entries.parse(self._window[start:end], where=self._where(start))
        except FormatError as error:
            return self._skip(start, end, str(error), cut=False) if self.search_bytes > 0 else None
        return self._whole_entry(start, end, parsed)

    def _unsearched(self, start: int) -> Item:
        """The rest of the file as one item; its hash is that of the bytes in view, which no entry names."""
        offset = self._base + start
        seen = self._window[start:]
        size = self._file.size_bytes - offset
        self._at, self._whole = len(self._window), True
        return Item(
            file=self._number,
            offset=offset,
            size=size,
            hash=sha256(seen),
            entry=None,
            why="not searched",
            unsearched=True,
        )

    def _whole_entry(self, start: int, end: int, parsed: Entry) -> Item:
        self._at = end
        zeroed = self._window[end - 1] == 0 and self._last and self._whole and self._is_zeroed(start)
        offset = self._base + start
        return Item(file=self._number, offset=offset, size=end - start, hash=parsed.hash, entry=parsed, zeroed=zeroed)

    def _where(self, at: int) -> str:
        return f"{self._number:08d}.cbor@{self._base + at}"

    def _refused(self, start: int, why: str, *, cut: bool) -> Item | None:
        if self.search_bytes <= 0:
            return None
        return self._skip(start, self._next_envelope(start + 1), why, cut=cut)

    def _skip(self, start: int, end: int, why: str, *, cut: bool) -> Item:
        refused = self._window[start:end]
        ends = self._last and self._whole and not self._window[end:].strip(b"\0")
        tail = ends and ((cut and end == len(self._window)) or self._is_zeroed(start))
        self._at = len(self._window) if tail else end
        return Item(
            file=self._number,
            offset=self._base + start,
            size=self._at - start,
            hash=sha256(refused),
            entry=None,
            why=why,
            tail=tail,
        )

    def _is_zeroed(self, start: int) -> bool:
        """Whether what is left is zeros, or the beginning of an envelope and zeros from a disk's next sector on."""
        rest, offset = self._window[start:], self._base + start
        written = len(rest.rstrip(b"\0"))
        edge = -(-(offset + written) // SECTOR_BYTES) * SECTOR_BYTES - offset
        if written == 0 or edge >= len(rest):
            return written == 0
        try:
            return cose.item_end(rest[:edge], 0, where="") is None
        except FormatError:
            return False

    def _next_envelope(self, at: int) -> int:
        """Where the next bytes in view begin that have the layout of an envelope; else as far as none can begin.

        Only the layout is asked (FORMAT.md 3.1), never the payload: each place costs the same, however many overlap.
        """
        while (found := self._window.find(_CONTENT_TYPE, at + _CONTENT_TYPE_AT)) >= 0:
            start = found - _CONTENT_TYPE_AT
            if self._window.startswith(_ENVELOPE_START, start) and self._has_layout(start):
                return start
            at = start + 1
        return len(self._window) if self._whole else max(self._at + 1, len(self._window) - cose.ENTRY_LIMIT_BYTES)

    def _has_layout(self, start: int) -> bool:
        try:
            end = cose.layout_end(self._window, start, where="")
        except FormatError:
            return False
        return end is not None and end - start <= cose.ENTRY_LIMIT_BYTES


def hashes_of(journal: Iterator[Item], wanted: set[int]) -> dict[int, set[bytes]]:
    """The hashes of the entries with these numbers, as the journal holds them."""
    found: dict[int, set[bytes]] = {}
    for item in journal:
        if item.entry is not None and item.entry.common.seq in wanted:
            found.setdefault(item.entry.common.seq, set()).add(item.hash)
    return found


def holds(entry: Entry, public_key: bytes) -> bool:
    """Whether an entry's signature verifies under a key."""
    try:
        cose.verify(entry.envelope, public_key, where="entry")
    except FormatError:
        return False
    return True


class Chain:
    """Accepts the journal's items in order and says which entries are to be believed.

    `certain` is False after any break until the next `run` entry, and `breaks` counts them: rules that need the entries
    that are gone are not judged meanwhile, so that one removal is not reported as a hundred faults.
    """

    def __init__(self, findings: Findings, ring: KeyRing) -> None:
        self._findings = findings
        self._ring = ring
        self.next_seq = 0
        self._prev = ZERO_HASH
        self.last: Entry | None = None
        self.complete_to: Entry | None = None
        self.certain = True
        self.breaks = 0
        self.recent: dict[int, bytes] = {}
        self._order: deque[int] = deque()
        self._runs = RunOrder(findings)
        self._clocks = Clocks(findings)
        self.unknown_kinds: dict[str, int] = {}
        self.torn_bytes = 0
        self.refused: deque[tuple[int, int, int]] = deque(maxlen=MOST_DISBELIEVED)
        self.missing: deque[tuple[int, int]] = deque(maxlen=MOST_DISBELIEVED)
        self.run_began = 0
        self._breaks_before = 0
        self._begun = False
        self._disbelieved: list[bytes] = []
        self._disbelieved_count = 0

    def accept(self, item: Item) -> Entry | None:
        """One item: report what is wrong with it; the entry if it is believed and stands at its place."""
        if item.entry is None:
            self._refuse(item)
            return None
        entry = item.entry
        if item.zeroed and not self._signature_holds(entry):
            self._tear(item)
            return None
        place = Place(entry=entry.common.seq, offset=item.offset, session=entry.common.session_id)
        if not self._begun:
            self._check_head(entry, place)
        if not self._signed(entry, place):
            self._disbelieve(item)
            return None
        if not self._continues(entry, place):
            return None
        joined, self._breaks_before = self._breaks_before == self.breaks, self.breaks
        self._runs.accept(entry, certain=self.certain and joined, whole=not self.breaks)
        self._clocks.accept(entry)
        self._note_unknown(entry)
        self.last = entry
        if not self.breaks:
            self.complete_to = entry
        return entry

    def end(self) -> None:
        """Nothing follows: what was still waiting for an explanation is reported."""
        if not self._begun:
            self._findings.add(Code.HEAD_MISSING, en="no entry is there")
        self._clocks.end()
        self._runs.end()
        for kind, count in self.unknown_kinds.items():
            self._findings.add(Code.UNKNOWN_KIND, en=f"{kind} × {count}")

    def _check_head(self, entry: Entry, place: Place) -> None:
        self._begun = True
        if entry.common.seq != 0:
            self._findings.add(Code.HEAD_MISSING, place, en=f"it starts with entry {entry.common.seq}")
            self.next_seq = entry.common.seq
            self._disbelieved = [entry.common.prev]
            self._break()

    def _refuse(self, item: Item) -> None:
        if item.tail:
            self._tear(item)
            return
        self.refused.append((item.file, item.offset, item.size))
        place = Place(entry=self.next_seq, offset=item.offset)
        if item.unsearched:
            name, mib = f"{item.file:08d}.cbor", SEARCHED_LIMIT_BYTES >> 20
            zh = f"{name} 的 {item.size} 字节，此前已有 {mib} MiB"
            self._findings.add(
                Code.JOURNAL_UNSEARCHED, place, zh=zh, en=f"{item.size} bytes of {name}, after {mib} MiB like that"
            )
        else:
            self._findings.add(Code.ENVELOPE_REFUSED, place, en=f"{item.why} ({item.size} bytes)")
        self._begun = True
        self._disbelieve(item)

    def _signature_holds(self, entry: Entry) -> bool:
        known = self._ring.known.get(entry.envelope.kid)
        return known is not None and holds(entry, known.public_key)

    def _tear(self, item: Item) -> None:
        self.torn_bytes += item.size
        self._findings.add(Code.JOURNAL_TORN_TAIL, Place(entry=self.next_seq, offset=item.offset), en=item.size)

    def _disbelieve(self, item: Item) -> None:
        """What it says counts for nothing; its hash is kept, so that the next entry can be judged."""
        self._disbelieved.append(item.hash)
        del self._disbelieved[:-MOST_DISBELIEVED]
        self._disbelieved_count += 1
        self._break()

    def _break(self) -> None:
        self.certain = False
        self.breaks += 1

    @property
    def end_seq(self) -> int:
        """One more than the last number that any entry here can have had, believed or not."""
        return self.next_seq + self._disbelieved_count

    def _signed(self, entry: Entry, place: Place) -> bool:
        """Steps J3 and J4."""
        if not self._ring.check_signature(entry, place):
            return False
        if entry.common.log_id != self._ring.log_id:
            self._findings.add(Code.LOG_DIFFERS, place, en=entry.common.log_id.hex())
            return False
        return True

    def _continues(self, entry: Entry, place: Place) -> bool:
        """Steps J5 and J6. An entry out of order is reported and otherwise ignored."""
        seq = entry.common.seq
        if seq < self.next_seq:
            self._findings.add(Code.ENTRY_REPEATED, place, zh=f"第 {seq} 号", en=f"entry {seq}")
            return False
        if seq > self.next_seq + self._disbelieved_count:
            first = self.next_seq
            self._findings.add(Code.SEQ_GAP, place, zh=f"第 {first} 至 {seq - 1} 号", en=f"{first} … {seq - 1}")
            self.missing.append((first, seq - 1))
            self._break()
        if entry.common.prev not in (self._prev, *self._disbelieved):
            self._findings.add(Code.CHAIN_BROKEN, place)
            self._break()
        if isinstance(entry.body, Run):
            self.certain = True
        if self.last is None or entry.common.run != self.last.common.run:
            self.run_began = seq
        self._advance(seq, entry.hash)
        return True

    def _advance(self, seq: int, entry_hash: bytes) -> None:
        self.next_seq, self._prev = seq + 1, entry_hash
        self._disbelieved, self._disbelieved_count = [], 0
        self.recent[seq] = entry_hash
        self._order.append(seq)
        if len(self._order) > RECENT_ENTRIES:
            self.recent.pop(self._order.popleft(), None)

    def _note_unknown(self, entry: Entry) -> None:
        if entry.body is None:
            self.unknown_kinds[entry.kind] = self.unknown_kinds.get(entry.kind, 0) + 1


class RunOrder:
    """Step J7: runs only grow, begin with `run`, end with `stop`, and say truly how the one before ended."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._last: Entry | None = None
        self._runs_begun = 0
        self._begun = False
        self._after_stop = False
        self._owes_recovered = False

    def accept(self, entry: Entry, *, certain: bool, whole: bool) -> None:
        """One believed entry in its place. `certain`: it follows the one before; `whole`: so does every one before."""
        before, self._last = self._last, entry
        if before is None:
            if not isinstance(entry.body, Enrolment):
                self._wrong(entry, "the journal does not begin with an enrolment")
        elif entry.common.run != before.common.run:
            self._check_rise(before, entry, certain=certain)
        elif certain:
            self._check_same(before, entry)
        if certain and self._owes_recovered and not isinstance(entry.body, Recovered):
            self._wrong(entry, "no `recovered` entry beside the `run` entry after an unclean end")
        self._owes_recovered = False
        if isinstance(entry.body, Run):
            self._runs_begun += not whole
            self._begin(before, entry, entry.body, certain=certain)

    def end(self) -> None:
        """The journal ends here."""
        if self._last is not None and not isinstance(self._last.body, Stop) and not _retired(self._last):
            self._findings.add(Code.RUN_OPEN_END, Place(entry=self._last.common.seq))

    def _wrong(self, entry: Entry, words: str) -> None:
        self._findings.add(Code.RUN_ORDER, Place(entry=entry.common.seq), en=words)

    def _check_rise(self, before: Entry, entry: Entry, *, certain: bool) -> None:
        self._begun, self._after_stop = False, isinstance(before.body, Stop)
        if entry.common.run < before.common.run:
            self._wrong(entry, f"run {entry.common.run} after run {before.common.run}")
        elif certain and not isinstance(entry.body, (Run, Recovered, Key)):
            self._wrong(entry, "a new run that begins with another kind of entry")

    def _check_same(self, before: Entry, entry: Entry) -> None:
        if isinstance(before.body, Stop):
            self._wrong(entry, "an entry after `stop` in the same run")
        if entry.common.clock[2] != before.common.clock[2] and not isinstance(before.body, Enrolment):
            self._wrong(entry, "another boot within one run")
        if not self._begun and not isinstance(entry.body, (Enrolment, Key, Recovered, Run)):
            self._wrong(entry, "an entry before the `run` entry of its run")

    def _begin(self, before: Entry | None, entry: Entry, body: Run, *, certain: bool) -> None:
        expected = RunCause.AFTER_CLEAN_STOP if self._after_stop else RunCause.AFTER_UNCLEAN_END
        if self._runs_begun == 0:
            expected = RunCause.FIRST
        if certain and self._begun:
            self._wrong(entry, "a second `run` entry in one run")
        if certain and body.cause in list(RunCause) and body.cause != expected:
            self._wrong(entry, f"its cause is {body.cause} where {int(expected)} is true")
        recovered = before is not None and isinstance(before.body, Recovered)
        self._owes_recovered = certain and expected is RunCause.AFTER_UNCLEAN_END and not recovered
        self._runs_begun += 1
        self._begun = True


class Clocks:
    """Step J8: the running clock never falls within a boot, and UTC agrees with it or an event says why not."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._before: Clock | None = None
        self._unexplained: tuple[Code, int, int, int] | None = None

    def accept(self, entry: Entry) -> None:
        """One believed entry in its place."""
        clock, before = entry.common.clock, self._before
        self._before = clock
        if self._announces_step(entry):
            self._unexplained = None
            return
        if self._unexplained and (before is None or clock[2] != before[2] or clock[1] > self._unexplained[3]):
            self.end()
        if before is None or clock[2] != before[2]:
            return
        if clock[1] < before[1]:
            back = -((clock[1] - before[1]) // NS_PER_MS)
            self._findings.add(Code.CLOCK_BACK, Place(entry=entry.common.seq), en=back)
        self._compare(before, clock, entry.common.seq)

    def end(self) -> None:
        """No event came that explains the step."""
        if self._unexplained is not None:
            code, seq, step_ms, _ = self._unexplained
            self._findings.add(code, Place(entry=seq), en=step_ms)
            self._unexplained = None

    def _compare(self, before: Clock, clock: Clock, seq: int) -> None:
        passed_ms = (clock[1] - before[1]) // NS_PER_MS
        step_ms = clock[0] - before[0] - passed_ms
        allowed_ms = before[4] + clock[4] + UTC_SLACK_MS + abs(passed_ms) // UTC_DRIFT_DIVISOR
        if abs(step_ms) > allowed_ms and self._unexplained is None:
            certain = before[3] == clock[3] == SYNCHRONISED
            code = Code.UTC_CONTRADICTION if certain else Code.UTC_STEP_UNANNOUNCED
            self._unexplained = (code, seq, step_ms, clock[1] + STEP_EVENT_WITHIN_NS)

    @staticmethod
    def _announces_step(entry: Entry) -> bool:
        body = entry.body
        return isinstance(body, Event) and body.code in (EventCode.CLOCK_STEPPED, EventCode.CLOCK_SYNC_CHANGED)


def _retired(entry: Entry) -> bool:
    """A retirement ends the log in order: no `stop` may follow it (FORMAT.md 5.3.1)."""
    return isinstance(entry.body, Key) and entry.body.act == KeyAct.RETIRED
