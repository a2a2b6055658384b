"""What a step returns: counts, bytes, seconds, watermarks; logged once, in one line."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class StepReport:
    """The result of one step of one load. `facts` are JSON values: counts, bytes, paths; never a secret."""

    step: str
    flow: str
    load_id: str
    seconds: float
    facts: dict[str, Any] = field(default_factory=dict)

    def json(self) -> str:
        """One line that a person can read and a machine can parse."""
        return json.dumps(
            {"step": self.step, "flow": self.flow, "load_id": self.load_id, "seconds": round(self.seconds, 3), **self.facts},
            default=str,
        )
