"""Why TLS did not come about, read from what drivers say; the texts were seen on servers."""

from __future__ import annotations

import ssl

import pytest
from pymongo.errors import ServerSelectionTimeoutError
from redis.exceptions import ConnectionError as RedisConnectionError
from thrift.transport.TTransport import TTransportException

from switchyard.connections import Connection
from switchyard.connections.tls import TlsExtras, find_tls_fault

LAKE = Connection("lake", "hiveserver2", "hive.example", 10000)
EXTRAS = TlsExtras("use_ssl", "ca_cert")
WITH_CLIENT = TlsExtras("ssl", "ssl_ca_certs", "ssl_certfile")
UNKNOWN_CA = (
    "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1016)"
)
OTHER_NAME = (
    "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid for "
    "'hive.example'. (_ssl.c:1016)"
)


@pytest.mark.parametrize(
    "error",
    [
        TTransportException(message="Could not connect to any of [('::1', 1)]", inner=ssl.SSLError(1, UNKNOWN_CA)),
        ServerSelectionTimeoutError(f"SSL handshake failed: hive.example:10000: {UNKNOWN_CA}, Timeout: 5.0s"),
        RedisConnectionError(f"Error 1 connecting to hive.example:10000. {UNKNOWN_CA}."),
    ],
)
def test_every_drivers_words_are_read(error: Exception) -> None:
    fault = find_tls_fault(LAKE, EXTRAS, error)
    assert fault is not None
    assert fault.what.endswith("could not be verified: unable to get local issuer certificate")
    assert (fault.where, "extra.ca_cert" in fault.cure) == ("connection lake", True)


@pytest.mark.parametrize(
    ("words", "extras", "what", "cure"),
    [
        (OTHER_NAME, EXTRAS, "Hostname mismatch", "host to a name in the certificate"),
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert (_ssl.c:2580)", WITH_CLIENT, "refused", "ssl_certfile"),
        ("[SSL: SSLV3_ALERT_BAD_CERTIFICATE] bad certificate (_ssl.c:1)", WITH_CLIENT, "refused", "ssl_certfile"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1016)", WITH_CLIENT, "does not speak", "extra.ssl"),
        ("EOF occurred in violation of protocol (_ssl.c:2427)", WITH_CLIENT, "without a reason", "ssl_certfile"),
        ("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF (_ssl.c:1016)", EXTRAS, "without a reason", "extra.use_ssl"),
    ],
)
def test_the_cure_is_that_of_the_cause(words: str, extras: TlsExtras, what: str, cure: str) -> None:
    fault = find_tls_fault(LAKE, extras, OSError(words))
    assert fault is not None
    assert what in fault.what
    assert cure in fault.cure


def test_a_cause_further_down_is_seen() -> None:
    above = OSError("lost")
    above.__cause__ = TTransportException(message="failed", inner=ssl.SSLError(1, OTHER_NAME))
    assert find_tls_fault(LAKE, EXTRAS, above) is not None


@pytest.mark.parametrize("error", [OSError("Connection refused"), TTransportException(message="TSocket read 0 bytes")])
def test_another_error_is_not_of_tls(error: Exception) -> None:
    assert find_tls_fault(LAKE, EXTRAS, error) is None
