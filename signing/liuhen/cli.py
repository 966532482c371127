"""The command `liuhen-verify`: arguments in, report out, exit 0, 1 or 2 (FORMAT.md 10).

0: intact and vouched (or intact, with --integrity-only), as far as the headline says. 1: not, or nothing to verify.
2: the input cannot be used; one line says what, where and how to mend it. Nothing is written but standard output and
standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from liuhen import archive, endorsement
from liuhen.archive import Scope, Target
from liuhen.command_line import BilingualParser
from liuhen.endorsement import Trust
from liuhen.errors import FormatError
from liuhen.findings import printable
from liuhen.report import Language, Report, to_json, to_text
from liuhen.store_names import names_store
from liuhen.store_reader import StoreTrouble
from liuhen.verify import Request, verify
from liuhen.verify_ahead import WorkerError

if TYPE_CHECKING:
    from liuhen.store_archive import StoreArchive  # loaded where a store is verified, and nowhere else

OK, NOT_VERIFIED, UNUSABLE = 0, 1, 2
STORE_OPTIONS = ("log", "credentials", "ca", "witness", "work")
SESSION_ID_BYTES = 16
SMALLEST_SEGMENT_BYTES = 8
MOST_JOBS = 64


class UnusableError(Exception):
    """The command cannot begin; the texts tell the user what to do."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.line = f"liuhen-verify: {zh} / {en}"


class _Parser(BilingualParser):
    """Says what is wrong in one line."""

    def refuse(self, zh: str, en: str) -> NoReturn:
        raise UnusableError(f"参数有误：{zh}；用 --help 查看用法", f"bad arguments: {en}; see --help")


def _parser() -> _Parser:
    parser = _Parser(
        prog="liuhen-verify",
        description="校验留痕档案 / verify a Liuhen archive, session directory or segment file",
        epilog="退出码 / exit code: 0 完好且有担保 intact and vouched · 1 否 not · 2 输入不可用 unusable input",
    )
    add = parser.add_argument
    add(
        "path",
        metavar="PATH|URL",
        help="档案、场次目录、段文件，或存储地址 file:/目录、s3://主机/桶 / archive, session directory, segment file, "
        "or a store: file:/directory, s3://host/bucket",
    )
    add("--trust", type=Path, metavar="FILE", help="信任文件，来自档案之外 / trust file, from outside the archive")
    add("--integrity-only", action="store_true", help="只问内容是否完好 / ask only whether the bytes are intact")
    add("--json", action="store_true", help="输出 JSON / print one JSON object")
    add("--sha256", action="store_true", help="同时核对整个文件的 SHA-256 / also check each file's SHA-256")
    add("--session", metavar="HEX", help="只核验一个场次的段文件 / read the segments of one session only")
    add(
        "--jobs",
        type=_jobs,
        metavar="N",
        help="同时读取的文件数，默认为处理器数 / files read at a time (default: cores)",
    )
    add(
        "--language", choices=list(Language), default=Language.ZH, help="报告语言 / language of the report (default zh)"
    )
    store = parser.add_argument_group("存储 / a store")
    add = store.add_argument
    add("--log", metavar="HEX", help="存储中的哪部日志 / which log of the store")
    add(
        "--credentials",
        type=Path,
        metavar="FILE",
        help="s3:// 的凭据文件，两行，0600 / its credential, two lines",
    )
    add("--ca", type=Path, metavar="FILE", help="s3:// 服务器的 CA 文件 / CA file of its server")
    add("--witness", type=Path, metavar="FILE", help="所信任见证的公钥文件 / public keys of the witnesses to believe")
    add(
        "--work",
        type=Path,
        metavar="DIR",
        help="工作目录，可续做 / work directory, to go on after a break",
    )
    return parser


def _jobs(text: str) -> int:
    jobs = int(text)
    if not 1 <= jobs <= MOST_JOBS:
        raise ValueError(text)
    return jobs


YOUNG_OBJECTS = 50_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    # Nothing here makes cycles but an error's traceback: looking for them less often is worth two parts in a hundred.
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
    try:
        return _run(_parser().parse_args(arguments))
    except UnusableError as error:
        return _say(error.line)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_VERIFIED
    except KeyboardInterrupt:
        return _say("liuhen-verify: 已中断，没有结论 / interrupted, no verdict")
    except OSError as error:
        zh, en = "无法读取，请检查权限和介质", "cannot be read; check permissions and the medium"
        return _say(
            f"liuhen-verify: {error.filename}（{error.strerror}）{zh} / {error.filename} ({error.strerror}) {en}"
        )
    except Exception as error:  # noqa: BLE001 -- a court must get a plain line, never a traceback; it is exit 2, no verdict
        zh, en = (
            "校验程序自身出错，没有结论；请连同档案报告",
            "the verifier itself failed, no verdict; report it with the archive",
        )
        return _say(f"liuhen-verify: {zh} / {en} ({type(error).__name__}: {error})")


def _say(line: str) -> int:
    print(printable(line), file=sys.stderr)
    return UNUSABLE


def _run(options: argparse.Namespace) -> int:
    if names_store(options.path):
        from liuhen.store_cli import opened_archive  # noqa: PLC0415 -- what only a store needs; an archive does without

        try:
            with opened_archive(options) as store:
                surroundings = Path(store.access.url.place) if store.access.url.scheme == "file" else None
                target = Target(scope=Scope.ARCHIVE, path=store.root, root=store.root)
                return _judged(options, target, surroundings, store)
        except StoreTrouble as error:
            raise UnusableError(error.zh, error.en) from error
    given = [f"--{name}" for name in STORE_OPTIONS if getattr(options, name) is not None]
    if given:
        raise UnusableError(f"{given[0]} 只用于存储地址", f"{given[0]} goes with the URL of a store only")
    target = _target(Path(options.path))
    return _judged(options, target, _surroundings(target), None)


def _judged(options: argparse.Namespace, target: Target, surroundings: Path | None, store: StoreArchive | None) -> int:
    session = target.session if options.session is None else _session(options.session, target)
    trust, trust_sha256 = _trust(options.trust, surroundings)
    progress = None
    if sys.stderr.isatty():
        total = archive.total_bytes(target.root or target.path) if store is None else store.total_bytes
        progress = _Progress(total)
    report = _verify(
        Request(
            target=target,
            trust=trust,
            now_ms=time.time_ns() // 1_000_000,
            session=session,
            whole_file_hash=options.sha256,
            on_read=progress.read if progress else _no_progress,
            trust_sha256=trust_sha256,
            store=store,
            jobs=options.jobs or min(MOST_JOBS, len(os.sched_getaffinity(0))),
        )
    )
    if progress:
        progress.done()
    if options.session is not None and report.intact and not report.sessions:
        raise UnusableError(
            f"档案中没有场次 {options.session}；sessions/ 下列有全部场次",
            f"the archive has no session {options.session}; see its sessions/",
        )
    _print(report, options)
    passed = report.intact and (options.integrity_only or report.vouched is not None)
    return OK if passed else NOT_VERIFIED


def _verify(request: Request) -> Report:
    try:
        return verify(request)
    except WorkerError as error:
        raise UnusableError(
            "一个校验进程意外结束，没有结论；请用 --jobs 1 再试", f"{error}; no verdict; try again with --jobs 1"
        ) from error


def _print(report: Report, options: argparse.Namespace) -> None:
    if options.json:
        text = json.dumps(to_json(report), ensure_ascii=False, indent=2) + "\n"
    else:
        text = to_text(report, Language(options.language), integrity_only=options.integrity_only)
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def _no_progress(_: int) -> None:
    """Standard error is no terminal."""


def _target(path: Path) -> Target:
    try:
        target = archive.locate(path)
    except OSError as error:
        raise UnusableError(
            f"无法打开 {path}（{error.strerror}）；请检查路径", f"cannot open {path} ({error.strerror}); check the path"
        ) from error
    if target is None:
        if path.is_dir():
            raise UnusableError(
                f"{path} 既不是档案也不是场次目录；请给出含 journal/ 与 sessions/ 的目录",
                f"{path} is neither an archive nor a session directory; name the directory with journal/ and sessions/",
            )
        raise UnusableError(f"找不到文件或目录 {path}；请检查路径", f"no file or directory {path}; check the path")
    if target.scope is Scope.SEGMENT:
        _check_segment(target.path)
    return target


def _check_segment(path: Path) -> None:
    """A bare file must at least begin like an MP4 file; otherwise it was never meant for this command."""
    with archive.opened(path, root=None) as file:
        beginning = file.read(SMALLEST_SEGMENT_BYTES)
    if beginning[4:] != b"ftyp":
        raise UnusableError(
            f"{path} 不是 MP4 段文件（或只剩不足 8 字节）；请给出 .mp4 段文件或整个档案",
            f"{path} is no MP4 segment (or has less than 8 bytes); name an .mp4 segment or a whole archive",
        )


def _session(text: str, target: Target) -> bytes:
    try:
        session = bytes.fromhex(text)
    except ValueError:
        session = b""
    if len(session) != SESSION_ID_BYTES:
        raise UnusableError(f"场次编号 {text!r} 不是 32 位十六进制", f"session id {text!r} is not 32 hex digits")
    if target.scope is not Scope.ARCHIVE:
        raise UnusableError("--session 只用于整个档案", "--session goes with a whole archive only")
    return session


def _trust(path: Path | None, surroundings: Path | None) -> tuple[Trust | None, bytes | None]:
    """The trust file and its SHA-256."""
    if path is None:
        return None, None
    if _lies_inside(path, surroundings):
        raise UnusableError(
            f"信任文件 {path} 在档案之内，不能采信；请使用另行取得的信任文件",
            f"the trust file {path} lies inside the archive and proves nothing; use one obtained separately",
        )
    try:
        with archive.opened(_resolved(path), root=None) as file:
            encoded = file.read(endorsement.TRUST_FILE_LIMIT_BYTES + 1)
        return endorsement.parse_trust(encoded, where=str(path)), hashlib.sha256(encoded).digest()
    except OSError as error:
        raise _unreadable_trust(path, error) from error
    except FormatError as error:
        raise UnusableError(
            f"信任文件 {path} 无效（{error.what}）；请向发放机构重新索取",
            f"the trust file {path} is not valid ({error.what}); ask the issuing organisation for it again",
        ) from error


def _lies_inside(path: Path, surroundings: Path | None) -> bool:
    """Whether the trust file came with the evidence: by its path, through a link, or as another name of the same file.

    A copy cannot be told from the original: for that the report gives its SHA-256.
    """
    if surroundings is None:
        return False
    try:
        return archive.came_with(path, surroundings)
    except OSError as error:
        raise _unreadable_trust(path, error) from error


def _resolved(path: Path) -> Path:
    try:
        return archive.resolved(path)
    except OSError as error:
        raise _unreadable_trust(path, error) from error


def _unreadable_trust(path: Path, error: OSError) -> UnusableError:
    return UnusableError(
        f"无法读取信任文件 {path}（{error.strerror}）；请检查路径和权限",
        f"cannot read the trust file {path} ({error.strerror}); check path and permissions",
    )


def _surroundings(target: Target) -> Path | None:
    """The directory whose files came together with the evidence."""
    if target.scope is not Scope.SEGMENT:
        return target.root or target.path
    return archive.root_around(target.path)


class _Progress:
    """A bar by bytes on a terminal's standard error."""

    WIDTH = 30
    EVERY_SECONDS = 0.1

    def __init__(self, total_bytes: int) -> None:
        self._total = max(1, total_bytes)
        self._read = 0
        self._shown_at = 0.0
        self._clock: Callable[[], float] = time.monotonic

    def read(self, size: int) -> None:
        """More bytes were read."""
        self._read += size
        now = self._clock()
        if now - self._shown_at >= self.EVERY_SECONDS:
            self._shown_at = now
            part = min(1.0, self._read / self._total)
            bar = "█" * round(part * self.WIDTH)
            with contextlib.suppress(OSError):  # a terminal that is gone is no fault of the file being read
                print(f"\r校验中 verifying [{bar:<{self.WIDTH}}] {part:4.0%}", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        """Clear the line."""
        print("\r\033[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
