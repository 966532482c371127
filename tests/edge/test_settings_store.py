"""The store, the deadline and the retention in the configuration: what is refused, and what a day plan says."""

from __future__ import annotations

import hashlib

import pytest

from edge.config import Config, ConfigError, Problem, parse
from edge.settings_store import Store
from tests.signing.archives import signer


def refused(content: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(content.encode())
    return caught.value.problems


def test_without_a_word_about_it_nothing_is_offloaded_and_the_stricter_deadline_is_known() -> None:
    config = Config()
    assert config.store.place is None
    assert (config.store.designated, config.store.minimum_hold_days) == (False, 7)
    deadline = config.deadline_in_force
    assert (config.deadline.amount, deadline.amount, deadline.unit) == (-1, 24, "hours")
    assert deadline.levels == (25, 50, 75, 90)


def test_a_stores_url_is_kept_in_its_one_spelling() -> None:
    config = parse(b'[store]\nurl = "s3://STORE.example:7443/room/"\n')
    assert config.store.url == "s3://store.example:7443/room"
    assert config.store.place is not None
    assert config.store.place.bucket == "room"


@pytest.mark.parametrize(
    "url", ["s3://name:hunter2@host/bucket", "s3://host/b?key=hunter2", "https://hunter2/b", "file:hunter2", "hunter2"]
)
def test_a_url_that_cannot_be_used_is_refused_and_never_repeated(url: str) -> None:
    (problem,) = refused(f'[store]\nurl = "{url}"\n')
    assert problem.path == "store.url"
    assert "hunter2" not in problem.line()


def test_a_designated_store_is_one_and_names_who_designated_it() -> None:
    assert [p.path for p in refused("[store]\ndesignated = true\n")] == ["store.designated", "store.designated_by"]
    told = '[store]\nurl = "file:/media/store"\ndesignated = true\n'
    assert [p.path for p in refused(told)] == ["store.designated_by"]
    assert parse(f'{told}designated_by = "市执法局"\n'.encode()).store.designated


def test_a_second_store_is_another_one_beside_a_first_and_is_asked_the_same() -> None:
    both = '[store]\nurl = "file:/media/one"\n[store.second]\nurl = "file:/media/two"\n'
    config = parse(both.encode())
    assert [one.url for one in config.store.every] == ["file:/media/one", "file:/media/two"]
    assert config.store.second.credentials_name != config.store.credentials_name
    assert [p.path for p in refused('[store.second]\nurl = "file:/media/two"\n')] == ["store.second.url"]
    assert [p.path for p in refused(both.replace("two", "one"))] == ["store.second.url"]
    assert [p.path for p in refused(f"{both}designated = true\n")] == ["store.second.designated_by"]


def test_a_fixed_device_is_refused_the_extension_for_work_in_the_field_in_one_line() -> None:
    (problem,) = refused("[deadline]\nfield_work_extension = true\n")
    assert "固定安装的设备" in problem.line()
    assert "\n" not in problem.line()


@pytest.mark.parametrize(
    "levels", ["[50, 25]", "[0, 50]", "[100]", "[50, 50]", "[true]", "[1, 2, 3, 4, 5, 6, 7, 8, 9]"]
)
def test_levels_that_do_not_rise_or_are_no_percentages_are_refused(levels: str) -> None:
    assert [p.path for p in refused(f"[deadline]\nlevels = {levels}\n")] == ["deadline.levels"]


@pytest.mark.parametrize(
    "plan", ['["7:30 1000000"]', '["24:00 1000000"]', '["07:30 999"]', '["08:00 2000", "07:00 2000"]', "[8]", '"x"']
)
def test_a_day_plan_that_cannot_be_read_is_refused(plan: str) -> None:
    assert [p.path for p in refused(f"[store]\ndaily_caps = {plan}\n")] == ["store.daily_caps"]


def test_a_cap_is_in_force_until_the_next_and_over_midnight() -> None:
    store = Store(daily_caps=("07:30 1000000", "19:00 8000000"))
    asked = {"00:00": 0, "07:29": 449, "07:30": 450, "18:59": 1139, "19:00": 1140, "23:59": 1439, "24:00": 1440}
    assert {at: store.cap_bytes_per_second(minute) for at, minute in asked.items()} == {
        "00:00": 8_000_000,
        "07:29": 8_000_000,
        "07:30": 1_000_000,
        "18:59": 1_000_000,
        "19:00": 8_000_000,
        "23:59": 8_000_000,
        "24:00": 8_000_000,
    }
    assert Store().cap_bytes_per_second(0) is None


def test_pinned_witnesses_are_public_keys_by_their_kid() -> None:
    public_key = signer("witness").public_key
    store = parse(f'[store]\nwitness_keys = ["{public_key.hex()}"]\n'.encode()).store
    assert store.witnesses == {hashlib.sha256(public_key).digest(): public_key}
    twice = f'["{public_key.hex()}", "{public_key.hex()}"]'
    for keys in (f'["{public_key.hex().upper()}"]', '["abc"]', f'["{"00" * 32}"]', twice):
        assert [p.path for p in refused(f"[store]\nwitness_keys = {keys}\n")] == ["store.witness_keys"]
