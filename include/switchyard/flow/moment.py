"""Moments and ranges of time as people type them: ISO 8601, checked before they reach a server. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from switchyard.errors import SwitchyardError

_CURE = "write a date or timestamp in ISO 8601, e.g. 2026-01-31 or 2026-01-31T06:00:00+01:00; without a zone it is UTC"


def parse_range(low: str, high: str, names: tuple[str, str]) -> tuple[str, str]:
    """Parse both ends into PostgreSQL's form; `names` are the options they came from.

    Raises SwitchyardError naming the end that cannot be read, or both when the range is empty.
    """
    first = _parse(low, names[0])
    last = _parse(high, names[1])
    if not first < last:
        raise SwitchyardError(
            f"the range from {low} up to {high} is empty: its end must be after its beginning",
            where=" and ".join(names),
            cure="give an end that is later than the beginning; the end itself is not included",
        )
    return first.isoformat(), last.isoformat()


def _parse(text: str, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise SwitchyardError(f"{text!r} is not a date or a timestamp", where=name, cure=_CURE) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
