"""Small real media for the tests: H.264 and FLAC from libavcodec, set up as the recorder's encoders are."""

from __future__ import annotations

import array
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av

from edge.h264 import access_unit
from edge.mp4 import PictureTrack, Run, Sample, SoundTrack, fragment, initialisation

PICTURE_TIMESCALE = 90_000
FRAMES_PER_SECOND = 25
TICKS_PER_FRAME = PICTURE_TIMESCALE // FRAMES_PER_SECOND
RATE_HZ = 48_000
FLAC_FRAME_SAMPLES = 1200


@cache
def pictures(
    *,
    count: int,
    width: int = 320,
    height: int = 180,
    preset: str = "ultrafast",
    x264: str = "aud=0",
    pixels: str = "yuv420p",
) -> tuple[bytes, ...]:
    """Annex B access units, one per picture, SPS and PPS before every keyframe; the picture moves and changes shade."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, pixels
    encoder.time_base, encoder.framerate = Fraction(1, FRAMES_PER_SECOND), Fraction(FRAMES_PER_SECOND)
    encoder.gop_size = FRAMES_PER_SECOND
    encoder.thread_count = 2  # two slices a picture, on any machine
    encoder.options = {"preset": preset, "tune": "zerolatency", "deblock": "1", "x264-params": x264}
    units: list[bytes] = []
    for index in range(count):
        frame = av.VideoFrame(width, height, pixels)
        for number, plane in enumerate(frame.planes):
            row = bytes((index * 5 + column * (number + 1)) & 0xFF for column in range(plane.line_size))
            plane.update(row * plane.height)
        frame.pts = index
        units.extend(bytes(packet) for packet in encoder.encode(frame))
    units.extend(bytes(packet) for packet in encoder.encode(None))
    assert len(units) == count
    return tuple(units)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """PCM (signed 16 bit, interleaved) with the FLAC frames made of it."""

    pcm: bytes
    packets: tuple[bytes, ...]
    samples: tuple[int, ...]
    track: SoundTrack


@cache
def sound(*, samples: int, channels: int = 1) -> Sound:
    """A tone with some noise as FLAC frames of 1200 samples; the last may be shorter."""
    encoder = av.CodecContext.create("flac", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    layout = "mono" if channels == 1 else "stereo"
    encoder.sample_rate, encoder.layout, encoder.format = RATE_HZ, layout, "s16"
    encoder.time_base = Fraction(1, RATE_HZ)
    encoder.options = {"frame_size": str(FLAC_FRAME_SAMPLES), "compression_level": "2"}
    encoder.open()
    streaminfo = bytes(encoder.extradata or b"")[-34:]
    values = array.array("h")
    state = 1
    for index in range(samples):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        for channel in range(channels):
            values.append(int(9000 * math.sin(index * (channel + 1) / 30)) + (state >> 16) % 200)
    pcm = values.tobytes()
    packets: list[bytes] = []
    lengths: list[int] = []
    for first in range(0, samples, FLAC_FRAME_SAMPLES):
        length = min(FLAC_FRAME_SAMPLES, samples - first)
        frame = av.AudioFrame("s16", layout, length)
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, first, Fraction(1, RATE_HZ)
        frame.planes[0].update(pcm[2 * channels * first : 2 * channels * (first + length)])
        packets.extend(bytes(packet) for packet in encoder.encode(frame))
        lengths.append(length)
    packets.extend(bytes(packet) for packet in encoder.encode(None) if packet.size)
    assert len(packets) == len(lengths)
    track = SoundTrack(rate_hz=RATE_HZ, channels=channels, streaminfo=streaminfo)
    return Sound(pcm=pcm, packets=tuple(packets), samples=tuple(lengths), track=track)


def picture_track(units: tuple[bytes, ...], *, width: int = 320, height: int = 180) -> PictureTrack:
    """The track the first of these pictures asks for."""
    sets = access_unit(units[0]).sets
    assert sets is not None
    return PictureTrack(width=width, height=height, sps=sets.sps, pps=sets.pps, timescale=PICTURE_TIMESCALE)


def picture_run(units: tuple[bytes, ...], *, first: int, last: int, start_ticks: int = 0) -> Run:
    """The pictures first..last-1 as one run."""
    samples = []
    for unit in map(access_unit, units[first:last]):
        samples.append(Sample(payload=unit.sample, duration=TICKS_PER_FRAME, keyframe=unit.keyframe))
    return Run(decode_time=start_ticks + first * TICKS_PER_FRAME, samples=tuple(samples))


def sound_run(made: Sound, *, first: int, last: int, start_samples: int = 0) -> Run:
    """The FLAC frames first..last-1 as one run."""
    samples = tuple(
        Sample(payload=payload, duration=length, keyframe=True)
        for payload, length in zip(made.packets[first:last], made.samples[first:last], strict=True)
    )
    return Run(decode_time=start_samples + sum(made.samples[:first]), samples=samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """What a test file is made of; a start says where the stream begins in the file."""

    units: tuple[bytes, ...] = ()
    made: Sound | None = None
    picture_start_ticks: int = 0
    sound_start_samples: int = 0
    between: bytes = b""


def clip_file(clip: Clip, *, fragments: int = 4) -> bytes:
    """The whole file of a clip, its media dealt evenly over the fragments; `between` follows moov and every mdat."""
    made = clip.made
    parts = [
        initialisation(
            picture=picture_track(clip.units) if clip.units else None, sound=made.track if made is not None else None
        ),
        clip.between,
    ]
    for number in range(fragments):
        picture = sound_part = None
        if clip.units:
            first, last = _share(len(clip.units), number, fragments)
            picture = picture_run(clip.units, first=first, last=last, start_ticks=clip.picture_start_ticks)
        if made is not None:
            first, last = _share(len(made.packets), number, fragments)
            sound_part = sound_run(made, first=first, last=last, start_samples=clip.sound_start_samples)
        utc_ms = 1_700_000_000_000 + 500 * number
        parts += (fragment(sequence=number + 1, picture=picture, sound=sound_part, utc_ms=utc_ms), clip.between)
    return b"".join(parts)


def _share(count: int, number: int, shares: int) -> tuple[int, int]:
    return count * number // shares, count * (number + 1) // shares
