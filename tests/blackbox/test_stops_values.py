"""S2 to S5, S11: values, names and SQL that some server on the way reads differently than PostgreSQL does."""

from __future__ import annotations

from typing import Any

import pytest

from harness.outside.grounds import FlowUnderTest, Grounds

JAVA = r"\bjava\.|\bat org\.|Exception"


def require_rows_or_refusal(flow: FlowUnderTest, ids: list[int], cause: str, *, never: str = JAVA) -> None:
    """These rows in the lake; or a refusal that names the cause, before or while it loads."""
    ended = flow.ingest()
    if ended.succeeded:
        assert flow.ids() == ids
    else:
        ended.require_sentence(cause, never=never)


def test_a_question_mark_in_the_condition(grounds: Grounds) -> None:
    """An operator of jsonb."""
    flow = grounds.flow("asked", "id int primary key, d jsonb", source={"where": "d ? 'a' or d ?| array['b','c']"})
    flow.sql("""insert into {t} values (1, '{"a": 1}'), (2, '{"x": 1}'), (3, '{"c": 1}')""")
    require_rows_or_refusal(flow, [1, 3], r"source\.where.*\?", never="No value specified|parameter 1")


@pytest.mark.kin
def test_a_question_mark_in_a_query(grounds: Grounds) -> None:
    """Geometry has such operators, too, and a comment or a dollar quote may hold one that is none."""
    flow = grounds.flow("asks", source={"key": ["id"]})
    flow.change(
        source={
            "table": None,
            "query": f"select id, v from {flow.name} where point(id, 0) ?- point(2, 0) and v <> $q$a?$q$ /* why? */",
        }
    )
    flow.sql("create table {t} (id int primary key, v text)", "insert into {t} values (1, 'a?'), (2, 'b'), (3, 'c?')")
    require_rows_or_refusal(flow, [2, 3], r"source\.query.*\?", never="No value specified|parameter 1")


TOLERANT = {"quarantine_threshold": "100%"}


def test_a_text_that_is_too_long(grounds: Grounds) -> None:
    """It is quarantined, as the preflight says; of its text the beginning is kept."""
    flow = grounds.flow("longtext", "id int primary key, v text", contract=TOLERANT)
    flow.sql("insert into {t} values (1, 'a'), (2, repeat('x', 20000001))")
    require_rows_or_refusal(flow, [1], "column 'v'.*20,000,000")


@pytest.mark.kin
def test_bytes_that_are_too_long_as_text(grounds: Grounds) -> None:
    """Two digits a byte."""
    flow = grounds.flow("longbytes", "id int primary key, v bytea", contract=TOLERANT)
    flow.change(columns={"v": {"as": "string"}})
    flow.sql("insert into {t} values (1, 'a'), (2, convert_to(repeat('x', 10000001), 'UTF8'))")
    require_rows_or_refusal(flow, [1], "column 'v'.*(20,000,000|9,999,999|10,000,000)")


def require_flat_memory(flow: FlowUnderTest, rows: int) -> None:
    """It loads; or it says that memory was short, whose, and what to do. Running again is no cure."""
    ended = flow.ingest()
    if ended.succeeded:
        assert flow.hive(what="count(*)") == [(rows,)]
    else:
        ended.require_sentence("memory|heap", never="gave no reason|run again|repeat your command")


@pytest.mark.kin
def test_more_text_than_sqoop_has_memory(grounds: Grounds) -> None:
    """160 rows of 4 MB; Sqoop has 512 MB on the local stack."""
    flow = grounds.flow("heavy", "id int primary key, v text")
    flow.sql("insert into {t} select n, repeat('x', 4000000) from generate_series(1, 160) n")
    require_flat_memory(flow, 160)


@pytest.mark.kin
def test_few_rows_of_more_text_than_sqoop_has_memory(grounds: Grounds) -> None:
    """As much in rows of 16 MB: a fetch size in rows has to know how large they are."""
    columns = [f"v{i}" for i in range(4)]
    flow = grounds.flow("heavyrows", "id int primary key, " + ", ".join(f"{column} text" for column in columns))
    text = ", ".join("repeat('x', 4000000)" for _ in columns)
    flow.sql(f"insert into {{t}} select n, {text} from generate_series(1, 40) n")
    require_flat_memory(flow, 40)


def checked(severity: str) -> dict[str, Any]:
    return {
        "checks": [{"between": {"column": "id", "max": 2}, "severity": severity}],
        "contract": TOLERANT,
    }


def test_a_column_called_t0_with_a_check(grounds: Grounds) -> None:
    """No name of ours stands in the way of theirs."""
    flow = grounds.flow("t0", "id int primary key, t0 text", **checked("warn"))
    flow.sql("insert into {t} values (1, 'a'), (3, 'c')")
    require_rows_or_refusal(flow, [1, 3], "column 't0'")


@pytest.mark.kin
def test_columns_called_as_in_the_quarantine(grounds: Grounds) -> None:
    """The other names that a load with refused rows uses for itself."""
    columns = ("reasons", "reason_columns", "raw", "reason", "raw_row", "refused_at", "load_id")
    spec = checked("quarantine")
    flow = grounds.flow("reasons", "id int primary key, " + ", ".join(f"{c} text" for c in columns), **spec)
    flow.sql("insert into {t} (id, reasons) values (1, 'a'), (3, 'c')")
    require_rows_or_refusal(flow, [1], "column '(reasons|reason_columns|raw)'")


def of_a_query(grounds: Grounds, label: str, query: str) -> FlowUnderTest:
    return grounds.flow(label, source={"table": None, "query": query, "key": ["id"]})


NOT_REPEATABLE = "deterministic|another result|other values|evaluated twice|volatile"


def test_a_query_of_random_numbers(grounds: Grounds) -> None:
    """It says something else each time it is asked, and that is what the message says."""
    flow = of_a_query(grounds, "random", "select g as id, random() as r from generate_series(1, 5) g")
    require_rows_or_refusal(flow, [1, 2, 3, 4, 5], NOT_REPEATABLE, never="lost in Hive")


@pytest.mark.kin
def test_a_query_of_new_uuids(grounds: Grounds) -> None:
    """The same kind in text."""
    flow = of_a_query(grounds, "uuids", "select g as id, gen_random_uuid() as u from generate_series(1, 5) g")
    require_rows_or_refusal(flow, [1, 2, 3, 4, 5], NOT_REPEATABLE, never="lost in Hive")
