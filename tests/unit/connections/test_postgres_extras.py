"""Every extra of a PostgreSQL connection is honoured by both drivers, or refused by its name; none is dropped."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import psycopg.conninfo
import pytest
from airflow.providers.postgres.hooks.postgres import PostgresHook
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from switchyard.connections import Connection
from switchyard.connections.postgres import HONOURED, REFUSED, UNUSED, Extra, read_extras
from switchyard.errors import ConnectionUnusable
from switchyard.extract.jdbc import write_url
from switchyard.extract.notes import describe_extras

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
LIBPQ = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
PKCS8 = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
SECRET = "a value that no message shows"


def connection(**extra: Any) -> Connection:
    return Connection("source", "postgres", "db", 5432, "reader", "pw", "app", extra)


def refusal(**extra: Any) -> ConnectionUnusable:
    with pytest.raises(ConnectionUnusable) as caught:
        read_extras(connection(**extra))
    assert caught.value.where == "connection source"
    assert caught.value.cure
    return caught.value


def a_value(extra: Extra, directory: Path) -> str:
    if extra.file:
        path = directory / "a file + 1.pem"
        path.write_text(PKCS8)
        return str(path)
    return extra.values[-1] if extra.values else "10" if extra.number else "-c search_path=app"


def test_all_that_libpq_and_airflows_hook_know_is_judged() -> None:
    hook = PostgresHook.ignored_extra_options | set(inspect.signature(PostgresHook.__init__).parameters)
    of_the_hook = hook - {"self", "args", "kwargs"}
    judged = set(HONOURED) | set(REFUSED) | set(UNUSED)
    internal = {"fallback_application_name", "load_balance_hosts", "scram_client_key", "scram_server_key"}
    tls_details = {"ssl_min_protocol_version", "ssl_max_protocol_version", "sslcompression", "sslsni", "sslcertmode"}
    others = {"requirepeer", "sslkeylogfile", "oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope"}
    others |= {"min_protocol_version", "max_protocol_version", "authtype", "tty"}
    assert (LIBPQ | of_the_hook) - judged <= internal | tls_details | others


@pytest.mark.parametrize("name", HONOURED)
def test_an_honoured_extra_reaches_libpq_and_the_url(name: str, tmp_path: Path) -> None:
    value = a_value(HONOURED[name], tmp_path)
    extras = read_extras(connection(**{name: value}))
    assert list(extras.libpq) == [name]
    assert name in LIBPQ
    assert psycopg.conninfo.conninfo_to_dict(psycopg.conninfo.make_conninfo(**extras.libpq)) == extras.libpq
    jdbc = HONOURED[name].jdbc
    assert [each for each in extras.jdbc if each != "pemKeyAlgorithm"] == ([jdbc] if jdbc else [])
    assert extras.python_only == (() if jdbc else (name,))
    assert " " not in write_url(connection(), extras.jdbc)


@pytest.mark.parametrize("name", HONOURED)
def test_the_preflight_names_what_sqoops_sessions_go_without(name: str, tmp_path: Path) -> None:
    notes = list(describe_extras(connection(**{name: a_value(HONOURED[name], tmp_path)})))
    assert len(notes) == (0 if HONOURED[name].jdbc else 1)
    assert all(note.startswith(f"{name} of connection source: ") for note in notes)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_extra_is_named(name: str) -> None:
    error = refusal(**{name: SECRET})
    assert name in error.what
    assert SECRET not in str(error)


@pytest.mark.parametrize("name", UNUSED)
def test_what_shapes_only_airflows_own_objects_changes_nothing(name: str) -> None:
    assert read_extras(connection(**{name: "x"})).libpq == {}


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("sslmod", "require", "did you mean 'sslmode'?"),
        ("sslMode", "require", "did you mean 'sslmode'?"),
        ("nonsense_of_ours", 1, "leave it out"),
        ("sslmode", "verify_full", "verify-full"),
        ("sslmode", "", "verify-full"),
        ("sslmode", None, "write a text"),
        ("options", ["-c", "a=b"], "write a text"),
        ("connect_timeout", "10s", "e.g. 10"),
        ("connect_timeout", -1, "e.g. 10"),
        ("target_session_attrs", "master", "read-write"),
        ("sslrootcert", "system", "set extra.sslrootcert to the file"),
        ("sslrootcert", "/nonexistent/ca.pem", "every worker"),
        ("sslcert", "", "every worker"),
    ],
)
def test_a_wrong_name_or_value_is_refused(name: str, value: Any, cure: str) -> None:
    assert cure in refusal(**{name: value}).cure


@pytest.mark.parametrize(
    ("head", "cure"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----\n", "openssl pkcs8"),
        ("-----BEGIN EC PRIVATE KEY-----\n", "openssl pkcs8"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "a key without a passphrase"),
    ],
)
def test_a_key_that_sqoops_driver_cannot_read_is_refused(head: str, cure: str, tmp_path: Path) -> None:
    key = tmp_path / "client.key"
    key.write_text(head)
    assert cure in refusal(sslkey=str(key)).cure


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "EC"),
        (ec.generate_private_key(ec.SECP521R1()), "EC"),
        (rsa.generate_private_key(65537, 2048), "RSA"),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
    ],
)
def test_pgjdbc_is_told_what_a_key_is_of(key: PrivateKey, algorithm: str, encoding: Encoding, tmp_path: Path) -> None:
    path = tmp_path / "client.key"
    path.write_bytes(key.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption()))
    assert read_extras(connection(sslkey=str(path))).jdbc["pemKeyAlgorithm"] == algorithm


def test_require_with_a_root_certificate_verifies_in_both() -> None:
    """Libpq takes it for verify-ca; pgjdbc would not look at the certificate."""
    extras = read_extras(connection(sslmode="require", sslrootcert=__file__))
    assert (extras.libpq["sslmode"], extras.jdbc["sslmode"]) == ("require", "verify-ca")


@pytest.mark.parametrize(
    ("extra", "libpq", "jdbc"),
    [
        ({"keepalives": True}, {"keepalives": "1"}, {"tcpKeepAlive": "true"}),
        ({"keepalives": 0}, {"keepalives": "0"}, {"tcpKeepAlive": "false"}),
        (
            {"target_session_attrs": "read-write"},
            {"target_session_attrs": "read-write"},
            {"targetServerType": "primary"},
        ),
    ],
)
def test_values_have_each_drivers_words(extra: dict[str, Any], libpq: dict[str, str], jdbc: dict[str, str]) -> None:
    extras = read_extras(connection(**extra))
    assert (extras.libpq, extras.jdbc) == (libpq, jdbc)
