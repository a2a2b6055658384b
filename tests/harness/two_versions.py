"""A served flow with two versions of its data, and a quick way to publish one or the other."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, fields
from typing import Any, Literal

from harness.cases import Case
from switchyard.connections import EnvironmentConnections
from switchyard.flow import naming
from switchyard.lake.metastore import Metastore
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.registry import RegisteredLoad, register
from switchyard.ledger.table_memory import LakeTable, accept_table

ROWS = 60
Letter = Literal["a", "b"]


@dataclass
class TwoVersions:
    """Version `a` has ids 1 to 60; `b` has 2 to 61, and every third of them is changed. The third part is the same."""

    case: Case
    versions: dict[Letter, TableVersion]
    documents: dict[Letter, list[dict[str, Any]]]

    @classmethod
    def load(cls, case: Case, *, serves: bool = True) -> TwoVersions:
        """Load both through the ingest leg, `a` last; serve it, unless told not to."""
        case.sql("create table t (id int primary key, x text)")
        versions: dict[Letter, TableVersion] = {}
        documents: dict[Letter, list[dict[str, Any]]] = {}
        for letter in ("b", "a"):
            case.sql("truncate t", f"insert into t {select_rows(letter)}")
            case.run("ingest")
            versions[letter] = case.version()
            documents[letter] = [{"_id": i, "id": i, "x": x} for i, x in case.sql("select id, x from t order by id")]
        if serves:
            case.run("serve")
        return cls(case, versions, documents)

    def flip(self, to: Letter) -> None:
        """Publish one of the two by the publish's own call, and tell the ledger, without a Sqoop run."""
        current, wanted = self.case.version(), self.versions[to]
        metastore = Metastore(EnvironmentConnections().get("lake_metastore"))
        seq = current.seq + 1
        load_id = f"{self.case.name}_flip{seq}"
        own = {naming.HEAD_PROPERTY: str(seq), naming.KIND_PROPERTY: "load"}
        stats = {"numRows": wanted.rows}
        rev = metastore.publish(current, wanted.location, wanted.columns, seq, load_id, stats, own)
        with self.case.runtime.ledger() as ledger:
            original = ledger.get(wanted.load_id)
            known = {field.name: getattr(original, field.name) for field in fields(RegisteredLoad)}
            register(ledger, RegisteredLoad(**known | {"load_id": load_id, "seq": seq}))
            accept_table(ledger, LakeTable(self.case.name, self.case.name, "t"), {load_id}, rev)

    def name(self, documents: list[dict[str, Any]]) -> Hashable:
        """`a` or `b` for exactly that version's documents; otherwise what they are."""
        found = sorted(documents, key=lambda document: document["_id"])
        return next((letter for letter, whole in self.documents.items() if found == whole), str(found))

    def name_rows(self, rows: list[tuple[int, str]]) -> Hashable:
        """The same for rows of Hive."""
        return self.name([{"_id": i, "id": i, "x": x} for i, x in rows])

    def shown(self) -> Hashable:
        """What MongoDB shows now."""
        return self.name(self.case.documents())


def select_rows(letter: Letter) -> str:
    low = 1 if letter == "a" else 2
    changed = "'same'" if letter == "a" else "case g % 3 when 0 then 'changed' else 'same' end"
    return f"select g, {changed} || g from generate_series({low}, {low + ROWS - 1}) g"
