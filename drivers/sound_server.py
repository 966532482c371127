"""Which sources a sound server lets this process record, asked of the server itself.

Through a sound server PortAudio names a device, and the server may put another behind it at any time without a word in
ALSA or PortAudio: then somebody else's silence would be recorded as this room's. On a device only `hw:` is used, which
nobody can move; this is for where a server is in between, which no production key signs for. `pactl` speaks for
pulseaudio and for PipeWire's pulse server. Any thread may call; each call waits at most its limit and raises nothing.
"""

from __future__ import annotations

import json
import os
import subprocess

ASK_SECONDS = 2.0
LONGEST_ANSWER_BYTES = 1_048_576
QUESTION = ("pactl", "--format=json", "list", "source-outputs")


def attached_sources() -> frozenset[int] | None:
    """The server's numbers of the sources this process records from; None where no server says."""
    try:
        answer = subprocess.run(
            QUESTION, capture_output=True, timeout=ASK_SECONDS, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_attached(answer.stdout, os.getpid())


def parse_attached(answer: bytes, process_id: int) -> frozenset[int] | None:
    """Read pactl's list; None where it is none."""
    if len(answer) > LONGEST_ANSWER_BYTES:
        return None
    try:
        streams = json.loads(answer.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(streams, list):
        return None
    return frozenset(found for stream in streams if (found := _source_of(stream, str(process_id))) is not None)


def _source_of(stream: object, process_id: str) -> int | None:
    match stream:
        case {"source": int(source), "properties": {"application.process.id": str(owner)}} if owner == process_id:
            return source
        case _:
            return None
