"""A PostgreSQL of a test's own that speaks TLS, with a CA of its own: right, wrong, expired and client certificates."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness.outside.own_server import PATIENCE, free_port, run_as, wait_for_answer

_NOW = dt.datetime.now(dt.UTC)
_DAY = dt.timedelta(days=1)
_RULES = """
hostssl all guarded all scram-sha-256 clientcert=verify-full
hostssl all all all scram-sha-256
"""


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """A CA; each of its certificates is a pair of files in `directory`."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory, self._name = directory, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._build(self._name, self._key.public_key(), _NOW + _DAY).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file = directory / f"{name}.pem"
        self.file.write_bytes(certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, common_name: str, hosts: list[str], *, until: dt.datetime = _NOW + _DAY) -> Pair:
        """A certificate for a server or a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts or [common_name]])
        certificate = self._build(subject, key.public_key(), until).add_extension(names, critical=False)
        pair = Pair(self._directory / f"{common_name}.crt", self._directory / f"{common_name}.key")
        signed = certificate.sign(self._key, hashes.SHA256())
        pair.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        pair.key.chmod(0o600)
        return pair

    def _build(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, until: dt.datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_NOW - 2 * _DAY)
            .not_valid_after(until)
        )


@dataclass
class TlsPostgres:
    """The running server; its superuser is `postgres`, without TLS nobody gets in."""

    data: Path
    port: int
    password: str
    authority: Authority

    def run(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements, each in a transaction of its own; the last one's rows."""
        where = {"host": "localhost", "port": self.port, "user": "postgres", "dbname": database}
        rows: list[tuple[object, ...]] = []
        with psycopg.connect(**where, password=self.password, sslmode="require", autocommit=True) as session:
            for statement in statements:
                cursor = session.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def show(self, pair: Pair) -> None:
        """Answer with this certificate from the next session on."""
        for source, name in ((pair.certificate, "server.crt"), (pair.key, "server.key")):
            _give_away(self.data / name, source.read_bytes())
        self.run("select pg_reload_conf()")
        time.sleep(0.5)


def _give_away(path: Path, content: bytes) -> None:
    """Written whole, private, and PostgreSQL's own: a reload may come at any moment."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.chmod(0o600)
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(new, owner.pw_uid, owner.pw_gid)
    new.rename(path)


@contextlib.contextmanager
def open_tls_postgres(certificates: Path) -> Iterator[TlsPostgres]:
    """Start it on a free port of the loopback; its certificate is for `localhost`."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    directory = Path(tempfile.mkdtemp(prefix="tls-postgres-"))
    user = run_as("postgres", directory)
    data, password = directory / "data", "a password of the test's own"
    (directory / "password").write_text(password)
    (directory / "password").chmod(0o644)
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", f"--pwfile={directory / 'password'}"]
    initdb += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **user)
    authority = Authority(certificates, "ca")
    port = free_port()
    right = authority.issue("right", ["localhost"])
    for source, name in ((right.certificate, "server.crt"), (right.key, "server.key"), (authority.file, "ca.crt")):
        _give_away(data / name, source.read_bytes())
    _give_away(data / "pg_hba.conf", _RULES.encode())
    options = ["-c", "ssl=on", "-c", "ssl_ca_file=ca.crt", "-c", "fsync=off", "-c", f"port={port}"]
    options += ["-c", "listen_addresses=localhost", "-c", "unix_socket_directories="]
    log = (directory / "log").open("wb")
    server = subprocess.Popen([str(programs / "postgres"), "-D", str(data), *options], stdout=log, stderr=log, **user)
    try:
        postgres = TlsPostgres(data, port, password, authority)
        wait_for_answer("PostgreSQL", server, directory / "log", lambda: _answers(postgres))
        yield postgres
    finally:
        server.terminate()
        server.wait(timeout=PATIENCE)
        log.close()
        shutil.rmtree(directory)


def _answers(postgres: TlsPostgres) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        postgres.run("select 1")
        return True
    return False
