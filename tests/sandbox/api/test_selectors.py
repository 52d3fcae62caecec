import pytest

from kfw.sandbox.api import kinds
from kfw.sandbox.api.errors import ApiError
from kfw.sandbox.api.selectors import by_fields, by_label_selector, by_labels
from kfw.sandbox.objects import Object


def thing(**labels: str) -> Object:
    return {"metadata": {"name": "a", "namespace": "n", "labels": labels}, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app=db", False),
        ("app!=db", True),
        ("tier!=back", True),
        ("app", True),
        ("tier", False),
        ("!tier", True),
        ("app in (db, web)", True),
        ("app notin (db,web)", False),
        ("app=web,!tier", True),
        ("app in (web,db),tier=x", False),
    ],
)
def test_label_selectors_choose_as_kubectl_l_says(selector: str, chosen: bool) -> None:
    assert by_labels(selector)(thing(app="web")) is chosen


def test_a_label_selector_that_is_none_is_refused() -> None:
    with pytest.raises(ApiError, match="unable to parse requirement"):
        by_labels("app is web")


def test_an_empty_selector_object_selects_all_and_none_nothing() -> None:
    assert by_label_selector({})(thing())
    assert not by_label_selector(None)(thing())


@pytest.mark.parametrize(
    ("operator", "chosen"), [("In", True), ("NotIn", False), ("Exists", True), ("DoesNotExist", False)]
)
def test_match_expressions(operator: str, chosen: bool) -> None:
    one = {"key": "app", "operator": operator} | ({"values": ["web"]} if "In" in operator else {})
    assert by_label_selector({"matchExpressions": [one]})(thing(app="web")) is chosen


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("metadata.name=a", True),
        ("metadata.name=b", False),
        ("metadata.namespace==n,status.phase!=Pending", True),
        ("spec.nodeName=", True),
    ],
)
def test_field_selectors_look_at_fields(selector: str, chosen: bool) -> None:
    assert by_fields(selector, kinds.PODS)(thing()) is chosen


def test_a_field_that_the_kind_does_not_support_is_refused() -> None:
    with pytest.raises(ApiError, match=r'field label not supported: spec\.image for the kind "Pod"'):
        by_fields("spec.image=x", kinds.PODS)
