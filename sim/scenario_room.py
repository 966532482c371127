"""The room of a scenario: guard, sensors, loudspeaker, people and power around a virtual camera and microphone.

Owns no thread. Everything is said through the recorder's own ports (`edge.surroundings`) or its inbox; the latch file
and the disk outlive a boot. The guard's decisions are the real ones (`sim.virtual_guard`); the disk that is full
or pulled answers through `os` (`sim.pulled_disk`), for in virtual time nobody has a disk of his own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from edge.app import Stage
from edge.buttons import Act as Hand
from edge.buttons import Button, Pressed
from edge.guard.words import Lamp
from edge.guard_link import GuardWord
from edge.messages import Asked, RoomSays, SensorsTold
from edge.prompts import LoudspeakerMessage, Prompt, PromptPlayed, PromptVoice
from edge.requests import Answer, MarkKind, Request, Role, Verb
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
from sim.virtual_guard import VirtualGuard
from sim.virtual_room import VirtualRoom
from sim.virtual_sources import NS_PER_SECOND
from sim.wiring import Harness, Key, Loop

WATCH_SECONDS = 0.02
"""How often the guard's turns are made; an edge is dealt with at once."""
PRESS_SECONDS = 0.3
READING_SECONDS = 2.0
PROMPT_SECONDS = 2.0
HOT_CELSIUS = 85.0
TALK_SECONDS = 3.0
OFF_SECONDS = 10.0
SOMEBODY, ANOTHER = "张三", "李四"


class ScenarioRoom:
    """See the module. `begin_boot` for each boot; `do` carries out one step of the timeline."""

    def __init__(self, settings: Settings, disk: SpoolDisk) -> None:
        """Nothing runs yet."""
        self.settings = settings
        self.disk = disk
        self.guard = VirtualGuard(_harness(settings.loops == "permit"), gas=True)
        self.lamps: list[str] = []
        self.unexpected: list[str] = []
        """What was asked for and answered otherwise than the scenario says."""
        self.off_seconds = 0.0
        self._room: VirtualRoom | None = None
        self._post: Callable[[RoomSays], None] | None = None
        self._readings = Readings(power=None, board=None, gas=None)
        self._told = False
        self._powered = True
        self._unplugged: set[str] = set()
        """What is not connected, whatever the power does."""

    # -- one boot -----------------------------------------------------------------------------------------------------

    def begin_boot(self, room: VirtualRoom) -> Surroundings:
        """The neighbours of a run in this room."""
        self._room, self._post, self._told = room, None, False
        self._powered = True
        if self.settings.interlock:
            self.guard.boot(room.clock.boot_id, room.clock.boottime_ns(), self._powers)
        self._supply()
        return Surroundings(
            guard=self._guard if self.settings.interlock else None,
            loudspeaker=self._loudspeaker if self.settings.loudspeaker else None,
        )

    def on_stage(self, stage: Stage) -> None:
        """The session's inbox is there."""
        self._post = stage.inbox.post

    def begun(self) -> None:
        """The room's time runs: so does the guard's, and a UPS that is low says so."""
        if self.settings.interlock:
            self._watch(self._now)
        if self.settings.battery_low and self._readings.power is None:
            self._drain({"low": True})

    def _watch(self, room: VirtualRoom) -> None:
        self.guard.look(room.clock.boottime_ns())
        room.later(WATCH_SECONDS, self._watch)

    def _powers(self, closed: bool) -> None:
        """The relay's contact: camera and microphone have their supply through it."""
        self._powered = closed
        self._supply()

    def _supply(self) -> None:
        """A source is there while it is connected and has power."""
        room = self._now
        for what, back, away in (
            ("camera", room.put_camera_back, room.take_camera_away),
            ("microphone", room.put_microphone_back, room.take_microphone_away),
        ):
            (back if self._powered and what not in self._unplugged else away)()

    def power_goes(self, meanwhile: Iterable[Step] = ()) -> None:
        """A boot has ended; a disk that was pulled is put back before the power is.

        `meanwhile` is done while it is off: plugs alone.
        """
        self.disk.pulled = False
        for step in meanwhile:
            if step.act in ("pull", "plug"):
                self._devices()[step.act](step.values)
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

    def _guard(self, post: Callable[[GuardWord], None]) -> _Guard:
        clock = self._now.clock
        self.guard.hear_with(post, clock.boottime_ns())
        return _Guard(self.lamps, self.guard, clock.boottime_ns)

    def _loudspeaker(self, post: Callable[[LoudspeakerMessage], None]) -> _Loudspeaker:
        return _Loudspeaker(self._now, post)

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
        for acts in (self._devices(), self._interlock(), self._people(), self._clerk()):
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
            "fill_disk": lambda _: disk.fill(),
            "pull_disk": lambda _: setattr(disk, "pulled", True),
            "stall_disk": lambda given: room.slow_disk(given.get("lasts", 1.0)),
            "step_clock": lambda given: room.step_wall_clock(int(given.get("milliseconds", 0))),
            "power_cut": self._power_cut,
        }

    def _unplug(self, what: str) -> None:
        self._unplugged.add(what)
        self._supply()

    def _plug_in(self, what: str) -> None:
        self._unplugged.discard(what)
        self._supply()

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
            "open_loop": lambda _: self._wire(_harness(False)),
            "break_wire": lambda _: self._wire(replace(_harness(True), broken=frozenset({Loop.NC}))),
            "short_wire": lambda _: self._wire(replace(_harness(True), shorted=frozenset({Loop.NO}))),
            "close_loop": lambda _: self._wire(_harness(True)),
            "reset": self._reset,
            "gas": lambda _: self._gas(True),
            "gas_clear": lambda _: self._gas(False),
            "kill_guard": self._kill_guard,
            "guard_back": self._guard_back,
        }

    def _wire(self, harness: Harness) -> None:
        """What hangs on the header changes; the edge wakes the guard at once."""
        now_ns = self._now.clock.boottime_ns()
        self.guard.look(now_ns)
        self.guard.harness = harness
        self.guard.look(now_ns)

    def _gas(self, alarm: bool) -> None:
        now_ns = self._now.clock.boottime_ns()
        self.guard.look(now_ns)
        self.guard.gas_permits = not alarm
        self.guard.look(now_ns)
        self._tell(
            gas=GasReading(
                state=GasState.TRIPPED if alarm else GasState.CLEAR,
                reason=GasReason.ALARM1 if alarm else GasReason.NONE,
                milli_percent_lel=25_000 if alarm else 0,
                micro_ampere=None,
            )
        )

    def _reset(self, _given: Mapping[str, Any]) -> None:
        """The key on the spot, pressed and let go: it acts when it is let go, and only then."""
        held = self.guard.harness
        self._wire(replace(held, pressed=frozenset({Key.RESET})))
        self._now.later(PRESS_SECONDS, lambda _: self._wire(replace(self.guard.harness, pressed=frozenset())))

    def _kill_guard(self, _given: Mapping[str, Any]) -> None:
        self.guard.kill(self._now.clock.boottime_ns())

    def _guard_back(self, _given: Mapping[str, Any]) -> None:
        """Started again: what file and mark say decides."""
        now_ns = self._now.clock.boottime_ns()
        self.guard.look(now_ns)
        self.guard.begin(now_ns)
        self.guard.look(now_ns)

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
            "mark": lambda given: self._ask(Verb.MARK, step=int(given["step"]) if "step" in given else None),
            "consent": lambda given: self._ask(
                Verb.CONSENT, actor=given.get("by", SOMEBODY), text=given.get("text", "")
            ),
            "press": self._press,
            "cannot_resume": lambda given: self._ask(
                Verb.CANNOT_RESUME,
                actor=given.get("by", SOMEBODY),
                reported_to=given.get("to", "王处长"),
                reported_at=given.get("when", "09:00"),
            ),
            "stop": lambda given: self._ask(Verb.STOP, actor=given.get("by", SOMEBODY), confirmed=True, text="闭会"),
            "stop_unmeant": lambda given: self._ask(Verb.STOP, wanted=False, actor=given.get("by", SOMEBODY)),
            "refused": self._refused,
        }

    def _clerk(self) -> dict[str, Callable[[Any], None]]:
        """What the recorder of a hearing does beside the recording."""

        def mark(kind: MarkKind, **said: Any) -> None:
            self._ask(Verb.MARK, kind=kind, **said)

        return {
            "header": self._header,
            "step": self._step,
            "point": lambda given: mark(MarkKind.POINT, step=int(given["number"])),
            "arrival": lambda given: mark(MarkKind.ARRIVAL, text=given.get("who", SOMEBODY)),
            "notice": lambda given: mark(MarkKind.NOTICE, text=given.get("who", "")),
            "plate": lambda _: mark(MarkKind.PLATE),
            "spoken_place": lambda _: mark(MarkKind.PLACE),
            "recess": lambda _: mark(MarkKind.RECESS),
            "sitting_resumed": lambda _: mark(MarkKind.RESUMED),
            "attach": lambda given: self._ask(Verb.ATTACH, text=given["paper"], actor=SOMEBODY),
            "stop_unreasoned": lambda given: self._ask(
                Verb.STOP, wanted=False, actor=given.get("by", SOMEBODY), confirmed=True
            ),
        }

    def _header(self, given: Mapping[str, Any]) -> None:
        lines = "".join(f"{name.removesuffix('_of_case')}={value}\n" for name, value in given.items())
        self._ask(Verb.HEADER, attachment=lines.encode(), actor=SOMEBODY)

    def _step(self, given: Mapping[str, Any]) -> None:
        """A step begins, or began so many seconds ago and was forgotten."""
        ago_ms = round(float(given["ago"]) * 1000) if "ago" in given else None
        self._ask(Verb.MARK, kind=MarkKind.STEP, step=int(given["number"]), ago_ms=ago_ms)

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
            said |= {"reported_to": "王处长", "reported_at": "09:00"}
        self._ask(Verb(given["verb"]), wanted=False, **said)

    def _ask(self, verb: Verb, *, wanted: bool = True, attachment: bytes | None = None, **said: Any) -> None:
        def answered(answer: Answer) -> None:
            if answer.ok is not wanted:
                self.unexpected.append(f"{verb}: {answer.words_zh}")

        self.say(Asked(request=Request(verb=verb, **said), role=Role.OPERATOR, answer=answered, attachment=attachment))


class _Guard:
    """The guard as the recorder sees it: which lamps were wanted, in order (implements `edge.surroundings.Guard`)."""

    def __init__(self, lamps: list[str], guard: VirtualGuard, boottime_ns: Callable[[], int]) -> None:
        self._lamps = lamps
        self._guard = guard
        self._boottime_ns = boottime_ns

    def want(self, lamp: Lamp, *, session: bool, durable: int, buzzer: bool = False) -> None:
        self._guard.want(lamp, self._boottime_ns(), session=session, durable=durable, buzzer=buzzer)
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


def _harness(permit: bool) -> Harness:
    """Sound loops, closed for a permit or switched off."""
    return Harness(nc_closed=permit, no_closed=not permit)


def _power(state: PowerState, minutes: int) -> PowerReading:
    return PowerReading(state=state, minutes_left=minutes, charge_percent=min(100, 4 * minutes))


def _unheard(_answer: object) -> None:
    """The sensors stand-in does not switch anything off: a scenario cuts the power itself."""
