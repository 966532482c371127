"""Tests of the recorder; the folders mirror the tree."""
