"""Flow files that use every part of the model, every place in one, and hostile text to put there."""

from __future__ import annotations

from typing import Any

from harness.checkout import CHECKOUT

FLOWS = CHECKOUT / "dags" / "flows"
GOOD = {path.stem: path.read_text() for path in sorted(FLOWS.glob("*.yaml")) if path.stem != "defaults"}
GOOD["proved"] = r"""
source: {connection: src, table: '"My Schema".orders', columns: [id, Total, seen_at, gone], where: total > 0, key: [id],
  cursor: seen_at, cursor_clock: database, tombstone: gone, sweep: always}
lake: {database: shop_db, table: orders, mode: merge, keep_loads: 2, root: /lake/shop}
serve: {connection: docs, collection: orders, key: [id], indexes: [[total], [seen_at, id]], timestamps: beside,
  publish: delta, diff: digest}
cache: {connection: near, ttl: 90s, negative: 5s, warm: 10, max_invalidate: 50}
engine: {mappers: 4, split_by: id}
reconcile: {allow_empty: true, policy: tolerance, tolerance: 3, max_shrink: 20%}
contract: {columns: quarantine, types: freeze, nullability: evolve, quarantine_threshold: 0.5%}
checks:
  - {unique: id, severity: quarantine}
  - {not_null: [id, total]}
  - {between: {column: total, min: 0, max: 1.5}, severity: warn, name: fair total}
  - {regex: {column: note, pattern: '^[A-Z]\w+$'}}
  - {accepted_values: {column: state, values: [new, paid, 3]}}
  - {row_count: {min: 1, max: 1000000}}
  - {freshness: {column: seen_at, within: 2h}}
  - {sql: "length(note) < 100 and note not like '%;%'"}
diff: {mode: digest, source: true, heal: true}
columns: {Total: {as: 'decimal(20,4)', description: What was paid.}, id: {as: string}}
"""
GOOD["appended"] = """
source: {connection: src, query: 'select id, at from events', cursor: at}
lake: {database: shop_db, table: events, mode: append}
serve: {connection: docs, collection: per_day, key: [day], select: 'select day from shop_db.events', table: per_day}
checks: [{row_count: {max: 5}, severity: warn}, {sql: id > 0}]
contract: {quarantine_threshold: 100}
"""


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, child in items for place in [(*path, key), *paths(child, (*path, key))]]


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        tree = tree[part]
    return tree


HOSTILE = ["'; drop table x; --", "') or 1=1 --", '"; drop schema public cascade; --', "`; drop table x; --`", "$(id)"]
HOSTILE += [
    "`id`",
    "../../etc/passwd",
    "/lake/../tmp",
    "a/../b",
    "*",
    "[a-z]?",
    "{a}:gate",
    "${hiveconf:x}",
    "$CONDITIONS",
]
HOSTILE += [
    "$where",
    "system.users",
    "a.$b",
    "x\x00y",
    "a\nb",
    "a\r\nb",
    "--connect",
    "@/etc/passwd",
    "%s%n",
    "{0}",
    "{{ ds }}",
]
HOSTILE += [
    "{% raw %}",
    "\u202eabc",
    "Ａ",
    "x" * 5_000,
    "(" * 3_000,
    "1e999999",
    "-0",
    "0x10",
    "1_000",
    "NaN",
    "٣",
    "1;1",
    "/*",
]
