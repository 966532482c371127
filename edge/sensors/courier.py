"""The readings on their way to the recorder, one at a time, and what it answered. Never blocks.

Owns the link to the control socket. A recorder that does not answer within two seconds is asked anew over a new
connection, so that a late answer is never taken for that of a later question. One thread calls.
"""

from __future__ import annotations

from edge.sensors.link import Link
from edge.sensors.readings import Answer, Readings, parse_answer, request
from edge.sensors.strict_json import BadPacket

TELL_EVERY_NS = 2_000_000_000
ANSWER_LIMIT_NS = 2_000_000_000


class Courier:
    """Tells on every change and every two seconds; keeps the newest answer."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._asked_ns: int | None = None
        self._told_ns: int | None = None
        self._told: Readings | None = None
        self.trouble = ""
        """What was wrong with the newest answer, empty when nothing."""

    def answered(self) -> Answer | None:
        """The answer that has come since the last call, or None."""
        packet = self._link.receive()
        if packet is None or self._asked_ns is None:
            return None
        self._asked_ns = None
        try:
            said = parse_answer(packet)
        except BadPacket as error:
            self.trouble = str(error)
            self._link.close()
            return None
        self.trouble = said.why
        return said

    def tell(self, readings: Readings, at_ns: int) -> None:
        """Send the readings if they are due and the recorder has answered the last ones."""
        if self._asked_ns is not None:
            if self._link.connected and at_ns - self._asked_ns < ANSWER_LIMIT_NS:
                return
            self._link.close()
            self._asked_ns = None
        due = self._told_ns is None or at_ns - self._told_ns >= TELL_EVERY_NS
        if not due and self._link.connected and readings == self._told:
            return
        if self._link.connect(at_ns) and self._link.send(request(readings)):
            self._told, self._told_ns, self._asked_ns = readings, at_ns, at_ns

    def close(self) -> None:
        """Let go of the connection."""
        self._link.close()
