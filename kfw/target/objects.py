"""What kfw remembers of Kubernetes objects: flat, trimmed, with the questions that `resolve` asks. Pure.

Field meanings: the Kubernetes API, v1, apps/v1 and discovery.k8s.io/v1.

`gc=False`: none of them can be part of a cycle, and a collection need not look at thousands of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from msgspec import Struct

from kfw.kube.resource import Resource
from kfw.model import Problem, Reason


class Owner(Struct, frozen=True, gc=False):
    """The owner reference that has `controller: true`."""

    kind: str
    name: str
    uid: str


class Requirement(Struct, frozen=True, gc=False):
    """One of a selector's matchExpressions."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
        return False  # an operator of a later Kubernetes: rather no pod than a wrong one

    def __str__(self) -> str:
        match self.operator:
            case "In" | "NotIn":
                return f"{self.key} {self.operator.lower()} ({','.join(self.values)})"
            case "Exists":
                return self.key
        return f"!{self.key}"


class Selector(Struct, frozen=True, gc=False):
    """`labels` as services have it, `expressions` as workloads may have, too. An empty one selects nothing."""

    labels: dict[str, str] = {}
    expressions: tuple[Requirement, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.labels or self.expressions)

    def __str__(self) -> str:
        """As `kubectl get -l` takes it, and the API as labelSelector:
        https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors"""
        return ",".join(
            (*(f"{key}={value}" for key, value in self.labels.items()), *map(str, self.expressions))
        )

    def matches(self, labels: Mapping[str, str]) -> bool:
        return (
            bool(self)
            and all(labels.get(key) == value for key, value in self.labels.items())
            and all(one.matches(labels) for one in self.expressions)
        )


class ContainerPort(Struct, frozen=True, gc=False):
    number: int
    name: str = ""


class Pod(Struct, frozen=True, gc=False, kw_only=True):
    """`ready`: condition Ready and not terminating. `why`: why it is not, in the API's words. `running`: its phase.
    `unheard`: not ready only because its node does not report.

    `ports`: TCP only, of the containers in their order, then of the sidecars (init containers that are restarted).
    """

    name: str
    labels: dict[str, str] = {}
    owner: Owner | None = None
    ready: bool = False
    running: bool = False
    unheard: bool = False
    terminating: bool = False
    why: str = ""
    ports: tuple[ContainerPort, ...] = ()
    ip: str = ""
    host_ip: str = ""
    node: str = ""


class ServicePort(Struct, frozen=True, gc=False, kw_only=True):
    """`target`: a number, a container port's name, or None: as `number`. `node_port` 0: there is none."""

    number: int
    name: str = ""
    protocol: str = "TCP"
    target: int | str | None = None
    node_port: int = 0


class Service(Struct, frozen=True, gc=False, kw_only=True):
    """`type`: ClusterIP, NodePort, LoadBalancer or ExternalName. `local`: externalTrafficPolicy Local; `sticky`:
    sessionAffinity ClientIP; `publishes_unready`: publishNotReadyAddresses, its pods count whether ready or not."""

    name: str
    type: str = "ClusterIP"
    headless: bool = False
    selector: Selector = Selector()
    ports: tuple[ServicePort, ...] = ()
    external_name: str = ""
    local: bool = False
    sticky: bool = False
    publishes_unready: bool = False


class SlicePort(Struct, frozen=True, gc=False):
    """`number` None: every port, as the API defines it for endpoints without ports."""

    number: int | None
    name: str = ""
    protocol: str = "TCP"


class SliceEndpoint(Struct, frozen=True, gc=False):
    """`pod` is "" where the endpoint is not a pod. `ready`: ready, serving and not terminating."""

    address: str
    pod: str = ""
    node: str = ""
    ready: bool = True
    terminating: bool = False


class EndpointSlice(Struct, frozen=True, gc=False, kw_only=True):
    name: str
    service: str
    ports: tuple[SlicePort, ...] = ()
    endpoints: tuple[SliceEndpoint, ...] = ()


class Workload(Struct, frozen=True, gc=False, kw_only=True):
    """A deployment, stateful set, daemon set, replica set, job or replication controller. `replicas` None: as many as there
    are nodes, or as the job says."""

    name: str
    uid: str
    owner: Owner | None = None
    selector: Selector = Selector()
    replicas: int | None = None


class Node(Struct, frozen=True, gc=False):
    """`addresses`: internal ones first, then external ones."""

    name: str
    ready: bool
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Objects:
    """What is known of one namespace. A kind that is None is not watched yet, or cannot be read (see `denied`).

    `api_host`: the host of the API server's URL. `context` and `namespace` are for the words of a Problem.
    """

    context: str = ""
    namespace: str = "default"
    api_host: str = ""
    services: Mapping[str, Service] | None = None
    endpointslices: Mapping[str, EndpointSlice] | None = None
    pods: Mapping[str, Pod] | None = None
    deployments: Mapping[str, Workload] | None = None
    replicasets: Mapping[str, Workload] | None = None
    statefulsets: Mapping[str, Workload] | None = None
    daemonsets: Mapping[str, Workload] | None = None
    jobs: Mapping[str, Workload] | None = None
    replicationcontrollers: Mapping[str, Workload] | None = None
    nodes: Mapping[str, Node] | None = None
    denied: Mapping[Resource, Problem] = field(default_factory=dict)
    namespace_missing: bool = False

    def why_unknown(self, resource: Resource) -> Problem:
        """Of a kind that is None. INTERNAL says only that the caller asked too early; see `resolve.needs`."""
        return self.denied.get(resource) or Problem(Reason.INTERNAL, f"{resource} are not known yet")

    @property
    def kubectl(self) -> str:
        """How a line for the user starts."""
        return f"kubectl --context {self.context} -n {self.namespace}"


@dataclass(frozen=True)
class Needs:
    """The kinds to watch for a target: without `must` nothing can be said; for `soon` it is worth to wait a moment, as
    without it only a way that does not go through the API is missing; `may` gives better messages."""

    must: frozenset[Resource]
    soon: frozenset[Resource] = frozenset()
    may: frozenset[Resource] = frozenset()
    #: Of which kinds some objects are enough, and the selector for these.
    where: Mapping[Resource, Mapping[str, str]] = field(default_factory=dict)

    def all(self) -> frozenset[Resource]:
        return self.must | self.soon | self.may


class Seen(Protocol):
    """What there is to see of a pod or an endpoint."""

    @property
    def ready(self) -> bool: ...
    @property
    def running(self) -> bool:
        """Its phase, or that nothing is known against it."""
        ...

    @property
    def unheard(self) -> bool:
        """Not ready for no other reason than that its node does not report: it may serve as before."""
        ...

    @property
    def terminating(self) -> bool: ...


SeenT = TypeVar("SeenT", bound=Seen)


def usable(pods: Iterable[SeenT], *, unready: bool, terminating: bool = False) -> list[SeenT]:
    """Which get connections: the ready ones, in their order. Where there are none: those of nodes that do not report, as the
    API server says after it was away itself, while all goes on.

    `unready`: also those that only run; `terminating`: of these also what is told to end. Each only where there is nothing
    better."""
    pods = list(pods)
    best = [pod for pod in pods if pod.ready] or [pod for pod in pods if pod.unheard and not pod.terminating]
    if best or not unready:
        return best
    running = [pod for pod in pods if pod.running]
    staying = [pod for pod in running if not pod.terminating]
    return staying or (running if terminating else [])
