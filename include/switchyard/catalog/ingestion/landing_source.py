"""A DataHub source for our landings in HDFS: one dataset per lake table, its schema read from Parquet's footer.

DataHub has no source for HDFS. A landing keeps many loads in directories of their own; the dataset is the table's
directory, stable from load to load, and its schema is that of the newest proved load, which is one with a manifest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datahub.configuration.common import ConfigModel
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
    BooleanTypeClass,
    BytesTypeClass,
    DateTypeClass,
    NullTypeClass,
    NumberTypeClass,
    RecordTypeClass,
    SchemaFieldClass,
    SchemaFieldDataTypeClass,
    StringTypeClass,
    TimeTypeClass,
)
from datahub.sdk.dataset import Dataset
from hdfs_native import Client

MANIFEST = "_manifest.json"
_CLASSES = (
    (pa.types.is_boolean, BooleanTypeClass),
    (pa.types.is_integer, NumberTypeClass),
    (pa.types.is_floating, NumberTypeClass),
    (pa.types.is_decimal, NumberTypeClass),
    (pa.types.is_date, DateTypeClass),
    (pa.types.is_temporal, TimeTypeClass),
    (pa.types.is_string, StringTypeClass),
    (pa.types.is_binary, BytesTypeClass),
    (pa.types.is_nested, RecordTypeClass),
)


class Landing(ConfigModel):
    """The landing of one lake table."""

    name: str
    directory: str


class LandingConfig(StatefulIngestionConfigBase[Any], EnvConfigMixin):
    """NameNode, user, settings of the client, and the landings to read."""

    stateful_ingestion: StatefulStaleMetadataRemovalConfig | None = None
    url: str
    user: str | None = None
    client: dict[str, str]
    landings: list[Landing]


@dataclass(frozen=True)
class Load:
    """One proved load of a landing."""

    directory: str
    manifest: dict[str, Any]
    files: tuple[tuple[str, int], ...]


@platform_name("HDFS landing", id="hdfs")
@config_class(LandingConfig)
@support_status(SupportStatus.ALPHA)
class LandingSource(StatefulIngestionSourceBase):
    """Emits landings as datasets."""

    config: LandingConfig
    report: StaleEntityRemovalSourceReport

    def __init__(self, config: LandingConfig, ctx: PipelineContext) -> None:
        super().__init__(config, ctx)
        self.config = config
        self.report = StaleEntityRemovalSourceReport()
        if config.user:
            os.environ["HADOOP_USER_NAME"] = config.user
        self.client = Client(config.url, config.client)

    @classmethod
    def create(cls, config_dict: dict[str, Any], ctx: PipelineContext) -> LandingSource:
        """Build the source from its recipe."""
        return cls(LandingConfig.model_validate(config_dict), ctx)

    def get_workunits_internal(self) -> Iterable[MetadataWorkUnit]:
        """One dataset per landing that has a proved load."""
        for landing in self.config.landings:
            load = self._newest(landing)
            if load is None:
                self.report.warning("No proved load yet", context=landing.directory)
            else:
                yield from self._describe(landing, load)

    def get_report(self) -> StaleEntityRemovalSourceReport:
        """The report."""
        return self.report

    def _newest(self, landing: Landing) -> Load | None:
        loads = [self._read_load(directory) for directory in self._proved(landing.directory)]
        return max(loads, key=lambda load: int(load.manifest["seq"]), default=None)

    def _proved(self, directory: str) -> list[str]:
        try:
            paths = [PurePosixPath(status.path) for status in self.client.list_status(directory, recursive=True)]
        except FileNotFoundError:
            return []
        return [str(path.parent) for path in paths if path.name == MANIFEST]

    def _read_load(self, directory: str) -> Load:
        with self.client.read(f"{directory}/{MANIFEST}") as reader:
            manifest = json.loads(reader.read())
        statuses = [s for s in self.client.list_status(directory, recursive=True) if not s.isdir and s.length > 0]
        files = tuple((s.path, s.length) for s in statuses if not PurePosixPath(s.path).name.startswith(("_", ".")))
        return Load(directory, manifest, files)

    def _describe(self, landing: Landing, load: Load) -> Iterable[MetadataWorkUnit]:
        facts = {name: str(value) for name, value in load.manifest.items() if isinstance(value, str | int)}
        dataset = Dataset(
            platform="hdfs",
            name=landing.name,
            env=self.config.env,
            schema=self._read_schema(load),
            custom_properties={**facts, "location": load.directory, "files": str(len(load.files))},
            subtype="Landing",
        )
        yield from dataset.as_workunits()

    def _read_schema(self, load: Load) -> list[SchemaFieldClass | tuple[str, str]]:
        """Parquet's own types; an empty table has no file, so Hive's types from the manifest."""
        if not load.files:
            return list(load.manifest.get("columns", {}).items())
        with self.client.read(load.files[0][0]) as reader:
            return [_field(field.name, field.type, field.nullable) for field in pq.read_schema(reader)]


def _field(name: str, kind: pa.DataType, nullable: bool) -> SchemaFieldClass:
    data_type = SchemaFieldDataTypeClass(type=_class(kind)())
    return SchemaFieldClass(fieldPath=name, type=data_type, nativeDataType=str(kind), nullable=nullable)


def _class(kind: pa.DataType) -> Any:
    return next((type_class for fits, type_class in _CLASSES if fits(kind)), NullTypeClass)
