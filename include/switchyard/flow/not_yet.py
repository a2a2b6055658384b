"""What the flow file will say one day and does not yet: refused by name, with what works today."""

from __future__ import annotations

KEYS: dict[tuple[str, ...], str] = {
    ("contract",): "every load takes the source's columns and types as they are now; leave `contract` out",
    ("checks",): "counts are always reconciled at every hop; leave `checks` out",
    ("diff",): "leave `diff` out",
    ("source", "cursor"): "every load reads the whole source; leave `cursor` out",
    ("source", "tombstone"): "a row deleted at the source leaves with the next load; leave `tombstone` out",
    ("lake", "partition_by"): "tables are not partitioned; leave `partition_by` out",
    ("serve", "publish"): "every publish is a snapshot; leave `publish` out",
    ("cache", "negative"): "missing keys are not cached; leave `negative` out",
    ("reconcile", "policy"): "counts must be equal; leave `policy` out",
    ("reconcile", "tolerance"): "counts must be equal; leave `tolerance` out",
    ("reconcile", "max_shrink"): "only an empty source is refused, see `allow_empty`; leave `max_shrink` out",
}

VALUES: dict[tuple[str, ...], dict[str, str]] = {
    ("lake", "mode"): {
        "append": "accepted: replace, which makes every load a whole new version",
        "merge": "accepted: replace, which makes every load a whole new version",
    },
    ("engine", "name"): {"copy": "accepted: sqoop"},
}
