"""A stand-in for `picamera2.dma_heap`: frame memory from memfd where there is no DMA heap.

Owns nothing; descriptors belong to the caller, as with the real one. A memfd has no caches to synchronise, so the
number of the synchronising ioctl is that of FIOCLEX here: harmless, accepted on any descriptor, and these descriptors
are close-on-exec already.
"""

from __future__ import annotations

import ctypes

from sim.libcamera.framebuffer import shared_memory

DMA_BUF_SYNC_READ = 1 << 0
DMA_BUF_SYNC_WRITE = 1 << 1
DMA_BUF_SYNC_RW = DMA_BUF_SYNC_READ | DMA_BUF_SYNC_WRITE
DMA_BUF_SYNC_START = 0 << 2
DMA_BUF_SYNC_END = 1 << 2
FIOCLEX = 0x5451
DMA_BUF_IOCTL_SYNC = FIOCLEX


class dma_buf_sync(ctypes.Structure):  # noqa: N801 - picamera2's own name
    """The argument of the synchronising ioctl."""

    _fields_ = (("flags", ctypes.c_uint64),)


class UniqueFD:
    """A descriptor with one owner."""

    def __init__(self, fd: int = -1) -> None:
        """Hold a descriptor."""
        self._fd = fd

    def get(self) -> int:
        """Return the descriptor."""
        return self._fd

    def isValid(self) -> bool:  # noqa: N802 - picamera2's own name
        """Return whether there is one."""
        return self._fd >= 0


class DmaHeap:
    """Makes frame memory."""

    def alloc(self, name: str, size: int) -> UniqueFD:
        """Return new memory of this many bytes."""
        return UniqueFD(shared_memory(name, size))

    def close(self) -> None:
        """Give back nothing: no device is open."""
