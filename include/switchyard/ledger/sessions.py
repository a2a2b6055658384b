"""Sessions of the ledger: where they lead to, and which schemas their names are looked up in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from switchyard.connections import Connection
from switchyard.connections.postgres import libpq_parameters
from switchyard.ledger.pooler import require_own_session

if TYPE_CHECKING:
    from switchyard.ledger.pooler import Session

_OPTIONS = "-c timezone=UTC -c tcp_keepalives_idle=60 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=6"
"""A machine that lost its power is noticed after two minutes, not after the kernel's two hours."""

PIN = """
select pg_catalog.set_config('search_path', coalesce((
    select pg_catalog.string_agg(pg_catalog.quote_ident(s.name::pg_catalog.text), ', ' order by s.place)
        operator(pg_catalog.||) ', pg_temp'
    from pg_catalog.unnest(pg_catalog.current_schemas(false)) with ordinality as s(name, place)
    where s.name operator(pg_catalog.<>) 'pg_catalog'
), ''), false)
"""
"""Keeps the schemas of the login's search_path, and so the tables, and puts pg_catalog before and pg_temp behind them.

PostgreSQL looks into pg_catalog first, unless the path names it. It may not name it: CREATE TABLE takes the first one
that is named. Without any schema the path stays empty, so that CREATE TABLE fails as it would have.
"""


def open_engine(connection: Connection) -> sa.Engine:
    """Keeps two sessions open once they were needed; each one's first act is to pin its search_path.

    Raises ConnectionUnusable for an extra that cannot be honoured; so does the first session when a pooler shares it.
    """
    url = sa.URL.create(
        "postgresql+psycopg",
        username=connection.login or None,
        password=connection.password or None,
        host=connection.host,
        port=connection.port or 5432,
        database=connection.schema,
    )
    options = libpq_parameters(connection, _OPTIONS)
    engine = sa.create_engine(url, pool_size=2, pool_pre_ping=True, connect_args=options)

    def begin_session(session: Session, _record: sa.pool.ConnectionPoolEntry) -> None:
        from psycopg.conninfo import make_conninfo

        session.execute(PIN.encode())
        session.commit()
        address = url.translate_connect_args(username="user", database="dbname")
        require_own_session(connection, session, make_conninfo(**address, **options))

    # `insert`: before SQLAlchemy asks the first session of an engine what server it is.
    sa.event.listen(engine, "connect", begin_session, insert=True)
    return engine
