"""Of a session that was closed without a reason: the limit of the login that it has reached, if any."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchyard.connections import Connection
from switchyard.connections.session_limits import LIMITS, explain_lost, find_reached
from switchyard.connections.sqlstates import CLOSED, explain

NOWHERE = Connection("pg", "postgres", host="127.0.0.1", port=1, login="u", password="secret", schema="d")
LOST = "consuming input failed: server closed the connection unexpectedly"
IDLE, TRANSACTION, SESSION = (limit.setting for limit in LIMITS)


@pytest.mark.parametrize(
    ("limits", "lived", "reached"),
    [
        ({IDLE: 1}, 0.5, IDLE),
        ({IDLE: 1}, 0.0005, None),
        ({IDLE: 0}, 3600, None),
        ({}, 3600, None),
        ({IDLE: 900}, 1, IDLE),
        ({IDLE: 3_600_000}, 7200, None),  # no session of ours idles so long within a transaction
        ({TRANSACTION: 3_600_000}, 7200, TRANSACTION),
        ({TRANSACTION: 3_600_000}, 60, None),
        ({SESSION: 5_000}, 6, SESSION),
        ({IDLE: 60_000, TRANSACTION: 5_000}, 10, TRANSACTION),
    ],
)
def test_a_limit_is_the_reason_only_if_the_session_can_have_reached_it(
    limits: dict[str, int], lived: float, reached: str | None
) -> None:
    limit = find_reached(limits, lived)
    assert (limit.setting if limit else None) == reached


@given(st.dictionaries(st.sampled_from([IDLE, TRANSACTION, SESSION]), st.integers(0, 10**7)), st.floats(0, 10**5))
def test_no_limit_is_named_that_is_longer_than_the_session(limits: dict[str, int], lived: float) -> None:
    limit = find_reached(limits, lived)
    assert limit is None or 0 < limits[limit.setting] <= lived * 1000


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.setting)
def test_a_limit_has_a_row_that_says_how_to_raise_it(limit: object) -> None:
    setting, code = limit.setting, limit.code  # type: ignore[attr-defined]
    row = explain(code, "")
    assert row.code == code
    assert setting in row.cure
    assert not row.passes


@pytest.mark.parametrize("lived", [0, 5])
def test_of_a_server_that_does_not_answer_nothing_more_is_said(lived: float) -> None:
    state, words, code = explain_lost(None, LOST, NOWHERE, lived)
    assert (state.code, words, code) == (CLOSED, LOST, "")


def test_what_the_server_said_is_believed() -> None:
    """Nobody is asked: there is no server here."""
    state, words, code = explain_lost("57P01", "terminating connection", NOWHERE, 5)
    assert (state.code, words, code) == ("57", "terminating connection", "57P01")
