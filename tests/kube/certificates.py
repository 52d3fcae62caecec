"""A CA, and certificates of it, made for one test run."""

import datetime
import ipaddress
import ssl
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Pair:
    """PEM."""

    certificate: bytes
    key: bytes


@cache
def _root() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder("test-ca", key).issuer_name(_name("test-ca"))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return key, builder.sign(key, hashes.SHA256())


def ca() -> bytes:
    return _root()[1].public_bytes(serialization.Encoding.PEM)


@cache
def pair(name: str, *hosts: str, expired: bool = False, self_signed: bool = False) -> Pair:
    """A server's, or with no hosts a client's."""
    root_key, root = _root()
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(name, key, expired=expired)
    builder = builder.issuer_name(_name(name) if self_signed else root.subject)
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
        )
    certificate = builder.sign(key if self_signed else root_key, hashes.SHA256())
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def server_context(made: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        crt, key = Path(folder, "crt"), Path(folder, "key")
        crt.write_bytes(made.certificate)
        key.write_bytes(made.key)
        context.load_cert_chain(crt, key)
    return context


#: Longer than any run of the tests.
_VALID = datetime.timedelta(days=7)


def _builder(name: str, key: ec.EllipticCurvePrivateKey, *, expired: bool = False) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    if expired:
        now -= 2 * _VALID
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _VALID)
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@cache
def another_ca() -> bytes:
    """Of nobody who serves."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder("another-ca", key).issuer_name(_name("another-ca"))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
