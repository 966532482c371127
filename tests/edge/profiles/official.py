"""The official texts taken apart into rows and articles, without a look at the data that is compared with them.

What was torn in a document is put together by an explicit list of repairs, each of which only moves the document's own
words. White space never counts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent.parent.parent / "regulations"
NUMERALS = "一二三四五六七八九十"
WIDE = str.maketrans(",;:()", "，；：（）")


def text_of(name: str) -> str:
    """The document, checked against the hash that stands beside it."""
    content = (FOLDER / f"{name}.txt").read_bytes()
    assert hashlib.sha256(content).hexdigest() in (FOLDER / "README.md").read_text(encoding="utf-8")
    return content.decode("utf-8")


def bare(text: str | None) -> str:
    """Without any white space."""
    return re.sub(r"\s+", "", text or "")


def loose(text: str) -> str:
    """Without white space, and with the wide form of the punctuation that the documents print in both."""
    return bare(text).translate(WIDE)


def numeral(number: int) -> str:
    """A Chinese numeral up to 99."""
    tens, ones = divmod(number, 10)
    return ("" if not tens else ("" if tens == 1 else NUMERALS[tens - 1]) + "十") + (NUMERALS[ones - 1] if ones else "")


def province_rows() -> dict[str, list[str]]:
    """Blocks of one cell a line; the first is the heading, the last the legend."""
    blocks = [block.lstrip("\n").removeprefix("\t").split("\n\t") for block in text_of("province").split("\n\n")]
    return {bare(cells[0]): cells for cells in blocks if bare(cells[0]).isdigit()}


def province_headings() -> list[str]:
    first = text_of("province").split("\n\n")[0]
    return [bare(cell) for cell in first.split("\n\t")[1:]]


def xinhua_rows() -> dict[str, list[str]]:
    """Lines of cells between tabs. Repairs: two words of row 22 fell into row 23; from row 5 on there is no remark."""
    lines = [line.split("\t") for line in text_of("xinhua").splitlines() if re.match(r"\d+\t", line)]
    rows = {cells[0]: cells for cells in lines}
    torn, holder = rows["22"], rows["23"]
    assert [len(cells) for cells in lines] == [11] * 4 + [10] * 18 + [12]
    torn[6] += holder.pop(7)
    torn[7] += holder.pop(7)
    return {no: cells if len(cells) == 11 else [*cells, ""] for no, cells in rows.items()}


def xinhua_headings() -> list[str]:
    return next(line for line in text_of("xinhua").splitlines() if line.startswith("序号\t")).split("\t")


def zezhou_headings() -> list[str]:
    return next(line for line in text_of("zezhou").splitlines() if line.startswith("序号 ")).split()


def zezhou_rows() -> dict[str, str]:
    """Each row's text without its number, in one. Repair: the legend that stands between rows 34 and 35 is left out."""
    text = re.sub(r"填表说明.*?(?=^35 )", "", text_of("zezhou"), flags=re.DOTALL | re.MULTILINE)
    starts, at = [], 0
    for number in range(1, 39):
        found = re.compile(rf"^{number}、? (?=行政)", re.MULTILINE).search(text, at)
        assert found is not None, number
        starts.append((found.start(), found.end()))
        at = found.end()
    assert not re.compile(r"^39、? ", re.MULTILINE).search(text, at)
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return {str(n): text[start:end] for n, ((_, start), end) in enumerate(zip(starts, ends, strict=True), 1)}


def gaps(text: str) -> frozenset[int]:
    """After how many characters there is white space."""
    found, count = set(), 0
    for character in text:
        if character.isspace():
            found.add(count)
        else:
            count += 1
    return frozenset(found | {count})


def jiaozuo_table(annex: int) -> list[list[str]]:
    """The heading and the two rows of an annex."""
    text = text_of("jiaozuo")
    lines = text[text.index(f"\n附件 {annex}\n") :].splitlines()
    return [line.split("\t") for line in lines if "\t" in line][:3]


def numbered(cell: str) -> list[tuple[int, str]]:
    """`1. …； 2. …。` as numbers and texts."""
    return [(int(n), text.strip()) for n, text in re.findall(r"(\d+)\. ((?:(?! \d+\. ).)*)", cell)]


def articles(name: str, last: int) -> Mapping[int, str]:
    """Each article's text without its number, bullets and chapter headings."""
    text = text_of(name).partition("\n附件 2\n")[0]
    text = re.sub(r"^第.章 .*$|^- ", "", text, flags=re.MULTILINE)
    starts, at = [], 0
    for number in range(1, last + 1):
        found = re.compile(rf"^第{numeral(number)}条 ", re.MULTILINE).search(text, at)
        assert found is not None, number
        starts.append((found.start(), found.end()))
        at = found.end()
    assert not re.compile(rf"^第{numeral(last + 1)}条 ", re.MULTILINE).search(text, at)
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return {n: text[start:end] for n, ((_, start), end) in enumerate(zip(starts, ends, strict=True), 1)}
