"""Puts the stand-ins in place of libcamera, pykms and the DMA heap, for this process, before picamera2 is imported.

Owns the entries it makes in `sys.modules`. Only the simulator's composition root and its tests call it; nothing is
placed by an import, so a real libcamera is never shadowed by accident.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

STAND_INS = {
    "libcamera": "sim.libcamera",
    "libcamera.controls": "sim.libcamera.controls",
    "libcamera.properties": "sim.libcamera.properties",
    "libcamera._libcamera": "sim.libcamera._libcamera",
    "picamera2.dma_heap": "sim.dma_heap",
}


class WrongOrder(Exception):
    """Something imported the real modules before the stand-ins were placed."""


def install(sensor: Path) -> None:
    """Make picamera2 in this process see the camera behind the sensor's socket; a second call changes the socket.

    Raises WrongOrder when picamera2 or libcamera was imported before the first call.
    """
    stand_ins = {name: importlib.import_module(target) for name, target in STAND_INS.items()}
    if sys.modules.get("libcamera") is not stand_ins["libcamera"]:
        _refuse_if_late()
        sys.modules.update(stand_ins)
        if importlib.util.find_spec("pykms") is None:
            sys.modules["pykms"] = importlib.import_module("sim.pykms")
    stand_ins["libcamera"].CameraManager.plug(sensor)


def _refuse_if_late() -> None:
    for name in ("libcamera", "picamera2"):
        if name in sys.modules:
            raise WrongOrder(f"{name} was imported before the simulated camera was installed")
