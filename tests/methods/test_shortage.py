"""A shortage of files is not a verdict on nodes, pods or children: nothing breaks, who waits is told why."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from kfw.errors import KfwError, Shortage
from kfw.methods.base import OpenRequest, Tunnel
from kfw.methods.choose import open_path
from kfw.methods.kubectl import Kubectl
from kfw.methods.nodeport import NodePort
from kfw.methods.socat import Socat
from kfw.methods.tunnel.method import PodTunnel, TunnelMethod
from kfw.model import Endpoint, Health, Resolution
from kfw.relay.dialer import DialFailed, TcpDialer
from kfw.system.open_files import OPEN_FILES, OpenFiles, Use
from kfw.system.process import Children
from tests.fakes import FakeMethod, forward
from tests.methods.tunnel.far import far_side
from tests.methods.tunnel.ways import Client, Servers, client, pods, server, tunnel, until
from tests.relay.world import app, echo, listening
from tests.shortage import ERRNOS, no_room
from tests.stopwatch import soon

pytestmark = pytest.mark.asyncio

ASKED = Health(type="tcp", timeout=2.0)


@asynccontextmanager
async def nodeport() -> AsyncIterator[Tunnel]:
    async with app(echo) as one:
        yield await NodePort().open(_way(Endpoint("node", "node-1", "127.0.0.1", one.port)))


@asynccontextmanager
async def by_tunnel() -> AsyncIterator[Tunnel]:
    async with far_side() as far, tunnel(far, health=ASKED) as opened:
        yield opened


async def without_links(way: Tunnel) -> None:
    """So that a new one is needed."""
    if isinstance(way, PodTunnel):
        for link in tuple(way.pool.links):
            link.abort("the test wants it")
        await until(lambda: not way.pool.links)


def _way(*endpoints: Endpoint) -> OpenRequest:
    return OpenRequest(forward("web", health=ASKED), endpoints)


@pytest.mark.parametrize("number", ERRNOS)
@pytest.mark.parametrize("opened", [nodeport, by_tunnel], ids=["nodeport", "tunnel"])
async def test_a_way_is_not_broken_by_it_and_its_probe_is_no_verdict(
    opened: Callable[[], "asynccontextmanager[Tunnel]"], number: int
) -> None:
    async with opened() as way:  # type: ignore[attr-defined]
        assert way.dialer
        broken = asyncio.ensure_future(way.broken())
        with no_room(number):
            await without_links(way)
            end = asyncio.get_running_loop().time() + 0.6  # longer than no node may answer
            while asyncio.get_running_loop().time() < end:
                with pytest.raises(DialFailed) as failed:
                    await way.dialer.dial(Client)
                assert failed.value.safe and failed.value.short and not failed.value.refused
                with pytest.raises(Shortage):
                    await way.probe()
            assert not broken.done()
        await way.probe()
        transport = await way.dialer.dial(Client)
        transport.abort()
        broken.cancel()


@pytest.mark.parametrize("number", ERRNOS)
async def test_what_cannot_be_opened_for_it_says_so_by_each_method(children: Children, number: int) -> None:
    async with far_side() as far, app(echo) as one:
        node, pod = Endpoint("node", "node-1", "127.0.0.1", one.port), pods()[0]
        openers: dict[str, Callable[[], Awaitable[object]]] = {
            "nodeport": lambda: NodePort().open(_way(node)),
            "socat": lambda: Socat(children).open(_way(node)),
            "kubectl": lambda: Kubectl(children).open(_way(pod)),
            "tunnel": lambda: TunnelMethod(Servers(server(far))).open(_way(pod)),
            "child": lambda: children.start(["sleep", "1"], label="web"),
        }
        with no_room(number):
            for name, opening in openers.items():
                with pytest.raises(Shortage):
                    await opening()
                assert OPEN_FILES.shortage(), name


async def test_auto_does_not_choose_another_method_for_it() -> None:
    first, second = FakeMethod("nodeport"), FakeMethod("tunnel", wants="pod")
    first.failures = [Shortage("Too many open files")]
    there = Resolution(pods=pods(), nodes=(Endpoint("node", "node-1", "127.0.0.1", 1),))
    with pytest.raises(Shortage):
        await open_path({"nodeport": first, "tunnel": second}, forward("web"), there)
    assert second.tunnels == []
    first.failures = [KfwError("it does not answer")]
    assert (await open_path({"nodeport": first, "tunnel": second}, forward("web"), there)).method is second


async def test_a_client_that_waits_for_a_link_is_told_why_and_gets_one_when_there_is_room() -> None:
    async with by_tunnel() as way, listening(way.dialer) as port:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                OpenFiles, "_is_free_for", lambda self, number, use: use not in (Use.DIAL, Use.WARM)
            )
            await without_links(way)
            reader, writer = await port.client()
            writer.write(b"GET")
            await until(lambda: port.listener.waiting == 1)
            (waits,) = port.listener._live
            await until(lambda: waits.waits_for == "too many open files")
            await asyncio.sleep(0.5)
            assert port.listener.waiting == 1
        assert await soon(reader.read(1), 3)
        writer.close()


async def test_dials_for_clients_work_when_accepts_have_stopped_and_upkeep_when_dials_have() -> None:
    async with app(echo) as one, far_side() as far, AsyncExitStack() as stack:
        method = TunnelMethod(Servers(server(far)))
        with no_room(but_for=Use.DIAL):
            transport = await TcpDialer("127.0.0.1", one.port).dial(Client)
            transport.abort()
        with no_room(but_for=Use.UPKEEP):
            with pytest.raises(DialFailed):
                await TcpDialer("127.0.0.1", one.port).dial(Client)
            way = await method.open(_way(*pods()))
            stack.push_async_callback(way.close)
            await way.probe()


async def test_a_link_that_nobody_waits_for_takes_nothing_that_others_need() -> None:
    async with far_side() as far:
        with no_room(but_for=Use.LISTEN):
            async with tunnel(far, "web-1", "web-2", "web-3") as way:
                one = await client(way, b"x")
                await until(lambda: one.got)
                await asyncio.sleep(0.2)
                assert len(far.tunnels) == 1
                assert not OPEN_FILES.has_room(Use.WARM)


async def test_idle_links_are_closed_first_and_those_in_use_are_not() -> None:
    async with far_side() as far, tunnel(far, "web-1", "web-2", "web-3") as way:
        one = await client(way, b"x")
        await until(lambda: one.got)
        await until(lambda: len(way.pool.links) >= 3)
        with no_room(but_for=Use.DIAL):
            assert not OPEN_FILES.has_room(Use.ACCEPT)
            await until(lambda: len(way.pool.links) == 1)
            one.say(b"y")
            await until(lambda: bytes(one.got) == b"xy")
