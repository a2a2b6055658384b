"""The flow file's closed model. Pure: no I/O, no Airflow.

Unknown keys and impossible combinations are refused here; `switchyard.flow.loader` adds file, line and the nearest
right word.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")
_DURATION = re.compile(r"^(\d+)\s*(s|m|h|d)$")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _check_identifier(value: str) -> str:
    if not _IDENTIFIER.match(value):
        raise ValueError(f"{value!r} is not a plain name: letters, digits and _ only, not starting with a digit")
    return value


def _parse_duration(value: object) -> object:
    if isinstance(value, str) and (match := _DURATION.match(value.strip())):
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    return value


Name = Annotated[str, AfterValidator(_check_identifier)]
Duration = Annotated[timedelta, BeforeValidator(_parse_duration)]


class Closed(BaseModel):
    """Immutable, and refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Closed):
    """What is read from PostgreSQL: a table (optionally some columns, some rows), or a query."""

    connection: str = Field(description="Airflow connection of the PostgreSQL database")
    table: str | None = Field(None, description="schema.table, as PostgreSQL spells it")
    query: str | None = Field(None, description="a SELECT, instead of table")
    columns: list[str] | None = Field(None, description="columns to read; default: all")
    where: str | None = Field(None, description="a SQL condition on the rows to read")
    key: list[str] = Field(default_factory=list, description="columns that identify a row; default: the primary key")

    @model_validator(mode="after")
    def _one_statement(self) -> Source:
        if (self.table is None) == (self.query is None):
            raise ValueError("give exactly one of `table` and `query`")
        if self.query is not None and self.where is not None:
            raise ValueError("`where` belongs to `table`; put the condition into the query")
        return self


class Lake(Closed):
    """Where it lands: a Hive table over Parquet in HDFS."""

    database: Name
    table: Name
    mode: Literal["replace"] = Field("replace", description="replace: every load is a whole new version")
    hdfs: str = Field("lake_hdfs", description="Airflow connection of the NameNode")
    hive: str = Field("lake_hive", description="Airflow connection of HiveServer2")
    metastore: str = Field("lake_metastore", description="Airflow connection of the Hive metastore")
    root: str = Field("/lake", pattern=r"^(/[A-Za-z0-9_.-]+)+$", description="HDFS directory of all landings")


class Serve(Closed):
    """What MongoDB serves: the lake table as it is, or a product of it."""

    connection: str = Field(description="Airflow connection of MongoDB; its schema is the database")
    collection: Name
    key: list[str] = Field(min_length=1, description="columns that become _id")
    indexes: list[list[str]] = Field(default_factory=list)
    select: str | None = Field(None, description="HiveQL SELECT over the lake table; Hive materialises its result")
    table: Name | None = Field(None, description="Hive table of the product; default: the collection's name")
    timestamps: Literal["refuse", "beside", "string"] = Field(
        "refuse",
        description="timestamps finer than MongoDB's millisecond: refuse the load, keep microseconds in a second "
        "field <column>_us, or store text",
    )


class Cache(Closed):
    """Redis in front of the collection."""

    connection: str = Field(description="Airflow connection of Redis")
    ttl: Duration = Field(timedelta(minutes=15), description="how long a cached value lives, e.g. 15m")
    warm: int = Field(0, ge=0, description="how many changed keys to fill after a publish")
    max_invalidate: int = Field(100_000, ge=0, description="more changed keys than this raise the floor instead")


class Engine(Closed):
    """Who extracts."""

    name: Literal["sqoop"] = "sqoop"
    mappers: int = Field(1, ge=1, le=64, description="parallel readers; more than one share no snapshot")
    split_by: str | None = Field(None, description="integer column that divides the rows among mappers")


class Reconcile(Closed):
    """What a load may look like before it is published."""

    allow_empty: bool = Field(False, description="publish even when the source has no rows")


class Flow(Closed):
    """One flow file. Its name is the file's stem."""

    flow: Name
    description: str = ""
    owner: str = "data-platform"
    domain: str | None = None
    tags: list[str] = Field(default_factory=list)
    schedule: str | None = Field(None, description="cron expression or preset of the ingest leg; null: by hand")
    source: Source
    lake: Lake
    serve: Serve | None = None
    cache: Cache | None = None
    engine: Engine = Field(default_factory=Engine)
    reconcile: Reconcile = Field(default_factory=Reconcile)

    @model_validator(mode="after")
    def _parts_fit(self) -> Flow:
        if self.cache is not None and self.serve is None:
            raise ValueError("`cache` needs `serve`: Redis holds what MongoDB serves")
        return self
