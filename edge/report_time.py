"""When a report was made, as a person says it: two forms are taken, one full time is kept. Pure.

`2026-11-28 10:05` (seconds may follow, a T may stand between) is local time in the configured zone. `10:05`
alone is the newest such time that is not ahead of the device's clock.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from edge.clock_trust import EARLIEST_PLAUSIBLE_UTC_MS
from edge.requests import BadRequest

AHEAD = timedelta(days=1)
"""A device whose clock is behind must not keep a person from reporting; what is further ahead was typed wrong."""
AHEAD_OF_DAY = timedelta(hours=1)
_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})[T ]+(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_TIME = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)
_FORMS_ZH = "请写成 2026-11-28 10:05，当天的可只写 10:05"
_FORMS_EN = "write it as 2026-11-28 10:05, or 10:05 for today"


def report_time(text: str, *, now_utc_ms: int, zone: tzinfo) -> str:
    """The time with its date and offset, as `2026-11-28 10:05 +08:00`. Raises BadRequest: no time, or one to come."""
    now = datetime.fromtimestamp(now_utc_ms / 1000, UTC).astimezone(zone)
    clock_believed = now_utc_ms >= EARLIEST_PLAUSIBLE_UTC_MS
    moment = _moment(text.strip().replace("：", ":"), now, clock_believed=clock_believed)
    if clock_believed and moment - now > AHEAD:
        raise BadRequest(
            f"报告时间 {text} 还没有到（设备时间 {now:%Y-%m-%d %H:%M}）；{_FORMS_ZH}",
            f"the report's time {text} is still to come (the device has {now:%Y-%m-%d %H:%M}); {_FORMS_EN}",
        )
    told = moment.isoformat(sep=" ", timespec="seconds" if moment.second else "minutes")
    return f"{told[:-6]} {told[-6:]}"


def _moment(text: str, now: datetime, *, clock_believed: bool) -> datetime:
    day, time = _DAY.fullmatch(text), _TIME.fullmatch(text)
    try:
        if day is not None:
            return datetime(*(int(part or 0) for part in day.groups()), tzinfo=now.tzinfo)  # type: ignore[arg-type, misc]
        if time is not None and clock_believed:
            today = now.replace(hour=int(time[1]), minute=int(time[2]), second=0, microsecond=0)
            return today if today - now <= AHEAD_OF_DAY else today - timedelta(days=1)
    except ValueError:
        pass
    if time is not None and not clock_believed:
        raise BadRequest(
            "设备时钟不可信，报告时间须写明日期，例如 2026-11-28 10:05",
            "the device's clock is not believed: write the report's date too, as 2026-11-28 10:05",
        )
    raise BadRequest(f"报告时间 {text!r} 不是时间；{_FORMS_ZH}", f"{text!r} is no time of a report; {_FORMS_EN}")
