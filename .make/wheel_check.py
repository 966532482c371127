"""Checks that what a court installs stands alone: the `liuhen` wheel, with its two dependencies and nothing else.

Builds both wheels twice and compares the bytes, looks into them, then installs the verifier's wheel at the locked
versions into a fresh environment away from this tree and loads every module of it. Writes in a temporary folder only.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN_TIME = frozenset({"cbor2", "cffi", "cryptography", "pycparser", "typing-extensions"})
LOAD_ALL = """
import importlib, pkgutil, sys, liuhen
for module in pkgutil.walk_packages(liuhen.__path__, "liuhen."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
foreign = {"av", "edge", "drivers", "sim", "gpiozero", "numpy", "picamera2", "serial", "sounddevice"} & set(sys.modules)
sys.exit(f"the verifier loaded {sorted(foreign)}" if foreign else 0)
"""


def run(command: list[str], where: Path) -> None:
    """Runs a command away from the tree's own packages; leaves with its words when it fails."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(where), "SOURCE_DATE_EPOCH": "1700000000"}
    kept = ("PIP_", "UV_", "SSL_", "REQUESTS_", "HTTP", "http", "NO_PROXY", "no_proxy", "XDG_")
    environment |= {name: value for name, value in os.environ.items() if name.startswith(kept)}
    done = subprocess.run(command, cwd=where, env=environment, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"wheel check: {' '.join(command)}\n{done.stdout}{done.stderr}")


def build(project: Path, into: Path) -> Path:
    """Builds one wheel with the locked hatchling of this environment."""
    run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(into)], project)
    (wheel,) = into.glob("*.whl")
    return wheel


def built_twice(project: Path, folder: Path) -> Path:
    """The wheel of a project, after seeing that a second build gives the same bytes."""
    first, second = (build(project, folder / name) for name in ("first", "second"))
    if first.read_bytes() != second.read_bytes():
        sys.exit(f"wheel check: two builds of {first.name} differ")
    return first


def top_level_names(wheel: Path) -> set[str]:
    """The packages a wheel would put on the import path."""
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name).parts[0] for name in archive.namelist()}
    return {name for name in names if not name.endswith(".dist-info")}


def locked_requirements() -> str:
    """The verifier's run-time packages with their hashes, out of requirements.txt."""
    blocks = re.split(r"(?m)^(?=\S)", (ROOT / "requirements.txt").read_text())
    return "".join(block for block in blocks if re.split(r"[=\s]", block, maxsplit=1)[0] in RUN_TIME)


def installed_alone(wheel: Path, folder: Path) -> Path:
    """A fresh environment that holds the wheel and its locked dependencies; returns its bin directory."""
    uv = next((path for path in (ROOT / ".venv-uv/bin/uv", shutil.which("uv")) if path and Path(path).exists()), None)
    lock = folder / "requirements.txt"
    lock.write_text(locked_requirements())
    home = folder / "alone"
    venv.create(home, with_pip=uv is None)
    pip = [str(uv), "pip", "install", "--quiet", "--python", str(home / "bin/python")]
    if uv is None:
        pip = [str(home / "bin/python"), "-m", "pip", "install", "--quiet"]
    run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(lock)], folder)
    run([*pip, "--no-deps", str(wheel)], folder)
    return home / "bin"


def main() -> None:
    """Both wheels, their contents, and the verifier alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recorder = built_twice(ROOT, folder / "recorder")
        verifier = built_twice(ROOT / "signing", folder / "verifier")
        for wheel, expected in ((recorder, {"edge", "drivers", "sim"}), (verifier, {"liuhen"})):
            if top_level_names(wheel) != expected:
                sys.exit(f"wheel check: {wheel.name} holds {sorted(top_level_names(wheel))}, not {sorted(expected)}")
        commands = installed_alone(verifier, folder)
        run([str(commands / "python"), "-I", "-c", LOAD_ALL], folder)
        run([str(commands / "liuhen-verify"), "--help"], folder)
    print(f"wheel check: {recorder.name} and {verifier.name} build reproducibly; the verifier stands alone")


if __name__ == "__main__":
    main()
