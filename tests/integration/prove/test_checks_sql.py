"""What the checks' HiveQL says of every kind of value, on HiveServer2, compared with an evaluation in Python.

Values reach Hive through Parquet that pyarrow wrote, so that they share no literal with the checks. Each question is
asked in vector mode and in row mode, in one statement.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import struct
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from switchyard.connections import EnvironmentConnections
from switchyard.flow.proof import Check
from switchyard.lake.hdfs import Hdfs
from switchyard.lake.hive import Hive
from switchyard.lake.metastore import Metastore
from switchyard.prove.checks import check_findings, row_conditions, table_checks
from switchyard.types.columns import HiveColumn
from switchyard.types.hive_type import INT, HiveType

NAN, INFINITY = math.nan, math.inf
ARROW = {
    "SMALLINT": pa.int16(),
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "DECIMAL(38,10)": pa.decimal128(38, 10),
    "DECIMAL(5,2)": pa.decimal128(5, 2),
    "STRING": pa.string(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "BOOLEAN": pa.bool_(),
    "BINARY": pa.binary(),
    "ARRAY<INT>": pa.list_(pa.int32()),
}
Row = dict[str, Any]


def check(**said: Any) -> Check:
    return Check.model_validate(said)


@dataclass
class Lake:
    """One database of Hive, and rows put into it."""

    directory: Path
    name: str = field(default_factory=lambda: f"it_checks_{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        connections = EnvironmentConnections()
        self.metastore = Metastore(connections.get("lake_metastore"))
        self.hdfs = Hdfs(connections.get("lake_hdfs"))
        self.hive = Hive(connections.get("lake_hive"))
        self.root = f"/lake/{self.name}"
        self.metastore.ensure_database(self.name, self.hdfs.url + self.root)

    def write(self, types: dict[str, str], rows: Sequence[Row]) -> str:
        """A table of these rows, numbered by `k`; its name, quoted."""
        table = f"t{uuid.uuid4().hex[:8]}"
        arrow = pa.table(
            {
                "k": pa.array(range(len(rows)), pa.int32()),
                **{name: pa.array([row[name] for row in rows], ARROW[kind]) for name, kind in types.items()},
            }
        ).replace_schema_metadata({"writer.date.proleptic": "true"})
        pq.write_table(arrow, self.directory / "rows.parquet")
        where = f"{self.root}/{table}"
        self.hdfs.make_directory(where)
        self.hdfs.upload(self.directory / "rows.parquet", f"{where}/rows.parquet")
        columns = [HiveColumn("k", INT), *(HiveColumn(name, HiveType.parse(kind)) for name, kind in types.items())]
        self.metastore.create_parquet_table(self.name, table, columns, self.hdfs.url + where, {})
        return f"`{self.name}`.`{table}`"

    def ask(self, types: dict[str, str], rows: Sequence[Row], checks: Sequence[Check]) -> list[list[bool]]:
        """For each check, whether each row breaks it; vector mode and row mode have to agree."""
        parsed = {name: HiveType.parse(kind) for name, kind in types.items()}
        assert check_findings(checks, parsed) == []
        table = self.write(types, rows)
        columns = ", ".join(f"{row.broken} as b{i}" for i, row in enumerate(row_conditions(checks, parsed)))
        answers = []
        with self.hive.session() as session:
            for vector in ("true", "false"):
                session.run(f"set hive.vectorized.execution.enabled={vector}")
                answers.append(session.run(f"select * from (select k, {columns} from {table}) asked order by k"))
        assert answers[0] == answers[1]
        assert [row[0] for row in answers[0]] == list(range(len(rows)))
        assert {type(value) for row in answers[0] for value in row[1:]} == {bool}
        return [[row[i + 1] for row in answers[0]] for i in range(len(checks))]


@pytest.fixture(scope="module")
def lake(servers: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    made = Lake(tmp_path_factory.mktemp("checks"))
    try:
        yield made
    finally:
        for table in made.metastore.list_tables(made.name):
            made.metastore.drop_table(made.name, table)
        made.hdfs.delete(made.root)
        with made.metastore.client() as client:
            client.drop_database(made.name, False, True)


def single(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


DAY, NOON = dt.date.fromisoformat, dt.datetime.fromisoformat
STRINGS = ["", "a", "a ", "A", "é", "e\u0301", "漢字", "💡", "\ue000", "'", '"', "\\", "a\nb", "\t", "${x}", "%", "_"]
STRINGS += ["null", "\\u0041", "\\101", "$1", "a\x00b", "x" * 5000]
VALUES: dict[str, list[Any]] = {
    "SMALLINT": [-32768, -1, 0, 1, 2, 32767],
    "INT": [-(2**31), -1, 0, 1, 2**31 - 1],
    "BIGINT": [-(2**63), -1, 0, 1, 2**53, 2**53 + 1, 2**63 - 1],
    "DECIMAL(5,2)": [Decimal(v) for v in ("-999.99", "-0.01", "0.00", "0.01", "1.10", "999.99")],
    "DECIMAL(38,10)": [
        Decimal(v)
        for v in ("-9999999999999999999999999999.9999999999", "0", "0.0000000001", "1.1000000000", "1.1000000001")
    ],
    "FLOAT": [NAN, INFINITY, -INFINITY, -0.0, 0.0, 0.1, -0.1, 1.0, 16777216.0, 1e-45, -1e-45, 3.4028234663852886e38],
    "DOUBLE": [NAN, INFINITY, -INFINITY, -0.0, 0.0, 0.1, 0.30000000000000004, 0.3, 5e-324, -5e-324, 1e308, 2.0**53 + 2],
    "STRING": STRINGS,
    "DATE": [DAY(v) for v in ("0001-01-01", "1582-10-04", "1582-10-15", "1970-01-01", "2024-02-29", "9999-12-31")],
    "TIMESTAMP": [
        NOON(v)
        for v in (
            "0001-01-01 00:00:00",
            "1582-10-10 12:00:00.5",
            "1883-11-18 12:03:58",
            "1969-12-31 23:59:59.999999",
            "2016-03-27 02:30:00",
            "2024-05-01 12:00:00",
            "2024-05-01 12:00:00.000001",
            "9999-12-31 23:59:59.999999",
        )
    ],
}
BOUNDS: dict[str, list[Any]] = {
    "SMALLINT": [-32768, 32767, 0, 0.5, -0.5, "1", "1.5", 1e6, -1e300],
    "INT": [-(2**31), 2**31 - 1, 0, "1e0", 0.999, 2**31, -(2**31) - 1],
    "BIGINT": [-(2**63), 2**63 - 1, 2**53, 2**53 + 1, 0.5, "9007199254740992.5", 10**30, -(10**30)],
    "DECIMAL(5,2)": [0, 0.01, "0.001", "0.009", 1.1, "1.1", "999.99", "-999.999", 1000, -1000],
    "DECIMAL(38,10)": [1.1, "1.1000000001", "1.10000000005", 0, "1e-11", 10**28, -(10**28)],
    "FLOAT": [0, -0.0, 0.1, "0.1", -0.1, 1e-45, 16777217, 3.4028234663852886e38, 1e-60],
    "DOUBLE": [0, -0.0, 0.1, 0.3, "0.30000000000000004", 5e-324, -5e-324, 1e308, 2**53 + 1, "1e-999"],
    "STRING": STRINGS,
    "DATE": ["0001-01-01", "1582-10-10", "1970-01-01", "2024-02-29", "9999-12-31"],
    "TIMESTAMP": [
        "0001-01-01",
        "1582-10-10 12:00:00.500000",
        "1883-11-18 12:03:58",
        "2016-03-27 02:30:00",
        "2024-05-01 12:00:00",
        "2024-05-01T14:00:00.000001+02:00",
        "9999-12-31 23:59:59.999999",
    ],
}


def read(kind: str, bound: Any) -> Any:
    """What a bound means, for Python."""
    if kind == "FLOAT":
        return single(float(Decimal(str(bound))))
    if kind == "DOUBLE":
        return float(Decimal(str(bound)))
    if kind == "DATE":
        return DAY(bound)
    if kind == "TIMESTAMP":
        instant = NOON(bound)
        return instant.astimezone(dt.UTC).replace(tzinfo=None) if instant.tzinfo else instant
    return bound if kind == "STRING" else Decimal(str(bound))


def meant(kind: str, value: Any) -> Any:
    """What a value is, for Python; text compares by code point in both."""
    if kind == "FLOAT":
        return single(value)
    return Decimal(value) if kind in ("SMALLINT", "INT", "BIGINT") else value


def outside(kind: str, value: Any, low: Any, high: Any) -> bool:
    if value is None:
        return False
    found = meant(kind, value)
    if found != found:
        return True
    return (low is not None and found < read(kind, low)) or (high is not None and found > read(kind, high))


def rows_of(kind: str) -> list[Row]:
    return [{"c": value} for value in [*VALUES[kind], None]]


def possible(kind: str, check: Check) -> bool:
    return not check_findings([check], {"c": HiveType.parse(kind)})


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_between_around_each_bound(lake: Lake, kind: str) -> None:
    limits = [(low, None) for low in BOUNDS[kind]] + [(None, high) for high in BOUNDS[kind]]
    limits += [(bound, bound) for bound in BOUNDS[kind]] + [(BOUNDS[kind][0], BOUNDS[kind][-1])]
    asked = [(low, high, check(between={"column": "c", "min": low, "max": high})) for low, high in limits]
    asked = [(low, high, said) for low, high, said in asked if possible(kind, said)]
    assert len(asked) >= len(BOUNDS[kind])
    answers = lake.ask({"c": kind}, rows_of(kind), [said for _, _, said in asked])
    for (low, high, _), answer in zip(asked, answers, strict=True):
        assert answer == [outside(kind, row["c"], low, high) for row in rows_of(kind)], (low, high)


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_accepted_values(lake: Lake, kind: str) -> None:
    fit = [v for v in BOUNDS[kind] if possible(kind, check(accepted_values={"column": "c", "values": [v]}))]
    lists = [[value] for value in fit] + [fit, fit[1:]]
    lists = [[v for i, v in enumerate(values) if v not in values[:i]] for values in lists]
    asked = [check(accepted_values={"column": "c", "values": values}) for values in lists]
    answers = lake.ask({"c": kind}, rows_of(kind), asked)
    for values, answer in zip(lists, answers, strict=True):
        accepted = [read(kind, value) for value in values]
        assert answer == [row["c"] is not None and meant(kind, row["c"]) not in accepted for row in rows_of(kind)], (
            values
        )


PATTERNS = ["^a", "a$", "^a$", "^$", ".", "'", '"', r"\\", r"\.", "[\\[\\]]", "^(a|é)$", r"\d", r"\$\{x}", "^.{5000}$"]
PATTERNS += [
    "漢",
    "💡",
    "%",
    "_",
    "a\nb",
    r"a\nb",
    "\t",
    "(?i)^a",
    "(?s)a.b",
    "[^\\x00-\\x7F]",
    "\\x00",
    r"\$\{x}x",
    "--",
    ";",
]


def test_regular_expressions(lake: Lake) -> None:
    rows = rows_of("STRING") + [{"c": text} for text in ("[", "1", "a.b", "--", "a;b", "${x}x", "a\r\nb")]
    answers = lake.ask({"c": "STRING"}, rows, [check(regex={"column": "c", "pattern": p}) for p in PATTERNS])
    for pattern, answer in zip(PATTERNS, answers, strict=True):
        assert answer == [row["c"] is not None and not re.search(pattern, row["c"]) for row in rows], pattern


def test_not_null_unique_and_conditions(lake: Lake) -> None:
    types = {"a": "INT", "d": "DOUBLE", "f": "FLOAT", "s": "STRING", "b": "BINARY", "t": "TIMESTAMP", "l": "ARRAY<INT>"}
    types |= {"m": "DECIMAL(5,2)", "o": "BOOLEAN"}
    day = NOON("2024-01-01 00:00:00.000001")
    values: list[tuple[Any, ...]] = [
        (1, 0.0, 0.0, "x", b"\x00", day, [1], Decimal("1.10"), True),
        (1, -0.0, -0.0, "x ", b"\x00\x00", day, [1], Decimal("1.10"), False),
        (2, NAN, NAN, "X", b"", day + dt.timedelta(microseconds=1), [], Decimal("1.11"), None),
        (None, NAN, NAN, "x", b"\x00", None, None, None, True),
        (None, None, None, None, None, None, [None], None, None),
        (3, 1.0, 1.0, "", None, None, None, Decimal("-1.10"), None),
    ]
    rows = [dict(zip(types, row, strict=True)) for row in values]
    keys: list[list[str]] = [[name] for name in types if name != "l"] + [["a", "s"], ["s", "b", "o"], ["d", "f"]]
    asked = [check(unique=key) for key in keys] + [check(not_null=["a", "l"]), check(not_null="o"), check(sql="a > 1")]
    asked.append(check(sql="case when o then s = 'x' else null end"))
    answers = lake.ask(types, rows, asked)
    for key, answer in zip(keys, answers, strict=False):
        found = [tuple("nan" if v != v else v for v in (row[name] for name in key)) for row in rows]
        times = Counter(found)
        assert answer == [None not in value and times[value] > 1 for value in found], key
    assert answers[len(keys)] == [row["a"] is None or row["l"] is None for row in rows]
    assert answers[len(keys) + 1] == [row["o"] is None for row in rows]
    assert answers[len(keys) + 2] == [row["a"] is not None and not row["a"] > 1 for row in rows]
    assert answers[len(keys) + 3] == [row["o"] is True and row["s"] is not None and row["s"] != "x" for row in rows]


def test_ten_thousand_accepted_values(lake: Lake) -> None:
    values = [f"it's {i}" for i in range(10_000)]
    rows = [{"c": value} for value in (values[0], values[-1], "it", None)]
    assert lake.ask({"c": "STRING"}, rows, [check(accepted_values={"column": "c", "values": values})]) == [
        [False, False, True, False]
    ]


def test_the_table_as_a_whole(lake: Lake) -> None:
    now = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
    checks = [check(row_count={"max": 2}), *(check(freshness={"column": c, "within": "90s"}) for c in ("t", "d", "n"))]
    types = {"t": "TIMESTAMP", "d": "DATE", "n": "DATE"}
    times = [NOON("2024-05-01 11:58:29.999999"), NOON("0001-01-01"), None]
    table = lake.write(types, [{"t": time, "d": DAY("2024-05-01"), "n": None} for time in times])
    asked = table_checks(checks)
    (row,) = lake.hive.query(f"select {', '.join(one.select for one in asked)} from {table}")
    said = [one.judge(value, now) for one, value in zip(asked, row, strict=True)]
    assert said == [
        "3 rows, and at most 2 were promised",
        "the newest t is 2024-05-01 11:58:29 UTC, 0:01:30 old, and 90s was promised",
        "the newest d is 2024-05-01 00:00:00 UTC, 12:00:00 old, and 90s was promised",
        "n has no value, so nothing is fresh",
    ]


decimals = st.decimals(min_value=Decimal("-999.99"), max_value=Decimal("999.99"), places=2)
drawn: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
    "INT": lambda: st.integers(-(2**31), 2**31 - 1),
    "BIGINT": lambda: st.integers(-(2**63), 2**63 - 1),
    "DECIMAL(5,2)": lambda: decimals,
    "DOUBLE": lambda: st.floats(),
    "FLOAT": lambda: st.floats(width=32),
    "STRING": lambda: st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    "DATE": st.dates,
    "TIMESTAMP": st.datetimes,
}


def as_bound(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else str(value)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_values_and_any_bounds(lake: Lake, data: st.DataObject) -> None:
    """One statement asks for every type at once, since a statement costs a second."""
    types = {f"c{i}": kind for i, kind in enumerate(drawn)}
    columns = {name: data.draw(st.lists(drawn[kind](), min_size=8, max_size=8)) for name, kind in types.items()}
    rows: list[Row] = [{name: values[i] for name, values in columns.items()} for i in range(8)]
    rows.append(dict.fromkeys(types))
    asked: list[tuple[str, str, Any, Any]] = []
    for name, kind in types.items():
        bounds = [*columns[name], *data.draw(st.lists(drawn[kind](), max_size=3))]
        bounds = [value for value in bounds if not isinstance(value, float) or math.isfinite(value)]
        asked += [(name, kind, as_bound(low), as_bound(high)) for low, high in pairwise(bounds)]
    checks = [check(between={"column": name, "min": low, "max": high}) for name, _, low, high in asked]
    accepted = [
        check(accepted_values={"column": name, "values": [low, high] if low != high else [low]})
        for name, _, low, high in asked
    ]
    answers = lake.ask(types, rows, checks + accepted)
    for (name, kind, low, high), answer, among in zip(asked, answers, answers[len(asked) :], strict=False):
        assert answer == [outside(kind, row[name], low, high) for row in rows], (kind, low, high)
        wanted = [read(kind, low), read(kind, high)]
        assert among == [row[name] is not None and meant(kind, row[name]) not in wanted for row in rows], (kind, wanted)
