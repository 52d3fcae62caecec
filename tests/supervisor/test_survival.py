"""A forward lives until its owner ends it, and ends when its owner says so."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from kfw.methods.base import OpenRequest
from kfw.model import Forward, Reason, Resolution, Status
from kfw.names import RowId
from kfw.system import local_ports
from tests.fakes import FakeClusters, FakeMethod, FakeTunnel, FakeWorld, settle
from tests.inside import INSIDE
from tests.supervisor.test_runner import THERE, up

pytestmark = pytest.mark.asyncio

API = RowId("", "api")

Work = Callable[[], Coroutine[Any, Any, None]]
#: `it_cancels_itself` is the owner's own call, as far as asyncio knows.
FOREIGN = [work for work in INSIDE if work.__name__ != "it_cancels_itself"]
each_way_inside = pytest.mark.parametrize("work", FOREIGN, ids=lambda work: work.__name__)


class Once:
    """Does it the first time only."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._done = False

    async def __call__(self) -> None:
        if not self._done:
            self._done = True
            await self._work()


def method_of(tunnel: type[FakeTunnel]) -> FakeMethod:
    class Method(FakeMethod):
        async def open(self, request: OpenRequest) -> FakeTunnel:
            opened = await super().open(request)
            self.tunnels[-1] = tunnel(opened.endpoint, opened.dialer)
            return self.tunnels[-1]

    return Method()


@each_way_inside
async def test_a_way_whose_closing_is_cancelled_from_inside_does_not_end_the_forward(work: Work) -> None:
    class Tunnel(FakeTunnel):
        async def close(self) -> None:
            await work()

    async with up(FakeWorld(method_of(Tunnel))) as api:
        await api.fake.clusters.say(THERE)
        api.supervisor.restart([API])
        await settle()
        assert (api.now.status, api.now.restarts) == (Status.ACTIVE, 1)


@each_way_inside
async def test_a_port_whose_giving_back_is_cancelled_from_inside_does_not_end_the_forward(work: Work) -> None:
    class Owning(FakeTunnel):
        async def give_port_back(self) -> None:
            await work()

        async def wait_until_unused(self) -> None: ...

    method = method_of(Owning)
    method.owns_port = True
    async with up(FakeWorld(method)) as api:
        await api.fake.clusters.say(THERE)
        method.tunnels[0].break_it(Reason.CHILD_EXITED, "socat exited with code 1")
        await settle()
        assert (api.now.reason, api.now.status) == (Reason.INTERNAL, Status.RECONNECTING)
        await api.fake.clock.advance(2)
        await api.fake.clusters.say(THERE)
        assert api.now.status is Status.ACTIVE


@each_way_inside
async def test_a_health_check_that_is_cancelled_from_inside_is_a_failed_check(work: Work) -> None:
    once = Once(work)

    class Tunnel(FakeTunnel):
        async def probe(self) -> None:
            await once()

    async with up(FakeWorld(method_of(Tunnel))) as api:
        await api.fake.clusters.say(THERE)
        await api.fake.clock.advance(15)
        assert api.now.status is Status.DEGRADED
        for _ in range(2):
            await api.fake.clock.advance(2)
        assert (api.now.status, api.now.restarts) == (Status.ACTIVE, 0)


async def it_ends() -> None: ...


class Ending(FakeClusters):
    """The first time its words come to an end."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.followed = 0
        self._work = work

    async def follow(self, forward: Forward) -> AsyncIterator[Resolution]:
        self.followed += 1
        if self.followed == 1:
            await self._work()
            return
        async for resolution in super().follow(forward):
            yield resolution


def world_of(clusters: FakeClusters) -> FakeWorld:
    fake = FakeWorld()
    fake.clusters = clusters
    fake.world = replace(fake.world, clusters=clusters)
    return fake


@pytest.mark.parametrize("work", [*INSIDE, it_ends], ids=lambda work: work.__name__)
async def test_a_target_is_followed_again_however_the_following_ended(work: Work) -> None:
    clusters = Ending(work)
    async with up(world_of(clusters)) as api:
        assert api.now.reason is Reason.INTERNAL
        await api.fake.clock.advance(2)
        await clusters.say(THERE)
        assert (clusters.followed, api.now.status) == (2, Status.ACTIVE)


@pytest.mark.parametrize("ask", ["retry", "restart"])
async def test_who_asks_for_it_does_not_wait_for_the_pause_after_a_defect(ask: str) -> None:
    clusters = Ending(it_ends)
    async with up(world_of(clusters)) as api:
        getattr(api.supervisor, ask)(list(api.supervisor.rows()))
        await settle()
        await clusters.say(THERE)
        assert api.now.status is Status.ACTIVE


async def test_a_port_that_could_not_be_bound_for_a_reason_that_nobody_foresaw_is_bound_later() -> None:
    mistakes = [ZeroDivisionError()]

    def bind(*args: Any, **more: Any) -> tuple[list[socket.socket], int]:
        if mistakes:
            raise mistakes.pop()
        return local_ports.bind(*args, **more)

    fake = FakeWorld()
    fake.world = replace(fake.world, bind=bind)
    async with up(fake) as api:
        assert (api.now.reason, api.now.local_addresses) == (Reason.INTERNAL, [])
        await api.fake.clock.advance(2)
        await api.fake.clusters.say(THERE)
        assert api.now.status is Status.ACTIVE


async def test_a_down_that_is_cancelled_cuts_no_clean_end_short_and_can_be_repeated() -> None:
    may_close = asyncio.Event()

    class Tunnel(FakeTunnel):
        async def close(self) -> None:
            await may_close.wait()
            await super().close()

    method = method_of(Tunnel)
    async with up(FakeWorld(method)) as api:
        await api.fake.clusters.say(THERE)
        port = api.now.local_port
        down = asyncio.create_task(api.supervisor.down([API]))
        await settle()
        down.cancel()
        with pytest.raises(asyncio.CancelledError):
            await down
        may_close.set()
        await settle()
        assert method.tunnels[0].closed == 1
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await api.supervisor.down([API])
        assert api.now.status is Status.STOPPED


async def test_a_way_that_cannot_be_closed_keeps_no_port(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    class Tunnel(FakeTunnel):
        async def close(self) -> None:
            raise ZeroDivisionError

    async with up(FakeWorld(method_of(Tunnel))) as api:
        await api.fake.clusters.say(THERE)
        port = api.now.local_port
        await api.supervisor.down([API])
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
