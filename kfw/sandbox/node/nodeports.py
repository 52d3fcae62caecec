"""Node ports: real listening sockets on the nodes' addresses, from which connections go to ready pods, in turn.

As kube-proxy does it: without an endpoint a node port refuses; with externalTrafficPolicy Local only pods of that node
count; when no pod is ready, those that terminate but still serve take the connections.

Each node has a loopback address of its own, so that several sandboxes on one machine keep apart.
"""

import asyncio
import hashlib
import logging
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kfw.sandbox.api import kinds
from kfw.sandbox.api.store import Change, Passes, Store
from kfw.sandbox.controllers.endpoints import SERVICE_NAME
from kfw.sandbox.node.pod import ServingPod
from kfw.sandbox.objects import Object, labels_of, name_of, namespace_of

log = logging.getLogger(__name__)

#: A node's address and a port on it.
Place = tuple[str, int]
NODES = ("sandbox-control-plane", "sandbox-worker")
#: Where a kubelet listens. The sandbox holds that port of its nodes, so that no other sandbox takes the address.
KUBELET_PORT = 10250


@dataclass(frozen=True)
class Backend:
    """A pod, and the container port that the node port leads to."""

    uid: str
    port: int


class NodePorts:
    """`nodes` are the addresses by node name; `serving` finds a pod by its uid."""

    def __init__(
        self, store: Store, nodes: Mapping[str, str], serving: Callable[[str], ServingPod | None]
    ) -> None:
        self._store = store
        self._nodes = nodes
        self._serving = serving
        self._backends: dict[Place, list[Backend]] = {}
        self._listening: dict[Place, socket.socket] = {}
        self._turn: dict[Place, int] = {}
        self._passes = Passes(store, self._look, _matters)

    @property
    def busy(self) -> bool:
        return self._passes.busy

    def start(self) -> None:
        self._passes.start()

    def stop(self) -> None:
        self._passes.stop()
        for place in list(self._listening):
            self._close(place)

    def free(self, port: int) -> bool:
        """Could a node port with this number be listened on, on every node?"""
        ours = any(place[1] == port for place in self._listening)
        return not ours and all(_bindable((address, port)) for address in set(self._nodes.values()))

    def _look(self) -> None:
        self._backends = {}
        for place, pods in backends(self._store, self._nodes):
            # where all nodes have one address, as on macOS, a place comes more than once
            known = self._backends.setdefault(place, [])
            known += [pod for pod in pods if pod not in known]
        for place in list(self._listening):
            if not self._backends.get(place):
                self._close(place)
        for place, pods in self._backends.items():
            if pods and place not in self._listening:
                self._listen(place)

    def _listen(self, place: Place) -> None:
        try:
            listener = _bind(place)
        except OSError as problem:
            log.warning("cannot listen on node port %s:%s: %s", *place, problem.strerror)
            return
        listener.listen(256)
        self._listening[place] = listener
        asyncio.get_running_loop().add_reader(listener, self._accept, place, listener)

    def _close(self, place: Place) -> None:
        listener = self._listening.pop(place)
        asyncio.get_running_loop().remove_reader(listener)
        listener.close()

    def _accept(self, place: Place, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except (
            OSError
        ) as problem:  # too many open files, most likely; the next one is tried when things have changed
            log.warning("node port %s:%s stops listening: %s", *place, problem.strerror)
            self._close(place)
            return
        connection.setblocking(False)
        if not self._hand_over(connection, place):
            _reset(connection)

    def _hand_over(self, connection: socket.socket, place: Place) -> bool:
        pods = self._backends.get(place, [])
        turn = self._turn[place] = self._turn.get(place, -1) + 1
        for step in range(len(pods)):
            chosen = pods[(turn + step) % len(pods)]
            pod = self._serving(chosen.uid)
            if pod is not None and pod.accept(connection, chosen.port):
                return True
        return False


def _matters(change: Change) -> bool:
    return change.resource in (kinds.SERVICES, kinds.ENDPOINTSLICES)


def backends(store: Store, nodes: Mapping[str, str]) -> Iterator[tuple[Place, list[Backend]]]:
    """Every node port of every service on every node, with the pods behind it."""
    slices: dict[tuple[str, str], list[Object]] = {}
    for one in store.list(kinds.ENDPOINTSLICES):
        slices.setdefault((namespace_of(one), labels_of(one).get(SERVICE_NAME, "")), []).append(one)
    for service in store.list(kinds.SERVICES):
        mine = slices.get((namespace_of(service), name_of(service)), [])
        local = service["spec"].get("externalTrafficPolicy") == "Local"
        for port in service["spec"].get("ports") or []:
            if port.get("nodePort") and port.get("protocol", "TCP") == "TCP":
                for node, address in nodes.items():
                    yield (address, port["nodePort"]), _choose(mine, port, node if local else None)


def _choose(slices: list[Object], port: Object, node: str | None) -> list[Backend]:
    ready: list[Backend] = []
    lingering: list[Backend] = []
    for one in slices:
        number = next((p["port"] for p in one["ports"] if p.get("name", "") == port.get("name", "")), None)
        if number is None:
            continue
        for endpoint in one["endpoints"]:
            says, reference = endpoint["conditions"], endpoint.get("targetRef")
            if reference is None or (node and endpoint.get("nodeName") != node):
                continue
            backend = Backend(reference["uid"], number)
            if says["ready"]:
                ready.append(backend)
            elif says.get("serving") and says.get("terminating"):
                lingering.append(backend)
    return ready or lingering


def _bind(place: Place) -> socket.socket:
    # with its protocol named: asyncio sets TCP_NODELAY only then
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
    except OSError:
        made.close()
        raise
    return made


def _bindable(place: Place) -> bool:
    try:
        _bind(place).close()
    except OSError:
        return False
    return True


def _reset(connection: socket.socket) -> None:
    """As a packet to a port where nothing listens is answered."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection.close()


@dataclass(frozen=True)
class Nodes:
    """Addresses by node name, and the sockets that hold them while the sandbox runs."""

    addresses: dict[str, str]
    held: tuple[socket.socket, ...]

    def release(self) -> None:
        for one in self.held:
            one.close()


def claim(directory: Path) -> Nodes:
    """The same addresses for the same directory, if they are free; on systems with one loopback address that one for all."""
    if not sys.platform.startswith("linux"):
        return Nodes(dict.fromkeys(NODES, "127.0.0.1"), ())
    for prefix in _prefixes(directory):
        addresses = [f"{prefix}.{number}" for number in range(2, 2 + len(NODES))]
        held = [one for one in map(_hold, addresses) if one is not None]
        if len(held) == len(NODES):
            return Nodes(dict(zip(NODES, addresses, strict=True)), tuple(held))
        for one in held:
            one.close()
    raise OSError("no loopback addresses are free for the sandbox's nodes")


def _prefixes(directory: Path) -> Iterator[str]:
    number = int.from_bytes(hashlib.sha256(str(directory.resolve()).encode()).digest()[:4], "big")
    for step in range(64):
        place = (number + step * 7919) % (100 * 256)
        yield f"127.{100 + place // 256}.{place % 256}"


def _hold(address: str) -> socket.socket | None:
    """Bound and not listening: nobody else can bind it, and connections are refused."""
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        one.bind((address, KUBELET_PORT))
    except OSError:
        one.close()
        return None
    return one
