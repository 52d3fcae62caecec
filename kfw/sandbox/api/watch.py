"""Watches: the changes after a version, as the frames of a watch response, for as long as the client listens."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from kfw.sandbox.api.errors import ApiError
from kfw.sandbox.api.kinds import Resource
from kfw.sandbox.api.selectors import Test
from kfw.sandbox.api.store import Change, Store
from kfw.sandbox.objects import Object, namespace_of, with_metadata

#: Seconds between bookmarks; the real server sends them about once a minute.
BOOKMARK_EVERY = 60.0


@dataclass(frozen=True)
class Watch:
    """What one client watches: `since` None is the state at hand as ADDED, then all changes. `seconds` until the end."""

    resource: Resource
    namespace: str
    wanted: Test
    since: int | None
    bookmarks: bool = False
    mark_initial_end: bool = False
    seconds: float = 1800.0


def event(change: Change, watch: Watch) -> Object | None:
    """The frame that this watch gets for a change: an object that leaves the selection is DELETED for it."""
    if change.resource is not watch.resource:
        return None
    if watch.namespace and namespace_of(change.thing) != watch.namespace:
        return None
    before = change.before is not None and watch.wanted(change.before)
    after = change.type != "DELETED" and watch.wanted(change.thing)
    if not before and not after:
        return None
    if after:
        return {"type": "MODIFIED" if before else "ADDED", "object": change.thing}
    return {
        "type": "DELETED",
        "object": with_metadata(change.before or {}, resourceVersion=str(change.version)),
    }


def bookmark(watch: Watch, version: int, *, initial_end: bool = False) -> Object:
    metadata: Object = {"resourceVersion": str(version), "creationTimestamp": None}
    if initial_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    thing = {"kind": watch.resource.kind, "apiVersion": watch.resource.api_version, "metadata": metadata}
    return {"type": "BOOKMARK", "object": thing}


async def frames(
    store: Store, watch: Watch, show: Callable[[Object], Object]
) -> AsyncGenerator[Object, None]:
    """Frames for ever, or until `watch.seconds` are over. `show` turns an object into what the client asked for.

    A version that is too old is a frame of type ERROR with code 410, and the end, as from the real server's cache.
    """
    changed = asyncio.Event()
    unsubscribe = store.subscribe(lambda _: changed.set())
    loop = asyncio.get_running_loop()
    end = loop.time() + watch.seconds
    seen = store.version if watch.since is None else watch.since
    try:
        if watch.since is None:
            for thing in filter(watch.wanted, store.list(watch.resource, watch.namespace)):
                yield {"type": "ADDED", "object": show(thing)}
        if watch.mark_initial_end:
            yield bookmark(watch, seen, initial_end=True)
        while loop.time() < end:
            changed.clear()
            for change in list(store.changes(seen)):
                seen = change.version
                if frame := event(change, watch):
                    yield {**frame, "object": show(frame["object"])}
            if not await _set_within(changed, min(BOOKMARK_EVERY, end - loop.time())) and watch.bookmarks:
                yield bookmark(watch, store.version)
    except ApiError as problem:
        yield {"type": "ERROR", "object": problem.as_status()}
    finally:
        unsubscribe()


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
