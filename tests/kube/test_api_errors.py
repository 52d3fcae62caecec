"""Who is at fault, and in whose words."""

import errno
import socket
import ssl

import pytest

from kfw.errors import ClusterUnreachable, KfwError, LoginError, NotPermitted
from kfw.kube.api_errors import (
    Absent,
    Busy,
    ErrorContext,
    Gone,
    NotUnderstood,
    error_of,
    seconds_of,
    status_of,
    unreachable,
)
from kfw.kube.timeouts import Timeouts
from kfw.model import Problem, Reason, problem_of

ASKER = ErrorContext("dev", "https://api:6443", "ada", "dev", "log in again: aws")


def tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] words (_ssl.c:1)")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('1.2.3.4', 6443)"),
            "Connection refused",
        ),
        (ConnectionResetError(), "Connection reset by peer"),
        (OSError(errno.EHOSTUNREACH, "x"), "No route to host"),
        (
            socket.gaierror(-2, "Name or service not known"),
            "the host name cannot be looked up: Name or service",
        ),
        (TimeoutError(), "it does not answer"),
        (
            EOFError("it closed the connection without an answer"),
            "it closed the connection without an answer",
        ),
        (tls("WRONG_VERSION_NUMBER"), "it does not speak TLS"),
        (tls("TLSV1_ALERT_PROTOCOL_VERSION"), "tlsv1 alert protocol version"),
        (OSError("the proxy http://gate:1 answers 407"), "the proxy http://gate:1 answers 407"),
    ],
)
def test_a_fault_of_the_network_is_said_in_the_systems_words(error: Exception, words: str) -> None:
    found = unreachable(ASKER, error)

    assert isinstance(found, ClusterUnreachable)
    assert found.what.startswith(f"cannot reach the API server https://api:6443: {words}")
    assert found.fix.startswith("kubectl --context dev cluster-info")


@pytest.mark.parametrize(
    "reason",
    ["TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_CERTIFICATE_EXPIRED", "TLSV1_ALERT_UNKNOWN_CA"],
)
def test_a_certificate_that_the_server_refuses_is_a_matter_of_login(reason: str) -> None:
    found = unreachable(ASKER, tls(reason))

    assert isinstance(found, LoginError)
    assert (found.exit_code, found.fix) == (5, "log in again: aws")


def body(code: int, message: str) -> bytes:
    return f'{{"kind":"Status","code":{code},"message":"{message}"}}'.encode()


@pytest.mark.parametrize(
    ("status", "kind", "reason", "exit_code"),
    [
        (401, LoginError, Reason.LOGIN_EXPIRED, 5),
        (403, NotPermitted, Reason.NOT_PERMITTED, 5),
        (404, Absent, Reason.CLUSTER_UNREACHABLE, 1),
        (410, Gone, Reason.INTERNAL, 1),
        (429, Busy, Reason.CLUSTER_UNREACHABLE, 1),
        (500, Busy, Reason.CLUSTER_UNREACHABLE, 1),
        (503, Busy, Reason.CLUSTER_UNREACHABLE, 1),
    ],
)
def test_a_status_says_who_is_at_fault(
    status: int, kind: type[KfwError], reason: Reason, exit_code: int
) -> None:
    error = error_of(status, body(status, "words of the server"), ASKER)

    assert type(error) is kind
    assert "words of the server" in error.what
    assert error.exit_code == exit_code
    assert problem_of(error) == Problem(reason, error.what, error.fix)


def test_a_403_is_the_servers_sentence_as_it_names_verb_resource_and_namespace() -> None:
    words = "pods is forbidden: User ada cannot list resource pods in the namespace shop"

    assert error_of(403, body(403, words), ASKER).what == words


def test_what_a_proxy_says_instead_is_cut_to_a_line() -> None:
    error = error_of(502, b"<html>\nBad Gateway\n" + b"x" * 10_000, ASKER)

    assert error.what == "the API server https://api:6443 answers 502: a web page (HTML)"
    assert error_of(502, b"no healthy upstream\nx", ASKER).what.endswith("answers 502: no healthy upstream")


def test_a_redirect_names_where_to_without_path_and_query() -> None:
    headers = {"location": "https://login.example.com/sso?token=S3CR3T"}
    error = error_of(302, b"", ASKER, headers)

    assert isinstance(error, NotUnderstood) and problem_of(error).reason is Reason.CLUSTER_UNREACHABLE
    assert error.what == "the API server https://api:6443 redirects kfw (302, to https://login.example.com)"
    assert error_of(301, b"", ASKER, {"location": "http://[x"}).what.endswith("redirects kfw (301)")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (7, 7.0),
        (10**18, 8.0),
        (-5, 0.0),
        (1.5, 1.5),
        (None, 0.0),
        ("5", 5.0),
        ("9" * 5000, 8.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 0.0),
        (float("nan"), 0.0),
        (float("inf"), 8.0),
        ([], 0.0),
    ],
)
def test_the_time_to_come_back_is_bounded_whatever_a_server_says(said: object, seconds: float) -> None:
    assert seconds_of(said) == seconds


def test_the_sentence_of_a_server_is_bounded_and_so_is_its_depth() -> None:
    assert len(status_of(b'{"message":"' + b"x" * 100_000 + b'"}').message) == 1000
    assert len(status_of(b'{"a":' * 5000 + b"1" + b"}" * 5000).message) <= 200


def test_a_busy_server_says_when_to_come_back() -> None:
    error = error_of(429, b'{"message":"slow down","details":{"retryAfterSeconds":7}}', ASKER)

    assert isinstance(error, Busy) and error.retry_after == 7


def test_pauses_begin_with_none_double_and_have_an_end() -> None:
    timeouts = Timeouts(first_pause=0.25, longest_pause=30)

    assert [timeouts.pause(failures) for failures in (0, 1, 2, 3, 4, 9, 100)] == [0, 0, 0.25, 0.5, 1, 30, 30]


def test_a_server_that_is_away_for_long_is_knocked_at_less_often() -> None:
    timeouts = Timeouts()

    assert [timeouts.reconnect_after(away) for away in (0, 59, 60, 599, 600, 1e6)] == [0.3, 0.3, 1, 1, 5, 5]
