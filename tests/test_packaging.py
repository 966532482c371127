"""What is promised about packages, locks and import directions, each with a case that breaks it."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
VERIFIER_MAY_IMPORT = sys.stdlib_module_names | {"cbor2", "cryptography", "liuhen"}
LINE_OF_A_LOCK = re.compile(r"[a-z0-9._-]+==[^ ]+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")


def load_setup() -> ModuleType:
    """`.make/setup.py` as a module (its folder is no package)."""
    spec = importlib.util.spec_from_file_location("liuhen_setup", ROOT / ".make/setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


setup = load_setup()


# --- imports ---------------------------------------------------------------------------------------------------------


def foreign_imports(source: str) -> set[str]:
    """Top-level names a module imports, at any depth of its code, that the verifier may not have."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            names.add(node.module)
    return {name.partition(".")[0] for name in names} - VERIFIER_MAY_IMPORT


def test_the_verifier_imports_the_standard_library_cbor2_and_cryptography_alone() -> None:
    """But for the module behind the extra `liuhen[s3]`, which nothing loads before an s3 URL is read."""
    folder = ROOT / "signing/liuhen"
    sources = sorted(folder.rglob("*.py"))
    assert sources
    foreign = {path.relative_to(folder).as_posix(): foreign_imports(path.read_text()) for path in sources}
    assert {name: found for name, found in foreign.items() if found} == {"store_s3.py": {"botocore", "urllib3"}}
    loaded = (
        "import sys, liuhen.cli; print(sorted({'botocore', 'boto3', 'urllib3', 'liuhen.store_s3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_foreign_import_is_seen_even_inside_a_function() -> None:
    assert foreign_imports("def f():\n    import numpy.linalg\n    from edge import ports\n") == {"numpy", "edge"}


def linted(folder: Path, extra: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """import-linter under our contracts, over empty packages and some extra modules."""
    shutil.copy(ROOT / "pyproject.toml", folder / "pyproject.toml")
    for package in ("edge", "drivers", "sim", "liuhen"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").touch()
    for name, source in extra.items():
        (folder / name).write_text(source)
    lint = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-cache"]
    return subprocess.run(
        lint, cwd=folder, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(folder)}
    )


ROOTS_THAT_WIRE = {
    "drivers/camera.py": "import picamera2\nfrom edge import ports\n",
    "edge/ports.py": "import liuhen\n",
    "edge/__main__.py": "import drivers.camera\n",
    "sim/__main__.py": "import drivers.camera\nimport edge.ports\n",
}


def test_only_the_composition_roots_may_see_the_drivers(tmp_path: Path) -> None:
    done = linted(tmp_path, ROOTS_THAT_WIRE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("edge/writer.py", "import drivers.camera\n"),
        ("edge/writer.py", "import sim\n"),
        ("edge/writer.py", "import numpy\n"),
        ("edge/writer.py", "import av\n"),
        ("drivers/sound.py", "import sim\n"),
        ("sim/room.py", "import drivers.camera\n"),
        ("liuhen/chain.py", "import edge.ports\n"),
        ("liuhen/chain.py", "import numpy\n"),
    ],
)
def test_an_import_against_the_direction_breaks_a_contract(tmp_path: Path, module: str, source: str) -> None:
    done = linted(tmp_path, ROOTS_THAT_WIRE | {module: source})
    assert done.returncode == 1, done.stdout
    assert "BROKEN" in done.stdout


# --- locks -----------------------------------------------------------------------------------------------------------


def strange_lines(lock: str) -> list[str]:
    """Lines that are neither a pinned name nor a hash: options, places, comments."""
    return [line for line in lock.splitlines() if not LINE_OF_A_LOCK.fullmatch(line)]


def pins(lock: str) -> dict[str, str]:
    """Name to version."""
    return dict(re.findall(r"(?m)^([a-z0-9._-]+)==([^ ]+)", lock))


def locks() -> dict[str, str]:
    """Every lock file's text."""
    return {name: (ROOT / name).read_text() for name, _sources in setup.LOCKS}


def test_every_line_of_every_lock_is_a_pin_or_a_hash_and_names_no_place() -> None:
    assert {path.name for path in ROOT.glob("requirements*.txt")} == set(locks())
    assert {name: strange_lines(text) for name, text in locks().items() if strange_lines(text)} == {}


@pytest.mark.parametrize("line", ["--index-url https://example.invalid/simple", "cbor2>=6", "./wheel.whl", "-e ."])
def test_a_lock_line_without_a_pin_is_seen(line: str) -> None:
    assert strange_lines(f"cbor2==6.2.1 \\\n{line}\n") == [line]


def test_locks_that_meet_in_one_environment_agree() -> None:
    widest = pins(locks()[setup.WIDEST])
    together: Iterable[str] = set(locks()) - setup.APART
    differing = {
        (name, package): version
        for name in together
        for package, version in pins(locks()[name]).items()
        if widest.get(package) != version
    }
    assert differing == {}


def test_a_raspberry_pi_takes_its_camera_stack_from_the_system() -> None:
    for name in ("requirements-pi.txt", "requirements-pi-dev.txt"):
        assert {"av", "numpy", "picamera2"}.isdisjoint(pins(locks()[name]))


# --- set-up's decisions ----------------------------------------------------------------------------------------------


def test_leaving_a_package_out_of_a_lock_takes_its_hashes_and_nothing_else() -> None:
    lock = (ROOT / "requirements.txt").read_text()
    kept = setup.without_packages(lock, setup.NEEDS_COMPILER)
    assert pins(lock).keys() - pins(kept).keys() == setup.NEEDS_COMPILER
    assert strange_lines(kept) == []
    assert setup.without_packages(lock, frozenset()) == lock


def test_running_needs_no_test_package_and_a_pi_compiles_nothing() -> None:
    groups = setup.package_groups("python3.11")

    def names(*, level: object, is_pi: bool) -> set[str]:
        wanted = setup.wanted_groups(groups, level=level, is_pi=is_pi)
        return {name for group in wanted for name in group.packages}

    laptop = names(level=setup.Level.RUN, is_pi=False)
    assert {"gcc", "pulseaudio", "libportaudio2"} <= laptop
    assert laptop.isdisjoint({"chromium", "ffmpeg", "strace"})
    assert names(level=setup.Level.RUN, is_pi=True) == {"libportaudio2", "espeak-ng", "fonts-wqy-microhei"}
    assert {"chromium", "pulseaudio"} <= names(level=setup.Level.TEST, is_pi=True)
    assert "gcc" not in names(level=setup.Level.TEST, is_pi=True)


def test_what_cannot_be_installed_is_a_word_to_a_developer_and_the_end_in_ci(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (sound,) = (group for group in setup.package_groups("") if "pulseaudio" in group.packages)
    monkeypatch.setenv("CI", "")
    setup.report_lacking([sound])
    assert "port-level room" in capsys.readouterr().out
    monkeypatch.setenv("CI", "true")
    with pytest.raises(setup.SetupError, match="CI accepts no fallback"):
        setup.report_lacking([sound])
    setup.report_lacking([])


def test_an_environment_is_complete_until_one_of_its_sources_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("pyproject.toml", "signing/pyproject.toml", *locks()):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    venv = tmp_path / ".venv"
    venv.mkdir()
    test = setup.Plan(venv=venv, level=setup.Level.TEST, is_pi=False, with_camera=True)
    run = setup.Plan(venv=venv, level=setup.Level.RUN, is_pi=False, with_camera=True)
    assert not test.is_complete()
    setup.mark_complete(test)
    assert test.is_complete()
    assert run.is_complete()
    assert not setup.Plan(venv=venv, level=setup.Level.TEST, is_pi=False, with_camera=False).is_complete()
    with (tmp_path / "requirements-dev.txt").open("a") as lock:
        lock.write("x==1 \\\n")
    assert (test.is_complete(), run.is_complete()) == (False, True)


def test_a_uv_that_exists_but_does_not_run_is_not_taken(tmp_path: Path) -> None:
    shim = tmp_path / "uv"
    shim.write_text("#!/bin/sh\necho 'uv 99.0.0'; exit 127\n")
    shim.chmod(0o755)
    assert setup.uv_version(shim) == ()
    shim.write_text("#!/bin/sh\necho 'uv 99.1.0 (somewhere)'\n")
    assert setup.uv_version(shim) == (99, 1)
    assert setup.uv_version(tmp_path / "absent") == ()


def test_packages_given_up_are_reported_but_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group = setup.PackageGroup(
        packages=("liuhen-no-such-package",), why="w", without="x", level=setup.Level.RUN, level_on_pi=setup.Level.RUN
    )
    tried = tmp_path / "tried"
    for name, body in (
        ("apt-get", f'echo "$@" >> {tried}; exit 100'),
        ("sudo", 'shift; exec "$@"'),
        ("dpkg-query", ""),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert setup.ensure_system_packages([group]) == (group,)
    assert "install --yes --quiet --no-remove" in tried.read_text()
    assert "liuhen-no-such-package" in capsys.readouterr().out
    tried.unlink()
    assert setup.ensure_system_packages([group], given_up=frozenset(group.packages)) == (group,)
    assert not tried.exists()


def test_a_python_is_run_before_it_is_believed(tmp_path: Path) -> None:
    for name, body in (("python3.13", "exit 127"), ("python3.12", "exit 0"), ("python3", "exit 0")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)

    def found(*wanted: str) -> tuple[int, str]:
        done = subprocess.run(
            [ROOT / ".make/find-python", *wanted],
            env={"PATH": f"{tmp_path}:/bin", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.strip()

    assert found() == (0, "python3.12")
    assert found("3.12") == (0, "python3.12")
    assert found("3.99") == (1, "")
