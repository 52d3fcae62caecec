"""Daemon sets: one pod on each node. Pure."""

from kfw.sandbox.api import kinds
from kfw.sandbox.controllers.actions import Actions, Create, Delete, Replace
from kfw.sandbox.controllers.pods import active, pod_for, ready_count
from kfw.sandbox.objects import Object, is_leaving, is_ready, labels_of, name_of, short_hash

REVISION = "controller-revision-hash"


def reconcile(one: Object, pods: list[Object], nodes: list[Object]) -> Actions:
    """`pods` are those that it owns. One old pod at a time is renewed, when all others are ready."""
    if is_leaving(one):
        return
    alive = active(pods)
    update = short_hash(one["spec"]["template"])
    served = {pod["spec"].get("nodeName") for pod in pods}
    for node in nodes:
        if name_of(node) not in served:
            pod = pod_for(one, f"{name_of(one)}-", labels={REVISION: update})
            yield Create(kinds.PODS, {**pod, "spec": {**pod["spec"], "nodeName": name_of(node)}})
    stale = [pod for pod in alive if labels_of(pod).get(REVISION) != update]
    if stale and len(alive) == len(nodes) and all(map(is_ready, alive)):
        yield Delete(kinds.PODS, stale[0])
    yield Replace(kinds.DAEMONSETS, {**one, "status": _status(one, alive, len(stale), len(nodes))})


def _status(one: Object, alive: list[Object], stale: int, nodes: int) -> Object:
    ready = ready_count(alive)
    return {
        "currentNumberScheduled": len(alive),
        "desiredNumberScheduled": nodes,
        "numberMisscheduled": 0,
        "numberReady": ready,
        "numberAvailable": ready,
        "numberUnavailable": max(0, nodes - ready),
        "updatedNumberScheduled": len(alive) - stale,
        "observedGeneration": one["metadata"]["generation"],
    }
