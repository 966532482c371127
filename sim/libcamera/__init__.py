"""A stand-in for libcamera's Python binding whose one camera is the simulated room.

It is a package of the simulator and says so: `__version__` and `CameraManager.version` contain "liuhen-sim" and
`__file__` lies in `sim/`. It becomes the module `libcamera` only through `sim.install.install`. It has what picamera2
0.3.36 to 0.3.38 uses, no more; every thread, socket and descriptor in it belongs to a held camera.
"""

from sim.libcamera import _libcamera, controls, properties
from sim.libcamera.camera import Camera
from sim.libcamera.configuration import (
    CameraConfiguration,
    PixelFormat,
    SensorConfiguration,
    Stream,
    StreamConfiguration,
    StreamFormats,
    StreamRole,
)
from sim.libcamera.control_types import ControlId, ControlInfo, ControlType
from sim.libcamera.framebuffer import FrameBuffer, FrameBufferAllocator, FrameMetadata
from sim.libcamera.geometry import ColorSpace, Orientation, Rectangle, Size, Transform
from sim.libcamera.manager import VERSION, CameraManager
from sim.libcamera.request import Request

__version__ = VERSION

__all__ = [
    "Camera",
    "CameraConfiguration",
    "CameraManager",
    "ColorSpace",
    "ControlId",
    "ControlInfo",
    "ControlType",
    "FrameBuffer",
    "FrameBufferAllocator",
    "FrameMetadata",
    "Orientation",
    "PixelFormat",
    "Rectangle",
    "Request",
    "SensorConfiguration",
    "Size",
    "Stream",
    "StreamConfiguration",
    "StreamFormats",
    "StreamRole",
    "Transform",
    "_libcamera",
    "controls",
    "properties",
]
