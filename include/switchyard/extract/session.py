"""Sessions on a source, in which every setting that matters has a value of ours, whatever the login has set.

What a value's text or the meaning of our SQL depends on is read in the very session that reads the rows: psycopg's,
where we set it, and Sqoop's, where the statement's manifest row carries it. A setting that does not hold is refused,
and so is a Sqoop that read another database, server or setting than the plan saw.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from switchyard.errors import AGAIN, SourceRefused
from switchyard.records import Record

if TYPE_CHECKING:
    import psycopg

    Session: TypeAlias = psycopg.Connection[tuple[object, ...]]


_OPTION = re.compile(r"(?:^|\s)(?:-c\s*|--)([A-Za-z_][\w.-]*)=")
"""A setting within `options`: `-c name=value` or `--name=value`."""


@dataclass(frozen=True)
class Setting:
    """A setting that has to have a value of ours: `value` sets it, `holds` is a pattern of the acceptable values.

    `by_driver`: pgjdbc sets it itself, so that it needs no startup option. `ours`: a login may set it.
    """

    name: str
    value: str
    why: str
    holds: str = ""
    by_driver: bool = False
    ours: bool = True

    def is_held(self, value: str | None) -> bool:
        """True if a value is acceptable. A setting that the server does not have does no harm."""
        return value is None or re.fullmatch(self.holds or re.escape(self.value), value) is not None


HELD: tuple[Setting, ...] = (
    Setting("extra_float_digits", "1", "the digits of a float", holds="[123]"),
    Setting("DateStyle", "ISO", "the text of dates and times", holds="ISO, .*", by_driver=True),
    Setting("IntervalStyle", "postgres", "the text of an interval"),
    Setting("TimeZone", "UTC", "the text of a timestamptz", holds="UTC|GMT|Etc/UTC|Etc/GMT", by_driver=True),
    Setting("bytea_output", "hex", "the text of bytes"),
    Setting("client_encoding", "UTF8", "every text", by_driver=True),
    Setting("standard_conforming_strings", "on", "where a literal ends"),
    Setting("quote_all_identifiers", "off", "the text of a regclass, and the names of types"),
    Setting("transaction_read_only", "on", "that a source is never written to", by_driver=True),
    Setting("row_security", "on", "which rows a policy lets through"),
    Setting("gin_fuzzy_search_limit", "0", "that an index gives all rows"),
    Setting("zero_damaged_pages", "off", "that damaged rows are not left out in silence", ours=False),
    Setting("ignore_checksum_failure", "off", "that damaged rows are not read as whole ones", ours=False),
)
"""Settings with a value of ours."""

SAME = (
    *("DateStyle", "search_path", "lc_monetary", "lc_numeric", "lc_time", "xmloption", "xmlbinary", "array_nulls"),
    *("transform_null_equals", "backslash_quote", "timezone_abbreviations", "default_text_search_config"),
    *("pg_trgm.similarity_threshold", "pg_trgm.word_similarity_threshold", "pg_trgm.strict_word_similarity_threshold"),
)
"""Settings that stay the login's, because source.where and source.query may depend on them. The session that reads must
have the values that the plan saw."""

_DROPPED_OPTIONS = """
select asked.name from pg_catalog.unnest(%s::pg_catalog.text[]) as asked(name)
where not exists (
    select 1 from pg_catalog.pg_settings s
    where pg_catalog.lower(s.name) operator(pg_catalog.=) asked.name and s.source operator(pg_catalog.=) 'client'
) and (
    pg_catalog.strpos(asked.name, '.') operator(pg_catalog.=) 0
    or pg_catalog.current_setting(asked.name, true) is null
)
"""
_SET_BY = "select s.source from pg_catalog.pg_settings s where s.name operator(pg_catalog.=) %s::pg_catalog.text"

_READ = tuple(dict.fromkeys((*(setting.name for setting in HELD), *SAME)))


def session_row() -> str:
    """SQL: one JSON object that says which session this is. It means the same under any setting, search_path included.

    So every function, type, relation and operator in it names its schema, as in all SQL that runs before the settings
    hold.
    """
    names = ", ".join(f"'{name}'" for name in _READ)
    values = ", ".join(f"pg_catalog.current_setting('{name}', true)" for name in _READ)
    return (
        "pg_catalog.json_build_object('database', pg_catalog.current_database(), "
        "'address', pg_catalog.host(pg_catalog.inet_server_addr()), 'port', pg_catalog.inet_server_port(), "
        "'ssl', (select s.ssl from pg_catalog.pg_stat_ssl s where s.pid operator(pg_catalog.=) "
        "pg_catalog.pg_backend_pid()), 'started', pg_catalog.to_char(pg_catalog.pg_postmaster_start_time() "
        "at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), "
        "'standby', pg_catalog.pg_is_in_recovery(), 'login', current_user, "
        "'schemas', pg_catalog.array_to_string(pg_catalog.current_schemas(true), ', '), "
        f"'settings', pg_catalog.json_object(array[{names}], array[{values}]))"
    )


@dataclass(frozen=True)
class SourceSession(Record):
    """Which session read: the database, the server, the login, and the settings that hold in it.

    `started` is the server's start, in UTC: no two servers share its microsecond, and a restart changes it. `options`
    are the settings that a session of this login has only when it asks for them. `ssl`: whether the server's end of it
    is encrypted by TLS; None in a load that an earlier release planned.
    """

    database: str
    address: str | None
    port: int | None
    started: str
    standby: bool
    login: str
    schemas: str
    settings: Mapping[str, str | None]
    options: Mapping[str, str] | None = None
    ssl: bool | None = None

    @property
    def server(self) -> str:
        """For people."""
        role = "a standby" if self.standby else "a primary"
        return f"{self.address or 'a socket'}:{self.port}, {role}, started {self.started}"

    def not_held(self) -> list[Setting]:
        """The settings whose value is not acceptable."""
        wrong = [setting for setting in HELD if not setting.is_held(self.settings.get(setting.name))]
        return wrong if self._finds_our_functions() else [*wrong, self._search_path()]

    def _finds_our_functions(self) -> bool:
        schemas = [name for name in self.schemas.split(", ") if not name.startswith("pg_temp_")]
        return schemas[:1] == ["pg_catalog"]

    def _lasting_schemas(self) -> str:
        """The schemas, without the number of the session's own for temporary tables, which `pg_temp, …` makes."""
        return re.sub(r"\bpg_temp_\d+", "pg_temp", self.schemas)

    def _search_path(self) -> Setting:
        path = self.settings.get("search_path")
        return Setting("search_path", f"pg_catalog, {path}" if path else "pg_catalog", "which function count() is")

    def differences(self, planned: SourceSession) -> list[str]:
        """The differences from the session that the plan saw, one sentence each."""
        pairs = [
            ("database", self.database, planned.database),
            ("server", self.server, planned.server),
            ("user", self.login, planned.login),
            ("schemas", self._lasting_schemas(), planned._lasting_schemas()),
        ]
        if (self.started, self.standby) == (planned.started, planned.standby):
            pairs.pop(1)  # one server has several addresses
        if planned.ssl and not self.ssl:
            pairs.append(("TLS", "off", "on"))
        pairs += [(name, str(self.settings.get(name)), str(planned.settings.get(name))) for name in _compared(planned)]
        return [f"{what} {now}, and the plan saw {then}" for what, now, then in pairs if now != then]


def _compared(planned: SourceSession) -> list[str]:
    """`search_path` is compared as the schemas that it leads to."""
    return [name for name in SAME if name in planned.settings and name != "search_path"]


def begin(session: Session) -> SourceSession:
    """Begin a transaction in which every setting holds; what was open before ends.

    The settings are the transaction's, so that a pooler neither loses them nor hands them on to somebody else. Raises
    SourceRefused for one that the server does not let us set.
    """
    session.rollback()
    before = _look(session)
    order_is_the_logins = _is_the_logins(session, "DateStyle")
    changes = {setting.name: setting.value for setting in before.not_held()}
    held = before
    if changes:
        calls = ", ".join("pg_catalog.set_config(%s, %s, true)" for _ in changes)
        session.execute(f"select {calls}".encode(), [text for pair in changes.items() for text in pair])
        held = _look(session)
    if wrong := held.not_held():
        raise _refused(
            held,
            wrong,
            "Switchyard's own session",
            "some may need the server's administrator",
        )
    by_driver = {setting.name for setting in HELD if setting.by_driver}
    options = {name: value for name, value in changes.items() if name not in by_driver}
    if order_is_the_logins:
        options["DateStyle"] = str(held.settings["DateStyle"])  # the driver's own ISO would hide the login's order
    return replace(held, options=options)


def require_options(session: Session, options: str) -> None:
    """Refuse a session that began without what the connection's extra `options` asks for; raises SourceRefused.

    A pooler can drop them without a word, and then `search_path` would lead to another table.
    """
    names = [name.lower().replace("-", "_") for name in _OPTION.findall(options)]
    settings = [str(row[0]) for row in session.execute(_DROPPED_OPTIONS, [names])]
    user = session.info.user
    if settings:
        raise SourceRefused(
            f"the session began without what extra.options of the connection asks for: {', '.join(settings)}",
            where=f"database {session.info.dbname}, user {user}",
            cure="nothing was published; let the pooler pass startup options on, or set them for the login: "
            f'alter role "{user}" set NAME = VALUE',
        )


def _is_the_logins(session: Session, name: str) -> bool:
    """Whether a setting comes from ALTER ROLE or ALTER DATABASE, which a client's startup parameter goes before."""
    row = session.execute(_SET_BY, [name]).fetchone()
    return bool(row and row[0] in ("user", "database", "database user"))


def require_same(reader: str, read: SourceSession, planned: SourceSession | None) -> None:
    """Refuse rows that another session read than the one that was planned; raises SourceRefused.

    `planned` is None for a load that an earlier release planned.
    """
    if wrong := read.not_held():
        dropped = f"or let the pooler between {reader} and PostgreSQL pass startup options on"
        raise _refused(read, wrong, f"the session of {reader}", dropped)
    if planned is not None and (differences := read.differences(planned)):
        raise SourceRefused(
            f"{reader} read from another server or with other settings than the step plan: {'; '.join(differences)}",
            where=f"database {planned.database}, user {planned.login}",
            cure="nothing was published; run the whole leg again (switchyard run ingest FLOW, or in Airflow trigger "
            "DAG ingest__FLOW), which helps after a restart or a changed setting; if that fails as well, change the "
            "connection's host so that it always leads to one and the same server",
        )


def startup_options(planned: SourceSession | None) -> str:
    """PostgreSQL's `options` for a session that cannot set anything itself: empty when the login has all by itself."""
    if planned is None or planned.options is None:
        options: Mapping[str, str] = {s.name: s.value for s in HELD if s.ours and not s.by_driver}
    else:
        options = planned.options
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in options.items())


def _look(session: Session) -> SourceSession:
    row = session.execute(f"select {session_row()}".encode()).fetchone()
    assert row is not None and isinstance(row[0], dict)  # noqa: S101 - a SELECT without FROM
    return SourceSession.from_json(row[0])


def _refused(session: SourceSession, wrong: Sequence[Setting], whose: str, or_else: str) -> SourceRefused:
    listed = ", ".join(_describe(session, setting) for setting in wrong)
    statements = "; ".join(_statement(session, setting) for setting in wrong)
    return SourceRefused(
        f"settings in {whose} are not what a load needs: {listed}",
        where=f"PostgreSQL of the source, database {session.database}, user {session.login}",
        cure=f"nothing was published; set them for the login: {statements}; then {AGAIN}; {or_else}",
    )


def _describe(session: SourceSession, setting: Setting) -> str:
    value = session.settings.get(setting.name)
    purpose = setting.why
    return f"{setting.name} is {value!r} ({purpose} depends on it)"


def _statement(session: SourceSession, setting: Setting) -> str:
    value = _literal(setting)
    return f'alter role "{session.login}" set {setting.name} = {value}'


def _literal(setting: Setting) -> str:
    """A setting's value as ALTER ROLE takes it; search_path is a list."""
    if setting.name == "transaction_read_only":
        return "on"
    return setting.value if setting.name == "search_path" else f"'{setting.value}'"


def _escaped(value: str) -> str:
    r"""A value within `options`, where spaces divide and a backslash takes the next character as it is."""
    return re.sub(r"([\\\s])", r"\\\1", value)
