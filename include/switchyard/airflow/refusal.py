"""The task of a flow that cannot be used, and the error of a task that has nothing to go on with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from switchyard.errors import LedgerStateError

if TYPE_CHECKING:
    from airflow.sdk import Context


class RefusalOperator(BaseOperator):
    """Fails with `message`; never retried."""

    ui_color = "#f5c6c6"

    def __init__(self, *, message: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.message = message

    def execute(self, context: Context) -> None:
        """Fail. Raises AirflowFailException."""
        raise AirflowFailException(self.message)


def no_load(dag_id: str, task_id: str) -> LedgerStateError:
    """The error of a task that goes on with a load when task `plan` has named none."""
    return LedgerStateError(
        "task plan has left no load for this task to go on with: it was marked as a success by hand, or its XCom was "
        "deleted",
        where=f"task {dag_id}.{task_id}",
        cure="nothing was run; clear the task plan with those after it, or trigger the DAG anew",
    )
