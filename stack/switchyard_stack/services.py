"""The services: what each needs first, what it listens on, how it is prepared, and what health means for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from switchyard_stack import health, prepare, sqoop
from switchyard_stack.render import Site


def _nothing(site: Site) -> None:
    del site


@dataclass(frozen=True)
class Service:
    """One server under supervisord.

    `prepare` runs before the start and `finish` after the first health, both repeatable; `patience` in seconds.
    """

    name: str
    title: str
    check: health.Check
    ports: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    prepare: Callable[[Site], None] = _nothing
    finish: Callable[[Site], None] = _nothing
    patience: float = 60
    is_airflow: bool = False
    is_step: bool = False  # something done once, not a server


def _step_done(site: Site) -> str:
    del site
    return "migrated"


_ALL = (
    Service(
        "postgres", "PostgreSQL", health.check_postgres, ("postgres",),
        prepare=prepare.prepare_postgres, finish=prepare.create_databases,
    ),
    Service("redis", "Redis", health.check_redis, ("redis",), patience=20),
    Service("mongo", "SecantusDB (MongoDB protocol)", health.check_mongo, ("mongo",), prepare=prepare.prepare_mongo),
    Service(
        "namenode", "HDFS NameNode", health.check_namenode, ("namenode", "namenode_http"),
        prepare=prepare.prepare_namenode, patience=90,
    ),
    Service(
        "datanode", "HDFS DataNode", health.check_datanode, ("datanode", "datanode_http", "datanode_ipc"),
        needs=("namenode",), patience=90,
    ),
    Service(
        "sqoop", "Sqoop", _step_done, needs=("postgres", "datanode"), prepare=sqoop.prepare_sqoop, is_step=True,
    ),
    Service(
        "metastore", "Hive metastore", health.check_metastore, ("metastore",),
        needs=("postgres", "datanode"), prepare=prepare.prepare_metastore, patience=120,
    ),
    Service(
        "hiveserver2", "HiveServer2 (Tez local)", health.check_hiveserver2, ("hiveserver2",),
        needs=("metastore",), prepare=prepare.prepare_hiveserver2, patience=180,
    ),
    Service(
        "airflow-db", "Airflow's tables", _step_done,
        needs=("postgres",), prepare=prepare.migrate_airflow, is_step=True,
    ),
    Service(
        "airflow-pools", "a pool per source connection", _step_done,
        needs=("airflow-db",), prepare=prepare.import_pools, is_step=True, is_airflow=True,
    ),
    Service(
        "airflow-api-server", "Airflow API and UI", health.airflow_check("metadatabase"), ("airflow",),
        needs=("airflow-db",), patience=120, is_airflow=True,
    ),
    Service(
        "airflow-scheduler", "Airflow scheduler", health.airflow_check("scheduler"),
        needs=("airflow-pools",), patience=180, is_airflow=True,
    ),
    Service(
        "airflow-dag-processor", "Airflow DAG processor", health.airflow_check("dag_processor"),
        needs=("airflow-db",), patience=180, is_airflow=True,
    ),
    Service(
        "airflow-triggerer", "Airflow triggerer", health.airflow_check("triggerer"),
        needs=("airflow-db",), patience=180, is_airflow=True,
    ),
)  # fmt: skip

SERVICES: Mapping[str, Service] = {service.name: service for service in _ALL}


def with_needs(names: set[str]) -> dict[str, Service]:
    """These services and all that they need, in an order that starts needs first."""
    wanted = set(names)
    while more := {need for name in wanted for need in SERVICES[name].needs} - wanted:
        wanted |= more
    return {name: service for name, service in SERVICES.items() if name in wanted}
