"""Bad input through the real command line: one clear line, Chinese first, the right exit code, and the reason kept.

Where the journal can be written, a refused start is an entry with its code. Nothing ever ends in a Python traceback.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge import journal
from edge.__main__ import _parser as device_parser
from edge.commands.ctl import FIELDS
from edge.config import Config, Spool
from edge.provision import DemoIdentity, demo_identity
from edge.spool import open_spool
from liuhen import keys
from liuhen.kinds import Refusal, Session, Stop
from liuhen.registry import Purpose, RefusalCode, StopCause
from sim.__main__ import spool_of
from tests import warm
from tests.edge.ports_room import UTC_MS, Refused, Room, RoomClock, device
from tests.required import unavailable
from tests.test_help import every_parser

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parent.parent
COLD = ("env",)
"""What a command line begins with that is to import everything itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command left: exit code and everything it said."""

    code: int
    words: str

    def check(self, code: int, *expected: str) -> None:
        """The exit code, a Chinese line and an English one, every expected word, no traceback."""
        assert self.code == code, self.words
        assert "Traceback" not in self.words, self.words
        assert re.search(r"[\u4e00-\u9fff]", self.words), self.words
        assert re.search(r"[a-z]{3,} [a-z]{2,}", self.words), self.words
        for word in expected:
            assert word in self.words, f"{word!r} is not in: {self.words}"


def liuhen(*arguments: str | Path, module: str = "edge", before: tuple[str, ...] = ()) -> Said:
    """Run the command line as a person would: a process of its own, whose imports most cases share (tests/warm.py)."""
    if module == "edge" and not before:
        warm_done = warm.run(module, arguments)
        return Said(code=warm_done.returncode, words=warm_done.stderr + warm_done.stdout)
    done = subprocess.run(
        [*before, sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        stdin=subprocess.DEVNULL,
    )
    return Said(code=done.returncode, words=done.stderr + done.stdout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A prepared device: spool, keys, and a configuration file that names them."""

    folder: Path
    identity: DemoIdentity

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @property
    def config(self) -> Path:
        return self.folder / "liuhen.toml"

    def configure(self, *, spool: str = "", more: str = "") -> None:
        self.config.write_text(
            f'[spool]\ndirectory = "{self.spool}"\nminimum_free_hours = 0.1\n{spool}\n'
            f'[key]\nfile = "{self.identity.key_file}"\nendorsements = ["{self.identity.endorsement_file}"]\n{more}',
            encoding="utf-8",
        )

    def run(self, *, before: tuple[str, ...] = ()) -> Said:
        return liuhen("run", "--config", self.config, "--seconds", "1", before=before)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    identity = demo_identity(tmp_path / "spool", tmp_path / "keys", now_utc_ms=UTC_MS)
    made = Place(folder=tmp_path, identity=identity)
    made.configure()
    return made


def bodies(spool: Path) -> list[object]:
    return [entry.body for path in sorted((spool / "journal").glob("*.cbor")) for entry in journal.entries_of(path)]


def check_refusal(spool: Path, code: RefusalCode) -> None:
    """The last run says why it recorded nothing, in order, and opened no session."""
    said = bodies(spool)
    assert [b.code for b in said if isinstance(b, Refusal)][-1:] == [code]
    assert not any(isinstance(b, Session) for b in said)
    assert isinstance(said[-1], Stop)
    assert said[-1].cause == StopCause.REFUSED


# --- spool ------------------------------------------------------------------------------------------------------------


def test_a_missing_spool_names_the_way_to_make_one(place: Place) -> None:
    place.spool.rename(place.folder / "elsewhere")
    for before in ((), COLD):
        place.run(before=before).check(4, "无法继续", "not a spool", "liuhen spool init")


def test_a_file_in_place_of_the_spool_is_refused(place: Place) -> None:
    place.spool.rename(place.folder / "elsewhere")
    place.spool.write_bytes(b"")
    place.run().check(4, "not a spool")


def test_a_read_only_spool_is_refused_and_stays_untouched(place: Place) -> None:
    script = f'mount --bind {place.spool} {place.spool} && mount -o remount,ro,bind {place.spool} && exec "$@"'
    before = ("unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh")
    if liuhen("--help", before=(*before[:3], "env")).code != 0:
        unavailable("a mount namespace (unshare)")
    place.run(before=before).check(4, "Read-only", "只读")
    assert list((place.spool / "journal").iterdir()) == []


def test_a_file_in_place_of_a_spools_folder_is_refused(place: Place) -> None:
    (place.spool / "journal").rmdir()
    (place.spool / "journal").write_bytes(b"")
    place.run().check(4, "journal")


def test_no_space_at_start_is_refused_and_journaled(place: Place) -> None:
    place.configure(spool="")
    place.config.write_text(place.config.read_text(encoding="utf-8").replace("= 0.1", "= 1000"), encoding="utf-8")
    disk_hours = 1000 * 346_000 * 3600
    if shutil.disk_usage(place.folder).free > disk_hours:
        unavailable("a disk smaller than a thousand hours")
    place.run().check(4, "剩余空间", "minimum_free_hours")
    check_refusal(place.spool, RefusalCode.SPACE)


def test_a_second_start_is_refused_as_already_running(place: Place) -> None:
    held = open_spool(place.spool)
    place.run().check(6, "切勿同时启动两个", "another recorder")
    held.close()
    assert bodies(place.spool) == []


# --- key --------------------------------------------------------------------------------------------------------------


def test_a_missing_key_names_the_way_to_make_one(place: Place) -> None:
    place.identity.key_file.unlink()
    place.run().check(5, "liuhen keys init device", "key.file")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(place: Place, mode: int) -> None:
    place.identity.key_file.chmod(mode)
    place.run().check(5, "chmod 600", f"{mode:04o}")
    assert bodies(place.spool) == []


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\xff"])
def test_a_key_that_is_none_is_refused(place: Place, content: bytes) -> None:
    place.identity.key_file.write_bytes(content)
    place.run().check(5, "Ed25519")


def test_an_endorsement_of_another_device_is_refused(place: Place, tmp_path: Path) -> None:
    other = demo_identity(tmp_path / "other", tmp_path / "other-keys", now_utc_ms=UTC_MS)
    place.identity.endorsement_file.write_bytes(other.endorsement_file.read_bytes())
    place.run().check(5, "liuhen keys endorse")


def test_a_missing_endorsement_is_refused(place: Place) -> None:
    place.identity.endorsement_file.unlink()
    place.run().check(5, "device.endorsement")


def test_another_key_than_the_journals_is_refused(place: Place, tmp_path: Path) -> None:
    made = device(tmp_path)
    Room().record(made.config)
    size = next(made.journal_files()).stat().st_size
    place.identity.key_file.unlink()
    private_key = keys.generate()
    keys.save_private_key(place.identity.key_file, private_key)
    place.config.write_text(
        re.sub("endorsements = .*", "endorsements = []", place.config.read_text(encoding="utf-8")), encoding="utf-8"
    )
    place.run().check(5, "密钥轮换")
    assert next(made.journal_files()).stat().st_size == size


# --- configuration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("[camera]\nwidht = 1280\n", ("camera.widht",)),
        ('[camera]\nwidth = "wide"\n', ("camera.width", "width = ")),
        ("[segment]\nseconds = 5\n", ("segment.seconds", "10", "300", "seconds = ")),
        ("[lens]\nzoom = 1\n", ("lens",)),
        ("[camera\n", ()),
    ],
)
def test_a_broken_configuration_names_path_range_and_example(
    place: Place, more: str, expected: tuple[str, ...]
) -> None:
    place.configure(more=more)
    place.run().check(2, *expected)
    liuhen("config", "check", place.config).check(2, *expected)
    assert bodies(place.spool) == []


def test_the_default_configuration_is_usable(tmp_path: Path) -> None:
    """The negative control: the check can say yes."""
    default = liuhen("config", "default")
    (tmp_path / "a.toml").write_text(default.words, encoding="utf-8")
    liuhen("config", "check", tmp_path / "a.toml").check(0, "配置可用")


def test_a_missing_configuration_file_is_named(place: Place) -> None:
    place.config.unlink()
    place.run().check(2, "liuhen.toml")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("record",),
        ("keys",),
        ("spool", "init"),
        *[
            (command, "--seconds", value)
            for command in ("run", "sim", "demo")
            for value in ("soon", "nan", "inf", "-5")
        ],
    ],
)
def test_a_wrong_command_line_is_usage(arguments: tuple[str, ...]) -> None:
    said = liuhen(*arguments)
    assert said.code == 2
    assert "Traceback" not in said.words


@pytest.mark.parametrize(
    "arguments",
    [("sim", "--spool", "/dev/null/x"), ("demo", "--directory", "/dev/null/x"), ("sim", "--truth", "/dev/null/x")],
)
def test_a_path_that_cannot_be_is_named(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    spool = () if "--spool" in arguments or "demo" in arguments else ("--spool", str(tmp_path / "spool"))
    liuhen(*arguments, *spool, "--seconds", "1").check(2, "/dev/null", "请检查")


@pytest.mark.parametrize("arguments", [("config", "default"), ("profile", "show", "jiaozuo"), ("config", "check")])
def test_a_reader_who_has_seen_enough_is_told_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """As behind `| head`: a pipe that nobody reads ends a command without a word."""
    if arguments == ("config", "check"):
        (tmp_path / "empty.toml").touch()
        arguments = (*arguments, str(tmp_path / "empty.toml"))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        process = subprocess.run(
            [sys.executable, "-m", "edge", *arguments], stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False
        )
    finally:
        os.close(writer)
    assert (process.returncode, process.stderr) == (1, b"")


# --- devices ----------------------------------------------------------------------------------------------------------


def bad_world(folder: Path, *arguments: str) -> Said:
    return liuhen("--spool", folder / "spool", *arguments, module="tests.bad_world")


@pytest.mark.realtime
@pytest.mark.beside
def test_no_camera_is_refused_and_journaled(tmp_path: Path) -> None:
    bad_world(tmp_path, "--pull", "vanish").check(3, "没有找到摄像头", "No camera found")
    check_refusal(tmp_path / "spool", RefusalCode.NO_CAMERA)


@pytest.mark.realtime
@pytest.mark.beside
def test_a_busy_camera_is_refused_and_journaled(tmp_path: Path) -> None:
    bad_world(tmp_path, "--hold-camera").check(3, "占用", "Another program holds the camera")
    check_refusal(tmp_path / "spool", RefusalCode.CAMERA_BUSY)


@pytest.mark.realtime
@pytest.mark.beside
def test_no_microphone_is_refused_and_journaled(tmp_path: Path) -> None:
    bad_world(tmp_path, "--silent").check(3, "麦克风", "microphone")
    check_refusal(tmp_path / "spool", RefusalCode.NO_MICROPHONE)


@pytest.mark.realtime
@pytest.mark.beside
def test_a_camera_that_does_not_start_ends_the_session_with_its_reason(tmp_path: Path) -> None:
    bad_world(tmp_path, "--pull", "refuse-start", "--value", "5").check(1, "摄像头", "camera")
    kinds = [type(b).__name__ for b in bodies(tmp_path / "spool")]
    assert kinds[-3:] == ["SessionEnd", "Checkpoint", "Stop"]
    assert kinds.count("Gap") == kinds.count("GapEnd") == 1


@pytest.mark.realtime
@pytest.mark.beside
def test_the_same_world_without_trouble_records(tmp_path: Path) -> None:
    """The negative control of the four above."""
    bad_world(tmp_path).check(0, "录制")
    assert any(isinstance(b, Session) for b in bodies(tmp_path / "spool"))


@pytest.mark.realtime
@pytest.mark.beside
def test_a_production_key_signs_no_simulated_source(tmp_path: Path) -> None:
    place = Place(folder=tmp_path, identity=production(tmp_path))
    place.configure()
    said = liuhen("sim", "--config", place.config, "--spool", place.spool, "--seconds", "2")
    said.check(5, "正式密钥", "production")
    check_refusal(place.spool, RefusalCode.SUBSTITUTED_SOURCE)
    assert list((place.spool / "sessions").iterdir()) == []


@pytest.mark.parametrize("asked", [False, True])
def test_a_simulation_records_where_its_file_says_unless_it_is_asked_otherwise(place: Place, asked: bool) -> None:
    other = place.folder / "other"
    if asked:
        place.spool.rename(other)  # the device's own, which its key belongs to
    more = ["--spool", str(other)] if asked else []
    liuhen("sim", "--config", place.config, "--virtual", "--seconds", "2", *more).check(0, "录制")
    recorded = [root for root in (place.spool, other) if any(isinstance(body, Session) for body in bodies(root))]
    assert recorded == [other if asked else place.spool]


def test_a_simulation_without_a_word_of_where_records_below_here_and_never_into_a_devices_spool() -> None:
    below = Path("recordings/spool").absolute()
    assert spool_of(None, Config()) == below
    assert spool_of(None, replace(Config(), spool=Spool(minimum_free_hours=3.0))) == below
    assert spool_of(Path("/somewhere"), Config()) == Path("/somewhere")
    assert spool_of(None, replace(Config(), spool=Spool(directory=Path("/media/disk/spool")))) == Path(
        "/media/disk/spool"
    )


def production(folder: Path) -> DemoIdentity:
    """The demo's device key, endorsed for production by its root."""
    identity = demo_identity(folder / "spool", folder / "keys", now_utc_ms=UTC_MS)
    root = keys.load_signer(folder / "keys" / "demo-root.key")
    card = keys.parse_card((folder / "keys" / "device.card").read_bytes(), where="card")
    identity.endorsement_file.write_bytes(keys.endorse(root, card, purpose=Purpose.PRODUCTION, not_before_ms=UTC_MS))
    return identity


# --- the same through the ports ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("genuine", [True, False])
def test_a_production_key_signs_only_genuine_sources(tmp_path: Path, genuine: bool) -> None:
    production(tmp_path)
    made, room = device(tmp_path), Room()
    assert room.camera is not None
    assert room.microphone is not None
    room.camera.genuine, room.microphone.genuine = True, genuine
    if genuine:
        assert room.record(made.config, lambda r: r.play(1)).clean
        return
    with pytest.raises(Refused, match="not the physical device"):
        room.record(made.config, lambda r: r.play(1))
    check_refusal(made.spool, RefusalCode.SUBSTITUTED_SOURCE)
    assert (room.camera.stops, room.microphone.stops) == (1, 1), "a refused start gives its devices back"
    assert made.findings() == []


@pytest.mark.parametrize("utc_ms", [0, 1_000_000_000_000])
def test_a_clock_in_1970_is_told_and_recording_goes_on(tmp_path: Path, utc_ms: int) -> None:
    made, room = device(tmp_path), Room(RoomClock(utc_offset_ms=utc_ms - 500_000))
    assert room.record(made.config, lambda r: r.play(2)).clean
    assert "时间明显不对" in room.onlooker.words[0]
    assert made.verify().intact


def test_a_plausible_clock_is_not_complained_about(tmp_path: Path) -> None:
    room = Room()
    room.record(device(tmp_path).config, lambda r: r.play(1))
    assert room.onlooker.words == []


@pytest.mark.realtime
@pytest.mark.beside
def test_the_real_recorder_records_in_1970_and_says_so(tmp_path: Path) -> None:
    bad_world(tmp_path, "--in-1970").check(0, "系统时间明显不对", "the clock is plainly wrong")
    assert any(isinstance(b, Session) for b in bodies(tmp_path / "spool"))


# --- nothing imports media --------------------------------------------------------------------------------------------


def offered(usage: str) -> set[str]:
    """The commands that a help lists."""
    section = usage.partition("命令 commands:\n")[2].partition("\n\n")[0]
    return set(re.findall(r"^  ([a-z-]+)", section, re.MULTILINE))


def test_no_command_takes_media_into_a_session() -> None:
    plain = {"run", "recorder", "guard", "sensors", "first-start", "doctor", "sim", "demo", "destroy", "export"}
    plain |= {"fetch"}  # writes into a directory of its own, never into a spool
    plain |= {"case", "schedule"}  # a stage of a case; a calendar, which holds no media
    expected = {
        "offload": {"status"},
        "store": {"doctor"},
        "keys": {"init", "show", "endorse", "rotate", "retire", "compromised", "trust"},
        "spool": {"init", "ls", "reclaim", "scrub"},
        "ctl": {verb.value for verb in FIELDS},
        "session": {"new", "header", "mark", "attach", "hold", "list", "show", "report", "case"},
        "config": {"check", "default"},
        "profile": {"list", "show", "lint", "diff"},
        "visit": {"begin", "end", "list", "find"},
        "records": {"add", "ls", "show"},
        "retention": {"extend", "hold", "lift", "ls"},
    }
    helps = {one.prog: one.format_help() for one in every_parser(device_parser())}
    assert offered(helps["liuhen"]) == plain | expected.keys()
    verbs = {name: helps[f"liuhen {name}"] for name in expected}
    assert {name: offered(words) for name, words in verbs.items()} == expected
    assert not re.search("import|ingest|adopt|--media|--input", "".join(verbs.values()) + helps["liuhen run"])


@pytest.mark.parametrize("name", ["000001.mp4", "000007.mp4", "holiday.mp4"])
def test_a_foreign_file_among_the_sessions_is_found(tmp_path: Path, name: str) -> None:
    made = device(tmp_path)
    Room().record(made.config, lambda r: r.play(2))
    assert made.findings() == []
    (segment,) = made.segments()
    segment.with_name(name).write_bytes(segment.read_bytes())
    assert made.findings() != []
