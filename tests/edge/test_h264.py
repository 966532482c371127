"""Access units: real libx264 output, re-framed and read back by hand and by libavcodec."""

from __future__ import annotations

from dataclasses import dataclass

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.h264 import ParameterSets, access_unit, sequence_shape
from tests.edge.media import pictures


def _types(sample: bytes) -> list[int]:
    types, offset = [], 0
    while offset < len(sample):
        length = int.from_bytes(sample[offset : offset + 4], "big")
        types.append(sample[offset + 4] & 0x1F)
        offset += 4 + length
    assert offset == len(sample)
    return types


def test_keyframe_gives_its_parameter_sets_and_keeps_the_rest() -> None:
    unit = access_unit(pictures(count=30)[0])
    assert unit.keyframe
    assert unit.sets is not None
    assert (unit.sets.sps[0] & 0x1F, unit.sets.pps[0] & 0x1F) == (7, 8)
    assert _types(unit.sample) == [6, 5, 5]  # an SEI with x264's settings, then two slices


def test_picture_between_keyframes_has_no_sets_and_needs_no_new_track() -> None:
    units = pictures(count=30)
    first, second, next_key = access_unit(units[0]), access_unit(units[1]), access_unit(units[25])
    assert first.sets is not None
    assert (second.keyframe, second.sets) == (False, None)
    assert next_key.keyframe
    assert not second.needs_new_track(first.sets)
    assert not next_key.needs_new_track(first.sets)


def test_changed_parameter_sets_need_a_new_track() -> None:
    small, large = access_unit(pictures(count=30)[0]), access_unit(pictures(count=3, width=352, height=288)[0])
    assert small.sets is not None
    assert large.needs_new_track(small.sets)


def test_access_unit_delimiters_leave_the_sample() -> None:
    units = pictures(count=3, x264="aud=1")
    assert units[1].startswith(b"\x00\x00\x00\x01\x09")
    assert [_types(access_unit(unit).sample) for unit in units] == [[6, 5, 5], [1, 1], [1, 1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a stream is encoded, and what its SPS must say."""

    width: int = 320
    height: int = 180
    preset: str = "superfast"
    x264: str = "aud=0"
    pixels: str = "yuv420p"
    profile: int = 100
    chroma_format: int = 1


SETTINGS = {
    "baseline": Setting(preset="ultrafast", profile=66),
    "main": Setting(x264="8x8dct=0", profile=77),
    "high": Setting(),
    "640x360": Setting(width=640, height=360, preset="ultrafast", profile=66),
    "720p": Setting(width=1280, height=720, preset="ultrafast", profile=66),
    "1080p": Setting(width=1920, height=1080),
    "cropped both ways": Setting(width=354, height=290),
    "interlaced": Setting(width=720, height=572, x264="interlaced=1"),
    "scaling lists": Setting(x264="cqm=jvt"),
    "own scaling lists": Setting(x264="cqm4=" + ",".join(str(16 + number) for number in range(16))),
    "4:2:2": Setting(pixels="yuv422p", profile=122, chroma_format=2, width=322, height=182),
    "4:4:4": Setting(pixels="yuv444p", profile=244, chroma_format=3, width=321, height=181),
    "4:4:4 scaling lists": Setting(pixels="yuv444p", x264="cqm=jvt", profile=244, chroma_format=3),
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", SETTINGS)
def test_sequence_shape_agrees_with_libavcodec(name: str) -> None:
    setting = SETTINGS[name]
    first = pictures(
        count=1,
        width=setting.width,
        height=setting.height,
        preset=setting.preset,
        x264=setting.x264,
        pixels=setting.pixels,
    )[0]
    sets = access_unit(first).sets
    assert sets is not None
    shape = sequence_shape(sets.sps)
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    frame = (decoder.decode(av.Packet(first)) + decoder.decode(None))[0]
    assert (shape.width, shape.height) == (frame.width, frame.height) == (setting.width, setting.height)
    assert (shape.profile, shape.chroma_format) == (setting.profile, setting.chroma_format)
    assert (shape.luma_bits, shape.chroma_bits) == (8, 8)


def test_bytes_without_a_start_code_are_refused() -> None:
    for wrong in (b"", b"\x00\x00", b"\x65\x88", b"\x05\x00\x00\x01\x65\x88"):
        with pytest.raises(ValueError, match="start code"):
            access_unit(wrong)


def test_a_different_second_picture_set_stays_where_a_decoder_finds_it() -> None:
    first = pictures(count=1)[0]
    sets = access_unit(first).sets
    assert sets is not None
    assert _types(access_unit(first + b"\x00\x00\x01" + b"\x68\x01\x02").sample) == [6, 5, 5, 8]
    assert _types(access_unit(first + b"\x00\x00\x01" + sets.pps).sample) == [6, 5, 5]


_UNIT = st.binary(min_size=1, max_size=40).filter(
    lambda unit: b"\x00\x00\x00" not in unit and b"\x00\x00\x01" not in unit and unit[-1] != 0 and unit[0] != 0
)


@given(units=st.lists(_UNIT, min_size=1, max_size=8), long_codes=st.booleans())
def test_every_unit_but_delimiters_and_sets_survives_in_order(units: list[bytes], long_codes: bool) -> None:
    start = b"\x00\x00\x00\x01" if long_codes else b"\x00\x00\x01"
    unit = access_unit(start + start.join(units))
    lengths, offset = [], 0
    while offset < len(unit.sample):
        length = int.from_bytes(unit.sample[offset : offset + 4], "big")
        lengths.append(unit.sample[offset + 4 : offset + 4 + length])
        offset += 4 + length
    gone = {unit.sets.sps, unit.sets.pps} if unit.sets else set()
    assert lengths == [part for part in units if part[0] & 0x1F != 9 and part not in gone]
    assert unit.keyframe == any(part[0] & 0x1F == 5 for part in lengths)


@given(garbage=st.binary(max_size=200))
def test_garbage_after_an_sps_header_is_read_or_refused_but_never_loops(garbage: bytes) -> None:
    try:
        shape = sequence_shape(b"\x67\x64\x00\x1f" + garbage)
    except ValueError:
        return
    assert shape.profile == 100


def test_a_picture_set_is_not_taken_for_a_sequence_set() -> None:
    sets = access_unit(pictures(count=1)[0]).sets
    assert isinstance(sets, ParameterSets)
    with pytest.raises(ValueError, match="sequence parameter set"):
        sequence_shape(sets.pps)
