"""What is played in the simulated room is heard by its microphone whole and even, and silence adds nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sim.loudspeaker import Overheard, _Lead

Samples = NDArray[np.int16]


class Fixed:
    """A source that says these samples, then silence."""

    def __init__(self, samples: Samples) -> None:
        self._left = samples

    def read(self, samples: int) -> bytes:
        said, self._left = self._left[:samples], self._left[samples:]
        return np.concatenate([said, np.zeros(samples - len(said), np.int16)]).astype("<i2").tobytes()


def ramp(length: int) -> Samples:
    return np.arange(1, length + 1, dtype=np.int16)


@settings(deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=20), st.integers(0, 200), st.integers(1, 300))
def test_sound_that_comes_in_pieces_is_given_out_without_a_hole_after_its_lead(
    pieces: list[int], lead: int, block: int
) -> None:
    total = sum(pieces)
    sound, way = ramp(total), _Lead(lead_bytes=2 * lead)
    arrived, heard = 0, b""
    for piece in pieces:
        way.add(sound[arrived : arrived + piece].tobytes())
        arrived += piece
    for _ in range((total + lead) // block + 2):
        way.add(bytes(2 * block))  # the server goes on with silence, block by block
        heard += way.take(2 * block)
    assert np.frombuffer(heard, np.int16).tobytes().strip(b"\0") == sound.tobytes().strip(b"\0")


def test_silence_is_not_stored_so_a_later_sound_is_not_late() -> None:
    way = _Lead(lead_bytes=200)
    for _ in range(100):
        way.add(bytes(1000))
        assert way.take(10) == bytes(10)
    way.add(bytes(300) + ramp(100).tobytes())
    assert way.take(200) == ramp(100).tobytes()


@pytest.mark.parametrize("channels", [1, 2])
def test_both_are_heard_in_every_channel_and_the_sum_is_clipped(channels: int) -> None:
    room = np.repeat(np.array([100, 30_000, -30_000], np.int16), channels)
    heard = Overheard(Interleaved(room, channels), Fixed(np.array([1000, 20_000, -20_000], np.int16)), channels)
    mixed = np.frombuffer(heard.read(3), "<i2").reshape(3, channels)
    assert mixed.tolist() == [[600] * channels, [32_767] * channels, [-32_768] * channels]


class Interleaved:
    """The room's own sound, already in channels."""

    def __init__(self, samples: Samples, channels: int) -> None:
        self._samples = samples
        self._channels = channels

    def read(self, samples: int) -> bytes:
        return self._samples[: samples * self._channels].astype("<i2").tobytes()


def test_a_loudspeaker_that_is_silent_changes_not_one_bit() -> None:
    room = np.random.default_rng(3).integers(-32_768, 32_767, 1000).astype(np.int16)
    assert Overheard(Fixed(room), Fixed(np.zeros(0, np.int16)), 1).read(1000) == room.tobytes()
