"""A run's conf: what its trigger asked for. A key that no Param answers to is refused, because Airflow ignores it.

Airflow validates the values of the Params it knows and takes any other key: `{"plann": true}` would be a load instead
of a plan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowFailException

from switchyard.errors import SwitchyardError
from switchyard.flow.refusal import nearest

if TYPE_CHECKING:
    from airflow.sdk import Context
    from pydantic import JsonValue

_LONGEST_KEY = 60


def require_obeyed(context: Context) -> None:
    """Raise AirflowFailException if the run's conf asks for something that the run would not do."""
    dag = context["dag"]
    faults = list(find_faults(context["dag_run"].conf or {}, dag.params.keys(), context["params"]))
    if faults:
        names = ", ".join(dag.params)
        error = SwitchyardError(
            "; ".join(faults),
            where=f"DAG {dag.dag_id}, the run's conf",
            cure=f"nothing was run; trigger DAG {dag.dag_id} again with its own Params only: {names}",
        )
        raise AirflowFailException(str(error))


def find_faults(
    conf: Mapping[str, JsonValue], params: Collection[str], obeyed: Mapping[str, JsonValue]
) -> Iterator[str]:
    """Yield a sentence for each key of a conf that is no Param, or whose value the run does not have.

    Args:
        conf: what the trigger gave.
        params: names of the DAG's Params.
        obeyed: values of the Params, as the run has them.
    """
    for key, value in conf.items():
        if key not in params:
            match = nearest(key, params)
            meant = f", did you mean `{match}`?" if match else ""
            yield f"unknown key `{_cut(key)}`{meant}"
        elif obeyed[key] != value:
            setting = "core.dag_run_conf_overrides_params"
            yield f"`{key}` is given, and Airflow ignores it while `{setting}` is off: turn it on in airflow.cfg"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_KEY else f"{text[: _LONGEST_KEY - 1]}…"
