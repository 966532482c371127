"""What the tests of the verifier ask again and again: verify a path, and the codes and verdicts that came out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from liuhen import archive
from liuhen.findings import Code, Finding, Severity, Verdict
from liuhen.keys import Trust
from liuhen.report import Report
from liuhen.verify import Request, verify
from tests.signing.archives import UTC_START_MS, signer, trust_of

NOW_MS = UTC_START_MS + 3 * 86_400_000
TRUST = trust_of((signer("root 0"),))


def check(path: Path, trust: Trust | None = TRUST, **options: Any) -> Report:
    """Verify against the usual root, three days after the trust file was made."""
    target = archive.locate(path)
    assert target is not None
    return verify(Request(target=target, trust=trust, now_ms=NOW_MS, **options))


def codes(report: Report, severity: Severity = Severity.BROKEN) -> set[Code]:
    """The codes of one severity."""
    return {finding.code for finding in report.findings if finding.severity is severity}


def only(report: Report, code: Code) -> Finding:
    """The one finding of a code."""
    found = [finding for finding in report.findings if finding.code is code]
    assert len(found) == 1, [(finding.code, finding.what_en) for finding in report.findings]
    return found[0]


def verdicts(report: Report) -> dict[Verdict, int]:
    """The fragments counted, without zeros."""
    return {verdict: count for verdict, count in report.verdicts.items() if count}


def assert_untouched(report: Report) -> None:
    """The negative control: intact, vouched, and nothing found."""
    assert report.findings == ()
    assert report.intact
    assert report.vouched is not None
