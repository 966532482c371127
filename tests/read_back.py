"""A recorded segment read back into its encoded packets, to be played again by `tests.replay`.

Owns nothing; reads one file of a spool with libavformat.
"""

from __future__ import annotations

from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext

from edge.ports import PictureFormat, SoundFormat
from tests.replay import Recording

STREAMINFO_BYTES = 34


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
