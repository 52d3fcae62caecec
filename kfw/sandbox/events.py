"""Event objects: what `kubectl describe` and `kubectl get events` tell. The oldest are forgotten."""

from kfw.sandbox.api import kinds
from kfw.sandbox.api.store import Store
from kfw.sandbox.objects import Object, name_of, namespace_of, rfc3339, short_hash, uid_of

#: Events kept in each sandbox; the real server keeps an hour.
MOST = 300


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
    surplus = sorted(events, key=lambda one: str(one["lastTimestamp"]))[: max(0, len(events) - MOST)]
    for event in surplus:
        store.remove(kinds.EVENTS, namespace_of(event), name_of(event))
