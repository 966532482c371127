"""Puts the recorder on this machine, or below DESTDIR: program, units, users, rules, configuration. And takes it away.

Run as root by `make install` and `make uninstall` on Raspberry Pi OS or Debian 13. The program is one folder
`PREFIX/releases/<digest>` made whole before `PREFIX/current` points to it, so a call that was cut short leaves the old
program, and a recorder that runs keeps its files. A second call finds the same digest and changes nothing. What people
may have edited (`/etc/liuhen`, the site's udev rules) is written once and never again; key, spool and configuration
outlive `uninstall`. Nothing here starts, stops or restarts a recorder.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True
import setup  # noqa: E402 -- no cache of ours is left in the tree by root
from setup import ROOT, Argument, Level, PackageGroup, SetupError, digest_of, installed_packages  # noqa: E402

ROOTFS = ROOT / "image-build/rootfs"
DEFAULT_PREFIX = Path("/opt/liuhen")
PROGRAMS = ("liuhen", "liuhen-verify")
SOURCES = ("edge", "drivers", "sim", "signing/liuhen")
PROJECT_FILES = (
    "pyproject.toml", "signing/pyproject.toml", "README.md", "signing/FORMAT.md", "LICENSE", "signing/LICENSE",
)  # fmt: skip
LOCK = "requirements-pi.txt"
BUILD_LOCK = "requirements-build.txt"
WANTED_AT_RUN_TIME = frozenset({"setuptools"})
"""In the build lock, and yet needed where it runs: colorzero, below gpiozero, asks for it."""
KEPT = frozenset({Path("etc/udev/rules.d/75-liuhen-site.rules")})
CONFIGURATION = Path("etc/liuhen/recorder.toml")
MANIFEST = Path("var/lib/liuhen-install/files")
SYSTEM_MODULES = ("numpy", "PIL", "av", "libcamera", "picamera2", "lgpio")
NEWER_PYTHON = (3, 11)
DEVICES = ("dma_heap", "media", "gpio", "rtc", "tty", "sound")
UNITS = Path("usr/lib/systemd/system")
TIME_DAEMON = "systemd-timesyncd"

GROUPS = (
    PackageGroup(
        packages=("libportaudio2",),
        why="PortAudio, through which the microphone is read",
        without="no microphone",
        level=Level.RUN,
        level_on_pi=Level.RUN,
    ),
    PackageGroup(
        packages=("python3-numpy", "python3-av"),
        why="the encoder's arrays and PyAV, of the system's own versions",
        without="neither picture nor sound is encoded",
        level=Level.RUN,
        level_on_pi=Level.RUN,
    ),
    PackageGroup(
        packages=("python3-pil",),
        why="Pillow, which draws the text in the picture",
        without="the recorder does not start",
        level=Level.RUN,
        level_on_pi=Level.RUN,
    ),
    PackageGroup(
        packages=("python3-libcamera",),
        why="the camera stack",
        without="no camera",
        level=Level.RUN,
        level_on_pi=Level.RUN,
    ),
    PackageGroup(
        packages=("python3-picamera2",),
        why="the camera, as the recorder speaks to it",
        without="no camera: picamera2 comes from the Raspberry Pi archive, Debian has none",
        level=Level.RUN,
        level_on_pi=Level.RUN,
    ),
    PackageGroup(
        packages=("python3-lgpio",),
        why="the GPIO lines of buttons, loops, relay and lamps",
        without="no buttons, interlock or lamps: lgpio comes from the Raspberry Pi archive, Debian 13 has none",
        level=Level.RUN,
        level_on_pi=Level.RUN,
    ),
    PackageGroup(
        packages=("espeak-ng",),
        why="the spoken prompts of the loudspeaker",
        without="prompts that nobody recorded are tones",
        level=Level.RUN,
        level_on_pi=Level.RUN,
    ),
    PackageGroup(
        packages=("fonts-wqy-microhei",),
        why="Chinese text in the picture",
        without="Chinese text in the picture cannot be drawn",
        level=Level.RUN,
        level_on_pi=Level.RUN,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where things go: `destdir` is put before every path, `prefix` is where the program will find itself."""

    destdir: Path
    prefix: Path

    def at(self, path: Path | str) -> Path:
        """A path of the device as a path here."""
        return self.destdir / str(path).lstrip("/")

    @property
    def is_this_machine(self) -> bool:
        """Whether the files go where this machine itself reads them."""
        return self.destdir == Path("/")

    @property
    def is_alive(self) -> bool:
        """Whether systemd runs here and reads them (sd_booted(3)); not in a chroot, not below DESTDIR."""
        return self.is_this_machine and Path("/run/systemd/system").is_dir()


def say(text: str) -> None:
    """One line to the person at the terminal."""
    print(f"install: {text}", flush=True)


# --- system packages --------------------------------------------------------------------------------------------------


def ensure_packages() -> None:
    """Installs what the system has; says plainly what it has not, and goes on."""
    for group in setup.ensure_system_packages(GROUPS):
        missing = setup.missing_of(group, installed_packages(group.packages))
        say(f"without {' '.join(missing)}: {group.without}")
    ensure_chrony()


def ensure_chrony() -> None:
    """chrony, in the place of systemd-timesyncd where that is; no other package is removed for it."""
    if installed_packages(["chrony"]) or shutil.which("apt-get") is None:
        return
    planned = subprocess.run(
        ["apt-get", "install", "--simulate", "--no-install-recommends", "chrony"],
        check=False, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    removed = {line.split()[1] for line in planned.stdout.splitlines() if line.startswith("Remv ")}
    if planned.returncode != 0 or not removed <= {TIME_DAEMON}:
        say("without chrony: the clock is kept by what this system has, and may be stepped while recording")
        return
    if removed:
        say(f"chrony takes the place of {TIME_DAEMON} (slewing instead of stepping)")
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--quiet"]
    subprocess.run(
        [*command, "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", "chrony"],
        check=False, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    if not installed_packages(["chrony"]):
        say("without chrony: it could not be installed; apt-get install chrony")


# --- the program ------------------------------------------------------------------------------------------------------


def run_time_lock() -> str:
    """The device's lock without what only builds."""
    build = {line.split("==")[0] for line in (ROOT / BUILD_LOCK).read_text().splitlines() if "==" in line}
    return setup.without_packages((ROOT / LOCK).read_text(), frozenset(build) - WANTED_AT_RUN_TIME)


def program_digest(target: Target) -> str:
    """Everything the program is made from: sources, locks, Python, where it will stand."""
    files = [ROOT / name for name in (*PROJECT_FILES, LOCK, BUILD_LOCK)]
    files += [path for folder in SOURCES for path in sorted((ROOT / folder).rglob("*")) if is_source(path)]
    named = [part for path in files for part in (str(path.relative_to(ROOT)).encode(), path.read_bytes())]
    facts = (target.prefix, Path(sys.executable).resolve(), sys.version)
    return digest_of([*named, Path(__file__).read_bytes(), *(str(fact).encode() for fact in facts)])[:16]


def is_source(path: Path) -> bool:
    """Whether a file belongs to the program rather than to Python's cache."""
    return path.is_file() and "__pycache__" not in path.parts


def find_or_make_uv(scratch: Path) -> Path:
    """A uv this machine has, or the pinned one in a folder that goes again: root leaves nothing in the tree."""
    for candidate in (shutil.which("uv"), ROOT / ".venv-uv/bin/uv"):
        if candidate is not None and setup.uv_version(candidate) >= setup.OLDEST_UV:
            return Path(candidate)
    setup.ensure_venv_module()
    setup.run([sys.executable, "-m", "venv", scratch / "uv"], quiet=True)
    pip: list[Argument] = [scratch / "uv/bin/python", "-m", "pip", "install", "--quiet", "--no-deps"]
    setup.run([*pip, "--only-binary", ":all:", "--require-hashes", "-r", "requirements-uv.txt"], quiet=True)
    return scratch / "uv/bin/uv"


def build_wheels(uv: Path, scratch: Path) -> list[Path]:
    """Both wheels of this tree, built by the locked hatchling from a copy, so that nothing is left in the tree."""
    tree, builder, wheels = scratch / "tree", scratch / "builder", scratch / "wheels"
    for name in (*SOURCES, *PROJECT_FILES):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, tree / name)
    setup.run([uv, "venv", "--quiet", "--no-project", "--python", sys.executable, builder])
    install: list[Argument] = [uv, "pip", "install", "--quiet", "--python", builder / "bin/python"]
    setup.run([*install, "--require-hashes", "-r", BUILD_LOCK])
    for project in (tree / "signing", tree):
        build = [
            str(builder / "bin/python"),
            "-m",
            "hatchling",
            "build",
            "--target",
            "wheel",
            "--directory",
            str(wheels),
        ]
        done = subprocess.run(build, cwd=project, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise SetupError(f"a wheel cannot be built: {done.stdout}{done.stderr}")
    return sorted(wheels.glob("*.whl"))


def make_release(target: Target, release: Path) -> None:
    """The program in a folder of its own, whole when the folder has its name."""
    staged = release.with_name(f".{release.name}.new")
    shutil.rmtree(staged, ignore_errors=True)
    staged.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="liuhen-install-") as name:
        scratch = Path(name)
        os.environ.setdefault("UV_CACHE_DIR", str(scratch / "cache"))  # nothing stays in root's home
        uv = find_or_make_uv(scratch)
        wheels = build_wheels(uv, scratch)
        lock = scratch / "requirements.txt"
        lock.write_text(run_time_lock())
        new: list[Argument] = [
            uv,
            "venv",
            "--quiet",
            "--no-project",
            "--system-site-packages",
            "--python",
            sys.executable,
            staged,
        ]
        setup.run(new)
        install: list[Argument] = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--link-mode=copy",
            "--python",
            staged / "bin/python",
        ]
        setup.run([*install, "--only-binary", ":all:", "--require-hashes", "-r", lock])
        setup.run([*install, "--no-deps", *wheels])
    tidy_programs(staged, target.prefix / "releases" / release.name)
    compile_all(staged)
    staged.rename(release)


def tidy_programs(staged: Path, final: Path) -> None:
    """Only our own programs stay, and their first line names where they will stand."""
    python = {path.name for path in (staged / "bin").iterdir() if path.name.startswith("python")}
    for path in (staged / "bin").iterdir():
        if path.name in PROGRAMS:
            _first, _newline, rest = path.read_text().partition("\n")
            path.write_text(f"#!{final}/bin/python\n{rest}")
        elif path.name not in python:
            path.unlink()
    (staged / ".lock").unlink(missing_ok=True)
    (staged / "CACHEDIR.TAG").unlink(missing_ok=True)


def compile_all(staged: Path) -> None:
    """Byte code beside every module: the program's folder is read-only for everybody who runs it."""
    command = [sys.executable, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([*command, "-s", str(staged), str(staged / "lib")], check=False, capture_output=True)


def install_program(target: Target) -> list[str]:
    """The program of this tree under `current`; returns what changed."""
    prefix = target.at(target.prefix)
    digest = program_digest(target)
    release, current = prefix / "releases" / digest, prefix / "current"
    changes = []
    if not release.is_dir():
        say(f"making {target.prefix / 'releases' / digest} (Python {sys.version.split()[0]}, {LOCK})")
        make_release(target, release)
        changes.append(str(release))
    before = current.readlink() if current.is_symlink() else None
    if before != Path("releases", digest):
        switch(current, Path("releases", digest))
        changes.append(f"{current} -> releases/{digest}")
    forget_old_releases(prefix, keep={digest, before.name if before is not None else digest})
    return changes


def switch(link: Path, to: Path) -> None:
    """Point a name to something else in one step."""
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(to)
    fresh.replace(link)


def forget_old_releases(prefix: Path, *, keep: set[str]) -> None:
    """The release before this one stays: a recorder may still run from it. Where nothing changed, all stay."""
    if len(keep) == 1:
        return
    for path in (prefix / "releases").iterdir():
        if path.name not in keep:
            shutil.rmtree(path)


def report_missing_modules(target: Target) -> None:
    """Loads what the devices need in the installed program; one line for each that does not."""
    python = target.at(target.prefix) / "current/bin/python"
    for module in SYSTEM_MODULES:
        probe = subprocess.run([python, "-I", "-c", f"import {module}"], check=False, capture_output=True, text=True)
        if probe.returncode != 0:
            last = (probe.stderr.strip().splitlines() or ["no reason given"])[-1]
            say(f"the system's {module} does not load here ({last})")


# --- files ------------------------------------------------------------------------------------------------------------


def overlay(target: Target) -> Iterator[tuple[Path, bytes, int]]:
    """Every file of the overlay: its path on the device, its bytes, its mode."""
    for source in sorted(path for path in ROOTFS.rglob("*") if path.is_file()):
        content = source.read_bytes()
        if target.prefix != DEFAULT_PREFIX:
            content = content.replace(f"{DEFAULT_PREFIX}/".encode(), f"{target.prefix}/".encode())
        yield source.relative_to(ROOTFS), content, 0o755 if os.access(source, os.X_OK) else 0o644
    for document in (ROOT / "image-build/README.md", ROOT / "LICENSE"):
        yield Path("usr/share/doc/liuhen", document.name), document.read_bytes(), 0o644


def put(path: Path, content: bytes, mode: int) -> bool:
    """A file with this content and mode, replaced whole; False where it is so already."""
    there = path.is_file() and not path.is_symlink()
    if there and path.read_bytes() == content and path.stat().st_mode & 0o7777 == mode:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.chmod(mode)
    fresh.replace(path)
    return True


def install_files(target: Target) -> list[str]:
    """Overlay, configuration, links to the programs, and the list of what `uninstall` takes away; returns changes."""
    changes, ours = [], []
    for relative, content, mode in overlay(target):
        kept = relative in KEPT
        if kept and target.at(relative).exists():
            continue
        if put(target.at(relative), content, mode):
            changes.append(str(target.at(relative)))
        if not kept:
            ours.append(str(relative))
    if not target.at(CONFIGURATION).exists():
        put(target.at(CONFIGURATION), (ROOT / "edge/default.toml").read_bytes(), 0o644)
        changes.append(str(target.at(CONFIGURATION)))
    for program in PROGRAMS:
        link, to = target.at(f"/usr/local/bin/{program}"), target.prefix / "current/bin" / program
        ours.append(f"usr/local/bin/{program}")
        if not link.is_symlink() or link.readlink() != to:
            link.parent.mkdir(parents=True, exist_ok=True)
            switch(link, to)
            changes.append(str(link))
    forget_files_of_an_older_install(target, ours)
    put(target.at(MANIFEST), "".join(f"{name}\n" for name in (target.prefix, *sorted(ours))).encode(), 0o644)
    return changes


def manifest(target: Target) -> tuple[Path, list[str]]:
    """What an earlier call installed: its prefix and files. Nothing where there was none."""
    path = target.at(MANIFEST)
    lines = path.read_text().splitlines() if path.is_file() else []
    return (Path(lines[0]), lines[1:]) if lines else (target.prefix, [])


def forget_files_of_an_older_install(target: Target, ours: Iterable[str]) -> None:
    """A unit that this version no longer has must not go on being started."""
    for name in sorted(set(manifest(target)[1]) - set(ours)):
        target.at(name).unlink(missing_ok=True)
        say(f"removed {name}, which this version does not have")


# --- the system -------------------------------------------------------------------------------------------------------


def tell_system(command: Sequence[Argument]) -> None:
    """One of systemd's own tools; what it cannot do is one line, never the end."""
    if shutil.which(str(command[0])) is None:
        say(f"{command[0]} is not on this machine; after its installation run: {' '.join(map(str, command))}")
        return
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        say(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout).strip()}")


def enable(target: Target, changes: Sequence[str]) -> None:
    """Users, folders, links of enabled units; devices and systemd itself only where they live."""
    if not target.is_this_machine:
        say("below DESTDIR: users, folders and enabled units are for whoever builds the image (image-build/README.md)")
        return
    tell_system(["systemd-sysusers", "liuhen.conf"])
    tell_system(["systemd-tmpfiles", "--create", "liuhen.conf"])
    units = sorted(
        line.split()[1]
        for line in (ROOTFS / "usr/lib/systemd/system-preset/80-liuhen.preset").read_text().splitlines()
        if line.startswith("enable ")
    )
    tell_system(["systemctl", "enable", "--quiet", *units])
    if not target.is_alive:
        say("systemd does not run here (a chroot?): units are enabled and start at the next boot of this system")
        return
    if changes:
        tell_system(["systemctl", "daemon-reload"])
        tell_system(["udevadm", "control", "--reload"])
        tell_system(["udevadm", "trigger", *(f"--subsystem-match={name}" for name in DEVICES)])
        say(
            "nothing was started or restarted; between sessions: "
            "systemctl restart liuhen-guard liuhen-sensors liuhen-offload liuhen-recorder"
        )


def install(target: Target, *, packages: bool) -> None:
    """Everything; the second call changes nothing and says so."""
    os.umask(0o022)
    if packages and target.is_this_machine:
        ensure_packages()
    changes = [*install_program(target), *install_files(target)]
    report_missing_modules(target)
    enable(target, changes)
    say(f"{len(changes)} changed" if changes else "everything was there already; nothing changed")
    say(f"configuration: {target.at(CONFIGURATION)}; first start and enrolment: image-build/README.md")


def uninstall(target: Target) -> None:
    """Takes away what `install` put; configuration, key, spool and users stay."""
    prefix, files = manifest(target)
    if not files:
        raise SetupError(f"no installation is found ({target.at(MANIFEST)}); nothing was removed")
    units = [Path(name).name for name in files if Path(name).parent == UNITS]
    if target.is_alive and recorder_is_active():
        raise SetupError("the recorder is running; end the session, then: systemctl stop liuhen-recorder")
    if target.is_this_machine:
        stop = ["--now"] if target.is_alive else []
        tell_system(["systemctl", "disable", "--quiet", *stop, *sorted(units)])
    for name in files:
        target.at(name).unlink(missing_ok=True)
        remove_empty_folders(target.at(name).parent, stop_at=target.destdir)
    shutil.rmtree(target.at(prefix), ignore_errors=True)
    shutil.rmtree(target.at(MANIFEST).parent, ignore_errors=True)
    if target.is_alive:
        tell_system(["systemctl", "daemon-reload"])
    say(
        "removed; kept: /etc/liuhen, the site's udev rules, /var/lib/liuhen (key, spool, enrolment), "
        "the interlock's latch, users"
    )


def recorder_is_active() -> bool:
    """Asked of systemd."""
    return subprocess.run(["systemctl", "is-active", "--quiet", "liuhen-recorder"], check=False).returncode == 0


def remove_empty_folders(folder: Path, *, stop_at: Path) -> None:
    """Folders of ours that hold nothing any more, upwards; a folder of the system's that is in use never is empty."""
    while folder not in (stop_at, *stop_at.parents) and "liuhen" in folder.name:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def main() -> int:
    """Parses the command line, holds the lock, and turns trouble into one clear line."""
    parser = argparse.ArgumentParser(description="install this tree's recorder on a device")
    parser.add_argument("action", choices=("install", "uninstall"))
    parser.add_argument("--destdir", type=Path, default=Path("/"))
    parser.add_argument("--prefix", type=Path, default=DEFAULT_PREFIX)
    parser.add_argument("--no-packages", action="store_true", help="leave the system's packages alone")
    arguments = parser.parse_args()
    try:
        target = checked(arguments)
        with Path(__file__).open("rb") as script:
            fcntl.flock(script, fcntl.LOCK_EX)
            if arguments.action == "install":
                install(target, packages=not arguments.no_packages)
            else:
                uninstall(target)
    except (SetupError, OSError) as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    return 0


def checked(arguments: argparse.Namespace) -> Target:
    """What was asked for, or a SetupError that says what to do."""
    destdir = arguments.destdir.absolute() if str(arguments.destdir) not in ("", ".") else Path("/")
    if not arguments.prefix.is_absolute() or len(arguments.prefix.parts) < len(("/", "opt", "liuhen")):
        raise SetupError(f"PREFIX must be an absolute folder of the recorder's own, such as {DEFAULT_PREFIX}")
    if destdir == Path("/") and os.geteuid() != 0:
        raise SetupError("only root can install on this machine: sudo make install (or name a DESTDIR)")
    if sys.version_info < NEWER_PYTHON:
        raise SetupError(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}")
    return Target(destdir=destdir, prefix=arguments.prefix)


if __name__ == "__main__":
    sys.exit(main())
