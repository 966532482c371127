"""Makes this checkout ready to run or to test: system packages, uv, and the locked Python environments.

Needs nothing but Python >= 3.11. Owns the environments `.venv*` beside the Makefile; only `lock` writes elsewhere in
the tree. An environment is complete when its stamp (`liuhen-run` or `liuhen-test` inside it) holds the digest of all
it was made from; a second call that finds it changes nothing.
"""

from __future__ import annotations

import argparse
import enum
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).resolve().parent.parent
OLDEST_UV = (0, 7)
Argument: TypeAlias = str | Path
NEEDS_COMPILER = frozenset({"picamera2", "pidng", "python-prctl"})
PI_MODULES = ("libcamera", "picamera2", "av", "numpy")


class Level(enum.IntEnum):
    """How much is set up; each level contains the one before."""

    RUN = 1
    TEST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageGroup:
    """System packages needed for one reason, and what happens where they cannot be installed.

    `level` is the first that needs them. A Pi records a real room with the system's camera stack, so its level differs.
    """

    packages: tuple[str, ...]
    why: str
    without: str
    level: Level
    level_on_pi: Level | None


class SetupError(Exception):
    """Set-up cannot go on; the text says what a person should do."""


def package_groups(python_package: str) -> tuple[PackageGroup, ...]:
    """Every group of Debian packages, for the Python whose package is `python_package` (empty: not a system Python)."""
    return (
        *_sources_of_a_recording(python_package),
        *_what_a_room_says_and_shows(),
        *_tools_that_judge_recordings(),
        *_peers_and_disks_of_tests(),
    )


def _sources_of_a_recording(python_package: str) -> tuple[PackageGroup, ...]:
    """What camera and microphone are reached through, real or simulated."""
    headers = (f"{python_package}-dev",) if python_package else ()
    return (
        PackageGroup(
            packages=("gcc", "libc6-dev", "libcap-dev", *headers),
            why="picamera2's python-prctl and pidng have no wheels and are compiled here",
            without="picamera2 is left out: only the port-level room can be recorded",
            level=Level.RUN,
            level_on_pi=None,
        ),
        PackageGroup(
            packages=("libportaudio2",),
            why="PortAudio, through which the microphone is read",
            without="no microphone: only the port-level room can be recorded",
            level=Level.RUN,
            level_on_pi=Level.RUN,
        ),
        PackageGroup(
            packages=("pulseaudio", "libasound2-plugins"),
            why="a sound server of its own feeds the simulated room to the real PortAudio",
            without="the simulated room has no sound device: the port-level room is used",
            level=Level.RUN,
            level_on_pi=Level.TEST,
        ),
    )


def _what_a_room_says_and_shows() -> tuple[PackageGroup, ...]:
    """Voices and letters."""
    return (
        PackageGroup(
            packages=("espeak-ng",),
            why="the voices of the simulated room, and the spoken prompts of the loudspeaker",
            without="the simulated room has no voices, and prompts that nobody recorded are tones",
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


def _tools_that_judge_recordings() -> tuple[PackageGroup, ...]:
    """What tests look at a recording with, none of it ours; and a voice to be recorded."""
    return (
        PackageGroup(
            packages=("ffmpeg", "openssl"),
            why="tests decode and check recordings with tools that are not ours",
            without="tests that need ffmpeg or openssl are skipped",
            level=Level.TEST,
            level_on_pi=Level.TEST,
        ),
        PackageGroup(
            packages=("chromium",),
            why="tests play every segment in a browser",
            without="browser tests are skipped",
            level=Level.TEST,
            level_on_pi=Level.TEST,
        ),
        PackageGroup(
            packages=("ceph-mon", "ceph-osd", "radosgw", "ceph-common"),
            why="tests store in, and read back from, a real gateway with versions and Object Lock",
            without="tests with a real object store are skipped",
            level=Level.TEST,
            level_on_pi=Level.TEST,
        ),
        PackageGroup(
            packages=("pocketsphinx-testdata",),
            why="a recorded human voice for tests (never committed)",
            without="tests with a human voice are skipped",
            level=Level.TEST,
            level_on_pi=Level.TEST,
        ),
    )


def _peers_and_disks_of_tests() -> tuple[PackageGroup, ...]:
    """What tests sign with, ask, write to and are started by."""
    return (
        PackageGroup(
            packages=("softhsm2", "strace"),
            why="tests sign with a PKCS#11 token and watch the order of writes and syncs",
            without="tests with a token or a trace are skipped",
            level=Level.TEST,
            level_on_pi=Level.TEST,
        ),
        PackageGroup(
            packages=("nut-server", "nut-client"),
            why="tests ask a real NUT server, and its Megatec driver has to agree with ours about the same UPS",
            without="tests with a NUT server are skipped",
            level=Level.TEST,
            level_on_pi=Level.TEST,
        ),
        PackageGroup(
            packages=("fuse3", "e2fsprogs", "util-linux"),
            why="tests record on a real ext4 over a disk of their own and cut its power at every write",
            without="tests with power cuts and failing disks are skipped",
            level=Level.TEST,
            level_on_pi=Level.TEST,
        ),
        PackageGroup(
            packages=("systemd",),
            why="tests judge the device's units, users and folders with systemd's own tools",
            without="tests of the device's units are skipped",
            level=Level.TEST,
            level_on_pi=Level.TEST,
        ),
    )


def wanted_groups(groups: Iterable[PackageGroup], *, level: Level, is_pi: bool) -> tuple[PackageGroup, ...]:
    """The groups a level needs on this kind of machine."""
    first = {group: group.level_on_pi if is_pi else group.level for group in groups}
    return tuple(group for group, needed_from in first.items() if needed_from is not None and needed_from <= level)


def missing_of(group: PackageGroup, installed: frozenset[str]) -> tuple[str, ...]:
    """The group's packages that are not installed, in their order."""
    return tuple(name for name in group.packages if name not in installed)


def without_packages(lock_text: str, left_out: frozenset[str]) -> str:
    """A hashed requirement file without some packages' blocks (a block is a name line and its indented hashes)."""
    kept: list[str] = []
    keep = True
    for line in lock_text.splitlines(keepends=True):
        if not line.startswith((" ", "#")):
            keep = re.split(r"[=\s\[;@]", line, maxsplit=1)[0].lower() not in left_out
        if keep:
            kept.append(line)
    return "".join(kept)


def digest_of(parts: Iterable[bytes]) -> str:
    """SHA-256 over length-prefixed parts."""
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.hexdigest()


def in_ci() -> bool:
    """Continuous integration accepts no fallback."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def say(text: str) -> None:
    """One line to the person at the terminal."""
    print(f"setup: {text}", flush=True)


def run(command: Sequence[Argument], *, quiet: bool = False) -> None:
    """Runs a command to its end.

    Raises SetupError with the command's own last words when it fails.
    """
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment.pop("VIRTUAL_ENV", None)
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=quiet, text=True)
    if done.returncode != 0:
        words = f"\n{done.stdout}{done.stderr}" if quiet else ""
        raise SetupError(f"failed ({done.returncode}): {' '.join(map(str, command))}{words}")


# --- the machine -----------------------------------------------------------------------------------------------------


def is_raspberry_pi() -> bool:
    """Told by the device tree; a laptop has none. Not yet tried on a Pi."""
    try:
        return "Raspberry Pi" in Path("/proc/device-tree/model").read_text(errors="replace")
    except OSError:
        return False


def system_python_package() -> str:
    """`python3.11` where this Python is Debian's, and empty where it brings its own headers and pip."""
    executable = Path(sys.executable).resolve()
    if executable.parent != Path("/usr/bin"):
        return ""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def has_headers() -> bool:
    """Whether C code can be compiled against this Python."""
    return Path(sysconfig.get_path("include"), "Python.h").is_file()


def installed_packages(names: Iterable[str]) -> frozenset[str]:
    """Which of the Debian packages are installed (unpacked and configured)."""
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}${Package}\n", *sorted(set(names))]
    listing = subprocess.run(query, check=False, capture_output=True, text=True).stdout
    return frozenset(line[3:] for line in listing.splitlines() if line.startswith("ii "))


def apt_prefix() -> list[str] | None:
    """How apt-get is called here: directly by root, through sudo by others, or None where neither is possible."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    return ["sudo"] if sys.stdin.isatty() else ["sudo", "-n"]


def apt_install(prefix: list[str], packages: Sequence[str]) -> bool:
    """Installs packages without ever removing another (a desktop keeps its own sound server). True when it worked."""
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--quiet", "--no-remove"]
    done = subprocess.run(
        [*prefix, *command, "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", *packages],
        check=False,
        stdout=subprocess.DEVNULL,
    )
    return done.returncode == 0


def ensure_system_packages(
    groups: Sequence[PackageGroup], *, given_up: frozenset[str] = frozenset()
) -> tuple[PackageGroup, ...]:
    """Installs what is missing, one line per group, and returns the groups that still lack something.

    Packages in `given_up` could not be installed by an earlier call and are not tried again.
    """
    if shutil.which("dpkg-query") is None:
        wanted = " ".join(name for group in groups for name in group.packages)
        say(f"this is not Debian; please see to these packages yourself (Debian's names): {wanted}")
        return ()
    lacking = {group: missing for group in groups if (missing := missing_of(group, _installed_of(groups)))}
    if all(given_up.issuperset(missing) for missing in lacking.values()):
        return tuple(lacking)
    for group, missing in lacking.items():
        say(f"system packages missing: {' '.join(missing)}  ({group.why})")
    names = sorted({name for missing in lacking.values() for name in missing})
    prefix = apt_prefix()
    if prefix is None:
        say(f"they cannot be installed here (no root and no sudo); who may: apt-get install {' '.join(names)}")
        return tuple(lacking)
    say(f"installing them with apt-get {'as root' if not prefix else 'through sudo, which may ask for your password'}")
    # A third-party source that fails to update must not stop packages that are in reach.
    subprocess.run([*prefix, "apt-get", "update", "--quiet"], check=False, stdout=subprocess.DEVNULL)
    if not apt_install(prefix, names):
        for missing in lacking.values():
            apt_install(prefix, missing)
    installed = _installed_of(groups)
    return tuple(group for group in lacking if missing_of(group, installed))


def _installed_of(groups: Iterable[PackageGroup]) -> frozenset[str]:
    return installed_packages(name for group in groups for name in group.packages)


def report_lacking(lacking: Sequence[PackageGroup]) -> None:
    """Says what will not work; raises SetupError in CI, where nothing may fall back."""
    for group in lacking:
        say(f"without {' '.join(group.packages)}: {group.without}")
    if lacking and in_ci():
        raise SetupError("CI accepts no fallback; the system packages above are missing")


# --- uv --------------------------------------------------------------------------------------------------------------


def uv_version(candidate: str | Path) -> tuple[int, ...]:
    """The version of a uv that runs, and () for one that does not (a version manager's shim may exist and fail)."""
    try:
        done = subprocess.run([candidate, "--version"], check=False, capture_output=True, text=True)
    except OSError:
        return ()
    match = re.match(r"uv (\d+)\.(\d+)", done.stdout)
    return tuple(map(int, match.groups())) if match and done.returncode == 0 else ()


def find_uv() -> Path:
    """A new enough uv from PATH, else the pinned one, installed by pip into `.venv-uv`."""
    on_path = shutil.which("uv")
    if on_path is not None and uv_version(on_path) >= OLDEST_UV:
        return Path(on_path)
    own = ROOT / ".venv-uv"
    uv = own / "bin/uv"
    if uv_version(uv) >= OLDEST_UV:
        return uv
    ensure_venv_module()
    say("no uv on this machine: installing the pinned one into .venv-uv")
    run([sys.executable, "-m", "venv", "--clear", own], quiet=True)
    pip: list[Argument] = [own / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
    run([*pip, "--require-hashes", "-r", "requirements-uv.txt"])
    return uv


def ensure_venv_module() -> None:
    """Debian splits ensurepip from Python; its package is installed when `venv` could not work without it."""
    probe = subprocess.run([sys.executable, "-c", "import ensurepip"], check=False, capture_output=True)
    if probe.returncode == 0:
        return
    group = PackageGroup(
        packages=(f"{system_python_package() or 'python3'}-venv",),
        why="Python's own way to make an environment, to install uv in",
        without="set-up cannot install Python packages; install it, or uv, by hand and call make again",
        level=Level.RUN,
        level_on_pi=Level.RUN,
    )
    if ensure_system_packages([group]):
        raise SetupError(f"without {group.packages[0]}: {group.without}")


# --- environments ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the main environment is to hold."""

    venv: Path
    level: Level
    is_pi: bool
    with_camera: bool

    @property
    def lock(self) -> Path:
        """The lock file the environment is synchronised with."""
        if self.is_pi and self.level is Level.RUN:
            return ROOT / "requirements-pi.txt"
        if self.is_pi:
            return ROOT / "requirements-pi-dev.txt"
        return ROOT / ("requirements-dev.txt" if self.level is Level.TEST else "requirements.txt")

    @property
    def stamp(self) -> Path:
        """Where the digest of a complete environment is kept."""
        return self.venv / f"liuhen-{self.level.name.lower()}"

    def digest(self) -> str:
        """Everything the environment is made from: place, Python, lock files, project files, this script."""
        sources = (self.lock, ROOT / "requirements-build.txt", ROOT / "pyproject.toml", ROOT / "signing/pyproject.toml")
        texts = [source.read_bytes() for source in (*sources, Path(__file__))]
        facts = (ROOT, Path(sys.executable).resolve(), sys.version, self.is_pi, self.with_camera)
        return digest_of([*texts, *(str(fact).encode() for fact in facts)])

    def is_complete(self) -> bool:
        """Whether the environment was made from exactly these sources."""
        return self.stamp.is_file() and self.stamp.read_text() == self.digest()


def same_python(venv: Path) -> bool:
    """Whether the environment already runs this very Python."""
    interpreter = venv / "bin/python"
    return interpreter.exists() and interpreter.resolve() == Path(sys.executable).resolve()


def make_main_environment(uv: Path, plan: Plan) -> None:
    """Brings `plan.venv` to its lock file and installs both distributions editable."""
    for level in Level:
        (plan.venv / f"liuhen-{level.name.lower()}").unlink(missing_ok=True)
    if not same_python(plan.venv):
        shutil.rmtree(plan.venv, ignore_errors=True)
        site = ["--system-site-packages"] if plan.is_pi else []
        run([uv, "venv", "--quiet", "--no-project", *site, "--python", sys.executable, plan.venv])
    python: list[Argument] = ["--quiet", "--python", plan.venv / "bin/python"]
    # Build code is locked like all other code: it is installed first, and nothing is built in isolation.
    run([uv, "pip", "install", *python, "--require-hashes", "-r", "requirements-build.txt"])
    with tempfile.TemporaryDirectory() as folder:
        lock = plan.lock
        if not plan.is_pi and not plan.with_camera:
            lock = Path(folder, "requirements.txt")
            lock.write_text(without_packages(plan.lock.read_text(), NEEDS_COMPILER))
        run([uv, "pip", "sync", *python, "--require-hashes", "--no-build-isolation", lock])
    own = ["--no-deps", "--no-build-isolation", "--editable", "signing", "--editable", "."]
    run([uv, "pip", "install", *python, *own])


def check_pi_modules(venv: Path) -> None:
    """On a Pi the camera stack is the system's: says which of its modules do not load."""
    for module in PI_MODULES:
        probe = subprocess.run([venv / "bin/python", "-c", f"import {module}"], check=False, capture_output=True)
        if probe.returncode != 0:
            say(f"the system's {module} does not load; install it with: sudo apt install python3-{module}")


def mark_complete(plan: Plan) -> None:
    """Writes the stamps of this level and of those it contains."""
    for level in Level:
        if level <= plan.level:
            part = Plan(venv=plan.venv, level=level, is_pi=plan.is_pi, with_camera=plan.with_camera)
            part.stamp.write_text(part.digest())


def make_side_environment(folder: Path, lock: Path, commands: Sequence[Sequence[Argument]]) -> None:
    """Makes a test-only folder beside the main environment, unless its stamp says that it is complete."""
    stamp = folder / "liuhen-complete"
    digest = digest_of([lock.read_bytes(), str(ROOT).encode(), sys.version.encode(), Path(__file__).read_bytes()])
    if stamp.is_file() and stamp.read_text() == digest:
        return
    shutil.rmtree(folder, ignore_errors=True)
    for command in commands:
        run(command)
    stamp.write_text(digest)


def make_test_environments(uv: Path) -> None:
    """The signature oracles, and the folder with real footage."""
    oracles = ROOT / ".venv-oracles"
    lock = ROOT / "requirements-oracles.txt"
    new: list[Argument] = [uv, "venv", "--quiet", "--no-project", "--python", sys.executable, oracles]
    install: list[Argument] = [uv, "pip", "install", "--quiet", "--python", oracles / "bin/python"]
    make_side_environment(oracles, lock, [new, [*install, "--only-binary", ":all:", "--require-hashes", "-r", lock]])
    footage = ROOT / ".venv-footage"
    lock = ROOT / "requirements-footage.txt"
    install = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", footage, "--no-deps"]
    make_side_environment(footage, lock, [[*install, "--only-binary", ":all:", "--require-hashes", "-r", lock]])


def set_up(venv: Path, level: Level) -> None:
    """Does all set-up of a level; quick when nothing is left to do."""
    is_pi = is_raspberry_pi()
    wanted = wanted_groups(package_groups(system_python_package()), level=level, is_pi=is_pi)
    # What an earlier call could not install is not asked for at every call; `make clean` forgets.
    given_up = venv / "liuhen-packages-given-up"
    before = frozenset(given_up.read_text().split()) if given_up.is_file() and not in_ci() else frozenset()
    lacking = ensure_system_packages(wanted, given_up=before)
    report_lacking(lacking)
    ensure_main_environment(venv, level, is_pi=is_pi)
    given_up.write_text(" ".join(name for group in lacking for name in group.packages))
    if level is Level.TEST:
        make_test_environments(find_uv())


def ensure_main_environment(venv: Path, level: Level, *, is_pi: bool) -> None:
    """Makes the main environment unless its stamp says that it is complete; one made for tests stays one."""
    if (venv / f"liuhen-{Level.TEST.name.lower()}").exists():
        level = Level.TEST
    plan = Plan(venv=venv, level=level, is_pi=is_pi, with_camera=not is_pi and can_compile())
    if in_ci() and not is_pi and not plan.with_camera:
        raise SetupError("CI accepts no fallback; gcc, libcap's headers or this Python's headers are missing")
    if plan.is_complete():
        return
    began = time.monotonic()
    say(f"making {venv.name} ({plan.lock.name}, Python {sys.version.split()[0]})")
    make_main_environment(find_uv(), plan)
    if is_pi:
        check_pi_modules(venv)
    mark_complete(plan)
    say(f"{venv.name} is ready after {time.monotonic() - began:.0f} s")


def can_compile() -> bool:
    """Whether picamera2's two compiled parts can be built here."""
    return shutil.which("gcc") is not None and has_headers() and Path("/usr/include/sys/capability.h").is_file()


# --- locks -----------------------------------------------------------------------------------------------------------

PROJECTS = ("pyproject.toml", "signing/pyproject.toml")
# Written in this order: the widest lock first, so that all others agree with it.
LOCKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "requirements-dev.txt",
        (*PROJECTS, "--group=room", "--group=camera", "--group=token", "--group=build", "--group=dev"),
    ),
    ("requirements.txt", (*PROJECTS, "--group=room", "--group=camera", "--group=token", "--group=build")),
    (
        "requirements-pi.txt",
        (*PROJECTS, "--group=token", "--group=build", "--no-emit-package=av", "--no-emit-package=numpy"),
    ),
    (
        "requirements-pi-dev.txt",
        (*PROJECTS, "--group=token", "--group=build", "--group=dev", "--no-emit-package=av", "--no-emit-package=numpy"),
    ),
    ("requirements-build.txt", ("--group=build",)),
    ("requirements-oracles.txt", (".make/oracles.in",)),
    ("requirements-footage.txt", (".make/footage.in",)),
    ("requirements-uv.txt", (".make/uv.in",)),
)
WIDEST = LOCKS[0][0]
APART = frozenset({"requirements-oracles.txt", "requirements-footage.txt", "requirements-uv.txt"})


def lock_all(*, upgrade: bool) -> None:
    """Writes every lock file anew; without `upgrade` versions that still fit stay as they are."""
    uv = find_uv()
    for name, sources in LOCKS:
        options = ["--quiet", "--universal", "--python-version=3.11", "--fork-strategy=fewest", "--generate-hashes"]
        options += ["--no-header", "--no-annotate", "--no-emit-package=liuhen", "--no-emit-package=liuhen-recorder"]
        if name not in APART | {WIDEST}:
            options.append(f"--constraint={WIDEST}")
        elif upgrade:
            options.append("--upgrade")
        if name == "requirements-footage.txt":
            options.append("--no-deps")
        run([uv, "pip", "compile", *options, *sources, "--output-file", name], quiet=True)
        stray = re.findall(r"^.*(?:://|file:|--index|--find-links).*$", (ROOT / name).read_text(), re.MULTILINE)
        if stray:
            raise SetupError(f"{name} names a place packages came from: {stray[0]}")
        say(f"wrote {name}")


def main() -> int:
    """Parses the command line, holds the set-up lock, and turns trouble into one clear line."""
    parser = argparse.ArgumentParser(description="set up this checkout")
    parser.add_argument("action", choices=("run", "test", "unit", "lock", "upgrade"))
    parser.add_argument("--venv", type=Path, default=Path(".venv"))
    arguments = parser.parse_args()
    try:
        with Path(__file__).open("rb") as script:
            fcntl.flock(script, fcntl.LOCK_EX)  # two makes at once wait for each other
            if arguments.action in {"lock", "upgrade"}:
                lock_all(upgrade=arguments.action == "upgrade")
            elif arguments.action == "unit":
                ensure_main_environment(ROOT / arguments.venv, Level.TEST, is_pi=is_raspberry_pi())
            else:
                set_up(ROOT / arguments.venv, Level[arguments.action.upper()])
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
