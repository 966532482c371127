"""Nothing of a lost source comes through any more."""

from __future__ import annotations

from drivers.gate import Gate
from edge.ports import PicturePacket, SourceLost, Stream
from tests.drivers.deliveries import Deliveries

PACKET = PicturePacket(payload=b"x", boottime_ns=1, keyframe=True)
LOST = SourceLost(stream=Stream.PICTURE, boottime_ns=2, what="silence")


def test_everything_passes_until_the_source_is_lost_and_the_loss_passes_once() -> None:
    deliveries = Deliveries()
    gate = Gate(deliveries)
    passed = [gate.deliver(delivered) for delivered in (PACKET, LOST, PACKET, LOST)]
    assert passed == [True, True, False, False]
    assert deliveries.kept == [PACKET, LOST]


def test_a_closed_gate_lets_nothing_through() -> None:
    deliveries = Deliveries()
    gate = Gate(deliveries)
    gate.close()
    assert not gate.deliver(LOST)
    assert deliveries.kept == []
