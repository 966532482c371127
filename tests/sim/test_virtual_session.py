"""Whole sessions in virtual time: what a stranger decodes against what the room really did, and what the journal says.

Every session runs through the product's own encoder, FLAC, queue, segmenter, writer, journal and verifier.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from edge.app import Start, run
from edge.refusals import Refused
from liuhen import keys
from liuhen.kinds import Event, Gap, GapEnd, Heartbeat, Segment, Session
from liuhen.registry import EVENTS, EndCause, EventCode, GapCause, Purpose, Stream
from sim.optics import View
from sim.room import HearingRoom
from sim.virtual import VIRTUAL_START, open_virtual
from sim.virtual_room import Act
from tests.decoded import decode_segment, decode_session, out_of_order, true_frames
from tests.sim.virtual_session import (
    HEIGHT,
    WIDTH,
    Casting,
    Examined,
    Onlooker,
    Recorded,
    examine,
    plan_for,
    record,
    small_config,
    verify,
)

MS = 1_000_000
SECOND_NS = 1000 * MS
FRAME_NS = 40 * MS
PACKET_NS = 1024 * SECOND_NS // 48_000
LATEST_BLOCK_NS = 40 * MS
TURN_NS = 100 * MS
LARGEST_SOUND_ERROR_SECONDS = 0.040
FAST_PPM = 400.0

pytestmark = pytest.mark.long


def at(recorded_ns: int) -> float:
    """A BOOTTIME of these sessions in seconds after their start."""
    return (recorded_ns - VIRTUAL_START.boottime_ns) / SECOND_NS


def times_of_events(recorded: Recorded) -> list[float]:
    return [at(entry.common.clock[1]) for entry in recorded.entries() if isinstance(entry.body, Event)]


# -- an undisturbed session, with a microphone far off its rate --------------------------------------------------------


@pytest.fixture(scope="module")
def long_session(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorded, Examined]:
    recorded = record(tmp_path_factory.mktemp("long"), Casting(seconds=131, microphone_ppm=FAST_PPM))
    return recorded, examine(recorded)


def test_every_frame_is_decoded_once_and_in_order_across_the_cuts(long_session: tuple[Recorded, Examined]) -> None:
    recorded, examined = long_session
    assert recorded.ended.clean
    assert len(examined.segments) == 5
    assert out_of_order(examined.counters) == []
    assert examined.counters == examined.delivered
    assert len(examined.counters) > 130 * 25


def test_every_sample_is_decoded_bit_for_bit_across_the_cuts(long_session: tuple[Recorded, Examined]) -> None:
    _, examined = long_session
    assert examined.sound.exact
    assert examined.sound.decoded_samples > 130 * 48_000


def test_the_archive_is_intact_and_vouched_for_a_stranger(long_session: tuple[Recorded, Examined]) -> None:
    recorded, _ = long_session
    answer = verify(recorded)
    assert (answer["exit_code"], answer["intact"]) == (0, True)


def test_one_changed_byte_of_the_archive_is_found(long_session: tuple[Recorded, Examined], tmp_path: Path) -> None:
    recorded, _ = long_session
    copy = tmp_path / "spool"
    shutil.copytree(recorded.spool, copy)
    segment = copy / recorded.segments()[2].relative_to(recorded.spool)
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    answer = verify(replace(recorded, spool=copy))
    assert (answer["exit_code"], answer["intact"]) == (1, False)


def test_sound_stays_in_step_with_the_picture_in_every_segment(long_session: tuple[Recorded, Examined]) -> None:
    recorded, examined = long_session
    assert len(examined.sound_errors) == 5
    assert examined.worst_sound_error_seconds <= LARGEST_SOUND_ERROR_SECONDS
    # Negative control: counted at the nominal rate from the session's start, the last segment would be further off.
    crystal, last = recorded.crystals[0], examined.segments[-1].first_sample
    drift_ns = last * SECOND_NS // 48_000 - (crystal.sample_ns(last) - crystal.start_ns)
    assert drift_ns / SECOND_NS > LARGEST_SOUND_ERROR_SECONDS


def test_the_signed_anchor_of_every_segment_is_when_its_first_sample_was_taken(
    long_session: tuple[Recorded, Examined],
) -> None:
    recorded, _ = long_session
    for statement in recorded.bodies(Segment):
        assert statement.sound_clock is not None
        true_ns = recorded.crystals[0].sample_ns(statement.samples[0])
        assert 0 <= statement.sound_clock[0] - true_ns <= LARGEST_SOUND_ERROR_SECONDS * SECOND_NS


def test_the_measured_rate_of_the_sound_clock_is_near_the_truth(long_session: tuple[Recorded, Examined]) -> None:
    recorded, _ = long_session
    beats = recorded.bodies(Heartbeat)
    known = [beat.parts_per_billion / 1000 for beat in beats if beat.parts_per_billion is not None]
    assert [beat.parts_per_billion for beat in beats[:6]] == [None] * 6
    assert len(known) >= 6
    assert max(abs(ppm - FAST_PPM) for ppm in known) <= 20


def test_heartbeats_and_seals_come_as_often_as_promised(long_session: tuple[Recorded, Examined]) -> None:
    recorded, _ = long_session
    (session,) = recorded.bodies(Session)
    beats = [entry.common.clock[1] for entry in recorded.entries() if isinstance(entry.body, Heartbeat)]
    promised_ns = session.promise[2] * MS
    steps = [after - before for before, after in pairwise(beats)]
    assert len(beats) == 13
    assert max(steps) <= promised_ns + TURN_NS
    assert max(beat.seal_delay_ms for beat in recorded.bodies(Heartbeat)) < 1000


def test_a_session_of_the_drawn_room_is_read_back_like_any_other(tmp_path: Path) -> None:
    casting = Casting(seconds=5, picture=lambda: HearingRoom(WIDTH, HEIGHT, stamp=True))
    examined = examine(record(tmp_path, casting))
    assert examined.counters == examined.delivered
    assert examined.sound.exact


# -- a disk that stalls -----------------------------------------------------------------------------------------------


def test_an_overflowing_queue_leaves_an_exact_gap_in_the_picture_and_none_in_the_sound(tmp_path: Path) -> None:
    recorded = record(
        tmp_path, Casting(seconds=55, script=(Act(at_seconds=6, happens=lambda room: room.slow_disk(31)),))
    )
    examined = examine(recorded)
    lost = len(examined.delivered) - len(examined.counters)
    ((before, after),) = out_of_order(examined.counters)
    assert before is not None
    assert after is not None
    assert after - before - 1 == lost > 200

    (overflow,) = recorded.events(EventCode.QUEUE_OVERFLOW)
    (gap,), (end,) = recorded.bodies(Gap), recorded.bodies(GapEnd)
    assert overflow.measured[0] == lost
    assert (gap.stream, gap.cause, gap.measured) == (Stream.PICTURE, GapCause.DEVICE_FAULT, (lost,))
    assert end.lost == (lost, None)
    sensor_ns = {frame.counter: frame.sensor_ns for frame in true_frames(recorded.truth)}
    assert (gap.since[1], end.until[1]) == (sensor_ns[before + 1], sensor_ns[after])
    assert end.length_ns == (lost * FRAME_NS, lost * FRAME_NS)
    assert examined.sound.exact
    assert recorded.bodies(Segment)[0].end_cause == EndCause.OVERFLOW
    assert verify(recorded)["intact"]


def test_a_stall_the_queue_can_hold_costs_nothing(tmp_path: Path) -> None:
    script = (Act(at_seconds=5, happens=lambda room: room.slow_disk(15)),)
    recorded = record(tmp_path, Casting(seconds=30, script=script))
    examined = examine(recorded)
    assert examined.counters == examined.delivered
    assert examined.sound.exact
    assert recorded.bodies(Gap) == []
    assert max(beat.queue_ms for beat in recorded.bodies(Heartbeat)) > 14_000


# -- sources that go and come -----------------------------------------------------------------------------------------


def test_without_its_camera_the_session_goes_on_with_sound_and_names_only_sound(tmp_path: Path) -> None:
    script = (Act(at_seconds=8.01, happens=lambda room: room.take_camera_away()),)
    recorded = record(tmp_path, Casting(seconds=42, script=script))
    examined = examine(recorded)
    streams = [(facts.picture_seconds is not None, facts.sound_seconds is not None) for facts in examined.segments]
    assert streams == [(True, True), (False, True), (False, True)]
    assert examined.counters == examined.delivered
    assert examined.sound.exact

    (lost,), (gap,), (end,) = recorded.events(EventCode.SOURCE_LOST), recorded.bodies(Gap), recorded.bodies(GapEnd)
    sensor_ns = {frame.counter: frame.sensor_ns for frame in true_frames(recorded.truth)}
    assert lost.stream == gap.stream == Stream.PICTURE
    assert gap.since[1] == sensor_ns[examined.delivered[-1]] + FRAME_NS
    assert end.resumed == 0
    assert verify(recorded)["intact"]


def test_a_camera_that_comes_back_opens_a_segment_with_both_streams(tmp_path: Path) -> None:
    script = (
        Act(at_seconds=4.01, happens=lambda room: room.take_camera_away()),
        Act(at_seconds=9.3, happens=lambda room: room.put_camera_back()),
    )
    recorded = record(tmp_path, Casting(seconds=14, script=script))
    examined = examine(recorded)
    assert [len(facts.counters) > 0 for facts in examined.segments] == [True, False, True]
    assert examined.counters == examined.delivered
    assert examined.sound.exact
    assert examined.worst_sound_error_seconds <= LARGEST_SOUND_ERROR_SECONDS
    (end,) = recorded.bodies(GapEnd)
    sensor_ns = {frame.counter: frame.sensor_ns for frame in true_frames(recorded.truth)}
    assert end.resumed == 1
    assert end.until[1] == sensor_ns[examined.segments[2].counters[0] or 0]


def test_a_microphone_that_goes_and_comes_is_a_gap_in_the_sound_alone(tmp_path: Path) -> None:
    script = (
        Act(at_seconds=4.01, happens=lambda room: room.take_microphone_away()),
        Act(at_seconds=9.3, happens=lambda room: room.put_microphone_back()),
    )
    recorded = record(tmp_path, Casting(seconds=14, script=script))
    examined = examine(recorded)
    assert [facts.samples > 0 for facts in examined.segments] == [True, False, True]
    assert examined.segments[1].sound_seconds is None
    assert examined.counters == examined.delivered
    assert examined.sound.exact
    (gap,), (end,) = recorded.bodies(Gap), recorded.bodies(GapEnd)
    true_since_ns = recorded.crystals[0].sample_ns(examined.segments[0].samples)
    true_until_ns = recorded.crystals[1].start_ns
    lines = map(json.loads, (recorded.truth / "moments.jsonl").read_text().splitlines())
    assert [line["boottime_ns"] for line in lines] == [crystal.start_ns for crystal in recorded.crystals]
    assert gap.stream == Stream.SOUND
    assert 0 <= gap.since[1] - true_since_ns <= PACKET_NS
    assert 0 <= end.until[1] - true_until_ns <= LATEST_BLOCK_NS
    assert verify(recorded)["intact"]


def test_a_short_stall_of_the_sensor_is_an_event_with_the_exact_count(tmp_path: Path) -> None:
    script = (Act(at_seconds=3.01, happens=lambda room: room.stall_camera(0.6)),)
    recorded = record(tmp_path, Casting(seconds=6, script=script))
    examined = examine(recorded)
    ((before, after),) = out_of_order(examined.counters)
    assert before is not None
    assert after is not None
    (missed,) = recorded.events(EventCode.FRAMES_MISSED)
    assert missed.measured == (after - before - 1, before)
    assert recorded.bodies(Gap) == []
    assert recorded.bodies(Segment)[-1].missed == (after - before - 1, 0)


def test_an_overrun_of_the_sound_is_an_event_and_the_sound_after_it_is_in_step(tmp_path: Path) -> None:
    script = (Act(at_seconds=3.01, happens=lambda room: room.overrun_sound(4800)),)
    recorded = record(tmp_path, Casting(seconds=34, script=script))
    examined = examine(recorded)
    assert examined.sound.exact  # the truth holds what the card delivered; 4800 samples never reached it
    (missed,) = recorded.events(EventCode.SAMPLES_MISSED)
    assert missed.measured[0] == 4800
    first, second = recorded.bodies(Segment)
    assert first.missed == (0, 4800)
    true_ns = recorded.crystals[0].sample_ns(second.samples[0] + 4800)
    assert abs(second.sound_clock[0] - true_ns) <= LARGEST_SOUND_ERROR_SECONDS * SECOND_NS


@pytest.mark.parametrize(("camera", "microphone"), [(True, False), (False, True)])
def test_a_session_with_one_source_is_whole(camera: bool, microphone: bool, tmp_path: Path) -> None:
    recorded = record(tmp_path, Casting(seconds=33, camera=camera, microphone=microphone))
    examined = examine(recorded)
    assert len(examined.segments) == 2
    assert examined.counters == examined.delivered
    assert bool(examined.counters) is camera
    assert examined.sound.exact
    assert bool(examined.sound.decoded_samples) is microphone
    assert verify(recorded)["intact"]


# -- the wall clock ---------------------------------------------------------------------------------------------------


def test_a_step_of_the_wall_clock_is_an_event_and_media_time_does_not_follow(tmp_path: Path) -> None:
    hour_ms = 3_600_000
    script = (
        Act(at_seconds=5.01, happens=lambda room: room.step_wall_clock(hour_ms)),
        Act(at_seconds=34.01, happens=lambda room: room.step_wall_clock(-2 * hour_ms)),
    )
    recorded = record(tmp_path, Casting(seconds=40, script=script))
    examined = examine(recorded)
    stepped = recorded.events(EventCode.CLOCK_STEPPED)
    assert [event.measured for event in stepped] == [(hour_ms,), (-2 * hour_ms,)]
    assert [at(event.span_ns[0]) for event in stepped] == pytest.approx([5.01, 34.01], abs=0.11)
    assert examined.counters == examined.delivered
    assert examined.sound.exact
    assert examined.worst_sound_error_seconds <= LARGEST_SOUND_ERROR_SECONDS
    first, second = recorded.bodies(Segment)
    assert abs(second.span_ns[0] - first.span_ns[1]) <= 2 * PACKET_NS
    assert verify(recorded)["intact"]


# -- what the analysis says, and when ---------------------------------------------------------------------------------

MEASURED_EVERY_SECONDS = 0.6
SLACK_SECONDS = 2 * MEASURED_EVERY_SECONDS + 0.2


@pytest.mark.parametrize(
    ("view", "began", "ended"),
    [
        (View.DARK, EventCode.PICTURE_BLACK, EventCode.PICTURE_BLACK_ENDED),
        (View.FROZEN, EventCode.PICTURE_FROZEN, EventCode.PICTURE_FROZEN_ENDED),
        (View.COVERED, EventCode.PICTURE_COVERED, EventCode.PICTURE_COVERED_ENDED),
    ],
)
def test_a_picture_gone_wrong_is_reported_after_five_seconds_and_its_end_after_two(
    view: View, began: EventCode, ended: EventCode, tmp_path: Path
) -> None:
    script = (
        Act(at_seconds=3, happens=lambda room: room.look(view)),
        Act(at_seconds=12, happens=lambda room: room.look(View.ROOM)),
    )
    recorded = record(tmp_path, Casting(seconds=17, script=script))
    events = [EventCode(event.code) for event in recorded.bodies(Event)]
    assert events == [began, ended]
    said = dict(zip(events, times_of_events(recorded), strict=True))
    assert 3 + 5 <= said[began] <= 3 + 5 + SLACK_SECONDS
    assert 12 + 2 <= said[ended] <= 12 + 2 + SLACK_SECONDS


@pytest.mark.parametrize(
    ("view", "began", "ended"),
    [
        (View.LEFT_HIDDEN, EventCode.PARTIES_HIDDEN, EventCode.PARTIES_HIDDEN_ENDED),
        (View.RIGHT_HIDDEN, EventCode.OFFICIALS_HIDDEN, EventCode.OFFICIALS_HIDDEN_ENDED),
    ],
)
def test_one_side_of_the_drawn_room_that_is_hidden_is_an_event_within_ten_seconds_and_a_lamp_that_asks_for_a_person(
    view: View, began: EventCode, ended: EventCode, tmp_path: Path
) -> None:
    script = (
        Act(at_seconds=8, happens=lambda room: room.look(view)),
        Act(at_seconds=18, happens=lambda room: room.look(View.ROOM)),
    )
    casting = Casting(
        seconds=24,
        script=script,
        picture=lambda: HearingRoom(WIDTH, HEIGHT, stamp=True),
        officials_zone=(660, 450, 970, 900),
        parties_zone=(40, 450, 340, 900),
    )
    recorded = record(tmp_path, casting)
    events = [EventCode(event.code) for event in recorded.bodies(Event)]
    assert events == [began, ended]
    said = dict(zip(events, times_of_events(recorded), strict=True))
    assert 8 + 5 <= said[began] <= 8 + 10
    assert 18 + 2 <= said[ended] <= 18 + 10
    (told,) = recorded.events(began)
    assert len(told.measured) == len(EVENTS[began].measured)
    assert told.measured[2] <= 1_200
    assert recorded.onlooker.warned == {EVENTS[began].words_zh}  # what the lamp's slow red asks a person for
    assert recorded.onlooker.latest is not None
    assert recorded.onlooker.latest.warnings_zh == ()
    assert verify(recorded)["intact"]


def test_digital_zero_is_reported_after_two_seconds_and_its_end_after_two(tmp_path: Path) -> None:
    script = (
        Act(at_seconds=3, happens=lambda room: room.mute(True)),
        Act(at_seconds=9, happens=lambda room: room.mute(False)),
    )
    recorded = record(tmp_path, Casting(seconds=14, script=script))
    began, ended = recorded.bodies(Event)
    assert (began.code, ended.code) == (EventCode.SOUND_DIGITAL_ZERO, EventCode.SOUND_DIGITAL_ZERO_ENDED)
    times = times_of_events(recorded)
    assert 3 + 2 <= times[0] <= 3 + 2 + SLACK_SECONDS
    assert 9 + 2 <= times[1] <= 9 + 2 + SLACK_SECONDS
    assert began.measured[:2] == (-9600, -9600)


def test_an_ordinary_room_raises_no_event_and_no_gap(long_session: tuple[Recorded, Examined]) -> None:
    recorded, _ = long_session
    assert recorded.bodies(Event) == []
    assert recorded.bodies(Gap) == []


# -- ends and paces ---------------------------------------------------------------------------------------------------


def start_of(folder: Path, casting: Casting, stop: threading.Event) -> Start:
    config = small_config(folder, casting)
    hardware, conduct = open_virtual(config, plan_for(config, folder, casting))
    return Start(config=config, hardware=hardware, watcher=Onlooker(), stop=stop, conduct=conduct)


def test_somebody_s_stop_ends_the_session_in_order(tmp_path: Path) -> None:
    stop = threading.Event()
    script = (Act(at_seconds=2, happens=lambda _room: stop.set()),)
    start = start_of(tmp_path, Casting(seconds=3600, script=script), stop)
    ended = run(start)
    assert (ended.cause, ended.clean) == (EndCause.STOPPED, True)
    (segment,) = (start.config.spool.directory / "sessions" / ended.session_id.hex()).glob("*.mp4")
    assert 44 <= len(decode_segment(segment).counters) <= 46


def test_a_second_session_continues_the_same_journal(tmp_path: Path) -> None:
    first = record(tmp_path, Casting(seconds=3))
    later = replace(
        VIRTUAL_START,
        boottime_ns=VIRTUAL_START.boottime_ns + 60 * SECOND_NS,
        utc_ms=VIRTUAL_START.utc_ms + 60_000,
    )
    second = record(tmp_path, Casting(seconds=3, since=later))
    assert first.ended.session_id != second.ended.session_id
    assert [session.ordinal for session in second.bodies(Session)] == [1, 2]
    assert second.bodies(Event) == []
    assert verify(second)["exit_code"] == 0


@pytest.mark.realtime
@pytest.mark.beside
def test_the_same_room_keeps_the_machine_s_pace_when_asked(tmp_path: Path) -> None:
    casting = Casting(seconds=4, real_time=True)
    recorded = record(tmp_path, casting)
    examined = examine(recorded)
    first, *_, last = [entry.common.clock[1] for entry in recorded.entries()]
    now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert 4 * SECOND_NS <= last - first <= 6 * SECOND_NS
    assert 0 <= now_ns - last <= 60 * SECOND_NS
    assert examined.counters == examined.delivered
    assert examined.sound.exact


def test_a_virtual_room_is_refused_by_a_production_key(tmp_path: Path) -> None:
    start = start_of(tmp_path, Casting(seconds=1), threading.Event())
    own = start.config.key
    root = keys.load_signer(tmp_path / "keys" / "demo-root.key")
    card = keys.parse_card((tmp_path / "keys" / "device.card").read_bytes(), where="card")
    production = tmp_path / "production.endorsement"
    production.write_bytes(keys.endorse(root, card, purpose=Purpose.PRODUCTION, not_before_ms=VIRTUAL_START.utc_ms))
    start = replace(start, config=replace(start.config, key=replace(own, endorsements=(production,))))
    with pytest.raises(Refused, match="not the physical device"):
        run(start)
    assert not (tmp_path / "truth").exists()


def test_decoding_walks_a_session_segment_by_segment(long_session: tuple[Recorded, Examined]) -> None:
    recorded, examined = long_session
    walk = decode_session(recorded.segments()[:2])
    assert next(walk) == examined.segments[0]
    assert next(walk) == examined.segments[1]
