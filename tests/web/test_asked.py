"""What a page may ask, and what is added to it: nothing on the page names a file, a program or a variable."""

import json
from typing import Any

import pytest

from kfw.errors import UsageError
from kfw.http.messages import Request
from kfw.web.asked import ACTS, WebCaller, translated

CALLER = WebCaller("/home/ada/.kube/config", {"PATH": "/bin", "AWS_PROFILE": "ada"})


def post(path: str, body: Any) -> Any:
    asked = translated(Request("POST", path, path, body=json.dumps(body).encode()), path, CALLER)
    return None if asked is None else json.loads(asked.body)


def get(path: str, method: str = "GET", **query: str) -> Request | None:
    return translated(Request(method, path, path, query), path, CALLER)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/up",
        "/v1/stop",
        "/v1/handover",
        "/v1/reload",
        "/v1/web",
        "/v1/web/stop",
        "/v1/disable",
        "/v1/start/x",
    ],
)
def test_what_would_run_a_program_or_end_the_daemon_cannot_be_asked(path: str) -> None:
    assert post(path, {"names": ["a"]}) is None
    assert get(path) is None


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_verbs_of_http_ask_nothing(method: str) -> None:
    assert get("/v1/status", method) is None
    assert get("/v1/start", method) is None


@pytest.mark.parametrize("path", sorted(ACTS))
def test_fields_that_the_page_may_not_fill_in_are_left_out(path: str) -> None:
    evil = {
        "environ": {"LD_PRELOAD": "/tmp/x"},
        "source": {"key": "k", "cwd": "/tmp"},
        "kubeconfig": "/tmp/evil",
        "python": "x",
    }
    asked = post(path, {"names": ["a"], "target": "service/a", **evil})
    assert "/tmp" not in json.dumps(asked)
    assert "python" not in asked


@pytest.mark.parametrize("path", ["/v1/start", "/v1/targets", "/v1/target-ports"])
def test_what_needs_a_login_gets_the_kubeconfig_and_the_environment_of_the_caller(path: str) -> None:
    asked = post(path, {"target": "service/a"})
    assert (asked["kubeconfig"], asked["environ"]) == (CALLER.kubeconfig, CALLER.environ)


@pytest.mark.parametrize("path", ["/v1/down", "/v1/remove", "/v1/retry", "/v1/restart", "/v1/enable"])
@pytest.mark.parametrize("body", [{}, {"names": []}, {"context": ""}])
def test_nothing_is_meant_by_no_name_at_all(path: str, body: Any) -> None:
    with pytest.raises(UsageError, match="name the forwards"):
        post(path, body)


@pytest.mark.parametrize(
    "path", ["/v1/status", "/v1/local-ports/80", "/v1/forwards/a%2Fb/explain", "/v1/events"]
)
def test_what_only_looks_keeps_its_own_query_and_no_other(path: str) -> None:
    asked = get(path, since="7", follow="true", kubeconfig="/tmp/evil")
    assert asked
    assert asked.query == {"since": "7", "follow": "true"}


def test_clusters_are_those_of_the_callers_kubeconfig() -> None:
    asked = get("/v1/clusters", kubeconfig="/tmp/evil")
    assert asked
    assert asked.query == {"kubeconfig": CALLER.kubeconfig}


@pytest.mark.parametrize(
    "path", ["/v1/forwards//explain/x", "/v1/local-ports", "/v2/status", "/v1", "/", "/v1/openapi.json"]
)
def test_other_paths_are_not_there(path: str) -> None:
    assert get(path) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_a_mistake_of_its_sender(body: bytes) -> None:
    request = Request("POST", "/v1/down", "/v1/down", body=body)
    with pytest.raises(UsageError):
        translated(request, "/v1/down", CALLER)


def test_the_environment_is_in_no_repr() -> None:
    assert "ada" not in repr(WebCaller(None, {"TOKEN": "ada"}))
