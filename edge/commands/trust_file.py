"""`liuhen keys trust new|add|revoke`: whom a verifier believes. Public halves only; a file is never overwritten.

Each change makes a new file with a new date of issue: a verifier tells its age in every report, and the newest is the
one to hand on.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from edge.commands.key_files import fingerprint, grouped, kid_of, read_file, read_history, say
from edge.refusals import EXIT_CLEAN
from liuhen import keys
from liuhen.errors import KeyFileError
from liuhen.findings import printable
from liuhen.keys import Trust
from liuhen.kinds import Head


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command line."""
    parser = verbs.add_parser(
        "trust", help="信任文件：新建、增加根、撤销密钥 / trust files: new, add roots, revoke keys"
    )
    acts = parser.add_subparsers(dest="act", required=True)
    new = acts.add_parser("new", help="由若干根组成 k/n 信任文件 / k of n roots, taken from their own trust files")
    add = acts.add_parser("add", help="增加根或改变门限 / add roots, or change the threshold")
    revoke = acts.add_parser("revoke", help="撤销设备密钥 / revoke a device key")
    new.add_argument("--organisation", required=True, metavar="NAME", help="发布单位 / organisation that issues it")
    for changed in (add, revoke):
        changed.add_argument("file", type=Path, help="现有信任文件 / the present trust file")
    for rooted in (new, add):
        least = "+" if rooted is new else "*"
        rooted.add_argument(
            "roots", type=Path, nargs=least, metavar="TRUST", help="各根的信任文件 / files naming the roots"
        )
        rooted.add_argument("--threshold", type=int, metavar="K", help="至少几个根背书 / how many roots must endorse")
    revoke.add_argument(
        "--key", required=True, metavar="KID", help="指纹、名片或背书文件 / fingerprint, card or endorsement"
    )
    until = revoke.add_mutually_exclusive_group(required=True)
    until.add_argument("--last-trusted", metavar="SEQ:HASH", help="最后可信条目 / the last entry to be believed")
    until.add_argument("--archive", type=Path, metavar="DIR", help="从此档案查出 --seq 的哈希 / look the hash up here")
    until.add_argument("--altogether", action="store_true", help="全部不予采信 / nothing it signed is believed")
    revoke.add_argument("--seq", type=int, metavar="SEQ", help="与 --archive 合用 / with --archive")
    for act in (new, add, revoke):
        act.add_argument("--out", type=Path, required=True, metavar="FILE", help="写入新文件 / the new file to write")


def run(arguments: argparse.Namespace) -> int:
    """Carry out one act. Raises KeyFileError, FormatError."""
    match arguments.act:
        case "new":
            made = _new(arguments)
        case "add":
            made = _add(_read(arguments.file), arguments)
        case _:
            made = _revoke(_read(arguments.file), arguments)
    made = replace(made, issued_ms=time.time_ns() // 1_000_000)
    encoded = keys.trust_bytes(made)
    keys.parse_trust(encoded, where=str(arguments.out))  # what no verifier would take is not written
    keys.save_new(arguments.out, encoded)
    say(f"信任文件 trust file: {arguments.out}（交给核验者 give it to those who verify）")
    for line in describe(made):
        say(f"  {line}")
    return EXIT_CLEAN


def describe(trust: Trust) -> list[str]:
    """A trust file in lines."""
    issued = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(max(0, trust.issued_ms) // 1000))
    lines = [f"{trust.organisation}，{trust.threshold}/{len(trust.roots)}，签发 issued {issued}"]
    lines += [f"根 root {label}: {fingerprint(public_key)}" for public_key, label in trust.roots]
    for kid, last, _ in trust.revoked:
        until = "全部 altogether" if last is None else f"第 {last[0]} 号条目之后 after entry {last[0]}, {last[1].hex()}"
        lines.append(f"已撤销 revoked {grouped(kid)}：{until}")
    return [printable(line) for line in lines]


def _read(path: Path) -> Trust:
    return keys.parse_trust(read_file(path), where=str(path))


def _roots(files: list[Path]) -> tuple[tuple[bytes, str], ...]:
    found = [root for path in files for root in _read(path).roots]
    return tuple({public_key: (public_key, label) for public_key, label in found}.values())


def _new(arguments: argparse.Namespace) -> Trust:
    roots = _roots(arguments.roots)
    threshold = _threshold(arguments.threshold, len(roots), otherwise=len(roots))
    return Trust(
        version=1, organisation=arguments.organisation, issued_ms=0, threshold=threshold, roots=roots, revoked=()
    )


def _add(trust: Trust, arguments: argparse.Namespace) -> Trust:
    known = {public_key for public_key, _ in trust.roots}
    roots = (*trust.roots, *(root for root in _roots(arguments.roots) if root[0] not in known))
    return replace(trust, roots=roots, threshold=_threshold(arguments.threshold, len(roots), otherwise=trust.threshold))


def _threshold(asked: int | None, roots: int, *, otherwise: int) -> int:
    threshold = otherwise if asked is None else asked
    if not 1 <= threshold <= roots:
        raise KeyFileError(
            f"门限 {threshold}，根 {roots} 个 / a threshold of {threshold} with {roots} roots",
            remedy_zh=f"门限须在 1 与根的数目（{roots}）之间",
            remedy_en=f"the threshold is between 1 and the number of roots ({roots})",
        )
    return threshold


def _revoke(trust: Trust, arguments: argparse.Namespace) -> Trust:
    """Of a key revoked before, the earlier and stricter row stays."""
    kid, last = kid_of(arguments.key), _last_trusted(arguments)
    before = [
        (row_last[0] if row_last is not None else -1, row_last)
        for row_kid, row_last, _ in trust.revoked
        if row_kid == kid
    ]
    rows = [*before, (last[0] if last is not None else -1, last)]
    _, strictest = min(rows, key=lambda row: row[0])
    others = tuple(row for row in trust.revoked if row[0] != kid)
    return replace(trust, revoked=(*others, (kid, strictest, 0)))


def _last_trusted(arguments: argparse.Namespace) -> Head | None:
    if arguments.altogether:
        return None
    if arguments.archive is not None:
        if arguments.seq is None:
            raise _unclear()
        return read_history(arguments.archive, arguments.seq).wanted
    seq, _, digest = arguments.last_trusted.partition(":")
    try:
        head = (int(seq), bytes.fromhex(digest))
    except ValueError:
        raise _unclear() from None
    if head[0] < 0 or len(head[1]) != len(bytes(32)):
        raise _unclear()
    return head


def _unclear() -> KeyFileError:
    return KeyFileError(
        "最后可信条目没有写明编号和哈希 / the last trusted entry is not named by number and hash",
        remedy_zh="请写 --last-trusted 编号:64位哈希，或 --archive 目录 --seq 编号",
        remedy_en="write --last-trusted SEQ:HASH (64 digits), or --archive DIR --seq SEQ",
    )
