"""`liuhen profile list|show|lint|diff`: the jurisdictions' rules this device knows, and what is to be known of them."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge import config as configuration
from edge import profiles
from edge.profiles.difference import NONE, Difference, differences, words_of
from edge.profiles.lint import Level, Remark, lint
from edge.profiles.schema import Cell, Item, Profile, Template
from edge.profiles.words import FIELD_WORDS
from edge.refusals import EXIT_CLEAN, EXIT_FAULT, EXIT_USAGE, guarded

SHOWN_FIELDS = (
    "header",
    "notice",
    "identity",
    "prohibitions",
    "interruptions",
    "store",
    "archive",
    "retention",
    "evidence_sheet",
    "disc_label",
    "access",
    "release",
    "custodian",
    "long_term",
    "key_moments",
    "place",
    "both_sides",
    "always_on",
    "outside_visits",
    "devices",
    "class_legend",
    "columns",
)
SHOWN_OF_TEMPLATES = (
    "place",
    "least_officials",
    "recorder_agency",
    "header_also",
    "header_waived",
    "ask_reason_before",
    "covers",
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command line."""
    parser = commands.add_parser("profile", help="辖区规则：列出、查看、检查、比较 / the jurisdictions' rules")
    verbs = parser.add_subparsers(dest="verb", required=True)
    listed = verbs.add_parser("list", help="列出本机可用的辖区规则 / those that this device knows")
    show = verbs.add_parser("show", help="查看一个辖区规则 / one of them in full")
    show.add_argument("profile", metavar="NAME|FILE", help="名称或文件 / its name or a file")
    show.add_argument("--item", metavar="N", help="只看清单中的一项 / one row or article alone")
    show.add_argument("--toml", action="store_true", help="原样输出其文件，可另存为自己的规则 / its file as it stands")
    linted = verbs.add_parser("lint", help="检查：不得主张的、存疑的 / what cannot be claimed, what is doubtful")
    linted.add_argument("profile", metavar="NAME|FILE", help="名称或文件 / its name or a file")
    compared = verbs.add_parser("diff", help="比较两个辖区规则 / every difference of two")
    compared.add_argument("left", metavar="NAME|FILE", help="名称或文件 / its name or a file")
    compared.add_argument("right", metavar="NAME|FILE", help="与之比较的 / the one to compare with")
    for verb in (listed, show, linted, compared):
        verb.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
        verb.add_argument("--json", action="store_true", help="机器可读 / for a program")
    parser.set_defaults(work=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry out one verb."""

    def work() -> int:
        config = configuration.load(arguments.config) if arguments.config is not None else configuration.Config()
        try:
            return _VERBS[arguments.verb](arguments, config)
        except profiles.ProfileError as error:
            sys.stderr.write(f"{error}\n")
            return EXIT_USAGE

    return guarded(work)


def named(text: str, folder: Path) -> Profile:
    """A name, or a file where it has a suffix or a folder in it. Raises ProfileError."""
    return profiles.load(Path(text)) if _is_file(text) else profiles.load_named(text, folder)


def _is_file(text: str) -> bool:
    return text.endswith(".toml") or os.sep in text


# -- list ----------------------------------------------------------------------------------------------------------


def _list(arguments: argparse.Namespace, config: configuration.Config) -> int:
    """Every file with its hash; one that is none says so, and the exit code with it."""
    folder, code, rows = config.profile.directory, EXIT_CLEAN, []
    for found in profiles.available(folder):
        try:
            profile = profiles.parse_named(profiles.content_of(found), found.name, str(found.path or ""))
        except profiles.ProfileError as error:
            sys.stderr.write(f"{error}\n")
            code = EXIT_FAULT
            continue
        rows.append((found, profile))
    if arguments.json:
        _tell(json.dumps([_row(found, profile, config) for found, profile in rows], ensure_ascii=False, indent=1))
        return code
    for found, profile in rows:
        chosen = "  ← 本机选用 chosen" if _is_chosen(found, config) else ""
        _tell(f"{found.name}  {profile.title}{chosen}")
        _tell(f"    {profile.title_en}；清单 {len(profile.items)} 项 items，条文 {len(profile.articles)} 条 articles")
        _tell(f"    SHA-256 {profile.digest.hex()}  {found.path or '随程序提供 with the program'}")
    if config.profile.file is not None:
        _tell(f"本机选用文件 chosen by file: {config.profile.file}")
    return code


def _row(found: profiles.Found, profile: Profile, config: configuration.Config) -> dict[str, Any]:
    return {
        "name": found.name,
        "title": profile.title,
        "title_en": profile.title_en,
        "items": len(profile.items),
        "articles": len(profile.articles),
        "sha256": profile.digest.hex(),
        "file": None if found.path is None else str(found.path),
        "chosen": _is_chosen(found, config),
    }


def _is_chosen(found: profiles.Found, config: configuration.Config) -> bool:
    if config.profile.file is not None or found.name != config.profile.name:
        return False
    first = next(one for one in profiles.available(config.profile.directory) if one.name == found.name)
    return first == found


# -- show ----------------------------------------------------------------------------------------------------------


def _show(arguments: argparse.Namespace, config: configuration.Config) -> int:
    profile = named(arguments.profile, config.profile.directory)
    if arguments.toml:
        return _show_file(arguments, config)
    if arguments.item is not None:
        item = profile.item(arguments.item)
        if item is None:
            sys.stderr.write(f"清单中没有第 {arguments.item!r} 项 | the list has no such item\n")
            return EXIT_USAGE
        lines, value = _item_lines(profile, item), plain(item)
    else:
        lines, value = _lines(profile), plain(profile)
    _tell(json.dumps(value, ensure_ascii=False, indent=1) if arguments.json else "\n".join(lines))
    return EXIT_CLEAN


def _show_file(arguments: argparse.Namespace, config: configuration.Config) -> int:
    """The bytes whose hash is the profile's, to be the beginning of another."""
    if arguments.json or arguments.item is not None:
        sys.stderr.write(
            "--toml 输出整个文件，不与 --json、--item 同用 | --toml is the whole file: no --json, --item\n"
        )
        return EXIT_USAGE
    text = arguments.profile
    content = profiles.read(Path(text)) if _is_file(text) else profiles.read_named(text, config.profile.directory)
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    return EXIT_CLEAN


def plain(value: object) -> object:
    """A profile or a part of it for JSON: under the keys and in the words of its file, with the hash of that file."""
    if isinstance(value, enum.Enum):
        return value.name.lower() if isinstance(value.value, int) else value.value
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if isinstance(value, bytes):
        return value.hex()
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


def _lines(profile: Profile) -> Iterator[str]:
    origin = profile.origin
    yield f"{profile.title}  {profile.title_en}"
    yield f"名称 name: {profile.name}    SHA-256 {profile.digest.hex()}"
    yield f"文件：《{origin.document}》{origin.number}    发布机关：{origin.issuer}"
    yield f"施行：{origin.effective_from or '未写明'} {origin.effective_words}".rstrip()
    if origin.superseded_by:
        yield f"已被《{origin.superseded_by}》取代"
    yield from (f"    {note}" for note in profile.notes)
    for name in SHOWN_FIELDS:
        value = getattr(profile, name)
        for one in (value or (None,)) if isinstance(value, tuple) else (value,):
            source = getattr(one, "source", "")
            yield f"{FIELD_WORDS[name]}：{words_of(one)}{f'  〔{source}〕' if source else ''}"
    for template in profile.templates:
        yield from _template_lines(template)
    for item in profile.items:
        flag = "固定场所" if item.fixed_room else "可争取" if item.fixed_room_candidate else "不适用"
        yield f"{item.no}  {item.title}  {words_of(item.obligation)}  {flag}  〔{item.source}〕"
        yield from (f"    {note}" for note in item.notes)


def _template_lines(template: Template) -> Iterator[str]:
    by = f"，记录人 {template.recorder}" if template.recorder else ""
    yield f"程序 {template.procedure.words_zh}：{words_of(template.obligation)}{by}  〔{template.source}〕"
    yield f"    {words_of(template.begin)}，{words_of(template.span)}"
    titles = {step.id: step.title for step in template.steps}
    for name in SHOWN_OF_TEMPLATES:
        value = getattr(template, name)
        if (words := titles[value] if name == "ask_reason_before" and value else words_of(value)) != NONE:
            yield f"    {'记录场所' if name == 'place' else FIELD_WORDS[name]}：{words}"
    for number, step in enumerate(template.steps, 1):
        rows = f"  〔{'、'.join(step.covers)}〕" if step.covers else ""
        yield f"    {number}. {step.title}{'' if step.required else '（视情）'}{rows}"


def _item_lines(profile: Profile, item: Item) -> Iterator[str]:
    yield profile.cited(item.source)
    columns = {column.cell: column.heading for column in profile.columns} or {Cell.TITLE: "事项", Cell.PROCESS: "原文"}
    for cell, heading in columns.items():
        yield f"{heading}：{item.cell(cell) or ''}"
    yield f"记录要求：{words_of(item.obligation)}"
    yield f"起止：{words_of(item.begin)}，{words_of(item.span)}"
    yield f"固定场所：{words_of(item.fixed_room)}（{item.fixed_room_reason}）"
    yield from item.notes


# -- lint ----------------------------------------------------------------------------------------------------------


def _lint(arguments: argparse.Namespace, config: configuration.Config) -> int:
    """Exit 1 where something cannot be claimed or looks doubtful; nothing is changed."""
    remarks = lint(named(arguments.profile, config.profile.directory))
    if arguments.json:
        _tell(json.dumps([_as_plain(one) for one in remarks], ensure_ascii=False, indent=1))
    for one in () if arguments.json else remarks:
        _tell(f"{one.level.words}  〔{one.source}〕{one.zh} | {one.en}")
    if not remarks and not arguments.json:
        _tell("没有提示 nothing to remark")
    return EXIT_FAULT if any(one.level is not Level.NOTE for one in remarks) else EXIT_CLEAN


def _as_plain(remark: Remark) -> dict[str, str]:
    return {"level": remark.level.value, "source": remark.source, "zh": remark.zh, "en": remark.en}


# -- diff ----------------------------------------------------------------------------------------------------------


def _diff(arguments: argparse.Namespace, config: configuration.Config) -> int:
    """As of files: 0 where they agree, 1 where they differ."""
    left, right = (named(text, config.profile.directory) for text in (arguments.left, arguments.right))
    found = list(differences(left, right))
    if arguments.json:
        _tell(json.dumps([_sides(one) for one in found], ensure_ascii=False, indent=1))
        return EXIT_FAULT if found else EXIT_CLEAN
    _tell(f"甲：{left.title}（{left.name}）\n乙：{right.title}（{right.name}）")
    for one in found:
        _tell(f"{one.words_zh}  {one.path}")
        for name, side in (("甲", one.left), ("乙", one.right)):
            _tell(f"    {name}：{side.words}{f'  〔{side.source}〕' if side.source else ''}")
    if not found:
        _tell("没有差别 no difference")
    return EXIT_FAULT if found else EXIT_CLEAN


def _sides(difference: Difference) -> dict[str, Any]:
    sides = {"left": difference.left, "right": difference.right}
    plain = {name: {"words": side.words, "source": side.source} for name, side in sides.items()}
    return {"path": difference.path, "zh": difference.words_zh, **plain}


_VERBS = {"list": _list, "show": _show, "lint": _lint, "diff": _diff}


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
