"""Every finding code has a story that provokes it, and one rich archive that provokes none (its negative control)."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from liuhen import archive, cbor, cose, entry
from liuhen.findings import MEANINGS, Code
from liuhen.hashing import ZERO_HASH, sha256
from liuhen.keys import Trust
from liuhen.kinds import Amend, Checkpoint, Choice, Gap, GapEnd, Reclaimed, Refusal, Run
from liuhen.registry import (
    ChoiceCode,
    ContentKind,
    DutyCode,
    EndCause,
    EntryClass,
    EventCode,
    GapCause,
    KeyAct,
    MarkCode,
    Purpose,
    RefusalCode,
)
from liuhen.store_directory import DirectoryReader
from liuhen.store_names import StoreUrl, store_hash
from liuhen.store_reader import Kept as ReadKept
from liuhen.store_reader import ObjectVersion
from tests.signing.after_rot import append_seen, rot_announced, set_aside
from tests.signing.archives import (
    FRAGMENT_NS,
    SECOND_NS,
    SOFTWARE,
    UTC_START_MS,
    Device,
    append,
    closed_archive,
    cut,
    endorsed,
    entries,
    flip,
    fragments_of,
    head_of,
    index_of,
    open_archive,
    put_entries,
    segments,
    signer,
    trust_of,
)
from tests.signing.checking import TRUST, assert_untouched, check
from tests.signing.hearing_told import arrive_and_tell, follow, in_order, late, mark
from tests.signing.kept import LATER_MS, PAST_MS, kept_archive
from tests.signing.room import approve, clear, forbid, gap_since, give, owe, withhold
from tests.signing.stored import WITNESS, Shelf, shelve
from tests.signing.visited import close, hall


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What to verify, and against what."""

    path: Path
    trust: Trust | None = TRUST
    options: dict[str, Any] = field(default_factory=dict)


ENGLISH = re.compile(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}")
Story = Callable[[Path], Case]
STORIES: dict[Code, Story] = {}
STAND_IN = (("libcamera", "0", "simulated", 0),)


def story(code: Code) -> Callable[[Story], Story]:
    """Registers how a code comes about."""

    def register(tell: Story) -> Story:
        assert code not in STORIES
        STORIES[code] = tell
        return tell

    return register


@pytest.mark.parametrize("code", list(Code), ids=[f"{MEANINGS[code].step}-{code.value}" for code in Code])
def test_each_code_is_found_where_its_rule_is_broken(code: Code, tmp_path: Path) -> None:
    case = STORIES[code](tmp_path / "archive")
    report = check(case.path, case.trust, **case.options)
    assert code in {finding.code for finding in report.findings}
    for finding in report.findings:
        assert "{}" not in finding.what_zh + finding.what_en
        assert not ENGLISH.search(finding.what_zh), finding.what_zh


def test_a_rich_archive_without_fault_provokes_none_of_them(tmp_path: Path) -> None:
    report = check(rich_archive(tmp_path / "archive").root)
    assert_untouched(report)
    assert [len(session.gaps) for session in report.sessions] == [2, 1]
    assert all(gap.explained for session in report.sessions for gap in session.gaps)


def rich_archive(root: Path) -> Device:
    """Gaps of one and both streams, a lost stream, a power cut across boots, key rotation, records, journal files."""
    device = begun(root)
    commitment = device.record("笔录")
    device.begin(commitments=((0, commitment),))
    device.segment()
    explained_gap(device, stream=None, length_ns=7 * SECOND_NS)
    device.segment(cause=EndCause.STREAMS_CHANGED)
    since = device.now_ns
    gap = device.gap(stream=0)
    device.segment(streams=(1,), cause=EndCause.STREAMS_CHANGED)
    device.gap_end(gap, since_ns=since)
    device.mark(refers_to=gap)
    device.segment(cause=EndCause.STOPPED)
    device.end()
    device.checkpoint()
    device.stop()
    device.rotate_journal()
    device.start()
    device.rotate_key(signer("second key"))
    device.event(EventCode.SOUND_SILENT_ENDED)
    device.begin()
    power_cut(device)
    device.segment(cause=EndCause.STOPPED)
    device.append(amend(device, 0, device_entry_hash(device, 0)))
    device.end()
    device.checkpoint()
    device.stop()
    return device


def begun(root: Path, **options: Any) -> Device:
    """A device that runs."""
    device = Device(root=root, **options)
    device.enrol()
    device.start()
    return device


def ended(device: Device) -> Case:
    """An orderly stop."""
    if device.session_id is not None:
        device.end()
    device.checkpoint()
    device.stop()
    return Case(path=device.root)


def first_session(device: Device) -> list[Path]:
    """The files of the first session."""
    found = entry.parse(entries(device.root)[index_of(device.root, "session")], where="session").common.session_id
    assert found is not None
    return segments(device.root, found)


def device_entry_hash(device: Device, seq: int) -> bytes:
    return sha256(entries(device.root)[seq])


def amend(device: Device, seq: int, entry_hash: bytes) -> Amend:
    return Amend(refers_to=seq, refers_to_hash=entry_hash, length_ns=None, cause=None, records=())


def explained_gap(device: Device, *, stream: int | None, length_ns: int, explain: bool = True) -> int:
    since = device.now_ns
    gap = device.gap(stream=stream)
    device.pass_ns(length_ns)
    device.gap_end(gap, since_ns=since)
    if explain:
        device.mark(code=MarkCode.SPOKEN_EXPLANATION, refers_to=gap)
    return gap


def power_cut(device: Device) -> None:
    """Power goes in the middle of a segment; the restart states what is left, and the gap across the two boots."""
    path = device.open_segment()
    device.fragment(3)
    growing, since = device.file, (device.boot_id, device.now_ns)
    append(path, b"\0\0\0\x20prft")
    device.boot()
    cut(path, growing.sealer.size if growing else 0)
    session, device.session_id = device.session_id, None
    device.run += 1
    device.append(Run(cause=2, software=SOFTWARE, config_hash=bytes(32)))
    length = (59 * SECOND_NS, 61 * SECOND_NS)
    device.append(replace(device.found_nothing(), since=since, length_ns=length, cause=GapCause.OTHER))
    device.session_id, device.file = session, growing
    now, device.now_ns = device.now_ns, since[1]
    statement = device.statement(EndCause.RECOVERED)
    device.now_ns, device.file = now, None
    device.segments, device.last_r = device.segments + 1, statement.last
    device.append(statement)
    device.gaps += 1
    gap = device.append(Gap(stream=None, cause=GapCause.POWER_LOW, since=since, measured=(), evidence=(), records=()))
    until = (device.boot_id, device.now_ns)
    device.append(GapEnd(gap_seq=gap, until=until, length_ns=length, lost=(None, None), resumed=1))
    device.mark(refers_to=gap)


# --- A: archive and trust --------------------------------------------------------------------------------------------


@story(Code.FOREIGN_FILE)
def _(root: Path) -> Case:
    (closed_archive(root).root / "notes.txt").write_text("x")
    return Case(path=root)


@story(Code.EVIDENCE_NOT_A_FILE)
def _(root: Path) -> Case:
    device = closed_archive(root)
    file = first_session(device)[0]
    file.rename(root.parent / "elsewhere.mp4")
    file.symlink_to(root.parent / "elsewhere.mp4")
    return Case(path=root)


@story(Code.UNREADABLE)
def _(root: Path) -> Case:
    closed_archive(root)

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    return Case(path=root, options={"on_read": fail})


@story(Code.TOO_LARGE)
def _(root: Path) -> Case:
    device = open_archive(root)
    assert device.file is not None
    os.truncate(device.file.path, 2**33)
    return Case(path=root)


@story(Code.JOURNAL_ABSENT)
def _(root: Path) -> Case:
    shutil.rmtree(closed_archive(root).root / "journal")
    return Case(path=root)


@story(Code.TRUST_ABSENT)
def _(root: Path) -> Case:
    return Case(path=closed_archive(root).root, trust=None)


@story(Code.UNENDORSED)
def _(root: Path) -> Case:
    return Case(path=closed_archive(root).root, trust=trust_of((signer("another root"),)))


@story(Code.TRUST_THRESHOLD)
def _(root: Path) -> Case:
    return Case(path=closed_archive(root).root, trust=trust_of((signer("root 0"), signer("root 1")), threshold=2))


@story(Code.KEY_EMERGENCY)
def _(root: Path) -> Case:
    device = begun(root)
    device.emergency_key(signer("emergency"))
    return ended(device)


@story(Code.KEY_REVOKED)
def _(root: Path) -> Case:
    device = closed_archive(root)
    kid = cose.key_id(device.key.public_key)
    return Case(path=root, trust=trust_of((signer("root 0"),), revoked=((kid, head_of(root, 3), 0),)))


@story(Code.KEY_REVOKED_USED)
def _(root: Path) -> Case:
    device = closed_archive(root)
    kid = cose.key_id(device.key.public_key)
    return Case(path=root, trust=trust_of((signer("root 0"),), revoked=((kid, device.head, 0),)))


@story(Code.KEY_COMPROMISED)
def _(root: Path) -> Case:
    device = begun(root)
    device.key_entry(KeyAct.COMPROMISED, subject=cose.key_id(device.key.public_key), last_trusted=head_of(root, 1))
    return ended(device)


@story(Code.ENDORSEMENT_REFUSED)
def _(root: Path) -> Case:
    device = Device(root=root)
    device.endorsements += endorsed(bytes(16), device.key, device.roots)
    device.enrol()
    device.start()
    return ended(device)


@story(Code.ENDORSEMENT_EARLY)
def _(root: Path) -> Case:
    return ended(begun(root, utc_ms=1000))


@story(Code.DEMO)
def _(root: Path) -> Case:
    return ended(begun(root, purpose=Purpose.DEMO))


# --- B: store --------------------------------------------------------------------------------------------------------


def shelved(root: Path) -> Shelf:
    closed_archive(root)
    return shelve(root, root.parent / "store")


def read_from(shelf: Shelf, root: Path, reader: type[DirectoryReader] = DirectoryReader) -> Case:
    work = root.parent / "work"
    return Case(path=work, options={"store": shelf.archive(work, pins=[WITNESS], reader=reader)})


class Marked(DirectoryReader):
    """A directory that says of its first object that it was deleted, as a server with versions can."""

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        for number, version in enumerate(super().versions(prefix)):
            if number == 0:
                yield replace(version, version_id="marker", is_delete_marker=True)
            yield version


class Doubled(DirectoryReader):
    """A directory that has everything twice."""

    def versions_of(self, key: str) -> list[ObjectVersion]:
        return super().versions_of(key) * 2


@story(Code.STORE_DELETE_MARKER)
def _(root: Path) -> Case:
    return read_from(shelved(root), root, Marked)


@story(Code.STORE_FOREIGN)
def _(root: Path) -> Case:
    shelf = shelved(root)
    (shelf.slices()[0].parent / "notes.txt").write_text("x")
    return read_from(shelf, root)


@story(Code.STORE_VERSION_DIFFERS)
def _(root: Path) -> Case:
    shelf = shelved(root)
    flip(shelf.slices()[0], 100)
    return read_from(shelf, root)


@story(Code.STORE_VERSION_DUPLICATE)
def _(root: Path) -> Case:
    return read_from(shelved(root), root, Doubled)


class Keeping(DirectoryReader):
    """A store that keeps everything a little shorter than was said."""

    def kept(self, version: ObjectVersion) -> ReadKept | None:
        del version
        return ReadKept(until_ms=LATER_MS - 1)


class Tightlipped(DirectoryReader):
    """A store that does not let this credential see how long it keeps things."""

    def kept(self, version: ObjectVersion) -> ReadKept | None:
        del version
        return ReadKept(until_ms=None, told=False)


@story(Code.STORE_RETENTION_SHORT)
def _(root: Path) -> Case:
    kept = kept_archive(root)
    store = root.parent / "store"
    kept.receipt(LATER_MS, store=store_hash(StoreUrl(scheme="file", place=str(store))))
    kept.closed()
    return read_from(shelve(root, store), root, Keeping)


@story(Code.STORE_RETENTION_UNTOLD)
def _(root: Path) -> Case:
    return read_from(shelved(root), root, Tightlipped)


@story(Code.STORE_SLICE_WRONG)
def _(root: Path) -> Case:
    shelf = shelved(root)
    shelf.slice(3, 9, shelf.entries[0])
    return read_from(shelf, root)


@story(Code.STORE_FORK)
def _(root: Path) -> Case:
    shelf = shelved(root)
    other = shelve(closed_archive(root.parent / "other", seed=1, sessions=1, segments=1).root, root.parent / "second")
    shelf.slice(0, len(other.entries) - 1, b"".join(other.entries))
    return read_from(shelf, root)


@story(Code.WITNESS_REFUSED)
def _(root: Path) -> Case:
    shelf = shelved(root)
    shelf.witness(3, by=signer("somebody"))
    return read_from(shelf, root)


@story(Code.WITNESS_DIFFERS)
def _(root: Path) -> Case:
    shelf = shelved(root)
    shelf.witness(3, root=bytes(32))
    return read_from(shelf, root)


@story(Code.WITNESS_AHEAD)
def _(root: Path) -> Case:
    shelf = shelved(root)
    shelf.witness(len(shelf.entries) + 1, root=bytes(32))
    return read_from(shelf, root)


# --- J: journal ------------------------------------------------------------------------------------------------------


@story(Code.JOURNAL_FILE_MISSING)
def _(root: Path) -> Case:
    device = begun(root)
    device.rotate_journal()
    device.session()
    device.rotate_journal()
    device.stop()
    (root / "journal" / "00000001.cbor").unlink()
    return Case(path=root)


@story(Code.ENVELOPE_REFUSED)
def _(root: Path) -> Case:
    changed = entries(closed_archive(root).root)
    changed.insert(4, b"garbage")
    put_entries(root, changed)
    return Case(path=root)


@story(Code.JOURNAL_UNSEARCHED)
def _(root: Path) -> Case:
    device = closed_archive(root)
    for number in range(1, 7):
        with (device.root / "journal" / f"{number:08d}.cbor").open("wb") as file:
            file.truncate(archive.JOURNAL_FILE_LIMIT_BYTES)  # a hole: it takes no room
    return Case(path=root)


@story(Code.JOURNAL_TORN_TAIL)
def _(root: Path) -> Case:
    journal = closed_archive(root).root / "journal" / "00000000.cbor"
    cut(journal, journal.stat().st_size - 5)
    return Case(path=root)


@story(Code.KEY_UNKNOWN)
def _(root: Path) -> Case:
    device = begun(root)
    device.append(Checkpoint(size=device.seq, root=device.peaks.root(), peaks=device.peaks.peaks()), by=signer("?"))
    return ended(device)


@story(Code.KEY_RETIRED_USED)
def _(root: Path) -> Case:
    device = begun(root)
    old = device.key
    device.rotate_key(signer("second key"))
    device.key = old
    return ended(device)


@story(Code.SIGNATURE_BAD)
def _(root: Path) -> Case:
    changed = entries(closed_archive(root).root)
    changed[4] = changed[4][:-1] + bytes([changed[4][-1] ^ 1])
    put_entries(root, changed)
    return Case(path=root)


@story(Code.LOG_DIFFERS)
def _(root: Path) -> Case:
    device = begun(root)
    device.log_id = bytes(16)
    return ended(device)


@story(Code.HEAD_MISSING)
def _(root: Path) -> Case:
    put_entries(root, entries(closed_archive(root).root)[1:])
    return Case(path=root)


@story(Code.SEQ_GAP)
def _(root: Path) -> Case:
    device = begun(root)
    device.seq += 1
    return ended(device)


@story(Code.ENTRY_REPEATED)
def _(root: Path) -> Case:
    found = entries(closed_archive(root).root)
    put_entries(root, [*found, found[3]])
    return Case(path=root)


@story(Code.CHAIN_BROKEN)
def _(root: Path) -> Case:
    device = begun(root)
    device.prev = bytes(32)
    return ended(device)


@story(Code.RUN_ORDER)
def _(root: Path) -> Case:
    device = begun(root)
    device.run += 1
    device.heartbeat()
    return ended(device)


@story(Code.CLOCK_BACK)
def _(root: Path) -> Case:
    device = begun(root)
    device.now_ns -= 1
    device.heartbeat()
    return ended(device)


@story(Code.UTC_CONTRADICTION)
def _(root: Path) -> Case:
    device = begun(root)
    device.utc_ms += 5000
    return ended(device)


@story(Code.UTC_STEP_UNANNOUNCED)
def _(root: Path) -> Case:
    device = begun(root, sync=1)
    device.utc_ms += 5000
    return ended(device)


@story(Code.SESSION_ORDER)
def _(root: Path) -> Case:
    device = begun(root)
    device.ordinal = 4
    device.session()
    return ended(device)


@story(Code.SESSION_REUSED)
def _(root: Path) -> Case:
    device = begun(root)
    again = device.random.getstate()
    device.begin()
    device.end()
    device.checkpoint()
    shutil.rmtree(root / "sessions")
    (root / "sessions").mkdir()
    device.random.setstate(again)
    device.begin()
    return ended(device)


@story(Code.SEGMENT_ORDER)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.segment()
    device.frames += 1
    device.segment()
    return ended(device)


@story(Code.GAP_ORDER)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.gap()
    return ended(device)


@story(Code.GAP_UNEXPLAINED)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    explained_gap(device, stream=None, length_ns=SECOND_NS, explain=False)
    return ended(device)


@story(Code.SESSION_COUNT_WRONG)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.segment()
    device.segments += 1
    return ended(device)


@story(Code.SILENCE)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.pass_ns(21 * SECOND_NS)
    device.heartbeat()
    return ended(device)


@story(Code.CHECKPOINT_OVERDUE)
def _(root: Path) -> Case:
    device = begun(root)
    device.stop()
    return Case(path=root)


@story(Code.CHECKPOINT_WRONG)
def _(root: Path) -> Case:
    device = begun(root)
    device.append(Checkpoint(size=device.seq, root=bytes(32), peaks=device.peaks.peaks()), session=False)
    return ended(device)


@story(Code.KEY_ORDER)
def _(root: Path) -> Case:
    device = begun(root)
    device.key_entry(KeyAct.ROTATED, subject=bytes(32))
    return ended(device)


@story(Code.AMEND_WITHOUT_GAP)
def _(root: Path) -> Case:
    device = begun(root)
    device.event(EventCode.FRAMES_MISSED)
    event = device.seq - 1
    body = replace(amend(device, event, device_entry_hash(device, event)), cause=GapCause.WEATHER)
    device.append(body)
    return ended(device)


@story(Code.REFERENCE_WRONG)
def _(root: Path) -> Case:
    device = begun(root)
    device.append(amend(device, 0, bytes(32)), session=False)
    return ended(device)


def unknown_kind(device: Device, entry_class: EntryClass) -> None:
    """An entry of a kind from a later version."""
    payload: dict[int, cbor.Value] = {
        0: 1,
        1: device.log_id,
        2: device.run,
        3: device.seq,
        4: device.prev,
        5: None,
        6: device.clock,
        7: int(entry_class),
        8: None,
        9: "later",
    }
    device.write(cose.sign(device.key, "weather", cbor.encode(payload)))


@story(Code.UNKNOWN_KIND)
def _(root: Path) -> Case:
    device = begun(root)
    unknown_kind(device, EntryClass.INFORMATION)
    return ended(device)


@story(Code.UNKNOWN_STATE_KIND)
def _(root: Path) -> Case:
    device = begun(root)
    unknown_kind(device, EntryClass.STATE)
    return ended(device)


@story(Code.UNKNOWN_CODE)
def _(root: Path) -> Case:
    device = begun(root)
    device.mark(code=999)  # type: ignore[arg-type]
    return ended(device)


@story(Code.KNOWN_MISSING)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.open_segment()
    device.fragment(4, end_cause=EndCause.STOPPED)
    device.state(EndCause.STOPPED, missed=(5, 0))
    device.end()
    device.checkpoint()
    return ended(device)


@story(Code.EVENT_FAULT)
def _(root: Path) -> Case:
    device = begun(root)
    device.event(EventCode.SOUND_DIGITAL_ZERO)
    return ended(device)


@story(Code.EVENT_WARNING)
def _(root: Path) -> Case:
    device = begun(root)
    device.event(EventCode.SOUND_CLIPPING)
    return ended(device)


@story(Code.START_REFUSED)
def _(root: Path) -> Case:
    device = begun(root)
    device.append(Refusal(code=RefusalCode.CLOCK, measured=(), records=()), session=False)
    return ended(device)


@story(Code.DESTRUCTION_REFUSED)
def _(root: Path) -> Case:
    device = begun(root)
    device.append(Refusal(code=RefusalCode.IN_TERM, measured=(1, 0), records=()), session=False)
    return ended(device)


@story(Code.CHOICE)
def _(root: Path) -> Case:
    device = begun(root)
    device.append(Choice(code=ChoiceCode.CAPTION_OFF, value=1, records=()), session=False)
    return ended(device)


@story(Code.RECOVERED)
def _(root: Path) -> Case:
    device = begun(root)
    device.start(recovered=replace(device.found_nothing(), torn_journal_bytes=7))
    return ended(device)


@story(Code.LOSS_ANNOUNCED)
def _(root: Path) -> Case:
    return ended(rot_announced(begun(root)))


@story(Code.QUARANTINE_ALTERED)
def _(root: Path) -> Case:
    device, aside = set_aside(begun(root))
    flip(aside, 3)
    return ended(device)


@story(Code.QUARANTINE_ABSENT)
def _(root: Path) -> Case:
    device, aside = set_aside(begun(root))
    aside.unlink()
    return ended(device)


@story(Code.SEEN_WRONG)
def _(root: Path) -> Case:
    device = begun(root)
    append_seen(device, (device.seq + 1, bytes(32), UTC_START_MS, bytes(32)))
    return ended(device)


@story(Code.SUBSTITUTED_SOURCE)
def _(root: Path) -> Case:
    return ended(begun(root, software=STAND_IN))


@story(Code.SUBSTITUTED_SOURCE_DEMO)
def _(root: Path) -> Case:
    return ended(begun(root, software=STAND_IN, purpose=Purpose.DEMO))


@story(Code.SESSION_OPEN_END)
def _(root: Path) -> Case:
    return Case(path=open_archive(root).root)


@story(Code.RUN_OPEN_END)
def _(root: Path) -> Case:
    return Case(path=begun(root).root)


def with_record(root: Path) -> Path:
    device = begun(root)
    commitment = device.record("案由")
    device.begin(commitments=((1, commitment),))
    ended(device)
    return root / "records" / f"{commitment.hex()}.record"


@story(Code.RECORD_ALTERED)
def _(root: Path) -> Case:
    flip(with_record(root), 33)
    return Case(path=root)


@story(Code.RECORD_ABSENT)
def _(root: Path) -> Case:
    with_record(root).unlink()
    return Case(path=root)


@story(Code.RECORD_DESTROYED)
@story(Code.SEGMENT_DESTROYED)
@story(Code.DESTROYED)
def _(root: Path) -> Case:
    kept = kept_archive(root)
    kept.term(PAST_MS)
    kept.destroy()
    return Case(path=kept.closed())


@story(Code.RETENTION_ORDER)
def _(root: Path) -> Case:
    kept = kept_archive(root)
    kept.term(PAST_MS)
    kept.term(PAST_MS)
    return Case(path=kept.closed())


@story(Code.DESTRUCTION_UNFOUNDED)
def _(root: Path) -> Case:
    kept = kept_archive(root)
    kept.destroy()
    return Case(path=kept.closed())


@story(Code.DESTROYED_STILL_HERE)
def _(root: Path) -> Case:
    kept = kept_archive(root)
    kept.term(PAST_MS)
    kept.destroy(remove=False)
    return Case(path=kept.closed())


@story(Code.RECORD_FOREIGN)
def _(root: Path) -> Case:
    closed_archive(root).record("无人提及")
    return Case(path=root)


@story(Code.INHIBITION_ORDER)
def _(root: Path) -> Case:
    device = begun(root)
    clear(device, 1)
    return ended(device)


@story(Code.WITHHELD_UNAPPROVED)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.segment()
    withhold(device, approved=False)
    device.segment(cause=EndCause.STOPPED)
    return ended(device)


@story(Code.INHIBITION_UNCOVERED)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.segment()
    placed = forbid(device)
    device.pass_ns(2 * SECOND_NS)
    clear(device, placed)
    device.segment(cause=EndCause.STOPPED)
    return ended(device)


@story(Code.GAP_WITHOUT_INHIBITION)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.segment()
    since_ns = device.now_ns
    gap = gap_since(device, GapCause.WITHHELD, since_ns)
    device.pass_ns(SECOND_NS)
    device.gap_end(gap, since_ns=since_ns)
    device.segment(cause=EndCause.STOPPED)
    return ended(device)


@story(Code.DUTY_ORDER)
def _(root: Path) -> Case:
    device = begun(root)
    give(device, DutyCode.REPORT, 1)
    return ended(device)


@story(Code.DUTY_OPEN)
def _(root: Path) -> Case:
    device = begun(root)
    owe(device, DutyCode.REPORT, device.append(Refusal(code=RefusalCode.SPACE, measured=(), records=())))
    return ended(device)


@story(Code.RECORDED_WHILE_FORBIDDEN)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    placed = forbid(device)
    device.segment(cause=EndCause.STOPPED)
    approve(device, placed)
    clear(device, placed)
    return ended(device)


@story(Code.SEGMENT_RECLAIMED)
@story(Code.RECORD_RECLAIMED)
def _(root: Path) -> Case:
    kept = kept_archive(root)
    kept.term(PAST_MS)
    kept.reclaim(kept.receipt(), order=kept.order())
    return Case(path=kept.closed())


@story(Code.QUARANTINE_RECLAIMED)
def _(root: Path) -> Case:
    kept = kept_archive(root)
    _, aside = set_aside(kept.device)
    kept.term(PAST_MS, session := bytes.fromhex(aside.name[:32]))
    row = (int(ContentKind.QUARANTINED), sha256(aside.read_bytes()))
    receipt, order = kept.receipt(contents=(row,)), kept.order()
    kept.about(session, Reclaimed(contents=(row,), receipts=(receipt,), witness=None, order=order, records=()))
    aside.unlink()
    return Case(path=kept.closed())


@story(Code.RECLAIM_ORDER)
def _(root: Path) -> Case:
    kept = kept_archive(root)
    kept.term(PAST_MS)
    kept.reclaim(kept.receipt(), kept.device.seq + 5, order=kept.order(), remove=False)
    return Case(path=kept.closed())


@story(Code.RECLAIM_UNFOUNDED)
def _(root: Path) -> Case:
    kept = kept_archive(root)
    kept.term(PAST_MS)
    kept.reclaim(kept.receipt(), order=None, remove=False)
    return Case(path=kept.closed())


# --- J27, J28: proceedings -------------------------------------------------------------------------------------------


@story(Code.PROCEEDINGS_ORDER)
def _(root: Path) -> Case:
    device = in_order(root)
    late(device, MarkCode.STEP, step=2, ago_ns=-SECOND_NS)
    return ended(device)


@story(Code.MARK_BACKDATED)
def _(root: Path) -> Case:
    device = in_order(root)
    mark(device, MarkCode.STEP, step=2, ago_ns=61 * SECOND_NS)
    return ended(device)


@story(Code.STEP_ORDER)
def _(root: Path) -> Case:
    device = in_order(root)
    device.segment()
    mark(device, MarkCode.STEP, step=2)
    return ended(device)


@story(Code.ENDED_EARLY)
@story(Code.NOTICE_TO_NOBODY)
@story(Code.PLACE_NOT_SHOWN)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.segment()
    follow(device)
    mark(device, MarkCode.NOTICE_GIVEN)
    return ended(device)


@story(Code.NOTICE_MISSING)
def _(root: Path) -> Case:
    device = in_order(root)
    mark(device, MarkCode.PARTY_ARRIVED)
    return ended(device)


@story(Code.NOTICE_LATE)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.segment()
    follow(device)
    arrive_and_tell(device, after_seconds=61)
    return ended(device)


# --- J29: visits -----------------------------------------------------------------------------------------------------


@story(Code.VISIT_ORDER)
def _(root: Path) -> Case:
    made = hall(root.parent)
    made.end("A1", 0)
    close(made)
    return Case(path=made.device.root)


@story(Code.VISIT_NOT_TOLD)
def _(root: Path) -> Case:
    made = hall(root.parent)
    made.end("A1", made.begin("A1"))
    close(made)
    return Case(path=made.device.root)


# --- S: segments -----------------------------------------------------------------------------------------------------


@story(Code.SEGMENT_MISSING)
def _(root: Path) -> Case:
    first_session(closed_archive(root))[0].unlink()
    return Case(path=root)


@story(Code.UNSIGNED)
def _(root: Path) -> Case:
    file = first_session(closed_archive(root))[0]
    cut(file, fragments_of(file)[0][0])
    return Case(path=file)


@story(Code.INIT_ALTERED)
def _(root: Path) -> Case:
    flip(first_session(closed_archive(root))[0], 40)
    return Case(path=root)


@story(Code.IDENTITY_WRONG)
def _(root: Path) -> Case:
    files = first_session(closed_archive(root))
    alone = root.parent / "alone"
    alone.mkdir()
    shutil.copy(files[1], alone / "000000.mp4")
    return Case(path=alone)


@story(Code.FRAGMENT_ALTERED)
def _(root: Path) -> Case:
    file = first_session(closed_archive(root))[0]
    flip(file, fragments_of(file)[0][1] - 1)
    return Case(path=root)


@story(Code.SEAL_ALTERED)
def _(root: Path) -> Case:
    file = first_session(closed_archive(root))[0]
    flip(file, fragments_of(file)[0][2] - 1)
    return Case(path=root)


@story(Code.SEAL_WRONG)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.open_segment()
    device.fragment(2)
    device.state()
    return ended(device)


@story(Code.TAIL_MISSING)
def _(root: Path) -> Case:
    file = first_session(closed_archive(root))[0]
    cut(file, file.stat().st_size - 1)
    return Case(path=root)


@story(Code.EXTRA_BYTES)
def _(root: Path) -> Case:
    append(first_session(closed_archive(root))[0], b"x")
    return Case(path=root)


@story(Code.UNSEALED_MEDIA)
def _(root: Path) -> Case:
    device = open_archive(root)
    assert device.file is not None
    append(device.file.path, device.fragment_bytes())
    return Case(path=root)


@story(Code.TORN_TAIL)
def _(root: Path) -> Case:
    device = open_archive(root)
    assert device.file is not None
    append(device.file.path, b"\0\0\0\x20prft")
    return Case(path=root)


@story(Code.UNFINISHED)
def _(root: Path) -> Case:
    return Case(path=open_archive(root).root)


@story(Code.NOTHING_SEALED)
def _(root: Path) -> Case:
    return Case(path=open_archive(root, fragments=0).root)


@story(Code.STATEMENT_WRONG)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.open_segment()
    device.fragment(2, end_cause=EndCause.STOPPED)
    statement = replace(device.statement(EndCause.STOPPED), last=bytes(32))
    device.segments += 1
    device.append(statement)
    return ended(device)


@story(Code.FILE_HASH_WRONG)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.open_segment()
    device.fragment(2, end_cause=EndCause.STOPPED)
    statement = replace(device.statement(EndCause.STOPPED), file_hash=bytes(32))
    device.segments += 1
    device.append(statement)
    return replace(ended(device), options={"whole_file_hash": True})


@story(Code.SEGMENT_UNSTATED)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.segment()
    device.open_segment()
    device.fragment(2, end_cause=EndCause.STOPPED)
    device.frames, device.samples = 48, 96_000
    return ended(device)


@story(Code.SEGMENT_BEFORE_STATEMENT)
def _(root: Path) -> Case:
    return Case(path=open_archive(root).root)


@story(Code.SEGMENT_CHAIN_BROKEN)
def _(root: Path) -> Case:
    device = open_archive(root)
    device.last_r = ZERO_HASH
    device.open_segment()
    device.fragment(2)
    return Case(path=root)


@story(Code.TRUNCATED_BELOW_SEAL_HEAD)
def _(root: Path) -> Case:
    device = closed_archive(root)
    put_entries(root, entries(root)[: index_of(device.root, "segment") - 1])
    return Case(path=root)


@story(Code.SEAL_HEAD_WRONG)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.open_segment()
    prev, device.prev = device.prev, bytes(32)
    device.fragment(2, end_cause=EndCause.STOPPED)
    device.prev = prev
    device.state(EndCause.STOPPED)
    return ended(device)


@story(Code.HOLE_UNEXPLAINED)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.segment()
    device.pass_ns(SECOND_NS)
    device.segment()
    return ended(device)


# --- what the stories above do not reach -----------------------------------------------------------------------------


@story(Code.STREAM_ABSENT)
def _(root: Path) -> Case:
    device = begun(root)
    device.begin()
    device.segment(cause=EndCause.STOPPED, streams=(0,))
    return ended(device)


def test_s10_a_hole_of_one_stream_needs_a_gap_of_that_stream(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    device.segment()
    since = device.now_ns
    gap = device.gap(stream=1)
    device.segment(streams=(1,))
    device.gap_end(gap, since_ns=since)
    device.segment()
    report = check(ended(device).path)
    assert {f.what_en.split()[0] for f in report.findings if f.code is Code.HOLE_UNEXPLAINED} == {"picture"}


def test_s10_a_quarter_second_between_segments_is_no_hole(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    device.segment()
    device.pass_ns(FRAGMENT_NS // 2)
    device.segment()
    assert_untouched(check(ended(device).path))


def test_s10_a_power_cut_without_a_gap_is_a_hole(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    device.segment()
    session, device.session_id = device.session_id, None
    device.boot()
    device.clean = False
    device.start()
    device.session_id = session
    device.segment()
    assert Code.HOLE_UNEXPLAINED in {f.code for f in check(ended(device).path).findings}


def test_s6_an_open_file_shorter_than_a_heartbeat_promised_is_missing_its_tail(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    device.heartbeat()
    assert device.file is not None
    assert check(device.root).intact
    cut(device.file.path, fragments_of(device.file.path)[1][2])
    report = check(device.root)
    assert {f.code for f in report.findings if f.severity == "broken"} == {Code.TAIL_MISSING}


def test_s1_an_open_file_a_heartbeat_promised_is_missing(tmp_path: Path) -> None:
    device = open_archive(tmp_path / "archive")
    device.heartbeat()
    assert device.file is not None
    device.file.path.unlink()
    assert Code.SEGMENT_MISSING in {f.code for f in check(device.root).findings}


def test_j16_an_unknown_kind_that_opens_a_gap_is_shown_as_a_gap_of_unknown_cause(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.begin()
    unknown_kind(device, EntryClass.OPENS_GAP)
    device.pass_ns(SECOND_NS)
    unknown_kind(device, EntryClass.CLOSES_GAP)
    report = check(ended(device).path)
    assert report.unknown_kinds == 2
    assert [(gap.cause, gap.closed) for gap in report.sessions[0].gaps] == [(None, True)]


def test_j3_a_rotated_key_is_known_from_the_next_entry_on_and_vouched_by_its_own_endorsement(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.rotate_key(signer("second key"), roots=())
    device.session()
    report = check(ended(device).path)
    assert report.intact
    assert report.vouched is None
    assert Code.UNENDORSED in {f.code for f in report.findings}


def test_a4_what_stands_before_a_revocation_stays_vouched(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    kid = cose.key_id(device.key.public_key)
    report = check(device.root, trust_of((signer("root 0"),), revoked=((kid, device.head, 0),)))
    assert report.intact
    assert report.vouched is not None
    assert [finding.code for finding in report.findings] == [Code.KEY_REVOKED_USED]


def test_j1_an_empty_last_journal_file_is_allowed(tmp_path: Path) -> None:
    device = closed_archive(tmp_path / "archive")
    (device.root / "journal" / "00000001.cbor").touch()
    assert_untouched(check(device.root))


def test_j8_a_step_is_explained_by_an_event_that_comes_within_a_minute(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    device.utc_ms += 5000
    device.heartbeat()
    device.pass_ns(30 * SECOND_NS)
    device.event(EventCode.CLOCK_STEPPED)
    report = check(ended(device).path)
    assert [finding.code for finding in report.findings] == [Code.EVENT_WARNING]


def test_findings_of_one_code_are_counted_beyond_the_kept_ones(tmp_path: Path) -> None:
    device = begun(tmp_path / "archive")
    for _ in range(250):
        device.mark(code=999)  # type: ignore[arg-type]
    report = check(ended(device).path)
    assert sum(f.code is Code.UNKNOWN_CODE for f in report.findings) == 200
    assert report.findings_not_kept == {Code.UNKNOWN_CODE: 50}
