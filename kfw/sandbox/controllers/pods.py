"""Pods made from templates, counted, chosen for deletion, and given a node: the one with the fewest pods. Pure."""

from collections import Counter

from kfw.sandbox.api import kinds
from kfw.sandbox.controllers.actions import Actions, Note, Replace
from kfw.sandbox.objects import (
    Object,
    condition,
    is_leaving,
    is_over,
    is_ready,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    rfc3339,
)

#: A generated name has at most 63 characters, five of them random.
_LONGEST_PREFIX = 58
COMPONENT = "default-scheduler"


def pod_for(owner: Object, prefix: str = "", *, name: str = "", labels: Object | None = None) -> Object:
    """A pod by the owner's template, with a name of its own or one that begins with `prefix`."""
    template = owner["spec"]["template"]
    given = template["metadata"]
    metadata: Object = {"name": name} if name else {"generateName": prefix[:_LONGEST_PREFIX]}
    metadata |= {"namespace": owner["metadata"]["namespace"]}
    metadata |= {"labels": {**(given.get("labels") or {}), **(labels or {})}}
    metadata |= {"annotations": given["annotations"]} if given.get("annotations") else {}
    metadata |= {"ownerReferences": [owner_reference(owner)]}
    return {"metadata": metadata, "spec": template["spec"]}


def active(pods: list[Object]) -> list[Object]:
    """Those that count: a pod that is leaving has been replaced already."""
    return [pod for pod in pods if not is_leaving(pod) and not is_over(pod)]


def ready_count(pods: list[Object]) -> int:
    return sum(is_ready(pod) for pod in pods)


def dispensable_first(pods: list[Object]) -> list[Object]:
    """The order in which a replica set gives pods up: what serves least and is youngest goes first."""
    return sorted(sorted(pods, key=_created, reverse=True), key=_worth)


def _created(pod: Object) -> tuple[str, int]:
    return pod["metadata"]["creationTimestamp"], int(pod["metadata"]["resourceVersion"])


def _worth(pod: Object) -> tuple[bool, bool, bool]:
    return bool(pod["spec"].get("nodeName")), pod["status"].get("phase") == "Running", is_ready(pod)


def schedule(pods: list[Object], nodes: list[Object], now: float) -> Actions:
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
