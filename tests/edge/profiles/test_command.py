"""`liuhen profile`: what it prints, and its exit codes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from edge import profiles
from edge.__main__ import main
from edge.profiles import Profile
from edge.profiles.words import FIELD_WORDS
from tests.edge.profiles.books import load_named
from tests.edge.profiles.test_reading import SIXTH

Said = pytest.CaptureFixture[str]


def profile(said: Said, *words: str) -> tuple[int, str, str]:
    code = main(["profile", *words])
    told = said.readouterr()
    return code, told.out, told.err


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A device whose own folder holds a sixth jurisdiction, which it has chosen."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "liuhe.toml").write_text(SIXTH, encoding="utf-8")
    file = tmp_path / "recorder.toml"
    file.write_text('[profile]\nname = "liuhe"\ndirectory = "own"\n', encoding="utf-8")
    return file


def test_list_names_every_file_with_its_hash_and_the_one_chosen(capsys: Said, own: Path) -> None:
    code, out, _ = profile(capsys, "list", "--config", str(own), "--json")
    rows = json.loads(out)
    assert code == 0
    assert [row["name"] for row in rows] == ["liuhe", "jiaozuo", "neutral", "nongan", "province", "xinhua", "zezhou"]
    assert [row["name"] for row in rows if row["chosen"]] == ["liuhe"]
    assert {row["name"]: row["items"] for row in rows if row["name"] in ("zezhou", "province", "xinhua")} == {
        "zezhou": 38,
        "province": 30,
        "xinhua": 23,
    }
    _, plain, _ = profile(capsys, "list", "--config", str(own))
    assert "liuhe  六合区示范规则  ← 本机选用 chosen" in plain
    assert rows[0]["sha256"] in plain


def test_list_says_which_file_is_none_and_still_lists_the_others(capsys: Said, own: Path) -> None:
    (own.parent / "own" / "torn.toml").write_text("name = 3\n", encoding="utf-8")
    code, out, err = profile(capsys, "list", "--config", str(own))
    assert code == 1
    assert "zezhou" in out
    assert all(line.startswith("辖区规则 ") for line in err.splitlines())
    assert "torn.toml" in err


def test_show_has_every_part_with_its_article(capsys: Said) -> None:
    code, out, _ = profile(capsys, "show", "jiaozuo")
    assert code == 0
    assert "告知用语：为保护您的合法权益，监督我们的执法行为，本次执法将全程录音录像" in out
    assert "〔第十条（一）〕" in out
    assert "音像记录制作完成后，行政执法人员应当在 24 小时内（自音像记录制作完成起 24 小时）" in out
    assert "    8. 当事人确认《听证笔录》" in out


def test_show_names_each_part_of_the_schema_whether_the_document_says_it_or_not(capsys: Said) -> None:
    """Silence is told as 未规定 and not by a missing line; a template's own rules are told with its steps."""
    apart = {"name", "title", "title_en", "origin", "digest", "notes", "templates", "items", "articles"}
    for name in ("jiaozuo", "zezhou", "nongan"):
        _, out, _ = profile(capsys, "show", name)
        for field in dataclasses.fields(Profile):
            assert field.name in apart or f"\n{FIELD_WORDS[field.name]}：" in out, (name, field.name)
    assert "未到此环节而结束须说明：当事人确认《听证笔录》" in profile(capsys, "show", "zezhou")[1]
    assert "\n当事人调阅：（未规定）" in profile(capsys, "show", "zezhou")[1]
    window = profile(capsys, "show", "zezhou")[1].partition("程序 窗口受理：")[2].partition("程序 ")[0]
    for told in ("记录场所：行政审批大厅", "最少执法人员：1", "免填：当事人；执法证件号码", "所录事项：1"):
        assert told in window


def test_show_in_json_has_the_values_under_the_keys_of_the_file(capsys: Said) -> None:
    shown = json.loads(profile(capsys, "show", "jiaozuo", "--json")[1])
    written = tomllib.loads((Path(profiles.__file__).parent / "jiaozuo.toml").read_text(encoding="utf-8"))
    assert shown["digest"] == load_named("jiaozuo").digest.hex()
    for name, value in written.items():
        assert holds(shown[name], value), name
    item = json.loads(profile(capsys, "show", "zezhou", "--item", "21", "--json")[1])
    assert (item["limit"]["amount"], item["limit"]["trigger"], item["devices"]) == (
        5,
        "notice_served",
        ["视频监控", "便携设备"],
    )


@pytest.mark.parametrize("name", [found.name for found in profiles.available()])
def test_the_file_of_a_profile_is_printed_as_it_stands_and_begins_one_of_ones_own(
    capfdbinary: pytest.CaptureFixture[bytes], own: Path, name: str
) -> None:
    assert main(["profile", "show", name, "--toml"]) == 0
    content = capfdbinary.readouterr().out
    assert hashlib.sha256(content).digest() == load_named(name).digest
    folder = own.parent / "own"
    (folder / f"{name}.toml").write_bytes(content)
    assert profiles.load_named(name, folder) == load_named(name), "the same under the same name"
    renamed = content.replace(f'name = "{name}"'.encode(), b'name = "mycounty"', 1)
    (folder / "mycounty.toml").write_bytes(renamed)
    mine = profiles.load_named("mycounty", folder)
    assert dataclasses.replace(mine, name=name, digest=load_named(name).digest) == load_named(name)
    said = []
    for one in (name, "mycounty"):
        code = main(["profile", "lint", one, "--config", str(own)])
        said.append((code, capfdbinary.readouterr().out))
    assert said[0] == said[1], "and lint says the same of it"
    assert main(["profile", "show", "mycounty", "--toml", "--config", str(own)]) == 0
    assert capfdbinary.readouterr().out == renamed
    assert main(["profile", "show", str(folder / "mycounty.toml"), "--toml"]) == 0
    assert capfdbinary.readouterr().out == renamed


def test_a_file_is_printed_whole_or_not_at_all(capsys: Said, own: Path) -> None:
    for words in (("--json",), ("--item", "1")):
        code, out, err = profile(capsys, "show", "zezhou", "--toml", *words)
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 1
    (own.parent / "own" / "torn.toml").write_text("name = 3\n", encoding="utf-8")
    assert profile(capsys, "show", "torn", "--toml", "--config", str(own))[:2] == (2, "")


def holds(shown: Any, written: Any) -> bool:
    """Whether all that was written is there, beside the defaults."""
    if isinstance(written, dict):
        return all(holds(shown[name], value) for name, value in written.items())
    if isinstance(written, list):
        return len(shown) == len(written) and all(map(holds, shown, written))
    return bool(shown == written)


def test_show_item_prints_a_row_under_the_headings_of_its_list(capsys: Said) -> None:
    code, out, _ = profile(capsys, "show", "zezhou", "--item", "36")
    assert code == 0
    assert out.startswith("《泽州县应急管理局行政执法音像记录事项清单》第36行\n")
    assert "开始记录时间：查封、扣押开始前\n" in out
    assert "粘连" in out
    assert profile(capsys, "show", "zezhou", "--item", "39")[0] == 2


def test_lint_of_zezhou_names_row_4_and_its_exit_code_says_that_something_cannot_be_claimed(capsys: Said) -> None:
    code, out, _ = profile(capsys, "lint", "zezhou")
    assert code == 1
    assert "不得主张 cannot claim  〔第4行〕" in out
    assert profile(capsys, "lint", "neutral")[0] == 0


def test_lint_in_json_has_the_level_of_each_line(capsys: Said) -> None:
    rows = json.loads(profile(capsys, "lint", "province", "--json")[1])
    assert {row["level"] for row in rows} == {"cannot_claim", "warning", "note"}
    assert all(row["zh"] and row["en"] and row["source"] for row in rows)


def test_diff_shows_both_sides_with_their_articles(capsys: Said) -> None:
    code, out, _ = profile(capsys, "diff", "jiaozuo", "nongan")
    assert code == 1
    assert (
        "听证：记录要求  templates.hearing.obligation\n    甲：应当记录  〔第七条（二）第1项〕\n    乙：必要时记录"
        in out
    )
    code, out, _ = profile(capsys, "diff", "jiaozuo", "jiaozuo")
    assert (code, out.splitlines()[-1]) == (0, "没有差别 no difference")


def test_diff_in_json_names_every_field(capsys: Said) -> None:
    rows = json.loads(profile(capsys, "diff", "zezhou", "province", "--json")[1])
    (limit,) = [row for row in rows if row["path"] == "items.听取当事人陈述申辩.limit"]
    assert (limit["left"]["source"], limit["right"]["source"]) == ("第21行", "第15行")


def test_a_file_is_taken_where_a_name_is(capsys: Said, own: Path) -> None:
    code, out, _ = profile(capsys, "show", str(own.parent / "own" / "liuhe.toml"))
    assert code == 0
    assert "六合区示范规则" in out


def test_config_check_looks_at_the_rules_too(capsys: Said, own: Path) -> None:
    assert main(["config", "check", str(own)]) == 0
    assert "辖区规则 rules: 六合区示范规则" in capsys.readouterr().out
    (own.parent / "own" / "liuhe.toml").unlink()
    assert main(["config", "check", str(own)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "没有这个辖区规则" in line


@pytest.mark.parametrize("words", [("show", "nowhere"), ("lint", "/none.toml"), ("diff", "zezhou", "nowhere")])
def test_what_there_is_not_is_told_in_one_line(capsys: Said, words: tuple[str, ...]) -> None:
    code, out, err = profile(capsys, *words)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("辖区规则 ")
    assert " | " in line
