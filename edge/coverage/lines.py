"""The words that text and HTML share: places in the film, edges, gaps, counts. Pure; everything comes out visible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from edge.coverage.facts import Trouble, Verified, Visit, Where
from edge.coverage.values import Coverage, Edge, Fact, Interruption, Outcome, Requirement, Shown, Status
from edge.coverage.words import Said, said, seconds_words, time_words

MOST_NAMES = 20
TITLE = said("录制情况与事项覆盖报告", "Coverage report of a session")
TIMES = said("时间均为北京时间（UTC+8），由设备自称。", "Times are Beijing time (UTC+8) as the device claims it.")


def where_words(where: Where | None) -> Said:
    """Where to put the player."""
    if where is None:
        return said("当时没有录制内容", "nothing was recorded then")
    second = f"{where.offset_ms / 1000:.1f}"
    named = f"{where.segment:06d}.mp4"
    indices = [f"帧 {where.frame_index}"] if where.frame_index is not None else []
    indices += [f"采样 {where.sample_index}"] if where.sample_index is not None else []
    counted = f"（{'、'.join(indices)}）" if indices else ""
    return said(f"{named} 第 {second} 秒处{counted}", f"second {second} of {named}")


def shown_words(shown: Shown) -> Said:
    """When, where, and both times where it was marked afterwards."""
    when = time_words(shown.at.utc_ms)
    where = where_words(shown.where)
    entry = said(f"（第 {shown.entry} 号条目）", f"(entry {shown.entry})")
    text = "" if shown.text is None else f"：{shown.text}"
    if shown.late:
        written = time_words(shown.written_utc_ms)
        return said(
            f"补标，所指 {when}，写入 {written}，{where.zh}{entry.zh}{text}",
            f"marked afterwards: the first time is as said from memory, {where.en} {entry.en}",
        )
    return said(f"{when}，{where.zh}{entry.zh}{text}", f"{where.en} {entry.en}")


def fact_words(fact: Fact) -> Said:
    """One thing told, with its mark."""
    if fact.shown is None:
        return fact.said
    shown = shown_words(fact.shown)
    return said(f"{fact.said.zh}：{shown.zh}", f"{fact.said.en}: {shown.en}")


def edge_words(edge: Edge | None) -> Said:
    """Where coverage begins or ends, and by what."""
    if edge is None:
        return said("—", "")
    late = said("，补标", ", marked afterwards") if edge.shown is not None and edge.shown.late else said("", "")
    return said(f"{time_words(edge.at.utc_ms)}（{edge.by.zh}{late.zh}）", f"{edge.by.en}{late.en}")


def length_words(length_ms: tuple[int, int | None]) -> Said:
    """So long, or between two bounds."""
    low, high = length_ms
    if high is None:
        return said(f"至少 {seconds_words(low)}，上限不明", f"at least {seconds_words(low)}, no upper bound")
    if low == high:
        return said(seconds_words(low), "")
    return said(
        f"{seconds_words(low)} 至 {seconds_words(high)}", f"between {seconds_words(low)} and {seconds_words(high)}"
    )


def gap_words(gap: Interruption) -> Said:
    """One gap in one sentence: what is missing, since when, how long, why."""
    until = time_words(gap.until.utc_ms) if gap.until is not None else "未见结束"
    length = length_words(gap.length_ms)
    bounds = f" {length.en}" if length.en else f" {length.zh}"
    return said(
        f"中止 {gap.number}：无{gap.missing.zh}，{time_words(gap.since.utc_ms)} 至 {until}，{length.zh}；"
        f"{film_words(gap.since_where, gap.until_where)}原因：{gap.cause.zh}（第 {gap.entry} 号条目）",
        f"gap {gap.number}: no {gap.missing.en},{bounds}; cause: {gap.cause.en}",
    )


def film_words(since: Where | None, until: Where | None) -> str:
    """Where the player stands when it begins and when it is over; "" where there is no film beside it."""
    begins = f"录像中自 {where_words(since).zh}起" if since is not None else ""
    ends = f"{'，' if begins else '录像中'}至 {where_words(until).zh}" if until is not None else ""
    return f"{begins}{ends}；" if begins or ends else ""


def trouble_words(one: Trouble) -> Said:
    """When picture or sound was not as it should be, and where in the film that is to be seen."""
    until = time_words(one.until.utc_ms) if one.until is not None else "未见恢复"
    film = film_words(one.where, one.until_where).rstrip("；")
    place = f"；{film}" if film else ""
    end = "" if one.until is not None else ", not seen to end"
    return said(
        f"{one.words.zh}：{time_words(one.since.utc_ms)} 至 {until}{place}（第 {one.entry} 号条目）",
        f"{one.words.en}{end}",
    )


def explained_words(gap: Interruption) -> Said:
    """How it was explained, or that it was not; of a withholding its approval too."""
    parts = [fact_words(one) for one in gap.explanations]
    if gap.approval is not None:
        parts.insert(0, gap.approval)
    return said("；".join(one.zh for one in parts), "; ".join(one.en for one in parts))


def ground_words(requirement: Requirement) -> Said:
    """The rule and how it binds."""
    if requirement.ground is None:
        return said("—", "")
    binding = requirement.ground.binding.words
    return said(f"{requirement.ground.cited}（{binding.zh}）", binding.en)


def verdict_words(verified: Verified) -> Said:
    """The verifier's two answers."""
    intact = said("完好", "intact") if verified.intact else said("不完好", "NOT INTACT")
    if verified.vouched_by is not None:
        return said(f"{intact.zh}；由 {verified.vouched_by} 担保", f"{intact.en}; vouched for")
    if verified.trust_given:
        return said(f"{intact.zh}；所给信任文件不予担保", f"{intact.en}; the trust file does not vouch")
    return said(f"{intact.zh}；未查由谁担保", f"{intact.en}; who vouches was not asked")


def counted(report: Coverage) -> Said:
    """How many items and requirements have which answer."""
    items = Counter(one.status for one in report.items)
    due = Counter(one.outcome for one in report.requirements)
    zh = [f"{status.words.zh} {items[status]}" for status in Status if items[status]]
    en = [f"{status.words.en} {items[status]}" for status in Status if items[status]]
    zh_due = [f"{outcome.words.zh} {due[outcome]}" for outcome in Outcome if due[outcome]]
    en_due = [f"{outcome.words.en} {due[outcome]}" for outcome in Outcome if due[outcome]]
    return said(
        f"事项 {len(report.items)} 项：{'，'.join(zh) or '无'}；"
        f"要求 {len(report.requirements)} 项：{'，'.join(zh_due)}",
        f"items: {', '.join(en) or 'none'}; requirements: {', '.join(en_due)}",
    )


def visit_words(visit: Visit) -> Said:
    """One visit by its queue number: from when to when, how it ended, whether its visitor was told."""
    until = time_words(visit.until.utc_ms) if visit.until is not None else "未见结束"
    told = (
        said("未告知", "NOT TOLD") if visit.told_ms is None else said(f"{seconds_words(visit.told_ms)} 后告知", "told")
    )
    first = (
        f"，{visit.segments[0][0]:06d}.mp4 第 {visit.segments[0][1] / 1000:.1f} 秒处起"
        if visit.segments
        else ("，录像所在的段尚未写完" if visit.being_written else "，没有录制内容")
    )
    return said(
        f"{visit.number}号（{visit.sort.zh}）：{time_words(visit.since.utc_ms)} 至 {until}，{visit.ended.zh}，"
        f"{told.zh}{first}（第 {visit.entry} 号条目）",
        f"number {visit.number}, {visit.ended.en}, {told.en}",
    )


def heading(report: Coverage) -> list[tuple[Said, Said]]:
    """The facts at the top: name and value. Of an archive that is not intact only what the report itself rests on."""
    rules = report.rules
    number = "?" if report.ordinal is None else str(report.ordinal)
    return [
        (said("场次", "session"), said(f"第 {number} 场 {report.session}", "")),
        (said("设备日志", "device log"), said(report.log_id, "")),
        (said("校验结论", "verifier"), verdict_words(report.verified)),
        (said("核对依据", "rule book"), said(f"{rules.title}（{rules.name}，{rules.digest[:16]}）", "")),
        *(_told(report) if report.verified.intact else ()),
    ]


def _told(report: Coverage) -> Iterator[tuple[Said, Said]]:
    ended = time_words(report.ended_utc_ms) if report.ended_utc_ms is not None else "未见结束"
    recorded = f"{report.segments} 段，共 {seconds_words(report.recorded_ms)}"
    yield said("起止", "from, to"), said(f"{time_words(report.opened_utc_ms)} 至 {ended}", "")
    yield said("录制", "recorded"), said(recorded, f"{report.segments} segments")
    yield said("程序", "procedure"), report.procedure or said("没有选定", "none was chosen")
    yield said("事项", "matter"), said(report.matter or "没有填写", "" if report.matter else "not filled in")
    for field in report.header:
        texts = "、".join(field.texts[:MOST_NAMES]) if field.texts is not None else field.state.zh
        more = len(field.texts or ()) - MOST_NAMES
        texts += f"，共 {len(field.texts or ())} 项" if more > 0 else ""
        yield field.name, said(texts, "" if field.texts is not None else field.state.en)
