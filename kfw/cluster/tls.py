"""TLS to an API server: whom to trust, and the client's certificate."""

import asyncio.sslproto
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from kfw.cluster.access import words_of
from kfw.cluster.kubeconfig import Cluster
from kfw.errors import ClusterUnreachable, LoginError

#: asyncio gives each TLS connection a read buffer of this size, 256 KiB of it untouched: 284 KB a connection.
#: With 32 KiB it is 62 KB, and a stream is still faster than any API server (design, libraries.md 2.4).
TLS_BUFFER = 32 * 1024


@dataclass(frozen=True)
class ClientCertificate:
    """PEM, both."""

    certificate: bytes
    key: bytes = field(repr=False)


def small_buffers() -> None:
    """For the whole process, once."""
    if hasattr(asyncio.sslproto.SSLProtocol, "max_size"):
        asyncio.sslproto.SSLProtocol.max_size = TLS_BUFFER


def context(cluster: Cluster, certificate: ClientCertificate | None) -> ssl.SSLContext:
    """Raises ClusterUnreachable if the CA cannot be used, LoginError if the client's certificate cannot."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    # Go trusts any certificate it is given as a root, also one that another CA has signed.
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if cluster.insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif cluster.ca:
        _trust(made, cluster)
    else:
        made.load_default_certs()
    if certificate:
        _present(made, certificate)
    return made


def _trust(made: ssl.SSLContext, cluster: Cluster) -> None:
    try:
        made.load_verify_locations(cadata=cluster.ca.read().decode("ascii"))
    except (OSError, UnicodeDecodeError, ssl.SSLError) as error:
        raise ClusterUnreachable(
            f"cannot use the certificate-authority of cluster {cluster.name}: {words_of(error)}",
            f"set certificate-authority of cluster {cluster.name} in the kubeconfig to a PEM file",
        ) from error


def _present(made: ssl.SSLContext, certificate: ClientCertificate) -> None:
    """OpenSSL reads certificates from files only: they live for this moment, readable by the user alone."""
    with tempfile.TemporaryDirectory(prefix="kfw-tls-") as folder:
        first = _write(Path(folder) / "tls.crt", certificate.certificate)
        second = _write(Path(folder) / "tls.key", certificate.key)
        try:
            made.load_cert_chain(first, second, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            raise LoginError(
                f"cannot use the client certificate: {words_of(error)}",
                "the certificate and its key must be PEM, belong together and have no password",
            ) from error


def _write(file: Path, content: bytes) -> Path:
    file.touch(mode=0o600)
    file.write_bytes(content)
    return file


def _no_password() -> str:
    """Without it OpenSSL would ask on the terminal."""
    return ""
