"""The composition of the world process: reads its command line, builds room, truth and sound, and runs the stage.

Owns everything the process has, and ends it in reverse order. Prints exactly one line, `{"ready": ...}` or
`{"failed": ...}`, on standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from sim import strip
from sim.doorway import DoorwayTaken
from sim.feeder import MicrophoneClock
from sim.field import Field
from sim.footage import PictureFile, SoundFile
from sim.imager import SensorMode
from sim.loudspeaker import Loudspeaker, Overheard
from sim.optics import Optics, Stamped
from sim.pulse import DEVICE, PulseSource, PulseUnavailable
from sim.room import HearingRoom
from sim.scene import PictureSource, SoundSource
from sim.speech import Speech
from sim.stage import Props, Stage
from sim.truth import Layout, NoTruth, Truth, Witness
from sim.wiring import Wires
from sim.world import WorldPlan, WorldReady

EXIT_FAILED = 2


def main() -> int:
    """Run the world until its parent lets go of standard input or SIGTERM comes."""
    plan = _read_arguments()
    try:
        with ExitStack() as stack:
            _perform(plan, stack)
    except (OSError, DoorwayTaken, PulseUnavailable, ValueError) as trouble:
        _say(json.dumps({"failed": str(trouble), "sound_server": isinstance(trouble, PulseUnavailable)}))
        return EXIT_FAILED
    return 0


def _perform(plan: WorldPlan, stack: ExitStack) -> None:
    mode = SensorMode(width=plan.width, height=plan.height, frames_per_second=plan.frames_per_second)
    room = _room(plan)
    witness = _witness(plan)
    stack.callback(witness.close)
    loudspeaker = Loudspeaker(rate_hz=plan.rate_hz, parent=plan.pulse) if plan.pulse and plan.loudspeaker else None
    if loudspeaker is not None:
        loudspeaker.start()
        stack.callback(loudspeaker.stop)
    sound = None if plan.pulse is None else _microphone(plan, plan.pulse, witness, loudspeaker)
    if sound is not None:
        sound.start()
        stack.callback(sound.stop)
    field = None if plan.around is None else Field(plan.around)
    if field is not None:
        field.start()
        stack.callback(field.stop)
    stage = Stage(
        Props(
            sensor_path=plan.socket,
            control_path=plan.control,
            pins_path=plan.pins,
            wires=plan.wires,
            mode=mode,
            optics=Optics(room),
            witness=witness,
            sound=sound,
            around={} if field is None else field.levers,
        )
    )
    stack.callback(stage.close)
    stage.run(sys.stdin.buffer, lambda: _say(_ready(plan, sound, loudspeaker).line()))


def _witness(plan: WorldPlan) -> Witness:
    if plan.truth is None:
        return NoTruth()
    return Truth(plan.truth, Layout(rate=plan.rate_hz, channels=plan.channels, strip=strip.LAYOUT))


def _room(plan: WorldPlan) -> PictureSource:
    if plan.picture is not None:
        return PictureFile(plan.picture, plan.width, plan.height, plan.frames_per_second, plan.stamp)
    if plan.width < strip.WIDTH or plan.height < strip.HEIGHT:
        raise ValueError(f"the counter strip needs a picture of at least {strip.WIDTH}x{strip.HEIGHT} pixels")
    return Stamped(HearingRoom(plan.width, plan.height, plan.room))


def _microphone(plan: WorldPlan, folder: Path, witness: Witness, loudspeaker: Loudspeaker | None) -> PulseSource:
    voice = _voice(plan)
    heard = voice if loudspeaker is None else Overheard(voice, loudspeaker, plan.channels)
    clock = MicrophoneClock(rate_hz=plan.rate_hz, channels=plan.channels, error_ppm=plan.microphone_ppm)
    return PulseSource(sound=heard, clock=clock, on_written=witness.sound, on_moment=witness.moment, parent=folder)


def _voice(plan: WorldPlan) -> SoundSource:
    if plan.sound is not None:
        return SoundFile(plan.sound, plan.rate_hz, plan.channels)
    return Speech(plan.rate_hz, plan.channels)


def _ready(plan: WorldPlan, sound: PulseSource | None, loudspeaker: Loudspeaker | None) -> WorldReady:
    return WorldReady(
        sensor=plan.socket,
        control=plan.control,
        pins=plan.pins,
        sound_device="" if sound is None else DEVICE,
        sound_environment={} if sound is None else sound.environment(),
        loudspeaker_device="" if loudspeaker is None else loudspeaker.device,
        loudspeaker_environment={} if loudspeaker is None else loudspeaker.environment(),
    )


def _say(line: str) -> None:
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The parent is gone, and standard input, which closed with it, ends the stage. Nobody is left to be told.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - or Python fails again at exit


def _wires(text: str) -> Wires:
    return Wires(**json.loads(text))


def _read_arguments() -> WorldPlan:
    parser = argparse.ArgumentParser(prog="python -m sim.world", description="the simulated room, as a process")
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--height", type=int, required=True)
    parser.add_argument("--fps", type=int, required=True)
    parser.add_argument("--room", required=True, help="the name on the room's sign")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--sound", type=Path)
    parser.add_argument("--stamp", action="store_true")
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--pulse-dir", type=Path, dest="pulse")
    parser.add_argument("--loudspeaker", action="store_true", help="the microphone hears what is played in the room")
    parser.add_argument("--microphone-ppm", type=float, default=0.0)
    parser.add_argument("--rate", type=int, default=48000, dest="rate_hz")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--around", type=Path)
    parser.add_argument("--wires", type=_wires, default=Wires())
    given = vars(parser.parse_args())
    given["frames_per_second"] = given.pop("fps")
    return WorldPlan(**given)
