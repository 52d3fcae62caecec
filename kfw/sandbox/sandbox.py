"""The sandbox: a cluster that real clients reach, over HTTPS, with a kubeconfig."""

import asyncio
import logging
import secrets
import socket
import ssl
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from kfw.sandbox import certs, kubeconfig
from kfw.sandbox.api.access import ADMIN, LOOK_AND_FORWARD, User, Users
from kfw.sandbox.api.server import ApiServer
from kfw.sandbox.api_listener import ApiListener
from kfw.sandbox.client_connection import ClientConnection
from kfw.sandbox.cluster import Cluster
from kfw.sandbox.faults import Faults
from kfw.sandbox.http import converse
from kfw.sandbox.manifests import api_service, default_set
from kfw.sandbox.node import addresses
from kfw.sandbox.node.behaviour import Behaviour
from kfw.sandbox.objects import Object
from kfw.system.files import make_private_dir, write_atomic

HOST = "127.0.0.1"
#: Seconds for a TLS handshake.
_HANDSHAKE = 10.0

log = logging.getLogger(__name__)


class Sandbox(Cluster):
    """In this process: `async with Sandbox(directory) as sandbox:`, then `sandbox.kubeconfig` is a file for kubectl.

    `directory` holds certificates and kubeconfig, and decides the nodes' addresses; `objects` None is the default set.
    `port` of the API: 0 is the one it had before in this directory if that is free, else any. Raises KfwError, OSError.
    """

    def __init__(
        self,
        directory: Path,
        *,
        objects: Iterable[Object] | None = None,
        usual: Behaviour | None = None,
        port: int = 0,
    ) -> None:
        self.directory = make_private_dir(directory)
        self.kubeconfig = directory / "kubeconfig"
        self.certificates = certs.ensure(directory, time.time())
        self.users = Users()
        self.port = port
        self._objects = default_set() if objects is None else objects
        self._claim = addresses.claim(directory)
        self._tls = self.certificates.server_context()
        self._door = ApiListener(HOST, self._came)
        self._talks: set[asyncio.Task[None]] = set()
        super().__init__(self._claim.addresses, self.certificates.pod_context(), usual or Behaviour())
        self.faults = Faults(self._door, self.runtime, self.forget)

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        try:
            await self.start_api()
            self.start([*api_service(HOST, self.port), *self._objects])
            await self.settled()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        await self.stop_api()
        await self.stop()
        self._claim.release()

    async def start_api(self) -> None:
        """Listen, and write the kubeconfig. After `stop_api` it is the same port again."""
        self.port = self._opened()
        self._api = ApiServer(
            self.verbs,
            self.users,
            f"{HOST}:{self.port}",
            logs=self.kubelet.logs,
            port_forward=self.kubelet.port_forward,
            guard=self.faults.check,
        )
        write_atomic(self.directory / "port", f"{self.port}\n".encode())
        write_atomic(self.kubeconfig, self._admin_kubeconfig().encode())

    def _opened(self) -> int:
        port = self.port or self._last_port()
        try:
            return self._door.open(port)
        except OSError as problem:
            if self.port:
                raise OSError(f"cannot listen on {HOST}:{self.port}: {problem.strerror}") from problem
            return self._door.open(0)

    async def stop_api(self) -> None:
        """As when the API server dies: its port refuses, watches and tunnels are cut; pods serve on."""
        self._door.close()
        talks = tuple(self._talks)
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    def add_user(self, name: str, *namespaces: str, verbs: Collection[str] = LOOK_AND_FORWARD) -> Path:
        """A user who may look at these namespaces and forward ports there, nothing else: a kubeconfig with a token.

        `verbs` are others: `list`, `watch endpointslices`, `create pods/portforward`.
        """
        token = secrets.token_urlsafe(24)
        self.users.by_token[token] = User(name, namespaces=frozenset(namespaces), verbs=frozenset(verbs))
        path = self.directory / f"kubeconfig-{name}"
        first = namespaces[0] if namespaces else "default"
        text = kubeconfig.with_token(
            self.url, self.certificates.ca.read_bytes(), token, user=name, namespace=first
        )
        write_atomic(path, text.encode())
        return path

    def _last_port(self) -> int:
        with suppress(OSError, ValueError):
            return int((self.directory / "port").read_text())
        return 0

    def _admin_kubeconfig(self) -> str:
        client = self.certificates.client
        pair = client.read_bytes(), certs.key_of(client).read_bytes()
        return kubeconfig.with_certificate(
            self.url, self.certificates.ca.read_bytes(), *pair, user=ADMIN.name
        )

    def _came(self, connection: socket.socket) -> None:
        task = asyncio.create_task(self._serve(connection), name="a connection to the API")
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)

    async def _serve(self, connection: socket.socket) -> None:
        try:
            reader, writer = await _encrypted(connection, self._tls)
        except OSError as problem:  # it left, or speaks no TLS, or shows a certificate that is not ours
            log.debug("a client of the API did not get in: %s", problem)
            connection.close()
            return
        line = ClientConnection(reader, writer, self.faults)
        self.faults.lines.add(line)
        try:
            await converse(line, partial(self._api.answer, common_name=_common_name(writer)))
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self.faults.lines.discard(line)
            writer.close()


async def _encrypted(
    connection: socket.socket, tls: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Raises OSError."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, connection, ssl=tls, ssl_handshake_timeout=_HANDSHAKE
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _common_name(writer: asyncio.StreamWriter) -> str | None:
    certificate = writer.get_extra_info("peercert") or {}
    pairs = [pair for group in certificate.get("subject", ()) for pair in group]
    return next((value for key, value in pairs if key == "commonName"), None)
