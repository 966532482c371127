"""`liuhen first-start`: a device makes its own key, card and spool, and says how to have itself enrolled."""

from __future__ import annotations

import argparse
import os
import pwd
import sys
from pathlib import Path

from edge import config
from edge.custody import OpenToken
from edge.first_start import first_start
from edge.refusals import EXIT_CLEAN, guarded

MADE_ZH = {"key": "设备密钥", "card": "名片", "spool": "存储目录", "request": "登记申请"}
DEFAULT_FILE = Path("/etc/liuhen/recorder.toml")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], open_token: OpenToken) -> None:
    """Describe the command line; `open_token` comes from the world that acts."""
    parser = commands.add_parser(
        "first-start",
        help="首次启动：生成密钥、存储目录和登记申请 / make this device's key, spool and enrolment request",
    )
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_FILE, metavar="FILE", help="设备配置 / the device's configuration"
    )
    parser.set_defaults(work=lambda arguments: run(arguments, open_token))


def run(arguments: argparse.Namespace, open_token: OpenToken) -> int:
    """Make what is missing and print the request; a second call makes nothing and prints it again."""

    def work() -> int:
        settings = config.load(arguments.config)
        _step_down(settings.key.file.parent)
        done = first_start(settings, settings.key.file.parent.with_name("enrolment"), open_token)
        if done.made:
            words = "、".join(MADE_ZH[step] for step in done.made)
            sys.stdout.write(f"已生成 made: {words} ({', '.join(done.made)})\n\n")
        else:
            sys.stdout.write("首次启动早已完成，没有改动 / the first start was done before; nothing was changed\n\n")
        sys.stdout.write(done.request)
        return EXIT_CLEAN

    return guarded(work)


def _step_down(folder: Path) -> None:
    """Root becomes whoever owns the place of the key: the recorder must be able to read it, and nobody else."""
    if os.geteuid() != 0:
        return
    owner = next(parent for parent in (folder, *folder.parents) if parent.exists()).stat()
    if owner.st_uid != 0:
        os.initgroups(pwd.getpwuid(owner.st_uid).pw_name, owner.st_gid)
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
