"""What the flow file will say one day and does not yet: refused by name, with what works today."""

from __future__ import annotations

KEYS: dict[tuple[str, ...], str] = {
    ("lake", "partition_by"): "tables are not partitioned; leave `partition_by` out",
}

VALUES: dict[tuple[str, ...], dict[str, str]] = {
    ("engine", "name"): {"copy": "accepted: sqoop"},
}
