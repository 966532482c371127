"""`make install` below a DESTDIR: what is put there, that a second call changes nothing, and what `uninstall` leaves.

The whole of it, with users, systemd and a bare Debian 13, is `make campaign ARGS=install`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from edge import config
from tests.image_build import campaign
from tests.image_build.unit_files import ROOTFS
from tests.required import unavailable

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_PYTHON = Path("/usr/bin/python3")
LIMIT_SECONDS = 110


def load(name: str) -> ModuleType:
    """A script of `.make` as a module (its folder is no package); it finds its neighbour `setup` there."""
    sys.path.insert(0, str(ROOT / ".make"))
    try:
        spec = importlib.util.spec_from_file_location(f"liuhen_{name}", ROOT / f".make/{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        before = sys.dont_write_bytecode
        spec.loader.exec_module(module)
        sys.dont_write_bytecode = before
        return module
    finally:
        sys.path.remove(str(ROOT / ".make"))


install = load("install")


def make(*words: str) -> subprocess.CompletedProcess[str]:
    if not SYSTEM_PYTHON.exists():
        unavailable("the system's own Python (Debian package python3)")
    return subprocess.run(
        ["make", "--no-print-directory", f"PYTHON={SYSTEM_PYTHON}", *words],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS, stdin=subprocess.DEVNULL,
        env={"UV_CACHE_DIR": str(Path.home() / ".cache/uv"), **os.environ},  # packages that set-up has already
    )  # fmt: skip


def listing(root: Path) -> list[tuple[str, int, int, str]]:
    """Every file, folder and link with mode, time and where a link leads."""
    found = []
    for path in sorted(root.rglob("*")):
        stat = path.lstat()
        leads = str(path.readlink()) if path.is_symlink() else ""
        found.append((str(path.relative_to(root)), stat.st_mode, stat.st_mtime_ns if path.is_file() else 0, leads))
    return found


@pytest.mark.long
def test_an_install_is_whole_twice_the_same_and_taken_away_without_the_evidence(tmp_path: Path) -> None:
    # One test, because its first step takes most of the time.
    device = tmp_path
    done = make("install", f"DESTDIR={device}")
    assert done.returncode == 0, done.stdout + done.stderr
    its_programs_start(device)
    nothing_is_there_by_reference(device)
    before = listing(device)
    again = make("install", f"DESTDIR={device}")
    assert (again.returncode, "nothing changed" in again.stdout) == (0, True), again.stdout
    assert listing(device) == before
    what_people_wrote_outlives_all(device)


def its_programs_start(device: Path) -> None:
    programs = device / "opt/liuhen/current/bin"
    for program in ("liuhen", "liuhen-verify"):
        first = (programs / program).read_text().splitlines()[0]
        assert first == f"#!/opt/liuhen/{(device / 'opt/liuhen/current').readlink()}/bin/python"
        assert (device / "usr/local/bin" / program).readlink() == Path("/opt/liuhen/current/bin", program)
        words = [str(programs / "python"), "-I", str(programs / program), "--help"]
        shown = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        assert (shown.returncode, "usage" in shown.stdout) == (0, True), shown.stderr
    assert config.load(device / "etc/liuhen/recorder.toml").digest == config.Config().digest
    installed = {str(path.relative_to(device)) for path in device.rglob("*") if path.is_file()}
    assert {str(path.relative_to(ROOTFS)) for path in ROOTFS.rglob("*") if path.is_file()} <= installed


def nothing_is_there_by_reference(device: Path) -> None:
    packages = next((device / "opt/liuhen/current/lib").glob("python3*")) / "site-packages"
    names = {path.name.partition("-")[0] for path in packages.glob("*.dist-info")}
    assert {"liuhen", "liuhen_recorder", "cbor2", "cryptography", "gpiozero", "pyserial", "sounddevice"} <= names
    assert names.isdisjoint({"hatchling", "editables", "pytest", "numpy", "picamera2", "av"})
    assert not [path for path in packages.glob("*.pth") if str(ROOT) in path.read_text()]
    assert (packages / "edge/default.toml").read_bytes() == (ROOT / "edge/default.toml").read_bytes()
    assert list(packages.glob("edge/__pycache__/first_start.*.pyc"))
    assert not [path for path in device.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022]


def what_people_wrote_outlives_all(device: Path) -> None:
    kept = {
        device / "etc/liuhen/recorder.toml": b"# mine\n",
        device / "etc/udev/rules.d/75-liuhen-site.rules": b"# mine\n",
        device / "var/lib/liuhen/key/device.key": b"key",
        device / "var/lib/liuhen/spool/journal/00000000.cbor": b"entry",
    }
    for path, content in kept.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    spoilt = device / "usr/lib/systemd/system/liuhen-guard.service"
    spoilt.write_text("[Service]\n")
    assert make("install", f"DESTDIR={device}").returncode == 0
    assert "User=liuhen-guard" in spoilt.read_text()
    assert {path: path.read_bytes() for path in kept} == kept
    gone = make("uninstall", f"DESTDIR={device}")
    assert gone.returncode == 0, gone.stderr
    assert {path for path in device.rglob("*") if path.is_file() or path.is_symlink()} == set(kept)
    twice = make("uninstall", f"DESTDIR={device}")
    assert twice.returncode != 0
    assert twice.stderr.startswith("install: no installation is found")


def test_a_device_is_given_what_its_programs_import_or_call() -> None:
    named = {name for group in install.GROUPS for name in group.packages}
    assert {"espeak-ng", "libportaudio2", "python3-numpy", "python3-av", "python3-pil"} <= named
    assert {"PIL", "numpy", "av"} <= set(install.SYSTEM_MODULES)


def test_wrong_places_are_refused_in_one_line(tmp_path: Path) -> None:
    for prefix in ("opt/liuhen", "/opt", "/"):
        done = make("install", f"DESTDIR={tmp_path}", f"PREFIX={prefix}")
        assert done.returncode != 0
        assert [line for line in done.stderr.splitlines() if not re.match(r"make(\[\d+\])?:", line)] == [
            "install: PREFIX must be an absolute folder of the recorder's own, such as /opt/liuhen"
        ]
    assert list(tmp_path.iterdir()) == []


def test_another_prefix_is_written_into_every_unit(tmp_path: Path) -> None:
    target = install.Target(destdir=tmp_path, prefix=Path("/srv/liuhen"))
    install.install_files(target)
    units = [path.read_text() for path in (tmp_path / "usr/lib/systemd/system").glob("liuhen-*.service")]
    assert not any("/opt/liuhen" in text for text in units)
    assert sum("ExecStart=/srv/liuhen/current/bin/liuhen " in text for text in units) == 5
    assert install.install_files(target) == []


def test_a_unit_that_a_later_version_no_longer_has_is_taken_away(tmp_path: Path) -> None:
    target = install.Target(destdir=tmp_path, prefix=Path("/opt/liuhen"))
    install.install_files(target)
    old = tmp_path / "usr/lib/systemd/system/liuhen-old.service"
    old.touch()
    book = tmp_path / install.MANIFEST
    book.write_text(book.read_text() + "usr/lib/systemd/system/liuhen-old.service\n")
    install.install_files(target)
    assert not old.exists()
    assert "liuhen-old" not in book.read_text()


def test_the_program_is_made_anew_when_and_only_when_its_sources_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = install.Target(destdir=tmp_path, prefix=Path("/opt/liuhen"))
    before = install.program_digest(target)
    assert install.program_digest(target) == before
    assert install.program_digest(install.Target(destdir=tmp_path, prefix=Path("/srv/liuhen"))) != before
    tree = tmp_path / "tree"
    for name in (*install.PROJECT_FILES, install.LOCK, install.BUILD_LOCK):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("same")
    (tree / "edge/__pycache__").mkdir(parents=True)
    (tree / "edge/app.py").write_text("one")
    monkeypatch.setattr(install, "ROOT", tree)
    first = install.program_digest(target)
    (tree / "edge/__pycache__/app.pyc").write_text("cache")
    assert install.program_digest(target) == first
    (tree / "edge/app.py").write_text("two")
    assert install.program_digest(target) != first


def test_an_install_cut_short_leaves_the_old_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = install.Target(destdir=tmp_path, prefix=Path("/opt/liuhen"))
    old = tmp_path / "opt/liuhen/releases/old"
    old.mkdir(parents=True)
    current = tmp_path / "opt/liuhen/current"
    install.switch(current, Path("releases/old"))

    def cut(_target: object, release: Path) -> None:
        release.with_name(f".{release.name}.new").mkdir()
        raise install.SetupError("power")

    monkeypatch.setattr(install, "make_release", cut)
    with pytest.raises(install.SetupError):
        install.install_program(target)
    assert current.resolve() == old

    def whole(_target: object, release: Path) -> None:
        release.mkdir()

    monkeypatch.setattr(install, "make_release", whole)
    for text in ("releases/older", "releases/oldest"):
        (tmp_path / "opt/liuhen" / text).mkdir()
    install.install_program(target)
    names = {path.name for path in (tmp_path / "opt/liuhen/releases").iterdir()}
    assert names == {"old", install.program_digest(target)}
    assert current.resolve().name == install.program_digest(target)


def test_only_the_time_daemon_may_give_way_to_chrony(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    called = tmp_path / "called"
    for removed, installs in (("", True), ("systemd-timesyncd", True), ("ntpsec", False), ("openssh-server", False)):
        called.unlink(missing_ok=True)
        line = f"echo 'Remv {removed} [1]'" if removed else "true"
        apt = f'#!/bin/sh\ncase "$*" in *--simulate*) {line};; *) echo "$@" >>{called};; esac\n'
        for name, body in (("apt-get", apt), ("dpkg-query", "#!/bin/sh\n")):
            (tmp_path / name).write_text(body)
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        install.ensure_chrony()
        assert called.exists() == installs, removed
    assert "may be stepped while recording" in capsys.readouterr().out


def test_the_campaign_knows_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(campaign, "missing", lambda: ["mmdebstrap"])
    lines, good = campaign.campaign(tmp_path)
    assert not good
    assert "mmdebstrap" in lines[0]
    assert list(tmp_path.iterdir()) == []
