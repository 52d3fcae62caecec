"""The sandbox: a cluster that real clients reach, over HTTPS, with a kubeconfig."""

import asyncio
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from kfw.sandbox import certs, kubeconfig
from kfw.sandbox.api.access import ADMIN, User, Users
from kfw.sandbox.api.server import ApiServer
from kfw.sandbox.cluster import Cluster
from kfw.sandbox.http import converse
from kfw.sandbox.line import Line
from kfw.sandbox.manifests import api_service, default_set
from kfw.sandbox.node import addresses
from kfw.sandbox.node.behaviour import Behaviour
from kfw.sandbox.objects import Object
from kfw.system.files import make_private_dir, write_atomic

HOST = "127.0.0.1"


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
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        super().__init__(self._claim.addresses, self.certificates.pod_context(), usual or Behaviour())

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
        context = self.certificates.server_context()
        port = self.port or self._last_port()
        with suppress(OSError):
            self._server = await asyncio.start_server(self._connected, HOST, port, ssl=context)
        if self._server is None:
            if self.port:
                raise OSError(f"cannot listen on {HOST}:{self.port}")
            self._server = await asyncio.start_server(self._connected, HOST, 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        self._api = ApiServer(
            self.verbs, self.users, f"{HOST}:{self.port}", self.kubelet.logs, self.kubelet.port_forward
        )
        write_atomic(self.directory / "port", f"{self.port}\n".encode())
        write_atomic(self.kubeconfig, self._admin_kubeconfig().encode())

    async def stop_api(self) -> None:
        """As when the API server dies: its port refuses, watches are cut; pods serve on."""
        if self._server is None:
            return
        self._server.close()
        for task in self._talks:
            task.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def cut_watches(self) -> None:
        """End every connection to the API, which goes on listening."""
        for task in self._talks:
            task.cancel()

    def add_user(self, name: str, *namespaces: str) -> Path:
        """A user who may look at these namespaces and forward ports there, nothing else: a kubeconfig with a token."""
        token = secrets.token_urlsafe(24)
        self.users.by_token[token] = User(name, namespaces=frozenset(namespaces))
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

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            answer = partial(self._api.answer, common_name=_common_name(writer))
            await converse(Line(reader, writer), answer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._talks.discard(task)
            writer.close()


def _common_name(writer: asyncio.StreamWriter) -> str | None:
    certificate = writer.get_extra_info("peercert") or {}
    pairs = [pair for group in certificate.get("subject", ()) for pair in group]
    return next((value for key, value in pairs if key == "commonName"), None)
