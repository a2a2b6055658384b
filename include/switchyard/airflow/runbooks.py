# ruff: noqa: E501 - tables of Markdown
"""The runbook of each kind of DAG, shown in Airflow's UI: what a task does, and what to do when it fails."""

REFUSED = """
The flow file of `{flow}` cannot be used. `switchyard lint` shows all errors at once.

```
{message}
```
"""

INGEST = """
### {flow.flow}: PostgreSQL → HDFS → Hive

{flow.description}

Moves `{source}` of connection `{flow.source.connection}` into the Hive table
`{flow.lake.database}.{flow.lake.table}`. Owner: {flow.owner}.

| task | what it does | when it fails |
|---|---|---|
| preflight | looks at the live source: names, types, values, keys | the message names each column and its cure; nothing was run |
| plan | recovers what an earlier run left, writes the load into the ledger | names the connection, the run that is at work, or why the flow is on hold (`switchyard release {flow.flow}`) |
| land | Sqoop writes JSON lines into a directory of its own; they are counted | run again: a try has a name of its own, debris is never read |
| convert | Hive makes typed Parquet of them | see HiveServer2's log; run again |
| prove | what the source statement read = landed = Hive, rows and values | the numbers are in the message; nothing was published |
| publish | one metastore call: location, columns, seq | a conflict means that another run won; run again |
| tidy | deletes debris, and versions beyond `lake.keep_loads` | harmless; the next run does it |

Every failure before `publish` leaves the old version as it was. Clearing and rerunning any task, or the whole run, is
safe. `plan: true` says what a run would do and changes nothing. `switchyard loads {flow.flow}` lists the loads.
"""

SERVE = """
### {flow.flow}: Hive → MongoDB → Redis

Serves the current version of `{flow.lake.database}.{flow.lake.table}` as the collection `{serve.collection}` of
connection `{serve.connection}`. Woken by the Hive table's asset; an event wakes, the metastore and the ledger say what
to do. Owner: {flow.owner}.

| task | what it does | when it fails |
|---|---|---|
| plan | recovers, pins the version to serve; ends here when it is served already | names the connection, or the run that is at work |
| select | only with `serve.select`: Hive materialises the product, counted and flipped like any load | see HiveServer2's log |
| stage | finds the changed keys; writes a staging collection with its indexes and counts it against Hive, or a file of the changed documents (`serve.publish: delta`) | nothing was published; run again |
| publish | closes the cache's gate; renames the staging collection into place, or replaces the changed documents | readers see the old collection or the new one, whole (`delta`: each document whole); run again |
| refresh_cache | removes exactly the changed keys, verifies, warms, opens the gate | the gate stays closed: slow, never wrong; run again |
| diff | only with `serve.diff`: compares the collection with Hive by value | the publish stays; `switchyard diff {flow.flow}` names the keys |
| tidy | deletes debris | harmless |
"""
