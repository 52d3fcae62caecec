"""Which node a pod runs on: the one with the fewest pods among those that take pods. Pure."""

from collections import Counter

from kfw.sandbox.api import kinds
from kfw.sandbox.controllers.actions import Actions, Note, Replace
from kfw.sandbox.objects import Object, condition, is_leaving, labels_of, name_of, namespace_of, rfc3339

COMPONENT = "default-scheduler"


def reconcile(pods: list[Object], nodes: list[Object], now: float) -> Actions:
    """`pods` and `nodes` are all there are."""
    load = Counter(pod["spec"].get("nodeName") for pod in pods if not is_leaving(pod))
    for pod in pods:
        if pod["spec"].get("nodeName") or is_leaving(pod):
            continue
        fitting = [name_of(node) for node in nodes if _fits(pod, node)]
        if not fitting:
            yield from _unschedulable(pod, len(nodes), now)
            continue
        # of equal nodes the last: the worker before the control plane
        chosen = min(reversed(fitting), key=lambda name: load[name])
        load[chosen] += 1
        yield Replace(kinds.PODS, {**pod, "spec": {**pod["spec"], "nodeName": chosen}})
        message = f"Successfully assigned {namespace_of(pod)}/{name_of(pod)} to {chosen}"
        yield Note(pod, "Scheduled", message, COMPONENT)


def _fits(pod: Object, node: Object) -> bool:
    selector = pod["spec"].get("nodeSelector") or {}
    labels = labels_of(node)
    return not node["spec"].get("unschedulable") and all(labels.get(key) == selector[key] for key in selector)


def _unschedulable(pod: Object, nodes: int, now: float) -> Actions:
    if condition(pod, "PodScheduled"):
        return
    message = f"0/{nodes} nodes are available: none of them takes this pod."
    refused: Object = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
    }
    refused |= {"lastProbeTime": None, "lastTransitionTime": rfc3339(now)}
    yield Replace(kinds.PODS, {**pod, "status": {**pod["status"], "conditions": [refused]}})
    yield Note(pod, "FailedScheduling", message, COMPONENT, type="Warning")
