import pytest

from kfw.sandbox.api import kinds
from kfw.sandbox.api.kinds import ApiRoute, route, verb
from kfw.sandbox.api.shape import ReplyShape, shape


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/api/v1/pods", ApiRoute(kinds.PODS)),
        ("/api/v1/namespaces/n/pods", ApiRoute(kinds.PODS, "n")),
        ("/api/v1/namespaces/n/pods/p/log", ApiRoute(kinds.PODS, "n", "p", "log")),
        ("/api/v1/namespaces", ApiRoute(kinds.NAMESPACES)),
        ("/api/v1/namespaces/n", ApiRoute(kinds.NAMESPACES, "", "n")),
        ("/api/v1/namespaces/n/status", ApiRoute(kinds.NAMESPACES, "", "n", "status")),
        ("/api/v1/nodes/one", ApiRoute(kinds.NODES, "", "one")),
        ("/apis/apps/v1/namespaces/n/deployments/d/scale", ApiRoute(kinds.DEPLOYMENTS, "n", "d", "scale")),
        ("/apis/apps/v1/pods", None),
        ("/apis/apps/v2/deployments", None),
        ("/api/v1/namespaces/n/nodes", None),
        ("/api/v1/pods/p", None),
        ("/api/v1/namespaces/n/pods/p/log/x", None),
        ("/metrics", None),
        ("/", None),
    ],
)
def test_a_path_names_a_kind_a_namespace_and_an_object(path: str, where: ApiRoute | None) -> None:
    assert route(path) == where


@pytest.mark.parametrize(
    ("method", "name", "watching", "word"),
    [
        ("GET", "", False, "list"),
        ("GET", "", True, "watch"),
        ("GET", "x", False, "get"),
        ("DELETE", "", False, "deletecollection"),
        ("DELETE", "x", False, "delete"),
        ("PATCH", "x", False, "patch"),
        ("BREW", "x", False, ""),
    ],
)
def test_a_method_is_a_verb_of_access_rules(method: str, name: str, watching: bool, word: str) -> None:
    assert verb(method, ApiRoute(kinds.PODS, "n", name), watching=watching) == word


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", ReplyShape.FULL),
        ("*/*", ReplyShape.FULL),
        ("application/vnd.kubernetes.protobuf,application/json", ReplyShape.FULL),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", ReplyShape.TABLE),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", ReplyShape.METADATA),
    ],
)
def test_the_first_shape_that_can_be_served_is(accept: str, form: ReplyShape) -> None:
    assert shape(accept) is form
