"""What can go wrong while the demo's data is fetched and loaded."""

from __future__ import annotations


class DatasetError(RuntimeError):
    """The data could not be fetched, read or loaded; the text says what to do next and holds no secret."""

    def __init__(self, what: str, *, next: str = "") -> None:
        super().__init__(f"{what}\n  → {next}" if next else what)
