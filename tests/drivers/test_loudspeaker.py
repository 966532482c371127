"""A prompt never holds its caller; whatever the sound driver does, its end is told, and the next one is tried."""

from __future__ import annotations

import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import pytest

from drivers import loudspeaker as module
from drivers import loudspeaker_process
from drivers.children import Children
from drivers.loudspeaker import PortAudioLoudspeaker
from drivers.loudspeaker_faults import loudspeaker_fault
from drivers.prompt_sounds import load_prompts
from drivers.system_clock import SystemClock
from edge.ports import FaultKind
from edge.prompts import Prompt, PromptFailed, PromptPlayed, PromptsReady, PromptVoice
from edge.settings_panel import Prompts
from tests.drivers.loudspeaker_room import Told, running_loudspeaker
from tests.drivers.stand_in import sounddevice
from tests.drivers.test_prompt_sounds import wav

STAND_IN = Path(__file__).parent / "stand_in"


@pytest.fixture
def settings(tmp_path: Path) -> Prompts:
    """Half a second of sound for each prompt, from a folder: no synthesiser is asked."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    for number, prompt in enumerate(Prompt):
        (folder / f"{prompt.value}.wav").write_bytes(wav(0.5, pitch_hz=300 + 100 * number))
    return Prompts(enabled=True, device="stand-in", directory=folder)


def sound_that(does: str, tmp_path: Path) -> Mapping[str, str]:
    """The environment of a player whose sound library does this."""
    return {"PYTHONPATH": str(STAND_IN), "SOUND_DOES": does, "SOUND_TAKEN": str(tmp_path / "taken")}


def test_prompts_are_played_whole_in_the_order_of_asking_and_told_with_their_times(
    settings: Prompts, tmp_path: Path
) -> None:
    told, asked, clock = Told(), [Prompt.STOPPED, Prompt.NOTICE], SystemClock()
    before_ns = clock.boottime_ns()
    with running_loudspeaker(settings, told, sound_that("work", tmp_path)) as loudspeaker:
        for prompt in asked:
            loudspeaker.play(prompt)
        ends = told.wait_for_ends(2)
    assert isinstance(told.kept[0], PromptsReady)
    assert told.kept[0].voices == tuple((prompt, PromptVoice.RECORDED) for prompt in Prompt)
    assert [end.prompt for end in ends if isinstance(end, PromptPlayed)] == asked
    sounds, _ = load_prompts(settings, Children().run)
    taken = (tmp_path / "taken").read_bytes()
    first = taken.find(sounds[Prompt.STOPPED].pcm)
    assert 0 <= first < taken.find(sounds[Prompt.NOTICE].pcm)
    assert taken.find(sounds[Prompt.RESUMED].pcm) < 0
    for end in ends:
        assert isinstance(end, PromptPlayed)
        assert before_ns < end.from_ns < clock.boottime_ns() + 10**9
        assert end.to_ns - end.from_ns == pytest.approx(0.5e9, abs=2e6)


def test_on_two_channels_both_say_the_same(settings: Prompts, tmp_path: Path) -> None:
    told, stereo = Told(), Prompts(enabled=True, channels=2, directory=settings.directory)
    with running_loudspeaker(stereo, told, sound_that("work", tmp_path)) as loudspeaker:
        loudspeaker.play(Prompt.NOTICE)
        told.wait_for_ends(1)
    taken = memoryview((tmp_path / "taken").read_bytes()).cast("h")
    assert len(taken) > 2 * 24_000
    assert taken[::2].tobytes() == taken[1::2].tobytes()
    assert any(taken)


def test_a_driver_that_never_returns_holds_neither_its_caller_nor_the_next_prompt_nor_the_end(
    settings: Prompts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3)
    told = Told()
    with running_loudspeaker(settings, told, sound_that("hang", tmp_path)) as loudspeaker:
        loudspeaker.play(Prompt.NOTICE)
        loudspeaker.play(Prompt.STOPPED)
        ends = told.wait_for_ends(2)
        loudspeaker.play(Prompt.NOTICE)  # and is stopped in the middle of it
    assert [end.prompt for end in ends] == [Prompt.NOTICE, Prompt.STOPPED]
    for end in ends:
        assert isinstance(end, PromptFailed)
        assert (end.fault.device, end.fault.kind) == ("loudspeaker", FaultKind.STUCK)
        assert end.fault.remedy_zh
    assert len(told.wait_for_ends(3)) == 3


def test_a_prompt_that_waits_already_is_said_once_and_what_waits_at_the_end_is_told(
    settings: Prompts, tmp_path: Path
) -> None:
    told = Told()
    with running_loudspeaker(settings, told, sound_that("hang", tmp_path)) as loudspeaker:
        told.wait_until_ready()
        for prompt in (Prompt.NOTICE, *(Prompt.STOPPED,) * 1000, *Prompt):
            loudspeaker.play(prompt)
    loudspeaker.play(Prompt.NOTICE)
    ends = told.wait_for_ends(len(Prompt))
    assert all(isinstance(end, PromptFailed) and "stopped before" in end.fault.what for end in ends)
    assert len(Prompt) <= len(ends) <= len(Prompt) + 1  # the first may have been on its way already
    assert {end.prompt for end in ends} == set(Prompt)


@pytest.mark.parametrize(
    ("does", "kind", "what"),
    [
        ("raise: Device unavailable [PaErrorCode -9985]", FaultKind.BUSY, "unavailable"),
        ("raise: Invalid sample rate [PaErrorCode -9997]", FaultKind.FORMAT, "sample rate"),
        ("raise: Unanticipated host error", FaultKind.OTHER, "host error"),
        ("cut", FaultKind.OTHER, "ended the stream"),
    ],
    ids=["busy", "rate", "other", "cut"],
)
def test_what_the_sound_library_says_reaches_the_operator_in_words(
    does: str, kind: FaultKind, what: str, settings: Prompts, tmp_path: Path
) -> None:
    told = Told()
    with running_loudspeaker(settings, told, sound_that(does, tmp_path)) as loudspeaker:
        loudspeaker.play(Prompt.NOTICE)
        (end,) = told.wait_for_ends(1)
    assert isinstance(end, PromptFailed)
    assert end.fault.kind is kind
    assert what in end.fault.what
    assert "口头宣读" in end.fault.remedy_zh


def player_of(loudspeaker: PortAudioLoudspeaker) -> int:
    child = loudspeaker._children._child
    assert child is not None
    return child.pid


def test_a_player_that_is_killed_costs_at_most_one_prompt(settings: Prompts, tmp_path: Path) -> None:
    told = Told()
    with running_loudspeaker(settings, told, sound_that("work", tmp_path)) as loudspeaker:
        loudspeaker.play(Prompt.NOTICE)
        told.wait_for_ends(1)
        os.kill(player_of(loudspeaker), signal.SIGKILL)
        for count in (2, 3):
            loudspeaker.play(Prompt.NOTICE)
            told.wait_for_ends(count)
    assert [type(end) for end in told.wait_for_ends(3)] == [PromptPlayed, PromptFailed, PromptPlayed]


def test_a_player_that_is_stopped_in_its_tracks_is_given_up_and_replaced(
    settings: Prompts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    with running_loudspeaker(settings, told, sound_that("work", tmp_path)) as loudspeaker:
        loudspeaker.play(Prompt.NOTICE)
        told.wait_for_ends(1)
        os.kill(player_of(loudspeaker), signal.SIGSTOP)
        monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3)
        loudspeaker.play(Prompt.NOTICE)
        given_up = told.wait_for_ends(2)[1]
        monkeypatch.undo()
        loudspeaker.play(Prompt.NOTICE)
        played = told.wait_for_ends(3)[2]
    assert isinstance(given_up, PromptFailed)
    assert given_up.fault.kind is FaultKind.STUCK
    assert isinstance(played, PromptPlayed)


def test_a_device_that_takes_no_samples_is_given_up_by_the_player_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOUND_DOES", "deaf")
    monkeypatch.setattr(loudspeaker_process, "SLACK_SECONDS", 0.0)
    settings = Namespace(device="stand-in", rate=48_000, channels=1)
    with pytest.raises(TimeoutError, match="takes no samples"):
        loudspeaker_process.play(sounddevice, settings, bytes(2000))
    monkeypatch.setenv("SOUND_DOES", "work")
    monkeypatch.setenv("SOUND_TAKEN", str(tmp_path / "taken"))
    assert loudspeaker_process.play(sounddevice, settings, bytes(96_000))["from_ns"] > 0


def test_without_an_interpreter_to_play_with_the_fault_is_told(
    settings: Prompts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "absent"))
    told = Told()
    with running_loudspeaker(settings, told) as loudspeaker:
        loudspeaker.play(Prompt.NOTICE)
        (end,) = told.wait_for_ends(1)
    assert isinstance(end, PromptFailed)
    assert "FileNotFoundError" in end.fault.what


def test_stopping_one_that_was_never_started_ends_nothing_and_starts_nothing(settings: Prompts) -> None:
    told, running = Told(), threading.enumerate()
    loudspeaker = PortAudioLoudspeaker(settings, clock=SystemClock(), tell=told)
    loudspeaker.stop(1)
    loudspeaker.play(Prompt.NOTICE)
    assert threading.enumerate() == running
    assert told.kept == []


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("OSError: PortAudio library not found", FaultKind.ABSENT),
        ("ValueError: No output device matching 'hw:9'", FaultKind.ABSENT),
        ("PortAudioError: Error opening RawOutputStream: Invalid number of channels", FaultKind.FORMAT),
        ("PortAudioError: Device unavailable", FaultKind.BUSY),
        ("TimeoutError: the sound system takes no samples", FaultKind.STUCK),
    ],
    ids=["software", "device", "channels", "busy", "silent"],
)
def test_each_kind_of_trouble_has_words_of_its_own(said: str, kind: FaultKind) -> None:
    fault = loudspeaker_fault(said, "hw:9")
    assert (fault.kind, fault.device) == (kind, "loudspeaker")
    assert said in fault.what
