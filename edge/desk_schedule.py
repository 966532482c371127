"""The room's schedule: what was to be recorded and was not is a signed event (Jiaozuo Art. 20(1)).

CONTROL only. A hearing counts as recorded when media was captured between its beginning and the end of the grace, of
any session that names no other case: where the calendar and the session's header both give a case number, they are the
same. What was not recorded has to be explained in writing, and stays owed until it is. What was scheduled stands in a
record of the entry that took it in, and beside the journal in `device/schedule.json`, local state with the rows that
were judged already. An entry is written before the file: what a power cut leaves out of the file, or of the duty, is
read back from the newest entries.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from edge import durable
from edge.durable import StorageFault
from edge.journal import JournalError, entries_of, file_numbers, file_path, newest_entries
from edge.record_text import record_text
from edge.requests import Answer
from edge.room import Room
from edge.schedule import BYTES_LIMIT, Hearing, ScheduleError, due_ms, is_of_another_case, parse, to_bytes
from edge.session.state import Mode
from liuhen.entry import Entry
from liuhen.kinds import Event, Header, Segment
from liuhen.registry import EVENTS, DutyCode, EventCode, RecordLabel

LOOK_EVERY_NS = 5 * 10**9
LAST_FRAME_NS = 10**9
"""A last frame lasts beyond the moment at which its segment is stated; what ends later still is of an earlier boot."""
FILE = "device/schedule.json"
MS_PER_SECOND = 1000
NS_PER_MS = 1_000_000
SHOWN = 3
RECALLED_BYTES = 256 * 1024
"""So much of the journal's end is read back after a start: what is not in the file yet was written just before."""
WITHOUT = Answer(ok=False, words_zh="请附上日程", words_en="attach the schedule")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What the local file holds: the entry that took the schedule in, and the rows that were judged."""

    entry: int
    hearings: tuple[Hearing, ...]
    judged: frozenset[int]

    def to_bytes(self) -> bytes:
        said = {"entry": self.entry, "judged": sorted(self.judged), "schedule": to_bytes(self.hearings).decode()}
        return json.dumps(said, ensure_ascii=False).encode()

    @classmethod
    def parse(cls, content: bytes) -> _Kept:
        """Raises ScheduleError."""
        try:
            said = json.loads(content)
            hearings = parse(said["schedule"].encode())
            judged = frozenset(int(row) for row in said["judged"])
            return cls(entry=int(said["entry"]), hearings=hearings, judged=judged)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ScheduleError("日程文件已损坏", "the schedule's file is damaged") from error


@dataclass(slots=True)
class _Seen:
    """When the media of stated segments was captured, by session; of each session the case its newest header names."""

    media: list[tuple[bytes, int, int]] = field(default_factory=list)
    cases: dict[bytes, bytes] = field(default_factory=dict)

    def take(self, entry: Entry, cases: dict[bytes, bytes]) -> None:
        """One entry; a case number goes into `cases`, a later one in the place of an earlier."""
        (utc_ms, boottime_ns), session = entry.common.clock[:2], entry.common.session_id
        match entry.body:
            case Segment(span_ns=(first_ns, last_ns)) if session is not None and last_ns <= boottime_ns + LAST_FRAME_NS:
                first_ms, last_ms = (utc_ms - (boottime_ns - at_ns) // NS_PER_MS for at_ns in (first_ns, last_ns))
                self.media.append((session, first_ms, last_ms))
            case Header(records=records) if session is not None:
                named = dict(records).get(RecordLabel.CASE)
                cases.update({} if named is None else {session: named})
            case _:
                pass


class ScheduleClerk:
    """See the module."""

    def __init__(self, room: Room) -> None:
        """Nothing is read before the first turn."""
        self._room = room
        self._kept: _Kept | None = None
        self._read = False
        self._unsaved = False
        self._due_ns = 0

    # -- asked --------------------------------------------------------------------------------------------------------

    def set(self, attachment: bytes | None) -> Answer:
        """Take a schedule in; it replaces the one before. Raises StorageFault."""
        if attachment is None:
            return WITHOUT
        try:
            hearings = parse(attachment)
        except ScheduleError as error:
            return Answer(ok=False, words_zh=error.words_zh, words_en=error.words_en)
        record = self._room.keep(RecordLabel.ATTACHMENT, attachment)
        ends = (hearings[0].begin_ms, hearings[-1].begin_ms) if hearings else (0, 0)
        measured = (len(hearings), ends[0] // MS_PER_SECOND, ends[1] // MS_PER_SECOND)
        entry = self._room.event(EventCode.SCHEDULE_SET, measured, records=(record,))
        now_ms = self._now()[0]
        kept = self._taken_in(entry, hearings, now_ms)
        self._keep(kept)
        coming = len(hearings) - len(kept.judged)
        return Answer(
            ok=True,
            words_zh=f"日程已导入：{coming} 场待录（日志条目 {entry}）",
            words_en=f"the schedule is taken in: {coming} hearings to come (entry {entry})",
        )

    def _taken_in(self, entry: int, hearings: tuple[Hearing, ...], at_ms: int) -> _Kept:
        """A new schedule: what was over when it was written down was not to be recorded by it."""
        past = (row for row, one in enumerate(hearings) if due_ms(one, self._grace_minutes) <= at_ms)
        return _Kept(entry=entry, hearings=hearings, judged=frozenset(past))

    def facts(self) -> dict[str, Any]:
        """For `status`: the next hearings. Titles are for the room's own people, and stand in no entry."""
        coming = [one for row, one in self._open()]
        if not coming:
            return {}
        return {"schedule": [{"begin_ms": one.begin_ms, "title": one.title} for one in coming[:SHOWN]]}

    # -- time ---------------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Look, if it is time. Raises StorageFault."""
        now_ns = self._room.now_ns
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + LOOK_EVERY_NS
        if not self._read:
            self._recall()
        if self._unsaved and self._kept is not None:
            self._keep(self._kept)
        utc_ms, error_ms = self._now()
        for row, hearing in self._open():
            if utc_ms - error_ms < due_ms(hearing, self._grace_minutes):
                return
            self._judge(row, hearing)

    def _judge(self, row: int, hearing: Hearing) -> None:
        if self._kept is None:
            return
        recorded, kept = self._recorded(hearing), self._kept
        seq = None if recorded else self._not_recorded(row, hearing, kept.entry)
        self._keep(replace(kept, judged=kept.judged | {row}))
        if seq is not None:
            self._room.open_duty(DutyCode.WRITTEN_STATEMENT, seq)
        elif self._recording_now:
            self._room.warnings.pop(EventCode.SCHEDULED_NOT_RECORDED.name, None)

    def _not_recorded(self, row: int, hearing: Hearing, schedule: int) -> int:
        """The event; why is owed in writing. Raises StorageFault."""
        code = EventCode.SCHEDULED_NOT_RECORDED
        title = self._room.keep(RecordLabel.OTHER, hearing.title)
        measured = (row, hearing.begin_ms // MS_PER_SECOND, self._grace_minutes)
        seq = self._room.event(code, measured, refers_to=schedule, records=(title,))
        self._room.warnings[code.name] = EVENTS[code].words_zh
        self._room.tools.say(
            f"{EVENTS[code].words_zh}，须书面说明：liuhen ctl statement {seq} --file 文件",
            f"{EVENTS[code].words_en}; why is owed in writing: liuhen ctl statement {seq} --file FILE",
        )
        return seq

    @property
    def _recording_now(self) -> bool:
        return self._room.session_id is not None and self._room.state.mode in (Mode.RECORDING, Mode.ONE_STREAM)

    def _recorded(self, hearing: Hearing) -> bool:
        """Whether media was captured in its time, as the journal states it or as it is being captured now."""
        since_ms, until_ms = hearing.begin_ms, due_ms(hearing, self._grace_minutes)
        known, seen = self._room.tools.journal.state.session, self._seen(since_ms)
        sessions = {one for one, first, last in seen.media if first <= until_ms and last >= since_ms}
        if self._recording_now and known is not None and known.began[0] <= until_ms:
            sessions.add(known.id)
        return any(not is_of_another_case(hearing.title, self._case_of(seen.cases.get(one))) for one in sessions)

    def _case_of(self, commitment: bytes | None) -> str:
        """What a header gave as its case number; "" where none did, or its record is not here."""
        return "" if commitment is None else record_text(self._room.tools.spool.root, commitment) or ""

    def _seen(self, since_ms: int) -> _Seen:
        """What the journal says, from its newest file back to one that ends before a moment."""
        directory, seen = self._room.tools.spool.journal_directory, _Seen()
        try:
            for number in reversed(file_numbers(directory)):
                cases: dict[bytes, bytes] = {}
                newest_ms = 0
                for entry in entries_of(file_path(directory, number)):
                    newest_ms = max(newest_ms, entry.common.clock[0])
                    seen.take(entry, cases)
                seen.cases = cases | seen.cases
                if newest_ms < since_ms:
                    break
        except JournalError:
            pass  # what cannot be read is told by the start that finds it; here it proves no media
        return seen

    # -- the local file -----------------------------------------------------------------------------------------------

    def _open(self) -> list[tuple[int, Hearing]]:
        if self._kept is None:
            return []
        return [(row, one) for row, one in enumerate(self._kept.hearings) if row not in self._kept.judged]

    def _keep(self, kept: _Kept) -> None:
        """In force at once, and in the file. One that cannot be written is told once and tried again: entry and record
        are durable, and no recording ends for a file of local state.
        """
        self._kept, self._read = kept, True
        spool = self._room.tools.spool
        try:
            spool.write(durable.Replace(path=spool.root / FILE, content=kept.to_bytes()))
        except StorageFault as fault:
            if not self._unsaved:
                self._room.tools.say(
                    f"日程文件暂时无法写入（{fault}），将继续重试",
                    f"the schedule's file cannot be written now ({fault}) and is tried again",
                )
            self._unsaved = True
        else:
            self._unsaved = False

    def _recall(self) -> None:
        """After a start: the file, and what the newest entries say beyond it."""
        self._read = True
        found, damaged = self._file()
        self._kept = found
        newest = self._newer_than(found)
        try:
            caught_up = self._caught_up(found, newest)
        except ScheduleError:
            caught_up, damaged = found, True
        if caught_up is not None and caught_up != found:
            self._keep(caught_up)
        elif damaged:
            words_zh = "日程无法读取，请重新导入（liuhen schedule import）"
            self._room.warnings["schedule"] = words_zh
            self._room.tools.say(words_zh, "the schedule cannot be read; import it again (liuhen schedule import)")

    def _file(self) -> tuple[_Kept | None, bool]:
        """What the local file holds, and whether something stands there that cannot be read."""
        path = self._room.tools.spool.root / FILE
        try:
            if not path.exists():
                return None, False
            with durable.opened(path) as file:
                return _Kept.parse(file.read(2 * BYTES_LIMIT)), False
        except (OSError, ScheduleError):
            return None, True

    def _newer_than(self, kept: _Kept | None) -> list[Entry]:
        """The newest entries, the last one first, down to the one that took in the newest schedule known of."""
        newest: list[Entry] = []
        try:
            for entry in newest_entries(self._room.tools.spool.journal_directory, RECALLED_BYTES):
                if kept is not None and entry.common.seq <= kept.entry:
                    break
                newest.append(entry)
                if isinstance(entry.body, Event) and entry.body.code == EventCode.SCHEDULE_SET:
                    break
        except JournalError:
            pass  # told by the start that found it
        return newest

    def _caught_up(self, kept: _Kept | None, newest: list[Entry]) -> _Kept | None:
        """With what was taken in or judged after the file was written. Raises ScheduleError: its record is no more."""
        oldest = newest[-1] if newest else None
        if oldest is not None and isinstance(oldest.body, Event) and oldest.body.code == EventCode.SCHEDULE_SET:
            kept = self._read_back(oldest, oldest.body)
        if kept is None:
            return None
        judged = (entry.body for entry in newest if isinstance(entry.body, Event) and _is_not_recorded(entry))
        return replace(kept, judged=kept.judged | {one.measured[0] for one in judged if one.refers_to == kept.entry})

    def _read_back(self, entry: Entry, body: Event) -> _Kept:
        """A schedule from the record of the entry that took it in. Raises ScheduleError."""
        root = self._room.tools.spool.root
        texts = [text for _, named in body.records if (text := record_text(root, named)) is not None]
        if not texts:
            raise ScheduleError("日程的附录不在本机", "the schedule's record is not here")
        return self._taken_in(entry.common.seq, parse(texts[0].encode()), entry.common.clock[0])

    @property
    def _grace_minutes(self) -> int:
        return self._room.tools.config.session.schedule_grace_minutes

    def _now(self) -> tuple[int, int]:
        reading = self._room.tools.clock.read()
        return reading.utc_ms, reading.error_ms


def _is_not_recorded(entry: Entry) -> bool:
    return isinstance(entry.body, Event) and entry.body.code == EventCode.SCHEDULED_NOT_RECORDED
