"""Every extra of HiveServer2 and the metastore is honoured or refused by its name; certificates are always verified."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from airflow.providers.apache.hive.hooks import hive as hooks

from switchyard.connections import Connection
from switchyard.connections.hive import (
    HIVESERVER2,
    METASTORE,
    METASTORE_REFUSED,
    REFUSED,
    UNUSED,
    ThriftAccess,
    hiveserver2_access,
    metastore_access,
)
from switchyard.errors import ConnectionUnusable

SECRET = "a value that no message shows"


def connection(login: str = "etl", password: str = "pw", **extra: Any) -> Connection:
    return Connection("lake", "hiveserver2", "hive.example", 10000, login, password, "default", extra)


def refusal(access: Any, given: Connection) -> ConnectionUnusable:
    with pytest.raises(ConnectionUnusable) as caught:
        access(given)
    assert caught.value.where == "connection lake"
    assert caught.value.cure
    assert SECRET not in str(caught.value)
    return caught.value


def test_all_that_airflows_hooks_read_is_judged() -> None:
    read = set(re.findall(r"extra_dejson\.get\(\s*\"(\w+)\"", inspect.getsource(hooks)))
    of_beeline = {"ssl", "zoo_keeper_namespace"}  # read only together with `high_availability`
    assert read - set(HIVESERVER2) - set(REFUSED) - set(UNUSED) == of_beeline


@pytest.mark.parametrize(
    ("extra", "access"),
    [
        ({}, ThriftAccess("NOSASL", False, "")),
        ({"auth_mechanism": "NONE"}, ThriftAccess("NONE", False, "")),
        ({"auth_mechanism": "LDAP"}, ThriftAccess("LDAP", False, "")),
        ({"auth_mechanism": "CUSTOM", "use_ssl": True}, ThriftAccess("CUSTOM", True, "")),
        ({"use_ssl": "true", "ca_cert": __file__}, ThriftAccess("NOSASL", True, __file__)),
        ({"use_ssl": 0}, ThriftAccess("NOSASL", False, "")),
        ({"run_set_variable_statements": False}, ThriftAccess("NOSASL", False, "")),
        ({"use_http_transport": True}, ThriftAccess("NOSASL", False, "", "cliservice")),
        (
            {"use_http_transport": "true", "http_path": "/gateway/hive"},
            ThriftAccess("NOSASL", False, "", "gateway/hive"),
        ),
        ({"use_http_transport": False}, ThriftAccess("NOSASL", False, "")),
    ],
)
def test_a_client_comes_in_as_the_extras_say(extra: dict[str, Any], access: ThriftAccess) -> None:
    assert hiveserver2_access(connection(**extra)) == access


@pytest.mark.parametrize("mechanism", ["NOSASL", "NONE"])
def test_a_metastore_has_no_login(mechanism: str) -> None:
    given = connection(auth_mechanism=mechanism, use_ssl="1", ca_cert=__file__)
    assert metastore_access(given) == ThriftAccess("NOSASL", True, __file__)


@pytest.mark.parametrize(
    ("access", "name"),
    [*((hiveserver2_access, name) for name in REFUSED), *((metastore_access, name) for name in METASTORE_REFUSED)],
)
def test_a_refused_extra_is_named(access: Any, name: str) -> None:
    assert name in refusal(access, connection(**{name: SECRET})).what


@pytest.mark.parametrize("access", [hiveserver2_access, metastore_access])
@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"auth_mechanism": "KERBEROS"}, "Kerberos is not supported yet"),
        ({"auth_mechanism": "GSSAPI"}, "Kerberos is not supported yet"),
        ({"auth_mechanism": "kerberos"}, "Kerberos is not supported yet"),
        ({"auth_mechanism": "PLAIN"}, "write one of NOSASL, NONE"),
        ({"auth_mechanism": None}, "is a list, an object or null"),
        ({"auth_mechanism": ["LDAP"]}, "is a list, an object or null"),
        ({"use_ssl": "yes"}, "write one of true, false, 1, 0"),
        ({"use_ssl": True, "ca_cert": "/nonexistent/ca.pem"}, "'ca_cert' cannot be read"),
        ({"ca_cert": __file__}, "no certificate would be verified"),
        ({"ca_cert": __file__, "use_ssl": False}, "no certificate would be verified"),
        ({"use_sll": True}, "did you mean 'use_ssl'?"),
        ({"nonsense_of_ours": SECRET}, "leave it out"),
    ],
)
def test_a_wrong_name_or_value_is_refused(access: Any, extra: dict[str, Any], words: str) -> None:
    assert words in str(refusal(access, connection(**extra)))


@pytest.mark.parametrize("access", [hiveserver2_access, metastore_access])
def test_a_call_may_take_so_many_seconds(access: Any) -> None:
    assert access(connection(timeout="7")).timeout == 7
    assert access(connection()).timeout is None
    assert "extra.timeout is 0" in str(refusal(access, connection(timeout=0)))


def test_a_path_is_not_dropped_in_silence() -> None:
    error = refusal(hiveserver2_access, connection(http_path="cliservice"))
    assert "set extra.use_http_transport to true" in error.cure


@pytest.mark.parametrize("mechanism", ["LDAP", "CUSTOM"])
@pytest.mark.parametrize(("login", "password"), [("", "pw"), ("etl", "")])
def test_a_login_needs_its_password(mechanism: str, login: str, password: str) -> None:
    error = refusal(hiveserver2_access, connection(login, password, auth_mechanism=mechanism))
    assert "needs a login and a password" in error.what


def test_a_password_is_not_for_the_metastore() -> None:
    assert "LDAP" not in METASTORE["auth_mechanism"].values
    refusal(metastore_access, connection(auth_mechanism="LDAP"))
