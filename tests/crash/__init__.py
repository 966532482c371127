"""Power cuts at any write: the real recorder on a disk whose every write is known, and every state a cut can leave."""
