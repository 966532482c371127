"""Where the libraries and devices under a source come from, as far as a program can tell from inside.

Pure decisions and their thin readers; owns no thread, reads module attributes, package metadata and /proc/asound.
Evidence names kinds of places, never paths: it is signed and published, and a path can name a person.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

from edge.ports import SourceOrigin

PROJECT = Path(__file__).resolve().parent.parent
SYSTEM_FOLDERS = (Path("/usr/lib"), Path("/usr/local/lib"))
STAND_IN_MARK = "liuhen-sim"
MADE_UP_CAMERAS = re.compile(r"vimc|virtual", re.IGNORECASE)
"""libcamera's own pipelines without a sensor (kernel test driver vimc, pipeline handler "virtual")."""

MADE_UP_CARDS = frozenset({"Loopback", "Dummy"})
"""ALSA drivers that are no sound hardware: snd-aloop, snd-dummy."""

HARDWARE_PCM = re.compile(r"\(hw:(\d+),\d+\)")
SOUND_CARDS = Path("/proc/asound/cards")


def package_version(distribution: str) -> str:
    """The installed version of a distribution, or "unknown" where it carries no metadata."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"


def judge_libcamera(*, binding: Path | None, version: str, camera: str) -> SourceOrigin:
    """Tell libcamera from a stand-in by three signs: compiled binding, system folder, a camera with a sensor.

    `binding` is the file of the module `libcamera._libcamera`: in the real library a compiled extension, which the
    distribution puts below /usr/lib. A source that only looks right to all three is beyond what this can tell.
    """
    doubts = []
    if STAND_IN_MARK in version:
        doubts.append("it calls itself a simulation")
    if binding is None or not binding.name.endswith(tuple(EXTENSION_SUFFIXES)):
        doubts.append("its binding is not a compiled extension")
    if binding is None or not _is_system_file(binding):
        doubts.append("its binding is not in a system folder")
    if MADE_UP_CAMERAS.search(camera):
        doubts.append("its camera has no sensor")
    evidence = "; ".join(doubts) or "compiled binding in a system folder, camera with a sensor"
    return SourceOrigin(component="libcamera", version=version, evidence=evidence, genuine=not doubts)


def _is_system_file(file: Path) -> bool:
    place = file.resolve()
    own = [PROJECT] + ([Path(sys.prefix).resolve()] if sys.prefix != sys.base_prefix else [])
    return any(map(place.is_relative_to, SYSTEM_FOLDERS)) and not any(map(place.is_relative_to, own))


def libcamera_origin(binding: ModuleType | None, version: str, camera: str) -> SourceOrigin:
    """Judge the libcamera that is loaded in this process."""
    file = getattr(binding, "__file__", None)
    return judge_libcamera(binding=Path(file) if file else None, version=version, camera=camera)


def judge_sound_device(*, name: str, host: str, version: str, cards: str) -> SourceOrigin:
    """Tell a sound card from anything in between: genuine only as ALSA "hw:" of a card with hardware behind it.

    `cards` is the text of /proc/asound/cards; PortAudio names hardware "card: device (hw:CARD,DEVICE)".
    """
    found = HARDWARE_PCM.search(name)
    driver = _card_driver(cards, found[1]) if found else None
    if host != "ALSA" or found is None:
        evidence, genuine = f"not a hardware PCM ({host})", False
    elif driver is None or driver in MADE_UP_CARDS:
        evidence, genuine = f"no sound hardware behind it (driver {driver or 'unknown'})", False
    else:
        evidence, genuine = f"ALSA hardware PCM, driver {driver}", True
    return SourceOrigin(component="PortAudio", version=version, evidence=evidence, genuine=genuine)


def _card_driver(cards: str, number: str) -> str | None:
    """The driver in a line such as ` 1 [Device         ]: USB-Audio - USB Audio Device`."""
    found = re.search(rf"^\s*{number} \[[^\]]*\]: (\S+) - ", cards, re.MULTILINE)
    return found[1] if found else None


def sound_device_origin(name: str, host: str, version: str) -> SourceOrigin:
    """Judge the device PortAudio opened."""
    try:
        cards = SOUND_CARDS.read_text(errors="replace")
    except OSError:
        cards = ""  # a kernel without ALSA has no cards, and so no hardware PCM
    return judge_sound_device(name=name, host=host, version=version, cards=cards)
