"""A target and what is known of its namespace -> the ready pods and node ports behind it, or why none.

Pure. Ready means condition Ready and not terminating; with `readiness: running` a pod that runs will do where none is
ready. A workload's pods are its own by controller reference;
a service's are those of its EndpointSlices. Pods of workloads come by name, of services in the slices' order. Who
names a workload gets one pod, the first, as with kubectl: of a database's replicas only one may be the primary.
"""

from collections.abc import Mapping

from kfw.choices import KINDS
from kfw.kube.resource import ENDPOINTSLICES, NODES, OF_KIND, PODS, REPLICASETS, SERVICES, Resource
from kfw.model import Endpoint, Forward, Kind, Problem, Reason, Resolution, Target
from kfw.target import messages
from kfw.target.objects import Needs, Objects, Pod, Service, Workload, usable
from kfw.target.ports import Wanted, declared_ports, pod_port
from kfw.target.services import all_served, resolve_service


class LookupByKind:
    """A forward's target for its watcher: see target.watcher.Lookup."""

    known = Resolution()

    def __init__(self, forward: Forward) -> None:
        self._target, self._port = forward.target, forward.target_port
        self._unready = forward.readiness == "running"

    def needs(self, objects: Objects, *, doubt: bool) -> Needs:
        return needs(self._target, objects, doubt=doubt, unready=self._unready)

    async def resolve(self, objects: Objects, server: object) -> Resolution:
        return resolve(self._target, self._port, objects, unready=self._unready)


def needs(target: Target, objects: Objects, *, doubt: bool = False, unready: bool = False) -> Needs:
    """Grows with what is known: pods of a service are read only if its slices do not say enough.

    `doubt`: what was resolved did not work, so its pods are looked at, too. `unready`: see `resolve`; only a pod itself
    says whether it runs.
    """
    if target.kind is Kind.PODS:
        return Needs(frozenset({PODS}), where={PODS: {"labelSelector": target.name}})
    first = OF_KIND[target.kind]
    if KINDS[target.kind].pods_by != "endpoints":
        replicasets = {REPLICASETS} if KINDS[target.kind].pods_by == "replicasets" else set()
        return Needs(frozenset({first, PODS} | replicasets))
    if objects.services is None:
        return Needs(
            frozenset({first}), may=frozenset({ENDPOINTSLICES})
        )  # it is nearly sure to be needed next
    service = objects.services.get(target.name)
    if service is None or service.type == "ExternalName":
        return Needs(frozenset({first}))
    must, soon, may = {SERVICES, ENDPOINTSLICES}, set[Resource](), set[Resource]()
    if any(port.node_port for port in service.ports):
        soon.add(NODES)
    if ENDPOINTSLICES in objects.denied:
        must.add(PODS)
    elif NODES in objects.denied:
        soon.add(PODS)
    elif doubt or (objects.endpointslices is not None and not all_served(service, objects)):
        (soon if unready or service.publishes_unready else may).add(PODS)
    return Needs(frozenset(must), frozenset(soon), frozenset(may))


def resolve(target: Target, port: Wanted, objects: Objects, *, unready: bool = False) -> Resolution:
    """All that `needs` says must be known in `objects`, or denied there.

    `unready`: pods that run and are not ready will do where none is ready, as for kubectl.
    """
    if isinstance(port, str) and port.isdecimal():
        port = int(port)
    resource = PODS if target.kind is Kind.PODS else OF_KIND[target.kind]
    known: Mapping[str, Service | Pod | Workload] | None = getattr(objects, resource.name)
    if known is None:
        return Resolution(problem=objects.why_unknown(resource))
    if target.kind is Kind.PODS:  # only these are watched
        return _pods(target, list((objects.pods or {}).values()), port, None, objects, unready=unready)
    found = known.get(target.name)
    if found is None:
        return Resolution(problem=messages.not_found(target, resource, objects, known.keys()))
    if isinstance(found, Service):
        return resolve_service(target, found, port, objects, unready=unready)
    pods = [found] if isinstance(found, Pod) else _owned(target, found, objects)
    if isinstance(pods, Problem):
        return Resolution(problem=pods)
    return _pods(target, pods, port, found, objects, unready=unready)


# -- pods and workloads


def _pods(
    target: Target,
    pods: list[Pod],
    wanted: Wanted,
    found: Pod | Workload | None,
    objects: Objects,
    *,
    unready: bool,
) -> Resolution:
    good = sorted(usable(pods, unready=unready), key=lambda pod: pod.name)
    if not good:
        if not pods and isinstance(found, Workload) and found.replicas == 0:
            return Resolution(problem=messages.scaled_to_zero(target, objects))
        if not pods and found is None:
            return Resolution(problem=messages.no_pod_has_labels(target, objects))
        return Resolution(problem=messages.not_ready(target, pods, objects))
    answers = [(pod, pod_port(pod, wanted, str(target), objects)) for pod in good]
    endpoints = tuple(
        Endpoint("pod", pod.name, pod.ip, port, declared_ports(pod))
        for pod, port in answers
        if isinstance(port, int)
    )
    if not endpoints:
        return Resolution(problem=next(port for _, port in answers if isinstance(port, Problem)))
    unheard = good[0].unheard
    return Resolution(
        pods=endpoints,
        no_node_port=_only_services(target),
        sticky=True,
        warning=messages.nodes_silent(target, objects) if unheard else None,
        unready=not (good[0].ready or unheard),
    )


def _owned(target: Target, workload: Workload, objects: Objects) -> list[Pod] | Problem:
    if objects.pods is None:
        return objects.why_unknown(PODS)
    candidates = [pod for pod in objects.pods.values() if workload.selector.matches(pod.labels)]
    traits = KINDS[target.kind]
    if traits.pods_by == "replicasets":
        return [pod for pod in candidates if _of_deployment(pod, workload, objects)]
    return [
        pod
        for pod in candidates
        if pod.owner and (pod.owner.kind, pod.owner.name) == (traits.kind, workload.name)
    ]


def _of_deployment(pod: Pod, deployment: Workload, objects: Objects) -> bool:
    """By the replica set's owner, old replica sets included. Where those may not be read, by the name that the
    deployment controller gives them, its own and the pod-template-hash: `nginx` never takes `nginx-worker`'s.
    """
    if pod.owner is None or pod.owner.kind != "ReplicaSet":
        return False
    if objects.replicasets is None:
        return pod.owner.name == f"{deployment.name}-{pod.labels.get('pod-template-hash', '')}"
    replicaset = objects.replicasets.get(pod.owner.name)
    return bool(replicaset and replicaset.owner and replicaset.owner.uid == deployment.uid)


def _only_services(target: Target) -> Problem:
    return Problem(
        Reason.NO_NODE_PORT,
        f"{target} has no node port: only services have",
        "name a service of type NodePort as the target, or use another method",
    )
