import pytest

from kfw.sandbox.api.apply import applied
from kfw.sandbox.api.errors import ApiError
from kfw.sandbox.objects import Object


def wish(*ports: int, **data: str) -> Object:
    metadata = {"name": "a", "namespace": "n"}
    named = [{"port": number, "name": f"p{number}"} for number in ports]
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": metadata,
        "data": data,
        "spec": {"ports": named},
    }


def apply(before: Object, wanted: Object, manager: str = "me", *, force: bool = False) -> Object:
    return applied(before, wanted, manager, force=force, now=0.0)


def blank() -> Object:
    return {"metadata": {"name": "a"}}


def test_what_a_manager_wants_no_more_goes_and_what_others_wrote_stays() -> None:
    first = apply(blank(), wish(80, 81, x="1", y="2"))
    first = {**first, "data": {**first["data"], "other": "z"}}
    second = apply(first, wish(80, x="1"))
    assert second["data"] == {"x": "1", "other": "z"}
    assert [port["port"] for port in second["spec"]["ports"]] == [80]


def test_fields_of_named_elements_are_remembered_as_the_real_server_does() -> None:
    (entry,) = apply(blank(), wish(80, x="1"))["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["fieldsType"]) == ("me", "Apply", "FieldsV1")
    assert entry["fieldsV1"] == {
        "f:data": {"f:x": {}},
        "f:spec": {"f:ports": {'k:{"port":80}': {"f:name": {}, "f:port": {}}}},
    }


def test_another_managers_field_is_a_conflict_that_can_be_forced() -> None:
    first = apply(blank(), wish(x="1"))
    with pytest.raises(
        ApiError, match=r'Apply failed with 1 conflict: conflict with "me": .data.x'
    ) as caught:
        apply(first, wish(x="2"), "you")
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")
    forced = apply(first, wish(x="2"), "you", force=True)
    assert forced["data"] == {"x": "2"}
    assert [one["manager"] for one in forced["metadata"]["managedFields"]] == ["me", "you"]


def test_two_managers_may_want_the_same_and_it_goes_with_the_last() -> None:
    shared = apply(apply(blank(), wish(x="1")), wish(x="1"), "you")
    one_left = apply(shared, wish())
    assert one_left["data"] == {"x": "1"}
    assert "x" not in apply(one_left, wish(), "you").get("data", {})
