"""Interruptions as a coverage report tells them, whole or as far as they lie in an item. Pure.

A gap of one stream alone is a degraded recording: sound only, or picture only. Lengths of gaps that cross a boot have
bounds, because no clock ran between the two.
"""

from __future__ import annotations

from edge.coverage.case import Case
from edge.coverage.facts import Moment, Where
from edge.coverage.values import Fact, Interruption, Shown
from edge.coverage.words import Said, said, time_words
from liuhen.kinds import NO_UPPER_BOUND_NS
from liuhen.registry import InhibitionCode, MarkCode, RecordLabel, Stream
from liuhen.report_words import cause_name, cause_of
from liuhen.verify_gaps import GapSummary
from liuhen.verify_inhibitions import InhibitionSummary
from liuhen.verify_marks import MarkSummary

NS_PER_MS = 1_000_000
_MISSING: dict[int | None, Said] = {
    None: said("画面和声音", "picture and sound"),
    Stream.PICTURE: said("画面（仅有声音）", "picture (sound only)"),
    Stream.SOUND: said("声音（仅有画面）", "sound (picture only)"),
}


def all_interruptions(case: Case) -> tuple[Interruption, ...]:
    """Every gap of the session, whole, in its order."""
    return tuple(_told(case, number, gap, None) for number, gap in enumerate(case.facts.gaps, start=1))


def interruptions(case: Case, since: Moment, until: Moment) -> tuple[Interruption, ...]:
    """The parts of gaps that lie between two moments."""
    found = []
    for number, gap in enumerate(case.facts.gaps, start=1):
        begin, end = bounds(case, gap)
        if begin is not None and begin < until and (end is None or end > since):
            found.append(_told(case, number, gap, (since, until)))
    return tuple(found)


def bounds(case: Case, gap: GapSummary) -> tuple[Moment | None, Moment | None]:
    """Where a gap begins and ends on the session's axis."""
    begin = None if gap.since is None else case.facts.moment(gap.since, gap.from_utc_ms)
    end = None if gap.until is None else case.facts.moment(gap.until, gap.to_utc_ms)
    return begin, end


def recorded_ms(case: Case, since: Moment, until: Moment) -> int:
    """How much of an interval no gap of both streams covers, in milliseconds; overlapping gaps count once."""
    spans = []
    for gap in case.facts.gaps:
        begin, end = bounds(case, gap)
        if gap.stream is None and begin is not None:
            spans.append((max(begin, since), min(end or until, until)))
    left, reached = since.until_ms(until), since
    for begin, end in sorted(spans):
        counted = max(begin, reached)
        if counted < end:
            left, reached = left - counted.until_ms(end), end
    return left


def _told(case: Case, number: int, gap: GapSummary, within: tuple[Moment, Moment] | None) -> Interruption:
    begin, end = bounds(case, gap)
    begin = begin or Moment(boot=0, ns=0, utc_ms=gap.from_utc_ms or 0)
    # What begins where the recording ends is told to its own end: clipped, a lost quarter of an hour would be 0.0 s.
    to_the_end = within is not None and case.facts.media is not None and within[1] == case.facts.media[1]
    whole = within is None or (within[0] <= begin and (to_the_end or (end is not None and end <= within[1])))
    if within is not None:
        begin = max(begin, within[0])
        end = end if to_the_end else within[1] if end is None else min(end, within[1])
    return Interruption(
        number=number,
        entry=gap.entry,
        missing=_MISSING.get(gap.stream, _MISSING[None]),
        cause=_cause(gap),
        since=begin,
        until=end,
        length_ms=_length_ms(gap) if whole else _clipped_ms(begin, end),
        explained=gap.explained,
        explanations=_explanations(case, gap),
        approval=_approval(case, gap),
        approved=not any(one.unapproved for one in _standing(case, gap)),
        since_where=case.facts.film_before(begin),
        until_where=None if end is None else case.facts.film_after(end),
    )


def _length_ms(gap: GapSummary) -> tuple[int, int | None]:
    if gap.length_ns is None:
        return (0, None)
    low, high = gap.length_ns
    return low // NS_PER_MS, None if high >= NO_UPPER_BOUND_NS else high // NS_PER_MS


def _clipped_ms(begin: Moment, end: Moment | None) -> tuple[int, int | None]:
    if end is None:
        return (0, None)
    length = max(0, begin.until_ms(end))
    return (length, length) if begin.boot == end.boot else (0, None)


def _cause(gap: GapSummary) -> Said:
    now = _cause_words(gap.cause)
    if gap.amended_by is None:
        return now
    first = _cause_words(gap.first_cause)
    by = gap.amended_by
    return said(f"{now.zh}（原记“{first.zh}”，由第 {by} 号条目更正）", f"{now.en} (first said: {first.en})")


def _cause_words(code: int | None) -> Said:
    cause = cause_of(code)
    return said(cause_name(code), "") if cause is None else said(cause.words_zh, cause.words_en)


def _explanations(case: Case, gap: GapSummary) -> tuple[Fact, ...]:
    """Aloud, in writing, or not yet."""
    found = [Fact(said=said("已语音说明", "explained aloud"), shown=_spoken(case, mark)) for mark in gap.spoken]
    if gap.written is not None and gap.written.discharged_by is not None:
        entry = gap.written.discharged_by
        found.append(
            Fact(said=said(f"已书面说明（第 {entry} 号条目）", f"explained in writing (entry {entry})"), shown=None)
        )
    return tuple(found) or (Fact(said=said("待说明", "NOT YET EXPLAINED")),)


def _spoken(case: Case, mark: MarkSummary) -> Shown:
    where = None
    if mark.segment is not None and mark.offset_ms is not None:
        where = Where(segment=mark.segment, offset_ms=mark.offset_ms, sample_index=mark.sample_index)
    code = MarkCode.SPOKEN_EXPLANATION
    return Shown(
        entry=mark.entry,
        name=said(code.words_zh, code.words_en),
        at=case.facts.moment(mark.at, mark.utc_ms),
        late=False,
        written_utc_ms=mark.utc_ms,
        where=where,
        text=case.facts.text_of(mark.records, RecordLabel.EXPLANATION, RecordLabel.REASON),
    )


def _approval(case: Case, gap: GapSummary) -> Said | None:
    standing = _standing(case, gap)
    return approval_words(case, standing[0]) if standing else None


def _standing(case: Case, gap: GapSummary) -> list[InhibitionSummary]:
    """The withholdings that stood in a gap; an interlock is approved by nobody."""
    found = (one for one in case.facts.withheld if one.entry in gap.forbidden_by)
    return [one for one in found if one.code == InhibitionCode.WITHHELD]


def approval_words(case: Case, one: InhibitionSummary) -> Said:
    """Whether a withholding was approved by a second person, when, and on which ground."""
    if one.approved_by is None:
        return said("不得记录未获批准", "withheld, UNAPPROVED")
    when = time_words(one.approved_utc_ms)
    ground = case.facts.text_of(one.approval_records, RecordLabel.GROUND)
    known = f"“{ground}”" if ground is not None else "（内容未提交）"
    shown = f'"{ground}"' if ground is not None else "(content not presented)"
    return said(
        f"{when} 获批准，依据{known}（第 {one.approved_by} 号条目）",
        f"approved, ground {shown} (entry {one.approved_by})",
    )
