"""Each fault happens once, and what is seen of it is what the table says: codes, gaps, entries, mode, lamp, verdict."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.spool import only_for_the_group
from tests.faults.fault_table import TABLE, check
from tests.faults.happenings import HAPPENINGS
from tests.faults.swapping import swaps_that_pass

pytestmark = pytest.mark.long

ROWS = {row.name: row for row in TABLE}


@pytest.fixture(autouse=True)
def as_every_program_begins() -> Iterator[None]:
    """With files that nobody else may read: what another test's program left would be seen as one more event."""
    before = only_for_the_group()
    yield
    os.umask(before)


def shows(name: str) -> Callable[[Path], None]:
    """The test of a row: it happens, it is as the table says, and with any code swapped the same journal fails."""

    def test(tmp_path: Path) -> None:
        row, seen = ROWS[name], HAPPENINGS[name](tmp_path)
        check(row, seen)
        assert swaps_that_pass(row, seen) == []

    return test


test_row_1_power_cut = shows("1")
test_row_2_torn_tail = shows("2")
test_row_3_lost_write = shows("3")
test_row_4_disk_full = shows("4")
test_row_4_disk_filling = shows("4 filling")
test_row_5_write_refused = shows("5")
test_row_6_flush_fails = shows("6")
test_row_7_slow_disk = shows("7")
test_row_8_read_only = shows("8")
test_row_9_disk_removed = shows("9 removed")
test_row_9_wrong_medium = shows("9 another")
test_row_10_bit_rot = shows("10")
test_row_11_lying_disk = shows("11")
test_row_11_lying_disk_between_sessions = shows("11 idle")
test_row_12_camera_stall = shows("12")
test_row_12_camera_stop_hangs = shows("12 hung")
test_row_13_camera_unplugged = shows("13")
test_row_13_camera_dead_at_start = shows("13 start")
test_row_13_everything_dead = shows("13 both")
test_row_14_black_frozen_covered = shows("14")
test_row_15_microphone_unplugged = shows("15")
test_row_15_sound_moved = shows("15 moved")
test_row_16_dead_clipping_silent_microphone = shows("16")
test_row_17_frames_missed = shows("17")
test_row_17_sound_clock_off = shows("17 drift")
test_row_18_too_hot = shows("18")
test_row_19_under_voltage = shows("19")
test_row_20_on_battery = shows("20")
test_row_20_ups_silent_on_mains = shows("20 silent")
test_row_20_sensors_lost = shows("20 sensors")
test_row_21_battery_low = shows("21 low")
test_row_21_ups_silent_on_battery = shows("21 silent")
test_row_22_clock_steps = shows("22")
test_row_23_battery_clock_dead = shows("23")
test_row_24_time_sources_lost = shows("24")
test_row_25_network_down_for_a_week = shows("25")
test_row_25_offload_silent = shows("25 silent")
test_row_25_nothing_may_go = shows("25 space")
test_row_26_answers_lost = shows("26")
test_row_26_refused = shows("26 refused")
test_row_26_untrusted = shows("26 untrusted")
test_row_26_full = shows("26 full")
test_row_26_clock_off = shows("26 clock")
test_row_26_line_crawls = shows("26 crawls")
test_row_27_bytes_differ = shows("27")
test_row_27_version_lost = shows("27 lost")
test_row_27_retention_short = shows("27 retention")
test_row_27_rotten_here = shows("27 here")
test_row_28_duplicate_start = shows("28")
test_row_29_process_crash = shows("29")
test_row_30_wedged = shows("30")
test_row_32_interlock_trip = shows("32")
test_row_32_gas_alarm = shows("32 gas")
test_row_33_wire_broken = shows("33")
test_row_34_short = shows("34 short")
test_row_34_pulse_missing = shows("34 pulse")
test_row_34_discrepant = shows("34 discrepant")
test_row_35_chatter = shows("35")
test_row_36_reset_key_stuck = shows("36")
test_row_37_button_stuck = shows("37")
test_row_38_guard_dead = shows("38")
test_row_38_guard_back = shows("38 back")
test_row_38_latch_unknown = shows("38 latch")
test_row_39_key_damaged = shows("39")
test_row_40_config_damaged = shows("40")
test_row_41_serial_line_garbled = shows("41 serial")
test_row_41_socket_request_refused = shows("41 socket")
