"""A panel's pins are each used once, what is not fitted has none, and every prompt has words that can be configured."""

from __future__ import annotations

from dataclasses import fields

import pytest

from edge.buttons import Button
from edge.config import Config, ConfigError, Prompts, parse
from edge.prompts import DEFAULT_WORDS, Prompt


def test_panel_and_prompts_are_off_until_somebody_fits_them() -> None:
    assert (Config().panel.enabled, Config().prompts.enabled) == (False, False)


def test_every_button_has_a_pin_of_its_own_and_one_that_is_not_fitted_has_none() -> None:
    pins = Config().panel.pins()
    assert set(pins) == set(Button)
    assert len(set(pins.values())) == len(Button)
    fewer = parse(b"[panel]\nenabled = true\nmark_gpio = -1\n").panel.pins()
    assert set(fewer) == set(Button) - {Button.MARK}


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ("[panel]\nenabled = true\nstop_gpio = 7", "panel.stop_gpio"),
        ("[panel]\nenabled = true\nwithhold_gpio = 17\n[lamps]\nenabled = true", "panel.withhold_gpio"),
        ("[panel]\nenabled = true\n" + "".join(f"{button.value}_gpio = -1\n" for button in Button), "panel.enabled"),
    ],
)
def test_a_panel_that_contradicts_itself_or_another_wire_is_refused(content: str, path: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse(content.encode())
    (problem,) = refusal.value.problems
    assert problem.path == path
    assert parse(content.replace("enabled = true", "enabled = false", 1).encode()).panel.wires() == {}


def test_panel_interlock_and_lamps_fit_on_one_header_as_they_come() -> None:
    tables = "".join(f"[{name}]\nenabled = true\n" for name in ("panel", "interlock", "lamps"))
    assert len(parse(tables.encode()).panel.wires()) == len(Button)


def test_every_prompt_has_words_in_both_languages_and_a_key_of_its_own() -> None:
    assert set(DEFAULT_WORDS) == set(Prompt)
    assert all(words.zh and words.en for words in DEFAULT_WORDS.values())
    assert {prompt.value for prompt in Prompt} <= {field.name for field in fields(Prompts)}
    assert Prompts().words() == {prompt: words.zh for prompt, words in DEFAULT_WORDS.items()}


def test_the_notice_is_the_regulations_phrase_until_the_configuration_says_another() -> None:
    phrase = "为保护您的合法权益，监督我们的执法行为，本次执法将全程录音录像。"
    assert Config().prompts.words()[Prompt.NOTICE] == phrase
    adapted = parse('[prompts]\nnotice = "本次听证全程录音录像。"\n'.encode()).prompts
    assert adapted.words()[Prompt.NOTICE] == "本次听证全程录音录像。"
