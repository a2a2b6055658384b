"""What the local stack sets in Hadoop and Hive, the chart sets too: values depend on it, or queries run only with it.

Each of the stack's settings was found to be needed on real servers; one that a cluster does not need is named here with
the reason.
"""

from __future__ import annotations

import re

import pytest

from harness.charts import rendered_case
from harness.checkout import CHECKOUT

TEMPLATES = CHECKOUT / "stack" / "switchyard_stack" / "templates"
PROPERTY = re.compile(r"<property><name>(.+?)</name><value>(.*?)</value></property>")
SITES = {
    "core-site": "hadoop",
    "hdfs-site": "hadoop",
    "hive-site": "hiveserver2",
    "metastore-site": "metastore",
}
"""A file of configuration → the ConfigMap that has it."""

NOT_NEEDED = {
    "ipc.client.connect.max.retries": "one machine gives up at once; in a cluster a server may be on its way",
    "ipc.client.connect.retry.interval": "the same",
    "dfs.namenode.rpc-address": "fs.defaultFS says it; the server listens on all addresses",
    "dfs.datanode.address": "the default port, on all addresses",
    "dfs.datanode.http.address": "the same",
    "dfs.datanode.ipc.address": "the same",
    "dfs.namenode.safemode.extension": "the default waits half a minute for further DataNodes",
    "dfs.namenode.safemode.min.datanodes": "the blocks that are reported decide",
    "dfs.heartbeat.interval": "the default is for more than one machine",
    "dfs.datanode.handler.count": "the default is larger",
    "hive.tez.dag.status.check.interval": "it makes small queries quicker, and asks more often",
    "metastore.server.min.threads": "the default is larger",
    "datanucleus.connectionPool.maxPoolSize": "the default is larger",
}
OTHERWISE = {
    "hive.metastore.uris",
    "hive.metastore.warehouse.dir",
    "hive.metastore.warehouse.external.dir",
    "hive.server2.thrift.bind.host",
    "metastore.thrift.bind.host",
    "metastore.warehouse.dir",
    "metastore.warehouse.external.dir",
    "dfs.namenode.rpc-bind-host",
    "dfs.namenode.http-address",
    "dfs.datanode.hostname",
    "dfs.namenode.handler.count",
    "fs.defaultFS",
    "javax.jdo.option.ConnectionUserName",
}
"""Addresses, sizes, logins: set in both, each in its own way."""


def stack_settings(site: str) -> dict[str, str]:
    """The stack's settings; a value that it works out is one with braces."""
    text = (TEMPLATES / f"{site}.xml.j2").read_text(encoding="utf-8")
    return {name.replace("{{ os_user }}", "switchyard"): value for name, value in PROPERTY.findall(text)}


def chart_settings(site: str) -> dict[str, str]:
    """The chart's."""
    text = rendered_case("all").get("ConfigMap", SITES[site])["data"][f"{site}.xml"]
    return dict(PROPERTY.findall(text))


@pytest.mark.parametrize("site", SITES)
def test_every_setting_of_the_stack_is_the_charts_too(site: str) -> None:
    ours = chart_settings(site)
    wanted = {name: value for name, value in stack_settings(site).items() if name not in NOT_NEEDED}
    assert len(stack_settings(site)) > 3
    assert [name for name in wanted if name not in ours] == []
    literal = {name: value for name, value in wanted.items() if "{{" not in value and name not in OTHERWISE}
    assert {name: ours[name] for name in literal} == literal


def test_reasons_are_of_settings_that_there_are() -> None:
    stack = {name for site in SITES for name in stack_settings(site)}
    assert NOT_NEEDED.keys() <= stack
    assert stack >= OTHERWISE
    chart = {name for site in SITES for name in chart_settings(site)}
    assert NOT_NEEDED.keys() & chart == set()
