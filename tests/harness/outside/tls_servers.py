"""Servers of a test's own that speak TLS only: Redis, the MongoDB stand-in, and Hive's two beside those of the stack.

Redis and MongoDB ask for a client's certificate; HiveServer2 for a password, which a class of the test's own judges.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from harness.outside.certificates import Authority, Pair
from harness.outside.own_server import PATIENCE, free_port, wait_for_answer

LOGIN, PASSWORD = "etl", "only the test's own: s e+c/r%t&1@"  # HiveServer2 reads no letter beyond ASCII
_STORE_PASSWORD = "of the key store"
_JUDGE = """
import javax.security.sasl.AuthenticationException;
import org.apache.hive.service.auth.PasswdAuthenticationProvider;

public class OnePassword implements PasswdAuthenticationProvider {
  @Override public void Authenticate(String user, String password) throws AuthenticationException {
    if (!"%s".equals(user) || !"%s".equals(password)) throw new AuthenticationException("wrong user or password");
  }
}
"""


@dataclass(frozen=True)
class TlsServer:
    """A running server: its port, that of HTTP if it has one, and the CA that its certificate is of."""

    port: int
    authority: Authority
    http_port: int | None = None


@contextlib.contextmanager
def open_tls_redis(directory: Path, authority: Authority) -> Iterator[TlsServer]:
    """A Redis that keeps nothing on disk."""
    port, pair = free_port(), authority.issue("redis", ["localhost"])
    options = {"port": 0, "tls-port": port, "bind": "127.0.0.1 -::1", "dir": directory, "save": "", "appendonly": "no"}
    options |= {"tls-cert-file": pair.certificate, "tls-key-file": pair.key, "tls-ca-cert-file": authority.file}
    options |= {"tls-auth-clients": "yes"}
    program = shutil.which("redis-server")
    assert program is not None, "redis-server is not installed"
    command = [program, *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
    with _running("Redis", command, directory, port):
        yield TlsServer(port, authority)


@contextlib.contextmanager
def open_tls_mongo(directory: Path, authority: Authority) -> Iterator[TlsServer]:
    """The stand-in; a client's certificate is its only login."""
    port, pair = free_port(), authority.issue("mongo", ["localhost"])
    command = [str(Path(sys.executable).parent / "secantusd-py"), "--host", "localhost", "--port", str(port)]
    command += ["--storage-path", str(directory / "data"), "--log-level", "WARNING", "--cache-size", "64M"]
    command += ["--tls-cert-file", str(pair.certificate), "--tls-key-file", str(pair.key)]
    command += ["--tls-ca-file", str(authority.file), "--tls-require-client-cert", "--standalone"]
    with _running("the MongoDB stand-in", command, directory, port):
        yield TlsServer(port, authority)


@contextlib.contextmanager
def open_tls_metastore(directory: Path, authority: Authority) -> Iterator[TlsServer]:
    """A metastore over the same database as the stack's."""
    port, pair = free_port(), authority.issue("metastore", ["localhost"])
    settings = {"metastore.use.SSL": "true", **_key_store("metastore.keystore", directory, pair)}
    settings |= {"metastore.thrift.port": str(port), "hive.metastore.port": str(port)}
    with _hive_server("metastore", "org.apache.hadoop.hive.metastore.HiveMetaStore", settings, directory, port):
        yield TlsServer(port, authority)


@contextlib.contextmanager
def open_tls_hiveserver2(directory: Path, authority: Authority) -> Iterator[TlsServer]:
    """A HiveServer2 over the stack's metastore and HDFS, in its binary protocol and by HTTP.

    It lets LOGIN in with PASSWORD, and nobody else.
    """
    port, pair = free_port(), authority.issue("hiveserver2", ["localhost"])
    http_port = free_port()
    classes = directory / "classes"
    classes.mkdir()
    (directory / "OnePassword.java").write_text(_JUDGE % (LOGIN, PASSWORD))
    class_path = _java_arguments("hiveserver2")[1]
    compile_it = ["javac", "-encoding", "UTF-8", "-cp", class_path, "-d", str(classes), "OnePassword.java"]
    subprocess.run(compile_it, check=True, cwd=directory)
    settings = {"hive.server2.use.SSL": "true", **_key_store("hive.server2.keystore", directory, pair)}
    settings |= {"hive.server2.authentication": "CUSTOM", "hive.server2.thrift.port": str(port)}
    settings |= {"hive.server2.custom.authentication.class": "OnePassword"}
    settings |= {"hive.server2.transport.mode": "all", "hive.server2.thrift.http.port": str(http_port)}
    with _hive_server("hiveserver2", "org.apache.hive.service.server.HiveServer2", settings, directory, port, classes):
        yield TlsServer(port, authority, http_port)


def _key_store(prefix: str, directory: Path, pair: Pair) -> dict[str, str]:
    """Settings of a Java server for a key store that is made of a certificate and its key."""
    path = directory / "keystore.p12"
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    key = load_pem_private_key(pair.key.read_bytes(), None)
    encryption = BestAvailableEncryption(_STORE_PASSWORD.encode())
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"server", key, certificate, None, encryption))
    return {f"{prefix}.path": str(path), f"{prefix}.password": _STORE_PASSWORD, f"{prefix}.type": "PKCS12"}


def _java_arguments(name: str) -> tuple[list[str], str]:
    """The arguments of the stack's JVM of this name without the class path, and the class path."""
    lines = (_stack_state() / "conf" / "jvm" / f"{name}.args").read_text().splitlines()
    place = lines.index("-cp")
    return [*lines[:place], *lines[place + 2 :]], lines[place + 1]


@contextlib.contextmanager
def _hive_server(
    name: str, main: str, settings: Mapping[str, str], directory: Path, port: int, classes: Path | None = None
) -> Iterator[None]:
    """One of the stack's two Hive servers once more, with other settings."""
    arguments, class_path = _java_arguments(name)
    stack = _stack_state() / "conf" / {"hiveserver2": "hive", "metastore": "metastore"}[name]
    ours = directory / "conf"
    shutil.copytree(stack, ours)
    site = next(ours.glob("*-site.xml"))
    entries = (f"<property><name>{n}</name><value>{escape(v)}</value></property>" for n, v in settings.items())
    site.write_text(site.read_text().replace("</configuration>", "\n".join([*entries, "</configuration>"])))
    places = [str(classes or ours), class_path.replace(str(stack), str(ours))]
    argument_file = directory / "java.args"
    argument_file.write_text("\n".join([*arguments, "-cp", ":".join(places)]) + "\n")
    with _running(name, ["java", f"@{argument_file}", main], directory, port, patience=120):
        yield


def _stack_state() -> Path:
    return Path(os.environ["SWITCHYARD_STATE"])


@contextlib.contextmanager
def _running(name: str, command: list[str], directory: Path, port: int, *, patience: int = PATIENCE) -> Iterator[None]:
    log = directory / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, cwd=directory)
    try:
        wait_for_answer(name, server, log, lambda: _listens(port), patience=patience)
        yield
    finally:
        server.terminate()
        try:
            server.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("localhost", port), timeout=1):
        return True
    return False
