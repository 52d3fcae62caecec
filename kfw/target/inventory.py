"""What there is to forward in a cluster: services, workloads and pods with their TCP ports, from lists of objects. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from kfw.kube.resource import OF_KIND, PODS, Resource
from kfw.target.objects import Pod, Selector, Service

#: What is listed, in the order in which it is shown: what a user wants first stands first.
LISTED_KINDS = ("service", "deployment", "statefulset", "daemonset", "pod")


@dataclass(frozen=True)
class Placed:
    """`object` is one of target.objects, which do not know where they are."""

    namespace: str
    object: Any


class ListedPort(Struct, frozen=True, rename="camel"):
    """`node_port` 0: there is none."""

    number: int
    name: str = ""
    node_port: int = 0


class ListedTarget(Struct, frozen=True, rename="camel", kw_only=True):
    """`target` as `kfw add` takes it. `ready` of `pods`: None where the pods cannot be known. `may_forward` None: the API
    server does not say."""

    namespace: str
    target: str
    ports: tuple[ListedPort, ...] = ()
    ready: int | None = None
    pods: int | None = None
    may_forward: bool | None = None


Lists = Mapping[Resource, Sequence[Placed]]


def inventory(
    lists: Lists, word: str, allowed: Mapping[str, bool | None], kinds: Sequence[str] = LISTED_KINDS
) -> list[ListedTarget]:
    """Those whose name contains `word`, by namespace, kind and name. `allowed` by namespace, "" for all of them."""
    pods = _PodsByLabel(lists.get(PODS))
    rows = [
        _row(kind, placed, pods, allowed.get(placed.namespace, allowed.get("")))
        for kind, placed in _named_like(lists, word, kinds)
    ]
    order = {name: number for number, name in enumerate(kinds)}
    return sorted(rows, key=lambda row: (row.namespace, order[row.target.partition("/")[0]], row.target))


def namespaces_of(lists: Lists, word: str) -> list[str]:
    """Where those are whose name contains `word`."""
    return sorted({placed.namespace for _, placed in _named_like(lists, word, LISTED_KINDS)})


def _named_like(lists: Lists, word: str, kinds: Sequence[str]) -> Iterator[tuple[str, Placed]]:
    for kind in kinds:
        for placed in lists.get(OF_KIND[kind], ()):
            if word.lower() in f"{kind}/{placed.object.name}":
                yield kind, placed


class _PodsByLabel:
    """Hundreds of services look for their pods among thousands: each looks only among those with one of its labels."""

    def __init__(self, pods: Iterable[Placed] | None) -> None:
        self.known = pods is not None
        self._by_label: dict[tuple[str, str, str], list[Pod]] = defaultdict(list)
        for placed in pods or ():
            for key, value in placed.object.labels.items():
                self._by_label[placed.namespace, key, value].append(placed.object)

    def matching(self, namespace: str, selector: Selector) -> list[Pod] | None:
        """None: not known, as pods cannot be listed, or nothing selects them by a label alone."""
        first = next(iter(selector.labels.items()), None)
        if not self.known or first is None:
            return None
        return [pod for pod in self._by_label.get((namespace, *first), ()) if selector.matches(pod.labels)]


def _row(kind: str, placed: Placed, pods: _PodsByLabel, may_forward: bool | None) -> ListedTarget:
    one = placed.object
    its_pods = [one] if isinstance(one, Pod) else pods.matching(placed.namespace, one.selector)
    return ListedTarget(
        namespace=placed.namespace,
        target=f"{kind}/{one.name}",
        ports=_service_ports(one) if isinstance(one, Service) else ports_of_pods(its_pods or ()),
        ready=None if its_pods is None else sum(pod.ready for pod in its_pods),
        pods=None if its_pods is None else len(its_pods),
        may_forward=may_forward,
    )


def _service_ports(service: Service) -> tuple[ListedPort, ...]:
    return tuple(
        ListedPort(port.number, port.name, port.node_port) for port in service.ports if port.protocol == "TCP"
    )


def ports_of_pods(pods: Iterable[Pod]) -> tuple[ListedPort, ...]:
    ports = (ListedPort(port.number, port.name) for pod in pods for port in pod.ports)
    return tuple(dict.fromkeys(ports))


def kinds_in_words(resources: Iterable[Resource]) -> str:
    """`services and deployments.apps`"""
    *some, last = map(str, resources)
    return f"{', '.join(some)} and {last}" if some else last
