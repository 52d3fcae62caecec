"""What a config can ask for passes. What none can ask for: refused in whole/test_control_socket.py, and some of it here."""

from dataclasses import replace
from pathlib import Path

import pytest

from kfw.config.layers import load
from kfw.daemon.request_validation import check, fault, shortened, shown
from kfw.errors import UsageError
from kfw.kubeconfig.pin import pin
from kfw.model import Forward
from kfw.protocol import Source, UpRequest
from tests.fakes import forward

SOURCE = Source(key="/p/kfw.yaml", cwd="/p")

#: The edges of what a config may say of a forward.
EDGES = [
    "localPort: 0",
    "localPort: 65535",
    "targetPort: 1",
    "targetPort: 65535",
    "targetPort: a-very-long-port-name-that-is-still-a-name",
    "namespace: " + "n" * 63,
    "target: deployment/" + "d" * 253,
    "target: pod/a.b-c.0",
    "method: socat",
    "address: [0.0.0.0, '::', 127.0.0.2]",
    "address: localhost",
    "hold: 0",
    "hold: 8784h",
    "onPortInUse: next",
    "retry: {initialDelay: 10ms, maxDelay: 10ms, multiplier: 1.001, maxAttempts: 1000000}",
    "health: {type: http, interval: 100ms, timeout: 10ms, failures: 1, path: /a?b=c}",
    "health: {type: http, statuses: [100, 599, 1xx], tls: true, headers: ['X-E: ü', 'A:b']}",
    "health: {type: grpc, service: " + "s" * 300 + "}",
    "health: {type: exec, command: ['/a b/ü', '{port}', '--x={port}']}",
    "type: rest\n    apiPath: api/v1\n    swaggerPath: docs/é",
    "kubeconfig: [/a b/ä, ../c]",
    "context: 'arn:aws:eks:eu-1:1234:cluster/Ünï code'",
]


@pytest.mark.parametrize("line", EDGES)
def test_whatever_a_config_can_say_is_no_fault(tmp_path: Path, line: str) -> None:
    keys = {"target": "service/api", "localPort": "8080", "targetPort": "80"}
    rest = "".join(f"    {key}: {value}\n" for key, value in keys.items() if key != line.partition(":")[0])
    (tmp_path / "kfw.yaml").write_text(f"portForwards:\n  {'x' * 63}:\n{rest}    {line}\n")
    loaded = load(tmp_path, user_file=tmp_path / "none.yaml").forwards.values()
    found = [replace(one, namespace=one.namespace or "default") for one in loaded]  # which is what pin does
    assert [fault(one) for one in found] == [""]
    check(UpRequest(forwards=found, source=SOURCE))


def test_what_pin_leaves_to_the_context_is_no_fault() -> None:
    assert fault(replace(forward("a"), namespace="", namespace_is_default=True)) == ""
    assert fault(replace(forward("a"), namespace="", enabled=False)) == ""
    assert fault(replace(forward("a"), namespace="", enabled=True)) != ""
    assert pin([], None) == []


@pytest.mark.parametrize(
    "source",
    [
        Source(key="", cwd="/"),
        Source(key="k", cwd="relative"),
        Source(key="k", cwd="/a\0b"),
        Source(key="k", cwd="/", config_files=["x"] * 1000),
        Source(key="k", cwd="/", flags={"context": "\0"}),
        Source(key="k", cwd="/", kubeconfig="k" * 100_000),
    ],
)
def test_a_source_that_no_command_could_be_is_refused(source: Source) -> None:
    with pytest.raises(UsageError):
        check(UpRequest(forwards=[], source=source))


def test_two_of_one_name_are_refused_and_so_are_too_many() -> None:
    with pytest.raises(UsageError, match="two forwards are named 'a'"):
        check(UpRequest(forwards=[forward("a"), forward("b"), forward("a")], source=SOURCE))
    many: list[Forward] = [forward(f"a{number}") for number in range(5001)]
    with pytest.raises(UsageError, match="5001 forwards are too many at once"):
        check(UpRequest(forwards=many, source=SOURCE))


def test_what_is_quoted_is_short_and_harmless() -> None:
    assert shown("\x1b[2J\u202e") == r"'\x1b[2J\u202e'"
    assert len(shortened("x" * 100_000)) == 101
