"""A table's directories name their NameNode by host and port: whoever moves it has to tell the metastore."""

from __future__ import annotations

from collections.abc import Iterator

from switchyard.lake.table_version import TableVersion


def describe_move(version: TableVersion | None, url: str, conn_id: str) -> Iterator[str]:
    """A sentence for each file system that a version's directories name, other than `url`, where the connection leads.

    Loads go on: they read the paths through their connection. Hive does not, and two names may be of one server.
    """
    if version is None or version.seq < 1:
        return
    locations = [part.location for part in version.chain] if version.partitioned else [version.location]
    servers = dict.fromkeys(file_system(location) for location in locations)
    for server in servers:
        if server != url:
            yield (
                f"directories of Hive table {version.name} are at {server}, and connection {conn_id} "
                f"leads to {url}: if the NameNode has moved, Hive's readers do not find them; tell the metastore "
                f"once, for all tables: hive --service metatool -updateLocation {url} {server}; if both are names "
                "of one server, do nothing"
            )


def file_system(location: str) -> str:
    """`hdfs://host:port` of a directory's location."""
    scheme, _, rest = location.partition("://")
    return f"{scheme}://{rest.split('/', 1)[0]}"
