"""H.264 access units: from the encoder's Annex B byte stream to the length-prefixed samples of an MP4 track.

Pure; WRITER calls it once per picture. Owns nothing and leaves nothing on disk.

The sample entry `avc1` keeps the parameter sets in `avcC` alone (ISO/IEC 14496-15, 5.3.1), so SPS and PPS are taken
out of every access unit and handed back. Whoever muxes compares them with the ones its file was opened with: other sets
need another moov, so they end the segment. Access unit delimiters carry nothing a container does not and are dropped;
SEI and everything else stays as the encoder made it.
"""

from __future__ import annotations

from dataclasses import dataclass

START_CODE = b"\x00\x00\x01"
_LENGTH_PREFIX_BYTES = 4
_UNIT_TYPE_BITS = 0x1F
_IDR_SLICE = 5
_SPS = 7
_PPS = 8
_ACCESS_UNIT_DELIMITER = 9

# The profiles whose SPS carries chroma format, bit depths and scaling matrices (ITU-T H.264, 7.3.2.1.1).
_PROFILES_WITH_CHROMA = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
_CHROMA_444 = 3
_GOLOMB_LONGEST_PREFIX = 32
_SPS_FIXED_BYTES = 4  # NAL header, profile, constraints, level
_SMALL_SCALING_LISTS = 6  # the first six scaling lists have 16 entries, the others 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSets:
    """One sequence and one picture parameter set: NAL units without start code or length."""

    sps: bytes
    pps: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessUnit:
    """A picture as `avc1` sample, empty if there were parameter sets alone; `sets` is None where there were none."""

    sample: bytes
    keyframe: bool
    sets: ParameterSets | None

    def needs_new_track(self, track_sets: ParameterSets) -> bool:
        """Say whether this picture cannot be decoded with the sets of the running track."""
        return self.sets is not None and self.sets != track_sets


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceShape:
    """What a container must know of an SPS. Width and height are the pixels shown, after cropping."""

    profile: int
    constraints: int
    level: int
    chroma_format: int
    luma_bits: int
    chroma_bits: int
    width: int
    height: int


def access_unit(annexb: bytes) -> AccessUnit:
    """Re-frame one Annex B access unit.

    The first SPS and the first PPS become `sets` and leave the sample, as do their exact repetitions. Further different
    sets (no encoder driven here writes them) stay in the sample, where a decoder still finds them. Both sets must be
    present to count. Raises ValueError if the bytes hold no start code at the start.
    """
    units = _nal_units(annexb)
    sps = next((unit for unit in units if unit[0] & _UNIT_TYPE_BITS == _SPS), None)
    pps = next((unit for unit in units if unit[0] & _UNIT_TYPE_BITS == _PPS), None)
    sets = ParameterSets(sps=sps, pps=pps) if sps is not None and pps is not None else None
    parts: list[bytes] = []
    keyframe = False
    for unit in units:
        unit_type = unit[0] & _UNIT_TYPE_BITS
        if unit_type == _ACCESS_UNIT_DELIMITER or (sets is not None and unit in (sps, pps)):
            continue
        keyframe = keyframe or unit_type == _IDR_SLICE
        parts.append(len(unit).to_bytes(_LENGTH_PREFIX_BYTES, "big"))
        parts.append(unit)
    return AccessUnit(sample=b"".join(parts), keyframe=keyframe, sets=sets)


def _nal_units(annexb: bytes) -> list[bytes]:
    """Cut at start codes. A NAL unit never ends in a zero byte (7.4.1), so zeros before a start code belong to it."""
    before, *units = annexb.split(START_CODE)
    if not units or before.strip(b"\x00"):
        raise ValueError("not an Annex B access unit: no start code at its start")
    return [unit for unit in (unit.rstrip(b"\x00") for unit in units) if unit]


def sequence_shape(sps: bytes) -> SequenceShape:
    """Read an SPS (NAL unit with its header byte) as far as the picture size (ITU-T H.264, 7.3.2.1.1).

    Raises ValueError if it is not an SPS or ends too early.
    """
    if len(sps) < _SPS_FIXED_BYTES or sps[0] & _UNIT_TYPE_BITS != _SPS:
        raise ValueError("not an H.264 sequence parameter set")
    profile, constraints, level = sps[1], sps[2], sps[3]
    bits = _Bits(sps[_SPS_FIXED_BYTES:])
    bits.golomb()  # seq_parameter_set_id
    chroma_format, luma_bits, chroma_bits = 1, 8, 8
    separate_planes = False
    if profile in _PROFILES_WITH_CHROMA:
        chroma_format = bits.golomb()
        separate_planes = chroma_format == _CHROMA_444 and bits.flag()
        luma_bits, chroma_bits = 8 + bits.golomb(), 8 + bits.golomb()
        bits.flag()  # qpprime_y_zero_transform_bypass
        if bits.flag():
            _skip_scaling_lists(bits, 12 if chroma_format == _CHROMA_444 else 8)
    bits.golomb()  # log2_max_frame_num_minus4
    _skip_picture_order(bits)
    width, height = _picture_size(bits, 0 if separate_planes else chroma_format)
    return SequenceShape(
        profile=profile,
        constraints=constraints,
        level=level,
        chroma_format=chroma_format,
        luma_bits=luma_bits,
        chroma_bits=chroma_bits,
        width=width,
        height=height,
    )


class _Bits:
    """A cursor over the bits of a parameter set, emulation prevention removed. Reading past the end is a ValueError."""

    __slots__ = ("_left", "_value")

    def __init__(self, escaped: bytes) -> None:
        plain = escaped.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(plain, "big")
        self._left = 8 * len(plain)

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("the parameter set ends too early")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def flag(self) -> bool:
        return self.take(1) == 1

    def golomb(self) -> int:
        """Read ue(v), Exp-Golomb (9.1)."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > _GOLOMB_LONGEST_PREFIX:
                raise ValueError("the parameter set holds an impossible number")
        return (1 << zeros) - 1 + self.take(zeros)

    def signed_golomb(self) -> int:
        """Read se(v) (9.1.1)."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def _skip_scaling_lists(bits: _Bits, lists: int) -> None:
    for index in range(lists):
        if not bits.flag():
            continue
        last, following = 8, 8
        for _ in range(16 if index < _SMALL_SCALING_LISTS else 64):
            if following:
                following = (last + bits.signed_golomb()) % 256
            last = following or last


def _skip_picture_order(bits: _Bits) -> None:
    kind = bits.golomb()
    if kind == 0:
        bits.golomb()  # log2_max_pic_order_cnt_lsb_minus4
    elif kind == 1:
        bits.flag()
        bits.golomb()
        bits.golomb()
        for _ in range(bits.golomb() & 0xFF):
            bits.golomb()


def _picture_size(bits: _Bits, chroma_format: int) -> tuple[int, int]:
    bits.golomb()  # max_num_ref_frames
    bits.flag()  # gaps_in_frame_num_value_allowed
    macroblocks_across = bits.golomb() + 1
    map_units_down = bits.golomb() + 1
    fields = 2 - bits.take(1)  # 1 for frames only, 2 where a map unit covers a pair of field rows
    if fields == 2:  # noqa: PLR2004 - the two fields of a frame
        bits.flag()  # mb_adaptive_frame_field
    bits.flag()  # direct_8x8_inference
    width, height = 16 * macroblocks_across, 16 * map_units_down * fields
    if bits.flag():
        left, right, top, bottom = (bits.golomb() for _ in range(4))
        step_across = 2 if chroma_format in (1, 2) else 1
        step_down = (2 if chroma_format == 1 else 1) * fields
        width -= step_across * (left + right)
        height -= step_down * (top + bottom)
    return width, height
