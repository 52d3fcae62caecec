"""`kfw mcp` with the official client over stdio, in front of the sandbox."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from kfw.sandbox.manifests import deployment, service
from kfw.sandbox.manifests import port as service_port
from tests.real import talk
from tests.real.running import KFW
from tests.whole.place import Place
from tests.whole.program import Program


@asynccontextmanager
async def assistant(kfw: Program, *options: str, mode: str = "auto") -> AsyncIterator[Client]:
    """A program that has started `kfw mcp` in the project's folder."""
    server = StdioServerParameters(command=str(KFW), args=["mcp", *options], env=kfw.env, cwd=kfw.project)
    async with Client(stdio_client(server), mode=mode) as client:  # type: ignore[arg-type]
        yield client


async def call(client: Client, tool: str, /, **arguments: Any) -> tuple[bool, str, Any]:
    """Whether it failed, its text, and its structured content."""
    result: Any = await client.call_tool(tool, arguments)
    return result.is_error, "\n".join(part.text for part in result.content), result.structured_content


@pytest.fixture
def web(shared: Place, namespace: str) -> str:
    """A namespace with a service."""
    shared.apply(
        deployment(namespace, "web", ports={"http": 8080}),
        service(namespace, "web", service_port(80, "http", 8080)),
    )
    return namespace


def test_an_assistant_finds_a_target_brings_it_here_and_takes_it_away(
    kfw: Program, web: str, port: int
) -> None:
    async def converse() -> None:
        async with assistant(kfw, "--allow-changes") as client:
            offered = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert list(offered) == ["targets", "status", "explain", "logs", "up", "add", "down"]
            _, _, found = await call(client, "targets", namespace=web, word="service")
            assert [one["target"] for one in found["targets"]] == ["service/web"]
            failed, text, rows = await call(client, "add", target="svc/web", port=f"{port}:80", namespace=web)
            assert not failed, text
            assert (rows["forwards"][0]["status"], rows["forwards"][0]["localPort"]) == ("active", port)
            assert talk.pod_behind(port).startswith("web-")
            _, text, _ = await call(client, "status", names=["web"])
            assert json.loads(text)["forwards"][0]["name"] == "web"
            _, _, explained = await call(client, "explain", name="web")
            assert [one["method"] for one in explained["candidates"] if one["chosen"]] == ["nodeport"]
            _, _, log = await call(client, "logs", name="web", since="10m")
            assert any(line["message"].startswith("active") for line in log["lines"])
            _, _, stopped = await call(client, "down", names=["web"])
            assert stopped["stopped"] == ["web"]

    asyncio.run(converse())


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_errors_are_answers_with_the_cause_and_the_fix(kfw: Program, web: str, mode: str) -> None:
    async def converse() -> None:
        async with assistant(kfw, "--allow-changes", mode=mode) as client:
            failed, text, _ = await call(client, "explain", name="nope")
            assert failed
            assert text.splitlines()[0] == "cannot find a forward named 'nope'"
            failed, text, rows = await call(client, "add", target="svc/wbe", namespace=web, port=":80")
            assert failed
            assert text.startswith('wbe: error: target-not-found: services "wbe" not found')
            assert "did you mean service/web?" in text
            assert rows["forwards"][0]["reason"] == "target-not-found"
            failed, text, _ = await call(client, "up")
            assert failed
            assert f"found no kfw.yaml in {kfw.project} or above" in text

    asyncio.run(converse())


def test_without_leave_it_only_looks(kfw: Program) -> None:
    async def converse() -> None:
        async with assistant(kfw) as client:
            assert "up" not in {tool.name for tool in (await client.list_tools()).tools}
            failed, text, _ = await call(client, "down")
            assert failed and "--allow-changes" in text

    asyncio.run(converse())


def test_a_call_that_waits_holds_up_no_other_and_ends_with_its_client(
    kfw: Program, shared: Place, namespace: str
) -> None:
    shared.do(
        lambda sandbox: [
            sandbox.apply(deployment(namespace, "stuck", ports={"http": 8080}, env={"KFW_READY": "false"})),
            sandbox.apply(service(namespace, "stuck", service_port(80, "http"))),
        ]
    )
    entry = {"target": "service/stuck", "namespace": namespace, "localPort": 0}
    kfw.configure({"stuck": entry})

    async def converse() -> None:
        async with assistant(kfw, "--allow-changes") as client:
            waiting = asyncio.create_task(call(client, "up", timeout="9m"))
            while not kfw.status("stuck"):
                assert not waiting.done()
                await asyncio.sleep(0.05)
            _, _, rows = await call(client, "status", names=["stuck"])
            assert rows["forwards"][0]["status"] != "active"
            waiting.cancel()

    began = time.monotonic()
    asyncio.run(converse())
    assert time.monotonic() - began < 60
    assert [line for line in kfw.processes().values() if "--timeout=9m" in line] == []
