"""Mounts that go away by themselves: a private mount namespace, loop devices that free themselves, and umount.

Linux only, and only for root. Whatever a process mounts here is gone when the last process of its namespace has ended,
however it ended; a loop device is gone with its mount.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNS = 0x00020000
MS_PRIVATE_ALL = 0x00040000 | 0x00004000  # MS_PRIVATE | MS_REC
MNT_DETACH = 2
LOOP_CTL_GET_FREE = 0x4C82
LOOP_CONFIGURE = 0x4C0A
LO_FLAGS_AUTOCLEAR = 4
LOOP_TRIES = 50
_LOOP_CONFIG = struct.Struct("=II 5Q 4I 160x 8Q 16x")  # linux/loop.h: fd, block size, loop_info64, reserved
_PROGRAMS = ("mkfs.ext4", "e2fsck")


def lacking() -> str | None:
    """What this machine lacks for a disk of one's own, or None."""
    if os.geteuid() != 0:
        return "root, for mounts and loop devices"
    for device in ("/dev/fuse", "/dev/loop-control"):
        if not Path(device).exists():
            return f"{device} (kernel module)"
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            return f"{program} (e2fsprogs)"
    try:
        import mfusepy  # noqa: F401, PLC0415 - it looks for libfuse when it is imported
    except (ImportError, OSError) as error:
        return f"FUSE ({error})"
    return None


def own_namespace() -> None:
    """From here on, what this process and its children mount is theirs alone. Raises OSError."""
    _call("unshare", CLONE_NEWNS)
    _call("mount", b"none", b"/", None, MS_PRIVATE_ALL, None)


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    """An ext4 image as a folder, through a loop device. Raises OSError where it cannot be mounted."""
    mount(image, folder)
    try:
        yield folder
    finally:
        unmount(folder)


def mount(image: Path, folder: Path) -> None:
    """Mount an ext4 image or a served disk; the loop device lives as long as the mount. Raises OSError."""
    device, path = _loop_device(image)
    try:
        _call("mount", path.encode(), os.fsencode(folder), b"ext4", 0, b"")
    finally:
        os.close(device)


def unmount(folder: Path) -> None:
    """Unmount; what is still in use goes when it is let go. Raises OSError."""
    try:
        _call("umount2", os.fsencode(folder), 0)
    except OSError:
        _call("umount2", os.fsencode(folder), MNT_DETACH)


def _loop_device(image: Path) -> tuple[int, str]:
    backing = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(LOOP_TRIES):
            taken = _try_loop_device(backing)
            if taken is not None:
                return taken
    finally:
        os.close(backing)
    raise OSError(f"no loop device is free after {LOOP_TRIES} tries")


def _try_loop_device(backing: int) -> tuple[int, str] | None:
    """Another process may take the free one between the two calls."""
    with Path("/dev/loop-control").open("rb") as control:
        number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
    path = f"/dev/loop{number}"
    device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    config = _LOOP_CONFIG.pack(backing, 0, 0, 0, 0, 0, 0, 0, 0, 0, LO_FLAGS_AUTOCLEAR, 0, 0, 0, 0, 0, 0, 0, 0)
    try:
        fcntl.ioctl(device, LOOP_CONFIGURE, config.ljust(304, b"\0"))
    except OSError:
        os.close(device)
        return None
    return device, path


def _call(name: str, *arguments: bytes | int | None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
