"""The second tier from the command line: the room implements the ports, and no library of a device is below it.

Encoder, muxer, writer and journal stay the product's.
"""

from __future__ import annotations

import argparse
import secrets
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from edge.app import Start
from edge.commands.overrides import amended_digest
from edge.config import Config
from edge.terminal import record
from sim.footage import PictureFile, SoundFile
from sim.install import install
from sim.room import HearingRoom
from sim.scene import PictureSource, SoundSource
from sim.speech import Speech
from sim.virtual import VIRTUAL_START, Chains, VirtualPlan, open_virtual


def record_at_the_ports(base: Config, parsed: argparse.Namespace, chains: Chains, *, real_time: bool) -> int:
    """Record one session under the choices of `liuhen sim`; returns the exit code. `chains` makes the encoders."""
    with tempfile.TemporaryDirectory(prefix="liuhen-") as folder:
        install(Path(folder) / "no-sensor")
        chosen = replace(base, digest=amended_digest(base, "sim port-level"))
        hardware, conduct = open_virtual(chosen, _virtual_plan(chosen, parsed, chains, real_time=real_time))
        return record(
            lambda terminal, stop: Start(
                config=chosen,
                hardware=hardware,
                watcher=terminal,
                stop=stop,
                conduct=conduct,
                seconds=parsed.seconds,
                emergency=parsed.emergency,
            ),
            acknowledgements=parsed.acks,
        )


def _virtual_plan(base: Config, parsed: argparse.Namespace, chains: Chains, *, real_time: bool) -> VirtualPlan:
    picture_chain, sound_chain = chains(base)
    return VirtualPlan(
        picture_chain=picture_chain,
        sound_chain=sound_chain,
        picture_source=lambda: _picture_source(base, parsed),
        sound_source=lambda: _sound_source(base, parsed),
        microphone_ppm=parsed.microphone_ppm,
        truth=parsed.truth,
        # Another boot and the present date for every session, or two of them in one spool would contradict each other.
        seed=secrets.randbits(32),
        since=replace(VIRTUAL_START, utc_ms=time.time_ns() // 1_000_000),
        real_time=real_time,
    )


def _picture_source(base: Config, parsed: argparse.Namespace) -> PictureSource:
    camera = base.camera
    if parsed.picture is not None:
        return PictureFile(parsed.picture, camera.width, camera.height, camera.frames_per_second, parsed.stamp)
    return HearingRoom(camera.width, camera.height, base.device.room, stamp=True)


def _sound_source(base: Config, parsed: argparse.Namespace) -> SoundSource:
    if parsed.sound is not None:
        return SoundFile(parsed.sound, base.microphone.rate_hz, base.microphone.channels)
    return Speech(base.microphone.rate_hz, base.microphone.channels)
