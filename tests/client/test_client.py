"""One function per request: what is asked, what comes back, and errors as the classes that they were."""

import msgspec
import pytest

from kfw import client
from kfw.errors import (
    ClusterUnreachable,
    DaemonNotRunning,
    KfwError,
    LoginError,
    NotPermitted,
    PortInUse,
    TimedOut,
    ToolMissing,
    UsageError,
)
from kfw.model import Forward, Kind, Status, Target
from kfw.protocol import Source, UpRequest
from tests.client.fake_daemon import FakeDaemon, answer, event, refusal, row

FORWARD = Forward("api", Target(Kind.SERVICE, "api"), "http", 8080, context="kind-dev")


def test_status_comes_as_it_is_in_the_protocol(daemon: FakeDaemon) -> None:
    daemon.forwards = [row("api"), row("db", "error", reason="port-in-use")]
    reply = client.status()
    assert reply.daemon.pid == 4711
    assert [(forward.name, forward.status) for forward in reply.forwards] == [
        ("api", Status.ACTIVE),
        ("db", Status.ERROR),
    ]


def test_up_sends_the_whole_forward(daemon: FakeDaemon) -> None:
    request = UpRequest(forwards=[FORWARD], source=Source(key="k", cwd="/", kubeconfig="/kc"), replace=True)
    client.up(request)
    assert msgspec.convert(daemon.body_of("POST /v1/up"), UpRequest) == request


@pytest.mark.parametrize("verb", ["down", "restart", "retry", "remove"])
def test_verbs_with_names_send_them(daemon: FakeDaemon, verb: str) -> None:
    reply = getattr(client, verb)(["a", "b"])
    assert daemon.body_of(f"POST /v1/{verb}") == {"names": ["a", "b"]}
    assert reply.names == ["a", "b"]


@pytest.mark.parametrize("verb", ["retry", "restart"])
def test_the_callers_environment_goes_with_them(daemon: FakeDaemon, verb: str) -> None:
    getattr(client, verb)(["a"], "/p/kfw.yaml", {"AWS_PROFILE": "dev"})
    client.reload("/p/kfw.yaml", {"AWS_PROFILE": "dev"})
    assert daemon.callers == [{"environ": {"AWS_PROFILE": "dev"}, "project": "/p/kfw.yaml"}] * 2


def test_a_name_in_a_path_is_quoted(daemon: FakeDaemon) -> None:
    with pytest.raises(UsageError):
        client.explain("a/b c")
    assert daemon.requests() == ["GET /v1/forwards/a%2Fb%20c/explain"]


def test_stop_and_reload_name_nothing(daemon: FakeDaemon) -> None:
    client.stop()
    assert client.reload().started == []
    assert daemon.asked == [("POST /v1/stop", None), ("POST /v1/reload", {})]


def test_kept_events_come_as_a_list(daemon: FakeDaemon) -> None:
    daemon.events = [event(1, row("api", "starting")), event(2, row("api"))]
    assert [each.seq for each in client.events(since=0)] == [1, 2]
    assert daemon.requests() == ["GET /v1/events?follow=false&since=0"]


def test_followed_events_come_one_by_one_and_end_with_the_daemon(daemon: FakeDaemon) -> None:
    daemon.events = [event(1, row("api", "starting")), event(2, row("api"))]
    assert [each.forward and each.forward.status for each in client.follow()] == ["starting", "active"]


def test_following_asks_before_it_returns(daemon: FakeDaemon) -> None:
    client.follow(timeout=1)
    assert daemon.requests() == ["GET /v1/events?follow=true"]


def test_following_without_a_daemon_fails_at_once(home: object) -> None:
    with pytest.raises(DaemonNotRunning):
        client.follow()


def test_following_ends_when_its_time_is_over(daemon: FakeDaemon) -> None:
    first = event(1, row("api"))
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"
    daemon.replies["GET /v1/events?follow=true"] = begun
    daemon.events = [first]
    with pytest.raises(KfwError, match="in the middle"):  # it closed although more was announced
        list(client.follow(timeout=0.2))


def test_a_refusal_for_a_reason_that_is_unknown_here_keeps_its_sentence(daemon: FakeDaemon) -> None:
    daemon.replies["GET /v1/ping"] = refusal("cannot", fix="do", reason="from the future", exit_code=99)
    with pytest.raises(KfwError) as caught:
        client.ping()
    assert caught.value.what == (
        "cannot understand the daemon's answer: HTTP 409, cannot "
        "(Invalid enum value 'from the future' - at `$.reason`)"
    )
    assert "another version" in caught.value.fix


@pytest.mark.parametrize(
    ("exit_code", "reason", "kind"),
    [
        (1, "internal", KfwError),
        (2, "bad-config", UsageError),
        (2, "context-not-found", UsageError),
        (4, "cluster-unreachable", ClusterUnreachable),
        (5, "login-expired", LoginError),
        (5, "not-permitted", NotPermitted),
        (6, "port-in-use", PortInUse),
        (7, "timed-out", TimedOut),
        (8, "tool-missing", ToolMissing),
    ],
)
def test_a_refusal_is_the_error_that_it_was_in_the_daemon(
    daemon: FakeDaemon, exit_code: int, reason: str, kind: type[KfwError]
) -> None:
    daemon.replies["GET /v1/ping"] = refusal("cannot", fix="do", reason=reason, exit_code=exit_code)
    with pytest.raises(KfwError) as caught:
        client.ping()
    assert type(caught.value) is kind
    assert (caught.value.what, caught.value.fix, caught.value.reason) == ("cannot", "do", reason)


@pytest.mark.parametrize(
    "reply",
    [
        answer({"forwards": []}),
        answer([]),
        answer("x", 500),
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
    ],
)
def test_an_answer_of_another_version_is_no_traceback(daemon: FakeDaemon, reply: bytes) -> None:
    daemon.replies["GET /v1/status"] = reply
    with pytest.raises(KfwError, match="cannot understand the daemon's answer") as caught:
        client.status()
    assert "kfw stop" in caught.value.fix
