"""A session on a live source: every setting is held or judged harmless, and pgjdbc reads what we write for it."""

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from harness.checkout import CHECKOUT
from switchyard.connections import Connection
from switchyard.errors import SourceRefused
from switchyard.extract import postgres
from switchyard.extract.jdbc import escape_marks, write_url
from switchyard.extract.session import HELD, SAME, begin, startup_options

JUDGED_HARMLESS = re.compile(
    r"lc_messages|dynamic_library_path|(local|session)_preload_libraries|check_function_bodies|client_min_messages|default_ta.*|default_toast_.*"
    r"|default_transaction_(deferrable|isolation|read_only)|gin_pending_list_limit|.*_timeout|temp_tablespaces"
    r"|restrict_nonsystem_relation_kind|session_replication_role|transaction_(deferrable|isolation)|vacuum_.*"
    r"|createrole_self_grant|event_triggers|icu_validation_level|allow_.*|backtrace_functions|debug_.*|force_parallel_mode"
    r"|jit_.*|trace_.*|wal_consistency_checking|escape_string_warning|lo_compat_privileges|synchronize_seqscans"
    r"|extension_control_path|file_copy_method|send_abort_for_.*"
)
"""Settings that change no value, no meaning of SQL and no right to write; limits end a statement aloud."""
HOSTILE = {
    "extra_float_digits": "-5",
    "DateStyle": "German",
    "IntervalStyle": "iso_8601",
    "TimeZone": "Asia/Tokyo",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "quote_all_identifiers": "on",
    "row_security": "off",
    "gin_fuzzy_search_limit": "7",
    "search_path": "public, pg_catalog",
    "default_transaction_read_only": "off",
}


@pytest.fixture(scope="module")
def admin() -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(os.environ["POSTGRES_ADMIN_URL"], autocommit=True) as session:
        yield session


@pytest.fixture
def login(admin: psycopg.Connection[tuple[object, ...]]) -> Iterator[Connection]:
    """A login of its own, which may read everything."""
    name = f"session_{secrets.token_hex(4)}"
    url = urlsplit(os.environ["POSTGRES_URL"])
    admin.execute(sql.SQL("create role {} login password {}").format(sql.Identifier(name), sql.Literal(name)))
    try:
        yield Connection("pg", "postgres", url.hostname or "", url.port, name, name, url.path.strip("/"))
    finally:
        admin.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def test_no_setting_of_this_server_is_unknown_to_us(admin: psycopg.Connection[tuple[object, ...]]) -> None:
    rows = admin.execute(
        "select name from pg_settings where context in ('user', 'superuser') "
        "and category ~ 'Client Connection Defaults|Version and Platform|Developer'"
    ).fetchall()
    ours = {setting.name for setting in HELD} | set(SAME)
    assert [name for (name,) in rows if name not in ours and not JUDGED_HARMLESS.fullmatch(str(name))] == []


@pytest.mark.parametrize(("name", "value"), HOSTILE.items())
def test_what_a_login_has_set_does_not_hold_in_our_session(
    admin: psycopg.Connection[tuple[object, ...]], login: Connection, name: str, value: str
) -> None:
    written = sql.SQL(value) if name == "search_path" else sql.Literal(value)
    admin.execute(
        sql.SQL("alter role {} set {} = {}").format(sql.Identifier(login.login), sql.Identifier(name), written)
    )
    with postgres.connect(login) as session:
        held = begin(session)
        assert held.not_held() == []
        session.rollback()
        assert begin(session) == held
    asked = startup_options(held)
    by_driver = name in ("TimeZone", "default_transaction_read_only")
    assert asked.startswith(f"-c {name}=") is not by_driver
    url = f"postgresql://{login.login}:{login.password}@{login.host}:{login.port}/{login.schema}"
    with psycopg.connect(url, options=f"{asked} -c datestyle=ISO -c timezone=UTC") as other:
        other.read_only = True
        assert replace(begin(other), options=None) == replace(held, options=None)


def test_a_source_cannot_be_written(login: Connection) -> None:
    with pytest.raises(SourceRefused, match="SQLSTATE 25006"), postgres.connect(login) as session:
        session.execute("create temporary table t (id int)")


def test_a_password_that_is_wrong_is_told_by_its_own_cause(login: Connection) -> None:
    with pytest.raises(SourceRefused, match="refused the password"), postgres.connect(replace(login, password="no")):
        pass


NAMES = ["sales+eu", "sales eu", "100%", "%41", "a/b", "wo?", "this&that", "Größe", "a=b;c#d", "${user.name}"]
MARKS = [
    "select d ? 'a'",
    "d ?| array['?']",
    "a ?- b /* ? /* ? */ */ and $q$?$q$ = '?'",
    "select E'\\'?' ?? x",
    'x$y$ ? "?"',
]
PROBE = """
import java.util.*; import org.postgresql.core.*;
public class Probe { public static void main(String[] a) throws Exception {
  for (String u : a) System.out.println(u.startsWith("jdbc:")
    ? org.postgresql.Driver.parseURL(u, null).getProperty("PGDBNAME")
    : String.join("|", Parser.parseJdbcSql(u, true, true, true, false, false).stream().map(q -> q.nativeSql).toList()));
} }
"""


def test_pgjdbc_itself_reads_the_database_and_the_statement_that_we_mean(tmp_path: Path) -> None:
    state = Path(os.environ.get("SWITCHYARD_STATE", CHECKOUT / ".switchyard"))
    jar = next(state.glob("maven/org/postgresql/postgresql/*/postgresql-*.jar"))
    (tmp_path / "Probe.java").write_text(PROBE, encoding="utf-8")
    urls = [write_url(Connection("pg", "postgres", "h", 1, schema=name), {"a": name}) for name in NAMES]
    command = [
        "java",
        "-Dfile.encoding=UTF-8",
        "-Dstdout.encoding=UTF-8",
        "-cp",
        str(jar),
        str(tmp_path / "Probe.java"),
    ]
    ended = subprocess.run(
        [*command, *urls, *map(escape_marks, MARKS)], capture_output=True, text=True, check=True, timeout=120
    )
    assert ended.stdout.splitlines() == [*NAMES, *MARKS], json.dumps(ended.stderr)
