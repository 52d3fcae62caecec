"""Sets of pods: replica sets, as many pods as wanted; daemon sets, one on each node; stateful sets, pods with ordinals,
made, renewed and given up in order. Pure."""

from kfw.sandbox.api import kinds
from kfw.sandbox.controllers.actions import Actions, Create, Delete, Note, Replace
from kfw.sandbox.controllers.pods import active, dispensable_first, pod_for, ready_count
from kfw.sandbox.objects import Object, is_leaving, is_over, is_ready, labels_of, name_of, short_hash

REVISION = "controller-revision-hash"
#: As what the real controllers sign their events.
_REPLICA_SETS, _STATEFUL_SETS = "replicaset-controller", "statefulset-controller"


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
        yield Note(replica_set, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}", _REPLICA_SETS)
    yield Replace(kinds.REPLICASETS, {**replica_set, "status": _replica_set_status(replica_set, alive)})


def _replica_set_status(replica_set: Object, alive: list[Object]) -> Object:
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


def reconcile_stateful_set(one: Object, pods: list[Object]) -> Actions:
    """`pods` are those that it owns. With OrderedReady one step at a time, as the real controller takes them."""
    if is_leaving(one):
        return
    by_ordinal = {_ordinal(pod): pod for pod in pods}
    steps = _steps(one, by_ordinal)
    if one["spec"]["podManagementPolicy"] == "OrderedReady":
        steps = steps[:1]
    for step in steps:
        yield step
        if isinstance(step, Delete):
            message = f"delete Pod {name_of(step.thing)} in StatefulSet {name_of(one)} successful"
            yield Note(one, "SuccessfulDelete", message, _STATEFUL_SETS)
    yield Replace(kinds.STATEFULSETS, {**one, "status": _stateful_set_status(one, pods)})


def _ordinal(pod: Object) -> int:
    return int(name_of(pod).rpartition("-")[2])


def revision(one: Object) -> str:
    return f"{name_of(one)}-{short_hash(one['spec']['template'])}"


def _steps(one: Object, pods: dict[int, Object]) -> list[Create | Delete]:
    """What may be done now; nothing while an earlier step is still going on."""
    wanted = range(one["spec"]["replicas"])
    ordered = one["spec"]["podManagementPolicy"] == "OrderedReady"
    steps: list[Create | Delete] = []
    for ordinal in wanted:
        pod = pods.get(ordinal)
        if pod is None:
            steps.append(_create(one, ordinal))
        elif is_over(pod) and not is_leaving(pod):
            steps.append(Delete(kinds.PODS, pod))
        elif ordered and not steps and (is_leaving(pod) or not is_ready(pod)):
            return _renewal(one, pod)
    surplus = [pods[ordinal] for ordinal in sorted(pods, reverse=True) if ordinal not in wanted]
    if ordered and any(map(is_leaving, surplus)):
        return steps
    steps += [Delete(kinds.PODS, pod) for pod in surplus if not is_leaving(pod)]
    return steps or _update(one, [pods[ordinal] for ordinal in wanted])


def _create(one: Object, ordinal: int) -> Create:
    name = f"{name_of(one)}-{ordinal}"
    labels = {"statefulset.kubernetes.io/pod-name": name, "apps.kubernetes.io/pod-index": str(ordinal)}
    pod = pod_for(one, name=name, labels={**labels, REVISION: revision(one)})
    spec = {**pod["spec"], "hostname": name, "subdomain": one["spec"].get("serviceName", "")}
    return Create(kinds.PODS, {**pod, "spec": spec})


def _renewal(one: Object, unready: Object) -> list[Create | Delete]:
    """An unready pod of an old revision does not hold up its own replacement."""
    stale = labels_of(unready).get(REVISION) != revision(one) and not is_leaving(unready)
    return [Delete(kinds.PODS, unready)] if stale and _rolls(one) else []


def _rolls(one: Object) -> bool:
    return bool(one["spec"]["updateStrategy"].get("type", "RollingUpdate") == "RollingUpdate")


def _update(one: Object, pods: list[Object]) -> list[Create | Delete]:
    """The last pod of an old revision, when all after it are ready."""
    partition = (one["spec"]["updateStrategy"].get("rollingUpdate") or {}).get("partition") or 0
    if not _rolls(one):
        return []
    for pod in reversed(pods[partition:]):
        if is_leaving(pod):
            return []
        if labels_of(pod).get(REVISION) != revision(one):
            return [Delete(kinds.PODS, pod)]
        if not is_ready(pod):
            return []
    return []


def _stateful_set_status(one: Object, pods: list[Object]) -> Object:
    update = revision(one)
    alive = [pod for pod in pods if not is_over(pod)]
    staying = [pod for pod in alive if not is_leaving(pod)]
    updated = sum(labels_of(pod).get(REVISION) == update for pod in staying)
    done = updated == len(staying) == one["spec"]["replicas"]
    before = one["status"].get("currentRevision", update)
    ready = ready_count(staying)
    counts = {"readyReplicas": ready, "updatedReplicas": updated}
    counts["currentReplicas"] = updated if done else len(staying) - updated
    status: Object = {"observedGeneration": one["metadata"]["generation"], "replicas": len(alive)}
    status |= {"currentRevision": update if done else before, "updateRevision": update, "collisionCount": 0}
    return status | {"availableReplicas": ready} | {key: count for key, count in counts.items() if count}
