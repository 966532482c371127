"""A copy of an archive for somebody else: the whole journal, chosen sessions, and records but those withheld.

Reads the spool, writes only below a new directory that lies outside it. The journal is copied last, up to the size it
had first, each file whole or not at all and the first one at the very end: a copy that was cut short has no beginning
of its journal, and no verifier takes it for whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge import durable
from edge.durable import StorageFault
from edge.refusals import SpoolError
from edge.retention import Ledger
from liuhen import archive, records
from liuhen.boxes import SEGMENT_LIMIT_BYTES
from liuhen.registry import ContentKind

COPY_MODE = 0o640


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What goes into a copy."""

    sessions: tuple[bytes, ...]
    records: tuple[bytes, ...]
    segments: Mapping[bytes, frozenset[int]] = field(default_factory=dict)
    """Of a session only these segments, by number; of one that is not here all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy holds, and what was asked for but is not in the spool."""

    segments: int = 0
    records: int = 0
    absent: tuple[str, ...] = ()


def choose(ledger: Ledger, sessions: tuple[bytes, ...], withheld: frozenset[bytes]) -> Selection:
    """The chosen sessions and the records about them, orders included; where none is chosen, all there is.

    A record about no session or about another one is nobody's business who asked for one: it stays out.
    """
    ended = tuple(id_ for id_ in ledger.sessions if ledger.keeping.sessions[id_].ended)
    named = [c for c, about in ledger.about.items() if c not in withheld and (not sessions or about & set(sessions))]
    return Selection(sessions=sessions or ended, records=tuple(named))


def snapshot(root: Path) -> list[tuple[Path, int]]:
    """The journal files as they are now, with their sizes; taken before anything that it speaks of is read."""
    return [(path, path.stat().st_size) for _, path in archive.journal_files(root)]


def copy(root: Path, target: Path, *, ledger: Ledger, selection: Selection, journal: list[tuple[Path, int]]) -> Copied:
    """Make the copy; durable on return. Raises SpoolError before anything is written, StorageFault after."""
    _make_target(root, target)
    absent: list[str] = []
    segments = sum(
        _copy_session(root, target, ledger, session, absent, selection.segments.get(session))
        for session in selection.sessions
    )
    kept = 0
    for commitment in selection.records:
        path = archive.record_path(root, commitment)
        gone = (int(ContentKind.RECORD), commitment) in ledger.destroyed and not path.exists()
        kept += not gone and _copy_file(root, target, path, absent)
    for path, size in reversed(journal):
        durable.replace_file(target / "journal" / path.name, _read(root, path, size))
        (target / "journal" / path.name).chmod(COPY_MODE)
    return Copied(segments=segments, records=kept, absent=tuple(absent))


def _make_target(root: Path, target: Path) -> None:
    here, there = root.resolve(), target.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise SpoolError(
            f"{target} 与 {root} 互相包含 / lie inside each other",
            remedy_zh="请把副本写到存储目录之外",
            remedy_en="write the copy outside the spool",
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SpoolError(
            f"{target} 不是空目录 / is not an empty directory",
            remedy_zh="请指定新目录或空目录；副本从不覆盖已有文件",
            remedy_en="name a new or empty directory; a copy never overwrites",
        )
    for folder in (target, target / "journal", target / "sessions", target / "records"):
        durable.make_directory(folder)


def _copy_session(
    root: Path, target: Path, ledger: Ledger, session: bytes, absent: list[str], only: frozenset[int] | None
) -> int:
    durable.make_directory(archive.session_path(target, session))
    count = 0
    for digest, number in ledger.sessions[session].segments.items():
        if only is not None and number not in only:
            continue
        path = archive.segment_path(archive.session_path(root, session), number)
        if (int(ContentKind.SEGMENT), digest) in ledger.destroyed and not path.exists():
            continue
        count += _copy_file(root, target, path, absent)
    return count


def _copy_file(root: Path, target: Path, path: Path, absent: list[str]) -> bool:
    name = path.relative_to(root)
    try:
        content = _read(root, path, SEGMENT_LIMIT_BYTES if path.suffix == ".mp4" else records.RECORD_LIMIT_BYTES)
    except FileNotFoundError:
        absent.append(str(name))
        return False
    durable.create_file(target / name, content)
    return True


def _read(root: Path, path: Path, limit_bytes: int) -> bytes:
    """The first bytes of a plain file. Raises FileNotFoundError, StorageFault."""
    try:
        with archive.opened(path, root=root, limit_bytes=limit_bytes) as file:
            return file.readall()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageFault(path, error.errno or 5) from error
