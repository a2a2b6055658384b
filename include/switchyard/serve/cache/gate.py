"""The cache's gate and values as text, and the Lua that changes them: what docs/cache-protocol.md describes.

Gate `{flow}:gate` = `seq|floor|open|identity` or `seq|floor|closed|identity`, no TTL. Value `{flow}:v:<key>` =
`seq|payload`, with TTL; the payload is the BSON document, or nothing when MongoDB has none of that key (a negative
entry).

The identity is that of the collection which the values were read from (`naming.served_identity`): a flow keeps its name
when its collection or its MongoDB changes, so the name alone does not say whose values these are. A gate of an earlier
release has none; nobody believes it until a serve run has looked at the collection and written its identity into it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

Script = Literal["close", "open", "floor", "fill"]

_GATE = re.compile(rb"(\d+)\|(\d+)\|(open|closed)(?:\|([0-9a-f]+))?")
_SEQ_DIGITS = 20


@dataclass(frozen=True)
class Gate:
    """The version that MongoDB serves (`seq`), which values count (`floor` or higher), and whether they may be read.

    `identity` is that of the collection (`naming.served_identity`); empty in a gate of an earlier release.
    """

    seq: int
    floor: int
    is_open: bool
    identity: str = ""

    @classmethod
    def parse(cls, stored: bytes | None) -> Gate | None:
        """The gate as stored; None if it is missing or no gate: then the cache is not to be used."""
        match = _GATE.fullmatch(stored or b"")
        if match is None:
            return None
        seq, floor, state, identity = match.groups(default=b"")
        return cls(int(seq), int(floor), state == b"open", identity.decode())

    def text(self) -> bytes:
        """As stored."""
        state = "open" if self.is_open else "closed"
        identity = f"|{self.identity}" if self.identity else ""
        return f"{self.seq}|{self.floor}|{state}{identity}".encode()

    def admits(self, identity: str) -> bool:
        """True if a reader of the collection with this identity may use and fill values: the gate is open, and its."""
        return self.is_open and self.identity == identity

    def is_of_another(self, identity: str) -> bool:
        """True if the gate stands for another collection; False for one of an earlier release, which does not say."""
        return self.identity not in ("", identity)

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
