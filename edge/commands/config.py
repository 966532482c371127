"""`liuhen config check|default`: say whether a configuration file can be used, and print the commented default."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge import config
from edge.designation import WORDS_EN, WORDS_ZH, is_own_server
from edge.refusals import EXIT_CLEAN, guarded
from edge.rules import with_rules


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command line."""
    parser = commands.add_parser("config", help="配置：检查、显示默认值 / check a configuration, print the default")
    verbs = parser.add_subparsers(dest="verb", required=True)
    check = verbs.add_parser("check", help="检查配置文件 / check a file")
    check.add_argument("file", type=Path, help="配置文件 / the configuration file")
    verbs.add_parser("default", help="打印带注释的默认配置 / print the commented default")
    parser.set_defaults(work=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry out one verb."""

    def work() -> int:
        if arguments.verb == "default":
            sys.stdout.write(config.DEFAULT_TOML.decode())
            return EXIT_CLEAN
        loaded = with_rules(config.load(arguments.file))
        sys.stdout.write(f"配置可用 this configuration can be used: {arguments.file}\nSHA-256 {loaded.digest.hex()}\n")
        sys.stdout.write(f"辖区规则 rules: {loaded.rules.title}\nSHA-256 {loaded.rules.digest.hex()}\n")
        for access in loaded.store.every:
            if access.designated and is_own_server(access, production=True):
                sys.stdout.write(f"▲ {access.url} {WORDS_ZH}\n  {access.url} {WORDS_EN}\n")
        return EXIT_CLEAN

    return guarded(work)
