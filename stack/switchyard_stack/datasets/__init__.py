"""The demo's data: PowerGrid's telemetry and SimBench (ODbL), loaded into the source PostgreSQL."""

from switchyard_stack.datasets.errors import DatasetError
from switchyard_stack.datasets.loader import TableReport, load_all, load_tables
from switchyard_stack.datasets.source import ATTRIBUTION, DirectorySource

__all__ = ["ATTRIBUTION", "DatasetError", "DirectorySource", "TableReport", "load_all", "load_tables"]
