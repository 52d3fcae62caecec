"""The real `kubectl port-forward` on the sandbox."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kfw.sandbox.sandbox import Sandbox
from tests.sandbox.kubectl import Kubectl, needs_kubectl
from tests.sandbox.talk import ask, close

pytestmark = [pytest.mark.asyncio, pytest.mark.sandbox, needs_kubectl]


@asynccontextmanager
async def forwarding(kubectl: Kubectl, line: str) -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    """The local port that kubectl listens on, and kubectl."""
    child = await kubectl.start(f"port-forward -n demo {line}")
    assert child.stdout is not None
    try:
        async with asyncio.timeout(10):
            said = (await child.stdout.readline()).decode()
        found = re.fullmatch(r"Forwarding from 127\.0\.0\.1:(\d+) -> \d+\n", said)
        assert found, (said, (await child.communicate())[1] if not said else "")
        yield int(found[1]), child
    finally:
        if child.returncode is None:
            child.terminate()
        await child.communicate()


@pytest.mark.parametrize("transport", ["true", "false"])
@pytest.mark.parametrize("target", ["service/web :80", "deployment/web :8080", "deployment/web :http"])
async def test_it_forwards_to_a_pod_of_a_service_and_of_a_deployment(
    kubectl: Kubectl, target: str, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECTL_PORT_FORWARD_WEBSOCKETS", transport)  # false is raw SPDY
    async with forwarding(kubectl, target) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answers = [(await ask(reader, writer, "GET", f"/{number}")).json for number in range(3)]
        assert [answer["path"] for answer in answers] == ["/0", "/1", "/2"]
        assert answers[0]["app"] == "web"
        await close(writer)


async def test_many_connections_at_once_and_many_bytes(kubectl: Kubectl) -> None:
    body = hashlib.sha256(b"x").digest() * 50_000

    async def echoed(port: int) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readline() == b"hello from db-0\n"
        sending = asyncio.create_task(_send(writer, body))
        back = await reader.readexactly(len(body))
        await sending
        writer.close()
        return back == body

    async with forwarding(kubectl, "pod/db-0 :5432") as (port, _):
        assert await asyncio.gather(*(echoed(port) for _ in range(8))) == [True] * 8


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def test_it_tells_and_ends_where_nothing_listens(kubectl: Kubectl) -> None:
    async with forwarding(kubectl, "pod/db-0 :5433") as (port, child):
        reader, _writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        _writer.close()
        _, said = await asyncio.wait_for(child.communicate(), 10)
    assert b"5433: connect: connection refused" in said
    assert b"lost connection to pod" in said
    assert child.returncode == 1


async def test_a_user_without_the_verb_is_told_in_the_servers_words(sandbox: Sandbox, tmp_path: Path) -> None:
    dev = Kubectl(sandbox.add_user("dev", "demo", verbs={"get", "list"}), tmp_path)
    said = await dev.run("port-forward -n demo pod/db-0 :5432")
    assert said.code == 1
    assert 'User "dev" cannot' in said.err
    assert 'resource "pods/portforward" in API group "" in the namespace "demo"' in said.err
    may = Kubectl(sandbox.add_user("other", "demo"), tmp_path)
    assert (await may.run("auth can-i create pods --subresource=portforward -n demo")).out == "yes\n"
    assert (await dev.run("auth can-i create pods --subresource=portforward -n demo")).out == "no\n"


async def test_where_websocket_is_not_spoken_it_falls_back_to_raw_spdy(
    sandbox: Sandbox, kubectl: Kubectl
) -> None:
    with sandbox.faults.without("SPDY/3.1+portforward.k8s.io"):
        async with forwarding(kubectl, "pod/db-0 :5432") as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.readline() == b"hello from db-0\n"
            await close(writer)


async def test_a_tunnel_that_is_reset_ends_it(sandbox: Sandbox, kubectl: Kubectl) -> None:
    async with forwarding(kubectl, "pod/db-0 :5432") as (_, child):
        with sandbox.faults.reset(only="tunnels"):
            _, said = await asyncio.wait_for(child.communicate(), 10)
        assert b"lost connection to pod" in said
