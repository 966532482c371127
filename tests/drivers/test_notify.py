"""What systemd hears of the recorder, on a real datagram socket as systemd would have it."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.notify import LONGEST_STATUS_CHARACTERS, Notifier

LIMIT_SECONDS = 5.0


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """systemd's end, and what it would put into NOTIFY_SOCKET."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@liuhen-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(LIMIT_SECONDS)
        listener.bind("\0" + address[1:] if address[0] == "@" else address)
        yield listener, address


def test_each_word_reaches_the_supervisor_as_its_protocol_has_it(systemd: tuple[socket.socket, str]) -> None:
    listener, address = systemd
    notifier = Notifier(address)
    notifier.ready("就绪 ready")
    notifier.alive()
    notifier.status("录制中")
    notifier.stopping()
    heard = [listener.recv(4096).decode() for _ in range(4)]
    notifier.close()
    assert heard == [
        "READY=1\nSTATUS=就绪 ready",
        "WATCHDOG=1",
        "STATUS=录制中",
        "STOPPING=1",
    ]


def test_a_status_cannot_forge_another_assignment_nor_grow(systemd: tuple[socket.socket, str]) -> None:
    listener, address = systemd
    notifier = Notifier(address)
    notifier.status("fine\nWATCHDOG=1" + "x" * 1000)
    heard = listener.recv(4096).decode()
    notifier.close()
    assert heard.startswith("STATUS=fine WATCHDOG=1xxx")
    assert len(heard) == len("STATUS=") + LONGEST_STATUS_CHARACTERS


@pytest.mark.parametrize("address", [None, "", "relative/path", "vsock:2:1"])
def test_without_a_supervisor_nothing_is_said_and_nothing_fails(address: str | None) -> None:
    notifier = Notifier(address)
    notifier.ready("ready")
    notifier.alive()
    assert notifier._socket is None
    notifier.close()


def test_a_supervisor_that_is_gone_or_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    gone = Notifier(str(tmp_path / "nobody"))
    gone.alive()
    gone.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "full"))
        deaf = Notifier(str(tmp_path / "full"))
        for _ in range(10_000):  # far more than a datagram socket queues
            deaf.alive()
        deaf.close()
        assert listener.recv(4096) == b"WATCHDOG=1", "what it could take, it has"


def test_the_variables_are_taken_out_so_that_no_child_speaks_in_our_name() -> None:
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "15000000", "WATCHDOG_PID": "42", "HOME": "/"}
    notifier = Notifier.from_environment(environment, 42)
    notifier.close()
    assert environment == {"HOME": "/"}
    assert notifier.watchdog_usec == 15_000_000


@pytest.mark.parametrize(
    "environment",
    [
        {"WATCHDOG_USEC": "15000000", "WATCHDOG_PID": "41"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "²"},
        {},
    ],
    ids=["another process", "zero", "a word", "a digit of another kind", "nothing"],
)
def test_a_watchdog_that_is_not_ours_is_none(environment: dict[str, str]) -> None:
    notifier = Notifier.from_environment(dict(environment), 42)
    assert notifier.watchdog_usec is None
    notifier.close()


def test_the_socket_is_not_inherited_by_children(tmp_path: Path) -> None:
    notifier = Notifier(str(tmp_path / "x"))
    assert notifier._socket is not None
    assert not os.get_inheritable(notifier._socket.fileno())
    notifier.close()
