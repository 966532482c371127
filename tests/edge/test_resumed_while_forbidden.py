"""A session that goes on while recording is forbidden: no source is opened, and nothing is captured into anything.

After a cut while withheld, and under a trip, the next run is conducted once by the room's single thread, with frames
that come while recovery runs, and once by the product's own threads with a camera that delivers as soon as it starts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from edge.app import Stage, conduct_threads, run
from edge.guard.words import Reason
from edge.packet_queue import PacketQueue
from edge.ports import Deliver, PictureFormat, SoundFormat
from edge.recorder import Ended
from edge.requests import Verb
from edge.surroundings import Surroundings
from tests.edge.ports_room import (
    FRAME_NS,
    START_NS,
    Device,
    Room,
    RoomCamera,
    RoomClock,
    RoomMicrophone,
    device,
    guard_word,
)
from tests.edge.test_room import SilentGuard

LATER_NS = 10**11
FRAMES_AT_ONCE = 40


@dataclass(slots=True)
class PromptCamera(RoomCamera):
    """Notes when it is opened, and has frames as soon as it is started."""

    opened: int = 0

    def open(self) -> PictureFormat:
        self.opened += 1
        return RoomCamera.open(self)

    def start(self, deliver: Deliver, caption: str) -> None:
        RoomCamera.start(self, deliver, caption)
        for number in range(FRAMES_AT_ONCE):
            self.take(START_NS + LATER_NS + number * FRAME_NS, 0)


@dataclass(slots=True)
class NotedMicrophone(RoomMicrophone):
    """Notes when it is opened."""

    opened: int = 0

    def open(self) -> SoundFormat:
        self.opened += 1
        return RoomMicrophone.open(self)


@dataclass(slots=True)
class Seen:
    """The stretches' queues of a run."""

    queues: list[PacketQueue] = field(default_factory=list)

    def __call__(self, stage: Stage) -> None:
        self.queues.append(stage.packets)


def everything_of(made: Device) -> dict[str, bytes]:
    """Whatever lies in the spool that can hold a frame."""
    return {
        str(path.relative_to(made.spool)): path.read_bytes()
        for folder in ("sessions", "quarantine")
        for path in sorted((made.spool / folder).rglob("*"))
        if path.is_file()
    }


def guarded(made: Device) -> Device:
    return replace(made, config=replace(made.config, interlock=replace(made.config.interlock, enabled=True)))


def left_open(made: Device, *acts: Callable[[Room], object], permit: bool = True) -> None:
    """A run that is cut off after these acts, with the session open."""

    class Cut(BaseException):
        """The power is gone."""

    def cut(_: Room) -> None:
        raise Cut

    room = Room(RoomClock(now_ns=START_NS))
    around = Surroundings(guard=SilentGuard(guard_word(START_NS, permit=permit)))
    with pytest.raises(Cut):
        room.record(made.config, *acts, cut, surroundings=around)  # type: ignore[arg-type]


def withheld(made: Device) -> bool:
    left_open(made, lambda room: room.play(2), lambda room: room.ask(Verb.WITHHOLD, actor="张三"))
    return True  # the guard permits: the withholding alone stands


def tripped(made: Device) -> bool:
    left_open(made, lambda room: room.play(2), lambda room: room.guard_says(permit=False, reason=Reason.TRIPPED))
    return False


def not_forbidden(made: Device) -> bool:
    left_open(made, lambda room: room.play(2))
    return True


def by_turns(room: Room, made: Device, around: Surroundings, seen: Seen) -> Ended:
    def recovers(room: Room) -> None:
        room.play_before_anything_is_written(2)
        assert room._stage is not None
        seen(room._stage)

    room.while_recovery_runs = recovers
    return room.record(made.config, lambda room: room.play(3), surroundings=around)


def by_threads(room: Room, made: Device, around: Surroundings, seen: Seen) -> Ended:
    def conduct(stage: Stage) -> Ended:
        seen(stage)
        stage.start.stop.set()
        return conduct_threads(stage)

    return run(replace(room.start(made.config, surroundings=around), conduct=conduct))


@pytest.mark.parametrize("conduct", [by_turns, by_threads], ids=["by turns", "by threads"])
@pytest.mark.parametrize("before", [withheld, tripped], ids=["withheld", "tripped"])
def test_a_session_that_goes_on_while_it_is_forbidden_opens_no_source_and_captures_nothing(
    before: Callable[[Device], bool], conduct: Callable[..., Ended], tmp_path: Path
) -> None:
    made = guarded(device(tmp_path))
    permit = before(made)
    on_disk = everything_of(made)
    camera, microphone, seen = PromptCamera(), NotedMicrophone(), Seen()
    run_again(made, camera, microphone, conduct, seen, permit=permit)
    assert (camera.opened, camera.sent, microphone.opened, microphone.sent) == (0, 0, 0, 0)
    assert [queue.take(0) for queue in seen.queues] == [None]
    assert everything_of(made) == on_disk, "media of forbidden time"
    assert made.verify().intact


def test_what_forbids_nothing_does_start_the_camera(tmp_path: Path) -> None:
    """Control: the same run after a cut without inhibition opens both and writes what they deliver."""
    made = guarded(device(tmp_path))
    not_forbidden(made)
    on_disk = everything_of(made)
    camera, microphone = PromptCamera(), NotedMicrophone()
    run_again(made, camera, microphone, by_turns, Seen(), permit=True)
    assert camera.opened > 0
    assert microphone.opened > 0
    assert everything_of(made) != on_disk


def run_again(
    made: Device,
    camera: PromptCamera,
    microphone: NotedMicrophone,
    conduct: Callable[..., Ended],
    seen: Seen,
    *,
    permit: bool,
) -> None:
    room = Room(RoomClock(now_ns=START_NS + LATER_NS, boot_id=bytes(15) + b"\1"))
    room.camera, room.microphone = camera, microphone
    word = guard_word(room.clock.now_ns, permit=permit, reason=Reason.NONE if permit else Reason.BOOT)
    conduct(room, made, Surroundings(guard=SilentGuard(word)), seen)
