"""A line that takes its time is no line that is broken: each piece of a body has the limit, not the body."""

from __future__ import annotations

import hashlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.awsrequest import AWSRequest

from drivers import store_transport
from drivers.store_transport import Body, Transport
from edge.store import FaultClass, StoreFault

BODY_BYTES = 8_000_000
"""More than the buffers of both ends hold."""
SLOW_BYTES, EVERY_SECONDS = 16_384, 0.02
SLOW_SECONDS = 1.5
LIMIT_SECONDS = 30


@contextmanager
def slow_server(received: list[int], *, stops: bool = False) -> Iterator[int]:
    """Takes so many bytes every so many seconds for a while, and the rest at once; or takes none any more."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BYTES)
    ended = threading.Event()

    def serve() -> None:
        near, _ = listener.accept()
        with near:
            began, size = time.monotonic(), 0
            while size < BODY_BYTES:
                is_slow = time.monotonic() < began + SLOW_SECONDS
                if (stops and size) or (is_slow and ended.wait(EVERY_SECONDS)):
                    ended.wait(LIMIT_SECONDS)
                    return
                content = near.recv(SLOW_BYTES if is_slow else 1 << 20)
                if not content:
                    return
                size += len(content)
            received.append(size)
            near.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        thread.join(LIMIT_SECONDS)
        listener.close()


def sent(port: int) -> int:
    """The status of a PUT of the body."""
    octets = bytes(BODY_BYTES)
    md5 = hashlib.md5(octets, usedforsecurity=False).digest()
    body = Body(io.BytesIO(octets), size=len(octets), md5=md5, sha256=hashlib.sha256(octets).digest(), what="test")
    headers = {"Content-Length": str(len(octets))}
    asked = AWSRequest(method="PUT", url=f"http://127.0.0.1:{port}/x", headers=headers).prepare()
    asked.body = body
    transport = Transport(f"http://127.0.0.1:{port}", None)
    try:
        return int(transport.send(asked).status_code)
    finally:
        transport.close()


def test_a_body_that_takes_longer_than_any_limit_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight pieces of TLS, which are what one call would send, take longer than a connection may."""
    monkeypatch.setattr(store_transport, "CONNECT_SECONDS", 0.1)
    monkeypatch.setattr(store_transport, "READ_SECONDS", 5.0)
    received: list[int] = []
    with slow_server(received) as port:
        assert sent(port) == 200
    assert received[0] >= BODY_BYTES


def test_a_server_that_takes_no_more_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_transport, "READ_SECONDS", 0.3)
    with slow_server([], stops=True) as port, pytest.raises(StoreFault) as caught:
        sent(port)
    assert caught.value.fault is FaultClass.UNREACHABLE
