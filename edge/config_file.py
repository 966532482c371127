"""A configuration file as typed tables: rules stand beside dataclass fields, and one reader applies them all.

Owns nothing and opens nothing: TOML text in, frozen values or the complete list of problems out. Any thread may call.
The same field metadata validates, describes and renders, so the three cannot disagree.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_SHOWN_CHARACTERS = 60
_SHOWN_INTEGER_BITS = 128
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,60}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong: where (dotted path), what stands there, what may stand there, and an example that works."""

    path: str
    value: str
    expected_zh: str
    expected_en: str
    example: str

    def line(self) -> str:
        """One line for an operator, Chinese first."""
        written = f"{self.path} = {self.value}" if self.value else self.path
        zh, en = (f"，例如 {self.example}", f", for example {self.example}") if self.example else ("", "")
        return _visible(f"配置 {written}：{self.expected_zh}{zh} | {self.expected_en}{en}")


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds every one found, in the order of the file's schema."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(problem.line() for problem in problems))
        self.problems = problems


class Rule(Protocol):
    """What a key may hold. Pure; raises nothing."""

    def convert(self, raw: object, base: Path) -> object:
        """Turn a TOML value into the typed one; of the wrong type it is returned as it is, for `holds` to refuse."""

    def holds(self, value: object) -> bool:
        """Say whether the typed value is allowed."""

    def allowed(self) -> tuple[str, str]:
        """The allowed values in words, Chinese and English."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer from low to high, a multiple of `step`; `true` is not 1."""

    low: int
    high: int
    step: int = 1

    def convert(self, raw: object, _base: Path) -> object:
        """Nothing to convert."""
        return raw

    def holds(self, value: object) -> bool:
        """An integer in range, never a bool."""
        return type(value) is int and self.low <= value <= self.high and value % self.step == 0

    def allowed(self) -> tuple[str, str]:
        """The range, with the step where there is one."""
        step_zh, step_en = ("", "") if self.step == 1 else (f"，{self.step} 的倍数", f", a multiple of {self.step}")
        return f"{self.low}..{self.high} 的整数{step_zh}", f"an integer {self.low}..{self.high}{step_en}"


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number from low to high; an integer is taken as one."""

    low: float
    high: float

    def convert(self, raw: object, _base: Path) -> object:
        """Take `2` for `2.0`; leave an integer beyond the range alone, where a float could not hold it."""
        return float(raw) if type(raw) is int and self.low <= raw <= self.high else raw

    def holds(self, value: object) -> bool:
        """A float in range; nan is in no range."""
        return type(value) is float and self.low <= value <= self.high

    def allowed(self) -> tuple[str, str]:
        """The range."""
        return f"{self.low:g}..{self.high:g} 的数", f"a number {self.low:g}..{self.high:g}"


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false; 0 and 1 are neither."""

    def convert(self, raw: object, _base: Path) -> object:
        """Nothing to convert."""
        return raw

    def holds(self, value: object) -> bool:
        """A bool and nothing that merely equals one."""
        return type(value) is bool

    def allowed(self) -> tuple[str, str]:
        """Both words."""
        return "true 或 false", "true or false"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a closed list of words or numbers."""

    values: tuple[int, ...] | tuple[str, ...]

    def convert(self, raw: object, _base: Path) -> object:
        """Nothing to convert."""
        return raw

    def holds(self, value: object) -> bool:
        """Equal to a listed value and of its type."""
        return any(type(value) is type(one) and value == one for one in self.values)

    def allowed(self) -> tuple[str, str]:
        """The list."""
        listed = ", ".join(str(one) for one in self.values)
        return f"{listed} 之一", f"one of {listed}"


@dataclass(frozen=True, slots=True)
class Text:
    """One line of visible characters in NFC: no controls, no invisible or direction-changing marks, no outer blanks.

    With `optional`, "" means that nothing is said.
    """

    longest: int
    optional: bool = False

    def convert(self, raw: object, _base: Path) -> object:
        """Normalise to NFC, which signed text must be."""
        return unicodedata.normalize("NFC", raw) if isinstance(raw, str) else raw

    def holds(self, value: object) -> bool:
        """Short enough, visible and normalised."""
        if not isinstance(value, str) or not (0 if self.optional else 1) <= len(value) <= self.longest:
            return False
        return _is_visible(value) and unicodedata.is_normalized("NFC", value)

    def allowed(self) -> tuple[str, str]:
        """The length."""
        least = 0 if self.optional else 1
        return f"{least}..{self.longest} 个可见字符", f"{least}..{self.longest} visible characters"


@dataclass(frozen=True, slots=True)
class Location:
    """A path; a relative one counts from the configuration file's folder. With `optional`, "" means none."""

    optional: bool = False

    def convert(self, raw: object, base: Path) -> object:
        """Make the path absolute without asking the file system."""
        if raw == "" and self.optional:
            return None
        return base / raw if isinstance(raw, str) and raw and _is_visible(raw) else raw

    def holds(self, value: object) -> bool:
        """An absolute path, or none where that is allowed."""
        return (value is None and self.optional) or (isinstance(value, Path) and value.is_absolute())

    def allowed(self) -> tuple[str, str]:
        """Say what a relative path is relative to."""
        none_zh, none_en = ('，或 ""（无）', ', or "" for none') if self.optional else ("", "")
        return (
            f"路径（相对路径从本文件所在目录算起）{none_zh}",
            f"a path (a relative one counts from this file's folder){none_en}",
        )


@dataclass(frozen=True, slots=True)
class Locations:
    """A list of at most `most` paths."""

    most: int

    def convert(self, raw: object, base: Path) -> object:
        """Convert each as a `Location`."""
        return tuple(Location().convert(one, base) for one in raw) if isinstance(raw, list) else raw

    def holds(self, value: object) -> bool:
        """Few enough, each an absolute path, none twice."""
        if not isinstance(value, tuple) or len(value) > self.most:
            return False
        return all(Location().holds(one) for one in value) and len(set(value)) == len(value)

    def allowed(self) -> tuple[str, str]:
        """The number of paths."""
        return f"至多 {self.most} 个互不相同的路径的列表", f"a list of at most {self.most} different paths"


@dataclass(frozen=True, slots=True)
class Names:
    """A list of at most `most` different one-line texts, each as a `Text` of `longest`."""

    most: int
    longest: int

    def convert(self, raw: object, base: Path) -> object:
        """Convert each as a `Text`."""
        return tuple(Text(self.longest).convert(one, base) for one in raw) if isinstance(raw, list) else raw

    def holds(self, value: object) -> bool:
        """Few enough, each a visible text, none twice."""
        if not isinstance(value, tuple) or len(value) > self.most:
            return False
        return all(Text(self.longest).holds(one) for one in value) and len(set(value)) == len(value)

    def allowed(self) -> tuple[str, str]:
        """The number and length of the texts."""
        zh = f"至多 {self.most} 个互不相同的文字的列表，每个 1..{self.longest} 个可见字符"
        return zh, f"a list of at most {self.most} different texts of 1..{self.longest} visible characters"


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A part of the picture, [left, top, right, bottom] in thousandths of its width and height; [] means none."""

    least: int = 50

    def convert(self, raw: object, _base: Path) -> object:
        """A tuple for a list."""
        return tuple(raw) if isinstance(raw, list) else raw

    def holds(self, value: object) -> bool:
        """Four whole numbers within the picture, neither side shorter than `least`; or nothing."""
        if value == ():
            return True
        if not isinstance(value, tuple) or len(value) != 4 or not all(type(one) is int for one in value):  # noqa: PLR2004
            return False
        left, top, right, bottom = value
        across, down = (left, right, 0, 1000), (top, bottom, 0, 1000)
        return all(low <= one < other <= high and other - one >= self.least for one, other, low, high in (across, down))

    def allowed(self) -> tuple[str, str]:
        """The four numbers."""
        return (
            f"[左, 上, 右, 下]，画面宽高的千分数 0..1000，边长不小于 {self.least}；或 []（不判断）",
            f"[left, top, right, bottom] in thousandths 0..1000 of the picture, no side below {self.least}; or []",
        )


@dataclass(frozen=True, slots=True)
class _KeyNote:
    rule: Rule
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class _TableNote:
    table: type[DataclassInstance]
    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One key of the schema: dotted path, allowed values, default as TOML, and what it means."""

    path: str
    allowed_zh: str
    allowed_en: str
    default: str
    zh: str
    en: str


def key(rule: Rule, zh: str, en: str) -> Mapping[str, object]:
    """Metadata of a dataclass field that is a key of the file."""
    return {"note": _KeyNote(rule, zh, en)}


def table(kind: type[DataclassInstance], zh: str, en: str) -> Mapping[str, object]:
    """Metadata of a dataclass field that is a table of the file; `kind` is the table's dataclass."""
    return {"note": _TableNote(kind, zh, en)}


def read_toml(content: bytes) -> dict[str, object]:
    """Parse TOML bytes (UTF-8, a byte order mark is tolerated). Raises ConfigError with the line and column."""
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        zh = f"不是合法的 TOML 文件（第 {error.start + 1} 个字节不是 UTF-8 编码；请另存为 UTF-8）"
        en = f"not TOML (byte {error.start + 1} is not UTF-8: save the file as UTF-8)"
        raise ConfigError((whole_file_problem(zh, en),)) from error
    except (ValueError, RecursionError) as error:
        # ValueError covers bad TOML and integers too long for Python; RecursionError is deep nesting.
        reason = _shortened(str(error))
        raise ConfigError((whole_file_problem(f"不是合法的 TOML 文件（{reason}）", f"not TOML ({reason})"),)) from error


def whole_file_problem(zh: str, en: str) -> Problem:
    """A problem of the file itself and of no key in it."""
    return Problem(path="file", value="", expected_zh=zh, expected_en=en, example="")


def read_keys(
    kind: type[DataclassInstance], raw: Mapping[str, object], base: Path, problems: list[Problem], at: str = ""
) -> dict[str, Any]:
    """The arguments a TOML table gives to `kind`; each problem is appended and its key left out, so reading goes on."""
    notes = dict(_notes(kind))
    problems.extend(_unknown(name, at, notes) for name in raw if name not in notes)
    values: dict[str, Any] = {}
    for name, note in notes.items():
        if name not in raw:
            continue
        match note:
            case _TableNote():
                values[name] = _read_inner(note, raw[name], base, problems, at + name)
            case _KeyNote():
                values[name] = value = note.rule.convert(raw[name], base)
                if not note.rule.holds(value):
                    problems.append(_refused(kind, name, note, at, values.pop(name)))
    return values


def refusals(value: DataclassInstance, at: str = "") -> Iterator[Problem]:
    """Problems of a table built by code and not by the reader, under the same rules."""
    for name, note in _notes(type(value)):
        inner = getattr(value, name)
        match note:
            case _TableNote():
                yield from refusals(inner, f"{at}{name}.")
            case _KeyNote():
                if not note.rule.holds(inner):
                    yield _refused(type(value), name, note, at, inner)


def describe_table(kind: type[DataclassInstance], at: str = "") -> Iterator[Described]:
    """Every key of a table and of the tables in it, in the order of the schema."""
    for name, note in _notes(kind):
        match note:
            case _TableNote():
                yield from describe_table(note.table, f"{at}{name}.")
            case _KeyNote():
                allowed_zh, allowed_en = note.rule.allowed()
                default = as_toml(_default(kind, name))
                yield Described(
                    path=at + name,
                    allowed_zh=allowed_zh,
                    allowed_en=allowed_en,
                    default=default,
                    zh=note.zh,
                    en=note.en,
                )


def render_table(kind: type[DataclassInstance], at: str = "") -> Iterator[str]:
    """The lines of a commented file that holds every key with its default."""
    for name, note in _notes(kind):
        match note:
            case _TableNote():
                keys_follow = any(isinstance(inner, _KeyNote) for _, inner in _notes(note.table))
                yield from ("", f"# {note.zh}", f"# {note.en}", *([f"[{at}{name}]"] if keys_follow else []))
                yield from render_table(note.table, f"{at}{name}.")
            case _KeyNote():
                zh, en = note.rule.allowed()
                yield from (f"# {note.zh}。{zh}", f"# {note.en}; {en}", f"{name} = {as_toml(_default(kind, name))}")


def as_toml(value: object) -> str:
    """A typed value as it is written in the file."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return '""'
        case str() | Path():
            return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
        case tuple():
            return "[" + ", ".join(as_toml(one) for one in value) + "]"
        case _:
            return str(value)


def _read_inner(note: _TableNote, raw: object, base: Path, problems: list[Problem], path: str) -> DataclassInstance:
    if isinstance(raw, dict):
        return note.table(**read_keys(note.table, raw, base, problems, f"{path}."))
    problems.append(
        Problem(
            path=path, value=_shown(raw), expected_zh="应为一个表", expected_en="must be a table", example=f"[{path}]"
        )
    )
    return note.table()


def _notes(kind: type[DataclassInstance]) -> Iterator[tuple[str, _KeyNote | _TableNote]]:
    for field in dataclasses.fields(kind):
        note = field.metadata.get("note")
        if isinstance(note, _KeyNote | _TableNote):
            yield field.name, note


def _default(kind: type[DataclassInstance], name: str) -> object:
    return next(field.default for field in dataclasses.fields(kind) if field.name == name)


def _refused(kind: type[DataclassInstance], name: str, note: _KeyNote, at: str, value: object) -> Problem:
    zh, en = note.rule.allowed()
    example = f"{name} = {as_toml(_default(kind, name))}"
    return Problem(
        path=at + name, value=_shown(value), expected_zh=f"须为 {zh}", expected_en=f"must be {en}", example=example
    )


def _unknown(name: str, at: str, notes: Mapping[str, object]) -> Problem:
    # The value is not shown: an unknown key may be a misplaced secret, and this line goes to a terminal or a log.
    known = ", ".join(notes)
    near = difflib.get_close_matches(name, notes, n=1)
    return Problem(
        path=at + (name if _BARE_KEY.fullmatch(name) else _shortened(repr(name))),
        value="",
        expected_zh=f"没有这个名称；此处可写 {known}",
        expected_en=f"no such name; known here: {known}",
        example=near[0] if near else next(iter(notes)),
    )


def _shown(value: object) -> str:
    match value:
        case bool():
            shown = as_toml(value)
        case int() if value.bit_length() > _SHOWN_INTEGER_BITS:
            shown = "…"  # Python refuses to print integers beyond 4300 digits
        case int() | float() | str():
            shown = repr(value)
        case Path():
            shown = repr(str(value))
        case list() | tuple():
            shown = "[…]"
        case dict():
            shown = "{…}"
        case _:
            shown = str(value)
    return _shortened(shown)


def _shortened(text: str) -> str:
    visible = _visible(text)
    return visible if len(visible) <= _SHOWN_CHARACTERS else visible[: _SHOWN_CHARACTERS - 1] + "…"


def _visible(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text)


def _is_visible(text: str) -> bool:
    return text.isprintable() and text == text.strip()
