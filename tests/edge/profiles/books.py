"""The profiles that come with the program, each read once."""

from __future__ import annotations

import functools

from edge import profiles


@functools.cache
def load_named(name: str) -> profiles.Profile:
    """The bundled profile of that name."""
    return profiles.load_named(name)
