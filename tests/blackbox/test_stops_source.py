"""S7 to S10, S13: what a login's settings, a collation, a table's width or a limit of time do to the preflight."""

from __future__ import annotations

import pytest

from harness.outside.grounds import FlowUnderTest, Grounds

INSENSITIVE = "create collation {} (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"


def types_of(flow: FlowUnderTest) -> dict[str, str]:
    """Column → Hive type, as the preflight prints them; it must let the flow pass."""
    looked = flow.run("preflight", flow.name, COLUMNS="200")
    assert looked.succeeded, looked.output
    cells = [[cell.strip() for cell in line.split("│")[1:4]] for line in looked.lines if line.startswith("│")]
    return {column: hive.lower() for column, _, hive in cells}


@pytest.fixture(scope="module")
def typed(grounds: Grounds) -> FlowUnderTest:
    """A flow over the everyday types."""
    return grounds.flow("typed", "id int primary key, u uuid, v text, d date, at timestamptz, a text[], n numeric(9,2)")


TYPED = {
    "id": "int",
    "u": "string",
    "v": "string",
    "d": "date",
    "at": "timestamp",
    "a": "array<string>",
    "n": "decimal(9,2)",
}


def test_a_login_that_quotes_all_identifiers(grounds: Grounds, typed: FlowUnderTest) -> None:
    """A type is known by its oid, whatever a setting makes of its name."""
    typed.change(source={"connection": grounds.role("quote_all_identifiers = on")})
    assert types_of(typed) == TYPED


def test_a_user_s_type_named_like_a_built_in_one(grounds: Grounds, typed: FlowUnderTest) -> None:
    """Earlier in search_path than pg_catalog, it makes PostgreSQL write `pg_catalog.uuid`."""
    typed.sql("create schema own", "create domain own.uuid as text", "create type own.date as enum ('x')")
    typed.change(source={"connection": grounds.role("search_path = own, pg_catalog, public")})
    assert types_of(typed) == TYPED


@pytest.mark.parametrize(
    "type_",
    [
        pytest.param("text[] collate blind", id="array"),
        pytest.param("blind_name[]", id="array of a domain"),
    ],
)
def test_an_array_with_a_nondeterministic_collation(grounds: Grounds, type_: str) -> None:
    """Its dimensions are no text of the column's collation."""
    grounds.stores.postgres(INSENSITIVE.format("blind"), grounds.database)
    grounds.stores.postgres("create domain blind_name as text collate blind", grounds.database)
    try:
        flow = grounds.flow("blind", f"id int primary key, tags {type_}")
        flow.change(columns={"tags": {"as": "string"}})
        flow.sql("insert into {t} values (1, '{a,B}'), (2, null), (3, '{}')")
        assert types_of(flow) == {"id": "int", "tags": "string"}
    finally:
        for kind in ("domain blind_name", "collation blind"):
            grounds.stores.postgres(f"drop {kind} cascade", grounds.database)


def wide(grounds: Grounds, columns: str) -> FlowUnderTest:
    """A served flow over a table with an id, these columns and one row."""
    flow = grounds.flow("wide", f"id int primary key, {columns}", serve={})
    flow.sql("insert into {t} (id) values (1)")
    return flow


def require_carried_or_refused_by_name(flow: FlowUnderTest) -> None:
    """A table may be too wide for a server; then the preflight says so, and says no session was lost."""
    looked = flow.run("preflight", flow.name)
    if looked.succeeded:
        flow.ingest().require_success()
        assert flow.ids() == [1]
        return
    looked.require_sentence(r"columns", never="ended the session|run again|repeat your command|see PostgreSQL's log")


def test_a_table_of_many_texts_and_times(grounds: Grounds) -> None:
    """PostgreSQL has 1,664 places in a select list."""
    texts = ", ".join(f"v{i} text" for i in range(900))
    times = ", ".join(f"t{i} timestamptz" for i in range(400))
    require_carried_or_refused_by_name(wide(grounds, f"{texts}, {times}"))


@pytest.mark.kin
def test_a_table_of_many_long_numbers(grounds: Grounds) -> None:
    """Each of them is asked whether it fits Hive and whether it fits MongoDB."""
    require_carried_or_refused_by_name(wide(grounds, ", ".join(f"n{i} numeric(38,2)" for i in range(850))))


def test_a_table_without_columns(grounds: Grounds) -> None:
    """PostgreSQL allows it, Hive does not."""
    flow = grounds.flow("bare")
    flow.sql("create table {t} ()")
    flow.run("preflight", flow.name).require_sentence("no column|without columns")


def test_a_query_without_columns(grounds: Grounds) -> None:
    """The same of a query."""
    flow = grounds.flow("barequery", source={"table": None, "query": "select from generate_series(1, 3)"})
    flow.run("preflight", flow.name).require_sentence("no column|without columns")


def test_a_login_that_may_not_idle_in_a_transaction(grounds: Grounds) -> None:
    """A limit of less than a second: we do not idle."""
    flow = grounds.flow(
        "idle",
        "id int primary key, at timestamptz not null default now()",
        source={
            "cursor": "at",
            "cursor_clock": "database",
            "connection": grounds.role("idle_in_transaction_session_timeout = '900ms'"),
        },
        lake={"mode": "merge"},
    )
    flow.sql("insert into {t} values (1)")
    planned = flow.run("plan", flow.name)
    assert planned.succeeded, planned.output


def test_a_login_whose_statements_are_cut_off(grounds: Grounds) -> None:
    """Its own limit ends the statement: the message names the limit, and running again is no cure."""
    flow = grounds.flow(
        "cutoff",
        "id int primary key",
        source={"connection": grounds.role("statement_timeout = '300ms'"), "where": "pg_sleep(0.4) is not null"},
    )
    flow.sql("insert into {t} values (1), (2)")
    looked = flow.run("preflight", flow.name)
    looked.require_sentence("statement_timeout", never="ended the session|check that the server runs")
