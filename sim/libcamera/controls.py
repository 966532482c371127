"""The controls picamera2 names; a camera advertises those it has in `Camera.controls`.

Owns nothing.
"""

from __future__ import annotations

import enum

from sim.libcamera.control_types import ControlId, ControlType

SensorTimestamp = ControlId("SensorTimestamp", ControlType.Integer64)
FrameDuration = ControlId("FrameDuration", ControlType.Integer64)
FrameDurationLimits = ControlId("FrameDurationLimits", ControlType.Integer64)
ExposureTime = ControlId("ExposureTime", ControlType.Integer32)
ExposureTimeMode = ControlId("ExposureTimeMode", ControlType.Integer32)
AnalogueGain = ControlId("AnalogueGain", ControlType.Float)
AnalogueGainMode = ControlId("AnalogueGainMode", ControlType.Integer32)


class draft:  # noqa: N801 - libcamera's own name
    """Controls libcamera has not settled yet."""

    class NoiseReductionModeEnum(enum.IntEnum):
        """How much noise reduction; the simulated sensor has no noise to reduce and ignores it."""

        Off = 0
        Fast = 1
        HighQuality = 2
        Minimal = 3
        ZSL = 4

    NoiseReductionMode = ControlId("NoiseReductionMode", ControlType.Integer32)
