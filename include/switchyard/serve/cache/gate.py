"""The cache's gate and values as text, and the Lua that changes them: what docs/cache-protocol.md describes.

Gate `{flow}:gate` = `seq|floor|open` or `seq|floor|closed`, no TTL. Value `{flow}:v:<key>` = `seq|payload`, with TTL;
the payload is the BSON document, or nothing when MongoDB has none of that key (a negative entry).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

Script = Literal["close", "open", "floor", "fill"]

_GATE = re.compile(rb"(\d+)\|(\d+)\|(open|closed)")
_SEQ_DIGITS = 20


@dataclass(frozen=True)
class Gate:
    """The version that MongoDB serves (`seq`), which values count (`floor` or higher), and whether they may be read."""

    seq: int
    floor: int
    is_open: bool

    @classmethod
    def parse(cls, stored: bytes | None) -> Gate | None:
        """The gate as stored; None if it is missing or no gate: then the cache is not to be used."""
        found = _GATE.fullmatch(stored or b"")
        return cls(int(found[1]), int(found[2]), found[3] == b"open") if found else None

    def text(self) -> bytes:
        """As stored."""
        return f"{self.seq}|{self.floor}|{'open' if self.is_open else 'closed'}".encode()

    def payload(self, stored: bytes | None) -> bytes | None:
        """A cached value's payload, if this gate lets it be used: open, and floor ≤ its seq ≤ the gate's."""
        if stored is None or not self.is_open:
            return None
        seq = value_seq(stored)
        return stored.split(b"|", 1)[1] if seq is not None and self.floor <= seq <= self.seq else None


def value(seq: int, payload: bytes) -> bytes:
    """A cached value as stored."""
    return b"%d|%b" % (seq, payload)


def value_seq(stored: bytes) -> int | None:
    """The seq under which a value was filled; its first bytes are enough. None: no value of this protocol."""
    seq, bar, _ = stored[: _SEQ_DIGITS + 1].partition(b"|")
    return int(seq) if bar and seq.isdigit() else None


@cache
def script(name: Script) -> str:
    """The Lua source; it ships with the package for clients in other languages."""
    return (files("switchyard.serve.cache") / "lua" / f"{name}.lua").read_text()
