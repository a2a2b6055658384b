"""Somebody's own connections on the local stack: a file that no command of ours writes, laid over the stack's.

Tasks and shells read one file, `<state>/airflow/connections.json`, which is written anew at every start.
"""

from __future__ import annotations

import json
from pathlib import Path

from switchyard_stack.errors import StackError


def read_own(path: Path) -> dict[str, object]:
    """The connections of somebody's file by id; none when there is no file. Raises StackError for another content."""
    if not path.exists():
        return {}
    cure = 'write ids and connections, as Airflow exports them: {"my_pg": {"conn_type": "postgres", "host": "…"}}'
    try:
        own = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StackError(f"{path} is not JSON: line {getattr(error, 'lineno', 1)}", cure=cure) from None
    if not isinstance(own, dict) or not all(isinstance(value, dict | str) for value in own.values()):
        raise StackError(f"{path} does not hold connections by their ids", cure=cure)
    return own


def lay_over(stack: str, own: dict[str, object]) -> str:
    """The text of a connections file with somebody's own; where both have an id, his wins."""
    return json.dumps({**json.loads(stack), **own}, indent=2, ensure_ascii=False) + "\n" if own else stack
