"""W3 and W5: settings of the role or the session that a value's text, or the meaning of our own SQL, depends on."""

from collections.abc import Callable, Iterator

import pytest

from harness.outside.grounds import LEDGER, SOURCE, Grounds, new_name, require_refused, require_right_or_refused
from harness.outside.pooler import open_pooler
from harness.outside.shadows import SHADOWS


@pytest.fixture
def connection_of(grounds: Grounds) -> Iterator[Callable[..., dict[str, str]]]:
    """Makes a role with settings of its own, and the connection of that role; at the end the role is dropped."""
    roles: list[str] = []

    def create(**settings: str) -> dict[str, str]:
        role = new_name("role")
        grounds.stores.as_admin(f"create role {role} login password '{role}' in role pg_read_all_data")
        roles.append(role)
        for name, value in settings.items():
            grounds.stores.as_admin(f"alter role {role} set {name} = {value}")
        grounds.connect(role, like=SOURCE, login=role, password=role)
        return {"connection": role}

    yield create
    for role in roles:
        grounds.stores.as_admin(f"drop owned by {role}", grounds.database)
        grounds.stores.as_admin(f"drop role {role}")


@pytest.fixture
def pooled(grounds: Grounds, connection_of: Callable[..., dict[str, str]]) -> Iterator[dict[str, str]]:
    """The connection of a role whose settings change texts, through a pooler that drops the session's own."""
    connection = connection_of(extra_float_digits="-5", intervalstyle="iso_8601")
    role = connection["connection"]
    server = grounds.connections[role]
    with open_pooler(server["host"], server["port"], role, role) as port:
        grounds.connect(role, port=port)
        yield connection


def test_values_are_exact_through_a_pooler_that_drops_our_settings(grounds: Grounds, pooled: dict[str, str]) -> None:
    columns = "id int primary key, x float8 not null, d interval not null"
    flow = grounds.flow("pooled", columns, source=pooled, columns={"d": {"as": "string"}})
    flow.sql("insert into {t} values (1, 0.30000000000000004, '1 day 2 hours')")
    ended = flow.ingest()
    shown = flow.hive(what="x, d") if ended.succeeded else []
    require_right_or_refused(ended, flow, shown, before=[], after=[(0.30000000000000004, "1 day 02:00:00")])


@pytest.mark.kin
def test_a_source_is_not_written_through_a_pooler_that_drops_our_settings(
    grounds: Grounds, pooled: dict[str, str]
) -> None:
    flow = grounds.flow("written", "id int primary key", source={**pooled, "table": None})
    flow.change(source={"query": f"select id, {flow.name}_note(id) as noted from public.{flow.name}", "key": ["id"]})
    flow.sql(
        "insert into {t} values (1)",
        "create table {t}_log (id int)",
        "create function {t}_note(n int) returns int security definer volatile language sql as "
        "'insert into public.{t}_log values (n) returning id'",
    )
    ended = flow.ingest()
    assert flow.sql("select count(*) from {t}_log") == [(0,)], f"the source was written to:\n{ended.output}"
    require_refused(ended, flow)


def test_bounds_of_an_array_are_seen_where_backslashes_mean_something_else(
    grounds: Grounds, connection_of: Callable[..., dict[str, str]]
) -> None:
    connection = connection_of(standard_conforming_strings="off")
    flow = grounds.flow("backslash", source=connection, columns={"c": {"as": "string"}})
    flow.sql(
        "create type {t}_pair as (a int[])",
        "create table {t} (id int primary key, c {t}_pair)",
        "insert into {t} values (1, row('[0:1]={5,6}'::int[]))",
    )
    ended = flow.ingest()
    require_refused(ended, flow, "bounds")
    assert flow.ids() == []


@pytest.mark.kin
@pytest.mark.parametrize("path", ["{schema}, pg_catalog, public", "pg_catalog, {schema}, public"])
def test_a_value_is_read_by_postgresqls_own_functions_whatever_the_search_path(
    grounds: Grounds, connection_of: Callable[..., dict[str, str]], path: str
) -> None:
    """Every function, operator, type and table of pg_catalog is in that schema once more, and wrong."""
    schema = new_name("shadow")
    connection = connection_of(search_path=path.format(schema=schema))
    columns = "id int primary key, address inet not null, note varchar not null, price numeric(9,2) not null"
    flow = grounds.flow("shadowed", columns, source=connection)
    flow.sql("insert into {t} values (1, '10.0.0.1', 'a note', 1.50)", SHADOWS.replace("{schema}", schema))
    ended = flow.ingest()
    shown = flow.hive(what="address, note, cast(price as string)") if ended.succeeded else []
    require_right_or_refused(ended, flow, shown, before=[], after=[("10.0.0.1", "a note", "1.50")])


@pytest.fixture
def pooled_ledger(grounds: Grounds, request: pytest.FixtureRequest) -> Iterator[str]:
    """A new ledger, whose connection leads through a pooler in this `pool_mode`."""
    grounds.use_new_ledger()
    direct = grounds.connections[LEDGER]
    with open_pooler(direct["host"], direct["port"], direct["login"], direct["password"], request.param) as port:
        grounds.connect(LEDGER, port=port)
        yield request.param
    grounds.connect(LEDGER, port=direct["port"])


@pytest.mark.parametrize("pooled_ledger", ["session", "transaction"], indirect=True)
def test_a_ledger_is_used_through_a_pooler_only_when_sessions_are_ours(grounds: Grounds, pooled_ledger: str) -> None:
    flow = grounds.flow("pooled_ledger", "id int primary key")
    flow.sql("insert into {t} values (1)")
    ended = flow.ingest()
    if pooled_ledger == "session":
        assert ended.succeeded, ended.output
        assert flow.ids() == [1]
    else:
        ended.require_sentence("switchyard_ledger.*pool_mode = session")
        assert flow.ids() == []
