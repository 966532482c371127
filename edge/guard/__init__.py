"""The guard: what it decides about interlock loops, latch, relay and lamps, and the process that does it."""
