"""What a source's text asks for beside tables: names that may be functions, settings, the login."""

import pytest

from switchyard.extract.row_rules import asked_settings, asks_login, filter_text, words
from switchyard.flow.spec import Source


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("is_open(id)", ["id", "is_open"]),
        ("IS_Open (id)", ["id", "is_open"]),
        ('"Is Open"(id) and "a""b".f(1)', ["Is Open", 'a"b', "and", "f", "id"]),
        ("t.is_open", ["is_open", "t"]),
        ("größe$1 > 1", ["größe$1"]),
        ("id > 5", ["id"]),
    ],
)
def test_every_name_of_a_text_is_one_that_may_be_a_function(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("owner = current_user", True),
        ("owner = SESSION_USER", True),
        ("owner = user", True),
        ("(CURRENT_ROLE)::text = owner", True),
        ('"user" = 5', False),
        ("t.user = 5", False),
        ("user_id = 5 or is_user = 6", False),
        ("kind = 'user'", False),
        ("current_users > 5", False),
    ],
)
def test_a_text_that_asks_who_reads_is_seen(text: str, asks: bool) -> None:
    assert asks_login(["id > 5", text]) is asks


def test_settings_that_somebody_made_up_are_seen_and_no_others() -> None:
    texts = ["tenant = current_setting('App.Tenant')::int", "x = current_setting ( 'app.zone', true )"]
    assert asked_settings([*texts, "current_setting('TimeZone') = 'UTC'"]) == ["app.tenant", "app.zone"]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"table": "s.t", "where": "f(id)"}, "f(id)"),
        ({"query": "select f(id) from s.t", "key": ["id"]}, "select f(id) from s.t"),
        ({"table": "s.t"}, ""),
    ],
)
def test_the_text_is_the_flow_files(spec: dict[str, object], text: str) -> None:
    assert filter_text(Source.model_validate({"connection": "c", **spec})) == text
