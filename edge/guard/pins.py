"""The port to the guard's pins: what its driver offers. Called by the guard's one thread; only HardwareFault leaves."""

from __future__ import annotations

from typing import Protocol

from edge.guard.words import Drive, Levels


class GuardPins(Protocol):
    """The guard's inputs and outputs; opened with the relay off and the loops fed."""

    def read(self) -> Levels:
        """Read all inputs now."""

    def apply(self, drive: Drive) -> None:
        """Drive the outputs, what switches off first."""

    def close(self) -> None:
        """Switch the relay off and let go of all pins; may be called twice, raises nothing."""
