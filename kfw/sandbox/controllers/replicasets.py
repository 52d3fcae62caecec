"""Replica sets, as many pods as wanted, and daemon sets, one pod on each node. Pure."""

from kfw.sandbox.api import kinds
from kfw.sandbox.controllers.actions import Actions, Create, Delete, Note, Replace
from kfw.sandbox.controllers.pods import active, dispensable_first, pod_for, ready_count
from kfw.sandbox.objects import Object, is_leaving, is_ready, labels_of, name_of, short_hash

COMPONENT = "replicaset-controller"
REVISION = "controller-revision-hash"


def reconcile_replica_set(replica_set: Object, pods: list[Object]) -> Actions:
    """`pods` are those that it owns."""
    if is_leaving(replica_set):
        return
    alive = active(pods)
    missing = replica_set["spec"]["replicas"] - len(alive)
    for _ in range(missing):
        yield Create(kinds.PODS, pod_for(replica_set, f"{name_of(replica_set)}-"))
    for pod in dispensable_first(alive)[: max(0, -missing)]:
        yield Delete(kinds.PODS, pod)
        yield Note(replica_set, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}", COMPONENT)
    yield Replace(kinds.REPLICASETS, {**replica_set, "status": _status(replica_set, alive)})


def _status(replica_set: Object, alive: list[Object]) -> Object:
    ready = ready_count(alive)
    counts = {"fullyLabeledReplicas": len(alive), "readyReplicas": ready, "availableReplicas": ready}
    status = {"replicas": len(alive), "observedGeneration": replica_set["metadata"]["generation"]}
    return status | {key: count for key, count in counts.items() if count}


def reconcile_daemon_set(one: Object, pods: list[Object], nodes: list[Object]) -> Actions:
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
    yield Replace(kinds.DAEMONSETS, {**one, "status": _daemon_set_status(one, alive, len(stale), len(nodes))})


def _daemon_set_status(one: Object, alive: list[Object], stale: int, nodes: int) -> Object:
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
