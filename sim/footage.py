"""Real footage in front of the simulated sensors: any video and sound file that FFmpeg reads, played in a loop.

Owns the open file while it plays; starts no thread of Python's. The picture comes out on the sensor's cadence and the
sound at the microphone's rate, so the recorder cannot tell footage from the drawn room by its form.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy
from av.video.reformatter import ColorRange, Colorspace

from sim import strip
from sim.scene import Planes, Samples8

LOG = logging.getLogger(__name__)

_BLACK_LUMA = 16
_HIGH_DEFINITION_HEIGHT = 720
_USUAL_RATE = Fraction(25)
_LAYOUTS = {1: "mono", 2: "stereo"}
_BYTES_PER_VALUE = 2


class UnusableFootage(ValueError):
    """A file cannot be played in front of the sensors; the text says what to do, Chinese first."""

    def __init__(self, *, path: Path, what: str, wanted_zh: str, wanted_en: str) -> None:
        self.path = path
        self.what = what
        self.remedy_zh = f"无法播放 {path}，请换一个含有{wanted_zh}的文件。"
        self.remedy_en = f"Cannot play {path}: {what}. Give a file that contains {wanted_en}."
        super().__init__(f"{self.remedy_zh} {self.remedy_en}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shot:
    """One decoded picture: when it appears and how long it stands (seconds since the first), and its pixels' shape."""

    since: Fraction
    lasts: Fraction
    shape: Fraction
    frame: av.VideoFrame


class PictureFile:
    """A PictureSource that plays a video: letterboxed, resampled in time to `frames_per_second`, looping without end.

    Media time is (counter - first counter drawn) / frames_per_second: the counter is the sensor's clock, the time of
    day plays no part. `stamp` paints the counter strip over the top left corner.
    """

    def __init__(self, path: Path, width: int, height: int, frames_per_second: int, stamp: bool = False) -> None:
        """Open and decode the first picture; raises UnusableFootage, or ValueError when the strip does not fit."""
        if stamp and width < strip.WIDTH:
            raise ValueError(f"the counter strip needs a picture {strip.WIDTH} pixels wide, got {width}")
        self._path = path
        self._size = (width, height)
        self._cadence = frames_per_second
        self._stamp = stamp
        self._planes = _black(width, height)
        self._first: int | None = None
        self._latest = 0
        self._rewind()

    def draw(self, counter: int, utc_ms: int, planes: Planes) -> None:
        """Paint what the film shows at frame `counter`; a smaller counter than before starts the film anew."""
        del utc_ms
        if self._first is None:
            self._first = counter
        if counter < self._latest:
            self._first = counter
            self._rewind()
        self._latest = counter
        self._wind_to(Fraction(counter - self._first, self._cadence))
        width, height = self._size
        planes.luma[:height, :width] = self._planes.luma
        planes.blue[: height // 2, : width // 2] = self._planes.blue
        planes.red[: height // 2, : width // 2] = self._planes.red
        if self._stamp:
            strip.paint(planes, counter)

    def _rewind(self) -> None:
        self._film = _endless(self._path)
        self._next = next(self._film)
        self._show(self._next)

    def _wind_to(self, seconds: Fraction) -> None:
        due: _Shot | None = None
        while self._next.since <= seconds:
            due, self._next = self._next, next(self._film)
        if due is not None:
            self._show(due)

    def _show(self, shot: _Shot) -> None:
        width, height = self._size
        wide, high = _fitted(shot, width, height)
        colours = Colorspace.ITU709 if height >= _HIGH_DEFINITION_HEIGHT else Colorspace.ITU601
        scaled = shot.frame.reformat(wide, high, "yuv420p", dst_colorspace=colours, dst_color_range=ColorRange.MPEG)
        left, top = (width - wide) // 4 * 2, (height - high) // 4 * 2
        targets = (self._planes.luma, self._planes.blue, self._planes.red)
        for target, plane in zip(targets, scaled.planes, strict=True):
            part = 1 if target is self._planes.luma else 2
            rows = numpy.frombuffer(memoryview(plane), numpy.uint8).reshape(-1, plane.line_size)
            x, y = left // part, top // part
            target[y : y + high // part, x : x + wide // part] = rows[: high // part, : wide // part]


class SoundFile:
    """A SoundSource that plays a file's sound as s16le at `rate` and `channels` (1 or 2), looping without end."""

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        """Open and decode the first block; raises UnusableFootage, or ValueError for another number of channels."""
        if channels not in _LAYOUTS:
            raise ValueError(f"a sound file is played in 1 or 2 channels, not {channels}")
        self._frame_bytes = channels * _BYTES_PER_VALUE
        self._blocks = _endless_sound(path, rate, channels)
        self._waiting = bytearray(next(self._blocks))

    def read(self, samples: int) -> bytes:
        """Return the next `samples` per channel: exactly samples * channels * 2 bytes."""
        wanted = samples * self._frame_bytes
        while len(self._waiting) < wanted:
            self._waiting += next(self._blocks)
        taken = bytes(self._waiting[:wanted])
        del self._waiting[:wanted]
        return taken


def _black(width: int, height: int) -> Planes:
    def plane(part: int, value: int) -> Samples8:
        return numpy.full((height // part, width // part), value, numpy.uint8)

    neutral = strip.NEUTRAL_CHROMA
    return Planes(luma=plane(1, _BLACK_LUMA), blue=plane(2, neutral), red=plane(2, neutral), width=width, height=height)


def _fitted(shot: _Shot, width: int, height: int) -> tuple[int, int]:
    """Return the even size at which the picture, in the shape it is meant to be seen, fits into width x height."""
    seen = shot.frame.width * shot.shape
    scale = min(width / seen, Fraction(height, shot.frame.height))
    return max(2, int(seen * scale) // 2 * 2), max(2, int(shot.frame.height * scale) // 2 * 2)


def _endless(path: Path) -> Iterator[_Shot]:
    begins = Fraction(0)
    while True:
        ends = begins
        try:
            for shot in _picture_pass(path):
                ends = begins + shot.since + shot.lasts
                yield replace(shot, since=begins + shot.since)
        except (OSError, av.FFmpegError) as trouble:
            if ends == begins:
                raise _no_picture(path, str(trouble)) from trouble
            LOG.warning("%s is played up to its damage and then again: %s", path, trouble)
        if ends == begins:
            raise _no_picture(path, "no picture could be decoded")
        begins = ends


def _picture_pass(path: Path) -> Iterator[_Shot]:
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise _no_picture(path, "it has no video stream")
        stream = container.streams.video[0]
        lasts = 1 / Fraction(stream.average_rate or _USUAL_RATE)
        shape = Fraction(stream.sample_aspect_ratio or 1)
        first: Fraction | None = None
        since = -lasts
        for frame in container.decode(stream):
            shown = None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
            first = shown if first is None else first
            # A picture without a time, or one that goes back, follows its predecessor by one frame time.
            timely = since + lasts if shown is None or first is None else shown - first
            since = timely if timely > since else since + lasts
            yield _Shot(since=since, lasts=lasts, shape=shape, frame=frame)


def _endless_sound(path: Path, rate: int, channels: int) -> Iterator[bytes]:
    while True:
        heard = False
        try:
            for block in _sound_pass(path, rate, channels):
                heard = heard or bool(block)
                yield block
        except (OSError, av.FFmpegError) as trouble:
            if not heard:
                raise _no_sound(path, str(trouble)) from trouble
            LOG.warning("%s is played up to its damage and then again: %s", path, trouble)
        if not heard:
            raise _no_sound(path, "no sound could be decoded")


def _sound_pass(path: Path, rate: int, channels: int) -> Iterator[bytes]:
    with av.open(str(path)) as container:
        if not container.streams.audio:
            raise _no_sound(path, "it has no audio stream")
        resampler = av.AudioResampler(format="s16", layout=_LAYOUTS[channels], rate=rate)
        for frame in container.decode(container.streams.audio[0]):
            yield from _packed(resampler.resample(frame), channels)
        yield from _packed(resampler.resample(None), channels)


def _packed(frames: list[av.AudioFrame], channels: int) -> Iterator[bytes]:
    for frame in frames:
        yield bytes(frame.planes[0])[: frame.samples * channels * _BYTES_PER_VALUE]


def _no_picture(path: Path, what: str) -> UnusableFootage:
    return UnusableFootage(path=path, what=what, wanted_zh="画面", wanted_en="moving pictures")


def _no_sound(path: Path, what: str) -> UnusableFootage:
    return UnusableFootage(path=path, what=what, wanted_zh="声音", wanted_en="sound")
