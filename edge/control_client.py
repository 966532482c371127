"""One question to the recorder over its control socket, and its one answer, within a limit."""

from __future__ import annotations

import array
import contextlib
import socket
from pathlib import Path

from edge.requests import Answer, Request, packet_of

ANSWER_SECONDS = 40.0
"""A little longer than the recorder itself waits, so that its own words are heard."""
ANSWER_LIMIT_BYTES = 1 << 18


class NobodyAnswers(Exception):
    """No recorder listens on the socket, or it has ended without a word."""


def ask(path: Path, request: Request, attachment: int | None = None, limit_seconds: float = ANSWER_SECONDS) -> Answer:
    """Ask; `attachment` is the descriptor of an open file. Raises NobodyAnswers, BadRequest."""
    packet = packet_of(request)
    descriptors = [] if attachment is None else [attachment]
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.settimeout(limit_seconds)
        try:
            link.connect(str(path))
            heard = _exchange(link, packet, descriptors)
        except OSError as error:
            raise NobodyAnswers(error.strerror or "timed out") from error
    if not heard:
        raise NobodyAnswers("hung up")
    return Answer.parse(heard)


def _exchange(link: socket.socket, packet: bytes, descriptors: list[int]) -> bytes:
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    with contextlib.suppress(BrokenPipeError):  # refused at the door: its words are there to be read
        link.sendmsg([packet], rights)
    try:
        return link.recv(ANSWER_LIMIT_BYTES)
    except ConnectionResetError:
        return link.recv(ANSWER_LIMIT_BYTES)  # it hung up on what it had not read; its words come after that news
