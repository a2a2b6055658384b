"""A schema that shadows pg_catalog, and has better matches of its functions: nothing that we ask or read changes."""

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from harness.outside.shadows import SHADOWS
from switchyard.connections import Connection
from switchyard.errors import PreflightRefused
from switchyard.extract import postgres, watermark
from switchyard.extract.postgres import count_rows
from switchyard.extract.preflight import examine, examine_values
from switchyard.extract.repeatable import unrepeatable_parts
from switchyard.extract.server import read_server
from switchyard.extract.statement import SPLIT_TOKEN, Bounds, build_manifest, build_statement
from switchyard.extract.width import widest_row
from switchyard.flow.spec import Flow
from switchyard.ledger.store import Ledger

VALUES = {
    "small": ("smallint", "7"),
    "whole": ("integer", "8"),
    "big": ("bigint", "9"),
    "money_like": ("numeric(9,2)", "1.50"),
    "digits": ("numeric", "1.5"),
    "float": ("double precision", "0.1"),
    "single": ("real", "0.1"),
    "truth": ("boolean", "true"),
    "note": ("text", "'a text'"),
    "name": ("varchar(20)", "'a varchar'"),
    "unlimited": ("varchar", "'a varchar'"),
    "padded": ("char(5)", "'ab'"),
    "bytes": ("bytea", "'\\x00ff'"),
    "day": ("date", "'2026-01-02'"),
    "moment": ("timestamp", "'2026-01-02 03:04:05.678'"),
    "instant": ("timestamptz", "'2026-01-02 03:04:05.678+02'"),
    "id_like": ("uuid", "'00000000-0000-0000-0000-000000000001'"),
    "document": ("jsonb", "'{\"a\": 1}'"),
    "address": ("inet", "'10.0.0.1'"),
    "list": ("integer[]", "'{1,2}'"),
    "texts": ("text[]", "'{a,b}'"),
    "prices": ("numeric(9,2)[]", "'{1.5}'"),
    "span": ("interval", "'1 day'"),
}
AS = {"digits": "decimal(38,10)", "span": "string", "list": "string", "document": "string", "padded": "string"}


class Ground(NamedTuple):
    """A login, a table that it may read, and the schema that shadows."""

    admin: psycopg.Connection[tuple[object, ...]]
    login: Connection
    flow: Flow
    schema: str

    def search(self, path: str) -> None:
        """Give the login this search_path; its next session has it."""
        self.admin.execute(
            sql.SQL("alter role {} set search_path = ").format(sql.Identifier(self.login.login)) + sql.SQL(path)
        )


@pytest.fixture
def ground() -> Iterator[Ground]:
    name = f"shadow_{secrets.token_hex(4)}"
    url = urlsplit(os.environ["POSTGRES_URL"])
    database = url.path.strip("/")
    admin_url = urlsplit(os.environ["POSTGRES_ADMIN_URL"])._replace(path=f"/{database}").geturl()
    moment = "updated_at timestamptz not null default now()"
    columns = ", ".join(f'"{column}" {kind}' for column, (kind, _) in VALUES.items())
    values = ", ".join(value for _, value in VALUES.values())
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(f"create role {name} login password '{name}' in role pg_read_all_data".encode())
        admin.execute(SHADOWS.replace("{schema}", name).encode())
        admin.execute(f"grant all on schema {name} to {name}".encode())
        admin.execute(f"create table public.{name} (id int primary key, {columns}, {moment})".encode())
        admin.execute(f"insert into public.{name} values (1, {values}), (2, {values})".encode())
        spec = {
            "flow": name,
            "owner": "tests",
            "source": {
                "connection": "pg",
                "table": f"public.{name}",
                "cursor": "updated_at",
                "cursor_clock": "database",
            },
            "lake": {"database": "d", "table": "t", "mode": "merge"},
            "columns": {column: {"as": choice} for column, choice in AS.items()},
        }
        try:
            login = Connection("pg", "postgres", url.hostname or "", url.port, name, name, database)
            yield Ground(admin, login, Flow.model_validate(spec), name)
        finally:
            admin.execute(f"drop table public.{name}; drop schema {name} cascade".encode())
            admin.execute(f"drop owned by {name}; drop role {name}".encode())


def everything_read(ground: Ground) -> list[object]:
    """What plan, preflight, engine and repeatable's check ask of a source, and what the source answers."""
    flow = ground.flow
    with postgres.connect(ground.login) as session:
        server = replace(read_server(session, ground.login), written="")  # WAL is written all the time
        examined = examine(session, flow)
        clock = watermark.check_cursor(session, flow, examined.shape)
        examined = examine_values(session, flow, examined)
        high = watermark.find_high(session, 6)
        bounds = Bounds("updated_at", "2020-01-01", "2100-01-01", keys=({"id": "1"}, {"id": "2"}))
        statement = build_statement(flow.source, examined.columns, "id", bounds=bounds)
        rows = session.execute(statement.query.replace(SPLIT_TOKEN, "true").encode()).fetchall()
        boundary = session.execute(str(statement.boundary).encode()).fetchone()
        manifest = session.execute(build_manifest(flow.source, examined.columns, bounds, ()).encode()).fetchone()
        differing = unrepeatable_parts(session, flow.source, examined.columns, bounds, ())
        widest = widest_row(session, flow.source, examined.columns, "true")
        counted = count_rows(session, flow.source)
    assert high > "2026"
    assert manifest is not None and isinstance(manifest[0], dict)
    assert manifest[0].pop("session")["schemas"].startswith("pg_catalog")
    lines = sorted(str(line) for (line,) in rows if "session" not in json.loads(str(line)).get("m", ""))
    assert len(lines) == 2 and counted == 2
    return [server, examined, clock, lines, boundary, manifest, differing, widest, counted]


@pytest.mark.parametrize(
    "path", ["{schema}, pg_catalog, public", "{schema}", "pg_catalog, {schema}", "{schema}, pg_temp, public"]
)
def test_a_source_is_read_as_if_nothing_shadowed(ground: Ground, path: str) -> None:
    before = everything_read(ground)
    ground.search(path.format(schema=ground.schema))
    assert everything_read(ground) == before


def test_findings_are_the_same(ground: Ground) -> None:
    ground.search(f"{ground.schema}, pg_catalog, public")
    ground.admin.execute(f"update public.{ground.schema} set updated_at = '2200-01-01', day = 'infinity'".encode())
    with postgres.connect(ground.login) as session:
        examined = examine(session, ground.flow)
        assert "lies in the future in 2 rows" in "".join(watermark.check_cursor(session, ground.flow, examined.shape))
        with pytest.raises(PreflightRefused, match="'day': 2 rows hold infinity"):
            examine_values(session, ground.flow, examined)


@pytest.mark.parametrize("path", ["{schema}, pg_catalog, public", "{schema}"])
def test_a_ledger_finds_its_own_tables_and_postgresqls_functions(ground: Ground, path: str) -> None:
    ground.search(path.format(schema=ground.schema))
    ledger = Ledger(ground.login, "tests")
    ledger.migrate()
    ledger.migrate()
    with ledger.lock("f", "ingest"), ledger.hold_run("f", "ingest"):
        assert ledger.list_loads("f") == []
    ledger.close()
    row = ground.admin.execute(f"select pg_catalog.count(*) from {ground.schema}.loads".encode()).fetchone()
    assert row == (0,)
