"""What this machine has no room for is not a failure of a way: it is waited for, told, and done as soon as there is room."""

import pytest

from kfw.errors import Shortage
from kfw.model import Reason, Status
from tests.fakes import FakeMethod, FakeWorld, settle
from tests.supervisor.test_runner import THERE, up

pytestmark = pytest.mark.asyncio

SHORT = Shortage("cannot run kubectl: Too many open files (the limit is 64)", "`ulimit -n 4096`")


async def test_health_checks_that_cannot_ask_are_none() -> None:
    method = FakeMethod()
    async with up(FakeWorld(method)) as api:
        await api.fake.clusters.say(THERE)
        method.tunnels[0].ill = SHORT
        for _ in range(10):
            await api.fake.clock.advance(30)
            assert api.now.status is Status.ACTIVE
        assert method.tunnels[0].probes > 5
        assert len(method.tunnels) == 1


async def test_a_way_that_cannot_be_opened_for_it_is_tried_again_without_growing_delays_and_says_why() -> (
    None
):
    method = FakeMethod()
    method.failures = [SHORT] * 40
    async with up(FakeWorld(method)) as api:
        await api.fake.clusters.say(THERE)
        for _ in range(39):
            await api.fake.clock.advance(0.3)
            assert (api.now.status, api.now.reason) == (Status.STARTING, Reason.TIMED_OUT)
            assert api.now.message == f"{SHORT.what}; {SHORT.fix}"
        await api.fake.clock.advance(0.3)
        assert (api.now.status, api.now.message) == (Status.ACTIVE, "")


async def test_after_a_child_died_the_shortage_is_told_and_not_only_the_death() -> None:
    method = FakeMethod()
    async with up(FakeWorld(method)) as api:
        await api.fake.clusters.say(THERE)
        method.failures = [SHORT]
        method.tunnels[0].break_it(Reason.CHILD_EXITED, "kubectl was killed by SIGKILL")
        await settle()
        assert api.now.status is Status.RECONNECTING
        assert SHORT.what in api.now.message
        await api.fake.clock.advance(0.3)
        assert (api.now.status, api.now.restarts) == (Status.ACTIVE, 1)
