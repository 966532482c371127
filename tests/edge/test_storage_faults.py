"""One failed write or flush costs nothing: the media begins a new file, and the archive says what happened."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from edge import durable, journal
from edge.recorder import Ended
from liuhen.entry import Entry
from liuhen.kinds import Event, Gap, Segment, SessionEnd
from liuhen.reader import Initialisation, SealedFragment, read_segment
from liuhen.registry import EndCause, EventCode, GapCause
from tests.edge.boxes import tracks
from tests.edge.failing_calls import Failing, Fault, failing
from tests.edge.media import FLAC_FRAME_SAMPLES, pictures
from tests.edge.ports_room import Act, Device, Room, device

pytestmark = pytest.mark.long

FRAGMENTS_IN_A_SEGMENT = 20


def entries(made: Device) -> list[Entry]:
    return [entry for path in made.journal_files() for entry in journal.entries_of(path)]


def statements(made: Device) -> list[Segment]:
    return [e.body for e in entries(made) if isinstance(e.body, Segment)]


def events(made: Device) -> list[tuple[EventCode, tuple[int, ...]]]:
    return [(EventCode(e.body.code), e.body.measured) for e in entries(made) if isinstance(e.body, Event)]


def on_segments(*calls: str) -> Callable[[str, str], bool]:
    """These calls on segment files."""
    return lambda call, path: call in calls and path.endswith(".mp4")


def record(made: Device, plan: Failing, *acts: Act, room: Room | None = None) -> tuple[Room, Ended]:
    room = room or Room()
    with failing(plan):
        ended = room.record(made.config, *(acts or (lambda r: r.play(14.0),)))
    return room, ended


def broken(made: Device, at: int, *, fault: Fault = Fault.EIO, calls: tuple[str, ...] = ("fdatasync",)) -> Failing:
    return Failing(folders=(made.spool,), fault=fault, at=at, chosen=on_segments(*calls))


def payloads(made: Device, track_id: int) -> list[bytes]:
    """Every frame or sound packet that stands in a sealed fragment, in order of the files."""
    found: list[bytes] = []
    for path in made.segments():
        content = path.read_bytes()
        for item in read_segment(path):
            if isinstance(item, SealedFragment) and item.size:
                assert item.valid
                start = item.end_offset - item.seal_box_size - item.size
                media = content[start : start + item.size]
                found += [p for track in tracks(media) if track.track_id == track_id for p in track.payloads]
    return found


def check_nothing_is_lost(made: Device, room: Room) -> None:
    """Every packet the sources delivered stands once and in order, and the counters are dense over all statements."""
    assert room.camera is not None
    assert room.microphone is not None
    assert len(payloads(made, 1)) == room.camera.sent
    assert len(payloads(made, 2)) == room.microphone.sent
    made_statements = statements(made)
    assert [s.number for s in made_statements] == list(range(len(made_statements)))
    for before, after in pairwise(made_statements):
        assert (sum(before.frames), sum(before.samples)) == (after.frames[0], after.samples[0])
        assert after.previous == before.last
    (end,) = [e.body for e in entries(made) if isinstance(e.body, SessionEnd)]
    assert (end.frames, end.samples) == (room.camera.sent, room.microphone.sent * FLAC_FRAME_SAMPLES)
    assert not any(isinstance(e.body, Gap) for e in entries(made))
    assert made.findings() == []
    assert made.verify().intact


@pytest.mark.parametrize("call", ["fdatasync", "write", "fstat"])
@pytest.mark.parametrize("at", [0, 1, 7, 19, 20, 27])
def test_one_failed_write_or_flush_loses_no_frame_and_no_sample(tmp_path: Path, at: int, call: str) -> None:
    """The first fragment, a later one, the last of a segment, the first of the next, the last of the session."""
    made = device(tmp_path)
    room, ended = record(made, broken(made, at, calls=(call,)))
    assert ended.clean
    check_nothing_is_lost(made, room)
    assert events(made).count((EventCode.STORAGE_FAULT, (5,))) == 1
    assert made.told() == ["event-fault"]
    assert "存储写入出错一次" in room.onlooker.statuses[-1].warnings_zh[-1]


def test_without_the_fault_there_is_no_further_file_and_no_event(tmp_path: Path) -> None:
    """The negative control of the test above."""
    made = device(tmp_path)
    room, _ = record(made, broken(made, 10_000))
    check_nothing_is_lost(made, room)
    assert len(made.segments()) == 2
    assert (events(made), made.told()) == ([], [])


def test_the_file_that_failed_is_closed_at_its_last_good_seal_and_the_next_goes_on(tmp_path: Path) -> None:
    made = device(tmp_path)
    record(made, broken(made, 5))
    first, second, third = statements(made)
    assert (len(first.fragments), first.end_cause, first.sound_clock) == (5, EndCause.RECOVERED, None)
    assert made.segments()[0].stat().st_size == first.size
    assert second.end_cause == EndCause.ROTATED
    assert second.sound_clock is not None
    assert second.span_ns[0] == pytest.approx(first.span_ns[1], abs=50_000_000)
    assert third.span_ns[0] - first.span_ns[0] == pytest.approx(10 * 10**9, abs=10**8)  # the cut stays punctual
    head = next(iter(read_segment(made.segments()[1])))
    assert isinstance(head, Initialisation)
    assert (head.identity.first_frame, head.identity.first_sample) == (sum(first.frames), sum(first.samples))
    zero = [t.decode_time for t in tracks(first_media(made.segments()[1]))]
    assert min(zero) == 0
    assert max(zero) < 90_000 // 10


def first_media(path: Path) -> bytes:
    fragment = next(item for item in read_segment(path) if isinstance(item, SealedFragment))
    start = fragment.end_offset - fragment.seal_box_size - fragment.size
    return path.read_bytes()[start : start + fragment.size]


def test_a_file_with_nothing_sealed_is_removed_and_its_number_goes_to_a_new_one(tmp_path: Path) -> None:
    made = device(tmp_path)
    plan, calls = broken(made, 0), []

    def chosen(call: str, path: str) -> bool:
        if path.endswith("000000.mp4") and call in ("open", "unlink"):
            calls.append(call)
        return on_segments("fdatasync")(call, path)

    plan.chosen = chosen
    record(made, plan)
    assert calls[:3] == ["open", "unlink", "open"]  # made with O_EXCL each time
    assert [s.number for s in statements(made)] == [0, 1]
    assert len(statements(made)[0].fragments) >= FRAGMENTS_IN_A_SEGMENT
    assert list((made.spool / "quarantine").iterdir()) == []


@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_file_that_cannot_be_made_at_once_is_made_at_the_second_attempt(tmp_path: Path, call: str) -> None:
    made = device(tmp_path)
    where = (
        (lambda c, p: c == "open" and p.endswith(".mp4"))
        if call == "open"
        else (lambda c, p: c == "fsync" and Path(p).parent.name == "sessions")
    )
    room, ended = record(made, Failing(folders=(made.spool,), fault=Fault.EIO, at=0, chosen=where))
    assert ended.clean
    check_nothing_is_lost(made, room)


def test_what_follows_a_lost_file_plays_from_its_next_keyframe(tmp_path: Path) -> None:
    """Between keyframes nothing can be shown; a keyframe is asked for at once, so that this lasts a moment only."""
    made = device(tmp_path)
    room, _ = record(made, broken(made, 5))
    assert room.camera is not None
    assert room.camera.keyframes_asked_for == 2  # one to begin the new file soon, one for the cut by length
    held = statements(made)[1].frames[1]
    assert held - 13 <= shown_frames(made.segments()[1]) < held  # all but the fragment that was lost and found


def shown_frames(path: Path) -> int:
    command = ["ffprobe", "-v", "quiet", "-count_frames", "-select_streams", "v", "-of", "csv=p=0"]
    done = subprocess.run(
        [*command, "-show_entries", "stream=nb_read_frames", path], capture_output=True, text=True, check=True
    )
    return int(done.stdout.strip().strip(","))


def test_a_second_failure_soon_after_ends_the_session_with_its_reason(tmp_path: Path) -> None:
    made = device(tmp_path)
    plan = broken(made, 5)
    plan.lasting = True
    _, ended = record(made, plan)
    assert (ended.cause, ended.clean) == (EndCause.STORAGE, False)
    assert "更换存储盘" in ended.words_zh
    assert [code for code, _ in events(made)] == [EventCode.STORAGE_FAULT] * 2
    (gap,) = [e.body for e in entries(made) if isinstance(e.body, Gap)]
    assert gap.cause == GapCause.DEVICE_FAULT
    assert made.findings() == ["gap-unexplained"]
    report = made.verify()
    assert report.intact
    assert report.sessions[0].frames == len(payloads(made, 1)) > 0


def test_a_failure_long_after_the_first_is_borne_again(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    plan = broken(made, 40)
    with failing(broken(made, 3)), failing(plan):
        ended = room.record(made.config, lambda r: r.play(27))
    assert plan.fired
    assert ended.clean
    check_nothing_is_lost(made, room)
    assert [code for code, _ in events(made)] == [EventCode.STORAGE_FAULT] * 2


def test_a_statement_is_made_only_once_the_file_is_really_cut(tmp_path: Path) -> None:
    """The flush fails, and so does the cut: the session ends, and recovery states the file as it finds it."""
    made = device(tmp_path)
    state = {"flushes": 0}

    def chosen(call: str, path: str) -> bool:
        if call == "fdatasync" and path.endswith(".mp4"):
            state["flushes"] += 1
            return state["flushes"] == 6
        return call == "ftruncate" and state["flushes"] == 6

    _, ended = record(made, Failing(folders=(made.spool,), fault=Fault.EIO, at=0, chosen=chosen, lasting=True))
    assert (ended.cause, ended.clean) == (EndCause.STORAGE, False)
    record(made, broken(made, 10_000), lambda r: r.play(3), room=after(10**10))
    report = made.verify()
    assert report.intact, [f.code for f in report.findings]
    assert len(payloads(made, 1)) > 0


def after(later_ns: int) -> Room:
    """The same boot, later."""
    room = Room()
    room.clock.now_ns += 10**11 + later_ns
    return room


def test_a_shorter_file_is_never_made_longer_by_the_cut(tmp_path: Path) -> None:
    """A disk that lost sealed bytes would get zeros in their place: the cut refuses, and nothing is stated."""
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    with pytest.raises(durable.StorageFault):
        durable.shorten(path, 5)
    assert path.read_bytes() == b"abc"


# --- the journal -----------------------------------------------------------------------------------------------------


def test_an_entry_whose_fate_is_unknown_is_the_last_of_its_run(tmp_path: Path) -> None:
    """The flush fails and so does the cut: another entry under the same number would be a fork."""
    made, room = device(tmp_path), Room()
    folder = str(made.spool / "journal")
    armed = {"on": False}

    def chosen(call: str, path: str) -> bool:
        return armed["on"] and call in ("fdatasync", "ftruncate") and path.startswith(folder)

    room.onlooker.on_durable = lambda: armed.update(on=len(room.onlooker.durable) == 9 or armed["on"])
    plan = Failing(folders=(made.spool,), fault=Fault.EIO, at=0, chosen=chosen, lasting=True)
    _, ended = record(made, plan, lambda r: r.play(14), room=room)
    assert plan.fired
    assert not ended.clean
    assert "下次启动" in ended.words_zh
    _, ended = record(made, broken(made, 10_000), lambda r: r.play(3), room=after(0))
    assert ended.clean
    found = entries(made)
    assert [e.common.seq for e in found] == list(range(len(found)))
    assert made.verify().intact


def test_a_memory_beside_the_key_that_cannot_be_written_costs_no_entry(tmp_path: Path) -> None:
    made = device(tmp_path)
    plan = Failing(folders=(tmp_path / "keys",), fault=Fault.EROFS, at=4, lasting=True)
    room, ended = record(made, plan, lambda r: r.play(4))
    assert plan.fired
    assert ended.clean
    assert events(made) == [(EventCode.STORAGE_FAULT, (30,))]
    check_nothing_is_lost(made, room)


# --- no space, read-only, slow ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "words", "cause"),
    [
        (Fault.ENOSPC, "存储空间不足", GapCause.STORAGE_FULL),
        (Fault.EROFS, "只读", GapCause.DEVICE_FAULT),
    ],
)
def test_a_full_or_read_only_disk_is_not_tried_again(tmp_path: Path, fault: Fault, words: str, cause: GapCause) -> None:
    made = device(tmp_path)
    _, ended = record(made, broken(made, 5, fault=fault))
    assert (ended.cause, ended.clean) == (EndCause.STORAGE, False)
    assert words in ended.words_zh
    assert "并记下原因" in ended.words_zh
    (gap,) = [e.body for e in entries(made) if isinstance(e.body, Gap)]
    assert gap.cause == cause
    assert len(made.segments()) == 1
    assert made.findings() == ["gap-unexplained"]


def test_a_disk_that_is_read_only_for_good_is_named_and_the_words_claim_no_entry(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()
    plan = Failing(folders=(made.spool,), fault=Fault.EROFS, at=0, lasting=True)

    plan.chosen = lambda call, path: room.clock.now_ns > 504 * 10**9
    _, ended = record(made, plan, lambda r: r.play(8), room=room)
    assert (ended.cause, ended.clean) == (EndCause.STORAGE, False)
    assert "只读" in ended.words_zh
    assert "下次启动" in ended.words_zh
    assert "fsck" in ended.words_en
    _, ended = record(made, broken(made, 10_000), lambda r: r.play(3), room=after(0))
    assert ended.clean
    assert made.verify().intact


def test_a_slow_disk_is_told_once_with_its_milliseconds_and_once_when_it_is_quick_again(tmp_path: Path) -> None:
    made, room = device(tmp_path), Room()

    def stall() -> None:
        room.clock.now_ns += 2_500_000_000

    plan = broken(made, 4, fault=Fault.STALL)
    plan.stall = stall
    record(made, plan, room=room)
    told = events(made)
    assert [code for code, _ in told] == [EventCode.STORAGE_SLOW, EventCode.STORAGE_SLOW_ENDED]
    assert told[0][1][0] == pytest.approx(2500, abs=5)
    assert told[1][1] == (told[0][1][0], 1)
    assert any("存储写入缓慢" in status.warnings_zh for status in room.onlooker.statuses)
    assert "存储写入缓慢" not in room.onlooker.statuses[-1].warnings_zh
    assert not any(isinstance(e.body, Gap) for e in entries(made))


def test_a_disk_within_its_limit_is_not_called_slow(tmp_path: Path) -> None:
    """The negative control of the test above."""
    made, room = device(tmp_path), Room()

    def stall() -> None:
        room.clock.now_ns += 1_900_000_000

    plan = broken(made, 4, fault=Fault.STALL)
    plan.stall = stall
    record(made, plan, room=room)
    assert events(made) == []


def test_free_space_that_cannot_be_asked_for_does_not_end_a_session(tmp_path: Path) -> None:
    made = device(tmp_path)
    plan = Failing(folders=(made.spool,), fault=Fault.EIO, at=4, chosen=lambda call, _: call == "statvfs", lasting=True)
    _, ended = record(made, plan)
    assert ended.clean
    assert events(made) == [(EventCode.STORAGE_FAULT, (5,))]
    assert made.verify().intact


def test_prepared_pictures_are_all_different() -> None:
    """What makes the payload comparison above worth something."""
    assert len(set(pictures(count=50)[:26])) == 26
