"""A bundle of CA certificates, as people write them: with words between the blocks, and blocks that are none.

kubectl goes by Go's x509.AppendCertsFromPEM, which passes over what it cannot parse. This also takes blanks before a
line, a byte order mark and CR alone, at which Go's pem.Decode stops.
"""

import base64
import binascii
import re
import ssl
from collections.abc import Iterator

_BLOCK = re.compile(
    rb"-----BEGIN CERTIFICATE-----\s(?P<body>[A-Za-z0-9+/=\s]*?)-----END CERTIFICATE-----",
)


def blocks(bundle: bytes) -> Iterator[bytes]:
    """DER of each block that is base64; whether it is a certificate is for OpenSSL to say."""
    for block in _BLOCK.finditer(bundle):
        try:
            yield base64.b64decode(b"".join(block["body"].split()), validate=True)
        except binascii.Error:
            continue


def trust(context: ssl.SSLContext, bundle: bytes) -> None:
    """All certificates of the bundle that can be used. Raises ssl.SSLError or ValueError if none can."""
    failure: ssl.SSLError | ValueError = ValueError("there is no PEM certificate in it")
    trusted = 0
    for der in blocks(bundle):
        try:
            context.load_verify_locations(cadata=der)
            trusted += 1
        except (ssl.SSLError, ValueError) as error:
            failure = error
    if not trusted:
        raise failure
