"""Errors of the stack: what happened and what to do next."""

from __future__ import annotations


class StackError(Exception):
    """Something the stack cannot go on from; `next` is the sentence that cures it."""

    def __init__(self, what: str, *, cure: str = "") -> None:
        self.what = what
        self.cure = cure
        super().__init__(f"{what}\n  → {cure}" if cure else what)


class MissingPrograms(StackError):
    """Programs that have to be installed by hand are missing on this machine."""


class PortTaken(StackError):
    """A port that this stack has chosen is held by another process."""


class NotHealthy(StackError):
    """A server was started and did not become healthy."""
