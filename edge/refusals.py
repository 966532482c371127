"""Why a program of the device cannot start or go on: what says so with words for the operator, and its exit code.

Owns nothing and starts nothing; any process may call. It knows every refusal, and loads none of what refuses.
"""

from __future__ import annotations

import errno
import os
import select
import sys
from collections.abc import Callable

from edge.config_file import ConfigError
from edge.durable import StorageFault
from edge.ports import HardwareFault
from liuhen.errors import KeyFileError

EXIT_CLEAN = 0
EXIT_FAULT = 1
EXIT_USAGE = 2
SYSTEM_WORDS_ZH = {
    errno.ENOENT: "没有此文件或目录",
    errno.EACCES: "没有权限",
    errno.EPERM: "不允许此操作",
    errno.EEXIST: "已存在",
    errno.ENOTDIR: "不是目录",
    errno.EISDIR: "是目录，不是文件",
    errno.EROFS: "存储盘只读",
    errno.ENOSPC: "空间已满",
    errno.EDQUOT: "超出配额",
    errno.EIO: "读写出错",
    errno.ELOOP: "符号链接不被跟随",
}


class Refused(Exception):
    """A run cannot start; texts for the operator and the exit code (README, exit codes)."""

    def __init__(self, what: str, *, remedy_zh: str, remedy_en: str, exit_code: int) -> None:
        super().__init__(what)
        self.what = what
        self.remedy_zh = remedy_zh
        self.remedy_en = remedy_en
        self.exit_code = exit_code


class SpoolError(Exception):
    """The spool cannot be used at all; texts for the operator."""

    def __init__(self, what: str, *, remedy_zh: str, remedy_en: str, busy: bool = False, code: int = 0) -> None:
        """`code` is the errno behind it, where there is one."""
        super().__init__(what)
        self.code = code
        self.what = what
        self.remedy_zh = remedy_zh
        self.remedy_en = remedy_en
        self.busy = busy


def guarded(work: Callable[[], int]) -> int:
    """Turn every refusal into its lines and exit code."""
    try:
        code = work()
        sys.stdout.flush()
        return code
    except Refused as refused:
        complain(refused.what, refused.remedy_zh, refused.remedy_en)
        return refused.exit_code
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    except (SpoolError, KeyFileError, HardwareFault) as error:
        complain(error.what, error.remedy_zh, error.remedy_en)
        return EXIT_USAGE
    except (StorageFault, OSError) as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads(sys.stdout.fileno()):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter's end complains
            return EXIT_FAULT
        complain(
            str(error),
            "请检查该路径是否存在、可写，空间是否充足",
            "check that it exists and is writable, and the space",
        )
        return EXIT_USAGE


def _nobody_reads(descriptor: int) -> bool:
    """Whether the reader of this pipe has gone, as behind `| head`: nobody is left who wants the rest."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def complain(what: str, remedy_zh: str, remedy_en: str) -> None:
    """What is wrong and how to mend it, Chinese first; the system's own words get theirs."""
    for code, words_zh in SYSTEM_WORDS_ZH.items():
        what = what.replace(os.strerror(code), f"{words_zh} {os.strerror(code)}")
    sys.stderr.write(f"无法继续：{what}\n  → {remedy_zh}\n  → {remedy_en}\n")
