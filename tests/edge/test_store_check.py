"""The doctor's result is signed by the recorder and followed: what failed lets nothing go and meets no deadline."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent import futures
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge import store_examined
from edge.__main__ import main
from edge.commands.ctl import EXIT_NOBODY
from edge.requests import Answer, BadRequest, Role, Verb
from edge.settings_store import Store
from edge.store_doctor import as_plain, judge, judge_directory, profile_of, profile_of_directory
from edge.store_examined import Standing
from edge.store_probes import DirectorySeen, Held
from liuhen.kinds import Check, Receipt
from liuhen.registry import CheckCode, CheckItem, CheckOutcome, EventCode, RecordLabel, RetentionMode
from liuhen.store_names import parse_store_url, store_hash
from tests.edge import test_desk_deadlines as deadlines
from tests.edge import test_desk_space as space
from tests.edge.examined import examine
from tests.edge.ports_room import Device, Room, device
from tests.edge.test_ctl import control
from tests.edge.test_desk_space import days_later, entries, events, low, media, reclaimed
from tests.edge.test_store_doctor import GOOD

pytestmark = pytest.mark.long

made = space.made
NOW = datetime(2026, 11, 29, tzinfo=UTC)
LYING: dict[str, Any] = {"shortening": Held.NO}


def result(url: str = space.URL, **changes: Any) -> bytes:
    seen = replace(GOOD, **changes)
    return json.dumps(as_plain(profile_of(seen, url, NOW), judge(seen)), ensure_ascii=False).encode()


def asking(answers: list[Answer], content: bytes, role: Role = Role.OPERATOR) -> Callable[[Room], None]:
    return lambda room: answers.append(room.ask(Verb.STORE_CHECK, role, content))


def checks(made: Device) -> list[Check]:
    return [body for _, body in entries(made) if isinstance(body, Check) and body.code == CheckCode.STORE]


def test_the_worst_of_its_rows_is_what_counts_and_a_lock_that_is_not_enforced_is_the_worst() -> None:
    assert store_examined.parse(result()).outcome is CheckOutcome.WELL
    assert store_examined.parse(result(server_key=None)).outcome is CheckOutcome.WARNING
    assert store_examined.parse(result(**LYING)).outcome is CheckOutcome.BLOCKING
    assert store_examined.parse(result()).conditional_put
    assert not store_examined.parse(result(race_winners=16)).conditional_put
    lying = json.loads(result(**LYING))
    lying["rows"] = [row for row in lying["rows"] if row["outcome"] != "blocking"]
    assert store_examined.parse(json.dumps(lying).encode()).outcome is CheckOutcome.BLOCKING


def told(**changes: Any) -> bytes:
    """A good result in which the profile says otherwise."""
    good = json.loads(result())
    return json.dumps(good | {"profile": good["profile"] | changes}).encode()


@pytest.mark.parametrize("enforced", [False, True])
def test_a_server_that_is_no_worm_is_unfit_whatever_else_is_said_of_it(enforced: bool) -> None:
    lying = told(worm=False, lock_enforced=enforced)
    assert {row["outcome"] for row in json.loads(lying)["rows"]} == {"well"}
    assert store_examined.parse(lying).outcome is CheckOutcome.BLOCKING


def test_a_folder_is_what_it_is_labelled_and_never_worm() -> None:
    seen = DirectorySeen(skew_seconds=0.0, reads_back=True, refuses_other_bytes=True)
    plain = as_plain(profile_of_directory("file:/media/shelf", NOW), judge_directory(seen))
    assert store_examined.parse(json.dumps(plain).encode()).outcome is CheckOutcome.WARNING
    plain["profile"]["worm"] = True
    with pytest.raises(BadRequest):
        store_examined.parse(json.dumps(plain).encode())


@pytest.mark.parametrize("when", [None, 0, "", "yesterday", "2026-11-29T00:00:00", "99999-01-01T00:00:00Z"])
def test_a_result_without_its_time_is_none(when: object) -> None:
    with pytest.raises(BadRequest):
        store_examined.parse(told(examined_at=when))


def test_a_result_grows_old_and_one_from_the_future_is_none_to_rely_on(tmp_path: Path) -> None:
    shelf = "file:/media/shelf"
    examine(tmp_path, space.URL, shelf)
    found = store_examined.standings(tmp_path)
    place = parse_store_url(space.URL)
    day_ms, at_ms = 86_400_000, round(NOW.timestamp() * 1000)
    due = {days: found.is_due(place, at_ms + days * day_ms) for days in (-2, -1, 0, 400, 401)}
    assert due == {-2: True, -1: False, 0: False, 400: False, 401: True}
    assert found.is_due(place, at_ms + store_examined.GOOD_FOR_MS + 1)
    assert found.at(place) is Standing.FIT, "what was receipted still counts"
    assert not found.is_due(parse_store_url(shelf), at_ms + 401 * day_ms), "a folder promises nothing that could change"
    assert not found.is_due(parse_store_url("s3://never.example/room"), at_ms + 401 * day_ms)


def test_what_was_examined_long_ago_is_told_where_a_person_looks_and_meets_deadlines_all_the_same(made: Device) -> None:
    examine(made.spool, deadlines.URL, at="2025-01-01T00:00:00Z")
    config = replace(made.config, store=Store(url=deadlines.URL, designated=True, designated_by="市执法局"))
    seen: list[Any] = []

    def look(room: Room) -> None:
        facts = room.ask(Verb.STATUS).facts or {}
        seen.append((facts["shelf"], facts["offload"]["stores"][0]["standing"]))

    deadlines.later(made, 1, deadlines.receipts_of_everything(made), config=config)
    deadlines.later(made, 2, look, config=config)
    assert seen == [("examination_due", "fit")]
    assert EventCode.DEADLINE_MET in [code for code, _ in deadlines.told(made)]


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"\xff", b"[" * 60_000, b'{"profile": {}, "rows": []}', bytes(70_000), result("http://x/y")],
    ids=range(8),
)
def test_what_is_no_result_is_one_line_for_a_person(content: bytes) -> None:
    with pytest.raises(BadRequest):
        store_examined.parse(content)


def test_a_result_is_a_signed_entry_with_its_text_as_a_record_and_what_is_not_about_this_store_is_refused(
    made: Device,
) -> None:
    answers: list[Answer] = []
    days_later(
        made,
        2,
        asking(answers, result("s3://another.example/room")),
        asking(answers, b"rubbish"),
        asking(answers, result(), Role.CONSOLE),
        asking(answers, result(), Role.OFFLOAD),
        asking(answers, result()),
    )
    assert [answer.ok for answer in answers] == [False] * 4 + [True]
    (check,) = checks(made)
    assert check.rows == ((CheckItem.STORE, CheckOutcome.WELL, 0),)
    ((label, commitment),) = check.records
    assert label == RecordLabel.STORE
    assert (made.spool / "records" / f"{commitment.hex()}.record").exists()
    assert store_examined.standings(made.spool).at(parse_store_url(space.URL)) is Standing.FIT
    assert store_examined.is_conditional(made.spool, parse_store_url(space.URL))
    assert not store_examined.is_conditional(made.spool, parse_store_url("s3://another.example/room"))
    assert events(made, EventCode.REFUSED_REQUEST) == 4
    assert made.verify().intact


def test_a_store_that_failed_lets_nothing_go_whatever_was_receipted_before_until_it_passes(
    made: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Answer] = []
    warned: list[bool] = []

    def look(room: Room) -> None:
        assert room._stage is not None
        warned.append("STORE_UNFIT" in room._stage.recorder._room.warnings)

    days_later(made, 2, space.order, asking(answers, result(**LYING)), look)
    low(monkeypatch)
    days_later(made, 20, look, lambda room: room.play(15))
    assert (len(media(made)), reclaimed(made)) == (2, 0)
    days_later(made, 21, asking(answers, result()), look, lambda room: room.play(15))
    assert (media(made), reclaimed(made)) == ([], 2)
    assert warned == [True, True, False]
    assert [check.rows[0][1] for check in checks(made)] == [CheckOutcome.BLOCKING, CheckOutcome.WELL]


def test_receipts_of_a_store_that_failed_say_that_nothing_is_locked_and_meet_no_deadline(made: Device) -> None:
    answers: list[Answer] = []
    tell = deadlines.receipts_of_everything(made)
    config = replace(made.config, store=Store(url=deadlines.URL, designated=True, designated_by="市执法局"))
    fails = asking(answers, result(deadlines.URL, **LYING))
    deadlines.later(made, 1, fails, tell, config=config)
    assert [answer.ok for answer in answers] == [True]
    newest = [body for _, body in entries(made) if isinstance(body, Receipt)][-1]
    assert newest.mode == RetentionMode.NONE
    assert EventCode.DEADLINE_MET not in [code for code, _ in deadlines.told(made)]


def test_a_result_that_cannot_be_read_counts_as_one_against_the_store(tmp_path: Path) -> None:
    place = parse_store_url(space.URL)
    assert store_examined.standings(tmp_path).at(place) is Standing.UNEXAMINED
    (tmp_path / "device").mkdir()
    (tmp_path / store_examined.FILE).write_bytes(b"rubbish")
    assert store_examined.standings(tmp_path).at(place) is Standing.UNFIT
    assert not store_examined.is_conditional(tmp_path, place)


def test_a_designated_store_that_no_doctor_has_examined_meets_no_deadline_and_says_so_until_it_is(made: Device) -> None:
    (made.spool / store_examined.FILE).unlink()
    config = replace(made.config, store=Store(url=deadlines.URL, designated=True, designated_by="市执法局"))
    answers: list[Answer] = []
    seen: list[Any] = []

    def look(room: Room) -> None:
        facts = room.ask(Verb.STATUS).facts or {}
        seen.append((facts["offload"]["stores"][0]["standing"], "未经自检" in " ".join(facts["warnings"])))

    tell = deadlines.receipts_of_everything(made)
    deadlines.later(made, 1, tell, look, config=config)
    assert EventCode.DEADLINE_MET not in [code for code, _ in deadlines.told(made)]
    deadlines.later(made, 2, asking(answers, result(deadlines.URL)), look, config=config)
    assert [answer.ok for answer in answers] == [True]
    assert seen == [("unexamined", True), ("fit", False)]
    assert EventCode.DEADLINE_MET in [code for code, _ in deadlines.told(made)]


def test_what_a_store_that_no_doctor_has_examined_receipted_lets_nothing_go(
    made: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made.spool / store_examined.FILE).unlink()
    days_later(made, 2, space.order)
    low(monkeypatch)
    days_later(made, 20, lambda room: room.play(15))
    assert (len(media(made)), reclaimed(made)) == (2, 0)


def test_the_newest_result_of_each_store_is_kept_and_a_folder_needs_none(tmp_path: Path) -> None:
    other = "s3://archive.example/room"
    examine(tmp_path, space.URL, other, outcome=CheckOutcome.BLOCKING)
    examine(tmp_path, other, conditional=True)
    found = store_examined.standings(tmp_path)
    assert found.at(parse_store_url(space.URL)) is Standing.UNFIT
    assert found.at(parse_store_url(other)) is Standing.FIT
    assert found.fit == {store_hash(parse_store_url(other))}
    assert store_examined.is_conditional(tmp_path, parse_store_url(other))
    assert found.at(parse_store_url("file:/media/shelf")) is Standing.FIT
    assert found.at(parse_store_url("s3://third.example/room")) is Standing.UNEXAMINED
    for number in range(store_examined.STORES_KEPT):
        examine(tmp_path, f"s3://{number}.example/room")
    assert len(store_examined.standings(tmp_path).outcomes) == store_examined.STORES_KEPT
    (tmp_path / store_examined.FILE).write_bytes(result(other))  # as it was kept when there was one store
    assert store_examined.standings(tmp_path).fit == {store_hash(parse_store_url(other))}


def test_the_doctor_hands_its_result_to_the_running_recorder_which_signs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    made = device(tmp_path)
    made = replace(made, config=replace(made.config, store=Store(url=f"file:{shelf}")))
    words = ("store", "doctor", f"file:{shelf}", "--socket", str(tmp_path / "control"))
    assert main(list(words)) == EXIT_NOBODY
    Room().record(made.config, lambda room: room.play(2), _meanwhile(*words), surroundings=control(tmp_path))
    (check,) = checks(made)
    assert check.rows == ((CheckItem.STORE, CheckOutcome.WARNING, 0),)
    said = capsys.readouterr()
    assert "没有应答" in said.err
    assert "已记入日志" in said.err


def _meanwhile(*words: str) -> Callable[[Room], None]:
    """A command in a thread of its own, while the room lives on."""

    def act(room: Room) -> None:
        with futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(main, list(words))
            for _ in range(2000):
                room.play(0.05)
                if futures.wait([asked], timeout=0.02).done:
                    break
            assert asked.result(timeout=1) == 0

    return act
