"""A lost source is started again beside CONTROL, and what came of it is told."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest

from edge.ports import FaultKind, HardwareFault, Stream
from edge.revival import STOP_SECONDS, Revived, Reviver, Source
from tests.drivers.deliveries import SteppedClock

LIMIT_SECONDS = 10.0


def fault(kind: FaultKind) -> HardwareFault:
    return HardwareFault(device="camera", what="no", remedy_zh="查", remedy_en="look", kind=kind)


class Device:
    """A source that a test lets go, hang or fail."""

    def __init__(self, clock: SteppedClock) -> None:
        self.clock = clock
        self.calls: list[str] = []
        self.stop_fault: HardwareFault | None = None
        self.start_fault: HardwareFault | None = None
        self.entered, self.let_go = threading.Event(), threading.Event()
        self.let_go.set()

    def stop(self, limit_seconds: float) -> None:
        self.calls.append(f"stop {limit_seconds:g}")
        if self.stop_fault is not None:
            self.clock.now_ns += int(limit_seconds * 1e9)
            raise self.stop_fault

    def start(self) -> None:
        self.calls.append("start")
        self.entered.set()
        assert self.let_go.wait(LIMIT_SECONDS)
        if self.start_fault is not None:
            raise self.start_fault


class Stage:
    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.device = Device(self.clock)
        self.posted: queue.Queue[Revived] = queue.Queue()
        source = Source(stop=self.device.stop, start=self.device.start)
        self.reviver = Reviver({Stream.PICTURE: source}, self.posted.put, self.clock)

    def revived(self) -> Revived:
        return self.posted.get(timeout=LIMIT_SECONDS)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.device.let_go.set()
    assert stage.reviver.end(LIMIT_SECONDS) == frozenset()


def test_what_is_left_is_stopped_and_a_fresh_one_started(stage: Stage) -> None:
    assert stage.reviver.begin(Stream.PICTURE, 3)
    assert stage.revived() == Revived(stream=Stream.PICTURE, attempt=3, hung_ms=None, fault=None)
    assert stage.device.calls == [f"stop {STOP_SECONDS:g}", "start"]


def test_one_that_does_not_stop_is_told_and_a_fresh_one_tried_all_the_same(stage: Stage) -> None:
    stage.device.stop_fault = fault(FaultKind.STUCK)
    stage.reviver.begin(Stream.PICTURE, 1)
    revived = stage.revived()
    assert (revived.hung_ms, revived.fault, revived.stuck) == (5000, None, True)
    assert stage.device.calls[-1] == "start"


@pytest.mark.parametrize(("kind", "stuck"), [(FaultKind.ABSENT, False), (FaultKind.STUCK, True)])
def test_a_start_that_is_refused_is_told_with_its_fault(stage: Stage, kind: FaultKind, stuck: bool) -> None:
    stage.device.start_fault = fault(kind)
    stage.reviver.begin(Stream.PICTURE, 1)
    revived = stage.revived()
    assert revived.fault is stage.device.start_fault
    assert revived.stuck is stuck


def test_a_stop_that_fails_without_hanging_is_no_hang(stage: Stage) -> None:
    stage.device.stop_fault = fault(FaultKind.OTHER)
    stage.reviver.begin(Stream.PICTURE, 1)
    assert stage.revived().hung_ms is None


def test_control_never_waits_and_one_restart_at_a_time_is_at_work(stage: Stage) -> None:
    stage.device.let_go.clear()
    assert stage.reviver.begin(Stream.PICTURE, 1)
    assert stage.device.entered.wait(LIMIT_SECONDS)
    assert not stage.reviver.begin(Stream.PICTURE, 2)
    assert stage.posted.empty()
    stage.device.let_go.set()
    assert stage.revived().attempt == 1


def test_a_stream_without_a_source_is_not_started(stage: Stage) -> None:
    assert not stage.reviver.begin(Stream.SOUND, 1)


def test_the_end_names_the_driver_that_is_still_at_work_and_begins_nothing_more(stage: Stage) -> None:
    stage.device.let_go.clear()
    stage.reviver.begin(Stream.PICTURE, 1)
    assert stage.device.entered.wait(LIMIT_SECONDS)
    assert stage.reviver.end(0.01) == frozenset({Stream.PICTURE})
    assert not stage.reviver.begin(Stream.PICTURE, 2)
