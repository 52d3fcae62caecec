"""Making certificates, with `cryptography`. Each is (certificate, key) in PEM, on the curve P-256."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Pair = tuple[bytes, bytes]

_NAMES = ("localhost", "kubernetes", "kubernetes.default.svc")
_ADDRESSES = ("127.0.0.1", "::1")


class Issuer:
    """A new certificate authority; `days` is how long all it makes is good."""

    def __init__(self, days: int) -> None:
        self._days = days
        self._key = _new_key()
        self._name = _name("kfw-sandbox-ca")

    def ca(self) -> Pair:
        usage = _usage(key_cert_sign=True, crl_sign=True)
        builder = self._builder(self._name, self._key).issuer_name(self._name)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return self._sign(builder.add_extension(usage, critical=True), self._key, self._key)

    def server(self, name: str) -> Pair:
        return self._leaf(_name(name), ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, name: str, groups: Sequence[str]) -> Pair:
        """Kubernetes reads the user from the common name, the groups from the organisations."""
        return self._leaf(_name(name, groups), ExtendedKeyUsageOID.CLIENT_AUTH)

    def self_signed(self, name: str) -> Pair:
        """What many real services show: nobody vouches for it."""
        key = _new_key()
        builder = (
            self._builder(_name(name), key)
            .issuer_name(_name(name))
            .add_extension(_reachable(), critical=False)
        )
        return self._sign(builder, key, key)

    def _leaf(self, name: x509.Name, purpose: x509.ObjectIdentifier) -> Pair:
        key = _new_key()
        builder = self._builder(name, key).issuer_name(self._name)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(digital_signature=True), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        if purpose == ExtendedKeyUsageOID.SERVER_AUTH:
            builder = builder.add_extension(_reachable(), critical=False)
        return self._sign(builder, key, self._key)

    def _builder(self, name: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=self._days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )

    def _sign(
        self, builder: x509.CertificateBuilder, key: EllipticCurvePrivateKey, by: EllipticCurvePrivateKey
    ) -> Pair:
        certificate = builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        return certificate, key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def _new_key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


def _name(common: str, groups: Sequence[str] = ()) -> x509.Name:
    organisations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organisations, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _reachable() -> x509.SubjectAlternativeName:
    addresses = [x509.IPAddress(ip_address(address)) for address in _ADDRESSES]
    return x509.SubjectAlternativeName([*(x509.DNSName(name) for name in _NAMES), *addresses])


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
