"""The device world is built from the configuration, and says what is missing when it is opened."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from drivers.camera import PicameraCamera
from drivers.hardware import open_hardware
from drivers.microphone import PortAudioMicrophone
from drivers.system_clock import SystemClock
from edge.config import Config
from edge.ports import Camera, Clock, Microphone

ROOT = Path(__file__).resolve().parents[2]

WITHOUT_LIBCAMERA = """
import sys
sys.modules["libcamera"] = None
from drivers.hardware import open_hardware
from edge.config import Config
from edge.ports import HardwareFault
try:
    open_hardware(Config()).camera.open()
except HardwareFault as fault:
    sys.exit(0 if "not installed" in fault.what and "python3-picamera2" in fault.remedy_zh else str(fault))
sys.exit("opened")
"""


def test_every_port_is_there_and_nothing_is_opened() -> None:
    hardware = open_hardware(Config())
    assert isinstance(hardware.camera, PicameraCamera)
    assert isinstance(hardware.microphone, PortAudioMicrophone)
    assert isinstance(hardware.clock, SystemClock)
    assert hardware.camera.origin() == hardware.microphone.origin() == ()


def test_the_drivers_satisfy_the_ports() -> None:
    hardware = open_hardware(Config())
    ports: tuple[Camera | None, Microphone | None, Clock] = (hardware.camera, hardware.microphone, hardware.clock)
    assert all(ports)


def test_what_is_not_enabled_is_absent() -> None:
    config = Config()
    hardware = open_hardware(
        replace(
            config, camera=replace(config.camera, enabled=False), microphone=replace(config.microphone, enabled=True)
        )
    )
    assert hardware.camera is None
    assert hardware.microphone is not None


def test_a_machine_without_camera_software_is_told_what_to_install() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_LIBCAMERA], check=True, cwd=ROOT, timeout=60)


def test_building_the_drivers_loads_no_device_library() -> None:
    program = (
        "import sys, drivers.hardware as h; from edge.config import Config; h.open_hardware(Config());"
        "sys.exit(', '.join({'picamera2', 'libcamera', 'sounddevice'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, timeout=60)
