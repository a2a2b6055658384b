"""S6 kin: HiveServer2, the metastore, MongoDB and Redis by TLS, by password, by certificate; verified, or not used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.outside.certificates import Authority
from harness.outside.grounds import CACHE, MONGO, SOURCE, Ended, FlowUnderTest, Grounds
from harness.outside.tls_estate import HIVE, METASTORE, TlsEstate, open_tls_estate
from harness.outside.tls_servers import PASSWORD
from harness.outside.wiretap import Wiretap

pytestmark = pytest.mark.kin
HTTP = {"use_http_transport": True}


def connect(grounds: Grounds, estate: TlsEstate, **over: dict[str, Any]) -> dict[str, str]:
    """Connections to all four servers, one of them changed; returns their ids by that of the stack's."""
    ids = {}
    for like in estate.servers:
        ids[like] = f"tls_{like}"
        grounds.connections[ids[like]] = {**grounds.connections[like], **estate.fields(like, **over.get(like, {}))}
        grounds.connect(ids[like])
    return ids


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsEstate]:
    make = tmp_path_factory.mktemp
    with open_tls_estate(make, Authority(make("authority"), "ca")) as opened:
        yield opened


@pytest.fixture(scope="module")
def loaded(grounds: Grounds, estate: TlsEstate) -> FlowUnderTest:
    """A flow that went through all four servers once, and has a version more than is served.

    Hive is asked by its preflight, for the check.
    """
    ids = connect(grounds, estate)
    flow = grounds.flow("tls", "id int primary key, v text", serve={}, cache={})
    flow.change(
        lake={"hive": ids[HIVE], "metastore": ids[METASTORE]},
        serve={"connection": ids[MONGO]},
        cache={"connection": ids[CACHE]},
        checks=[{"regex": {"column": "v", "pattern": "^[a-z]$"}}],
    )
    flow.sql("insert into {t} values (1, 'a'), (2, 'b'), (3, 'c')")
    for leg in (flow.ingest, flow.serve):
        ended = leg().require_success()
        assert PASSWORD not in ended.output
    flow.sql("insert into {t} values (4, 'd')")
    flow.ingest().require_success()
    return flow


def try_to_use(flow: FlowUnderTest, server: str) -> Ended:
    """The command that asks this server first."""
    if server == HIVE:
        return flow.switchyard("preflight", flow.name)
    if server == METASTORE:
        return flow.switchyard("plan", flow.name)
    return flow.serve()


@pytest.mark.parametrize(
    ("server", "over", "cause"),
    [
        (HIVE, {"extra": {"ca_cert": "{another}"}}, "certificate of localhost:.* could not be verified"),
        (METASTORE, {"extra": {"ca_cert": "{another}"}}, "certificate of localhost:.* could not be verified"),
        (MONGO, {"extra": {"tlsCAFile": "{another}"}}, "certificate of localhost:.* could not be verified"),
        (CACHE, {"extra": {"ssl_ca_certs": "{another}"}}, "certificate of localhost:.* could not be verified"),
        (HIVE, {"host": "127.0.0.1"}, "could not be verified.*not valid for '127.0.0.1'"),
        (METASTORE, {"host": "127.0.0.1"}, "could not be verified.*not valid for '127.0.0.1'"),
        (MONGO, {"host": "127.0.0.1"}, "could not be verified.*not valid for '127.0.0.1'"),
        (CACHE, {"host": "127.0.0.1"}, "could not be verified.*not valid for '127.0.0.1'"),
        (MONGO, {"extra": {"tlsCertificateKeyFile": None}}, "client certificate"),
        (CACHE, {"extra": {"ssl_certfile": None, "ssl_keyfile": None}}, "client certificate"),
        (HIVE, {"password": "another"}, "opened no session for user etl"),
        (HIVE, {"extra": {"use_ssl": None, "ca_cert": None}}, "auth_mechanism CUSTOM, without TLS"),
        (HIVE, {"extra": {"auth_mechanism": None}}, "auth_mechanism NOSASL, with TLS"),
        (METASTORE, {"extra": {"use_ssl": None, "ca_cert": None}}, "without TLS"),
        (HIVE, {"extra": {**HTTP, "ca_cert": "{another}"}}, "certificate of localhost:.* could not be verified"),
        (HIVE, {"extra": HTTP, "host": "127.0.0.1"}, "could not be verified.*not valid for '127.0.0.1'"),
        (HIVE, {"extra": HTTP, "password": "another"}, "opened no session for user etl: HTTP 401"),
        (HIVE, {"extra": {**HTTP, "use_ssl": None, "ca_cert": None}}, "without TLS, by HTTP at /cliservice"),
        (HIVE, {"extra": {**HTTP, "http_path": "elsewhere"}}, "HTTP 405.*HTTP at /elsewhere"),
    ],
)
def test_a_server_that_is_not_verified_is_not_used(
    grounds: Grounds,
    estate: TlsEstate,
    loaded: FlowUnderTest,
    tmp_path: Path,
    server: str,
    over: dict[str, Any],
    cause: str,
) -> None:
    another = str(Authority(tmp_path, "another").file)
    extra = {**estate.extras[server], **over.get("extra", {})}
    extra = {name: another if value == "{another}" else value for name, value in extra.items() if value is not None}
    connect(grounds, estate, **{server: {**over, "extra": extra}})
    try_to_use(loaded, server).require_sentence(f"tls_{server}.*{cause}|{cause}.*tls_{server}")


@pytest.mark.parametrize("server", [HIVE, METASTORE, MONGO, CACHE])
def test_a_server_without_tls_is_not_used_when_tls_is_asked_for(
    grounds: Grounds, estate: TlsEstate, loaded: FlowUnderTest, server: str
) -> None:
    plain = grounds.connections[server]
    address = {name: plain.get(name) for name in ("host", "port", "login", "password")}
    extra = estate.extras[server] | ({"auth_mechanism": "NOSASL"} if server == HIVE else {})
    connect(grounds, estate, **{server: {**address, "extra": extra}})
    try_to_use(loaded, server).require_sentence(f"tls_{server}")


def test_a_flow_goes_through_servers_that_speak_tls_only(
    grounds: Grounds, estate: TlsEstate, loaded: FlowUnderTest
) -> None:
    connect(grounds, estate)
    ended = loaded.serve()
    assert ended.succeeded, ended.output
    assert loaded.ids() == [1, 2, 3, 4]
    diff = loaded.switchyard("diff", loaded.name, "--mode", "values")
    assert diff.succeeded, diff.output


def test_a_flow_goes_through_a_hiveserver2_that_speaks_http(
    grounds: Grounds, estate: TlsEstate, loaded: FlowUnderTest
) -> None:
    connect(grounds, estate, **{HIVE: {"extra": {**estate.extras[HIVE], **HTTP}}})
    loaded.sql("insert into {t} values (5, 'e')")
    ended = loaded.ingest().require_success()
    assert PASSWORD not in ended.output
    assert sorted(loaded.hive(what="id")) == [(1,), (2,), (3,), (4,), (5,)]


def test_no_value_and_no_password_passes_in_clear(grounds: Grounds, estate: TlsEstate, loaded: FlowUnderTest) -> None:
    """By HiveServer2's check, MongoDB's documents and Redis' warm keys; the source has no TLS here, and shows it."""
    canary = "canary-in-a-coal-mine"
    ids = connect(grounds, estate)
    flow = grounds.flow("canary", "id text primary key, v text", serve={}, cache={"warm": 10})
    flow.change(
        lake={"hive": ids[HIVE], "metastore": ids[METASTORE]},
        serve={"connection": ids[MONGO]},
        cache={"connection": ids[CACHE]},
        checks=[{"accepted_values": {"column": "v", "values": [canary]}}],
    )
    flow.sql(f"insert into {{t}} values ('{canary}', '{canary}')")
    source = int(grounds.connections[SOURCE]["port"])
    ports = [server.port for server in estate.servers.values()]
    with Wiretap([*ports, source]) as wiretap:
        for leg in (flow.ingest, flow.serve):
            leg().require_success()
    assert wiretap.carried(source, canary.encode()), "the wiretap hears nothing"
    assert all(wiretap.payloads[port] for port in ports)
    assert [port for port in ports for text in (canary, PASSWORD) if wiretap.carried(port, text.encode())] == []
