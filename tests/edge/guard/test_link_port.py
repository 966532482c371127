"""The guard's end of its socket: who is let in, who is hung up on, and that nobody is waited for."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.guard.core import Lease, Said
from edge.guard.lamp import Wish
from edge.guard.link_port import EVERY_NS, PEERS_AT_MOST, Allowed, LinkPort, allowed_users
from edge.guard.packets import LeaseGiven, gas_role_packet, lease_packet, read_said, wish_packet
from edge.guard.settings import Interlock
from edge.guard.words import Lamp, Pair, Reason

OWN = frozenset({os.geteuid()})
NOBODY = frozenset({12_345})
BOTH = Allowed(recorder=OWN, sensors=OWN)
NOW = 10**12
SAID = Said(permit=True, latched=False, reason=Reason.NONE, pair=Pair.PERMIT, healthy=True, lamp=Lamp.READY, since_ns=5)
WISH = Wish(lamp=Lamp.READY, session=False, durable=0, buzzer=False)


class Port:
    """A port with what it complained of, and the peers that a test connects."""

    def __init__(self, path: Path, allowed: Allowed) -> None:
        self.complaints: list[str] = []
        self.path = path
        self.port = LinkPort(path, allowed, self.complaints.append)
        self.peers: list[socket.socket] = []

    def peer(self) -> socket.socket:
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        peer.setblocking(False)
        peer.connect(str(self.path))
        self.peers.append(peer)
        self.port.serve(NOW)
        return peer

    def close(self) -> None:
        for peer in self.peers:
            peer.close()
        self.port.close()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Port]:
    made = Port(tmp_path / "link", BOTH)
    yield made
    made.close()


def heard(peer: socket.socket) -> list[bytes]:
    """Everything that waits for this peer; an empty packet is the end of the connection."""
    packets = []
    try:
        while packet := peer.recv(8192):
            packets.append(packet)
    except BlockingIOError:
        return packets
    except ConnectionResetError:
        pass
    return [*packets, b""]


def test_a_user_who_is_neither_recorder_nor_sensors_is_refused(tmp_path: Path) -> None:
    made = Port(tmp_path / "link", Allowed(recorder=NOBODY, sensors=NOBODY))
    assert heard(made.peer()) == [b""]
    assert made.complaints == [f"refused a connection of user {os.geteuid()}"]
    made.close()


def test_a_recorder_cannot_be_the_gas_detector_nor_the_other_way_round(tmp_path: Path) -> None:
    for allowed, first in (
        (Allowed(recorder=OWN, sensors=NOBODY), gas_role_packet()),
        (Allowed(recorder=NOBODY, sensors=OWN), wish_packet(WISH, 1)),
    ):
        made = Port(tmp_path / "link", allowed)
        peer = made.peer()
        peer.send(first)
        made.port.serve(NOW)
        assert heard(peer) == [b""]
        assert (made.port.told, made.port.lease) == (None, None)
        made.close()


def test_root_and_the_guards_own_user_are_always_known_and_a_missing_user_is_nobody() -> None:
    users = allowed_users(Interlock(recorder_user="no-such-user", sensors_user="root"))
    assert users == Allowed(recorder=frozenset({0, os.geteuid()}), sensors=frozenset({0, os.geteuid()}))


def test_news_is_told_at_once_and_the_same_again_every_tenth_of_a_second(port: Port) -> None:
    peer = port.peer()
    for after_ns in (0, 1, EVERY_NS - 1, EVERY_NS, EVERY_NS + 1):
        port.port.tell(SAID, NOW + after_ns)
    port.port.tell(replace(SAID, permit=False), NOW + EVERY_NS + 2)
    told = [read_said(packet) for packet in heard(peer)]
    assert [one.boottime_ns - NOW for one in told] == [0, EVERY_NS, EVERY_NS + 2]
    assert [one.number for one in told] == [1, 2, 3]


def test_a_chattering_loop_alone_is_no_news(port: Port) -> None:
    peer = port.peer()
    for turn in range(50):
        port.port.tell(replace(SAID, pair=Pair.OFF if turn % 2 else Pair.PERMIT), NOW + turn)
    assert len(heard(peer)) == 1


def test_a_peer_that_does_not_read_is_hung_up_on_and_the_guard_goes_on(port: Port) -> None:
    slow = port.peer()
    for turn in range(10_000):
        port.port.tell(replace(SAID, since_ns=turn), NOW + turn * EVERY_NS)
    assert heard(slow)[-1] == b""
    quick = port.peer()
    port.port.tell(SAID, NOW + 20_000 * EVERY_NS)
    assert len(heard(quick)) == 1


def test_more_peers_than_there_can_be_are_refused(port: Port) -> None:
    peers = [port.peer() for _ in range(PEERS_AT_MOST + 1)]
    assert [heard(peer) for peer in peers] == [[]] * PEERS_AT_MOST + [[b""]]


def test_a_gas_lease_is_as_old_as_it_says_and_the_future_is_no_time(port: Port) -> None:
    gas = port.peer()
    gas.send(gas_role_packet())
    for number, (at_ns, kept_ns) in enumerate(((NOW - 7, NOW - 7), (NOW + 1, 0))):
        gas.send(lease_packet(LeaseGiven(permit=True, boottime_ns=at_ns, reason="NONE"), number))
        port.port.serve(NOW)
        assert port.port.lease == Lease(permit=True, at_ns=kept_ns)
    port.port.tell(SAID, NOW)
    assert heard(gas) == [], "the detector is told nothing"


def test_a_flood_gets_its_share_of_a_turn_and_no_more(port: Port) -> None:
    peer = port.peer()
    for number in range(100):
        peer.send(wish_packet(replace(WISH, durable=number), number))
    port.port.serve(NOW)
    assert port.port.told is not None
    assert port.port.told.wish.durable < 10


def test_a_new_connection_proves_its_growth_anew(port: Port) -> None:
    for durable in (5, 9):
        peer = port.peer()
        peer.send(wish_packet(replace(WISH, durable=durable), 1))
        port.port.serve(NOW)
        assert port.port.told is not None
        assert port.port.told.grew_ns is None


def test_a_dead_guards_socket_is_replaced_and_its_name_goes_with_the_port(tmp_path: Path) -> None:
    first = LinkPort(tmp_path / "link", BOTH, print)
    first._listener.close()
    second = LinkPort(tmp_path / "link", BOTH, print)
    assert (tmp_path / "link").is_socket()
    assert (tmp_path / "link").stat().st_mode & 0o777 == 0o660
    second.close()
    assert not (tmp_path / "link").exists()
