"""The second tier: the room implements the recorder's ports, in virtual time or paced by the machine's own clock.

Owns no thread: sources, WRITER and CONTROL take turns in the caller's. Everything from encoder to spool is the
product's; what a session leaves on disk is what a device would leave. The room's truth is closed when the conduct
returns.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.app import Stage
from edge.capture import WRITER_LIMIT_SECONDS, Sources
from edge.config import Config
from edge.messages import StopRequested
from edge.ports import Hardware, PictureFormat
from edge.recorder import Ended
from edge.revival import ReviverAtOnce
from edge.stretch import Stretch, Unstarted
from edge.writer import Resumption
from liuhen.registry import EndCause
from sim import strip
from sim.imager import NS_PER_MS, Moment
from sim.optics import Optics
from sim.scene import PictureSource, SoundSource
from sim.truth import Layout, NoTruth, Truth, Witness
from sim.virtual_clock import VirtualClock
from sim.virtual_room import FAR_FUTURE_NS, Act, VirtualRoom
from sim.virtual_sources import NS_PER_SECOND, PictureChain, SoundChain, VirtualCamera, VirtualMicrophone

Conduct = Callable[[Stage], Ended]
Chains = Callable[[Config], tuple[Callable[[], PictureChain], Callable[[], SoundChain]]]
"""What makes the product's encoders for a configuration: a composition root's, for they are drivers."""

TURN_NS = 100_000_000
TURNS_AT_ONCE = 2
"""CONTROL's turns every TURN_NS: at most four measures and a few closings a second come in."""
_IN_ORDER = (EndCause.STOPPED, EndCause.SHUTDOWN)
"""What CONTROL says while nothing has failed."""
VIRTUAL_START = Moment(boottime_ns=1000 * NS_PER_SECOND, utc_ms=1_772_413_200_000)
"""2026-03-02 09:00 in Beijing, 1000 s after boot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualPlan:
    """What a virtual session is made of.

    `seconds` ends it where the start names no length (None: only the stop event does). The chains are the product's,
    built by the composition root. `seed` decides boot id and lateness of sound. With `real_time` the clocks start at
    the machine's and nothing happens before its time; `since` is then not used.
    """

    picture_chain: Callable[[], PictureChain]
    sound_chain: Callable[[], SoundChain]
    picture_source: Callable[[], PictureSource]
    sound_source: Callable[[], SoundSource]
    seconds: float | None = None
    microphone_ppm: float = 0.0
    truth: Path | None = None
    seed: int = 0
    real_time: bool = False
    since: Moment = VIRTUAL_START
    script: tuple[Act, ...] = ()


def open_virtual(config: Config, plan: VirtualPlan) -> tuple[Hardware, Conduct]:
    """The ports of a virtual room, and the conduct that plays a session in it (for `edge.app.Start`). Once per plan."""
    room = build_room(config, plan)
    hardware = Hardware(camera=room.camera, microphone=room.microphone, clock=room.clock)
    pace = _keep_pace if plan.real_time else _no_pace

    def conduct(stage: Stage) -> Ended:
        witness = _witness(config, plan.truth)  # only now: a session that is refused leaves no truth
        try:
            room.begin(witness)
            return conduct_virtual(room, stage, seconds=plan.seconds, pace=pace)
        finally:
            witness.close()

    return hardware, conduct


def build_room(config: Config, plan: VirtualPlan) -> VirtualRoom:
    """The room alone, for who conducts it otherwise."""
    clock = VirtualClock(_machine_clocks() if plan.real_time else plan.since, plan.seed)
    optics = Optics(plan.picture_source())
    camera = microphone = None
    if config.camera.enabled:
        picture = PictureFormat(
            width=config.camera.width,
            height=config.camera.height,
            frames_per_second=config.camera.frames_per_second,
        )
        camera = VirtualCamera(picture=picture, chain=plan.picture_chain(), scene=optics, clock=clock)
    if config.microphone.enabled:
        microphone = VirtualMicrophone(
            chain=plan.sound_chain(),
            source=plan.sound_source(),
            clock=clock,
            ppm=plan.microphone_ppm,
            seed=plan.seed,
        )
    return VirtualRoom(clock=clock, camera=camera, microphone=microphone, optics=optics, script=plan.script)


def conduct_virtual(
    room: VirtualRoom,
    stage: Stage,
    *,
    seconds: float | None,
    pace: Callable[[int, threading.Event], None],
    turn_ns: int = TURN_NS,
    turns_at_once: int = TURNS_AT_ONCE,
) -> Ended:
    """Play one session in a room that has begun; its end has the product's order: sources, queue, WRITER, entries.

    CONTROL takes so many turns every `turn_ns`; a long day with few frames needs fewer of them.
    Where the power is cut (`PowerCut`) there is no end: what is on the disk is what stays.
    """
    asked = stage.start.seconds if stage.start.seconds is not None else seconds
    end_ns = FAR_FUTURE_NS if asked is None else room.clock.boottime_ns() + int(asked * NS_PER_SECOND)
    capture = VirtualCapture(stage.sources)
    stage.stretches.conductor = capture
    stage.reviver(ReviverAtOnce)
    try:
        stage.begin(stage.start_sources() if stage.may_capture else ())
    except BaseException:
        stage.sources.stop()
        raise
    try:
        _play(room, stage, end_ns, pace, (turn_ns, turns_at_once))
    except PowerCut:
        stage.sources.stop()  # what they still deliver lies in a queue that nobody reads
        raise
    except BaseException:
        _end(stage, capture)
        raise
    return _end(stage, capture)


def _end(stage: Stage, capture: VirtualCapture) -> Ended:
    capture.end(stage.stretches.newest, stage.recorder.end_cause(), None)
    return stage.recorder.close(WRITER_LIMIT_SECONDS)


class PowerCut(Exception):
    """The power is gone: nothing more is written and nothing ends in order. Raised by a script's act."""


class VirtualCapture:
    """Conducts stretches without threads: what ends has been written when the call returns."""

    def __init__(self, sources: Sources) -> None:
        """Nothing runs yet."""
        self._sources = sources

    def begin(self, stretch: Stretch, go_on_from: Callable[[Unstarted], Resumption]) -> None:
        """Start the sources; WRITER takes its turns from the room's conductor."""
        stretch.writer.go_on_from(go_on_from(self._sources.start_what_starts(stretch)))

    def end(self, stretch: Stretch, cause: EndCause, at_ns: int | None) -> None:
        """Stop the sources, write what is left and end the segment."""
        stretch.writer.end_cause = cause
        if at_ns is not None:
            stretch.packets.cut_off(at_ns)
        self._sources.stop()
        stretch.packets.close()
        stretch.writer.run()


def _play(
    room: VirtualRoom, stage: Stage, end_ns: int, pace: Callable[[int, threading.Event], None], turns: tuple[int, int]
) -> None:
    """Go from moment to moment until the end is asked for, or nothing can be written any more."""
    every_ns, at_once = turns
    turn_ns = room.clock.boottime_ns() + every_ns
    while stage.recorder.end_cause() in _IN_ORDER:
        now_ns = min(room.next_ns(), turn_ns, end_ns)
        pace(now_ns, stage.start.stop)
        if stage.start.stop.is_set() or now_ns >= end_ns:
            room.clock.move_to(min(now_ns, end_ns))
            stage.inbox.post(StopRequested(cause=stage.start.stop_cause))
            stage.recorder.record()
            return
        room.clock.move_to(now_ns)
        room.tick()
        if now_ns >= room.disk_waits_until_ns:
            _write_all(stage)
        if now_ns >= turn_ns:
            turn_ns = now_ns + every_ns
            for _ in range(at_once):
                stage.recorder.turn(0)


def _write_all(stage: Stage) -> None:
    """WRITER until nothing waits; its last turn closes what is overdue."""
    wrote = True
    while wrote:
        wrote = stage.writer.pump(0)


def _no_pace(_boottime_ns: int, _stop: threading.Event) -> None:
    """Virtual time: nobody waits."""


def _keep_pace(boottime_ns: int, stop: threading.Event) -> None:
    """Wait until the machine's CLOCK_BOOTTIME has come to this moment, or the stop event is set."""
    wait_ns = boottime_ns - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    if wait_ns > 0:
        stop.wait(wait_ns / NS_PER_SECOND)


def _machine_clocks() -> Moment:
    """The machine's clocks, BOOTTIME in whole microseconds."""
    return Moment(
        boottime_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000 * 1000, utc_ms=time.time_ns() // NS_PER_MS
    )


def _witness(config: Config, folder: Path | None) -> Witness:
    if folder is None:
        return NoTruth()
    layout = Layout(rate=config.microphone.rate_hz, channels=config.microphone.channels, strip=strip.LAYOUT)
    return Truth(folder, layout)
