"""One number for the content of a collection: equal for equal sets of documents in whatever order they are read.

The sum of the documents' 128-bit digests, modulo 2**128, over their BSON bytes: a changed type, a changed order of
fields or -0.0 for 0.0 changes it. It finds accidents; it is no defence against somebody who builds collisions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

_MODULUS = 1 << 128


@dataclass
class ContentDigest:
    """Counts and digests documents as they pass."""

    documents: int = 0
    total: int = 0

    def add(self, documents: Iterable[bytes]) -> None:
        """Take in BSON documents."""
        for document in documents:
            self.total += int.from_bytes(blake2b(document, digest_size=16).digest(), "little")
            self.documents += 1
        self.total %= _MODULUS

    @property
    def hex(self) -> str:
        """32 hexadecimal digits."""
        return f"{self.total:032x}"
