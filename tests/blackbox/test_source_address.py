"""W2: the database that a connection names is the one that is read, whatever its name is made of."""

import pytest

from harness.outside.grounds import SOURCE, Grounds, new_name, require_right_or_refused


@pytest.mark.parametrize(("ending", "confused_with"), [("+eu", " eu"), pytest.param("%41", "A", marks=pytest.mark.kin)])
def test_the_rows_come_from_the_database_that_the_connection_names(
    grounds: Grounds, ending: str, confused_with: str
) -> None:
    name = new_name("sales")
    for database, value in ((name + ending, "right"), (name + confused_with, "wrong")):
        grounds.create_database(database)
        grounds.stores.postgres("create table t (id int primary key, v text)", database)
        grounds.stores.postgres(f"insert into t values (1, '{value}')", database)
    connection = new_name("connection")
    grounds.connect(connection, like=SOURCE, schema=name + ending)
    flow = grounds.flow("sales", source={"connection": connection, "table": "public.t"})

    ended = flow.ingest()
    shown = flow.hive(what="v") if ended.succeeded else []
    require_right_or_refused(ended, flow, shown, before=[], after=[("right",)])
