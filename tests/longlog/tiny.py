"""Real packets as small as they get: two pictures a second, each a keyframe, and sound at 8 kHz in frames of 100 ms.

Made once by libavcodec and kept in a file, so that a process that is being timed encodes nothing and loads no codec.
"""

from __future__ import annotations

import math
from array import array
from fractions import Fraction
from pathlib import Path

from edge.ports import PictureFormat, SoundFormat
from liuhen import cbor
from liuhen.errors import FormatError
from tests.replay import Recording

WIDTH, HEIGHT, FRAMES_PER_SECOND = 64, 48, 2
RATE_HZ = 8000
SOUND_SAMPLES = 800
PICTURES = 8
SOUNDS = 10
STREAMINFO_BYTES = 34
WHERE = "tiny packets"


def encode() -> bytes:
    """Encode the packets, as the bytes of the file that `load` reads."""
    streaminfo, sounds = _sounds()
    return cbor.encode((streaminfo, _pictures(), sounds))


def load(path: Path) -> Recording:
    """The packets of a file that `encode` made."""
    match cbor.decode(path.read_bytes(), where=WHERE):
        case [bytes(streaminfo), [*pictures], [*sounds]]:
            pass
        case _:
            raise FormatError(WHERE, "not a file of this module")
    return Recording(
        picture=PictureFormat(width=WIDTH, height=HEIGHT, frames_per_second=FRAMES_PER_SECOND),
        sound=SoundFormat(rate_hz=RATE_HZ, channels=1, streaminfo=streaminfo),
        pictures=tuple((0, payload, True) for payload in pictures if isinstance(payload, bytes)),
        sounds=tuple((0, payload, SOUND_SAMPLES) for payload in sounds if isinstance(payload, bytes)),
    )


def _pictures() -> tuple[bytes, ...]:
    import av  # noqa: PLC0415 - a timed process reads packets and must not pay for the codec

    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FRAMES_PER_SECOND), Fraction(FRAMES_PER_SECOND)
    encoder.gop_size = 1
    encoder.thread_count = 1
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "aud=0"}
    units: list[bytes] = []
    for index in range(PICTURES):
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([(30 * index) & 0xFF]) * plane.buffer_size)
        frame.pts = index
        units.extend(bytes(packet) for packet in encoder.encode(frame))
    units.extend(bytes(packet) for packet in encoder.encode(None))
    return tuple(units)


def _sounds() -> tuple[bytes, tuple[bytes, ...]]:
    import av  # noqa: PLC0415 - as above

    encoder = av.CodecContext.create("flac", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = RATE_HZ, "mono", "s16"
    encoder.time_base = Fraction(1, RATE_HZ)
    encoder.options = {"frame_size": str(SOUND_SAMPLES), "compression_level": "2"}
    encoder.open()
    streaminfo = bytes(encoder.extradata or b"")[-STREAMINFO_BYTES:]
    packets: list[bytes] = []
    for block in range(SOUNDS):
        values = array("h", (int(40 * math.sin((block + 3) * index / 60)) for index in range(SOUND_SAMPLES)))
        frame = av.AudioFrame("s16", "mono", SOUND_SAMPLES)
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, block * SOUND_SAMPLES, Fraction(1, RATE_HZ)
        frame.planes[0].update(values.tobytes())
        packets.extend(bytes(packet) for packet in encoder.encode(frame))
    packets.extend(bytes(packet) for packet in encoder.encode(None) if packet.size)
    return streaminfo, tuple(packets)
