"""All objects of the sandbox, and the recent changes to them, in memory: what etcd is to a real cluster.

One thread, no waiting: every call is done when it returns. Objects are never changed in place.
"""

import asyncio
import random
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from kfw.sandbox.api.errors import ApiError, already_exists, conflict, expired, not_found
from kfw.sandbox.api.kinds import RESOURCES, Resource
from kfw.sandbox.objects import SAFE_LETTERS, Object, name_of, namespace_of, rfc3339, with_metadata

Key = tuple[str, str]  # namespace ("" for cluster-wide kinds), name


@dataclass(frozen=True)
class Change:
    """`type` ADDED, MODIFIED or DELETED; `before` None for ADDED; a deleted `thing` carries the deletion's version."""

    version: int
    type: str
    resource: Resource
    thing: Object
    before: Object | None


class Store:
    def __init__(self, now: Callable[[], float], *, history: int = 2000) -> None:
        """`now` gives the time in seconds since 1970; `history` is how many changes a watch can go back."""
        self.now = now
        # Later than any version that a sandbox before this one gave out, so that old watchers get 410, not silence.
        self.version = int(now() * 1000)
        self._things: dict[Resource, dict[Key, Object]] = {kind: {} for kind in RESOURCES}
        self._changes: deque[Change] = deque(maxlen=history)
        self._listeners: list[Callable[[Change], None]] = []
        self._chance = random.Random()

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return self._things[resource].get((namespace, name))

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        thing = self.find(resource, namespace, name)
        if thing is None:
            raise not_found(resource, name)
        return thing

    def list(self, resource: Resource, namespace: str = "") -> list[Object]:
        """By namespace and name; an empty namespace is all of them."""
        things = self._things[resource]
        return [things[key] for key in sorted(things) if not namespace or key[0] == namespace]

    def create(self, resource: Resource, thing: Object) -> Object:
        """Gives name (from generateName), uid, creationTimestamp and resourceVersion."""
        name = thing["metadata"].get("name") or self._free_name(resource, thing)
        thing = with_metadata(
            thing,
            name=name,
            uid=str(uuid.UUID(int=self._chance.getrandbits(128), version=4)),
            creationTimestamp=rfc3339(self.now()),
            generation=1 if resource.counts_generations else None,
        )
        if self.find(resource, namespace_of(thing), name) is not None:
            raise already_exists(resource, name)
        return self._commit("ADDED", resource, thing, None)

    def replace(self, resource: Resource, thing: Object) -> Object:
        """Puts `thing` in place of what has its name. A resourceVersion or uid in it must be the present one.

        What a write may never change (uid, creation) stays; an equal object is not a change.
        """
        before = self.get(resource, namespace_of(thing), name_of(thing))
        given, present = thing["metadata"], before["metadata"]
        for field in ("uid", "resourceVersion"):
            if given.get(field, present[field]) != present[field]:
                raise conflict(resource, name_of(thing))
        thing = with_metadata(
            thing,
            uid=present["uid"],
            creationTimestamp=present["creationTimestamp"],
            resourceVersion=present["resourceVersion"],
            generation=present.get("generation"),
        )
        if thing == before:
            return before
        if resource.counts_generations and thing.get("spec") != before.get("spec"):
            thing = with_metadata(thing, generation=present["generation"] + 1)
        return self._commit("MODIFIED", resource, thing, before)

    def remove(self, resource: Resource, namespace: str, name: str) -> Object:
        before = self.get(resource, namespace, name)
        return self._commit("DELETED", resource, before, before)

    @property
    def oldest(self) -> int:
        """The version after which every change is remembered."""
        return self.version - len(self._changes)

    def changes(self, since: int) -> Iterator[Change]:
        """What happened after version `since`, oldest first. Raises ApiError 410 when that is no longer known,
        504 for a version that is still to come."""
        newest = self.version
        oldest = self.oldest
        if since < oldest:
            raise expired(since, oldest)
        if since > newest:
            raise ApiError(504, "Timeout", f"Too large resource version: {since}, current: {newest}")
        return islice(self._changes, since - oldest, None)

    def compact(self) -> None:
        """Forget the past: every watch that is not up to date gets 410."""
        self._changes.clear()

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """`listener` is called at each change, before the call that made it returns. Returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _commit(self, kind: str, resource: Resource, thing: Object, before: Object | None) -> Object:
        self.version += 1
        thing = with_metadata(thing, resourceVersion=str(self.version))
        things = self._things[resource]
        key = (namespace_of(thing), name_of(thing))
        if kind == "DELETED":
            del things[key]
        else:
            things[key] = thing
        change = Change(self.version, kind, resource, thing, before)
        self._changes.append(change)
        for listener in tuple(self._listeners):
            listener(change)
        return thing

    def _free_name(self, resource: Resource, thing: Object) -> str:
        prefix = thing["metadata"].get("generateName")
        if not prefix:
            raise ApiError(422, "Invalid", f"{resource.kind} is invalid: metadata.name: Required value")
        while True:
            name = str(prefix) + "".join(self._chance.choices(SAFE_LETTERS, k=5))
            if self.find(resource, namespace_of(thing), name) is None:
                return name


class Passes:
    """Runs inside the event loop, without a task: a change that `matters` schedules a `look`."""

    def __init__(self, store: Store, look: Callable[[], None], matters: Callable[[Change], bool]) -> None:
        self._store = store
        self._look = look
        self._matters = matters
        self._scheduled: asyncio.Handle | None = None
        self._unsubscribe: Callable[[], None] | None = None

    @property
    def busy(self) -> bool:
        return self._scheduled is not None

    def start(self) -> None:
        """The first pass comes without a change."""
        self._unsubscribe = self._store.subscribe(self._on_change)
        self._soon()

    def stop(self) -> None:
        if self._unsubscribe:
            self._unsubscribe()
        if self._scheduled:
            self._scheduled.cancel()

    def _on_change(self, change: Change) -> None:
        if self._matters(change):
            self._soon()

    def _soon(self) -> None:
        if self._scheduled is None:
            self._scheduled = asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = None
        self._look()
