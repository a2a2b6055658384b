"""The stack's servers, for the suites that need them: the fixtures of tests/integration."""

from __future__ import annotations

from stack_fixtures import new_case, servers

__all__ = ["new_case", "servers"]
