"""At a real store a witness's statement reaches the device by the device's own credential."""

from __future__ import annotations

import hashlib
import secrets
from io import BytesIO

import pytest

from edge.offload.sender import Failed, Statement
from edge.offload.witness import read_witness
from liuhen.kinds import Witness
from liuhen.store_names import WitnessName, key_of
from liuhen.store_statements import sign_witness
from tests.ceph.store import LOG_ID, CephStore
from tests.signing.archives import signer

pytestmark = pytest.mark.realtime


def test_a_device_reads_by_its_own_credential_what_a_witness_left_and_passes_over_what_it_knows(
    ceph: CephStore,
) -> None:
    log_id = bytes.fromhex(LOG_ID)
    said = Witness(version=1, log_id=log_id, store=bytes(32), size=1, root=secrets.token_bytes(32), utc_ms=1, media=())
    encoded = sign_witness(signer("witness"), said)
    digest = hashlib.sha256(encoded).digest()
    key = key_of(WitnessName(log_id=log_id, size=1, digest=digest))
    md5 = hashlib.md5(encoded, usedforsecurity=False).digest()
    witness, device = ceph.open("witness"), ceph.open("device")
    witness.put(key, BytesIO(encoded), size=len(encoded), md5=md5, sha256=digest)
    name = key.rpartition("/")[2]
    found = read_witness(device, log_id, frozenset)
    again = read_witness(device, log_id, lambda: frozenset({name}))
    for store in (witness, device):
        store.close()
    assert not isinstance(found, Failed)
    assert not isinstance(again, Failed)
    assert Statement(name=name, encoded=encoded) in found.statements
    assert name not in {one.name for one in again.statements}
