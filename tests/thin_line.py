"""Two hosts in network namespaces of their own, joined by a thin line that delays and loses packets.

`tc netem` would do that, where a kernel has it. Here each host's end of the line is a TUN device, and one thread of
this process carries the packets from end to end: at most so many bits a second, so long under way, and some of them
never. So TCP is the kernel's own on both hosts, and meets real loss. At the far host a port leads to the store.

Nothing of the machine's own network is touched: the devices live in the two namespaces, and these in open descriptors.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import heapq
import itertools
import os
import random
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

NEAR, FAR = "192.0.2.1", "192.0.2.2"
"""For documentation alone (RFC 5737), and known in these namespaces alone."""
DEVICE = b"line"
TUN = Path("/dev/net/tun")
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x1, 0x1000
CLONE_NEWNET = 0x40000000
PACKET_BYTES = 65_536
CHUNK_BYTES = 16_384
TURN_SECONDS = 0.1
END_SECONDS = 5.0
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Of a line, the same both ways."""

    bits_a_second: int
    round_trip_seconds: float
    loss: float
    """Of each packet, as a probability."""
    queue_bytes: int = 32_000
    """What waits before the thin part; more is thrown away."""


@dataclass(slots=True, kw_only=True)
class Carried:
    """What the line has done, in one direction."""

    bytes: int = 0
    packets: int = 0
    lost: int = 0
    overflowed: int = 0


def missing() -> str | None:
    """Why there can be no such line here."""
    if os.geteuid() != 0:
        return "root, for network namespaces"
    if not TUN.exists():
        return str(TUN)
    return None


def inside(namespace: int, work: Callable[[], None]) -> Callable[[], None]:
    """The same work for a thread that enters the namespace first, and threads it begins are in it too (setns(2))."""

    def entered() -> None:
        _checked(_LIBC.setns(namespace, CLONE_NEWNET), "setns")
        work()

    return entered


@dataclass(slots=True)
class ThinLine:
    """The line and the port at its far end; `near` is the namespace of the device."""

    near: int
    port: int
    to_store: Carried = field(default_factory=Carried)
    back: Carried = field(default_factory=Carried)


@contextmanager
def thin_line(quality: Quality, store_port: int, seed: int = 1) -> Iterator[ThinLine]:
    """A line for as long as the context lasts. Raises OSError where the system gives none."""
    with ExitStack() as stack:
        near, near_end = _host(stack, NEAR, FAR)
        far, far_end = _host(stack, FAR, NEAR)
        listener = stack.enter_context(_made_in(far, lambda: socket.create_server((FAR, 0))))
        line = ThinLine(near=near, port=listener.getsockname()[1])
        ending = threading.Event()
        threads = [
            threading.Thread(
                target=_carry, args=((near_end, far_end), quality, (line.to_store, line.back), seed, ending)
            ),
            threading.Thread(target=_accept, args=(listener, store_port, ending)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield line
        finally:
            ending.set()
            for thread in threads:
                thread.join()


# -- the hosts ---------------------------------------------------------------------------------------------------------


def _host(stack: ExitStack, own: str, other: str) -> tuple[int, int]:
    """Descriptors of a new namespace and of its end of the line."""
    made: list[int] = []

    def make() -> None:
        _checked(_LIBC.unshare(CLONE_NEWNET), "unshare")
        made.append(os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        made.append(os.open(TUN, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK))
        fcntl.ioctl(made[1], TUNSETIFF, struct.pack("16sH22x", DEVICE, IFF_TUN | IFF_NO_PI))
        device = DEVICE.decode()
        for words in (
            ("link", "set", "lo", "up"),
            ("address", "add", own, "peer", other, "dev", device),
            ("link", "set", device, "up"),
        ):
            subprocess.run(["ip", *words], check=True, capture_output=True, timeout=END_SECONDS)

    try:
        _in_thread(make)
    finally:
        for descriptor in made:
            stack.callback(os.close, descriptor)
    return made[0], made[1]


def _made_in(namespace: int, make: Callable[[], socket.socket]) -> socket.socket:
    """A socket stays in the namespace in which it was made."""
    made: list[socket.socket] = []
    _in_thread(inside(namespace, lambda: made.append(make())))
    return made[0]


def _in_thread(work: Callable[[], None]) -> None:
    """On a thread that ends with it, so that this one stays where it is."""
    failed: list[Exception] = []

    def carried() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a thread's top; raised again in the caller
            failed.append(error)

    thread = threading.Thread(target=carried)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


# -- the line ----------------------------------------------------------------------------------------------------------


def _carry(
    ends: tuple[int, int], quality: Quality, carried: tuple[Carried, Carried], seed: int, ending: threading.Event
) -> None:
    """Packets from each end to the other, until it ends."""
    chance = random.Random(seed)  # noqa: S311 - the same losses in every run, as far as the packets are the same
    under_way: list[tuple[float, int, int, bytes]] = []
    order = itertools.count()
    free_at = [0.0, 0.0]
    while not ending.is_set():
        wait = min(TURN_SECONDS, max(0.0, under_way[0][0] - time.monotonic())) if under_way else TURN_SECONDS
        ready, _, _ = select.select(ends, [], [], wait)
        now = time.monotonic()
        for end in ready:
            side = ends.index(end)
            packet = os.read(end, PACKET_BYTES)
            leaves = _leaves_at(packet, now, free_at[side], quality, carried[side], chance)
            if leaves is not None:
                free_at[side] = leaves
                heapq.heappush(under_way, (leaves + quality.round_trip_seconds / 2, next(order), side, packet))
        while under_way and under_way[0][0] <= now:
            _, _, side, packet = heapq.heappop(under_way)
            with contextlib.suppress(OSError):
                os.write(ends[1 - side], packet)


def _leaves_at(
    packet: bytes, now: float, free_at: float, quality: Quality, carried: Carried, chance: random.Random
) -> float | None:
    """When the last bit of a packet is through the thin part; None where it is lost."""
    waits = max(0.0, free_at - now)
    if waits * quality.bits_a_second / 8 > quality.queue_bytes:
        carried.overflowed += 1
        return None
    carried.packets += 1
    carried.bytes += len(packet)
    if chance.random() < quality.loss:
        carried.lost += 1
        return None
    return now + waits + len(packet) * 8 / quality.bits_a_second


# -- the port at the far end -------------------------------------------------------------------------------------------


def _accept(listener: socket.socket, store_port: int, ending: threading.Event) -> None:
    listener.settimeout(TURN_SECONDS)
    threads: list[threading.Thread] = []
    while not ending.is_set():
        try:
            far, _ = listener.accept()
        except TimeoutError:
            continue
        threads.append(threading.Thread(target=_join, args=(far, store_port, ending)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def _join(far: socket.socket, store_port: int, ending: threading.Event) -> None:
    """One connection from the far host's port to the store, which is on this machine."""
    with far, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", store_port), END_SECONDS) as store:
        for one in (far, store):
            one.setblocking(True)
            one.settimeout(TURN_SECONDS)
        waiting: dict[socket.socket, bytes] = {far: b"", store: b""}
        while not ending.is_set():
            reading = [one for one, other in ((far, store), (store, far)) if not waiting[other]]
            writing = [one for one, content in waiting.items() if content]
            readable, writable, _ = select.select(reading, writing, [], TURN_SECONDS)
            for one in writable:
                waiting[one] = waiting[one][one.send(waiting[one]) :]
            for one in readable:
                content = one.recv(CHUNK_BYTES)
                if not content:
                    return
                waiting[store if one is far else far] = content
