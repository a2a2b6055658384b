"""Names that a flow file may use, and why they are safe.

Every name is of one of two classes:

- *plain*: the name matches a strict pattern, so it means nothing else anywhere it is put (shell words, HDFS paths,
  HiveQL, Redis keys and globs, DAG and asset ids): flow names, connection ids, Hive databases and tables, lake
  columns, HDFS roots, collections, domains.
- *quoted*: any text that the server allows; every statement quotes it (`types.quoting.quote_postgres`): PostgreSQL's
  schemas, tables and columns. NUL is refused, since no server stores it and C strings end at it.

SQL (`where`, `query`, `select`) is the author's own; `switchyard.flow.sql` keeps it inside its brackets.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from switchyard.flow.hive_words import RESERVED
from switchyard.flow.refusal import refuse
from switchyard.types.lake_names import LAKE_COLUMN, suggest

POSTGRES_NAME_BYTES = 63
"""NAMEDATALEN - 1; PostgreSQL cuts a longer name, in silence."""

HIVE_LENGTH = 128
"""The metastore's shortest column that holds a database or table name (DBS.NAME, schema 4.0)."""

COLLECTION_BYTES = 120
"""MongoDB allows 255 for `database.collection`; the rest is for our staging suffix and the database."""

FLOW = re.compile(r"[a-z][a-z0-9_]{0,63}")
CONNECTION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
HIVE = re.compile(r"[a-z][a-z0-9_]*")
COLLECTION = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
DIFF_SUFFIX = "__diff"
SOURCE_DIFF_SUFFIX = "__source_diff"
"""How the names of our own tables of differences end."""
STAGING_COLLECTION = re.compile(r".*__s[0-9]+_[0-9a-f]+")
HDFS_ROOT = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_. :/@-]{0,99}")

OWN_COLLECTION = "switchyard"
"""Our own records of the served collections of a MongoDB database."""

OWN_DATABASES = frozenset({"switchyard_staging", "sys", "information_schema"})

_PG_PART = re.compile(r'"(?P<quoted>(?:[^"]|"")+)"|(?P<bare>[A-Za-z_\x80-\U0010ffff][\w$]*)')
_CRON_PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")


class PgTable(NamedTuple):
    """A PostgreSQL table, as the catalog holds its names: unquoted."""

    schema: str
    table: str


def check_flow(name: str) -> str:
    """A flow's name: the file's stem, a part of DAG ids, cache keys and ledger rows."""
    if not FLOW.fullmatch(name):
        raise refuse(
            f"{name!r} cannot name a flow: lower-case letters, digits and _ only, a letter first, at most 64 in all",
            cure=f"rename the file to {_plain(name)}.yaml",
        )
    return name


def check_connection(name: str) -> str:
    """An Airflow connection id."""
    if not CONNECTION.fullmatch(name):
        # The text is not shown: it may be a URL with a password in it.
        cure = "write the id of an Airflow connection; host, login and password belong into that connection"
        what = "this cannot be a connection id: letters, digits, _, - and . only, at most 128 characters"
        raise refuse(what, cure=cure)
    return name


def check_hive(name: str) -> str:
    """A Hive database or table."""
    if not HIVE.fullmatch(name):
        plain_name = _plain(name)
        raise refuse(
            f"{name!r} cannot name a Hive table or database: lower-case letters, digits and _ only, a letter first",
            cure=f"write e.g. {plain_name}",
        )
    if name in RESERVED:
        raise refuse(
            f"{name!r} is a reserved word of Hive, which every query would have to quote",
            cure=f"write e.g. {name}_table",
        )
    if name.endswith((DIFF_SUFFIX, SOURCE_DIFF_SUFFIX)):
        raise refuse(
            f"{name!r} ends in {DIFF_SUFFIX} or {SOURCE_DIFF_SUFFIX}, as the tables do that `switchyard diff` writes",
            cure="choose a name with another ending",
        )
    if len(name) > HIVE_LENGTH:
        length = len(name)
        what = f"the name is too long for Hive's metastore: {length} characters, and {HIVE_LENGTH} are allowed"
        raise refuse(what, cure="shorten it")
    return name


def check_lake_column(name: str) -> str:
    """A column of a lake table or product, which is also a field of the documents."""
    if not LAKE_COLUMN.fullmatch(name):
        what = f"{name!r} cannot name a lake column: letters, digits and _ only, not _id"
        near_name = suggest(name)
        cure = f"write e.g. {near_name}; a source column gets that name by columns: {{COLUMN: {{name: {near_name}}}}}"
        raise refuse(what, cure=cure)
    if name != name.lower():
        in_lower_case = name.lower()
        raise refuse(
            f"{name!r} has capitals, and Hive keeps the names of columns in lower case", cure=f"write {in_lower_case}"
        )
    return name


def check_postgres_column(name: str) -> str:
    """A column of the source, as PostgreSQL's catalog holds it: always quoted, so any text does."""
    return _check_postgres_name(name)


def check_collection(name: str) -> str:
    """A MongoDB collection. Source: https://www.mongodb.com/docs/manual/reference/limits/ (Naming Restrictions)."""
    if name.startswith("system."):
        rest = name.removeprefix("system.")
        raise refuse(f"{name!r}: collections that start with system. are MongoDB's own", cure=f"write {rest}")
    if not COLLECTION.fullmatch(name):
        what = f"{name!r} cannot name a collection: letters, digits, _, - and . only, no digit first"
        raise refuse(what, cure="choose such a name, e.g. grid_nodes")
    if name == OWN_COLLECTION:
        raise refuse(f"collection {name} holds Switchyard's own records", cure="choose another name")
    if len(name) > COLLECTION_BYTES:
        length = len(name)
        what = f"the name is too long for a collection: {length} characters, and {COLLECTION_BYTES} are allowed"
        raise refuse(what, cure="shorten it")
    if STAGING_COLLECTION.fullmatch(name):
        what = f"{name!r} looks like a staging collection, which Switchyard drops after a publish"
        raise refuse(what, cure="rename it: no name may end like __s7_ab12")
    return name


def check_root(path: str) -> str:
    """The HDFS directory of all landings."""
    if not HDFS_ROOT.fullmatch(path):
        what = f"{path!r} is not an absolute HDFS path of plain names (letters, digits, _, - and .)"
        raise refuse(what, cure="write a path such as /lake")
    return path


def check_label(text: str) -> str:
    """A tag or domain; Airflow's tags have at most 100 characters."""
    if not LABEL.fullmatch(text):
        raise refuse(
            f"{_shown(text)} is no label: letters, digits, spaces and _ . : / @ - only, at most 100 characters",
            cure="write a label such as grid operations",
        )
    return text


def parse_pg_table(text: str) -> PgTable:
    """Read `schema.table` with PostgreSQL's quoting: `public.orders`, `"My Schema"."My.Table"`."""
    parts: list[str] = []
    at = 0
    while match := _PG_PART.match(text, at):
        parts.append(_unquote(match, text))
        at = match.end()
        if at == len(text) or text[at] != ".":
            break
        at += 1
    if at != len(text):
        cure = 'write names that have capitals, spaces or dots in double quotes: public."My Table"'
        raise refuse(f"{_shown(text)} is not schema.table", cure=cure)
    if len(parts) == 1:
        raise refuse(f"{text!r} does not name its schema", cure=f"write public.{text}, or the schema it is in")
    if len(parts) != 2:
        what = f"{_shown(text)} has more than two parts; it is not schema.table"
        raise refuse(what, cure="leave the database out: the connection chooses it")
    return PgTable(*map(_check_postgres_name, parts))


@lru_cache(maxsize=4096)
def check_schedule(text: str) -> str:
    """A cron expression of five fields, or a preset of Airflow's."""
    if text in _CRON_PRESETS:
        return text
    if text.startswith("@"):
        raise refuse(f"{text!r} is not a preset of a schedule", cure=f"write one of {', '.join(_CRON_PRESETS)}")
    if len(text.split()) != 5:
        raise refuse(f"{text!r} is not a cron expression of five fields", cure='write e.g. "30 2 * * *", or "@hourly"')
    from croniter import CroniterBadDateError, CroniterError, croniter

    fields = 'write five fields, minute hour day month weekday, e.g. "30 2 * * *"'
    if "r" in re.sub("mar|apr|fri|thur", "", text.lower()):  # croniter's R: another random time at every parse
        raise refuse(
            f"{text!r} asks for a random time: an R stands for one", cure="write a fixed time, e.g. 30 2 * * *"
        )
    try:
        croniter(text).get_next()
    except CroniterBadDateError as error:
        raise refuse(f"{text!r} names a day that never comes", cure="choose a day that the month has") from error
    except (CroniterError, ValueError) as error:
        raise refuse(f"{text!r} is not a cron expression", cure=fields) from error
    return text


def _unquote(match: re.Match[str], text: str) -> str:
    if match["quoted"] is not None:
        return match["quoted"].replace('""', '"')
    bare = match["bare"]
    if bare != bare.lower():
        folded = bare.lower()
        cure = f'write "{bare}", with the double quotes, if PostgreSQL has it with capitals; else write {folded}'
        raise refuse(f"{text!r}: PostgreSQL folds {bare} to lower case unless it is quoted", cure=cure)
    return bare


def _check_postgres_name(name: str) -> str:
    if not name or "\0" in name:
        what = f"{name!r} cannot be a name in PostgreSQL: it is empty, or has a NUL character"
        raise refuse(what, cure="write the column's or table's name as psql shows it (\\d)")
    if "$CONDITIONS" in name:
        raise refuse(
            f"{_shown(name)} cannot be read: Sqoop replaces $CONDITIONS in every statement",
            cure="create a view in PostgreSQL that gives it another name, and read the view",
        )
    if len(name.encode()) > POSTGRES_NAME_BYTES:
        length = len(name.encode())
        what = f"{_shown(name)} has {length} bytes, and PostgreSQL cuts names after {POSTGRES_NAME_BYTES}"
        raise refuse(what, cure="write the name as psql shows it (\\d)")
    return name


def _plain(name: str) -> str:
    """A legal name near to `name`, to suggest."""
    near_name = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:64]
    return near_name if near_name[:1].isalpha() else f"t_{near_name}".rstrip("_")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")
