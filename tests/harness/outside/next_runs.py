"""Print, as JSON, when each DAG of a directory runs next after 10 January and after 10 July 2026: `HH:MM` in UTC.

For a process of its own, with an Airflow configured as a test likes.
"""

import json
import sys

import pendulum
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

MONTHS = (1, 7)
times: dict[str, list[str]] = {}
for dag in DagBag(sys.argv[1], load_op_links=False).dags.values():
    timetable = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    for month in MONTHS:
        after = TimeRestriction(pendulum.datetime(2026, month, 10, tz="UTC"), None, catchup=True)
        run = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=after)
        if run is not None:
            times.setdefault(dag.dag_id, []).append(run.run_after.in_timezone("UTC").strftime("%H:%M"))
print(json.dumps(times))
