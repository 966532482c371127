"""Nothing goes unless everything stands behind it: whatever is missing, the plan leaves it, and the verifier agrees."""

from __future__ import annotations

import io
import json
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import reclaiming, store_examined, witnessing
from edge.commands.acts import EXIT_DENIED
from edge.destruction import Carried
from edge.journal import clock_row
from edge.journal_follow import JournalFollower
from edge.opening import maintenance
from edge.ports import SyncState
from edge.reclaim import Backing, Believed, Local, Part, Plan, ReclaimBooks, _local, checked_witness, plan
from edge.reclaiming import PENDING_FILE, read_books
from edge.spool import open_spool
from edge.store_examined import Standings
from liuhen import entry
from liuhen.errors import FormatError
from liuhen.findings import Severity
from liuhen.hashing import sha256
from liuhen.keeping import SYNCHRONISED
from liuhen.kinds import Checkpoint, Event, Hold, Order, Receipt, Reclaimed, Witness
from liuhen.registry import CheckOutcome, ContentKind, OrderCode, RetentionMode
from liuhen.report import to_json
from liuhen.store_statements import sign_witness
from liuhen.stored import Bar
from tests.edge.examined import examine
from tests.edge.keeping_room import DAY_MS, Person, with_two_sessions
from tests.edge.test_keeping_commands import flip, rot_before, starts
from tests.signing.archives import signer
from tests.signing.checking import NOW_MS
from tests.signing.kept import LATER_MS, OTHER_STORE, STORE, Kept, kept_archive

WITNESS = signer("witness")
STORE_URL = "s3://store.example/evidence"
FIT = Standings(outcomes={STORE: CheckOutcome.WELL, OTHER_STORE: CheckOutcome.WELL})
NOTHING = Backing(standings=FIT)
NEEDED = (
    "term",
    "receipt",
    "designated",
    "locked",
    "long_enough",
    "reported",
    "ordered",
    "order_for_this",
    "synchronised",
)
RARE = ("held", "held_everywhere", "lifted", "for_good")
PINNED = {sha256(WITNESS.public_key): WITNESS.public_key}


def books_of(kept: Kept) -> ReclaimBooks:
    return read_books(kept.device.root)


def planned(
    kept: Kept, *, days: int = 7, after_days: float = 8, sync: int = SYNCHRONISED, backing: Backing = NOTHING
) -> Plan:
    clock = kept.device.clock
    later = (clock[0] + int(after_days * DAY_MS), clock[1], clock[2], sync, clock[4])
    return plan(books_of(kept), (kept.session,), clock=later, minimum_hold_days=days, backing=backing)


def gone(made: Plan) -> set[tuple[int, bytes]]:
    return {content for part in made.parts for content in part.contents}


def media(kept: Kept) -> set[tuple[int, bytes]]:
    return {content for content in kept.contents() if content[0] == ContentKind.SEGMENT}


def ready(root: Path) -> Kept:
    """Everything stands: a term, a designated receipt under a lock that outlasts it, an order."""
    kept = kept_archive(root)
    kept.term(LATER_MS - 1)
    kept.receipt()
    kept.order()
    return kept


def test_with_everything_behind_it_the_media_goes_and_the_records_stay(tmp_path: Path) -> None:
    kept = ready(tmp_path / "archive")
    made = planned(kept)
    assert gone(made) == media(kept)
    assert made.kept == {}
    (part,) = made.parts
    assert part.session == kept.session
    assert part.order is not None


@dataclass(frozen=True)
class Facts:
    """What stands behind a reclaim; each can be missing by itself."""

    term: bool = True
    receipt: bool = True
    designated: bool = True
    locked: bool = True
    long_enough: bool = True
    reported: bool = True
    ordered: bool = True
    order_for_this: bool = True
    held: bool = False
    held_everywhere: bool = False
    lifted: bool = False
    days: float = 8.0
    synchronised: bool = True
    for_good: bool = False
    second_store: bool = False

    @property
    def suffices(self) -> bool:
        """FORMAT.md 5.8.3 and the device's own demands, written down a second time."""
        behind = self.receipt and self.designated and self.locked and self.reported and self.long_enough
        held = (self.held or self.held_everywhere) and not self.lifted
        termed = self.term or self.for_good
        stores = not self.for_good or self.second_store
        old = self.days >= 7.1 and self.synchronised
        return behind and self.ordered and self.order_for_this and termed and stores and old and not held


FLAGS = st.builds(
    Facts,
    **{name: st.sampled_from([True, True, True, False]) for name in NEEDED},
    **{name: st.sampled_from([False, False, False, True]) for name in RARE},
    second_store=st.booleans(),
    days=st.sampled_from([0.0, 6.9, 7.1, 8.0, 400.0]),
)


def built(root: Path, facts: Facts) -> Kept:
    kept = kept_archive(root)
    if facts.term:
        kept.term(LATER_MS - 1)
    if facts.for_good:
        kept.term(None)
    until = (LATER_MS + 500 * DAY_MS if facts.long_enough else 1) if facts.reported else None
    mode = RetentionMode.COMPLIANCE if facts.locked else RetentionMode.NONE
    for store in (STORE, OTHER_STORE)[: (facts.receipt + (facts.receipt and facts.second_store))]:
        kept.receipt(until, store=store, designated=int(facts.designated), mode=mode)
    wanted = ((kept.session, facts.held), (None, facts.held_everywhere))
    holds = [(kept.hold(of), of) for of, asked in wanted if asked]
    for placed, of in holds if facts.lifted else []:
        kept.lift(placed, of)
    if facts.ordered:
        kept.order(None if facts.order_for_this else kept.other)
    return kept


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(facts=FLAGS)
def test_nothing_goes_unless_everything_stands_behind_it(
    facts: Facts, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("reclaim") / "archive"
    kept = built(root, facts)
    made = planned(kept, after_days=facts.days, sync=SYNCHRONISED if facts.synchronised else 0)
    assert gone(made) == (media(kept) if facts.suffices else set())
    assert gone(made) | set(made.kept) == media(kept)
    shutil.rmtree(root)


def test_the_control_every_single_thing_that_is_missing_keeps_everything(tmp_path: Path) -> None:
    lacking = [
        *(replace(Facts(), **{name: False}) for name in NEEDED),
        Facts(held=True),
        Facts(held_everywhere=True),
        Facts(days=6.9),
        Facts(for_good=True),
    ]
    for number, facts in enumerate(lacking):
        kept = built(tmp_path / str(number), facts)
        made = planned(kept, after_days=facts.days, sync=SYNCHRONISED if facts.synchronised else 0)
        assert (made.parts, set(made.kept)) == ((), media(kept)), facts


def test_a_hole_in_the_journal_keeps_everything_for_it_may_have_been_a_hold(tmp_path: Path) -> None:
    kept = ready(tmp_path / "archive")
    path = kept.device.root / "journal" / "00000000.cbor"
    placed = JournalFollower(lambda: kept.device.root).read(1 << 62)
    content = path.read_bytes()
    path.write_bytes(content[: placed[-3].start] + content[placed[-3].end :])
    assert set(planned(kept).kept.values()) == {Local.JOURNAL_INCOMPLETE}


def test_an_order_never_stands_for_a_receipt(tmp_path: Path) -> None:
    kept = kept_archive(tmp_path / "archive")
    kept.term(LATER_MS - 1)
    seq = kept.order(kept.session)
    assert set(planned(kept, backing=Backing(order=seq, standings=FIT)).kept.values()) == {Bar.NO_RECEIPT}


BLOCKED = {STORE: CheckOutcome.BLOCKING}


@pytest.mark.parametrize(
    ("standings", "why"),
    [
        (Standings(), Local.STORE_UNEXAMINED),
        (Standings(outcomes={OTHER_STORE: CheckOutcome.WELL}), Local.STORE_UNEXAMINED),
        (Standings(outcomes=BLOCKED), Local.STORE_UNFIT),
        (Standings(outcomes={STORE: CheckOutcome.WELL}, damaged=True), Local.STORE_UNFIT),
    ],
    ids=["nobody looked", "another was looked at", "it failed", "the result is damaged"],
)
def test_receipts_of_a_store_that_is_not_fit_count_for_nothing_and_the_reason_is_given(
    tmp_path: Path, standings: Standings, why: Local
) -> None:
    kept = ready(tmp_path / "archive")
    made = planned(kept, backing=Backing(standings=standings))
    assert (made.parts, set(made.kept.values())) == ((), {why})


def test_what_is_to_be_kept_for_good_needs_two_stores_that_are_both_fit(tmp_path: Path) -> None:
    kept = built(tmp_path / "archive", Facts(for_good=True, second_store=True))
    assert gone(planned(kept)) == media(kept)
    for outcomes, why in (
        ({STORE: CheckOutcome.WELL}, Local.STORE_UNEXAMINED),
        (BLOCKED | {OTHER_STORE: CheckOutcome.WELL}, Local.STORE_UNFIT),
    ):
        made = planned(kept, backing=Backing(standings=Standings(outcomes=outcomes)))
        assert (made.parts, set(made.kept.values())) == ((), {why})


@pytest.mark.parametrize(("now_ms", "why"), [(DAY_MS + 11, None), (DAY_MS + 10, Local.TOO_YOUNG)])
def test_the_minimum_days_run_from_the_latest_possible_end_to_the_earliest_possible_now(
    now_ms: int, why: Local | None
) -> None:
    books, session = ReclaimBooks(), bytes(16)
    books.ended[session] = (0, 0, bytes(16), SYNCHRONISED, 4)
    assert _local(books, session, (now_ms, 0, bytes(16), SYNCHRONISED, 7), 1) is why


# -- the witness -------------------------------------------------------------------------------------------------------


def witnessed(kept: Kept, *, root: bytes | None = None, log_id: bytes | None = None, read_back: int = 2) -> bytes:
    books = books_of(kept)
    size = max(books.roots)
    statement = Witness(
        version=1,
        log_id=log_id or kept.device.log_id,
        store=STORE,
        size=size,
        root=root or books.roots[size],
        utc_ms=kept.device.utc_ms,
        media=tuple(sorted(content for _, content in media(kept))[:read_back]),
    )
    return sign_witness(WITNESS, statement)


def believed(kept: Kept, encoded: bytes) -> Believed:
    return checked_witness(encoded, PINNED, log_id=kept.device.log_id, roots=books_of(kept).roots)


def _say_seen(kept: Kept, one: Believed) -> None:
    """The next entry bears the cosigned checkpoint, as each does once the recorder has checked it."""
    device = kept.device
    at = entry.Position(log_id=device.log_id, run=device.run, seq=device.seq, prev=device.prev)
    body = Order(code=0, session=None, records=())
    device.write(entry.make(body, at=at, clock=device.clock, session_id=None, seen=one.seen, signer=device.key))


def with_witness(root: Path, read_back: int = 2) -> tuple[Kept, Believed]:
    kept = kept_archive(root)
    kept.term(LATER_MS - 1)
    kept.receipt()
    kept.device.checkpoint()
    one = believed(kept, witnessed(kept, read_back=read_back))
    _say_seen(kept, one)
    return kept, one


def test_a_pinned_witness_stands_behind_what_it_has_read_back_and_behind_nothing_else(tmp_path: Path) -> None:
    kept, one = with_witness(tmp_path / "archive", read_back=1)
    made = planned(kept, backing=Backing(witnesses=(one,), standings=FIT))
    assert {content for _, content in gone(made)} == one.media
    assert set(made.kept.values()) == {Local.NOT_WITNESSED}
    assert [part.witness for part in made.parts] == [one.seen]


def test_a_witness_never_stands_for_a_receipt_or_against_a_hold(tmp_path: Path) -> None:
    kept, one = with_witness(tmp_path / "archive")
    kept.hold(kept.session)
    assert set(planned(kept, backing=Backing(witnesses=(one,), standings=FIT)).kept.values()) == {Bar.HELD}


def test_a_witness_that_is_not_pinned_speaks_of_another_log_or_saw_another_history_is_not_believed(
    tmp_path: Path,
) -> None:
    kept, _ = with_witness(tmp_path / "archive")
    sound = witnessed(kept)
    with pytest.raises(FormatError, match="not pinned"):
        checked_witness(sound, {}, log_id=kept.device.log_id, roots=books_of(kept).roots)
    with pytest.raises(FormatError, match="root"):
        believed(kept, witnessed(kept, root=bytes(32)))
    with pytest.raises(FormatError):
        believed(kept, witnessed(kept, log_id=bytes(range(16))))
    with pytest.raises(FormatError):
        believed(kept, sound[:-1] + bytes([sound[-1] ^ 1]))


# -- carried out -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    with_two_sessions(folder)
    return folder


@pytest.fixture
def person(recorded: Path, tmp_path: Path) -> Person:
    """Somebody at the device, whose store has everything of the first session."""
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    person = Person(tmp_path)
    person.days = 1
    ground = person.file("ground.txt", "依法保存")
    until = ("--until", "2027-06-01", "--basis", "law", "--ground-file", ground)
    assert person.acts("retention", "extend", "--session", "1", *until) == 0
    return person


def receipted(person: Person, until_ms: int = NOW_MS + 5000 * DAY_MS) -> None:
    """A receipt of the first session's media, as the recorder writes it."""
    person.boots += 1
    examine(person.device.spool, STORE_URL)
    rows = tuple(
        (int(ContentKind.SEGMENT), sha256(path.read_bytes()), sha256(path.read_bytes()), 9, "v1", until_ms, NOW_MS)
        for path in person.segments(1)
    )
    body = Receipt(store=STORE, designated=1, mode=RetentionMode.COMPLIANCE, server_key=None, objects=rows, records=())
    with maintenance(person.device.config, person.clock(), lambda _zh, _en: None) as log:
        log.journal.append(body, session_id=None)


def reclaims(person: Person, monkeypatch: pytest.MonkeyPatch, order: str = "") -> int:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(order.encode()), encoding="utf-8"))
    return person.acts("spool", "reclaim", *(["--order"] if order else []))


ORDER = "李站长\n硬盘将满，内容已入市局存储库"


def bodies(person: Person) -> list[object]:
    return [one.entry.body for one in JournalFollower(lambda: person.device.spool).read(1 << 62, 1 << 30)]


def problems(person: Person) -> set[str]:
    return {f"{found.code} {found}" for found in person.verify().findings if found.severity is Severity.BROKEN}


def test_the_store_holds_it_and_an_operator_orders_it_so_it_goes_and_the_verifier_says_in_the_store(
    person: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    receipted(person)
    person.days = 20
    kept_here = len(person.segments(2))
    assert reclaims(person, monkeypatch, ORDER) == 0
    assert person.segments(1) == []
    assert len(person.segments(2)) == kept_here
    (order,) = [body for body in bodies(person) if isinstance(body, Order)]
    assert (order.code, len(order.records)) == (OrderCode.RECLAIM_UNWITNESSED, 2)
    (went,) = [body for body in bodies(person) if isinstance(body, Reclaimed)]
    assert len(went.contents) == 2
    report = to_json(person.verify())
    assert problems(person) == set()
    assert json.dumps(report).count('"in-store"')
    assert report["intact"] is True
    assert "李站长" not in capsys.readouterr().out
    assert not (person.device.spool / PENDING_FILE).exists()


def test_without_a_witness_or_an_order_nothing_goes_and_the_reason_is_said(
    person: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    receipted(person)
    person.days = 20
    before = person.segments(1)
    assert reclaims(person, monkeypatch) == EXIT_DENIED
    assert person.segments(1) == before
    assert "没有见证" in capsys.readouterr().out
    person.days = 3
    assert reclaims(person, monkeypatch, ORDER) == EXIT_DENIED
    assert "最短留存" in capsys.readouterr().out
    assert person.segments(1) == before
    assert not [body for body in bodies(person) if isinstance(body, Reclaimed)]


def test_on_a_stopped_recorder_too_what_a_pinned_witness_read_back_goes_without_an_order(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    _say_to_the_recorder(person)
    receipted(person)
    person.days = 20
    assert reclaims(person, monkeypatch) == EXIT_DENIED  # nobody has pinned it
    with person.config.open("a", encoding="utf-8") as config:
        config.write(f'\n[store]\nwitness_keys = ["{WITNESS.public_key.hex()}"]\n')
    assert reclaims(person, monkeypatch) == 0
    assert person.segments(1) == []
    assert len(person.segments(2)) == 2
    assert problems(person) == set()


def _say_to_the_recorder(person: Person) -> None:
    """A witness has read the first session back; the recorder has kept it, and an entry bears it."""
    person.boots += 1
    with maintenance(person.device.config, person.clock(), lambda _zh, _en: None) as log:
        size = log.journal.size
        log.journal.checkpoint(session_id=None)
        (root,) = [body.root for body in bodies(person) if isinstance(body, Checkpoint) and body.size == size]
        said = Witness(
            version=1,
            log_id=log.spool.identity.log_id,
            store=STORE,
            size=size,
            root=root,
            utc_ms=NOW_MS,
            media=tuple(sorted(sha256(path.read_bytes()) for path in person.segments(1))),
        )
        encoded = sign_witness(WITNESS, said)
        witnessing.keep(log.spool, witnessing.name_of(said, encoded), encoded)
        log.journal.seen = witnessing.seen_of(said, encoded)
        log.journal.append(Order(code=0, session=None, records=()), session_id=None)


@pytest.mark.parametrize("name", [witnessing.CONTRADICTION_FILE, store_examined.FILE])
def test_an_order_stands_neither_against_a_witness_of_another_history_nor_for_a_store_that_failed(
    person: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    receipted(person)
    person.days = 20
    path = person.device.spool / name
    before = path.read_bytes() if path.exists() else None
    path.write_bytes(b"what was found")
    assert reclaims(person, monkeypatch, ORDER) == EXIT_DENIED
    assert len(person.segments(1)) == 2
    assert ("不符" if "witness" in name else "自检") in capsys.readouterr().out
    path.unlink()
    if before is not None:
        path.write_bytes(before)
    assert reclaims(person, monkeypatch) == 0
    assert person.segments(1) == []


def test_an_unsynchronised_clock_lets_nothing_go(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    receipted(person)
    person.days, person.sync = 20, SyncState.UNSYNCHRONISED
    assert reclaims(person, monkeypatch, ORDER) == EXIT_DENIED
    assert len(person.segments(1)) == 2


def test_an_order_without_who_and_why_is_none(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    receipted(person)
    person.days = 20
    assert reclaims(person, monkeypatch, "李站长") not in (0, EXIT_DENIED)
    assert len(person.segments(1)) == 2


class _Died(BaseException):
    pass


@pytest.mark.parametrize("died_after", [0, 1, 2])
def test_a_cut_at_any_point_is_finished_by_the_next_start_and_not_begun_without_its_entry(
    person: Person, monkeypatch: pytest.MonkeyPatch, died_after: int
) -> None:
    receipted(person)
    person.days = 20
    files = person.segments(1)

    def dies(*arguments: object) -> Carried:
        for path in files[:died_after]:
            path.unlink()
        raise _Died

    with monkeypatch.context() as patch:
        patch.setattr(reclaiming, "remove_contents", dies)
        with pytest.raises(_Died):
            reclaims(person, monkeypatch, ORDER)
    assert [body for body in bodies(person) if isinstance(body, Reclaimed)]
    spool = open_spool(person.device.spool)
    reclaiming.finish_reclaims(spool)
    spool.close()
    assert person.segments(1) == []
    assert not (person.device.spool / PENDING_FILE).exists()


def test_what_is_held_after_the_cut_is_not_removed_by_the_start(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipted(person)
    person.days = 20
    with monkeypatch.context() as patch:
        patch.setattr(reclaiming, "remove_contents", lambda *_: (_ for _ in ()).throw(_Died()))
        with pytest.raises(_Died):
            reclaims(person, monkeypatch, ORDER)
    with monkeypatch.context() as patch:  # the hold comes before anything could be finished
        patch.setattr(reclaiming, "finish_reclaims", lambda _spool: Carried())
        ground = person.file("hold.txt", "诉讼保全")
        assert person.acts("retention", "hold", "--session", "1", "--ground-file", ground) == 0
    spool = open_spool(person.device.spool)
    reclaiming.finish_reclaims(spool)
    spool.close()
    assert len(person.segments(1)) == 2


def test_a_hold_that_a_rotten_byte_hides_keeps_the_media(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    receipted(person)
    assert person.acts("retention", "hold", "--session", "1", "--ground-file", person.file("hold.txt", "诉讼保全")) == 0
    rot_before(person, Hold)
    person.days = 20
    assert reclaims(person, monkeypatch, ORDER) == EXIT_DENIED
    assert len(person.segments(1)) == 2
    spool = open_spool(person.device.spool)
    assert not read_books(spool.root).ledger.whole
    spool.close()


def test_a_reclaim_that_a_journal_with_a_hole_leaves_is_told_at_each_start_and_finished_by_a_person(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipted(person)
    person.days = 20
    with monkeypatch.context() as patch:
        patch.setattr(reclaiming, "remove_contents", lambda *_: (_ for _ in ()).throw(_Died()))
        with pytest.raises(_Died):
            reclaims(person, monkeypatch, ORDER)
    mark = person.device.spool / PENDING_FILE
    flip(person)
    assert [line for line in starts(person) if "reclaim of space is unfinished" in line]
    with monkeypatch.context() as patch:  # told again, and the journal is not read again for it
        patch.setattr(reclaiming, "read_books", lambda _root: pytest.fail("read"))
        assert [line for line in starts(person) if "liuhen spool reclaim" in line]
    assert reclaims(person, monkeypatch) == EXIT_DENIED
    assert (len(person.segments(1)), mark.exists()) == (2, True)
    flip(person)
    assert reclaims(person, monkeypatch) == 0
    assert (person.segments(1), mark.exists()) == ([], False)
    assert not [line for line in starts(person) if "unfinished" in line]


def test_a_mark_that_was_left_outlives_the_next_reclaim_and_is_finished_by_a_start(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that failed once lets the next file go; what it failed on is not forgotten over that."""
    receipted(person)
    person.days = 20
    left, other = person.segments(1)
    kept = left.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(reclaiming, "remove_contents", lambda *_: (_ for _ in ()).throw(_Died()))
        with pytest.raises(_Died):
            reclaims(person, monkeypatch, ORDER)
    person.boots += 1
    with monkeypatch.context() as patch:
        patch.setattr(reclaiming, "finish_reclaims", lambda _spool: Carried())
        with maintenance(person.device.config, person.clock(), lambda *_: None) as log:
            books = read_books(log.spool.root)
            (was,) = [one.reasons for one in {id(one): one for one in books.reclaimed.values()}.values()]
            (content,) = [one for one in books.reclaimed if one[1] == sha256(other.read_bytes())]
            again = Part(
                session=person.session(1),
                contents=(content,),
                receipts=tuple(was.receipts),
                witness=None,
                order=was.order,
                clock=clock_row(person.clock()),
            )
            reclaiming.reclaim(log.spool, log.journal, books, Plan(parts=(again,), kept={}))
    assert left.read_bytes() == kept
    assert not other.exists()
    assert (person.device.spool / PENDING_FILE).exists()
    assert starts(person) == []
    assert person.segments(1) == []
    assert not (person.device.spool / PENDING_FILE).exists()


def test_what_went_for_a_receipt_is_no_lie_of_the_disk_at_the_next_start(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last statements of the journal name media that is gone for good reason."""
    receipted(person)
    person.days = 20
    assert reclaims(person, monkeypatch, ORDER) == 0
    assert person.acts("retention", "extend", "--session", "1", "--until", "2028-06-01", "--basis", "law") == 0
    assert not [body for body in bodies(person) if isinstance(body, Event)]


def test_a_file_that_is_not_what_the_journal_names_is_kept(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    receipted(person)
    person.days = 20
    one, other = person.segments(1)
    content = bytearray(one.read_bytes())
    content[-1] ^= 1
    one.write_bytes(content)
    assert reclaims(person, monkeypatch, ORDER) == 1
    assert one.exists()
    assert not other.exists()
