"""FLAC in small packets: PCM blocks of any size in, fixed packets of a running encoder out, bit for bit.

Owns no thread and touches no disk; called by one thread at a time. The encoder is FFmpeg's through PyAV. A packet has
`samples_per_packet` PCM frames (1200 at 48 kHz = 25 ms): the smaller the packet, the closer a cut comes to its moment.
"""

from __future__ import annotations

import av
from av.audio.codeccontext import AudioCodecContext

BYTES_PER_VALUE = 2
LAYOUTS = {1: "mono", 2: "stereo"}


class FlacEncoder:
    """One FLAC stream (RFC 9639, fixed block size, 16 bit); `streaminfo` is known from the start."""

    def __init__(self, rate_hz: int, channels: int, samples_per_packet: int = 1200) -> None:
        self._rate_hz = rate_hz
        self._layout = LAYOUTS[channels]
        self._frame_bytes = BYTES_PER_VALUE * channels
        self._packet_bytes = samples_per_packet * self._frame_bytes
        self._context = self._opened(samples_per_packet)
        self._waiting = bytearray()
        self._encoded_samples = 0

    def _opened(self, samples_per_packet: int) -> AudioCodecContext:
        context = av.CodecContext.create("flac", "w")
        context.sample_rate = self._rate_hz
        context.layout = self._layout
        context.format = "s16"
        context.options = {"frame_size": str(samples_per_packet)}
        context.open()
        return context

    @property
    def streaminfo(self) -> bytes:
        """The 34-byte STREAMINFO (RFC 9639, 8.2); total samples and MD5 are 0, "unknown", as in any live stream."""
        return bytes(self._context.extradata or b"")

    @property
    def waiting_samples(self) -> int:
        """PCM frames taken in but not yet in a packet."""
        return len(self._waiting) // self._frame_bytes

    def encode(self, pcm: bytes | bytearray | memoryview) -> list[tuple[bytes, int]]:
        """Take interleaved s16 PCM (whole PCM frames); give every packet that became full, with its sample count."""
        self._waiting += pcm
        packets: list[tuple[bytes, int]] = []
        while len(self._waiting) >= self._packet_bytes:
            packets += self._packets(bytes(self._waiting[: self._packet_bytes]))
            del self._waiting[: self._packet_bytes]
        return packets

    def flush(self) -> list[tuple[bytes, int]]:
        """Give what is left as a shorter packet and end the stream; the encoder takes nothing after this."""
        packets = self._packets(bytes(self._waiting)) if self._waiting else []
        self._waiting.clear()
        packets += [(bytes(packet), packet.duration or 0) for packet in self._context.encode(None) if packet.size]
        return packets

    def _packets(self, block: bytes) -> list[tuple[bytes, int]]:
        samples = len(block) // self._frame_bytes
        frame = av.AudioFrame(format="s16", layout=self._layout, samples=samples)
        frame.planes[0].update(block)
        frame.sample_rate = self._rate_hz
        frame.pts = self._encoded_samples
        self._encoded_samples += samples
        return [(bytes(packet), samples) for packet in self._context.encode(frame) if packet.size]
