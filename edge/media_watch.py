"""Whether somebody puts a removable medium in: an event, for what a recorder holds is to leave it by approval alone.

`plugged_in` asks the kernel which block devices are removable or hang on a USB port and have a medium; nothing on a
medium is read, and nothing is mounted (`70-liuhen.rules` makes it read-only besides). `MediaWatcher` is the MEDIA
thread; its owner starts and ends it. What is there when it begins is known and not told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SYS_BLOCK = Path("/sys/block")
EVERY_SECONDS = 1.0
ATTRIBUTE_LIMIT_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumSaid:
    """A medium by its kernel name, put in or taken out again."""

    name: str
    inserted: bool


def plugged_in(folder: Path = SYS_BLOCK) -> frozenset[str]:
    """The kernel's names of the media that can be carried away. What cannot be read is not there any more."""
    try:
        devices = sorted(folder.iterdir())
    except OSError:
        return frozenset()
    return frozenset(device.name for device in devices if _is_portable(device) and _number(device / "size") > 0)


def _is_portable(device: Path) -> bool:
    try:
        place = device.resolve()
    except OSError:
        return False
    return _number(device / "removable") == 1 or any(part.startswith("usb") for part in place.parts)


def _number(path: Path) -> int:
    """An attribute of the kernel's; 0 where there is none."""
    try:
        with path.open("rb") as file:
            return int(file.read(ATTRIBUTE_LIMIT_BYTES))
    except (OSError, ValueError):
        return 0


class MediaWatcher:
    """See the module."""

    def __init__(
        self,
        look: Callable[[], frozenset[str]],
        post: Callable[[MediumSaid], None],
        *,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._look = look
        self._post = post
        self._every_seconds = every_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="MEDIA")

    def start(self) -> None:
        """What is there now is known."""
        self._known = self._look()
        self._thread.start()

    def stop(self) -> None:
        """End the thread: it waits for nothing but time and the kernel's memory."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every_seconds):
            found = self._look()
            for name in sorted(found ^ self._known):
                self._post(MediumSaid(name=name, inserted=name in found))
            self._known = found
