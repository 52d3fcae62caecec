"""Pods that refuse the port: the next one is tried, all of them are an answer, and none of them is "not there yet"."""

import asyncio
from dataclasses import replace

import pytest

from kfw.errors import KfwError
from kfw.methods.base import TellsRefusals
from kfw.model import Endpoint, Health, Reason
from kfw.relay.dialer import RefusedByApp
from tests.methods.tunnel.far import ECHO, REFUSES, App, Far, far_side, status
from tests.methods.tunnel.ways import Client, client, pods, tunnel, until

pytestmark = pytest.mark.asyncio

GONE = App(lambda visit: visit.fail('failed to find sandbox "s" in store: not found'))
ASKED = Health(timeout=2.0)
NULL_OBSERVER = "nothing listens on port 8080 in pod web-1 (connection refused)"


class Hearing(Client):
    """See relay.dialer.HearsRefusals."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: list[str] = []

    def on_refused(self, why: str) -> None:
        self.refusals.append(why)


def visits(far: Far) -> list[str]:
    return [visit.pod for visit in far.visits]


async def test_a_way_opens_although_one_pod_refuses_if_another_does_not() -> None:
    async with far_side(apps={"web-1": REFUSES}) as far:
        async with tunnel(far, "web-1", "web-2", health=ASKED):
            assert visits(far)[-1] == "web-2"


@pytest.mark.parametrize("kind", ["tcp", "http"])
async def test_a_way_whose_pods_all_refuse_asks_each_once_and_does_not_open(kind: str) -> None:
    async with far_side(apps={"web-1": REFUSES, "web-2": REFUSES, "web-3": REFUSES}) as far:
        with pytest.raises(KfwError, match="nothing listens on port 8080 in pod web-") as said:
            async with tunnel(far, "web-1", "web-2", "web-3", health=replace(ASKED, type=kind)):
                pass
        assert said.value.reason == "app-refuses"
        assert sorted(visits(far)) == ["web-1", "web-2", "web-3"]


async def test_a_pod_that_is_gone_and_one_that_refuses_are_no_answer_of_all() -> None:
    async with far_side(apps={"web-1": REFUSES, "web-2": GONE}) as far:
        with pytest.raises(KfwError) as said:
            async with tunnel(far, "web-1", "web-2", health=ASKED):
                pass
        assert said.value.reason == "unhealthy"


@pytest.mark.parametrize(
    ("hold", "hold_refused", "least", "most"),
    [
        (15.0, 0.5, 0.4, 1.5),
        (15.0, 0.0, 0.0, 0.4),
        (0.5, 15.0, 0.4, 1.5),
        (0.0, 15.0, 0.0, 0.4),
        (0.0, 0.0, 0.0, 0.4),
    ],
)
async def test_the_shorter_of_both_holds_ends_it(
    hold: float, hold_refused: float, least: float, most: float
) -> None:
    async with far_side(apps={"web-1": REFUSES, "web-2": REFUSES}) as far:
        async with tunnel(far, "web-1", "web-2", hold=hold, hold_refused=hold_refused) as way:
            began = asyncio.get_running_loop().time()
            one = await client(way, b"hello")
            await until(lambda: one.lost)
            assert least <= asyncio.get_running_loop().time() - began <= most
            assert isinstance(one.lost[0], RefusedByApp)


async def test_the_client_is_told_as_soon_as_all_have_refused_and_the_owner_too() -> None:
    async with far_side(apps={"web-1": REFUSES}) as far, tunnel(far) as way:
        assert isinstance(way, TellsRefusals)
        refused = asyncio.create_task(way.refused())
        one = Hearing()
        await way.dial(lambda: one)
        await until(lambda: one.refusals)
        assert one.refusals == [NULL_OBSERVER]
        problem = await asyncio.wait_for(refused, 1)
        assert (problem.reason, problem.message) == (Reason.APP_REFUSES, NULL_OBSERVER)


async def test_one_of_two_that_refuses_is_told_to_nobody() -> None:
    async with far_side(apps={"web-1": REFUSES}) as far, tunnel(far, "web-1", "web-2") as way:
        refused = asyncio.create_task(way.refused())
        for _ in range(5):
            one = Hearing()
            await way.dial(lambda one=one: one)  # type: ignore[misc]
            one.say(b"x")
            await until(lambda one=one: one.got == b"x")  # type: ignore[misc]
            assert not one.refusals
        assert not refused.done()
        refused.cancel()


async def test_after_a_refusal_a_probe_asks_the_app_until_it_listens_and_then_no_more() -> None:
    async with far_side(apps={"web-1": REFUSES}) as far, tunnel(far, hold_refused=0.0) as way:
        one = await client(way, b"hello")
        await until(lambda: one.lost)
        with pytest.raises(KfwError) as said:
            await way.probe()
        assert said.value.reason == "app-refuses"
        far.apps["web-1"] = ECHO
        await way.probe()
        asked = len(far.visits)
        await way.probe()
        assert len(far.visits) == asked
        refused = asyncio.create_task(way.refused())
        await asyncio.sleep(0.05)
        assert not refused.done()
        refused.cancel()


async def test_a_pod_that_comes_meanwhile_is_tried_at_once() -> None:
    async with far_side(apps={"web-1": REFUSES}) as far, tunnel(far, hold_refused=10.0) as way:
        one = await client(way, b"hello")
        await until(lambda: len(far.visits) == 3)  # the next pause is one of 1 s
        began = asyncio.get_running_loop().time()
        way.retarget(pods("web-1", "web-2"))
        await until(lambda: one.got == b"hello")
        assert asyncio.get_running_loop().time() - began < 0.7
        assert visits(far)[-1] == "web-2"


async def test_while_the_pod_that_refused_is_made_anew_the_whole_hold_counts() -> None:
    async with far_side(apps={"web-1": REFUSES}) as far, tunnel(far, hold=10.0, hold_refused=0.3) as way:
        one = await client(way, b"hello")
        await until(lambda: far.visits)
        await until(lambda: far.visits[0].ended)
        way.retarget(())
        await asyncio.sleep(0.6)
        assert not one.lost
        way.retarget(pods("web-2"))
        await until(lambda: one.got == b"hello")


async def test_an_app_that_begins_to_listen_in_time_gets_the_connection_with_all_that_was_said() -> None:
    async with far_side(apps={"web-1": REFUSES, "web-2": REFUSES}) as far:
        async with tunnel(far, "web-1", "web-2", hold_refused=2.0) as way:
            one = await client(way, b"first ")
            one.say(b"second")
            await until(lambda: len(far.visits) >= 3)
            far.apps["web-2"] = ECHO
            await until(lambda: one.got == b"first second")
            assert not one.lost


async def test_what_the_pod_declares_is_told_also_when_it_is_known_only_later() -> None:
    async with far_side(apps={"web-1": REFUSES}) as far, tunnel(far, hold_refused=0.0) as way:
        told = []
        for declared in (None, ("9090 (http)",)):
            way.retarget((Endpoint("pod", "web-1", "10.0.0.1", 8080, declared),))
            one = await client(way, b"x")
            await until(lambda one=one: one.lost)  # type: ignore[misc]
            told.append(str(one.lost[0]))
        assert told == [NULL_OBSERVER, f"{NULL_OBSERVER}; it has 9090 (http)"]


async def test_each_pod_is_asked_although_nothing_shall_be_held() -> None:
    async with far_side(apps={"web-1": REFUSES, "web-2": REFUSES}) as far:
        async with tunnel(far, "web-1", "web-2", "web-3", hold=0.0, hold_refused=0.0) as way:
            for _ in range(5):
                one = await client(way, b"hello")
                await until(lambda one=one: one.got == b"hello")  # type: ignore[misc]


async def test_a_probe_that_is_on_its_way_to_another_pod_has_proved_nothing() -> None:
    """It stands long enough, but nowhere."""
    async with far_side(apps={"web-1": REFUSES}, hangs={"web-2"}) as far:
        began = asyncio.get_running_loop().time()
        with pytest.raises(KfwError) as said:
            async with tunnel(far, "web-1", "web-2", health=Health(timeout=0.6)):
                pass
        assert asyncio.get_running_loop().time() - began > 0.5
        assert said.value.reason == "unhealthy"


@pytest.mark.parametrize("refuses_first", [True, False])
async def test_that_one_pod_refuses_and_another_is_gone_is_said_as_that_at_once(refuses_first: bool) -> None:
    names = ("web-1", "web-2") if refuses_first else ("web-2", "web-1")
    async with far_side(apps={"web-1": REFUSES}) as far:
        far.answers["web-2"] = status(404, "NotFound", 'pods "web-2" not found')
        began = asyncio.get_running_loop().time()
        with pytest.raises(KfwError) as said:
            async with tunnel(far, *names, health=Health(timeout=5)):
                pass
        assert asyncio.get_running_loop().time() - began < 2
        assert (said.value.reason, said.value.what) == ("endpoint-gone", 'pods "web-2" not found')
