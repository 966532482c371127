"""A device's keys over its whole life: rotated, retired, disowned, lost and found again, with the real recorder."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge import journal
from edge.app import Start, conduct_threads, run
from edge.opening import EXIT_KEY
from edge.ports import Hardware
from edge.refusals import Refused
from liuhen import archive, cose, keys
from liuhen.entry import Entry
from liuhen.findings import Code, Severity, Verdict
from liuhen.kinds import Enrolment, Key, Segment, Session, SessionEnd
from liuhen.reader import Initialisation, read_segment
from liuhen.registry import Custody, KeyAct, KeyCause
from liuhen.report import Report
from tests.drivers.token_room import tokens
from tests.edge.key_person import DIED, MINUTE_NS, Person, dies_at_flush
from tests.edge.killed import Killed, run_all
from tests.edge.live_room import LiveCamera, LiveMicrophone
from tests.edge.ports_room import Onlooker, Room

pytestmark = pytest.mark.long


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(folder=tmp_path)


def entries(person: Person) -> list[Entry]:
    return [entry for path in person.device.journal_files() for entry in journal.entries_of(path)]


def key_entries(person: Person) -> list[tuple[Entry, Key]]:
    return [(entry, entry.body) for entry in entries(person) if isinstance(entry.body, Key)]


def unvouched(report: Report) -> set[Code]:
    """Why nobody vouches, but for the room being simulated: under a key that is no demo's that is told too."""
    found = {finding.code for finding in report.findings if finding.severity is Severity.UNVOUCHED}
    return found - {Code.SUBSTITUTED_SOURCE}


def counted(report: Report) -> dict[Verdict, int]:
    return {verdict: count for verdict, count in report.verdicts.items() if count}


def kid_of(path: Path) -> bytes:
    return cose.key_id(keys.load_signer(path).public_key)


# --- rotation --------------------------------------------------------------------------------------------------------


def test_a_rotated_device_records_on_and_is_vouched_for_once_its_new_key_is_endorsed(person: Person) -> None:
    person.records()
    old = kid_of(person.key_file)
    assert person.acts("keys rotate") == 0
    ((entry, body),) = key_entries(person)
    assert (entry.envelope.kid, body.subject, body.act) == (old, old, KeyAct.ROTATED)
    new = kid_of(person.key_file)
    assert cose.key_id(body.new_public_key or b"") == new != old
    assert {entry.envelope.kid for entry in entries(person)[entry.common.seq + 1 :]} == {new}
    assert kid_of(person.key_file.with_name(f"device.key.left-{old.hex()[:16]}")) == old
    person.records()
    report = person.verify()
    assert report.intact
    assert unvouched(report) == {Code.UNENDORSED}
    assert set(counted(report)) == {Verdict.AUTHENTIC, Verdict.UNENDORSED}
    card = next(person.key_file.parent.glob("device.key.*.card"))
    person.configure(person.endorses(card, person.folder / "new.endorsement"))
    person.records()
    report = person.verify()
    assert report.vouched is not None
    assert set(counted(report)) == {Verdict.AUTHENTIC}


def test_a_key_made_and_endorsed_before_takes_over_without_a_gap_in_trust(person: Person) -> None:
    person.records()
    old_card, folder = person.folder / "keys" / "device.card", person.folder / "next"
    assert person.types(f"keys init device --successor-of {old_card} --out {folder}") == 0
    endorsement = person.endorses(folder / "device.card", folder / "endorsement")
    assert person.acts(f"keys rotate --new-key {folder}/device.key --endorsement {endorsement}") == 0
    person.records()
    report = person.verify()  # the configuration still names the old endorsement: the log carries the new one
    assert report.vouched is not None
    assert set(counted(report)) == {Verdict.AUTHENTIC}


@pytest.mark.parametrize("what", ["stranger", "same key", "left key", "no key"])
def test_a_rotation_that_would_break_the_log_is_refused_and_leaves_it_whole(what: str, person: Person) -> None:
    person.records()
    assert person.types(f"keys init device --out {person.folder}/other") == 0
    other = person.folder / "other"
    line = {
        "stranger": f"--new-key {other}/device.key --endorsement {person.device.config.key.endorsements[0]}",
        "same key": f"--new-key {person.key_file}",
        "left key": f"--new-key {person.key_file}.left-{kid_of(person.key_file).hex()[:16]}",
        "no key": f"--new-key {other}/device.card",
    }[what]
    if what == "left key":
        assert person.acts("keys rotate") == 0
    before = len(key_entries(person))
    assert person.acts(f"keys rotate {line}") == 2
    assert len(key_entries(person)) == before
    person.records()
    assert person.verify().intact


@pytest.mark.long
def test_a_rotation_cut_at_any_flush_leaves_a_device_that_records_on(tmp_path: Path) -> None:
    """Killed before its n-th flush, for every n: whichever key the journal says is the one that signs next."""
    start = Person(folder=tmp_path / "start")
    start.records()
    outcomes = set()
    for number in _flushes():
        folder = tmp_path / f"cut-{number}"
        shutil.copytree(tmp_path / "start", folder)
        person = Person(folder=folder, now_ns=start.now_ns)
        person.configure()
        ended = dies_at_flush(folder, number, "keys rotate", person.now_ns)
        person.now_ns += 10 * 60 * 10**9
        person.records()
        report = person.verify()
        assert report.intact, (number, report.findings)
        assert unvouched(report) <= {Code.UNENDORSED}, number
        rotated = bool(key_entries(person))
        assert entries(person)[-1].envelope.kid == kid_of(person.key_file)
        assert person.key_file.with_name("device.key.next").exists() <= (not rotated)
        outcomes.add(rotated)
        if ended != DIED:
            assert ended == 0
            break
    assert outcomes == {False, True}


def _flushes() -> Iterator[int]:
    yield from range(1, 100)
    pytest.fail("a rotation flushes less than a hundred times")


# --- retirement, compromise ------------------------------------------------------------------------------------------


def test_after_a_retirement_nothing_is_recorded_and_the_refusal_says_why(person: Person) -> None:
    person.records()
    assert person.acts("keys retire") == 2  # a person has to mean it
    assert person.acts("keys retire --yes") == 0
    with pytest.raises(Refused, match="retired") as refused:
        person.records()
    assert refused.value.exit_code == EXIT_KEY
    assert "keys init device" in refused.value.remedy_zh
    assert person.acts("keys rotate") == EXIT_KEY
    report = person.verify()
    assert report.intact
    assert report.vouched is not None
    last = entries(person)[-1].body
    assert isinstance(last, Key)
    assert last.act == KeyAct.RETIRED


def test_a_compromise_names_the_last_trusted_entry_and_what_follows_is_unendorsed(
    person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    person.records()
    trusted = entries(person)[-1]
    person.records()
    kid = kid_of(person.key_file)
    assert person.acts(f"keys compromised {kid.hex()[:12]} --last-trusted {trusted.common.seq}") == 0
    assert f"{trusted.common.seq}:{trusted.hash.hex()}" in capsys.readouterr().out
    ((_, body),) = key_entries(person)
    assert (body.act, body.subject, body.last_trusted) == (KeyAct.COMPROMISED, kid, trusted.head)
    report = person.verify()
    assert report.intact
    assert unvouched(report) == {Code.KEY_COMPROMISED}
    assert counted(report)[Verdict.UNENDORSED] == counted(report)[Verdict.AUTHENTIC]


@pytest.mark.parametrize("line", ["00000000 --last-trusted 1", "{kid} --last-trusted 100000"])
def test_a_compromise_of_a_key_or_entry_that_is_not_there_is_refused(line: str, person: Person) -> None:
    person.records()
    line = line.format(kid=kid_of(person.key_file).hex())
    assert person.acts(f"keys compromised {line}") == 2
    assert key_entries(person) == []


# --- emergency -------------------------------------------------------------------------------------------------------


def test_a_new_session_under_an_emergency_key_begins_only_on_a_persons_word(person: Person) -> None:
    person.records()
    lost = kid_of(person.key_file)
    person.key_file.rename(person.folder / "elsewhere")
    before = [path.read_bytes() for path in person.device.journal_files()]
    with pytest.raises(Refused) as refused:
        person.records()
    assert refused.value.exit_code == EXIT_KEY
    assert "--emergency" in refused.value.remedy_zh
    assert [path.read_bytes() for path in person.device.journal_files()] == before
    assert not person.key_file.with_name("device.key.emergency").exists()
    person.records(emergency=True)
    ((entry, body),) = key_entries(person)
    assert body.old_head == (entry.common.seq - 1, entry.common.prev)
    assert (body.act, body.subject, body.cause) == (KeyAct.EMERGENCY, lost, KeyCause.KEY_FILE_MISSING)
    with pytest.raises(Refused):
        person.records()  # each new session needs the word
    person.records(emergency=True)
    assert len(key_entries(person)) == 1
    report = person.verify()
    assert report.intact
    assert unvouched(report) == {Code.KEY_EMERGENCY}
    assert counted(report)[Verdict.UNENDORSED] == 2 * counted(report)[Verdict.AUTHENTIC]


def test_a_session_left_open_goes_on_under_an_emergency_key_without_asking(person: Person) -> None:
    run_all([Killed(folder=str(person.folder), seconds=8, kill_after=14)])
    person.key_file.write_bytes(b"rot")
    person.records()
    sessions = [entry for entry in entries(person) if isinstance(entry.body, Session)]
    ends = [entry for entry in entries(person) if isinstance(entry.body, SessionEnd)]
    assert [entry.common.session_id for entry in ends] == [entry.common.session_id for entry in sessions]
    assert len(sessions) == 1
    ((_, body),) = key_entries(person)
    assert body.cause == KeyCause.KEY_FILE_UNUSABLE
    report = person.verify()
    assert report.intact
    assert unvouched(report) == {Code.KEY_EMERGENCY}


def test_a_key_that_is_found_again_signs_again_and_vouches_for_nothing_in_between(person: Person) -> None:
    person.records()
    elsewhere = person.folder / "elsewhere"
    person.key_file.rename(elsewhere)
    person.records(emergency=True)
    elsewhere.rename(person.key_file)
    person.records()
    acts = [body.act for _, body in key_entries(person)]
    assert acts == [KeyAct.EMERGENCY, KeyAct.RETURNED]
    assert not person.key_file.with_name("device.key.emergency").exists()
    report = person.verify()
    assert report.intact
    assert counted(report)[Verdict.AUTHENTIC] == 2 * counted(report)[Verdict.UNENDORSED]


@pytest.mark.parametrize("found_again", [False, True])
def test_a_start_cut_off_directly_after_its_emergency_entry_loses_no_segment_of_the_session(
    found_again: bool, person: Person
) -> None:
    """What the lost key sealed is stated by whichever key comes next, in this start or in a later one."""
    run_all([Killed(folder=str(person.folder), seconds=8, kill_after=14)])
    own = person.key_file.read_bytes()
    person.key_file.write_bytes(b"rot")
    person.now_ns += MINUTE_NS
    run_all([Killed(folder=str(person.folder), seconds=8, kill_after=1, from_ns=person.now_ns)])
    assert [body.act for _, body in key_entries(person)] == [KeyAct.EMERGENCY]
    if found_again:
        person.key_file.write_bytes(own)
    person.now_ns += 10 * MINUTE_NS
    person.records()
    report = person.verify()
    assert report.intact
    sessions = [entry for entry in entries(person) if isinstance(entry.body, Session)]
    assert len(sessions) == 1  # it went on
    assert set(counted(report)) == {Verdict.AUTHENTIC if found_again else Verdict.UNENDORSED}


def test_what_an_emergency_key_sealed_stays_unendorsed_when_the_key_that_is_back_states_it(person: Person) -> None:
    run_all([Killed(folder=str(person.folder), seconds=8, kill_after=14)])
    own = person.key_file.read_bytes()
    person.key_file.write_bytes(b"rot")
    person.now_ns += MINUTE_NS
    run_all([Killed(folder=str(person.folder), seconds=8, kill_after=8, from_ns=person.now_ns)])
    person.key_file.write_bytes(own)
    person.now_ns += 10 * MINUTE_NS
    person.records()
    sealed, stated = _fragments_by_key(person)
    report = person.verify()
    assert report.intact
    emergency = _emergency_kid(person)
    assert sealed[emergency]
    assert stated[emergency]
    assert counted(report)[Verdict.UNENDORSED] == stated[emergency] + sealed[emergency]


def _emergency_kid(person: Person) -> bytes:
    return next(cose.key_id(body.new_public_key or b"") for _, body in key_entries(person))


def _fragments_by_key(person: Person) -> tuple[Counter[bytes], Counter[bytes]]:
    """How many fragments each key sealed, and how many each stated."""
    sealed, stated = Counter[bytes](), Counter[bytes]()
    for entry in entries(person):
        if isinstance(entry.body, Segment) and entry.common.session_id is not None:
            stated[entry.envelope.kid] += len(entry.body.fragments)
            folder = archive.session_path(person.device.spool, entry.common.session_id)
            head = next(iter(read_segment(archive.segment_path(folder, entry.body.number))))
            assert isinstance(head, Initialisation)
            sealed[cose.key_id(head.identity.public_key)] += len(entry.body.fragments)
    return sealed, stated


def test_a_lost_key_that_was_disowned_does_not_return_when_it_turns_up(person: Person) -> None:
    person.records()
    kid, seq = kid_of(person.key_file), entries(person)[-1].common.seq
    elsewhere = person.folder / "elsewhere"
    person.key_file.rename(elsewhere)
    assert person.acts(f"keys compromised {kid.hex()} --last-trusted {seq} --emergency") == 0
    elsewhere.rename(person.key_file)
    with pytest.raises(Refused):
        person.records()
    person.records(emergency=True)
    assert [body.act for _, body in key_entries(person)] == [KeyAct.EMERGENCY, KeyAct.COMPROMISED]
    assert person.acts("keys rotate --emergency") == 0
    person.records()
    report = person.verify()
    assert report.intact
    assert unvouched(report) == {Code.KEY_EMERGENCY, Code.UNENDORSED}  # what it signed itself stands below the limit


def test_a_refused_start_makes_no_emergency_key_of_its_own_accord(person: Person) -> None:
    person.records()
    before = [path.read_bytes() for path in person.device.journal_files()]
    person.key_file.unlink()
    (person.device.spool / "device" / "journal-reserve").unlink()  # space would be refused as well
    with pytest.raises(Refused) as refused:
        person.records()
    assert refused.value.exit_code == EXIT_KEY
    assert [path.read_bytes() for path in person.device.journal_files()] == before


def test_a_lost_key_is_replaced_for_good_by_a_rotation(person: Person) -> None:
    person.records()
    person.key_file.unlink()
    assert person.acts("keys rotate") == EXIT_KEY
    assert person.acts("keys rotate --emergency") == 0
    card = next(person.key_file.parent.glob("device.key.*.card"))
    person.configure(person.endorses(card, person.folder / "new.endorsement"))
    person.records()
    report = person.verify()
    assert [body.act for _, body in key_entries(person)] == [KeyAct.EMERGENCY, KeyAct.ROTATED]
    assert report.intact
    assert set(counted(report)) == {Verdict.AUTHENTIC}  # nothing was recorded under the emergency key
    assert unvouched(report) == {Code.KEY_EMERGENCY}


def test_an_emergency_entry_that_somebody_else_wrote_to_the_disk_does_not_lock_the_device_out(person: Person) -> None:
    person.records()
    last = entries(person)[-1]
    stranger = keys.FileSigner(keys.generate())
    forged = _forged_emergency(last, stranger, kid_of(person.key_file))
    with sorted(person.device.journal_files())[-1].open("ab") as file:
        file.write(forged)
    person.records()  # the device never heard of it: it is set aside like any bytes behind the last entry
    assert key_entries(person) == []
    report = person.verify()
    assert report.intact
    assert report.vouched is not None


def _forged_emergency(last: Entry, stranger: keys.FileSigner, lost: bytes) -> bytes:
    from liuhen import entry  # noqa: PLC0415

    body = Key(
        act=KeyAct.EMERGENCY,
        subject=lost,
        new_public_key=stranger.public_key,
        endorsements=(),
        last_trusted=None,
        old_head=None,
        cause=KeyCause.ANOTHER_KEY,
    )
    at = entry.Position(log_id=last.common.log_id, run=last.common.run + 1, seq=last.common.seq + 1, prev=last.hash)
    utc_ms, boottime_ns, *rest = last.common.clock
    clock = (utc_ms + 1, boottime_ns + 1_000_000, *rest)
    return entry.make(body, at=at, clock=clock, session_id=None, seen=None, signer=stranger)  # type: ignore[arg-type]


# --- a token ---------------------------------------------------------------------------------------------------------


def test_a_device_moves_its_key_into_a_token_and_an_emergency_key_helps_while_it_is_pulled_out(tmp_path: Path) -> None:
    from drivers.token import open_token  # noqa: PLC0415

    folder = tokens()
    settings = folder.token()
    person = Person(folder=tmp_path, open_token=open_token)
    person.records()
    more = f'[key.token]\nmodule = "{settings.module}"\nlabel = "{settings.label}"\npin_file = "{settings.pin_file}"\n'
    person.configure(more=more)
    assert person.acts("keys rotate --token") == 0
    card_file = next(person.key_file.parent.glob("device.key.*.card"))
    card = keys.parse_card(card_file.read_bytes(), where="card")
    assert card.custody == Custody.TOKEN
    endorsement = person.endorses(card_file, tmp_path / "token.endorsement")
    person.configure(endorsement, more=more)
    person.records()
    assert entries(person)[-1].envelope.kid == cose.key_id(card.public_key)
    with folder.pulled_out():
        with pytest.raises(Refused, match="token"):
            person.records()
        person.records(emergency=True)
    person.records()
    assert [body.act for _, body in key_entries(person)] == [KeyAct.ROTATED, KeyAct.EMERGENCY, KeyAct.RETURNED]
    assert key_entries(person)[1][1].cause == KeyCause.TOKEN_ABSENT
    report = person.verify()
    assert report.intact
    assert counted(report)[Verdict.AUTHENTIC] == 3 * counted(report)[Verdict.UNENDORSED]
    assert isinstance(entries(person)[0].body, Enrolment)


def test_a_token_pulled_out_within_a_session_costs_a_gap_and_the_session_goes_on(tmp_path: Path) -> None:
    from drivers.token import open_token  # noqa: PLC0415

    folder = tokens()
    settings = folder.token()
    person = Person(folder=tmp_path, open_token=open_token)
    more = f'[key.token]\nmodule = "{settings.module}"\nlabel = "{settings.label}"\npin_file = "{settings.pin_file}"\n'
    person.records()
    person.configure(more=more)
    assert person.acts("keys rotate --token") == 0
    token_kid = entries(person)[-1].envelope.kid
    with ExitStack() as plugged:

        def pull(_: Room) -> None:
            if not person.key_file.with_name("device.key.emergency").exists():
                plugged.enter_context(folder.pulled_out())

        person.records(lambda room: room.play(3), pull, lambda room: room.play(3))
    (_, begun, *again), (_, ended) = of_kind(person, Session), of_kind(person, SessionEnd)
    assert again == []
    assert begun.common.session_id == ended.common.session_id
    assert (begun.envelope.kid == token_kid) and (ended.envelope.kid != token_kid)
    assert key_entries(person)[-1][1].cause == KeyCause.TOKEN_ABSENT
    report = person.verify()
    assert report.intact
    assert unvouched(report) == {Code.UNENDORSED, Code.KEY_EMERGENCY}
    assert [gap.closed for gap in report.sessions[-1].gaps] == [True]


def of_kind(person: Person, kind: type) -> list[Entry]:
    return [entry for entry in entries(person) if isinstance(entry.body, kind)]


@pytest.mark.realtime
@pytest.mark.beside
def test_with_the_recorders_own_threads_a_pulled_token_ends_no_session_and_leaves_no_thread(tmp_path: Path) -> None:
    from drivers.system_clock import SystemClock  # noqa: PLC0415
    from drivers.token import open_token  # noqa: PLC0415

    folder = tokens()
    settings = folder.token()
    person = Person(folder=tmp_path, open_token=open_token)
    more = f'[key.token]\nmodule = "{settings.module}"\nlabel = "{settings.label}"\npin_file = "{settings.pin_file}"\n'
    person.records()
    person.configure(more=more)
    assert person.acts("keys rotate --token") == 0
    LiveCamera()._room.take(0, 0)  # encode the pictures before the clock counts
    onlooker, fragments = Onlooker(), []
    with ExitStack() as plugged:

        def pull() -> None:
            if onlooker.durable[-1][0] == "F":
                fragments.append(onlooker.durable[-1])
            if len(fragments) == 3 and not (folder.path / "gone").exists():
                plugged.enter_context(folder.pulled_out())

        onlooker.on_durable = pull
        ended = run(
            Start(
                config=person.config,
                hardware=Hardware(camera=LiveCamera(), microphone=LiveMicrophone(), clock=SystemClock()),
                watcher=onlooker,
                stop=threading.Event(),
                conduct=conduct_threads,
                seconds=5,
                open_token=open_token,
            )
        )
    assert ended.clean
    assert len(fragments) > 5
    (_, begun), (_, closed) = of_kind(person, Session), of_kind(person, SessionEnd)
    assert begun.common.session_id == closed.common.session_id
    assert key_entries(person)[-1][1].cause == KeyCause.TOKEN_ABSENT
    report = person.verify()
    assert report.intact
    assert unvouched(report) == {Code.UNENDORSED, Code.KEY_EMERGENCY}
