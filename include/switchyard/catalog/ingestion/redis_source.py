"""A DataHub source for Redis, which DataHub has none for: one dataset per keyspace, its fields read from a sample.

A keyspace is given with its name in the catalog and a key pattern, or found: without any given, keys are grouped by
their hash tag (`{orders}:…`) or by what stands before the delimiter (`orders:1`). Redis knows no schema, so the fields
are those seen in the sampled values: of hashes, of JSON objects, and of BSON after `<seq>|`, as a flow's cache holds
(docs/cache-protocol.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import bson
import redis
from datahub.configuration.common import ConfigModel, TransparentSecretStr
from datahub.configuration.source_common import EnvConfigMixin
from datahub.ingestion.api.common import PipelineContext
from datahub.ingestion.api.decorators import SupportStatus, config_class, platform_name, support_status
from datahub.ingestion.api.workunit import MetadataWorkUnit
from datahub.ingestion.source.state.stale_entity_removal_handler import (
    StaleEntityRemovalSourceReport,
    StatefulStaleMetadataRemovalConfig,
)
from datahub.ingestion.source.state.stateful_ingestion_base import (
    StatefulIngestionConfigBase,
    StatefulIngestionSourceBase,
)
from datahub.metadata.schema_classes import (
    ArrayTypeClass,
    BooleanTypeClass,
    BytesTypeClass,
    NullTypeClass,
    NumberTypeClass,
    RecordTypeClass,
    SchemaFieldClass,
    SchemaFieldDataTypeClass,
    StringTypeClass,
    TimeTypeClass,
)
from datahub.sdk.dataset import Dataset
from pydantic import Field

_TAG = re.compile(r"\{([^}]+)\}")
_VERSIONED = re.compile(rb"\d{1,20}\|")
_TYPES = {
    bool: "boolean",
    int: "integer",
    float: "double",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}
_CLASSES: dict[str, Any] = {
    "boolean": BooleanTypeClass,
    "integer": NumberTypeClass,
    "double": NumberTypeClass,
    "string": StringTypeClass,
    "int64": NumberTypeClass,
    "decimal128": NumberTypeClass,
    "datetime": TimeTypeClass,
    "bytes": BytesTypeClass,
    "array": ArrayTypeClass,
    "object": RecordTypeClass,
}


class Keyspace(ConfigModel):
    """Keys that make one dataset."""

    name: str = Field(description="name of the dataset in the catalog, without platform and environment")
    match: str = Field(description="glob pattern of its keys")
    values: str = Field(default="*", description="glob pattern of those keys whose values carry the fields")


class RedisConfig(StatefulIngestionConfigBase[Any], EnvConfigMixin):
    """Address of Redis, and the keyspaces to read."""

    stateful_ingestion: StatefulStaleMetadataRemovalConfig | None = None
    host: str = "localhost"
    port: int = 6379
    db: int = 0
    username: str | None = None
    password: TransparentSecretStr | None = None
    tls: dict[str, Any] = Field(default_factory=dict, description="the client's parameters that begin with ssl")
    delimiter: str = Field(default=":", description="what ends the prefix of a key without hash tag")
    keyspaces: list[Keyspace] = Field(default_factory=list, description="default: found by scanning all keys")
    sample_size: int = Field(default=100, ge=1, description="values read per keyspace")
    max_keys: int = Field(default=1_000_000, ge=1, description="keys scanned at most; beyond, counts are lower bounds")


class RedisReport(StaleEntityRemovalSourceReport):
    """Counts of what the source read."""

    keys_scanned: int = 0


@platform_name("Redis")
@config_class(RedisConfig)
@support_status(SupportStatus.ALPHA)
class RedisSource(StatefulIngestionSourceBase):
    """Emits keyspaces as datasets."""

    config: RedisConfig
    report: RedisReport

    def __init__(self, config: RedisConfig, ctx: PipelineContext) -> None:
        super().__init__(config, ctx)
        self.config = config
        self.report = RedisReport()
        self.client = redis.Redis(
            host=config.host,
            port=config.port,
            db=config.db,
            username=config.username,
            password=config.password.get_secret_value() if config.password else None,
            **config.tls,
        )

    @classmethod
    def create(cls, config_dict: dict[str, Any], ctx: PipelineContext) -> RedisSource:
        """Build the source from its recipe."""
        return cls(RedisConfig.model_validate(config_dict), ctx)

    def get_workunits_internal(self) -> Iterable[MetadataWorkUnit]:
        """One dataset per keyspace."""
        self.client.ping()
        for keyspace in self.config.keyspaces or self._find_keyspaces():
            yield from self._describe(keyspace)

    def get_report(self) -> RedisReport:
        """The report."""
        return self.report

    def _find_keyspaces(self) -> Iterator[Keyspace]:
        names: dict[str, str] = {}
        for raw in self._scan("*"):
            self.report.keys_scanned += 1
            key = raw.decode(errors="replace")
            tag = _TAG.search(key)
            prefix = f"{{{tag[1]}}}" if tag else key.split(self.config.delimiter)[0]
            names.setdefault(prefix, f"*{_escape(prefix)}*" if tag else f"{_escape(prefix)}*")
        for prefix, match in sorted(names.items()):
            yield Keyspace(name=f"{self.config.db}.{prefix}", match=match)

    def _describe(self, keyspace: Keyspace) -> Iterable[MetadataWorkUnit]:
        keys = sum(1 for _ in self._scan(keyspace.match))
        fields = {"key": "string"}
        for key in islice(self._scan(keyspace.values), self.config.sample_size):
            fields.update(self._read_fields(key))
        dataset = Dataset(
            platform="redis",
            name=keyspace.name,
            env=self.config.env,
            schema=[_field(path, kind) for path, kind in fields.items()],
            custom_properties={"keys": str(keys), "pattern": keyspace.match, "database": str(self.config.db)},
            subtype="Keyspace",
        )
        yield from dataset.as_workunits()

    def _scan(self, match: str) -> Iterator[bytes]:
        return islice(self.client.scan_iter(match=match, count=1000), self.config.max_keys)

    def _read_fields(self, key: bytes) -> dict[str, str]:
        client: Any = self.client  # the stubs have str, though decoding is off
        kind = client.type(key).decode()
        if kind == "hash":
            names = islice((name.decode(errors="replace") for name, _ in client.hscan_iter(key)), 1000)
            return dict.fromkeys(names, "string")
        return _value_fields(client.get(key) or b"") if kind == "string" else {"value": kind}


def _value_fields(value: bytes) -> dict[str, str]:
    """Field paths and types of a document, flattened by dots; any other value is one field `value`."""
    document = _decode(value)
    return dict(_flatten(document, "")) if isinstance(document, dict) else {"value": _type(document)}


def _decode(value: bytes) -> Any:
    """A BSON document after `<seq>|`, or JSON, or text; a negative entry (`<seq>|`) is an empty document."""
    version = _VERSIONED.match(value)
    try:
        if version:
            return bson.decode(value[version.end() :]) if value[version.end() :] else {}
        return json.loads(value)
    except (ValueError, bson.errors.InvalidBSON):
        return value.decode(errors="replace")


def _flatten(document: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in document.items():
        yield f"{prefix}{name}", _type(value)
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")


def _field(path: str, kind: str) -> SchemaFieldClass:
    data_type = SchemaFieldDataTypeClass(type=_CLASSES.get(kind, NullTypeClass)())
    return SchemaFieldClass(fieldPath=path, type=data_type, nativeDataType=kind, nullable=path != "key")


def _type(value: Any) -> str:
    return _TYPES.get(type(value), type(value).__name__.lower())


def _escape(text: str) -> str:
    return re.sub(r"([\[\]*?\\])", r"\\\1", text)
