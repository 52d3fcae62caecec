"""The problems of a target, in kubectl's words, each with the line that fixes it. Pure."""

from collections.abc import Collection, Iterable

from kfw.kube.resource import PODS, Resource
from kfw.model import Problem, Reason, Target
from kfw.target.objects import Objects, Pod, Service


def not_found(target: Target, resource: Resource, objects: Objects, known: Collection[str]) -> Problem:
    if objects.namespace_missing:
        message = f'namespaces "{objects.namespace}" not found'
        return Problem(
            Reason.TARGET_NOT_FOUND, message, f"kubectl --context {objects.context} get namespaces"
        )
    from difflib import get_close_matches  # for who mistypes only

    near = get_close_matches(target.name, known, n=1)
    hint = f"did you mean {target.kind.value}/{near[0]}? " if near else ""
    return Problem(
        Reason.TARGET_NOT_FOUND,
        f'{resource} "{target.name}" not found in namespace {objects.namespace}',
        f"{hint}{objects.kubectl} get {resource.name}",
    )


def external_name(service: Service, objects: Objects) -> Problem:
    return Problem(
        Reason.TARGET_NOT_FOUND,
        f"service {service.name} is of type ExternalName: it is another name for "
        f"{service.external_name or 'nothing'} and has no pods",
        f"name a service with a selector: {objects.kubectl} get services -o wide",
    )


def scaled_to_zero(target: Target, objects: Objects) -> Problem:
    return Problem(
        Reason.NO_READY_POD,
        f"{target} has no pods: it is scaled to 0",
        f"{objects.kubectl} scale {target} --replicas=1",
    )


def no_pod_matches(service: Service, objects: Objects) -> Problem:
    if not service.selector:
        return Problem(
            Reason.NO_READY_POD,
            f"service {service.name} has no selector and no ready endpoint",
            f"{objects.kubectl} get endpointslices -l kubernetes.io/service-name={service.name}",
        )
    return Problem(
        Reason.NO_READY_POD,
        f"no pod matches the selector {service.selector} of service {service.name}",
        f"{objects.kubectl} get pods --show-labels",
    )


def no_pod_has_labels(target: Target, objects: Objects) -> Problem:
    if objects.namespace_missing:
        return not_found(target, PODS, objects, ())
    return Problem(
        Reason.NO_READY_POD,
        f"no pod in namespace {objects.namespace} matches {target.name}",
        f"{objects.kubectl} get pods --show-labels",
    )


def endpoints_without_pods(service: Service, addresses: Iterable[str], objects: Objects) -> Problem:
    return Problem(
        Reason.NO_READY_POD,
        f"the endpoints of service {service.name} are not pods ({', '.join(addresses)}), "
        "so nothing in the cluster can be forwarded to",
        f"name a service with a selector, or connect to that address: {objects.kubectl} get endpointslices",
    )


def node_port_of_unready(service: Service) -> Problem:
    """kube-proxy rejects what comes to a service without a ready endpoint."""
    return Problem(
        Reason.NO_NODE_PORT,
        f"no pod of service {service.name} is ready, and its node port leads to ready ones only",
        "use another method: it works by the service's pods",
    )


def nodes_silent(target: Target, objects: Objects) -> Problem:
    """Not an error: connections go there all the same, and work where the node does."""
    return Problem(
        Reason.NO_READY_POD,
        f"no pod of {target} counts as ready, because the nodes do not report; connections go to them anyway",
        f"{objects.kubectl} get nodes",
    )


def not_ready(target: Target, pods: Collection[Pod] | None, objects: Objects) -> Problem:
    """`pods`: those of the target, None when they are not known."""
    ill = sorted((pod for pod in pods or () if not pod.ready), key=_terminating_last)
    if not ill:
        message = f"{target} has no pods yet" if pods is not None and not pods else ""
        return Problem(
            Reason.NO_READY_POD,
            message or f"no endpoint of {target} is ready",
            f"{objects.kubectl} get pods",
        )
    first, count = ill[0], len(pods or ())
    subject = (
        f"the only pod of {target} is not ready"
        if count == 1
        else f"none of the {count} pods of {target} is ready"
    )
    if str(target) == f"pod/{first.name}":
        subject = f"pod {first.name} is not ready"
        return Problem(Reason.NO_READY_POD, f"{subject}: {first.why}", _look_at(first, objects))
    return Problem(Reason.NO_READY_POD, f"{subject}: {first.name}: {first.why}", _look_at(first, objects))


def _terminating_last(pod: Pod) -> tuple[bool, str]:
    return pod.why == "it is terminating", pod.name


def _look_at(pod: Pod, objects: Objects) -> str:
    if "CrashLoopBackOff" in pod.why or "exit code" in pod.why:
        return f"{objects.kubectl} logs {pod.name} --previous"
    look = f"{objects.kubectl} describe pod {pod.name}"
    if pod.running and not pod.terminating:
        return f"write readiness: running to forward to it anyway, or see {look}"
    return look
