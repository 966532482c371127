"""Every scenario played in virtual time and held against the verifier, with its control; articles by their names."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.profiles import load_named
from liuhen.findings import Code
from liuhen.kinds import Duty, Event, Inhibition, Mark, Plate, Segment
from liuhen.registry import (
    CheckItem,
    CheckOutcome,
    DutyAct,
    DutyCode,
    EndCause,
    EventCode,
    GapCause,
    InhibitionAct,
    InhibitionCode,
    MarkCode,
    RecordLabel,
)
from liuhen.report import Report
from sim import __main__ as command
from sim.scenario import MadeOf, Played, differences, play, summary
from sim.scenario_file import USUAL_BOUND, BadScenario, Scenario, load, names, parse
from tests.required import unavailable
from tests.scenarios.full_disk import played_on_full_disk
from tests.scenarios.small_picture import SmallPicture

pytestmark = pytest.mark.long

PROMISED = (
    "power_cut",
    "camera_dead_after_power_cut",
    "ups_low",
    "storage_full",
    "disk_removed",
    "interlock_trip",
    "interlock_wire_broken",
    "gas_alarm",
    "camera_lost",
    "microphone_unplugged",
    "withheld_secrets",
    "power_cut_while_withheld",
    "trip_while_withheld",
    "obstruction",
    "weather",
    "device_damaged",
    "cannot_resume",
    "start_refused",
    "clock_step",
    "guard_killed",
    "hearing",
    "hearing_zezhou",
    "hearing_province",
    "hearing_xinhua",
    "hearing_jiaozuo",
    "hearing_nongan",
)
FRAME_NS = 40_000_000
MADE_OF = MadeOf(chains=command.chains, draw=SmallPicture)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenarios")


@cache
def outcome_of(folder: Path, name: str) -> tuple[Scenario, Played, Report]:
    """Played once, judged as often as a test wants."""
    scenario = load(name)
    played = play(scenario, folder / name / "spool", MADE_OF)
    return scenario, played, played.verify()


def test_every_promised_scenario_is_there() -> None:
    assert set(PROMISED) <= set(names())


@pytest.mark.parametrize("name", names(), scope="module")  # all that is asked of a scenario follows its playing
def test_a_scenario_ends_in_the_verifier_as_it_declares(folder: Path, name: str) -> None:
    scenario, played, report = outcome_of(folder, name)
    assert differences(scenario, played, report) == []
    told = summary(scenario, played, report, [])
    assert "与预期相符" in told
    assert told.count("误差 error") == len(scenario.gaps)


@pytest.mark.parametrize("name", names(), scope="module")  # all that is asked of a scenario follows its playing
def test_the_same_run_fails_against_another_declaration(folder: Path, name: str) -> None:
    scenario, played, report = outcome_of(folder, name)
    wrong_end = replace(scenario, outcome=replace(scenario.outcome, end=EndCause.OVERFLOW))
    assert differences(wrong_end, played, report) != []
    for told in (
        replace(scenario.outcome, steps=scenario.outcome.steps + 1),
        replace(scenario.outcome, findings=scenario.outcome.findings ^ {Code.STEP_ORDER}),
    ):
        assert differences(replace(scenario, outcome=told), played, report) != []
    events = replace(scenario.outcome, events=scenario.outcome.events | {EventCode.STORAGE_ROT})
    missed = differences(replace(scenario, outcome=events), played, report)
    assert any("缺少事件" in one for one in missed), "an event that did not happen is missed"
    for number, gap in enumerate(scenario.gaps):
        other = GapCause.WEATHER if gap.cause is not GapCause.WEATHER else GapCause.OTHER
        for wrong in (
            replace(gap, cause=other),
            replace(gap, since=gap.since - 2 * gap.bound),
            replace(gap, until=gap.until + 2 * gap.bound),
            replace(gap, explained=not gap.explained),
            replace(gap, resumed=not gap.resumed),
        ):
            swapped = (*scenario.gaps[:number], wrong, *scenario.gaps[number + 1 :])
            assert differences(replace(scenario, gaps=swapped), played, report) != [], wrong
        assert differences(replace(scenario, gaps=scenario.gaps[:-1]), played, report) != []


# -- the guard and the disk are the real ones --------------------------------------------------------------------------


def _without(name: str, *acts: str) -> Scenario:
    """The scenario with some of its acts left out."""
    scenario = load(name)
    return replace(scenario, steps=tuple(step for step in scenario.steps if f"{step.act} {step.at:g}" not in acts))


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("interlock_trip", ("reset 14",)),
        ("interlock_trip", ("close_loop 11",)),
        ("gas_alarm", ("gas_clear 11",)),
        ("gas_alarm", ("reset 15",)),
        ("interlock_wire_broken", ("open_loop 10.5", "close_loop 11")),
        ("guard_killed", ("guard_back 11",)),
    ],
    ids=["no reset", "a loop that is open", "gas that is there", "clear air alone", "no switch test", "no guard"],
)
def test_what_the_guard_does_not_accept_lets_nothing_record(folder: Path, name: str, left_out: tuple[str, ...]) -> None:
    scenario = _without(name, *left_out)
    assert len(scenario.steps) == len(load(name).steps) - len(left_out)
    played = play(scenario, folder / f"{name} {left_out[0]}" / "spool", MADE_OF)
    assert acts(played, InhibitionCode.INTERLOCK) == [InhibitionAct.SET]


def test_a_disk_that_is_really_full_ends_as_the_one_that_only_says_so(tmp_path: Path) -> None:
    if os.system("unshare --map-root-user --mount true 2>/dev/null") != 0:  # noqa: S605 - a fixed word
        unavailable("a mount namespace (unshare)")
    assert played_on_full_disk(tmp_path) == []


# -- articles ---------------------------------------------------------------------------------------------------------


def spans(played: Played) -> list[tuple[bytes, int, int]]:
    return [(body.clock[2] if hasattr(body, "clock") else b"", *body.span_ns) for body in played.bodies(Segment)]


def acts(played: Played, code: InhibitionCode) -> list[InhibitionAct]:
    return [InhibitionAct(body.act) for body in played.bodies(Inhibition) if body.code == code]


@pytest.mark.parametrize("name", ["interlock_trip", "interlock_wire_broken", "gas_alarm", "guard_killed"])
def test_jiaozuo_article_8_1_and_zezhou_case_1_nothing_is_recorded_in_an_explosion_zone(
    folder: Path, name: str
) -> None:
    _, played, _ = outcome_of(folder, name)
    began, ended = (body.at[1] for body in played.bodies(Inhibition) if body.code == InhibitionCode.INTERLOCK)
    # The last frame was taken before, and lasts into it on paper.
    assert [span for _, *span in spans(played) if span[0] < ended and span[1] > began + FRAME_NS] == []


def test_zezhou_case_1_without_a_permit_nothing_more_is_recorded_and_the_rest_is_owed_in_writing(folder: Path) -> None:
    _, played, report = outcome_of(folder, "zezhou_1_explosion_zone")
    assert acts(played, InhibitionCode.INTERLOCK) == [InhibitionAct.SET]
    (began,) = (body.at[1] for body in played.bodies(Inhibition))
    assert max(ended for _, _, ended in spans(played)) <= began + FRAME_NS
    assert report.intact


def test_jiaozuo_article_8_2_and_zezhou_case_2_secrets_are_withheld_with_another_persons_approval(folder: Path) -> None:
    _, played, report = outcome_of(folder, "withheld_secrets")
    wanted = [InhibitionAct.SET, InhibitionAct.APPROVED, InhibitionAct.CLEARED]
    assert acts(played, InhibitionCode.WITHHELD) == wanted
    assert EventCode.REFUSED_REQUEST in [body.code for body in played.bodies(Event)]  # by the one who had asked
    assert report.room is not None
    assert report.room.unapproved == 0


def test_jiaozuo_article_8_2_and_zezhou_case_2_with_the_partys_consent_it_is_recorded(folder: Path) -> None:
    _, played, _ = outcome_of(folder, "jiaozuo_8_2_consent")
    (consent,) = [body for body in played.bodies(Mark) if body.code == MarkCode.CONSENT]
    (cleared,) = [body.at[1] for body in played.bodies(Inhibition) if body.act == InhibitionAct.CLEARED]
    assert consent.boottime_ns < cleared < min(began for _, began, ended in spans(played) if ended > cleared)


def test_jiaozuo_article_8_3_what_else_the_law_forbids_needs_its_citation(folder: Path) -> None:
    _, played, _ = outcome_of(folder, "jiaozuo_8_3_other_law")
    assert acts(played, InhibitionCode.WITHHELD) == [
        InhibitionAct.SET,
        InhibitionAct.APPROVED,
        InhibitionAct.CLEARED,
    ]
    (approval,) = [body for body in played.bodies(Inhibition) if body.act == InhibitionAct.APPROVED]
    (ground,) = [commitment for label, commitment in approval.records if label == RecordLabel.GROUND]
    content = (played.spool / "records" / f"{ground.hex()}.record").read_bytes()
    assert "《某条例》第八条".encode() in content


def test_zezhou_case_3_another_unfit_situation_needs_a_reason_and_stays_unapproved_without_one(folder: Path) -> None:
    _, played, report = outcome_of(folder, "zezhou_3_other_reason")
    assert acts(played, InhibitionCode.WITHHELD) == [InhibitionAct.SET, InhibitionAct.CLEARED]
    assert report.room is not None
    assert report.room.unapproved == 1


@pytest.mark.parametrize("name", ["power_cut_while_withheld", "trip_while_withheld"])
def test_jiaozuo_article_8_neither_a_cut_nor_the_other_inhibition_ends_a_withholding(folder: Path, name: str) -> None:
    scenario, played, report = outcome_of(folder, name)
    assert differences(scenario, played, report) == []
    assert acts(played, InhibitionCode.WITHHELD)[-1] is InhibitionAct.CLEARED


def test_jiaozuo_article_10_5_once_begun_it_is_neither_intermittent_nor_chosen_from(folder: Path) -> None:
    _, played, report = outcome_of(folder, "jiaozuo_10_5_not_intermittent")
    (session,) = report.sessions
    assert session.gaps == []
    assert session.totals is not None
    assert session.totals.agrees
    segments = played.bodies(Segment)
    ends = [0, *(sum(body.frames) for body in segments)]
    assert [body.frames[0] for body in segments] == ends[:-1]  # no index is missing, none is there twice
    assert played.bodies(Event)


@pytest.mark.parametrize("how", ["put in", "put after", "cut out"])
def test_jiaozuo_article_10_5_another_picture_that_is_put_in_or_after_or_cut_out_is_found(
    folder: Path, tmp_path: Path, how: str
) -> None:
    _, played, _ = outcome_of(folder, "jiaozuo_10_5_not_intermittent")
    _, other, _ = outcome_of(folder, "clock_step")
    changed = replace(played, spool=tmp_path / "spool")
    shutil.copytree(played.spool, changed.spool)
    assert changed.verify().intact
    files, foreign = sorted(changed.spool.glob("sessions/*/*.mp4")), sorted(other.spool.glob("sessions/*/*.mp4"))
    match how:
        case "put in":
            files[1].write_bytes(foreign[0].read_bytes())
        case "put after":
            files[-1].with_name(f"{len(files):06d}.mp4").write_bytes(foreign[0].read_bytes())
        case _:
            files[1].unlink()
    report = changed.verify()
    if how == "put after":  # what nothing states is no part of the recording, and is told
        assert {finding.code for finding in report.findings} - {one.code for one in played.verify().findings}
    else:
        assert not report.intact


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("camera_lost", GapCause.DEVICE_FAULT),
        ("device_damaged", GapCause.DEVICE_DAMAGE),
        ("ups_low", GapCause.POWER_LOW),
        ("storage_full", GapCause.STORAGE_FULL),
        ("weather", GapCause.WEATHER),
        ("obstruction", GapCause.OBSTRUCTED),
    ],
)
def test_jiaozuo_article_11_each_objective_cause_stands_with_its_interruption(
    folder: Path, name: str, cause: GapCause
) -> None:
    _, played, report = outcome_of(folder, name)
    (gap,) = report.sessions[0].gaps
    assert gap.cause == cause
    spoken = [body for body in played.bodies(Mark) if body.code == MarkCode.SPOKEN_EXPLANATION]
    assert bool(spoken) is gap.explained
    assert all(mark.sample_index is not None for mark in spoken)  # where to listen to it


def test_jiaozuo_article_11_a_cause_stays_the_machines_until_a_person_amends_it(folder: Path) -> None:
    _, _, report = outcome_of(folder, "device_damaged")
    (gap,) = report.sessions[0].gaps
    assert (gap.first_cause, gap.cause) == (GapCause.DEVICE_FAULT, GapCause.DEVICE_DAMAGE)
    assert gap.amended_by is not None


def test_jiaozuo_article_11_what_cannot_go_on_is_reported_at_once_and_owes_a_statement(folder: Path) -> None:
    _, played, _ = outcome_of(folder, "cannot_resume")
    duties = [(DutyCode(body.code), DutyAct(body.act)) for body in played.bodies(Duty)]
    assert sorted(duties) == [
        (DutyCode.REPORT, DutyAct.OPENED),
        (DutyCode.REPORT, DutyAct.DISCHARGED),
        (DutyCode.WRITTEN_STATEMENT, DutyAct.OPENED),
    ]


def test_jiaozuo_article_16_without_enough_space_the_check_refuses_the_start(folder: Path) -> None:
    _, played, _ = outcome_of(folder, "jiaozuo_16_checked_before_use")
    assert played.bodies(Segment) == []
    kinds = [entry.kind for entry in played.entries()]
    assert kinds.index("check") < kinds.index("refusal") < kinds.index("duty")


def test_jiaozuo_article_16_what_is_checked_and_well_is_recorded_and_survives_a_cut(folder: Path) -> None:
    _, played, report = outcome_of(folder, "jiaozuo_16_checked_and_kept")
    kinds = [entry.kind for entry in played.entries()]
    assert kinds.index("check") < kinds.index("session") < kinds.index("segment")
    assert report.intact
    before_cut = [ended for boot, _, ended in spans(played)]
    assert len(before_cut) >= 2


def test_jiaozuo_article_16_with_a_battery_that_is_low_nothing_is_recorded_from_its_first_word_until_mains(
    folder: Path,
) -> None:
    scenario, played, report = outcome_of(folder, "jiaozuo_16_battery_charged")
    assert differences(scenario, played, report) == []
    assert report.intact
    (boot,) = played.boots
    first_word_ns, supplied_ns = boot.instant(USUAL_BOUND)[1], boot.instant(8)[1]
    assert all(ended <= first_word_ns or began >= supplied_ns for _, began, ended in spans(played))
    assert any(began >= supplied_ns for _, began, _ in spans(played))


def test_a_check_or_mark_that_did_not_happen_is_missed(folder: Path) -> None:
    for name, wrong in (
        ("jiaozuo_16_checked_before_use", {"checks": ((CheckItem.SPACE, CheckOutcome.WELL),)}),
        ("jiaozuo_16_battery_charged", {"checks": ((CheckItem.POWER, CheckOutcome.WELL),)}),
        ("nongan_10_seizure", {"marks": frozenset({MarkCode.CONSENT})}),
    ):
        scenario, played, report = outcome_of(folder, name)
        swapped = replace(scenario, outcome=replace(scenario.outcome, **wrong))
        assert differences(swapped, played, report) != []


@pytest.mark.parametrize("name", ["start_refused", "gas_alarm"])
def test_nongan_article_4_in_a_place_that_can_catch_fire_nothing_is_begun_or_goes_on(folder: Path, name: str) -> None:
    scenario, played, report = outcome_of(folder, name)
    assert differences(scenario, played, report) == []
    assert (played.bodies(Segment) == []) is (name == "start_refused")


def test_nongan_article_10_a_seizure_is_recorded_whole_but_for_what_must_not_be(folder: Path) -> None:
    _, played, report = outcome_of(folder, "nongan_10_seizure")
    (session,) = report.sessions
    assert [gap.cause for gap in session.gaps] == [GapCause.WITHHELD]
    assert session.totals is not None
    assert session.totals.agrees
    steps = [body for body in played.bodies(Mark) if body.code == MarkCode.STEP]
    assert [body.step for body in steps] == [1, 2, 3, 4]
    recorded = [(began, ended) for _, began, ended in spans(played)]
    assert all(any(began <= body.boottime_ns <= ended for began, ended in recorded) for body in steps)


def test_each_article_has_a_scenario_of_its_own_name() -> None:
    shown = [shows for name in names() for shows in load(name).shows]
    for article in (
        "焦作第八条第（一）",
        "焦作第八条第（二）",
        "焦作第八条第（三）",
        "焦作第十条第（五）",
        "焦作第十一条",
    ):
        assert any(article in shows for shows in shown), article
    for article in ("焦作第十六条", "泽州第（一）", "泽州第（二）", "泽州第（三）", "农安第四条", "农安第十条"):
        assert any(article in shows for shows in shown), article


# -- a hearing under each rule book -----------------------------------------------------------------------------------

HEARINGS = [name for name in names() if name.startswith("hearing")]


@pytest.mark.parametrize("name", HEARINGS)
def test_one_unbroken_recording_holds_every_step_of_the_hearing_under_each_rule_book(folder: Path, name: str) -> None:
    """Zezhou's one start and stop, the provincial rule for each step and Xinhua's whole hearing, all from this."""
    scenario, played, report = outcome_of(folder, name)
    assert report.room is not None
    (summary,) = report.room.proceedings.values()
    told = summary.told
    assert told.procedure is not None
    assert told.procedure.profile == (scenario.settings.profile, load_named(scenario.settings.profile).digest)
    assert told.profile_hash == told.procedure.profile[1]
    assert told.absences == []
    assert [step for step in told.steps() if step.required and not step.marks] == told.open_steps()
    heard = [summary.heard[mark.entry].segment for mark in told.of(MarkCode.STEP)]
    assert heard == sorted(heard)  # where to listen to each of them
    assert len(played.bodies(Plate)) == (name != "hearing_nongan")


def test_zezhou_rows_24_to_31_are_recorded_from_before_the_first_of_them(folder: Path) -> None:
    """听证开始前 is the start of all eight: capture runs before step 1, and goes on until after the last."""
    _, played, report = outcome_of(folder, "hearing_zezhou")
    assert report.room is not None
    (summary,) = report.room.proceedings.values()
    marks = summary.told.of(MarkCode.STEP)
    first, last = marks[0].at[1], marks[-1].at[1]
    begun, ended = spans(played)[0][1], spans(played)[-1][2]
    assert begun < first - 10**9
    assert ended > last + 10**9


def test_the_hearing_does_not_end_with_its_closing_words(folder: Path) -> None:
    """A stop after 宣布听证结束 without a reason is refused: 当事人确认《听证笔录》 comes after it."""
    _, played, report = outcome_of(folder, "hearing")
    assert played.unexpected == []  # the stop that gave no reason was refused
    assert report.room is not None
    (summary,) = report.room.proceedings.values()
    titles = [step.title for step in summary.told.steps()]
    assert titles[-2:] == ["宣布听证结束", "当事人确认《听证笔录》"]
    assert summary.told.stop_reasons() == []
    (late,) = (mark for mark in summary.told.marks if mark.late)
    assert late.step == 4
    assert late.written_utc_ms - late.utc_ms == 3200


# -- the file ---------------------------------------------------------------------------------------------------------


MINIMAL = b'name = "a"\nzh = "b"\nen = "c"\nshows = ["d"]\nseconds = 5\n[outcome]\nend = "stopped"\nexit = 0\n'


def test_a_small_file_is_a_scenario() -> None:
    assert parse(MINIMAL).steps == ()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (b"colour = 1\n" + MINIMAL, "colour"),
        (MINIMAL.replace(b"exit = 0", b"exit = true"), "exit"),
        (MINIMAL.replace(b"seconds = 5", b"seconds = nan"), "seconds"),
        (MINIMAL + b'[[at]]\nseconds = 1\nact = "explode"\n', "explode"),
        (MINIMAL + b'[[at]]\nseconds = 9\nact = "reset"\n', "seconds"),
        (MINIMAL + b'[[at]]\nseconds = 1\nact = "pull"\nwhat = "door"\n', "door"),
        (MINIMAL + b'[[at]]\nseconds = 1\nact = "pull"\n', "what"),
        (MINIMAL + b'[[expect]]\ncause = "tired"\nfrom = 1\nto = 2\n', "tired"),
        (MINIMAL + b'[[expect]]\ncause = "other"\nfrom = 3\nto = 2\n', "from"),
        (MINIMAL + b'[config]\nprofile = "atlantis"\n', "profile"),
        (MINIMAL + b'findings = ["unsigned"]\n', "unsigned"),
        (MINIMAL.replace(b'"stopped"', b'["stopped"]'), "end"),
        (MINIMAL + b'checks = ["space"]\n', "space"),
        (MINIMAL + b'marks = ["blot"]\n', "blot"),
        (b"\xff", "TOML"),
    ],
)
def test_what_is_no_scenario_is_refused_in_one_clear_line(wrong: bytes, words: str) -> None:
    with pytest.raises(BadScenario, match=words) as refused:
        parse(wrong)
    assert "\n" not in str(refused.value)


@settings(max_examples=300, deadline=None)
@given(
    at=st.integers(0, len(MINIMAL)),
    cut=st.integers(0, 40),
    put=st.one_of(st.binary(max_size=12), st.sampled_from([b"[[at]]\n", b"[[expect]]\n", b"= 1e999", b"= {}", b"[]"])),
)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(at: int, cut: int, put: bytes) -> None:
    try:
        parse(MINIMAL[:at] + put + MINIMAL[at + cut :])
    except BadScenario as refused:
        assert "\n" not in str(refused)


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_list_names_every_scenario_with_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    told = capsys.readouterr().out
    assert all(name in told and load(name).shows[0] in told for name in names())


def test_a_scenario_is_played_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--scenario", "start_refused", "--spool", str(tmp_path / "spool")]) == 0
    assert "与预期相符" in capsys.readouterr().out
    assert command.main(["--scenario", "start_refused", "--spool", str(tmp_path / "spool")]) == 2
    assert command.main(["--scenario", "no_such"]) == 2
