"""The verbs on the store as the API server does them: defaults, checks, addresses, graceful ends, conflicts; and events."""

from collections.abc import Callable
from typing import Any

from kfw.sandbox.api import kinds
from kfw.sandbox.api.defaults import Free, with_addresses, with_defaults
from kfw.sandbox.api.errors import ApiError, bad_request, conflict, forbidden_because
from kfw.sandbox.api.kinds import Resource
from kfw.sandbox.api.store import Store
from kfw.sandbox.api.validation import check
from kfw.sandbox.objects import (
    Object,
    is_leaving,
    is_over,
    name_of,
    namespace_of,
    rfc3339,
    short_hash,
    uid_of,
    with_metadata,
)

#: From the object as it is to the object as it shall be.
Edit = Callable[[Object], Object]
#: Events kept in each sandbox; the real server keeps an hour.
MOST_EVENTS = 300


class Verbs:
    """`free` says whether a node port that the sandbox may choose can be listened on."""

    def __init__(self, store: Store, free: Free = lambda _: True) -> None:
        self.store = store
        self._free = free

    def create(self, resource: Resource, namespace: str, thing: Object, *, dry: bool = False) -> Object:
        thing = self._place(resource, namespace, thing)
        if resource.namespaced:
            self._check_namespace(resource, namespace)
        if not thing["metadata"].get("name") and thing["metadata"].get("generateName"):
            checked = with_metadata(thing, name=thing["metadata"]["generateName"] + "x")
        else:
            checked = thing
        if not checked["metadata"].get("name"):
            raise ApiError(422, "Invalid", f"{resource.kind} is invalid: metadata.name: Required value")
        thing = self._admit(resource, thing, None, checked)
        thing = with_metadata(thing, resourceVersion=None, uid=None, deletionTimestamp=None)
        return thing if dry else self.store.create(resource, thing)

    def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        edit: Edit,
        *,
        subresource: str = "",
        dry: bool = False,
    ) -> Object:
        """Only the status changes for the subresource `status`, and never for the object itself."""
        before = self.store.get(resource, namespace, name)
        wanted = edit(before)
        if wanted["metadata"].get("name", name) != name:
            raise bad_request("the name of the object does not match the name on the URL")
        thing = self._place(resource, namespace, with_metadata(wanted, name=name))
        kept = _keep_protected(resource, before, thing, subresource)
        kept = self._admit(resource, kept, before, kept)
        if dry:
            return kept
        done = self.store.replace(resource, kept)
        return self._removed_when_free(resource, done)

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        options: Object | None = None,
        *,
        dry: bool = False,
    ) -> Object:
        """`options` is a DeleteOptions object. Returns the object as it is then, or as it was."""
        options = options or {}
        thing = self.store.get(resource, namespace, name)
        _check_preconditions(resource, thing, options.get("preconditions") or {})
        if dry:
            return thing
        if options.get("propagationPolicy") == "Orphan" or options.get("orphanDependents"):
            self._orphan(thing)
        if resource is kinds.PODS and (grace := _grace(thing, options)):
            return self._leaving(resource, thing, grace)
        if resource is kinds.NAMESPACES:
            return self._leaving(resource, {**thing, "status": {"phase": "Terminating"}}, 0)
        if thing["metadata"].get("finalizers"):
            return self._leaving(resource, thing, 0)
        return self.store.remove(resource, namespace, name)

    def _place(self, resource: Resource, namespace: str, thing: Object) -> Object:
        """With the metadata that the URL implies."""
        if not isinstance(thing.get("metadata"), dict):
            thing = {**thing, "metadata": {}}
        given = thing["metadata"].get("namespace") or namespace
        if given != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        if thing.get("kind", resource.kind) != resource.kind:
            raise bad_request(f"the object provided is a {thing['kind']}, expected {resource.kind}")
        return with_metadata(thing, namespace=namespace or None)

    def _check_namespace(self, resource: Resource, namespace: str) -> None:
        if is_leaving(self.store.get(kinds.NAMESPACES, "", namespace)):
            raise forbidden_because(resource, namespace)

    def _admit(self, resource: Resource, thing: Object, before: Object | None, checked: Object) -> Object:
        """`checked` is the same object with a name that is good for checks."""
        check(resource, with_defaults(resource, checked), before)
        thing = with_defaults(resource, thing)
        if resource is kinds.SERVICES:
            return with_addresses(thing, before, self.store.list(kinds.SERVICES), self._free)
        return thing

    def _leaving(self, resource: Resource, thing: Object, grace: int) -> Object:
        """Marked for deletion; marked before, the shorter grace counts."""
        present = thing["metadata"].get("deletionGracePeriodSeconds")
        if is_leaving(thing) and (present is None or present <= grace):
            return self.store.replace(resource, thing)
        end = rfc3339(self.store.now() + grace)
        marked = with_metadata(thing, deletionTimestamp=end, deletionGracePeriodSeconds=grace)
        return self.store.replace(resource, marked)

    def _removed_when_free(self, resource: Resource, thing: Object) -> Object:
        """An object that only waited for its finalizers goes with the last of them."""
        waits = resource in (kinds.PODS, kinds.NAMESPACES) or thing["metadata"].get("finalizers")
        if is_leaving(thing) and not waits:
            return self.store.remove(resource, namespace_of(thing), thing["metadata"]["name"])
        return thing

    def _orphan(self, owner: Object) -> None:
        uid = owner["metadata"]["uid"]
        for resource in kinds.NAMESPACED:
            for thing in self.store.list(resource, namespace_of(owner)):
                owners = thing["metadata"].get("ownerReferences") or []
                left = [one for one in owners if one["uid"] != uid]
                if left != owners:
                    self.store.replace(resource, with_metadata(thing, ownerReferences=left or None))


def _keep_protected(resource: Resource, before: Object, thing: Object, subresource: str) -> Object:
    if subresource == "status":
        return {**before, "metadata": thing["metadata"], "status": thing.get("status", {})}
    if "status" in resource.subresources:
        thing = {key: value for key, value in thing.items() if key != "status"}
        thing |= {"status": before["status"]} if "status" in before else {}
    # what a client's write can never take away
    keep = ("deletionTimestamp", "deletionGracePeriodSeconds", "generateName")
    return with_metadata(thing, **{key: before["metadata"].get(key) for key in keep})


def _check_preconditions(resource: Resource, thing: Object, wanted: dict[str, Any]) -> None:
    for field in ("uid", "resourceVersion"):
        present = thing["metadata"][field]
        if wanted.get(field, present) != present:
            why = f"Precondition failed: {field} in precondition: {wanted[field]}, in object meta: {present}"
            raise conflict(resource, thing["metadata"]["name"], why)


def _grace(pod: Object, options: Object) -> int:
    """Seconds that the pod has; 0 when there is nothing to wait for."""
    if not pod["spec"].get("nodeName") or is_over(pod):
        return 0
    asked = options.get("gracePeriodSeconds")
    return int(pod["spec"].get("terminationGracePeriodSeconds", 30) if asked is None else asked)


def record(
    store: Store,
    thing: Object,
    reason: str,
    message: str,
    component: str,
    *,
    kind: str = "Normal",
    host: str = "",
) -> None:
    """Add an event about `thing`, or count one that is there already."""
    namespace = namespace_of(thing) or "default"
    name = f"{name_of(thing)}.{short_hash([uid_of(thing), reason, message, component], 16)}"
    now = rfc3339(store.now())
    before = store.find(kinds.EVENTS, namespace, name)
    if before is not None:
        store.replace(kinds.EVENTS, {**before, "count": before["count"] + 1, "lastTimestamp": now})
        return
    about = {"kind": thing["kind"], "namespace": namespace_of(thing), "name": name_of(thing)}
    about |= {"uid": uid_of(thing), "apiVersion": thing["apiVersion"]}
    source = {"component": component} | ({"host": host} if host else {})
    event: Object = {"kind": "Event", "apiVersion": "v1", "metadata": {"name": name, "namespace": namespace}}
    event |= {"involvedObject": about, "reason": reason, "message": message, "type": kind, "count": 1}
    event |= {"source": source, "reportingComponent": component, "reportingInstance": host}
    store.create(kinds.EVENTS, event | {"firstTimestamp": now, "lastTimestamp": now, "eventTime": None})
    _forget(store)


def _forget(store: Store) -> None:
    events = store.list(kinds.EVENTS)
    surplus = sorted(events, key=lambda one: str(one["lastTimestamp"]))[: max(0, len(events) - MOST_EVENTS)]
    for event in surplus:
        store.remove(kinds.EVENTS, namespace_of(event), name_of(event))
