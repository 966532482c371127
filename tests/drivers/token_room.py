"""SoftHSM tokens for tests: each with its own label, all with one PIN; they can be pulled out and put back.

A PKCS#11 module is initialised once in a process and sees the tokens of that moment: all that a test run may need are
made before the first is used, in one folder that goes with the process.
"""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edge.config import Token
from tests.required import unavailable

MODULES = (Path("/usr/lib/softhsm/libsofthsm2.so"), Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"))
PIN = "314159"
TOKENS = 12


@dataclass(slots=True, kw_only=True)
class TokenFolder:
    """Where SoftHSM keeps the tokens of this process; `fresh` are those nobody has used."""

    path: Path
    module: Path
    fresh: list[str] = field(default_factory=list)

    def token(self) -> Token:
        """The settings of an empty token."""
        label = self.fresh.pop()
        pin = self.path / f"{label}.pin"
        pin.touch(mode=0o600)
        pin.write_text(f"{PIN}\n", encoding="utf-8")
        return Token(module=self.module, label=label, pin_file=pin)

    @contextmanager
    def pulled_out(self) -> Iterator[None]:
        """Every token is gone, as if its plug had been pulled."""
        there, gone = self.path / "tokens", self.path / "gone"
        there.rename(gone)
        try:
            yield
        finally:
            gone.rename(there)


def tokens() -> TokenFolder:
    """The tokens of this process; skips, or fails in CI, where SoftHSM or its Python package is missing."""
    try:
        import pkcs11  # noqa: F401, PLC0415
    except ImportError:
        unavailable("the Python package python-pkcs11")
    module = next((module for module in MODULES if module.exists()), None)
    if module is None:
        unavailable("SoftHSM (Debian package softhsm2)")
    return _made(module)


@functools.cache
def _made(module: Path) -> TokenFolder:
    path = Path(_folder().name)
    (path / "tokens").mkdir()
    settings = path / "softhsm2.conf"
    settings.write_text(
        f"directories.tokendir = {path}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n", encoding="utf-8"
    )
    os.environ["SOFTHSM2_CONF"] = str(settings)
    made = TokenFolder(path=path, module=module, fresh=[f"room {number}" for number in range(TOKENS)])
    for label in made.fresh:
        words = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "271828"]
        subprocess.run(words, check=True, capture_output=True, timeout=60)
    return made


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="liuhen-tokens-", ignore_cleanup_errors=True)
