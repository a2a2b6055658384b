"""A DataHub transformer: every field path in its plain form, `order.id`, as lineage names columns.

The hive-metastore source writes `[version=2.0].[type=struct]…` for all columns of a table as soon as one of them is an
array, even if `simplify_nested_field_paths` is on.
"""

from __future__ import annotations

from typing import Any, cast

from datahub.configuration.common import ConfigModel
from datahub.emitter.mce_builder import Aspect
from datahub.ingestion.api.common import PipelineContext
from datahub.ingestion.transformer.dataset_transformer import DatasetSchemaMetadataTransformer
from datahub.metadata.schema_classes import SchemaMetadataClass
from datahub.utilities.urns.field_paths import get_simple_field_path_from_v2_field_path


class SimplifyFieldPaths(DatasetSchemaMetadataTransformer):
    """Rewrites the field paths of every schema that passes."""

    def __init__(self, config: ConfigModel, ctx: PipelineContext) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ctx = ctx

    @classmethod
    def create(cls, config_dict: dict[str, Any], ctx: PipelineContext) -> SimplifyFieldPaths:
        """Build the transformer; it has no settings."""
        return cls(ConfigModel.model_validate(config_dict), ctx)

    def transform_aspect(self, entity_urn: str, aspect_name: str, aspect: Aspect | None) -> Aspect | None:
        """The schema with plain paths; the first of several fields with the same plain path stays."""
        if isinstance(aspect, SchemaMetadataClass):
            for field in aspect.fields:
                field.fieldPath = get_simple_field_path_from_v2_field_path(field.fieldPath)
            aspect.fields = list({field.fieldPath: field for field in reversed(aspect.fields)}.values())[::-1]
        return cast(Aspect, aspect)
