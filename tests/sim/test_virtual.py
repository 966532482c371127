"""The virtual room at its ports, with nobody recording: time, order, lateness, loss, and what it says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.ports import Delivered, HardwareFault, PicturePacket, SoundPacket, SourceLost, Stream, SyncState
from sim.imager import Moment
from sim.truth import NoTruth
from sim.virtual_clock import VirtualClock
from sim.virtual_room import Act, VirtualRoom
from sim.virtual_sources import JITTER_NS, READOUT_NS, VirtualCamera, VirtualMicrophone
from tests.sim.virtual_session import Casting, quiet_room

pytestmark = pytest.mark.long

SECOND_NS = 1_000_000_000
FRAME_NS = SECOND_NS // 25


class Collector:
    """What was delivered, with the virtual time of its delivery."""

    def __init__(self, room: VirtualRoom) -> None:
        self._room = room
        self.items: list[tuple[int, Delivered]] = []

    def __call__(self, item: Delivered) -> None:
        self.items.append((self._room.clock.boottime_ns(), item))

    def pictures(self) -> list[PicturePacket]:
        return [item for _, item in self.items if isinstance(item, PicturePacket)]

    def sounds(self) -> list[SoundPacket]:
        return [item for _, item in self.items if isinstance(item, SoundPacket)]

    def losses(self) -> list[SourceLost]:
        return [item for _, item in self.items if isinstance(item, SourceLost)]


def capturing(folder: Path, *script: Act, ppm: float = 0.0) -> tuple[VirtualRoom, Collector]:
    """A room whose sources run."""
    room = quiet_room(folder, Casting(seconds=60, script=script, microphone_ppm=ppm))
    collector = Collector(room)
    room.begin(NoTruth())
    microphone_of(room).start(collector)
    camera_of(room).start(collector, "第一听证室")
    return room, collector


def camera_of(room: VirtualRoom) -> VirtualCamera:
    assert room.camera is not None
    return room.camera


def microphone_of(room: VirtualRoom) -> VirtualMicrophone:
    assert room.microphone is not None
    return room.microphone


def test_time_passes_only_when_told_and_never_back() -> None:
    clock = VirtualClock(Moment(boottime_ns=5 * SECOND_NS, utc_ms=1_000_000), seed=3)
    clock.move_to(7 * SECOND_NS)
    clock.move_to(6 * SECOND_NS)
    assert clock.boottime_ns() == clock.read().boottime_ns == 7 * SECOND_NS
    assert clock.read().utc_ms == 1_002_000
    assert clock.read().sync is SyncState.SYNCHRONISED


def test_a_step_of_the_wall_clock_leaves_boottime_alone() -> None:
    clock = VirtualClock(Moment(boottime_ns=5 * SECOND_NS, utc_ms=1_000_000), seed=3)
    clock.step(-3_600_000)
    clock.believe(SyncState.HOLDOVER, 1700)
    reading = clock.read()
    assert (reading.utc_ms, reading.boottime_ns) == (1_000_000 - 3_600_000, 5 * SECOND_NS)
    assert (reading.sync, reading.error_ms) == (SyncState.HOLDOVER, 1700)


def test_the_boot_is_named_by_the_seed() -> None:
    since = Moment(boottime_ns=0, utc_ms=0)
    assert VirtualClock(since, 1).boot_id == VirtualClock(since, 1).boot_id != VirtualClock(since, 2).boot_id
    assert len(VirtualClock(since, 1).boot_id) == 16


def test_a_room_never_passes_for_the_physical_device(tmp_path: Path) -> None:
    room = quiet_room(tmp_path, Casting(seconds=1))
    for origin in (camera_of(room).origin(), microphone_of(room).origin()):
        assert origin[0].genuine is False
        assert "simulation" in origin[0].evidence


def test_frames_come_on_their_cadence_and_the_first_is_a_keyframe(tmp_path: Path) -> None:
    room, collector = capturing(tmp_path)
    room.advance(3 * SECOND_NS)
    pictures = collector.pictures()
    times = [picture.boottime_ns for picture in pictures]
    assert times == list(range(times[0], times[0] + len(times) * FRAME_NS, FRAME_NS))
    assert len(times) == 70
    assert [i for i, picture in enumerate(pictures) if picture.keyframe] == [0, 25, 50]
    assert all(now - item.boottime_ns == READOUT_NS for now, item in collector.items if isinstance(item, PicturePacket))


def test_a_wished_keyframe_is_the_next_frame(tmp_path: Path) -> None:
    room, collector = capturing(tmp_path)
    room.advance(1_500_000_000)
    before = len(collector.pictures())
    camera_of(room).force_keyframe()
    room.advance(1_500_000_000)
    keyframes = [i for i, picture in enumerate(collector.pictures()) if picture.keyframe]
    assert before in keyframes


def test_sound_is_late_by_the_jitter_and_never_early(tmp_path: Path) -> None:
    room, collector = capturing(tmp_path, ppm=100)
    room.advance(5 * SECOND_NS)
    crystal = microphone_of(room).crystals[0]
    lateness = [
        packet.arrival_boottime_ns - crystal.sample_ns(packet.first_sample + packet.samples)
        for packet in collector.sounds()
    ]
    rounding_ns = 5000  # the packer counts back from a block's end at the nominal rate
    assert min(lateness) >= JITTER_NS[0] - rounding_ns
    assert JITTER_NS[0] < max(lateness) <= JITTER_NS[1] + rounding_ns
    assert len(set(lateness)) > 100


def test_a_fast_crystal_gives_more_samples(tmp_path: Path) -> None:
    room, _ = capturing(tmp_path, ppm=1000)
    crystal = microphone_of(room).crystals[0]
    assert crystal.sample_ns(0) == room.clock.boottime_ns()
    assert crystal.sample_ns(48_048) - crystal.start_ns == SECOND_NS


def test_what_is_delivered_comes_in_the_order_of_time(tmp_path: Path) -> None:
    room, collector = capturing(tmp_path)
    room.advance(2 * SECOND_NS)
    moments = [now for now, _ in collector.items]
    assert moments == sorted(moments)
    kinds = {type(item) for _, item in collector.items}
    assert {kind.__name__ for kind in kinds} == {"PicturePacket", "SoundPacket", "PictureMeasure", "SoundMeasure"}


def test_the_same_seed_plays_the_same_room(tmp_path: Path) -> None:
    played = []
    for name in ("one", "two"):
        room, collector = capturing(tmp_path / name)
        room.advance(SECOND_NS)
        played.append(collector.items)
    assert played[0] == played[1]
    assert len(played[0]) > 50


def test_a_short_stall_is_missed_frames_and_no_loss(tmp_path: Path) -> None:
    room, collector = capturing(tmp_path, Act(at_seconds=1, happens=lambda room: room.stall_camera(0.5)))
    room.advance(3 * SECOND_NS)
    missed = [picture.missed_frames for picture in collector.pictures() if picture.missed_frames]
    assert len(missed) == 1
    assert missed[0] in {12, 13}
    assert collector.losses() == []


def test_a_long_stall_loses_the_camera_once_until_it_is_started_again(tmp_path: Path) -> None:
    room, collector = capturing(
        tmp_path,
        Act(at_seconds=1, happens=lambda room: room.take_camera_away()),
        Act(at_seconds=6, happens=lambda room: room.put_camera_back()),
        Act(at_seconds=6, happens=lambda room: camera_of(room).start(collector, "第一听证室")),
    )
    start_ns = room.clock.boottime_ns()
    room.advance(5_900_000_000)
    assert [loss.stream for loss in collector.losses()] == [Stream.PICTURE]
    assert collector.losses()[0].boottime_ns - collector.pictures()[-1].boottime_ns <= 1_200_000_000
    before = len(collector.pictures())
    room.advance(SECOND_NS)
    back = collector.pictures()[before]
    assert back.keyframe
    assert 0 < back.boottime_ns - start_ns - 6 * SECOND_NS + FRAME_NS <= 2 * FRAME_NS


def test_a_microphone_that_is_gone_is_lost_once_and_counts_anew_when_it_is_back(tmp_path: Path) -> None:
    room, collector = capturing(
        tmp_path,
        Act(at_seconds=1, happens=lambda room: room.take_microphone_away()),
        Act(at_seconds=4, happens=lambda room: room.put_microphone_back()),
        Act(at_seconds=4, happens=lambda room: microphone_of(room).start(collector)),
    )
    room.advance(3_900_000_000)
    assert [loss.stream for loss in collector.losses()] == [Stream.SOUND]
    before = len(collector.sounds())
    room.advance(SECOND_NS)
    assert collector.sounds()[before].first_sample == 0
    assert len(microphone_of(room).crystals) == 2


def test_a_source_that_is_gone_refuses_to_start(tmp_path: Path) -> None:
    room, collector = capturing(tmp_path)
    room.take_camera_away()
    room.take_microphone_away()
    with pytest.raises(HardwareFault, match="camera"):
        camera_of(room).start(collector, "第一听证室")
    with pytest.raises(HardwareFault, match="microphone"):
        microphone_of(room).start(collector)


def test_an_overrun_is_counted_exactly_with_the_next_packet(tmp_path: Path) -> None:
    room, collector = capturing(tmp_path, Act(at_seconds=1, happens=lambda room: room.overrun_sound(4801)))
    room.advance(2 * SECOND_NS)
    missed = [packet for packet in collector.sounds() if packet.missed_samples]
    before = collector.sounds()[collector.sounds().index(missed[0]) - 1]
    assert [packet.missed_samples for packet in missed] == [4801]
    assert missed[0].first_sample == before.first_sample + before.samples + 4801


def test_stopped_sources_deliver_the_rest_and_then_nothing(tmp_path: Path) -> None:
    room, collector = capturing(tmp_path)
    room.advance(SECOND_NS)
    camera_of(room).stop(5)
    microphone_of(room).stop(5)
    count = len(collector.items)
    room.advance(SECOND_NS)
    assert len(collector.items) == count
    assert sum(packet.samples for packet in collector.sounds()) % 960 == 0  # whole blocks: the last packet is shorter


@pytest.mark.parametrize("verb", ["stall_camera", "slow_disk"])
def test_a_verb_lasts_as_long_as_it_says(verb: str, tmp_path: Path) -> None:
    room, collector = capturing(tmp_path)
    room.advance(SECOND_NS)
    getattr(room, verb)(0.3)
    assert room.disk_waits_until_ns == (room.clock.boottime_ns() + 300_000_000 if verb == "slow_disk" else 0)
    room.advance(SECOND_NS)
    missed = sum(picture.missed_frames for picture in collector.pictures())
    assert missed in ({7, 8} if verb == "stall_camera" else {0})
