"""The judgement over a store: what each broken promise does to the rows, the verdict and the profile."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge.__main__ import main
from edge.store import Retained
from edge.store_doctor import Item, as_plain, is_fit, judge, judge_directory, profile_of
from edge.store_probes import DirectorySeen, Held, Seen
from liuhen.registry import CheckOutcome, RetentionMode

NOW = datetime(2026, 11, 29, 1, 0, tzinfo=UTC)
DAY = timedelta(days=1)
GOOD = Seen(
    server_key=bytes(32),
    skew_seconds=0.4,
    has_versions=True,
    reads_back=True,
    default=Retained(mode=RetentionMode.COMPLIANCE, until=NOW + DAY),
    default_seconds=86_400,
    refuses_wrong_md5=True,
    refuses_wrong_payload=True,
    refuses_wrong_checksum=True,
    refuses_second_put=True,
    race_winners=1,
    keeps_chosen_date=True,
    refuses_past_date=True,
    refuses_far_clock=True,
    overwritten_is_intact=True,
    marker_is_listed=True,
    marked_is_intact=True,
    deletion=Held.YES,
    shortening=Held.YES,
    weakening=Held.YES,
    versioning=Held.YES,
)


def outcome_of(seen: Seen, item: Item) -> CheckOutcome:
    (row,) = [row for row in judge(seen) if row.item is item]
    return row.outcome


def test_a_store_that_keeps_every_promise_is_fit_and_every_row_says_so() -> None:
    rows = judge(GOOD)
    assert is_fit(rows)
    assert {row.outcome for row in rows} == {CheckOutcome.WELL}
    assert profile_of(GOOD, "s3://h/b", NOW).lock_enforced


@pytest.mark.parametrize(
    ("broken", "item"),
    [
        ({"has_versions": False}, Item.READ_BACK),
        ({"reads_back": False}, Item.READ_BACK),
        ({"refuses_wrong_md5": False, "refuses_wrong_payload": False}, Item.DIGEST),
        ({"default": Retained(mode=RetentionMode.NONE, until=None), "default_seconds": None}, Item.DEFAULT_RETENTION),
        ({"marked_is_intact": False, "marker_is_listed": False}, Item.MARKER),
        ({"default": Retained(mode=RetentionMode.GOVERNANCE, until=NOW)}, Item.DEFAULT_RETENTION),
        ({"overwritten_is_intact": False}, Item.OVERWRITE),
        ({"marked_is_intact": False}, Item.MARKER),
        ({"deletion": Held.NO}, Item.DELETION),
        ({"shortening": Held.NO}, Item.SHORTENING),
        ({"weakening": Held.NO}, Item.WEAKENING),
        ({"versioning": Held.NO}, Item.VERSIONING),
        ({"deletion": Held.UNSHOWN}, Item.DELETION),
        ({"versioning": Held.UNSHOWN}, Item.VERSIONING),
    ],
)
def test_one_broken_or_unshown_promise_makes_a_store_unfit(broken: dict[str, Any], item: Item) -> None:
    seen = replace(GOOD, **broken)
    assert outcome_of(seen, item) is CheckOutcome.BLOCKING
    assert not is_fit(judge(seen))
    (row,) = [row for row in judge(seen) if row.item is item]
    assert row.fix_zh
    assert row.fix_en


@pytest.mark.parametrize("lock", ["deletion", "shortening", "weakening", "versioning"])
@pytest.mark.parametrize("held", [Held.NO, Held.UNSHOWN])
def test_a_lock_that_was_not_shown_is_not_relied_on(lock: str, held: Held) -> None:
    seen = replace(GOOD, **{lock: held})  # type: ignore[arg-type]
    assert not profile_of(seen, "s3://h/b", NOW).lock_enforced


@pytest.mark.parametrize("broken", [{"race_winners": 8}, {"race_winners": 0}, {"refuses_second_put": False}])
def test_a_conditional_put_counts_only_if_one_alone_wins(broken: dict[str, Any]) -> None:
    seen = replace(GOOD, **broken)
    assert not profile_of(seen, "s3://h/b", NOW).conditional_put
    assert outcome_of(seen, Item.CONDITIONAL) is CheckOutcome.NOT_FITTED
    assert is_fit(judge(seen))


@pytest.mark.parametrize(
    ("odd", "item"),
    [
        ({"server_key": None}, Item.TLS),
        ({"skew_seconds": -61.0}, Item.CLOCK),
        ({"refuses_wrong_md5": False}, Item.DIGEST),
    ],
)
def test_what_does_not_touch_a_promise_is_a_warning(odd: dict[str, Any], item: Item) -> None:
    seen = replace(GOOD, **odd)
    assert outcome_of(seen, item) is CheckOutcome.WARNING
    assert is_fit(judge(seen))


def test_json_holds_profile_and_rows() -> None:
    plain = json.loads(json.dumps(as_plain(profile_of(GOOD, "s3://h/b", NOW), judge(GOOD))))
    assert plain["profile"]["default_mode"] == "compliance"
    assert plain["profile"]["server_key"] == "00" * 32
    assert {row["item"] for row in plain["rows"]} >= {"deletion", "shortening", "versioning"}


@pytest.mark.parametrize("broken", [{"reads_back": False}, {"refuses_other_bytes": False}])
def test_a_directory_that_loses_or_replaces_bytes_is_unfit(broken: dict[str, Any]) -> None:
    good = DirectorySeen(skew_seconds=0.0, reads_back=True, refuses_other_bytes=True)
    assert is_fit(judge_directory(good))
    assert not is_fit(judge_directory(replace(good, **broken)))


def test_the_doctor_of_a_directory_says_that_it_is_not_worm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "doctor", f"file:{tmp_path}"]) == 0
    words = capsys.readouterr().out
    assert "非 WORM" in words
    assert "not WORM" in words
    assert main(["store", "doctor", f"file:{tmp_path}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["profile"]["lock_enforced"] is False


@pytest.mark.parametrize(
    "words",
    [
        ["file:/not/there/at/all"],
        ["s3://user:hunter2@host/bucket"],
        ["http://host/bucket"],
        ["s3://store.example.org/bucket"],
    ],
)
def test_what_cannot_be_asked_is_said_in_words_and_shows_no_secret(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["store", "doctor", *words]) == 2
    said = capsys.readouterr()
    assert "无法继续" in said.err
    assert "hunter2" not in said.err + said.out
