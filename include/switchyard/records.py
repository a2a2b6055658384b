"""Frozen dataclasses that are kept or sent as JSON: one way to write them, one to read them.

The ledger's facts and what passes between processes outlive a release. So a reader passes over keys that it does not
know (unless a record is closed) and takes a field's default for a key that is missing; anything else is refused, by
the name of the field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Self

from pydantic import (
    JsonValue,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
)

from switchyard.errors import RecordUnreadable


class Record:
    """Base of a frozen dataclass with a JSON form. `Field(alias=…)` names a key that Python cannot."""

    def to_json(self) -> dict[str, JsonValue]:
        """JSON values by key; an optional field that says nothing is left out."""
        values: dict[str, JsonValue] = self._adapter().dump_python(self, mode="json", by_alias=True)
        return values

    @model_serializer(mode="wrap")
    def _leave_out(self, serialize: SerializerFunctionWrapHandler) -> dict[str, JsonValue]:
        """The fields by key, without those that are optional and None."""
        optional = self._optional()
        return {key: value for key, value in serialize(self).items() if value is not None or key not in optional}

    @classmethod
    def from_json(cls, values: Mapping[str, JsonValue], where: str = "") -> Self:
        """The reverse of `to_json`. Raises RecordUnreadable, naming the first field that is wrong, and `where`."""
        return cls.from_text(json.dumps(values), where)

    @classmethod
    def from_text(cls, text: str, where: str = "") -> Self:
        """The same, from JSON text."""
        try:
            record = cls._adapter().validate_json(text, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = ".".join(map(str, first["loc"]))
            place = path or "the whole record"
            reason = first["msg"]
            raise RecordUnreadable(
                f"{place}: {reason}, so this release of Switchyard cannot read the record",
                where=where,
                cure="use the release of Switchyard that wrote the record, or a newer one",
            ) from None  # pydantic's own text quotes the value, which may be a secret
        assert isinstance(record, cls)  # noqa: S101 - the adapter is this class's
        return record

    @classmethod
    @cache
    def _adapter(cls) -> TypeAdapter[Record]:
        return TypeAdapter(cls)

    @classmethod
    @cache
    def _optional(cls) -> frozenset[str]:
        """Keys of the fields whose default is None."""
        return frozenset(field.name for field in fields(cls) if field.default is None)  # type: ignore[arg-type]
