"""Is the way open, and which links are dead: by PINGs to all workers, and by a new link beside the old ones."""

import asyncio

import pytest

from kfw.errors import ClusterUnreachable, KfwError
from kfw.methods.tunnel.driver import PoolDriver
from kfw.model import Health
from tests.methods.tunnel.far import SILENT, far_side, status
from tests.methods.tunnel.ways import client, pods, server, tunnel, until

pytestmark = pytest.mark.asyncio


async def test_a_round_trip_is_measured_without_touching_the_app() -> None:
    async with far_side() as far, tunnel(far) as way:
        assert 0 < await way.round_trip() < 2
        assert far.visits == []
        assert far.tunnels[0].pings == 10  # five when it was opened


async def test_one_blocked_worker_of_five_is_found_and_a_new_link_takes_over() -> None:
    async with far_side() as far, tunnel(far) as way:
        far.tunnels[0].blocked = {3}
        await way.probe()
        await until(lambda: not far.tunnels[0].open)
        assert len(far.open) == 1


async def test_an_old_link_that_is_silent_costs_a_new_connection_nothing_once_that_is_known() -> None:
    """After a silence of the API server the old connection waits for TCP's next retry, and a new one does not."""
    async with far_side() as far, tunnel(far) as way:
        far.tunnels[0].deaf = True
        await way.probe()
        assert len(far.tunnels) == 2
        one = await client(way, b"x")
        await until(lambda: one.got == b"x")
        assert far.visits[0].tunnel is far.tunnels[1]


async def test_a_silent_link_with_a_live_connection_is_left_alone_and_gets_no_more() -> None:
    async with far_side() as far, tunnel(far) as way:
        old = await client(way, b"1")
        await until(lambda: old.got)
        deaf = far.visits[0].tunnel
        deaf.deaf = True
        await way.probe()
        assert not old.lost
        new = await client(way, b"2")
        await until(lambda: new.got == b"2")
        deaf.deaf = False
        old.say(b"3")
        await until(lambda: old.got == b"13")


async def test_a_live_connection_is_not_cut_when_its_link_never_answers_and_goes_on_when_that_speaks_again() -> (
    None
):
    """Behind an upload answers are late, and an API server may be silent for a while."""
    async with far_side() as far, tunnel(far) as way:
        old = await client(way, b"1")
        await until(lambda: old.got and len(far.open) == 2)
        late = far.visits[0].tunnel
        late.deaf = True
        await way.probe()
        await asyncio.sleep(30)  # all time-outs of PINGs are over
        assert late.open
        assert not old.lost
        assert [link.why for link in way.pool.links if link.live] == ["it does not answer"]
        late.deaf = False
        old.say(b"2")
        await until(lambda: old.got == b"12")
        old.transport.close()
        await until(lambda: not late.open)


async def test_a_late_link_that_carries_nothing_is_closed_when_its_time_is_over() -> None:
    async with far_side() as far, tunnel(far) as way:
        far.tunnels[0].deaf = True
        await way.probe()
        (late,) = (link for link in way.pool.links if link.suspect)
        assert not late.free
        await until(lambda: not far.tunnels[0].open)
        assert late.why == "it does not answer"


async def test_a_late_link_that_answers_in_time_is_used_again() -> None:
    async with far_side() as far, tunnel(far, health=Health(type="none", timeout=30.0)) as way:
        far.tunnels[0].deaf = True
        await way.probe()
        (late,) = (link for link in way.pool.links if link.suspect)
        for number in range(2, 300, 2):  # PINGs of a server are even: those of the client are odd
            far.tunnels[0].send(far.tunnels[0]._spdy.pong(number - 1))
        await until(lambda: late.free)


async def test_while_nothing_answers_nothing_is_judged_and_what_lives_goes_on_afterwards() -> None:
    async with far_side() as far, tunnel(far, health=Health(type="none", timeout=0.3)) as way:
        old = await client(way, b"1")
        await until(lambda: old.got and len(far.open) == 2)
        for made in far.tunnels:
            made.deaf = True
        far.hangs.add("web-1")
        with pytest.raises(
            KfwError, match=r"the path through the API server to pod web-1 has been silent for 0.3 s"
        ) as said:
            await way.probe()
        assert said.value.reason == "cluster-unreachable"
        for made in far.tunnels:
            made.deaf = False
        await way.probe()
        assert len(far.open) == 2
        old.say(b"2")
        await until(lambda: old.got == b"12")


async def test_a_pod_whose_node_is_cut_off_does_not_keep_new_connections_waiting() -> None:
    """The kubelet's port is closed to the API server: an upgrade gets no answer for 30 s."""
    async with far_side(hangs={"web-1"}) as far, tunnel(far, "web-1", "web-2") as way:
        began = asyncio.get_running_loop().time()
        for _ in range(5):
            one = await client(way, b"x")
            await until(lambda one=one: one.got == b"x")
        assert asyncio.get_running_loop().time() - began < 5  # and not five times the 2 s of an answer
        assert {visit.pod for visit in far.visits} == {"web-2"}


async def test_links_that_nobody_uses_are_closed_but_one_for_each_pod_in_use() -> None:
    async with far_side() as far, tunnel(far, "web-1", "web-2") as way:
        some = [await client(way, b"x") for _ in range(8)]
        await until(lambda: all(one.got for one in some))
        for one in some:
            one.transport.close()
        await until(lambda: len(far.open) == 2, 60)
        assert {one.pod for one in far.open} == {"web-1", "web-2"}


async def test_of_a_forward_that_is_not_used_one_link_is_kept() -> None:
    async with far_side() as far, tunnel(far, "web-1", "web-2") as way:
        one = await client(way, b"x")
        await until(lambda: one.got and len(far.open) > 1)
        one.transport.close()
        await until(lambda: len(far.open) == 1, 120)
        await asyncio.sleep(60)
        assert len(far.open) == 1


async def test_idle_links_are_asked_again_and_again_so_that_no_middlebox_forgets_them() -> None:
    async with far_side(apps={"web-1": SILENT}) as far, tunnel(far) as way:
        await client(way)  # idle, but alive
        await until(lambda: len(far.tunnels) == 2 and all(one.pings >= 15 for one in far.tunnels), 30)
        assert len(far.tunnels) == 2


async def test_when_the_last_link_dies_another_one_is_made_at_once() -> None:
    async with far_side() as far, tunnel(far) as way:
        far.tunnels[0].abort()
        await until(lambda: len(far.tunnels) == 2 and far.tunnels[1].open)
        assert not way._broken.done()


async def test_when_none_can_be_made_the_way_is_broken_and_says_why() -> None:
    async with far_side() as far, tunnel(far) as way:
        await far.stop()
        problem = await asyncio.wait_for(way.broken(), 2)
        assert problem.reason == "cluster-unreachable"
        assert "Connection refused" in problem.message


async def test_a_pod_that_is_not_there_any_more_breaks_nothing_as_the_watch_will_tell() -> None:
    async with far_side() as far, tunnel(far) as way:
        far.answers["web-1"] = status(404, "NotFound", 'pods "web-1" not found')
        far.tunnels[0].abort()
        await until(lambda: len(far.asked) >= 2)
        await asyncio.sleep(0.05)
        assert not way._broken.done()
        way.retarget(pods("web-2"))
        one = await client(way, b"x")
        await until(lambda: one.got == b"x")


async def test_an_expired_login_does_not_end_what_stands_and_new_connections_share_it() -> None:
    async with far_side(tokens={"good"}) as far:
        at = server(far)
        async with tunnel(far, at=at) as way:
            old = await client(way, b"1")
            await until(lambda: old.got and len(far.open) == 2)
            far.tokens = set()
            for number in range(4):
                new = await client(way, b"2")
                await until(lambda new=new: new.got == b"2")
                assert number >= 0
            assert at.problem is not None
            assert at.problem.reason == "login-expired"
            assert not way._broken.done()
            assert not old.lost


@pytest.mark.parametrize(
    "defect", [ValueError(), OSError(24, "x"), RecursionError(), KeyError(), ZeroDivisionError()]
)
async def test_the_care_of_links_goes_on_after_any_exception(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, defect: Exception
) -> None:
    looks = 0

    def close_idle(pool: PoolDriver) -> None:
        nonlocal looks
        looks += 1
        if looks <= 3:
            raise defect

    monkeypatch.setattr(PoolDriver, "close_idle", close_idle)
    async with far_side() as far, tunnel(far):
        await until(lambda: looks > 5, 60)
    assert caplog.text.count("the check of the tunnels failed and will be tried again") == 1


async def test_while_the_api_server_is_away_a_way_without_links_is_kept_for_when_it_is_back() -> None:
    """Its warm links end after some seconds of silence, and new ones cannot be made."""
    async with far_side() as far:
        at = server(far)
        async with tunnel(far, at=at) as way:
            at.monitor.away = ClusterUnreachable("it does not answer")
            await far.stop()
            await until(lambda: not way.pool.links and way.pool.why_not(way.pool.endpoints))
            await asyncio.sleep(0.05)
            assert not way._broken.done()
            await far.start()
            at.monitor.away = None
            await way.probe()
            one = await client(way, b"x")
            await until(lambda: one.got == b"x")
