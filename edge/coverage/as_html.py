"""A coverage report as one HTML page: printable on A4, self-contained, without scripts or anything fetched. Pure.

Every text is escaped and stands in an element of its own (`bdi`), so that no name turns the line around it; what would
act instead of being seen is shown by its code point. Answers are told by words and marks, not by colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from edge.coverage import lines
from edge.coverage.values import Coverage, Interruption, ItemCoverage, Outcome, Requirement, Status
from edge.coverage.words import Said, said, settled

MOST_LETTERS = 4000
MOST_ROWS = 500
_GOOD = frozenset({Status.COVERED, Outcome.MET})
_BAD = frozenset({Status.NOT_COVERED, Status.NO_CLAIM, Outcome.NOT_MET, Outcome.NO_CLAIM})
LEGEND = said(
    "✓ 已覆盖、已履行；✗ 未覆盖、未履行、不作结论；△ 其余，须看所列事实；没有记号的不要求，或期限未到。",
    "✓ covered, met; ✗ not covered, not met, no claim; △ anything else: read the facts; no sign: not asked, not due.",
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
@page { size: A4; margin: 15mm 14mm; @bottom-right { content: counter(page) " / " counter(pages); font-size: 8pt; } }
* { box-sizing: border-box; }
body { font: 10pt/1.5 "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Microsoft YaHei", sans-serif;
  color: #111; max-width: 182mm; margin: 0 auto; padding: 4mm 0; overflow-wrap: anywhere; }
h1 { font-size: 17pt; margin: 0; }
h2 { font-size: 12pt; margin: 7mm 0 2mm; border-bottom: 0.4mm solid #111; break-after: avoid; }
.en { color: #555; font-size: 8.5pt; }
h1 .en { font-size: 11pt; font-weight: normal; }
h2 .en { font-weight: normal; }
dl { display: grid; grid-template-columns: 34mm 1fr; gap: 0.6mm 3mm; margin: 4mm 0; }
dt { color: #555; } dd { margin: 0; }
table { width: 100%; border-collapse: collapse; table-layout: fixed; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th, td { border: 0.2mm solid #999; padding: 1.2mm 1.6mm; text-align: left; vertical-align: top; }
th { background: #eee; font-weight: 600; }
p, li { margin: 0.5mm 0; } ul { margin: 0; padding-left: 5mm; }
.answer { font-weight: 600; } .good .answer::before { content: "✓ "; }
.bad .answer::before { content: "✗ "; } .doubt .answer::before { content: "△ "; }
.bad .answer { color: #b00020; } .doubt .answer { color: #8a5a00; } .good .answer { color: #1b5e20; }
.warning { border: 0.5mm solid #b00020; padding: 2mm 3mm; margin: 1.5mm 0; font-weight: 600; }
.open { color: #b00020; font-weight: 600; }
.bad .why, .doubt .why { font-weight: 600; } .why::before { content: "▲ "; }
.aside .answer { color: #555; font-weight: normal; }
.small { font-size: 8.5pt; color: #444; } .none { color: #555; }
.summary { font-weight: 600; margin: 3mm 0; }
"""


def to_html(report: Coverage) -> str:
    """The whole page."""
    return "".join(
        (
            "<!doctype html>\n<html lang=zh-Hans><head><meta charset=utf-8>",
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            "<meta name=viewport content='width=device-width'>",
            f"<title>{_text(str(lines.TITLE))}</title><style>{_STYLE}</style></head><body>\n",
            f"<h1>{_both(lines.TITLE)}</h1>\n",
            *(f"<div class=warning>{_both(one)}</div>\n" for one in report.warnings),
            _list(report.verified.broken),
            _heading(report),
            f"<p class=summary>{_both(lines.counted(report))}</p>\n",
            f"<p class=small>{_both(LEGEND)}</p>\n" if report.verified.intact else "",
            _items(report),
            _requirements(report),
            _section(said("环节", "Steps"), _list(lines.fact_words(one) for one in report.steps), bool(report.steps)),
            _gaps(report.interruptions) if report.verified.intact else "",
            _marks(report),
            _rest(report),
            "</body></html>\n",
        )
    )


def _text(text: str) -> str:
    return escape(settled(text, MOST_LETTERS))


def _own(text: str) -> str:
    """A text that turns nothing around it."""
    return f"<bdi>{_text(text)}</bdi>"


def _both(words: Said) -> str:
    """Chinese, then its English, smaller."""
    english = f" <span class=en lang=en>{_own(words.en)}</span>" if words.en else ""
    return f"{_own(words.zh)}{english}"


def _list(entries: Iterable[Said]) -> str:
    listed = list(entries)
    more = len(listed) - MOST_ROWS
    shown = [f"<li>{_both(one)}</li>" for one in listed[:MOST_ROWS]]
    if more > 0:
        shown.append(f"<li>{_both(said(f'另有 {more} 项，见 JSON', f'{more} more in the JSON'))}</li>")
    return f"<ul>{''.join(shown)}</ul>\n" if shown else ""


def _section(title: Said, body: str, shown: bool) -> str:
    return f"<h2>{_both(title)}</h2>\n{body}" if shown else ""


def _heading(report: Coverage) -> str:
    rows = "".join(f"<dt>{_both(name)}</dt><dd>{_both(value)}</dd>" for name, value in lines.heading(report))
    return f"<dl>{rows}</dl>\n<p class=small>{_both(lines.TIMES)}</p>\n"


def _answered(answer: Status | Outcome) -> str:
    """How a row is marked beside its words."""
    if answer in (Outcome.NOT_ASKED, Outcome.OPEN):
        return "aside"
    return "good" if answer in _GOOD else "bad" if answer in _BAD else "doubt"


def _table(heads: Iterable[tuple[Said, str]], rows: Iterable[str]) -> str:
    columns = list(heads)
    widths = "".join(f"<col style='width:{width}'>" for _, width in columns)
    names = "".join(f"<th>{_both(name)}</th>" for name, _ in columns)
    return (
        f"<table><colgroup>{widths}</colgroup><thead><tr>{names}</tr></thead><tbody>{''.join(rows)}</tbody></table>\n"
    )


def _items(report: Coverage) -> str:
    title = said("官方事项", "Official items")
    if not report.items:
        return _section(
            title, f"<p class=none>{_both(said('没有可核对的事项', 'there are none to compare'))}</p>\n", True
        )
    heads = (
        (said("序号", "no."), "16mm"),
        (said("事项与依据", "item and source"), "52mm"),
        (said("结论", "answer"), "27mm"),
        (said("录制起止与标记", "from, to, marks"), "auto"),
    )
    return _section(title, _table(heads, (_item(one) for one in report.items)), True)


def _item(item: ItemCoverage) -> str:
    rule = f"<p class=small>{_own(item.rule)}</p>" if item.rule else ""
    what = f"{_own(item.title)}<p class=small>{_own(item.cited)} {_both(item.obligation)}</p>{rule}"
    claim = f"<p class=small>{_both(item.claim.words)}</p>" if item.claim.words.zh else ""
    found = []
    if item.since is not None and item.until is not None:
        found += [f"<p>{_both(lines.edge_words(item.since))}</p><p>— {_both(lines.edge_words(item.until))}</p>"]
    found += [f"<p class=small>{_own(one.name.zh)}：{_own(lines.shown_words(one).zh)}</p>" for one in item.marks]
    for gap in item.interruptions:
        found.append(_gap(gap))
    found += [f"<p class=why>{_both(words)}</p>" for words in item.why]
    found += [f"<p class=small>{_own(note)}</p>" for note in item.notes]
    return (
        f"<tr class={_answered(item.status)}><td>{_own(item.no)}</td><td>{what}</td>"
        f"<td><span class=answer>{_both(item.status.words)}</span>{claim}</td><td>{''.join(found)}</td></tr>"
    )


def _gap(gap: Interruption) -> str:
    kind = "" if gap.explained and (gap.approval is None or gap.approved) else " class=open"
    return f"<p>{_both(lines.gap_words(gap))}</p><p{kind}>{_both(lines.explained_words(gap))}</p>"


def _requirements(report: Coverage) -> str:
    heads = (
        (said("要求", "what was due"), "34mm"),
        (said("结论", "answer"), "26mm"),
        (said("依据", "by which rule"), "44mm"),
        (said("事实", "facts"), "auto"),
    )
    rows = (_requirement(one) for one in report.requirements)
    return _section(said("应当履行的要求", "What was due"), _table(heads, rows), True)


def _requirement(one: Requirement) -> str:
    facts = "".join(f"<p>{_both(lines.fact_words(fact))}</p>" for fact in one.facts)
    return (
        f"<tr class={_answered(one.outcome)}><td>{_both(one.topic.words)}</td>"
        f"<td><span class=answer>{_both(one.outcome.words)}</span></td>"
        f"<td class=small>{_both(lines.ground_words(one))}</td><td>{facts}</td></tr>"
    )


def _gaps(gaps: tuple[Interruption, ...]) -> str:
    title = said("中止与缺路", "Gaps and degraded streams")
    body = "".join(f"<li>{_gap(gap)}</li>" for gap in gaps[:MOST_ROWS])
    none = f"<p class=none>{_both(said('没有中止', 'there was none'))}</p>\n"
    return _section(title, f"<ul>{body}</ul>\n" if gaps else none, True)


def _marks(report: Coverage) -> str:
    late = [said(f"{one.name.zh}：{lines.shown_words(one).zh}", lines.shown_words(one).en) for one in report.late]
    others = [said(f"{one.name.zh}：{lines.shown_words(one).zh}", lines.shown_words(one).en) for one in report.others]
    return _section(said("补标（事后标记，所指时间凭记忆）", "Marked afterwards"), _list(late), bool(late)) + _section(
        said("其他标记", "Other marks"), _list(others), bool(others)
    )


def _rest(report: Coverage) -> str:
    blocks = (
        (said("画面与声音异常", "Picture and sound"), [lines.trouble_words(one) for one in report.degraded]),
        (said("值守期间的办事", "Visits"), [lines.visit_words(one) for one in report.visits]),
        (
            said("固定设备不得主张的", "What a fixed recorder may not claim"),
            [lines.fact_words(one) for one in report.not_claimed],
        ),
        (said("规则文件的说明", "Notes of the rule book"), [said(one, "") for one in report.notes]),
    )
    return "".join(_section(title, _list(entries), bool(entries)) for title, entries in blocks)
