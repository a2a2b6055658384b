"""What the flow file's models share: closed models, and one annotated type for every kind of name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from switchyard.errors import UnknownHiveType
from switchyard.flow import identifiers
from switchyard.flow.identifiers import parse_pg_table
from switchyard.flow.refusal import refuse
from switchyard.flow.sql import Dialect, find_fault, first_word
from switchyard.types.hive_type import STRING, HiveType

_LONGEST_SQL = 50_000
_SHORT: dict[str, Any] = {"minLength": 1, "maxLength": identifiers.POSTGRES_NAME_BYTES}
T = TypeVar("T", bound=Sequence[Any])


def _editor(pattern: re.Pattern[str], longest: int) -> Any:
    """The JSON Schema of a name. Pydantic does not check it, or one error would be reported twice."""
    return Field(json_schema_extra={"pattern": f"^{pattern.pattern}$", "minLength": 1, "maxLength": longest})


def no_duplicates(values: T) -> T:
    """Refuse a list that has an item twice."""
    for number, value in enumerate(values):
        if value in values[:number]:
            raise refuse(f"{value!r} is listed twice", cure="name it once", at=[number])
    return values


def check_table(text: str) -> str:
    """Check `schema.table`, with PostgreSQL's quoting."""
    parse_pg_table(text)
    return text


def check_sql(text: str, dialect: Dialect) -> str:
    """Check that a text is one piece of SQL, which stays inside its brackets."""
    if len(text) > _LONGEST_SQL:
        length = len(text)
        what = f"this SQL has {length:,} characters, and the limit is {_LONGEST_SQL:,}"
        raise refuse(what, cure="create a view of this SQL in the database, and read from the view")
    fault = find_fault(text, dialect)
    if fault:
        raise refuse(f"this SQL {fault.what}", cure=f"{fault.cure} (Switchyard puts this SQL between brackets)")
    if not text.strip():
        raise refuse("the condition is empty", cure="write a condition, or leave the key out of the flow file")
    if "$CONDITIONS" in text or "${" in text:
        what = "this SQL has a placeholder, $CONDITIONS or ${name}, and Switchyard does not replace any"
        raise refuse(what, cure="remove the placeholder, or write the value that it stands for")
    return text


def check_where(text: str) -> str:
    """Check a SQL condition on the rows of the source."""
    if first_word(text) == "where":
        raise refuse("Switchyard writes the word WHERE itself", cure="write the condition only, e.g. where: id > 10")
    return check_sql(text, "postgres")


def check_query(text: str) -> str:
    """Check a PostgreSQL query."""
    checked = check_sql(text, "postgres")
    if first_word(text) not in ("select", "with", "values", "table"):
        raise refuse("this is not a query", cure="begin it with one of the words SELECT, WITH, VALUES, TABLE")
    return checked


def check_select(text: str) -> str:
    """Check a HiveQL query."""
    checked = check_sql(text, "hive")
    if first_word(text) not in ("select", "with"):
        raise refuse("this is not a query", cure="write HiveQL that begins with select or with")
    return checked


def check_condition(text: str) -> str:
    """Check a HiveQL condition on one row."""
    if first_word(text) == "where":
        raise refuse("Switchyard writes the word WHERE itself", cure="write the condition only, e.g. sql: wattage > 0")
    return check_sql(text, "hive")


def check_as(text: str) -> str:
    """Check a type that a flow chooses for a column."""
    if not _is_choice(text):
        what = f"{text!r} is not a type that a column can be carried as"
        raise refuse(what, cure='write string, or decimal with precision and scale, e.g. "decimal(20,2)"')
    return text


def _is_choice(text: str) -> bool:
    """True for a type that a flow may choose, written as the metastore writes it."""
    try:
        kind = HiveType.parse(text)
    except UnknownHiveType:
        return False
    return str(kind) == text and (kind == STRING or kind.is_decimal)


FlowName = Annotated[str, AfterValidator(identifiers.check_flow), _editor(identifiers.FLOW, 64)]
ConnectionId = Annotated[str, AfterValidator(identifiers.check_connection), _editor(identifiers.CONNECTION, 128)]
HiveName = Annotated[str, AfterValidator(identifiers.check_hive), _editor(identifiers.HIVE, identifiers.HIVE_LENGTH)]
LakeColumn = Annotated[str, AfterValidator(identifiers.check_lake_column), Field(json_schema_extra={"minLength": 1})]
SourceColumn = Annotated[str, AfterValidator(identifiers.check_postgres_column), Field(json_schema_extra=_SHORT)]
Collection = Annotated[str, AfterValidator(identifiers.check_collection), _editor(identifiers.COLLECTION, 120)]
Label = Annotated[str, AfterValidator(identifiers.check_label), _editor(identifiers.LABEL, 100)]
Unique = AfterValidator(no_duplicates)


class Closed(BaseModel):
    """Immutable, takes no unknown key, and bends no type: `"4"` is not a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
