"""A profile's file as a `Profile`, or every reason why it is none; and where files are looked for.

`parse` is pure: TOML bytes in. `load`, `load_named` and `available` read files and write nothing. The hash of a profile
is SHA-256 of the file's bytes, comments included, so that a reader of a session needs the file and `sha256sum` alone.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import functools
import hashlib
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge import durable
from edge.config_file import ConfigError, Text, read_toml
from edge.profiles.consistency import Fault, contradictions, visible
from edge.profiles.schema import Profile

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

NEUTRAL = "neutral"
FILE_LIMIT_BYTES = 524_288
TEXT_LIMIT = 4000
LIST_LIMIT = 500
NUMBER_LIMIT = 100_000
SHOWN_LIMIT = 60
SUFFIX = ".toml"

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)
_NOT_IN_FILE = frozenset({"digest"})
_UNREAD = object()


class ProfileError(Exception):
    """The file is no profile; `faults` holds every reason, in the order of the schema."""

    def __init__(self, file: str, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(fault.line(file) for fault in faults))
        self.file = file
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A profile's file under its name. `path` is None for one that comes with the program."""

    name: str
    path: Path | None


def parse(content: bytes, file: str = "TOML") -> Profile:
    """Check TOML bytes. Raises ProfileError with every reason; `file` is what its lines call the file."""
    try:
        raw = read_toml(content)
    except ConfigError as error:
        faults = tuple(Fault(path="file", zh=one.expected_zh, en=one.expected_en) for one in error.problems)
        raise ProfileError(file, faults) from error
    faults_found: list[Fault] = []
    profile = _table(Profile, raw, "", faults_found)
    if isinstance(profile, Profile) and not faults_found:
        faults_found = list(contradictions(profile))
    if faults_found:
        raise ProfileError(file, tuple(faults_found))
    return dataclasses.replace(typing.cast("Profile", profile), digest=hashlib.sha256(content).digest())


def load(path: Path) -> Profile:
    """Read and check one file. Raises ProfileError, also where it is missing, unreadable or absurdly large."""
    return parse(read(path), str(path))


def read(path: Path) -> bytes:
    """The bytes of one plain file. Raises ProfileError where it is missing, unreadable or absurdly large."""
    try:
        with durable.opened(path) as source:
            content = source.read(FILE_LIMIT_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if len(content) > FILE_LIMIT_BYTES:
        zh, en = f"超过 {FILE_LIMIT_BYTES} 字节", f"larger than {FILE_LIMIT_BYTES} bytes"
        raise ProfileError(str(path), (Fault(path="file", zh=zh, en=en),))
    return content


def load_named(name: str, folder: Path | None = None) -> Profile:
    """The profile of that name: a file of the device's own folder goes before one that comes with the program.

    Raises ProfileError, also where there is none; it then says which names there are.
    """
    return parse_named(read_named(name, folder), name)


def parse_named(content: bytes, name: str, file: str = "") -> Profile:
    """As `parse`, for a file that is looked for by its name: the name in it is that one. Raises ProfileError."""
    profile = parse(content, file or name)
    if profile.name != name:
        zh, en = f"文件名为 {name}，其中的名称须相同", f"the file is called {name}, and so must the rules in it"
        raise ProfileError(file or name, (Fault(path="name", zh=zh, en=en),))
    return profile


def read_named(name: str, folder: Path | None = None) -> bytes:
    """The bytes of the profile of that name, looked for as by `load_named`. Raises ProfileError."""
    found = next((one for one in available(folder) if one.name == name), None)
    if found is None:
        known = ", ".join(dict.fromkeys(one.name for one in available(folder)))
        zh, en = f"没有这个辖区规则；现有 {known}", f"no such profile; there are {known}"
        raise ProfileError(_shown(name), (Fault(path="name", zh=zh, en=en),))
    return content_of(found)


def content_of(found: Found) -> bytes:
    """The bytes of a file that was found. Raises ProfileError."""
    return read(found.path) if found.path is not None else _bundled()[found.name]


def available(folder: Path | None = None) -> tuple[Found, ...]:
    """Every file by its name: those of the device's own folder first, then those of the program. No file is read.

    Raises ProfileError where the folder is there and cannot be listed.
    """
    own: list[Found] = []
    try:
        if folder is not None and folder.is_dir():
            files = sorted(one for one in folder.iterdir() if one.suffix == SUFFIX and _NAME.fullmatch(one.stem))
            own = [Found(name=one.stem, path=one) for one in files]
    except (OSError, ValueError) as error:
        raise _unreadable(folder, error) from error
    return (*own, *(Found(name=name, path=None) for name in _bundled()))


def _unreadable(path: Path | None, error: OSError | ValueError) -> ProfileError:
    reason = getattr(error, "strerror", None) or type(error).__name__
    fault = Fault(path="file", zh=f"无法读取（{reason}）", en=f"cannot be read ({reason})")
    return ProfileError(visible(str(path)), (fault,))


def is_bundled(content: bytes) -> bool:
    """Whether these bytes come with the program."""
    return content in _bundled().values()


def _bundled() -> dict[str, bytes]:
    folder = resources.files("edge.profiles")
    files = sorted((one for one in folder.iterdir() if one.name.endswith(SUFFIX)), key=lambda one: one.name)
    return {one.name.removesuffix(SUFFIX): one.read_bytes() for one in files}


# -- by the schema -------------------------------------------------------------------------------------------------


def _table(kind: type[DataclassInstance], raw: object, at: str, faults: list[Fault]) -> object:
    """An instance, or `_UNREAD` once something in it was wrong; each fault is appended and reading goes on."""
    if not isinstance(raw, dict):
        return _refuse(at, "应为一个表", "must be a table", faults)
    hints = _hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.name not in _NOT_IN_FILE}
    before = len(faults)
    faults.extend(_unknown(name, at, fields) for name in raw if name not in fields)
    values = {}
    for name, field in fields.items():
        path = f"{at}.{name}" if at else name
        required = field.default is dataclasses.MISSING
        if name in raw:
            values[name] = _value(hints[name], raw[name], path, required, faults)
        elif required:
            _refuse(path, "缺少此项", "is missing", faults)
    return _UNREAD if len(faults) > before else kind(**values)


@functools.cache
def _hints(kind: type[DataclassInstance]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _value(hint: Any, raw: object, at: str, required: bool, faults: list[Fault]) -> object:  # noqa: PLR0911 - one per type
    origin = typing.get_origin(hint)
    if origin is tuple:
        return _list(typing.get_args(hint)[0], raw, at, faults)
    if origin is types.UnionType:
        return _value(next(one for one in typing.get_args(hint) if one is not type(None)), raw, at, False, faults)
    if dataclasses.is_dataclass(hint):
        return _table(typing.cast("type[DataclassInstance]", hint), raw, at, faults)
    if issubclass(hint, enum.Enum):
        return _member(hint, raw, at, faults)
    if hint is bool:
        return raw if type(raw) is bool else _refuse(at, "须为 true 或 false", "must be true or false", faults)
    if hint is int:
        return _whole(raw, at, faults)
    return _text(raw, at, required, faults)


def _list(hint: Any, raw: object, at: str, faults: list[Fault]) -> object:
    if isinstance(raw, dict):
        name = at.rpartition(".")[2]
        return _refuse(at, f"每项一节，写成 [[{name}]]", f"one section for each: write [[{name}]]", faults)
    if not isinstance(raw, list) or len(raw) > LIST_LIMIT:
        return _refuse(at, f"须为至多 {LIST_LIMIT} 项的列表", f"must be a list of at most {LIST_LIMIT}", faults)
    return tuple(_value(hint, one, f"{at}[{number}]", True, faults) for number, one in enumerate(raw, 1))


def _member(kind: type[enum.Enum], raw: object, at: str, faults: list[Fault]) -> object:
    """By its value; of a registry's numbers by the name, because a number says nothing to who writes the file."""
    words = {(one.name.lower() if isinstance(one.value, int) else str(one.value)): one for one in kind}
    if isinstance(raw, str) and raw in words:
        return words[raw]
    listed = ", ".join(words)
    return _refuse(at, f"{_shown(raw)} 须为 {listed} 之一", f"must be one of {listed}", faults)


def _whole(raw: object, at: str, faults: list[Fault]) -> object:
    if type(raw) is int and 0 <= raw <= NUMBER_LIMIT:
        return raw
    return _refuse(at, f"须为 0..{NUMBER_LIMIT} 的整数", f"must be an integer 0..{NUMBER_LIMIT}", faults)


def _text(raw: object, at: str, required: bool, faults: list[Fault]) -> object:
    rule = Text(TEXT_LIMIT, optional=not required)
    if rule.holds(raw):
        return raw
    zh, en = rule.allowed()
    return _refuse(at, f"须为一行 {zh}（NFC，首尾无空白）", f"must be one line of {en} (NFC, no outer blanks)", faults)


def _refuse(at: str, zh: str, en: str, faults: list[Fault]) -> object:
    faults.append(Fault(path=at or "file", zh=zh, en=en))
    return _UNREAD


def _unknown(name: str, at: str, fields: Mapping[str, object]) -> Fault:
    near = difflib.get_close_matches(name, fields, n=1)
    hint_zh, hint_en = (f"，是否为 {near[0]}", f"; perhaps {near[0]}") if near else ("", "")
    path = f"{at}.{_shown(name)}" if at else _shown(name)
    return Fault(path=path, zh=f"没有这个名称{hint_zh}", en=f"no such name{hint_en}")


def _shown(value: object) -> str:
    text = visible(repr(value) if not isinstance(value, dict | list) else "…")
    return text if len(text) <= SHOWN_LIMIT else text[: SHOWN_LIMIT - 1] + "…"
