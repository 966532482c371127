"""The check before a recording: each item that fails alone names itself, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge.checks import Condition
from edge.precheck import NOT_FITTED, SEEN_WELL, Facts, Seen, Shelf, Sight, blocked, judge
from liuhen.registry import CheckItem, CheckOutcome

WELL = Facts(
    clock_plausible=True,
    clock_error_ms=5,
    picture=SEEN_WELL,
    sound=SEEN_WELL,
    space_minutes=600,
    minimum_minutes=60,
    key=True,
    power="MAINS",
    power_minutes=30,
    interlock=True,
    permit=True,
    mirror_fitted=True,
    mirror_minutes=600,
    milli_celsius=50_000,
    store=Shelf.WELL,
    store_waiting=3,
)
NOT_WELL = (Shelf.UNEXAMINED, Shelf.UNFIT, Shelf.SILENT, Shelf.UNREACHABLE, Shelf.LATE)
TROUBLES: list[tuple[dict[str, Any], CheckItem, CheckOutcome]] = [
    ({"clock_plausible": False}, CheckItem.CLOCK, CheckOutcome.WARNING),
    ({"picture": Seen(sight=Sight.ABSENT)}, CheckItem.PICTURE, CheckOutcome.BLOCKING),
    ({"picture": Seen(sight=Sight.PICTURE_BLACK)}, CheckItem.PICTURE, CheckOutcome.BLOCKING),
    ({"picture": Seen(sight=Sight.PICTURE_FROZEN)}, CheckItem.PICTURE, CheckOutcome.BLOCKING),
    ({"picture": Seen(sight=Sight.PICTURE_COVERED)}, CheckItem.PICTURE, CheckOutcome.BLOCKING),
    ({"picture": Seen(sight=Sight.FORBIDDEN)}, CheckItem.PICTURE, CheckOutcome.NOT_LOOKED_AT),
    ({"picture": Seen(sight=Sight.UNSEEN)}, CheckItem.PICTURE, CheckOutcome.NOT_LOOKED_AT),
    ({"sound": Seen(sight=Sight.ABSENT)}, CheckItem.SOUND, CheckOutcome.BLOCKING),
    ({"sound": Seen(sight=Sight.SOUND_DIGITAL_ZERO)}, CheckItem.SOUND, CheckOutcome.BLOCKING),
    ({"sound": Seen(sight=Sight.SOUND_SILENT)}, CheckItem.SOUND, CheckOutcome.WARNING),
    ({"sound": Seen(sight=Sight.SOUND_CLIPPING)}, CheckItem.SOUND, CheckOutcome.WARNING),
    ({"sound": Seen(sight=Sight.FORBIDDEN)}, CheckItem.SOUND, CheckOutcome.NOT_LOOKED_AT),
    ({"space_minutes": 59}, CheckItem.SPACE, CheckOutcome.BLOCKING),
    ({"space_minutes": None}, CheckItem.SPACE, CheckOutcome.BLOCKING),
    ({"power": None, "power_fitted": True}, CheckItem.POWER, CheckOutcome.NOT_LOOKED_AT),
    ({"key": None}, CheckItem.KEY, CheckOutcome.NOT_LOOKED_AT),
    ({"milli_celsius": None, "temperature_fitted": True}, CheckItem.TEMPERATURE, CheckOutcome.NOT_LOOKED_AT),
    *(({"store": shelf}, CheckItem.STORE, CheckOutcome.WARNING) for shelf in NOT_WELL),
    ({"power": "ON_BATTERY"}, CheckItem.POWER, CheckOutcome.WARNING),
    ({"power": "LOW"}, CheckItem.POWER, CheckOutcome.BLOCKING),
    ({"key": False}, CheckItem.KEY, CheckOutcome.BLOCKING),
    ({"permit": False}, CheckItem.INTERLOCK, CheckOutcome.BLOCKING),
    ({"permit": None}, CheckItem.INTERLOCK, CheckOutcome.BLOCKING),
    ({"mirror_minutes": None}, CheckItem.MIRROR, CheckOutcome.WARNING),
    ({"milli_celsius": 85_000}, CheckItem.TEMPERATURE, CheckOutcome.WARNING),
]


@pytest.mark.parametrize(("change", "item", "outcome"), TROUBLES)
def test_an_item_that_fails_alone_names_itself_and_its_fix(
    change: dict[str, Any], item: CheckItem, outcome: CheckOutcome
) -> None:
    rows = judge(replace(WELL, **change))
    assert [(row.item, row.outcome) for row in rows if row.fix_zh] == [(item, outcome)]
    assert blocked(rows) is (outcome is CheckOutcome.BLOCKING)


def test_a_device_in_order_has_every_item_well() -> None:
    rows = judge(WELL)
    assert [row.item for row in rows] == list(CheckItem)
    assert {row.outcome for row in rows} == {CheckOutcome.WELL}
    assert [row.measured for row in rows if row.item is CheckItem.STORE] == [3]


def test_a_missing_spool_is_no_lack_of_space_and_each_state_of_a_source_and_of_the_store_has_its_own_fix() -> None:
    def fix(**change: Any) -> str:
        return next(row.fix_zh for row in judge(replace(WELL, **change)) if row.fix_zh)

    assert "存储目录" in fix(space_minutes=None) != fix(space_minutes=0)
    told = [
        *(fix(picture=Seen(sight=sight)) for sight in Sight if sight not in (Sight.WELL, Sight.NOT_FITTED)),
        *(fix(store=shelf) for shelf in NOT_WELL),
    ]
    assert len(set(told)) == len(told)
    assert fix(picture=Seen(sight=Sight.ABSENT, fix_zh="被别的程序占用")) == "被别的程序占用"


@pytest.mark.parametrize("condition", list(Condition))
def test_whatever_is_judged_of_a_stream_has_its_row(condition: Condition) -> None:
    seen = Sight.of(frozenset({condition}))
    assert judge(replace(WELL, picture=Seen(sight=seen)))[1].fix_zh


def test_what_is_not_fitted_never_blocks() -> None:
    bare = replace(
        WELL,
        picture=NOT_FITTED,
        power=None,
        interlock=False,
        mirror_fitted=False,
        milli_celsius=None,
        store=Shelf.NOT_FITTED,
    )
    assert sum(row.outcome is CheckOutcome.NOT_FITTED for row in judge(bare)) == 6
    assert not blocked(judge(bare))
