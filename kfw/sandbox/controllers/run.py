"""The loop: after each change every controller looks at the cluster, and what it asks for is done, until nothing changes.

Also what goes when something else went: the dependents of an owner, the content of a namespace.
"""

import logging
from collections import defaultdict

from kfw.sandbox.api import kinds
from kfw.sandbox.api.errors import ApiError
from kfw.sandbox.api.store import Change, Passes
from kfw.sandbox.api.verbs import Verbs, record
from kfw.sandbox.controllers import deployments, endpoints
from kfw.sandbox.controllers.actions import Action, Actions, Create, Delete, Note, Replace, View
from kfw.sandbox.controllers.pods import schedule
from kfw.sandbox.controllers.sets import reconcile_daemon_set, reconcile_replica_set, reconcile_stateful_set
from kfw.sandbox.objects import Object, controller_uid, is_leaving, name_of, namespace_of, uid_of

log = logging.getLogger(__name__)


class Controllers:
    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._store = verbs.store
        self._passes = Passes(self._store, self._look, _matters)

    @property
    def busy(self) -> bool:
        return self._passes.busy

    def start(self) -> None:
        self._passes.start()

    def stop(self) -> None:
        self._passes.stop()

    def _look(self) -> None:
        store, now = self._store, self._store.now()
        for one in store.list(kinds.NAMESPACES):
            self._do_all(furnish_or_empty(one, store))
        self._do_all(orphans(store))
        sets = self._owned(kinds.REPLICASETS)
        for one in store.list(kinds.DEPLOYMENTS):
            self._do_all(deployments.reconcile(one, sets[uid_of(one)], now))
        pods, nodes = self._owned(kinds.PODS), store.list(kinds.NODES)
        for one in store.list(kinds.REPLICASETS):
            self._do_all(reconcile_replica_set(one, pods[uid_of(one)]))
        for one in store.list(kinds.STATEFULSETS):
            self._do_all(reconcile_stateful_set(one, pods[uid_of(one)]))
        for one in store.list(kinds.DAEMONSETS):
            self._do_all(reconcile_daemon_set(one, pods[uid_of(one)], nodes))
        self._do_all(schedule(store.list(kinds.PODS), nodes, now))
        for one in store.list(kinds.SERVICES):
            self._do_all(endpoints.reconcile(one, store))
        self._do_all(endpoints.clean(store))

    def _owned(self, resource: kinds.Resource) -> defaultdict[str, list[Object]]:
        found: defaultdict[str, list[Object]] = defaultdict(list)
        for thing in self._store.list(resource):
            found[controller_uid(thing)].append(thing)
        return found

    def _do_all(self, actions: Actions) -> None:
        try:
            wanted = list(actions)
        except (AttributeError, LookupError, TypeError, ValueError) as problem:
            # an object of a shape that validation does not know to refuse must not stop the whole cluster
            log.warning("cannot reconcile", exc_info=problem)
            return
        for action in wanted:
            try:
                self._do(action)
            except ApiError as problem:
                # somebody else changed it in the same pass; that change brings the next one
                log.debug("%s: %s", type(action).__name__, problem)

    def _do(self, action: Action) -> None:
        match action:
            case Create(resource, thing):
                made = self._verbs.create(resource, namespace_of(thing), thing)
                self._tell_owner(resource, made)
            case Replace(resource, thing):
                self._store.replace(resource, thing)
            case Delete(resource, thing, at_once=True):
                self._store.remove(resource, namespace_of(thing), name_of(thing))
            case Delete(resource, thing):
                self._verbs.delete(resource, namespace_of(thing), name_of(thing))
            case Note(thing, reason, message, component, kind):
                record(self._store, thing, reason, message, component, kind=kind)

    def _tell_owner(self, resource: kinds.Resource, made: Object) -> None:
        owners = made["metadata"].get("ownerReferences") or []
        if resource is not kinds.PODS or not owners:
            return
        owner = kinds.BY_KIND[owners[0]["kind"]]
        thing = self._store.find(owner, namespace_of(made), owners[0]["name"])
        if thing is not None:
            component = f"{owner.singular}-controller"
            record(self._store, thing, "SuccessfulCreate", f"Created pod: {name_of(made)}", component)


def _matters(change: Change) -> bool:
    """Nothing is decided by events, but the last one of a namespace may be what it waits for."""
    return change.resource is not kinds.EVENTS or change.type == "DELETED"


def orphans(view: View) -> Actions:
    """Delete what has owners, none of which exists any more."""
    alive = {uid_of(thing) for resource in kinds.RESOURCES for thing in view.list(resource)}
    for resource in kinds.NAMESPACED:
        for thing in view.list(resource):
            owners = thing["metadata"].get("ownerReferences") or []
            if owners and not is_leaving(thing) and not any(owner["uid"] in alive for owner in owners):
                yield Delete(resource, thing)


def furnish_or_empty(one: Object, view: View) -> Actions:
    """Empty a namespace that is leaving, and let it go when it is empty; furnish one that is new."""
    inside = [
        (resource, thing) for resource in kinds.NAMESPACED for thing in view.list(resource, name_of(one))
    ]
    if is_leaving(one):
        yield from (Delete(resource, thing) for resource, thing in inside if not is_leaving(thing))
        if not inside:
            yield Delete(kinds.NAMESPACES, one, at_once=True)
    elif view.find(kinds.SERVICEACCOUNTS, name_of(one), "default") is None:
        yield Create(kinds.SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": name_of(one)}})
