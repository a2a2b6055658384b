"""The demo's data: the loader on the checked-in cut and, where POSTGRES_ADMIN_URL is set, on a real PostgreSQL."""

import os
import uuid
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from harness.checkout import CHECKOUT

psycopg = pytest.importorskip("psycopg")
datasets = pytest.importorskip("switchyard_stack.datasets")

from switchyard_stack.datasets.source import fetch_wheel  # noqa: E402
from switchyard_stack.datasets.tables import NODE, READING, SIMBENCH, TELEMETRY  # noqa: E402

CUT = datasets.DirectorySource(CHECKOUT / "tests" / "data" / "simbench")
ROWS = {"node": 200, "load": 150, "reading": 584}


def reading_rows(source: datasets.DirectorySource = CUT) -> list[list[str]]:
    return [line.split(";") for line in b"".join(READING.rows(source)).decode().splitlines()]


def test_the_night_that_has_two_o_clock_twice_gives_a_hundred_different_instants() -> None:
    instants = [(row[1], row[2]) for row in reading_rows()]
    assert len(set(instants)) == len(instants) == ROWS["reading"]
    assert sum(row[1] == "H0-A" and row[3] == "2016-10-30" for row in reading_rows()) == 100
    one = sorted(datetime.fromisoformat(instant) for profile, instant in instants if profile == "H0-A")
    assert one == [datetime(2016, 10, 28, 22, 0) + n * timedelta(minutes=15) for n in range(292)]


def test_values_and_sides_are_those_of_the_wide_file() -> None:
    first = reading_rows()[0]
    header, line = (CUT.path / "LoadProfile.csv").read_text().splitlines()[:2]
    wide = dict(zip(header.split(";"), line.split(";"), strict=True))
    assert first == ["1", "H0-A", "2016-10-28 22:00", "2016-10-29", wide["H0-A_pload"], wide["H0-A_qload"]]


@pytest.mark.parametrize("spoiled", ["29.10.2016 00:15", "30.10.2016 02:15"])
def test_a_missing_quarter_hour_is_refused(tmp_path: Path, spoiled: str) -> None:
    for file in CUT.path.glob("*.csv"):
        kept = [line for line in file.read_text().splitlines(True) if not line.startswith(spoiled)]
        (tmp_path / file.name).write_text("".join(kept))
    with pytest.raises(datasets.DatasetError, match="does not follow"):
        reading_rows(datasets.DirectorySource(tmp_path))


def test_a_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Node.csv").write_text("id;kind\na;b\n")
    with pytest.raises(datasets.DatasetError, match=r"Node\.csv has the columns 'id;kind'"):
        list(NODE.rows(datasets.DirectorySource(tmp_path)))


def test_a_wheel_with_the_wrong_bytes_is_not_used(tmp_path: Path) -> None:
    """Its hash does not match, so it is fetched again; here pip refuses a requirement that nobody offers."""
    wanted = tmp_path / "data.txt"
    wanted.write_text(f"simbench==0.0.0 --hash=sha256:{'0' * 64}\n--no-index\n")
    (tmp_path / "simbench-0.0.0-py3-none-any.whl").write_bytes(b"something else")
    with pytest.raises(datasets.DatasetError, match="pip could not fetch"):
        fetch_wheel(tmp_path, print, wanted)


@pytest.fixture
def database() -> Iterator[str]:
    """A database of the test's own on the server of POSTGRES_ADMIN_URL."""
    server = os.environ.get("POSTGRES_ADMIN_URL")
    if not server:
        pytest.skip("POSTGRES_ADMIN_URL is not set: start the stack and export its environment")
    name = f"test_datasets_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield psycopg.conninfo.make_conninfo(server, dbname=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def load(url: str) -> dict[str, bool]:
    reports = datasets.load_tables(
        url, [TELEMETRY, *SIMBENCH], CUT, attribution=datasets.ATTRIBUTION, say=lambda _: None
    )
    return {report.table.rsplit(".", 1)[1]: report.loaded for report in reports}


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement)


def test_the_cut_loads_with_its_types_nulls_and_keys(database: str) -> None:
    assert load(database) == dict.fromkeys(["telemetry", "node", "load", "reading"], True)
    assert {table: ask(database, f"SELECT count(*) FROM {table}")[0][0] for table in ROWS} == ROWS
    assert ask(database, "SELECT * FROM telemetry ORDER BY id") == [
        (1, "Node1", 75000), (2, "Node2", 65000), (3, "Node3", 60000), (4, "Node4", 80000)
    ]  # fmt: skip
    empty = (CUT.path / "Node.csv").read_text().count("NULL")
    counted = "SELECT sum(num_nulls(vm_setp, va_setp, substation)) FROM node"
    assert ask(database, counted)[0][0] == empty > 0
    assert ask(database, "SELECT measured_at, local_day, p FROM reading WHERE reading_id = 1") == [
        (datetime(2016, 10, 28, 22, 0), date(2016, 10, 29), 0.092697)
    ]
    assert ask(database, "SELECT count(*) FROM load l JOIN node n ON n.id = l.node") == [(150,)]
    assert "ODbL" in str(ask(database, "SELECT obj_description('reading'::regclass)")[0][0])


def test_a_second_run_changes_nothing(database: str) -> None:
    load(database)
    before = ask(database, "SELECT oid, relfilenode FROM pg_class WHERE relkind IN ('r', 'i') ORDER BY oid")
    assert not any(load(database).values())
    assert ask(database, "SELECT oid, relfilenode FROM pg_class WHERE relkind IN ('r', 'i') ORDER BY oid") == before


def test_a_table_that_lost_rows_is_loaded_again_and_the_others_are_not(database: str) -> None:
    load(database)
    execute(database, "DELETE FROM load WHERE volt_lvl = (SELECT min(volt_lvl) FROM load)")
    assert [name for name, loaded in load(database).items() if loaded] == ["load"]
    assert ask(database, "SELECT count(*) FROM load") == [(150,)]


def test_new_telemetry_gets_the_next_id_after_the_load(database: str) -> None:
    load(database)
    execute(database, "INSERT INTO telemetry (name, wattage) VALUES ('Node5', 1)")
    assert ask(database, "SELECT max(id) FROM telemetry") == [(5,)]


def test_a_table_of_someone_else_is_left_as_it_is(database: str) -> None:
    execute(database, "CREATE TABLE node (id int); INSERT INTO node VALUES (1)")
    with pytest.raises(datasets.DatasetError, match="was not loaded by this command"):
        load(database)
    assert ask(database, "SELECT id FROM node") == [(1,)]


def test_a_broken_load_leaves_the_old_table_whole(database: str, tmp_path: Path) -> None:
    load(database)
    for file in CUT.path.glob("*.csv"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "Load.csv").write_text((CUT.path / "Load.csv").read_text() + "one;two\n")
    with pytest.raises(datasets.DatasetError, match="PostgreSQL"):
        datasets.load_tables(database, SIMBENCH, datasets.DirectorySource(tmp_path), say=lambda _: None)
    assert ask(database, "SELECT count(*) FROM load") == [(150,)]


def test_a_server_that_is_down_is_named_without_its_password() -> None:
    with pytest.raises(datasets.DatasetError) as refused:
        datasets.load_tables("postgresql://u:hunter2@127.0.0.1:1/simbench", SIMBENCH, CUT)
    assert "127.0.0.1" in str(refused.value)
    assert "hunter2" not in str(refused.value)
