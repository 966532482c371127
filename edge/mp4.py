"""The recorder's MP4 bytes: the initialisation of a segment file and its fragments, each exactly prft, moof, mdat.

Pure; WRITER calls it. Nothing is kept between calls and nothing is on disk: what a call returns is what gets hashed,
sealed and written.

Why our own box writer and not libavformat's muxer: (a) a fragment has to end when WRITER says and hold exactly these
three boxes, because one seal follows each; (b) libavformat interleaves by its own clock, so a stalled microphone would
hold the picture back; (c) one `write` of bytes known beforehand is what is hashed and sealed. libavformat, ffprobe and
Chromium read the result in the tests.

Times start at 0 in every file; a stream that starts later than the other says so in its first `tfdt`. Tracks are
numbered 1 for the picture and 2 for the sound, also where one is absent. Samples are stored and shown in the same
order, so the encoder must not reorder pictures (x264 `zerolatency` does not; the Pi's encoder is not yet measured).
Colour and pixel shape are left to the SPS.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from edge.h264 import sequence_shape
from edge.mp4_boxes import BOX_HEADER_BYTES, box, full_box

PICTURE_TRACK_ID: Final = 1
SOUND_TRACK_ID: Final = 2
STREAMINFO_BYTES: Final = 34
FRAGMENT_BYTES_LIMIT: Final = 16 * 1024 * 1024

_MOVIE_TIMESCALE = 1000
_UNITY_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_LANGUAGE_UNDETERMINED = 0x55C4
_SELF_CONTAINED = 1
_ENABLED_IN_MOVIE = 3
_SEVENTY_TWO_DPI = 72 << 16
_HIGHEST_RATE_HZ = 0xFFFF  # the sample entry has 16.16 bits
_AVCC_WITHOUT_CHROMA = frozenset({66, 77, 88})  # profiles whose avcC ends after the sets (ISO/IEC 14496-15, 5.3.3.1.2)

# Sample flags (ISO/IEC 14496-12, 8.8.3.1).
_SYNC_SAMPLE = 0x02000000
_DEPENDENT_SAMPLE = 0x01010000
_DEFAULT_BASE_IS_MOOF = 0x020000
_OFFSET_DURATION_SIZE_FLAGS = 0x000701

# prft flags (ISO/IEC 14496-12:2022, 8.16.5): one consistent small offset (8) to the real time of capture (16).
_UTC_OF_CAPTURE = 8 | 16
_NTP_ERA_SECONDS = 2**32
_UNIX_EPOCH_IN_NTP_SECONDS = 2_208_988_800

_MFHD_BYTES = 16
_TRAF_FIXED_BYTES = BOX_HEADER_BYTES + 16 + 20 + 20  # header, tfhd, tfdt, trun without its samples
_TRUN_SAMPLE_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTrack:
    """An H.264 track: shown pixels, one SPS and one PPS (NAL units), ticks per second."""

    width: int
    height: int
    sps: bytes
    pps: bytes
    timescale: int = 90_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundTrack:
    """A FLAC track whose ticks are its samples. Raises ValueError where STREAMINFO (RFC 9639, 8.2) says otherwise."""

    rate_hz: int
    channels: int
    streaminfo: bytes

    def __post_init__(self) -> None:
        if len(self.streaminfo) != STREAMINFO_BYTES:
            raise ValueError(f"STREAMINFO has {STREAMINFO_BYTES} bytes, not {len(self.streaminfo)}")
        packed = int.from_bytes(self.streaminfo[10:14], "big")
        said = (packed >> 12, (packed >> 9 & 7) + 1)
        if said != (self.rate_hz, self.channels):
            raise ValueError(f"STREAMINFO says {said} Hz and channels, the track {(self.rate_hz, self.channels)}")
        if not 0 < self.rate_hz <= _HIGHEST_RATE_HZ:
            raise ValueError(f"{self.rate_hz} Hz does not fit an audio sample entry")

    @property
    def bits_per_sample(self) -> int:
        """Depth as STREAMINFO says it."""
        return (int.from_bytes(self.streaminfo[12:14], "big") >> 4 & 0x1F) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One access unit or FLAC frame; `duration` in the track's ticks. Every FLAC frame is a keyframe."""

    payload: bytes
    duration: int
    keyframe: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The consecutive samples of one track in one fragment; `decode_time` of the first, in ticks from the file's 0."""

    decode_time: int
    samples: tuple[Sample, ...]


def initialisation(*, picture: PictureTrack | None, sound: SoundTrack | None) -> bytes:
    """`ftyp` and `moov` of a file with the given tracks; equal tracks give equal bytes. At least one must be given."""
    tracks: list[bytes] = []
    defaults: list[bytes] = []
    if picture is not None:
        tracks.append(_picture_track(picture))
        defaults.append(_track_defaults(PICTURE_TRACK_ID))
    if sound is not None:
        tracks.append(_sound_track(sound))
        defaults.append(_track_defaults(SOUND_TRACK_ID))
    if not tracks:
        raise ValueError("a file needs a picture track or a sound track")
    brands = struct.pack(">4sI4s4s4s", b"iso6", 0, b"iso6", b"avc1", b"mp41")
    moov = box(b"moov", _movie_header(), *tracks, box(b"mvex", *defaults))
    return box(b"ftyp", brands) + moov


def fragment(*, sequence: int, picture: Run | None, sound: Run | None, utc_ms: int) -> bytes:
    """One fragment: prft, moof, mdat, and nothing else.

    `sequence` counts from 1 in a file. `utc_ms` is the UTC at which the first sample of the reference track (the
    picture, or the sound where this fragment has no picture) was captured. A run without samples counts as absent;
    ValueError if both are, or if the fragment would pass FRAGMENT_BYTES_LIMIT.
    """
    runs = [
        (track_id, run)
        for track_id, run in ((PICTURE_TRACK_ID, picture), (SOUND_TRACK_ID, sound))
        if run is not None and run.samples
    ]
    if not runs:
        raise ValueError("a fragment needs at least one sample")
    moof_bytes = (
        BOX_HEADER_BYTES
        + _MFHD_BYTES
        + sum(_TRAF_FIXED_BYTES + _TRUN_SAMPLE_BYTES * len(run.samples) for _, run in runs)
    )
    offset = moof_bytes + BOX_HEADER_BYTES
    trafs: list[bytes] = []
    payloads: list[bytes] = []
    for track_id, run in runs:
        trafs.append(_track_fragment(track_id, run, offset))
        payloads.extend(sample.payload for sample in run.samples)
        offset += sum(len(sample.payload) for sample in run.samples)
    reference_id, reference = runs[0]
    parts = (_reference_time(reference_id, reference.decode_time, utc_ms), _movie_fragment(sequence, trafs))
    mdat_bytes = offset - moof_bytes
    if len(parts[0]) + moof_bytes + mdat_bytes > FRAGMENT_BYTES_LIMIT:
        raise ValueError(f"a fragment of {mdat_bytes} media bytes passes the limit of {FRAGMENT_BYTES_LIMIT}")
    return b"".join((*parts, struct.pack(">I4s", mdat_bytes, b"mdat"), *payloads))


def _movie_fragment(sequence: int, trafs: list[bytes]) -> bytes:
    return box(b"moof", full_box(b"mfhd", 0, 0, struct.pack(">I", sequence)), *trafs)


def _track_fragment(track_id: int, run: Run, data_offset: int) -> bytes:
    numbers: list[int] = []
    for sample in run.samples:
        numbers += (sample.duration, len(sample.payload), _SYNC_SAMPLE if sample.keyframe else _DEPENDENT_SAMPLE)
    trun = struct.pack(f">Ii{len(numbers)}I", len(run.samples), data_offset, *numbers)
    return box(
        b"traf",
        full_box(b"tfhd", 0, _DEFAULT_BASE_IS_MOOF, struct.pack(">I", track_id)),
        full_box(b"tfdt", 1, 0, struct.pack(">Q", run.decode_time)),
        full_box(b"trun", 0, _OFFSET_DURATION_SIZE_FLAGS, trun),
    )


def _reference_time(track_id: int, media_time: int, utc_ms: int) -> bytes:
    """`prft` version 1. NTP seconds wrap (next on 2036-02-07); the era follows from the date of the file."""
    unix_seconds, milliseconds = divmod(utc_ms, 1000)
    ntp_seconds = (unix_seconds + _UNIX_EPOCH_IN_NTP_SECONDS) % _NTP_ERA_SECONDS
    ntp_fraction = (milliseconds << 32) // 1000
    fields = struct.pack(">IIIQ", track_id, ntp_seconds, ntp_fraction, media_time)
    return full_box(b"prft", 1, _UTC_OF_CAPTURE, fields)


def _movie_header() -> bytes:
    times = struct.pack(">IIII", 0, 0, _MOVIE_TIMESCALE, 0)
    rate_and_volume = struct.pack(">IHH8x", 0x10000, 0x0100, 0)
    next_track_id = struct.pack(">I", SOUND_TRACK_ID + 1)
    return full_box(b"mvhd", 0, 0, times, rate_and_volume, _UNITY_MATRIX, bytes(24), next_track_id)


def _track_defaults(track_id: int) -> bytes:
    return full_box(b"trex", 0, 0, struct.pack(">5I", track_id, 1, 0, 0, 0))


def _picture_track(picture: PictureTrack) -> bytes:
    entry = box(
        b"avc1",
        struct.pack(">6xH16x", 1),
        struct.pack(">HHIIIH32xHh", picture.width, picture.height, _SEVENTY_TWO_DPI, _SEVENTY_TWO_DPI, 0, 1, 0x18, -1),
        _avc_configuration(picture),
    )
    header = _track_header(PICTURE_TRACK_ID, volume=0, width=picture.width, height=picture.height)
    media_header = full_box(b"vmhd", 0, 1, bytes(8))
    return box(b"trak", header, _media(picture.timescale, b"vide", media_header, entry))


def _sound_track(sound: SoundTrack) -> bytes:
    """FLAC as "Encapsulation of FLAC in ISO Base Media File Format" (xiph.org) has it: `fLaC` with `dfLa`."""
    last_block_streaminfo = 0x80 << 24 | STREAMINFO_BYTES
    entry = box(
        b"fLaC",
        struct.pack(">6xH8x", 1),
        struct.pack(">HHHHI", sound.channels, sound.bits_per_sample, 0, 0, sound.rate_hz << 16),
        full_box(b"dfLa", 0, 0, struct.pack(">I", last_block_streaminfo), sound.streaminfo),
    )
    header = _track_header(SOUND_TRACK_ID, volume=0x0100, width=0, height=0)
    return box(b"trak", header, _media(sound.rate_hz, b"soun", full_box(b"smhd", 0, 0, bytes(4)), entry))


def _track_header(track_id: int, *, volume: int, width: int, height: int) -> bytes:
    fields = struct.pack(">IIIIIQHHHH", 0, 0, track_id, 0, 0, 0, 0, 0, volume, 0)
    return full_box(b"tkhd", 0, _ENABLED_IN_MOVIE, fields, _UNITY_MATRIX, struct.pack(">II", width << 16, height << 16))


def _media(timescale: int, handler: bytes, media_header: bytes, sample_entry: bytes) -> bytes:
    location = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, _SELF_CONTAINED)))
    none = struct.pack(">I", 0)
    sample_table = box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), sample_entry),
        full_box(b"stts", 0, 0, none),
        full_box(b"stsc", 0, 0, none),
        full_box(b"stsz", 0, 0, none, none),
        full_box(b"stco", 0, 0, none),
    )
    return box(
        b"mdia",
        full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, timescale, 0, _LANGUAGE_UNDETERMINED, 0)),
        full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, handler), b"liuhen\x00"),
        box(b"minf", media_header, location, sample_table),
    )


def _avc_configuration(picture: PictureTrack) -> bytes:
    """`avcC` (ISO/IEC 14496-15, 5.3.3.1): four-byte lengths, one SPS, one PPS."""
    shape = sequence_shape(picture.sps)
    parts = [
        struct.pack(">BBBBBB", 1, shape.profile, shape.constraints, shape.level, 0xFC | 3, 0xE0 | 1),
        struct.pack(">H", len(picture.sps)),
        picture.sps,
        struct.pack(">BH", 1, len(picture.pps)),
        picture.pps,
    ]
    if shape.profile not in _AVCC_WITHOUT_CHROMA:
        chroma = (0xFC | shape.chroma_format, 0xF8 | shape.luma_bits - 8, 0xF8 | shape.chroma_bits - 8, 0)
        parts.append(struct.pack(">BBBB", *chroma))
    return box(b"avcC", *parts)
