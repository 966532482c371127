"""A whole session recorded in virtual time, for tests: the product's recorder, encoder and muxer on a small room.

Everything is written below one folder. The stand-in for libcamera is placed first, for picamera2's encoder imports it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy

from edge import journal
from edge.app import Start, run
from edge.config import Config
from edge.provision import demo_identity
from edge.recorder import Ended
from edge.status import Status
from liuhen.entry import Entry
from liuhen.kinds import EntryBody, Event
from liuhen.registry import EventCode
from sim import strip
from sim.imager import Moment
from sim.install import install
from sim.scene import PictureSource, Planes
from sim.speech import Speech
from sim.virtual import VIRTUAL_START, VirtualPlan, build_room, open_virtual
from sim.virtual_room import Act, VirtualRoom
from sim.virtual_sources import Crystal, VirtualMicrophone
from tests.decoded import SegmentFacts, SoundAgainstTruth, SoundComparison, decode_session, true_frames

WIDTH, HEIGHT, FRAMES_PER_SECOND = 640, 360, 25
RATE_HZ = 48_000


class PlainRoom:
    """The cheapest picture with detail, movement and a counter: a pattern, a block that wanders, sensor noise."""

    def __init__(self, width: int = WIDTH, height: int = HEIGHT) -> None:
        rows, columns = numpy.mgrid[0:height, 0:width]
        self._ground = (60 + (columns // 8 * 7 + rows // 8 * 13) % 120).astype(numpy.uint8)
        self._noise = numpy.random.default_rng(7).integers(0, 3, (height + 16, width), numpy.uint8)

    def draw(self, counter: int, utc_ms: int, planes: Planes) -> None:
        shift = counter * 7 % 16
        planes.luma[:] = self._ground + self._noise[shift : shift + planes.height]
        planes.blue[:] = planes.red[:] = 128
        left = counter * 4 % (planes.width - 64)
        planes.luma[100:164, left : left + 64] = 210
        strip.paint(planes, counter)


@dataclass(slots=True)
class Onlooker:
    """Remembers what a terminal would have shown."""

    sealed: list[tuple[int, int]] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    latest: Status | None = None
    words: list[str] = field(default_factory=list)
    warned: set[str] = field(default_factory=set)

    def fragment(self, segment: int, fragment: int, r: bytes) -> None:
        self.sealed.append((segment, fragment))

    def entry(self, seq: int, digest: bytes) -> None:
        self.entries.append(seq)

    def status(self, status: Status) -> None:
        self.latest = status
        self.warned.update(status.warnings_zh)

    def said(self, words_zh: str, words_en: str) -> None:
        self.words.append(words_en)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A finished session: where it is, what the journal says, and the true clock of its sound."""

    ended: Ended
    spool: Path
    trust_file: Path
    truth: Path
    crystals: list[Crystal]
    onlooker: Onlooker

    def entries(self) -> Iterator[Entry]:
        for path in sorted((self.spool / "journal").glob("*.cbor")):
            yield from journal.entries_of(path)

    def bodies(self, kind: type[EntryBody]) -> list[Any]:
        return [entry.body for entry in self.entries() if isinstance(entry.body, kind)]

    def events(self, code: EventCode) -> list[Event]:
        return [event for event in self.bodies(Event) if event.code == code]

    def segments(self) -> list[Path]:
        return sorted((self.spool / "sessions" / self.ended.session_id.hex()).glob("*.mp4"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Casting:
    """What differs from an ordinary session in virtual time."""

    seconds: float
    script: tuple[Act, ...] = ()
    microphone_ppm: float = 0.0
    picture: Callable[[], PictureSource] = PlainRoom
    real_time: bool = False
    camera: bool = True
    microphone: bool = True
    since: Moment = VIRTUAL_START
    officials_zone: tuple[int, ...] = ()
    parties_zone: tuple[int, ...] = ()


def small_config(folder: Path, casting: Casting) -> Config:
    """The default configuration with a small picture, and a demo key made in the folder."""
    spool = folder / "spool"
    identity = demo_identity(spool, folder / "keys", now_utc_ms=VIRTUAL_START.utc_ms)
    base = Config()
    return replace(
        base,
        spool=replace(base.spool, directory=spool, minimum_free_hours=0.1),
        key=replace(base.key, file=identity.key_file, endorsements=(identity.endorsement_file,)),
        camera=replace(
            base.camera,
            enabled=casting.camera,
            width=WIDTH,
            height=HEIGHT,
            frames_per_second=FRAMES_PER_SECOND,
            bitrate_bits_per_second=600_000,
            officials_zone=casting.officials_zone,
            parties_zone=casting.parties_zone,
        ),
        microphone=replace(base.microphone, enabled=casting.microphone),
    )


def plan_for(config: Config, folder: Path, casting: Casting) -> VirtualPlan:
    """The plan of a casting, with the product's own chains."""
    install(folder / "no-sensor")
    from drivers.offline_encoder import OfflinePicture, OfflineSound  # noqa: PLC0415 - after the stand-in is placed

    return VirtualPlan(
        picture_chain=lambda: OfflinePicture(config.camera, config.device.utc_offset_minutes),
        sound_chain=lambda: OfflineSound(config.microphone),
        picture_source=casting.picture,
        sound_source=lambda: Speech(config.microphone.rate_hz, config.microphone.channels),
        seconds=casting.seconds,
        microphone_ppm=casting.microphone_ppm,
        truth=folder / "truth",
        seed=1,
        real_time=casting.real_time,
        since=casting.since,
        script=casting.script,
    )


def record(folder: Path, casting: Casting) -> Recorded:
    """Record one session from start to end."""
    config = small_config(folder, casting)
    hardware, conduct = open_virtual(config, plan_for(config, folder, casting))
    onlooker = Onlooker()
    ended = run(
        Start(
            config=config,
            hardware=hardware,
            watcher=onlooker,
            stop=threading.Event(),
            conduct=conduct,
        )
    )
    return Recorded(
        ended=ended,
        spool=config.spool.directory,
        trust_file=folder / "keys" / "trust.file",
        truth=folder / "truth",
        crystals=hardware.microphone.crystals if isinstance(hardware.microphone, VirtualMicrophone) else [],
        onlooker=onlooker,
    )


def quiet_room(folder: Path, casting: Casting) -> VirtualRoom:
    """The room of a casting without a recorder and without truth."""
    config = small_config(folder, casting)
    return build_room(config, plan_for(config, folder, casting))


# -- what came of it --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundError:
    """How far a segment's sound is from the truth, against its picture, as a player presents both."""

    segment: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A session decoded by ffmpeg and held against the truth."""

    segments: tuple[SegmentFacts, ...]
    counters: tuple[int | None, ...]
    delivered: tuple[int, ...]
    sound: SoundComparison
    sound_errors: tuple[SoundError, ...]

    @property
    def worst_sound_error_seconds(self) -> float:
        return max((abs(error.seconds) for error in self.sound_errors), default=0.0)


def examine(recorded: Recorded) -> Examined:
    """Decode everything; about 300 times faster than real time for a small picture."""
    comparison = SoundAgainstTruth(recorded.truth / "sound.pcm")
    segments = tuple(decode_session(recorded.segments(), hear=comparison.hear))
    frames = list(true_frames(recorded.truth))
    sensor_ns = {frame.counter: frame.sensor_ns for frame in frames}
    return Examined(
        segments=segments,
        counters=tuple(counter for facts in segments for counter in facts.counters),
        delivered=tuple(frame.counter for frame in frames if frame.delivered),
        sound=comparison.judge(),
        sound_errors=tuple(_sound_errors(segments, sensor_ns, recorded.crystals)),
    )


def _sound_errors(
    segments: tuple[SegmentFacts, ...], sensor_ns: dict[int, int], crystals: list[Crystal]
) -> Iterator[SoundError]:
    """Only for a session whose microphone ran through: then the session's sample count is the crystal's."""
    for facts in segments:
        heard = facts.sound_after_picture_seconds
        first = facts.counters[0] if facts.counters else None
        if heard is not None and first is not None and len(crystals) == 1:
            true_ns = crystals[0].sample_ns(facts.first_sample) - sensor_ns[first]
            yield SoundError(segment=facts.path.stem, seconds=heard - true_ns / 1e9)


def verify(recorded: Recorded) -> dict[str, Any]:
    """What liuhen-verify says, run as a stranger would; "exit_code" is added."""
    command = [sys.executable, "-m", "liuhen.cli", str(recorded.spool), "--trust", str(recorded.trust_file), "--json"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer | {"exit_code": done.returncode}
