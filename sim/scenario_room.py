"""The room of a scenario: guard, sensors, loudspeaker, people and power around a virtual camera and microphone.

Owns no thread. Everything is said through the recorder's own ports (`edge.surroundings`) or its inbox; the guard and
the disk outlive a boot, as a latch file and a disk do. The guard stand-in says what the loops' truth makes a guard say:
it trips at once, stays latched, and permits only after the local reset on sound loops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.app import Stage
from edge.buttons import Act as Hand
from edge.buttons import Button, Pressed
from edge.guard.words import Lamp, Pair, Reason
from edge.guard_link import GuardBack, GuardLost, GuardMessage, GuardSaid
from edge.messages import Asked, RoomSays, SensorsTold
from edge.prompts import LoudspeakerMessage, Prompt, PromptPlayed, PromptVoice
from edge.requests import Answer, Request, Role, Verb
from edge.sensors.readings import (
    BoardBits,
    BoardReading,
    GasReading,
    GasReason,
    GasState,
    PowerReading,
    PowerState,
    Readings,
)
from edge.surroundings import Surroundings
from liuhen.registry import GapCause
from sim.optics import View
from sim.pulled_disk import SpoolDisk
from sim.scenario_file import Settings, Step, by_name
from sim.virtual import PowerCut
from sim.virtual_room import VirtualRoom
from sim.virtual_sources import NS_PER_SECOND

GUARD_SILENT_SECONDS = 1.0
READING_SECONDS = 2.0
PROMPT_SECONDS = 2.0
HOT_CELSIUS = 85.0
TALK_SECONDS = 3.0
OFF_SECONDS = 10.0
SOMEBODY, ANOTHER = "张三", "李四"


@dataclass(slots=True, kw_only=True)
class Loops:
    """The interlock's truth; `latched` is what the guard's latch file keeps through a cut."""

    pair: Pair = Pair.PERMIT
    reason: Reason = Reason.NONE
    latched: bool = False
    gas: bool = False
    alive: bool = True
    relay_dropped: bool = False

    @property
    def sound(self) -> bool:
        """Whether a reset would be accepted."""
        return self.pair is Pair.PERMIT and not self.gas

    def trip(self, reason: Reason) -> None:
        """No permit from here on."""
        self.reason, self.latched = reason, True


class ScenarioRoom:
    """See the module. `begin_boot` for each boot; `do` carries out one step of the timeline."""

    def __init__(self, settings: Settings, disk: SpoolDisk) -> None:
        """Nothing runs yet."""
        self.settings = settings
        self.disk = disk
        self.loops = Loops()
        if settings.loops == "off":
            self.loops.pair = Pair.OFF
            self.loops.trip(Reason.TRIPPED)
        self.lamps: list[str] = []
        self.unexpected: list[str] = []
        """What was asked for and answered otherwise than the scenario says."""
        self.off_seconds = 0.0
        self._room: VirtualRoom | None = None
        self._post: Callable[[RoomSays], None] | None = None
        self._readings = Readings(power=None, board=None, gas=None)
        self._told = False
        self._unplugged: set[str] = set()
        """What is not connected, whatever the power does."""

    # -- one boot -----------------------------------------------------------------------------------------------------

    def begin_boot(self, room: VirtualRoom) -> Surroundings:
        """The neighbours of a run in this room."""
        self._room, self._post, self._told = room, None, False
        for what in tuple(self._unplugged):
            self._unplug(what)
        return Surroundings(
            guard=self._guard if self.settings.interlock else None,
            loudspeaker=self._loudspeaker if self.settings.loudspeaker else None,
        )

    def on_stage(self, stage: Stage) -> None:
        """The session's inbox is there."""
        self._post = stage.inbox.post

    def power_goes(self, meanwhile: Iterable[Step] = ()) -> None:
        """A boot has ended without a clean stop: the guard wants its reset, for its latch file says so.

        A disk that was pulled is put back before the power is. `meanwhile` is done while it is off: plugs alone.
        """
        self.disk.pulled = False
        for step in meanwhile:
            if step.act in ("pull", "plug"):
                self._devices()[step.act](step.values)
        if self.settings.interlock:
            self.loops.trip(self.loops.reason if self.loops.latched else Reason.BOOT)
        self._readings = Readings(power=None, board=None, gas=None)

    @property
    def _now(self) -> VirtualRoom:
        if self._room is None:
            raise LookupError("no boot has begun")
        return self._room

    def say(self, message: RoomSays) -> None:
        """Into CONTROL's inbox; before a session there is nobody to hear it."""
        if self._post is not None:
            self._post(message)

    # -- neighbours ---------------------------------------------------------------------------------------------------

    def _guard(self, post: Callable[[GuardMessage], None]) -> _Guard:
        post(self._word())
        return _Guard(self.lamps)

    def _loudspeaker(self, post: Callable[[LoudspeakerMessage], None]) -> _Loudspeaker:
        return _Loudspeaker(self._now, post)

    def _word(self) -> GuardSaid:
        loops, now_ns = self.loops, self._now.clock.boottime_ns()
        return GuardSaid(
            permit=not loops.latched,
            latched=loops.latched,
            reason=loops.reason,
            pair=loops.pair,
            healthy=loops.sound,
            lamp=Lamp.INTERLOCK if loops.latched else Lamp.READY,
            since_ns=now_ns,
            boottime_ns=now_ns,
        )

    def _tell(self, **readings: Any) -> None:
        """The sensors tell now, and every two seconds from the first time on."""
        known = self._readings
        self._readings = Readings(
            power=readings.get("power", known.power),
            board=readings.get("board", known.board),
            gas=readings.get("gas", known.gas),
        )
        if not self._told:
            self._told = True
            self._now.later(READING_SECONDS, self._tell_again)
        self.say(SensorsTold(readings=self._readings, answer=_unheard))

    def _tell_again(self, room: VirtualRoom) -> None:
        self.say(SensorsTold(readings=self._readings, answer=_unheard))
        room.later(READING_SECONDS, self._tell_again)

    # -- acts ---------------------------------------------------------------------------------------------------------

    def do(self, step: Step) -> None:
        """Carry out one step."""
        values = step.values
        for acts in (self._devices(), self._interlock(), self._people()):
            if step.act in acts:
                acts[step.act](values)

    def _devices(self) -> dict[str, Callable[[Any], None]]:
        room, disk = self._now, self.disk
        return {
            "pull": lambda given: self._unplug(given["what"]),
            "plug": lambda given: self._plug_in(given["what"]),
            "cover_lens": lambda _: room.look(View.COVERED),
            "uncover_lens": lambda _: room.look(View.ROOM),
            "drain": self._drain,
            "charge": lambda _: self._tell(power=_power(PowerState.MAINS, 60)),
            "heat": self._heat,
            "fill_disk": lambda _: setattr(disk, "full", True),
            "pull_disk": lambda _: setattr(disk, "pulled", True),
            "stall_disk": lambda given: room.slow_disk(given.get("lasts", 1.0)),
            "step_clock": lambda given: room.step_wall_clock(int(given.get("milliseconds", 0))),
            "power_cut": self._power_cut,
        }

    def _unplug(self, what: str) -> None:
        self._unplugged.add(what)
        {"camera": self._now.take_camera_away, "microphone": self._now.take_microphone_away}[what]()

    def _plug_in(self, what: str) -> None:
        self._unplugged.discard(what)
        {"camera": self._now.put_camera_back, "microphone": self._now.put_microphone_back}[what]()

    def _drain(self, given: Mapping[str, Any]) -> None:
        low = bool(given.get("low", False))
        state = PowerState.LOW if low else PowerState.ON_BATTERY
        self._tell(power=_power(state, int(given.get("minutes", 2 if low else 12))))

    def _heat(self, given: Mapping[str, Any]) -> None:
        celsius = float(given.get("celsius", HOT_CELSIUS))
        bits = BoardBits.HOT if celsius >= HOT_CELSIUS else BoardBits(0)
        self._tell(board=BoardReading(milli_celsius=int(celsius * 1000), bits=bits))

    def _power_cut(self, given: Mapping[str, Any]) -> None:
        self.off_seconds = float(given.get("off", OFF_SECONDS))
        raise PowerCut

    def _interlock(self) -> dict[str, Callable[[Any], None]]:
        return {
            "open_loop": lambda _: self._loops(Pair.OFF, Reason.TRIPPED),
            "break_wire": lambda _: self._loops(Pair.BOTH_OPEN, Reason.OPEN),
            "short_wire": lambda _: self._loops(Pair.BOTH_CLOSED, Reason.SHORT),
            "close_loop": lambda _: self._loops(Pair.PERMIT, None),
            "reset": self._reset,
            "gas": lambda _: self._gas(True),
            "gas_clear": lambda _: self._gas(False),
            "kill_guard": self._kill_guard,
            "guard_back": self._guard_back,
        }

    def _loops(self, pair: Pair, reason: Reason | None) -> None:
        self.loops.pair = pair
        if reason is not None:
            self.loops.trip(reason)
        self._speak()

    def _gas(self, alarm: bool) -> None:
        self.loops.gas = alarm
        if alarm:
            self.loops.trip(Reason.GAS)
        self._speak()
        self._tell(
            gas=GasReading(
                state=GasState.TRIPPED if alarm else GasState.CLEAR,
                reason=GasReason.ALARM1 if alarm else GasReason.NONE,
                milli_percent_lel=25_000 if alarm else 0,
                micro_ampere=None,
            )
        )

    def _reset(self, _given: Mapping[str, Any]) -> None:
        """The key on the spot: accepted on sound loops only. The relay then feeds camera and microphone again."""
        if self.loops.sound and self.loops.alive:
            self.loops.latched, self.loops.reason = False, Reason.NONE
            if self.loops.relay_dropped:
                self.loops.relay_dropped = False
                self._now.put_camera_back()
                self._now.put_microphone_back()
        self._speak()

    def _speak(self) -> None:
        if self.settings.interlock and self.loops.alive:
            self.say(self._word())

    def _kill_guard(self, _given: Mapping[str, Any]) -> None:
        self.loops.alive, self.loops.relay_dropped = False, True
        died_ns = self._now.clock.boottime_ns()
        # The relay drops with the process and takes the devices' supply; the link notices a second of silence.
        self._now.take_camera_away()
        self._now.take_microphone_away()
        self._now.later(GUARD_SILENT_SECONDS, lambda _: self.say(GuardLost(since_ns=died_ns)))

    def _guard_back(self, _given: Mapping[str, Any]) -> None:
        """Started again: what it did not see is a trip until somebody resets."""
        self.loops.alive = True
        self.loops.trip(Reason.BOOT)
        self.say(GuardBack(boottime_ns=self._now.clock.boottime_ns()))
        self._speak()

    def _people(self) -> dict[str, Callable[[Any], None]]:
        return {
            "withhold": lambda given: self._ask(Verb.WITHHOLD, actor=given.get("by", SOMEBODY)),
            "approve": lambda given: self._ask(
                Verb.APPROVE,
                actor=given.get("by", ANOTHER),
                ground=given.get("ground", "个人隐私"),
                citation=given.get("citation", ""),
            ),
            "resume": lambda given: self._ask(Verb.RESUME, actor=given.get("by", ANOTHER)),
            "explain": self._explain,
            "amend": lambda given: self._ask(
                Verb.EXPLAIN,
                actor=given.get("by", SOMEBODY),
                cause=by_name(GapCause)[given["cause"]],
                text=given.get("text", ""),
            ),
            "mark": lambda _: self._ask(Verb.MARK),
            "press": self._press,
            "cannot_resume": lambda given: self._ask(
                Verb.CANNOT_RESUME,
                actor=given.get("by", SOMEBODY),
                reported_to=given.get("to", "王处长"),
                reported_at=given.get("when", "10:02"),
            ),
            "stop": lambda given: self._ask(Verb.STOP, actor=given.get("by", SOMEBODY), confirmed=True, text="闭会"),
            "refused": self._refused,
        }

    def _explain(self, given: Mapping[str, Any]) -> None:
        """Somebody says why, aloud; with a cause the machine's own is amended too."""
        cause = by_name(GapCause)[given["cause"]] if "cause" in given else None
        said = {"actor": given.get("by", SOMEBODY), "text": given.get("text", "")}
        self._ask(Verb.EXPLAIN, cause=cause, confirmed=cause is not None, **said)
        self._now.later(float(given.get("lasts", TALK_SECONDS)), lambda _: self._ask(Verb.EXPLAIN))

    def _press(self, given: Mapping[str, Any]) -> None:
        now_ns = self._now.clock.boottime_ns()
        self.say(Pressed(button=Button(given["button"]), act=Hand.PRESSED, boottime_ns=now_ns, pressed_ns=now_ns))

    def _refused(self, given: Mapping[str, Any]) -> None:
        said = {"actor": given.get("by", SOMEBODY), "ground": given.get("ground", "")}
        if given["verb"] == Verb.CANNOT_RESUME:
            said |= {"reported_to": "王处长", "reported_at": "10:02"}
        self._ask(Verb(given["verb"]), wanted=False, **said)

    def _ask(self, verb: Verb, *, wanted: bool = True, **said: Any) -> None:
        def answered(answer: Answer) -> None:
            if answer.ok is not wanted:
                self.unexpected.append(f"{verb}: {answer.words_zh}")

        self.say(Asked(request=Request(verb=verb, **said), role=Role.OPERATOR, answer=answered, attachment=None))


class _Guard:
    """The guard as the recorder sees it: which lamps were wanted, in order."""

    def __init__(self, lamps: list[str]) -> None:
        self._lamps = lamps

    def want(self, lamp: Lamp, *, session: bool, durable: int, buzzer: bool = False) -> None:
        if self._lamps[-1:] != [lamp.value]:
            self._lamps.append(lamp.value)

    def close(self) -> None:
        """Nothing is held."""


class _Loudspeaker:
    """Says everything in two seconds of virtual time."""

    def __init__(self, room: VirtualRoom, post: Callable[[LoudspeakerMessage], None]) -> None:
        self._room = room
        self._post = post

    def start(self) -> None:
        """There is nothing to load."""

    def play(self, prompt: Prompt) -> None:
        from_ns = self._room.clock.boottime_ns()
        played = PromptPlayed(
            prompt=prompt,
            voice=PromptVoice.SYNTHESISED,
            from_ns=from_ns,
            to_ns=from_ns + int(PROMPT_SECONDS * NS_PER_SECOND),
        )
        self._room.later(PROMPT_SECONDS, lambda _: self._post(played))

    def stop(self, limit_seconds: float) -> None:
        """Nothing is said any more."""


def _power(state: PowerState, minutes: int) -> PowerReading:
    return PowerReading(state=state, minutes_left=minutes, charge_percent=min(100, 4 * minutes))


def _unheard(_answer: object) -> None:
    """The sensors stand-in does not switch anything off: a scenario cuts the power itself."""
