"""What the device itself said that a reader must not have to open the journal for (FORMAT.md 10; steps J19, J20).

Owns what was already told, so that a statement repeated in every run is told once. Pure: reads no file.
"""

from __future__ import annotations

from collections.abc import Callable

from liuhen.entry import Entry
from liuhen.findings import Code, Findings, Place
from liuhen.kinds import Choice, Event, Heartbeat, Pair, Recovered, Refusal, Run, Segment, Session, SessionEnd, Software
from liuhen.registry import DESTRUCTION_REFUSALS, EVENTS, ChoiceCode, EventCode, RefusalCode
from liuhen.registry import Severity as EventSeverity
from liuhen.verify_codes import known
from liuhen.verify_keys import KeyRing

MOST_SUBSTITUTES = 256
NONE_MISSED: Pair = (0, 0)


class Told:
    """Takes believed entries in order. `wanted` says which sessions are asked for."""

    def __init__(self, findings: Findings, ring: KeyRing, wanted: Callable[[bytes], bool]) -> None:
        self._findings = findings
        self._ring = ring
        self._wanted = wanted
        self._substitutes: set[tuple[bytes, str, str]] = set()
        self._choices: dict[int, int] = {}
        self._beat_missed = NONE_MISSED
        self._stated_missed = NONE_MISSED

    def accept(self, entry: Entry) -> None:
        """One believed entry in its place."""
        named = entry.common.session_id
        if named is not None and not self._wanted(named):
            return
        place = Place(entry=entry.common.seq, session=named)
        match entry.body:
            case Segment() | Heartbeat() | SessionEnd():
                self._missing(entry.body, place)
            case Run(software=software):
                self._software(software, entry, place)
            case Session(software=software):
                self._beat_missed = self._stated_missed = NONE_MISSED
                self._software(software, entry, place)
            case _:
                self._words(entry, place)

    def _words(self, entry: Entry, place: Place) -> None:
        match entry.body:
            case Event():
                self._event(entry.body, place)
                self._opened_later(entry.body, entry, place)
            case Recovered():
                self._recovered(entry.body, place)
            case Refusal():
                self._refusal(entry.body, place)
            case Choice():
                self._choice(entry.body, place)
            case _:
                pass

    # --- J19 ---

    def _event(self, body: Event, place: Place) -> None:
        """An intact archive may still tell of trouble."""
        meaning = EVENTS.get(EventCode(body.code)) if known(EventCode, body.code) else None
        if meaning is None or meaning.severity is EventSeverity.NOTICE:
            return
        code = Code.EVENT_FAULT if meaning.severity is EventSeverity.FAULT else Code.EVENT_WARNING
        zh, en = event_words(body)
        self._findings.add(code, place, zh=zh, en=en)

    def _recovered(self, body: Recovered, place: Place) -> None:
        """What a start set aside after an unclean end is not in the archive any more."""
        cut, rotten = len(body.quarantined), len(body.rotten)
        if not cut and not rotten and not body.torn_journal_bytes:
            return
        cut_bytes = sum(size for _, _, size, _ in body.quarantined)
        rotten_bytes = sum(size for _, _, size in body.rotten)
        self._findings.add(
            Code.RECOVERED,
            place,
            zh=f"媒体 {cut} 处 {cut_bytes} 字节，日志损坏 {rotten} 处 {rotten_bytes} 字节，"
            f"日志末尾残缺 {body.torn_journal_bytes} 字节",
            en=f"{cut} pieces of media of {cut_bytes} bytes, {rotten} rotten journal ranges of {rotten_bytes} bytes, "
            f"{body.torn_journal_bytes} torn bytes at the journal's end",
        )

    def _refusal(self, body: Refusal, place: Place) -> None:
        refused = RefusalCode(body.code) if known(RefusalCode, body.code) else None
        zh, en = (f"代码 {body.code}", f"code {body.code}") if refused is None else (refused.words_zh, refused.words_en)
        told = Code.DESTRUCTION_REFUSED if refused in DESTRUCTION_REFUSALS else Code.START_REFUSED
        self._findings.add(told, place, zh=zh, en=en)

    def _choice(self, body: Choice, place: Place) -> None:
        """Told when it is made and when it changes; every run repeats it."""
        if self._choices.get(body.code) == body.value:
            return
        if known(ChoiceCode, body.code):
            self._choices[body.code] = body.value
            chosen = ChoiceCode(body.code)
            zh, en = chosen.words_zh, chosen.words_en
        else:
            zh, en = f"代码 {body.code}", f"code {body.code}"
        self._findings.add(Code.CHOICE, place, zh=f"{zh}（{body.value}）", en=f"{en} ({body.value})")

    def _missing(self, body: Segment | Heartbeat | SessionEnd, place: Place) -> None:
        """Statements say what is missing inside a segment, heartbeats what is missing in the session so far."""
        if isinstance(body, Heartbeat):
            self._beat_missed = _most(self._beat_missed, body.missed)
        elif isinstance(body, Segment):
            before = self._stated_missed
            self._stated_missed = (before[0] + body.missed[0], before[1] + body.missed[1])
            if any(body.missed):
                place = Place(entry=place.entry, session=place.session, segment=body.number)
                frames, samples = body.missed
                zh = f"第 {body.number} 段缺 {frames} 帧、{samples} 个声音采样"
                en = f"segment {body.number} lacks {frames} frames and {samples} sound samples"
                self._findings.add(Code.KNOWN_MISSING, place, zh=zh, en=en)
        elif _most(self._beat_missed, self._stated_missed) != self._stated_missed:
            frames, samples = self._beat_missed
            zh = f"心跳条目共计缺 {frames} 帧、{samples} 个声音采样，多于各段声明之和"
            en = f"heartbeats count {frames} frames and {samples} sound samples, more than the statements together"
            self._findings.add(Code.KNOWN_MISSING, place, zh=zh, en=en)

    # --- J20 ---

    def _software(self, software: Software, entry: Entry, place: Place) -> None:
        """A part that is not the genuine one: a demonstration may have it, evidence may not."""
        kid = entry.envelope.kid
        for component, _, evidence, genuine in software:
            part = (kid, component, evidence)
            if genuine or part in self._substitutes:
                continue
            if len(self._substitutes) < MOST_SUBSTITUTES:
                self._substitutes.add(part)
            self._ring.substituted(kid, place, component, evidence)

    def _opened_later(self, body: Event, entry: Entry, place: Place) -> None:
        """The same of a source that was opened after its session's entry."""
        if body.code == EventCode.SOURCE_ORIGIN and any(body.measured[1:2]):
            source = ("picture", "sound")[body.stream] if body.stream is not None else "source"
            self._software(((source, "", "told when it was opened later", 0),), entry, place)


def event_words(body: Event) -> tuple[str, str]:
    """What happened and what was measured, in Chinese and English."""
    meaning = EVENTS.get(EventCode(body.code)) if known(EventCode, body.code) else None
    if meaning is None:
        return f"代码 {body.code}", f"code {body.code}"
    measured = [f"{name} {value}" for name, value in zip(meaning.measured, body.measured, strict=False)]
    numbers = f" ({', '.join(measured)})" if measured else ""
    return meaning.words_zh + numbers, meaning.words_en + numbers


def _most(one: Pair, other: Pair) -> Pair:
    return max(one[0], other[0]), max(one[1], other[1])
