"""Calls that never come back: a test holds one function of a library or of its stand-in, and whoever calls it waits.

Owns what it replaced, from entering a `with` to leaving it; those who wait then go on with the real call. For the
process it is used in; nothing here is ever part of a recorder.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LONGEST_SECONDS = 60.0
"""So that a test that forgot to let go ends all the same."""


@contextmanager
def held(owner: type | LibraryProxy, name: str) -> Iterator[threading.Event]:
    """Hold one function or property of `owner`; the event is set when the first caller waits."""
    real, entered, let_go = _taken(owner, name), threading.Event(), threading.Event()

    def waiting(call: Callable[..., Any]) -> Callable[..., Any]:
        def wait(*arguments: Any, **named: Any) -> Any:
            entered.set()
            let_go.wait(LONGEST_SECONDS)
            return call(*arguments, **named)

        return wait

    substitute = property(waiting(real.__get__)) if isinstance(real, property) else waiting(real)
    setattr(owner, name, substitute)
    try:
        yield entered
    finally:
        setattr(owner, name, real)
        let_go.set()


def _taken(owner: type | LibraryProxy, name: str) -> Any:
    """The function as it stands in a class, unbound; that of a library as it is."""
    return vars(owner)[name] if isinstance(owner, type) else getattr(owner, name)


class LibraryProxy:
    """Stands before a loaded C library, whose functions cannot be replaced, and passes everything on."""

    def __init__(self, library: Any) -> None:
        """Pass on to this library."""
        self._library = library

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)
