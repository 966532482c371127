"""FORMAT.md 12, steps B1 to B4: an archive read from a store, by version and hash, filled while it is verified."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liuhen import entry, sealed_records
from liuhen.findings import Code, Severity, Verdict
from liuhen.hashing import sha256
from liuhen.kinds import Segment
from liuhen.report import Language, to_json, to_text
from liuhen.store_archive import StoreArchive, logs_in
from liuhen.store_directory import DirectoryReader
from liuhen.store_journal import SLICE_LIMIT_BYTES, JournalWriter
from liuhen.store_names import MediaName, SliceName
from liuhen.store_reader import Bytes, ObjectVersion, StoreAccess, StoreTrouble
from tests.signing.after_rot import set_aside
from tests.signing.archives import Device, closed_archive, entries, flip, signer
from tests.signing.checking import assert_untouched, check, codes, only, verdicts
from tests.signing.kept import LATER_MS, PAST_MS, kept_archive
from tests.signing.stored import WITNESS, Shelf, shelve
from tests.signing.vector_store import custodian


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return closed_archive(tmp_path / "archive")


@pytest.fixture
def shelf(device: Device, tmp_path: Path) -> Shelf:
    return shelve(device.root, tmp_path / "store")


def files_in(work: Path) -> list[str]:
    return sorted(path.relative_to(work).as_posix() for path in work.rglob("*") if path.is_file())


# --- what is whole ---------------------------------------------------------------------------------------------------


def test_a_store_gives_the_same_answers_as_the_archive_it_was_filled_from(
    device: Device, shelf: Shelf, tmp_path: Path
) -> None:
    report, local = shelf.check(tmp_path / "work"), check(device.root)
    assert_untouched(report)
    assert report.path == f"file:{shelf.root}"
    assert replace(report, path=local.path) == local


@pytest.mark.parametrize("jobs", [1, 3])
def test_nothing_but_the_journal_is_left_in_the_work_directory(
    shelf: Shelf, tmp_path: Path, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liuhen.verify_ahead.START_AFTER_BYTES", 1)
    assert_untouched(shelf.check(tmp_path / "work", jobs=jobs))
    assert files_in(tmp_path / "work") == ["journal/00000000.cbor"]


def test_records_are_read_and_not_left_behind(tmp_path: Path) -> None:
    kept = kept_archive(tmp_path / "archive")
    shelf = shelve(kept.closed(), tmp_path / "store")
    assert_untouched(shelf.check(tmp_path / "work"))
    assert files_in(tmp_path / "work") == ["journal/00000000.cbor"]


def test_what_the_device_reclaimed_is_read_from_the_store_and_vouched(tmp_path: Path) -> None:
    kept = kept_archive(tmp_path / "archive")
    kept.term(PAST_MS)
    kept.reclaim(kept.receipt(LATER_MS), order=kept.order(), remove=False)
    shelf = shelve(kept.closed(), tmp_path / "store")
    report = shelf.check(tmp_path / "work")
    assert_untouched(report)
    assert verdicts(report) == {Verdict.AUTHENTIC: 16}


def test_bytes_that_were_set_aside_are_found_in_the_store(tmp_path: Path) -> None:
    device = Device(root=tmp_path / "archive")
    device.enrol()
    device.start()
    set_aside(device)
    (quarantined,) = (device.root / "quarantine").iterdir()
    session, number = bytes.fromhex(quarantined.name[:32]), int(quarantined.name[33:39])
    shelf = shelve(device.root, tmp_path / "store")
    assert Code.QUARANTINE_ABSENT in codes(shelf.check(tmp_path / "one"), Severity.NOTE)
    shelf.quarantine(session, number, quarantined.read_bytes())
    assert Code.QUARANTINE_ABSENT not in codes(shelf.check(tmp_path / "two"), Severity.NOTE)


def test_one_session_is_read_and_no_other(device: Device, shelf: Shelf, tmp_path: Path) -> None:
    session = next(iter(sorted((device.root / "sessions").iterdir())))
    for path in (shelf.root / "v1" / shelf.log_id.hex() / "media").iterdir():
        if path.name != session.name:
            shutil.rmtree(path)
    report = shelf.check(tmp_path / "work", session=bytes.fromhex(session.name))
    assert report.intact
    assert len(report.sessions) == 1


# --- what is not -----------------------------------------------------------------------------------------------------


def test_s1_a_segment_that_is_not_in_the_store_is_missing(shelf: Shelf, tmp_path: Path) -> None:
    shelf.media()[1].unlink()
    assert codes(shelf.check(tmp_path / "work")) == {Code.SEGMENT_MISSING}


def test_s1_what_a_receipt_names_was_taken_away_and_what_none_names_may_still_come(tmp_path: Path) -> None:
    kept = kept_archive(tmp_path / "archive")
    kept.receipt()
    shelf = shelve(kept.closed(), tmp_path / "store")
    for path in shelf.media():
        path.unlink()
    missing = [f for f in shelf.check(tmp_path / "work").findings if f.code is Code.SEGMENT_MISSING]
    assert {(f.place.session == kept.session, "曾入库" in f.what_zh) for f in missing} == {(True, True), (False, False)}
    assert sum("可能尚未送达" in f.what_zh for f in missing) == 2


def test_b3_a_slice_larger_than_allowed_is_no_slice(shelf: Shelf, tmp_path: Path) -> None:
    shelf.slice(0, 2, bytes(SLICE_LIMIT_BYTES + 1))
    report = shelf.check(tmp_path / "work")
    assert report.intact
    assert codes(report, Severity.WARNING) == {Code.STORE_VERSION_DIFFERS}


def test_a_journal_that_cannot_be_put_together_replaces_none(shelf: Shelf, tmp_path: Path) -> None:
    work = tmp_path / "work"
    shelf.archive(work)
    before = (work / "journal" / "00000000.cbor").read_bytes()
    with pytest.raises(StoreTrouble):
        shelf.archive(work, reader=Broken)
    assert (work / "journal" / "00000000.cbor").read_bytes() == before


def test_b2_a_segment_with_other_bytes_is_told_and_what_holds_of_it_is_still_said(shelf: Shelf, tmp_path: Path) -> None:
    flip(shelf.media()[0], shelf.media()[0].stat().st_size - 400)
    report = shelf.check(tmp_path / "work")
    assert not report.intact
    assert only(report, Code.STORE_VERSION_DIFFERS).place.segment == 0
    assert verdicts(report)[Verdict.ALTERED] >= 1
    assert verdicts(report)[Verdict.AUTHENTIC] > 20


def test_b3_a_slice_that_is_missing_is_a_hole_in_the_journal(shelf: Shelf, tmp_path: Path) -> None:
    shelf.slices()[1].unlink()
    report = shelf.check(tmp_path / "work")
    assert Code.SEQ_GAP in codes(report)
    assert report.complete_up_to is not None
    assert report.complete_up_to.entry == 3


def test_b3_the_report_ends_where_the_slices_end(shelf: Shelf, tmp_path: Path) -> None:
    shelf.slices()[-1].unlink()
    report = shelf.check(tmp_path / "work")
    assert report.complete_up_to is not None
    assert report.complete_up_to.entry == len(shelf.slices()) * 4 - 1
    assert f"第 {report.complete_up_to.entry} 号条目" in to_text(report, Language.ZH, integrity_only=False)


def test_b3_slices_may_overlap_where_they_agree(shelf: Shelf, tmp_path: Path) -> None:
    shelf.slice(2, 9)
    shelf.slice(0, len(shelf.entries) - 1)
    assert_untouched(shelf.check(tmp_path / "work"))


def test_b3_an_overlap_bridges_a_slice_that_is_missing(shelf: Shelf, tmp_path: Path) -> None:
    shelf.slices()[1].unlink()
    shelf.slice(2, 9)
    assert_untouched(shelf.check(tmp_path / "work"))


def test_b3_two_histories_under_one_key_are_a_fork(device: Device, shelf: Shelf, tmp_path: Path) -> None:
    other = Device(root=tmp_path / "other", seed=device.seed)
    other.enrol()
    other.utc_ms += 1
    other.start()
    forged = shelve(other.root, tmp_path / "second").entries
    assert forged[0] == shelf.entries[0]
    shelf.slice(1, 1, forged[1])
    report = shelf.check(tmp_path / "work")
    assert only(report, Code.STORE_FORK).what_en.endswith("entry 1")
    assert not report.intact


@pytest.mark.parametrize("wrong", ["short", "long", "shifted", "torn", "garbage"])
def test_b3_a_slice_that_is_not_what_its_name_says_is_told(shelf: Shelf, tmp_path: Path, wrong: str) -> None:
    some = b"".join(shelf.entries[0:3])
    octets = {
        "short": shelf.entries[0] + shelf.entries[1],
        "long": some + shelf.entries[3],
        "shifted": b"".join(shelf.entries[1:4]),
        "torn": some[:-1],
        "garbage": b"\xd2\x84" + bytes(100),
    }[wrong]
    shelf.slice(0, 2, octets)
    report = shelf.check(tmp_path / "work")
    assert Code.STORE_SLICE_WRONG in codes(report, Severity.WARNING)
    assert report.intact


def test_b1_media_that_no_entry_states_is_foreign(shelf: Shelf, tmp_path: Path) -> None:
    name = MediaName(log_id=shelf.log_id, session=bytes(16), number=0, digest=sha256(b"film"))
    shelf.put(name, b"film")
    report = shelf.check(tmp_path / "work")
    assert report.intact
    assert only(report, Code.STORE_FOREIGN).what_en.endswith("1 media objects that no entry states")


def test_a_link_in_a_store_is_no_object(shelf: Shelf, tmp_path: Path) -> None:
    path = shelf.media()[0]
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert codes(shelf.check(tmp_path / "work")) == {Code.SEGMENT_MISSING}


def test_a_directory_of_the_store_that_is_a_link_is_not_entered(shelf: Shelf, tmp_path: Path) -> None:
    media = shelf.root / "v1" / shelf.log_id.hex() / "media"
    media.rename(tmp_path / "elsewhere")
    media.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert codes(shelf.check(tmp_path / "work")) == {Code.SEGMENT_MISSING}


def test_an_encrypted_record_is_not_presented(tmp_path: Path) -> None:
    kept = kept_archive(tmp_path / "archive")
    path = kept.path_of(kept.record)
    public_key = custodian("one").public_key().public_bytes_raw()
    sealed = sealed_records.seal(path.read_bytes(), [public_key])
    path.unlink()
    shelf = shelve(kept.closed(), tmp_path / "store")
    shelf.record(kept.record, sealed)
    report = shelf.check(tmp_path / "work")
    assert report.intact
    assert only(report, Code.RECORD_ABSENT).what_en.endswith(kept.record.hex())


def test_j21_what_was_to_be_destroyed_and_is_in_the_store_is_told(tmp_path: Path) -> None:
    kept = kept_archive(tmp_path / "archive")
    kept.term(PAST_MS)
    kept.destroy(remove=False)
    report = shelve(kept.closed(), tmp_path / "store").check(tmp_path / "work")
    assert report.intact
    here = [f.what_en for f in report.findings if f.code is Code.DESTROYED_STILL_HERE]
    assert sum(words.endswith("in the store") for words in here) == 2


# --- versions --------------------------------------------------------------------------------------------------------


class Versioned(DirectoryReader):
    """A store in which somebody wrote over everything: the newest version of each key holds other bytes."""

    def versions_of(self, key: str) -> list[ObjectVersion]:
        found = super().versions_of(key)
        return [replace(one, version_id="newer") for one in found] + found

    def open(self, version: ObjectVersion):  # type: ignore[no-untyped-def]
        if version.version_id == "newer":
            return _Forged()
        return super().open(version)


class _Forged:
    def __init__(self) -> None:
        self._left = b"forged"

    def __enter__(self) -> Bytes:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def read(self, size: int, /) -> bytes:
        octets, self._left = self._left[:size], self._left[size:]
        return octets


def test_b2_never_the_latest_but_the_version_with_the_hash(shelf: Shelf, tmp_path: Path) -> None:
    work = tmp_path / "work"
    store = shelf.archive(work, reader=Versioned)
    report = check(work, store=store)
    assert report.intact
    assert report.vouched is not None
    assert codes(report, Severity.WARNING) == {Code.STORE_VERSION_DIFFERS}
    assert len([f for f in report.findings if f.code is Code.STORE_VERSION_DIFFERS]) == len(shelf.slices())


# --- going on after an interruption ----------------------------------------------------------------------------------


class Counting(DirectoryReader):
    """Counts what is read."""

    opened: int = 0

    def open(self, version: ObjectVersion):  # type: ignore[no-untyped-def]
        type(self).opened += 1
        return super().open(version)


def test_what_was_fetched_once_is_not_fetched_again(shelf: Shelf, tmp_path: Path) -> None:
    work = tmp_path / "work"
    assert_untouched(shelf.check(work, keep=True))
    for path in shelf.media():
        path.write_bytes(b"gone")
    assert_untouched(shelf.check(work, keep=True))
    Counting.opened = 0
    shelf.archive(work, keep=True, reader=Counting)
    assert Counting.opened == 0


def test_a_kept_file_that_was_changed_since_is_altered_and_not_believed(shelf: Shelf, tmp_path: Path) -> None:
    work = tmp_path / "work"
    shelf.check(work, keep=True)
    flip(next((work / "sessions").glob("*/000001.mp4")), 3000)
    assert not shelf.check(work, keep=True).intact


class Broken(DirectoryReader):
    """A store whose every connection breaks."""

    def open(self, version: ObjectVersion):  # type: ignore[no-untyped-def]
        raise StoreTrouble("断", "cut")


def test_a_store_that_breaks_off_gives_no_verdict(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(StoreTrouble):
        shelf.archive(tmp_path / "work", reader=Broken)


# --- witnesses -------------------------------------------------------------------------------------------------------


def checkpoints(shelf: Shelf) -> list[int]:
    parsed = [entry.parse(one, where="test") for one in shelf.entries]
    return [one.common.seq for one in parsed if one.kind == "checkpoint"]


def test_b4_a_pinned_witness_is_shown_with_how_far_it_saw(shelf: Shelf, tmp_path: Path) -> None:
    first, second = checkpoints(shelf)[:2]
    shelf.witness(second, media=(bytes(32),))
    shelf.witness(first)
    report = shelf.check(tmp_path / "work", pins=[WITNESS])
    assert_untouched(report)
    assert [(claim.size, claim.media) for claim in report.cosigned] == [(second, 1)]
    zh = to_text(report, Language.ZH, integrity_only=False)
    assert f"见证至第 {second - 1} 号条目，并核对 1 个媒体文件" in zh
    witnessed = to_json(report)["witnessed"]
    assert isinstance(witnessed, list)
    assert witnessed[0]["up_to_entry"] == second - 1


def test_b4_a_witness_of_the_whole_journal_agrees(shelf: Shelf, tmp_path: Path) -> None:
    shelf.witness(len(shelf.entries))
    report = shelf.check(tmp_path / "work", pins=[WITNESS])
    assert_untouched(report)
    assert report.cosigned[0].size == len(shelf.entries)


def test_b4_without_a_pin_a_witness_says_nothing(shelf: Shelf, tmp_path: Path) -> None:
    shelf.witness(3, root=bytes(32))
    report = shelf.check(tmp_path / "work")
    assert_untouched(report)
    assert to_json(report)["witnessed"] is None
    assert "见证" not in to_text(report, Language.ZH, integrity_only=False)


def test_b4_a_pinned_witness_that_said_nothing_is_told(shelf: Shelf, tmp_path: Path) -> None:
    shelf.witness(3, by=signer("somebody"))
    report = shelf.check(tmp_path / "work", pins=[WITNESS])
    assert report.intact
    assert codes(report, Severity.NOTE) == {Code.WITNESS_REFUSED}
    assert "没有所给见证的有效见证" in to_text(report, Language.ZH, integrity_only=False)


def test_b4_a_clean_cut_of_the_tail_is_seen_by_what_a_witness_saw(shelf: Shelf, tmp_path: Path) -> None:
    shelf.witness(len(shelf.entries))
    shelf.slices()[-1].unlink()
    assert Code.WITNESS_AHEAD in codes(shelf.check(tmp_path / "work", pins=[WITNESS]))


def test_b4_another_history_is_seen(shelf: Shelf, tmp_path: Path) -> None:
    shelf.witness(4, root=bytes(32))
    report = shelf.check(tmp_path / "work", pins=[WITNESS])
    assert codes(report) == {Code.WITNESS_DIFFERS}


# --- which log -------------------------------------------------------------------------------------------------------


def test_the_logs_of_a_store_are_listed(device: Device, shelf: Shelf, tmp_path: Path) -> None:
    other = shelve(closed_archive(tmp_path / "other", seed=2).root, shelf.root)
    (shelf.root / "v1" / "not a log").mkdir()
    (shelf.root / "v1" / ("AB" * 16)).mkdir()
    assert logs_in(StoreAccess(url=shelf.url)) == sorted((shelf.log_id, other.log_id))
    assert device.root.exists()


def test_a_log_without_a_slice_is_no_archive(shelf: Shelf, tmp_path: Path) -> None:
    access = StoreAccess(url=shelf.url)
    found = StoreArchive(
        access=access, reader=DirectoryReader(access), log_id=bytes(16), root=tmp_path / "work", keep=False
    )
    with pytest.raises(StoreTrouble, match="no slice of log"):
        found.assemble()


def test_a_journal_longer_than_a_file_is_several_files(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liuhen.store_journal.FILE_CLOSES_BYTES", 3000)
    assert_untouched(shelf.check(tmp_path / "work"))
    assert len(files_in(tmp_path / "work")) == 3


def _statements(shelf: Shelf) -> Iterator[Segment]:
    for encoded in shelf.entries:
        body = entry.parse(encoded, where="test").body
        if isinstance(body, Segment):
            yield body


def test_every_segment_of_the_journal_is_an_object(shelf: Shelf) -> None:
    assert len(list(_statements(shelf))) == len(shelf.media())


# --- any slices ------------------------------------------------------------------------------------------------------


def sliced(entries: list[bytes], parts: list[tuple[int, int]], folder: Path) -> tuple[bytes, list[str]]:
    """The journal that such slices make, and what was told."""
    (folder / "journal").mkdir(parents=True, exist_ok=True)
    told: list[str] = []
    with JournalWriter(folder / "journal", folder / "hashes", lambda code, words: told.append(words)) as writer:
        for first, last in sorted(parts):
            octets = b"".join(entries[first : last + 1])
            writer.add(SliceName(log_id=bytes(16), first=first, last=last, digest=sha256(octets)), octets)
    return (folder / "journal" / "00000000.cbor").read_bytes(), told


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=8))
def test_b3_whatever_slices_there_are_each_entry_stands_once_and_none_is_invented(
    device: Device, tmp_path: Path, parts: list[tuple[int, int]]
) -> None:
    whole = entries(device.root)
    chosen = [(min(part), max(part)) for part in parts]
    content, told = sliced(whole, chosen, tmp_path / "work")
    covered = sorted({seq for first, last in chosen for seq in range(first, last + 1)})
    assert content == b"".join(whole[seq] for seq in covered)
    assert told == []
