"""The configuration of interlock and lamps: what needs a ground, and two wires on one pin."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.config import Config, ConfigError, Interlock, Lamps, parse
from sim.wiring import Wires

WIRED = Interlock(enabled=True)


def refused(**sections: object) -> list[str]:
    with pytest.raises(ConfigError) as error:
        Config(**sections)  # type: ignore[arg-type]
    return [problem.path for problem in error.value.problems]


def test_an_automatic_resume_must_name_its_risk_assessment() -> None:
    assert refused(interlock=replace(WIRED, automatic_resume=True)) == ["interlock.risk_assessment"]
    assert Config(interlock=replace(WIRED, automatic_resume=True, risk_assessment="RA-7")).interlock.automatic_resume


def test_a_gas_permit_needs_an_interlock_to_act_on() -> None:
    assert refused(interlock=Interlock(gas=True)) == ["interlock.gas"]
    assert Config(interlock=replace(WIRED, gas=True)).interlock.gas


def test_two_wires_on_one_pin_are_refused_where_both_are_wired() -> None:
    taken = replace(WIRED, loop_no_gpio=WIRED.loop_nc_gpio)
    assert refused(interlock=taken) == ["interlock.loop_no_gpio"]
    lamps = Lamps(enabled=True, red_gpio=WIRED.permit_gpio)
    assert refused(interlock=WIRED, lamps=lamps) == ["lamps.red_gpio"]
    assert Config(interlock=Interlock(), lamps=lamps).lamps.enabled
    assert Config(interlock=WIRED, lamps=replace(lamps, enabled=False)).interlock.enabled
    unwired = replace(WIRED, line_fault_gpio=WIRED.permit_gpio)
    assert Config(interlock=unwired).interlock == unwired


def test_a_text_that_may_be_empty_still_has_its_limits() -> None:
    assert parse(b'[interlock]\nex_checklist = ""\n').interlock.ex_checklist == ""
    for bad in (b'"x\\u202e"', b'" x"', b'"' + b"x" * 201 + b'"'):
        with pytest.raises(ConfigError):
            parse(b"[interlock]\nex_checklist = " + bad + b"\n")


def test_the_simulated_wires_are_on_the_default_pins() -> None:
    """The world and the configuration agree without a word, or a test would watch a pin nothing hangs on."""
    wires, interlock, lamps = Wires(), Interlock(), Lamps()
    for name in ("loop_nc", "loop_no", "test_nc", "test_no", "line_fault", "reset", "permit", "pump", "drop_all"):
        assert getattr(wires, name) == getattr(interlock, f"{name}_gpio")
    for name in ("red", "green", "yellow", "white", "pump"):
        assert getattr(wires, f"lamp_{name}") == getattr(lamps, f"{name}_gpio")
    assert wires.buzzer == lamps.buzzer_gpio
