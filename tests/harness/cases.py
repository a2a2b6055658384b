"""One flow with names of its own on every server: made for a test, cleaned up after it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from typer.testing import CliRunner

from harness.servers import Servers
from switchyard.cli.app import build_app
from switchyard.connections import EnvironmentConnections
from switchyard.errors import SwitchyardError
from switchyard.flow import naming
from switchyard.flow.naming import Leg
from switchyard.flow.spec import Flow
from switchyard.handover import StepReport
from switchyard.lake.hdfs import Hdfs
from switchyard.lake.metastore import Metastore
from switchyard.lake.table_version import TableVersion
from switchyard.ledger.loads import Load
from switchyard.legs.runtime import Runtime
from switchyard.legs.steps import run_leg
from switchyard.records import Record
from switchyard.serve.cache.reader import ReadThroughCache

if TYPE_CHECKING:
    from harness.wires import Wire

_SECRETS_FILE = "AIRFLOW__SECRETS__BACKEND_KWARGS"
Facts = dict[str, dict[str, Any]]


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on `base`, section by section; None takes a key away."""
    found = dict(base)
    for key, value in over.items():
        under = found.get(key)
        found[key] = merged(under, value) if isinstance(value, Mapping) and isinstance(under, Mapping) else value
    return {key: value for key, value in found.items() if value is not None}


@dataclass
class Case:
    """A flow under test. Its PostgreSQL schema, Hive database, collection and cache are named like itself."""

    servers: Servers
    directory: Path
    name: str
    spec: dict[str, Any]
    environ: dict[str, str] = field(default_factory=dict, repr=False)
    overridden: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    settles: bool = True
    wires: dict[str, Wire] = field(default_factory=dict, repr=False)

    def flow(self, **over: Any) -> Flow:
        """The flow as the model has it."""
        return Flow.model_validate(merged(self.spec, over))

    def change(self, **over: Any) -> None:
        """Edit the flow's file from here on."""
        self.spec = merged(self.spec, over)

    def override(self, conn_id: str, **fields: Any) -> None:
        """Another host, port, login or password for one connection, in a secrets file of this case's own."""
        self.overridden[conn_id] = replace(EnvironmentConnections().get(conn_id), **fields).fields()
        self._write_connections()

    def restore(self, conn_id: str, before: dict[str, Any] | None = None) -> None:
        """The connection as it was: that of the stack, or what another override had made of it."""
        del self.overridden[conn_id]
        if before is not None:
            self.overridden[conn_id] = before
        self._write_connections()

    def _write_connections(self) -> None:
        stack = json.loads(os.environ[_SECRETS_FILE])["connections_file_path"]
        path = self.directory / "connections.json"
        path.write_text(json.dumps({**json.loads(Path(stack).read_text()), **self.overridden}))
        path.chmod(0o600)
        self.environ[_SECRETS_FILE] = json.dumps({"connections_file_path": str(path)})

    @property
    def connections(self) -> EnvironmentConnections:
        return EnvironmentConnections({**os.environ, **self.environ})

    @property
    def runtime(self) -> Runtime:
        return Runtime(self.connections, f"test of {self.name}", self.directory / "scratch")

    def settle(self) -> None:
        """Wait until the transactions of other tests that are open now have ended: they hold a watermark back."""
        mode = self.spec["lake"].get("mode", "replace")
        if not self.settles or mode == "replace":
            return
        older = (
            "select count(*) from pg_stat_activity where xact_start < %s and pid <> pg_backend_pid() and"
            " coalesce(datname, current_database()) = current_database()"
        )
        now = self.servers.postgres("select clock_timestamp()")[0][0]
        deadline = time.monotonic() + 180
        while self.servers.postgres(older, [now])[0][0]:
            assert time.monotonic() < deadline, "a transaction of another test does not end"
            time.sleep(0.2)

    def run(self, leg: Leg, **over: Any) -> Facts:
        """Run a leg in this process; its reports by step."""
        if leg == "ingest":
            self.settle()
        return {report.step: shown(report) for report in run_leg(self.runtime, leg, self.flow(**over))}

    def both(self, **over: Any) -> Facts:
        """Run both legs; the reports of the second by step."""
        self.run("ingest", **over)
        return self.run("serve", **over)

    def sql(self, *statements: str) -> list[Any]:
        """Run statements in the case's schema; the last one's rows."""
        with self.servers.session(autocommit=True) as session:
            session.execute(f'set search_path to "{self.name}", public'.encode())
            rows: list[Any] = []
            for statement in statements:
                cursor = session.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
            return rows

    def hive(self, rest: str = "", what: str = "*", table: str = "t") -> list[tuple[Any, ...]]:
        """Select from the lake table through HiveServer2."""
        return self.servers.hive(f"select {what} from `{self.name}`.`{table}` {rest}")

    def documents(self) -> list[dict[str, Any]]:
        """All of the collection, by `_id`."""
        return sorted(self.servers.mongo[self.name].find({}), key=lambda document: str(document["_id"]))

    def indexes(self) -> list[tuple[str, ...]]:
        """Key columns of the collection's indexes, without our marker's."""
        listed = self.servers.mongo[self.name].list_indexes()
        return sorted(tuple(index["key"]) for index in listed if not index["name"].startswith("switchyard|"))

    def record(self) -> dict[str, Any] | None:
        """MongoDB's record of the collection."""
        return self.servers.mongo["switchyard"].find_one({"_id": self.name})

    def cache(self) -> ReadThroughCache:
        """What an application would use."""
        return ReadThroughCache.from_flow(self.flow(), self.connections)

    def version(self, table: str = "t") -> TableVersion | None:
        """The Hive table's current version."""
        return Metastore(EnvironmentConnections().get("lake_metastore")).read_version(self.name, table)

    def loads(self, leg: Leg) -> list[Load]:
        """The ledger's loads, newest first."""
        with Runtime(EnvironmentConnections(), "test").ledger() as ledger:
            ledger.migrate()
            return ledger.list_loads(self.name, leg)

    def states(self, leg: Leg) -> list[str]:
        """States of all loads of a leg, oldest first."""
        return [load.state for load in reversed(self.loads(leg))]

    def files(self) -> list[str]:
        """Every file of the case in HDFS."""
        return [path for root in self._roots() for path in self.servers.files_below(root)]

    def write_file(self) -> Path:
        """The flow as a file; returns its directory."""
        flows = self.directory / "flows"
        flows.mkdir(exist_ok=True)
        (flows / f"{self.name}.yaml").write_text(yaml.safe_dump(self.spec))
        return flows

    def in_files(self) -> dict[str, str]:
        """The environment of a command that reads the flow's file: not an option, which `--` would end."""
        return {"SWITCHYARD_FLOWS": str(self.write_file())}

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start `switchyard …` on the flow's file, as a person or a worker would."""
        scratch = str(self.directory / "scratch")
        return subprocess.Popen(
            [sys.executable, "-m", "switchyard", *arguments],
            env={**os.environ, **self.in_files(), "SWITCHYARD_SCRATCH": scratch, **self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def switchyard(self, *arguments: str, **environ: str) -> tuple[int, str]:
        """Run `switchyard …` to its end; exit code, and all it said."""
        child = self.start(*arguments, **environ)
        said, _ = child.communicate(timeout=240)
        return child.returncode, said

    def ask(self, *arguments: str) -> tuple[int, str]:
        """Run `switchyard …` in this process, where the process is not the point; exit code, and all it said."""
        environ = {**self.environ, **self.in_files()}
        result = CliRunner().invoke(build_app(arguments), arguments, env=environ, prog_name="switchyard")
        if isinstance(result.exception, SwitchyardError):
            return 1, f"{result.output}error: {result.exception}\n"
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    def clean_up(self) -> None:
        """Take everything of this case away, on every server."""
        for wire in self.wires.values():
            wire.close()
        connections = EnvironmentConnections()
        self.servers.postgres(f'drop schema if exists "{self.name}" cascade')
        metastore = Metastore(connections.get("lake_metastore"))
        for table in metastore.list_tables(self.name):
            metastore.drop_table(self.name, table)
        _drop_database(metastore, self.name)
        hdfs = Hdfs(connections.get("lake_hdfs"))
        for root in self._roots():
            hdfs.delete(root)
        for collection in self.servers.mongo.list_collection_names(filter={"name": {"$regex": f"^{self.name}"}}):
            self.servers.mongo.drop_collection(collection)
        self.servers.mongo["switchyard"].delete_many({"flow": self.name})
        for key in self.servers.redis.scan_iter(match=f"{{{self.name}}}:*", count=1000):
            self.servers.redis.delete(key)
        for table in ("loads", "flows"):
            with contextlib.suppress(Exception):
                self.servers.postgres(f"delete from {table} where flow = %s", [self.name], url="LEDGER_URL")

    def _roots(self) -> list[str]:
        lake = self.spec["lake"].get("root", "/lake")
        return [f"{lake}/{self.name}", f"{lake}/_staging/{self.name}", naming.serve_scratch(lake, self.name)]


@contextlib.contextmanager
def open_cases(servers: Servers, directory: Path) -> Iterator[Any]:
    """A factory of cases; all are cleaned up at the end."""
    made: list[Case] = []

    def new_case(label: str = "t", **spec: Any) -> Case:
        name = f"it_{label}_{uuid.uuid4().hex[:8]}"
        base = {
            "flow": name,
            "source": {"connection": "powergrid_postgres", "table": f"{name}.t"},
            "lake": {"database": name, "table": "t"},
        }
        if "serve" in spec:
            base["serve"] = {"connection": "powergrid_mongo", "collection": name, "key": ["id"]}
        if "cache" in spec:
            base["cache"] = {"connection": "powergrid_redis", "ttl": "1h"}
        (directory / name).mkdir(parents=True)
        case = Case(servers, directory / name, name, merged(base, spec))
        made.append(case)
        servers.postgres(f'create schema "{name}"')
        return case

    try:
        yield new_case
    finally:
        for case in made:
            case.clean_up()


def _drop_database(metastore: Metastore, name: str) -> None:
    from pymetastore.hive_metastore.ttypes import NoSuchObjectException

    with metastore.client() as client, contextlib.suppress(NoSuchObjectException):
        client.drop_database(name, False, True)


def shown(report: StepReport[Record]) -> dict[str, Any]:
    """A step's result as JSON values, with what it moved."""
    moved = {"lineage": report.lineage.to_json()} if report.lineage else {}
    return {**report.facts, **moved}
