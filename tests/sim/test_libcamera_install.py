"""Where the stand-in is placed and how it names itself; each in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def says(script: str) -> str:
    command = [sys.executable, "-W", "error", "-c", script]
    answer = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=60)
    return answer.stdout.strip() + answer.stderr.strip()


def test_importing_every_part_of_the_simulator_places_nothing() -> None:
    script = (
        "import sys, sim.install, sim.libcamera, sim.world, sim.backstage;"
        "print(sorted({'libcamera', 'pykms', 'picamera2.dma_heap'} & set(sys.modules)))"
    )
    assert says(script) == "[]"


def test_an_installed_stand_in_says_what_it_is_and_where_it_lies() -> None:
    script = (
        "from pathlib import Path; import sim.install; sim.install.install(Path('/nowhere'));"
        "import libcamera; from libcamera import controls, properties, _libcamera;"
        "print(libcamera.__version__, libcamera.CameraManager.version, Path(libcamera.__file__).parent.parent.name)"
    )
    version, manager_version, folder = says(script).split()
    assert "liuhen-sim" in version
    assert "liuhen-sim" in manager_version
    assert folder == "sim"


def test_a_module_that_is_there_already_is_never_shadowed() -> None:
    script = (
        "import sys, types; sys.modules['libcamera'] = types.ModuleType('libcamera');"
        "import sim.install; from pathlib import Path; sim.install.install(Path('/nowhere'))"
    )
    assert "WrongOrder" in says(script)


def test_a_second_installation_only_changes_the_world() -> None:
    script = (
        "from pathlib import Path; from sim.install import install; install(Path('/a')); install(Path('/b'));"
        "import libcamera; print(libcamera.CameraManager.singleton().cameras)"
    )
    assert says(script) == "[]"
