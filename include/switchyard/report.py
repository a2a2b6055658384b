"""What a step returns: counts, bytes, seconds, watermarks; logged once, in one line."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

REFUSED = 2
"""Exit code of a step that would fail again the same way: no retry."""
ASK_AIRFLOW = 3
"""Exit code of a step that found another Airflow run's load: a JSON line names it, and a task can ask if it goes on."""
BUSY = 4
"""Exit code of a step that found another run at work: no retry, but a run of a Backfill waits."""


@dataclass(frozen=True)
class StepReport:
    """The result of one step of one load. `facts` are JSON values: counts, bytes, paths; never a secret.

    The fact `lineage`, if there is one, is for the catalog and left out of the line for people.
    """

    step: str
    flow: str
    load_id: str
    seconds: float
    facts: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """One line that a person can read and a machine can parse."""
        return self._text({name: value for name, value in self.facts.items() if name != "lineage"})

    def json(self) -> str:
        """All of it, for the parent process."""
        return self._text(self.facts)

    def _text(self, facts: dict[str, Any]) -> str:
        head = {"step": self.step, "flow": self.flow, "load_id": self.load_id, "seconds": round(self.seconds, 3)}
        return json.dumps({**head, **facts}, default=str)
