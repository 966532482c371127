"""The recorder's end of the guard's socket: what is lost, what is back, what is news, and the lamp that is wished."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.guard.core import Said
from edge.guard.packets import LeaseGiven, SaidPacket, gas_role_packet, lease_packet
from edge.guard.words import NS_PER_MS, Lamp, Pair, Reason
from edge.guard_link import (
    LEASE_NS,
    GuardBack,
    GuardLink,
    GuardLost,
    GuardSaid,
    GuardWord,
    Leased,
    hear,
    listening,
)
from sim.levers import Verb
from sim.wiring import Seen
from tests.edge.guard.guarded_room import OFF, guarded_room

SAID = Said(permit=True, latched=False, reason=Reason.NONE, pair=Pair.PERMIT, healthy=True, lamp=Lamp.READY, since_ns=5)
NOW = 10**12
LEASE_SECONDS = 0.25


def packet(said: Said = SAID, at_ns: int = NOW) -> SaidPacket:
    return SaidPacket(said=said, number=1, boottime_ns=at_ns)


def test_what_is_said_again_is_no_news() -> None:
    hearing, first = hear(listening(NOW), packet(), NOW)
    assert [type(one) for one in first] == [GuardSaid]
    again_ns = NOW + NS_PER_MS
    assert hear(hearing, packet(at_ns=again_ns), again_ns)[1] == (Leased(until_ns=again_ns + LEASE_NS),)


def test_a_guard_whose_lease_is_over_is_lost_once_and_back_with_its_word() -> None:
    hearing, _ = hear(listening(NOW), packet(), NOW)
    assert hear(hearing, None, NOW + LEASE_NS) == (hearing, ())
    lost, messages = hear(hearing, None, NOW + LEASE_NS + 1)
    assert messages == (GuardLost(since_ns=NOW + LEASE_NS, heard_ns=NOW),)
    assert hear(lost, None, NOW + 5 * LEASE_NS)[1] == ()
    _, back = hear(lost, packet(at_ns=NOW + 6 * LEASE_NS), NOW + 6 * LEASE_NS)
    assert back[0] == GuardBack(boottime_ns=NOW + 6 * LEASE_NS)
    assert isinstance(back[1], GuardSaid)


def test_a_guard_that_never_spoke_has_lent_nothing() -> None:
    _, messages = hear(listening(NOW), None, NOW + LEASE_NS + 1)
    assert messages == (GuardLost(since_ns=NOW, heard_ns=NOW),)


def test_words_that_waited_in_the_socket_of_a_recorder_that_stood_still_count_from_when_they_were_spoken() -> None:
    hearing, _ = hear(listening(NOW), packet(), NOW)
    late_ns = NOW + 11 * LEASE_NS
    for number in range(1, 11):
        hearing, messages = hear(hearing, packet(at_ns=NOW + number * LEASE_NS), late_ns)
        assert [type(one) for one in messages] == [Leased]
    assert hear(hearing, None, late_ns) == (hearing, ())
    assert hear(hearing, None, late_ns + 1)[1] == (GuardLost(since_ns=late_ns, heard_ns=late_ns - LEASE_NS),)


def test_a_hole_between_words_that_waited_is_a_silence_and_an_old_word_does_not_end_it() -> None:
    hearing, _ = hear(listening(NOW), packet(), NOW)
    late_ns = NOW + 9 * LEASE_NS
    lost, messages = hear(hearing, packet(at_ns=NOW + 2 * LEASE_NS), late_ns)
    assert messages == (GuardLost(since_ns=NOW + LEASE_NS, heard_ns=NOW),)
    assert hear(lost, packet(at_ns=NOW + 3 * LEASE_NS), late_ns) == (lost, ())
    _, back = hear(lost, packet(at_ns=late_ns), late_ns)
    assert [type(one) for one in back] == [GuardBack, GuardSaid]
    _, at_once = hear(hearing, packet(at_ns=late_ns), late_ns)
    assert [type(one) for one in at_once] == [GuardLost, GuardBack, GuardSaid]


def test_a_guard_that_never_came_is_lost_after_a_second_and_the_thread_ends(tmp_path: Path) -> None:
    told = threading.Event()
    posted: list[GuardWord] = []

    def post(message: GuardWord) -> None:
        posted.append(message)
        told.set()

    link = GuardLink(tmp_path / "nothing", post)
    assert told.wait(10)
    link.close()
    link.close()
    assert [type(message) for message in posted] == [GuardLost]


# --- with the real guard ---------------------------------------------------------------------------------------------


@contextmanager
def leasing(path: Path) -> Iterator[None]:
    """A gas detector that permits every 250 ms, until it is gone."""
    over = threading.Event()

    def give() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as detector:
            detector.connect(str(path))
            detector.send(gas_role_packet())
            number = 0
            while not over.wait(LEASE_SECONDS):
                number += 1
                now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
                detector.send(lease_packet(LeaseGiven(permit=True, boottime_ns=now_ns, reason="NONE"), number))

    thread = threading.Thread(target=give, name="detector")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.realtime
def test_the_lamp_follows_the_recorder_and_calls_for_help_when_it_stands_still(tmp_path: Path) -> None:
    with guarded_room(tmp_path) as room, room.guard() as guard:
        room.levers.pull(Verb.AWAIT_LAMP, Seen.WHITE_BLINKING)
        room.listener.link.want(Lamp.READY, session=False, durable=0)
        room.reset()
        room.levers.pull(Verb.AWAIT_LAMP, Seen.GREEN)
        room.listener.link.want(Lamp.RECORDING, session=True, durable=1)
        shown = room.listener.await_posted(lambda said: isinstance(said, GuardSaid) and said.lamp is Lamp.RECORDING)
        assert isinstance(shown, GuardSaid)
        assert shown.permit
        room.levers.pull(Verb.AWAIT_LAMP, Seen.RED_FAST)  # nothing more becomes durable
        assert room.levers.wiring().buzzer
        room.listener.link.want(Lamp.WITHHELD, session=True, durable=1)
        room.levers.pull(Verb.AWAIT_LAMP, Seen.WHITE)
        room.levers.pull(Verb.SET_CONTACTS, OFF)
        room.levers.pull(Verb.AWAIT_LAMP, Seen.WHITE_BLINKING)
        since = len(room.listener.posted)
        guard.send(signal.SIGSTOP)
        room.listener.await_posted(lambda said: isinstance(said, GuardLost), since)
        room.levers.pull(Verb.AWAIT_LAMP, Seen.DARK)
        guard.send(signal.SIGCONT)
        room.listener.await_posted(lambda said: isinstance(said, GuardBack), since)


@pytest.mark.realtime
def test_a_recorder_that_is_gone_in_a_session_leaves_no_recording_lamp(tmp_path: Path) -> None:
    with guarded_room(tmp_path) as room, room.guard():
        room.reset()
        room.listener.link.want(Lamp.RECORDING, session=True, durable=1)
        room.listener.await_posted(lambda said: isinstance(said, GuardSaid) and said.lamp is Lamp.RECORDING)
        room.listener.link.close()
        room.levers.pull(Verb.AWAIT_LAMP, Seen.RED_FAST)


@pytest.mark.realtime
def test_a_peer_that_breaks_the_protocol_or_does_not_read_is_hung_up_on_and_nothing_else_happens(
    tmp_path: Path,
) -> None:
    with guarded_room(tmp_path) as room, room.guard() as guard:
        room.reset()
        for bad in (b'{"v":1,"reset":true}', gas_role_packet() + b" ", b"\x00"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
                peer.settimeout(10)
                peer.connect(str(room.link))
                peer.send(bad)
                if bad.startswith(gas_role_packet()):
                    peer.send(b'{"v":1,"role":"gas"}')  # a role may be said once
                while peer.recv(8192):
                    pass
        guard.await_line("hung up on a peer", times=3)
        assert room.levers.wiring().contact_closed
        assert not any("tripped (" in line for line in guard.lines)


@pytest.mark.realtime
def test_a_gas_detector_that_falls_silent_trips_the_interlock(tmp_path: Path) -> None:
    with guarded_room(tmp_path) as room, room.guard("gas = true"):
        with leasing(room.link):
            room.reset()
            assert room.levers.wiring().contact_closed
        room.levers.pull(Verb.AWAIT_CONTACT, 0)
        room.listener.await_now(lambda said: isinstance(said, GuardSaid) and said.reason is Reason.GAS)
