"""A life that a test cuts off lets nothing go, as a killed process would not: what it left open is closed here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _links_end_with_the_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    made: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def kept(*arguments: Any, **options: Any) -> sqlite3.Connection:
        made.append(connect(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", kept)
    yield
    for link in made:
        link.close()
