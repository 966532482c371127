"""What a store says of retention against what was promised: shorter is told, as long or longer is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from liuhen.findings import Code, Findings
from liuhen.keeping import Kept as Keeping
from liuhen.store_archive import kept_key
from liuhen.store_reader import Kept
from liuhen.verify_kept import Promises, check_kept

SESSION, OTHER = bytes(16), bytes(range(16))
CONTENT = bytes(range(32))
PROMISES = Promises(
    until_ms={CONTENT[:8]: 1000}, designated=True, sessions={SESSION: Keeping(ended=True, until_ms=2000)}, now_ms=500
)


def told(said: Kept, promises: Promises = PROMISES, session: bytes = SESSION) -> list[str]:
    findings = Findings()
    check_kept(findings, {kept_key(session, CONTENT): said}, promises)
    assert {found.code for found in findings.kept} <= {Code.STORE_RETENTION_SHORT, Code.STORE_RETENTION_UNTOLD}
    return [found.what_en for found in findings.kept]


@pytest.mark.parametrize(("until_ms", "words"), [(None, 2), (999, 2), (1000, 1), (1999, 1), (2000, 0), (9000, 0)])
def test_receipt_and_term_are_asked_apart_to_the_millisecond(until_ms: int | None, words: int) -> None:
    assert len(told(Kept(until_ms=until_ms))) == words


def test_a_term_binds_the_designated_store_and_its_own_session_alone() -> None:
    said = Kept(until_ms=1500)
    assert len(told(said)) == 1
    assert told(said, replace(PROMISES, designated=False)) == []
    assert told(said, session=OTHER) == []
    assert told(said, session=b"") == []


def test_what_is_to_be_kept_for_good_must_be_kept_now() -> None:
    good = replace(PROMISES, until_ms={}, sessions={SESSION: Keeping(ended=True, permanent=True)})
    assert len(told(Kept(until_ms=499), good)) == 1
    assert told(Kept(until_ms=500), good) == []


def test_what_was_not_told_is_no_short_retention_but_is_said() -> None:
    (words,) = told(Kept(until_ms=None, told=False))
    assert "1 objects" in words
