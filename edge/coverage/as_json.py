"""A coverage report as one JSON object, format `liuhen-coverage 1`. Pure.

REPORT.md says what each member means; every text for a person comes as `zh` and `en`, every moment as UTC in ISO 8601
with milliseconds or null, every answer as the value of its enum. A member is never taken away or given another
meaning under the same number of the format; members may be added. Texts out of records and rule books come visible: a
character that would act instead of being seen stands as ⟨U+202E⟩, and long ones are cut.
"""

from __future__ import annotations

from edge.coverage.facts import Moment, Trouble, Verified, Visit, Where
from edge.coverage.values import Coverage, Edge, Fact, Interruption, ItemCoverage, Requirement, Shown
from edge.coverage.words import Said, settled, visible
from liuhen.report_words import iso

FORMAT = "liuhen-coverage 1"
MOST_LETTERS = 4000


def to_json(report: Coverage) -> dict[str, object]:
    """The whole report."""
    rules = report.rules
    return {
        "format": FORMAT,
        "session": report.session,
        "ordinal": report.ordinal,
        "log_id": report.log_id,
        "verified": _verified(report.verified),
        "rules": {
            "name": visible(rules.name),
            "title": visible(rules.title),
            "sha256": rules.digest,
            "followed": None if rules.followed is None else visible(rules.followed),
            "followed_sha256": rules.followed_digest,
            "same": rules.same,
        },
        "procedure": None if report.procedure is None else _said(report.procedure),
        "matter": None if report.matter is None else visible(report.matter),
        "assisting": report.assisting,
        "began": iso(report.opened_utc_ms),
        "ended": iso(report.ended_utc_ms),
        "finished": report.finished if report.verified.intact else None,
        "segments": report.segments if report.verified.intact else None,
        "recorded_ms": report.recorded_ms if report.verified.intact else None,
        "header": [
            {
                "name": _said(one.name),
                "state": _said(one.state),
                "texts": None if one.texts is None else [settled(text, MOST_LETTERS) for text in one.texts],
            }
            for one in report.header
        ],
        "warnings": [_said(one) for one in report.warnings],
        "items": [_item(one) for one in report.items],
        "requirements": [_requirement(one) for one in report.requirements],
        "steps": [_fact(one) for one in report.steps],
        "late_marks": [_shown(one) for one in report.late],
        "other_marks": [_shown(one) for one in report.others],
        "interruptions": [_interruption(one) for one in report.interruptions],
        "degraded": [_trouble(one) for one in report.degraded],
        "visits": [_visit(one) for one in report.visits],
        "not_claimed": [_fact(one) for one in report.not_claimed],
        "notes": [visible(one, MOST_LETTERS) for one in report.notes],
    }


def _said(words: Said) -> dict[str, str]:
    return {"zh": settled(words.zh, MOST_LETTERS), "en": settled(words.en, MOST_LETTERS)}


def _at(moment: Moment | None) -> str | None:
    return None if moment is None else iso(moment.utc_ms)


def _verified(verified: Verified) -> dict[str, object]:
    return {
        "intact": verified.intact,
        "vouched_by": None if verified.vouched_by is None else visible(verified.vouched_by),
        "trust_given": verified.trust_given,
        "demo": verified.demo,
        "clock_synchronised": verified.synchronised,
        "broken": [_said(one) for one in verified.broken],
        "fragments_not_here": verified.not_here,
        "complete_up_to": verified.complete_up_to,
    }


def _where(where: Where | None) -> dict[str, int | None] | None:
    if where is None:
        return None
    return {
        "segment": where.segment,
        "offset_ms": where.offset_ms,
        "frame_index": where.frame_index,
        "sample_index": where.sample_index,
    }


def _shown(shown: Shown) -> dict[str, object]:
    return {
        "entry": shown.entry,
        "name": _said(shown.name),
        "meant": _at(shown.at),
        "written": iso(shown.written_utc_ms),
        "late": shown.late,
        "where": _where(shown.where),
        "text": None if shown.text is None else settled(shown.text, MOST_LETTERS),
    }


def _fact(fact: Fact) -> dict[str, object]:
    return {**_said(fact.said), "mark": None if fact.shown is None else _shown(fact.shown)}


def _edge(edge: Edge | None) -> dict[str, object] | None:
    if edge is None:
        return None
    return {"at": _at(edge.at), "by": _said(edge.by), "mark": None if edge.shown is None else edge.shown.entry}


def _interruption(gap: Interruption) -> dict[str, object]:
    return {
        "number": gap.number,
        "entry": gap.entry,
        "missing": _said(gap.missing),
        "cause": _said(gap.cause),
        "from": _at(gap.since),
        "to": _at(gap.until),
        "from_where": _where(gap.since_where),
        "to_where": _where(gap.until_where),
        "length_ms": list(gap.length_ms),
        "explained": gap.explained,
        "explanations": [_fact(one) for one in gap.explanations],
        "approval": None if gap.approval is None else _said(gap.approval),
        "approved": gap.approved if gap.approval is not None else None,
    }


def _item(item: ItemCoverage) -> dict[str, object]:
    return {
        "no": visible(item.no),
        "title": visible(item.title),
        "cited": visible(item.cited),
        "obligation": _said(item.obligation),
        "rule": visible(item.rule),
        "status": item.status.value,
        "status_words": _said(item.status.words),
        "claim": item.claim.value,
        "claim_words": _said(item.claim.words),
        "from": _edge(item.since),
        "to": _edge(item.until),
        "marks": [_shown(one) for one in item.marks],
        "interruptions": [_interruption(one) for one in item.interruptions],
        "why": [_said(one) for one in item.why],
        "notes": [visible(one, MOST_LETTERS) for one in item.notes],
    }


def _requirement(one: Requirement) -> dict[str, object]:
    ground = None
    if one.ground is not None:
        ground = {"cited": visible(one.ground.cited), "binding": one.ground.binding.value}
    return {
        "topic": one.topic.value,
        "words": _said(one.topic.words),
        "outcome": one.outcome.value,
        "outcome_words": _said(one.outcome.words),
        "ground": ground,
        "facts": [_fact(fact) for fact in one.facts],
    }


def _trouble(one: Trouble) -> dict[str, object]:
    return {
        "words": _said(one.words),
        "entry": one.entry,
        "from": _at(one.since),
        "to": _at(one.until),
        "from_where": _where(one.where),
        "to_where": _where(one.until_where),
    }


def _visit(one: Visit) -> dict[str, object]:
    return {
        "entry": one.entry,
        "number": visible(one.number),
        "sort": _said(one.sort),
        "from": _at(one.since),
        "to": _at(one.until),
        "ended": _said(one.ended),
        "told_ms": one.told_ms,
        "segments": [{"segment": number, "offset_ms": offset_ms} for number, offset_ms in one.segments],
    }
