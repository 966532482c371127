"""`liuhen session report`: which official items of a session were recorded, from an archive and its rule book alone.

Needs no key and no lock, and changes nothing: a spool, an export or a custodian's copy will do, so that anybody can
make the same report again. Exit codes: 0 made of an intact archive, 1 the archive is not intact (the report says so and
claims nothing), 2 usage.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from edge import config as configuration
from edge import durable, profiles
from edge.commands.acts import tell
from edge.commands.profile import named as profile_named
from edge.config import Config
from edge.coverage.as_html import to_html
from edge.coverage.as_json import to_json
from edge.coverage.as_text import to_text
from edge.coverage.case import Case
from edge.coverage.decide import decide
from edge.coverage.facts import Facts
from edge.coverage.reading import NoArchive, NoSuchSession, facts_of
from edge.coverage.values import Coverage
from edge.profiles import Profile, ProfileError
from edge.refusals import EXIT_CLEAN, EXIT_FAULT, EXIT_USAGE, complain, guarded
from liuhen import archive, keys
from liuhen.endorsement import TRUST_FILE_LIMIT_BYTES, Trust
from liuhen.errors import FormatError

FORMATS = ("text", "json", "html")
MOST_JOBS = 8


class _Unusable(Exception):
    """What was given cannot be used; the texts say what to do."""

    def __init__(self, what: str, remedy_zh: str, remedy_en: str) -> None:
        super().__init__(what)
        self.what, self.remedy_zh, self.remedy_en = what, remedy_zh, remedy_en


def add_verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command line, as a verb of `liuhen session`."""
    words = "事项覆盖报告：哪些录了、哪些没有、该做的是否做了 / what was recorded, what not, what was due"
    one = verbs.add_parser("report", help=words, description=words)
    one.add_argument("session", nargs="?", metavar="ID", help="序号或编号，不写为最近 / else the newest")
    one.add_argument(
        "--spool", type=Path, metavar="DIR", help="存储目录或副本，不写则按配置 / a spool or a copy of one"
    )
    one.add_argument("--format", choices=FORMATS, default="text", help="文本、JSON 或可打印的网页 / default text")
    one.add_argument("--out", type=Path, metavar="FILE", help="写入新文件 / into a new file")
    one.add_argument(
        "--profile",
        metavar="NAME|FILE",
        help="按哪个辖区规则核对，不写为场次所依的 / else the one the session followed",
    )
    one.add_argument("--trust", type=Path, metavar="FILE", help="信任文件，来自档案之外 / trust file, from elsewhere")
    one.add_argument("--config", type=Path, metavar="FILE", help="设备配置 / the device's configuration")
    one.set_defaults(work=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the report."""

    def work() -> int:
        config = configuration.load(arguments.config) if arguments.config is not None else Config()
        try:
            return _made(arguments, config)
        except ProfileError as error:
            sys.stderr.write(f"{error}\n")
        except _Unusable as error:
            complain(error.what, error.remedy_zh, error.remedy_en)
        except FormatError as error:
            complain(str(error), "请用 liuhen-verify 查看详情", "run liuhen-verify for details")
        return EXIT_USAGE

    return guarded(work)


def _made(arguments: argparse.Namespace, config: Config) -> int:
    root = arguments.spool or config.spool.directory
    facts = _facts(root, arguments.session, _trust(arguments.trust, root))
    followed = _of_hash(facts, config)
    report = decide(facts, _chosen(arguments.profile, facts, followed, config), followed)
    shown = arguments.out is None and sys.stdout.isatty()
    content = _rendered(report, arguments.format, shutil.get_terminal_size().columns if shown else None)
    if arguments.out is not None:
        durable.create_file(arguments.out, content, mode=0o600)
        tell(f"已写入 written: {arguments.out}（{len(content)} 字节 bytes）")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    return EXIT_CLEAN if report.verified.intact else EXIT_FAULT


def _facts(root: Path, session: str | None, trust: Trust | None) -> Facts:
    jobs = min(MOST_JOBS, len(os.sched_getaffinity(0)))
    try:
        return facts_of(root, session, trust=trust, now_ms=time.time_ns() // 1_000_000, jobs=jobs)
    except NoArchive as error:
        raise _Unusable(
            f"{root} 不是带日志的档案 / is no archive with a journal",
            "请用 --spool 指定存储目录或副本",
            "name a spool or a copy of one with --spool",
        ) from error
    except NoSuchSession as error:
        raise _Unusable(
            "没有这个场次 / no such session",
            "请写场次序号，或其编号的前 8 位以上；见 `liuhen session list`",
            "write its number, or the first 8 digits of its id; see `liuhen session list`",
        ) from error


def _rendered(report: Coverage, form: str, columns: int | None) -> bytes:
    match form:
        case "json":
            text = json.dumps(to_json(report), ensure_ascii=False, indent=1) + "\n"
        case "html":
            text = to_html(report)
        case _:
            text = to_text(report, columns)
    return text.encode("utf-8", "backslashreplace")


# -- rule books and trust ----------------------------------------------------------------------------------------------


def _of_hash(facts: Facts, config: Config) -> Profile | None:
    """The file with the hash the session names: the configuration's own, one of its folder, one of the program."""
    rules = Case(facts=facts, profile=config.rules, followed=None).followed_rules
    if rules is None:
        return None
    return next((profile for profile in _known(config) if profile.digest == rules[1]), None)


def _known(config: Config) -> Iterator[Profile]:
    """Every rule book to hand; a file that is none is not the one that was followed."""
    files = [] if config.profile.file is None else [config.profile.file]
    found = profiles.available(config.profile.directory)
    files += [one.path for one in found if one.path is not None]
    for file in files:
        with contextlib.suppress(ProfileError):
            yield profiles.load(file)
    yield from (profiles.load_named(one.name) for one in found if one.path is None)


def _chosen(given: str | None, facts: Facts, followed: Profile | None, config: Config) -> Profile:
    """The rule book to report by: the given one, the one that was followed, its namesake, or the neutral default."""
    if given is not None:
        return profile_named(given, config.profile.directory)
    if followed is not None:
        return followed
    body = facts.told.procedure
    names = {one.name for one in profiles.available(config.profile.directory)}
    if body is not None and body.profile[0] in names:
        return profiles.load_named(body.profile[0], config.profile.directory)
    return profiles.load_named(profiles.NEUTRAL)


def _trust(path: Path | None, root: Path) -> Trust | None:
    """A trust file that came with the archive proves nothing. Raises _Unusable, OSError."""
    if path is None:
        return None
    if archive.came_with(path, archive.resolved(root)):
        raise _Unusable(
            f"信任文件 {path} 在档案之内，不能采信 / the trust file lies inside the archive and proves nothing",
            "请使用另行取得的信任文件",
            "use one obtained separately",
        )
    with archive.opened(archive.resolved(path), root=None, limit_bytes=TRUST_FILE_LIMIT_BYTES + 1) as file:
        encoded = file.readall() or b""
    try:
        return keys.parse_trust(encoded, where=str(path))
    except FormatError as error:
        raise _Unusable(
            f"信任文件 {path} 无效（{error.what}） / the trust file is not valid",
            "请向发放机构重新索取",
            "ask the issuing organisation for it again",
        ) from error
