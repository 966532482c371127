"""The packet queue: nothing vanishes without being counted, whatever the order of puts and takes."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.packet_queue import LaneBounds, Lapse, PacketQueue
from edge.ports import Delivered, PictureMeasure, PicturePacket, SoundMeasure, SoundPacket, SourceLost, Stream

FRAME_NS = 40_000_000
BLOCK_SAMPLES = 1200
BLOCK_NS = 25_000_000
SECOND_NS = 10**9
SMALL_PICTURE = LaneBounds(span_ns=SECOND_NS, size_bytes=200_000)
SMALL_SOUND = LaneBounds(span_ns=3 * SECOND_NS, size_bytes=400_000)


def _picture(number: int, *, keyframe: bool | None = None, size: int = 1000, missed: int = 0) -> PicturePacket:
    key = number % 10 == 0 if keyframe is None else keyframe
    return PicturePacket(payload=bytes(size), boottime_ns=number * FRAME_NS, keyframe=key, missed_frames=missed)


def _sound(number: int, *, missed: int = 0) -> SoundPacket:
    return SoundPacket(
        payload=bytes(900),
        first_sample=number * BLOCK_SAMPLES + missed,
        samples=BLOCK_SAMPLES,
        arrival_boottime_ns=(number + 1) * BLOCK_NS,
        missed_samples=missed,
    )


def _picture_measure(boottime_ns: int) -> PictureMeasure:
    return PictureMeasure(
        boottime_ns=boottime_ns, mean_milliluma=1, spread_milliluma=1, change_milliluma=1, detail_milliluma=1
    )


def _sound_measure(boottime_ns: int) -> SoundMeasure:
    return SoundMeasure(
        boottime_ns=boottime_ns, samples=1, peak_millibel=0, rms_millibel=0, zero_samples=0, clipped_samples=0
    )


def _lost(stream: Stream) -> SourceLost:
    return SourceLost(stream=stream, boottime_ns=0, what="unplugged")


def _small_queue() -> PacketQueue:
    return PacketQueue(picture=SMALL_PICTURE, sound=SMALL_SOUND)


def _deliver(queue: PacketQueue, items: Iterable[Delivered]) -> None:
    for item in items:
        queue.deliver(item)


def _drain(queue: PacketQueue) -> list[Delivered | Lapse]:
    taken: list[Delivered | Lapse] = []
    while (item := queue.take(0)) is not None:
        taken.append(item)
    return taken


def test_what_fits_comes_out_as_it_went_in() -> None:
    queue = PacketQueue()
    items: list[Delivered] = [_picture(0), _sound(0), _sound(1), _picture(1), _lost(Stream.SOUND), _picture(2)]
    _deliver(queue, items)
    assert _drain(queue) == items
    assert queue.take(0) is None


def test_the_first_refused_picture_costs_its_group_and_one_lapse_counts_them_all() -> None:
    queue = _small_queue()
    _deliver(queue, (_picture(number) for number in range(35)))  # 0..25 span one second
    kept = [queue.take(0) for _ in range(26)]
    assert kept == [_picture(number) for number in range(26)]
    _deliver(queue, (_picture(number, missed=number == 37) for number in range(35, 42)))
    assert _drain(queue) == [
        Lapse(
            stream=Stream.PICTURE,
            lost=14,
            missed=1,
            first_boottime_ns=26 * FRAME_NS,
            last_boottime_ns=39 * FRAME_NS,
        ),
        _picture(40),
        _picture(41),
    ]


def test_a_keyframe_does_not_end_the_lapse_before_the_queue_has_drained_below_half() -> None:
    queue = _small_queue()
    _deliver(queue, (_picture(number) for number in range(27)))
    assert queue.take(0) == _picture(0)
    for number in range(27, 31):
        queue.deliver(_picture(number))  # 30 is a keyframe, and more than half a second still waits
    for number in range(1, 26):
        assert queue.take(0) == _picture(number)
    assert queue.take(0) is None
    queue.deliver(_picture(31))
    queue.deliver(_picture(40))
    lapse, keyframe = _drain(queue)
    assert isinstance(lapse, Lapse)
    assert (lapse.lost, keyframe) == (6, _picture(40))


def test_sound_goes_on_while_the_picture_lapses() -> None:
    queue = _small_queue()
    for number in range(100):  # 2.5 s of both, nobody takes
        queue.deliver(_sound(number))
        if number * BLOCK_NS % FRAME_NS == 0:
            queue.deliver(_picture(number * BLOCK_NS // FRAME_NS))
    queue.close()
    taken = _drain(queue)
    assert [item for item in taken if isinstance(item, SoundPacket)] == [_sound(number) for number in range(100)]
    assert [item.stream for item in taken if isinstance(item, Lapse)] == [Stream.PICTURE]


def test_sound_lapses_at_its_own_bound_and_counts_samples_by_their_index() -> None:
    queue = _small_queue()
    _deliver(queue, (_sound(number) for number in range(150)))
    taken = [queue.take(0) for _ in range(121)]
    assert taken[-1] == _sound(120)
    queue.deliver(_sound(150))
    lapse, after = _drain(queue)
    assert isinstance(lapse, Lapse)
    assert isinstance(after, SoundPacket)
    assert lapse.stream is Stream.SOUND
    assert lapse.lost == after.first_sample - 121 * BLOCK_SAMPLES == 29 * BLOCK_SAMPLES


def test_the_byte_bound_holds_where_the_span_does_not_help() -> None:
    queue = _small_queue()
    _deliver(queue, (_picture(number, size=60_000) for number in range(10)))
    queue.close()
    *kept, lapse = _drain(queue)
    assert len(kept) == 3
    assert isinstance(lapse, Lapse)
    assert lapse.lost == 7


def test_close_hands_out_the_open_lapses_and_late_packets_are_still_counted() -> None:
    queue = _small_queue()
    _deliver(queue, (_picture(number) for number in range(30)))
    queue.close()
    queue.deliver(_picture(30))
    queue.deliver(_sound(0))
    taken = _drain(queue)
    assert [(item.stream, item.lost) for item in taken if isinstance(item, Lapse)] == [
        (Stream.PICTURE, 5),
        (Stream.SOUND, BLOCK_SAMPLES),
    ]
    ended = [queue.ended]
    queue.deliver(_picture(31))
    ended.append(queue.ended)
    (late,) = _drain(queue)
    assert ended == [True, False]
    assert isinstance(late, Lapse)
    assert (late.lost, late.first_boottime_ns) == (1, 31 * FRAME_NS)


def test_closing_twice_hands_out_no_lapse_twice() -> None:
    queue = _small_queue()
    _deliver(queue, (_picture(number) for number in range(30)))
    queue.close()
    queue.close()
    assert sum(isinstance(item, Lapse) for item in _drain(queue)) == 1


def test_only_the_latest_measure_of_each_kind_waits() -> None:
    queue = PacketQueue()
    for number in range(1000):
        queue.deliver(_picture_measure(number))
        queue.deliver(_sound_measure(number))
    assert _drain(queue) == [_picture_measure(999), _sound_measure(999)]


def test_a_repeated_loss_says_nothing_new_until_the_first_was_taken_or_a_packet_came() -> None:
    queue = PacketQueue()
    _deliver(queue, [_lost(Stream.SOUND)] * 3)
    assert _drain(queue) == [_lost(Stream.SOUND)]
    queue.deliver(_lost(Stream.SOUND))
    queue.deliver(_sound(0))
    queue.deliver(_lost(Stream.SOUND))
    assert _drain(queue) == [_lost(Stream.SOUND), _sound(0), _lost(Stream.SOUND)]


def test_a_loss_inside_a_hole_keeps_its_place_between_two_lapses() -> None:
    queue = _small_queue()
    _deliver(queue, (_picture(number) for number in range(28)))
    queue.deliver(_lost(Stream.PICTURE))
    _deliver(queue, (_picture(number) for number in range(28, 31)))
    queue.close()
    before, loss, after = _drain(queue)[26:]
    assert loss == _lost(Stream.PICTURE)
    assert isinstance(before, Lapse)
    assert isinstance(after, Lapse)
    assert (before.lost, after.lost) == (2, 3)


def test_depth_tells_what_waits_and_the_deepest_since_it_was_read() -> None:
    queue = PacketQueue()
    assert queue.deepest_ns_since_read() == 0
    _deliver(queue, (_picture(number) for number in range(11)))
    assert queue.depth_ns() == 10 * FRAME_NS
    for _ in range(8):
        queue.take(0)
    assert (queue.depth_ns(), queue.deepest_ns_since_read()) == (2 * FRAME_NS, 10 * FRAME_NS)
    assert queue.deepest_ns_since_read() == 2 * FRAME_NS


def test_a_waiting_reader_wakes_for_a_packet_and_for_the_end() -> None:
    queue = PacketQueue()
    taken: list[Delivered | Lapse | None] = []

    def read() -> None:
        taken.append(queue.take(20))
        taken.append(queue.take(20))

    reader = threading.Thread(target=read)
    reader.start()
    queue.deliver(_picture(0))
    queue.close()
    reader.join(timeout=10)
    assert not reader.is_alive()
    assert taken == [_picture(0), None]


def _account(delivered: list[Delivered], taken: list[Delivered | Lapse], stream: Stream) -> None:
    """Walk one stream's delivered and taken items side by side; every lapse must cover exactly what is absent."""
    waiting = iter(delivered)
    for item in taken:
        if not isinstance(item, Lapse):
            assert item == next(waiting)
            continue
        assert item.stream is stream
        lost = missed = 0
        boottimes_ns = []
        while lost < item.lost:
            packet = next(waiting)
            assert isinstance(packet, PicturePacket | SoundPacket)
            match packet:
                case PicturePacket():
                    lost, missed = lost + 1, missed + packet.missed_frames
                    boottimes_ns.append(packet.boottime_ns)
                case SoundPacket():
                    lost, missed = lost + packet.samples, missed + packet.missed_samples
                    boottimes_ns.append(packet.arrival_boottime_ns)
        assert (lost, missed) == (item.lost, item.missed)
        assert (boottimes_ns[0], boottimes_ns[-1]) == (item.first_boottime_ns, item.last_boottime_ns)
    assert list(waiting) == []


def _of_stream(items: Iterable[Delivered | Lapse], stream: Stream) -> list[Delivered | Lapse]:
    kind = PicturePacket if stream is Stream.PICTURE else SoundPacket
    return [item for item in items if isinstance(item, kind) or (isinstance(item, Lapse) and item.stream is stream)]


def _followers_of_lapses(pictures: list[Delivered | Lapse]) -> set[bool]:
    """For every lapse with something after it: whether that is a keyframe."""
    return {
        isinstance(after, PicturePacket) and after.keyframe
        for lapse, after in itertools.pairwise(pictures)
        if isinstance(lapse, Lapse)
    }


_ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("picture"), st.integers(1, 40)),
        st.tuples(st.just("sound"), st.integers(1, 60)),
        st.tuples(st.just("take"), st.integers(1, 80)),
        st.tuples(st.just("measure"), st.just(1)),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(actions=_ACTIONS, missed=st.integers(0, 3))
def test_delivered_is_taken_plus_counted_lost_in_order_whatever_the_interleaving(
    actions: list[tuple[str, int]], missed: int
) -> None:
    queue = PacketQueue(
        picture=LaneBounds(span_ns=SECOND_NS, size_bytes=60_000), sound=LaneBounds(span_ns=SECOND_NS, size_bytes=10**6)
    )
    delivered: list[Delivered] = []
    taken: list[Delivered | Lapse] = []
    counts = {"picture": 0, "sound": 0}
    for action, amount in actions:
        for _ in range(amount):
            match action:
                case "take":
                    taken += filter(None, [queue.take(0)])
                case "measure":
                    queue.deliver(_picture_measure(0))
                case "picture" | "sound":
                    number = counts[action]
                    counts[action] += 1
                    lost_before = missed if number % 7 == 3 else 0
                    make = _picture if action == "picture" else _sound
                    delivered.append(make(number, missed=lost_before))
                    queue.deliver(delivered[-1])
                case _:
                    raise AssertionError(action)
    queue.close()
    taken += _drain(queue)
    for stream in Stream:
        sent = [item for item in _of_stream(delivered, stream) if not isinstance(item, Lapse)]
        _account(sent, _of_stream(taken, stream), stream)
    assert _followers_of_lapses(_of_stream(taken, Stream.PICTURE)) <= {True}


def test_the_accounting_notices_a_packet_that_vanished() -> None:
    """Negative control of the property above."""
    sent: list[Delivered] = [_picture(number) for number in range(5)]
    with pytest.raises(AssertionError):
        _account(sent, [sent[0], sent[1], sent[3], sent[4]], Stream.PICTURE)
    lapse = Lapse(
        stream=Stream.PICTURE, lost=2, missed=0, first_boottime_ns=2 * FRAME_NS, last_boottime_ns=2 * FRAME_NS
    )
    with pytest.raises(AssertionError):
        _account(sent, [sent[0], sent[1], lapse, sent[4]], Stream.PICTURE)


def test_two_callback_threads_and_one_reader_lose_nothing_uncounted() -> None:
    queue = PacketQueue(
        picture=LaneBounds(span_ns=SECOND_NS, size_bytes=10**6), sound=LaneBounds(span_ns=SECOND_NS, size_bytes=10**6)
    )
    pictures: list[Delivered] = [_picture(number) for number in range(3000)]
    sounds: list[Delivered] = [_sound(number) for number in range(3000)]
    taken: list[Delivered | Lapse] = []

    def read() -> None:
        while not queue.ended:
            taken.extend(filter(None, [queue.take(10)]))

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=_deliver, args=(queue, items)) for items in (pictures, sounds)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join(timeout=20)
    queue.close()
    reader.join(timeout=20)
    assert not reader.is_alive()
    _account(pictures, _of_stream(taken, Stream.PICTURE), Stream.PICTURE)
    _account(sounds, _of_stream(taken, Stream.SOUND), Stream.SOUND)


# -- what is permitted ------------------------------------------------------------------------------------------------


def test_what_is_not_permitted_yet_waits_and_comes_out_once_it_is() -> None:
    queue = PacketQueue(frame_ns=FRAME_NS)
    queue.permit_until(3 * FRAME_NS)
    items: list[Delivered] = [_picture(number) for number in range(6)]
    _deliver(queue, items)
    assert _drain(queue) == items[:3]
    queue.permit_until(4 * FRAME_NS)
    assert _drain(queue) == items[3:4]
    queue.close()
    assert not queue.ended, "what waits for its permit is not forgotten"
    queue.permit_until(6 * FRAME_NS)
    assert _drain(queue) == items[4:]
    assert queue.ended


def test_whoever_waits_is_woken_by_the_permit() -> None:
    queue = PacketQueue(frame_ns=FRAME_NS)
    queue.permit_until(0)
    queue.deliver(_picture(0))
    taken: list[Delivered | Lapse | None] = []
    reader = threading.Thread(target=lambda: taken.append(queue.take(30)))
    reader.start()
    queue.permit_until(FRAME_NS)
    reader.join(30)
    assert taken == [_picture(0)]


def test_nothing_of_forbidden_time_is_let_in_or_out_and_the_queue_ends_only_when_it_is_closed() -> None:
    queue = PacketQueue(frame_ns=FRAME_NS)
    queue.permit_until(100 * FRAME_NS)
    _deliver(queue, [_picture(number) for number in range(6)] + [_sound(number) for number in range(6)])
    queue.forbid(3 * FRAME_NS)
    _deliver(queue, [_picture(6), _sound(6), _lost(Stream.PICTURE)])
    queue.permit_until(100 * FRAME_NS)
    assert _drain(queue) == [_picture(0), _picture(1), _picture(2), *(_sound(number) for number in range(4))]
    assert not queue.ended
    queue.cut_off(3 * FRAME_NS)
    assert queue.ended
