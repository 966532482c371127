"""Scenarios as TOML timelines: read strictly, every refusal one line for a person, Chinese first.

Pure. A scenario says what is done in the room and when, and what the verifier must then find. Times are seconds from
the scenario's first moment and go on while the power is off.
"""

from __future__ import annotations

import enum
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.profiles import NEUTRAL, available
from liuhen.findings import MEANINGS, Code
from liuhen.registry import CheckItem, CheckOutcome, EndCause, EventCode, GapCause, MarkCode

FOLDER = Path(__file__).resolve().parent / "scenarios"
FILE_LIMIT_BYTES = 65_536
LONGEST_SECONDS = 3600.0
MOST_ACTS = 200
MOST_TEXT = 200
OF_PROCEEDINGS = frozenset(code for code, meaning in MEANINGS.items() if meaning.step in ("J27", "J28"))
USUAL_BOUND = 0.16
"""Within a boot: one frame (40 ms), one packet (20 ms), and the turn of CONTROL (100 ms) that starts what goes on."""


class BadScenario(Exception):
    """A file that is no scenario; one line for a person."""


class Tier(enum.StrEnum):
    """In which time it is played."""

    VIRTUAL = "virtual"
    REALTIME = "realtime"


HEADER_FIELDS = (
    *("procedure", "case_number", "cause_of_case", "matter", "parties", "related_persons", "officials", "certificates"),
    *("host", "recorder", "recorder_agency", "place", "secrecy", "ex_status"),
)
"""What a header act may fill in, as a clerk writes it: several names with ； between. `cause` is that of a gap here."""
Value = float | str | bool
VALUES: dict[str, dict[str, type]] = {
    "pull": {"what": str},
    "plug": {"what": str},
    "cover_lens": {},
    "uncover_lens": {},
    "drain": {"low": bool, "minutes": float},
    "charge": {},
    "heat": {"celsius": float},
    "fill_disk": {},
    "pull_disk": {},
    "step_clock": {"milliseconds": float},
    "open_loop": {},
    "break_wire": {},
    "short_wire": {},
    "close_loop": {},
    "reset": {},
    "gas": {},
    "gas_clear": {},
    "kill_guard": {},
    "guard_back": {},
    "withhold": {"by": str},
    "approve": {"by": str, "ground": str, "citation": str},
    "resume": {"by": str},
    "explain": {"by": str, "lasts": float, "cause": str, "text": str},
    "amend": {"by": str, "cause": str, "text": str},
    "mark": {"step": float},
    "consent": {"by": str, "text": str},
    "press": {"button": str},
    "cannot_resume": {"by": str, "to": str, "when": str},
    "refused": {"verb": str, "by": str, "ground": str},
    "stop": {"by": str},
    "header": dict.fromkeys(HEADER_FIELDS, str),
    "step": {"number": float, "ago": float},
    "point": {"number": float},
    "arrival": {"who": str},
    "notice": {"who": str},
    "plate": {},
    "spoken_place": {},
    "recess": {},
    "sitting_resumed": {},
    "attach": {"paper": str},
    "stop_unreasoned": {"by": str},
    "stop_unmeant": {"by": str},
    "power_cut": {"off": float},
    "stall_disk": {"lasts": float},
}
"""Every act with the values it may have; what each means stands in `sim.scenario`."""
_WORDS: dict[str, frozenset[str]] = {
    "what": frozenset({"camera", "microphone"}),
    "button": frozenset({"mark", "withhold", "start"}),
    "verb": frozenset({"withhold", "approve", "resume", "stop", "cannot-resume"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One act of the timeline."""

    at: float
    act: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedGap:
    """One interruption as it must stand in the verifier's report; `stream` None means both.

    `since` and `until` are the truth, in the scenario's seconds; the device's bounds agree within `bound` seconds.
    """

    cause: GapCause
    stream: int | None
    since: float
    until: float
    bound: float
    resumed: bool
    explained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it must end: `end` None where the session is still open, or was never begun (`refused`)."""

    end: EndCause | None
    refused: bool
    exit_code: int
    events: frozenset[EventCode]
    owed: tuple[str, ...]
    unapproved: int
    findings: frozenset[Code] = frozenset()
    """What the verifier finds of the proceeding: these, and nothing else of steps J27 and J28."""
    steps: int = 0
    """So many steps of the procedure are marked."""
    marks: frozenset[MarkCode] = frozenset()
    checks: tuple[tuple[CheckItem, CheckOutcome], ...] = ()
    """What the check before recording must have found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What differs from the usual device."""

    interlock: bool = False
    loudspeaker: bool = False
    loops: str = "permit"
    profile: str = NEUTRAL
    disk_full: bool = False
    """Whether there is no space even before the start."""
    battery_low: bool = False
    """Whether the UPS says from its first word on that its battery is low."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """See the module."""

    name: str
    words_zh: str
    words_en: str
    shows: tuple[str, ...]
    tier: Tier
    seconds: float
    settings: Settings
    steps: tuple[Step, ...]
    gaps: tuple[ExpectedGap, ...]
    outcome: Outcome


def names() -> list[str]:
    """Every scenario there is."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Scenario:
    """The scenario of this name. Raises BadScenario, also where there is none."""
    if name not in names():
        raise BadScenario(f"没有场景 {name[:40]!r}，可用 --list 查看 / no such scenario, see --list")
    return parse((FOLDER / f"{name}.toml").read_bytes())


def parse(content: bytes) -> Scenario:
    """A scenario from its bytes. Raises BadScenario."""
    if len(content) > FILE_LIMIT_BYTES:
        raise _bad("文件过大", "the file is too large")
    try:
        raw = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _bad("不是 TOML", "not TOML") from error
    wanted = ("name", "zh", "en", "shows", "seconds", "outcome")
    top = _Table(raw, wanted, ("tier", "config", "at", "expect"))
    made = Scenario(
        name=top.text("name"),
        words_zh=top.text("zh"),
        words_en=top.text("en"),
        shows=tuple(_text("shows", one) for one in top.rows("shows")),
        tier=top.one_of("tier", {tier.value: tier for tier in Tier}, Tier.VIRTUAL),
        seconds=top.number("seconds", least=1.0),
        settings=_settings(top.table("config")),
        steps=tuple(sorted((_step(one) for one in top.rows("at")), key=lambda step: step.at)),
        gaps=tuple(_gap(one) for one in top.rows("expect")),
        outcome=_outcome(top.table("outcome")),
    )
    if len(made.steps) > MOST_ACTS or any(step.at > made.seconds for step in made.steps):
        raise _bad("at 过多或晚于 seconds", "too many acts, or one after the end")
    return made


def _settings(raw: dict[str, Any]) -> Settings:
    table = _Table(raw, (), ("interlock", "loudspeaker", "loops", "profile", "disk", "battery"))
    profiles = {found.name: found.name for found in available()}
    loops = {word: word for word in ("permit", "off")}
    return Settings(
        interlock=table.flag("interlock", False),
        loudspeaker=table.flag("loudspeaker", False),
        loops=table.one_of("loops", loops, "permit"),
        profile=table.one_of("profile", profiles, NEUTRAL),
        disk_full=table.one_of("disk", {"full": True, "empty": False}, False),
        battery_low=table.one_of("battery", {"low": True, "charged": False}, False),
    )


def _step(raw: object) -> Step:
    if not isinstance(raw, dict):
        raise _bad("at 不是表", "at is no table")
    act = raw.get("act")
    if not isinstance(act, str) or act not in VALUES:
        raise _bad(f"没有动作 {str(act)[:40]!r}", "no such act")
    table = _Table(raw, ("seconds", "act"), tuple(VALUES[act]))
    values = {name: table.value(name, kind) for name, kind in VALUES[act].items() if name in raw}
    if "what" in VALUES[act] and "what" not in values:
        raise _bad(f"{act} 需要 what", f"{act} needs what")
    return Step(at=table.number("seconds"), act=act, values=values)


def _gap(raw: object) -> ExpectedGap:
    table = _Table(raw, ("cause", "from", "to"), ("stream", "bound", "resumed", "explained"))
    since, until = table.number("from"), table.number("to")
    if until < since:
        raise _bad("to 早于 from", "to is before from")
    streams: dict[str, int | None] = {"both": None, "picture": 0, "sound": 1}
    return ExpectedGap(
        cause=table.one_of("cause", by_name(GapCause), None),
        stream=table.one_of("stream", streams, None),
        since=since,
        until=until,
        bound=table.number("bound", usual=USUAL_BOUND),
        resumed=table.flag("resumed", True),
        explained=table.one_of("explained", {"spoken": True, "missing": False}, True),
    )


def _outcome(raw: dict[str, Any]) -> Outcome:
    table = _Table(raw, ("end", "exit"), ("events", "owed", "unapproved", "findings", "steps", "marks", "checks"))
    ends: dict[str, EndCause | None] = {**by_name(EndCause), "open": None, "refused": None}
    codes = by_name(EventCode)
    return Outcome(
        end=table.one_of("end", ends, None),
        refused=raw["end"] == "refused",
        exit_code=int(table.number("exit")),
        events=frozenset(_known(one, codes) for one in table.rows("events")),
        owed=tuple(sorted(_text("owed", one) for one in table.rows("owed"))),
        unapproved=int(table.number("unapproved", usual=0.0)),
        findings=frozenset(_finding(one) for one in table.rows("findings")),
        steps=int(table.number("steps", usual=0.0)),
        marks=frozenset(_mark(one) for one in table.rows("marks")),
        checks=tuple(_check(one) for one in table.rows("checks")),
    )


def _mark(one: object) -> MarkCode:
    codes = by_name(MarkCode)
    if not isinstance(one, str) or one not in codes:
        raise _bad(f"没有标记 {str(one)[:40]!r}", "no such mark")
    found: MarkCode = codes[one]
    return found


def _check(one: object) -> tuple[CheckItem, CheckOutcome]:
    """An item and how it was found, as "space blocking"."""
    item, _, outcome = one.partition(" ") if isinstance(one, str) else ("", "", "")
    items, outcomes = by_name(CheckItem), by_name(CheckOutcome)
    if item not in items or outcome not in outcomes:
        raise _bad(f"没有检查结果 {str(one)[:40]!r}", "no such item or outcome of a check")
    return items[item], outcomes[outcome]


def by_name(codes: Any) -> dict[str, Any]:
    """The codes of an enumeration by the words a file uses for them."""
    return {code.name.lower().replace("_", "-"): code for code in codes}


def _known(one: object, codes: dict[str, EventCode]) -> EventCode:
    if not isinstance(one, str) or one not in codes:
        raise _bad(f"没有事件 {str(one)[:40]!r}", "no such event")
    return codes[one]


def _finding(one: object) -> Code:
    if not isinstance(one, str) or one not in {code.value for code in OF_PROCEEDINGS}:
        raise _bad(f"没有发现 {str(one)[:40]!r}", "no such finding")
    return Code(one)


class _Table:
    """One table with its keys checked at once. Raises BadScenario."""

    def __init__(self, raw: object, wanted: tuple[str, ...], allowed: tuple[str, ...]) -> None:
        if not isinstance(raw, dict):
            raise _bad("应为表", "a table is expected")
        self._raw: dict[str, Any] = raw
        for key in raw:
            if key not in wanted and key not in allowed:
                raise _bad(f"未知的项 {key[:40]!r}", "unknown key")
        for key in wanted:
            if key not in raw:
                raise _bad(f"缺少 {key}", f"{key} is missing")

    def text(self, key: str) -> str:
        return _text(key, self._raw[key])

    def rows(self, key: str) -> list[object]:
        found = self._raw.get(key, [])
        if not isinstance(found, list):
            raise _bad(f"{key} 应为列表", f"{key} is no list")
        return found

    def table(self, key: str) -> dict[str, Any]:
        found = self._raw.get(key, {})
        if not isinstance(found, dict):
            raise _bad(f"{key} 应为表", f"{key} is no table")
        return found

    def number(self, key: str, *, usual: float | None = None, least: float = 0.0) -> float:
        found = self._raw.get(key, usual)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise _bad(f"{key} 应为数", f"{key} is no number")
        if not least <= found <= LONGEST_SECONDS:  # neither is a number that is none
            raise _bad(f"{key} 超出范围", f"{key} is out of range")
        return float(found)

    def flag(self, key: str, usual: bool) -> bool:
        found = self._raw.get(key, usual)
        if not isinstance(found, bool):
            raise _bad(f"{key} 应为 true 或 false", f"{key} is neither true nor false")
        return found

    def one_of(self, key: str, words: Mapping[str, Any], usual: Any) -> Any:
        if key not in self._raw:
            return usual
        found = self._raw[key]
        if not isinstance(found, str) or found not in words:
            raise _bad(f"{key} 不能是 {str(found)[:40]!r}", f"{key} cannot have this value")
        return words[found]

    def value(self, key: str, kind: type) -> Value:
        if kind is bool:
            return self.flag(key, False)
        if kind is str:
            words = by_name(GapCause) if key == "cause" else _WORDS.get(key)
            text = self.text(key)
            if words is not None and text not in words:
                raise _bad(f"{key} 不能是 {text[:40]!r}", f"{key} cannot have this value")
            return text
        return _signed(key, self._raw[key])


def _signed(key: str, found: object) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) <= 10**9:
        raise _bad(f"{key} 应为数", f"{key} is no number")
    return float(found)


def _text(key: str, found: object) -> str:
    if not isinstance(found, str) or not 0 < len(found) <= MOST_TEXT or not found.isprintable():
        raise _bad(f"{key} 应为一行文字", f"{key} is no line of text")
    return found


def _bad(words_zh: str, words_en: str) -> BadScenario:
    return BadScenario(f"场景文件有误：{words_zh} / bad scenario: {words_en}")
