import asyncio

import pytest

from kfw.sandbox.api import kinds, watch
from kfw.sandbox.api.selectors import by_labels, everything
from kfw.sandbox.api.store import Store
from kfw.sandbox.api.watch import Watch, frames
from kfw.sandbox.objects import Object


def config(name: str, app: str = "web") -> Object:
    return {"metadata": {"name": name, "namespace": "n", "labels": {"app": app}}}


def same(thing: Object) -> Object:
    return thing


async def collect(store: Store, one: Watch, count: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    stream = frames(store, one, same)
    async for frame in stream:
        found.append((frame["type"], frame["object"]["metadata"].get("name", "")))
        if len(found) == count:
            break
    await stream.aclose()
    return found


@pytest.fixture
def store() -> Store:
    return Store(lambda: 1000.0, history=5)


@pytest.mark.asyncio
async def test_a_watch_without_a_version_begins_with_what_is_there(store: Store) -> None:
    store.create(kinds.CONFIGMAPS, config("a"))
    asyncio.get_running_loop().call_later(0.01, store.create, kinds.CONFIGMAPS, config("b"))
    found = await collect(store, Watch(kinds.CONFIGMAPS, "n", everything, None), 2)
    assert found == [("ADDED", "a"), ("ADDED", "b")]


@pytest.mark.asyncio
async def test_a_watch_from_a_version_gets_what_came_after_it_and_nothing_else(store: Store) -> None:
    made = store.create(kinds.CONFIGMAPS, config("a"))
    since = store.version
    store.create(kinds.CONFIGMAPS, {"metadata": {"name": "x", "namespace": "other"}})
    store.create(kinds.SECRETS, config("s"))
    store.replace(kinds.CONFIGMAPS, {**made, "data": {"x": "1"}})
    store.remove(kinds.CONFIGMAPS, "n", "a")
    found = await collect(store, Watch(kinds.CONFIGMAPS, "n", everything, since), 2)
    assert found == [("MODIFIED", "a"), ("DELETED", "a")]


@pytest.mark.asyncio
async def test_an_object_that_leaves_the_selection_is_deleted_for_the_watch(store: Store) -> None:
    made = store.create(kinds.CONFIGMAPS, config("a"))
    since = store.version
    gone = store.replace(kinds.CONFIGMAPS, config("a", app="db"))
    store.replace(kinds.CONFIGMAPS, {**gone, **config("a")})
    found = await collect(store, Watch(kinds.CONFIGMAPS, "", by_labels("app=web"), since), 2)
    assert found == [("DELETED", "a"), ("ADDED", "a")]
    assert made["metadata"]["labels"] == {"app": "web"}


@pytest.mark.asyncio
async def test_a_version_that_is_too_old_is_an_error_frame_and_the_end(store: Store) -> None:
    since = store.version
    store.create(kinds.CONFIGMAPS, config("a"))
    store.compact()
    found = [frame async for frame in frames(store, Watch(kinds.CONFIGMAPS, "", everything, since), same)]
    assert [(one["type"], one["object"]["code"], one["object"]["reason"]) for one in found] == [
        ("ERROR", 410, "Expired")
    ]


@pytest.mark.asyncio
async def test_bookmarks_come_while_nothing_happens(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "BOOKMARK_EVERY", 0.01)
    one = Watch(kinds.CONFIGMAPS, "", everything, store.version, bookmarks=True)
    stream = frames(store, one, same)
    frame = await anext(stream)
    await stream.aclose()
    assert frame["type"] == "BOOKMARK"
    assert frame["object"]["metadata"]["resourceVersion"] == str(store.version)


@pytest.mark.asyncio
async def test_the_end_of_the_initial_events_is_marked_when_it_is_asked_for(store: Store) -> None:
    store.create(kinds.CONFIGMAPS, config("a"))
    stream = frames(store, Watch(kinds.CONFIGMAPS, "", everything, None, mark_initial_end=True), same)
    frames_ = [await anext(stream), await anext(stream)]
    await stream.aclose()
    assert frames_[0]["type"] == "ADDED"
    assert frames_[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


@pytest.mark.asyncio
async def test_a_watch_ends_when_its_time_is_over(store: Store) -> None:
    one = Watch(kinds.CONFIGMAPS, "", everything, store.version, seconds=0.02)
    assert [frame async for frame in frames(store, one, same)] == []
