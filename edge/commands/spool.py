"""`liuhen spool init|ls|scrub|reclaim`: prepare a disk, list what is on one, look for rot, give back space.

Reading needs no lock and no key; reclaiming is an act of its own (`edge.commands.reclaim`).
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from edge import journal
from edge.commands import reclaim
from edge.commands.acts import MakeClock, spool_here
from edge.custody import OpenToken, no_token
from edge.journal import JournalError
from edge.refusals import EXIT_CLEAN, EXIT_FAULT, EXIT_USAGE, SpoolError, complain, guarded
from edge.scrub import Place, Scrub
from edge.spool import Identity, create_mirror, create_spool, segment_files
from liuhen import keys
from liuhen.errors import FormatError, KeyFileError
from liuhen.kinds import Segment, Session, SessionEnd


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    clock: MakeClock,
    open_token: OpenToken = no_token,
) -> None:
    """Describe the command line. Reclaiming alone opens the log, and needs clock and key for it."""
    parser = commands.add_parser("spool", help="本机存储：初始化、列出 / prepare and list the local store")
    verbs = parser.add_subparsers(dest="verb", required=True)
    init = verbs.add_parser("init", help="为设备初始化存储目录 / prepare a directory for a device")
    init.add_argument("directory", type=Path, help="存储目录 / the spool")
    whose = init.add_mutually_exclusive_group(required=True)
    whose.add_argument("--card", type=Path, help="设备名片 / the device's card")
    whose.add_argument(
        "--mirror-of",
        type=Path,
        metavar="DIR",
        help="作为另一块盘上存储目录的镜像 / the mirror of a spool on another disk",
    )
    ls = verbs.add_parser("ls", help="列出场次与段 / list sessions and segments")
    ls.add_argument("directory", type=Path, nargs="?", help="存储目录 / the spool")
    ls.add_argument("--json", action="store_true", help="机器可读 / for a program")
    scrub = verbs.add_parser("scrub", help="重读已存的段查找损坏，不作改动 / read stored segments again for rot")
    scrub.add_argument("directory", type=Path, nargs="?", help="存储目录 / the spool")
    scrub.add_argument("--mirror", type=Path, metavar="DIR", help="另一块盘上的镜像 / the mirror on the other disk")
    for verb in (init, ls, scrub):
        verb.set_defaults(work=run)
    reclaim.add_parser(verbs, clock, open_token)


def run(arguments: argparse.Namespace) -> int:
    """Carry out one verb."""

    def work() -> int:
        match arguments.verb:
            case "init":
                return _init(arguments)
            case "scrub":
                return _scrub(spool_here(arguments.directory), arguments.mirror)
            case _:
                return _list(spool_here(arguments.directory), as_json=arguments.json)

    return guarded(work)


def _init(arguments: argparse.Namespace) -> int:
    if arguments.mirror_of is not None:
        create_mirror(arguments.directory, arguments.mirror_of)
        sys.stdout.write(
            f"已初始化镜像 prepared as a mirror: {arguments.directory}\n"
            f'请写入配置 put into the configuration: [spool] mirror = "{arguments.directory.absolute()}"\n'
        )
        return EXIT_CLEAN
    try:
        card = keys.parse_card(arguments.card.read_bytes(), where=str(arguments.card))
    except (OSError, FormatError) as error:
        raise KeyFileError(
            str(error),
            remedy_zh="请指定 `liuhen keys init device` 生成的 device.card",
            remedy_en="name the device.card made by `liuhen keys init device`",
        ) from error
    create_spool(arguments.directory, Identity(log_id=card.log_id, spool_id=secrets.token_bytes(16)))
    sys.stdout.write(f"已初始化 prepared: {arguments.directory}\n")
    return EXIT_CLEAN


@dataclass(slots=True, kw_only=True)
class _Listed:
    """One session as the journal and the directory tell it; nothing here is verified."""

    session: str
    ordinal: int | None
    started_ms: int | None
    ended: bool
    segments: list[dict[str, object]]


def _require_spool(root: Path) -> None:
    if not (root / "journal").is_dir():
        raise SpoolError(
            f"{root} 不是存储目录或档案 / is not a spool or archive",
            remedy_zh="请指定存储目录，例如 recordings/spool",
            remedy_en="name a spool directory, for example recordings/spool",
        )


def _scrub(root: Path, mirror: Path | None) -> int:
    """Read everything against its statements; exit code 1 where something has rotted. Nothing is written."""
    for place in (root, mirror) if mirror is not None else (root,):
        _require_spool(place)
    scrub = Scrub(root, lambda: mirror, Place())
    try:
        for read in scrub.run():
            for rot in read.rot:
                sys.stdout.write(f"{rot.words_zh}\n{rot.words_en}\n")
    except JournalError as error:
        complain(str(error), "请用 liuhen-verify 查看详情", "run liuhen-verify for details")
        return EXIT_USAGE
    done = scrub.place
    sys.stdout.write(
        f"已巡检 {done.segments} 段，损坏 {done.rotten} 处 segments {done.segments}, rotten {done.rotten}\n"
    )
    return EXIT_FAULT if done.rotten else EXIT_CLEAN


def _list(root: Path, *, as_json: bool) -> int:
    _require_spool(root)
    try:
        sessions, whole = _sessions(root)
    except JournalError as error:
        complain(str(error), "请用 liuhen-verify 查看详情", "run liuhen-verify for details")
        return EXIT_USAGE
    if as_json:
        rows = [
            {
                "session": s.session,
                "ordinal": s.ordinal,
                "started_utc_ms": s.started_ms,
                "ended": s.ended,
                "segments": s.segments,
            }
            for s in sessions
        ]
        sys.stdout.write(json.dumps({"spool": str(root), "whole": whole, "sessions": rows}, ensure_ascii=False) + "\n")
    else:
        _print(sessions)
    if not whole:
        sys.stderr.write("日志有读不出的部分，所列可能不全；请用 liuhen-verify 查看详情\n")
        sys.stderr.write("parts of the journal cannot be read and more may be there; run liuhen-verify for details\n")
    return EXIT_CLEAN


def _sessions(root: Path) -> tuple[list[_Listed], bool]:
    """The sessions, and whether every byte of the journal could be read."""
    unread_bytes = 0
    listed: dict[bytes, _Listed] = {}
    statements: dict[tuple[bytes, int], Segment] = {}
    for path in sorted((root / "journal").glob("*.cbor")):
        unread_bytes += path.stat().st_size
        for entry in journal.entries_of(path):
            unread_bytes -= len(entry.envelope.encoded)
            session_id = entry.common.session_id
            match entry.body:
                case Session(ordinal=ordinal) if session_id is not None:
                    listed[session_id] = _Listed(
                        session=session_id.hex(),
                        ordinal=ordinal,
                        started_ms=entry.common.clock[0],
                        ended=False,
                        segments=[],
                    )
                case SessionEnd() if session_id in listed:
                    listed[session_id].ended = True
                case Segment() as statement if session_id is not None:
                    statements[session_id, statement.number] = statement
                case _:
                    pass
    for session_id, number, path in segment_files(root):
        row = listed.setdefault(
            session_id,
            _Listed(session=session_id.hex(), ordinal=None, started_ms=None, ended=False, segments=[]),
        )
        stated = statements.get((session_id, number))
        row.segments.append(
            {
                "number": number,
                "path": str(path),
                "bytes": path.stat().st_size,
                "frames": stated.frames[1] if stated is not None else None,
                "samples": stated.samples[1] if stated is not None else None,
                "stated": stated is not None,
            }
        )
    return list(listed.values()), unread_bytes <= 0


def _print(sessions: list[_Listed]) -> None:
    if not sessions:
        sys.stdout.write("没有场次 no sessions\n")
    for session in sessions:
        state = "已结束 ended" if session.ended else "未结束 open"
        sys.stdout.write(f"场次 session {session.ordinal or '?'} {session.session}  {state}\n")
        for segment in session.segments:
            sys.stdout.write(f"  {segment['path']}  {segment['bytes']} bytes, {segment['frames']} frames\n")
