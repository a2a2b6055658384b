"""Kin of W11: what is served comes from all that a product is made from, not from the lake table alone."""

import pytest

from harness.outside.grounds import Grounds, require_right_or_refused


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
