import pytest

from kfw.sandbox.api.errors import ApiError
from kfw.sandbox.api.patch import json_patch, merge_patch, strategic
from kfw.sandbox.objects import Object

POD: Object = {
    "metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["x"]},
    "spec": {
        "containers": [
            {"name": "app", "image": "one", "ports": [{"containerPort": 80}, {"containerPort": 81}]},
            {"name": "side", "image": "two"},
        ],
        "tolerations": [{"key": "t"}],
    },
}


def test_a_merge_patch_merges_objects_removes_nulls_and_replaces_lists() -> None:
    patch = {"metadata": {"labels": {"a": None, "c": "3"}}, "spec": {"containers": [{"name": "new"}]}}
    done = merge_patch(POD, patch)
    assert done["metadata"]["labels"] == {"b": "2", "c": "3"}
    assert done["spec"]["containers"] == [{"name": "new"}]
    assert POD["metadata"]["labels"] == {"a": "1", "b": "2"}


def test_a_strategic_patch_merges_containers_by_name_and_their_ports_by_number() -> None:
    ports = [{"containerPort": 81, "name": "admin"}, {"containerPort": 82}]
    done = strategic(POD, {"spec": {"containers": [{"name": "app", "ports": ports}]}})
    app, side = done["spec"]["containers"]
    assert app["image"] == "one"
    assert app["ports"] == [
        {"containerPort": 80},
        {"containerPort": 81, "name": "admin"},
        {"containerPort": 82},
    ]
    assert side == {"name": "side", "image": "two"}


def test_a_strategic_patch_deletes_an_element_and_orders_the_rest() -> None:
    order = [{"name": "new"}, {"name": "side"}]
    elements = [{"name": "app", "$patch": "delete"}, {"name": "new", "image": "three"}]
    done = strategic(POD, {"spec": {"$setElementOrder/containers": order, "containers": elements}})
    assert [one["name"] for one in done["spec"]["containers"]] == ["new", "side"]


def test_lists_without_a_key_are_replaced_and_sets_grow() -> None:
    done = strategic(POD, {"metadata": {"finalizers": ["y"]}, "spec": {"tolerations": [{"key": "u"}]}})
    assert done["spec"]["tolerations"] == [{"key": "u"}]
    assert done["metadata"]["finalizers"] == ["x", "y"]
    gone = strategic(POD, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}})
    assert gone["metadata"]["finalizers"] == []


def test_replace_and_retain_keys_are_followed() -> None:
    before = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}
    retained = strategic(before, {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}})
    assert retained == {"strategy": {"type": "Recreate"}}
    assert strategic(before, {"strategy": {"$patch": "replace", "a": 1}}) == {"strategy": {"a": 1}}
    with pytest.raises(ApiError, match="does not contain key name"):
        strategic(POD, {"spec": {"containers": [{"image": "x"}]}})


@pytest.mark.parametrize(
    ("operations", "done"),
    [
        ([{"op": "add", "path": "/a/x~1y", "value": 1}], {"a": {"l": [1, 2], "x/y": 1}}),
        ([{"op": "replace", "path": "/a/l/0", "value": 9}], {"a": {"l": [9, 2]}}),
        ([{"op": "add", "path": "/a/l/1", "value": 9}], {"a": {"l": [1, 9, 2]}}),
        ([{"op": "add", "path": "/a/l/-", "value": 9}], {"a": {"l": [1, 2, 9]}}),
        ([{"op": "remove", "path": "/a/l/0"}], {"a": {"l": [2]}}),
        ([{"op": "remove", "path": "/a"}], {}),
        ([{"op": "copy", "from": "/a/l", "path": "/b"}], {"a": {"l": [1, 2]}, "b": [1, 2]}),
        ([{"op": "move", "from": "/a/l", "path": "/b"}], {"a": {}, "b": [1, 2]}),
        ([{"op": "test", "path": "/a/l/1", "value": 2}], {"a": {"l": [1, 2]}}),
    ],
)
def test_json_patches_do_what_the_rfc_says(operations: list[Object], done: Object) -> None:
    before = {"a": {"l": [1, 2]}}
    assert json_patch(before, operations) == done
    assert before == {"a": {"l": [1, 2]}}


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        ({"op": "test", "path": "/a", "value": 2}, "testing value /a failed"),
        ({"op": "remove", "path": "/nope"}, "does not exist"),
        ({"op": "replace", "path": "/nope", "value": 1}, "does not exist"),
        ({"op": "add", "path": "/l/7", "value": 1}, "invalid array index"),
        ({"op": "remove", "path": ""}, "cannot be removed"),
        ({"op": "paint", "path": "/a"}, "Unexpected kind: paint"),
        ({"op": "add", "path": "a", "value": 1}, "starts with '/'"),
    ],
)
def test_json_patches_that_cannot_be_done_are_refused(operation: Object, why: str) -> None:
    with pytest.raises(ApiError, match=why):
        json_patch({"a": 1, "l": []}, [operation])
