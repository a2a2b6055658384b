"""Errors of the stack: what happened and what to do next."""

from __future__ import annotations


class StackError(Exception):
    """Something the stack cannot go on from; `next` is the sentence that cures it."""

    def __init__(self, what: str, *, next: str = "") -> None:
        self.what, self.next = what, next
        super().__init__(f"{what}\n  → {next}" if next else what)


class MissingPrograms(StackError):
    """Programs that no Python or Maven registry carries are not on this machine."""


class PortTaken(StackError):
    """A port that is ours by memory is held by a foreign process."""


class NotHealthy(StackError):
    """A server was started and did not become healthy."""
