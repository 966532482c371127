"""Who vouches for a key: k of n roots of a trust file given from outside (FORMAT.md 9.2; step A3). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from liuhen import cose
from liuhen.endorsement import Trust, parse_endorsement
from liuhen.errors import FormatError
from liuhen.registry import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a trust file's roots say of one key of one log. `kids` are the fingerprints of the roots in `by`."""

    by: tuple[str, ...]
    threshold: int
    purpose: Purpose | None
    not_before_ms: int | None
    refused: tuple[str, ...]
    kids: tuple[bytes, ...] = ()

    @property
    def endorsed(self) -> bool:
        """Whether enough different roots vouch."""
        return len(self.by) >= self.threshold


def judge(endorsements: Sequence[bytes], *, log_id: bytes, public_key: bytes, trust: Trust) -> Standing:
    """Count the different roots of `trust` that validly endorse this key for this log."""
    labels = {cose.key_id(root): (root, label) for root, label in trust.roots}
    vouching: dict[bytes, tuple[str, Purpose, int]] = {}
    refused: list[str] = []
    for number, encoded in enumerate(endorsements):
        try:
            envelope, said = parse_endorsement(encoded, where=f"endorsement {number}")
            if envelope.kid not in labels:
                continue
            root, label = labels[envelope.kid]
            cose.verify(envelope, root, where=f"endorsement {number}")
        except FormatError as error:
            refused.append(str(error))
            continue
        if (said.log_id, said.public_key) != (log_id, public_key):
            refused.append(f"endorsement {number}: of another log or key")
            continue
        before = vouching.get(envelope.kid, (label, Purpose(said.purpose), said.not_before_ms))
        purpose = max(before[1], Purpose(said.purpose))
        vouching[envelope.kid] = (label, purpose, min(before[2], said.not_before_ms))
    return replace(_standing(list(vouching.values()), trust.threshold, tuple(refused)), kids=tuple(vouching))


def _standing(vouching: list[tuple[str, Purpose, int]], threshold: int, refused: tuple[str, ...]) -> Standing:
    production = sum(purpose is Purpose.PRODUCTION for _, purpose, _ in vouching)
    purpose = Purpose.PRODUCTION if production >= threshold else Purpose.DEMO
    starts = sorted(start for _, _, start in vouching)
    return Standing(
        by=tuple(label for label, _, _ in vouching),
        threshold=threshold,
        purpose=purpose if vouching else None,
        not_before_ms=starts[threshold - 1] if len(starts) >= threshold else None,
        refused=refused,
    )


def claimed_demo(endorsements: Sequence[bytes], *, log_id: bytes, public_key: bytes) -> bool:
    """Whether the fitting endorsements, unverified, speak of a demo: asked where no trust file was given."""
    claims = set()
    for encoded in endorsements:
        try:
            _, said = parse_endorsement(encoded, where="endorsement")
        except FormatError:
            continue
        if (said.log_id, said.public_key) == (log_id, public_key):
            claims.add(said.purpose)
    return claims == {Purpose.DEMO}
