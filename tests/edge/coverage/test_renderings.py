"""The three renderings of one report: the same answers in each, and no name that acts on whoever reads it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from unicodedata import east_asian_width

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.coverage.as_html import to_html
from edge.coverage.as_json import FORMAT, to_json
from edge.coverage.as_text import NEVER_FIRST, to_text
from edge.coverage.decide import decide
from edge.coverage.facts import Facts
from edge.coverage.reading import facts_of
from edge.coverage.values import Coverage
from edge.coverage.words import isolated, settled, visible
from liuhen.registry import RecordLabel
from tests.browser import printed_page
from tests.edge.coverage.a_hearing import BY_THE_BOOK, Script, hold, load_named, report_of
from tests.signing.archives import flip, segments
from tests.signing.checking import NOW_MS, TRUST

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": '"><img src=x onerror=alert(1)>',
    "entity": "&lt;b&gt; ]]> <!--",
    "direction": "\u202e\u2066张三\u2069",
    "lines": "甲\n乙\r\n丙\u2028丁\x1b[2J\x00\x07",
    "long": "长" * 10_000,
    "emoji": "👩🏽‍⚖️",
    "piled": "a" + "\u0301" * 500,
    "hebrew": "שלום",
}
ELEMENTS = frozenset(
    (
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "div",
        "dl",
        "dt",
        "dd",
        "p",
        "ul",
        "li",
        "br",
        "table",
        "colgroup",
        "col",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "span",
        "bdi",
    )
)
ATTRIBUTES = frozenset({"lang", "charset", "http-equiv", "content", "name", "class", "style"})


class _Page(HTMLParser):
    """Which elements and attributes a page has, and its text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.text += data


def page(report: Coverage) -> _Page:
    read = _Page()
    read.feed(to_html(report))
    return read


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Coverage:
    """A report in which most things went wrong, with a hostile name in every field of the header."""
    header: dict[RecordLabel, str | list[str]] = {
        RecordLabel.CASE: HOSTILE["script"],
        RecordLabel.CAUSE: HOSTILE["lines"],
        RecordLabel.PARTIES: [*HOSTILE.values()],
        RecordLabel.OFFICIALS: [HOSTILE["long"], HOSTILE["hebrew"]],
        RecordLabel.HOST: HOSTILE["attribute"],
        RecordLabel.RECORDER: HOSTILE["direction"],
        RecordLabel.PLACE: HOSTILE["piled"],
    }
    script = Script(
        follows="jiaozuo",
        matter="附件3-监督检查-1",
        header=header,
        gap_in=2,
        gap_explained=False,
        late=frozenset({4}),
        skip=frozenset({8}),
        notice_after_seconds=70,
        plate=False,
        reason=HOSTILE["direction"] + HOSTILE["entity"],
    )
    root = tmp_path_factory.mktemp("wrong") / "archive"
    hold(root, script)
    return report_of(root, "jiaozuo")


def test_text_json_and_html_give_the_same_answers(wrong: Coverage) -> None:
    text, read, told = to_text(wrong), page(wrong).text, json.loads(json.dumps(to_json(wrong)))
    assert told["format"] == FORMAT == "liuhen-coverage 1"
    assert [one["status"] for one in told["items"]] == [one.status.value for one in wrong.items]
    assert [one["outcome"] for one in told["requirements"]] == [one.outcome.value for one in wrong.requirements]
    for item in wrong.items:
        assert item.title in text
        assert item.title in read
    for one in wrong.requirements:
        assert f"[{one.outcome.words}] {one.topic.words}" in text
        assert one.topic.words.zh in read
    for words in (
        "待说明",
        "补标，所指",
        "参照适用",
        "没有标志入画",
        "设备故障",
        "不得据此" if not wrong.items else "未标记环节",
    ):
        assert words in text
        assert words in read


def test_chinese_stands_first_and_english_beside(wrong: Coverage) -> None:
    first = to_text(wrong).splitlines()[0]
    assert first == "录制情况与事项覆盖报告 Coverage report of a session"
    assert "<html lang=zh-Hans>" in to_html(wrong)


def test_no_name_becomes_markup(wrong: Coverage) -> None:
    read = page(wrong)
    assert read.elements <= ELEMENTS
    assert read.attributes <= ATTRIBUTES
    assert HOSTILE["script"] in read.text, "it is shown as what it is"
    html = to_html(wrong)
    assert "default-src 'none'" in html
    assert "http://" not in html
    assert "https://" not in html


def test_nothing_that_would_act_is_left_in_any_rendering(wrong: Coverage) -> None:
    for rendered in (to_text(wrong), to_html(wrong), json.dumps(to_json(wrong), ensure_ascii=False)):
        acting = {one for one in rendered if not one.isprintable()} - {"\n", "\u2068", "\u2069"}
        assert acting == set()
        assert "⟨U+202E⟩" in rendered
        assert "⟨U+001B⟩[2J" in rendered
        assert len(rendered) < 200_000, "a name of 10,000 characters does not fill the report"
        assert "长" * 201 not in rendered


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_text_is_one_visible_line(name: str) -> None:
    shown = visible(HOSTILE[name])
    assert shown.isprintable()
    assert len(shown) < 5_000


def test_a_text_from_right_to_left_is_kept_apart_where_no_markup_does_it() -> None:
    assert isolated("שלום") == "\u2068שלום\u2069"
    assert isolated("张三 A") == "张三 A"
    assert settled("当事人：\u2068שלום\u2069、张三", 100) == "当事人：\u2068שלום\u2069、张三"
    assert settled("\u2069שלום\u2068", 100) == "⟨U+2069⟩שלום⟨U+2068⟩"
    assert settled("甲\u2068ש\u2069乙", 2) == "甲⟨U+2068⟩…（共 5 字 characters）"


def test_every_text_of_the_page_stands_in_an_element_of_its_own(wrong: Coverage) -> None:
    html = to_html(wrong)
    assert "\u2068שלום\u2069" in html
    assert html.count("<bdi>") == html.count("</bdi>") > 100


@pytest.mark.browser
@pytest.mark.beside
def test_the_page_prints_on_a4(wrong: Coverage, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(to_html(wrong))
    printed = printed_page(tmp_path / "report.html")
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
    assert len(boxes) >= 3, "a report of this length has several sheets"
    for width, height in boxes:
        assert abs(float(width) - 595.3) < 1, "210 mm in points"
        assert abs(float(height) - 841.9) < 1, "297 mm in points"


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """The facts of a hearing by the book, whose records a test fills anew."""
    root = tmp_path_factory.mktemp("facts") / "archive"
    hold(root, BY_THE_BOOK)
    return facts_of(root, None, trust=TRUST, now_ms=NOW_MS)


@given(name=st.text(max_size=300))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_record_says_it_acts_in_no_rendering(facts: Facts, name: str) -> None:
    report = decide(replace(facts, texts=dict.fromkeys(facts.texts, name)), load_named("zezhou"), load_named("zezhou"))
    read = page(report)
    assert read.elements <= ELEMENTS
    assert read.attributes <= ATTRIBUTES
    for rendered in (to_text(report), to_html(report), json.dumps(to_json(report), ensure_ascii=False)):
        assert {one for one in rendered if not one.isprintable()} <= {"\n", "\u2068", "\u2069"}
        assert rendered.count("\u2068") == rendered.count("\u2069")
        rendered.encode()


def test_a_report_of_a_hearing_by_the_book_has_no_alarm_in_it(tmp_path: Path) -> None:
    hold(tmp_path / "a", BY_THE_BOOK)
    text = to_text(report_of(tmp_path / "a"))
    assert "▲" not in text
    assert "未覆盖" not in text
    assert "未履行" not in text


def test_a_report_of_a_broken_archive_says_nothing_of_the_session_in_any_rendering(tmp_path: Path) -> None:
    device = hold(tmp_path / "a", Script(gap_in=2, reason="不应出现的理由", late=frozenset({3})))
    (session,) = (device.root / "sessions").iterdir()
    flip(segments(device.root, bytes.fromhex(session.name))[3], 400)
    report = report_of(tmp_path / "a")
    told = json.loads(json.dumps(to_json(report)))
    assert told["verified"]["intact"] is False
    for name in ("began", "ended", "finished", "segments", "recorded_ms", "procedure", "matter"):
        assert told[name] is None, name
    for rendered in (to_text(report), page(report).text, json.dumps(told, ensure_ascii=False)):
        assert "档案不完好" in rendered
        for claim in ("已覆盖", "未覆盖", "没有中止", "中止 1", "不应出现", "张三", "补标", "未见结束", "22:1"):
            assert claim not in rendered


@pytest.mark.parametrize("columns", [40, 80, 133])
def test_a_report_is_folded_to_the_terminal_and_loses_nothing(columns: int, tmp_path: Path) -> None:
    hold(
        tmp_path / "a", Script(follows="jiaozuo", gap_in=3, late=frozenset({5}), header={RecordLabel.PLACE: "长" * 150})
    )
    report = report_of(tmp_path / "a", "jiaozuo")
    folded, whole = to_text(report, columns), to_text(report)
    assert (
        max(sum(1 + (east_asian_width(letter) in "WF") for letter in line) for line in folded.splitlines()) <= columns
    )
    assert "".join(folded.split()) == "".join(whole.split())
    for line, following in pairwise(folded.splitlines()):
        assert not following.lstrip().startswith(tuple(NEVER_FIRST)) or line.endswith(tuple(NEVER_FIRST))
    assert not any(line.rstrip().endswith("2026-") for line in folded.splitlines()), "no date is torn"
    assert "\n      标记 mark" in folded
    assert "\n        " in folded, "a line that goes on stands further in"
