"""What every engine has to do, on the real servers. A new engine is an entry of ENGINES and nothing here."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.servers import Servers
from switchyard.connections import EnvironmentConnections
from switchyard.errors import ServerUnavailable, SourceRefused, SwitchyardError
from switchyard.extract import postgres
from switchyard.extract.engine import Engine, ExtractRequest
from switchyard.extract.preflight import Examined, examine
from switchyard.extract.session import SourceSession, begin, require_same, startup_options
from switchyard.extract.statement import build_statement
from switchyard.flow.spec import Flow
from switchyard.lake.hdfs import Hdfs
from switchyard.legs.ingest.land import ENGINES
from switchyard.prove.reconcile import Landing, tally_lines

CONNECTIONS = EnvironmentConnections()
ROWS = 25
NASTY = ["a\nb\r\n\tc", "\\N", "\\", '"', "'", "", "\u2028\u202e💡", "a,b", "null", "\x01"]


@dataclass
class Ground:
    """A table of one file's own, and a directory of HDFS."""

    servers: Servers
    name: str
    directory: Path
    hdfs: Hdfs

    def flow(self, table: str = "t", **source: Any) -> Flow:
        return Flow.model_validate({
            "flow": self.name,
            "source": {"connection": "powergrid_postgres", "table": f"{self.name}.{table}", "key": ["id"], **source},
            "lake": {"database": self.name, "table": "t"},
            "contract": {"quarantine_threshold": "100%"},
        })  # fmt: skip

    def plan(self, flow: Flow) -> tuple[SourceSession, Examined]:
        with postgres.connect(CONNECTIONS.get("powergrid_postgres")) as session:
            seen = begin(session)
            return seen, examine(session, flow)

    def request(self, flow: Flow, *, mappers: int = 1) -> tuple[SourceSession, ExtractRequest, Examined]:
        session, examined = self.plan(flow)
        split = "id" if mappers > 1 else None
        label = uuid.uuid4().hex[:8]
        request = ExtractRequest(
            name=f"switchyard {self.name}",
            source=CONNECTIONS.get("powergrid_postgres"),
            statement=build_statement(flow.source, examined.columns, split),
            target=f"{self.hdfs.url}/lake/_staging/{self.name}/{label}",
            mappers=mappers,
            split_by='"id"' if split else None,
            scratch=self.directory / label,
            hdfs=self.hdfs.connection,
            options=startup_options(session),
        )
        return session, request, examined

    def landed(self, request: ExtractRequest) -> list[dict[str, Any]]:
        path = request.target.removeprefix(self.hdfs.url)
        files = [b"".join(self.hdfs.read_chunks(file.path)) for file in self.hdfs.list_files(path)]
        return [json.loads(line) for content in files for line in content.decode().split("\n") if line]

    def tally(self, request: ExtractRequest) -> Landing:
        path = request.target.removeprefix(self.hdfs.url)
        return tally_lines((self.hdfs.read_chunks(file.path) for file in self.hdfs.list_files(path)), "test", path)


@pytest.fixture(scope="module")
def ground(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    name = f"it_engine_{uuid.uuid4().hex[:8]}"
    ground = Ground(servers, name, tmp_path_factory.mktemp("engine"), Hdfs(CONNECTIONS.get("lake_hdfs")))
    try:
        servers.postgres(f"create schema {name}")
        servers.postgres(f"create table {name}.t (id int primary key, v text, n numeric(6,2))")
        servers.postgres(f"create table {name}.empty (id int primary key, v text)")
        with servers.session(autocommit=True) as session:
            for i in range(ROWS):
                row = [i, NASTY[i % len(NASTY)], "NaN" if i % 5 == 4 else f"{i}.50"]
                session.execute(f"insert into {name}.t values (%s, %s, %s)".encode(), row)
        yield ground
    finally:
        servers.postgres(f"drop schema if exists {name} cascade")
        ground.hdfs.delete(f"/lake/_staging/{name}")


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]


@dataclass
class Extracted:
    """One extraction that went well, and what was seen of it meanwhile."""

    session: SourceSession
    request: ExtractRequest
    argv: set[str]
    left_in_scratch: list[Path]


@contextlib.contextmanager
def watched() -> Iterator[set[str]]:
    """The argv of every process below this one."""
    seen: set[str] = set()
    end = threading.Event()

    def look() -> None:
        while not end.wait(0.05):
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    seen.add(" ".join(process.cmdline()))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        end.set()
        watcher.join()


@pytest.fixture(scope="module")
def extracted(engine: Engine, ground: Ground) -> Extracted:
    session, request, _ = ground.request(ground.flow())
    with watched() as argv:
        engine.extract(request)
    left = [path for path in request.scratch.rglob("*") if path.is_file()]
    return Extracted(session, request, argv, left)


def test_every_row_lands_once_as_it_is(ground: Ground, extracted: Extracted) -> None:
    rows = [row for row in ground.landed(extracted.request) if "m" not in row and not row.get("q")]
    fitting = {i: NASTY[i % len(NASTY)] for i in range(ROWS) if i % 5 != 4}
    assert len(rows) == len(fitting)
    assert {int(row["c0"]): row["c1"] for row in rows} == fitting


def test_refused_rows_land_as_refused_with_their_text(ground: Ground, extracted: Extracted) -> None:
    refused = [row["q"] for row in ground.landed(extracted.request) if row.get("q")]
    assert len(refused) == ROWS // 5
    assert all("NaN" in json.dumps(row) for row in refused)


def test_the_manifest_row_says_what_was_read_and_in_which_session(ground: Ground, extracted: Extracted) -> None:
    landing = ground.tally(extracted.request)
    assert [(part.rows, part.refused) for part in landing.manifests] == [(ROWS, ROWS // 5)]
    assert landing.lines == ROWS
    for session in landing.sessions:
        require_same("the engine", SourceSession.from_json(session), extracted.session)
    assert len(landing.sessions) == 1


def test_no_password_is_in_argv_or_left_in_a_file(extracted: Extracted) -> None:
    password = extracted.request.source.password
    assert len(password) >= 8
    assert [line for line in extracted.argv if password in line] == []
    assert [path for path in extracted.left_in_scratch if password.encode() in path.read_bytes()] == []


def test_nothing_is_left_outside_target_and_scratch(
    engine: Engine, ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And an empty result is a manifest row of no rows, not an empty directory."""
    _, request, _ = ground.request(ground.flow("empty"))
    monkeypatch.chdir(tmp_path)
    above = f"/lake/_staging/{ground.name}"
    user = f"/user/{ground.servers.hdfs_user}"
    before, homes = set(ground.hdfs.list_directories(above)), ground.servers.files_below(user)
    engine.extract(request)
    assert list(tmp_path.iterdir()) == []
    assert set(ground.hdfs.list_directories(above)) - before == {
        path for path in ground.hdfs.list_directories(above) if path.endswith(Path(request.target).name)
    }
    assert ground.servers.files_below(user) == homes
    landing = ground.tally(request)
    assert [(part.rows, part.refused) for part in landing.manifests] == [(0, 0)]
    assert landing.lines == 0


def test_mappers_read_every_row_once(engine: Engine, ground: Ground) -> None:
    _, request, examined = ground.request(ground.flow(), mappers=3)
    engine.extract(request)
    landing = ground.tally(request)
    read = landing.read(examined.columns)
    assert (read.rows, read.refused, landing.lines) == (ROWS, ROWS // 5, ROWS)


def test_what_the_source_says_is_in_the_error(engine: Engine, ground: Ground) -> None:
    _, request, _ = ground.request(ground.flow(where="1 / (id - id) = 1"))
    assert_refused(engine, request, SourceRefused, "divided by zero", "powergrid_postgres")


def test_a_wrong_password_is_named_and_not_shown(engine: Engine, ground: Ground) -> None:
    _, request, _ = ground.request(ground.flow())
    wrong = replace(request, source=replace(request.source, password="wr0ng-hunter2"))
    text = assert_refused(engine, wrong, SwitchyardError, "password", "powergrid_postgres")
    assert "wr0ng-hunter2" not in text
    assert request.source.password not in text


def test_a_dead_namenode_is_named(engine: Engine, ground: Ground) -> None:
    _, request, _ = ground.request(ground.flow())
    dead = replace(request, target=request.target.replace(ground.hdfs.url, "hdfs://127.0.0.1:9"))
    assert_refused(engine, dead, ServerUnavailable, "could not write to HDFS", "lake_hdfs")


def assert_refused(engine: Engine, request: ExtractRequest, kind: type[SwitchyardError], *words: str) -> str:
    """The extract fails with words of ours; nothing of the source has landed, and the password's file is gone."""
    with pytest.raises(kind) as caught:
        engine.extract(request)
    text = str(caught.value)
    assert [word for word in words if word not in text] == []
    assert caught.value.cure
    assert not (request.scratch / "password").exists()
    return text
