"""Kin of W11: what is served comes from all that a product is made from, not from the lake table alone."""

from __future__ import annotations

import pytest

from harness.outside.grounds import Grounds, given, require_right_or_refused


@pytest.mark.kin
def test_a_product_is_served_anew_when_another_table_of_its_query_changes(grounds: Grounds) -> None:
    names = grounds.flow("names", "id int primary key, name text")
    names.sql("insert into {t} values (1, 'old')")
    names.ingest().require_success()
    select = f"select t.id, n.name from t join `{names.name}`.t n on n.id = t.id"
    flow = grounds.flow("joined", "id int primary key", serve={"select": select, "table": "product"})
    flow.sql("insert into {t} values (1)")
    flow.ingest().require_success()
    flow.serve().require_success()

    names.sql("update {t} set name = 'new'")
    names.ingest().require_success()
    ended = flow.serve()
    shown = [document["name"] for document in flow.documents()]
    require_right_or_refused(ended, flow, shown, before=["old"], after=["new"])
    assert "served already" in flow.serve().require_success().output


@pytest.mark.kin
def test_a_product_is_not_made_without_files_of_any_table_that_it_reads(grounds: Grounds) -> None:
    """Hive reads a directory that is gone as an empty one: another flow's, a foreign one, a partition."""
    names = grounds.flow("names", "id int primary key, name text")
    names.sql("insert into {t} values (1, 'x')")
    names.ingest().require_success()
    stores = grounds.stores
    database = names.spec["lake"]["database"]
    stores.hive(f"create external table `{database}`.plain (id int, plain string)")
    stores.hive(f"create external table `{database}`.parts (id int, part string) partitioned by (day string)")
    stores.hive(f"insert into `{database}`.plain values (1, 'x')")
    stores.hive(f"insert into `{database}`.parts partition (day='d') values (1, 'x')")
    select = (
        f"select t.id, n.name, f.plain, p.part from t left join `{database}`.t n on n.id = t.id"
        f" left join `{database}`.plain f on f.id = t.id left join `{database}`.parts p on p.id = t.id"
    )
    flow = grounds.flow("reads", "id int primary key", serve={"select": select, "table": "product"})
    flow.sql("insert into {t} values (1)")
    flow.ingest().require_success()
    flow.serve().require_success()
    whole = [{"_id": 1, "id": 1, "name": "x", "plain": "x", "part": "x"}]
    given(flow.documents(), whole)

    shown = (stores.location(f"`{database}`.t"), stores.location(f"`{database}`.plain"))
    for lost in (*shown, f"{stores.location(f'`{database}`.parts')}/day=d"):
        stores.rename(lost, f"{lost}_away")
        flow.serve().require_refusal("serve.select reads", lost)
        assert flow.documents() == whole
        stores.rename(f"{lost}_away", lost)
    flow.serve().require_success()
    assert flow.documents() == whole
