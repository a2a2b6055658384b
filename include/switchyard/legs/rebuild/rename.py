"""`switchyard rename OLD NEW`: everything that a flow wrote under its name becomes that of another flow's name.

The tables first, then MongoDB's record, then the cache, the ledger last: interrupted anywhere, the same command goes
on. No data moves. The DAG runs of Airflow and the manifests in HDFS keep the old name: they tell history.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from switchyard.errors import SwitchyardError
from switchyard.flow import naming
from switchyard.flow.frozen import thaw
from switchyard.flow.spec import Flow
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.loads import UNFINISHED
from switchyard.ledger.renaming import knows, rename_rows
from switchyard.ledger.store import Ledger
from switchyard.legs.runtime import Runtime
from switchyard.legs.serve.refresh_cache import forget
from switchyard.legs.truth.check import require_agreement
from switchyard.serve.mongo.record import read_shown, rename_flow
from switchyard.serve.mongo.target import MongoTarget

_LEGS: tuple[naming.Leg, ...] = ("ingest", "serve")


@dataclass(frozen=True)
class Renaming:
    """What is to be renamed: `tables` and `collection` still have the old name, `ledger` too."""

    tables: tuple[TableVersion, ...]
    collection: str | None
    cache: bool
    ledger: bool

    def sentences(self, old: str, new: str) -> tuple[str, ...]:
        """For people, in the order in which it is done."""
        tables = [f"Hive table {table.name} belongs to {new}" for table in self.tables]
        record = [f"MongoDB's record of collection {self.collection} names {new}"] if self.collection else []
        cache = [f"the cache of {old} is removed; that of {new} begins with the next serve run"] if self.cache else []
        ledger = [f"the loads of {old} are those of {new}"] if self.ledger else []
        return tuple(tables + record + cache + ledger) or ("nothing: it is renamed already",)


def rename(runtime: Runtime, old: str, flow: Flow, *, plan_only: bool = False) -> Renaming:
    """Give what flow `old` wrote to `flow`, whose file has the new name and the same targets.

    Raises:
        LoadInProgress: a run of one of them is at work. TruthConflict: the ledger and the table disagree.
        SwitchyardError: a load is unfinished, the new name is taken, or the targets differ.
    """
    with runtime.ledger() as ledger:
        ledger.migrate()
        with _held(ledger, old, flow.flow):
            renaming = _plan(runtime, ledger, old, flow)
            if not plan_only:
                _apply(runtime, ledger, renaming, old, flow)
    return renaming


def _plan(runtime: Runtime, ledger: Ledger, old: str, flow: Flow) -> Renaming:
    new = flow.flow
    for name in (old, new):
        unfinished = ledger.list_loads(name, None, UNFINISHED)
        if unfinished:
            raise _refused(
                old,
                f"load {unfinished[0].load_id} is unfinished: {unfinished[0].state}",
                f"rename the file back and finish it: switchyard run {unfinished[0].leg} {name}; or give it up: "
                f"switchyard abandon {name} --leg {unfinished[0].leg} --why 'REASON'",
            )
    in_ledger = knows(ledger, old)
    if in_ledger and knows(ledger, new):
        raise _refused(old, f"the ledger has loads of {new} already", "choose another name for the file")
    if not in_ledger and not knows(ledger, new):
        raise _refused(
            old,
            f"the ledger knows no flow {old}",
            f"give the flow's former name; the Hive table's parameter switchyard.flow has it: SHOW TBLPROPERTIES "
            f"{flow.lake.database}.{flow.lake.table}",
        )
    _require_same_targets(ledger, old, flow)
    tables = _tables(runtime, old, flow)
    if in_ledger and any(table.table == flow.lake.table for table in tables):
        require_agreement(runtime, ledger, flow.model_copy(update={"flow": old}))
    return Renaming(tables, _collection(runtime, old, flow), in_ledger and flow.cache is not None, in_ledger)


def _apply(runtime: Runtime, ledger: Ledger, renaming: Renaming, old: str, flow: Flow) -> None:
    for table in renaming.tables:
        names = ",".join((*table.formerly, old))
        parameters = {naming.FLOW_PROPERTY: flow.flow, naming.FORMERLY_PROPERTY: names}
        runtime.metastore(flow).alter(table, parameters)
    if renaming.collection is not None and flow.serve is not None:
        with MongoTarget(runtime.connections.get(flow.serve.connection)) as mongo:
            rename_flow(mongo, renaming.collection, old, flow.flow)
    if renaming.cache:
        forget(runtime, flow.model_copy(update={"flow": old}))
    runtime.hdfs(flow).delete(naming.serve_scratch(flow.lake.root, old))
    if renaming.ledger:
        version = runtime.metastore(flow).read_version(flow.lake.database, flow.lake.table)
        rename_rows(ledger, old, flow.flow, rev=version.rev if version else None)


def _require_same_targets(ledger: Ledger, old: str, flow: Flow) -> None:
    """A rename changes a name; what else the file says differently is another change, and comes after it."""
    for load in ledger.list_loads(old, None, ["published", "served"], limit=1):
        before = thaw(load.spec)
        if naming.targets(before) != naming.targets(flow):
            theirs, ours = (", ".join(naming.targets(each).values()) for each in (before, flow))
            raise _refused(
                old,
                f"{flow.flow} writes to {ours}, and {old} wrote to {theirs}",
                "set lake, serve and cache in the flow file as they were, rename, then change them",
            )


def _tables(runtime: Runtime, old: str, flow: Flow) -> tuple[TableVersion, ...]:
    """The Hive tables that still belong to the old name; raises SwitchyardError for one of a third flow."""
    metastore, lake = runtime.metastore(flow), flow.lake
    names = [lake.table, naming.quarantine_table(lake.table), naming.diff_table(lake.table, source=True)]
    names.append(naming.diff_table(lake.table))
    if flow.serve is not None and flow.serve.select is not None:
        product = naming.served_table(lake, flow.serve)[1]
        names += [product, naming.diff_table(product)]
    read = (metastore.read_version(lake.database, name) for name in names)
    owned = [version for version in read if version is not None and version.seq >= 0]  # a quarantine has no seq
    for version in owned:
        if version.flow not in (old, flow.flow):
            table, owner, new = version.name, version.flow, flow.flow
            raise _refused(
                old,
                f"the file of flow {new} names Hive table {table}, which belongs to a third flow, {owner!r}",
                f"in the file of flow {new} set lake.database and lake.table to those that {old} had; then again: "
                f"switchyard rename {old} {new}",
            )
    return tuple(version for version in owned if version.flow == old)


def _collection(runtime: Runtime, old: str, flow: Flow) -> str | None:
    if flow.serve is None:
        return None
    with MongoTarget(runtime.connections.get(flow.serve.connection)) as mongo:
        record = read_shown(mongo, flow.serve.collection).record
    if record is not None and record.flow not in (old, flow.flow):
        raise _refused(
            old,
            f"flow {record.flow!r} serves collection {record.collection}",
            f"in the file of flow {flow.flow} set serve.collection to the one that {old} had",
        )
    return flow.serve.collection if record is not None and record.flow == old else None


def _refused(old: str, what: str, cure: str) -> SwitchyardError:
    return SwitchyardError(
        f"the flow cannot be renamed: {what}", where=f"flow {old}", cure=f"nothing was changed; {cure}"
    )


@contextlib.contextmanager
def _held(ledger: Ledger, *flows: str) -> Iterator[None]:
    """Hold both legs of both names."""
    with contextlib.ExitStack() as stack:
        for flow in flows:
            for leg in _LEGS:
                stack.enter_context(ledger.hold_run(flow, leg))
                stack.enter_context(ledger.lock(flow, leg))
        yield
