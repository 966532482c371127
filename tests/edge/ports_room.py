"""A small room behind the ports: prepared packets by a clock that only this room moves, with verbs for trouble.

Deterministic: one thread plays camera, microphone, WRITER and CONTROL in turn, so a test says when everything happens.
The spool, the keys, the encoded packets and everything between are the real ones.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge.app import Stage, Start, run
from edge.capture import Sources
from edge.config import Camera, Config, Key, Microphone, Segment, Spool
from edge.guard.words import Lamp, Pair, Reason
from edge.guard_link import LEASE_NS, GuardBack, GuardLost, GuardSaid, GuardWord
from edge.last_good import InForce
from edge.messages import Asked, OffloadTold, RoomSays, SensorsTold, StopRequested, StoreSaid
from edge.offload.words import Answer as OffloadAnswer
from edge.offload.words import Words
from edge.ports import (
    ClockReading,
    Deliver,
    Hardware,
    HardwareFault,
    LossCause,
    PictureFormat,
    PictureMeasure,
    PicturePacket,
    SoundFormat,
    SoundMeasure,
    SoundPacket,
    SourceLost,
    SourceOrigin,
    Stream,
    SyncState,
)
from edge.provision import DemoIdentity, demo_identity
from edge.recorder import Ended
from edge.refusals import Refused
from edge.requests import Answer, Request, Role, Verb, packet_of, parse
from edge.revival import ReviverAtOnce
from edge.sensors.readings import Readings
from edge.station import serve
from edge.status import Status
from edge.stretch import Stretch, Unstarted
from edge.surroundings import NO_SURROUNDINGS, Guard, Surroundings
from edge.writer import Resumption
from liuhen import archive, keys
from liuhen import verify as verifier
from liuhen.findings import Code
from liuhen.report import Report
from sim.virtual import VirtualCapture
from tests.edge.media import FLAC_FRAME_SAMPLES, FRAMES_PER_SECOND, RATE_HZ, pictures, sound

FRAME_NS = 10**9 // FRAMES_PER_SECOND
BLOCK_NS = 10**9 * FLAC_FRAME_SAMPLES // RATE_HZ
GOP = FRAMES_PER_SECOND
BOOT_ID = bytes(range(16))
START_NS = 500 * 10**9
UTC_MS = 1_790_000_000_000
TURNS_LIMIT = 8

ALWAYS_TOLD = {Code.DEMO, Code.CHOICE, Code.SUBSTITUTED_SOURCE_DEMO}  # a simulated room says so of itself
TOLD = {Code.DUTY_OPEN, Code.KNOWN_MISSING, Code.EVENT_FAULT, Code.EVENT_WARNING, Code.START_REFUSED, Code.RECOVERED}


@dataclass(slots=True)
class RoomClock:
    """The room's clock (implements `edge.ports.Clock`); each look at it takes a microsecond, as a real one does."""

    now_ns: int = START_NS
    utc_offset_ms: int = UTC_MS - START_NS // 1_000_000
    boot_id: bytes = BOOT_ID
    error_ms: int = 5

    def read(self) -> ClockReading:
        self.now_ns += 1000
        return ClockReading(
            utc_ms=self.now_ns // 1_000_000 + self.utc_offset_ms,
            boottime_ns=self.now_ns,
            sync=SyncState.SYNCHRONISED,
            error_ms=self.error_ms,
        )

    def boottime_ns(self) -> int:
        self.now_ns += 1000
        return self.now_ns


def _origin(component: str, *, genuine: bool) -> tuple[SourceOrigin, ...]:
    return (SourceOrigin(component=component, version="1", evidence="prepared packets", genuine=genuine),)


@dataclass(slots=True)
class RoomCamera:
    """Prepared pictures (implements `edge.ports.Camera`)."""

    genuine: bool = False
    refuses_open: HardwareFault | None = None
    refuses_start: HardwareFault | None = None
    refuses_stop: HardwareFault | None = None
    deliver: Deliver | None = None
    keyframes_asked_for: int = 0
    refuses_ease: HardwareFault | None = None
    eased: list[bool] = field(default_factory=list)
    gop: int = GOP
    gop_position: int = 0
    sent: int = 0
    lag_ns: int = 0
    """How long an overloaded encoder holds a picture back."""
    held: deque[PicturePacket] = field(default_factory=deque)
    stops: int = 0
    caption: str = ""

    def open(self) -> PictureFormat:
        if self.refuses_open is not None:
            raise self.refuses_open
        return PictureFormat(width=320, height=180, frames_per_second=FRAMES_PER_SECOND)

    def start(self, deliver: Deliver, caption: str) -> None:
        if self.refuses_start is not None:
            raise self.refuses_start
        self.deliver, self.caption, self.gop_position = deliver, caption, 0

    def force_keyframe(self) -> None:
        self.keyframes_asked_for += 1
        self.gop_position = self.gop

    def ease(self, eased: bool) -> None:
        if self.refuses_ease is not None:
            raise self.refuses_ease
        self.eased.append(eased)

    def stop(self, limit_seconds: float) -> None:
        self.deliver, self.stops = None, self.stops + 1
        if self.refuses_stop is not None:
            raise self.refuses_stop

    def origin(self) -> tuple[SourceOrigin, ...]:
        return _origin("room camera", genuine=self.genuine)

    def take(self, boottime_ns: int, missed_frames: int) -> None:
        """One frame time of the sensor."""
        if self.gop_position >= self.gop:
            self.gop_position = 0
        payload = pictures(count=2 * GOP)[self.gop_position and 1 + (self.gop_position - 1) % (GOP - 1)]
        keyframe = self.gop_position == 0
        self.gop_position += 1
        if self.deliver is None:
            self.held.clear()
            return
        self.held.append(
            PicturePacket(payload=payload, boottime_ns=boottime_ns, keyframe=keyframe, missed_frames=missed_frames)
        )
        while self.held and self.held[0].boottime_ns <= boottime_ns - self.lag_ns:
            self.sent += 1
            self.deliver(self.held.popleft())


@dataclass(slots=True)
class RoomMicrophone:
    """Prepared sound (implements `edge.ports.Microphone`)."""

    genuine: bool = False
    refuses_open: HardwareFault | None = None
    refuses_start: HardwareFault | None = None
    deliver: Deliver | None = None
    first_sample: int = 0
    sent: int = 0
    stops: int = 0

    def open(self) -> SoundFormat:
        if self.refuses_open is not None:
            raise self.refuses_open
        return self.format()

    def format(self) -> SoundFormat:
        return SoundFormat(rate_hz=RATE_HZ, channels=1, streaminfo=sound(samples=RATE_HZ).track.streaminfo)

    def start(self, deliver: Deliver) -> None:
        if self.refuses_start is not None:
            raise self.refuses_start
        self.deliver, self.first_sample = deliver, 0

    def stop(self, limit_seconds: float) -> None:
        self.deliver, self.stops = None, self.stops + 1

    def origin(self) -> tuple[SourceOrigin, ...]:
        return _origin("room microphone", genuine=self.genuine)

    def take(self, arrival_ns: int) -> None:
        """One block of the sound device."""
        made = sound(samples=RATE_HZ)
        if self.deliver is not None:
            payload = made.packets[self.sent % len(made.packets)]
            self.deliver(
                SoundPacket(
                    payload=payload,
                    first_sample=self.first_sample,
                    samples=FLAC_FRAME_SAMPLES,
                    arrival_boottime_ns=arrival_ns,
                )
            )
            self.sent += 1
        self.first_sample += FLAC_FRAME_SAMPLES


@dataclass(slots=True)
class Onlooker:
    """Keeps what became durable, in order, and what was said (implements `edge.app.Watcher`)."""

    durable: list[tuple[str, int, int]] = field(default_factory=list)
    hashes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    on_durable: Callable[[], None] = lambda: None

    def fragment(self, segment: int, fragment: int, r: bytes) -> None:
        self.durable.append(("F", segment, fragment))
        self.hashes[segment, fragment] = r
        self.on_durable()

    def entry(self, seq: int, digest: bytes) -> None:
        self.durable.append(("E", seq, 0))
        self.on_durable()

    def status(self, status: Status) -> None:
        self.statuses.append(status)

    def said(self, words_zh: str, words_en: str) -> None:
        self.words += [words_zh, words_en]


Act = Callable[["Room"], None]


def guard_word(now_ns: int, *, permit: bool, reason: Reason = Reason.NONE, healthy: bool = True) -> GuardSaid:
    """The guard's word of this moment."""
    return GuardSaid(
        permit=permit,
        latched=not permit,
        reason=reason,
        pair=Pair.PERMIT if permit else Pair.BOTH_OPEN,
        healthy=healthy,
        lamp=Lamp.READY if permit else Lamp.INTERLOCK,
        since_ns=now_ns,
        boottime_ns=now_ns,
    )


def _nothing(_: Room) -> None:
    """Recovery takes no time."""


class Room:
    """Camera, microphone and clock, and the conductor that turns the recorder's threads by hand."""

    def __init__(self, clock: RoomClock | None = None) -> None:
        self.clock = clock or RoomClock()
        self.camera: RoomCamera | None = RoomCamera()
        self.microphone: RoomMicrophone | None = RoomMicrophone()
        self.onlooker = Onlooker()
        self._next_picture_ns = self._next_block_end_ns = 0
        self._missed_frames = 0
        self.block_ns = BLOCK_NS
        """How long the sound device takes over a block: its crystal."""
        self.picture_late_ns = 0
        """How long a camera that is started again takes longer than usual."""
        self._stage: Stage | None = None
        self._guard_speaks: Callable[[GuardWord], None] | None = None
        self.while_recovery_runs: Act = _nothing
        self.mends = False
        """Whether the recorder has lost sources started again."""

    # -- verbs ------------------------------------------------------------------------------------------------------

    def play(self, seconds: float) -> None:
        """Let time pass; whatever the sources make is written at once."""
        self._pass_time(seconds, writes=True)

    def play_while_the_disk_stalls(self, seconds: float) -> None:
        """Let time pass while WRITER stands still."""
        self._pass_time(seconds, writes=False)

    def play_while_control_stalls(self, seconds: float) -> None:
        """Let time pass while CONTROL stands still: what WRITER posts waits."""
        self._pass_time(seconds, writes=True, appends=False)

    def play_before_anything_is_written(self, seconds: float) -> None:
        """Let time pass while neither WRITER nor CONTROL turns: recovery runs."""
        self._pass_time(seconds, writes=False, appends=False)

    def play_with_a_slow_encoder(self, seconds: float, *, until_it_lags_seconds: float) -> None:
        """Let time pass while the encoder falls behind, or catches up; no picture is lost."""
        assert self.camera is not None
        turns = 4 * max(1, int(seconds))
        step_ns = (int(until_it_lags_seconds * 10**9) - self.camera.lag_ns) // turns
        for _ in range(turns):
            self.camera.lag_ns += step_ns
            self.play(seconds / turns)

    def miss_frames(self, count: int) -> None:
        """The sensor skips this many frame times."""
        self._next_picture_ns += count * FRAME_NS
        self._missed_frames += count

    def lose(self, stream: Stream, cause: LossCause = LossCause.SILENT) -> None:
        """A source ends by itself."""
        source = self.camera if stream is Stream.PICTURE else self.microphone
        assert source is not None
        assert source.deliver is not None
        source.deliver(SourceLost(stream=stream, boottime_ns=self.clock.now_ns, what="unplugged", cause=cause))
        source.deliver = None
        self._turn(writes=True)

    def hear(self, measure: SoundMeasure | PictureMeasure) -> None:
        """The analysis measured this."""
        assert self._stage is not None
        self._stage.packets.deliver(measure)
        self._turn(writes=True)

    def deliver_rubbish(self) -> None:
        """The camera delivers what is no access unit; WRITER has not seen it yet."""
        assert self.camera is not None
        assert self.camera.deliver is not None
        self.camera.deliver(PicturePacket(payload=b"rubbish", boottime_ns=self.clock.now_ns, keyframe=False))

    def ask(self, verb: Verb, role: Role = Role.OPERATOR, attachment: bytes | None = None, **said: Any) -> Answer:
        """Somebody asks over the control socket; returns the answer."""
        answers: list[Answer] = []
        request = parse(packet_of(Request(verb=verb, **said)))
        self._post(Asked(request=request, role=role, answer=answers.append, attachment=attachment))
        return answers[0] if answers else Answer(ok=False, words_en="no answer")

    def guard_says(self, *, permit: bool, reason: Reason = Reason.NONE, healthy: bool = True) -> None:
        """The guard's word has changed just now."""
        now_ns = self.clock.now_ns
        self.guard_link(guard_word(now_ns, permit=permit, reason=reason, healthy=healthy))

    def lose_guard(self) -> None:
        """The lease of the guard's last word has just run out."""
        now_ns = self.clock.now_ns
        self.guard_link(GuardLost(since_ns=now_ns, heard_ns=now_ns - LEASE_NS))

    def find_guard(self, *, permitting_since_ns: int) -> None:
        """The guard is heard again: it has permitted all along."""
        word = guard_word(permitting_since_ns, permit=True)
        self.guard_link(GuardBack(boottime_ns=self.clock.now_ns))
        self.guard_link(replace(word, boottime_ns=self.clock.now_ns))

    def guard_says_between_sessions(self, *, permit: bool, reason: Reason = Reason.NONE) -> None:
        """The same while no session is conducted: the service's own turn takes it up."""
        assert self._guard_speaks is not None
        self._guard_speaks(guard_word(self.clock.now_ns, permit=permit, reason=reason))

    def guard_link(self, *words: GuardWord) -> None:
        """The recorder's end of the guard's socket has heard this; CONTROL and WRITER turn afterwards."""
        assert self._guard_speaks is not None
        for word in words:
            self._guard_speaks(word)
        self._turn(writes=True)

    def tell(self, readings: Readings) -> bool:
        """The sensors tell; returns whether the recorder asks for the power to go."""
        answers: list[Any] = []
        self._post(SensorsTold(readings=readings, answer=answers.append))
        return bool(answers[0].power_off_when_sealed)

    def offload_tells(self, words: Words, role: Role = Role.OFFLOAD) -> OffloadAnswer:
        """What the offload process says over the control socket, and what CONTROL answers within the same turn."""
        answers: list[OffloadAnswer] = []
        self._post(OffloadTold(words=words, role=role, answer=answers.append))
        (answer,) = answers
        return answer

    def speak(self, seconds: float = 3.0) -> None:
        """Somebody says something, loud enough to be heard."""
        self.hear(
            SoundMeasure(
                boottime_ns=self.clock.now_ns,
                samples=2400,
                peak_millibel=-600,
                rms_millibel=-2000,
                zero_samples=0,
                clipped_samples=0,
            )
        )
        self.play(seconds)

    def disk_says(self, said: StoreSaid) -> None:
        """Whoever watches the disks, or reads what lies on them, has found this."""
        self._post(said)

    def _post(self, message: RoomSays | StoreSaid) -> None:
        assert self._stage is not None
        self._stage.inbox.post(message)
        self._turn(writes=True)

    def set_clock_by(self, milliseconds: int) -> None:
        """UTC steps."""
        self.clock.utc_offset_ms += milliseconds

    # -- the recorder around it -------------------------------------------------------------------------------------

    def hardware(self) -> Hardware:
        return Hardware(camera=self.camera, microphone=self.microphone, clock=self.clock)

    def record(
        self,
        config: Config,
        *acts: Act,
        surroundings: Surroundings = NO_SURROUNDINGS,
        service: bool = False,
        in_force: InForce | None = None,
    ) -> Ended:
        """One run with one session in which these acts happen. Raises what `edge.app.run` raises."""
        return run(self.start(config, *acts, surroundings=surroundings, service=service, in_force=in_force))

    def start(
        self,
        config: Config,
        *acts: Act,
        surroundings: Surroundings = NO_SURROUNDINGS,
        service: bool = False,
        in_force: InForce | None = None,
    ) -> Start:
        """What a run or a service in this room is started with; these acts happen in each of its sessions."""
        return Start(
            surroundings=self._listening_in(surroundings),
            config=config,
            hardware=self.hardware(),
            watcher=self.onlooker,
            stop=threading.Event(),
            conduct=lambda stage: self._conduct(stage, acts),
            service=service,
            in_force=in_force,
            last_exit=config.spool.directory.with_name("last-exit"),
        )

    def serve(self, config: Config, *acts: Act, surroundings: Surroundings = NO_SURROUNDINGS) -> int:
        """The service, which goes on with the session that was left open; these acts happen in it. The exit code."""
        stop = threading.Event()

        def conduct(stage: Stage) -> Ended:
            try:
                return self._conduct(stage, acts)
            finally:
                stop.set()

        start = self.start(config, surroundings=surroundings, service=True)
        return serve(replace(start, stop=stop, conduct=conduct))

    def _listening_in(self, surroundings: Surroundings) -> Surroundings:
        """The same neighbours; what the guard's end is told by is kept."""
        guard = surroundings.guard
        if guard is None:
            return surroundings

        def made(post: Callable[[GuardWord], None]) -> Guard:
            self._guard_speaks = post
            return guard(post)

        return replace(surroundings, guard=made)

    def _conduct(self, stage: Stage, acts: tuple[Act, ...]) -> Ended:
        self._stage = stage
        self._next_picture_ns = self.clock.now_ns + 3_000_000
        self._next_block_end_ns = self.clock.now_ns + self.block_ns
        conductor = _RoomCapture(stage.sources, self)
        stage.stretches.conductor = conductor
        if self.mends:
            stage.reviver(ReviverAtOnce)
        unstarted = stage.start_sources() if stage.may_capture else ()
        self.while_recovery_runs(self)
        stage.begin(unstarted)
        for act in acts:
            if not stage.recorder._over():
                act(self)
        stage.inbox.post(StopRequested(cause=stage.start.stop_cause))
        self._turn(writes=False)
        conductor.end(stage.stretches.newest, stage.recorder.end_cause(), None)
        return stage.recorder.close(1)

    def begin_anew(self) -> None:
        """The sources take their first frame and block from now on."""
        self._next_picture_ns = self.clock.now_ns + 3_000_000 + self.picture_late_ns
        self._next_block_end_ns = self.clock.now_ns + self.block_ns

    def _pass_time(self, seconds: float, *, writes: bool, appends: bool = True) -> None:
        end_ns = self.clock.now_ns + int(seconds * 1e9)
        while (due_ns := min(self._next_picture_ns, self._next_block_end_ns)) <= end_ns:
            self.clock.now_ns = max(self.clock.now_ns, due_ns)
            if due_ns == self._next_picture_ns:
                if self.camera is not None:
                    self.camera.take(due_ns, self._missed_frames)
                self._missed_frames = 0
                self._next_picture_ns += FRAME_NS
            else:
                if self.microphone is not None:
                    self.microphone.take(due_ns)
                self._next_block_end_ns += self.block_ns
            self._turn(writes=writes, appends=appends)
        self.clock.now_ns = max(self.clock.now_ns, end_ns)
        self._turn(writes=writes, appends=appends)

    def _turn(self, *, writes: bool, appends: bool = True) -> None:
        stage = self._stage
        assert stage is not None
        while writes and stage.writer.pump(0):
            pass
        for _ in range(TURNS_LIMIT if appends else 0):
            stage.recorder.turn(0)
            if not (stage.inbox.waiting or stage.recorder._deferred):
                break  # CONTROL would wait now; a turn without a message costs as much as one with


class _RoomCapture(VirtualCapture):
    """A source that is started again delivers what it takes from then on, and nothing from before."""

    def __init__(self, sources: Sources, room: Room) -> None:
        super().__init__(sources)
        self._room = room

    def begin(self, stretch: Stretch, go_on_from: Callable[[Unstarted], Resumption]) -> None:
        super().begin(stretch, go_on_from)
        self._room.begin_anew()


# --- a device in a folder --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A spool with its demo key and the trust file that vouches for it."""

    config: Config
    trust_file: Path
    now_ms: int = UTC_MS
    """When it is verified."""

    @property
    def spool(self) -> Path:
        return self.config.spool.directory

    def verify(self, path: Path | None = None) -> Report:
        """What the verifier says of everything recorded so far, or of one part of it."""
        target = archive.locate(path or self.spool)
        assert target is not None
        trust = keys.parse_trust(self.trust_file.read_bytes(), where="trust file")
        return verifier.verify(verifier.Request(target=target, trust=trust, now_ms=self.now_ms))

    def findings(self) -> list[Code]:
        """Codes of the verifier's findings, without what the device told itself and that this is a demo."""
        return sorted({finding.code for finding in self.verify().findings} - ALWAYS_TOLD - TOLD)

    def told(self) -> list[Code]:
        """What the device itself said was wrong (step J19), as the report tells it."""
        return sorted({finding.code for finding in self.verify().findings} & TOLD)

    def segments(self) -> list[Path]:
        return sorted(self.spool.glob("sessions/*/*.mp4"))

    def journal_files(self) -> Iterator[Path]:
        return iter(sorted((self.spool / "journal").glob("*.cbor")))


def device(folder: Path, **spool_settings: int | float) -> Device:
    """Make one; equal settings in one folder give the same device again."""
    root = folder / "spool"
    identity = demo_identity(root, folder / "keys", now_utc_ms=UTC_MS)
    config = device_config(root, identity)
    return Device(
        config=replace(config, spool=replace(config.spool, **spool_settings)),  # type: ignore[arg-type]
        trust_file=identity.trust_file,
    )


def device_config(root: Path, identity: DemoIdentity, *, bitrate: int = 1_000_000) -> Config:
    """Ten-second segments, the smallest reserve."""
    return Config(
        spool=replace(Spool(), directory=root, minimum_free_hours=0.1, journal_reserve_bytes=65_536),
        key=Key(file=identity.key_file, endorsements=(identity.endorsement_file,)),
        camera=replace(Camera(), bitrate_bits_per_second=bitrate),
        microphone=replace(Microphone(), rate_hz=8000 if bitrate < 1_000_000 else RATE_HZ, packet_samples=400),
        segment=Segment(seconds=10),
    )


__all__ = [
    "Device",
    "Onlooker",
    "Refused",
    "Room",
    "RoomCamera",
    "RoomClock",
    "RoomMicrophone",
    "demo_identity",
    "device",
    "device_config",
]
