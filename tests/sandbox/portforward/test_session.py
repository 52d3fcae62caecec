"""SPDY tunnels, raw and in WebSocket, as the kubelet and the container runtime serve them."""

import asyncio
import hashlib

import pytest

from kfw.sandbox.manifests import statefulset
from kfw.sandbox.portforward.runtime import Runtime
from kfw.sandbox.sandbox import Sandbox
from kfw.wire.portforward import FailureKind, classify
from kfw.wire.spdy_frames import RstStatus
from kfw.wire.upgrade import TUNNEL
from tests.sandbox.portforward.client import WAYS, tunnel
from tests.until import until

pytestmark = pytest.mark.asyncio

#: Bytes that the kernel's buffers of three connections may take, generously.
MOST = 100 * 1024 * 1024
GREETING = b"hello from db-0\n"


async def with_digest(sandbox: Sandbox) -> None:
    sandbox.apply(statefulset("demo", "digest", "kfw/digest", ports={"d": 9001}))
    await sandbox.settled()


@pytest.mark.parametrize("way", WAYS)
async def test_streams_and_data_in_one_write_are_served(sandbox: Sandbox, way: str) -> None:
    async with tunnel(sandbox, "db-0", way) as client:
        one = client.open(5432, b"echoed")
        await client.until(lambda: client.data[one.data] == GREETING + b"echoed")
        assert client.said[:2] == [("reply", one.error), ("reply", one.data)]


@pytest.mark.parametrize("way", WAYS)
async def test_many_connections_share_a_tunnel_and_each_gets_its_own_bytes(
    sandbox: Sandbox, way: str
) -> None:
    sandbox.runtime.close_after = 0.0
    bodies = [bytes([number]) * 100_000 for number in range(20)]
    async with tunnel(sandbox, "db-0", way) as client:
        opened = [client.open(5432, body) for body in bodies]
        await client.until(lambda: all(len(client.data[one.data]) == 100_016 for one in opened))
        assert [client.data[one.data] for one in opened] == [GREETING + body for body in bodies]
        for one in opened:
            client.write(one, b"", fin=True)
        assert [await client.over_with(one) for one in opened] == [""] * 20


@pytest.mark.parametrize("way", WAYS)
async def test_a_refused_port_ends_the_data_stream_before_the_text_comes(sandbox: Sandbox, way: str) -> None:
    async with tunnel(sandbox, "db-0", way) as client:
        one = client.open(5433)
        text = await client.over_with(one)
        assert classify(text, 5433).kind == FailureKind.REFUSED
        order = [what for what in client.said if what[0] != "reply"]
        assert order == [("fin", one.data), ("text", one.error), ("fin", one.error)]


async def test_after_a_pod_is_gone_its_tunnel_lives_on_and_says_so(sandbox: Sandbox) -> None:
    sandbox.runtime.close_after = 0.05
    async with tunnel(sandbox, "db-0") as client:
        live = client.open(5432)
        await client.until(lambda: client.data[live.data] == GREETING)
        sandbox.delete("pods", "demo", "db-0", grace=0)
        await client.until(lambda: client.has("fin", live.data))
        await sandbox.settled()  # another pod has its name by now, and this tunnel does not lead there
        one = client.open(5432)
        assert classify(await client.over_with(one), 5432).kind == FailureKind.GONE
        client.ping()
        await client.until(lambda: client.pongs == 1)


async def test_the_runtime_is_by_default_the_one_that_closes_after_a_second() -> None:
    assert Runtime() == Runtime(close_after=1.0, resets=False)


async def test_a_clients_end_is_no_half_close_so_an_answer_to_it_is_lost(sandbox: Sandbox) -> None:
    await with_digest(sandbox)
    sandbox.runtime.close_after = 0.15
    async with tunnel(sandbox, "digest-0") as client:
        one = client.open(9001, b"all of it")
        client.write(one, b"", fin=True)
        began = asyncio.get_running_loop().time()
        assert await client.over_with(one) == ""
        assert client.data[one.data] == b""
        assert asyncio.get_running_loop().time() - began >= 0.14


async def test_a_runtime_that_half_closes_would_bring_that_answer(sandbox: Sandbox) -> None:
    await with_digest(sandbox)
    sandbox.runtime.close_after = None
    async with tunnel(sandbox, "digest-0") as client:
        one = client.open(9001, b"all of it")
        client.write(one, b"", fin=True)
        assert await client.over_with(one) == ""
        assert client.data[one.data] == f"9 {hashlib.sha256(b'all of it').hexdigest()}\n".encode()


async def test_the_apps_end_reaches_the_client_late(sandbox: Sandbox) -> None:
    sandbox.runtime.close_after = 0.15
    pod = sandbox.pods("demo", "web")[0]["metadata"]["name"]
    async with tunnel(sandbox, pod) as client:
        one = client.open(8080, b"GET / HTTP/1.0\r\n\r\n")
        await client.until(lambda: b"}" in client.data[one.data])
        began = asyncio.get_running_loop().time()
        assert await client.over_with(one) == ""
        assert asyncio.get_running_loop().time() - began >= 0.1


async def test_an_app_that_resets_is_told_in_the_runtimes_words(sandbox: Sandbox) -> None:
    sandbox.apply(statefulset("demo", "reset", "kfw/resetter", ports={"r": 9004}))
    await sandbox.settled()
    sandbox.runtime.close_after = 0.0
    async with tunnel(sandbox, "reset-0") as client:
        one = client.open(9004, b"x")
        assert classify(await client.over_with(one), 9004).kind == FailureKind.RESET


async def test_pings_are_answered_by_the_far_end(sandbox: Sandbox) -> None:
    async with tunnel(sandbox, "db-0", TUNNEL) as client:
        client.ping(7)
        await client.until(lambda: client.pongs == 7)


async def test_one_byte_for_a_stream_that_failed_blocks_a_worker_for_good(sandbox: Sandbox) -> None:
    async with tunnel(sandbox, "db-0") as client:
        one = client.open(5433, b"x")
        await client.over_with(one)
        client.send(client.spdy.rst(one.data))  # cures nothing
        client.ping(5)
        others = [client.open(5432) for _ in range(4)]
        await client.until(lambda: client.pongs == 4)
        with pytest.raises(TimeoutError):
            await client.until(lambda: client.pongs > 4, 0.1)
        served = [other for other in others if client.data[other.data] == GREETING]
        assert all(one.data % 5 not in (other.data % 5, other.error % 5) for other in served)
        assert 0 < len(served) < 4


async def test_a_newer_runtime_resets_both_streams_and_is_not_blocked(sandbox: Sandbox) -> None:
    sandbox.runtime.resets = True
    async with tunnel(sandbox, "db-0") as client:
        one = client.open(5433, b"x")
        await client.until(lambda: client.data[one.error] != b"")
        client.ping(5)
        other = client.open(5432)
        await client.until(lambda: client.pongs == 5 and client.data[other.data] == GREETING)


async def test_an_app_that_does_not_read_stops_the_whole_tunnel_and_memory_stays_bounded(
    sandbox: Sandbox,
) -> None:
    async with tunnel(sandbox, "db-0") as client:
        one = client.open(5432)
        await client.until(lambda: client.data[one.data] == GREETING)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < MOST:  # it echoes, and we do not read
                client.write(one, bytes(256 * 1024))
                await asyncio.wait_for(client.writer.drain(), 0.3)
                sent += 256 * 1024


async def test_streams_without_a_port_are_reset_and_the_tunnel_goes_on(sandbox: Sandbox) -> None:
    async with tunnel(sandbox, "db-0") as client:
        bad, wire = client.spdy.open_stream({"streamtype": "data", "requestid": "9"})
        client.send(wire)
        await client.until(lambda: client.has("rst", bad))
        one = client.open(5432)
        await client.until(lambda: client.data[one.data] == GREETING)


@pytest.mark.parametrize("way", WAYS)
async def test_nonsense_ends_that_tunnel_and_no_other(sandbox: Sandbox, way: str) -> None:
    async with tunnel(sandbox, "db-0", way) as client, tunnel(sandbox, "db-0", way) as other:
        client.writer.write(b"\x80\x09nonsense" * 10)
        assert await client.ended() == ("close 1002" if way == TUNNEL else "closed")
        other.ping()
        await other.until(lambda: other.pongs == 1)


async def test_a_client_that_says_goaway_has_left(sandbox: Sandbox) -> None:
    async with tunnel(sandbox, "db-0") as client:
        client.send(client.spdy.goaway())
        assert await client.ended() == "closed"


async def test_a_download_that_was_reset_goes_on_until_the_runtime_closes_it(sandbox: Sandbox) -> None:
    sandbox.runtime.close_after = 60  # so that 5 MB arrive before, on any machine
    pod = sandbox.pods("demo", "web")[0]["metadata"]["name"]
    async with tunnel(sandbox, pod) as client:
        one = client.open(8080, b"GET /bytes?n=1000000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.until(lambda: len(client.data[one.data]) > 1_000_000)
        client.send(client.spdy.rst(one.data, RstStatus.CANCEL), client.spdy.rst(one.error, RstStatus.CANCEL))
        read = 0
        async with asyncio.timeout(30):
            while read < 5_000_000:
                read += len(await client.reader.read(65536))


async def test_when_the_client_leaves_its_connections_to_the_app_end(sandbox: Sandbox) -> None:
    async with tunnel(sandbox, "db-0") as client:
        one = client.open(5432)
        await client.until(lambda: client.data[one.data] == GREETING)
        assert len(sandbox.runtime.tunnels) == 1
    pod = sandbox.kubelet.serving(sandbox.get("pods", "demo", "db-0")["metadata"]["uid"])
    assert pod is not None
    await until(lambda: not pod.connections and not sandbox.runtime.tunnels)
