"""The main job against the wall clock: real capture libraries in, and what the programs of strangers say of it."""
