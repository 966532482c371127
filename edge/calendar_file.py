"""An iCalendar file (RFC 5545) as the hearings of a room, or one clear line why not.

Pure but for the time zone data of the machine: bytes in. Parsed by `icalendar`, which unfolds lines, escapes and value
types as the RFC has them; what may repeat is bounded here, and a file is taken as a whole or refused as a whole.

Time zones: a time in UTC is that; a time with TZID is of that zone of the IANA data base (or a Windows name of one),
whatever the file itself says the zone is; a time without either is of the wall clock of the device
(`device.utc_offset_minutes`). A zone that nobody knows refuses the file: an hour wrong is a hearing missed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from itertools import chain, islice
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrulestr
from icalendar import Calendar
from icalendar.prop import vBroken
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from edge.schedule import MOST_HEARINGS, TITLE_LIMIT, Hearing, ScheduleError, is_title

FILE_LIMIT_BYTES = 1 << 20
MOST_EVENTS = 2000
MOST_OCCURRENCES = 1000
AHEAD = timedelta(days=400)
BEHIND = timedelta(days=1)
OLDEST_RULE = timedelta(days=5 * 366)
"""A rule that began longer ago is written anew: its occurrences are counted from the first one."""
RULE_PARTS = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "WKST"})
"""What a rule may say. The rest can be put together so that it is never met, and is looked for until the year 9999."""
FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
RULE_LIMIT = 200
MOST_INTERVAL = 400
END_OF_DAY = time(23, 59, 59)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Event = Any
"""A VEVENT of `icalendar`."""
Key = tuple[str, datetime]
"""UID and moment of an occurrence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointments:
    """What a calendar holds, in order: hearings of this room, and those that say they take place in another one."""

    here: tuple[Hearing, ...]
    elsewhere: tuple[Hearing, ...] = ()


def read_calendar(content: bytes, *, now: datetime, utc_offset_minutes: int, room: str = "") -> Appointments:
    """The hearings from yesterday to 400 days ahead. Raises ScheduleError.

    An event is elsewhere if its LOCATION and the name of this `room` do not contain one another, however they are
    spaced; without a name of the room, or a LOCATION, it is here: what nobody misses would be worse than one too many.
    """
    if len(content) > FILE_LIMIT_BYTES:
        raise ScheduleError(f"日程文件超过 {FILE_LIMIT_BYTES} 字节", f"the file has more than {FILE_LIMIT_BYTES} bytes")
    events = _events(content)
    local = timezone(timedelta(minutes=utc_offset_minutes))
    found: dict[Key, tuple[Hearing, bool]] = {}
    moved: set[Key] = set()
    for number, event in enumerate(events, start=1):
        replaced, hearings = _Reader(number=number, event=event, local=local, now=now).all()
        here = _is_here(str(event.get("LOCATION", "")), room)
        if replaced is not None:
            moved.add(replaced)
        for key, hearing in hearings:
            if len(found) >= MOST_HEARINGS:
                raise ScheduleError(
                    f"日程多于 {MOST_HEARINGS} 场，请分段导出", f"more than {MOST_HEARINGS} hearings; export fewer"
                )
            if replaced is not None or key not in found:
                found[(key[0] + "\0moved", key[1]) if replaced is not None else key] = hearing, here
    kept = sorted(
        (one for key, one in found.items() if key not in moved), key=lambda one: (one[0].begin_ms, one[0].title)
    )
    return Appointments(
        here=tuple(hearing for hearing, here in kept if here),
        elsewhere=tuple(hearing for hearing, here in kept if not here),
    )


def _is_here(location: str, room: str) -> bool:
    place, ours = ("".join(unicodedata.normalize("NFKC", one).casefold().split()) for one in (location, room))
    return place in ours or ours in place


def _events(content: bytes) -> list[Event]:
    """Every VEVENT. Raises ScheduleError, whatever a library says of foreign bytes."""
    try:
        content.decode("utf-8")
        events = list(islice(Calendar.from_ical(content).walk("VEVENT"), MOST_EVENTS + 1))
    except Exception as error:
        raise ScheduleError("不是可读的 iCalendar 文件（.ics，UTF-8）", "no iCalendar file (.ics, UTF-8)") from error
    if len(events) > MOST_EVENTS:
        raise ScheduleError(f"日程项多于 {MOST_EVENTS} 个", f"more than {MOST_EVENTS} events")
    if not events:
        raise ScheduleError("文件中没有日程项（VEVENT）", "there is no event (VEVENT) in it")
    return events


class _Reader:
    """One VEVENT; every refusal names its number in the file and repeats nothing of it."""

    def __init__(self, *, number: int, event: Event, local: tzinfo, now: datetime) -> None:
        self._number, self._event, self._local, self._now = number, event, local, now

    def all(self) -> tuple[Key | None, list[tuple[Key, Hearing]]]:
        """The occurrence that it stands in for, and its own ones. Raises ScheduleError, whatever a library says."""
        try:
            return self.replaces(), list(self.hearings())
        except ScheduleError:
            raise
        except Exception as error:
            raise self._refused("内容无法理解", "it cannot be understood") from error

    def replaces(self) -> Key | None:
        """The occurrence that this event stands in for (RECURRENCE-ID)."""
        if self._event.get("RECURRENCE-ID") is None:
            return None
        return self._uid, self._moment("RECURRENCE-ID").astimezone(UTC)

    def hearings(self) -> Iterator[tuple[Key, Hearing]]:
        """Its occurrences within reach; none where it was cancelled."""
        if str(self._event.get("STATUS", "")).upper() == "CANCELLED":
            return
        begin = self._moment("DTSTART")
        length, title = self._length(begin), self._title()
        for at in self._occurrences(begin):
            if not self._now - BEHIND <= at <= self._now + AHEAD:
                continue
            begin_ms = (at - EPOCH) // timedelta(milliseconds=1)
            hearing = Hearing(begin_ms=begin_ms, end_ms=begin_ms + length // timedelta(milliseconds=1), title=title)
            yield (self._uid, at.astimezone(UTC)), hearing

    @property
    def _uid(self) -> str:
        return str(self._event.get("UID", f"event {self._number}"))

    def _title(self) -> str:
        title = unicodedata.normalize("NFC", str(self._event.get("SUMMARY", ""))).strip() or "（无标题）"
        if not is_title(title):
            raise self._refused(
                f"标题须为一行可见字符，至多 {TITLE_LIMIT} 个，不得含控制或改变方向的字符",
                f"its title is no line of at most {TITLE_LIMIT} visible characters",
            )
        return title

    def _length(self, begin: datetime) -> timedelta:
        length = timedelta(0)
        if self._event.get("DTEND") is not None:
            length = self._moment("DTEND") - begin
        elif isinstance(getattr(self._event.get("DURATION"), "dt", None), timedelta):
            length = self._event["DURATION"].dt
        if not timedelta(0) <= length <= timedelta(days=7):
            raise self._refused("结束早于开始，或长于七天", "it ends before it begins, or lasts more than seven days")
        return length

    def _moment(self, name: str) -> datetime:
        """A property as an instant, in its own zone."""
        value = self._event.get(name)
        moment = None if isinstance(value, vBroken) else getattr(value, "dt", None)
        if not isinstance(moment, datetime):
            whole_day = isinstance(moment, date)
            raise self._refused(
                f"{name} {'只有日期，没有时刻' if whole_day else '不是可读的时间'}",
                f"{name} is {'a day without a time' if whole_day else 'no time'}",
            )
        named = value.params.get("TZID")
        if named is not None:
            return moment.replace(tzinfo=self._zone(str(named)))
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=self._local)

    def _zone(self, name: str) -> tzinfo:
        try:
            return ZoneInfo(WINDOWS_TO_OLSON.get(name, name))
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise self._refused("时区名称无法识别", "its time zone is not known") from error

    def _occurrences(self, begin: datetime) -> Iterator[datetime]:
        """The moments of a rule (RRULE) in the event's own zone, those of EXDATE left out; or the one moment."""
        if self._event.get("RDATE") is not None:
            raise self._refused("不支持 RDATE，请改写为单独的日程项", "RDATE is not read; write events of their own")
        rule = self._event.get("RRULE")
        if rule is None:
            yield begin
            return
        if isinstance(rule, list) or begin < self._now - OLDEST_RULE:
            raise self._refused("重复规则多于一条，或开始于五年以前", "several rules, or one that began five years ago")
        left_out = self._exceptions()
        for at in self._counted(rule, begin):
            if at.astimezone(UTC) not in left_out:
                yield at

    def _counted(self, rule: Any, begin: datetime) -> list[datetime]:
        """The first occurrence is DTSTART itself (RFC 5545, 3.8.5.3), the last lies within reach.

        The rule is asked for nothing beyond that: one that is never met would be looked for without end.
        """
        text = rule.to_ical().decode()
        frequency = [str(one).upper() for one in rule.get("FREQ", [])]
        known = {str(name).upper() for name in rule} <= RULE_PARTS
        if len(text) > RULE_LIMIT or len(frequency) != 1 or frequency[0] not in FREQUENCIES or not known:
            raise self._refused(
                "重复规则只能是每天、每周、每月或每年，可加星期或日期",
                "it repeats by another rule than by day, week, month or year, on weekdays or days of the month",
            )
        if not 1 <= int(rule.get("INTERVAL", [1])[0]) <= MOST_INTERVAL:
            raise self._refused("重复间隔不可用", "its rule has no usable interval")
        parts = [part for part in text.split(";") if not part.upper().startswith(("UNTIL=", "COUNT="))]
        first = begin.replace(tzinfo=None)
        try:
            reach = (self._now + AHEAD).astimezone(begin.tzinfo).replace(tzinfo=None)
            last = min(reach, self._until(rule, begin) or reach)
            most = min(int(rule["COUNT"][0]), MOST_OCCURRENCES) if "COUNT" in rule else MOST_OCCURRENCES + 1
            asked = rrulestr(";".join(parts), dtstart=first).replace(until=last)
            moments = list(islice(chain((first,), (at for at in asked if at != first)), most))
        except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
            raise self._refused("重复规则无法理解", "its rule cannot be understood") from error
        if len(moments) > MOST_OCCURRENCES:
            raise self._refused(f"重复多于 {MOST_OCCURRENCES} 次", f"it repeats more than {MOST_OCCURRENCES} times")
        return [at.replace(tzinfo=begin.tzinfo) for at in moments]

    def _until(self, rule: Any, begin: datetime) -> datetime | None:
        """UNTIL as wall time of the event's zone; a day counts to its end."""
        given = rule.get("UNTIL")
        if not given:
            return None
        last = given[0]
        if isinstance(last, datetime):
            return (last.astimezone(begin.tzinfo) if last.tzinfo is not None else last).replace(tzinfo=None)
        if isinstance(last, date):
            return datetime.combine(last, END_OF_DAY)
        raise ValueError("UNTIL")

    def _exceptions(self) -> set[datetime]:
        given = self._event.get("EXDATE")
        lists = given if isinstance(given, list) else [given] if given is not None else []
        found = set()
        for one in lists:
            named = one.params.get("TZID")
            zone = self._zone(str(named)) if named is not None else None
            for value in getattr(one, "dts", ()):
                at = value.dt
                if not isinstance(at, datetime):
                    raise self._refused("EXDATE 只有日期，没有时刻", "EXDATE is a day without a time")
                at = at.replace(tzinfo=zone) if zone is not None else at
                found.add((at if at.tzinfo is not None else at.replace(tzinfo=self._local)).astimezone(UTC))
        return found

    def _refused(self, words_zh: str, words_en: str) -> ScheduleError:
        return ScheduleError(f"第 {self._number} 个日程项：{words_zh}", f"event {self._number}: {words_en}")
