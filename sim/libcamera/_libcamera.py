"""The name under which picamera2 finds the binding's classes to compare types with.

Owns nothing.
"""

from sim.libcamera.geometry import ColorSpace, Transform

__all__ = ["ColorSpace", "Transform"]
