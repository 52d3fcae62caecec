"""The subresource scale of deployments, replica sets and stateful sets. Pure."""

from kfw.sandbox.api.errors import bad_request
from kfw.sandbox.objects import Object


def scale_of(thing: Object) -> Object:
    """The Scale object (autoscaling/v1) that stands for the replicas of `thing`."""
    metadata = thing["metadata"]
    shown = {key: metadata[key] for key in _SHOWN if key in metadata}
    selector = (thing["spec"].get("selector") or {}).get("matchLabels") or {}
    text = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    status = {"replicas": thing.get("status", {}).get("replicas", 0), "selector": text}
    spec = {"replicas": thing["spec"].get("replicas", 0)}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": shown,
        "spec": spec,
        "status": status,
    }


_SHOWN = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scaled(thing: Object, scale: Object) -> Object:
    """A copy of `thing` with the replicas of a Scale object. Raises ApiError 400 for a Scale without a number."""
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int):
        raise bad_request(f"spec.replicas: {replicas!r} is not a number")
    version = (scale.get("metadata") or {}).get("resourceVersion") or thing["metadata"]["resourceVersion"]
    metadata = {**thing["metadata"], "resourceVersion": version}
    return {**thing, "metadata": metadata, "spec": {**thing["spec"], "replicas": replicas}}
