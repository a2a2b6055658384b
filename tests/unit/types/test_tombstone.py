"""One rule says which rows a tombstone deletes: in the merge, in its preview and in a diff."""

import pytest

from harness.postgres_types import postgres_type
from switchyard.types.carry import CarriedColumn, SourceColumn, carry
from switchyard.types.tombstone import marks_deleted


@pytest.mark.parametrize(
    ("kind", "choice", "rule"),
    [
        ("boolean", None, 'coalesce("gone", false)'),
        ("boolean", "string", '("gone" is not null)'),
        ("timestamp with time zone", None, '("gone" is not null)'),
        ("text", None, '("gone" is not null)'),
    ],
)
def test_a_boolean_deletes_by_true_and_any_other_type_by_a_value(kind: str, choice: str | None, rule: str) -> None:
    column = carry(SourceColumn("gone", postgres_type(kind)), choice)
    assert isinstance(column, CarriedColumn)
    assert marks_deleted('"gone"', column.hive_type) == rule
