"""Two real disks: cut together, pulled, silent, failing, read-only; the recording goes on, or is found again."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash import mounts
from tests.required import unavailable

ROOT = Path(__file__).resolve().parents[2]
STATES = 12
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

TROUBLE = """
import json, os, sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from sim.block_disk import *
from tests.crash import mounts, recording
from tests.crash.mirror_states import *
from edge.disk_watch import *
from edge.spool import *
mounts.own_namespace()
folder, trouble, side = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
disks = {}
with ExitStack() as stack:
    for name in IMAGES:
        stem = Path(name).stem
        recording.blank_image(folder / name)
        (folder / f"fuse-{stem}").mkdir()
        (folder / "root" / stem).mkdir(parents=True)
        disks[stem] = BlockDisk(folder / f"fuse-{stem}", folder / f"log-{stem}", (folder / name,))
        stack.callback(disks[stem].close)
        mounts.mount(disks[stem].paths[0], folder / "root" / stem)
        stack.callback(mounts.unmount, folder / "root" / stem)
    made = device_on(folder / "root")
    root = made.primary if side == "primary" else made.mirror
    other = made.mirror if side == "primary" else made.primary
    identity = parse_identity((root / IDENTITY_FILE).read_bytes())
    known = known_disk(root, identity)
    def act(room):
        match trouble:
            case "pulled": disks[side].pull()
            case "silent": disks[side].stall()
            case "failing": disks[side].become(FAIL_WRITES)
    def go_on(room):
        if trouble == "silent":
            disks[side].go_on()
    config = replace(made.device.config, spool=replace(made.device.config.spool, mirror_stall_milliseconds=800))
    room = Room(clock_at(0, 0))
    begin = both_in_step
    if trouble == "read-only":  # the kernel remounts none while files are open on it; that is tested call by call
        mounts._call("mount", None, os.fsencode(folder / "root" / side), None, 1 | 32, None)
        begin = lambda r: None
    ended = room.record(config, begin, lambda r: r.play(3), act, lambda r: r.play(12), go_on)
    state = judge(known, probe(root)).value
    if trouble == "failing":
        disks[side].become(OK)
    report = made.verify(other)
    print(json.dumps({
        "clean": ended.clean, "intact": report.intact, "sent": room.camera.sent, "frames": report.sessions[-1].frames,
        "events": [[code.name, *measured] for code, measured in made.events(other) if code.name != "MIRROR_BACK"],
        "state": state,
    }))
    sys.stdout.flush()
    os._exit(0)  # what is still mounted on dead disks goes with this namespace
"""


@pytest.fixture(autouse=True, scope="module")
def _disks_of_our_own() -> None:
    lacks = mounts.lacking()
    if lacks is not None:
        unavailable(lacks)


def with_trouble(folder: Path, trouble: str, side: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", TROUBLE, folder, trouble, side],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.parametrize(("side", "number"), [("primary", 0), ("mirror", 1)])
@pytest.mark.parametrize(
    ("trouble", "code", "state"),
    [
        ("pulled", "EIO", "removed"),
        ("silent", "ETIMEDOUT", "present"),
        ("failing", "EIO", None),
        ("read-only", "EROFS", "read-only"),
    ],
)
def test_a_real_disk_in_trouble_costs_no_frame_and_is_named(
    tmp_path: Path, trouble: str, code: str, state: str | None, side: str, number: int
) -> None:
    said = with_trouble(tmp_path, trouble, side)
    assert (said["clean"], said["intact"], said["frames"]) == (True, True, said["sent"])
    events = said["events"]
    assert isinstance(events, list)
    assert ["MIRROR_LOST", number, getattr(errno, code)] in events
    assert (["STORAGE_READ_ONLY", number] in events) == (trouble == "read-only")
    assert state is None or said["state"] == state


def test_whatever_a_cut_leaves_of_two_disks_nothing_acknowledged_is_lost_and_both_become_one() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.mirror_states", str(STATES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert f"states {STATES}" in done.stdout, done.stderr
    assert done.returncode == 0, done.stdout


BROKEN = """
from edge.mirror_catch_up import CatchUp
CatchUp.align = lambda self, recent: self._pair.behind and self._pair.join(self._pair.behind, lambda _: True)
import runpy, sys
sys.argv = ["mirror_states", "40", "1", "first"]
runpy.run_module("tests.crash.mirror_states", run_name="__main__")
"""


def test_disks_that_are_believed_equal_without_a_look_are_caught() -> None:
    """The negative control of the test above; what a busy machine wrote may by chance be the same on both disks."""
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", BROKEN], cwd=ROOT, capture_output=True, text=True, check=False, timeout=280
        )
        if done.returncode == 1:
            break
    assert done.returncode == 1, done.stdout + done.stderr
    assert "differs" in done.stdout
