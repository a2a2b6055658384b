# ruff: noqa: E501 - tables of Markdown
"""The runbook of each kind of DAG, shown in Airflow's UI: what a task does, and what to do when it fails."""

REFUSED = """
The flow file of `{flow}` cannot be used, so no run of it begins. `switchyard lint` shows all errors at once. A run that
had begun a load goes on, by the flow that the load was planned with.

```
{message}
```
"""

INGEST = """
### {flow.flow}: PostgreSQL → HDFS → Hive

{flow.description}

Moves `{source}` of connection `{flow.source.connection}` into the Hive table
`{flow.lake.database}.{flow.lake.table}`, mode `{flow.lake.mode}`. Owner: {flow.owner}.

| task | what it does | when it fails |
|---|---|---|
| preflight | looks at the live source: names, types, values, keys, cursor; holds its columns against the contract | the message names each column and its cure; nothing was run |
| plan | checks the ledger against the table, recovers what an earlier run left, chooses the rows to read, writes the load into the ledger; ends here when nothing is new | names the connection, the run that is at work, why the flow is on hold, or what table and ledger disagree about |
| land | Sqoop writes JSON lines into a directory of its own; they are counted | run again: a try has a name of its own, debris is never read |
| convert | Hive makes typed Parquet of them, sets refused rows aside, and in mode merge writes the new version by key | NULL or ambiguous keys: correct `source.key`, or the rows; else see HiveServer2's log, and run again |
| prove | rows read = landed = kept + quarantined, values too; a merge adds up; judges the checks | the numbers, the check or the SELECT that shows the refused rows are in the message; nothing was published |
| publish | one metastore call: location, columns, seq (append: the load's partition first); then the bookmark | a conflict means that another run won; run again |
| tidy | deletes debris, and versions beyond `lake.keep_loads` | harmless; the next run does it |

Every failure before `publish` leaves the old version as it was. Clearing and rerunning any task, or the whole run, is
safe. `plan: true` says what a run would do and changes nothing. `switchyard loads {flow.flow}` lists the loads.

- **Which rows.** Mode replace reads all, and so does a merge with `source.sweep: always`. Other loads of append and
  merge read by `source.cursor`: from the bookmark, which is how far the last published load read, up to the start of the
  oldest transaction that is open in the source. One that stays open holds every load back: `pg_stat_activity` shows it.
- **From the beginning**: the Param `start`, or `switchyard run ingest {flow.flow} --from-beginning`: after the table was
  dropped, or when the source or its filter is another one and the bookmark was refused.
- **A range again**, mode merge with a cursor: the Params `backfill_from` and `backfill_to`, Airflow's Backfill, or
  `switchyard backfill {flow.flow} --from … --to …`. The bookmark stays.
- **Refused rows** do not fit a type, or break a check of severity `quarantine`. They are in
  `{flow.lake.database}.{quarantine}`, a partition a load, with the reason, whether it was published or not. More than
  `contract.quarantine_threshold` fail the load, and so does a broken check of severity `fail`. Mend the rows at the
  source; then `switchyard replay {flow.flow}`, or, if the load failed, run it again.
- **The source's schema changed**: `contract` says what is taken over, refused or quarantined (docs/contract.md).
- **A bad version**: `switchyard rollback {flow.flow}` shows the one before and puts the flow on hold: `plan` fails until
  `switchyard release {flow.flow}`.
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
| stage | finds the changed keys; writes a staging collection with its indexes and compares it with Hive, rows and values; with `serve.publish: delta` a file of the changed documents, if the collection is known to be the version before, or empty | nothing was published; run again |
| publish | closes the cache's gate; renames the staging collection into place, or replaces and deletes the changed documents and reads them back | readers see the old collection or the new one, whole (`delta`: each document whole); run again |
| refresh_cache | only with `cache`: removes exactly the changed keys (all of them, if they are unknown or over `cache.max_invalidate`), verifies, warms, opens the gate | the gate stays closed, readers go to MongoDB: slow, never wrong; run again |
| diff | only with `serve.diff`: compares the collection with Hive by value | the publish stays; `switchyard diff {flow.flow}` names the keys, `--heal` serves Hive's version again |
| tidy | deletes debris | harmless |

Clearing and rerunning any task, or the whole run, is safe; what was killed in `publish` or after it, the next run
finishes. `plan: true` says what a run would do and changes nothing. A version that a rollback undoes meanwhile is not
published; after `switchyard rollback --no-serve` trigger this DAG, which serves what Hive shows then.
"""
