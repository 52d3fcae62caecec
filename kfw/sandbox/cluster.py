"""A cluster in this event loop, without the HTTP around it: objects, controllers, pods that serve, node ports."""

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable, Mapping

from kfw.errors import TimedOut
from kfw.sandbox.api import kinds
from kfw.sandbox.api.store import Store
from kfw.sandbox.api.verbs import Verbs
from kfw.sandbox.controllers.run import Controllers
from kfw.sandbox.manifests import lease, node
from kfw.sandbox.node.behaviour import Behaviour
from kfw.sandbox.node.kubelet import Kubelet
from kfw.sandbox.node.nodeports import NodePorts
from kfw.sandbox.objects import Object, is_leaving, is_ready, labels_of, name_of, namespace_of

Objects = list[Object]  # inside the class, `list` is a method

_SYSTEM = ("default", "kube-system", "kube-public", "kube-node-lease")


class Cluster:
    """Resources are named by their plural: `pods`, `services`, `deployments`, ... Calls raise ApiError as the API would.

    `nodes` are addresses by node name; `tls` is what pods with kfw/tls show; `usual` how pods behave that say nothing.
    `runtime` is how the far end of tunnels behaves; it may be changed at any time.
    """

    def __init__(self, nodes: Mapping[str, str], tls: ssl.SSLContext, usual: Behaviour) -> None:
        self.nodes = nodes
        self.store = Store(time.time)
        self.kubelet = Kubelet(self.store, tls, usual)
        self.runtime = self.kubelet.runtime
        self.node_ports = NodePorts(self.store, nodes, self.kubelet.serving)
        self.verbs = Verbs(self.store, self.node_ports.free)
        self._controllers = Controllers(self.verbs)

    def start(self, objects: Iterable[Object] = ()) -> None:
        """Must run in the event loop. Node ports that are asked for and taken by others become free ones."""
        for name, address in self.nodes.items():
            self.store.create(
                kinds.NODES, {**node(name, address, self.store.now()), "apiVersion": "v1", "kind": "Node"}
            )
        for name in _SYSTEM:
            self.apply({"kind": "Namespace", "metadata": {"name": name}})
        for name in self.nodes:
            self.apply(lease(name, self.store.now()))
        for thing in objects:
            self.apply(self._with_free_node_ports(thing))
        self.kubelet.start()
        self.node_ports.start()
        self._controllers.start()

    async def stop(self) -> None:
        self._controllers.stop()
        self.node_ports.stop()
        await self.kubelet.stop()

    def _with_free_node_ports(self, thing: Object) -> Object:
        if thing["kind"] != "Service":
            return thing
        ports = [
            {key: port[key] for key in port if key != "nodePort" or self.node_ports.free(port[key])}
            for port in thing["spec"]["ports"]
        ]
        return {**thing, "spec": {**thing["spec"], "ports": ports}}

    def apply(self, thing: Object) -> Object:
        """Create it, or put it in place of the one with its name, as `kubectl replace` does."""
        resource, where, name = kinds.BY_KIND[thing["kind"]], namespace_of(thing), name_of(thing)
        if self.store.find(resource, where, name) is None:
            return self.verbs.create(resource, where, thing)
        return self.verbs.update(resource, where, name, lambda _: thing)

    def get(self, plural: str, where: str, name: str) -> Object:
        return self.store.get(kinds.BY_PLURAL[plural], where, name)

    def list(self, plural: str, where: str = "") -> Objects:
        return self.store.list(kinds.BY_PLURAL[plural], where)

    def delete(self, plural: str, where: str, name: str, *, grace: int | None = None) -> None:
        """`grace` in seconds; 0 kills a pod at once, None gives it what it has in its spec."""
        options: Object = {} if grace is None else {"gracePeriodSeconds": grace}
        self.verbs.delete(kinds.BY_PLURAL[plural], where, name, options)

    def change(self, plural: str, where: str, name: str, edit: Callable[[Object], Object]) -> Object:
        """`edit` makes the new object from the present one, without changing that."""
        return self.verbs.update(kinds.BY_PLURAL[plural], where, name, edit)

    def scale(self, plural: str, where: str, name: str, replicas: int) -> None:
        self.change(plural, where, name, lambda one: {**one, "spec": {**one["spec"], "replicas": replicas}})

    def annotate(self, plural: str, where: str, name: str, **annotations: str) -> None:
        """Names of sandbox.kfw.dev/ with `_` for `-`: annotate("pods", "demo", "web-0", ready="false")."""
        said = {f"sandbox.kfw.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}

        def edit(one: Object) -> Object:
            present = one["metadata"].get("annotations") or {}
            return {**one, "metadata": {**one["metadata"], "annotations": {**present, **said}}}

        self.change(plural, where, name, edit)

    def pods(self, where: str, app: str) -> Objects:
        """The pods with the label app=`app` that are ready and not leaving."""
        found = [pod for pod in self.list("pods", where) if labels_of(pod).get("app") == app]
        return [pod for pod in found if is_ready(pod) and not is_leaving(pod)]

    def node_port(self, where: str, service: str, port: int | str | None = None) -> int:
        """The node port of this service port, by number or name; None: of the first."""
        ports = self.get("services", where, service)["spec"]["ports"]
        return int(next(one["nodePort"] for one in ports if port in (None, one["port"], one.get("name"))))

    def forget(self) -> None:
        """Every watch ends with 410, also those that have seen all so far."""
        for name in self.nodes:
            self.apply(lease(name, self.store.now()))
        self.store.compact()

    async def until(self, true: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until `true()`, asked after each change in the cluster. Raises TimedOut."""
        changed = asyncio.Event()
        unsubscribe = self.store.subscribe(lambda _: changed.set())
        try:
            async with asyncio.timeout(seconds):
                while not true():
                    changed.clear()
                    await changed.wait()
        except TimeoutError as problem:
            raise TimedOut(f"the sandbox did not get there within {seconds:g} s") from problem
        finally:
            unsubscribe()
        await self.quiet()

    async def quiet(self) -> None:
        """Wait until everything is concluded from the changes so far: controllers have looked, node ports listen."""
        while self._controllers.busy or self.node_ports.busy:  # noqa: ASYNC110 - a few turns of the loop, no polling
            await asyncio.sleep(0)

    async def settled(self, seconds: float = 10.0) -> None:
        """Wait until every deployment and stateful set has all its pods, ready and of the present template."""
        await self.until(self.is_settled, seconds)

    def is_settled(self) -> bool:
        return all(
            _is_settled(one) for plural in ("deployments", "statefulsets") for one in self.list(plural)
        )


def _is_settled(one: Object) -> bool:
    status, wanted = one.get("status") or {}, one["spec"]["replicas"]
    seen = status.get("observedGeneration") == one["metadata"]["generation"]
    counts = [status.get(field, 0) for field in ("replicas", "updatedReplicas", "readyReplicas")]
    return seen and all(count == wanted for count in counts)
