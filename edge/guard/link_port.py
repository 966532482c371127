"""The guard's end of its socket: who may connect, what they say, and telling the recorder without ever waiting.

Owns the listening socket, its path until `close`, and the connections; runs on the guard's one thread and is
non-blocking throughout. A peer of another user, one that breaks the protocol and one that does not read is hung up on.
"""

from __future__ import annotations

import os
import pwd
import socket
import stat
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from edge.guard.core import Lease, Said
from edge.guard.lamp import Heard, Wish, heard
from edge.guard.packets import (
    LONGEST_PACKET_BYTES,
    BadPacket,
    GasRole,
    read_first,
    read_lease,
    read_wish,
    said_packet,
)
from edge.guard.settings import Interlock
from edge.guard.words import NS_PER_MS

EVERY_NS = 100 * NS_PER_MS
PEERS_AT_MOST = 8
PACKETS_PER_TURN = 4
"""A peer that floods the guard gets its share of a turn and no more."""
_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The users that may be the recorder and the sensors."""

    recorder: frozenset[int]
    sensors: frozenset[int]


def allowed_users(interlock: Interlock) -> Allowed:
    """The configured users that exist here, root, and the guard's own (on a laptop all are one)."""
    always = {0, os.geteuid()}
    return Allowed(
        recorder=frozenset(always | _user_ids((interlock.recorder_user,))),
        sensors=frozenset(always | _user_ids((interlock.sensors_user,))),
    )


@dataclass(slots=True, kw_only=True)
class _Peer:
    connection: socket.socket
    user: int
    is_gas: bool | None = None
    told: Heard | None = None


class LinkPort:
    """See the module. `told` and `lease` are what was last heard; `complaints` gets one line for each peer refused."""

    def __init__(self, path: Path, allowed: Allowed, complaints: Callable[[str], None]) -> None:
        """Listen; a socket that a dead guard left is replaced. Raises OSError."""
        self._path = path
        self._allowed = allowed
        self._complain = complaints
        self._peers: list[_Peer] = []
        self._listener = _listening(path)
        self._number = 0
        self._last: Said | None = None
        self._sent_ns = 0
        self.told: Heard | None = None
        self.lease: Lease | None = None

    def descriptors(self) -> list[int]:
        """What to wait for."""
        return [self._listener.fileno(), *(peer.connection.fileno() for peer in self._peers)]

    def serve(self, now_ns: int) -> None:
        """Take in whatever has come."""
        self._admit()
        for peer in tuple(self._peers):
            self._listen(peer, now_ns)

    def tell(self, said: Said, now_ns: int) -> None:
        """Tell the recorder, at once where something has changed, else every 100 ms."""
        news = self._last is None or _news(said) != _news(self._last)
        if not news and now_ns - self._sent_ns < EVERY_NS:
            return
        self._number += 1
        self._last, self._sent_ns = said, now_ns
        packet = said_packet(said, self._number, now_ns)
        for peer in tuple(self._peers):
            if peer.is_gas is not True:
                self._send(peer, packet)

    def close(self) -> None:
        """End all connections, stop listening and remove the socket's name."""
        for peer in tuple(self._peers):
            self._drop(peer)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _admit(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # nobody there, or gone again
        connection.setblocking(False)
        _, user, _ = _CREDENTIALS.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        if user not in self._allowed.recorder | self._allowed.sensors or len(self._peers) >= PEERS_AT_MOST:
            self._complain(f"refused a connection of user {user}")
            connection.close()
            return
        self._peers.append(_Peer(connection=connection, user=user))

    def _listen(self, peer: _Peer, now_ns: int) -> None:
        try:
            for _ in range(PACKETS_PER_TURN):
                packet = peer.connection.recv(LONGEST_PACKET_BYTES + 1)
                if not packet:
                    self._drop(peer)
                    return
                self._take(peer, packet, now_ns)
        except BlockingIOError:
            return
        except OSError:
            self._drop(peer)
        except BadPacket as bad:
            self._complain(f"hung up on a peer of user {peer.user}: {bad}")
            self._drop(peer)

    def _take(self, peer: _Peer, packet: bytes, now_ns: int) -> None:
        if peer.is_gas is None:
            first = read_first(packet)
            peer.is_gas = isinstance(first, GasRole)
            users = self._allowed.sensors if peer.is_gas else self._allowed.recorder
            if peer.user not in users:
                raise BadPacket("this user has another role")
            if isinstance(first, Wish):
                self._hear(peer, first, now_ns)
        elif peer.is_gas:
            given = read_lease(packet)
            # Its own time counts, so that a word that waited in a socket is as old as it is; the future is no time.
            self.lease = Lease(permit=given.permit, at_ns=given.boottime_ns if given.boottime_ns <= now_ns else 0)
        else:
            self._hear(peer, read_wish(packet), now_ns)

    def _hear(self, peer: _Peer, wish: Wish, now_ns: int) -> None:
        peer.told = self.told = heard(peer.told, wish, now_ns)

    def _send(self, peer: _Peer, packet: bytes) -> None:
        try:
            peer.connection.send(packet)
        except OSError:
            self._drop(peer)  # gone, or it does not read: either way it gets a new beginning

    def _drop(self, peer: _Peer) -> None:
        if peer in self._peers:
            self._peers.remove(peer)
        peer.connection.close()


def _news(said: Said) -> tuple[object, ...]:
    """What is told at once; a chattering loop alone must not flood the recorder."""
    return said.permit, said.latched, said.reason, said.healthy, said.lamp


def _listening(path: Path) -> socket.socket:
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        path.unlink()  # a dead guard's: this one holds the lock of the mark beside it
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind(str(path))
        path.chmod(0o660)
        listener.listen(PEERS_AT_MOST)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _user_ids(names: Iterable[str]) -> set[int]:
    found = set()
    for name in names:
        try:
            found.add(pwd.getpwnam(name).pw_uid)
        except KeyError:
            continue  # that user is not on this machine
    return found
