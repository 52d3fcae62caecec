"""The loop: after each change every controller looks at the cluster, and what it asks for is done, until nothing changes."""

import logging
from collections import defaultdict

from kfw.sandbox.api import kinds
from kfw.sandbox.api.errors import ApiError
from kfw.sandbox.api.store import Change
from kfw.sandbox.api.verbs import Verbs
from kfw.sandbox.controllers import (
    daemonsets,
    deployments,
    endpoints,
    garbage_collector,
    replicasets,
    scheduler,
    statefulsets,
)
from kfw.sandbox.controllers.actions import Action, Actions, Create, Delete, Note, Replace
from kfw.sandbox.debounce import Passes
from kfw.sandbox.events import record
from kfw.sandbox.objects import Object, controller_uid, name_of, namespace_of, uid_of

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
            self._do_all(garbage_collector.namespace(one, store))
        self._do_all(garbage_collector.orphans(store))
        sets = self._owned(kinds.REPLICASETS)
        for one in store.list(kinds.DEPLOYMENTS):
            self._do_all(deployments.reconcile(one, sets[uid_of(one)], now))
        pods, nodes = self._owned(kinds.PODS), store.list(kinds.NODES)
        for one in store.list(kinds.REPLICASETS):
            self._do_all(replicasets.reconcile(one, pods[uid_of(one)]))
        for one in store.list(kinds.STATEFULSETS):
            self._do_all(statefulsets.reconcile(one, pods[uid_of(one)]))
        for one in store.list(kinds.DAEMONSETS):
            self._do_all(daemonsets.reconcile(one, pods[uid_of(one)], nodes))
        self._do_all(scheduler.reconcile(store.list(kinds.PODS), nodes, now))
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
