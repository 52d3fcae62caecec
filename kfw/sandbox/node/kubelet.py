"""The kubelets of all nodes: a task for each pod that takes it from Pending to its end, and tells the store.

A request for pods/portforward becomes the tunnel it asks for: POST for SPDY, GET for SPDY in WebSocket.
"""

import asyncio
import hashlib
import logging
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping

from kfw.http.client_connection import ClientConnection
from kfw.http.messages import Request, Response
from kfw.sandbox.api import kinds
from kfw.sandbox.api.errors import bad_request
from kfw.sandbox.api.store import Change, Store
from kfw.sandbox.node.behaviour import Behaviour, behaviour
from kfw.sandbox.node.life import PodLife
from kfw.sandbox.node.pod import ServingPod
from kfw.sandbox.objects import Object, name_of, namespace_of, uid_of
from kfw.sandbox.portforward.framing import Framing, InWebSocket, RawSpdy
from kfw.sandbox.portforward.runtime import FarEnd, Runtime
from kfw.sandbox.portforward.session import Session
from kfw.wire.upgrade import SPDY, TUNNEL, HeaderList, UpgradeRefused, accept_spdy, accept_websocket

log = logging.getLogger(__name__)


class Kubelet:
    """`usual` is how pods behave that say nothing else."""

    def __init__(self, store: Store, tls: ssl.SSLContext, usual: Behaviour) -> None:
        self._store = store
        self._tls = tls
        self._usual = usual
        self.runtime = Runtime()
        self._lives: dict[str, PodLife] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsubscribe: Callable[[], None] | None = None
        self._addresses = 1

    def start(self) -> None:
        self._unsubscribe = self._store.subscribe(self._on_change)
        for pod in self._store.list(kinds.PODS):
            self._look_at(pod)

    async def stop(self) -> None:
        if self._unsubscribe:
            self._unsubscribe()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def serving(self, uid: str) -> ServingPod | None:
        life = self._lives.get(uid)
        return life.pod if life else None

    def logs(self, pod: Object, query: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """Raises ApiError 400 for a pod that has said nothing yet, in the real server's words."""
        life = self._lives.get(uid_of(pod))
        containers = [one["name"] for one in pod["spec"]["containers"]]
        wanted = query.get("container", containers[0])
        if wanted not in containers:
            raise bad_request(f"container {wanted} is not valid for pod {name_of(pod)}")
        if life is None or not life.has_run:
            word = "ContainerCreating" if life is None else life.word
            why = f'container "{wanted}" in pod "{name_of(pod)}" is waiting to start: {word}'
            raise bad_request(why)
        if query.get("previous") == "true" and not life.restarts:
            why = f'previous terminated container "{wanted}" in pod "{name_of(pod)}" not found'
            raise bad_request(why)
        return life.pod.log.read(query, self._store.now())

    def port_forward(self, pod: Object, request: Request) -> Response:
        """Raises ApiError 400 for a pod that has no node yet, in the real server's words."""
        if not pod["spec"].get("nodeName"):
            raise bad_request(f"pod {name_of(pod)} does not have a host assigned")
        uid = uid_of(pod)
        sandbox = hashlib.sha256(uid.encode()).hexdigest()
        return _tunnel(request, FarEnd(lambda: self.serving(uid), sandbox, self.runtime))

    def _on_change(self, change: Change) -> None:
        if change.resource is not kinds.PODS:
            return
        if change.type == "DELETED":
            if life := self._lives.get(uid_of(change.thing)):
                life.on_remove()
        else:
            self._look_at(change.thing)

    def _look_at(self, pod: Object) -> None:
        life = self._lives.get(uid_of(pod))
        if life is not None:
            life.wake()
        elif pod["spec"].get("nodeName"):
            self._start(pod)

    def _start(self, pod: Object) -> None:
        node = self._store.find(kinds.NODES, "", pod["spec"]["nodeName"])
        node_ip = node["status"]["addresses"][0]["address"] if node else ""
        serving = ServingPod(pod, self._address(pod), self._tls, self._store.now)
        life = PodLife(self._store, pod, serving, node_ip, lambda now: behaviour(now, self._usual))
        uid = uid_of(pod)
        self._lives[uid] = life
        task = asyncio.create_task(life.live(), name=f"pod {namespace_of(pod)}/{name_of(pod)}")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._on_end(uid, done))

    def _on_end(self, uid: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._lives.pop(uid, None)
        if not task.cancelled() and (problem := task.exception()):
            log.error("%s has failed", task.get_name(), exc_info=problem)

    def _address(self, pod: Object) -> str:
        """10.244.NODE.x, each once; only for show, nobody can reach it."""
        self._addresses += 1
        nodes = [name_of(node) for node in self._store.list(kinds.NODES)]
        number = nodes.index(pod["spec"]["nodeName"]) + 1 if pod["spec"]["nodeName"] in nodes else 0
        return f"10.{244 + self._addresses // 254 % 10}.{number}.{self._addresses % 254 + 1}"


def _tunnel(request: Request, far_end: FarEnd) -> Response:
    """The answer that switches to the tunnel, or the refusal. Raises ApiError where the API server itself refuses."""
    wanted = request.headers.get("upgrade", "").lower()
    if "upgrade" not in request.headers.get("connection", "").lower() or not wanted:
        raise bad_request("Upgrade request required")
    try:
        return _websocket(request, far_end) if wanted == "websocket" else _spdy(request, far_end)
    except UpgradeRefused as problem:
        return Response(problem.status, problem.what.encode(), "text/plain")


def _spdy(request: Request, far_end: FarEnd) -> Response:
    headers = accept_spdy(request.headers)
    _check(SPDY, far_end)
    return _switch(headers, RawSpdy(), far_end)


def _websocket(request: Request, far_end: FarEnd) -> Response:
    protocol, headers = accept_websocket(request.headers, (TUNNEL,))
    _check(protocol, far_end)
    return _switch(headers, InWebSocket(), far_end)


def _switch(headers: HeaderList, carriage: Framing, far_end: FarEnd) -> Response:
    async def tunnel(client: ClientConnection, first: bytes) -> None:
        await Session(client, carriage, far_end).run(first)

    return Response(101, headers=dict(headers), switch=tunnel)


def _check(way: str, far_end: FarEnd) -> None:
    """Raises UpgradeRefused for a way in that is refused by a fault."""
    for statuses in far_end.runtime.refusals:
        if way in statuses:
            raise UpgradeRefused(f"unable to upgrade: {way} is not spoken here", status=statuses[way])
