"""How a report speaks: the two languages, moments in time, and the words of the rule books. Pure."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass

from liuhen.registry import GapCause

_FIRST_YEAR, _LAST_YEAR = 1970, 2999
_BEIJING = datetime.timezone(datetime.timedelta(hours=8))


class Language(enum.StrEnum):
    """The language of the text."""

    ZH = "zh"
    EN = "en"


def moment_of(utc_ms: int, zone: datetime.tzinfo) -> datetime.datetime | None:
    """The moment, if anybody can have meant it."""
    try:
        moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(milliseconds=utc_ms)
    except OverflowError:
        return None
    return moment.astimezone(zone) if _FIRST_YEAR <= moment.year <= _LAST_YEAR else None


def iso(utc_ms: int | None) -> str | None:
    """UTC as JSON gives it."""
    moment = None if utc_ms is None else moment_of(utc_ms, datetime.UTC)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def cause_of(code: int | None) -> GapCause | None:
    """The registered cause of an interruption, if it is one."""
    try:
        return None if code is None else GapCause(code)
    except ValueError:
        return None


def cause_name(code: int | None) -> str:
    """Its name in JSON."""
    cause = cause_of(code)
    if cause is not None:
        return cause.name.lower().replace("_", "-")
    return "unknown" if code is None else f"code-{code}"


@dataclass(frozen=True, slots=True)
class Words:
    """Chooses between the two languages."""

    language: Language

    def say(self, zh: str, en: str) -> str:
        """The one that is asked for."""
        return zh if self.language is Language.ZH else en

    def time(self, utc_ms: int | None) -> str:
        """A claimed moment; Chinese text gives Beijing time, English text UTC."""
        zone = _BEIJING if self.language is Language.ZH else datetime.UTC
        moment = None if utc_ms is None else moment_of(utc_ms, zone)
        if moment is None:
            return self.say("时间不明", "unknown time")
        return moment.strftime("%Y-%m-%d %H:%M:%S")
