"""A source counts as genuine only when every sign says so."""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from drivers import origin
from drivers.origin import judge_libcamera, judge_sound_device, libcamera_origin, package_version

SYSTEM = Path("/usr/lib/python3/dist-packages/libcamera")
COMPILED = "_libcamera" + EXTENSION_SUFFIXES[0]
SENSOR = "imx219 /base/soc/i2c0mux/i2c@1/imx219@10"
CARDS = """\
 0 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones
                      bcm2835 Headphones
 1 [Device         ]: USB-Audio - USB PnP Sound Device
                      C-Media USB PnP Sound Device at usb-0000:01:00.0-1.3, full speed
 2 [Loopback       ]: Loopback - Loopback
                      Loopback 1
"""


def test_the_distributions_libcamera_with_a_sensor_is_genuine() -> None:
    assert judge_libcamera(binding=SYSTEM / COMPILED, version="v0.5.2", camera=SENSOR).genuine


@pytest.mark.parametrize(
    ("binding", "version", "camera", "doubt"),
    [
        (SYSTEM / COMPILED, "v0.0.0+liuhen-sim", SENSOR, "simulation"),
        (SYSTEM / "_libcamera.py", "v0.5.2", SENSOR, "compiled"),
        (None, "v0.5.2", SENSOR, "compiled"),
        (Path("/home/somebody/lib") / COMPILED, "v0.5.2", SENSOR, "system folder"),
        (origin.PROJECT / "sim" / COMPILED, "v0.5.2", SENSOR, "system folder"),
        (SYSTEM / COMPILED, "v0.5.2", "Sensor B platform/vimc.0 Sensor B", "no sensor"),
        (SYSTEM / COMPILED, "v0.5.2", "Virtual0", "no sensor"),
    ],
)
def test_one_wrong_sign_is_enough(binding: Path | None, version: str, camera: str, doubt: str) -> None:
    judged = judge_libcamera(binding=binding, version=version, camera=camera)
    assert not judged.genuine
    assert doubt in judged.evidence


def test_evidence_names_no_folder() -> None:
    judged = judge_libcamera(binding=Path("/home/somebody/lib") / COMPILED, version="v0.5.2", camera=SENSOR)
    assert "somebody" not in judged.evidence
    assert "/" not in judged.evidence


def test_a_module_without_a_file_is_no_libcamera() -> None:
    assert not libcamera_origin(None, "v0.5.2", SENSOR).genuine


@pytest.mark.parametrize(
    ("name", "host", "genuine"),
    [
        ("USB PnP Sound Device: Audio (hw:1,0)", "ALSA", True),
        ("USB PnP Sound Device: Audio (hw:1,0)", "JACK Audio Connection Kit", False),
        ("Loopback: PCM (hw:2,1)", "ALSA", False),
        ("Gone: PCM (hw:7,0)", "ALSA", False),
        ("simmic", "ALSA", False),
        ("default", "ALSA", False),
    ],
)
def test_only_a_sound_card_without_a_server_in_between_is_genuine(name: str, host: str, genuine: bool) -> None:
    assert judge_sound_device(name=name, host=host, version="19.6", cards=CARDS).genuine is genuine


def test_a_distribution_that_is_not_there_has_no_version() -> None:
    assert package_version("no-such-distribution-here") == "unknown"
    assert package_version("numpy") != "unknown"
