"""CA bundles as people write them."""

import base64
import ssl

import pytest

from kfw.kube import ca_bundle
from tests.kube import certificates

CA = certificates.ca()
BAD = b"-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "bundle",
    [
        CA,
        b"# caf\xe9 \xff\xfe\n" + CA,
        CA.replace(b"\n", b"\r\n"),
        CA.replace(b"\n", b"\r"),
        b" \t\n\n" + CA,
        b"\xef\xbb\xbf" + CA,
        b"\n".join(b"    " + line for line in CA.splitlines()),
        BAD + CA,
        CA + BAD,
        BAD.replace(b"YWJj", b"\xff***") + CA,
        BAD.replace(b"YWJj", b"") + CA,
        b"-----BEGIN CERTIFICATE-----\ncut off\n" + CA,
        certificates.pair("ada").key + CA,
        CA + CA,
        CA.strip(),
    ],
)
def test_what_can_be_used_is_and_the_rest_is_passed_over(bundle: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca_bundle.trust(context, bundle)

    assert context.get_ca_certs(binary_form=True) == [ssl.PEM_cert_to_DER_cert(CA.decode())]


@pytest.mark.parametrize(
    "bundle",
    [
        b"",
        b"words",
        BAD,
        BAD * 3,
        base64.b64decode("".join(CA.decode().splitlines()[1:-1])),  # DER
        CA.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE"),
        CA.replace(b"CERTIFICATE-----\n", b"CERTIFICATE-----\nX: y\n\n", 1),
        certificates.pair("ada").key,
        CA.decode().encode("utf-16"),
    ],
)
def test_a_bundle_without_a_certificate_is_an_error(bundle: bytes) -> None:
    with pytest.raises((ssl.SSLError, ValueError)):
        ca_bundle.trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), bundle)


def test_a_large_bundle_of_nonsense_costs_little() -> None:
    for bundle in (
        b"-----BEGIN CERTIFICATE-----\n" * 100_000,
        BAD * 50_000,
        b"-----BEGIN CERTIFICATE-----" + b"A" * 4_000_000,
    ):
        assert len(list(ca_bundle.blocks(bundle))) in (0, 50_000)
