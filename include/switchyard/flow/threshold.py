"""Thresholds as a flow file writes them: a number of rows, `100`, or a part of them, `0.1%`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from switchyard.flow.refusal import refuse

_PERCENT = r"(?:100(?:\.0+)?|[0-9]{1,2}(?:\.[0-9]{1,6})?)%"
_ROWS = r"[0-9]{1,18}"


def check_amount(value: object) -> str:
    """Read `100` or `0.1%`."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and re.fullmatch(f"{_PERCENT}|{_ROWS}", text):
        return text
    is_part = isinstance(value, float) and 0 <= value <= 100
    cure = f"write {value}% for a percentage" if is_part else "write e.g. 100 (rows) or 0.1% (of the rows)"
    raise refuse(f"{value!r} is neither a number of rows nor a percentage", cure=cure)


def rows_allowed(amount: str, rows: int) -> int:
    """Return how many of `rows` a threshold allows; a part is rounded down to whole rows."""
    if amount.endswith("%"):
        return int(Decimal(amount[:-1]) * rows / 100)
    return int(amount)


Amount = Annotated[
    str,
    BeforeValidator(check_amount),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^(?:{_PERCENT}|{_ROWS})$"}]}
    ),
]
