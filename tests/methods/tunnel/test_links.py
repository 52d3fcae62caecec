"""Links: which connection gets which, and what becomes of one that is blocked, flooded, sent away or cut."""

import asyncio
from dataclasses import replace

import pytest

from kfw.methods.tunnel.framing import merged
from kfw.methods.tunnel.policy import Policy
from kfw.wire.spdy_frames import Data, Ping
from tests.methods.tunnel.far import ECHO, REFUSES, SILENT, App, Visit, far_side
from tests.methods.tunnel.ways import ONE_LINK, client, pods, tunnel, until

POLICY = Policy()


async def download(visit: Visit) -> None:
    """64 MB a second, as long as the tunnel is there."""
    while visit.tunnel.open:
        visit.say(bytes(65536))
        await asyncio.sleep(0.001)


@pytest.mark.asyncio
async def test_connections_at_the_same_time_get_a_link_each() -> None:
    async with far_side() as far, tunnel(far) as way:
        some = await asyncio.gather(*(client(way, b"x") for _ in range(12)))
        await until(lambda: all(one.got == b"x" for one in some))
        assert max(len(one.visits) for one in far.tunnels) == 1


@pytest.mark.asyncio
async def test_beyond_the_cap_they_share_evenly() -> None:
    async with far_side() as far, tunnel(far) as way:
        some = await asyncio.gather(*(client(way, b"x") for _ in range(500)))
        await until(lambda: all(one.got == b"x" for one in some))
        assert len(far.tunnels) == POLICY.moving_links
        *counts, warm = (len(one.visits) for one in far.tunnels)
        assert sum(counts) == 500
        assert max(counts) - min(counts) <= 1
        assert warm == 0, "the last one was dialled for who comes next"


@pytest.mark.asyncio
async def test_others_go_on_at_once_while_one_of_twenty_does_not_read() -> None:
    async with far_side() as far, tunnel(far) as way:
        some = [await client(way, b"x") for _ in range(20)]
        await until(lambda: all(one.got == b"x" for one in some))
        idle, began = some[7], asyncio.get_running_loop().time()
        idle.transport.pause_reading()
        for _ in range(128):
            far.visits[7].say(bytes(65536))
        for number in range(1, 30):
            for one in some:
                if one is not idle:
                    one.say(b"y")
            await until(
                lambda number=number: all(len(one.got) == number + 1 for one in some if one is not idle)
            )
        assert idle.got == b"x"
        newcomer = await client(way, b"z")
        await until(lambda: newcomer.got == b"z")
        assert asyncio.get_running_loop().time() - began < 0.1 + POLICY.share_after


@pytest.mark.asyncio
async def test_the_pods_take_turns_and_the_one_with_fewer_connections_comes_first() -> None:
    async with far_side() as far, tunnel(far, "web-1", "web-2", "web-3") as way:
        await client(way, b"x")
        await until(lambda: len({one.pod for one in far.tunnels}) == 3)
        for _ in range(8):
            await client(way, b"x")
            await asyncio.sleep(0.02)
        await until(lambda: len(far.visits) == 9)
        counts = [sum(visit.pod == pod for visit in far.visits) for pod in ("web-1", "web-2", "web-3")]
        assert counts == [3, 3, 3]


@pytest.mark.asyncio
async def test_with_session_affinity_all_go_to_one_pod_as_long_as_it_is_there() -> None:
    async with far_side() as far, tunnel(far, "web-1", "web-2", sticky=True) as way:
        for _ in range(5):
            await client(way, b"x")
        await until(lambda: len(far.visits) == 5)
        assert {visit.pod for visit in far.visits} == {"web-1"}
        way.retarget(pods("web-2", "web-3"))
        for _ in range(5):
            await client(way, b"x")
        await until(lambda: len(far.visits) == 10)
        assert {visit.pod for visit in far.visits[5:]} == {"web-2"} == {way.endpoint.name}
        way.retarget(pods("web-1", "web-2"))  # another one before it is not a reason to move
        await client(way, b"x")
        await until(lambda: len(far.visits) == 11)
        assert far.visits[-1].pod == "web-2" == way.endpoint.name


@pytest.mark.asyncio
async def test_with_session_affinity_it_tells_of_the_pod_that_took_the_last_connection() -> None:
    async with far_side(apps={"web-1": REFUSES}) as far, tunnel(far, "web-1", "web-2", sticky=True) as way:
        assert way.endpoint.name == "web-1"
        one = await client(way, b"x")
        await until(lambda: one.got)
        assert far.visits[-1].pod == "web-2" == way.endpoint.name


@pytest.mark.asyncio
async def test_of_a_pod_that_goes_away_live_connections_go_on_and_new_ones_go_elsewhere() -> None:
    async with far_side() as far, tunnel(far) as way:
        old = await client(way, b"1")
        await until(lambda: old.got)
        assert way.retarget(pods("web-2"))
        new = await client(way, b"2")
        await until(lambda: new.got == b"2")
        old.say(b"3")
        await until(lambda: old.got == b"13")
        assert [visit.pod for visit in far.visits] == ["web-1", "web-2"]


@pytest.mark.asyncio
async def test_the_link_of_a_pod_that_went_away_ends_with_its_last_connection() -> None:
    async with far_side() as far, tunnel(far) as way:
        old = await client(way, b"1")
        await until(lambda: old.got and len(far.tunnels) == 2)
        way.retarget(pods("web-2"))
        await until(lambda: not far.tunnels[1].open)
        assert far.visits[0].tunnel.open
        old.transport.close()
        await until(lambda: old.lost)
        await until(lambda: {one.pod for one in way.pool.links} == {"web-2"})


@pytest.mark.asyncio
async def test_a_pod_that_is_new_has_a_warm_link_before_anybody_asks_for_it() -> None:
    async with far_side() as far, tunnel(far) as way:
        await client(way, b"x")
        way.retarget(pods("web-1", "web-2"))
        await until(lambda: any(one.pod == "web-2" for one in far.tunnels))


@pytest.mark.asyncio
async def test_a_retarget_while_a_link_is_being_made_wastes_no_connection() -> None:
    async with far_side(hangs={"web-2"}) as far, tunnel(far) as way:
        way.retarget(pods("web-2"))
        waiting = asyncio.create_task(client(way, b"x"))
        await asyncio.sleep(0.05)
        way.retarget(pods("web-3"))
        one = await waiting
        await until(lambda: one.got == b"x")
        assert far.visits[0].pod == "web-3"


# -- blocked, flooded


@pytest.mark.asyncio
async def test_data_for_a_stream_that_failed_blocks_the_link_so_it_is_used_no_more() -> None:
    async with far_side(apps={"web-1": REFUSES}) as far, tunnel(far, hold=10) as way:
        poisoned = far.tunnels[0]
        one = await client(way, b"data")
        await until(lambda: poisoned.blocked)
        far.apps["web-1"] = ECHO
        other = await client(way, b"x")
        await until(lambda: other.got == b"x" and one.got == b"data")
        assert len(poisoned.visits) == 1
        await until(lambda: not any(one.why == "" for one in way.pool.links if not one.usable))
        await until(lambda: all(one.usable for one in way.pool.links))


@pytest.mark.asyncio
async def test_a_refusal_without_data_blocks_nothing_and_the_link_is_used_again() -> None:
    async with far_side(apps={"web-1": REFUSES}) as far, tunnel(far) as way:
        one = await client(way)
        await until(lambda: far.visits and far.visits[0].ended)
        far.apps["web-1"] = ECHO
        one.say(b"x")
        await until(lambda: one.got == b"x")
        assert len(far.tunnels) <= 2


@pytest.mark.asyncio
async def test_a_blocked_link_does_not_take_its_other_connections_with_it() -> None:
    async with far_side() as far, tunnel(far, policy=ONE_LINK) as way:
        one, other = await client(way, b"1"), await client(way, b"2")
        await until(lambda: one.got and other.got)
        far.visits[0].ended = True
        one.say(b"nobody reads this")
        await until(lambda: far.tunnels[0].blocked)
        far.visits[0].reset()
        await until(lambda: one.lost)
        way.pool.state.policy = replace(ONE_LINK, moving_links=2, all_links=2)
        await until(lambda: len(far.tunnels) == 2)
        other.say(b"3")
        await until(lambda: other.got == b"23")


@pytest.mark.asyncio
@pytest.mark.parametrize("read", [0, 100, 1 << 20])
async def test_of_a_download_that_is_left_early_the_rest_is_not_fetched(read: int) -> None:
    async with far_side(apps={"web-1": SILENT}) as far, tunnel(far) as way:
        one = await client(way, b"go")
        await until(lambda: far.visits)
        far.visits[0].say(bytes(min(read, 100)))
        pouring = asyncio.create_task(download(far.visits[0])) if read > 100 else None
        await until(lambda: len(one.got) >= read)
        one.transport.abort()
        pouring = pouring or asyncio.create_task(download(far.visits[0]))
        flooded = far.visits[0].tunnel
        await until(lambda: not any(made.live or made.settling for made in way.pool.links))
        await until(lambda: not flooded.open)
        await pouring
        far.apps["web-1"] = ECHO
        other = await client(way, b"x")
        await until(lambda: other.got == b"x")
        assert far.visits[-1].tunnel is not flooded


@pytest.mark.asyncio
async def test_a_big_answer_that_has_ended_costs_no_link() -> None:
    def answer(visit: Visit, data: bytes) -> None:
        visit.say(bytes(1 << 20))

    async with far_side(apps={"web-1": App(heard=answer)}) as far, tunnel(far) as way:
        for _ in range(5):
            one = await client(way, b"GET")
            await until(lambda one=one: len(one.got) == 1 << 20)
            one.transport.close()
            await until(lambda: not any(made.settling for made in way.pool.links))
        assert len(far.tunnels) == 2
        assert all(made.usable for made in way.pool.links)


# -- sent away, cut


@pytest.mark.asyncio
async def test_after_goaway_new_connections_go_over_another_link_and_old_ones_go_on() -> None:
    async with far_side() as far, tunnel(far) as way:
        old = await client(way, b"1")
        await until(lambda: old.got)
        await until(lambda: len(way.pool.links) == 2)  # the one in use and the one kept ready
        before = set(way.pool.links)
        for link in before:
            assert await link.answers(5.0) is not None
        for made in far.tunnels:
            made.goaway()
        await until(lambda: not any(link.usable for link in before))
        new = await client(way, b"2")
        await until(lambda: new.got == b"2")
        old.say(b"3")
        await until(lambda: old.got == b"13")


@pytest.mark.asyncio
async def test_what_came_too_late_for_a_far_side_that_goes_away_is_sent_again_over_another_link() -> None:
    async with far_side() as far, tunnel(far) as way:
        far.hangs.add("web-1")  # so that the second has to share the first one's link
        old = await client(way, b"1")
        await until(lambda: old.got)
        leaving = far.tunnels[0]
        leaving.leaving = True
        late = await client(way, b"2")
        late.say(b"3")
        await until(lambda: leaving.raw.endswith(b"3"))
        far.hangs.clear()
        leaving.goaway(leaving.passed_over[0] - 1)
        late.say(b"4")
        await until(lambda: late.got == b"234")
        assert not late.choked
        old.say(b"5")
        await until(lambda: old.got == b"15")
        assert [visit.got for visit in far.visits] == [b"15", b"234"]


@pytest.mark.asyncio
async def test_a_far_side_that_denies_what_it_has_replied_to_is_not_believed() -> None:
    async with far_side() as far, tunnel(far) as way:
        one = await client(way, b"1")
        await until(lambda: one.got)
        far.tunnels[0].goaway(0)
        await until(lambda: sum(made.usable for made in way.pool.links) == 1 and len(far.tunnels) == 2)
        one.say(b"2")
        await until(lambda: one.got == b"12")
        assert len(far.visits) == 1


@pytest.mark.asyncio
async def test_a_silent_app_that_a_far_side_has_replied_for_is_not_asked_again() -> None:
    async with far_side(apps={"web-1": SILENT}) as far, tunnel(far) as way:
        await client(way, b"pay")
        await until(lambda: far.visits and far.visits[0].got == b"pay")
        far.tunnels[0].goaway(0)
        await until(lambda: not all(made.usable for made in way.pool.links))
        await asyncio.sleep(0.05)
        assert len(far.visits) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "junk",
    [
        b"HTTP/1.1 500 Internal Server Error\r\n\r\n",
        b"\x80\x09" + bytes(10),  # SPDY of another version
        b"\x80\x03\x00\x06\x00\x00\x00\x00",  # a PING without its number
        b"\x80\x03\x00\x03\x00\x00\x00\x08" + bytes(8),  # RST_STREAM with status 0
        b"\x80\x03\x00\x01\x00\xff\xff\xff",  # a control frame of 16 MB
        b"\x00\x00\x27\x0f\x00\x00\x00\x01x",  # DATA for a stream that never was
    ],
)
async def test_a_far_side_that_talks_nonsense_ends_that_link_only(junk: bytes) -> None:
    async with far_side() as far, tunnel(far) as way:
        one, other = await client(way, b"1"), await client(way, b"2")
        await until(lambda: one.got and other.got)
        far.visits[0].tunnel.writer.write(junk)
        await until(lambda: one.lost)
        assert isinstance(one.lost[0], ConnectionResetError)
        assert "the tunnel to pod web-1 broke" in str(one.lost[0])
        other.say(b"3")
        await until(lambda: other.got == b"23")


@pytest.mark.asyncio
async def test_what_came_whole_before_the_nonsense_is_handed_over() -> None:
    async with far_side(apps={"web-1": SILENT}) as far, tunnel(far) as way:
        one = await client(way)
        await until(lambda: far.visits)
        far.visits[0].say(b"whole")
        far.tunnels[0].writer.write(b"\x80\x09" + bytes(10))
        await until(lambda: one.lost)
        assert one.got == b"whole"


@pytest.mark.asyncio
async def test_a_link_that_dies_under_twenty_connections_resets_each_once_and_another_one_is_made() -> None:
    async with far_side() as far, tunnel(far, policy=ONE_LINK) as way:
        some = [await client(way, b"x") for _ in range(20)]
        await until(lambda: all(one.got for one in some))
        far.tunnels[0].abort()
        await until(lambda: all(one.lost for one in some))
        assert all(isinstance(one.lost[0], ConnectionResetError) and len(one.lost) == 1 for one in some)
        new = await client(way, b"y")
        await until(lambda: new.got == b"y")


@pytest.mark.asyncio
async def test_a_client_that_goes_while_its_link_is_being_made_leaves_nothing() -> None:
    async with far_side(hangs={"web-1"}) as far:
        far.hangs.clear()
        async with tunnel(far) as way:
            far.hangs.add("web-1")
            await client(way, b"x")  # the warm one
            waiting = asyncio.create_task(client(way))
            await asyncio.sleep(0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert len(way.pool._streams) == 1
            assert not way.pool.state.waiting


@pytest.mark.asyncio
async def test_closing_leaves_no_task_no_link_and_no_client_in_doubt() -> None:
    async with far_side(apps={"web-2": REFUSES}) as far:
        before = asyncio.all_tasks()
        async with tunnel(far, "web-1", "web-2", hold=30) as way:
            some = [await client(way, b"x") for _ in range(5)]
            far.hangs.update(("web-1", "web-2"))
            waiting = asyncio.create_task(client(way, b"x"))
            await until(lambda: any(one.got for one in some))
        assert all(one.lost for one in some) or await _all_lost(some)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        own = asyncio.all_tasks() - before - far.tasks
        assert not own
        await until(lambda: not far.open)


async def _all_lost(some: list[object]) -> bool:
    await asyncio.sleep(0)
    return all(one.lost for one in some)  # type: ignore[attr-defined]


def test_pieces_of_one_stream_that_follow_each_other_are_one_write_to_its_client() -> None:
    pieces = [Data(3, b"a"), Data(3, b"b", True), Data(5, b"c"), Ping(2), Data(5, b"d"), Data(3, b"e")]
    assert list(merged(pieces)) == [
        Data(3, b"ab", True),
        Data(5, b"c"),
        Ping(2),
        Data(5, b"d"),
        Data(3, b"e"),
    ]
