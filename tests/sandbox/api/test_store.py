import pytest

from kfw.sandbox.api import kinds
from kfw.sandbox.api.errors import ApiError
from kfw.sandbox.api.store import Change, Store
from kfw.sandbox.objects import Object


def config(name: str, **data: str) -> Object:
    return {"metadata": {"name": name, "namespace": "n"}, "data": data}


@pytest.fixture
def store() -> Store:
    return Store(lambda: 1000.0, history=3)


def test_a_new_object_gets_uid_time_and_version(store: Store) -> None:
    made = store.create(kinds.CONFIGMAPS, config("a"))
    assert made["metadata"]["creationTimestamp"] == "1970-01-01T00:16:40Z"
    assert int(made["metadata"]["resourceVersion"]) == store.version
    assert len(made["metadata"]["uid"]) == 36


def test_the_same_name_twice_already_exists(store: Store) -> None:
    store.create(kinds.CONFIGMAPS, config("a"))
    with pytest.raises(ApiError, match='configmaps "a" already exists') as caught:
        store.create(kinds.CONFIGMAPS, config("a"))
    assert (caught.value.code, caught.value.reason) == (409, "AlreadyExists")


def test_what_is_not_there_is_not_found_in_the_servers_words(store: Store) -> None:
    with pytest.raises(ApiError) as caught:
        store.get(kinds.DEPLOYMENTS, "n", "web")
    assert caught.value.as_status()["message"] == 'deployments.apps "web" not found'
    assert caught.value.as_status()["details"] == {"name": "web", "group": "apps", "kind": "deployments"}


def test_an_old_version_cannot_overwrite_a_new_one(store: Store) -> None:
    first = store.create(kinds.CONFIGMAPS, config("a"))
    store.replace(kinds.CONFIGMAPS, {**first, "data": {"x": "1"}})
    with pytest.raises(ApiError) as caught:
        store.replace(kinds.CONFIGMAPS, {**first, "data": {"x": "2"}})
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")


def test_an_equal_object_is_no_change(store: Store) -> None:
    first = store.create(kinds.CONFIGMAPS, config("a", x="1"))
    before = store.version
    assert store.replace(kinds.CONFIGMAPS, {**first, "data": {"x": "1"}}) == first
    assert store.version == before


def test_generations_count_changes_of_the_spec_only(store: Store) -> None:
    made = store.create(kinds.DEPLOYMENTS, {**config("a"), "spec": {"replicas": 1}})
    scaled = store.replace(kinds.DEPLOYMENTS, {**made, "spec": {"replicas": 2}})
    told = store.replace(kinds.DEPLOYMENTS, {**scaled, "status": {"replicas": 2}})
    assert [one["metadata"]["generation"] for one in (made, scaled, told)] == [1, 2, 2]


def test_generated_names_differ_and_have_no_vowels(store: Store) -> None:
    thing = {"metadata": {"generateName": "web-", "namespace": "n"}}
    names = {store.create(kinds.PODS, thing)["metadata"]["name"] for _ in range(20)}
    assert len(names) == 20
    assert all(len(name) == 9 and not set(name[4:]) & set("aeiou") for name in names)


def test_changes_are_remembered_in_order_and_the_past_is_forgotten(store: Store) -> None:
    start = store.version
    for name in "abcd":
        store.create(kinds.CONFIGMAPS, config(name))
    assert [change.thing["metadata"]["name"] for change in store.changes(start + 1)] == ["b", "c", "d"]
    with pytest.raises(ApiError, match="too old resource version") as caught:
        store.changes(start)
    assert caught.value.code == 410


def test_a_version_that_is_still_to_come_is_refused(store: Store) -> None:
    with pytest.raises(ApiError, match="Too large resource version"):
        store.changes(store.version + 1)


def test_a_later_sandbox_counts_on_from_later_versions() -> None:
    assert Store(lambda: 1001.0).version > Store(lambda: 1000.0).version + 100


def test_a_listener_hears_of_each_change_until_it_leaves(store: Store) -> None:
    heard: list[Change] = []
    leave = store.subscribe(heard.append)
    store.create(kinds.CONFIGMAPS, config("a"))
    store.remove(kinds.CONFIGMAPS, "n", "a")
    leave()
    store.create(kinds.CONFIGMAPS, config("b"))
    assert [change.type for change in heard] == ["ADDED", "DELETED"]
    assert int(heard[1].thing["metadata"]["resourceVersion"]) == heard[1].version
