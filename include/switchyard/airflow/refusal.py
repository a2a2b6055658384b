"""The task of a flow that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

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
