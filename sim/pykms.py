"""An empty stand-in for the display library that picamera2 imports for a screen preview no recorder opens.

Owns nothing; any use beyond naming a pixel format fails.
"""

from __future__ import annotations


class _PixelFormats:
    """Any pixel format is its own name."""

    def __getattr__(self, name: str) -> str:
        return name


PixelFormat = _PixelFormats()
