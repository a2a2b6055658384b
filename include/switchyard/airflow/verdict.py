"""The last task of the nightly `diff`: stores that differ, data that is too old, files that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from switchyard.airflow.run_conf import require_obeyed
from switchyard.errors import ReconcileMismatch, SwitchyardError

if TYPE_CHECKING:
    from airflow.sdk import Context

_MORE = "the log of this task has all"
_FAILED = ("failed", "upstream_failed")
Report = Mapping[str, Any]


class _Chapter(NamedTuple):
    """One kind of thing that can be wrong: the sentences about it, one for each flow, and the cure."""

    what: str
    sentences: Sequence[str]
    cure: str


class VerdictOperator(BaseOperator):
    """Fails when stores differ or are too old, or when that could not be judged.

    Args:
        compared: task ids of the comparisons.
        judged: task ids of the judgements of freshness.
        refused: flow files that cannot be used: the flow's name and what is wrong. A dry run passes over them.
    """

    ui_color = "#f4ecdb"

    def __init__(
        self, *, compared: Sequence[str], judged: Sequence[str], refused: Mapping[str, str], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.compared = compared
        self.judged = judged
        self.refused = refused

    def execute(self, context: Context) -> dict[str, bool]:
        """Judge; returns flow → True. Raises AirflowFailException naming every flow and what is wrong with it."""
        require_obeyed(context)
        states = self._states(context)
        differing, compared = self._read(context, states, self.compared, "equal", "could not be compared")
        stale, judged = self._read(context, states, self.judged, "fresh", "could not be judged")
        refused = [] if context["params"]["plan"] else self._refused(context["params"]["flows"])
        chapters = [
            _Chapter(
                "stores differ",
                differing,
                "see which keys differ: switchyard diff FLOW; to serve MongoDB anew: switchyard diff FLOW --heal",
            ),
            _Chapter(
                "data is older than its flow allows",
                stale,
                "see what ran: switchyard loads FLOW; then run the late leg: switchyard run ingest FLOW, or serve",
            ),
            _Chapter(
                "flow files cannot be used, and no run of theirs begins",
                refused,
                "see all that is wrong in them: switchyard lint",
            ),
        ]
        wrong = [chapter for chapter in chapters if chapter.sentences]
        if wrong:
            raise AirflowFailException(str(_error_of(wrong)))
        if not compared and not judged:
            raise AirflowSkipException("nothing was compared: see the log of each flow's task")
        return {report["flow"]: True for report in (*compared, *judged)}

    def _read(
        self, context: Context, states: Mapping[str, str], task_ids: Sequence[str], good: str, failure: str
    ) -> tuple[list[str], list[Report]]:
        """Return what is wrong by the reports of some tasks, and the reports; all of them go to the log."""
        pulled = (context["ti"].xcom_pull(task_ids=task_id) for task_id in task_ids)
        reports = [report for report in pulled if report]
        sentences = {report["flow"]: f"{report['flow']}: {'; '.join(report['found'])}" for report in reports}
        for sentence in sentences.values():
            self.log.info("%s", sentence)
        wrong = [sentences[report["flow"]] for report in reports if not report[good]]
        wrong += [f"{task_id}: {failure}" for task_id in task_ids if states.get(task_id) in _FAILED]
        return wrong, reports

    def _refused(self, only: Sequence[str] | None) -> list[str]:
        wanted = [
            (f"{flow}: {what_is_wrong}") for flow, what_is_wrong in self.refused.items() if not only or flow in only
        ]
        for sentence in wanted:
            self.log.error("%s", sentence)
        return wanted

    def _states(self, context: Context) -> dict[str, str]:
        run = context["dag_run"]
        task_ids = [*self.compared, *self.judged]
        by_run = context["ti"].get_task_states(dag_id=run.dag_id, task_ids=task_ids, run_ids=[run.run_id])
        states: dict[str, str] = by_run.get(run.run_id, {})
        return states


def _error_of(chapters: Sequence[_Chapter]) -> SwitchyardError:
    """One error of at most ten lines; of several chapters each finding says which it belongs to."""
    if len(chapters) == 1:
        return _error_of_one(chapters[0])
    return ReconcileMismatch(
        "several things are wrong:",
        where="DAG diff",
        cure="; ".join(chapter.cure for chapter in chapters),
        findings=[f"{chapter.what}: {sentence}" for chapter in chapters for sentence in chapter.sentences],
        more=_MORE,
    )


def _error_of_one(chapter: _Chapter) -> SwitchyardError:
    return ReconcileMismatch(
        f"{chapter.what}:", where="DAG diff", cure=chapter.cure, findings=chapter.sentences, more=_MORE
    )
