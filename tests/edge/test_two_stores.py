"""What is to be kept for good goes only when two designated stores hold it: recorder, two offloads, two stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge.offload.program import Settings
from edge.requests import Verb
from edge.settings_store import Retention, SecondStore, Store
from liuhen.findings import Code
from liuhen.kinds import Receipt
from liuhen.registry import EventCode, RecordLabel
from liuhen.store_names import StoreUrl, parse_store_url, store_hash
from tests.edge.examined import result
from tests.edge.ports_room import Act, Device, Room, device
from tests.edge.test_desk_space import DAY_MS, entries, events, low, media, order, reclaimed
from tests.faults.store_happenings import URL, Line

pytestmark = pytest.mark.long

SECOND = parse_store_url("s3://archive.example/liuhen")


@dataclass(frozen=True, kw_only=True)
class Both:
    """One device, and what brings its recordings to each of its stores."""

    made: Device
    first: Line
    second: Line

    def later(self, days: int, *acts: Act) -> None:
        """Another run, so many days later, in which both are sent to as far as they can be reached."""
        room = Room()
        room.clock.utc_offset_ms += days * DAY_MS
        room.clock.boot_id = bytes([days, *range(1, 16)])
        room.record(self.made.config, *acts, self.seconds(10))

    def seconds(self, count: int) -> Act:
        """The act of letting so much time pass for both."""

        def act(room: Room) -> None:
            for _ in range(count):
                self.first.goes_on(1)(room)
                self.second.turns(room)

        return act


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    """Two stores on two servers."""
    yield from designated(tmp_path, SECOND)


def designated(tmp_path: Path, url: StoreUrl) -> Iterator[Both]:
    """A session that is to be kept for good is over; two stores are designated, the second of them at `url`."""
    bare = device(tmp_path)
    archive = SecondStore(url=url.text, designated=True, designated_by="市档案馆")
    store = Store(url=URL.text, designated=True, designated_by="市执法局", second=archive)
    config = replace(bare.config, store=store, retention=Retention(basis="long_term"))
    made = replace(bare, config=config)
    nothing = Settings(beacon_seconds=0)
    both = Both(
        made=made,
        first=Line(made, tmp_path / "offload", nothing),
        second=Line(made, tmp_path / "offload-second", nothing, url),
    )
    Room().record(config, lambda room: room.play(12))
    yield both
    both.first.end()
    both.second.end()


def doctors(*urls: str) -> Act:
    """The doctor's results are handed over."""

    def act(room: Room) -> None:
        for url in urls:
            assert room.ask(Verb.STORE_CHECK, attachment=result(url)).ok

    return act


def receipts(made: Device) -> dict[bytes, set[bytes]]:
    """By store: what its designated receipts name."""
    found: dict[bytes, set[bytes]] = {}
    for _, body in entries(made):
        if isinstance(body, Receipt) and body.designated:
            found.setdefault(body.store, set()).update(row[1] for row in body.objects)
    return found


def test_with_the_receipt_of_one_store_it_stays_and_with_those_of_two_it_goes(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    both.second.store.levers.down = True
    both.later(1, doctors(URL.text, SECOND.text), order, both.seconds(5))
    low(monkeypatch)
    both.later(20, both.seconds(12))
    assert (len(media(both.made)), reclaimed(both.made)) == (2, 0)
    assert set(receipts(both.made)) == {store_hash(URL)}, "one store that is down holds up nothing of the other"
    assert events(both.made, EventCode.STORAGE_NO_RECLAIM) == 1
    both.second.store.levers.down = False
    both.later(21, both.second.leaps, both.seconds(5))
    both.later(22, both.seconds(10))
    assert media(both.made) == []
    told = receipts(both.made)
    assert set(told) == {store_hash(URL), store_hash(SECOND)}
    assert Code.SEGMENT_RECLAIMED in both.made.findings()
    assert both.made.verify().intact


def test_a_second_name_of_the_same_host_is_no_second_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alias = parse_store_url(f"{URL.text}-second")  # another bucket of the gateway: its key is the same
    pair = next(designated(tmp_path, alias))
    pair.later(1, doctors(URL.text, alias.text), order, pair.seconds(6))
    assert len(receipts(pair.made)) == 2
    low(monkeypatch)
    pair.later(20, pair.seconds(8))
    assert (len(media(pair.made)), reclaimed(pair.made)) == (2, 0)
    pair.first.end()
    pair.second.end()


@pytest.mark.parametrize("lacking", ["a doctor", "a hold", "an order", "its days"])
def test_two_receipts_stand_for_nothing_else_that_is_lacking(
    both: Both, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    urls = (URL.text,) if lacking == "a doctor" else (URL.text, SECOND.text)
    ordered = () if lacking == "an order" else (order,)
    both.later(1, doctors(*urls), *ordered, both.seconds(6))
    assert len(receipts(both.made)) == 2
    low(monkeypatch)
    held = (hold,) if lacking == "a hold" else ()
    both.later(4 if lacking == "its days" else 20, *held, both.seconds(8))
    assert (len(media(both.made)), reclaimed(both.made)) == (2, 0)


def hold(room: Room) -> None:
    """Everything is under a hold."""
    from liuhen.kinds import Hold  # noqa: PLC0415 - used here alone
    from liuhen.registry import HoldAct  # noqa: PLC0415

    assert room._stage is not None
    body = Hold(act=HoldAct.PLACED, session=None, placed=None, records=())
    room._stage.recorder._tools.journal.append(body, session_id=None)


def test_trouble_with_the_second_store_says_so_and_ends_by_itself(both: Both) -> None:
    seen: list[list[str]] = []

    def look(room: Room) -> None:
        seen.append(sorted((room.ask(Verb.STATUS).facts or {})["warnings"]))

    refuses: Callable[[bool], Act] = lambda yes: both.second.pulls(denied=yes)  # noqa: E731
    both.later(
        1,
        doctors(URL.text, SECOND.text),
        refuses(True),
        both.seconds(5),
        look,
        refuses(False),
        both.second.leaps,
        both.seconds(10),
        look,
    )
    assert [len([one for one in warnings if "第二存储库" in one]) for warnings in seen] == [1, 0]
    (refusal,) = [body for _, body in entries(both.made) if getattr(body, "code", None) == EventCode.STORE_REFUSES]
    assert [label for label, _ in getattr(refusal, "records", ())] == [RecordLabel.STORE]
    assert events(both.made, EventCode.STORE_BACK) == 1
