"""The control socket over real sockets: who may ask what, by his user id; and whatever a hostile peer sends."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.control import (
    ATTACHMENT_LIMIT_BYTES,
    CONNECTIONS_LIMIT,
    ControlServer,
    Patience,
    Peer,
    listen,
    peer_of,
)
from edge.control_client import NobodyAnswers, ask
from edge.messages import Asked, OffloadTold, SensorsTold
from edge.offload import words
from edge.requests import PACKET_LIMIT_BYTES, Answer, Request, Role, Verb, packet_of
from edge.sensors import readings
from edge.sensors.readings import Answer as SensorsAnswer
from edge.settings_control import Control
from tests.required import unavailable

NOBODY = 65_534
STATUS = packet_of(Request(verb=Verb.STATUS))
ALIVE = words.OffloadAlive(
    store="s3://store.example/room", waiting_objects=0, waiting_bytes=0, oldest_seconds=None, bytes_per_second=0
)
READING = readings.request(readings.Readings(power=None, board=None, gas=None))
LIMIT_SECONDS = 20.0


class Desk:
    """Stands where CONTROL does: keeps what was asked and answers at once, unless it is told to be silent."""

    def __init__(self, *, silent: bool = False) -> None:
        self.asked: list[Asked | SensorsTold | OffloadTold] = []
        self._silent = silent
        self.heard = threading.Event()

    def post(self, message: Asked | SensorsTold | OffloadTold) -> None:
        self.asked.append(message)
        self.heard.set()
        if self._silent:
            return
        if isinstance(message, SensorsTold):
            message.answer(SensorsAnswer(ok=True, power_off_when_sealed=False))
        elif isinstance(message, OffloadTold):
            message.answer(words.Answer(ok=message.role is Role.OFFLOAD, why=message.role.name))
        else:
            message.answer(Answer(ok=True, facts={"role": message.role.name, "verb": message.request.verb}))


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that every user may enter, as /run/liuhen-recorder is."""
    with tempfile.TemporaryDirectory(prefix="control-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextlib.contextmanager
def serving(settings: Control, desk: Desk, patience: Patience | None = None) -> Iterator[ControlServer]:
    server = ControlServer(settings, desk.post, patience or Patience())
    try:
        yield server
    finally:
        server.close()


def connected(path: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link.settimeout(LIMIT_SECONDS)
    link.connect(str(path))
    return link


def exchange(path: Path, packet: bytes) -> bytes:
    with connected(path) as link:
        link.send(packet)
        return link.recv(1 << 16)


AS_USER = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
link.settimeout(20)
link.connect(sys.argv[1])
try:
    link.send(bytes.fromhex(sys.argv[3]))
except BrokenPipeError:
    pass
try:
    heard = link.recv(65536)
except ConnectionResetError:
    heard = link.recv(65536)
print(heard.hex())
"""


def exchange_as(user: int, path: Path, packet: bytes) -> bytes:
    """The answer another user of the machine gets."""
    if os.geteuid() != 0:
        unavailable("root, to become another user")
    words = [sys.executable, "-I", "-c", AS_USER, str(path), str(user), packet.hex()]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    return bytes.fromhex(done.stdout.strip())


# -- who asks ----------------------------------------------------------------------------------------------------------


def test_root_and_the_recorders_own_user_are_operators(folder: Path) -> None:
    with serving(Control(socket=folder / "control"), Desk()):
        answer = ask(folder / "control", Request(verb=Verb.STATUS))
    assert answer.facts == {"role": "OPERATOR", "verb": "status"}


def test_a_stranger_gets_one_clear_refusal_and_control_never_hears_of_him(folder: Path) -> None:
    desk = Desk()
    with serving(Control(socket=folder / "control"), desk):
        answer = Answer.parse(exchange_as(NOBODY, folder / "control", STATUS))
    assert (answer.ok, desk.asked) == (False, [])
    assert "操作员" in answer.words_zh


@pytest.mark.parametrize(
    ("setting", "role"),
    [("console_user", Role.CONSOLE), ("offload_user", Role.OFFLOAD), ("sensors_user", Role.SENSORS)],
)
def test_a_named_user_has_his_role_by_the_kernels_word(folder: Path, setting: str, role: Role) -> None:
    desk = Desk()
    name = pwd.getpwuid(NOBODY).pw_name
    users: dict[str, Any] = {setting: name}
    settings = replace(Control(socket=folder / "control"), **users)
    with serving(settings, desk):
        assert Answer.parse(exchange_as(NOBODY, folder / "control", STATUS)).ok
    (asked,) = desk.asked
    assert isinstance(asked, Asked)
    assert asked.role is role


def test_members_of_the_operator_group_are_operators(folder: Path) -> None:
    desk = Desk()
    group = "nogroup"  # that user's own group on Debian
    with serving(Control(socket=folder / "control", operator_group=group), desk):
        assert Answer.parse(exchange_as(NOBODY, folder / "control", STATUS)).ok
    assert [asked.role for asked in desk.asked if isinstance(asked, Asked)] == [Role.OPERATOR]


def test_the_sensors_tell_and_are_answered_in_their_own_words(folder: Path) -> None:
    desk = Desk()
    name = pwd.getpwuid(NOBODY).pw_name
    with serving(Control(socket=folder / "control", sensors_user=name), desk):
        told = exchange_as(NOBODY, folder / "control", READING)
    assert readings.parse_answer(told) == SensorsAnswer(ok=True, power_off_when_sealed=False)
    assert isinstance(desk.asked[0], SensorsTold)


def test_nobody_but_the_sensors_tells_readings(folder: Path) -> None:
    desk = Desk()
    name = pwd.getpwuid(NOBODY).pw_name
    with serving(Control(socket=folder / "control", console_user=name), desk):
        answer = Answer.parse(exchange_as(NOBODY, folder / "control", READING))
    assert (answer.ok, desk.asked) == (False, [])


def test_the_offload_process_tells_as_itself_and_is_answered_in_its_own_words(folder: Path) -> None:
    desk = Desk()
    name = pwd.getpwuid(NOBODY).pw_name
    with serving(Control(socket=folder / "control", offload_user=name), desk):
        told = exchange_as(NOBODY, folder / "control", words.packet_of(ALIVE))
        as_root = exchange(folder / "control", words.packet_of(ALIVE))
    assert words.parse_answer(told) == words.parse_answer(as_root) == words.Answer(ok=True, why="OFFLOAD")
    assert [said.words for said in desk.asked if isinstance(said, OffloadTold)] == [ALIVE, ALIVE]


def test_whoever_else_tells_in_the_offload_process_s_words_is_told_by_his_own_role(folder: Path) -> None:
    desk = Desk()
    name = pwd.getpwuid(NOBODY).pw_name
    with serving(Control(socket=folder / "control", console_user=name), desk):
        told = exchange_as(NOBODY, folder / "control", words.packet_of(ALIVE))
    assert words.parse_answer(told) == words.Answer(ok=False, why="CONSOLE")


def test_a_malformed_telling_is_answered_with_its_fault(folder: Path) -> None:
    desk = Desk()
    with serving(Control(socket=folder / "control"), desk), connected(folder / "control") as link:
        for packet in (words.packet_of(ALIVE)[:-1], b"\xa1" + b"\x00" * 70_000):
            link.send(packet)
            assert words.parse_answer(link.recv(1 << 16)).ok is False
        link.send(words.packet_of(ALIVE))
        assert words.parse_answer(link.recv(1 << 16)).ok
    assert len(desk.asked) == 1


def test_a_user_or_group_that_is_not_on_this_machine_gives_nobody_a_role() -> None:
    assert peer_of(NOBODY, Control()) == Peer(role=Role.NOBODY, tells=frozenset())


# -- hostile packets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packet",
    [
        b"\0",
        b"not json",
        b"[]",
        b"{}",
        b'{"v":2,"verb":"status"}',
        b'{"v":1,"verb":"reset-latch"}',
        b'{"v":1,"verb":"status","extra":1}',
        b'{"v":1,"verb":"explain","gap":true}',
        b'{"v":1,"verb":["status"]}',
        b'{"v":1,"verb":"reading","power":1,"board":null,"gas":null}',
        b"[" * PACKET_LIMIT_BYTES,
        b'{"v":1,"verb":"mark","text":"' + b"a" * 2000 + b'"}',
        b" " * (PACKET_LIMIT_BYTES + 100),
        b'{"v":1,"verb":"\xff"}',
    ],
)
def test_a_packet_that_is_no_request_is_answered_with_its_fault_and_the_next_one_is_heard(
    folder: Path, packet: bytes
) -> None:
    desk = Desk()
    with serving(Control(socket=folder / "control"), desk), connected(folder / "control") as link:
        link.send(packet)
        assert json.loads(link.recv(1 << 16))["ok"] is False
        assert desk.asked == []
        link.send(STATUS)
        assert Answer.parse(link.recv(1 << 16)).ok


def test_a_peer_that_never_reads_is_hung_up_on_and_others_are_served(folder: Path) -> None:
    with serving(Control(socket=folder / "control"), Desk()), connected(folder / "control") as deaf:
        deaf.setblocking(False)
        with pytest.raises(OSError, match=r"Broken pipe|temporarily"):
            for _ in range(100_000):
                deaf.send(STATUS)
        assert ask(folder / "control", Request(verb=Verb.STATUS)).ok


def test_more_peers_than_allowed_are_told_so_and_a_place_that_is_free_again_is_given(folder: Path) -> None:
    with serving(Control(socket=folder / "control"), Desk()), contextlib.ExitStack() as stack:
        places = [stack.enter_context(connected(folder / "control")) for _ in range(CONNECTIONS_LIMIT)]
        for link in places:
            link.send(STATUS)
            assert Answer.parse(link.recv(1 << 16)).ok
        refused = Answer.parse(stack.enter_context(connected(folder / "control")).recv(1 << 16))
        assert not refused.ok
        places[0].close()
        assert _eventually(lambda: ask(folder / "control", Request(verb=Verb.STATUS)).ok)


def _eventually(done: Callable[[], bool]) -> bool:
    return any(done() for _ in range(200))


def test_a_request_that_control_never_answers_is_given_up_and_its_late_answer_goes_to_nobody(folder: Path) -> None:
    desk = Desk(silent=True)
    settings = Control(socket=folder / "control")
    with serving(settings, desk, Patience(answer_seconds=0.2)):
        answer = ask(folder / "control", Request(verb=Verb.STATUS))
        assert (answer.ok, "及时" in answer.words_zh) == (False, True)
        (asked,) = desk.asked
        assert isinstance(asked, Asked)
        asked.answer(Answer(ok=True))
        with connected(folder / "control") as other:
            other.send(b"?")
            assert not Answer.parse(other.recv(1 << 16)).ok


def test_a_peer_that_asks_nothing_is_hung_up_on(folder: Path) -> None:
    settings = Control(socket=folder / "control")
    with serving(settings, Desk(), Patience(idle_seconds=0.2)), connected(folder / "control") as idle:
        assert idle.recv(1) == b""


# -- attachments -------------------------------------------------------------------------------------------------------

STATEMENT = Request(verb=Verb.STATEMENT, actor="张三", gap=7, text="书面说明")


def attach(folder: Path, desk: Desk, descriptors: list[int], request: Request = STATEMENT) -> Answer:
    with serving(Control(socket=folder / "control"), desk), connected(folder / "control") as link:
        socket.send_fds(link, [packet_of(request)], descriptors)
        return Answer.parse(link.recv(1 << 16))


def test_a_statement_comes_with_the_content_of_its_file(folder: Path) -> None:
    desk, paper = Desk(), folder / "paper.pdf"
    paper.write_bytes(b"signed")
    with paper.open("rb") as file:
        file.read()  # wherever the file stands, it is read from its begin
        assert attach(folder, desk, [file.fileno()]).ok
    (asked,) = desk.asked
    assert isinstance(asked, Asked)
    assert asked.attachment == b"signed"


@pytest.mark.parametrize("length", [ATTACHMENT_LIMIT_BYTES, ATTACHMENT_LIMIT_BYTES + 1])
def test_a_file_up_to_the_limit_is_taken_and_a_longer_one_refused(folder: Path, length: int) -> None:
    desk, paper = Desk(), folder / "paper"
    with paper.open("wb") as file:
        file.truncate(length)
    with paper.open("rb") as file:
        assert attach(folder, desk, [file.fileno()]).ok is (length <= ATTACHMENT_LIMIT_BYTES)
    assert len(desk.asked) == (length <= ATTACHMENT_LIMIT_BYTES)


def test_a_pipe_two_files_and_a_file_with_another_request_are_refused_and_no_descriptor_is_kept(folder: Path) -> None:
    desk = Desk()
    reading, writing = os.pipe()
    open_before = _open_files()
    try:
        assert "读取" in attach(folder, desk, [reading]).words_zh
        assert "一个文件" in attach(folder, desk, [reading, writing]).words_zh
        assert "附件" in attach(folder, desk, [reading], Request(verb=Verb.STATUS)).words_zh
        assert _open_files() == open_before
    finally:
        os.close(reading)
        os.close(writing)
    assert desk.asked == []


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# -- its life ----------------------------------------------------------------------------------------------------------


def test_close_ends_the_thread_and_removes_the_socket_and_nobody_answers_then(folder: Path) -> None:
    path = folder / "control"
    with serving(Control(socket=path), Desk()) as server:
        assert path.stat().st_mode & 0o777 == 0o666
        server.close()
        assert not path.exists()
        assert "control-socket" not in {thread.name for thread in threading.enumerate()}
        with pytest.raises(NobodyAnswers):
            ask(path, Request(verb=Verb.STATUS))


def test_a_dead_recorders_socket_is_replaced_and_a_living_ones_is_not(folder: Path) -> None:
    path = folder / "control"
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    dead.bind(str(path))
    dead.close()
    said: list[str] = []
    with serving(Control(socket=path), Desk()):
        listen(Control(socket=path), Desk().post, lambda zh, en: said.append(zh)).close()
        assert len(said) == 1
        assert ask(path, Request(verb=Verb.STATUS)).ok


def test_without_a_folder_for_it_the_recorder_goes_on_without_a_socket_and_says_so(folder: Path) -> None:
    said: list[str] = []
    listen(Control(socket=folder / "no" / "control"), Desk().post, lambda zh, en: said.append(zh)).close()
    assert "录制照常" in said[0]
