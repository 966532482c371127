"""The lines of a NUT server (`upsd`) as values: its network protocol as RFC 9271 writes it down. Pure.

Strict: a line that is not exactly what was asked for is `Garbled`; an `ERR` is a `Denied` with its word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from edge.sensors.devices import UpsSample

LONGEST_LINE_BYTES = 1024
MOST_VARIABLES = 500
_ERROR = re.compile(r"ERR ([A-Z0-9-]{1,40})(?: .*)?")
_VALUE = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_NAME = re.compile(r"[a-z0-9.-]{1,100}")
STATUS_WORDS = frozenset(
    ("OL", "OB", "LB", "HB", "RB", "CHRG", "DISCHRG", "BYPASS", "CAL", "OFF", "OVER", "TRIM", "BOOST", "FSD")
) | {"ALARM", "TEST", "COMM", "NOCOMM", "ECO", "WAIT"}
MOST_RUNTIME_SECONDS = 10_000_000


class Garbled(Exception):
    """The line is not an answer to what was asked."""


class Denied(Exception):
    """The server answered ERR; the text is its word, such as DATA-STALE."""


def text_of(line: bytes) -> str:
    """A line without its end; raises Garbled, or Denied where the server says ERR."""
    if not line.endswith(b"\n") or len(line) > LONGEST_LINE_BYTES:
        raise Garbled("no whole line")
    try:
        text = line[:-1].removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise Garbled("not UTF-8") from error
    if match := _ERROR.fullmatch(text):
        raise Denied(match.group(1))
    return text


def parse_variable(text: str, ups: str) -> tuple[str, str]:
    """`VAR <ups> <name> "<value>"` as name and value; raises Garbled."""
    head = f"VAR {ups} "
    name, _, quoted = text.removeprefix(head).partition(" ")
    match = _VALUE.fullmatch(quoted)
    if not text.startswith(head) or _NAME.fullmatch(name) is None or match is None:
        raise Garbled("no variable of this UPS")
    return name, re.sub(r"\\(.)", r"\1", match.group(1))


def sample_of(variables: Mapping[str, str]) -> UpsSample:
    """The variables of one UPS as a sample; raises Garbled where its status is missing or contradicts itself."""
    words = variables.get("ups.status", "").split()
    unknown = [word for word in words if word not in STATUS_WORDS]
    mains, battery = "OL" in words, "OB" in words
    if unknown or mains == battery or "OFF" in words or "NOCOMM" in words:
        raise Garbled(f"a status that says neither mains nor battery: {' '.join(words)[:60]}")
    charge = _number(variables.get("battery.charge"))
    runtime = _number(variables.get("battery.runtime"))
    return UpsSample(
        on_battery=battery,
        battery_low="LB" in words,
        forced_shutdown="FSD" in words,
        charge_percent=charge if charge is not None and charge <= 100 else None,  # noqa: PLR2004 - percent
        runtime_seconds=runtime if runtime is not None and runtime <= MOST_RUNTIME_SECONDS else None,
    )


def quoted(word: str) -> str:
    """A word as the server reads it back; raises ValueError for what a line cannot hold."""
    if not word.isprintable() or not word.isascii():
        raise ValueError("a word of visible ASCII characters is needed")
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _number(text: str | None) -> int | None:
    """The whole part of a number that is not negative, else None: a driver's guess is no reason to lose the status."""
    match = re.fullmatch(r"(\d{1,9})(?:\.\d{1,9})?", text or "", re.ASCII)
    return None if match is None else int(match.group(1))
