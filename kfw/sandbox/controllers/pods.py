"""Pods made from templates, counted, and chosen for deletion; for all that own pods. Pure."""

from kfw.sandbox.objects import Object, is_leaving, is_over, is_ready, owner_reference

#: A generated name has at most 63 characters, five of them random.
_LONGEST_PREFIX = 58


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
