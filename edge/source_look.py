"""A look at camera and microphone while no recorder runs: opened, judged for some seconds, and given back.

Runs on the caller's thread; what the drivers deliver on theirs goes into a bounded queue, and only measures are kept
of it. Touches no disk. Each call of a driver has the driver's own limit, the look its own; it ends at once where it may
not go on, because the interlock's word has changed.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from edge.checks import Condition, PictureJudge, SoundJudge, SoundLimits
from edge.config import Checks
from edge.ports import (
    Delivered,
    Hardware,
    HardwareFault,
    PictureMeasure,
    SoundMeasure,
    SourceLost,
    Stream,
)
from edge.precheck import NOT_FITTED, Seen, Sight

NS_PER_SECOND = 10**9
LASTS_SECONDS = 5
"""What stands so long in a look is told, even where a session would wait longer (a silence of minutes is no fault)."""
LEAST_NS = 3 * NS_PER_SECOND
LOOK_NS = 12 * NS_PER_SECOND
"""A sensor may take seconds for its first picture; then a fault has to last."""
WAIT_SECONDS = 0.2
STOP_LIMIT_SECONDS = 5.0
QUEUE_LIMIT = 4096

FORBIDDEN = Seen(sight=Sight.FORBIDDEN)


@dataclass(slots=True)
class _Course:
    """What was seen of one stream so far."""

    first_ns: int | None = None
    last_ns: int = 0
    lost: bool = False


def look(hardware: Hardware, checks: Checks, rate_hz: int, may_go: Callable[[], bool]) -> Mapping[Stream, Seen]:
    """How each source of this device is found. Everything that was opened is closed again on return."""
    if not may_go():
        return _forbidden(hardware)
    measures: queue.Queue[Delivered] = queue.Queue(maxsize=QUEUE_LIMIT)

    def deliver(item: Delivered) -> None:
        if isinstance(item, PictureMeasure | SoundMeasure | SourceLost):
            with contextlib.suppress(queue.Full):  # a caller that stands still finds enough to judge
                measures.put_nowait(item)

    found: dict[Stream, Seen] = {Stream.PICTURE: NOT_FITTED, Stream.SOUND: NOT_FITTED}
    started: dict[Stream, Callable[[float], None]] = {}
    try:
        camera, microphone = hardware.camera, hardware.microphone
        # Sound first: it is ready at once, while a sensor takes a moment to settle.
        if microphone is not None:
            started[Stream.SOUND] = microphone.stop
            found[Stream.SOUND] = _opened(microphone.open, lambda: microphone.start(deliver))
        if camera is not None and may_go():
            started[Stream.PICTURE] = camera.stop
            found[Stream.PICTURE] = _opened(camera.open, lambda: camera.start(deliver, ""))
        running = [stream for stream in started if found[stream].sight is Sight.WELL]
        judged = _judge(running, _Judges.of(checks, rate_hz), measures, hardware.clock.boottime_ns, may_go)
    finally:
        for stop in started.values():
            with contextlib.suppress(HardwareFault):  # what it cannot give back ends with this process
                stop(STOP_LIMIT_SECONDS)
    return found | judged if may_go() else _forbidden(hardware)


def _forbidden(hardware: Hardware) -> Mapping[Stream, Seen]:
    fitted = {Stream.PICTURE: hardware.camera is not None, Stream.SOUND: hardware.microphone is not None}
    return {stream: FORBIDDEN if there else NOT_FITTED for stream, there in fitted.items()}


def _opened(open_it: Callable[[], object], start: Callable[[], None]) -> Seen:
    try:
        open_it()
        start()
    except HardwareFault as fault:
        return Seen(sight=Sight.ABSENT, fix_zh=fault.remedy_zh, fix_en=fault.remedy_en)
    return Seen(sight=Sight.WELL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judges:
    """The judges of a session, with less patience."""

    picture: PictureJudge
    sound: SoundJudge

    @classmethod
    def of(cls, checks: Checks, rate_hz: int) -> _Judges:
        picture = replace(
            checks.picture,
            black_seconds=min(LASTS_SECONDS, checks.picture.black_seconds),
            frozen_seconds=min(LASTS_SECONDS, checks.picture.frozen_seconds),
            covered_seconds=min(LASTS_SECONDS, checks.picture.covered_seconds),
            side_seconds=min(LASTS_SECONDS, checks.picture.side_seconds),
        )
        sound = replace(
            checks.sound,
            silence_seconds=min(LASTS_SECONDS, checks.sound.silence_seconds),
            digital_zero_seconds=min(LASTS_SECONDS, checks.sound.digital_zero_seconds),
        )
        return cls(picture=PictureJudge(picture), sound=SoundJudge(SoundLimits(checks=sound, rate_hz=rate_hz)))

    def step(self, measure: PictureMeasure | SoundMeasure) -> Stream:
        if isinstance(measure, PictureMeasure):
            self.picture.step(measure)
            return Stream.PICTURE
        self.sound.step(measure)
        return Stream.SOUND

    def standing(self, stream: Stream) -> frozenset[Condition]:
        return self.picture.standing() if stream is Stream.PICTURE else self.sound.standing()

    def in_trouble(self, stream: Stream) -> bool:
        """Whether something is wrong that may not have lasted long enough yet."""
        return self.picture.in_trouble() if stream is Stream.PICTURE else self.sound.in_trouble()


def _judge(
    running: list[Stream],
    judges: _Judges,
    measures: queue.Queue[Delivered],
    now_ns: Callable[[], int],
    may_go: Callable[[], bool],
) -> dict[Stream, Seen]:
    """Measures until each stream is plainly well or has been in trouble for long enough, or the look is over."""
    courses = {stream: _Course() for stream in running}
    end_ns = now_ns() + LOOK_NS
    while now_ns() < end_ns and may_go() and not all(_decided(courses[one], judges, one) for one in running):
        try:
            item = measures.get(timeout=WAIT_SECONDS)
        except queue.Empty:
            continue
        if isinstance(item, SourceLost):
            if item.stream in courses:
                courses[item.stream].lost = True
        elif isinstance(item, PictureMeasure | SoundMeasure):
            course = courses.get(judges.step(item))
            if course is not None:
                course.first_ns = item.boottime_ns if course.first_ns is None else course.first_ns
                course.last_ns = item.boottime_ns
    return {stream: _seen(course, judges.standing(stream)) for stream, course in courses.items()}


def _decided(course: _Course, judges: _Judges, stream: Stream) -> bool:
    if course.lost or judges.standing(stream):
        return True
    seen_enough = course.first_ns is not None and course.last_ns - course.first_ns >= LEAST_NS
    return seen_enough and not judges.in_trouble(stream)


def _seen(course: _Course, standing: frozenset[Condition]) -> Seen:
    if course.lost or course.first_ns is None:
        return Seen(sight=Sight.ABSENT)
    return Seen(sight=Sight.of(standing))
