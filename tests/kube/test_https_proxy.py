"""Through a proxy that speaks TLS itself: TLS within TLS, on each loop."""

import asyncio
import base64
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import pytest

from kfw.errors import ClusterUnreachable
from kfw.kube import tls
from kfw.kubeconfig.entries import ClusterEntry
from tests.kube.fake_api import serving
from tests.kube.proxies import connect, proxying
from tests.kube.test_api_server import CA, read, serves
from tests.kube.wire import PODS, pod

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if find_spec("uvloop"):
    LOOPS["uvloop"] = import_module("uvloop").new_event_loop


@pytest.mark.parametrize("loop", LOOPS)
def test_a_large_answer_comes_whole_through_tls_within_tls(loop: str) -> None:
    async def through() -> bytes:
        tls.share_buffers()
        both = serves("127.0.0.1")
        async with serving(both) as api, proxying(connect(), both) as proxy:
            big = pod("a")
            big["metadata"]["annotations"] = {"x": "y" * 3_000_000}
            await api.put(PODS, big)
            url = f"https://127.0.0.1:{proxy.port}"
            answer = await read(ClusterEntry("dev", api.url, ca=CA, proxy_url=url))
            assert proxy.asked == [("127.0.0.1", api.port)]
            return answer

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert len(runner.run(through())) > 3_000_000


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("encrypted", [False, True], ids=["http", "https"])
def test_what_a_proxy_says_before_the_api_server_does_is_not_taken_for_its_answer(
    loop: str, encrypted: bool
) -> None:
    async def forged() -> bytes:
        both = serves("127.0.0.1")
        forging = connect(adds=b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        async with serving(both) as api, proxying(forging, both if encrypted else None) as proxy:
            await api.put(PODS, pod("a"))
            url = f"http{'s' * encrypted}://127.0.0.1:{proxy.port}"
            return await read(ClusterEntry("dev", api.url, ca=CA, proxy_url=url))

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert b'"name":"a"' in runner.run(forged()).replace(b" ", b"")


@pytest.mark.asyncio
async def test_its_password_goes_within_tls() -> None:
    word = base64.b64encode(b"joe:p@w").decode()
    both = serves("127.0.0.1")
    async with serving(both) as api, proxying(connect(word), both) as proxy:
        for login, good in (("joe:p%40w@", True), ("joe:x@", False)):
            cluster = ClusterEntry("dev", api.url, ca=CA, proxy_url=f"https://{login}127.0.0.1:{proxy.port}")
            if good:
                assert await read(cluster)
                continue
            with pytest.raises(ClusterUnreachable, match="407") as caught:
                await read(cluster)
            assert "joe" not in caught.value.what


@pytest.mark.asyncio
async def test_a_proxy_that_is_not_trusted_is_not_told_the_password() -> None:
    heads: list[bytes] = []

    async def handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.read(1000))

    async with serving(serves("127.0.0.1")) as api, proxying(handshake, serves("other.example")) as proxy:
        url = f"https://joe:pw@127.0.0.1:{proxy.port}"
        with pytest.raises(ClusterUnreachable, match="cannot trust"):
            await read(ClusterEntry("dev", api.url, ca=CA, proxy_url=url))
        assert not heads


@pytest.mark.parametrize(
    "says", [b"", b"HTTP/1.1 200 OK\r\n", b"\x00" * 70_000, b"HTTP/1.1 503 Busy\r\n\r\n"]
)
@pytest.mark.asyncio
async def test_a_proxy_that_answers_something_else_is_named(says: bytes) -> None:
    async def handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(says)

    async with proxying(handshake, serves("127.0.0.1")) as proxy:
        url = f"https://joe:pw@127.0.0.1:{proxy.port}"
        with pytest.raises(ClusterUnreachable, match=f"the proxy https://127.0.0.1:{proxy.port} "):
            await read(ClusterEntry("dev", "https://127.0.0.1:1", ca=CA, proxy_url=url))
