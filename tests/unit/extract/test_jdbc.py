"""What pgjdbc makes of a URL and of a statement: whatever we write, it reads what we mean."""

from urllib.parse import unquote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchyard.connections import Connection
from switchyard.errors import SourceRefused
from switchyard.extract.jdbc import escape_marks, require_address, write_url


def parse_url(url: str) -> tuple[list[tuple[str, int]], str, dict[str, str]]:
    """As org.postgresql.Driver.parseURL does: hosts are not decoded, all else by java.net.URLDecoder."""
    server, _, arguments = url.partition("?")
    server = server.removeprefix("jdbc:postgresql://")
    addresses, _, database = server.partition("/")
    hosts = []
    for address in addresses.split(","):
        host, _, port = address.rpartition(":")
        assert address.rfind("]") < len(host) + 1
        hosts.append((host, int(port)))
    pairs = [token.partition("=") for token in arguments.split("&") if token]
    return hosts, unquote_plus(database), {name: unquote_plus(value) for name, _, value in pairs}


def connection(host: str = "db", database: str = "d", port: int | None = 5433) -> Connection:
    return Connection("pg", "postgres", host=host, port=port, login="u", password="secret", schema=database)


REAL = {
    # what is in the URL → the database that pgjdbc 42.7.14 makes of it (run: org.postgresql.Driver.parseURL)
    "a%2Bb%20c%25%2F%3F%26%C3%A4": "a+b c%/?&ä",
    "x+y": "x y",
    "%41": "A",
}


@pytest.mark.parametrize(("written", "read"), REAL.items())
def test_the_decoder_of_these_tests_reads_as_the_driver_does(written: str, read: str) -> None:
    assert parse_url(f"jdbc:postgresql://h:1/{written}")[1] == read


NAMES = [
    "sales+eu",
    "sales eu",
    "100%",
    "a/b",
    "wo?",
    "this&that",
    "Größe",
    "%41",
    "#",
    ";",
    "=",
    "${user.name}",
    "a\\b",
]


@pytest.mark.parametrize("database", NAMES)
def test_the_database_that_is_named_is_the_one_that_is_read(database: str) -> None:
    url = write_url(connection(database=database), {"ApplicationName": database})
    assert parse_url(url) == ([("db", 5433)], database, {"ApplicationName": database})
    assert "${" not in url, "Hadoop would replace it"


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@settings(deadline=None)
@given(database=TEXT, parameters=st.dictionaries(st.sampled_from(["options", "ApplicationName", "x"]), TEXT))
def test_any_name_and_any_parameter(database: str, parameters: dict[str, str]) -> None:
    url = write_url(connection(database=database), parameters)
    assert parse_url(url) == ([("db", 5433)], database, parameters)
    assert url.isascii()
    assert "secret" not in url


@pytest.mark.parametrize(
    ("host", "written"),
    [
        ("db.example", "db.example:5433"),
        ("10.0.0.1", "10.0.0.1:5433"),
        ("::1", "[::1]:5433"),
        ("[2001:db8::7]", "[2001:db8::7]:5433"),
        ("fe80::1%eth0", "[fe80::1%eth0]:5433"),
        ("one,two", "one:5433,two:5433"),
    ],
)
def test_a_host(host: str, written: str) -> None:
    assert write_url(connection(host=host), {}) == f"jdbc:postgresql://{written}/d"


@pytest.mark.parametrize(
    "host", ["", "/var/run/postgresql", "a/b", "a?b", "a b", "host:5432", "a&b", "u@h", "::g", "ä+"]
)
def test_a_host_that_no_url_carries(host: str) -> None:
    with pytest.raises(SourceRefused, match="connection pg"):
        require_address(connection(host=host))


def test_a_connection_without_database() -> None:
    with pytest.raises(SourceRefused, match="names no database"):
        require_address(connection(database=""))


def prepare(sql: str) -> tuple[str, int]:
    """As org.postgresql.core.Parser reads a statement that is prepared: what the server gets, how many parameters."""
    sent, parameters, at = "", 0, 0
    while at < len(sql):
        end = _end_of_opaque(sql, at)
        if end > at:
            sent += sql[at:end]
            at = end
        elif sql.startswith("??", at):
            sent += "?"
            at += 2
        else:
            parameters += sql[at] == "?"
            sent += sql[at]
            at += 1
    return sent, parameters


def _end_of_opaque(sql: str, at: int) -> int:
    """The end of the quote or comment that begins here; `at` itself when none does."""
    here = sql[at]
    before = sql[at - 1] if at else " "
    if here == "'":
        escapes = before in "eE" and not (at > 1 and (sql[at - 2].isalnum() or sql[at - 2] in "_$"))
        return _end_of_quote(sql, at, "'", escapes=escapes)
    if here == '"':
        return _end_of_quote(sql, at, '"', escapes=False)
    if sql.startswith("--", at):
        ends = [sql.find(mark, at) for mark in "\r\n" if sql.find(mark, at) >= 0]
        return min(ends, default=len(sql))
    if sql.startswith("/*", at):
        depth, at = 1, at + 2
        while at < len(sql) and depth:
            step = 2 if sql[at : at + 2] in ("/*", "*/") else 1
            depth += {"/*": 1, "*/": -1}.get(sql[at : at + 2], 0)
            at += step
        return at
    if here == "$" and not (before.isalnum() or before in "_$"):
        close = sql.find("$", at + 1)
        tag = sql[at : close + 1]
        if close > 0 and (tag == "$$" or tag[1:-1].isidentifier()):
            end = sql.find(tag, close + 1)
            return len(sql) if end < 0 else end + len(tag)
    return at


def _end_of_quote(sql: str, at: int, quote: str, *, escapes: bool) -> int:
    at += 1
    while at < len(sql):
        if escapes and sql[at] == "\\":
            at += 2
        elif sql[at] == quote:
            return at + 1
        else:
            at += 1
    return len(sql)


PREPARED = {
    # run: org.postgresql.core.Parser.parseJdbcSql of pgjdbc 42.7.14
    "d ?? 'a' or d ??| x and '?' = $q$ ? $q$ /* ? /* ? */ ? */ and \"?\" and E'\\'?' ?? and '\\' ???? 2": (
        "d ? 'a' or d ?| x and '?' = $q$ ? $q$ /* ? /* ? */ ? */ and \"?\" and E'\\'?' ? and '\\' ?? 2",
        0,
    ),
}


@pytest.mark.parametrize(("written", "read"), PREPARED.items())
def test_the_parser_of_these_tests_reads_as_the_driver_does(written: str, read: tuple[str, int]) -> None:
    assert prepare(written) == read


PIECES = [
    *("d ? 'a'", "d ?| array['b']", "d ?& x", "a ?- b", "a ?|| b", "x ?? y", "'?'", "'it''s ?'", "E'\\'?'", "e'\\\\'"),
    *('"?"', '"a""?"', "$$ ? $$", "$q$ a'? $q$", "/* ? */", "/* ' /* ? */ \" */", "-- ?\n", "a$1", "n'?'", "name '?'"),
    *("@? '$.a'", "@@", "where", "(", ")", "'\\'", "1", "E", "x$y$ ?"),
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map(lambda parts: " ".join(["select", *parts])))
def test_the_server_gets_the_statement_that_was_written(sql: str) -> None:
    assert prepare(escape_marks(sql)) == (sql, 0)


def test_a_statement_without_marks_is_left_alone() -> None:
    sql = "select json_build_object('m', 1) from \"t\" where a = E'\\\\' and $$x$$ = 'y'"
    assert escape_marks(sql) == sql
