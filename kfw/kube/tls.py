"""TLS to an API server: whom to trust, and the client's certificate.

CA certificates come as people write them: with words between the blocks, and blocks that are none. kubectl goes by Go's
x509.AppendCertsFromPEM, which passes over what it cannot parse. This also takes blanks before a line, a byte order mark and
CR alone, at which Go's pem.Decode stops.
"""

import asyncio.sslproto
import base64
import binascii
import errno
import os
import re
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast
from weakref import ref

from kfw.errors import ClusterUnreachable, LoginError
from kfw.kube.api_errors import call_words
from kfw.kubeconfig.entries import ClusterEntry

#: asyncio gives each TLS connection a read buffer of 256 KiB. A small one costs speed: 2.0 s of processor time per GB
#: with 32 KiB, 1.2 with 256. So all share one big one; a record, which is read at once, has at most 16 KiB.
_BUFFER = 256 * 1024
_RECORD = 16 * 1024

#: Connections that are looked at for a session: more than are made at a time (Policy.dials_at_once).
_LOOKED_AT = 16
#: Seconds that a session is used before a newer one is looked for: a look copies it, which costs about as much as it saves.
_LOOK_AGAIN = 5.0

#: The machine's fault, and it passes.
_SHORT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC})
_BLOCK = re.compile(
    rb"-----BEGIN CERTIFICATE-----\s(?P<body>[A-Za-z0-9+/=\s]*?)-----END CERTIFICATE-----",
)


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


class ResumingContext(ssl.SSLContext):
    """A client's. A connection goes on with the session of one before to the same name, if the server allows it: without
    certificates and their signatures a handshake takes half of the processor, of both sides (RFC 8446, 2.2)."""

    def __init__(self, protocol: int) -> None:
        self._sessions: dict[str | bytes | None, tuple[float, ssl.SSLSession]] = {}
        self._latest: deque[tuple[str | bytes | None, ref[ssl.SSLObject]]] = deque(maxlen=_LOOKED_AT)

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        session = session or self._session_to(server_hostname)
        made = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        self._latest.append((server_hostname, ref(made)))
        return made

    def _session_to(self, server: str | bytes | None) -> ssl.SSLSession | None:
        """One of the last seconds, else the newest: servers hand them out after the handshake, and each holds for hours."""
        since, session = self._sessions.get(server, (-_LOOK_AGAIN, None))
        now = time.monotonic()
        if now - since < _LOOK_AGAIN:
            return session
        for name, each in reversed(self._latest):
            one = each() if name == server else None
            with suppress(ValueError):  # in the middle of a handshake there is one that cannot be copied
                if one and (found := one.session) and found.has_ticket:
                    self._sessions[server] = now, found
                    return found
        return session


def context(cluster: ClusterEntry, certificate: ClientCertificate | None, ca: bytes = b"") -> ssl.SSLContext:
    """`ca`: the content of the cluster's certificate-authority.

    Raises ClusterUnreachable if the CA cannot be used, LoginError if the client's certificate cannot.
    """
    made = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    # Go trusts any certificate it is given as a root, also one that another CA has signed.
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if cluster.insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif cluster.ca:
        _trust(made, cluster, ca)
    else:
        made.load_default_certs()
    if certificate:
        _present(made, certificate)
    return made


def unusable_ca(cluster: ClusterEntry, error: Exception) -> ClusterUnreachable:
    return ClusterUnreachable(
        f"cannot use the certificate-authority of cluster {cluster.name}: {call_words(error)}",
        f"set certificate-authority of cluster {cluster.name} in the kubeconfig to a PEM file",
    )


def _trust(made: ssl.SSLContext, cluster: ClusterEntry, ca: bytes) -> None:
    try:
        trust(made, ca)
    except (OSError, ValueError) as error:
        raise unusable_ca(cluster, error) from error


def _present(made: ssl.SSLContext, certificate: ClientCertificate) -> None:
    """OpenSSL reads certificates from files only, so it gets some that are on no disk."""
    try:
        with _in_memory(certificate.certificate) as first, _in_memory(certificate.key) as second:
            made.load_cert_chain(first, second, password=_no_password)
    except (OSError, ssl.SSLError) as error:
        raise _not_presentable(error) from error


def _not_presentable(error: OSError) -> LoginError:
    """Of a key that is none the pipe's reader says that it cannot go back in it."""
    if error.errno in _SHORT_OF:
        fix = "this machine is short of something (open files: `ulimit -n`); kfw tries again by itself"
    else:
        fix = "the certificate and its key must be PEM, belong together and have no password"
    words = "it is not PEM" if error.errno == errno.ESPIPE else call_words(error)
    return LoginError(f"cannot use the client certificate: {words}", fix)


def _in_memory(content: bytes) -> AbstractContextManager[str]:
    """A path at which `content` can be read, once. Raises OSError."""
    return _memory_file(content) if hasattr(os, "memfd_create") else _pipe(content)


@contextmanager
def _memory_file(content: bytes) -> Iterator[str]:
    handle = os.memfd_create("kfw-tls", os.MFD_CLOEXEC)
    try:
        with os.fdopen(handle, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


@contextmanager
def _pipe(content: bytes) -> Iterator[str]:
    """Where there are no memory files (macOS): OpenSSL reads from the first byte to the last, as of a pipe."""
    ours, its = os.pipe()
    writer = threading.Thread(target=_write, args=(its, content), name="tls", daemon=True)
    try:
        writer.start()
        yield f"/dev/fd/{ours}"
    finally:
        os.close(ours)  # if it has read only a part, the writer gets EPIPE
        writer.join()


def _write(handle: int, content: bytes) -> None:
    with suppress(OSError), os.fdopen(handle, "wb") as file:
        file.write(content)


def _no_password() -> str:
    """Without it OpenSSL would ask on the terminal."""
    return ""


def blocks(bundle: bytes) -> Iterator[bytes]:
    """DER of each block that is base64; whether it is a certificate is for OpenSSL to say."""
    for block in _BLOCK.finditer(bundle):
        try:
            yield base64.b64decode(b"".join(block["body"].split()), validate=True)
        except binascii.Error:
            continue


def trust(context: ssl.SSLContext, bundle: bytes) -> None:
    """All certificates of the bundle that can be used. Raises ssl.SSLError or ValueError if none can."""
    failure: ssl.SSLError | ValueError = ValueError("it has no PEM certificate")
    trusted = 0
    for der in blocks(bundle):
        try:
            context.load_verify_locations(cadata=der)
            trusted += 1
        except (ssl.SSLError, ValueError) as error:
            failure = error
    if not trusted:
        raise failure
