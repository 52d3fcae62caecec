"""A connection through the tunnel: opened, refused and tried elsewhere, ended from either side."""

import asyncio
from itertools import pairwise

import pytest

from kfw.methods.tunnel.method import log
from kfw.methods.tunnel.policy import Policy
from kfw.relay.dialer import DialFailed
from tests.methods.tunnel.far import ECHO, REFUSES, SILENT, App, Visit, far_side, refused_text
from tests.methods.tunnel.ways import ONE_LINK, Heard, client, pods, tunnel, until

pytestmark = pytest.mark.asyncio

KEPT = Policy().kept


async def test_bytes_go_to_the_app_and_back() -> None:
    async with far_side() as far, tunnel(far) as way:
        one = await client(way, b"hello")
        await until(lambda: one.got == b"hello")
        assert far.visits[0].port == 8080


async def test_a_connection_is_opened_with_its_first_bytes_in_one_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing of the far side is waited for: it has not even answered when all three frames are there."""
    async with far_side(apps={"web-1": SILENT}) as far, tunnel(far) as way:
        before = len(far.tunnels[0].raw)
        (link,) = way.pool.links
        writes: list[bytes] = []
        write = link._transport.write
        monkeypatch.setattr(link._transport, "write", lambda data: (writes.append(data), write(data)))
        await client(way, b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: far.visits and far.visits[0].got)
        wire = far.tunnels[0].raw[before:]
        assert wire.count(b"streamtype") == 2
        assert wire.endswith(b"GET / HTTP/1.1\r\n\r\n")
        assert far.tunnels[0].reads[-1] == wire
        assert writes == [wire]


async def test_a_warm_link_is_there_before_the_first_connection_and_one_is_there_for_the_next() -> None:
    async with far_side() as far, tunnel(far) as way:
        assert len(far.tunnels) == 1
        await client(way, b"x")
        await until(lambda: len(far.tunnels) == 2)
        assert [len(one.visits) for one in far.tunnels] == [1, 0]


async def test_connections_one_after_the_other_go_over_the_same_link() -> None:
    async with far_side() as far, tunnel(far) as way:
        for _ in range(20):
            one = await client(way, b"x")
            await until(lambda one=one: one.got == b"x")
            one.transport.close()
            await until(lambda one=one: one.lost)
        assert len(far.tunnels) == 2
        assert len(far.visits) == 20


# -- refused


async def test_a_refused_connection_goes_to_another_pod_with_all_that_was_said_exactly_once() -> None:
    async with far_side(apps={"web-1": REFUSES}) as far, tunnel(far, "web-1", "web-2") as way:
        one = await client(way, b"first ")
        one.say(b"second ")
        await until(lambda: one.got == b"first second ")
        one.say(b"third")
        await until(lambda: one.got == b"first second third")
        assert [visit.got for visit in far.visits if visit.pod == "web-2"] == [b"first second third"]
        assert not one.lost


async def test_what_a_client_says_while_it_is_tried_elsewhere_comes_after_what_it_said_before() -> None:
    """The second pod's link takes its time to be made."""
    async with (
        far_side(apps={"web-1": REFUSES}, hangs={"web-2"}) as far,
        tunnel(far, "web-1", "web-2") as way,
    ):
        one = await client(way, b"1 ")
        await until(lambda: far.visits and far.visits[0].ended)
        one.say(b"2 ")
        await asyncio.sleep(0.02)
        assert one.choked
        one.say(b"3 ")
        far.hangs.clear()
        far.apps["web-1"] = ECHO
        await until(lambda: one.got == b"1 2 3 ")
        assert not one.choked


@pytest.mark.parametrize("fin_first", [True, False])
async def test_an_early_fin_before_the_error_text_is_not_taken_for_the_end(fin_first: bool) -> None:
    def come(visit: Visit) -> None:
        visit.fail(refused_text(8080, "s"), fin_first=fin_first)

    async with far_side(apps={"web-1": App(come)}) as far, tunnel(far, "web-1", "web-2") as way:
        one = await client(way, b"hello")
        await until(lambda: one.got == b"hello")
        assert not one.eof


async def test_newer_kubelets_reset_both_streams_behind_the_text_and_it_is_tried_elsewhere_too() -> None:
    refuses = App(lambda visit: visit.rst(refused_text(8080, "s")))
    async with far_side(apps={"web-1": refuses}) as far, tunnel(far, "web-1", "web-2") as way:
        one = await client(way, b"hello")
        await until(lambda: one.got == b"hello")


async def test_a_pod_that_is_gone_is_no_reason_to_fail() -> None:
    gone = App(lambda visit: visit.fail('failed to find sandbox "s" in store: not found'))
    async with far_side(apps={"web-1": gone}) as far, tunnel(far, "web-1", "web-2") as way:
        one = await client(way, b"hello")
        await until(lambda: one.got == b"hello")


async def test_more_than_is_kept_cannot_be_said_again_so_the_client_is_reset() -> None:
    async with far_side(apps={"web-1": SILENT}) as far, tunnel(far, "web-1", "web-2") as way:
        one = await client(way, bytes(KEPT + 1))
        await until(lambda: far.visits and len(far.visits[0].got) == KEPT + 1)
        far.visits[0].refuse()
        await until(lambda: one.lost)
        assert isinstance(one.lost[0], ConnectionResetError)
        assert str(one.lost[0]) == "nothing listens on port 8080 in pod web-1 (connection refused)"
        assert len(far.visits) == 1


async def test_an_app_that_has_answered_is_never_asked_twice() -> None:
    async with far_side(apps={"web-1": SILENT}) as far, tunnel(far, "web-1", "web-2") as way:
        one = await client(way, b"pay")
        await until(lambda: far.visits and far.visits[0].got == b"pay")
        far.visits[0].say(b"1")
        far.visits[0].refuse()
        await until(lambda: one.lost)
        assert len(far.visits) == 1


async def test_what_is_not_known_to_be_harmless_is_not_tried_again() -> None:
    async with far_side(apps={"web-1": App(lambda visit: visit.fail("the moon is full"))}) as far:
        async with tunnel(far, "web-1", "web-2") as way:
            one = await client(way, b"pay")
            await until(lambda: one.lost)
            assert "the moon is full" in str(one.lost[0])
            assert len(far.visits) == 1


async def test_while_all_pods_refuse_they_are_tried_in_rounds_until_one_does_not() -> None:
    async with far_side(apps={"web-1": REFUSES, "web-2": REFUSES}) as far:
        async with tunnel(far, "web-1", "web-2") as way:
            one = await client(way, b"hello")
            await until(lambda: len(far.visits) == 4)
            far.apps["web-2"] = ECHO
            await until(lambda: one.got == b"hello")


async def test_when_the_hold_is_over_the_client_is_reset_and_the_log_says_why() -> None:
    said = Heard()
    log.addHandler(said)
    try:
        async with far_side(apps={"web-1": REFUSES}) as far, tunnel(far, hold=1.0) as way:
            one = await client(way, b"hello")
            await until(lambda: one.lost)
            assert isinstance(one.lost[0], ConnectionResetError)
            assert len(far.visits) >= 2
    finally:
        log.removeHandler(said)
    assert [line for line in said.lines if line.startswith("WARNING")] == [
        "WARNING web: a connection is reset: nothing listens on port 8080 in pod web-1 (connection refused)"
    ]


@pytest.mark.parametrize("names", [("web-1",), ("web-1", "web-2")])
async def test_rounds_come_slower_and_slower(names: tuple[str, ...]) -> None:
    came: list[float] = []

    def refuse(visit: Visit) -> None:
        came.append(asyncio.get_running_loop().time())
        visit.refuse()

    async with far_side(apps=dict.fromkeys(names, App(refuse))) as far, tunnel(far, *names, hold=30) as way:
        await client(way)
        await until(lambda: len(came) == 6 * len(names))
    rounds = came[:: len(names)]
    pauses = [later - earlier for earlier, later in pairwise(rounds)]
    assert pauses == pytest.approx([0.25, 0.5, 1.0, 1.0, 1.0], abs=0.02)


async def test_a_probe_is_not_patient() -> None:
    async with far_side(apps={"web-1": REFUSES}) as far, tunnel(far) as way:
        from tests.methods.tunnel.ways import Client

        visitor = Client()
        await way._dial_once(lambda: visitor)
        await until(lambda: visitor.lost)
        assert len(far.visits) == 1
        assert str(visitor.lost[0]) == "nothing listens on port 8080 in pod web-1 (connection refused)"


async def test_a_client_that_leaves_while_it_is_tried_elsewhere_is_forgotten() -> None:
    async with far_side(apps={"web-1": REFUSES}) as far, tunnel(far, hold=30) as way:
        one = await client(way, b"hello")
        await until(lambda: far.visits)
        one.transport.abort()
        await until(lambda: one.lost)
        visits = len(far.visits)
        far.apps["web-1"] = ECHO
        await asyncio.sleep(0.2)
        assert len(far.visits) == visits


async def test_with_no_pod_a_dial_fails_and_a_connection_that_was_refused_waits_for_one() -> None:
    async with far_side(apps={"web-1": REFUSES}) as far, tunnel(far, hold=5) as way:
        one = await client(way, b"hello")
        await until(lambda: far.visits)
        way.retarget(())
        with pytest.raises(DialFailed, match="no pod is ready") as failed:
            await client(way)
        assert failed.value.safe
        await asyncio.sleep(0.05)
        way.retarget(pods("web-9"))
        await until(lambda: one.got == b"hello")


# -- reset


async def test_a_reset_of_the_app_is_a_reset_of_that_client_only() -> None:
    async with far_side() as far, tunnel(far) as way:
        one, other = await client(way, b"1"), await client(way, b"2")
        await until(lambda: one.got and other.got)
        next(visit for visit in far.visits if visit.got == b"1").reset()
        await until(lambda: one.lost)
        assert isinstance(one.lost[0], ConnectionResetError)
        other.say(b"3")
        await until(lambda: other.got == b"23")
        assert not other.lost


async def test_a_bare_rst_of_both_streams_is_a_reset_too() -> None:
    async with far_side(apps={"web-1": App(lambda visit: visit.rst())}) as far, tunnel(far) as way:
        one = await client(way, b"1")
        await until(lambda: one.lost)
        assert isinstance(one.lost[0], ConnectionResetError)


@pytest.mark.parametrize("text", ["", "the app is out of order"])
async def test_a_reset_concerns_only_that_connection_also_on_a_link_that_others_share(text: str) -> None:
    async with far_side() as far, tunnel(far, policy=ONE_LINK) as way:
        one, other = await client(way, b"1"), await client(way, b"2")
        await until(lambda: one.got and other.got)
        far.visits[0].rst(text)
        await until(lambda: one.lost)
        other.say(b"3")
        await until(lambda: other.got == b"23")
        assert not other.lost
        assert len(far.tunnels) == 1


async def test_a_thousand_resets_leave_the_tunnel_as_it_was() -> None:
    async with far_side(apps={"web-1": App(lambda visit: visit.reset())}) as far, tunnel(far) as way:
        for _ in range(100):
            some = [await client(way) for _ in range(10)]
            await until(lambda some=some: all(one.lost for one in some))
        far.apps["web-1"] = ECHO
        one = await client(way, b"well")
        await until(lambda: one.got == b"well")
        assert len(far.open) < 20


# -- ends


async def test_the_end_of_the_apps_input_comes_after_all_it_has_said() -> None:
    big = bytes(300_000)

    def come(visit: Visit) -> None:
        visit.say(big)
        visit.close()

    async with far_side(apps={"web-1": App(come)}) as far, tunnel(far) as way:
        one = await client(way)
        await until(lambda: one.eof)
        assert len(one.got) == len(big)
        assert not one.lost


async def test_after_the_apps_end_the_link_is_free_although_the_client_stays() -> None:
    async with far_side(apps={"web-1": App(lambda visit: visit.close())}) as far, tunnel(far) as way:
        some = []
        for _ in range(10):
            some.append(await client(way))
            await until(lambda: some[-1].eof)
        assert len(far.tunnels) == 2
        some[0].transport.write_eof()
        await until(lambda: some[0].lost == [None])
        assert not some[1].lost


async def test_who_writes_to_an_app_that_has_closed_is_reset_as_by_a_socket() -> None:
    async with far_side(apps={"web-1": App(lambda visit: visit.close())}) as far, tunnel(far) as way:
        one = await client(way)
        await until(lambda: one.eof)
        one.say(b"anybody there?")
        await until(lambda: one.lost)
        assert isinstance(one.lost[0], ConnectionResetError)
        assert far.visits[0].got == b""


async def test_the_clients_end_is_held_back_while_the_app_may_still_answer() -> None:
    async with far_side(apps={"web-1": SILENT}) as far, tunnel(far) as way:
        one = await client(way, b"question")
        one.transport.write_eof()
        await asyncio.sleep(9.9)
        far.visits[0].say(b"ans")  # and begins again to be silent
        await asyncio.sleep(9.9)
        assert not far.visits[0].said_all
        far.visits[0].say(b"wer")
        await until(lambda: far.visits[0].said_all)
        assert one.got == b"answer"


async def test_the_clients_end_is_not_lost_when_it_moves_to_another_pod() -> None:
    async with far_side(apps={"web-1": REFUSES}, hangs={"web-2"}) as far:
        async with tunnel(far, "web-1", "web-2", hold=60) as way:
            one = await client(way, b"question")
            one.transport.write_eof()
            await until(lambda: far.visits and far.visits[0].ended)
            await asyncio.sleep(12)
            far.hangs.clear()
            far.apps["web-1"] = ECHO
            await until(lambda: one.got == b"question")
            await until(lambda: far.visits[-1].said_all)


async def test_a_client_that_has_left_is_told_to_the_app_at_once() -> None:
    async with far_side(apps={"web-1": SILENT}) as far, tunnel(far) as way:
        one = await client(way, b"last words")
        one.transport.close()
        await until(lambda: far.visits and far.visits[0].was_reset)
        assert far.visits[0].got == b"last words"
        assert one.lost == [None]


async def test_a_client_that_resets_resets_the_streams() -> None:
    async with far_side(apps={"web-1": SILENT}) as far, tunnel(far) as way:
        one = await client(way, b"x")
        await until(lambda: far.visits)
        one.transport.abort()
        await until(lambda: far.visits[0].was_reset)


async def test_an_end_of_which_only_half_comes_is_not_waited_for_for_ever() -> None:
    half = App(lambda visit: visit.tunnel.data(visit.number, b"", fin=True))
    async with far_side(apps={"web-1": half}) as far, tunnel(far) as way:
        one = await client(way)
        await until(lambda: one.eof)


async def test_a_text_without_an_end_fails_the_connection_all_the_same() -> None:
    text = App(lambda visit: visit.tunnel.data(visit.error_number, b"all is lost"))
    async with far_side(apps={"web-1": text}) as far, tunnel(far) as way:
        one = await client(way)
        await until(lambda: one.lost)
        assert "all is lost" in str(one.lost[0])
