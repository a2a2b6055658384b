"""What can go wrong while the demo's data is fetched and loaded."""

from __future__ import annotations

from switchyard_stack.errors import StackError


class DatasetError(StackError):
    """The data could not be fetched, read or loaded; the text holds no secret."""
