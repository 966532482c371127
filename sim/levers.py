"""The levers of a simulated world: the verbs a test can pull while a recorder runs, and their client.

A lever is one JSON object in one packet, `{"verb": "stall", "value": 0}`, answered by one JSON object: `{"why": ...}`
when it cannot be pulled, else the sensor's tally. The client owns one socket; calls wait at most for their limit.
"""

from __future__ import annotations

import enum
import json
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from sim.imager import Tally

LONGEST_PACKET_BYTES = 1024


class Verb(enum.StrEnum):
    """What can be done to the world; `value` is explained where one is needed."""

    LOOK = "look"
    """Only return the tally."""
    AWAIT_COUNTER = "await-counter"
    """Answer once the sensor's next counter has reached `value`."""
    STALL = "stall"
    """The sensor delivers nothing; its counter goes on."""
    RESUME = "resume"
    """End a stall."""
    DAMAGE = "damage"
    """The next `value` frames end with an error."""
    JUMP = "jump"
    """From now on timestamps are off by `value` ns."""
    VANISH = "vanish"
    """The camera is gone."""
    RETURN = "return"
    """The camera can be found again."""
    REFUSE_START = "refuse-start"
    """Starting fails with errno `value`; 0 lets it work again."""
    HANG_STOP = "hang-stop"
    """Stopping is never answered."""
    ANSWER_STOP = "answer-stop"
    """Answer the stop that hangs, and later ones."""
    SEE_ROOM = "see-room"
    """The sensor sees the room again."""
    SEE_DARK = "see-dark"
    """The room is dark."""
    SEE_COVERED = "see-covered"
    """Something covers the lens."""
    SEE_FROZEN = "see-frozen"
    """The picture stands still."""
    SEE_NOISE = "see-noise"
    """The picture is noise, the dearest thing an encoder can get."""
    SOUND_STOP = "sound-stop"
    """The microphone delivers nothing but stays plugged in."""
    SOUND_CONTINUE = "sound-continue"
    """The microphone delivers again."""
    SOUND_ZERO = "sound-zero"
    """The microphone delivers digital zero."""
    SOUND_REAL = "sound-real"
    """The microphone delivers the sound again."""
    SOUND_UNPLUG = "sound-unplug"
    """The microphone is gone."""
    SOUND_REPLUG = "sound-replug"
    """The microphone is back."""


class LeverStuck(Exception):
    """A lever could not be pulled; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """One lever being pulled."""

    verb: Verb
    value: int = 0

    def packet(self) -> bytes:
        """Return the packet to send."""
        return json.dumps({"verb": self.verb, "value": self.value}).encode()

    @classmethod
    def parse(cls, packet: bytes) -> Pull:
        """Return what a packet asks for; raises LeverStuck."""
        try:
            asked = json.loads(packet)
            verb, value = Verb(asked["verb"]), asked.get("value", 0)
        except (ValueError, TypeError, KeyError, AttributeError) as fault:
            raise LeverStuck("not a lever of this world") from fault
        if type(value) is not int:
            raise LeverStuck("the value of a lever is a whole number")
        return cls(verb=verb, value=value)


def pulled(tally: Tally) -> bytes:
    """Return the answer to a lever that was pulled."""
    return json.dumps(asdict(tally)).encode()


def stuck(why: str) -> bytes:
    """Return the answer to a lever that could not be pulled."""
    return json.dumps({"why": why[: LONGEST_PACKET_BYTES // 2]}).encode()


class Levers:
    """Pulls levers of the world behind a control socket. One thread at a time."""

    def __init__(self, path: Path, limit_seconds: float = 10.0) -> None:
        """Connect; raises OSError when no world answers."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.settimeout(limit_seconds)
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise

    def pull(self, verb: Verb, value: int = 0) -> Tally:
        """Pull a lever and return the tally after it; raises LeverStuck, or OSError when the world is gone."""
        self._socket.sendall(Pull(verb=verb, value=value).packet())
        packet = self._socket.recv(LONGEST_PACKET_BYTES)
        if not packet:
            raise ConnectionResetError("the world ended")
        answer = json.loads(packet)
        if "why" in answer:
            raise LeverStuck(answer["why"])
        return Tally(**answer)

    def close(self) -> None:
        """Let go."""
        self._socket.close()

    def __enter__(self) -> Levers:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        self.close()
