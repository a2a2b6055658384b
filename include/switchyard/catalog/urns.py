"""The one owner of every URN: what tasks emit is what `metadata_sync` ingests, letter by letter.

Pure strings, so that DAG files may import it; tests hold it equal to DataHub's own builders and to what its sources
produced on the real stack. The environment is always PROD, without a platform instance, as in the sources'
defaults. Names are built as the sources build them: postgres `db.schema.table`, hive `db.table` (Hive folds case),
hdfs `authority/path`, mongodb `db.collection`, redis `db.{flow}`.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

ENV = "PROD"
_RESERVED = ",()␟"  # https://docs.datahub.com/docs/what/urn/#restrictions
_DATASET = re.compile(r"^urn:li:dataset:\(urn:li:dataPlatform:([^,]+),(.*),([A-Z_]+)\)$")
_FIELD = re.compile(r"^urn:li:schemaField:\((urn:li:dataset:\(.*\)),(.*)\)$", re.DOTALL)


class QualifiedName(NamedTuple):
    """A PostgreSQL table as its catalog holds it: no quotes."""

    schema: str
    table: str


def split_table(name: str) -> QualifiedName:
    """`schema.table` or `"Sche.ma"."Ta ble"`; a bare name is in `public`. Letters stay as written."""
    parts = [quoted.replace('""', '"') if quoted else bare for quoted, bare in _parts(name)]
    if len(parts) == 1:
        return QualifiedName("public", parts[0])
    if len(parts) == 2:
        return QualifiedName(parts[0], parts[1])
    raise ValueError(f"{name!r} is not schema.table")


def _parts(name: str) -> list[tuple[str, str]]:
    return re.findall(r'"((?:[^"]|"")+)"|([^."]+)', name)


def dataset(platform: str, name: str) -> str:
    """URN of a dataset; reserved characters of the name are percent-encoded as DataHub does."""
    return f"urn:li:dataset:(urn:li:dataPlatform:{platform},{_encode(name)},{ENV})"


def postgres_table(database: str, schema: str, table: str) -> str:
    """A source table."""
    return dataset("postgres", f"{database}.{schema}.{table}")


def hdfs_landing(authority: str, directory: str) -> str:
    """The landing of a table: `authority` is `host:port` or a nameservice, `directory` is `naming.table_root`.

    Stable per table: a load's own directory would be a new dataset every night.
    """
    return dataset("hdfs", f"{authority}/{directory.strip('/')}")


def hive_table(database: str, table: str) -> str:
    """A lake table or a product of one."""
    return dataset("hive", f"{database}.{table}".lower())


def mongodb_collection(database: str, collection: str) -> str:
    """A served collection."""
    return dataset("mongodb", f"{database}.{collection}")


def redis_keyspace(database: int, flow: str) -> str:
    """The cached values of a flow: all keys with the hash tag `{flow}` in one Redis database."""
    return dataset("redis", f"{database}.{{{flow}}}")


def field(dataset_urn: str, path: str) -> str:
    """URN of a column or field of a dataset."""
    return f"urn:li:schemaField:({dataset_urn},{_encode(path)})"


def data_flow(dag_id: str) -> str:
    """URN of a DAG, as the plugin makes it with `[datahub] cluster = PROD`."""
    return f"urn:li:dataFlow:(airflow,{dag_id},{ENV})"


def data_job(dag_id: str, task_id: str) -> str:
    """URN of a task."""
    return f"urn:li:dataJob:({data_flow(dag_id)},{task_id})"


def platform_of(dataset_urn: str) -> str:
    """Return `hive` for a Hive table's URN; raises ValueError for a URN that is not a dataset's."""
    return _match(_DATASET, dataset_urn)[1]


def name_of(dataset_urn: str) -> str:
    """The name part of a dataset's URN, still encoded."""
    return _match(_DATASET, dataset_urn)[2]


def dataset_of(field_urn: str) -> str:
    """The dataset that a schemaField URN belongs to."""
    return _match(_FIELD, field_urn)[1]


def path_of(field_urn: str) -> str:
    """The field path of a schemaField URN, still encoded."""
    return _match(_FIELD, field_urn)[2]


def _match(pattern: re.Pattern[str], urn: str) -> re.Match[str]:
    match = pattern.match(urn)
    if match is None:
        raise ValueError(f"{urn!r} is not a URN of this kind")
    return match


def _encode(text: str) -> str:
    return "".join(quote(char) if char in _RESERVED else char for char in text)
