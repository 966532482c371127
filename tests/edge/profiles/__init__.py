"""Tests of the rule books as data."""
