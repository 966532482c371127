"""What the report says of an always-on room's day: its visits by number (FORMAT.md 5.10). Pure."""

from __future__ import annotations

from liuhen.findings import printable
from liuhen.registry import VisitEnd, VisitSort
from liuhen.report_room import Room, entry_words
from liuhen.report_words import Words, iso
from liuhen.verify_codes import known
from liuhen.visits import Day, VisitTold

MOST_LINES = 50


def visits_lines(session: bytes, room: Room, words: Words) -> list[str]:
    """A day's visits, nothing for a session that has none."""
    day = room.days.get(session)
    if day is None:
        return []
    visits = day.all()
    untold = sum(visit.told_ms is None for visit in visits)
    lines = [
        words.say(
            f"  值守：{len(visits)} 个办事号码，{untold} 个未见告知",
            f"  always on: {len(visits)} visits, {untold} without notice",
        )
    ]
    lines += [_line(visit, words) for visit in visits[:MOST_LINES]]
    left = len(visits) - MOST_LINES + day.not_kept
    return [*lines, words.say(f"  …… 另 {left} 个", f"  … and {left} more")] if left > 0 else lines


def _line(visit: VisitTold, words: Words) -> str:
    until = "…" if visit.until_utc_ms is None else words.time(visit.until_utc_ms)
    number = printable(visit.number)
    sort = VisitSort(visit.sort) if known(VisitSort, visit.sort) else VisitSort.VISIT
    cause = VisitEnd(visit.cause) if known(VisitEnd, visit.cause) else VisitEnd.NOT_ENDED
    line = words.say(
        f"    {number}（{sort.words_zh}）{words.time(visit.since_utc_ms)} 至 {until}，{cause.words_zh}",
        f"    {number} ({sort.words_en}) {words.time(visit.since_utc_ms)} to {until}, {cause.words_en}",
    )
    return line + entry_words(visit.entry, words)


def visits_json(session: bytes, room: Room) -> list[dict[str, object]] | None:
    """The member `visits` of a session; null where it has none."""
    day: Day | None = room.days.get(session)
    if day is None:
        return None
    return [
        {
            "entry": visit.entry,
            "number": visit.number,
            "sort": visit.sort,
            "since": iso(visit.since_utc_ms),
            "until": iso(visit.until_utc_ms),
            "end_entry": visit.end,
            "cause": int(visit.cause),
            "told_ms": visit.told_ms,
            "segments": [segment.number for segment, _ in day.within(visit)],
        }
        for visit in day.all()
    ]
