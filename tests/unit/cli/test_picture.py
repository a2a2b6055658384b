"""A plan as a person reads it."""

from __future__ import annotations

from dataclasses import replace

from switchyard.cli.picture import picture_ingest, picture_serve
from switchyard.ledger.reports import ServeForecast
from switchyard.legs.ingest.forecast import IngestForecast

REPLACE = IngestForecast(
    reads="public.telemetry",
    low=None,
    up_to=None,
    source_rows=1204,
    mode="replace",
    changes="telemetry_db.telemetry",
    current_seq=2,
    current_rows=1200,
    current_rows_are="exact",
    rows_after=1204,
    schema_changes=(),
    warnings=(),
)


def test_what_is_read_what_changes_what_it_costs() -> None:
    assert list(picture_ingest(REPLACE)) == [
        "reads    public.telemetry: 1,204 rows (exact)",
        "changes  telemetry_db.telemetry, mode replace: version 2, 1,200 rows (exact) → 1,204 rows",
        "costs    reads 1,204 rows of the source; rewrites the whole table, 1,204 rows",
    ]


def test_warnings_come_first_and_notes_last_and_nothing_says_none() -> None:
    merge = replace(
        REPLACE,
        mode="merge",
        up_to="2026-11-28 12:00:00+00",
        inserted=4,
        updated_or_unchanged=3,
        late=0,
        deleted=1,
        schema_changes=("column x appears",),
        warnings=("the flow is on hold and would not run: wrong",),
        notes=("column 'at': 3 rows are finer than MongoDB's millisecond",),
    )
    assert [line.split()[0] for line in picture_ingest(merge)] == [
        "warning", "reads", "from", "changes", "4", "schema", "costs", "note"
    ]  # fmt: skip
    lines = list(picture_ingest(merge))
    assert lines[2] == "         from the beginning up to 2026-11-28 12:00:00+00"
    assert lines[4] == "         4 new, 3 updated or unchanged, 0 late, newer in the lake, 1 deleted"
    first = replace(REPLACE, current_seq=None, current_rows=0, rewrites="nothing", inserted=5)
    unknown = replace(REPLACE, current_rows=None, current_rows_are="unknown", rows_after=None)
    for plan in (merge, first, unknown):
        assert "None" not in "".join(picture_ingest(plan))
    assert "nothing there yet → 1,204 rows" in "".join(picture_ingest(first))
    assert "version 2, rows unknown → rows unknown" in "".join(picture_ingest(unknown))


def test_a_plan_of_the_serve_leg() -> None:
    plan = ServeForecast(
        serves="d.t", version=3, served_version=2, rows=10, rows_are="exact", documents_now=9, warnings=()
    )
    assert list(picture_serve(plan)) == [
        "serves   d.t, version 3: 10 rows (exact)",
        "changes  the collection, which shows version 2: 9 documents (exact)",
    ]
    none = replace(plan, version=None, served_version=None, rows=None, documents_now=0, warnings=("nothing yet",))
    lines = list(picture_serve(none))
    assert lines[0] == "warning  nothing yet"
    assert "None" not in "".join(lines)
