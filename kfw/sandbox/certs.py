"""The sandbox's certificates: a CA, the server's, the administrator's, and one for pods that speak TLS.

The only module that imports `cryptography`, and only when something has to be made: it costs 12 MB.
"""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from kfw.sandbox.api.access import ADMIN
from kfw.system.files import make_private_dir, write_atomic

#: Days that certificates are good for; macOS accepts no server certificate of more than 825.
DAYS = 365
#: Made again when they would end within this many seconds.
_RENEW = 30 * 86400.0


@dataclass(frozen=True)
class Certificates:
    """PEM files; a `.key` lies beside each `.crt`."""

    ca: Path
    server: Path
    client: Path
    pod: Path

    def server_context(self) -> ssl.SSLContext:
        """Asks for a client certificate of our CA, and takes clients without one: they may have a token."""
        context = _serving(self.server)
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.set_alpn_protocols(["http/1.1"])
        return context

    def pod_context(self) -> ssl.SSLContext:
        return _serving(self.pod)


def key_of(certificate: Path) -> Path:
    return certificate.with_suffix(".key")


def _serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key_of(certificate))
    return context


def ensure(directory: Path, now: float) -> Certificates:
    """Those in `directory`, or new ones where any is missing or about to end. Raises KfwError, OSError."""
    found = Certificates(*(directory / f"{name}.crt" for name in ("ca", "server", "client", "pod")))
    if not all(_good(one, now) for one in (found.ca, found.server, found.client, found.pod)):
        make_private_dir(directory)
        _make(found)
    return found


def _good(certificate: Path, now: float) -> bool:
    """There, with its key, and made less than DAYS minus the margin ago: files are as old as what is in them."""
    try:
        made = certificate.stat().st_mtime
    except FileNotFoundError:
        return False
    return os.access(key_of(certificate), os.R_OK) and made <= now < made + DAYS * 86400.0 - _RENEW


def _make(files: Certificates) -> None:
    from kfw.sandbox.x509 import Issuer

    issuer = Issuer(DAYS)
    _write(files.ca, issuer.ca())
    _write(files.server, issuer.server("kfw-sandbox"))
    _write(files.client, issuer.client(ADMIN.name, ADMIN.groups))
    _write(files.pod, issuer.self_signed("kfw-sandbox-pod"))


def _write(certificate: Path, pair: tuple[bytes, bytes]) -> None:
    write_atomic(certificate, pair[0])
    write_atomic(key_of(certificate), pair[1])
