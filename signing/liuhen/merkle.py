"""RFC 6962 Merkle tree over the journal: roots, inclusion and consistency proofs (FORMAT.md 7).

Leaves are H(0x00 ‖ entry bytes), nodes H(0x01 ‖ left ‖ right). `Peaks` is the append-only state a recorder keeps: the
roots of the perfect subtrees, left to right, at most 64 hashes whatever the size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from liuhen.errors import FormatError


def leaf_hash(entry: bytes) -> bytes:
    """Hash of one leaf (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Peaks:
    """The growing tree, reduced to its perfect subtree roots. Not safe to share between threads."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count():
            raise FormatError("tree", f"{len(peaks)} peaks cannot be a tree of size {size}")
        self.size = size
        self._peaks = list(peaks)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        carry, position = leaf, self.size
        while position & 1:
            carry = node_hash(self._peaks.pop(), carry)
            position >>= 1
        self._peaks.append(carry)
        self.size += 1

    def append_same(self, leaf: bytes, count: int) -> None:
        """Add one leaf hash `count` times, in a number of steps that follows the logarithm: counts come from files."""
        subtrees = [leaf]
        while count > 0:
            height = min(count.bit_length() - 1, (self.size & -self.size).bit_length() - 1 if self.size else 63)
            while len(subtrees) <= height:
                subtrees.append(node_hash(subtrees[-1], subtrees[-1]))
            carry, position = subtrees[height], self.size >> height
            while position & 1:
                carry = node_hash(self._peaks.pop(), carry)
                position >>= 1
            self._peaks.append(carry)
            self.size += 1 << height
            count -= 1 << height

    def peaks(self) -> tuple[bytes, ...]:
        """The roots of the perfect subtrees, largest first."""
        return tuple(self._peaks)

    def root(self) -> bytes:
        """The RFC 6962 root; for size 0 it is H()."""
        if not self._peaks:
            return hashlib.sha256(b"").digest()
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Root of a whole list of leaf hashes."""
    tree = Peaks()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Audit path of leaf `index` in the tree of all `leaves` (RFC 6962, 2.1.1)."""
    if len(leaves) <= 1:
        return ()
    split = _split(len(leaves))
    if index < split:
        return (*inclusion_proof(leaves[:split], index), root_of(leaves[split:]))
    return (*inclusion_proof(leaves[split:], index - split), root_of(leaves[:split]))


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check an audit path (RFC 9162, 2.1.3.2). Raises FormatError."""
    if not 0 <= index < size:
        raise FormatError("inclusion proof", "index outside the tree")
    node, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise FormatError("inclusion proof", "too long")
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or computed != root:
        raise FormatError("inclusion proof", "does not lead to the root")


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """Proof that the first `old_size` leaves are a prefix of `leaves` (RFC 6962, 2.1.2); needs 0 < old_size."""
    return _subproof(leaves, old_size, whole=True)


def verify_consistency(*, old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """Check a consistency proof (RFC 9162, 2.1.4.2). Raises FormatError."""
    if not 0 < old_size <= size:
        raise FormatError("consistency proof", "sizes out of order")
    if old_size == size:
        if proof or old_root != root:
            raise FormatError("consistency proof", "equal sizes with different roots")
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise FormatError("consistency proof", "empty")
    if _walk_consistency(old_size, size, path) != (old_root, root):
        raise FormatError("consistency proof", "does not lead to both roots")


def _walk_consistency(old_size: int, size: int, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Both roots a consistency path leads to, or None if it has the wrong length."""
    node, last = old_size - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_computed = computed = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            old_computed, computed = node_hash(sibling, old_computed), node_hash(sibling, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    return (old_computed, computed) if last == 0 else None


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _subproof(leaves: Sequence[bytes], old_size: int, *, whole: bool) -> tuple[bytes, ...]:
    if old_size == len(leaves):
        return () if whole else (root_of(leaves),)
    split = _split(len(leaves))
    if old_size <= split:
        return (*_subproof(leaves[:split], old_size, whole=whole), root_of(leaves[split:]))
    return (*_subproof(leaves[split:], old_size - split, whole=False), root_of(leaves[:split]))
