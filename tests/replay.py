"""Encoded packets as a source, played in virtual time through the product's own pipeline.

For benchmarks and long archives: nothing is encoded twice, so what is measured is everything after the encoder. Owns no
thread: one caller plays camera, microphone, WRITER and CONTROL in turn.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edge.app import Stage, Start, Watcher, run
from edge.config import Config
from edge.packet_queue import PacketQueue
from edge.ports import (
    ClockReading,
    Deliver,
    Hardware,
    PictureFormat,
    PicturePacket,
    SoundFormat,
    SoundPacket,
    SourceOrigin,
    SyncState,
)
from edge.provision import demo_identity
from edge.recorder import Ended
from edge.segmenter import Segmenter, Step
from edge.status import Status
from liuhen.registry import EndCause

UTC_MS = 1_800_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The packets of one recorded segment, times from 0 in nanoseconds, and what they repeat after."""

    picture: PictureFormat
    sound: SoundFormat
    pictures: tuple[tuple[int, bytes, bool], ...]
    sounds: tuple[tuple[int, bytes, int], ...]

    @property
    def length_ns(self) -> int:
        """Duration of the pictures; the sound is cut to it."""
        return len(self.pictures) * 10**9 // self.picture.frames_per_second


def packets(recording: Recording, seconds: int, *, origin_ns: int = 10**9) -> Iterator[PicturePacket | SoundPacket]:
    """Pictures and sounds in time order for so many seconds from the origin on, repeated from the recording."""
    frame_ns = 10**9 // recording.picture.frames_per_second
    sample, sound_index = 0, 0
    for frame in range(seconds * recording.picture.frames_per_second):
        at_ns = origin_ns + frame * frame_ns
        while origin_ns + sample * 10**9 // recording.sound.rate_hz <= at_ns:
            _, payload, samples = recording.sounds[sound_index % len(recording.sounds)]
            end_ns = origin_ns + (sample + samples) * 10**9 // recording.sound.rate_hz
            yield SoundPacket(payload=payload, first_sample=sample, samples=samples, arrival_boottime_ns=end_ns)
            sample, sound_index = sample + samples, sound_index + 1
        _, payload, keyframe = recording.pictures[frame % len(recording.pictures)]
        yield PicturePacket(payload=payload, boottime_ns=at_ns, keyframe=keyframe)


def plain_steps(segmenter: Segmenter, queue: PacketQueue, recording: Recording, seconds: int) -> Iterator[Step]:
    """The product's queue and segmenter alone."""
    for packet in packets(recording, seconds):
        queue.deliver(packet)
        item = queue.take(0)
        if isinstance(item, PicturePacket | SoundPacket):
            yield from segmenter.accept(item)
    yield from segmenter.finish(EndCause.STOPPED)


class ReplayClock:
    """Time as the replay sets it."""

    boot_id = bytes(range(16))

    def __init__(self, now_ns: int = 0) -> None:
        """Start at boot, or so long after it."""
        self.now_ns = now_ns

    def boottime_ns(self) -> int:
        """The set time."""
        return self.now_ns

    def read(self) -> ClockReading:
        """The set time, with UTC beside it."""
        return ClockReading(
            utc_ms=UTC_MS + self.now_ns // 1_000_000,
            boottime_ns=self.now_ns,
            sync=SyncState.SYNCHRONISED,
            error_ms=1,
        )


@dataclass(slots=True)
class ReplayCamera:
    """Knows its format; the packets come from the conductor."""

    format: PictureFormat

    def open(self) -> PictureFormat:
        """Nothing to claim."""
        return self.format

    def start(self, deliver: Deliver, caption: str) -> None:
        """The conductor delivers."""

    def force_keyframe(self) -> None:
        """The recording's keyframes are where they are."""

    def ease(self, eased: bool) -> None:
        """And so is its bitrate."""

    def stop(self, limit_seconds: float) -> None:
        """Nothing runs."""

    def origin(self) -> tuple[SourceOrigin, ...]:
        """A replay is no camera."""
        return (SourceOrigin(component="replay", version="0", evidence="recorded packets", genuine=False),)


@dataclass(slots=True)
class ReplayMicrophone:
    """Knows its format; the packets come from the conductor."""

    sound: SoundFormat

    def format(self) -> SoundFormat:
        """As recorded."""
        return self.sound

    def open(self) -> SoundFormat:
        """Nothing to claim."""
        return self.sound

    def start(self, deliver: Deliver) -> None:
        """The conductor delivers."""

    def stop(self, limit_seconds: float) -> None:
        """Nothing runs."""

    def origin(self) -> tuple[SourceOrigin, ...]:
        """A replay is no microphone."""
        return (SourceOrigin(component="replay", version="0", evidence="recorded packets", genuine=False),)


class Silent:
    """Looks on and says nothing."""

    def fragment(self, segment: int, fragment: int, r: bytes) -> None:
        """Nothing."""

    def entry(self, seq: int, digest: bytes) -> None:
        """Nothing."""

    def status(self, status: Status) -> None:
        """Nothing."""

    def said(self, words_zh: str, words_en: str) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """One run with one session: what is played, for how long, and who is told of every durable write."""

    config: Config
    recording: Recording
    seconds: int
    clock: ReplayClock
    watcher: Watcher


def play(playing: Playing) -> Ended:
    """Record it through `edge.app.run` with the real spool, journal, keys and writer. Raises what that raises."""
    recording, clock = playing.recording, playing.clock

    def conduct(stage: Stage) -> Ended:
        stage.begin(())
        for packet in packets(recording, playing.seconds, origin_ns=clock.now_ns + 10**9):
            at_ns = packet.boottime_ns if isinstance(packet, PicturePacket) else packet.arrival_boottime_ns
            clock.now_ns = max(clock.now_ns, at_ns)
            stage.packets.deliver(packet)
            stage.writer.pump(0)
            if isinstance(packet, PicturePacket) and packet.keyframe:
                stage.recorder.turn(0)
        stage.packets.close()
        stage.writer.finish()
        return stage.recorder.close(5)

    hardware = Hardware(
        camera=ReplayCamera(recording.picture), microphone=ReplayMicrophone(recording.sound), clock=clock
    )
    return run(
        Start(
            config=playing.config,
            hardware=hardware,
            watcher=playing.watcher,
            stop=threading.Event(),
            conduct=conduct,
        )
    )


def replay_session(folder: Path, recording: Recording, seconds: int) -> Path:
    """One whole session in a new spool with a new demo key; returns the trust file."""
    folder.mkdir()
    spool = folder / "spool"
    identity = demo_identity(spool, folder / "keys", now_utc_ms=UTC_MS)
    base = Config()
    config = replace(
        base,
        spool=replace(base.spool, directory=spool, minimum_free_hours=0.1),
        key=replace(base.key, file=identity.key_file, endorsements=(identity.endorsement_file,)),
    )
    ended = play(Playing(config=config, recording=recording, seconds=seconds, clock=ReplayClock(), watcher=Silent()))
    if not ended.clean:
        raise RuntimeError(ended.words_en)
    return identity.trust_file
