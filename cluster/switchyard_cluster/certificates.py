"""The cluster's certificates: one authority, a certificate per server and client, all for the life of one bench."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALIDITY = datetime.timedelta(days=365)


@dataclass(frozen=True)
class Subject:
    """A user of the API (name, groups), or a server when it has addresses."""

    name: str
    groups: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Credentials:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes

    def write(self, directory: Path, name: str) -> None:
        """Write `<name>.crt` and `<name>.key`, which only their owner reads."""
        (directory / f"{name}.crt").write_bytes(self.certificate)
        write_key(directory / f"{name}.key", self.key)


def write_key(path: Path, key: bytes) -> None:
    """Write a file that only its owner reads, from the first byte on."""
    path.touch(mode=0o600)
    path.write_bytes(key)


class Authority:
    """Signs certificates for one cluster; made new with it."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "switchyard-bench")])
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        builder = _begin(self._name, self._name, self._key).add_extension(constraints, critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())

    @property
    def credentials(self) -> Credentials:
        """The authority's own certificate and key."""
        return Credentials(_pem(self._certificate), private_pem(self._key))

    def issue(self, subject: Subject) -> Credentials:
        """Sign a new certificate: for a server where the subject has addresses, otherwise for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in subject.groups]
        name = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, subject.name)])
        usage = ExtendedKeyUsageOID.SERVER_AUTH if subject.addresses else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = _begin(name, self._name, key).add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if subject.addresses:
            builder = builder.add_extension(_alternatives(subject), critical=False)
        return Credentials(_pem(builder.sign(self._key, hashes.SHA256())), private_pem(key))


def _begin(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _VALIDITY)
    )


def _alternatives(subject: Subject) -> x509.SubjectAlternativeName:
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in subject.addresses]
    return x509.SubjectAlternativeName([*addresses, *(x509.DNSName(host) for host in subject.hosts)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as unencrypted PKCS 8."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half of a key."""
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
