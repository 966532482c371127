"""The simulated UPS behaves like one: battery, output, and the timers of an order to cut and return."""

from __future__ import annotations

from sim.ups import Manner, UpsModel

SECOND = 1_000_000_000


def feeds(ups: UpsModel, at_seconds: int) -> bool:
    """Whether the output is on at that time."""
    ups.advance(at_seconds * SECOND)
    return ups.output


def unit(**options: int) -> UpsModel:
    return UpsModel(at_ns=0, **options)


def test_the_battery_drains_without_mains_and_fills_with_it() -> None:
    ups = unit(battery_seconds=100, recharge_seconds=200)
    ups.mains = False
    ups.advance(50 * SECOND)
    assert ups.charge_percent == 50
    ups.mains = True
    ups.advance(150 * SECOND)
    assert ups.charge_percent == 100


def test_an_empty_battery_ends_the_output_until_mains_is_back() -> None:
    ups = unit(battery_seconds=100)
    ups.mains = False
    assert feeds(ups, 99)
    assert not feeds(ups, 101)
    assert not feeds(ups, 500)
    ups.mains = True
    assert feeds(ups, 501)


def test_an_order_cuts_after_its_delay_and_returns_after_its_pause_even_if_mains_came_back() -> None:
    ups = unit()
    ups.mains = False
    assert ups.receive(b"S.2R0001\r", SECOND) == b""
    assert ups.shutdown_active
    ups.mains = True
    assert feeds(ups, 12)
    assert not feeds(ups, 13)
    assert not feeds(ups, 72)
    assert feeds(ups, 73)


def test_an_order_can_be_taken_back() -> None:
    ups = unit()
    ups.receive(b"S01R0001\rC\r", SECOND)
    assert not ups.shutdown_active
    assert feeds(ups, 1000)


def test_what_it_does_not_know_comes_back() -> None:
    assert unit().receive(b"QGS\rM\r", SECOND) == b"QGS\rM\r"


def test_half_a_command_waits_for_its_end() -> None:
    ups = unit()
    assert ups.receive(b"Q", SECOND) == b""
    assert ups.receive(b"1\r", SECOND).startswith(b"(220.0 000.0 220.0 014 50.0 26.0 25.0 00001000")


def test_a_garbled_answer_differs_in_one_byte() -> None:
    ups = unit()
    sound = ups.receive(b"Q1\r", SECOND)
    ups.manner = Manner.GARBLED
    garbled = ups.receive(b"Q1\r", SECOND)
    assert sum(one != other for one, other in zip(sound, garbled, strict=True)) == 1
