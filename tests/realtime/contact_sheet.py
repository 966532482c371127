"""One picture of many: what a recording looks like at a glance, kept as an artefact for a person to look at.

Made by the ffmpeg command line; nothing is left but the PNG file.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

COLUMNS, ROWS = 4, 3
THUMBNAIL_COLUMNS = 480


def contact_sheet(segment: Path, target: Path, *, every: int) -> Path:
    """Write every so many-th picture of a segment, from its first, as a sheet of COLUMNS x ROWS."""
    target.parent.mkdir(exist_ok=True)
    chosen = f"select='not(mod(n,{every}))',scale={THUMBNAIL_COLUMNS}:-2,tile={COLUMNS}x{ROWS}"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", str(segment), "-vf", chosen, "-frames:v", "1"]
    subprocess.run([*command, str(target)], check=True, timeout=60)
    return target
