"""Tests of the sensors process's judgements, packets and loop."""
