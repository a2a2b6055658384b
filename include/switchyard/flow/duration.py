"""Spans of time as a flow file writes them: a whole number and its unit, `15m`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from switchyard.flow.refusal import refuse

_PATTERN = r"^[1-9][0-9]{0,5}[smhd]$"
_SECONDS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def parse_duration(value: object) -> timedelta:
    """Read `90s`, `15m`, `2h` or `1d`."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and re.fullmatch(_PATTERN, value):
        return timedelta(seconds=dict(_SECONDS)[value[-1]] * int(value[:-1]))
    cure = f"write {value}s for seconds" if isinstance(value, int) and value > 0 else "write e.g. 90s, 15m, 2h or 1d"
    raise refuse(f"{value!r} is not a duration with a unit (s, m, h or d)", cure=cure)


def format_duration(value: timedelta) -> str:
    """Write a span in the largest unit that divides it, `15m`: one spelling per span, so that its hash is stable."""
    seconds = int(value.total_seconds())
    unit, size = next((unit, size) for unit, size in _SECONDS if seconds % size == 0)
    return f"{seconds // size}{unit}"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _PATTERN}),
]
