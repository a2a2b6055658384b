"""A run's conf: a key that no Param answers to fails the first task of every DAG, with the near match."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.param import process_params
from airflow.sdk.exceptions import AirflowFailException
from hypothesis import given
from hypothesis import strategies as st

from harness.parsed_dags import all_dags
from switchyard.airflow.run_conf import find_faults, require_obeyed

PARAMS = ("plan", "start", "backfill_from", "backfill_to")


DAGS = all_dags()


def context_of(dag: DAG, conf: dict[str, Any] | None) -> Any:
    """The context of a first task, its params merged by Airflow itself."""
    params = process_params(dag, dag.tasks[0], conf, suppress_exception=False)
    return {"dag": dag, "dag_run": SimpleNamespace(conf=conf), "params": params}


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("plann", "unknown key `plann`, did you mean `plan`?"),
        ("PLAN", "unknown key `PLAN`, did you mean `plan`?"),
        ("plan ", "unknown key `plan `, did you mean `plan`?"),
        ("backfil_from", "unknown key `backfil_from`, did you mean `backfill_from`?"),
        ("dry_run", "unknown key `dry_run`"),
        ("", "unknown key ``"),
        ("x" * 100, f"unknown key `{'x' * 59}…`"),
    ],
)
def test_an_unknown_key_is_named_with_the_one_that_was_meant(key: str, sentence: str) -> None:
    assert list(find_faults({key: True, "plan": True}, PARAMS, {"plan": True})) == [sentence]


@given(st.dictionaries(st.text(max_size=20) | st.sampled_from(PARAMS), st.booleans() | st.none()))
def test_a_conf_of_params_alone_is_obeyed_and_no_other(conf: dict[str, bool | None]) -> None:
    obeyed = {**dict.fromkeys(PARAMS), **conf}
    assert len(list(find_faults(conf, PARAMS, obeyed))) == len(conf.keys() - set(PARAMS))


@pytest.mark.parametrize("dag", DAGS.values(), ids=list(DAGS))
class TestEveryDag:
    def test_its_first_tasks_refuse_an_unknown_key(self, dag: DAG) -> None:
        for task in dag.roots:
            with pytest.raises(AirflowFailException, match=r"unknown key `plann`, did you mean `plan`") as refused:
                task.execute(context_of(dag, {"plann": True}))
            assert f"DAG {dag.dag_id}, the run's conf" in str(refused.value)
            assert ", ".join(dag.params) in str(refused.value)

    @pytest.mark.parametrize("conf", [None, {}, {"plan": True}, {"plan": False}])
    def test_its_params_are_known(self, dag: DAG, conf: dict[str, bool] | None) -> None:
        require_obeyed(context_of(dag, conf))

    def test_a_conf_that_airflow_ignores_is_refused(self, dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__CORE__DAG_RUN_CONF_OVERRIDES_PARAMS", "False")
        with pytest.raises(AirflowFailException, match=r"`plan` is given, and Airflow ignores it"):
            require_obeyed(context_of(dag, {"plan": True}))
