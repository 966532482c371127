"""What a libcamera control is: its type, its identifier and its range.

Owns nothing.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

ControlValue = object


class ControlType(enum.Enum):
    """The type of a control's value."""

    Null = 0
    Bool = 1
    Byte = 2
    Integer32 = 3
    Integer64 = 4
    Float = 5
    String = 6
    Rectangle = 7
    Size = 8
    Point = 9


@dataclass(frozen=True, slots=True)
class ControlId:
    """A control by name; equal names are equal controls, so that it is a dictionary key."""

    name: str
    type: ControlType = ControlType.Integer32


@dataclass(frozen=True, slots=True)
class ControlInfo:
    """Range and default of a control on this camera."""

    min: ControlValue
    max: ControlValue
    default: ControlValue
