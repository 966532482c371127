"""What a pinned witness says lets media go without an order; what it says against our chain lights the lamp instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edge import witnessing
from edge.config import Config
from edge.offload.words import Answer, WitnessTold
from edge.requests import Role, Verb
from edge.spool import read_identity
from liuhen.findings import Code
from liuhen.hashing import sha256
from liuhen.kinds import Checkpoint, Order, Segment, Witness
from liuhen.registry import EventCode, OrderCode, RecordLabel
from liuhen.store_statements import parse_witness, sign_witness
from tests.edge import test_desk_space as space
from tests.edge.ports_room import Device, Room
from tests.edge.test_desk_space import days_later, entries, events, first_session, low, media, reclaimed
from tests.signing.archives import signer

pytestmark = pytest.mark.long

WITNESS = signer("witness")
made = space.made


def pinned(made: Device, *keys: bytes) -> Config:
    return replace(made.config, store=replace(made.config.store, witness_keys=tuple(one.hex() for one in keys)))


def saying(made: Device, by: Any = WITNESS, **changes: Any) -> bytes:
    """What a witness says that has read all of the first session back."""
    newest = [body for _, body in entries(made) if isinstance(body, Checkpoint)][-1]
    first = first_session(made)
    found = sorted(body.file_hash for session, body in entries(made) if session == first and isinstance(body, Segment))
    fields: dict[str, Any] = {
        "version": 1,
        "log_id": read_identity(made.spool).log_id,
        "store": bytes(32),
        "size": newest.size,
        "root": newest.root,
        "utc_ms": 1,
        "media": tuple(found),
    }
    return sign_witness(by, Witness(**(fields | changes)))


def telling(answers: list[Answer], encoded: Callable[[], bytes], role: Role = Role.OFFLOAD) -> Callable[[Room], None]:
    return lambda room: answers.append(room.offload_tells(WitnessTold(statement=encoded()), role))


def newest_seen(made: Device) -> object:
    (name,) = witnessing.names(made.spool)
    encoded = witnessing.read(made.spool / witnessing.FOLDER / name)
    return witnessing.seen_of(parse_witness(encoded, where=name)[1], encoded)


def play(seconds: float) -> Callable[[Room], None]:
    return lambda room: room.play(seconds)


def test_what_a_pinned_witness_has_read_back_goes_without_an_order(
    made: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Answer] = []
    config = pinned(made, WITNESS.public_key)
    days_later(made, 2, play(3), telling(answers, lambda: saying(made)), play(12), config=config)
    assert answers == [Answer(ok=True)]
    assert len(witnessing.names(made.spool)) == 1
    low(monkeypatch)
    days_later(made, 20, play(25), config=config)
    assert (media(made), reclaimed(made)) == ([], 2)
    assert made.findings() == [Code.SEGMENT_RECLAIMED]
    assert made.verify().intact


def test_a_witness_that_is_no_longer_pinned_backs_nothing(made: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Answer] = []
    config = pinned(made, WITNESS.public_key)
    days_later(made, 2, play(3), telling(answers, lambda: saying(made)), play(12), config=config)
    low(monkeypatch)
    days_later(made, 20, play(25), config=pinned(made, signer("another").public_key))
    assert (len(media(made)), reclaimed(made)) == (2, 0)


def test_what_it_did_not_read_back_itself_stays(made: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Answer] = []
    config = pinned(made, WITNESS.public_key)
    days_later(made, 2, play(3), telling(answers, lambda: saying(made, media=())), play(12), config=config)
    low(monkeypatch)
    days_later(made, 20, play(25), config=config)
    assert answers == [Answer(ok=True)]
    assert (len(media(made)), reclaimed(made)) == (2, 0)


def test_the_offload_process_is_not_believed_and_nobody_else_may_tell(made: Device) -> None:
    answers: list[Answer] = []
    days_later(
        made,
        2,
        play(3),
        telling(answers, lambda: saying(made, by=signer("somebody"))),
        telling(answers, lambda: saying(made, log_id=bytes(16))),
        telling(answers, lambda: saying(made, size=1)),
        telling(answers, lambda: b"rubbish"),
        telling(answers, lambda: saying(made), Role.OPERATOR),
        play(12),
        config=pinned(made, WITNESS.public_key),
    )
    assert [answer.ok for answer in answers] == [False] * 5
    assert witnessing.names(made.spool) == []
    assert events(made, EventCode.WITNESS_DIFFERS) == 0
    assert made.findings() == []


@pytest.mark.parametrize("lie", [{"root": bytes(32)}, {"size": 1_000_000}], ids=["another root", "more entries"])
def test_another_history_is_told_once_lights_the_lamp_and_stops_every_reclaim_until_somebody_found_out(
    made: Device, monkeypatch: pytest.MonkeyPatch, lie: dict[str, Any]
) -> None:
    answers: list[Answer] = []
    warned: list[bool] = []
    config = pinned(made, WITNESS.public_key)
    other = saying(made, **lie)

    def look(room: Room) -> None:
        assert room._stage is not None
        warned.append(EventCode.WITNESS_DIFFERS.name in room._stage.recorder._room.warnings)

    tell = telling(answers, lambda: other)
    days_later(made, 2, space.order, play(3), tell, tell, look, play(3), config=config)
    assert all(answer.ok for answer in answers)
    assert answers[0].seq is not None
    low(monkeypatch)
    days_later(made, 20, play(12), look, config=config)
    assert (len(media(made)), reclaimed(made)) == (2, 0)
    assert events(made, EventCode.WITNESS_DIFFERS) == 1
    assert warned == [True, True]
    assert made.verify().intact
    (made.spool / witnessing.CONTRADICTION_FILE).unlink()  # by hand: nobody has said why
    days_later(made, 21, play(12), look, config=config)
    assert (reclaimed(made), warned[-1]) == (0, True)
    settled: list[Any] = []
    settle = settling(settled, actor="李站长", text="备份日志曾被当作正式日志送给见证方")
    days_later(
        made, 22, play(3), tell, settling(settled, Role.CONSOLE, actor="李", text="x"), settle, look, config=config
    )
    assert [answer.ok for answer in settled] == [False, True]
    assert warned[-1] is False
    (order,) = [one for _, one in entries(made) if isinstance(one, Order) and one.code == OrderCode.WITNESS_SETTLED]
    assert [label for label, _ in order.records] == [RecordLabel.PERSONS, RecordLabel.REASON]
    days_later(made, 30, play(12), look, settle, config=config)
    assert (reclaimed(made), warned[-1], settled[-1].ok) == (2, False, False)
    assert made.verify().intact


def settling(answers: list[Any], role: Role = Role.OPERATOR, **said: Any) -> Callable[[Room], None]:
    """Somebody has found out why."""
    return lambda room: answers.append(room.ask(Verb.SETTLE_WITNESS, role, **said))


def test_a_contradiction_that_was_settled_is_kept_aside_and_is_no_news_again_and_another_one_is(made: Device) -> None:
    answers: list[Answer] = []
    settled: list[Any] = []
    config = pinned(made, WITNESS.public_key)
    first, second = saying(made, root=bytes(32)), saying(made, root=bytes([1] * 32))
    tell = telling(answers, lambda: first)
    who: dict[str, Any] = {"actor": "李站长", "text": "已查明"}
    days_later(made, 2, play(3), settling(settled, **who), tell, settling(settled, **who), tell, config=config)
    assert [answer.ok for answer in settled] == [False, True]
    assert events(made, EventCode.WITNESS_DIFFERS) == 1
    assert not (made.spool / witnessing.CONTRADICTION_FILE).exists()
    (name,) = witnessing.known(made.spool)
    assert (made.spool / witnessing.SETTLED_FOLDER / name).read_bytes() == first
    days_later(made, 3, play(3), tell, telling(answers, lambda: second), config=config)
    assert events(made, EventCode.WITNESS_DIFFERS) == 2
    assert all(answer.ok for answer in answers)


def test_one_statement_at_a_time_is_borne_and_a_known_one_is_no_news(made: Device) -> None:
    answers: list[Answer] = []
    first, second = saying(made), saying(made, utc_ms=2)
    days_later(
        made,
        2,
        play(3),
        *[telling(answers, lambda one=one: one) for one in (first, first, second)],  # type: ignore[misc]
        play(15),
        telling(answers, lambda: second),
        play(12),
        config=pinned(made, WITNESS.public_key),
    )
    assert answers == [Answer(ok=True)] * 2 + [Answer(ok=True, unknown=(sha256(second),)), Answer(ok=True)]
    assert made.verify().intact


def test_after_a_restart_the_chain_goes_on_from_the_newest_that_was_seen(made: Device) -> None:
    answers: list[Answer] = []
    config = pinned(made, WITNESS.public_key)
    days_later(made, 2, play(3), telling(answers, lambda: saying(made)), play(12), config=config)
    seen: list[object] = []

    def look(room: Room) -> None:
        assert room._stage is not None
        seen.append(room._stage.recorder._tools.journal.seen)

    days_later(made, 3, play(3), look, config=config)
    assert seen == [newest_seen(made)]
    assert made.verify().intact
