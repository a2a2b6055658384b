"""Names, SQL fragments, durations, frozen flows, JSON Schemas."""

from __future__ import annotations

import json
from datetime import timedelta

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.checkout import CHECKOUT
from switchyard.errors import LedgerStateError
from switchyard.flow import identifiers
from switchyard.flow.duration import format_duration, parse_duration
from switchyard.flow.files.loader import load_flows
from switchyard.flow.files.schema import defaults_schema, flow_schema, schema_files
from switchyard.flow.frozen import frozen_spec, spec_hash, thaw
from switchyard.flow.identifiers import PgTable, parse_pg_table
from switchyard.flow.spec import Flow
from switchyard.flow.sql import find_fault

SHIPPED = load_flows(CHECKOUT / "dags" / "flows")[0]

pg_names = st.text(min_size=1, max_size=15).filter(lambda name: "\0" not in name and len(name.encode()) <= 63)


def spec(**sections: object) -> dict[str, object]:
    """The smallest flow, with some sections changed."""
    return {
        "flow": "f",
        "source": {"connection": "c", "table": "s.t"},
        "lake": {"database": "d", "table": "t"},
        **sections,
    }


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("public.orders", ("public", "orders")),
        ('"My Schema"."My.Table"', ("My Schema", "My.Table")),
        ('public."a""b"', ("public", 'a"b')),
        ('public."Orders; drop table x"', ("public", "Orders; drop table x")),
        ("größe.t$1", ("größe", "t$1")),
    ],
)
def test_tables_are_read_as_postgresql_quotes_them(text: str, table: tuple[str, str]) -> None:
    assert parse_pg_table(text) == table


@given(schema=pg_names, table=pg_names)
def test_any_quoted_table_is_read_back(schema: str, table: str) -> None:
    quoted = ".".join('"' + name.replace('"', '""') + '"' for name in (schema, table))
    try:
        quoted.encode()
    except UnicodeEncodeError:
        return
    assert parse_pg_table(quoted) == PgTable(schema, table)


@pytest.mark.parametrize(
    "text",
    ["orders", "a.b.c", "", ".", "a.", ".b", 'a."b', "a b.c", "1a.b", "a.b;", "a.b--", 'a.""', "A.b", "a." + "b" * 64],
)
def test_other_spellings_of_a_table_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_pg_table(text)


HOSTILE = [
    "a;b",
    "a b",
    "../x",
    "a/b",
    "a'b",
    'a"b',
    "a`b",
    "$(x)",
    "a\nb",
    "a\n",
    "*",
    "a?",
    "{x}",
    "",
    "-rf",
    "a\0",
    "é;",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "check",
    [
        identifiers.check_flow,
        identifiers.check_connection,
        identifiers.check_hive,
        identifiers.check_lake_column,
        identifiers.check_collection,
        identifiers.check_root,
    ],
)
def test_plain_names_cannot_mean_anything_else(check: object, name: str) -> None:
    assert callable(check)
    if name == "-rf" and check is identifiers.check_root:
        name = "/../x"
    with pytest.raises(ValueError, match=r"\w"):
        check(name)


@pytest.mark.parametrize(
    "text",
    [
        "id > 1",
        "name = 'a;b--c(' and x = 1",
        "note = E'it\\'s; (' or note = $q$it's; ($q$",
        '"strange ;( column" is null /* a (comment; */',
        "date'2020-01-01' < d and (a or (b))",
        "a - -1 > 0 and b / 2 > 1",
        "x = $$;$$ /* outer /* inner ; */ still */",
        "col1 = '''' and e = e'\\\\'",
    ],
)
def test_conditions_that_are_one_piece(text: str) -> None:
    assert find_fault(text, "postgres") is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1=1; drop table x", "`;`"),
        ("1=1) or (1=1", "`)` too many"),
        ("((a)", "not closed"),
        ("a = 'x", "quote"),
        ('a = "x', "quote"),
        ("a = $t$ x $u$", "quote"),
        ("a = 1 -- ", "`--`"),
        ("a /* b", "`/*`"),
        ("a /* b /* c */", "`/*`"),
        ("a = 'x\\' ; --'", "`;`"),  # a backslash escapes nothing in a standard string
    ],
)
def test_conditions_that_would_leave_their_brackets(text: str, fault: str) -> None:
    reason = find_fault(text, "postgres")
    assert reason is not None
    assert fault in reason.what


def test_hive_strings_escape_with_backslashes() -> None:
    assert find_fault(r"select 'it\'s; (' , `a;b`, " + '"x;y"', "hive") is None
    assert find_fault(r"select 'it\\'; drop table x", "hive") is not None
    assert find_fault("select 1 /* a /* b */", "hive") is None


@given(st.text(max_size=200), st.sampled_from(["postgres", "hive"]))
def test_any_text_is_judged(text: str, dialect: str) -> None:
    find_fault(text, dialect)  # type: ignore[arg-type]


@given(st.integers(1, 999_999), st.sampled_from("smhd"))
def test_durations_keep_their_span(number: int, unit: str) -> None:
    span = parse_duration(f"{number}{unit}")
    assert parse_duration(format_duration(span)) == span


def test_equal_spans_have_one_spelling() -> None:
    assert {format_duration(parse_duration(text)) for text in ("3600s", "60m", "1h")} == {"1h"}
    assert parse_duration("15m") == timedelta(minutes=15)


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_frozen_flow_thaws_to_itself(name: str) -> None:
    """But for how fresh it has to be, which no load depends on."""
    flow = SHIPPED[name].model_copy(update={"freshness": None})
    assert spec_hash(flow) == spec_hash(SHIPPED[name])
    frozen = json.loads(json.dumps(frozen_spec(flow)))
    assert thaw(frozen) == flow
    assert spec_hash(thaw(frozen)) == spec_hash(flow)


def test_the_hash_follows_what_a_flow_does() -> None:
    one = Flow.model_validate(spec(cache={"connection": "r", "ttl": "60m"}, serve=SERVE))
    same = Flow.model_validate({**spec(serve=SERVE), "cache": {"ttl": "1h", "connection": "r", "warm": 0}})
    other = Flow.model_validate(spec(cache={"connection": "r", "ttl": "2h"}, serve=SERVE))
    assert spec_hash(one) == spec_hash(same) != spec_hash(other)
    assert len(spec_hash(one)) == 64


SERVE = {"connection": "m", "collection": "c", "key": ["k"]}


def test_a_frozen_flow_of_another_version_says_so() -> None:
    with pytest.raises(LedgerStateError, match=r"source\.topic"):
        thaw(spec(source={"connection": "c", "table": "s.t", "topic": "x"}))


def test_cache_needs_serve() -> None:
    with pytest.raises(ValueError, match="needs `serve`"):
        Flow.model_validate(spec(cache={"connection": "r"}))


def test_types_are_not_bent() -> None:
    for engine in ({"mappers": "2"}, {"mappers": 2.0}, {"mappers": True}):
        with pytest.raises(ValueError, match="integer"):
            Flow.model_validate(spec(engine={**engine, "split_by": "id"}))


def test_a_flow_does_not_change() -> None:
    flow = Flow.model_validate(spec())
    with pytest.raises(ValueError, match="frozen"):
        flow.owner = "me"  # type: ignore[misc]


def test_the_checked_in_schemas_are_fresh() -> None:
    for name, text in schema_files().items():
        assert (CHECKOUT / "docs" / name).read_text() == text, "run: switchyard schema"


def test_the_schemas_accept_what_is_shipped_and_flows_name_them() -> None:
    for path in sorted((CHECKOUT / "dags" / "flows").glob("*.yaml")):
        schema = defaults_schema() if path.stem == "defaults" else flow_schema()
        jsonschema.validate(yaml.safe_load(path.read_text()), schema, jsonschema.Draft202012Validator)
        named = path.read_text().splitlines()[0].removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / named).resolve().name in schema_files()


@pytest.mark.parametrize("section", ["", "source", "lake", "serve", "cache", "engine", "reconcile"])
def test_the_schemas_refuse_unknown_keys(section: str) -> None:
    flow = frozen_spec(SHIPPED["telemetry"])
    (flow[section] if section else flow)["sedule"] = "x"
    with pytest.raises(jsonschema.ValidationError, match="sedule"):
        jsonschema.validate(flow, flow_schema(), jsonschema.Draft202012Validator)


def test_the_schema_accepts_every_frozen_flow() -> None:
    for flow in SHIPPED.values():
        jsonschema.validate(frozen_spec(flow), flow_schema(), jsonschema.Draft202012Validator)


def test_the_flow_schema_asks_for_what_defaults_cannot_give() -> None:
    schema = flow_schema()
    assert schema["required"] == ["source", "lake"]
    assert schema["$defs"]["Lake"]["required"] == ["table"]
    assert "table" not in defaults_schema()["$defs"]["Lake"]["properties"]


def test_a_column_that_is_left_out_may_give_its_name_to_another() -> None:
    flow = Flow.model_validate(
        {
            "flow": "x",
            "source": {"connection": "a", "table": "public.t", "key": ["n"]},
            "lake": {"database": "d", "table": "t"},
            "checks": [{"unique": "id"}],
            "columns": {"id": {"leave_out": True}, "n": {"name": "id"}},
        }
    )
    assert flow.columns["n"].name == "id"


def test_a_flow_without_newer_choices_freezes_as_the_release_before_reads_it() -> None:
    base = {"flow": "x", "source": {"connection": "a", "table": "public.t"}, "lake": {"database": "d", "table": "t"}}
    plain = frozen_spec(Flow.model_validate({**base, "columns": {"n": {"as": "string"}}}))
    assert plain["columns"] == {"n": {"as": "string", "description": ""}}
    named = {
        "n": {"as": None, "description": "", "name": "amount"},
        "s": {"as": None, "description": "", "leave_out": True},
    }
    chosen = Flow.model_validate({**base, "columns": {"n": {"name": "amount"}, "s": {"leave_out": True}}})
    assert frozen_spec(chosen)["columns"] == named
    assert thaw(frozen_spec(chosen)) == chosen
