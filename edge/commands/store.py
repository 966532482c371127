"""`liuhen store doctor URL`: puts a store to the test before anything rests on it, and says what it is good for.

Exit codes: 0 every promise was shown, 1 one was broken or not shown, 2 usage or no answer, 6 no recorder to sign it.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge.commands.acts import MakeClock, tell
from edge.commands.ctl import EXIT_NOBODY
from edge.control_client import NobodyAnswers, ask
from edge.refusals import EXIT_CLEAN, EXIT_FAULT, EXIT_USAGE, complain, guarded
from edge.requests import Request, Verb
from edge.store import Store, StoreFault
from edge.store_doctor import (
    Profile,
    Row,
    as_plain,
    is_fit,
    judge,
    judge_directory,
    profile_of,
    profile_of_directory,
)
from edge.store_probes import examine, examine_directory
from edge.store_trial import TrialStore
from liuhen.errors import FormatError
from liuhen.registry import CheckOutcome
from liuhen.store_names import StoreUrl, parse_store_url

SIGNS = {
    CheckOutcome.WELL: "✓ 正常 well",
    CheckOutcome.WARNING: "▲ 注意 warning",
    CheckOutcome.BLOCKING: "✕ 未通过 NOT PASSED",
    CheckOutcome.NOT_FITTED: "－",
    CheckOutcome.NOT_LOOKED_AT: "？",
}
PREFIX = "v1/00000000000000000000000000000000/doctor/"
"""Below the log id of no device."""
REGION = "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a store is reached."""

    url: StoreUrl
    credential_file: Path | None
    ca_file: Path | None
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Openers:
    """The kinds of store, made by the composition root. Each raises StoreFault."""

    server: Callable[[Access], TrialStore]
    directory: Callable[[StoreUrl], Store]


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], clock: MakeClock, openers: Openers
) -> None:
    """Describe the command line."""
    parser = commands.add_parser("store", help="中心存储库 / the central store")
    verbs = parser.add_subparsers(dest="verb", required=True)
    doctor = verbs.add_parser("doctor", help="存储自检：先证实，再使用 / put a store to the test before it is used")
    doctor.add_argument(
        "url", metavar="URL", help="file:/绝对路径 或 s3://主机[:端口]/桶 / file:/path or s3://host/bucket"
    )
    doctor.add_argument(
        "--credential", type=Path, metavar="FILE", help="凭据文件，两行，0600；用桶所有者的账户 / the owner's account"
    )
    doctor.add_argument("--ca", type=Path, metavar="FILE", help="服务器的 CA 文件 / CA file of its server")
    doctor.add_argument("--region", default=REGION, metavar="NAME", help="签名用的区域名 / region in signatures")
    doctor.add_argument("--prefix", default=PREFIX, metavar="KEY/", help="试验对象所在前缀 / where its objects go")
    doctor.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        help="交给运行中的录制程序签名登记，并据此入库 / have the running recorder sign it and act on it",
    )
    doctor.add_argument("--json", action="store_true", help="以 JSON 输出 / as JSON")
    parser.set_defaults(work=lambda parsed: run(parsed, clock, openers))


def run(arguments: argparse.Namespace, clock: MakeClock, openers: Openers) -> int:
    """Examine and tell."""

    def work() -> int:
        try:
            url = parse_store_url(arguments.url)
        except FormatError as error:
            complain(
                str(error), "请写 file:/绝对路径 或 s3://主机[:端口]/桶", "write file:/path or s3://host[:port]/bucket"
            )
            return EXIT_USAGE
        access = Access(url=url, credential_file=arguments.credential, ca_file=arguments.ca, region=arguments.region)
        prefix = f"{arguments.prefix}{secrets.token_hex(8)}/"
        try:
            profile, rows = _examined(access, prefix, _utc_of(clock), openers)
        except StoreFault as fault:
            complain(f"{url.text}: {fault.what}", fault.remedy_zh, fault.remedy_en)
            return EXIT_USAGE
        if arguments.json:
            tell(json.dumps(as_plain(profile, rows), ensure_ascii=False))
        else:
            for line in _lines(profile, rows):
                tell(line)
        if arguments.socket is not None:
            told = _handed_over(arguments.socket, profile, rows)
            if told != EXIT_CLEAN:
                return told
        return EXIT_CLEAN if is_fit(rows) else EXIT_FAULT

    return guarded(work)


def _handed_over(path: Path, profile: Profile, rows: tuple[Row, ...]) -> int:
    """To the recorder, which alone holds the key: signed there, believed as far as its rights go."""
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(as_plain(profile, rows), ensure_ascii=False).encode())
        file.flush()
        try:
            answer = ask(path, Request(verb=Verb.STORE_CHECK), file.fileno())
        except NobodyAnswers as nobody:
            complain(
                f"录制程序没有应答（{path}：{nobody}），结果未登记 / no recorder answers: the result is not signed",
                "请确认录制服务正在运行，再做一次自检",
                "see that the recorder runs, and examine once more",
            )
            return EXIT_NOBODY
    if not answer.ok:
        complain(f"{answer.words_zh} / {answer.words_en}", "结果未登记", "the result is not signed")
        return EXIT_FAULT
    sys.stderr.write(f"{answer.words_zh} / {answer.words_en}\n")
    return EXIT_CLEAN


def _utc_of(clock: MakeClock) -> Callable[[], datetime]:
    made = clock()
    return lambda: datetime.fromtimestamp(made.read().utc_ms / 1000, UTC)


def _examined(
    access: Access, prefix: str, utc_now: Callable[[], datetime], openers: Openers
) -> tuple[Profile, tuple[Row, ...]]:
    url = access.url
    if url.scheme == "file":
        directory = openers.directory(url)
        rows = judge_directory(examine_directory(directory, prefix=prefix, utc_now=utc_now))
        return profile_of_directory(url.text, utc_now()), rows
    server = openers.server(access)
    try:
        seen = examine(server, prefix=prefix, utc_now=utc_now)
    finally:
        server.close()
    return profile_of(seen, url.text, utc_now()), judge(seen)


def _lines(profile: Profile, rows: tuple[Row, ...]) -> list[str]:
    lines = [f"存储自检 store doctor：{profile.url}"]
    for row in rows:
        lines.append(f"{SIGNS[row.outcome]}  {row.item.words_zh} {row.item.words_en}：{row.seen}")
        if row.fix_zh:
            lines.append(f"    → {row.fix_zh} / {row.fix_en}")
    if not is_fit(rows):
        lines.append("结论：有承诺不成立或未证实，不得据此腾出本机空间 / a promise is broken or not shown")
    elif not profile.worm:
        lines.append("结论：可用，但非 WORM / usable, but not WORM")
    else:
        lines.append("结论：各项承诺均已证实 / every promise was shown")
    return lines
