"""Moments and ranges of time as people type them: ISO 8601, judged before anything is asked with them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from switchyard.errors import SwitchyardError

_CURE = "write a day or a moment in ISO 8601, in UTC unless it says its zone: 2026-01-31, 2026-01-31T06:00:00+01:00"


def parse_range(low: str, high: str, names: tuple[str, str]) -> tuple[str, str]:
    """Both ends as PostgreSQL reads them; `names` are what the person calls them.

    Raises SwitchyardError naming the end that is no moment, or both when nothing lies between them.
    """
    first = _parse(low, names[0])
    last = _parse(high, names[1])
    if not first < last:
        raise SwitchyardError(
            f"the range from {low} up to {high} is empty: its end must be after its beginning",
            where=" and ".join(names),
            next="give an end that is later than the beginning; the end itself is not included",
        )
    return first.isoformat(), last.isoformat()


def _parse(text: str, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise SwitchyardError(f"{text!r} is not a moment", where=name, next=_CURE) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
