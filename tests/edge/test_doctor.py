"""`liuhen doctor`: each row is true, whether a recorder runs or not, and nothing is opened while it is forbidden."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge.commands import doctor
from edge.commands.doctor import facts_of
from edge.config import Config
from edge.examination import Bench, examine
from edge.guard_link import GuardWord
from edge.offload.places import places_of
from edge.offload.report import Report, is_late, lines, needs_somebody, parse
from edge.offload.state import Waiting
from edge.ports import (
    ClockReading,
    Deliver,
    Hardware,
    HardwareFault,
    PictureMeasure,
    SoundMeasure,
    SourceLost,
    Stream,
    SyncState,
)
from edge.precheck import Row, Shelf, Sight, judge
from edge.requests import Verb
from edge.spool import kept_free
from edge.store_examined import FILE
from liuhen.registry import CheckItem, CheckOutcome
from tests.edge.examined import result
from tests.edge.ports_room import Device, Room, RoomCamera, RoomClock, RoomMicrophone, device, guard_word
from tests.edge.test_resumed_while_forbidden import left_open
from tests.edge.test_room import SilentGuard, withhold

STEP_NS = 500_000_000
WELL_PICTURE: dict[str, Any] = {
    "mean_milliluma": 120_000,
    "spread_milliluma": 40_000,
    "change_milliluma": 900,
    "detail_milliluma": 9000,
}
BLACK = WELL_PICTURE | {"mean_milliluma": 2_000, "spread_milliluma": 200, "detail_milliluma": 100}
FROZEN = WELL_PICTURE | {"change_milliluma": 0}
COVERED = WELL_PICTURE | {"mean_milliluma": 60_000, "spread_milliluma": 3000, "detail_milliluma": 300}
SPEECH = {"peak_millibel": -900, "rms_millibel": -2400, "zero_samples": 0, "clipped_samples": 0}
QUIET = SPEECH | {"peak_millibel": -8000, "rms_millibel": -8800}


@dataclass(slots=True)
class LookClock(RoomClock):
    """Each look at it takes a while; synchronised, or not."""

    sync: SyncState = SyncState.SYNCHRONISED
    look_ns: int = 100_000_000

    def read(self) -> ClockReading:
        return replace(RoomClock.read(self), sync=self.sync)

    def boottime_ns(self) -> int:
        self.now_ns += self.look_ns
        return self.now_ns


@dataclass(slots=True)
class SeeingCamera(RoomCamera):
    """Measures as soon as it is started; then it may be lost."""

    sees: dict[str, Any] = field(default_factory=lambda: WELL_PICTURE)
    loses: bool = False
    starts: int = 0
    opens: int = 0

    def open(self) -> Any:
        self.opens += 1
        return RoomCamera.open(self)

    def start(self, deliver: Deliver, caption: str) -> None:
        RoomCamera.start(self, deliver, caption)
        self.starts += 1
        for number in range(2 if self.loses else 24):
            deliver(PictureMeasure(boottime_ns=number * STEP_NS, **self.sees))
        if self.loses:
            deliver(SourceLost(stream=Stream.PICTURE, boottime_ns=0, what="unplugged"))


@dataclass(slots=True)
class HearingMicrophone(RoomMicrophone):
    """The same of sound."""

    hears: dict[str, int] = field(default_factory=lambda: SPEECH)
    starts: int = 0

    def start(self, deliver: Deliver) -> None:
        RoomMicrophone.start(self, deliver)
        self.starts += 1
        zeros = self.hears["zero_samples"]
        for number in range(24):
            run = {"zero_samples": zeros * (number + 1)}
            deliver(SoundMeasure(boottime_ns=number * STEP_NS, samples=24_000, **(self.hears | run)))


def bench(camera: RoomCamera, microphone: RoomMicrophone, **clock: Any) -> Bench:
    return Bench(hardware=Hardware(camera=camera, microphone=microphone, clock=LookClock(**clock)))


def rows(config: Config, made: Bench, status: dict[str, Any] | None = None) -> dict[CheckItem, Row]:
    return {row.item: row for row in judge(facts_of(config, status or {}, examine(config, made, status)))}


ABSENT = HardwareFault(device="camera", what="no camera", remedy_zh="没有摄像头", remedy_en="no camera")


@pytest.mark.parametrize(
    ("camera", "sight"),
    [
        (SeeingCamera(), Sight.WELL),
        (SeeingCamera(sees=BLACK), Sight.PICTURE_BLACK),
        (SeeingCamera(sees=FROZEN), Sight.PICTURE_FROZEN),
        (SeeingCamera(sees=COVERED), Sight.PICTURE_COVERED),
        (SeeingCamera(refuses_open=ABSENT), Sight.ABSENT),
        (SeeingCamera(refuses_start=ABSENT), Sight.ABSENT),
        (SeeingCamera(loses=True), Sight.ABSENT),
        (RoomCamera(), Sight.ABSENT),  # opened, and nothing ever comes
    ],
    ids=["well", "black", "frozen", "covered", "gone", "does not start", "lost", "delivers nothing"],
)
def test_where_no_recorder_runs_the_doctor_itself_looks_at_the_picture_and_gives_the_camera_back(
    tmp_path: Path, camera: RoomCamera, sight: Sight
) -> None:
    made = device(tmp_path)
    look_ns = 100_000_000 if isinstance(camera, SeeingCamera) else 400_000_000  # of nothing there is more than enough
    found = examine(made.config, bench(camera, HearingMicrophone(), look_ns=look_ns), None).sources
    assert found[Stream.PICTURE].sight is sight
    assert (found[Stream.SOUND].sight, camera.stops) == (Sight.WELL, 1)


@pytest.mark.parametrize(
    ("hears", "sight"),
    [
        (SPEECH, Sight.WELL),
        (QUIET, Sight.SOUND_SILENT),
        (QUIET | {"zero_samples": 24_000}, Sight.SOUND_DIGITAL_ZERO),
        (SPEECH | {"clipped_samples": 20_000}, Sight.SOUND_CLIPPING),
    ],
    ids=["speech", "silent", "zeros", "clipping"],
)
def test_and_listens_to_the_sound(tmp_path: Path, hears: dict[str, int], sight: Sight) -> None:
    made, microphone = device(tmp_path), HearingMicrophone(hears=hears)
    found = examine(made.config, bench(SeeingCamera(), microphone), None).sources
    assert (found[Stream.SOUND].sight, microphone.stops) == (sight, 1)


def tripped(folder: Path) -> tuple[Device, Bench, SeeingCamera]:
    return guarded_by(device(folder), SilentGuard(guard_word(0, permit=False)))


def silent_guard(folder: Path) -> tuple[Device, Bench, SeeingCamera]:
    return guarded_by(device(folder), SilentGuard(guard_word(0, permit=True)), speaks=False)


def withheld(folder: Path) -> tuple[Device, Bench, SeeingCamera]:
    made = device(folder)
    left_open(made, lambda room: room.play(2), lambda room: room.ask(Verb.WITHHOLD, actor="张三"))
    camera = SeeingCamera()
    return made, bench(camera, HearingMicrophone()), camera


def guarded_by(made: Device, guard: SilentGuard, *, speaks: bool = True) -> tuple[Device, Bench, SeeingCamera]:
    config = replace(made.config, interlock=replace(made.config.interlock, enabled=True))
    camera = SeeingCamera()
    plain = bench(camera, HearingMicrophone())
    said = replace(plain, guard=guard if speaks else lambda _post: SilentGuard(guard.first))
    return replace(made, config=config), said, camera


@pytest.mark.parametrize("forbidden", [tripped, silent_guard, withheld])
def test_while_something_forbids_recording_nothing_is_opened_and_the_row_says_so(
    tmp_path: Path, forbidden: Callable[[Path], tuple[Device, Bench, SeeingCamera]]
) -> None:
    made, ready, camera = forbidden(tmp_path)
    found = rows(made.config, ready)
    assert (camera.opens, camera.starts) == (0, 0)
    for item in (CheckItem.PICTURE, CheckItem.SOUND):
        assert (found[item].outcome, "不得记录" in found[item].fix_zh) == (CheckOutcome.NOT_LOOKED_AT, True)


def test_a_guard_that_permits_lets_the_doctor_look_until_it_permits_no_longer(tmp_path: Path) -> None:
    made, ready, _ = guarded_by(device(tmp_path), SilentGuard(guard_word(0, permit=True)))
    assert rows(made.config, ready)[CheckItem.PICTURE].outcome is CheckOutcome.WELL
    assert rows(made.config, ready)[CheckItem.INTERLOCK].outcome is CheckOutcome.WELL
    posts: list[Callable[[GuardWord], None]] = []

    def guard(post: Callable[[GuardWord], None]) -> SilentGuard:
        posts.append(post)
        return SilentGuard(guard_word(0, permit=True))(post)

    @dataclass(slots=True)
    class TrippingCamera(SeeingCamera):
        """Its start is followed by a trip."""

        def start(self, deliver: Deliver, caption: str) -> None:
            RoomCamera.start(self, deliver, caption)
            posts[0](guard_word(1, permit=False))

    tripping = TrippingCamera()
    found = rows(made.config, replace(bench(tripping, HearingMicrophone()), guard=guard))
    assert (found[CheckItem.PICTURE].outcome, "不得记录" in found[CheckItem.PICTURE].fix_zh) == (
        CheckOutcome.NOT_LOOKED_AT,
        True,
    )
    assert tripping.stops == 1


def test_a_recorder_that_does_not_answer_is_left_its_devices(tmp_path: Path) -> None:
    made, camera = device(tmp_path), SeeingCamera()
    left_open(made, lambda room: room.play(1))
    with kept_free(made.spool) as free:
        assert free
        found = rows(made.config, bench(camera, HearingMicrophone()))
    assert (camera.opens, found[CheckItem.PICTURE].outcome) == (0, CheckOutcome.NOT_LOOKED_AT)
    assert "录制程序" in found[CheckItem.PICTURE].fix_zh


def told(room: Room) -> dict[str, Any]:
    return dict(room.ask(Verb.STATUS).facts or {})


def test_a_running_recorder_is_believed_of_its_own_sources_and_its_clock(tmp_path: Path) -> None:
    made, room, said = device(tmp_path), Room(), []

    def look(room: Room) -> None:
        said.append(told(room))

    def black(room: Room) -> None:
        for _ in range(16):
            room.hear(PictureMeasure(boottime_ns=room.clock.now_ns, **BLACK))
            room.play(0.5)

    room.record(
        made.config,
        lambda room: room.play(2),
        look,
        black,
        look,
        lambda room: room.lose(Stream.SOUND),
        look,
        withhold,
        look,
    )
    camera = SeeingCamera()
    found = [examine(made.config, bench(camera, HearingMicrophone()), one).sources for one in said]
    assert [(one[Stream.PICTURE].sight, one[Stream.SOUND].sight) for one in found] == [
        (Sight.WELL, Sight.WELL),
        (Sight.PICTURE_BLACK, Sight.WELL),
        (Sight.PICTURE_BLACK, Sight.ABSENT),
        (Sight.FORBIDDEN, Sight.FORBIDDEN),
    ]
    assert camera.opens == 0
    clocks = [rows(made.config, bench(camera, HearingMicrophone()), one)[CheckItem.CLOCK].outcome for one in said]
    assert set(clocks) == {CheckOutcome.WELL}
    unsure = said[0] | {"clock": {"trusted": False, "error_ms": 9}}
    assert rows(made.config, bench(camera, HearingMicrophone()), unsure)[CheckItem.CLOCK].measured == 9


def test_an_idle_service_tells_what_it_found_when_it_looked_last(tmp_path: Path) -> None:
    made, room, said = device(tmp_path), Room(), []
    assert room.camera is not None

    def leave(room: Room) -> None:
        said.append(told(room))

    left_open(made, lambda room: room.play(1))
    room.clock.now_ns += 10**11
    room.serve(made.config, lambda room: room.play(1), leave)
    assert said[0]["sources"] == {"picture": "well", "sound": "well"}
    facts = said[0] | {"sources": {"picture": "absent", "sound": "unseen"}}
    found = rows(made.config, bench(SeeingCamera(), HearingMicrophone()), facts)
    assert [found[item].outcome for item in (CheckItem.PICTURE, CheckItem.SOUND)] == [
        CheckOutcome.BLOCKING,
        CheckOutcome.NOT_LOOKED_AT,
    ]


@pytest.mark.parametrize("sync", [SyncState.UNSYNCHRONISED, SyncState.UNKNOWN])
def test_a_clock_that_nobody_vouches_for_is_not_well(tmp_path: Path, sync: SyncState) -> None:
    made = device(tmp_path)
    ready = bench(SeeingCamera(), HearingMicrophone())
    assert rows(made.config, ready)[CheckItem.CLOCK].outcome is CheckOutcome.WELL
    unsure = bench(SeeingCamera(), HearingMicrophone(), sync=sync)
    assert rows(made.config, unsure)[CheckItem.CLOCK].outcome is CheckOutcome.WARNING


def test_a_missing_spool_and_one_that_was_never_prepared_are_told_as_that(tmp_path: Path) -> None:
    made = device(tmp_path)
    (tmp_path / "bare").mkdir()
    for folder in (tmp_path / "nowhere", tmp_path / "bare"):
        config = replace(made.config, spool=replace(made.config.spool, directory=folder))
        row = rows(config, bench(SeeingCamera(), HearingMicrophone()))[CheckItem.SPACE]
        assert (row.outcome, "存储目录" in row.fix_zh) == (CheckOutcome.BLOCKING, True)
    assert rows(made.config, bench(SeeingCamera(), HearingMicrophone()))[CheckItem.SPACE].outcome is CheckOutcome.WELL


# -- the store ---------------------------------------------------------------------------------------------------------


STORE = "s3://store.example/bucket"


def shelf(made: Device, *, examined: str | None = "well", **said: Any) -> Shelf:
    """How a configured store is found with this doctor's result and this word of the offload process."""
    config = replace(made.config, store=replace(made.config.store, url=STORE))
    ready = bench(SeeingCamera(), HearingMicrophone())
    if examined is not None:
        at = datetime.fromtimestamp(ready.hardware.clock.read().utc_ms / 1000, UTC) - timedelta(
            days=said.pop("days", 0)
        )
        (made.spool / FILE).write_bytes(result(STORE, CheckOutcome[examined.upper()], at=at.isoformat()))
    if said:
        waiting = Waiting(
            objects=said.get("objects", 0),
            size=0,
            proof=0,
            oldest_ms=None,
            earliest_due_ms=None,
            levels=(0, 0, 0, 0, said.get("missed", 0)),
            untold=0,
            receipted=0,
            differing=0,
        )
        utc_ms = ready.hardware.clock.read().utc_ms - said.get("age_ms", 0)
        report = Report(
            utc_ms=utc_ms,
            url=config.store.url,
            label_zh="",
            label_en="",
            waiting=waiting,
            bytes_per_second=0,
            fault=said.get("fault", ""),
            standing=said.get("standing", "fit"),
        )
        places = places_of(made.spool)
        places.status.parent.mkdir(exist_ok=True)
        places.show(report.packet())
    return examine(config, ready, None).shelf


def test_the_store_has_its_own_verdict(tmp_path: Path) -> None:
    made = device(tmp_path)
    assert examine(made.config, bench(SeeingCamera(), HearingMicrophone()), None).shelf is Shelf.NOT_FITTED
    assert shelf(made, examined=None) is Shelf.SILENT
    assert shelf(made, examined=None, objects=1) is Shelf.UNEXAMINED
    assert shelf(made, examined=None, objects=1, standing="unexamined") is Shelf.UNEXAMINED, "and nothing is late"
    assert shelf(made, objects=1) is Shelf.WELL
    assert shelf(made, objects=1, days=400) is Shelf.WELL
    assert shelf(made, objects=1, days=401) is Shelf.EXAMINATION_DUE
    assert shelf(made, fault="timed out", days=401) is Shelf.UNREACHABLE
    assert shelf(made, missed=1) is Shelf.LATE
    assert shelf(made, age_ms=60_000) is Shelf.SILENT
    assert shelf(made, examined="blocking", objects=1) is Shelf.UNFIT
    (made.spool / FILE).write_text("torn")
    assert shelf(made, examined=None, objects=1) is Shelf.UNFIT


def test_a_store_that_is_to_be_examined_again_needs_somebody_and_is_not_late(tmp_path: Path) -> None:
    made = device(tmp_path)
    shelf(made, objects=1)
    calm = parse(places_of(made.spool).status.read_bytes())
    due = parse(replace(calm, examination_due=True).packet())
    assert [needs_somebody(one, one.utc_ms) for one in (calm, due)] == [False, True]
    assert [is_late(one) for one in (calm, due)] == [False, False]
    more = set(lines(due, due.utc_ms, UTC)) - set(lines(calm, calm.utc_ms, UTC))
    assert [line.startswith("▲") and "liuhen store doctor" in line for line in more] == [True]


def test_a_folder_is_shown_as_what_it_is_and_not_as_a_store_that_kept_promises() -> None:
    rows = [{"url": url, "designated": False, "standing": "fit"} for url in ("file:/media/shelf", STORE)]
    folder, server = doctor._stores({"offload": {"stores": rows}})
    assert "非 WORM not WORM" in folder
    assert "every promise" not in folder
    assert "every promise" in server


# -- the command -------------------------------------------------------------------------------------------------------


def command(
    made: Device, capsys: pytest.CaptureFixture[str], ready: Bench, more: str = ""
) -> tuple[int, dict[str, str]]:
    """The command's exit code and the outcome of each item."""
    file = made.spool.parent / "device.toml"
    file.write_text(
        f'[spool]\ndirectory = "{made.spool}"\nminimum_free_hours = 0.1\n[key]\nfile = "{made.config.key.file}"\n{more}'
    )
    parser = argparse.ArgumentParser()
    doctor.add_parser(parser.add_subparsers(), RoomClock, lambda _config: ready)
    words = ["doctor", "--json", "--config", str(file), "--socket", str(made.spool.parent / "control")]
    parsed = parser.parse_args(words)
    code = parsed.work(parsed)
    return code, {row["item"]: row["outcome"] for row in json.loads(capsys.readouterr().out)}


def test_the_command_says_not_fitted_only_of_what_is_not_configured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, ready = device(tmp_path), bench(SeeingCamera(), HearingMicrophone())
    code, found = command(made, capsys, ready)
    well = {"clock", "picture", "sound", "space", "key"}
    assert (code, {item for item, outcome in found.items() if outcome == "well"}) == (0, well)
    assert {outcome for item, outcome in found.items() if item not in well} == {"not_fitted"}
    more = (
        '[ups]\nkind = "nut"\n[board]\nenabled = true\n[interlock]\nenabled = true\n'
        f'[store]\nurl = "file:{tmp_path / "shelf"}"\n'
    )
    code, found = command(made, capsys, ready, more)
    assert (code, found["interlock"]) == (1, "blocking")
    assert [found[item] for item in ("power", "temperature", "store")] == ["not_looked_at", "not_looked_at", "warning"]


def test_the_command_finds_a_key_that_others_can_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = device(tmp_path)
    made.config.key.file.chmod(0o644)
    code, found = command(made, capsys, bench(SeeingCamera(), HearingMicrophone()))
    assert (code, found["key"]) == (1, "blocking")


def test_a_camera_that_is_gone_blocks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = bench(SeeingCamera(refuses_open=ABSENT), HearingMicrophone())
    code, found = command(device(tmp_path), capsys, gone)
    assert (code, found["picture"], found["sound"]) == (1, "blocking", "well")
