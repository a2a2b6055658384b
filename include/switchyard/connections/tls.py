"""Why TLS with a server did not come about, in words that name the connection. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from switchyard.connections.extras import unusable
from switchyard.connections.sources import Connection
from switchyard.errors import AGAIN, ConnectionUnusable

_SSL_ERROR = re.compile(r"\[SSL: (?P<code>[A-Z0-9_]+)\] (?P<words>[^(\n]+)")
"""How Python's ssl module writes every error of OpenSSL; drivers put it into texts of their own."""
_HUNG_UP = re.compile(r"EOF occurred in violation of protocol|UNEXPECTED_EOF_WHILE_READING")
_NOT_VERIFIED = "CERTIFICATE_VERIFY_FAILED"
_OURS_REFUSED = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "NO_CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE")


@dataclass(frozen=True)
class TlsExtras:
    """Names of the extras that a kind of connection has for TLS; `client`: for a certificate of ours, if it has one."""

    on: str
    ca: str
    client: str = ""


def find_tls_fault(connection: Connection, extras: TlsExtras, error: BaseException) -> ConnectionUnusable | None:
    """The error of a server whose certificate does not hold, that refuses ours, or has no TLS; None for any other."""
    texts = list(_texts(error))
    if any(_HUNG_UP.search(text) for text in texts):
        return _hung_up(connection, extras)
    match = next((match for text in texts if (match := _SSL_ERROR.search(text))), None)
    if match is None:
        return None
    code = match["code"]
    words = match["words"].strip().removeprefix("certificate verify failed: ")
    if code == _NOT_VERIFIED:
        what = f"the certificate of {connection.address} could not be verified: {words}"
        cure = (
            f"set extra.{extras.ca} to the CA's file, and the connection's host to a name in the certificate; or renew "
            "the certificate"
        )
    elif code.endswith(_OURS_REFUSED) and extras.client:
        what = f"{connection.address} refused TLS without a client certificate that it accepts: {words}"
        cure = f"set extra.{extras.client} to the file of a certificate that the server accepts"
    else:
        what = f"{connection.address} does not speak TLS with us: {words}"
        cure = f"check whether this port of the server has TLS; if not, remove extra.{extras.on}"
    return unusable(connection, what, f"{cure}; then {AGAIN}")


def _hung_up(connection: Connection, extras: TlsExtras) -> ConnectionUnusable:
    """The error of a server that ends the handshake without a word, as one does that has no TLS or wants more."""
    cure = f"check whether this port of the server has TLS; if not, remove extra.{extras.on}"
    if extras.client:
        cure += f"; and whether it asks for a client certificate, which belongs into extra.{extras.client}"
    return unusable(
        connection, f"{connection.address} ended the TLS handshake without a reason", f"{cure}; then {AGAIN}"
    )


def _texts(error: BaseException | None) -> Iterator[str]:
    """What an error says, and those that it was made of; Thrift keeps its own in `inner`."""
    while error is not None:
        yield str(error)
        error = getattr(error, "inner", None) or error.__cause__ or error.__context__
