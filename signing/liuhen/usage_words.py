"""What `argparse` says of a wrong command line, in Chinese beside its English: one table for every command. Pure.

What was typed where a command expected something else is not repeated: it may be somebody's name. Options are.
"""

from __future__ import annotations

import re

_WORDS = (
    (r"the following arguments are required: (.*)", r"缺少参数 \1", r"\g<0>"),
    (r"one of the arguments (.*) is required", r"须写明以下参数之一：\1", r"\g<0>"),
    (r"unrecognized arguments: (.*)", r"不认识的参数 \1", r"\g<0>"),
    (r"argument (.*?): expected one argument", r"参数 \1 之后缺少内容", r"\g<0>"),
    (r"argument (.*?): expected .*", r"参数 \1 的内容不全", r"\g<0>"),
    (r"argument (.*?): not allowed with argument (.*)", r"参数 \1 不能与 \2 同用", r"\g<0>"),
    (r"argument (.*?): ignored explicit argument .*", r"参数 \1 不带内容", r"argument \1: takes no value"),
    (
        r"argument (.*?): invalid choice: .* \(choose from (.*)\)",
        r"参数 \1 只能是 \2",
        r"argument \1: choose from \2",
    ),
    (r"argument (.*?): invalid int value: .*", r"参数 \1 须是整数", r"argument \1: not a whole number"),
    (r"argument (.*?): invalid float value: .*", r"参数 \1 须是数", r"argument \1: not a number"),
    (r"argument (.*?): invalid .* value: .*", r"参数 \1 的内容不能用", r"argument \1: cannot be used"),
    (
        r"ambiguous option: ([^\s=]+)(?:=.*)? could match (.*)",
        r"参数 \1 不明确，可能是 \2",
        r"ambiguous option: \1 could match \2",
    ),
)
_OURS = re.compile(r"(?:argument (?P<name>.*?): )?(?P<zh>.*[\u4e00-\u9fff].*) / (?P<en>.*)", re.DOTALL)
"""A message of our own checks: Chinese, a stroke, English."""


def usage_words(message: str) -> tuple[str, str]:
    """The message in Chinese and in English; what this table does not know is in English twice."""
    message = _without_words(message)
    for said, zh, en in _WORDS:
        found = re.fullmatch(said, message, re.DOTALL)
        if found is not None:
            return found.expand(zh), found.expand(en)
    ours = _OURS.fullmatch(message)
    if ours is None:
        return message, message
    named = ("", "") if ours["name"] is None else (f"参数 {ours['name']}：", f"argument {ours['name']}: ")
    return named[0] + ours["zh"], named[1] + ours["en"]


def _without_words(message: str) -> str:
    """What nobody expected is repeated by its options alone."""
    said, sign, words = message.partition("unrecognized arguments: ")
    if said or not sign:
        return message
    named = (word.partition("=")[0] if word.startswith("-") else "…" for word in words.split())
    return sign + " ".join(dict.fromkeys(named))
