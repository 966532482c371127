"""Liuhen 留痕 evidence format: sign and verify what a recorder says about picture, sound and their absence.

A court installs only this package. It needs `cbor2` and `cryptography`, opens no network connection and knows no
hardware. `signing/FORMAT.md` is the normative text; the section numbers in docstrings are its sections.
"""

__version__ = "0.1.0"
