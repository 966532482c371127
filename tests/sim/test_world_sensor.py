"""The sensor's decisions on a clock the test moves, and the wire it speaks."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import sensor, strip
from sim.framestore import FrameStore, frame_bytes, planes_of, shrink
from sim.imager import Imager, Moment, SensorMode
from sim.optics import Optics, Stamped, View
from sim.scene import Planes
from sim.sensor import NO_BUFFER, UNCHANGED, Message, Outcome, Queue, Register, WireFault, decode, encode

MODE = SensorMode(width=640, height=64, frames_per_second=25)
FRAME_NS = 40_000_000
NUMBERS = st.integers(-(2**63), 2**63 - 1)
MESSAGES = st.one_of(
    st.builds(sensor.Hello, version=NUMBERS),
    st.builds(sensor.Welcome, width=NUMBERS, height=NUMBERS, shortest_frame_us=NUMBERS, longest_frame_us=NUMBERS),
    st.builds(sensor.Acquire),
    st.builds(sensor.Start, frame_duration_us=NUMBERS),
    st.builds(sensor.Stop),
    st.builds(sensor.Answer, errno=NUMBERS),
    st.builds(Register, buffer=NUMBERS, width=NUMBERS, height=NUMBERS, stride=NUMBERS),
    st.builds(Queue, request=NUMBERS, main=NUMBERS, lores=NUMBERS, frame_duration_us=NUMBERS),
    st.builds(
        sensor.Completed,
        request=NUMBERS,
        sequence=NUMBERS,
        boottime_ns=NUMBERS,
        frame_duration_us=NUMBERS,
        outcome=NUMBERS,
    ),
)


class Paper:
    """A picture source that paints its counter everywhere."""

    def draw(self, counter: int, utc_ms: int, planes: Planes) -> None:
        planes.luma[:] = counter % 256


@dataclass
class Notebook:
    """A witness that remembers."""

    frames: list[tuple[int, int, bool]] = field(default_factory=list)

    def frame(self, counter: int, sensor_ns: int, delivered: bool) -> None:
        self.frames.append((counter, sensor_ns, delivered))

    def sound(self, pcm: bytes) -> None:
        raise AssertionError("a camera makes no sound")

    def moment(self, sample: int, boottime_ns: int) -> None:
        raise AssertionError("a camera makes no sound")

    def close(self) -> None:
        pass


def at(nanoseconds: int) -> Moment:
    return Moment(boottime_ns=nanoseconds, utc_ms=1_700_000_000_000 + nanoseconds // 1_000_000)


def memory(width: int = 640, height: int = 64, stride: int = 640) -> int:
    descriptor = os.memfd_create("test")
    os.ftruncate(descriptor, frame_bytes(height=height, stride=stride))
    return descriptor


def running_imager(notebook: Notebook) -> Imager:
    imager = Imager(mode=MODE, scene=Paper(), witness=notebook)
    imager.start(at(0), UNCHANGED)
    imager.store.register(Register(buffer=0, width=640, height=64, stride=640), memory())
    return imager


def request(number: int, frame_duration_us: int = UNCHANGED) -> Queue:
    return Queue(request=number, main=0, lores=NO_BUFFER, frame_duration_us=frame_duration_us)


@given(MESSAGES)
def test_every_message_comes_back_as_it_was_sent(message: Message) -> None:
    assert decode(encode(message)) == message


@given(st.binary(max_size=100))
def test_any_bytes_are_a_message_that_encodes_to_them_or_a_fault(packet: bytes) -> None:
    try:
        message = decode(packet)
    except WireFault:
        return
    assert encode(message) == packet


def test_a_late_sensor_skips_no_counter_while_requests_wait() -> None:
    notebook = Notebook()
    imager = running_imager(notebook)
    for number in range(3):
        imager.queue(request(number))
    frames = [imager.tick(at(10 * FRAME_NS)) for _ in range(3)]
    assert [frame.request for frame in frames if frame is not None] == [0, 1, 2]
    assert notebook.frames == [(0, FRAME_NS, True), (1, 2 * FRAME_NS, True), (2, 3 * FRAME_NS, True)]


def test_a_request_within_the_frame_time_catches_it_and_a_later_one_does_not() -> None:
    notebook = Notebook()
    imager = running_imager(notebook)
    assert imager.tick(at(2 * FRAME_NS - 1)) is None
    imager.queue(request(1))
    assert imager.tick(at(2 * FRAME_NS - 1)) is not None
    assert imager.tick(at(3 * FRAME_NS)) is None
    imager.queue(request(2))
    caught = imager.tick(at(3 * FRAME_NS))
    assert caught is not None
    assert notebook.frames == [(0, FRAME_NS, True), (1, 2 * FRAME_NS, False), (2, 3 * FRAME_NS, True)]
    assert (caught.sequence, caught.boottime_ns) == (2, 3 * FRAME_NS)


def test_a_sensor_that_woke_late_waits_a_whole_frame_time_before_it_counts_a_loss() -> None:
    notebook = Notebook()
    imager = running_imager(notebook)
    imager.queue(request(0))
    late = 10 * FRAME_NS
    assert imager.tick(at(late)) is not None
    assert imager.tick(at(late + FRAME_NS - 1)) is None
    imager.queue(request(1))
    assert imager.tick(at(late + FRAME_NS - 1)) is not None
    assert imager.tick(at(late + 2 * FRAME_NS - 1)) is None
    assert notebook.frames == [(0, FRAME_NS, True), (1, 2 * FRAME_NS, True), (2, 3 * FRAME_NS, False)]


def test_losses_keep_the_sensors_cadence_however_late_each_wake_is() -> None:
    notebook = Notebook()
    imager = running_imager(notebook)
    a_little_late = FRAME_NS // 3
    for place in range(1000):
        imager.tick(at((place + 2) * FRAME_NS + a_little_late))
    assert [counter for counter, _, _ in notebook.frames] == list(range(1000))
    assert imager.next_ns() == 1002 * FRAME_NS


def test_the_counter_goes_on_after_a_restart_and_the_sequence_begins_again() -> None:
    notebook = Notebook()
    imager = running_imager(notebook)
    imager.queue(request(0))
    imager.tick(at(FRAME_NS))
    imager.stop()
    assert imager.next_ns() is None
    assert imager.tick(at(9 * FRAME_NS)) is None
    imager.start(at(10 * FRAME_NS), UNCHANGED)
    imager.store.register(Register(buffer=0, width=640, height=64, stride=640), memory())
    imager.queue(request(1))
    frame = imager.tick(at(11 * FRAME_NS))
    assert frame is not None
    assert frame.sequence == 0
    assert [counter for counter, _, _ in notebook.frames] == [0, 1]


def test_a_new_frame_duration_takes_effect_after_the_frame_that_asked_for_it() -> None:
    notebook = Notebook()
    imager = running_imager(notebook)
    imager.queue(request(0, 100_000))
    imager.queue(request(1))
    imager.queue(request(2))
    for _ in range(3):
        imager.tick(at(100 * FRAME_NS))
    times = [sensor_ns for _, sensor_ns, _ in notebook.frames]
    assert times == [FRAME_NS, FRAME_NS + 100_000_000, FRAME_NS + 200_000_000]


def test_a_damaged_frame_is_reported_as_an_error_and_not_as_delivered() -> None:
    notebook = Notebook()
    imager = running_imager(notebook)
    imager.damage(1)
    imager.queue(request(0))
    imager.queue(request(1))
    outcomes = [frame.outcome for _ in range(2) if (frame := imager.tick(at(9 * FRAME_NS))) is not None]
    assert outcomes == [Outcome.ERROR, Outcome.SUCCESS]
    assert [delivered for _, _, delivered in notebook.frames] == [False, True]


def test_a_stalled_sensor_keeps_its_requests() -> None:
    notebook = Notebook()
    imager = running_imager(notebook)
    imager.queue(request(0))
    imager.stall(True)
    assert [imager.tick(at(time_ns)) for time_ns in range(0, 4 * FRAME_NS, FRAME_NS)] == [None] * 4
    assert [delivered for _, _, delivered in notebook.frames] == [False, False]
    imager.stall(False)
    assert imager.tick(at(3 * FRAME_NS)) is not None
    assert imager.tally().queued == 0


def test_an_unknown_buffer_or_a_flood_of_requests_is_a_fault() -> None:
    imager = running_imager(Notebook())
    with pytest.raises(WireFault):
        imager.queue(Queue(request=0, main=9, lores=NO_BUFFER, frame_duration_us=UNCHANGED))
    for number in range(64):
        imager.queue(request(number))
    with pytest.raises(WireFault):
        imager.queue(request(64))


@pytest.mark.parametrize(
    ("width", "height", "stride"),
    [(640, 66, 640), (642, 64, 640), (0, 64, 640), (-2, 64, 640), (640, 63, 640), (640, 64, 10_000)],
)
def test_a_buffer_whose_shape_and_memory_do_not_fit_is_a_fault_and_its_descriptor_is_closed(
    width: int, height: int, stride: int
) -> None:
    descriptor = memory()
    with pytest.raises(WireFault):
        FrameStore().register(Register(buffer=0, width=width, height=height, stride=stride), descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def blank(width: int, height: int) -> Planes:
    stride = width
    return planes_of(bytearray(frame_bytes(height=height, stride=stride)), width=width, height=height, stride=stride)


def test_a_shrunk_picture_has_the_colours_of_the_places_it_shows() -> None:
    source, target = blank(64, 32), blank(32, 16)
    source.luma[:, 32:] = 200
    source.blue[:8] = 90
    shrink(source, target)
    assert target.luma.tolist() == [[0] * 16 + [200] * 16] * 16
    assert target.blue.tolist() == [[90] * 16] * 4 + [[0] * 16] * 4


def test_a_stamped_room_shows_its_counter_until_the_lens_is_covered() -> None:
    optics = Optics(Stamped(Paper()))
    planes = blank(640, 64)
    optics.draw(41, 0, planes)
    assert strip.read(planes.luma) == 41
    optics.look(View.COVERED)
    optics.draw(42, 0, planes)
    assert strip.read(planes.luma) is None
    assert planes.luma.std() == 0


def test_a_frozen_picture_stands_still_and_noise_does_not() -> None:
    optics = Optics(Stamped(Paper()))
    pictures = {}
    for view in (View.FROZEN, View.NOISE, View.DARK):
        optics.look(view)
        drawn = []
        for counter in (1, 2):
            planes = blank(640, 64)
            optics.draw(counter, 0, planes)
            drawn.append(planes.luma.tobytes())
        pictures[view] = drawn
    assert pictures[View.FROZEN][0] == pictures[View.FROZEN][1]
    assert pictures[View.NOISE][0] != pictures[View.NOISE][1]
    assert max(pictures[View.DARK][0]) == 16
