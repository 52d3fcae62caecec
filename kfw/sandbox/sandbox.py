"""The sandbox: a cluster that real clients reach, over HTTPS, with a kubeconfig."""

import base64
import secrets
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from kfw.errors import words_of
from kfw.http.bounds import HttpLimits
from kfw.http.messages import Request, Response
from kfw.http.server import HttpServer
from kfw.sandbox import certs
from kfw.sandbox.api.access import ADMIN, LOOK_AND_FORWARD, User, Users
from kfw.sandbox.api.handler import ApiHandler
from kfw.sandbox.cluster import Cluster
from kfw.sandbox.faults import ApiPort, Faults
from kfw.sandbox.manifests import api_service, default_set
from kfw.sandbox.node.behaviour import Behaviour
from kfw.sandbox.node.nodeports import claim
from kfw.sandbox.objects import Object
from kfw.system.files import make_private_dir, write_atomic

HOST = "127.0.0.1"
#: Clients have all the time they want, as watches and faults need it, and room that only a mistake would fill.
LIMITS = HttpLimits(
    connections=10_000,
    body=8 * 1024 * 1024,
    bodies=64 * 1024 * 1024,
    replies=256 * 1024 * 1024,
    query_fields=1000,
    idle=None,
    arrive=None,
    write=None,
)
CONTEXT = "kfw-sandbox"
_TEMPLATE = """\
apiVersion: v1
kind: Config
clusters:
- name: {name}
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: {user}
  user:
{credentials}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {user}
    namespace: {namespace}
current-context: {name}
"""


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
        self._claim = claim(directory)
        super().__init__(self._claim.addresses, self.certificates.pod_context(), usual or Behaviour())
        tls = self.certificates.server_context()
        self._api_port = ApiPort(HOST, HttpServer(self._answer, name="API", limits=LIMITS, tls=tls))
        self.faults = Faults(self._api_port, self.runtime, self.forget)

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
        self.port = self._open_port()
        self._api = ApiHandler(
            self.verbs,
            self.users,
            f"{HOST}:{self.port}",
            logs=self.kubelet.logs,
            port_forward=self.kubelet.port_forward,
            guard=self.faults.check,
        )
        write_atomic(self.directory / "port", f"{self.port}\n".encode())
        write_atomic(self.kubeconfig, self._admin_kubeconfig().encode())

    def _open_port(self) -> int:
        port = self.port or self._last_port()
        try:
            return self._api_port.open(port)
        except OSError as problem:
            if self.port:
                raise OSError(f"cannot listen on {HOST}:{self.port}: {words_of(problem)}") from problem
            return self._api_port.open(0)

    async def stop_api(self) -> None:
        """As when the API server dies: its port refuses, watches and tunnels are cut; pods serve on."""
        await self._api_port.close()

    def add_user(
        self,
        name: str,
        *namespaces: str,
        verbs: Collection[str] = LOOK_AND_FORWARD,
        everywhere: Collection[str] = (),
    ) -> Path:
        """A user who may look at these namespaces and forward ports there, nothing else: a kubeconfig with a token.

        `verbs` are others: `list`, `watch endpointslices`, `create pods/portforward`. `everywhere`: verbs that hold in all
        namespaces.
        """
        token = secrets.token_urlsafe(24)
        self.users.by_token[token] = User(
            name, namespaces=frozenset(namespaces), verbs=frozenset(verbs), everywhere=frozenset(everywhere)
        )
        path = self.directory / f"kubeconfig-{name}"
        first = namespaces[0] if namespaces else "default"
        text = kubeconfig_with_token(
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
        return kubeconfig_with_certificate(
            self.url, self.certificates.ca.read_bytes(), *pair, user=ADMIN.name
        )

    async def _answer(self, request: Request) -> Response:
        return await self._api.answer(request)


def kubeconfig_with_certificate(server: str, ca: bytes, certificate: bytes, key: bytes, *, user: str) -> str:
    """PEM goes in, base64 of it stands in the file."""
    credentials = f"    client-certificate-data: {_base64(certificate)}\n    client-key-data: {_base64(key)}"
    return _kubeconfig_text(server, ca, user, credentials, "default")


def kubeconfig_with_token(server: str, ca: bytes, token: str, *, user: str, namespace: str) -> str:
    return _kubeconfig_text(server, ca, user, f"    token: {token}", namespace)


def _kubeconfig_text(server: str, ca: bytes, user: str, credentials: str, namespace: str) -> str:
    return _TEMPLATE.format(
        name=CONTEXT, server=server, ca=_base64(ca), user=user, credentials=credentials, namespace=namespace
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
