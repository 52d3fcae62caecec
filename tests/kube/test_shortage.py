"""That this machine has no room for a connection says nothing about the API server: no verdict, and no watch is lost."""

import asyncio

import pytest

from kfw.errors import Shortage
from kfw.kube.timeouts import Timeouts
from tests.kube.fake_api import serving
from tests.kube.test_watch import knows, watching
from tests.kube.wire import PODS, pod
from tests.shortage import ERRNOS, no_room
from tests.until import until

pytestmark = pytest.mark.asyncio

#: Asked again and again.
QUICK = Timeouts(idle_before_probe=0.1, probe=0.2, probe_beside=0.05, fresh=0.2)


@pytest.mark.parametrize("number", ERRNOS)
async def test_a_server_that_cannot_be_asked_is_not_away_and_what_was_lost_meanwhile_comes_back(
    number: int,
) -> None:
    async with serving() as api, watching(api, QUICK) as (watch, server):
        await until(lambda: watch.synced)
        with no_room(number):
            api.drop()  # all its connections
            server.poke()
            await asyncio.sleep(1.0)
            assert server.monitor.away is None
            assert (server.problem, watch.problem) == (None, None)
            with pytest.raises(Shortage):
                await server.session().read(PODS)
        await api.put(PODS, pod("a"))
        await until(knows(watch, "a"), 2)
        assert server.problem is None


async def test_a_server_that_is_away_is_found_again_after_a_shortage() -> None:
    async with serving() as api, watching(api, QUICK) as (watch, server):
        await until(lambda: watch.synced)
        await api.stop()
        await until(lambda: server.problem)
        with no_room():
            await asyncio.sleep(0.5)
            assert server.problem
        await api.start()
        await until(lambda: server.problem is None, 5)


async def test_a_watch_that_cannot_be_opened_again_is_not_hammered() -> None:
    async with serving() as api, watching(api, QUICK) as (watch, server):
        await until(lambda: watch.synced)
        tries = 0
        connect = server.connect

        async def counted(*args: object) -> object:
            nonlocal tries
            tries += 1
            return await connect(*args)  # type: ignore[arg-type]

        server.connect = counted  # type: ignore[method-assign, assignment]
        with no_room():
            api.drop()
            await asyncio.sleep(1.0)
        assert tries < 20
