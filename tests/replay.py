"""A recorded session as a source: its real packets, played again in virtual time through the product's own pipeline.

For benchmarks and long archives: nothing is encoded twice, so what is measured is everything after the encoder.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext

from edge.app import Stage, Start, run
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
STREAMINFO_BYTES = 34


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


def load_recording(spool: Path) -> Recording:
    """Read the first full segment of a spool's first session back into packets."""
    path = min(spool.glob("sessions/*/000000.mp4"))
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        annexb = BitStreamFilterContext("h264_mp4toannexb", video)
        pictures = tuple(
            (0, bytes(packet), packet.is_keyframe)
            for raw in container.demux(video)
            if raw.size
            for packet in annexb.filter(raw)
        )
        rate = int(video.average_rate or 25)
        streaminfo = (audio.codec_context.extradata or b"")[-STREAMINFO_BYTES:]
        picture = PictureFormat(width=video.width, height=video.height, frames_per_second=rate)
        sound = SoundFormat(rate_hz=audio.rate, channels=audio.channels, streaminfo=streaminfo)
    with av.open(str(path)) as container:
        audio = container.streams.audio[0]
        sounds = tuple(
            (0, bytes(packet), int(packet.duration or 0)) for packet in container.demux(audio) if packet.size
        )
    return Recording(picture=picture, sound=sound, pictures=pictures, sounds=sounds)


def packets(recording: Recording, seconds: int) -> Iterator[PicturePacket | SoundPacket]:
    """Pictures and sounds in time order for so many seconds, repeated from the recording, starting at 1 s."""
    origin_ns = 10**9
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

    def __init__(self) -> None:
        """Start at boot."""
        self.now_ns = 0

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

    def stop(self, limit_seconds: float) -> None:
        """Nothing runs."""

    def origin(self) -> tuple[SourceOrigin, ...]:
        """A replay is no camera."""
        return (SourceOrigin(component="replay", version="0", evidence="recorded packets", genuine=False),)


@dataclass(slots=True)
class ReplayMicrophone:
    """Knows its format; the packets come from the conductor."""

    format: SoundFormat

    def open(self) -> SoundFormat:
        """Nothing to claim."""
        return self.format

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


def replay_session(folder: Path, recording: Recording, seconds: int) -> Path:
    """One whole session through `edge.app.run` with the real spool, journal and writer; returns the trust file."""
    folder.mkdir()
    spool = folder / "spool"
    identity = demo_identity(spool, folder / "keys", now_utc_ms=UTC_MS)
    base = Config()
    config = replace(
        base,
        spool=replace(base.spool, directory=spool, minimum_free_hours=0.1),
        key=replace(base.key, file=identity.key_file, endorsements=(identity.endorsement_file,)),
    )
    clock = ReplayClock()

    def conduct(stage: Stage) -> Ended:
        for packet in packets(recording, seconds):
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
    start = Start(config=config, hardware=hardware, watcher=Silent(), stop=threading.Event(), conduct=conduct)
    ended = run(start)
    if not ended.clean:
        raise RuntimeError(ended.words_en)
    return identity.trust_file
