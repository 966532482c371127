"""The recorder's end of the guard's socket: what the guard says becomes messages, what the lamps should show goes out.

Owns the thread GUARD, which connects, connects again, and ends with `close`; nothing on disk. Each word is a lease: it
is good for a second from when it was spoken, and a guard whose lease has run out without another word is lost, which is
posted once. The guard's own time counts, and nothing is judged while a word waits to be read: a recorder that stood
still finds in the socket what was said meanwhile, and only what nobody said is silence. `post` is called on the thread
and must not wait.
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

LEASE_NS = NS_PER_SECOND
"""How long a word is good for; the guard repeats it ten times in that time."""
WISH_EVERY_NS = 500 * NS_PER_MS
RETRY_NS = 200 * NS_PER_MS
CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSaid:
    """The guard's word, posted when it changes. `since_ns` is when `permit` last changed, `boottime_ns` when it spoke.

    `pair` is what the loops show; `healthy` that a reset would be accepted; `lamp` what really shines. It is good for
    `lease_ns` from `boottime_ns` on; None is a word that cannot be lost on its way.
    """

    permit: bool
    latched: bool
    reason: Reason
    pair: Pair
    healthy: bool
    lamp: Lamp
    since_ns: int
    boottime_ns: int
    lease_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """The guard says again what it said: it is good until then. For whoever keeps media back; nothing for CONTROL."""

    until_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardLost:
    """The lease of the guard's last word, spoken at `heard_ns`, ran out at `since_ns`; nothing is known after it."""

    since_ns: int
    heard_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardBack:
    """The guard speaks again; its word follows at once."""

    boottime_ns: int


GuardMessage = GuardSaid | GuardLost | GuardBack
GuardWord = GuardMessage | Leased
Post = Callable[[GuardWord], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What is known of the guard: when its last word was true and until when it is good, whether it is lost, what was
    posted last. Before the first word nothing is good, but the guard has its second to speak.
    """

    true_ns: int
    until_ns: int
    lost: bool = False
    posted: Said | None = None


def listening(now_ns: int) -> Hearing:
    """Nothing was heard yet."""
    return Hearing(true_ns=now_ns, until_ns=now_ns)


def hear(hearing: Hearing, packet: SaidPacket | None, now_ns: int) -> tuple[Hearing, tuple[GuardWord, ...]]:
    """Pure: take in the next packet, or that none was waiting at this time; what is to be posted.

    A packet that was read late counts from when it was spoken: if no lease ran out before it, nothing was lost.
    """
    if packet is None or packet.boottime_ns > now_ns:
        return _silence(hearing, now_ns)
    hearing, lost = _silence(hearing, packet.boottime_ns)
    if hearing.lost and now_ns - packet.boottime_ns > LEASE_NS:
        return hearing, lost  # it was back, and may be gone again: only a word that is good now ends a silence
    heard = Hearing(true_ns=packet.boottime_ns, until_ns=packet.boottime_ns + LEASE_NS, posted=packet.said)
    back: tuple[GuardWord, ...] = (GuardBack(boottime_ns=packet.boottime_ns),) if hearing.lost else ()
    again = packet.said == hearing.posted
    return heard, (*lost, *back, Leased(until_ns=heard.until_ns) if again else _message(packet))


def _silence(hearing: Hearing, until_ns: int) -> tuple[Hearing, tuple[GuardWord, ...]]:
    """Nothing was said from the last word to this moment."""
    if hearing.lost or until_ns - hearing.true_ns <= LEASE_NS:
        return hearing, ()
    lost = GuardLost(since_ns=hearing.until_ns, heard_ns=hearing.true_ns)
    return replace(hearing, lost=True, posted=None), (lost,)


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
        lease_ns=LEASE_NS,
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
        self._hearing = listening(_now_ns())
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
                # Read before the look: that nothing waits is known of this moment, however late it is dealt with.
                looked_ns = _now_ns()
                packet = self._packet(self._wait(looked_ns))
                self._take(packet, looked_ns if packet is None else _now_ns())
        finally:
            self._hang_up()

    def _wait(self, now_ns: int) -> bool:
        """Until the guard speaks, somebody wants something or something is due; whether the guard spoke."""
        connected = [self._connection.fileno()] if self._connection is not None else []
        # A lease that runs out is judged in the turn after it: cut this one short, and look once more at once.
        left_ns = self._hearing.true_ns + LEASE_NS + NS_PER_MS - now_ns
        wait_ns = RETRY_NS if self._hearing.lost else min(RETRY_NS, max(0, left_ns))
        ready, _, _ = select.select([self._bell, *connected], [], [], wait_ns / NS_PER_SECOND)
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

    def _take(self, packet: SaidPacket | None, now_ns: int) -> None:
        self._hearing, messages = hear(self._hearing, packet, now_ns)
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
