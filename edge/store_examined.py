"""What the store's doctor found of each store, as the recorder keeps it: read strictly, and what a store counts for.

Pure but for the one file. The doctor hands its JSON to the recorder, which journals it as a `check` with the JSON as a
record and keeps it here; the offload process reads it to choose how it writes. A finding against the store counts at
once; one in its favour lifts no rule but that a store nobody has examined counts for nothing: retention is still read
of every object. A result that is old is told as due again; it takes nothing back that was receipted on it.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from edge import durable
from edge.requests import BadRequest
from liuhen.errors import FormatError
from liuhen.registry import CheckOutcome
from liuhen.store_names import StoreUrl, parse_store_url, store_hash

FILE = "device/store-check.json"
LIMIT_BYTES = 64 * 1024
STORES_KEPT = 8
"""The newest result of each of so many stores: those before a move still hold what was brought there."""
GOOD_FOR_MS = 400 * 86_400_000
"""Servers are updated and their accounts change: once a year, and a month to get round to it."""
AHEAD_MS = 86_400_000
"""A result from so far in the future was dated by a clock that was wrong, and would never grow old."""
_OUTCOMES = {outcome.name.lower(): outcome for outcome in CheckOutcome if outcome is not CheckOutcome.NOT_LOOKED_AT}
"""A store's doctor looks at everything: a result that claims otherwise is none of his."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What matters of it. `outcome` is the worst of its rows, and BLOCKING where a server enforces no locks."""

    url: StoreUrl
    at_ms: int
    """When, by the clock of the machine that the doctor ran on."""
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
    url, worm, enforced = parse_store_url(profile["url"]), _flag(profile, "worm"), _flag(profile, "lock_enforced")
    is_folder = url.scheme == "file"
    if is_folder and worm:
        raise ValueError("a folder locks nothing")
    # A folder is labelled as what it is; a server that is no WORM either is not what anybody believes it to be.
    blocking = CheckOutcome.BLOCKING in outcomes or not (is_folder or (worm and enforced))
    worst = CheckOutcome.WARNING if CheckOutcome.WARNING in outcomes else CheckOutcome.WELL
    return Examined(
        url=url,
        at_ms=_utc_ms(profile["examined_at"]),
        outcome=CheckOutcome.BLOCKING if blocking else worst,
        conditional_put=_flag(profile, "conditional_put"),
    )


def _flag(profile: dict[str, Any], name: str) -> bool:
    value = profile[name]
    if not isinstance(value, bool):
        raise TypeError(name)
    return value


def _utc_ms(text: str) -> int:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time of nowhere")
    return round(at.timestamp() * 1000)


class Standing(enum.Enum):
    """What a store counts for here."""

    FIT = ("已通过自检", "its doctor found every promise kept")
    UNEXAMINED = (
        "未经自检，不计为指定存储库；请执行 liuhen store doctor … --socket",
        "not examined, so it counts as no designated store; run liuhen store doctor … --socket",
    )
    UNFIT = ("未通过自检，其回执不作数", "it failed its doctor: its receipts count for nothing")

    @property
    def words_zh(self) -> str:
        """What an operator is told."""
        return self.value[0]

    @property
    def words_en(self) -> str:
        """The same in English."""
        return self.value[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standings:
    """What the doctor found last of each store, by the hash of its name. `damaged`: that cannot be read."""

    outcomes: Mapping[bytes, CheckOutcome] = field(default_factory=dict)
    examined_ms: Mapping[bytes, int] = field(default_factory=dict)
    """When that was found, UTC."""
    damaged: bool = False

    def of(self, store: bytes) -> Standing:
        """A store's standing; a result that cannot be read counts as one against each."""
        if self.damaged or self.outcomes.get(store) is CheckOutcome.BLOCKING:
            return Standing.UNFIT
        return Standing.FIT if store in self.outcomes else Standing.UNEXAMINED

    def at(self, place: StoreUrl) -> Standing:
        """The same for a place. A folder promises nothing that a doctor could show: nothing rests on it anyway."""
        found = self.of(store_hash(place))
        return Standing.FIT if found is Standing.UNEXAMINED and place.scheme == "file" else found

    def is_due(self, place: StoreUrl, now_ms: int) -> bool:
        """Whether a server should be examined again by now, UTC: what was found of it is long ago."""
        at_ms = self.examined_ms.get(store_hash(place))
        return place.scheme != "file" and at_ms is not None and not -AHEAD_MS <= now_ms - at_ms <= GOOD_FOR_MS

    @property
    def fit(self) -> frozenset[bytes]:
        """The stores that count."""
        return frozenset(store for store in self.outcomes if self.of(store) is Standing.FIT)


def standings(root: Path) -> Standings:
    """As the recorder keeps them; a store of which nothing was handed over has none."""
    try:
        found = _kept(root)
    except (OSError, BadRequest):
        return Standings(damaged=True)
    return Standings(
        outcomes={store_hash(one.url): one.outcome for _, one in found},
        examined_ms={store_hash(one.url): one.at_ms for _, one in found},
    )


def is_conditional(root: Path, place: StoreUrl) -> bool:
    """Whether the last doctor saw this very store honour a conditional PUT; False where nothing is known."""
    try:
        found = _kept(root)
    except (OSError, BadRequest):
        return False
    return any(one.url == place and one.conditional_put for _, one in found)


def kept_with(root: Path, content: bytes) -> bytes:
    """The file with one more result, which takes the place of an older one of the same store.

    Raises BadRequest where the result is none. What could not be read is not kept: each store is examined again then.
    """
    new = parse(content)
    try:
        before = _kept(root)
    except (OSError, BadRequest):
        before = []
    others = [told for told, one in before if one.url != new.url]
    return json.dumps([*others[-(STORES_KEPT - 1) :], json.loads(content)]).encode()


def _kept(root: Path) -> list[tuple[object, Examined]]:
    """Each result, and what matters of it. Raises OSError, BadRequest."""
    try:
        with durable.opened(root / FILE) as file:
            content = file.read(STORES_KEPT * LIMIT_BYTES + 1)
    except FileNotFoundError:
        return []
    try:
        told = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadRequest("无法读取", "cannot be read") from error
    rows = told if isinstance(told, list) else [told]
    return [(row, parse(json.dumps(row).encode())) for row in rows]
