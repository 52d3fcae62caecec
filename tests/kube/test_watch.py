"""List, then watch, for ever: against real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

import pytest

from kfw.kube import resource as r
from kfw.kube.api_server import ApiServer
from kfw.kube.login import Login
from kfw.kube.timeouts import Timeouts
from kfw.kube.watch import Watch
from kfw.kubeconfig.entries import Access, ClusterEntry, UserEntry
from kfw.model import Reason
from kfw.target.registry import decoder
from tests.kube.fake_api import serving, status
from tests.kube.wire import PODS, pod
from tests.stopwatch import Stopwatch
from tests.until import until

QUICK = Timeouts(
    idle_before_probe=0.15,
    probe=0.1,
    fresh=0.1,
    reconnect_interval=0.05,
    watch=30,
    watch_idle=10,
    relist=0.05,
    forbidden=0.1,
    first_pause=0.05,
    longest_pause=0.2,
)


class HasUrl(Protocol):
    @property
    def url(self) -> str: ...


@asynccontextmanager
async def watching(
    api: HasUrl, timeouts: Timeouts = QUICK, token: str = "good"
) -> AsyncIterator[tuple[Watch, ApiServer]]:
    access = Access("dev", ClusterEntry("dev", api.url), UserEntry("ada", token=token))
    server = ApiServer(access, Login(access), timeouts, lambda: None)
    watch = Watch(server, r.PODS, "shop", decoder(r.PODS))
    tasks = [asyncio.create_task(server.run()), asyncio.create_task(watch.run())]
    try:
        yield watch, server
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def knows(watch: Watch, *names: str) -> Callable[[], bool]:
    return lambda: watch.synced and sorted(watch.objects) == sorted(names)


@pytest.mark.asyncio
async def test_what_is_there_is_listed_and_changes_are_followed() -> None:
    async with serving() as api:
        await api.put(PODS, pod("a"), pod("b"))
        async with watching(api) as (watch, _):
            await until(knows(watch, "a", "b"))
            await until(lambda: api.asked(PODS, watch=True))
            await api.put(PODS, pod("c"), pod("a", ready=False))
            await api.delete(PODS, "b")
            await until(knows(watch, "a", "c"))

            assert not watch.objects["a"].ready
        assert len(api.asked(PODS)) == 2
        assert api.asked(PODS, watch=True)[0].query["allowWatchBookmarks"] == "true"


@pytest.mark.asyncio
async def test_a_long_list_comes_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kfw.kube.watch.PAGE", 2)
    async with serving() as api:
        await api.put(PODS, *(pod(name) for name in "abcde"))
        async with watching(api) as (watch, _):
            await until(knows(watch, *"abcde"))
        assert [request.query.get("continue") for request in api.asked(PODS, watch=False)] == [None, "2", "4"]


@pytest.mark.asyncio
async def test_a_watch_that_ends_goes_on_from_the_last_version_without_a_new_list() -> None:
    async with serving() as api:
        async with watching(api, Timeouts(watch=0.6)) as (watch, _):
            await until(lambda: api.asked(PODS, watch=True))
            await api.bookmark(PODS)
            await until(lambda: len(api.asked(PODS, watch=True)) > 1)
            await api.put(PODS, pod("a"))
            await until(knows(watch, "a"))

        assert len(api.asked(PODS, watch=False)) == 1
        assert api.asked(PODS, watch=True)[1].query["resourceVersion"] == "101"


@pytest.mark.asyncio
async def test_events_that_happened_while_the_connection_was_lost_are_not_missed() -> None:
    async with serving() as api:
        await api.put(PODS, pod("a"))
        async with watching(api) as (watch, server):
            await until(lambda: api.asked(PODS, watch=True))
            await api.stop()
            await until(lambda: server.problem)
            await api.put(PODS, pod("b"))
            await api.delete(PODS, "a")
            assert knows(watch, "a")()
            await api.start()
            await until(knows(watch, "b"))
        assert len(api.asked(PODS, watch=False)) == 1


@pytest.mark.parametrize("in_stream", [False, True])
@pytest.mark.asyncio
async def test_a_version_that_is_too_old_brings_a_new_list(in_stream: bool) -> None:
    async with serving() as api:
        api.gone_in_stream = in_stream
        await api.put(PODS, pod("a"))
        async with watching(api) as (watch, _):
            await until(lambda: api.asked(PODS, watch=True))
            api.compact()
            del api.objects[PODS]["a"]  # nobody was told: only a list can find out
            await api.put(PODS, pod("b"))
            api.compact()
            api.drop()
            await until(knows(watch, "b"))
            await api.put(PODS, pod("c"))
            await until(knows(watch, "b", "c"))
        assert len(api.asked(PODS, watch=False)) == 2


@pytest.mark.asyncio
async def test_a_410_in_the_middle_of_a_stream_brings_a_new_list() -> None:
    async with serving() as api, watching(api) as (watch, _):
        await until(lambda: api.asked(PODS, watch=True))
        await api.error(PODS, 410, "Expired")
        await until(lambda: len(api.asked(PODS, watch=False)) == 2)
        await api.put(PODS, pod("a"))
        await until(knows(watch, "a"))


@pytest.mark.asyncio
async def test_a_server_that_always_says_410_is_not_hammered() -> None:
    async with serving() as api:
        api.oldest = 10**9
        async with watching(api) as (watch, _):
            await asyncio.sleep(0.5)
            assert watch.synced
        assert 3 <= len(api.asked(PODS)) <= 16


@pytest.mark.asyncio
async def test_a_watch_that_ends_at_once_again_and_again_is_not_hammered() -> None:
    async with serving() as api:
        api.answers[PODS].append((200, {"metadata": {"resourceVersion": "1"}, "items": []}))
        api.answers[PODS].extend([(200, b"")] * 1000)
        async with watching(api) as (_watch, _):
            await asyncio.sleep(0.5)
        assert 3 <= len(api.asked(PODS)) <= 10


@pytest.mark.asyncio
async def test_what_is_no_json_is_a_failure_of_that_request_only() -> None:
    async with serving() as api:
        api.answers[PODS].extend([(200, b"<html>"), (200, {"metadata": {}, "items": [{"bad": 1}]})])
        await api.put(PODS, pod("a"))
        async with watching(api) as (watch, _):
            await until(knows(watch, "a"))


@pytest.mark.asyncio
async def test_a_server_that_is_busy_is_asked_again_later() -> None:
    async with serving() as api:
        busy = {**status(429, "TooManyRequests", "slow down"), "details": {"retryAfterSeconds": 0}}
        api.answers[PODS].extend([(429, busy), (500, status(500, "InternalError", "etcdserver: no leader"))])
        await api.put(PODS, pod("a"))
        async with watching(api) as (watch, server):
            await until(knows(watch, "a"))
            assert (watch.problem, server.problem) == (None, None)


@pytest.mark.asyncio
async def test_a_server_that_stays_busy_is_a_problem_in_its_own_words_until_it_is_not() -> None:
    async with serving() as api:
        api.answers[PODS].extend([(500, status(500, "InternalError", "etcdserver: no leader"))] * 6)
        async with watching(api) as (watch, _):
            await until(lambda: watch.problem)
            assert watch.problem and watch.problem.reason is Reason.CLUSTER_UNREACHABLE
            assert watch.problem.message == f"the API server {api.url} answers 500: etcdserver: no leader"
            await until(lambda: watch.synced and watch.problem is None)


@pytest.mark.asyncio
async def test_what_is_not_permitted_is_said_in_the_servers_words_and_tried_again() -> None:
    words = (
        'pods is forbidden: User "ada" cannot list resource "pods" in API group "" in the namespace "shop"'
    )
    async with serving() as api:
        api.forbidden[PODS] = words
        async with watching(api) as (watch, server):
            await until(lambda: watch.problem)
            assert watch.problem and watch.problem.reason is Reason.NOT_PERMITTED
            assert watch.problem.message == words
            assert (watch.settled, watch.readable, server.problem) == (True, False, None)
            del api.forbidden[PODS]
            await until(lambda: watch.readable)


@pytest.mark.asyncio
async def test_who_may_list_but_not_watch_gets_lists() -> None:
    async with serving() as api:
        await api.put(PODS, pod("a"))
        refusal = (403, status(403, "Forbidden", 'cannot watch resource "pods"'))
        async with watching(api) as (watch, _):
            await until(lambda: api.asked(PODS, watch=True))
            api.drop()
            api.answers[PODS].append(refusal)
            await until(lambda: len(api.asked(PODS, watch=False)) > 1)
            assert (watch.problem, sorted(watch.objects)) == (None, ["a"])


@pytest.mark.asyncio
async def test_a_silent_watch_is_found_out_while_the_server_answers_others() -> None:
    """As behind a middlebox that lost the connection: no bookmark came for too long."""
    async with serving() as api:
        async with watching(api, Timeouts(watch_idle=0.2, idle_before_probe=10)) as (watch, server):
            await until(lambda: len(api.asked(PODS, watch=True)) > 1)
            assert server.problem is None
            await api.put(PODS, pod("a"))
            await until(knows(watch, "a"))
        assert len(api.asked(PODS, watch=False)) == 1


@pytest.mark.asyncio
async def test_a_change_that_kfw_does_not_look_at_wakes_nobody() -> None:
    async with serving() as api:
        await api.put(PODS, pod("a"))
        async with watching(api) as (watch, _):
            await until(lambda: api.asked(PODS, watch=True))
            told: list[int] = []
            watch.listeners.add(lambda: told.append(1))
            noise = pod("a")
            noise["metadata"]["annotations"] = {"x": "y"}
            await api.put(PODS, noise, pod("b"))
            await until(knows(watch, "a", "b"))
            assert len(told) == 1


@pytest.mark.asyncio
async def test_A10_a_server_that_is_silent_is_known_soon_and_back_at_once() -> None:
    async with serving() as api:
        await api.put(PODS, pod("a"))
        async with watching(api) as (watch, server):
            await until(knows(watch, "a"))
            api.lose()  # what is open now is dead for good
            api.freeze()
            await until(lambda: server.problem)
            assert server.problem and server.problem.reason is Reason.CLUSTER_UNREACHABLE
            assert "it does not answer" in server.problem.message
            await api.put(PODS, pod("b"))
            api.thaw()
            back = Stopwatch()
            await until(lambda: server.problem is None)
            await until(knows(watch, "a", "b"))
            assert back.seconds() < 0.5


@pytest.mark.asyncio
async def test_connections_that_a_change_of_network_killed_are_dialled_anew_and_nobody_is_alarmed() -> None:
    async with serving() as api, watching(api) as (watch, server):
        await until(lambda: api.asked(PODS, watch=True) and api.asked("/version"))
        api.lose()
        await api.put(PODS, pod("a"))
        await until(knows(watch, "a"))
        assert server.problem is None


@pytest.mark.asyncio
async def test_A10_a_server_that_is_gone_is_known_at_once_in_the_kernels_words() -> None:
    async with serving() as api, watching(api) as (watch, server):
        await until(lambda: watch.synced)
        await api.stop()
        await until(lambda: server.problem)
        assert server.problem
        assert server.problem.message == f"cannot reach the API server {api.url}: Connection refused"
        assert server.problem.fix.startswith("kubectl --context dev cluster-info")


@pytest.mark.asyncio
async def test_a_gateway_that_answers_for_a_server_that_is_away_is_not_taken_for_it() -> None:
    async with serving() as api, watching(api) as (watch, server):
        await until(lambda: watch.synced)
        api.answers["/version"].extend([(503, b"no healthy upstream")] * 1000)
        api.answers[PODS].extend([(503, b"no healthy upstream")] * 1000)
        api.drop()
        await until(lambda: server.problem)
        assert server.problem and "answers 503: no healthy upstream" in server.problem.message
        api.answers.clear()
        await until(lambda: server.problem is None)


@pytest.mark.asyncio
async def test_A10_a_login_that_is_refused_is_the_servers_problem_until_it_is_accepted() -> None:
    async with serving() as api:
        api.tokens = {"other"}
        async with watching(api) as (watch, server):
            await until(lambda: server.problem)
            assert server.problem and server.problem.reason is Reason.LOGIN_EXPIRED
            assert "refuses the login of user ada: Unauthorized" in server.problem.message
            assert not watch.settled
            api.tokens = {"good"}
            await until(lambda: watch.synced and server.problem is None)


@pytest.mark.asyncio
async def test_a_poke_ends_every_pause() -> None:
    async with serving() as api:
        api.forbidden[PODS] = "no"
        async with watching(api, Timeouts(forbidden=1000)) as (watch, server):
            await until(lambda: watch.problem)
            del api.forbidden[PODS]
            server.poke()
            await until(lambda: watch.readable)


@pytest.mark.asyncio
async def test_a_quiet_server_is_asked_now_and_then_on_one_connection() -> None:
    async with serving() as api:
        async with watching(api, replace(QUICK, probe=10)) as (_watch, server):
            await until(lambda: len(api.asked("/version")) > 2)
            assert server.problem is None
        assert api.connections == 2
