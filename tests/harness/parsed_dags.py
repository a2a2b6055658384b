"""The DAGs of the repository as Airflow parses them, once for all tests of a process."""

from __future__ import annotations

from functools import cache

from airflow.sdk import DAG

from harness.checkout import CHECKOUT


@cache
def all_dags() -> dict[str, DAG]:
    """By dag_id; none of the files may have an import error."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(CHECKOUT / "dags", safe_mode=True, load_op_links=False)
    assert bag.import_errors == {}
    return dict(sorted(bag.dags.items()))
