"""Which defaults and triggers put a later moment into a cursor whenever a row is written later."""

import pytest

from switchyard.extract.clock import Relation, Trigger, clock_faults, cut_default, hidden_commits
from switchyard.types.postgres_type import PostgresType

ZONED, PLAIN = PostgresType("timestamp with time zone", "timestamptz"), PostgresType("timestamp", "timestamp")
ALWAYS = Trigger("begin new.at := now(); return new; end", on_insert=True, on_update=True)
ON_UPDATE = Trigger(ALWAYS.body, on_insert=False, on_update=True)


def relation(default: str = "now()", *triggers: Trigger, name: str = "t", kind: str = "r") -> Relation:
    return Relation(name, kind, is_partition=False, default=default, triggers=triggers)


EXACT = {
    "now()": ZONED,
    "CURRENT_TIMESTAMP": ZONED,
    "CURRENT_TIMESTAMP(6)": ZONED,
    "clock_timestamp()": ZONED,
    "statement_timestamp()": ZONED,
    "LOCALTIMESTAMP": ZONED,
    "(now() AT TIME ZONE 'utc'::text)": PLAIN,
    "timezone('utc'::text, now())": PLAIN,
    "timezone('UTC'::text, now())": PLAIN,
    "(CURRENT_TIMESTAMP AT TIME ZONE 'Etc/UTC'::text)": PLAIN,
    "timezone('utc'::text, clock_timestamp())": PLAIN,
}
"""Defaults as pg_get_expr writes them."""


@pytest.mark.parametrize("default", EXACT)
def test_a_default_is_the_clock(default: str) -> None:
    assert clock_faults([relation(default)], EXACT[default], updates=False) == []


CUT = (
    "CURRENT_TIMESTAMP(0)",
    "CURRENT_TIMESTAMP(3)",
    "(now())::timestamp(0) with time zone",
    "date_trunc('hour'::text, now())",
    "CURRENT_DATE",
    "(now())::date",
    "((now() AT TIME ZONE 'utc'::text))::timestamp(0) without time zone",
)


@pytest.mark.parametrize("default", CUT)
def test_a_default_that_cuts_the_clock_off_is_none_whatever_somebody_promises(default: str) -> None:
    said = [f"its default {default} rounds the time of the clock"]
    assert clock_faults([relation(default)], ZONED, updates=False) == said
    assert cut_default([relation(default)]) == said
    assert cut_default([relation(default, ALWAYS)]) == []


@pytest.mark.parametrize(
    "default",
    [
        "(now() - '01:00:00'::interval)",
        "'2020-01-01 00:00:00+00'::timestamp with time zone",
        "('now'::text)::timestamp with time zone",
        "my_now()",
        "COALESCE(now(), '2020-01-01'::timestamptz)",
    ],
)
def test_a_default_that_is_more_than_the_clock_is_not_taken_for_it(default: str) -> None:
    assert clock_faults([relation(default)], ZONED, updates=False) == [
        f"its default {default} is not PostgreSQL's clock alone"
    ]


@pytest.mark.parametrize("default", ["now()", "CURRENT_TIMESTAMP", "LOCALTIMESTAMP", "clock_timestamp()"])
def test_a_local_time_is_each_sessions_own(default: str) -> None:
    (fault,) = clock_faults([relation(default)], PLAIN, updates=False)
    assert fault == f"it has no time zone, and its default {default} writes the time of each session's own zone"


TRIGGERS: dict[str, tuple[str, tuple[Trigger, ...], str]] = {
    "a default and a trigger for changes": ("now()", (ON_UPDATE,), ""),
    "a trigger for both": ("", (ALWAYS,), ""),
    "a default alone": ("now()", (), "no trigger sets it for changed rows"),
    "a trigger for changes alone": ("", (ON_UPDATE,), "no default sets it for new rows"),
    "nothing": ("", (), "no default and no trigger sets it"),
    "some columns": (
        "now()",
        (Trigger(ALWAYS.body, on_insert=False, on_update=True, is_partial=True),),
        "the trigger that sets it does not run for every change (UPDATE OF, or WHEN)",
    ),
    "a trigger that cuts": (
        "now()",
        (Trigger("new.at := date_trunc('second', now())", on_insert=False, on_update=True),),
        "the function of its trigger rounds the time",
    ),
    "a trigger of few digits": (
        "now()",
        (Trigger("new.at := now()::timestamptz(0)", on_insert=False, on_update=True),),
        "the function of its trigger rounds the time",
    ),
    "a trigger without a clock": (
        "now()",
        (Trigger("new.at := old.at", on_insert=False, on_update=True),),
        "the function of its trigger does not read PostgreSQL's clock",
    ),
}


@pytest.mark.parametrize("case", TRIGGERS)
def test_triggers_set_it_for_every_change(case: str) -> None:
    default, triggers, fault = TRIGGERS[case]
    expected = [fault] if fault else []
    assert clock_faults([relation(default, *triggers)], ZONED, updates=True) == expected


def test_every_heir_needs_triggers_of_its_own_and_is_named() -> None:
    parent, heir = relation("now()", ON_UPDATE), relation("now()", name="heir")
    assert clock_faults([parent, heir], ZONED, updates=True) == ["no trigger sets it for changed rows (in heir)"]
    assert clock_faults([parent, heir], ZONED, updates=False) == []


def test_a_partition_has_the_default_of_its_table() -> None:
    table = relation("now()", kind="p")
    partition = Relation("p1", "r", is_partition=True, default="", triggers=(ON_UPDATE,))
    assert clock_faults([table, partition], ZONED, updates=True) == []


@pytest.mark.parametrize(("kind", "word"), [("m", "materialized"), ("f", "foreign"), ("r", ""), ("v", ""), ("p", "")])
def test_rows_that_appear_later_than_their_moment(kind: str, word: str) -> None:
    reasons = hidden_commits([relation(kind=kind)])
    assert [word in reason for reason in reasons] == ([True] if word else [])


def test_rows_that_a_subscription_brings_come_later_than_their_moment() -> None:
    copied = Relation("t", "r", is_partition=False, default="now()", triggers=(), is_replica=True)
    assert ["subscription" in reason for reason in hidden_commits([copied])] == [True]


DEFINITIONS = {
    "create trigger x before update on t for each row execute function f()": False,
    "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW WHEN ((old.* IS DISTINCT FROM new.*)) EXECUTE …": False,
    "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW WHEN ((old.v IS DISTINCT FROM new.v)) EXECUTE …": True,
}


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_a_condition_on_some_columns_makes_a_trigger_partial(definition: str) -> None:
    facts = {"body": "now()", "insert": False, "update": True, "some": False, "definition": definition}
    assert Trigger.of(facts).is_partial == DEFINITIONS[definition]


@pytest.mark.parametrize(("modifier", "digits"), [(-1, 6), (0, 0), (3, 3), (6, 6)])
def test_a_timestamp_has_the_digits_that_its_type_says(modifier: int, digits: int) -> None:
    assert PostgresType("", "timestamptz", modifier=modifier).second_digits == digits
