"""`liuhen records|retention|destroy|export`: what a person types, what the disk and the journal hold afterwards."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge import destruction, journal
from edge.__main__ import main
from edge.commands import destroy as destroy_command
from edge.commands.acts import EXIT_DENIED
from edge.opening import maintenance
from edge.ports import SyncState
from edge.refusals import EXIT_FAULT
from edge.retention import Allowed, Denied, may_destroy
from edge.spool import open_spool
from liuhen import archive
from liuhen.findings import Code, Severity
from liuhen.hashing import sha256
from liuhen.kinds import Amend, Destroyed, EntryBody, Hold, Recovered, Refusal, Retention
from liuhen.registry import ContentKind, GapCause, RecordLabel, RefusalCode
from liuhen.report import Report
from tests.edge.destroy_on_full_disk import destroy_on_full_disk
from tests.edge.keeping_room import ActClock, Person, with_two_sessions

pytestmark = pytest.mark.long

PERSONS = "申请人：王某某"
FIVE_YEARS = 5 * 366
DIED = 99


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    with_two_sessions(folder)
    return folder


@pytest.fixture
def person(recorded: Path, tmp_path: Path) -> Person:
    """The same recording in a folder of its own: the demo key and the spool are copied with it."""
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    return Person(tmp_path)


def bodies(person: Person, kind: type[EntryBody]) -> list[EntryBody]:
    found = (entry.body for path in person.device.journal_files() for entry in journal.entries_of(path))
    return [body for body in found if isinstance(body, kind)]


def problems(report: Report) -> set[Code]:
    return {f.code for f in report.findings if f.severity in (Severity.BROKEN, Severity.UNVOUCHED, Severity.WARNING)}


def add(person: Person, text: str = PERSONS, *, session: str = "1", label: str = "persons") -> bytes:
    """Add a record and return its commitment."""
    before = person.ledger().labels.keys()
    assert (
        person.acts("records", "add", "--session", session, "--label", label, "--file", person.file("text", text)) == 0
    )
    (commitment,) = person.ledger().labels.keys() - before
    return commitment


def term_over(person: Person, session: str = "1") -> None:
    """Set a term and let it pass."""
    assert (
        person.acts("retention", "extend", "--session", session, "--until", "2027-12-31", "--basis", "case-file") == 0
    )
    person.days += FIVE_YEARS


def order(person: Person) -> str:
    return person.file("order", "经局领导李某某批准，案卷保管期满，依《管理办法》销毁")


# --- records ---------------------------------------------------------------------------------------------------------


def test_a_record_is_added_to_a_session_that_has_ended_and_the_chain_holds(person: Person) -> None:
    commitment = add(person)
    report = person.verify()
    assert report.intact
    assert problems(report) == set()
    (amend,) = bodies(person, Amend)
    assert isinstance(amend, Amend)
    assert amend.records == ((RecordLabel.PERSONS, commitment),)
    assert person.ledger().keeping.owners[commitment] == {person.session(1)}


def test_no_text_stands_in_the_chain_or_in_what_is_said(person: Person, capfd: pytest.CaptureFixture[str]) -> None:
    add(person)
    said = capfd.readouterr()
    everywhere = b"".join(path.read_bytes() for path in person.device.journal_files())
    assert PERSONS not in said.out + said.err
    assert PERSONS.encode() not in everywhere
    assert sum(PERSONS.encode() in p.read_bytes() for p in (person.device.spool / "records").iterdir()) == 1


def test_text_comes_from_standard_input_too(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(person.file("typed", "e\u0301")).open(encoding="utf-8") as typed:
        monkeypatch.setattr(sys, "stdin", typed)
        assert person.acts("records", "add", "--session", "2", "--label", "case") == 0
    (commitment,) = [c for c, label in person.ledger().labels.items() if label == RecordLabel.CASE]
    assert archive.record_path(person.device.spool, commitment).read_bytes()[32:] == "\u00e9".encode()  # NFC


def test_two_equal_texts_do_not_look_alike(person: Person) -> None:
    assert add(person) != add(person)


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "请写明内容"), (b" \n", "请写明内容"), (b"\xff\xfe\x00", "UTF-8")]
)
def test_text_that_is_none_is_refused_in_one_line_and_nothing_is_written(
    person: Person, content: bytes, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = sorted(person.device.spool.rglob("*"))
    path = person.folder / "bad"
    path.write_bytes(content)
    assert person.acts("records", "add", "--session", "1", "--label", "case", "--file", str(path)) == 2
    assert words in capfd.readouterr().err
    assert sorted(person.device.spool.rglob("*")) == before


def test_an_attachment_is_kept_byte_for_byte_and_written_out_again(person: Person) -> None:
    path = person.folder / "scan"
    path.write_bytes(b"\xff\xd8\x00binary")
    assert person.acts("records", "add", "--session", "1", "--label", "attachment", "--file", str(path)) == 0
    (commitment,) = [c for c, label in person.ledger().labels.items() if label == RecordLabel.ATTACHMENT]
    spool, out = str(person.device.spool), str(person.folder / "out")
    assert person.types("records", "show", commitment.hex()[:12], spool) == 2
    assert person.types("records", "show", commitment.hex()[:12], spool, "--out", out) == 0
    assert Path(out).read_bytes() == path.read_bytes()
    assert person.types("records", "show", commitment.hex()[:12], spool, "--out", out) == 2  # never over a file


def test_a_shown_record_cannot_move_the_terminal(person: Person, capfd: pytest.CaptureFixture[str]) -> None:
    commitment = add(person, "一\x1b[2J二")
    capfd.readouterr()
    assert person.types("records", "show", commitment.hex(), str(person.device.spool)) == 0
    assert capfd.readouterr().out == "一\ufffd[2J二\n"


def test_an_altered_record_is_not_shown(person: Person, capfd: pytest.CaptureFixture[str]) -> None:
    commitment = add(person)
    path = archive.record_path(person.device.spool, commitment)
    path.write_bytes(path.read_bytes().replace("王".encode(), "李".encode()))
    capfd.readouterr()
    assert person.types("records", "show", commitment.hex(), str(person.device.spool)) == 2
    said = capfd.readouterr()
    assert "已被改动" in said.err
    assert said.out == ""
    assert Code.RECORD_ALTERED in problems(person.verify())


def test_an_unknown_session_or_record_is_refused_in_one_line(person: Person, capfd: pytest.CaptureFixture[str]) -> None:
    text = person.file("text", "x")
    assert person.acts("records", "add", "--session", "9", "--label", "case", "--file", text) == 2
    assert "spool ls" in capfd.readouterr().err
    assert person.types("records", "show", "00" * 32, str(person.device.spool)) == 2
    assert person.types("records", "show", "00", str(person.device.spool)) == 2
    assert person.verify().intact


def test_a_folder_that_is_no_spool_is_refused(person: Person, tmp_path: Path) -> None:
    for words in (("records", "ls"), ("retention", "ls")):
        assert person.types(*words, str(tmp_path / "nothing")) == 2


# --- terms and holds -------------------------------------------------------------------------------------------------


def test_a_term_is_only_extended(person: Person, capfd: pytest.CaptureFixture[str]) -> None:
    def extend(*words: str) -> int:
        return person.acts("retention", "extend", "--session", "1", "--basis", "law", *words)

    assert extend("--until", "2030-06-30") == 0
    assert extend("--until", "2030-06-30") == EXIT_DENIED
    assert extend("--until", "2029-01-01") == EXIT_DENIED
    assert "不能缩短" in capfd.readouterr().err
    assert extend("--until", "2031-01-01") == 0
    assert extend("--permanent") == 0
    assert extend("--until", "2099-01-01") == EXIT_DENIED
    assert len(bodies(person, Retention)) == 3
    assert problems(person.verify()) == set()


def test_the_last_day_is_kept_to_its_end(person: Person) -> None:
    assert person.acts("retention", "extend", "--session", "1", "--basis", "law", "--until", "2027-12-31") == 0
    (entry,) = bodies(person, Retention)
    assert isinstance(entry, Retention)
    assert entry.until_ms is not None
    assert abs(entry.until_ms - 1_830_297_600_000) <= 14 * 3_600_000  # 2028-01-01, in whatever zone this machine is


def test_a_term_that_is_over_when_it_is_set_is_said_to_be(person: Person, capfd: pytest.CaptureFixture[str]) -> None:
    extend = ("retention", "extend", "--session", "1", "--basis", "law", "--until")
    assert person.acts(*extend, "2020-01-01") == 0
    assert "此期限已满" in capfd.readouterr().out
    assert person.acts(*extend, "2099-01-01") == 0
    assert "此期限已满" not in capfd.readouterr().out


def test_holds_are_listed_and_lifted_by_their_entry(person: Person, capfd: pytest.CaptureFixture[str]) -> None:
    why = person.file("why", "当事人申诉")
    assert person.acts("retention", "hold", "--session", "2", "--ground-file", why) == 0
    (entry,) = person.ledger().keeping.holds_on(person.session(2))
    capfd.readouterr()
    assert person.types("retention", "ls", str(person.device.spool)) == 0
    assert f"held by entry {entry}" in capfd.readouterr().out
    lift = ("retention", "lift", "--ground-file", why)
    assert person.acts(*lift, "--session", "1", "--entry", str(entry)) == EXIT_DENIED
    assert person.acts(*lift, "--all", "--entry", str(entry)) == EXIT_DENIED
    assert person.acts(*lift, "--session", "2", "--entry", str(entry)) == 0
    assert person.ledger().keeping.holds_on(person.session(2)) == []
    assert problems(person.verify()) == set()


# --- destruction -----------------------------------------------------------------------------------------------------


def test_a_session_past_its_term_is_destroyed_with_its_records_and_the_rest_stays(person: Person) -> None:
    commitment, other = add(person), add(person, session="2")
    whole = {path: path.read_bytes() for path in person.device.journal_files()}
    term_over(person)
    assert person.acts("destroy", "--session", "1", "--basis-file", order(person)) == 0
    assert person.segments(1) == []
    assert not archive.record_path(person.device.spool, commitment).exists()
    assert len(person.segments(2)) == 2
    assert archive.record_path(person.device.spool, other).exists()
    assert all(path.read_bytes().startswith(content) for path, content in whole.items())
    report = person.verify()
    assert report.intact
    assert report.vouched is not None
    assert problems(report) == set()
    assert {Code.DESTROYED, Code.SEGMENT_DESTROYED, Code.RECORD_DESTROYED} <= {f.code for f in report.findings}


def test_one_record_is_destroyed_and_the_recording_stays(person: Person) -> None:
    commitment = add(person)
    term_over(person)
    assert person.acts("destroy", "--record", commitment.hex(), "--basis-file", order(person)) == 0
    assert not archive.record_path(person.device.spool, commitment).exists()
    assert len(person.segments(1)) == 2
    assert person.verify().intact


def test_the_order_itself_is_kept_for_good(person: Person, capfd: pytest.CaptureFixture[str]) -> None:
    term_over(person)
    assert person.acts("destroy", "--session", "1", "--basis-file", order(person)) == 0
    (destroyed,) = bodies(person, Destroyed)
    assert isinstance(destroyed, Destroyed)
    ((label, commitment),) = destroyed.records
    assert label == RecordLabel.APPROVAL
    assert "李某某".encode() in archive.record_path(person.device.spool, commitment).read_bytes()
    capfd.readouterr()
    assert person.acts("destroy", "--record", commitment.hex(), "--basis-file", order(person)) == EXIT_DENIED
    refused = capfd.readouterr().err
    assert "须长期保存" in refused
    hint = re.search(r"`liuhen (retention ls [^`]+)`", refused)
    assert hint is not None
    assert person.types(*hint[1].split()) == 0, "what the refusal says to type works when typed"


def _no_term(_: Person) -> None:
    """Nothing was ever set."""


def _in_term(person: Person) -> None:
    assert person.acts("retention", "extend", "--session", "1", "--until", "2027-12-31", "--basis", "law") == 0


def _for_good(person: Person) -> None:
    term_over(person)
    assert person.acts("retention", "extend", "--session", "1", "--permanent", "--basis", "long-term") == 0


def _held(person: Person) -> None:
    term_over(person)
    assert person.acts("retention", "hold", "--all", "--ground-file", person.file("why", "复议")) == 0


def _unsynchronised(person: Person) -> None:
    term_over(person)
    person.sync = SyncState.HOLDOVER


REFUSED: dict[str, tuple[Callable[[Person], None], RefusalCode]] = {
    "no term": (_no_term, RefusalCode.TERM_UNSET),
    "in term": (_in_term, RefusalCode.IN_TERM),
    "for good": (_for_good, RefusalCode.PERMANENT),
    "held": (_held, RefusalCode.HELD),
    "clock": (_unsynchronised, RefusalCode.CLOCK_UNPROVEN),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_must_be_kept_is_not_destroyed_and_the_refusal_is_in_the_journal(
    person: Person, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    prepare, code = REFUSED[name]
    commitment = add(person)
    prepare(person)
    before = {path: path.read_bytes() for path in person.segments(1)}
    capfd.readouterr()
    assert person.acts("destroy", "--session", "1", "--basis-file", order(person)) == EXIT_DENIED
    said = capfd.readouterr().err
    assert code.words_zh in said.splitlines()[0]
    assert {path: path.read_bytes() for path in person.segments(1)} == before
    assert archive.record_path(person.device.spool, commitment).exists()
    (refusal,) = bodies(person, Refusal)
    assert isinstance(refusal, Refusal)
    assert refusal.code == code
    assert refusal.measured[0] == 1
    assert archive.record_path(person.device.spool, refusal.records[0][1]).exists()
    assert bodies(person, Destroyed) == []
    report = person.verify()
    assert report.intact
    assert problems(report) == {Code.DESTRUCTION_REFUSED}


def test_where_entries_of_the_journal_are_missing_nothing_is_destroyed(
    person: Person, capfd: pytest.CaptureFixture[str]
) -> None:
    term_over(person)
    (path,) = person.device.journal_files()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    capfd.readouterr()
    assert person.acts("destroy", "--session", "1", "--basis-file", order(person)) == EXIT_DENIED
    assert RefusalCode.JOURNAL_INCOMPLETE.words_zh in capfd.readouterr().err
    assert len(person.segments(1)) == 2


def test_without_an_order_nothing_is_destroyed(person: Person, capfd: pytest.CaptureFixture[str]) -> None:
    term_over(person)
    assert person.acts("destroy", "--session", "1") == 2
    assert "须有审批" in capfd.readouterr().err
    assert len(person.segments(1)) == 2


def test_a_file_that_is_not_what_the_journal_names_is_kept_and_told(
    person: Person, capfd: pytest.CaptureFixture[str]
) -> None:
    term_over(person)
    swapped = person.segments(1)[1]
    swapped.write_bytes(b"something else")
    assert person.acts("destroy", "--session", "1", "--basis-file", order(person)) == 1
    assert swapped.read_bytes() == b"something else"
    assert not (swapped.parent / "000000.mp4").exists()
    assert "未删除" in capfd.readouterr().err


def test_a_link_in_the_place_of_a_segment_destroys_nothing_elsewhere(person: Person) -> None:
    term_over(person)
    stolen, path = person.folder / "elsewhere.mp4", person.segments(1)[0]
    path.rename(stolen)
    path.symlink_to(stolen)
    person.acts("destroy", "--session", "1", "--basis-file", order(person))
    assert stolen.exists()


def test_a_session_of_more_segments_than_an_entry_holds_needs_several(person: Person) -> None:
    rows = tuple((int(ContentKind.SEGMENT), n.to_bytes(32, "big")) for n in range(destruction.ROWS_LIMIT + 1))
    term_over(person)
    with maintenance(person.device.config, person.clock(), lambda *_: None) as log:
        ledger = person.ledger()
        record = destruction.keep_record(log.spool, b"x", salt=secrets.token_bytes(32))
        allowed = Allowed(session=person.session(1), contents=rows, clock=log.journal.state.clock)
        destruction.destroy(log.spool, log.journal, ledger=ledger, allowed=allowed, order=record)
    assert [len(body.contents) for body in bodies(person, Destroyed) if isinstance(body, Destroyed)] == [512, 1]


def test_bytes_in_quarantine_go_with_their_session_and_no_others(person: Person) -> None:
    folder, one, two = person.device.spool / "quarantine", person.session(1).hex(), person.session(2).hex()
    named, alike, equal = (folder / f"{session}-000001-77.bin" for session in (one, f"{one}-of", two))
    for path, content in ((named, b"zeros"), (alike, b"other"), (equal, b"zeros")):
        path.write_bytes(content)
    digest, size = sha256(named.read_bytes()), named.stat().st_size
    with maintenance(person.device.config, person.clock(), lambda *_: None) as log:
        body = Recovered(
            head=None,
            torn_journal_bytes=0,
            last_durable=None,
            quarantined=((person.session(1), 1, size, digest),),
            rotten=(),
            since=None,
            length_ns=None,
            cause=GapCause.POWER_LOW,
        )
        log.journal.append(body, session_id=None)
    person.boots += 1
    term_over(person)
    assert person.acts("destroy", "--session", "1", "--basis-file", order(person)) == 0
    assert {path.name for path in folder.iterdir()} == {alike.name, equal.name}


def test_on_a_full_disk_an_order_takes_the_reserve_and_gives_space_back(person: Person) -> None:
    term_over(person)
    reserve = person.device.spool / "device/journal-reserve"
    assert reserve.exists()
    text = person.file("long order", "经批准销毁。" * 2000)
    assert destroy_on_full_disk(person.folder, days=person.days, boots=person.boots, order=text) == 0
    shutil.rmtree(person.device.spool)
    (person.folder / "after").rename(person.device.spool)
    assert not reserve.exists()
    assert person.segments(1) == []
    report = person.verify()
    assert report.intact
    assert problems(report) == set()
    assert Code.RECORD_FOREIGN not in {f.code for f in report.findings}


def contents(person: Person) -> set[Path]:
    """The files of segments and records."""
    return {path for folder in ("sessions", "records") for path in (person.device.spool / folder).rglob("*.*")}


# --- cut off in between ----------------------------------------------------------------------------------------------


def dies(work: Callable[[], object], *, step: int) -> bool:
    """Do the work in a process that dies before its n-th change of the disk; returns whether it died."""
    pid = os.fork()
    if pid == 0:
        steps = 0

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal steps
            mode = arguments[2] if event == "open" and isinstance(arguments[2], int) else 0
            if event in {"os.remove", "os.mkdir", "os.rename"} or mode & os.O_ACCMODE:
                steps += 1
                if steps == step:
                    os._exit(DIED)

        code = 1
        try:
            sys.addaudithook(watch)
            work()
            code = 0
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, DIED)
    return status == DIED


def test_an_order_that_was_cut_off_anywhere_is_finished_by_the_next_start(person: Person, tmp_path: Path) -> None:
    add(person)
    term_over(person)
    original, step, finished = tmp_path / "original", 0, set()
    shutil.copytree(person.device.spool, original)
    kept_head = person.device.config.key.file.with_name("device.key.head").read_bytes()
    words = ("destroy", "--session", "1", "--basis-file", order(person))
    died = True
    while died:
        step += 1
        shutil.rmtree(person.device.spool)
        shutil.copytree(original, person.device.spool)
        person.device.config.key.file.with_name("device.key.head").write_bytes(kept_head)
        died = dies(lambda: person.acts(*words), step=step)
        said = bool(bodies(person, Destroyed))
        person.boots += 2  # the act that died was a boot of its own
        before = contents(person)
        with maintenance(person.device.config, person.clock(), lambda *_: None) as log:  # the start finishes it
            finished.add(len(before - contents(person)))
            assert destruction.finish_destructions(log.spool) == destruction.Carried()
        assert (len(person.segments(1)), len(person.segments(2))) == ((0, 2) if said else (2, 2)), step
        assert not (person.device.spool / destruction.PENDING_FILE).exists()
        report = person.verify()
        assert report.intact, (step, [f.what_en for f in report.findings if f.severity is Severity.BROKEN])
        assert Code.DESTROYED_STILL_HERE not in {f.code for f in report.findings}
    assert finished == {0, 1, 2, 3, 4}  # two segments, the place of the session, the record that was added
    assert step > 8


def starts(person: Person) -> list[str]:
    """A start and its end; what it says in English."""
    said: list[str] = []
    person.boots += 1
    with maintenance(person.device.config, person.clock(), lambda _zh, en: said.append(en)):
        pass
    return said


def flip(person: Person, at: int = 400) -> None:
    """One byte of the journal's first file, and back again."""
    path = person.device.spool / "journal" / "00000000.cbor"
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def rot_before(person: Person, kind: type) -> None:
    """One byte of the entry before the first of this kind is another: a start, which reads the end, sees nothing."""
    path = person.device.spool / "journal" / "00000000.cbor"
    entries = list(journal.entries_of(path))
    place = next(place for place, one in enumerate(entries) if isinstance(one.body, kind))
    content = bytearray(path.read_bytes())
    content[sum(len(one.envelope.encoded) for one in entries[: place - 1])] ^= 0xFF
    path.write_bytes(content)
    assert len(list(journal.entries_of(path))) == place - 1


def test_a_hold_that_a_rotten_byte_hides_holds_all_the_same(person: Person, capsys: pytest.CaptureFixture[str]) -> None:
    term_over(person)
    assert person.acts("retention", "hold", "--session", "1", "--ground-file", order(person)) == 0
    rot_before(person, Hold)
    capsys.readouterr()
    assert person.acts("destroy", "--session", "1", "--basis-file", order(person)) == EXIT_DENIED
    assert "拒绝销毁" in capsys.readouterr().err
    assert len(person.segments(1)) == 2
    assert person.ledger().whole is False
    assert person.types("retention", "ls", str(person.device.spool)) == 0
    assert "日志有缺失" in capsys.readouterr().out


def test_what_was_said_and_not_done_is_seen_by_a_verifier_until_it_is_finished(person: Person) -> None:
    term_over(person)
    with maintenance(person.device.config, person.clock(), lambda *_: None) as log:
        session = person.session(1)
        contents = person.ledger().contents_of(session)
        log.journal.append(Destroyed(contents=contents, basis=0, records=()), session_id=session)
    assert {f.code for f in person.verify().findings} >= {Code.DESTROYED, Code.DESTROYED_STILL_HERE}
    assert person.acts("destroy", "--finish") == 0
    assert person.segments(1) == []
    assert Code.DESTROYED_STILL_HERE not in {f.code for f in person.verify().findings}


def test_a_destruction_that_a_journal_with_a_hole_leaves_is_told_at_each_start_and_finished_when_it_is_whole(
    person: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    term_over(person)
    with monkeypatch.context() as patch:
        patch.setattr(destruction, "remove_contents", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            person.acts("destroy", "--session", "1", "--basis-file", order(person))
    mark = person.device.spool / destruction.PENDING_FILE
    flip(person)
    for _ in range(2):
        assert [line for line in starts(person) if "liuhen destroy --finish" in line]
    capsys.readouterr()
    assert person.acts("destroy", "--finish") == EXIT_FAULT
    assert "未删除任何文件" in capsys.readouterr().err
    assert (len(person.segments(1)), mark.exists()) == (2, True)
    flip(person)
    assert person.acts("destroy", "--finish") == 0
    assert (person.segments(1), mark.exists()) == ([], False)


def test_what_was_brought_back_and_is_held_again_is_not_finished_off(person: Person) -> None:
    term_over(person)
    originals = {path: path.read_bytes() for path in person.segments(1)}
    assert person.acts("destroy", "--session", "1", "--basis-file", order(person)) == 0
    for path, content in originals.items():
        path.write_bytes(content)
    assert person.acts("retention", "hold", "--session", "1", "--ground-file", order(person)) == 0
    assert person.acts("destroy", "--finish") == 0
    assert person.segments(1) == list(originals)
    held = next(iter(person.ledger().keeping.holds_on(person.session(1))))
    assert person.acts("retention", "lift", "--session", "1", "--entry", str(held), "--ground-file", order(person)) == 0
    assert person.acts("destroy", "--finish") == 0
    assert person.segments(1) == []


def test_a_clock_that_is_lost_while_an_order_is_carried_out_unfounds_nothing(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    term_over(person)
    person.boots += 1
    clock = person.clock()
    monkeypatch.setattr(person, "clock", lambda: clock)
    monkeypatch.setattr(destroy_command, "may_destroy", lambda *asked: _then_lost(may_destroy(*asked), clock))
    assert person.acts("destroy", "--session", "1", "--basis-file", order(person)) == 0
    assert person.segments(1) == []
    report = person.verify()
    assert report.intact
    assert Code.DESTROYED in {f.code for f in report.findings}


def _then_lost(decision: Allowed | Denied, clock: ActClock) -> Allowed | Denied:
    clock.sync = SyncState.HOLDOVER
    return decision


def test_a_start_without_an_order_under_way_reads_no_journal(person: Person) -> None:
    spool = open_spool(person.device.spool)
    (person.device.spool / "journal" / "00000000.cbor").write_bytes(b"rubbish")
    assert destruction.finish_destructions(spool) == destruction.Carried()
    spool.close()


# --- copies ----------------------------------------------------------------------------------------------------------


def export(person: Person, *words: str) -> tuple[int, Path]:
    target = person.folder / "copy"
    return person.types("export", str(person.device.spool), str(target), *words), target


def test_a_whole_copy_verifies_as_the_original_does(person: Person) -> None:
    commitment = add(person)
    code, target = export(person)
    assert code == 0
    report = person.verify(target)
    assert report.intact
    assert problems(report) == set()
    assert archive.record_path(target, commitment).exists()
    assert not (target / "device").exists()


def test_a_withheld_record_is_not_in_the_copy_and_the_chain_is_whole(
    person: Person, capfd: pytest.CaptureFixture[str]
) -> None:
    persons, case = add(person), add(person, "案号", label="case")
    code, target = export(person, "--withhold", "persons")
    assert code == 0
    assert f"未提交 withheld: 人员 persons\n  {persons.hex()}\n" in capfd.readouterr().out
    assert not any(PERSONS.encode() in path.read_bytes() for path in target.rglob("*") if path.is_file())
    assert archive.record_path(target, case).exists()
    report = person.verify(target)
    assert report.intact
    assert report.vouched is not None
    absent = [f for f in report.findings if f.code is Code.RECORD_ABSENT]
    assert [f.what_en for f in absent] == [f"content not presented: {persons.hex()}"]


def test_a_record_is_withheld_by_its_number_alone(person: Person) -> None:
    one, other = add(person), add(person)
    code, target = export(person, "--withhold", one.hex()[:16])
    assert code == 0
    assert not archive.record_path(target, one).exists()
    assert archive.record_path(target, other).exists()


def test_a_copy_of_one_session_verifies_as_that_session_and_holds_nothing_of_the_other(person: Person) -> None:
    other = add(person, session="2")
    code, target = export(person, "--session", "1")
    assert code == 0
    assert not archive.session_path(target, person.session(2)).exists()
    assert not archive.record_path(target, other).exists()
    assert person.verify(target, session=person.session(1)).intact
    assert Code.SEGMENT_MISSING in problems(person.verify(target))  # the whole it is not


def test_orders_about_one_session_do_not_go_into_a_copy_of_another(person: Person) -> None:
    assert person.acts("retention", "hold", "--session", "2", "--ground-file", person.file("why", "李某某举报")) == 0
    assert person.acts("destroy", "--session", "2", "--basis-file", person.file("why", "李某某举报")) == EXIT_DENIED
    code, one = export(person, "--session", "1")
    assert code == 0
    assert not any("李某某".encode() in path.read_bytes() for path in one.rglob("*.record"))
    two = person.folder / "two"
    assert person.types("export", str(person.device.spool), str(two), "--session", "2") == 0
    assert sum("李某某".encode() in path.read_bytes() for path in two.rglob("*.record")) == 2


def test_destroyed_content_is_destroyed_in_a_copy_too(person: Person, capfd: pytest.CaptureFixture[str]) -> None:
    commitment = add(person)
    term_over(person)
    assert person.acts("destroy", "--session", "1", "--basis-file", order(person)) == 0
    code, target = export(person)
    assert code == 0
    report = person.verify(target)
    assert report.intact
    destroyed = {f.what_en[-64:] for f in report.findings if f.code is Code.RECORD_DESTROYED}
    place = {c.hex() for c, label in person.ledger().labels.items() if label == RecordLabel.PLACE}
    assert commitment.hex() in destroyed
    assert destroyed - {commitment.hex()} < place  # that of the first session went with it
    assert "not in the spool" not in capfd.readouterr().out


def test_a_copy_never_overwrites_and_never_goes_into_the_archive(
    person: Person, capfd: pytest.CaptureFixture[str]
) -> None:
    spool = person.device.spool
    assert export(person)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in spool.rglob("*")}
    assert export(person)[0] == 2
    assert "从不覆盖" in capfd.readouterr().err
    for inside in (spool, spool / "copy", spool.parent):
        assert person.types("export", str(spool), str(inside)) == 2
    assert {path: path.stat().st_mtime_ns for path in spool.rglob("*")} == before


def test_a_copy_is_made_while_the_recorder_holds_the_spool(person: Person) -> None:
    held = open_spool(person.device.spool)
    assert export(person)[0] == 0
    held.close()
    assert person.verify(person.folder / "copy").intact


def test_a_copy_that_was_cut_short_anywhere_is_not_taken_for_whole(person: Person) -> None:
    step, died, target = 0, True, person.folder / "copy"
    while died:
        step += 1
        shutil.rmtree(target, ignore_errors=True)
        died = dies(lambda: export(person), step=step)
        whole = archive.locate(target) is not None and person.verify(target).intact
        assert whole is not died, step
    assert step > 10


def test_a_record_that_is_not_there_is_told_and_the_copy_goes_on(
    person: Person, capfd: pytest.CaptureFixture[str]
) -> None:
    commitment = add(person)
    archive.record_path(person.device.spool, commitment).unlink()
    code, _ = export(person)
    assert code == 0
    assert f"not in the spool:\n  records/{commitment.hex()}.record" in capfd.readouterr().out


def test_a_link_is_not_copied(person: Person, capfd: pytest.CaptureFixture[str]) -> None:
    commitment = add(person)
    path, elsewhere = archive.record_path(person.device.spool, commitment), person.folder / "secret"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    code, target = export(person)
    assert code == 1
    assert not archive.record_path(target, commitment).exists()
    assert "symbolic link" in capfd.readouterr().err


def test_terms_can_be_read_from_a_copy(person: Person, capfd: pytest.CaptureFixture[str]) -> None:
    term_over(person)
    _, target = export(person)
    capfd.readouterr()
    assert person.types("retention", "ls", str(target)) == 0
    assert "kept until" in capfd.readouterr().out


def test_every_command_is_on_the_command_line_of_the_device(person: Person) -> None:
    spool, config = str(person.device.spool), str(person.config)
    assert (
        main(["records", "add", "--config", config, "--session", "1", "--label", "case", "--file", order(person)]) == 0
    )
    assert main(["records", "ls", spool]) == 0
    assert main(["retention", "ls", spool]) == 0
    assert main(["export", spool, str(person.folder / "copy")]) == 0
    refused = main(["destroy", "--config", config, "--session", "1", "--basis-file", order(person)])
    assert refused == EXIT_DENIED
