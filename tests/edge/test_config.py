"""The configuration refuses what it does not know, names every reason in one line, and documents itself."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.config import (
    DEFAULT_TOML,
    FILE_LIMIT_BYTES,
    Config,
    ConfigError,
    Described,
    Problem,
    describe,
    load,
    parse,
    template,
)
from edge.config_file import refusals

BASE = Path("/etc/liuhen")


def refused(content: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(content if isinstance(content, bytes) else content.encode(), base=BASE)
    return caught.value.problems


def as_file(path: str, value: str) -> str:
    table, _, name = path.rpartition(".")
    return f"[{table}]\n{name} = {value}\n"


def value_at(config: object, path: str) -> object:
    for name in path.split("."):
        config = getattr(config, name)
    return config


def test_the_packaged_default_parses_to_exactly_the_defaults() -> None:
    assert parse(DEFAULT_TOML) == Config()
    assert Config().digest == hashlib.sha256(DEFAULT_TOML).digest()


def test_an_empty_file_is_the_defaults_under_its_own_digest() -> None:
    empty = parse(b"")
    assert empty.digest == hashlib.sha256(b"").digest()
    assert replace(empty, digest=Config().digest) == Config()


def test_the_defaults_are_the_promised_ones() -> None:
    config = Config()
    assert (config.camera.width, config.camera.height, config.camera.frames_per_second) == (1280, 720, 25)
    assert (config.camera.bitrate_bits_per_second, config.camera.preset) == (2_000_000, "ultrafast")
    assert (config.microphone.rate_hz, config.microphone.channels) == (48_000, 1)
    assert (config.segment.seconds, config.segment.fragment_milliseconds) == (30, 500)
    assert (config.queue.seconds, config.journal.heartbeat_seconds, config.journal.checkpoint_seconds) == (20, 10, 3600)
    assert config.device.room == "第一听证室"


def test_the_packaged_default_is_what_the_schema_renders() -> None:
    assert DEFAULT_TOML.decode() == template()


def test_the_packaged_default_mentions_every_key_with_its_range_in_both_languages() -> None:
    text = DEFAULT_TOML.decode()
    written = tomllib.loads(text)
    for row in describe():
        held: Any = written
        for name in row.path.split("."):
            held = held[name]
        assert f"{row.path.rpartition('.')[2]} = {row.default}\n" in text
        assert row.allowed_zh in text
        assert row.allowed_en in text


def test_the_description_covers_every_field_of_every_table() -> None:
    def paths(table: Any, at: str) -> list[str]:
        found = []
        for field in fields(table):
            inner = getattr(table, field.name)
            found += paths(inner, f"{at}{field.name}.") if is_dataclass(inner) else [at + field.name]
        return found

    beside = ("digest", "rules.")  # what the file is, and what another file says
    assert [row.path for row in describe()] == [path for path in paths(Config(), "") if not path.startswith(beside)]


def test_every_described_default_is_accepted_by_itself() -> None:
    for row in describe():
        config = parse(as_file(row.path, row.default).encode())
        assert value_at(config, row.path) == value_at(Config(), row.path)


@pytest.mark.parametrize("row", describe(), ids=lambda row: row.path)
@pytest.mark.parametrize(
    "value", ["[[]]", "{ a = 1 }", "2026-11-21", "nan", "-1e9", "99999999999999999999", '"\\u0007"']
)
def test_every_key_refuses_values_of_other_types_and_says_where_what_and_how(row: Described, value: str) -> None:
    (problem,) = refused(as_file(row.path, value))
    assert problem.path == row.path
    assert row.allowed_zh in problem.line()
    assert row.allowed_en in problem.line()
    assert problem.example == f"{row.path.rpartition('.')[2]} = {row.default}"
    assert "\n" not in problem.line()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("camera.index", "true"),
        ("camera.index", "0.0"),
        ("camera.enabled", "1"),
        ("camera.enabled", '"true"'),
        ("camera.width", "1281"),
        ("camera.width", "62"),
        ("camera.frames_per_second", "0"),
        ("camera.frames_per_second", "61"),
        ("camera.preset", '"Ultrafast"'),
        ("microphone.rate_hz", "22050"),
        ("microphone.rate_hz", "48000.0"),
        ("microphone.channels", "true"),
        ("microphone.latency_seconds", "true"),
        ("microphone.latency_seconds", "inf"),
        ("device.room", '""'),
        ("device.room", '" 听证室"'),
        ("device.room", '"听证\\n室"'),
        ("device.room", '"听证\\u202e室"'),
        ("device.room", f'"{"听" * 41}"'),
        ("device.utc_offset_minutes", "481"),
        ("spool.directory", '""'),
        ("spool.directory", '"a\\u0000b"'),
        ("spool.journal_file_bytes", "65535"),
        ("spool.journal_reserve_bytes", "65535"),
        ("key.endorsements", '"one"'),
        ("key.endorsements", '["one", "one"]'),
        ("key.endorsements", "[1]"),
        ("segment.seconds", "9"),
        ("segment.seconds", "301"),
        ("segment.fragment_milliseconds", "199"),
        ("segment.fragment_milliseconds", "1001"),
        ("queue.seconds", "61"),
        ("journal.heartbeat_seconds", "0"),
        ("checks.sound.silence_enter_millibel", "1"),
    ],
)
def test_a_value_out_of_range_is_refused_at_its_path(path: str, value: str) -> None:
    assert [problem.path for problem in refused(as_file(path, value))] == [path]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("camera.width", "64", 64),
        ("segment.seconds", "10", 10),
        ("microphone.latency_seconds", "1", 1.0),
        ("device.room", f'"{"听" * 40}"', "听" * 40),
        ("device.room", '"Cafe\\u0301"', "Café"),
        ("device.utc_offset_minutes", "-210", -210),
        ("camera.caption_font", '""', None),
        ("camera.caption_font", '"fonts/a.ttc"', BASE / "fonts/a.ttc"),
        ("spool.directory", '"store"', BASE / "store"),
        ("spool.directory", '"/srv/store"', Path("/srv/store")),
        ("key.endorsements", '["a", "/b"]', (BASE / "a", Path("/b"))),
    ],
)
def test_a_value_at_the_edge_is_accepted(path: str, value: str, expected: object) -> None:
    assert value_at(parse(as_file(path, value).encode(), base=BASE), path) == expected


def test_every_problem_is_reported_at_once_in_one_line_each_and_in_two_languages() -> None:
    problems = refused('[cam]\n[camera]\nwidht = 5\nwidth = 1281\nenabled = 1\n[segment]\nseconds = "30"\n')
    assert [problem.path for problem in problems] == [
        "cam",
        "camera.widht",
        "camera.enabled",
        "camera.width",
        "segment.seconds",
    ]
    assert str(ConfigError(problems)).count("\n") == len(problems) - 1
    assert problems[3].line() == (
        "配置 camera.width = 1281：须为 64..3840 的整数，2 的倍数，例如 width = 1280"
        " | must be an integer 64..3840, a multiple of 2, for example width = 1280"
    )


def test_an_unknown_key_names_the_nearest_known_one() -> None:
    (problem,) = refused("[camera]\nwidht = 5\n")
    assert (problem.path, problem.example) == ("camera.widht", "width")


def test_a_misplaced_secret_is_never_repeated() -> None:
    (problem,) = refused('[key]\npassphrase = "correct horse"\n')
    assert problem.path == "key.passphrase"
    assert "horse" not in problem.line()


@pytest.mark.parametrize("content", ["camera = 3", "[[camera]]", "camera = []", "checks.sound = 1", 'key = "x"'])
def test_a_table_that_is_none_is_refused(content: str) -> None:
    (problem,) = refused(content)
    assert problem.expected_en == "must be a table"


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"[camera",
        b"a = 1\na = 2",
        b"x = " + b"[" * 5000,
        b"x = " + b"9" * 5000,
        b"[camera]\nwidth = 0x" + b"f" * 9000,
    ],
)
def test_a_file_that_cannot_be_parsed_or_printed_is_refused_with_one_short_line(content: bytes) -> None:
    (problem,) = refused(content)
    assert len(problem.line()) < 400


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b'"\\u001b[2J" = 1')
@example('"听证\\u202e" = 1'.encode())
def test_any_bytes_give_a_configuration_or_visible_lines(content: bytes) -> None:
    try:
        parse(content)
    except ConfigError as error:
        assert error.problems
        assert all(problem.line().isprintable() for problem in error.problems)


def test_a_byte_order_mark_is_tolerated_and_counts_in_the_digest() -> None:
    content = b"\xef\xbb\xbf[segment]\nseconds = 20\n"
    config = parse(content)
    assert (config.segment.seconds, config.digest) == (20, hashlib.sha256(content).digest())


def test_the_digest_changes_with_a_comment() -> None:
    assert parse(b"# a").digest != parse(b"# b").digest


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ("camera.enabled = false\nmicrophone.enabled = false", "camera.enabled"),
        ("camera.frames_per_second = 1", "segment.fragment_milliseconds"),
        ("microphone.rate_hz = 8000\nmicrophone.packet_samples = 4001", "microphone.packet_samples"),
        ("queue.limit_bytes = 1048576", "queue.limit_bytes"),
        ("segment.seconds = 300", "segment.seconds"),
        ('spool.directory = "store"\nkey.file = "other/../store/device.key"', "key.file"),
        ("checks.picture.black_leave_milliluma = 24000", "checks.picture.black_leave_milliluma"),
        ("checks.picture.frozen_enter_milliluma = 60", "checks.picture.frozen_leave_milliluma"),
        ("checks.picture.covered_detail_enter_milliluma = 1800", "checks.picture.covered_detail_leave_milliluma"),
        ("checks.picture.covered_dim_enter_milliluma = 100000", "checks.picture.covered_dim_leave_milliluma"),
        ("checks.picture.covered_flat_enter_milliluma = 8000", "checks.picture.covered_flat_leave_milliluma"),
        ("checks.sound.silence_leave_millibel = -6000", "checks.sound.silence_leave_millibel"),
        ("checks.sound.clipping_enter_samples_per_second = 10", "checks.sound.clipping_enter_samples_per_second"),
    ],
)
def test_values_that_contradict_each_other_are_refused_and_the_example_mends_them(content: str, path: str) -> None:
    (problem,) = refused(content)
    assert problem.path == path
    table, _, _ = path.rpartition(".")
    kept = [line for line in content.splitlines() if not line.startswith(f"{path} ")]
    parse("\n".join([*kept, f"{table}.{problem.example}"]).encode(), base=BASE)


@pytest.mark.parametrize(
    "content",
    [
        "camera.enabled = false\ncamera.frames_per_second = 1",
        "microphone.enabled = false",
        "camera.frames_per_second = 2",
        "microphone.enabled = false\nmicrophone.rate_hz = 8000\nmicrophone.packet_samples = 4608",
        "camera.bitrate_bits_per_second = 8000000",
    ],
)
def test_values_that_agree_are_accepted(content: str) -> None:
    config = parse(content.encode())
    assert config != Config()
    assert list(refusals(config)) == []


def test_the_longest_fragment_is_shorter_than_the_shortest_segment() -> None:
    rows = {row.path: row.allowed_en for row in describe()}
    assert rows["segment.fragment_milliseconds"].endswith("200..1000")
    assert rows["segment.seconds"].endswith("10..300")


def test_a_configuration_built_by_code_obeys_the_same_rules() -> None:
    config = Config()
    with pytest.raises(ConfigError) as caught:
        replace(config, camera=replace(config.camera, width=1281), segment=replace(config.segment, seconds=5))
    assert [problem.path for problem in caught.value.problems] == ["camera.width", "segment.seconds"]


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Config().camera.width = 640  # type: ignore[misc]


def test_the_environment_overrides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIUHEN_CAMERA_WIDTH", "CAMERA_WIDTH", "LIUHEN_SPOOL_DIRECTORY", "LIUHEN_CONFIG"):
        monkeypatch.setenv(name, "640")
    assert parse(DEFAULT_TOML) == Config()


def test_media_bytes_per_second_count_only_what_is_recorded() -> None:
    assert parse(b"").media_bytes_per_second() == (2_000_000 + 48_000 * 16) // 8
    assert parse(b"camera.enabled = false").media_bytes_per_second() == 96_000
    assert parse(b"microphone.enabled = false").media_bytes_per_second() == 250_000


def test_a_loaded_file_resolves_paths_beside_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "liuhen.toml").write_text('spool.directory = "store"\nkey.file = "keys/device.key"\n')
    monkeypatch.chdir(tmp_path)
    config = load(Path("liuhen.toml"))
    assert (config.spool.directory, config.key.file) == (tmp_path / "store", tmp_path / "keys" / "device.key")


def test_a_missing_file_a_folder_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    huge = tmp_path / "huge.toml"
    huge.write_bytes(b"#" * (FILE_LIMIT_BYTES + 1))
    for path in (tmp_path / "absent.toml", tmp_path, huge, tmp_path / "bell\x07.toml"):
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert path.name.replace("\x07", "?") in str(caught.value)
