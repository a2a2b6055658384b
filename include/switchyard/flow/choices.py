"""A flow's choices for single columns of its source: type, name in the lake, description, or not to read it at all.

Pure. What can be judged without the source is judged here; the preflight judges the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from switchyard.flow.fields import Closed, LakeColumn, check_as
from switchyard.flow.refusal import refuse
from switchyard.types.lake_names import LakeName, yaml_key


class ColumnChoice(Closed):
    """A flow's choices for one source column."""

    as_: Annotated[str, AfterValidator(check_as)] | None = Field(
        None,
        alias="as",
        description="carry it as `string`, or (numeric, money) as `decimal(p,s)`, instead of by the type table",
    )
    name: LakeColumn | None = Field(
        None,
        description="its name in Hive, in MongoDB and in all of the flow file but `source`; default: its own in lower "
        "case",
    )
    leave_out: bool = Field(False, description="never read it: it is in no load, no quarantine, no comparison")
    description: str = Field("", max_length=4_000, description="what it means; becomes the Hive column's comment")

    @model_validator(mode="after")
    def _nothing_else_of_one_left_out(self) -> ColumnChoice:
        for key, value in (("as", self.as_), ("name", self.name), ("description", self.description)):
            if self.leave_out and value:
                what = f"`leave_out: true` skips this column, so that `{key}` has no effect"
                raise refuse(what, cure=f"remove either `{key}` or `leave_out`", at=[key])
        return self


Choices = Mapping[str, ColumnChoice]


Uses = Mapping[str, Sequence[str | None]]
"""The columns that places of the flow file name, by the place."""


def left_out(choices: Choices) -> tuple[str, ...]:
    """The source columns that the flow does not read."""
    return tuple(source for source, choice in choices.items() if choice.leave_out)


def lake_name(source: str, choices: Choices) -> LakeName:
    """The name of a source column in the lake."""
    choice = choices.get(source)
    return LakeName.of(source, choice.name if choice is not None else None)


def check_choices(choices: Choices, listed: Sequence[str] | None, source_uses: Uses, lake_uses: Uses) -> None:
    """Refuse what cannot hold whatever the source is like.

    Args:
        choices: by source column.
        listed: `source.columns`.
        source_uses: places that name a source column, which must not be left out.
        lake_uses: places that name a lake column.
    """
    names = [lake_name(each, choices) for each in dict.fromkeys([*(listed or ()), *choices])]
    carried = [each for each in names if each.source not in left_out(choices)]
    _refuse_one_name_for_two(carried)
    omitted = {source: source for source in left_out(choices)}
    _refuse_use_of_one_left_out(source_uses, omitted)
    taken = {each.name for each in carried}
    _refuse_use_of_one_left_out(lake_uses, {s.lower(): s for s in omitted if s.lower() not in taken})


def _refuse_one_name_for_two(carried: Sequence[LakeName]) -> None:
    holders: dict[str, str] = {}
    for each in carried:
        holder = holders.setdefault(each.name, each.source)
        if holder != each.source:
            column = each.source if each.chosen else holder
            name = each.name
            raise refuse(
                f"columns {holder!r} and {each.source!r} would both be called {name!r} in the lake",
                cure=f"give one of them another name: columns: {{{yaml_key(column)}: {{name: {name}_2}}}}",
                at=["columns", column],
            )


def _refuse_use_of_one_left_out(uses: Uses, omitted: Mapping[str, str]) -> None:
    """Refuse a place that names a column left out; `omitted`: the source column, by its name at these places."""
    for place, columns in uses.items():
        for source in (omitted[column] for column in columns if column is not None and column in omitted):
            raise refuse(
                f"column {source!r} is left out, and {place} needs it",
                cure=f"remove leave_out from columns.{yaml_key(source)}, or name another column in {place}",
                at=["columns", source, "leave_out"],
            )
