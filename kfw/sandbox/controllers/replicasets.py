"""Replica sets: as many pods as wanted. Pure."""

from kfw.sandbox.api import kinds
from kfw.sandbox.controllers.actions import Actions, Create, Delete, Note, Replace
from kfw.sandbox.controllers.pods import active, dispensable_first, pod_for, ready_count
from kfw.sandbox.objects import Object, is_leaving, name_of

COMPONENT = "replicaset-controller"


def reconcile(replica_set: Object, pods: list[Object]) -> Actions:
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
