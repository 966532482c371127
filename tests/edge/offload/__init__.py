"""Tests of the offload process."""
