"""The recorder's control socket: who asks, as the kernel names him, and each packet handed to CONTROL for one answer.

Owns the listening socket, its path until `close`, the connections, and one thread; `close` ends them all. The socket is
open to every user of the machine, so that a refusal can say why: what a peer may ask depends on its user id alone. A
connection has one request under way at a time; everything is bounded, and nothing a peer sends leaves as an exception.
"""

from __future__ import annotations

import array
import contextlib
import grp
import os
import pwd
import selectors
import socket
import stat
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.messages import Asked, OffloadTold, SensorsTold
from edge.offload import words
from edge.requests import TELLERS, Answer, BadRequest, Request, Role, Verb, parse
from edge.sensors import readings
from edge.sensors.strict_json import BadPacket, read_object
from edge.settings_control import Control

CONNECTIONS_LIMIT = 16
ATTACHMENT_LIMIT_BYTES = 8 << 20
TAKES_A_FILE = frozenset({Verb.STATEMENT, Verb.STORE_CHECK, Verb.NEW_SESSION, Verb.HEADER, Verb.ATTACH, Verb.SCHEDULE})
TURN_SECONDS = 0.5
END_SECONDS = 5.0
_CREDENTIALS = struct.Struct("3i")
_ONE_DESCRIPTOR = socket.CMSG_LEN(array.array("i").itemsize)

Posted = Asked | SensorsTold | OffloadTold
Post = Callable[[Posted], None]
Say = Callable[[str, str], None]

STRANGER = Answer(
    ok=False,
    words_zh="此用户不是本机操作员；请由管理员把该用户加入操作员组（control.operator_group）",
    words_en="this user is no operator here; have an administrator add it to the group control.operator_group",
)
CROWDED = Answer(
    ok=False, words_zh="同时请求的程序太多，请稍后再试", words_en="too many programs ask at once; try again"
)
NO_ANSWER = Answer(
    ok=False,
    words_zh="录制程序没有及时答复；请用 liuhen ctl status 查看请求是否已执行",
    words_en="the recorder did not answer in time; liuhen ctl status shows whether it was done",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a request may wait for its answer, and a connection for its next request."""

    answer_seconds: float = 35.0
    idle_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who a user is: his role, and as whom he may tell."""

    role: Role
    tells: frozenset[Role]


def peer_of(user: int, settings: Control) -> Peer:
    """The peer with this user id. Root and the recorder's own user are operators, and on a laptop the tellers too."""
    if user in (0, os.geteuid()):
        return Peer(role=Role.OPERATOR, tells=TELLERS)
    named = {settings.console_user: Role.CONSOLE, settings.offload_user: Role.OFFLOAD}
    for name, role in (named | {settings.sensors_user: Role.SENSORS}).items():
        with contextlib.suppress(KeyError):
            if pwd.getpwnam(name).pw_uid == user:
                return Peer(role=role, tells=TELLERS & {role})
    role = Role.OPERATOR if _in_group(user, settings.operator_group) else Role.NOBODY
    return Peer(role=role, tells=frozenset())


def _in_group(user: int, group: str) -> bool:
    try:
        account, wanted = pwd.getpwuid(user), grp.getgrnam(group).gr_gid
    except KeyError:
        return False  # there is no such user or group here
    return wanted in os.getgrouplist(account.pw_name, account.pw_gid)


class _Deaf:
    """What stands for a socket that could not be opened (implements `edge.surroundings.ControlSocket`)."""

    def close(self) -> None:
        """There is nothing to close."""


def _to_the_log(words_zh: str, words_en: str) -> None:
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{words_zh}\n{words_en}\n")


def listen(settings: Control, post: Post, say: Say = _to_the_log) -> ControlServer | _Deaf:
    """The control socket; without one the recording goes on all the same, and the operator is told."""
    try:
        return ControlServer(settings, post)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        say(
            f"控制套接字 {settings.socket} 无法使用（{reason}）；录制照常，但 liuhen ctl 不可用",
            f"the control socket {settings.socket} cannot be used ({reason}); recording goes on without liuhen ctl",
        )
        return _Deaf()


@dataclass(slots=True, kw_only=True, eq=False)
class _Connection:
    """One peer; `asked` numbers its request under way, None where it has none."""

    link: socket.socket
    peer: Peer
    due: float
    asked: int | None = None


class ControlServer:
    """See the module."""

    def __init__(self, settings: Control, post: Post, patience: Patience = Patience()) -> None:
        """Listen. Raises OSError, also where another recorder listens on the path."""
        self._settings = settings
        self._post = post
        self._patience = patience
        self._connections: list[_Connection] = []
        self._answers: deque[tuple[int, bytes]] = deque(maxlen=CONNECTIONS_LIMIT * 4)
        self._number = 0
        self._ending = threading.Event()
        self._listener = _listening(settings.socket)
        self._woken, self._wake = socket.socketpair()
        for end in (self._woken, self._wake):
            end.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="control-socket", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, hang up on everybody, remove the socket's name. May be called again."""
        self._ending.set()
        self._nudge()
        self._thread.join(END_SECONDS)

    # -- the thread -------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            while not self._ending.is_set():
                self._turn()
        finally:
            self._settings.socket.unlink(missing_ok=True)
            self._give_answers()  # whoever asked for the end hears that it has come
            for connection in tuple(self._connections):
                self._drop(connection)
            self._selector.close()
            for one in (self._listener, self._woken, self._wake):
                one.close()

    def _turn(self) -> None:
        for ready, _ in self._selector.select(TURN_SECONDS):
            if ready.fileobj is self._listener:
                self._admit()
            elif ready.fileobj is self._woken:
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(4096)
            elif ready.data in self._connections:
                self._hear(ready.data)
        self._give_answers()
        self._hang_up_on_the_late()

    def _admit(self) -> None:
        try:
            link, _ = self._listener.accept()
        except OSError:
            return  # gone again
        link.setblocking(False)
        _, user, _ = _CREDENTIALS.unpack(link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        peer = peer_of(user, self._settings)
        refused = STRANGER if peer.role is Role.NOBODY else CROWDED
        if peer.role is Role.NOBODY or len(self._connections) >= CONNECTIONS_LIMIT:
            with contextlib.suppress(OSError):
                link.send(refused.packet())
            link.close()
            return
        connection = _Connection(link=link, peer=peer, due=time.monotonic() + self._patience.idle_seconds)
        self._connections.append(connection)
        self._selector.register(link, selectors.EVENT_READ, connection)

    def _hear(self, connection: _Connection) -> None:
        try:
            packet, descriptors, flags = _received(connection.link)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)
            return
        try:
            if not packet:
                self._drop(connection)
                return
            self._take(connection, packet, descriptors, several=bool(flags & socket.MSG_CTRUNC))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _take(self, connection: _Connection, packet: bytes, descriptors: list[int], *, several: bool) -> None:
        """One packet: to CONTROL, or a refusal at once."""
        self._number += 1
        number = self._number
        try:
            message = self._message(connection.peer, number, packet, descriptors, several=several)
        except BadRequest as bad:
            self._send(connection, Answer(ok=False, words_zh=bad.words_zh, words_en=bad.words_en).packet())
            return
        except BadPacket as bad:
            self._send(connection, _refusal(packet, str(bad)))
            return
        connection.asked, connection.due = number, time.monotonic() + self._patience.answer_seconds
        self._selector.unregister(connection.link)  # its next request is not read before this one is answered
        self._post(message)

    def _message(self, peer: Peer, number: int, packet: bytes, descriptors: list[int], *, several: bool) -> Posted:
        """What a packet says, for CONTROL. Raises BadRequest, BadPacket."""
        if words.is_told(packet):
            return OffloadTold(
                words=words.parse(packet),
                role=Role.OFFLOAD if Role.OFFLOAD in peer.tells else peer.role,
                answer=lambda said: self._answered(number, words.answer_packet(said)),
            )
        told = _told(packet) if Role.SENSORS in peer.tells else None
        if told is not None:
            return SensorsTold(readings=told, answer=lambda said: self._answered(number, readings.answer(said)))
        request = parse(packet)
        return Asked(
            request=request,
            role=peer.role,
            answer=lambda said: self._answered(number, said.packet()),
            attachment=_attachment(request, descriptors, several=several),
        )

    # -- answers ----------------------------------------------------------------------------------------------------

    def _answered(self, number: int, packet: bytes) -> None:
        """CONTROL's thread; never waits."""
        self._answers.append((number, packet))
        self._nudge()

    def _nudge(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake already; closed: it has ended
            self._wake.send(b"\0")

    def _give_answers(self) -> None:
        while self._answers:
            self._answer(*self._answers.popleft())

    def _answer(self, number: int, packet: bytes) -> None:
        """To whoever asked, if he is still there."""
        for connection in tuple(self._connections):
            if connection.asked == number:
                connection.asked = None
                self._selector.register(connection.link, selectors.EVENT_READ, connection)
                self._send(connection, packet)

    def _send(self, connection: _Connection, packet: bytes) -> None:
        connection.due = time.monotonic() + self._patience.idle_seconds
        try:
            connection.link.send(packet)
        except OSError:
            self._drop(connection)  # gone, or it does not read

    def _hang_up_on_the_late(self) -> None:
        now = time.monotonic()
        for connection in tuple(self._connections):
            if now >= connection.due:
                if connection.asked is not None:
                    self._send(connection, NO_ANSWER.packet())
                self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(connection.link)
            connection.link.close()


def _listening(path: Path) -> socket.socket:
    """Listen where nobody does; a dead recorder's socket is replaced. Raises OSError."""
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as trial:
            trial.setblocking(False)
            try:
                trial.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(CONNECTIONS_LIMIT)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _received(link: socket.socket) -> tuple[bytes, list[int], int]:
    """One packet, the files that came with it (the caller closes them) and the kernel's flags. Raises OSError."""
    packet, ancillary, flags, _ = link.recvmsg(words.PACKET_LIMIT_BYTES + 1, _ONE_DESCRIPTOR, socket.MSG_CMSG_CLOEXEC)
    found = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(content[: len(content) - len(content) % found.itemsize])
    return packet, list(found), flags


def _told(packet: bytes) -> readings.Readings | None:
    """What the sensors tell, or None where it is another request. Raises BadPacket."""
    try:
        said = read_object(packet)
    except BadPacket:
        return None  # `parse` says better what is wrong
    return readings.from_fields(said) if said.get("verb") == readings.VERB else None


def _refusal(packet: bytes, why: str) -> bytes:
    """What a teller hears of a packet that is none, in its own words."""
    if words.is_told(packet):
        return words.answer_packet(words.Answer(ok=False, why=why))
    return readings.answer(readings.Answer(ok=False, power_off_when_sealed=False, why=why))


def _attachment(request: Request, descriptors: list[int], *, several: bool) -> bytes | None:
    """The content of the file that came with a request. Raises BadRequest."""
    if several:
        raise BadRequest("一次只能附一个文件", "one file can be attached, no more")
    if not descriptors:
        return None
    if request.verb not in TAKES_A_FILE:
        raise BadRequest(f"{request.verb} 不接受附件", f"{request.verb} takes no file")
    try:
        content = _content(descriptors[0])
    except OSError as error:
        raise BadRequest("附件无法读取", "the attached file cannot be read") from error
    if len(content) > ATTACHMENT_LIMIT_BYTES:
        raise BadRequest("附件超过 8 MiB，请压缩或分开", "the attached file has more than 8 MiB")
    return content


def _content(descriptor: int) -> bytes:
    """A regular file from its begin; a pipe or device is refused, because reading it may never end."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError("not a regular file")
    parts, length = [], 0
    while length <= ATTACHMENT_LIMIT_BYTES:
        part = os.pread(descriptor, ATTACHMENT_LIMIT_BYTES + 1 - length, length)
        if not part:
            break
        parts.append(part)
        length += len(part)
    return b"".join(parts)
