"""Which software is running: name, version and where it was loaded from, for the run entry."""

from __future__ import annotations

import platform
from importlib import metadata

from liuhen.kinds import Software

DISTRIBUTIONS = ("liuhen-recorder", "liuhen", "cbor2", "cryptography")


def recorder_software() -> Software:
    """[component, version, evidence, genuine] rows; `genuine` is 1 where the package's own metadata was found."""
    rows = [("python", platform.python_version(), platform.python_implementation(), 1)]
    rows += [_row(name) for name in DISTRIBUTIONS]
    rows.append(("kernel", platform.release()[:64], platform.machine()[:64], 1))
    return tuple(rows)


def _row(name: str) -> tuple[str, str, str, int]:
    try:
        return (name, metadata.version(name)[:64], "package metadata", 1)
    except metadata.PackageNotFoundError:
        return (name, "unknown", "no package metadata", 0)
