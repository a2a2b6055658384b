"""The flow file's closed model. Pure: no I/O, no Airflow.

Unknown keys and impossible combinations are refused here; `switchyard.flow.files` adds file, line and the nearest
right word. `switchyard.flow.fields` has the kinds of names, `switchyard.flow.proof` what a load must prove.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from switchyard.flow import identifiers
from switchyard.flow.choices import ColumnChoice, Uses, check_choices
from switchyard.flow.duration import Duration
from switchyard.flow.fields import (
    Closed,
    Collection,
    ConnectionId,
    FlowName,
    HiveName,
    Label,
    LakeColumn,
    SourceColumn,
    Unique,
    check_query,
    check_select,
    check_table,
    check_where,
)
from switchyard.flow.identifiers import PgTable, parse_pg_table
from switchyard.flow.proof import Check, Contract, Diff, DiffMode, LedgerPolicy, Reconcile
from switchyard.flow.refusal import refuse
from switchyard.flow.runs import Runs
from switchyard.flow.sql import mentions


class Source(Closed):
    """Rows to read from PostgreSQL: a table (optionally some columns, some rows), or a query."""

    connection: ConnectionId = Field(description="Airflow connection of the PostgreSQL database")
    table: Annotated[str, AfterValidator(check_table)] | None = Field(
        None, description='schema.table with PostgreSQL\'s quoting: public.orders, "My Schema"."My.Table"'
    )
    query: Annotated[str, AfterValidator(check_query)] | None = Field(None, description="a SELECT, instead of table")
    columns: Annotated[list[SourceColumn], Field(min_length=1), Unique] | None = Field(
        None, description="columns to read, unquoted, as PostgreSQL's catalog holds them; default: all"
    )
    where: Annotated[str, AfterValidator(check_where)] | None = Field(
        None, description="a SQL condition on the rows to read"
    )
    key: Annotated[list[SourceColumn], Unique] = Field(
        default_factory=list, description="columns that identify a row; default: the primary key"
    )
    cursor: SourceColumn | None = Field(
        None, description="timestamp of a row's last change, set by the database's clock; append and merge read by it"
    )
    cursor_clock: Literal["detect", "database"] = Field(
        "detect",
        description="detect: refuse a cursor that its default and triggers do not set by the database's clock; "
        "database: you vouch that it is that clock all the same, in UTC if it has no time zone",
    )
    tombstone: SourceColumn | None = Field(
        None, description="boolean, date or timestamp: a row in which it is true, or not NULL, is deleted (merge)"
    )
    sweep: Literal["never", "always"] = Field(
        "never",
        description="always: every merge reads the whole source, once, and finds by key and value what the cursor "
        "cannot tell: deleted rows, and changes that set no cursor",
    )

    @model_validator(mode="after")
    def _one_statement(self) -> Source:
        if (self.table is None) == (self.query is None):
            fault = "neither is given" if self.table is None else "both are given"
            raise refuse(f"give exactly one of `table` and `query`: {fault}", cure="write e.g. table: public.orders")
        for part in ("where", "columns"):
            if self.query is not None and getattr(self, part) is not None:
                what = f"`{part}` narrows a `table`, and this flow reads a `query`"
                raise refuse(what, cure=f"put the {part} into the query", at=[part])
        for column in self.key:
            if self.columns is not None and column not in self.columns:
                what = f"key column {column!r} is not among the `columns` to read"
                raise refuse(what, cure="add it to source.columns", at=["key"])
        for name in ("cursor", "tombstone"):
            column = getattr(self, name)
            if self.columns is not None and column is not None and column not in self.columns:
                what = f"column {column!r} is not among the `columns` to read"
                raise refuse(what, cure="add it to source.columns", at=[name])
        return self

    @property
    def table_parts(self) -> PgTable:
        """Schema and table, unquoted. Raises ValueError for a query."""
        if self.table is None:
            raise ValueError("a query has no table name")
        return parse_pg_table(self.table)


class Lake(Closed):
    """The Hive table, over Parquet in HDFS, that a flow loads."""

    database: HiveName = Field(description="Hive database")
    table: HiveName = Field(description="Hive table; only this flow writes it")
    mode: Literal["replace", "append", "merge"] = Field(
        "replace",
        description="replace: every load is a whole new version; append: a load adds the rows since the last one, in a "
        "partition of its own; merge: a load changes rows by key, in a whole new version",
    )
    format: Literal["parquet"] = Field("parquet", description="file format of the landings")
    hdfs: ConnectionId = Field("lake_hdfs", description="Airflow connection of the NameNode")
    hive: ConnectionId = Field("lake_hive", description="Airflow connection of HiveServer2")
    metastore: ConnectionId = Field("lake_metastore", description="Airflow connection of the Hive metastore")
    root: Annotated[str, AfterValidator(identifiers.check_root)] = Field(
        "/lake",
        description="HDFS directory of all landings",
        json_schema_extra={"pattern": f"^{identifiers.HDFS_ROOT.pattern}$"},
    )
    keep_loads: int = Field(
        3, ge=1, le=10_000, description="how many published versions stay in HDFS, the current one included"
    )
    longest_query: Duration = Field(
        timedelta(hours=1),
        description="a version stays at least this long after it was superseded, for queries that began on it",
        json_schema_extra={"default": "1h"},
    )

    @model_validator(mode="after")
    def _not_ours(self) -> Lake:
        if self.database in identifiers.OWN_DATABASES:
            what = f"Hive database {self.database} is Switchyard's or Hive's own"
            raise refuse(what, cure="choose another database", at=["database"])
        return self


class Serve(Closed):
    """The collection that MongoDB serves: the lake table as it is, or a product made from it by SQL."""

    connection: ConnectionId = Field(description="Airflow connection of MongoDB; its schema is the database")
    collection: Collection = Field(description="MongoDB collection; only this flow writes it")
    key: Annotated[list[LakeColumn], Field(min_length=1), Unique] = Field(description="columns that become _id")
    indexes: Annotated[list[Annotated[list[LakeColumn], Field(min_length=1, max_length=32), Unique]], Unique] = Field(
        default_factory=list, max_length=62, description="columns of each index, ascending: [[name], [subnet, name]]"
    )
    select: Annotated[str, AfterValidator(check_select)] | None = Field(
        None, description="HiveQL SELECT over the lake table; Hive materialises its result"
    )
    table: HiveName | None = Field(None, description="Hive table of the product; default: the collection's name")
    timestamps: Literal["refuse", "beside", "string"] = Field(
        "refuse",
        description="timestamps finer than MongoDB's millisecond: refuse the load, keep microseconds in a second "
        "field <column>_us, or store text",
    )
    publish: Literal["snapshot", "delta"] = Field(
        "snapshot",
        description="snapshot: a staging collection is renamed into place; delta: the changed documents are replaced "
        "one by one, for small changes and sharded collections",
    )
    diff: DiffMode | None = Field(None, description="compare Hive and MongoDB by value after every publish")

    @model_validator(mode="after")
    def _product_has_a_table(self) -> Serve:
        if self.select is None and self.table is not None:
            what = "`table` names the Hive table of what `select` yields, and this flow has no `select`"
            raise refuse(what, cure="remove serve.table, or add serve.select", at=["table"])
        if self.select is not None and self.table is None:
            try:
                identifiers.check_hive(self.collection)
            except ValueError as error:
                cure = "set serve.table to the name of a Hive table"
                what = f"what `select` yields needs a Hive table, and {self.collection!r} cannot name one"
                raise refuse(what, cure=cure, at=["select"]) from error
        return self


class Cache(Closed):
    """Redis in front of the collection."""

    connection: ConnectionId = Field(description="Airflow connection of Redis")
    ttl: Duration = Field(
        timedelta(minutes=15),
        description="how long a cached value lives, e.g. 15m",
        json_schema_extra={"default": "15m"},
    )
    negative: Duration | None = Field(
        None, description="how long it is remembered that a key is not there, e.g. 30s; default: not at all"
    )
    warm: int = Field(0, ge=0, le=10_000_000, description="how many changed keys to fill after a publish")
    max_invalidate: int = Field(
        100_000, ge=0, le=100_000_000, description="more changed keys than this raise the floor instead"
    )


class Engine(Closed):
    """The tool that extracts."""

    name: Literal["sqoop"] = Field("sqoop", description="the extraction engine")
    mappers: int = Field(1, ge=1, le=64, description="parallel readers; more than one share no snapshot")
    split_by: SourceColumn | None = Field(None, description="integer column that divides the rows among mappers")

    @model_validator(mode="after")
    def _split_for_mappers(self) -> Engine:
        if self.mappers > 1 and self.split_by is None:
            what = f"{self.mappers} mappers need `split_by`, the column that divides the rows"
            raise refuse(what, cure="name an integer column, e.g. split_by: id; or set mappers to 1", at=["mappers"])
        if self.mappers == 1 and self.split_by is not None:
            what = "`split_by` divides rows among mappers, and this flow has one mapper"
            raise refuse(what, cure="set mappers to 2 or more, or leave split_by out", at=["split_by"])
        return self


class Flow(Closed):
    """One flow file. Its name is the file's stem."""

    flow: FlowName = Field(description="the file's stem; may be left out")
    description: str = Field("", max_length=10_000, description="what a row is and who needs it, for people")
    owner: Label = Field("data-platform", description="the team that answers for it")
    domain: Label | None = Field(None, description="the business domain it belongs to")
    tags: Annotated[list[Label], Unique] = Field(default_factory=list, description="labels of the DAGs and tables")
    schedule: Annotated[str, AfterValidator(identifiers.check_schedule)] | None = Field(
        None, description="cron expression or preset of the ingest leg, in UTC; null: by hand"
    )
    freshness: Duration | None = Field(
        None,
        description="the nightly diff fails when the Hive table or the collection is older than this, whether or not "
        "anything ran; a plan that found nothing new counts",
    )
    source: Source
    lake: Lake
    serve: Serve | None = None
    cache: Cache | None = None
    engine: Engine = Field(default_factory=Engine)
    reconcile: Reconcile = Field(default_factory=Reconcile)
    contract: Contract = Field(default_factory=Contract)
    checks: Annotated[list[Check], Field(max_length=1_000), Unique] = Field(
        default_factory=list, description="promises about the data, tested on every landing before it is published"
    )
    diff: Diff = Field(default_factory=Diff)
    ledger: LedgerPolicy | None = Field(None, description="what the ledger keeps of the flow's history; default: all")
    runs: Runs = Field(default_factory=Runs)
    columns: dict[SourceColumn, ColumnChoice] = Field(
        default_factory=dict, description="choices for single columns, by their name in the source"
    )

    @model_validator(mode="after")
    def _parts_fit(self) -> Flow:
        _check_mode(self.source, self.lake)
        if self.cache is not None and self.serve is None:
            what = "`cache` needs `serve`: Redis holds what MongoDB serves"
            raise refuse(what, cure="add serve, or leave cache out", at=["cache"])
        if self.serve is not None and self.serve.select is not None:
            _check_product(self.lake, self.serve, self.serve.select)
        check_choices(self.columns, self.source.columns, _source_uses(self), _lake_uses(self))
        return self


def _check_mode(source: Source, lake: Lake) -> None:
    if lake.mode == "append" and source.cursor is None:
        raise refuse(
            "mode append needs a cursor column to find new rows",
            cure="set source.cursor to a timestamp column that every insert and update sets, e.g. updated_at",
            at=["lake", "mode"],
        )
    if lake.mode == "merge" and source.cursor is None and source.sweep == "never":
        cure = "set source.cursor to a timestamp that every change sets; or set source.sweep: always (reads all rows)"
        raise refuse("mode merge needs a way to find what changed", cure=cure, at=["lake", "mode"])
    if lake.mode != "merge":
        for name in ("tombstone", "sweep"):
            if getattr(source, name) not in (None, "never"):
                what = f"`{name}` is for mode merge, and lake.mode of this flow is {lake.mode}"
                raise refuse(what, cure=f"set lake.mode to merge, or leave {name} out", at=["source", name])


def _check_product(lake: Lake, serve: Serve, select: str) -> None:
    if not mentions(select, lake.table):
        cure = f"write a select that reads from {lake.database}.{lake.table}"
        raise refuse("`select` does not read this flow's lake table", cure=cure, at=["serve", "select"])
    if (serve.table or serve.collection) == lake.table:
        cure = "set serve.table to another name"
        raise refuse(
            f"what `select` yields would overwrite the lake table {lake.table}", cure=cure, at=["serve", "select"]
        )


def _source_uses(flow: Flow) -> Uses:
    """The places that name source columns, without `columns`."""
    source = flow.source
    several = {"source.columns": source.columns or [], "source.key": source.key}
    marks = {"source.cursor": [source.cursor], "source.tombstone": [source.tombstone]}
    return {**several, **marks, "engine.split_by": [flow.engine.split_by]}


def _lake_uses(flow: Flow) -> Uses:
    """The places that name columns of the lake table."""
    uses = {"checks": [column for check in flow.checks for column in check.columns]}
    if flow.serve is None or flow.serve.select is not None:
        return uses
    indexed = [column for index in flow.serve.indexes for column in index]
    return {**uses, "serve.key": flow.serve.key, "serve.indexes": indexed}
