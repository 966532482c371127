"""The recorder's end of the guard's socket: what the guard says becomes messages, what the lamps should show goes out.

Owns the thread GUARD, which connects, connects again, and ends with `close`; nothing on disk. A guard that has said
nothing for a second is lost, which is posted once. The guard's own time counts, so that a word that waited in the
socket of a process that was stopped is as old as it is. `post` is called on the thread and must not wait.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edge.guard.core import Said
from edge.guard.lamp import Wish
from edge.guard.packets import LONGEST_PACKET_BYTES, BadPacket, SaidPacket, read_said, wish_packet
from edge.guard.words import NS_PER_MS, NS_PER_SECOND, Lamp, Pair, Reason

SILENT_NS = NS_PER_SECOND
WISH_EVERY_NS = 500 * NS_PER_MS
RETRY_NS = 200 * NS_PER_MS
CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSaid:
    """The guard's word, posted when it changes. `since_ns` is when `permit` last changed, `boottime_ns` when it spoke.

    `pair` is what the loops show; `healthy` that a reset would be accepted; `lamp` what really shines.
    """

    permit: bool
    latched: bool
    reason: Reason
    pair: Pair
    healthy: bool
    lamp: Lamp
    since_ns: int
    boottime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardLost:
    """The guard has been silent for a second; nothing is known of the interlock after `since_ns`."""

    since_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardBack:
    """The guard speaks again; its word follows at once."""

    boottime_ns: int


GuardMessage = GuardSaid | GuardLost | GuardBack
Post = Callable[[GuardMessage], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What is known of the guard: when its last word was true, whether it is lost, what was posted last."""

    true_ns: int
    lost: bool = False
    posted: Said | None = None


def hear(hearing: Hearing, packet: SaidPacket | None, now_ns: int) -> tuple[Hearing, tuple[GuardMessage, ...]]:
    """Pure: take in one packet, or that none has come; what is to be posted."""
    if packet is None or now_ns - packet.boottime_ns > SILENT_NS or packet.boottime_ns > now_ns:
        if hearing.lost or now_ns - hearing.true_ns <= SILENT_NS:
            return hearing, ()
        return replace(hearing, lost=True, posted=None), (GuardLost(since_ns=hearing.true_ns),)
    heard = Hearing(true_ns=packet.boottime_ns, posted=packet.said)
    back: tuple[GuardMessage, ...] = (GuardBack(boottime_ns=packet.boottime_ns),) if hearing.lost else ()
    news = () if packet.said == hearing.posted else (_message(packet),)
    return heard, (*back, *news)


def _message(packet: SaidPacket) -> GuardSaid:
    said = packet.said
    return GuardSaid(
        permit=said.permit,
        latched=said.latched,
        reason=said.reason,
        pair=said.pair,
        healthy=said.healthy,
        lamp=said.lamp,
        since_ns=said.since_ns,
        boottime_ns=packet.boottime_ns,
    )


class GuardLink:
    """See the module. `want` may be called from any thread and never waits."""

    def __init__(self, path: Path, post: Post) -> None:
        """Start the thread; whether a guard is there is told by `post` within a second."""
        self._path = path
        self._post = post
        self._lock = threading.Lock()
        self._wish = Wish(lamp=Lamp.DARK, session=False, durable=0, buzzer=False)
        self._number = 0
        self._sent: Wish | None = None
        self._sent_ns = 0
        self._ending = False
        self._connection: socket.socket | None = None
        self._retry_ns = 0
        self._hearing = Hearing(true_ns=_now_ns())
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="GUARD", daemon=True)
        self._thread.start()

    def want(self, lamp: Lamp, *, session: bool, durable: int, buzzer: bool = False) -> None:
        """Say which lamp is wanted, whether a session is open, and how many fragments have become durable."""
        wish = Wish(lamp=lamp, session=session, durable=durable, buzzer=buzzer)
        with self._lock:
            changed, self._wish = wish != self._wish, wish
        if changed:
            self._ring()

    def close(self) -> None:
        """End the connection and the thread; a second call does nothing."""
        if self._ending:
            return
        self._ending = True
        self._ring()
        self._thread.join(CLOSE_SECONDS)
        os.close(self._bell)

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            os.eventfd_write(self._bell, 1)

    def _run(self) -> None:
        try:
            while not self._ending:
                self._connect()
                self._send()
                self._take(self._packet(self._wait()))
        finally:
            self._hang_up()

    def _wait(self) -> bool:
        """Until the guard speaks, somebody wants something or something is due; whether the guard spoke."""
        connected = [self._connection.fileno()] if self._connection is not None else []
        ready, _, _ = select.select([self._bell, *connected], [], [], RETRY_NS / NS_PER_SECOND)
        if self._bell in ready:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._bell)
        return any(one in ready for one in connected)

    def _packet(self, ready: bool) -> SaidPacket | None:
        if not ready or self._connection is None:
            return None
        try:
            packet = self._connection.recv(LONGEST_PACKET_BYTES + 1)
            if packet:
                return read_said(packet)
        except (OSError, BadPacket):
            pass  # a guard that is gone or speaks otherwise is silent, and that is told after its second
        self._hang_up()
        return None

    def _take(self, packet: SaidPacket | None) -> None:
        self._hearing, messages = hear(self._hearing, packet, _now_ns())
        for message in messages:
            self._post(message)

    def _connect(self) -> None:
        if self._connection is not None or _now_ns() < self._retry_ns:
            return
        self._retry_ns = _now_ns() + RETRY_NS
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.setblocking(False)
        try:
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            return
        self._connection, self._sent = connection, None

    def _send(self) -> None:
        with self._lock:
            wish = self._wish
        due = wish != self._sent or _now_ns() - self._sent_ns >= WISH_EVERY_NS
        if self._connection is None or not due:
            return
        self._number += 1
        try:
            self._connection.send(wish_packet(wish, self._number))
        except BlockingIOError:
            return  # it does not read; whether it speaks is what counts
        except OSError:
            self._hang_up()
            return
        self._sent, self._sent_ns = wish, _now_ns()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
