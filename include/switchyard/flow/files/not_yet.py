"""Keys and values planned for the flow file: refused by name, with the way to do the same today."""

from __future__ import annotations

KEYS: dict[tuple[str, ...], str] = {
    ("lake", "partition_by"): "tables are not partitioned; leave `partition_by` out",
}

VALUES: dict[tuple[str, ...], dict[str, str]] = {
    ("engine", "name"): {"copy": "sqoop"},
}
