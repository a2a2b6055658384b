"""Hive types for property tests: those of a lake's columns, and all that a foreign table may have."""

from __future__ import annotations

from hypothesis import strategies as st

from switchyard.types.hive_type import HiveType

_decimals = st.integers(1, 38).flatmap(lambda p: st.integers(0, p).map(lambda s: HiveType.decimal(p, s)))
_ordered = st.sampled_from(["tinyint", "smallint", "int", "bigint", "float", "double"])
_others = st.sampled_from(["string", "date", "timestamp", "boolean", "binary"])
plain_types = st.one_of(_ordered.map(HiveType), _others.map(HiveType), _decimals)
columns_types = st.one_of(plain_types, plain_types.map(lambda element: HiveType("array", parts=(element,))))
"""What the type table makes."""

_rare = st.one_of(
    st.sampled_from(["void", "interval_year_month", "interval_day_time", "timestamp with local time zone"]).map(
        HiveType
    ),
    st.integers(1, 65535).map(lambda length: HiveType("varchar", length=length)),
    st.integers(1, 255).map(lambda length: HiveType("char", length=length)),
    st.just(HiveType("timestamp with local time zone", zone="Europe/Berlin")),
)
_names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)


def _nest(inner: st.SearchStrategy[HiveType]) -> st.SearchStrategy[HiveType]:
    structs = st.lists(st.tuples(_names, inner), min_size=1, max_size=3)
    return st.one_of(
        inner.map(lambda element: HiveType("array", parts=(element,))),
        st.tuples(plain_types, inner).map(lambda pair: HiveType("map", parts=pair)),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: HiveType("uniontype", parts=tuple(parts))),
        structs.map(lambda f: HiveType("struct", parts=tuple(t for _, t in f), fields=tuple(n for n, _ in f))),
    )


any_type = st.recursive(st.one_of(plain_types, _rare), _nest, max_leaves=8)
