"""An upgrade, in the middle of everything: what the release before this one left on the servers is finished and served.

tests/fixtures/release_0 holds flows whose loads were killed in every state; its README.md says which is where. They are
restored, read, and then run by the command line alone: the rows decide whether a load was finished rightly.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
import yaml
from bson import encode

from harness.restore import Dump, restored
from switchyard.serve.cache import ReadThroughCache

Rows = list[tuple[int, str | None, Decimal | None]]

UNFINISHED = ("planned", "landed", "converted", "proved", "staged", "publishing", "refreshing")
COMMANDS: dict[str, tuple[tuple[tuple[str, ...], int], ...]] = {
    "append": ((("run", "ingest", "append"), 0), (("run", "serve", "append"), 0)),
    "merge": (
        (("run", "ingest", "merge"), 0),
        (("run", "serve", "merge"), 0),
    ),
    "altered": ((("run", "ingest", "altered"), 0), (("run", "serve", "altered"), 0)),
    "replace": ((("run", "ingest", "replace"), 0), (("run", "serve", "replace"), 0)),
    "product": (
        (("run", "ingest", "product"), 0),
        (("replay", "product"), 0),
        (("run", "serve", "product"), 0),
    ),
    "adopted": ((("run", "ingest", "adopted"), 0), (("run", "serve", "adopted"), 0)),
    "held": ((("run", "ingest", "held"), 1), (("run", "serve", "held"), 0)),
    "undone": (
        (("run", "ingest", "undone"), 1),
        (("release", "undone"), 0),
        (("run", "ingest", "undone"), 0),
    ),
    "backfill": ((("run", "ingest", "backfill"), 0), (("run", "serve", "backfill"), 0)),
    "first": ((("run", "ingest", "first"), 0),),
    "airflow": ((("run", "ingest", "airflow"), 1), (("run", "ingest", "airflow", "--take-over"), 0)),
    "quiet": ((("run", "ingest", "quiet"), 0), (("run", "serve", "quiet"), 0)),
    "healed": ((("run", "serve", "healed"), 0),),
}
"""What is run on each flow, and the exit code of the previous release."""

STATUS = ("status", "--format", "json")
FINISHED = {
    "append": {"ingest": "published", "serve": "served"},
    "merge": {"ingest": "published", "serve": "served"},
    "altered": {"ingest": "published", "serve": "served"},
    "replace": {"serve": "served"},
    "held": {"serve": "served"},
    "healed": {"serve": "served"},
    "undone": {"ingest": "published"},
}
"""Loads that had begun to publish must be finished; any other may be abandoned, too."""


@dataclass(frozen=True)
class Ran:
    """Exit code and text of each command of one flow, and its loads afterwards."""

    commands: list[tuple[int, str]]
    loads: list[dict[str, Any]]


@pytest.fixture(scope="module")
def dump(servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dump]:
    """The dump as it was left, restored."""
    with restored(tmp_path_factory.mktemp("release_0")) as found:
        yield found


@pytest.fixture(scope="module")
def before(dump: Dump, servers: Any) -> dict[str, Any]:
    """What the new code and independent clients read before anything is run: old facts, old rows, old cached values."""
    with ThreadPoolExecutor(2) as pool:
        lists = pool.submit(listed, dump)
        rest = pool.submit(lambda: [dump.switchyard_each([STATUS])[0], dump.switchyard("diff", dump.flow("adopted"))])
        found = {
            "hive": {label: hive_rows(servers, dump, label) for label in COMMANDS},
            "reads": {label: read_cached(dump, label) for label in COMMANDS if cached_names(dump, label)},
            "adopted_files": servers.files_below(f"{dump.root}/elsewhere"),
        }
        found["status"], found["diff"] = rest.result()
        return {**found, "loads": lists.result()}


@pytest.fixture(scope="module")
def ran(dump: Dump, before: dict[str, Any]) -> Iterator[dict[str, Future[Ran]]]:
    """What became of each flow's commands; the flows run side by side, the commands of one after another."""
    with ThreadPoolExecutor(3) as pool:
        yield {label: pool.submit(run_all, dump, label) for label in COMMANDS}


def run_all(dump: Dump, label: str) -> Ran:
    """Run the flow's commands, and list its loads."""
    commands = [tuple(dump.flow(word) if word == label else word for word in line) for line, _ in COMMANDS[label]]
    *done, (code, loads) = dump.switchyard_each([*commands, list_of(dump, label)])
    assert code == 0, loads
    return Ran(done, json.loads(loads))


def list_of(dump: Dump, label: str) -> tuple[str, ...]:
    return "loads", dump.flow(label), "--limit", "100", "--format", "json"


def listed(dump: Dump) -> dict[str, list[dict[str, Any]]]:
    """Each flow's loads as the command line lists them."""
    commands = [list_of(dump, label) for label in COMMANDS]
    found = {}
    for label, (code, text) in zip(COMMANDS, dump.switchyard_each(commands), strict=True):
        assert code == 0, text
        found[label] = json.loads(text)
    return found


def hive_rows(servers: Any, dump: Dump, label: str) -> Rows:
    found: Rows = servers.hive(f"select id, v, n from {dump.flow(label)}.t order by id")  # type: ignore[assignment]
    return found


def source_rows(dump: Dump, label: str) -> Rows:
    found: Rows = dump.query("powergrid_postgres", f'select id, v, n from "{dump.flow(label)}".t order by id')  # type: ignore[assignment]
    return found


def as_rows(kept: list[list[Any]]) -> Rows:
    """Rows of expected.json."""
    return [(i, v, None if n is None else Decimal(n)) for i, v, n in kept]


def documents(dump: Dump, label: str) -> list[dict[str, Any]]:
    return list(dump.mongo()[dump.flow(label)].find({}))


def served_rows(dump: Dump, label: str) -> Rows:
    return sorted((d["id"], d["v"], d["n"] and d["n"].to_decimal()) for d in documents(dump, label))


def cached_names(dump: Dump, label: str) -> list[str]:
    """The flow's keys in the dump's Redis, its gate left out."""
    values = f"{{{dump.flow(label)}}}:v:"
    return [entry["key"].removeprefix(values) for entry in dump.lines("redis.jsonl") if entry["key"].startswith(values)]


def key_of(name: str) -> Any:
    """What an application asks for, from the name of a cached value."""

    def scalar(value: Any) -> Any:
        match value:
            case {"$decimal": text}:
                return Decimal(text)
            case {"$date": text}:
                return dt.datetime.fromisoformat(text)
            case {"$binary": text}:
                return base64.b64decode(text)
        return value

    found = json.loads(name)
    return tuple(map(scalar, found)) if isinstance(found, list) else scalar(found)


def open_cache(dump: Dump, label: str) -> ReadThroughCache:
    """As an application does."""
    spec = yaml.safe_load((dump.flows / f"{dump.flow(label)}.yaml").read_text())
    return ReadThroughCache(
        flow=dump.flow(label),
        redis=dump.redis(),
        collection=dump.mongo()[dump.flow(label)],
        ttl=dt.timedelta(hours=1),
        key=spec["serve"]["key"],
    )


def read_cached(dump: Dump, label: str) -> dict[str, Any]:
    """Every key that Redis held, read through the cache and from MongoDB, as BSON; how many reads were hits."""
    cache, stored = open_cache(dump, label), documents(dump, label)
    keys = [key_of(name) for name in cached_names(dump, label)]
    names = yaml.safe_load((dump.flows / f"{dump.flow(label)}.yaml").read_text())["serve"]["key"]
    pairs = []
    for key in keys:
        wanted = dict(zip(names, key, strict=True)) if isinstance(key, tuple) else key
        in_mongo = next((d for d in stored if _same_id(d["_id"], wanted)), None)
        pairs.append(tuple(d and encode(d) for d in (cache.get(key), in_mongo)))
    return {"pairs": pairs, "hits": cache.counters().hits}


def _same_id(stored: Any, wanted: Any) -> bool:
    plain = stored.to_decimal() if hasattr(stored, "to_decimal") else stored
    return bool(plain == wanted)


@pytest.mark.parametrize("label", COMMANDS)
def test_old_rows_and_facts_are_read(dump: Dump, before: dict[str, Any], label: str) -> None:
    expected = dump.expected()[dump.flow(label)]
    assert before["hive"][label] == as_rows(expected["hive"]), "as when the dump was made"
    kept = dump.query(
        "switchyard_ledger", "select load_id, leg, seq, kind, high from loads where flow = %s", [dump.flow(label)]
    )
    shown = {tuple(load[name] for name in ("load_id", "leg", "seq", "kind", "high")) for load in before["loads"][label]}
    assert set(kept) <= shown
    assert len(shown) >= 1
    unfinished = {load["leg"]: load["state"] for load in before["loads"][label] if load["state"] in UNFINISHED}
    assert unfinished == expected["unfinished"]


def test_old_flows_have_a_status(dump: Dump, before: dict[str, Any]) -> None:
    code, text = before["status"]
    assert code == 0, text
    status = {row["flow"].removeprefix(f"{dump.token}_"): row for row in json.loads(text)}
    assert set(status) == set(COMMANDS)
    assert {label: (row["published"], row["served"]) for label, row in status.items()} == {
        "append": (2, 1),
        "merge": (2, 1),
        "altered": (2, 1),
        "replace": (3, 1),
        "product": (3, 2),
        "adopted": (2, 1),
        "held": (4, 3),
        "undone": (3, None),
        "backfill": (2, 1),
        "first": (None, None),
        "airflow": (None, None),
        "quiet": (1, 1),
        "healed": (1, 1),
    }
    assert [label for label, row in status.items() if row["on hold"]] == ["held"]
    assert "somebody wrote 'wrong'" in status["held"]["on hold"]


def test_what_was_served_is_compared_with_hive(before: dict[str, Any]) -> None:
    code, text = before["diff"]
    assert code == 0, text


@pytest.mark.parametrize(
    "label",
    ["append", "merge", "altered", "replace", "product", "adopted", "held", "backfill", "quiet"],
)
def test_every_cached_key_is_served(dump: Dump, before: dict[str, Any], label: str) -> None:
    """By MongoDB when a killed publish left the gate closed. Else by Redis, if the reader believes the old gate.

    A gate of release 0 does not say whose values it stands for; a reader may decline it until the next serve.
    """
    reads = before["reads"][label]
    assert len(reads["pairs"]) >= 3
    for served, stored in reads["pairs"]:
        assert served == stored
    gate = next(e for e in dump.lines("redis.jsonl") if e["key"] == f"{{{dump.flow(label)}}}:gate")
    assert reads["hits"] in ((0, len(reads["pairs"])) if gate["value"]["text"].endswith("|open") else (0,))


@pytest.mark.parametrize("label", COMMANDS)
def test_the_next_run_settles_what_was_left(
    dump: Dump,
    servers: Any,
    ran: dict[str, Future[Ran]],
    before: dict[str, Any],
    label: str,
) -> None:
    for (command, code), (got, text) in zip(COMMANDS[label], ran[label].result().commands, strict=True):
        assert got == code, f"{command}: {text}"
    loads = {load["load_id"]: load for load in ran[label].result().loads}
    for left in before["loads"][label]:
        if left["state"] in UNFINISHED:
            settled, wanted = loads[left["load_id"]], FINISHED.get(label, {}).get(left["leg"])
            assert settled["state"] in ({wanted} if wanted else {"published", "served", "abandoned"}), settled
    assert {load["state"] for load in loads.values()} <= {"published", "served", "abandoned"}
    assert hive_rows(servers, dump, label) == rows_at_the_end(dump, label)
    assert [name for name in dump.mongo().list_collection_names() if name.startswith(f"{dump.flow(label)}__s")] == []
    assert servers.files_below(f"{dump.root}/_serve/{dump.flow(label)}") == []


def rows_at_the_end(dump: Dump, label: str) -> Rows:
    """The source's rows, but where the flow is on hold, or the source changed without a word and nobody asked again."""
    if label == "held":
        return as_rows(dump.expected()[dump.flow(label)]["hive"])
    found = source_rows(dump, label)
    return [(i, "a" if v == "late" else v, n) for i, v, n in found] if label == "backfill" else found


@pytest.mark.parametrize("label", ["append", "merge", "altered", "replace", "adopted", "held", "backfill", "healed"])
def test_it_is_served(dump: Dump, ran: dict[str, Future[Ran]], label: str) -> None:
    ran[label].result()
    assert served_rows(dump, label) == rows_at_the_end(dump, label)
    assert_cache_is_true(dump, label)


def test_the_product_is_served(dump: Dump, servers: Any, ran: dict[str, Future[Ran]]) -> None:
    ran["product"].result()
    wanted = dump.query(
        "powergrid_postgres", f'select v, count(*), sum(n) from "{dump.flow("product")}".t group by v order by v'
    )
    assert servers.hive(f"select kind, n, total from {dump.flow('product')}.per_day order by kind") == wanted
    found = sorted((d["kind"], d["n"], d["total"].to_decimal()) for d in documents(dump, "product"))
    assert found == wanted
    assert_cache_is_true(dump, "product")


def assert_cache_is_true(dump: Dump, label: str) -> None:
    """Twice: from MongoDB, then from Redis."""
    for _ in range(2):
        reads = read_cached(dump, label)
        assert all(served == stored for served, stored in reads["pairs"])
    assert reads["hits"] >= len([served for served, _ in reads["pairs"] if served is not None]), "the cache is in use"


def test_cached_values_outlive_a_release(dump: Dump, ran: dict[str, Future[Ran]]) -> None:
    """Nothing was to be served: when a serve run has looked, Redis answers every key with the value of before."""
    ran["quiet"].result()
    reads = read_cached(dump, "quiet")
    assert all(served == stored for served, stored in reads["pairs"])
    assert reads["hits"] == len(reads["pairs"]) == 3
    assert served_rows(dump, "quiet") == source_rows(dump, "quiet")


def test_a_load_of_an_airflow_run_waits_for_its_run(ran: dict[str, Future[Ran]]) -> None:
    assert "--take-over" in ran["airflow"].result().commands[0][1]


def test_a_hold_of_before_holds(dump: Dump, ran: dict[str, Future[Ran]]) -> None:
    assert "somebody wrote 'wrong'" in ran["held"].result().commands[0][1]
    assert "a drill" in ran["undone"].result().commands[0][1], "the rollback was settled first"


def test_what_others_made_is_not_deleted(
    dump: Dump, servers: Any, before: dict[str, Any], ran: dict[str, Future[Ran]]
) -> None:
    ran["adopted"].result()
    assert before["adopted_files"]
    assert servers.files_below(f"{dump.root}/elsewhere") == before["adopted_files"]


def test_an_old_version_can_be_gone_back_to(dump: Dump, servers: Any, ran: dict[str, Future[Ran]]) -> None:
    ran["merge"].result()
    oldest, rows = min(dump.expected()[dump.flow("merge")]["versions"].items())
    code, text = dump.switchyard("rollback", dump.flow("merge"), "--to", oldest, "--why", "a test")
    assert code == 0, text
    assert hive_rows(servers, dump, "merge") == as_rows(rows)
    assert served_rows(dump, "merge") == as_rows(rows)
    assert_cache_is_true(dump, "merge")
