"""What the store's doctor found of the configured store, as the recorder keeps it: read strictly, believed in one way.

Pure but for the one file. The doctor hands its JSON to the recorder, which journals it as a `check` with the JSON as a
record and keeps it here; the offload process reads it to choose how it writes. A finding against the store counts at
once; one in its favour lifts no rule, for retention is still read of every object.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import durable
from edge.requests import BadRequest
from liuhen.errors import FormatError
from liuhen.registry import CheckOutcome
from liuhen.store_names import StoreUrl, parse_store_url

FILE = "device/store-check.json"
LIMIT_BYTES = 64 * 1024
_OUTCOMES = {outcome.name.lower(): outcome for outcome in CheckOutcome}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What matters of it. `outcome` is the worst of its rows, and BLOCKING where locks are not enforced."""

    url: StoreUrl
    outcome: CheckOutcome
    conditional_put: bool


def parse(content: bytes) -> Examined:
    """What `liuhen store doctor --json` wrote. Raises BadRequest, which repeats nothing of it."""
    try:
        return _read(content)
    except (ValueError, KeyError, TypeError, RecursionError, FormatError) as error:
        raise BadRequest(
            "不是 liuhen store doctor --json 的结果", "not what liuhen store doctor --json wrote"
        ) from error


def _read(content: bytes) -> Examined:
    if len(content) > LIMIT_BYTES:
        raise ValueError("too long")
    told = json.loads(content.decode("utf-8"))
    profile, rows = told["profile"], told["rows"]
    outcomes = [_OUTCOMES[row["outcome"]] for row in rows]
    if not outcomes:
        raise ValueError("no row")
    unlocked = _flag(profile, "worm") and not _flag(profile, "lock_enforced")
    blocking = unlocked or CheckOutcome.BLOCKING in outcomes
    worst = CheckOutcome.WARNING if CheckOutcome.WARNING in outcomes else CheckOutcome.WELL
    return Examined(
        url=parse_store_url(profile["url"]),
        outcome=CheckOutcome.BLOCKING if blocking else worst,
        conditional_put=_flag(profile, "conditional_put"),
    )


def _flag(profile: dict[str, Any], name: str) -> bool:
    value = profile[name]
    if not isinstance(value, bool):
        raise TypeError(name)
    return value


def is_unfit(root: Path, place: StoreUrl | None) -> bool:
    """Whether the last doctor found against this very store. A result that cannot be read counts as one against it."""
    try:
        found = _kept(root)
    except (OSError, BadRequest):
        return True
    return found is not None and found.url == place and found.outcome is CheckOutcome.BLOCKING


def is_conditional(root: Path, place: StoreUrl) -> bool:
    """Whether the last doctor saw this very store honour a conditional PUT; False where nothing is known."""
    try:
        found = _kept(root)
    except (OSError, BadRequest):
        return False
    return found is not None and found.url == place and found.conditional_put


def _kept(root: Path) -> Examined | None:
    try:
        with durable.opened(root / FILE) as file:
            return parse(file.read(LIMIT_BYTES + 1))
    except FileNotFoundError:
        return None
