"""The tree against RFC 6962, 2.1 written down naively, and every proof up to 33 entries with its negative controls."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liuhen import merkle
from liuhen.errors import FormatError
from liuhen.merkle import Peaks

LARGEST = 33
LEAVES = [merkle.leaf_hash(bytes([index])) for index in range(LARGEST)]


def naive_root(entries: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, as its text says."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(entries[:k]) + naive_root(entries[k:])).digest()


ROOTS = [naive_root([bytes([index]) for index in range(size)]) for size in range(LARGEST + 1)]


def test_the_growing_tree_has_the_root_of_the_definition_at_every_size() -> None:
    tree = Peaks()
    assert tree.root() == ROOTS[0]
    for size, leaf in enumerate(LEAVES, start=1):
        tree.append(leaf)
        assert (tree.size, tree.root(), merkle.root_of(LEAVES[:size])) == (size, ROOTS[size], ROOTS[size])


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_the_root_of_any_entries_is_the_one_of_the_definition(entries: list[bytes]) -> None:
    assert merkle.root_of([merkle.leaf_hash(entry) for entry in entries]) == naive_root(entries)


@pytest.mark.parametrize("size", range(LARGEST))
def test_a_tree_continued_from_its_peaks_is_the_same_tree(size: int) -> None:
    before = Peaks()
    for leaf in LEAVES[:size]:
        before.append(leaf)
    after = Peaks(before.size, before.peaks())
    assert len(after.peaks()) == size.bit_count()
    for leaf in LEAVES[size:]:
        after.append(leaf)
    assert after.root() == ROOTS[LARGEST]


@pytest.mark.parametrize("size", range(0, LARGEST, 4))
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 31, 64, 100])
def test_the_same_leaf_many_times_is_the_same_tree_as_one_by_one(size: int, count: int) -> None:
    slow, fast = Peaks(), Peaks()
    for leaf in LEAVES[:size]:
        slow.append(leaf)
        fast.append(leaf)
    for _ in range(count):
        slow.append(LEAVES[0])
    fast.append_same(LEAVES[0], count)
    slow.append(LEAVES[1])
    fast.append(LEAVES[1])
    assert (fast.size, fast.peaks()) == (slow.size, slow.peaks())


def test_a_count_that_a_file_claims_costs_steps_by_its_logarithm_only() -> None:
    tree = Peaks()
    tree.append(LEAVES[0])
    tree.append_same(LEAVES[1], 2**63 - 2)
    assert tree.size == 2**63 - 1
    assert len(tree.peaks()) == 63


def test_peaks_that_cannot_be_a_tree_of_that_size_are_refused() -> None:
    with pytest.raises(FormatError, match="1 peaks cannot be a tree of size 3"):
        Peaks(3, [LEAVES[0]])


@pytest.mark.parametrize("size", range(1, LARGEST + 1))
def test_every_inclusion_proof_holds_for_its_leaf_and_place_only(size: int) -> None:
    for index in range(size):
        proof = merkle.inclusion_proof(LEAVES[:size], index)
        _include(index, size, proof)
        with pytest.raises(FormatError):
            _include(index, size, proof, leaf=merkle.leaf_hash(b"other"))
        with pytest.raises(FormatError):
            _include(index, size, (*proof, LEAVES[0]))
        for changed in _changes(proof):
            with pytest.raises(FormatError):
                _include(index, size, changed)
        for other in set(range(size)) - {index}:
            with pytest.raises(FormatError):
                _include(other, size, proof, leaf=LEAVES[index])


def _include(index: int, size: int, proof: Sequence[bytes], *, leaf: bytes | None = None) -> None:
    leaf = LEAVES[index] if leaf is None else leaf
    merkle.verify_inclusion(leaf=leaf, index=index, size=size, proof=proof, root=ROOTS[size])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 3)])
def test_an_index_outside_the_tree_is_refused(index: int, size: int) -> None:
    with pytest.raises(FormatError, match="index outside the tree"):
        merkle.verify_inclusion(leaf=LEAVES[0], index=index, size=size, proof=(), root=ROOTS[size])


@pytest.mark.parametrize("size", range(1, LARGEST + 1))
def test_every_consistency_proof_holds_for_its_two_sizes_only(size: int) -> None:
    for old in range(1, size + 1):
        proof = merkle.consistency_proof(LEAVES[:size], old)
        _consist(old, size, proof)
        with pytest.raises(FormatError):
            _consist(old, size, (*proof, LEAVES[0]))
        with pytest.raises(FormatError):
            _consist(old, size, proof, old_root=LEAVES[1])
        for changed in _changes(proof):
            with pytest.raises(FormatError):
                _consist(old, size, changed)
        for other in set(range(1, size + 1)) - {old}:
            with pytest.raises(FormatError):
                _consist(other, size, proof, old_root=ROOTS[old])


def _consist(old: int, size: int, proof: Sequence[bytes], *, old_root: bytes | None = None) -> None:
    old_root = ROOTS[old] if old_root is None else old_root
    merkle.verify_consistency(old_size=old, old_root=old_root, size=size, root=ROOTS[size], proof=proof)


def _changes(proof: Sequence[bytes]) -> list[Sequence[bytes]]:
    """The proof without its last node, and with each node changed."""
    if not proof:
        return []
    flipped = [(*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]) for at in range(len(proof))]
    return [proof[:-1], *flipped]


@pytest.mark.parametrize(("old", "size"), [(0, 3), (4, 3)])
def test_sizes_out_of_order_are_refused(old: int, size: int) -> None:
    with pytest.raises(FormatError, match="sizes out of order"):
        merkle.verify_consistency(old_size=old, old_root=ROOTS[old], size=size, root=ROOTS[size], proof=())


def test_an_empty_proof_between_different_sizes_is_refused() -> None:
    with pytest.raises(FormatError, match="empty"):
        merkle.verify_consistency(old_size=3, old_root=ROOTS[3], size=4, root=ROOTS[4], proof=())


def test_a_leaf_cannot_pass_for_a_node() -> None:
    joined = LEAVES[0] + LEAVES[1]
    assert merkle.leaf_hash(joined) != merkle.node_hash(LEAVES[0], LEAVES[1])
