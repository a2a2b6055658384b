"""Flow files: what is accepted, and that everything else says file, line, and what to write instead."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.checkout import CHECKOUT
from switchyard.errors import FlowFileError, SwitchyardError
from switchyard.flow.files.loader import load_flow, load_flows

GOOD = """\
flow: telemetry
schedule: "@hourly"
source:
  connection: powergrid_postgres
  table: public.telemetry
  key: [id]
lake:
  database: telemetry_db
  table: telemetry
serve:
  connection: powergrid_mongo
  collection: telemetry
  key: [id]
cache:
  connection: powergrid_redis
  ttl: 15m
"""
SHIPPED = CHECKOUT / "dags" / "flows"


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    directory = tmp_path / "flows"
    directory.mkdir()
    return directory


def refusal(directory: Path, text: str | bytes, name: str = "telemetry.yaml") -> str:
    """What is printed for a file."""
    path = directory / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FlowFileError) as caught:
        load_flow(path)
    return caught.value.whole()


def test_the_shipped_flows_are_good() -> None:
    specs, errors = load_flows(SHIPPED)
    assert errors == []
    assert {"telemetry", "grid_loads", "grid_nodes", "grid_readings"} <= set(specs)
    assert all(flow.description and flow.domain for flow in specs.values())


def test_a_misspelt_key_has_line_and_near_match(flows: Path) -> None:
    text = refusal(flows, GOOD.replace("schedule:", "sedule:"))
    assert text == "flows/telemetry.yaml:2: unknown key `sedule`\n  → did you mean `schedule`?"


def test_a_misspelt_section_is_one_error_and_what_is_in_it_is_checked(flows: Path) -> None:
    text = refusal(flows, GOOD.replace("source:", "sorce:").replace("table: public", "tabel: public"))
    assert text.splitlines() == [
        "flows/telemetry.yaml:3: unknown key `sorce`",
        "  → did you mean `source`?",
        "flows/telemetry.yaml:5: unknown key `tabel`",
        "  → did you mean `table`?",
    ]


def test_a_key_in_the_wrong_section_is_sent_home(flows: Path) -> None:
    assert "`ttl` belongs to `cache`" in refusal(flows, GOOD.replace("key: [id]\nlake", "ttl: 5m\nlake"))


def test_all_errors_of_a_file_come_at_once_in_order(flows: Path) -> None:
    bad = GOOD.replace("sched", "shed").replace("public.telemetry", "telemetry").replace("telemetry_db", "Telemetry")
    bad = bad.replace("collection:", "colection:").replace("15m", "15") + "engine: {mappers: 4}\n"
    bad += "contract: {columns: evolv}\n"
    lines = [line for line in refusal(flows, bad).splitlines() if not line.startswith("  ")]
    assert [line.split(": ")[0] for line in lines] == [f"flows/telemetry.yaml:{n}" for n in (2, 5, 8, 12, 16, 17, 18)]


@pytest.mark.parametrize(
    ("instead", "written", "says", "cure"),
    [
        ("  table: telemetry", "  table: telemetry\n  mode: merge", "a way to find what changed", "set source.cursor"),
        ("  table: telemetry", "  table: telemetry\n  mode: append", "needs a cursor column", "set source.cursor"),
        ("  key: [id]\nlake", "  tombstone: gone\nlake", "`tombstone` is for mode merge", ""),
        ("  table: telemetry", "  table: telemetry\n  mode: replce", "cannot be 'replce'", "did you mean replace?"),
        (
            "  table: telemetry",
            "  table: telemetry\n  partition_by: [day]",
            "`lake.partition_by` is not supported yet",
            "leave",
        ),
        (
            "cache:",
            "engine: {name: copy}\ncache:",
            "`engine.name: copy` is not supported yet",
            "write engine.name: sqoop",
        ),
        ("cache:", "contract: {columns: evolv}\ncache:", "cannot be 'evolv'", "did you mean evolve?"),
        ("cache:", "contract: {quarantine_threshold: 0.1}\ncache:", "neither a number of rows", "write 0.1%"),
        ("cache:", "checks: [{betwen: {column: id}}]\ncache:", "unknown key `betwen`", "did you mean `between`?"),
        ("cache:", "checks: [{unique: id, not_null: id}]\ncache:", "a check is one of", ""),
        (
            "cache:",
            "columns: {id: {as: text}}\ncache:",
            "not a type that a column can be carried as",
            "string, or decimal",
        ),
        (
            "cache:",
            "columns: {Mixed Case: {name: Mixed Case}}\ncache:",
            "'Mixed Case' cannot name a lake column",
            "write e.g. mixed_case",
        ),
        ("cache:", "columns: {A: {name: Total}}\ncache:", "has capitals", "write total"),
        (
            "cache:",
            "columns: {a b: {name: c}, a.b: {name: c}}\ncache:",
            "columns 'a b' and 'a.b' would both be called 'c' in the lake",
            "give one of them another name",
        ),
        ("cache:", "columns: {x: {name: y}, Y: {as: string}}\ncache:", "'x' and 'Y' would both be called 'y'", ""),
        (
            "cache:",
            "columns: {x: {leave_out: true, name: y}}\ncache:",
            "skips this column, so that `name` has no effect",
            "either `name` or",
        ),
        ("cache:", "columns: {x: {leave_out: yes please}}\ncache:", "true or false", ""),
        ("cache:", "columns: {x: {leaveout: true}}\ncache:", "unknown key `leaveout`", "did you mean `leave_out`?"),
        (
            "cache:",
            "columns: {id: {leave_out: true}}\ncache:",
            "'id' is left out, and source.key needs it",
            "remove leave_out from columns.id",
        ),
        (
            "  key: [id]\nlake",
            "  columns: [a, id]\nchecks: [{unique: b}]\ncolumns: {a: {leave_out: true}}\nlake",
            "'a' is left out, and source.columns needs it",
            "",
        ),
        (
            "  key: [id]\nlake",
            "  cursor: at\ncolumns: {at: {leave_out: true}}\nlake",
            "'at' is left out, and source.cursor needs it",
            "remove leave_out from columns.at",
        ),
        (
            "cache:",
            "engine: {mappers: 2, split_by: n}\ncolumns: {n: {leave_out: true}}\ncache:",
            "'n' is left out, and engine.split_by needs it",
            "",
        ),
        (
            "cache:",
            "checks: [{between: {column: w, min: 0}}]\ncolumns: {W: {leave_out: true}}\ncache:",
            "'W' is left out, and checks needs it",
            "name another column in checks",
        ),
        (
            "  key: [id]\nlake",
            "columns: {Id: {leave_out: true}}\nlake",
            "'Id' is left out, and serve.key needs it",
            "",
        ),
        ("15m", "900", "900 is not a duration", "write 900s"),
        ("15m", "1:30", "'1:30' is not a duration", "15m"),
        ('"@hourly"', '"@horly"', "is not a preset", "@hourly"),
        ('"@hourly"', '"61 * * * *"', "is not a cron expression", "minute"),
        ('"@hourly"', '"0 0 30 2 *"', "a day that never comes", "choose a day"),
        ('"@hourly"', '"R * * * *"', "random", "fixed time"),
        ('"@hourly"', '"* * *"', "five fields", '"30 2 * * *"'),
        ('"@hourly"', "@hourly", "not YAML", '"@hourly"'),
        ('"@hourly"', "* * * * *", "not YAML", '"* * * * *"'),
        ('"@hourly"', "on", "'on' is not a cron", "@hourly"),
        ("public.telemetry", "public.Telemetry", "folds Telemetry to lower case", '"Telemetry"'),
        ("public.telemetry", "a.b.c", "not schema.table", "connection"),
        ("public.telemetry", 'public."x', "not YAML|not schema.table", "quote"),
        ("  table: public.telemetry\n", "", "exactly one of `table` and `query`", "neither"),
        ("  table: public", "  query: select 1\n  table: public", "exactly one of `table` and `query`", "both"),
        ("  table: public.telemetry", "  query: delete from x", "not a query", "SELECT, WITH"),
        ("  table: public.telemetry", "  query: select 1; drop table x", "`;`", ""),
        ("  key: [id]\nlake", "  where: 1=1) or (1=1\nlake", "`)` too many", ""),
        ("  key: [id]\nlake", "  where: WHERE id > 1\nlake", "the word WHERE", "condition only"),
        ("  key: [id]\nlake", "  columns: [name]\n  key: [id]\nlake", "'id' is not among the `columns`", ""),
        ("  key: [id]\nlake", "  columns: [id, id]\n  key: [id]\nlake", "'id' is listed twice", ""),
        ("telemetry_db", "default; drop", "cannot name a Hive table", "write e.g. default_drop"),
        ("telemetry_db", "switchyard_staging", "own", ""),
        ("  table: telemetry", "  table: user", "reserved word of Hive", "write e.g. user_table"),
        ("  table: telemetry", "  table: " + "t" * 129, "too long", "128"),
        ("  table: telemetry", "  table: telemetry\n  root: /lake/../etc", "not an absolute HDFS path", "/lake"),
        ("collection: telemetry", "collection: system.users", "MongoDB's own", "users"),
        ("collection: telemetry", "collection: a$b", "cannot name a collection", ""),
        ("collection: telemetry", "collection: loads__s7_ab12", "staging collection", "rename"),
        ("collection: telemetry", "collection: telemetry\n  key: [_id]", "occurs twice", "line"),
        ("collection: telemetry", "collection: telemetry\n  indexes: [[]]", "at least 1", ""),
        ("collection: telemetry", "collection: telemetry\n  indexes: [[name], [name]]", "listed twice", ""),
        (
            "collection: telemetry",
            "collection: telemetry\n  indexes: [[Name]]",
            "Hive keeps the names of columns in lower case",
            "write name",
        ),
        ("collection: telemetry", "collection: telemetry\n  indexes: name", "must be a list", "[name]"),
        ("collection: telemetry", "collection: telemetry\n  table: x", "this flow has no `select`", ""),
        ("collection: telemetry", "collection: t\n  select: select 1", "does not read this flow's lake table", "read"),
        (
            "collection: telemetry",
            "collection: telemetry\n  select: select 1 from telemetry",
            "overwrite",
            "serve.table",
        ),
        (
            "collection: telemetry",
            "collection: a-b\n  select: select 1 from telemetry",
            "'a-b' cannot name one",
            "serve.table",
        ),
        ("collection: telemetry", "collection: a\n  select: select ${x} from telemetry", "placeholder", ""),
        ("cache:", "engine: {mappers: 4}\ncache:", "4 mappers need `split_by`", ""),
        ("cache:", "engine: {split_by: id}\ncache:", "has one mapper", "mappers to 2"),
        ("cache:", "engine: {mappers: '4'}\ncache:", "a whole number, not '4'", "without quotes"),
        ("cache:", "owner: 12\ncache:", "must be a text, not 12", '"12"'),
        ("cache:", "tags: [a, a]\ncache:", "'a' is listed twice", ""),
        ("cache:", "<<: {a: 1}\ncache:", "unknown key `<<`", "defaults.yaml"),
        ("lake:", "lake: null\nlkae:", "a mapping of keys to values, not empty", ""),
        ("flow: telemetry", "flow: other", "not the file's name", "flow: telemetry"),
        ("flow: telemetry", "flow: !!python/object/apply:os.system [id]", "YAML tag", "remove"),
        ("flow: telemetry", 'owner: "a\\0b"', "NUL", "remove"),
    ],
)
def test_what_is_refused_says_what_to_write(flows: Path, instead: str, written: str, says: str, cure: str) -> None:
    assert instead in GOOD
    text = refusal(flows, GOOD.replace(instead, written, 1))
    assert any(part in text for part in says.split("|")), text
    assert cure in text
    assert text.startswith("flows/telemetry.yaml:")


def test_a_connection_url_is_not_repeated(flows: Path) -> None:
    text = refusal(flows, GOOD.replace("powergrid_postgres", "postgres://root:hunter2@db/x"))
    assert "hunter2" not in text
    assert "the id of an Airflow connection" in text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"# only a comment\n", "the file is empty"),
        (b"- a\n- b\n", "not a mapping"),
        (b"source:\n\ttable: x\n", "tabs"),
        (b"a: 1\na\xff: 2\n", "telemetry.yaml:2: not UTF-8"),
        ("owner: grün\n".encode("latin-1"), "not UTF-8"),
        ("owner: x\n".encode("utf-16"), "not UTF-8"),
        (b"owner: a\nowner: b\n", "`owner` occurs twice, first in line 1"),
        (b"owner: [a\n", "not YAML"),
        (b"owner: a\n---\nowner: b\n", "a second YAML document"),
        (b"#" * 300_000, "larger than 256 KiB"),
    ],
)
def test_files_that_are_no_flow(flows: Path, content: bytes, says: str) -> None:
    assert says in refusal(flows, content)


def test_a_byte_order_mark_is_skipped(flows: Path) -> None:
    (flows / "telemetry.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_flow(flows / "telemetry.yaml").flow == "telemetry"


@pytest.mark.parametrize("name", ["telemetry.yml", "telemetry.json", "telemetry.YAML"])
def test_another_extension_is_refused_with_the_right_one(flows: Path, name: str) -> None:
    assert "rename the file to telemetry.yaml" in refusal(flows, GOOD, name)
    assert [error.path.name for error in load_flows(flows)[1]] == [name]


@pytest.mark.parametrize("stem", ["Telemetry", "my-flow", "1st", "a b", "ä"])
def test_a_stem_that_cannot_name_a_flow(flows: Path, stem: str) -> None:
    text = refusal(flows, GOOD.removeprefix("flow: telemetry\n"), f"{stem}.yaml")
    assert "cannot name a flow" in text
    assert "rename the file to" in text


def test_files_that_cannot_be_opened(flows: Path) -> None:
    (flows / "broken.yaml").symlink_to(flows / "nowhere")
    (flows / "folder.yaml").mkdir()
    _, errors = load_flows(flows)
    assert [error.flow for error in errors] == ["broken", "folder"]
    assert all("cannot be read" in str(error) for error in errors)
    with pytest.raises(SwitchyardError, match="cannot list the directory"):
        load_flows(flows / "nowhere")


def test_a_refused_file_has_a_name_that_a_dag_can_have_and_no_good_flow_has(flows: Path) -> None:
    for name in ("telemetry.yaml", "telemetry.yml", "a b.yaml", "x'y.yaml", f"{'l' * 240}.yaml"):
        (flows / name).write_text(GOOD)
    specs, errors = load_flows(flows)
    assert list(specs) == ["telemetry"]
    names = [error.flow for error in errors]
    assert names == ["a_b", "l" * 200, "telemetry.yml", "x_y"]
    assert all(re.fullmatch(r"[\w.-]{1,200}", name) for name in names)


def test_other_files_of_the_directory_are_left_alone(flows: Path) -> None:
    for name in ("README.md", ".telemetry.yaml.swp", ".hidden.yaml", "notes.txt"):
        (flows / name).write_text("x")
    assert load_flows(flows) == ({}, [])


def test_a_wrong_file_leaves_the_others_alone(flows: Path) -> None:
    (flows / "telemetry.yaml").write_text(GOOD)
    (flows / "other.yaml").write_text("sorce: x")
    specs, errors = load_flows(flows)
    assert list(specs) == ["telemetry"]
    assert [error.flow for error in errors] == ["other"]


def test_two_flows_on_one_target_are_both_refused_naming_each_other(flows: Path) -> None:
    (flows / "telemetry.yaml").write_text(GOOD)
    (flows / "copy.yaml").write_text(GOOD.removeprefix("flow: telemetry\n").replace("collection: t", "collection: x"))
    specs, errors = load_flows(flows)
    assert specs == {}
    assert str(errors[0]).startswith(
        "flows/copy.yaml:8: Hive table telemetry_db.telemetry is also written by flows/telemetry.yaml"
    )
    assert "flows/telemetry.yaml:9: " in str(errors[1])


def test_a_product_may_not_be_another_flows_table(flows: Path) -> None:
    (flows / "telemetry.yaml").write_text(GOOD)
    other = GOOD.replace("flow: telemetry\n", "").replace("table: telemetry\n", "table: raw\n")
    other = other.replace("collection: telemetry", "collection: x\n  table: telemetry\n  select: select * from raw")
    (flows / "other.yaml").write_text(other)
    _, errors = load_flows(flows)
    assert "flows/other.yaml:13: Hive table telemetry_db.telemetry is also written by" in str(errors[0])


def test_defaults_are_under_every_flow_and_the_flow_wins(flows: Path) -> None:
    (flows / "defaults.yaml").write_text("owner: us\nlake: {root: /data, keep_loads: 7}\ncache: {ttl: 1h, warm: 5}\n")
    (flows / "telemetry.yaml").write_text(GOOD)
    lake_only = GOOD.split("serve:")[0].replace("flow: telemetry\n", "owner: them\n").replace("table: t", "table: x")
    (flows / "lake_only.yaml").write_text(lake_only)
    specs, errors = load_flows(flows)
    assert errors == []
    flow = specs["telemetry"]
    assert (flow.owner, flow.lake.root, flow.lake.keep_loads) == ("us", "/data", 7)
    assert flow.cache is not None
    assert (flow.cache.ttl.total_seconds(), flow.cache.warm) == (900, 5)
    assert (specs["lake_only"].owner, specs["lake_only"].cache) == ("them", None)


def test_errors_of_the_defaults_name_their_file(flows: Path) -> None:
    (flows / "defaults.yaml").write_text("ower: us\nlake:\n  table: x\n  rot: /data\nengine: {mappers: 4}\n")
    (flows / "telemetry.yaml").write_text(GOOD)
    lines = str(load_flows(flows)[1][0]).splitlines()
    assert [line for line in lines if not line.startswith("  ")] == [
        "flows/defaults.yaml:1: unknown key `ower`",
        "flows/defaults.yaml:3: `lake.table` cannot be shared by all flows",
        "flows/defaults.yaml:4: unknown key `rot`",
        "flows/defaults.yaml:5: `engine.mappers`: 4 mappers need `split_by`, the column that divides the rows",
    ]


def test_the_line_of_an_inherited_value_is_in_the_defaults(flows: Path) -> None:
    (flows / "defaults.yaml").write_text("owner: us\nengine:\n  mappers: 4\n")
    text = refusal(flows, GOOD)
    assert text.startswith("flows/defaults.yaml:3: `engine.mappers`: 4 mappers need `split_by`")
    (flows / "telemetry.yaml").write_text(GOOD + "engine: {split_by: id}\n")
    assert load_flow(flows / "telemetry.yaml").engine.mappers == 4


def test_words_are_yaml_1_2(flows: Path) -> None:
    text = GOOD.replace("[id]\nlake", '[id, on, "no", y, 0o7, 1e3x]\nlake').replace("public.telemetry", "on.yes")
    (flows / "telemetry.yaml").write_text(text)
    source = load_flow(flows / "telemetry.yaml").source
    assert source.key == ["id", "on", "no", "y", "0o7", "1e3x"]
    assert source.table_parts == ("on", "yes")


def test_parsing_is_pure_and_light() -> None:
    """No Airflow, no client library: the scheduler imports this at every parse."""
    code = (
        "import sys; from pathlib import Path; from switchyard.flow.files.loader import load_flows;"
        f"load_flows(Path({str(SHIPPED)!r}));"
        "heavy = {'airflow', 'pyarrow', 'duckdb', 'pymongo', 'sqlalchemy', 'datahub', 'redis', 'psycopg', 'ruamel'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_thousand_flows_parse_in_a_few_seconds(flows: Path) -> None:
    """About 0.5 s on two quiet cores; the bound is for a busy machine."""
    (flows / "defaults.yaml").write_text((SHIPPED / "defaults.yaml").read_text())
    for number in range(1000):
        text = GOOD.removeprefix("flow: telemetry\n").replace(": telemetry\n", f": telemetry_{number}\n")
        (flows / f"flow_{number}.yaml").write_text(text)
    started = time.perf_counter()
    specs, errors = load_flows(flows)
    seconds = time.perf_counter() - started
    print(f"{seconds * 1000:.0f} ms per 1,000 flows")
    assert (len(specs), errors) == (1000, [])
    assert seconds < 10
