"""What a values file may not say beyond names and types: every refusal, by name, with a cure, all at once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from harness.charts import HelmRefused, Values, render

IMAGES = {"hive": {"repository": "registry.example.org/hive", "tag": "4.0.1"}}
STEP = {**IMAGES, "step": {"repository": "registry.example.org/step", "tag": "0.1.0"}}
OFF: dict[str, Any] = {"enabled": False}

REFUSED: dict[str, tuple[Values, str]] = {
    "installed and there": (
        {"redis": {"existing": {"host": "redis.example.org"}}},
        "redis: enabled is true and existing.host is redis.example.org",
    ),
    "metastore without HDFS": ({"hdfs": OFF, "hive": OFF}, "metastore.enabled: a metastore needs HDFS"),
    "Hive without HDFS": (
        {"hdfs": OFF, "metastore": {"enabled": False, "existing": {"host": "metastore.example.org"}}},
        "hive.enabled: HiveServer2 needs HDFS",
    ),
    "Hive without metastore": ({"metastore": OFF}, "hive.enabled: HiveServer2 needs a metastore"),
    "more copies than nodes": ({"hdfs": {"replication": 3}}, "hdfs.replication: 3 copies of a block need as many"),
    "databases without a server": ({"postgresql": OFF}, "metastore.enabled: its database has no server"),
    "a ledger without a server": ({"postgresql": OFF}, "ledger.enabled: the ledger's database has no server"),
    "a source without a server": ({"postgresql": OFF}, "source.enabled: the source's database has no server"),
    "a server without databases": (
        {"metastore": OFF, "hive": OFF, "ledger": OFF, "source": OFF},
        "postgresql.enabled: no part has a database in it",
    ),
    "a database for nobody": (
        {"metastore": {"enabled": False, "database": {"existing": {"host": "pg.example.org"}}}, "hive": OFF},
        "metastore.database.existing.host: no metastore is installed that would use it",
    ),
    "a database of another": ({"source": {"database": "ledger"}}, "source.database: ledger is the name of another"),
    "no image of Hive": ({"images": {"hive": {"repository": ""}}}, "images.hive: repository or tag is empty"),
    "no tag": ({"images": {**IMAGES, "redis": {"tag": ""}}}, "images.redis: repository or tag is empty"),
    "no image of steps": ({"test": {"enabled": True}}, "images.step: repository or tag is empty"),
    "a heap too large": ({"hive": {"heap": 3000}}, "hive.heap: a JVM with 3000 MiB of heap needs 128 MiB more"),
    "a heap of part": ({"hdfs": {"nameNode": {"heap": 1000}}}, "hdfs.nameNode.heap: a JVM with 1000 MiB of heap"),
    "a short password": ({"passwords": {"redis": "short"}}, "passwords.redis: a password of a server that is"),
    "a password of signs": ({"passwords": {"mongodb": "a'b\"c$d e f g h"}}, "passwords.mongodb: a password of a"),
    "a key file of signs": (
        {"passwords": {"mongodbKeyfile": "mongodb-keyfile"}},
        "passwords.mongodbKeyfile: MongoDB takes 12 to 1000 letters, digits and + / = here",
    ),
    "a password in two places": (
        {"passwords": {"redis": "redis-password-1", "existingSecret": "mine"}, "connections": {"existingSecret": "c"}},
        "passwords.redis: it is written here, and passwords.existingSecret names the Secret",
    ),
    "connections from a Secret": (
        {"passwords": {"existingSecret": "mine"}},
        "connections.existingSecret: it is empty, and the connections' passwords are in passwords.existingSecret",
    ),
    "a login without a password": (
        {"mongodb": {"enabled": False, "existing": {"host": "mongo.example.org", "login": "flows"}}},
        "passwords.mongodb: login flows of mongodb.existing has no password",
    ),
    "a metastore's login without": (
        {"metastore": {"database": {"existing": {"host": "pg.example.org", "login": "hive"}}}},
        "passwords.metastore: the login of metastore.database.existing has no password",
    ),
    "two servers, one id": (
        {"connections": {"ids": {"redis": "STORE", "mongodb": "store"}}},
        "connections.ids.redis: STORE is the id of connections.ids.mongodb too",
    ),
    "a token without a server": ({"passwords": {"catalog": "token"}}, "passwords.catalog: a token without a server"),
    "policies without clients": (
        {"networkPolicy": {"clients": []}},
        "networkPolicy.clients: it is empty, so that no pod of Airflow would reach a server",
    ),
    "a test without a source": (
        {"images": STEP, "test": {"enabled": True}, "source": OFF},
        "test.enabled: the test writes a table of its own into the source",
    ),
    "a test without a cache": (
        {"images": STEP, "test": {"enabled": True}, "redis": OFF},
        "test.enabled: the test's flow passes through redis",
    ),
}


def refusal(values: Values, release: str = "grid") -> str:
    with pytest.raises(HelmRefused) as refused:
        render({"images": IMAGES, **values}, release=release)
    return str(refused.value)


@pytest.mark.parametrize("name", REFUSED)
def test_a_values_file_that_cannot_work_is_refused(name: str) -> None:
    """Each line says where, what, and a cure."""
    values, message = REFUSED[name]
    text = refusal(values)
    assert f"- {message}" in text
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    assert [line for line in lines if not re.fullmatch(r"- [\w. ']+[\w-]*: .+; .+", line)] == []


@pytest.mark.parametrize("release", ["7grid", "grid.one", "g" * 37])
def test_a_release_whose_services_would_have_no_valid_name_is_refused(release: str) -> None:
    assert f"the release's name {release}" in refusal({}, release=release)


def test_all_refusals_of_a_file_are_shown_at_once() -> None:
    values = {
        "hdfs": {"replication": 2, "nameNode": {"heap": 4000}, "dataNodes": {"heap": 4000}},
        "metastore": {"heap": 4000, "existing": {"host": "metastore.example.org"}},
        "hive": {"heap": 4000, "existing": {"host": "hive.example.org"}},
        "postgresql": OFF,
        "source": {"database": "ledger", "existing": {"host": "pg.example.org"}},
        "ledger": {"existing": {"host": "pg.example.org"}},
        "mongodb": {"enabled": False, "existing": {"host": "mongo.example.org", "login": "flows"}},
        "redis": {"existing": {"host": "redis.example.org"}},
        "images": {"hive": {"tag": ""}, "hadoop": {"tag": ""}, "redis": {"tag": ""}, "postgresql": {"tag": ""}},
        "passwords": {"redis": "short", "catalog": "token"},
        "connections": {"ids": {"redis": "store", "mongodb": "store", "hive": "STORE"}},
        "networkPolicy": {"clients": []},
        "test": {"enabled": True},
    }
    text = refusal(values, release="7" + "g" * 40)
    refusals = [line for line in text.splitlines() if line.startswith("- ")]
    count = re.search(r"the values are refused, for (\d+) reasons", text)
    assert count
    assert int(count[1]) == len(refusals) == len(set(refusals)) == 27


def test_the_defaults_lack_an_image_alone() -> None:
    """Nobody makes an image of Hive with PostgreSQL's driver yet; all else is there to try flows out."""
    with pytest.raises(HelmRefused) as refused:
        render({})
    text = str(refused.value)
    assert "for 1 reason:" in text
    assert "helm/README.md" in text
