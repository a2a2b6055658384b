"""The marker of a served collection: an empty index whose name says which load made the collection.

A rename carries the indexes of a staging collection along, so the marker appears in the very step that publishes. It
tells a collection that was restored from a backup from the one that was served, though no document says anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MARKER_FIELD = "switchyard marker"
"""The field that the index is on: no lake column can have this name, so that the index stays empty."""

_NAME = re.compile(r"switchyard\|(\d+)\|(\d+)\|([0-9A-Za-z_]+)")


@dataclass(frozen=True)
class Marker:
    """Which load wrote the collection last: its serve seq, the lake seq that it served, and its id."""

    serve_seq: int
    lake_seq: int
    load_id: str

    @classmethod
    def parse(cls, index_name: str) -> Marker | None:
        """The marker that an index's name says; None for any other index."""
        match = _NAME.fullmatch(index_name)
        return cls(int(match[1]), int(match[2]), match[3]) if match else None

    @classmethod
    def load_named(cls, index_name: str) -> str:
        """The load that an index's name says, for a message; `no load` for any other index."""
        marker = cls.parse(index_name)
        return f"load {marker.load_id} (serve seq {marker.serve_seq})" if marker else "no load"

    @property
    def index_name(self) -> str:
        """`switchyard|serve_seq|lake_seq|load_id`."""
        return f"switchyard|{self.serve_seq}|{self.lake_seq}|{self.load_id}"
