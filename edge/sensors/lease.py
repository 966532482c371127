"""The leased gas permit: what the sensors tell the guard every 250 ms, and at once when it changes. Pure.

The guard lets a lease live for one second, so whatever stops this process, its loop or its line ends the permit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from edge.sensors.gas import Gas
from edge.sensors.readings import GasReason

EVERY_NS = 250_000_000
HELLO = b'{"v":1,"role":"gas"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The newest lease that was made; `count` grows by one with each."""

    count: int
    permit: bool
    reason: GasReason
    boottime_ns: int

    def packet(self) -> bytes:
        """As it goes to the guard."""
        fields = {
            "v": 1,
            "n": self.count,
            "permit": self.permit,
            "boottime_ns": self.boottime_ns,
            "reason": self.reason,
        }
        return json.dumps(fields, separators=(",", ":")).encode()


def next_lease(newest: Lease | None, gas: Gas, at_ns: int) -> Lease | None:
    """The lease that is due now, or None. `gas` must have been judged at `at_ns`, or a stale permit would be leased."""
    same = newest is not None and (newest.permit, newest.reason) == (gas.permit, gas.reason)
    if same and newest is not None and at_ns - newest.boottime_ns < EVERY_NS:
        return None
    return Lease(
        count=0 if newest is None else newest.count + 1, permit=gas.permit, reason=gas.reason, boottime_ns=at_ns
    )
