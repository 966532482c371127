"""What the report says of a proceeding: procedure, header, steps, marks, place, papers (FORMAT.md 5.9). Pure.

Titles of steps are the profile's own words and stand in the chain; names stand in records, of which the report says
only whether they are here.
"""

from __future__ import annotations

from liuhen.findings import printable
from liuhen.proceedings import Marked, StepTold, Told
from liuhen.registry import ExStatus, MarkCode, ProcedureCode, SecrecyClass
from liuhen.report_room import Room, content_words, entry_words, json_name, records_json
from liuhen.report_words import Words, iso
from liuhen.verify_codes import known
from liuhen.verify_proceedings import ProceedingsSummary

MOST_LINES = 50
HASH_DIGITS = 16
_IN_LIST = (MarkCode.PARTY_ARRIVED, MarkCode.PLACE_SPOKEN, MarkCode.ENDED_EARLY)


def proceedings_lines(session: bytes, room: Room, words: Words) -> list[str]:
    """A session's proceeding, nothing where it says none."""
    summary = room.proceedings.get(session)
    if summary is None:
        return []
    told = summary.told
    lines = [*_procedure_lines(told, words), *_header_lines(told, room, words)]
    lines += [_step_line(step, summary, room, words) for step in told.steps()]
    lines += _other_marks(summary, room, words)
    for plate in told.plates[:MOST_LINES]:
        where = words.say(
            f"{plate.body.segment:06d}.mp4 第 {plate.body.frame_index} 帧",
            f"frame {plate.body.frame_index} in {plate.body.segment:06d}.mp4",
        )
        lines.append(words.say("  场所标志：见 ", "  sign of the place: ") + where + entry_words(plate.entry, words))
    for paper in told.papers[:MOST_LINES]:
        line = words.say("  随附文书", "  papers attached") + content_words(paper.records, room, words)
        lines.append(line + entry_words(paper.entry, words))
    return lines


def _procedure_lines(told: Told, words: Words) -> list[str]:
    body = told.procedure
    if body is None:
        return []
    code = ProcedureCode(body.code) if known(ProcedureCode, body.code) else None
    name = words.say("其他", "other") if code is None else words.say(code.words_zh, code.words_en)
    profile, digest = body.profile
    rules = words.say(f"辖区规则 {profile}", f"profile {profile}") + f" {digest.hex()[:HASH_DIGITS]}"
    line = words.say(f"  程序：{name}（{rules}）", f"  procedure: {name} ({rules})")
    return [line + entry_words(told.procedure_entry or 0, words)]


def _header_lines(told: Told, room: Room, words: Words) -> list[str]:
    """Each header in turn: a later one adds to those before it."""
    lines = []
    for number, headed in enumerate(told.headers[:MOST_LINES], start=1):
        body = headed.body
        title = (
            words.say("首部", "header") if number == 1 else words.say(f"首部补充 {number}", f"header, amended {number}")
        )
        facts = words.time(headed.utc_ms)
        if body.matter is not None:
            facts += words.say(f"，事项 {body.matter}", f", matter {body.matter}")
        if body.secrecy and known(SecrecyClass, body.secrecy):
            secrecy = SecrecyClass(body.secrecy)
            facts += words.say(f"，密级 {secrecy.words_zh}", f", secrecy {secrecy.words_en}")
        if body.ex_status and known(ExStatus, body.ex_status):
            status = ExStatus(body.ex_status)
            facts += words.say(f"，{status.words_zh}", f", {status.words_en}")
        content = content_words(body.records, room, words)
        lines.append(f"  {title}" + words.say("：", ": ") + facts + content + entry_words(headed.entry, words))
    return lines


def _step_line(step: StepTold, summary: ProceedingsSummary, room: Room, words: Words) -> str:
    title = words.say(f"  环节 {step.number} {step.title}：", f"  step {step.number} {step.title}: ")
    if not step.marks:
        return title + (
            words.say("未标记", "NOT MARKED")
            if step.required
            else words.say("未标记（非必经）", "not marked (optional)")
        )
    return title + words.say("；", "; ").join(
        _mark_words(mark, summary, room, words) for mark in step.marks[:MOST_LINES]
    )


def _mark_words(mark: Marked, summary: ProceedingsSummary, room: Room, words: Words) -> str:
    """When, where to listen, and both times where it was marked afterwards."""
    said = words.time(mark.utc_ms)
    if mark.late:
        written = words.time(mark.written_utc_ms)
        said = words.say(f"补标，所指 {said}，写入 {written}", f"marked afterwards: meant {said}, written {written}")
    heard = summary.heard.get(mark.entry)
    if heard is None:
        said += words.say("，当时没有录制内容", ", nothing was recorded then")
    else:
        second = f"{heard.offset_ms / 1000:.1f}"
        where = (f"，{heard.segment:06d}.mp4 第 {second} 秒处", f", at second {second} of {heard.segment:06d}.mp4")
        said += words.say(*where)
    return said + content_words(mark.records, room, words) + entry_words(mark.entry, words)


def _other_marks(summary: ProceedingsSummary, room: Room, words: Words) -> list[str]:
    """Who came, what was named aloud, key moments, and what of any code was marked afterwards."""
    told, lines = summary.told, []
    for mark in told.marks:
        if mark.code == MarkCode.STEP and mark.step is not None and mark.step <= len(told.steps()):
            continue
        if not (mark.late or mark.code in (*_IN_LIST, MarkCode.KEY_MOMENT, MarkCode.STEP)):
            continue  # those stand among the session's marks
        lines.append(f"  {_name(mark, told, words)}" + words.say("：", ": ") + _mark_words(mark, summary, room, words))
    more = len(lines) - MOST_LINES
    return lines if more <= 0 else [*lines[:MOST_LINES], words.say(f"  另有 {more} 处标记", f"  {more} more marks")]


def _name(mark: Marked, told: Told, words: Words) -> str:
    if not known(MarkCode, mark.code):
        return words.say(f"代码 {mark.code}", f"code {mark.code}")
    code = MarkCode(mark.code)
    name = words.say(code.words_zh, code.words_en)
    if code is MarkCode.STEP:
        return f"{name} {mark.step}"
    points = told.procedure.points if told.procedure is not None else ()
    if code is MarkCode.KEY_MOMENT and mark.step is not None and 0 < mark.step <= len(points):
        return f"{name} {points[mark.step - 1]}"
    return name


# --- JSON ------------------------------------------------------------------------------------------------------------


def proceedings_json(session: bytes, room: Room) -> dict[str, object] | None:
    """The member `proceedings` of a session; null where it says nothing of it."""
    summary = room.proceedings.get(session)
    if summary is None:
        return None
    told = summary.told
    return {
        "procedure": _procedure_json(told),
        "headers": [
            {
                "entry": headed.entry,
                "time": iso(headed.utc_ms),
                "matter": None if headed.body.matter is None else printable(headed.body.matter),
                "secrecy": json_name(SecrecyClass, headed.body.secrecy),
                "ex_status": json_name(ExStatus, headed.body.ex_status),
                "records": records_json(headed.body.records, room),
            }
            for headed in told.headers
        ],
        "steps": [
            {
                "number": step.number,
                "title": printable(step.title),
                "required": step.required,
                "marks": [mark.entry for mark in step.marks],
            }
            for step in told.steps()
        ],
        "marks": [_mark_json(mark, summary, room) for mark in told.marks],
        "notices": [
            {
                "arrival": one.arrival.entry,
                "notice": None if one.notice is None else one.notice.entry,
                "after_ms": one.after_ms,
            }
            for one in told.notices()
        ],
        "plates": [
            {"entry": one.entry, "segment": one.body.segment, "frame_index": one.body.frame_index}
            for one in told.plates
        ],
        "recesses": [[begun.entry, None if over is None else over.entry] for begun, over in told.recesses()],
        "papers": [
            {"entry": one.entry, "refers_to": one.refers_to, "records": records_json(one.records, room)}
            for one in told.papers
        ],
        "not_kept": told.not_kept,
    }


def _procedure_json(told: Told) -> dict[str, object] | None:
    body = told.procedure
    if body is None:
        return None
    return {
        "entry": told.procedure_entry,
        "code": json_name(ProcedureCode, body.code),
        "profile": printable(body.profile[0]),
        "profile_hash": body.profile[1].hex(),
    }


def _mark_json(mark: Marked, summary: ProceedingsSummary, room: Room) -> dict[str, object]:
    heard = summary.heard.get(mark.entry)
    return {
        "entry": mark.entry,
        "code": json_name(MarkCode, mark.code),
        "step": mark.step,
        "meant": iso(mark.utc_ms),
        "written": iso(mark.written_utc_ms),
        "late": mark.late,
        "segment": None if heard is None else heard.segment,
        "offset_ms": None if heard is None else heard.offset_ms,
        "refers_to": mark.refers_to,
        "records": records_json(mark.records, room),
    }
