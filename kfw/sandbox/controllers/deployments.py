"""Deployments: a replica set for each template, and the rolling change from one to the next. Pure."""

import math
from dataclasses import dataclass

from kfw.sandbox.api import kinds
from kfw.sandbox.controllers.actions import Actions, Create, Delete, Note, Replace
from kfw.sandbox.objects import (
    Object,
    annotation,
    condition,
    is_leaving,
    labels_of,
    name_of,
    owner_reference,
    rfc3339,
    short_hash,
    with_metadata,
)

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
COMPONENT = "deployment-controller"


@dataclass(frozen=True)
class Part:
    """One replica set: `wanted` as its spec says, `available` as its status says."""

    name: str
    wanted: int
    available: int


@dataclass(frozen=True)
class RolloutLimits:
    """`surge` more than desired may exist, `unavailable` of the desired may be missing."""

    surge: int
    unavailable: int

    @classmethod
    def of(cls, desired: int, surge: int | str, unavailable: int | str) -> "RolloutLimits":
        """From numbers or percentages: surge is rounded up, unavailable down; not both can be 0."""
        up = _count(surge, desired, round_up=True)
        down = _count(unavailable, desired, round_up=False)
        return cls(up, down or (0 if up else 1))


def _count(value: int | str, desired: int, *, round_up: bool) -> int:
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * desired / 100
    return math.ceil(share) if round_up else math.floor(share)


def next_step(desired: int, limits: RolloutLimits, new: Part, old: list[Part]) -> dict[str, int]:
    """Replica sets to be changed now, by name; `old` the oldest first. {} when there is nothing to do, or to wait."""
    total = new.wanted + sum(part.wanted for part in old)
    if new.wanted > desired:
        return {new.name: desired}
    room = desired + limits.surge - total
    if new.wanted < desired and room > 0:
        return {new.name: min(desired, new.wanted + room)}
    return _down(desired, limits, new, old, total)


def _down(desired: int, limits: RolloutLimits, new: Part, old: list[Part], total: int) -> dict[str, int]:
    least = desired - limits.unavailable
    spare = total - least - (new.wanted - min(new.wanted, new.available))
    left: dict[str, int] = {part.name: part.wanted for part in old}
    for part in old:  # first what is not available anyway
        gone = max(0, min(part.wanted - part.available, spare))
        left[part.name] -= gone
        spare -= gone
    available = new.available + sum(part.available for part in old)
    spare = min(spare, available - least)
    for part in old:
        gone = max(0, min(left[part.name], spare))
        left[part.name] -= gone
        spare -= gone
    return {part.name: left[part.name] for part in old if left[part.name] != part.wanted}


def reconcile(deployment: Object, sets: list[Object], now: float) -> Actions:
    """`sets` are the replica sets that it owns."""
    if is_leaving(deployment):
        return
    sets = sorted(sets, key=_revision)
    current = _current(deployment, sets)
    old = [one for one in sets if one is not current]
    if current is None:
        if not deployment["spec"].get("paused"):
            yield _new_set(deployment, old)
    elif (top := max(map(_revision, sets))) != _revision(current):
        yield Replace(kinds.REPLICASETS, _with_revision(current, top + 1))
    else:
        if _revision(deployment) != top:
            yield Replace(kinds.DEPLOYMENTS, _with_revision(deployment, top))
            return
        yield from _scale(deployment, current, old)
        yield from _forget(deployment, old)
    yield Replace(kinds.DEPLOYMENTS, {**deployment, "status": _status(deployment, current, sets, now)})


def _revision(thing: Object) -> int:
    return int(annotation(thing, REVISION) or 0)


def _with_revision(thing: Object, number: int) -> Object:
    annotations = thing["metadata"].get("annotations") or {}
    return with_metadata(thing, annotations={**annotations, REVISION: str(number)})


def _current(deployment: Object, sets: list[Object]) -> Object | None:
    wanted = _hash(deployment)
    return next((one for one in sets if labels_of(one).get(HASH) == wanted), None)


def _hash(deployment: Object) -> str:
    return short_hash(deployment["spec"]["template"])


def _new_set(deployment: Object, old: list[Object]) -> Create:
    """Empty at first; the next look at it lets it grow."""
    number = _hash(deployment)
    spec, metadata = deployment["spec"], deployment["metadata"]
    template = spec["template"]
    labels = {**(template["metadata"].get("labels") or {}), HASH: number}
    selector = {
        **spec["selector"],
        "matchLabels": {**(spec["selector"].get("matchLabels") or {}), HASH: number},
    }
    revision = str(max(map(_revision, old), default=0) + 1)
    return Create(
        kinds.REPLICASETS,
        {
            "metadata": {
                "name": f"{name_of(deployment)}-{number}",
                "namespace": metadata["namespace"],
                "labels": labels,
                "annotations": {REVISION: revision},
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {
                "replicas": 0,
                "selector": selector,
                "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
            },
        },
    )


def _part(one: Object) -> Part:
    return Part(name_of(one), one["spec"]["replicas"], one["status"].get("availableReplicas", 0))


def _scale(deployment: Object, current: Object, old: list[Object]) -> Actions:
    spec = deployment["spec"]
    strategy = spec["strategy"]
    if strategy["type"] == "Recreate":
        wanted = _recreate(spec["replicas"], current, old)
    elif spec.get("paused") and any(one["spec"]["replicas"] for one in old):
        wanted = {}
    else:
        rolling = strategy["rollingUpdate"]
        limits = RolloutLimits.of(spec["replicas"], rolling["maxSurge"], rolling["maxUnavailable"])
        wanted = next_step(spec["replicas"], limits, _part(current), [_part(one) for one in old])
    for one in (current, *old):
        if name_of(one) in wanted:
            yield from _scale_one(deployment, one, wanted[name_of(one)])


def _recreate(desired: int, current: Object, old: list[Object]) -> dict[str, int]:
    """All old ones down, and only when their pods have gone the new one up."""
    down = {name_of(one): 0 for one in old if one["spec"]["replicas"]}
    gone = not down and not any(one["status"].get("replicas") for one in old)
    return {name_of(current): desired} if gone and current["spec"]["replicas"] != desired else down


def _scale_one(deployment: Object, one: Object, replicas: int) -> Actions:
    before = one["spec"]["replicas"]
    yield Replace(kinds.REPLICASETS, {**one, "spec": {**one["spec"], "replicas": replicas}})
    way = "up" if replicas > before else "down"
    message = f"Scaled {way} replica set {name_of(one)} from {before} to {replicas}"
    yield Note(deployment, "ScalingReplicaSet", message, COMPONENT)


def _forget(deployment: Object, old: list[Object]) -> Actions:
    idle = [one for one in old if not one["spec"]["replicas"] and not one["status"].get("replicas")]
    surplus = len(idle) - int(deployment["spec"]["revisionHistoryLimit"])
    yield from (Delete(kinds.REPLICASETS, one) for one in idle[: max(0, surplus)])


def _status(deployment: Object, current: Object | None, sets: list[Object], now: float) -> Object:
    def total(field: str) -> int:
        return sum(int(one["status"].get(field, 0)) for one in sets)

    desired, available = deployment["spec"]["replicas"], total("availableReplicas")
    updated = int(current["status"].get("replicas", 0)) if current else 0
    status: Object = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": total("replicas"),
    }
    status |= {
        "updatedReplicas": updated,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
    }
    status["unavailableReplicas"] = max(0, max(desired, status["replicas"]) - available)
    done = updated == desired == status["replicas"] == available
    status = {key: value for key, value in status.items() if value}
    rolling = deployment["spec"]["strategy"].get("rollingUpdate") or {"maxSurge": 0, "maxUnavailable": "100%"}
    limits = RolloutLimits.of(desired, rolling["maxSurge"], rolling["maxUnavailable"])
    enough = available >= desired - limits.unavailable
    conditions = [_available(enough), _progressing(deployment, current, done=done)]
    status["conditions"] = [_since(deployment, one, now) for one in conditions]
    return status


def _available(enough: bool) -> Object:
    if enough:
        reason, message = "MinimumReplicasAvailable", "Deployment has minimum availability."
    else:
        reason, message = "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    return {"type": "Available", "status": str(enough), "reason": reason, "message": message}


def _progressing(deployment: Object, current: Object | None, *, done: bool) -> Object:
    name = name_of(current) if current else name_of(deployment)
    reason = "NewReplicaSetAvailable" if done else "ReplicaSetUpdated"
    message = f'ReplicaSet "{name}" ' + ("has successfully progressed." if done else "is progressing.")
    return {"type": "Progressing", "status": "True", "reason": reason, "message": message}


def _since(thing: Object, new: Object, now: float) -> Object:
    """With the times: those of the present condition while it says the same."""
    before = condition(thing, new["type"]) or {}
    said = {key: before.get(key) for key in new}
    updated = before["lastUpdateTime"] if said == new else rfc3339(now)
    same = before.get("status") == new["status"]
    return {
        **new,
        "lastUpdateTime": updated,
        "lastTransitionTime": before["lastTransitionTime"] if same else rfc3339(now),
    }
