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
    HANG_START = "hang-start"
    """Starting is never answered."""
    ANSWER_START = "answer-start"
    """Answer the start that hangs, and later ones."""
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
    SEE_LEFT_HIDDEN = "see-left-hidden"
    """A board stands before the left half of the lens."""
    SEE_RIGHT_HIDDEN = "see-right-hidden"
    """A board stands before the right half of the lens."""
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
    SOUND_MOVE = "sound-move"
    """The microphone is gone and the sound server gives whoever records it another, silent source."""
    SOUND_MOVE_BACK = "sound-move-back"
    """The microphone is back and the other source gone."""
    READ_WIRING = "read-wiring"
    """Answered by a `Reading` instead of the tally."""
    SET_CONTACTS = "set-contacts"
    """Both loop contacts at once: bit 1 closes the normally closed one, bit 0 the normally open one (2 is a permit)."""
    BREAK_NC = "break-nc"
    """The wire of the normally closed loop is broken."""
    BREAK_NO = "break-no"
    """The wire of the normally open loop is broken."""
    SHORT_NC = "short-nc"
    """The return of the normally closed loop touches a supply."""
    SHORT_NO = "short-no"
    """The return of the normally open loop touches a supply."""
    CROSS_LOOPS = "cross-loops"
    """The returns of both loops touch."""
    LINE_FAULT = "line-fault"
    """The contact of the line-fault relay opens (1) or closes (0)."""
    MEND_LOOPS = "mend-loops"
    """Undo all breaks, shorts, crosses and the line fault; contacts stay as they are."""
    PRESS_RESET = "press-reset"
    """A person presses the local reset key for `value` ms; 0 lets go now."""
    PRESS_START = "press-start"
    """The same with the key 开始录制."""
    PRESS_STOP = "press-stop"
    """The same with the key 结束录制."""
    PRESS_MARK = "press-mark"
    """The same with the key 重点标记."""
    PRESS_EXPLAIN = "press-explain"
    """The same with the key 语音说明."""
    PRESS_WITHHOLD = "press-withhold"
    """The same with the key 不得记录."""
    BOUNCE = "bounce"
    """Every key bounces `value` times, a millisecond each, when it is pressed and when it is let go from now on."""
    AWAIT_CONTACT = "await-contact"
    """Answer once the relay's contact is open (0) or closed (1)."""
    AWAIT_LAMP = "await-lamp"
    """Answer once a person has seen the lamps do `value` (a `sim.wiring.Seen`) for two seconds."""
    MAINS_FAIL = "mains-fail"
    """Mains is gone: the UPS feeds from its battery."""
    MAINS_RETURN = "mains-return"
    """Mains is back."""
    BATTERY = "battery"
    """The UPS's battery holds `value` percent."""
    UPS_SPEAK = "ups-speak"
    """How the UPS answers: the number of a `sim.ups.Manner` (0 sound, 1 silent, 2 garbled, 3 foreign, 4 echo)."""
    UPS_UNPLUG = "ups-unplug"
    """The UPS's data cable is pulled."""
    UPS_REPLUG = "ups-replug"
    """It is plugged in again."""
    GAS_LEVEL = "gas-level"
    """The gas detector's value register, %LEL with the default scale."""
    GAS_STATUS = "gas-status"
    """Its status register: 1 fault, 2 first alarm, 4 second alarm, 8 warm-up."""
    GAS_SPEAK = "gas-speak"
    """How it answers: the number of a `sim.gas.Manner` (0 sound, 1 silent, 2 garbled, 3 bad checksum, ...)."""
    GAS_UNPLUG = "gas-unplug"
    """Its line is pulled."""
    GAS_REPLUG = "gas-replug"
    """Its line is plugged in again."""
    LOOP_CURRENT = "loop-current"
    """The current of the 4-20 mA loop in microampere."""
    BOARD_HEAT = "board-heat"
    """The board's temperature in thousandths of a degree."""
    BOARD_VOLTAGE = "board-voltage"
    """1: under-voltage; 0: the voltage is good again."""
    BOARD_THROTTLE = "board-throttle"
    """The firmware's throttling bits."""


class LeverStuck(Exception):
    """A lever could not be pulled; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the wiring does now; times are CLOCK_BOOTTIME in ns, 0 for never.

    `lamps` are red, green, yellow, white; `seen` is what a person in front of them says (`sim.wiring.Seen`).
    `last_frame_ns` is when the last frame left for the recorder. `boottime_ns` is when this was read.
    """

    boottime_ns: int
    line_changed_ns: int
    permit: bool
    permit_changed_ns: int
    pump_changed_ns: int
    contact_closed: bool
    contact_since_ns: int
    last_frame_ns: int
    lamps: tuple[bool, bool, bool, bool]
    lamps_powered: bool
    buzzer: bool
    drop_all: bool
    seen: int

    def packet(self) -> bytes:
        """Return the answer to `READ_WIRING`."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def parse(cls, packet: bytes) -> Reading:
        """Read that answer; raises LeverStuck where the world had none."""
        answer = json.loads(packet)
        if "why" in answer:
            raise LeverStuck(answer["why"])
        return cls(**{**answer, "lamps": tuple(answer["lamps"])})


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
        answer = json.loads(self._ask(Pull(verb=verb, value=value)))
        if "why" in answer:
            raise LeverStuck(answer["why"])
        return Tally(**answer)

    def wiring(self) -> Reading:
        """Return what relay, lamps and outputs do now; raises as `pull` does."""
        return Reading.parse(self._ask(Pull(verb=Verb.READ_WIRING)))

    def close(self) -> None:
        """Let go."""
        self._socket.close()

    def _ask(self, pull: Pull) -> bytes:
        self._socket.sendall(pull.packet())
        packet = self._socket.recv(LONGEST_PACKET_BYTES)
        if not packet:
            raise ConnectionResetError("the world ended")
        return packet

    def __enter__(self) -> Levers:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        self.close()
