"""`kfw mcp` by hand: messages as they stand on the wire."""

import io
import json
from typing import Any

import pytest

from kfw.mcp.stdio_server import VERSIONS, McpServer


def said(*lines: bytes, allow_changes: bool = False) -> list[dict[str, Any]]:
    sink = io.BytesIO()
    McpServer(io.BytesIO(b"\n".join(lines) + b"\n"), sink, allow_changes=allow_changes).serve()
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def asked(method: str, version: str = "", **params: Any) -> Any:
    if version:
        params["_meta"] = {"io.modelcontextprotocol/protocolVersion": version}
    [reply] = said(json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).encode())
    assert (reply["jsonrpc"], reply["id"]) == ("2.0", 7)
    return reply.get("result") or reply["error"]


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [
        ("2024-11-05", "2024-11-05"),
        ("2025-06-18", "2025-06-18"),
        ("2099-01-01", "2025-11-25"),
        (7, "2025-11-25"),
    ],
)
def test_the_handshake_takes_the_clients_version_if_it_is_known(wanted: Any, spoken: str) -> None:
    result = asked("initialize", protocolVersion=wanted)
    assert (result["protocolVersion"], result["serverInfo"]["name"]) == (spoken, "kfw")
    assert "--allow-changes" in result["instructions"]
    assert "resultType" not in result


def test_a_request_may_say_its_own_version() -> None:
    found = asked("server/discover", VERSIONS[-1])
    assert found["supportedVersions"] == list(VERSIONS)
    assert found["resultType"] == asked("tools/list", VERSIONS[-1])["resultType"] == "complete"
    error = asked("tools/list", "1999-01-01")
    assert error["code"] == -32022
    assert error["data"]["supported"] == list(VERSIONS)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"x", -32700),
        (b"[" * 100_000, -32700),
        (b"[]", -32600),
        (b'{"id": 1}', -32600),
        (b'{"id": [1], "method": "ping"}', -32600),
        (b'{"id": 1, "method": "resources/list"}', -32601),
        (b'{"id": 1, "method": "tools/call", "params": []}', -32602),
        (b'{"id": 1, "method": "tools/call", "params": {"name": "rm"}}', -32602),
        (b'{"id": 1, "method": "tools/call", "params": {"name": ["status"]}}', -32602),
        (b'"' + b"x" * 2_000_000, -32600),
    ],
)
def test_what_is_no_request_is_refused_and_the_next_is_heard(line: bytes, code: int) -> None:
    first, *rest = said(line, b'{"jsonrpc": "2.0", "id": 2, "method": "ping"}')
    assert first["error"]["code"] == code
    assert rest == ([] if len(line) > 1_000_000 else [{"jsonrpc": "2.0", "id": 2, "result": {}}])


def test_notifications_are_not_answered() -> None:
    assert said(
        b'{"jsonrpc": "2.0", "method": "notifications/initialized"}',
        b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}}',
        b'{"jsonrpc": "2.0", "method": "something/else"}',
    ) == []  # fmt: skip


@pytest.mark.parametrize("name", ["up", "add", "down"])
def test_what_changes_something_is_refused_with_the_line_that_allows_it(name: str) -> None:
    result = asked("tools/call", name=name, arguments={"target": "svc/x"})
    assert result["isError"]
    assert "kfw mcp --allow-changes" in result["content"][0]["text"]
