"""S6: what the connection's extras ask of TLS is asked of the server by every client, or the connection is refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.outside.certificates import Authority
from harness.outside.grounds import SOURCE, FlowUnderTest, Grounds
from harness.outside.tls_postgres import TlsPostgres, open_tls_postgres

PASSWORD = "of the readers"
DATABASE = "source"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsPostgres]:
    """A server that only TLS reaches, with a table of three rows and two logins: `reader`, and `guarded`.

    `guarded` has to show a certificate.
    """
    with open_tls_postgres(tmp_path_factory.mktemp("certificates")) as server:
        server.run(
            f"create role reader login password '{PASSWORD}' in role pg_read_all_data",
            f"create role guarded login password '{PASSWORD}' in role pg_read_all_data",
            f"create database {DATABASE}",
        )
        server.run("create table t (id int primary key, v text)", database=DATABASE)
        server.run("insert into t values (1, 'a'), (2, 'b'), (3, 'c')", database=DATABASE)
        yield server


def flow_over(
    grounds: Grounds, server: TlsPostgres, label: str, *, login: str = "reader", **extra: Any
) -> FlowUnderTest:
    """A flow that reads the server, by a connection of its own with these extras."""
    flow = grounds.flow(label, source={"table": "public.t"})
    address = {"host": "localhost", "port": server.port, "login": login, "password": PASSWORD, "schema": DATABASE}
    grounds.connect(flow.name, like=SOURCE, **address, extra=extra)
    flow.change(source={"connection": flow.name})
    return flow


def test_a_verified_server_is_loaded_by_every_client(grounds: Grounds, tls: TlsPostgres) -> None:
    """A client certificate, too: Sqoop's driver must show it as well, or the login does not get in."""
    client = tls.authority.issue("guarded", [])
    flow = flow_over(
        grounds,
        tls,
        "verified",
        login="guarded",
        sslmode="verify-full",
        sslrootcert=str(tls.authority.file),
        sslcert=str(client.certificate),
        sslkey=str(client.key),
        options="-c search_path=public",
    )
    ended = flow.ingest()
    assert ended.succeeded, ended.output
    assert flow.ids() == [1, 2, 3]
    assert flow.switchyard("diff", flow.name).succeeded


@pytest.mark.parametrize(
    ("extra", "cause"),
    [
        pytest.param({"sslrootcert": "{another}"}, "certificate", id="of another CA"),
        pytest.param({"sslrootcert": "/nonexistent/ca.pem"}, "sslrootcert", id="of a CA that is not there"),
        pytest.param({"sslmode": "disable"}, "encryption|SSL", id="without TLS", marks=pytest.mark.kin),
        pytest.param({"sslmod": "verify-full"}, "did you mean 'sslmode'", id="a slip of the pen"),
    ],
)
def test_a_server_that_is_not_verified_is_not_read(
    grounds: Grounds, tls: TlsPostgres, tmp_path: Path, extra: dict[str, str], cause: str
) -> None:
    another = str(Authority(tmp_path, "another").file)
    asked = {"sslmode": "verify-full", "sslrootcert": str(tls.authority.file)} | extra
    flow = flow_over(grounds, tls, "unverified", **{name: text.format(another=another) for name, text in asked.items()})
    flow.ingest().require_sentence(f"{flow.name}.*({cause})", never="host and port")
    assert flow.ids() == []


@pytest.mark.parametrize(
    ("common_name", "hosts", "days", "cause"),
    [
        pytest.param("elsewhere", ["db.example"], 1, "host name", id="another host's"),
        pytest.param("expired", ["localhost"], -1, "renew the server", id="expired", marks=pytest.mark.kin),
    ],
)
def test_a_certificate_that_does_not_hold_is_refused(
    grounds: Grounds, tls: TlsPostgres, common_name: str, hosts: list[str], days: int, cause: str
) -> None:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    tls.show(tls.authority.issue(common_name, hosts, until=until))
    try:
        flow = flow_over(grounds, tls, common_name, sslmode="verify-full", sslrootcert=str(tls.authority.file))
        flow.ingest().require_sentence(f"{flow.name}.*{cause}", never="host and port")
        assert flow.ids() == []
    finally:
        tls.show(tls.authority.issue("right", ["localhost"]))


def test_a_server_without_tls_is_not_read_when_tls_is_asked_for(grounds: Grounds, tls: TlsPostgres) -> None:
    """The stack's own server is one."""
    flow = grounds.flow("plain", "id int primary key")
    grounds.connect(flow.name, like=SOURCE, extra={"sslmode": "verify-full", "sslrootcert": str(tls.authority.file)})
    flow.change(source={"connection": flow.name})
    flow.ingest().require_sentence(f"{flow.name}.*SSL", never="host and port")
    assert flow.ids() == []
