"""The offload process's side of the recorder's control socket: one question, one answer, within a limit.

Owns no connection between two calls. A recorder that is away or does not answer is None, never an error: what was told
stays to be told.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path

from edge.offload.words import PACKET_LIMIT_BYTES, Answer, Words, packet_of, parse_answer
from edge.requests import Answer as Said
from edge.requests import BadRequest, Request, Verb
from edge.requests import packet_of as request_packet
from edge.sensors.strict_json import BadPacket

ANSWER_SECONDS = 5.0
ANSWER_LIMIT_BYTES = 1 << 18


class RecorderLink:
    """Asks the recorder that listens at a path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def tell(self, words: Words) -> Answer | None:
        """Tell, and hear what came of it; a refusal at the door is an answer that says why."""
        packet = self._exchanged(packet_of(words), PACKET_LIMIT_BYTES)
        if packet is None:
            return None
        try:
            return parse_answer(packet)
        except BadPacket:
            return Answer(ok=False, why=_refusal(packet))

    def queue_milliseconds(self) -> int | None:
        """How much media waits for the recorder's disk; None where it is not known."""
        packet = self._exchanged(request_packet(Request(verb=Verb.STATUS)), ANSWER_LIMIT_BYTES)
        if packet is None:
            return None
        try:
            facts = Said.parse(packet).facts or {}
        except BadRequest:
            return None
        waiting = facts.get("queue_ms")
        return waiting if isinstance(waiting, int) else None

    def _exchanged(self, packet: bytes, limit_bytes: int) -> bytes | None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC) as link:
            link.settimeout(ANSWER_SECONDS)
            try:
                link.connect(str(self._path))
                link.send(packet)
                return link.recv(limit_bytes) or None
            except OSError:
                return None


def _refusal(packet: bytes) -> str:
    """The words of the control socket's own answer, which speaks to people in JSON."""
    try:
        said = json.loads(packet)
        return str(said["zh"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "answer not understood"
