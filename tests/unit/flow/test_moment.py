"""A range of time is judged before anything is asked with it."""

import pytest

from switchyard.errors import SwitchyardError
from switchyard.flow.moment import parse_range

NAMES = ("--from", "--to")
NO_MOMENT = [
    "xyz",
    "2026-02-30",
    "",
    " ",
    "2026-13-01T00:00:00Z",
    "tomorrow",
    "now",
    "infinity",
    "2026",
    "26-01-01",
    "1e9",
]


@pytest.mark.parametrize("text", NO_MOMENT)
def test_what_is_no_moment_is_refused_by_the_name_of_its_option(text: str) -> None:
    with pytest.raises(SwitchyardError, match=r"--from.*is not a date or a timestamp") as caught:
        parse_range(text, "2026-03-01", NAMES)
    assert "ISO 8601" in caught.value.cure
    with pytest.raises(SwitchyardError, match=r"--to.*is not a date or a timestamp"):
        parse_range("2026-03-01", text, NAMES)


def test_a_moment_without_a_zone_is_in_utc() -> None:
    assert parse_range("2026-01-01", "2026-01-02T06:00:00+01:00", NAMES) == (
        "2026-01-01T00:00:00+00:00",
        "2026-01-02T06:00:00+01:00",
    )
    assert parse_range("2026-01-01 05:00:00.000001+00", "2026-01-02T00:00Z", NAMES)[0].endswith("05:00:00.000001+00:00")


@pytest.mark.parametrize("high", ["2026-01-01", "2025-12-31", "2026-01-01T01:00:00+02:00"])
def test_an_empty_range_is_refused(high: str) -> None:
    with pytest.raises(SwitchyardError, match=r"is empty"):
        parse_range("2026-01-01", high, NAMES)
