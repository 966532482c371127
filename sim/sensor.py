"""The wire between the simulated sensor and the libcamera stand-in: fixed messages on one SEQPACKET socket.

Owns the layout of every message and nothing else. A message is one packet: a kind byte, then its fields as signed
64-bit little-endian integers; `Register` carries the buffer's file descriptor beside it. A packet of another length,
an unknown kind or a stray descriptor is a `WireFault`, and whoever meets one drops the connection.
"""

from __future__ import annotations

import enum
import os
import socket
import struct
from dataclasses import astuple, dataclass, fields
from pathlib import Path

WIRE_VERSION = 1
LONGEST_PACKET_BYTES = 128
NO_BUFFER = -1
UNCHANGED = 0


class WireFault(Exception):
    """The other end sent something this protocol does not have."""


class StreamPlace(enum.IntEnum):
    """Which of the camera's two streams a buffer belongs to."""

    MAIN = 0
    LORES = 1


class Outcome(enum.IntEnum):
    """How a frame ended; the numbers are those of libcamera's FrameMetadata.Status."""

    SUCCESS = 0
    ERROR = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Stand-in to sensor, first packet: which protocol it speaks."""

    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """Sensor to stand-in: its picture size in pixels and the range of its frame duration."""

    width: int
    height: int
    shortest_frame_us: int
    longest_frame_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquire:
    """Ask for the camera; one connection at a time holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Ask the sensor to run at this frame duration (UNCHANGED means its fastest)."""

    frame_duration_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Ask the sensor to stop; it forgets all buffers and requests, and nothing is completed after its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Sensor to stand-in: the outcome of Acquire, Start or Stop; 0, or the errno of the refusal."""

    errno: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Make a YUV 4:2:0 buffer known, valid until Stop; its file descriptor travels beside this packet."""

    buffer: int
    width: int
    height: int
    stride: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Queue a request with one buffer per stream (NO_BUFFER where the stream is off)."""

    request: int
    main: int
    lores: int
    frame_duration_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """Sensor to stand-in: the buffers of a request are filled; `boottime_ns` is the sensor's CLOCK_BOOTTIME."""

    request: int
    sequence: int
    boottime_ns: int
    frame_duration_us: int
    outcome: int


Message = Hello | Welcome | Acquire | Start | Stop | Answer | Register | Queue | Completed
_KINDS: tuple[type[Message], ...] = (Hello, Welcome, Acquire, Start, Stop, Answer, Register, Queue, Completed)


def encode(message: Message) -> bytes:
    """Return the packet of a message."""
    values = astuple(message)
    return struct.pack(f"<B{len(values)}q", _KINDS.index(type(message)), *values)


def decode(packet: bytes) -> Message:
    """Return the message of a packet; raises WireFault."""
    if not packet or packet[0] >= len(_KINDS):
        raise WireFault("unknown kind of packet")
    kind = _KINDS[packet[0]]
    names = [field.name for field in fields(kind)]
    if len(packet) != struct.calcsize(f"<B{len(names)}q"):
        raise WireFault(f"{kind.__name__} of {len(packet)} bytes")
    return kind(**dict(zip(names, struct.unpack_from(f"<{len(names)}q", packet, 1), strict=True)))


class Wire:
    """One end of the connection. `receive` returns None once the other end is gone; `send` then raises OSError."""

    def __init__(self, connection: socket.socket) -> None:
        """Take over a connected SEQPACKET socket; its blocking mode and time limit stay as they are."""
        self._connection = connection

    @classmethod
    def connect(cls, path: Path, limit_seconds: float) -> Wire:
        """Connect to the sensor's socket; every later call waits no longer than the limit. Raises OSError."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.settimeout(limit_seconds)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(limit_seconds), 0))
            connection.connect(str(path))
        except OSError:
            connection.close()
            raise
        return cls(connection)

    def fileno(self) -> int:
        """Return the socket's descriptor, for a selector."""
        return self._connection.fileno()

    def wait_without_limit(self) -> None:
        """Let `receive` wait until something comes or `hang_up` is called; `send` keeps its limit."""
        self._connection.settimeout(None)

    def send(self, message: Message, descriptor: int | None = None) -> None:
        """Send one message, with a descriptor beside it; raises OSError (BlockingIOError when it must wait)."""
        socket.send_fds(self._connection, [encode(message)], [] if descriptor is None else [descriptor])

    def receive(self) -> tuple[Message, int | None] | None:
        """Return the next message and its descriptor (the caller closes it), or None at the end; raises WireFault."""
        try:
            packet, descriptors, flags, _ = socket.recv_fds(
                self._connection, LONGEST_PACKET_BYTES, 1, socket.MSG_CMSG_CLOEXEC
            )
        except (ConnectionError, TimeoutError):
            return None
        if not packet and not descriptors:
            return None
        return _checked(packet, descriptors, flags)

    def hang_up(self) -> None:
        """End the connection for both sides and wake whoever waits in `receive`; the descriptor stays until close."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other end was faster; there is nothing left to shut

    def close(self) -> None:
        """Give the descriptor back."""
        self._connection.close()


def _checked(packet: bytes, descriptors: list[int], flags: int) -> tuple[Message, int | None]:
    try:
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise WireFault("packet longer than the protocol allows")
        message = decode(packet)
        if len(descriptors) != (1 if isinstance(message, Register) else 0):
            raise WireFault(f"{len(descriptors)} descriptors beside {type(message).__name__}")
    except WireFault:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return message, descriptors[0] if descriptors else None
