"""The stack's servers, for the suites that need them."""

from __future__ import annotations

from harness.stack_fixtures import new_case, servers

__all__ = ["new_case", "servers"]
