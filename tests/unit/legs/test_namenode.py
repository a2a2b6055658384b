"""A NameNode that has moved: loads go on, Hive's readers do not, and the preflight says what to tell the metastore."""

from __future__ import annotations

from dataclasses import replace

import pytest

from switchyard.lake.table_version import Part, TableVersion
from switchyard.legs.tables.namenode import describe_move, file_system

VERSION = TableVersion("d", "t", 2, "load", "f", "hdfs://old:8020/lake/d/t/load=1/try=a", (), 1)


def part(seq: int, host: str) -> Part:
    return Part(seq, f"load{seq}", 1, seq - 1, f"hdfs://{host}/lake/d/t/load={seq}/try=a")


APPENDED = replace(VERSION, partitioned=True, chain=(part(1, "old:8020"), part(2, "old:8020"), part(3, "new:8020")))


@pytest.mark.parametrize("version", [None, replace(VERSION, seq=0), replace(VERSION, seq=-1)])
def test_a_table_without_a_version_has_nothing_to_move(version: TableVersion | None) -> None:
    assert list(describe_move(version, "hdfs://new:8020", "lake_hdfs")) == []


@pytest.mark.parametrize("version", [VERSION, APPENDED])
def test_every_server_that_a_version_names_is_told_once(version: TableVersion) -> None:
    (sentence,) = describe_move(version, "hdfs://new:8020", "lake_hdfs")
    assert "Hive table d.t are at hdfs://old:8020, and connection lake_hdfs leads to hdfs://new:8020" in sentence
    assert "metatool -updateLocation hdfs://new:8020 hdfs://old:8020" in sentence
    assert "if both are names of one server, do nothing" in sentence


def test_where_the_connection_leads_to_the_files_nothing_is_said() -> None:
    assert list(describe_move(VERSION, "hdfs://old:8020", "lake_hdfs")) == []


@pytest.mark.parametrize("location", ["hdfs://n:8020/a", "hdfs://n:8020/a/b=c://d", "hdfs://n:8020"])
def test_a_file_system_is_scheme_host_and_port(location: str) -> None:
    assert file_system(location) == "hdfs://n:8020"
