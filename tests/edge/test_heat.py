"""A board that is too hot: told, recorded on, and the picture encoded at the lower bitrate until it has cooled."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.ports import HardwareFault
from edge.sensors.readings import BoardBits, BoardReading, Readings
from liuhen.registry import EventCode
from tests.edge.ports_room import Device, Room, device
from tests.edge.test_upkeep import codes as codes_of

pytestmark = pytest.mark.long


def board(bits: BoardBits) -> Readings:
    return Readings(power=None, board=BoardReading(milli_celsius=85_000, bits=bits), gas=None)


WELL, HOT, THROTTLED = board(BoardBits(0)), board(BoardBits.HOT), board(BoardBits.HOT | BoardBits.THROTTLED)


@pytest.fixture
def made(tmp_path: Path) -> Device:
    return device(tmp_path)


def told(room: Room, *readings: Readings) -> None:
    room.play(1)
    for one in readings:
        room.tell(one)
    room.play(1)


def heat(made: Device) -> list[int]:
    codes = (EventCode.THERMAL, EventCode.THERMAL_ENDED)
    return [code for code in codes_of(made) if code in codes]


def test_heat_takes_the_lower_bitrate_once_and_its_end_the_usual_one(made: Device) -> None:
    room = Room()
    room.record(made.config, lambda room: told(room, WELL, HOT, THROTTLED, WELL))
    assert room.camera is not None
    assert room.camera.eased == [False, True, False]
    assert heat(made) == [EventCode.THERMAL, EventCode.THERMAL_ENDED]
    assert made.verify().intact


def test_a_run_that_finds_the_board_well_does_not_keep_what_an_earlier_one_chose(made: Device) -> None:
    room = Room()
    room.record(made.config, lambda room: told(room, HOT))
    room.record(made.config, lambda room: told(room, WELL))
    assert room.camera is not None
    assert room.camera.eased == [True, False]


def test_an_encoder_that_refuses_is_said_and_recorded_on(made: Device) -> None:
    room = Room()
    assert room.camera is not None
    room.camera.refuses_ease = HardwareFault(device="camera", what="EINVAL", remedy_zh="检查", remedy_en="check")
    room.record(made.config, lambda room: told(room, HOT))
    assert any("画面码率没有改动（EINVAL）" in word for word in room.onlooker.words)
    assert heat(made) == [EventCode.THERMAL]
    assert made.verify().intact


def test_a_device_without_a_camera_has_nothing_to_lower(made: Device) -> None:
    room = Room()
    room.camera = None
    room.record(made.config, lambda room: told(room, HOT))
    assert heat(made) == [EventCode.THERMAL]
