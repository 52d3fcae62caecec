"""TLS to an API server: whom to trust, and the client's certificate."""

import asyncio.sslproto
import ssl
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from kfw.errors import ClusterUnreachable, LoginError
from kfw.kube.errors import words_of
from kfw.kubeconfig.entries import Cluster

#: asyncio gives each TLS connection a read buffer of 256 KiB. A small one costs speed: 2.0 s of processor time per GB
#: with 32 KiB, 1.2 with 256. So all share one big one; a record, which is read at once, has at most 16 KiB.
_BUFFER = 256 * 1024
_RECORD = 16 * 1024


class _Shared(threading.local):
    """Of each thread, as two event loops may read at the same time."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(_BUFFER))


_SHARED = _Shared()


@dataclass(frozen=True)
class ClientCertificate:
    """PEM, both."""

    certificate: bytes
    key: bytes = field(repr=False)


def share_buffers() -> None:
    """For the whole process, once. A loop that reads by itself (uvloop) knows nothing of it."""
    protocol = asyncio.sslproto.SSLProtocol
    if hasattr(protocol, "max_size") and hasattr(protocol, "buffer_updated"):
        protocol.max_size = _RECORD
        protocol.get_buffer = _shared  # type: ignore[assignment, method-assign]  # there is no other way to hand one in


def _shared(protocol: asyncio.sslproto.SSLProtocol, size: int) -> memoryview:
    """What is read into it goes to `buffer_updated`, which copies it, before anybody else reads."""
    hidden = cast(Any, protocol)  # typeshed leaves out what is private
    hidden._ssl_buffer, hidden._ssl_buffer_view = b"", _SHARED.buffer  # its own one is not needed any more
    return _SHARED.buffer


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
