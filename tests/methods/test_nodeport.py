"""Which node carries a connection, and when no node does. Loopback addresses stand for nodes."""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from itertools import cycle

import pytest

from kfw.errors import KfwError
from kfw.methods.base import Method, OpenRequest, Tunnel
from kfw.methods.nodeport import NODES, NodePort, NodePortTunnel, directly
from kfw.model import Endpoint, Forward, Health, Reason, Target
from kfw.relay.dialer import DialFailed
from tests.relay.world import App, Talk, app, echo, listening, silent_port
from tests.stopwatch import Stopwatch, soon
from tests.until import until

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers on all of 127/8"),
]

FIRST, SECOND, THIRD = (f"127.0.7.{n}" for n in (1, 2, 3))


def way(port: int, *addresses: str, health: Health = Health(timeout=1)) -> OpenRequest:  # noqa: B008 (frozen)
    forward = Forward("api", Target.parse("service/api"), 80, 8080, method="nodeport", health=health)
    return OpenRequest(forward, tuple(Endpoint("node", f"node{a[-1]}", a, port) for a in addresses))


class Node:
    """A node's port, which can be stopped and started again."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.port = port
        self._stack = AsyncExitStack()
        self._app = App()

    @property
    def visits(self) -> int:
        return self._app.visits

    async def start(self) -> None:
        self._app = await self._stack.enter_async_context(app(echo, self.address, self.port))
        self.port = self._app.port

    async def stop(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def nodes(*addresses: str) -> AsyncIterator[list[Node]]:
    """Nodes that serve, all on the same port."""
    made: list[Node] = []
    try:
        for address in addresses:
            made.append(Node(address, made[0].port if made else 0))
            await made[-1].start()
        yield made
    finally:
        for node in made:
            await node.stop()


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    pass


async def dialed(tunnel: NodePortTunnel) -> str:
    """The address of the node that took the connection."""
    transport = await tunnel.dial(asyncio.Protocol)
    address: str = transport.get_extra_info("peername")[0]
    transport.abort()
    await asyncio.sleep(0)
    return address


async def test_it_is_a_method_and_opens_a_tunnel() -> None:
    method: Method = NodePort()
    assert (method.name, method.wants, method.owns_port, method.missing()) == (
        "nodeport",
        "node",
        False,
        None,
    )
    async with nodes(FIRST) as (node,):
        tunnel: Tunnel = await method.open(way(node.port, FIRST))
        assert tunnel.endpoint.address == FIRST
        assert (tunnel.dialer is not None, tunnel.pid) == (True, None)
        await tunnel.close()
        await tunnel.close()


async def test_of_the_nodes_that_answer_the_preferred_one_is_taken() -> None:
    async with nodes(FIRST, SECOND) as (one, two):
        tunnel = await NodePort().open(way(one.port, FIRST, SECOND))
        assert tunnel.endpoint.name == "node1"
        assert await dialed(tunnel) == FIRST
        assert two.visits == 0


@pytest.mark.parametrize("kind", ["refuses", "is silent", "closes at once"])
async def test_a_node_that_does_not_serve_is_passed_over(kind: str) -> None:
    async with nodes(SECOND) as (two,), AsyncExitStack() as stack:
        with ExitStack() as sockets:
            if kind == "is silent":
                silent_port(sockets, FIRST, two.port)
            if kind == "closes at once":
                await stack.enter_async_context(app(closes, FIRST, two.port))
            tunnel = await soon(NodePort().open(way(two.port, FIRST, SECOND)), 1.5)
            assert tunnel.endpoint.name == "node2"


async def test_when_no_node_answers_each_is_named_with_its_own_words() -> None:
    with ExitStack() as stack, pytest.raises(KfwError) as raised:
        port = silent_port(stack, FIRST)
        await NodePort().open(way(port, FIRST, SECOND, health=Health(timeout=0.3)))
    assert raised.value.reason == "node-unreachable"
    assert raised.value.what == (
        f"no node answers for service/api: node1 ({FIRST}:{port}): no answer within 0.3 s; "
        f"node2 ({SECOND}:{port}): connection refused"
    )
    assert "kubectl" in raised.value.fix


async def test_of_hundreds_of_nodes_a_few_are_asked() -> None:
    with socket.socket() as nobody:
        nobody.bind(("0.0.0.0", 0))
        port = nobody.getsockname()[1]
        with pytest.raises(KfwError) as raised:
            await NodePort().open(way(port, *(f"127.0.8.{n}" for n in range(1, 200))))
    assert raised.value.what.count("connection refused") == NODES


async def test_http_health_is_asked_of_the_node() -> None:
    async with nodes(FIRST) as (node,):
        with pytest.raises(KfwError, match=r"answered GET /, but not in HTTP: b'GET / HTTP"):
            await NodePort().open(way(node.port, FIRST, health=Health(type="http", timeout=1)))


async def test_a_refusal_sends_the_connection_to_the_next_node_and_later_ones_there_at_once() -> None:
    async with nodes(FIRST, SECOND) as (one, two):
        tunnel = await NodePort().open(way(one.port, FIRST, SECOND))
        await one.stop()
        assert await dialed(tunnel) == SECOND
        await until(lambda: two.visits == 1)
        assert tunnel.endpoint.name == "node2"
        await one.start()
        visits = one.visits
        assert await dialed(tunnel) == SECOND
        assert one.visits == visits


async def test_a_silent_node_costs_one_connection_a_quarter_of_a_second_and_the_next_ones_nothing() -> None:
    async with nodes(FIRST, SECOND) as (one, two):
        tunnel = await NodePort().open(way(one.port, FIRST, SECOND))
        await one.stop()
        assert two.visits == 0
        with ExitStack() as stack:
            silent_port(stack, FIRST, one.port)
            began, watch = time.monotonic(), Stopwatch()
            assert await dialed(tunnel) == SECOND
            assert watch.seconds() < 2
            first = time.monotonic() - began
            again = Stopwatch()
            assert await dialed(tunnel) == SECOND
            assert again.seconds() < 0.2 < first  # HEAD_START is paid once


async def test_a_node_that_lost_two_attempts_gets_another_before_tcp_would_try_again() -> None:
    async with nodes(FIRST) as (node,):
        tunnel = await NodePort().open(way(node.port, FIRST))
        await node.stop()
        with ExitStack() as stack:
            silent_port(stack, FIRST, node.port)
            dialing = asyncio.create_task(dialed(tunnel))
            await asyncio.sleep(0.35)
            stack.close()
            await node.start()
            assert await soon(dialing, 0.55) == FIRST  # TCP: a second after an attempt


async def test_a_dial_that_no_node_takes_is_safe_to_repeat() -> None:
    async with nodes(FIRST) as (node,):
        tunnel = await NodePort().open(way(node.port, FIRST, SECOND))
        await node.stop()
        with pytest.raises(DialFailed) as failed:
            await tunnel.dial(asyncio.Protocol)
        assert failed.value.safe
        assert failed.value.why.count("connection refused") == 2


async def test_a_way_that_no_node_takes_for_a_while_is_broken_and_says_why() -> None:
    async with nodes(FIRST) as (node,):
        tunnel = await NodePort().open(way(node.port, FIRST))
        watching = asyncio.create_task(tunnel.broken())
        await node.stop()
        async with listening(tunnel) as local:  # whose connection is dialed for again and again
            _, writer = await local.client()
            problem = await soon(watching, 2)
            writer.close()
        assert problem.reason is Reason.APP_REFUSES
        assert problem.message == (
            f"nothing listens behind the node port of service/api: node1 ({FIRST}:{node.port}): connection refused"
        )
        assert await tunnel.broken() == problem


async def test_failures_count_only_when_nothing_got_through_between_them() -> None:
    async with nodes(FIRST) as (node,):
        tunnel = await NodePort().open(way(node.port, FIRST))
        watching = asyncio.create_task(tunnel.broken())
        for _ in range(2):
            await node.stop()
            with pytest.raises(DialFailed):
                await tunnel.dial(asyncio.Protocol)
            await node.start()
            assert await dialed(tunnel) == FIRST
            await asyncio.sleep(0.2)
        assert not watching.done()
        watching.cancel()


@pytest.mark.parametrize(("others_get_through", "broken"), [(True, False), (False, True)])
async def test_a_dial_that_failed_after_long_is_no_break_when_others_got_through_meanwhile(
    others_get_through: bool, broken: bool
) -> None:
    """Some of the pods behind the nodes are gone: who is sent there waits, and the rest is served."""
    unlucky = ContextVar("unlucky", default=False)

    async def connect_to(node: Endpoint, timeout: float) -> socket.socket:
        if unlucky.get():
            await asyncio.sleep(timeout)
            raise TimeoutError
        return await directly(node, timeout)

    async def dial_in_vain() -> None:
        unlucky.set(True)
        with pytest.raises(DialFailed):
            await tunnel.dial(asyncio.Protocol)

    async with nodes(FIRST) as (node,):
        tunnel = NodePortTunnel(way(node.port, FIRST), connect_to)
        watching = asyncio.create_task(tunnel.broken())
        failing = asyncio.create_task(dial_in_vain())
        while not failing.done():
            if others_get_through:
                assert await dialed(tunnel) == FIRST
            await asyncio.sleep(0.02)
        await asyncio.sleep(0)
        assert watching.done() is broken
        watching.cancel()


async def test_a_gap_of_an_instant_is_no_break_and_the_connection_gets_through() -> None:
    async with nodes(FIRST) as (node,):
        tunnel = await NodePort().open(way(node.port, FIRST))
        watching = asyncio.create_task(tunnel.broken())
        async with listening(tunnel) as local:
            await node.stop()
            reader, writer = await local.client()
            writer.write(b"hello")
            await asyncio.sleep(0.1)
            await node.start()
            assert await soon(reader.readexactly(5), 2) == b"hello"
            assert not watching.done()
            writer.close()
            await until(lambda: local.listener.connections == 0)
        watching.cancel()


async def test_a_probe_finds_the_node_that_answers_now_or_says_that_none_does() -> None:
    async with nodes(FIRST, SECOND) as (one, two):
        tunnel = await NodePort().open(way(one.port, FIRST, SECOND))
        await one.stop()
        await tunnel.probe()
        assert tunnel.endpoint.name == "node2"
        await two.stop()
        with pytest.raises(KfwError, match="connection refused") as raised:
            await tunnel.probe()
        assert raised.value.reason == "app-refuses"


async def test_the_nodes_of_an_open_way_may_change_but_not_the_one_in_use() -> None:
    async with nodes(FIRST, SECOND, THIRD) as (one, two, three):
        tunnel = await NodePort().open(way(one.port, FIRST, SECOND))
        assert tunnel.retarget(way(one.port, THIRD, FIRST).endpoints)
        assert await dialed(tunnel) == FIRST
        await one.stop()
        assert await dialed(tunnel) == THIRD
        assert two.visits == 0 < three.visits
        assert not tunnel.retarget(way(one.port, FIRST, SECOND).endpoints)


async def test_a_node_that_left_the_cluster_is_not_asked_any_more() -> None:
    async with nodes(FIRST, SECOND) as (one, _two):
        tunnel = await NodePort().open(way(one.port, FIRST, SECOND))
        await one.stop()
        with ExitStack() as stack:
            silent_port(stack, FIRST, one.port)
            dialing = asyncio.create_task(dialed(tunnel))
            await asyncio.sleep(0.05)
            assert tunnel.retarget(way(one.port, FIRST).endpoints)
            stack.close()
            await one.start()
            assert await soon(dialing, 1) == FIRST
            assert tunnel.endpoint.address == FIRST


# -- refused


async def test_that_every_node_refuses_is_an_answer_and_says_what_to_look_at() -> None:
    with socket.socket() as nobody, pytest.raises(KfwError) as raised:
        nobody.bind(("0.0.0.0", 0))
        port = nobody.getsockname()[1]
        await NodePort().open(way(port, FIRST, SECOND))
    assert raised.value.reason == "app-refuses"
    assert raised.value.what == (
        f"nothing listens behind the node port of service/api: node1 ({FIRST}:{port}): connection refused; "
        f"node2 ({SECOND}:{port}): connection refused"
    )
    assert "target port" in raised.value.fix


@pytest.mark.parametrize("other", ["refuses", "is silent", "closes at once"])
async def test_a_connection_that_every_node_refuses_is_reset_sooner_than_one_that_some_do_not_answer(
    other: str,
) -> None:
    async with nodes(FIRST, SECOND) as (one, two), AsyncExitStack() as apps:
        tunnel = await NodePort().open(way(one.port, FIRST, SECOND))
        await one.stop()
        await two.stop()
        with ExitStack() as sockets:
            if other == "is silent":
                silent_port(sockets, SECOND, two.port)
            if other == "closes at once":
                await apps.enter_async_context(app(closes, SECOND, two.port))
            async with listening(tunnel, hold=2.0, hold_refused=0.5) as local:
                began, watch = time.monotonic(), Stopwatch()
                reader, writer = await local.client()
                with suppress(ConnectionResetError):
                    await soon(reader.read(), 20)
                writer.close()
                took, own = time.monotonic() - began, watch.seconds()
    right = {"refuses": took > 0.4 and own < 1.5, "is silent": took > 1.8, "closes at once": own < 1.0}
    assert right[other], (took, own)


# -- a node or some of the pods behind it hang


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As a node or a pod that is frozen: the kernel takes the connection, and that is all."""
    await asyncio.Event().wait()


def every_other_is_deaf() -> Talk:
    """As kube-proxy when one of two pods is frozen."""
    turns = cycle((deaf, echo))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next(turns)(reader, writer)

    return talk


@asynccontextmanager
async def opened(port: int, *addresses: str) -> AsyncIterator[NodePortTunnel]:
    """A way that has learned that the app ends what we end."""
    wanted = way(port, *addresses, health=Health(timeout=5))
    tunnel = await NodePort().open(wanted)
    try:
        await until(lambda: wanted.eof_behaviour.known)
        yield tunnel
    finally:
        await tunnel.close()


async def test_a_node_that_takes_connections_and_does_not_answer_is_left_for_one_that_does() -> None:
    async with nodes(FIRST, SECOND) as (one, two), opened(one.port, FIRST, SECOND) as tunnel:
        await one.stop()
        async with app(deaf, FIRST, one.port):
            assert await dialed(tunnel) == FIRST
            watch = Stopwatch()
            assert not (await tunnel.examine(soon=True)).errors
            assert watch.seconds() < 2
            assert await dialed(tunnel) == SECOND
            assert two.visits


async def test_when_the_only_node_does_not_answer_that_is_said_and_a_new_way_would_not_help() -> None:
    async with nodes(FIRST) as (one,), opened(one.port, FIRST) as tunnel:
        await one.stop()
        async with app(deaf, FIRST, one.port):
            seen = await tunnel.examine(soon=True)
            assert [str(error) for error in seen.errors] == ["no answer within 1 s"] * 4
            assert (seen.apart, seen.name) == (True, f"node port {one.port} of node1")


async def test_when_some_of_the_pods_do_not_answer_some_probes_fail() -> None:
    async with nodes(FIRST) as (one,), opened(one.port, FIRST) as tunnel:
        await one.stop()
        async with app(every_other_is_deaf(), FIRST, one.port):
            seen = await tunnel.examine(soon=True)
            assert len(seen.errors) == 2 == len(seen.found) // 2


async def test_an_app_that_never_ends_connections_is_not_suspected_for_it() -> None:
    async with app(deaf, FIRST) as far:
        tunnel = await NodePort().open(way(far.port, FIRST))
        assert not (await tunnel.examine(soon=True)).errors
        await tunnel.close()


async def test_a_node_that_is_not_ready_is_left_for_a_ready_one_and_taken_when_there_is_no_other() -> None:
    async with nodes(FIRST, SECOND) as (one, _two):
        tunnel = await NodePort().open(way(one.port, FIRST, SECOND))
        first, second = way(one.port, FIRST, SECOND).endpoints
        assert tunnel.retarget((second, replace(first, ready=False)))
        assert await dialed(tunnel) == SECOND
        assert tunnel.endpoint == second
        assert tunnel.retarget((replace(first, ready=False), replace(second, ready=False)))
        assert await dialed(tunnel) == SECOND
        assert tunnel.retarget((replace(first, ready=False),)) is False
        tunnel = await NodePort().open(way(one.port, FIRST))
        assert tunnel.retarget((replace(first, ready=False),))
        assert await dialed(tunnel) == FIRST


@pytest.mark.parametrize(
    "round_trips", [(), (0.001,), (0.02,) * 3, (0.12,) * 3, (0.001, 0.9, 0.001), (0.9, 0.001)]
)
async def test_the_next_node_is_dialed_within_0_3_seconds_of_silence(round_trips: tuple[float, ...]) -> None:
    """Also when the cluster is some way off, and after a connection that was slow once."""
    late = iter(round_trips)

    async def connect_to(node: Endpoint, timeout: float) -> socket.socket:
        await asyncio.sleep(next(late, 0))
        return await directly(node, timeout)

    async with nodes(FIRST, SECOND) as (one, two):
        tunnel = NodePortTunnel(way(one.port, FIRST, SECOND), connect_to)
        for _ in round_trips:
            (await tunnel._connect_to(tunnel.endpoint, 5)).close()
        await one.stop()
        with ExitStack() as stack:
            silent_port(stack, FIRST, one.port)
            began, watch = time.monotonic(), Stopwatch()
            assert await dialed(tunnel) == SECOND
            assert watch.seconds() < 0.3 + 0.15
            assert time.monotonic() - began > 0.2
            assert two.visits
