"""How pgjdbc reads a URL and a statement, and how to write both so that it reads what we mean. Pure.

Source: org.postgresql.Driver.parseURL, org.postgresql.core.Parser of pgjdbc 42.7.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import quote

from switchyard.connections import Connection
from switchyard.errors import SourceRefused

_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_OPAQUE = re.compile(
    r"""
    (?i:(?<![\w$\x80-\U0010ffff])e)'(?:[^'\\]|''|\\.)*'
    | '(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\r\n]*
    | (?<![\w$\x80-\U0010ffff])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
    | (?P<comment>/\*) | (?P<mark>\?)
    """,
    re.VERBOSE | re.DOTALL,
)
_NESTED = re.compile(r"/\*|\*/")


def write_url(connection: Connection, parameters: Mapping[str, str]) -> str:
    """The JDBC URL of a connection: host, port, database, parameters; login and password are never in it.

    Raises SourceRefused for a host that a URL cannot carry, because pgjdbc does not decode hosts.
    """
    hosts = ",".join(f"{_host(host, connection)}:{connection.port or 5432}" for host in connection.host.split(","))
    listed = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters.items())
    return f"jdbc:postgresql://{hosts}/{quote(connection.schema, safe='')}" + (f"?{listed}" if listed else "")


def require_address(connection: Connection) -> None:
    """Refuse a connection whose host or database a JDBC URL cannot carry; raises SourceRefused."""
    if not connection.schema:
        raise SourceRefused(
            "the connection names no database",
            where=f"connection {connection.conn_id}",
            cure="write the database's name into the connection's schema",
        )
    write_url(connection, {})


def escape_marks(sql: str) -> str:
    """Double each `?` that pgjdbc would take for a parameter: it sends one of them to the server, as the operator."""
    escaped: list[str] = []
    at = 0
    while match := _OPAQUE.search(sql, at):
        end = _end_of_comment(sql, match.end()) if match["comment"] else match.end()
        escaped += [sql[at : match.start()], "??" if match["mark"] else sql[match.start() : end]]
        at = end
    return "".join(escaped) + sql[at:]


def _host(host: str, connection: Connection) -> str:
    bare = host.strip().removeprefix("[").removesuffix("]")
    if _NAME.fullmatch(bare):
        return bare
    if _is_ipv6(bare):
        return f"[{bare}]"
    raise SourceRefused(
        f"the host {host!r} is neither a name nor an address, and Sqoop reaches PostgreSQL over TCP only",
        where=f"connection {connection.conn_id}",
        cure="give the connection a host name or an IP address in `host`, and the port in `port`",
    )


def _is_ipv6(text: str) -> bool:
    try:
        return bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False


def _end_of_comment(sql: str, at: int) -> int:
    """Comments nest; one that is not closed reaches to the end."""
    depth = 1
    for match in _NESTED.finditer(sql, at):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    return len(sql)
